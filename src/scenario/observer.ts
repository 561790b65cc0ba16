// What became of the guests' data, judged by bytes: what a guest wrote, who read it, and what the guest finds afterwards.

import type { StepResult } from "../consequences/result.js";
import type { Action, PageRef, Scenario } from "./scenario.js";
import type { PageView, World } from "./system.js";

/**
 * Something that happened to data of a guest (codes of host-and-vmm 7.1):
 * `TAKE` the host kernel seized pages; `LEAK` somebody read what a guest had written and never shared with them;
 * `corruption` somebody changed a page under its guest that did not share it; `SPLIT` guest and host use different frames;
 * `zero page` a guest finds zeros where it had written; `zeroed` so does somebody else after its death.
 */
export type Fate = "TAKE" | "LEAK" | "corruption" | "SPLIT" | "zero page" | "zeroed";

/** One page of a guest. */
interface Watched {
  readonly ref: PageRef;
  readonly guest: string;
  /** All that the guest wrote. Zero is no secret: anybody finds zeros. */
  readonly written: Set<bigint>;
  /** What of it the guest wrote or left there while the page was shared with the host. */
  readonly revealed: Set<bigint>;
  /** To whom the guest gave access by share, lend or donate. */
  readonly granted: Set<string>;
  /** What the guest wrote last; null: nothing, or it gave the page away. */
  last: bigint | null;
  /** Null: the guest has written nothing, or is given away. */
  intact: boolean | null;
  view: PageView | null;
  /** What the guest would have found when it last had the page. */
  seen: bigint | null;
}

/** Follows one run, step by step. */
export class Observer {
  readonly #world: World;
  readonly #pages: readonly Watched[];
  readonly #hostParties: ReadonlySet<string>;
  #secret = true;
  #isSplit = false;

