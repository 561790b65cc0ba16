// Worlds whose host is Linux: what processes, devices and the kernel do is the same for all of them; what becomes of guests
// and their memory is the system's own.

import type { Hardware } from "../../../consequences/hardware.js";
import type { FilePage } from "../../../consequences/host-memory.js";
import type { LinuxHost } from "../../../consequences/linux-host.js";
import type { Process } from "../../../consequences/processes.js";
import { stepResult, type StepResult } from "../../../consequences/result.js";
import type { Action, Backing, PageDeclaration, PageRef, Participant, Verb } from "../../scenario.js";
import type { Lack, PageView, Setup, World } from "../../system.js";
import { GuestAddresses, type PlacedPage } from "./placed-page.js";

type ActionOf<V extends Verb> = Extract<Action, { readonly verb: V }>;
type GuestParticipant = Extract<Participant, { readonly role: "guest" }>;
type Device = Extract<Participant, { readonly role: "device" }>;

/** The verbs that are each system's own. */
export type TransferAction = Exclude<Action, ActionOf<"access" | "call" | "kill" | "teardown">>;

/** Where a slot points to behind which the VMM has nothing. */
const UNMAPPED_VA = 0x7fff_0000_0000n;

export interface LinuxWorldParts {
  readonly setup: Setup;
  readonly host: LinuxHost;
  readonly hardware: Hardware;
  readonly lacks: ReadonlyMap<Verb, Lack>;
  /** What the system's VMM takes for guest memory. */
  readonly backing: Backing;
}

/** `G`: what the system knows of a guest. */
export abstract class LinuxWorld<G> implements World {
  readonly host: LinuxHost;
  protected readonly addresses: GuestAddresses;
  protected readonly participants: ReadonlyMap<string, Participant>;
  readonly #hardware: Hardware;
  readonly #lacks: ReadonlyMap<Verb, Lack>;
  readonly #processes = new Map<string, Process>();
  readonly #guests = new Map<string, G>();
  readonly #pages = new Map<string, readonly PlacedPage[]>();
  /** The frame that was last seen behind a page, in bytes: where its content lay when nobody maps it any more. */
  readonly #lastFrames = new Map<PlacedPage, bigint>();

  constructor({ setup, host, hardware, lacks }: LinuxWorldParts) {
    this.host = host;
    this.#hardware = hardware;
    this.#lacks = lacks;
    this.participants = new Map(setup.participants.map((participant) => [participant.name, participant]));
    this.addresses = new GuestAddresses(
      host.pageSize,
      setup.pages.filter(({ of }) => this.#roleOf(of) === "guest"),
    );
  }

  /** Makes processes, guests and pages as declared. To be called once, when the system's own parts are there. */
  protected populate({ participants, pages }: Setup, backing: Backing): void {
    for (const participant of participants) {
      if (participant.role !== "vmm" && participant.role !== "process") continue;
      this.#processes.set(participant.name, this.host.createProcess(participant));
    }
    for (const participant of participants) {
      if (participant.role !== "guest") continue;
      this.#guests.set(participant.name, this.createGuest(participant, this.process(participant.vmm)));
    }
    for (const declaration of pages) {
      const placed = Array.from({ length: declaration.count }, (_, index) => this.#place(declaration, index, backing));
      this.#pages.set(declaration.name, placed);
    }
    this.#noteFrames();
  }

  #place(declaration: PageDeclaration, index: number, backing: Backing): PlacedPage {
    const name = declaration.count === 1 ? declaration.name : `${declaration.name}[${index}]`;
    const { of, content } = declaration;
    if (of === "kernel" || of === "hypervisor") {
      return { name, declaration, host: this.host.kernelPage(name, this.ownPage(of, content)), guest: null };
    }
    const participant = this.participants.get(of);
    const owner = participant?.role === "guest" ? participant.vmm : of;
    const kind = declaration.backing ?? (participant?.role === "guest" ? backing : "anonymous");
    const file = this.filePage?.(declaration, index, kind) ?? null;
    const request = { name, backing: kind, content, ...(file === null ? {} : { file }) };
    const host = kind === "none" ? null : this.host.map(this.process(owner), request);
    if (participant?.role !== "guest") return { name, declaration, host, guest: null };
    const ipa = this.addresses.place(declaration, index);
    const page: PlacedPage = { name, declaration, host, guest: { name: of, ipa } };
    if (declaration.slot) this.bindPage(this.guest(of), ipa, host?.va ?? UNMAPPED_VA + ipa, page);
    return page;
  }

  // What a system adds.

  /** The page of a file of the system's own that backs a declared page; null: the host's kernel has files for it. */
  protected filePage?(declaration: PageDeclaration, index: number, backing: Backing): FilePage | null;

  protected abstract createGuest(participant: GuestParticipant, vmm: Process): G;
  /** A page of the kernel's, or one that the hypervisor keeps, with this content: physical address in bytes. */
  protected abstract ownPage(of: "kernel" | "hypervisor", content: bigint): bigint;
  /** A memslot or binding: the guest's address stands for what the VMM has at `va`. */
  protected abstract bindPage(guest: G, ipa: bigint, va: bigint, page: PlacedPage): void;
  protected abstract touch(guest: G, page: PlacedPage, action: ActionOf<"access">): StepResult;
  /** Physical address in bytes of the frame that the guest has at a page now; null if none. */
  protected abstract guestFrame(page: PlacedPage): bigint | null;
  /** What changes whose memory is, and looks behind the scenes. */
  protected abstract transfer(action: TransferAction): StepResult;
  protected abstract endGuest(guest: G): void;
  protected abstract isAlive(guest: G): boolean;
  abstract guestView(page: PageRef): PageView | null;
  abstract hostView(page: PageRef): PageView | null;
  abstract isShared(page: PageRef): boolean;

  perform(action: Action): StepResult {
    const result = this.host.step(this.#actor(action), () => this.#perform(action));
    // One touch gives a frame to the page that it touches; anything else may to any.
    if (action.verb === "access") this.#noteFrame(this.page(action.page));
    else this.#noteFrames();
    return result;
  }

  /** On whose behalf the host's kernel runs: the process, for a guest its VMM. */
  #actor(action: Action): Process | "kernel" {
    const name = actorOf(action);
    const participant = this.participants.get(name);
    if (participant?.role === "guest") return this.callerOf(participant);
    return this.#processes.get(name) ?? "kernel";
  }

  /** In whose context a guest runs: its VMM's. */
  protected callerOf({ vmm }: GuestParticipant): Process | "kernel" {
    return this.process(vmm);
  }

  #perform(action: Action): StepResult {
    const lack = this.#lacks.get(action.verb);
    if (lack !== undefined) return noSuchVerb(lack.reason);
    switch (action.verb) {
      case "access":
        return this.#access(action);
      case "call":
        return this.host.call(action.call, this.#hostActor(action.by), this.#hostPages(action.pages));
      case "kill":
      case "teardown":
        return this.#end(action.who);
      default:
        return this.transfer(action);
    }
  }

  #access(action: ActionOf<"access">): StepResult {
    const page = this.page(action.page);
    const participant = this.participants.get(action.by);
    if (participant?.role === "guest") {
      const guest = this.guest(action.by);
      return this.isAlive(guest) ? this.touch(guest, page, action) : stepResult("not run");
    }
    if (participant?.role === "device") return this.#dma(participant, page, action);
    const { how, kind, offset, value } = action;
    const target = action.by === "kernel" && how !== "uaccess" ? this.#kernelsView(page) : page.host;
    if (target === null) return noSuchVerb(`no memory of the host is behind ${page.name}`);
    return this.host.access(this.#hostActor(action.by), target, { how, kind, offset, value: value ?? 0n });
  }

  /** The kernel reaches frames, not addresses of processes: what the guest has, else what the VMM has or had last. */
  #kernelsView(page: PlacedPage): PlacedPage["host"] {
    const pa = this.guestFrame(page);
    if (pa === null && page.host !== null && page.host.frame !== null) return page.host;
    const frame = pa ?? this.#lastFrames.get(page);
    if (frame === undefined) return page.host;
    return page.host?.frame?.pa === frame ? page.host : this.host.kernelPage(page.name, frame);
  }

