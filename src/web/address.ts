// The page's address follows what is shown, and what is shown follows the address: a link, an edited address, back and forward.

import { batch, effect } from "@preact/signals";
import { examples } from "./examples.js";
import { EMPTY_LINK, fitLink, readLink, writeLink, type Link } from "./link.js";
import type { Opener } from "./open.js";
import type { OpenTrace, Store } from "./store.js";

/** Milliseconds between two writes while somebody scrubs: browsers refuse a page that writes its address all the time. */
const WRITE_EVERY = 300;

/** Opens what the address says, or the first example; from then on either follows the other. */
export async function followAddress(store: Store, opener: Opener): Promise<void> {
  const address = new Address(store, opener);
  addEventListener("hashchange", () => void address.follow());
  await address.follow();
  address.write();
}

class Address {
  readonly #store: Store;
  readonly #opener: Opener;
  /** How many addresses are being followed: what is shown is on its way there, and is not written. */
  #following = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The entry of the history that the page is in. */
  #entry = "";

  constructor(store: Store, opener: Opener) {
    this.#store = store;
    this.#opener = opener;
  }

  async follow(): Promise<void> {
    clearTimeout(this.#timer);
    const { link, problems } = readLink(location.hash);
    const said = [...problems];
    this.#store.problem.value = null;
    this.#following += 1;
    this.#showView(link);
    await this.#openExample(this.#exampleOf(link, said), (open) => said.push(...this.#goTo(link, open)));
    this.#following -= 1;
    const { problem } = this.#store;
    if (said.length > 0) problem.value = [...said, ...(problem.value === null ? [] : [problem.value])].join("; ");
    if (this.#following === 0) this.#replace(linkTo(this.#store));
  }

  /** Writes what is shown, from now on. A change of view or example is a step to go back by. */
  write(): void {
    effect(() => {
      const link = linkTo(this.#store);
      if (this.#following > 0) return;
      clearTimeout(this.#timer);
      if (entryOf(link) !== this.#entry) this.#push(link);
      else this.#timer = setTimeout(() => this.#replace(link), WRITE_EVERY);
    });
  }

  #showView({ view, scenario, systems }: Link): void {
    batch(() => {
      this.#store.view.value = view;
      if (scenario !== null) this.#store.scenario.value = scenario;
      if (systems !== null) this.#store.systems.value = systems;
    });
  }

  /** The example to open; null: what is open stays. */
  #exampleOf({ example }: Link, said: string[]): string | null {
    if (examples.value.some(({ name }) => name === example)) return example;
    if (example !== null) said.push(`there is no example of the name "${example}"`);
    return this.#store.open.value === null ? (examples.value[0]?.name ?? null) : null;
  }

  async #openExample(name: string | null, arrive: (open: OpenTrace) => void): Promise<void> {
    const open = this.#store.open.value;
    if (name !== null && name !== open?.example) await this.#opener.openExample(name, arrive);
    else if (open !== null) batch(() => arrive(open));
  }

  /** Answers what the trace does not have. */
  #goTo(wanted: Link, { trace, ownership }: OpenTrace): readonly string[] {
    const isMemory = (pfn: bigint) => ownership.pageOf(pfn) !== null;
    const { link, problems } = fitLink(wanted, { last: trace.operations.count - 1, verbs: trace.verbs, isMemory });
    if (link.operation !== null) this.#store.operation.value = link.operation;
    this.#store.page.value = link.page;
    this.#store.filter.value = link.filter;
    this.#store.walk.value = link.walk;
    return problems;
  }

  #push(link: Link): void {
    this.#entry = entryOf(link);
    history.pushState(null, "", `#${writeLink(link)}`);
  }

  #replace(link: Link): void {
    this.#entry = entryOf(link);
    history.replaceState(null, "", `#${writeLink(link)}`);
  }
}

const entryOf = ({ view, example }: Link) => `${view} ${example}`;

/** What is shown. A trace of the user's own is in no link: then the link is to the view alone. */
function linkTo({ view, open, operation, page, filter, walk, scenario, systems }: Store): Link {
  const isCompared = view.value === "compare" || view.value === "scenario";
  const compared = {
    view: view.value,
    scenario: scenario.value,
    systems: isCompared ? systems.value : null,
  };
  const example = open.value?.example ?? null;
  if (example === null) return { ...EMPTY_LINK, ...compared };
  return {
    ...compared,
    example,
    operation: operation.value,
    page: page.value,
    filter: filter.value,
    walk: walk.value,
  };
}