  constructor(scenario: Scenario, world: World) {
    this.#world = world;
    const guests = ["guest", "partition"];
    const hosts = scenario.participants.filter(({ role }) => !guests.includes(role)).map(({ name }) => name);
    this.#hostParties = new Set([...hosts, "kernel"]);
    this.#pages = pagesInSteps(scenario).flatMap((ref) => {
      const guest = scenario.pages.find(({ name }) => name === ref.name)?.of ?? "";
      return this.#hostParties.has(guest) || guest === "hypervisor" ? [] : [this.#watch(ref, guest)];
    });
  }

  /** Nobody but the guests read what they wrote; null if they wrote nothing. */
  get secret(): boolean | null {
    return this.#pages.some(({ written }) => written.size > 0) ? this.#secret : null;
  }

  /** The guests have (the dead ones: had to the last) what they wrote; null if they wrote nothing, or gave it away. */
  get intact(): boolean | null {
    const known = this.#pages.flatMap(({ intact }) => (intact === null ? [] : [intact]));
    return known.length === 0 ? null : known.every(Boolean);
  }

  /** Guest and host used different frames for one page at some time. */
  get isSplit(): boolean {
    return this.#isSplit;
  }

  /** Takes note of a step that was performed. */
  after(action: Action, result: StepResult): readonly Fate[] {
    const fates = new Set<Fate>();
    if (result.forceReclaims > 0) fates.add("TAKE");
    if (result.result === "ok") {
      this.#noteWrite(action);
      this.#noteAgreement(action);
      if (result.value !== null && result.value !== 0n) this.#noteRead(actorOf(action), result.value, fates);
      if (result.value === 0n) this.#noteZeros(action, fates);
    }
    const dead = this.#world.deaths();
    for (const page of this.#touchedBy(action)) {
      if (!dead.includes(page.guest)) this.#look(page, actorOf(action), fates);
    }
    return [...fates];
  }

  /** A guest's load can give it that page, and nothing else; what others do may reach any page by another way. */
  #touchedBy(action: Action): readonly Watched[] {
    if (action.verb !== "access" || action.kind === "store") return this.#pages;
    const page = this.#pageAt(action.page);
    return page?.guest === action.by ? [page] : this.#pages;
  }

  #watch(ref: PageRef, guest: string): Watched {
    const view = this.#world.guestView(ref);
    return {
      ...{ ref, guest, view, written: new Set<bigint>(), revealed: new Set<bigint>(), granted: new Set<string>() },
      ...{ last: null, intact: null, seen: view?.value ?? null },
    };
  }

  #noteWrite(action: Action): void {
    if (action.verb !== "access" || action.kind !== "store" || action.offset !== 0 || action.value === null) return;
    const page = this.#pageAt(action.page);
    if (page === undefined || page.guest !== action.by) return;
    page.last = action.value;
    if (action.value !== 0n) page.written.add(action.value);
  }

  /** A guest that gives a page away no longer expects its data there; who gets it may read. */
  #noteAgreement(action: Action): void {
    const { verb } = action;
    if (verb === "share" || verb === "lend" || verb === "donate") {
      for (const page of this.#pagesOf(action.from, action.pages)) {
        for (const receiver of [action.to].flat()) page.granted.add(receiver);
        if (verb !== "share") page.last = null;
      }
    }
    if (verb === "reclaim") for (const page of this.#pagesOf(action.by, action.pages)) page.granted.clear();
    if (verb === "relinquish") for (const page of this.#pagesOf(action.by, action.pages)) page.last = null;
  }

  #noteRead(reader: string | null, value: bigint, fates: Set<Fate>): void {
    if (reader === null) return;
    const sources = this.#pages.filter((page) => page.guest !== reader && page.written.has(value));
    if (sources.length === 0) return;
    this.#secret = false;
    const isByAgreement = sources.some((page) => page.revealed.has(value) || this.#mayRead(page, reader));
    if (!isByAgreement) fates.add("LEAK");
  }

  #mayRead({ ref, granted }: Watched, reader: string): boolean {
    if (this.#world.mayRead?.(ref, reader) === true) return true;
    return granted.has(reader) || (granted.has("kernel") && this.#hostParties.has(reader));
  }

  #noteZeros(action: Action, fates: Set<Fate>): void {
    const reader = actorOf(action);
    if (action.verb !== "access" && action.verb !== "call") return;
    const refs = action.verb === "access" ? [action.page] : action.pages;
    for (const page of refs.flatMap((ref) => this.#pageAt(ref) ?? [])) {
      if (page.guest === reader && page.written.size > 0 && page.seen !== 0n) fates.add("zero page");
      if (page.guest !== reader && page.last !== null && page.last !== 0n && this.#isDead(page)) fates.add("zeroed");
    }
  }

  /** Compares what guest and host find now with what was there before the step. */
  #look(page: Watched, actor: string | null, fates: Set<Fate>): void {
    const before = page.view;
    const view = this.#world.guestView(page.ref);
    const host = this.#world.hostView(page.ref);
    const isShared = this.#world.isShared(page.ref);
    const isChanged = before?.mapped === true && view?.mapped === true && before.value !== view.value;
    if (isChanged && !isShared && actor !== null && actor !== page.guest) fates.add("corruption");
    if (view?.mapped === true && host?.mapped === true && view.frame !== host.frame) {
      fates.add("SPLIT");
      this.#isSplit = true;
    }
    if (isShared && page.last !== null) page.revealed.add(page.last);
    page.view = view;
    if (view?.mapped === true) page.seen = view.value;
    page.intact = page.last === null || view === null ? null : view.mapped && view.value === page.last;
  }

  #isDead({ guest }: Watched): boolean {
    return this.#world.deaths().includes(guest);
  }

  #pageAt(ref: PageRef): Watched | undefined {
    return this.#pages.find((page) => page.ref.name === ref.name && page.ref.index === ref.index);
  }

  #pagesOf(guest: string, refs: readonly PageRef[]): readonly Watched[] {
    return refs.flatMap((ref) => this.#pageAt(ref) ?? []).filter((page) => page.guest === guest);
  }
}

/** Who performs an action; null for the machine itself. */
export function actorOf(action: Action): string | null {
  switch (action.verb) {
    case "donate":
    case "lend":
    case "share":
      return action.from;
    case "accept":
    case "relinquish":
    case "reclaim":
    case "access":
    case "call":
      return action.by;
    case "kill":
    case "teardown":
    case "operation":
    case "walk":
      return null;
  }
}

/** Every page that some step names, once. */
function pagesInSteps({ steps }: Scenario): readonly PageRef[] {
  const refs = steps.flatMap(({ action }) => pagesOf(action));
  return [...new Map(refs.map((ref) => [`${ref.name}[${ref.index}]`, ref])).values()];
}

function pagesOf(action: Action): readonly PageRef[] {
  if ("pages" in action) return action.pages;
  return "page" in action && action.page !== null ? [action.page] : [];
}