  #dma({ name, iommu }: Device, page: PlacedPage, { kind, value, offset }: ActionOf<"access">): StepResult {
    const frame = this.frameOf(page);
    if (frame === null) return noSuchVerb(`${page.name} has no frame`);
    const write = kind === "store";
    const pa = frame + BigInt(offset);
    const answer = this.#hardware.dma({
      pa,
      kind: write ? "write" : "read",
      iommu,
      ...(write ? { value: value ?? 0n } : {}),
    });
    if (answer.kind === "blocked") {
      this.host.log.saw("device", `${name}: I/O error`);
      return stepResult("I/O error");
    }
    return stepResult("ok", { value: write ? null : answer.value });
  }

  /** A guest ends as its last descriptor is closed; a process by SIGKILL. */
  #end(who: string): StepResult {
    const participant = this.participants.get(who);
    if (participant?.role !== "guest") return this.host.kill(this.process(who));
    const guest = this.guest(who);
    if (!this.isAlive(guest)) return stepResult("not run");
    this.endGuest(guest);
    return stepResult("ok");
  }

  /** The frame that a page's data are in: the guest's if it has one, else the host's. */
  protected frameOf(page: PlacedPage): bigint | null {
    return this.guestFrame(page) ?? page.host?.frame?.pa ?? this.#lastFrames.get(page) ?? null;
  }

  #noteFrames(): void {
    for (const pages of this.#pages.values()) for (const page of pages) this.#noteFrame(page);
  }

  #noteFrame(page: PlacedPage): void {
    const frame = this.guestFrame(page) ?? page.host?.frame?.pa;
    if (frame !== undefined) this.#lastFrames.set(page, frame);
  }

  deaths(): readonly string[] {
    return this.host.deaths;
  }

  protected isGuest(name: string): boolean {
    return this.participants.get(name)?.role === "guest";
  }

  protected hasPage({ name, index }: PageRef): boolean {
    return this.#pages.get(name)?.[index] !== undefined;
  }

  protected page({ name, index }: PageRef): PlacedPage {
    return known(this.#pages.get(name)?.[index], `page ${name}[${index}]`);
  }

  protected guest(name: string): G {
    return known(this.#guests.get(name), `guest ${name}`);
  }

  protected process(name: string): Process {
    return known(this.#processes.get(name), `process ${name}`);
  }

  #hostActor(name: string): Process | "kernel" {
    return name === "kernel" ? "kernel" : this.process(name);
  }

  #hostPages(pages: readonly PageRef[]): NonNullable<PlacedPage["host"]>[] {
    return pages.flatMap((ref) => this.page(ref).host ?? []);
  }

  #roleOf(name: string): Participant["role"] | undefined {
    return this.participants.get(name)?.role;
  }
}

/** Who acts in a step; who is killed does not. */
function actorOf(action: Action): string {
  if ("by" in action) return action.by;
  return "from" in action ? action.from : "kernel";
}

/** Scenarios are validated: what they name is there. */
function known<T>(found: T | undefined, what: string): T {
  if (found === undefined) throw new RangeError(`the world has no ${what}`);
  return found;
}

/** A step that the system cannot express. */
export function noSuchVerb(why: string): StepResult {
  return stepResult("no such verb", { why });
}
