// Page classes of a machine of FF-A partition managers, from the modes in its endpoints' tables (reference ffa, section 3).
//
//   mode of an endpoint   class
//   O-EA                  owned by it
//   O-SA                  shared by it
//   O-NA                  lent by it
//   !O-EA, !O-SA          borrowed by it, if no endpoint owns the page

import { EFFECT_FFA_MODE, MODE_ABSENT, MODE_INVALID, MODE_SHARED, MODE_UNOWNED } from "../../assembly/abi/ffa.js";
import { endpointName } from "../machine/ffa-effects.js";
import { FfaState } from "../machine/ffa-state.js";
import type { Machine } from "../machine/machine.js";
import type { ClassListener, PageClasses } from "./classes.js";
import type { EffectRecord } from "./effect-records.js";
import { MemoryMap } from "./memory-map.js";
import { PAGE_ABSENT, PAGE_BORROWED, PAGE_LENT, PAGE_OWNED, PAGE_SHARED, pageClass } from "./page-class.js";
import { Parties } from "./parties.js";
import { NO_PAGE } from "./timeline.js";

const PAGE_SHIFT = 12;

export class FfaClasses implements PageClasses {
  readonly map: MemoryMap;
  readonly #state: FfaState;
  readonly #parties = new Parties([], endpointName);
  readonly #touched = new Set<number>();
  /** Endpoint and table, in the order in which an owner is looked for. */
  readonly #tables: readonly (readonly [id: number, table: number])[];

  constructor(machine: Machine) {
    this.#state = new FfaState(machine);
    const { base, pages, endpoints } = this.#state.config;
    this.map = new MemoryMap([{ pfn: base >> BigInt(PAGE_SHIFT), pages }]);
    // To an SPMC the normal world as a whole is an endpoint: who in it owns a page is known better beside it.
    const normalWorldLast = [...endpoints].sort((a, b) => Number(a.id === 0) - Number(b.id === 0));
    this.#tables = normalWorldLast.flatMap(({ id, tables }) => tables.map((_, table) => [id, table] as const));
    for (const { id } of endpoints) this.#parties.indexOf(id);
  }

  get parties(): readonly string[] {
    return this.#parties.names;
  }

  initial(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: this.map.pages }, (_, page) => this.#classOf(page));
  }

  reset(): void {
    // Nothing is remembered.
  }

  see(effect: EffectRecord): void {
    if (effect.kind !== EFFECT_FFA_MODE) return;
    const page = this.map.pageOf(effect.address / 2 ** PAGE_SHIFT);
    if (page !== NO_PAGE) this.#touched.add(page);
  }

  settle(_: Uint8Array, tell: ClassListener): void {
    for (const page of this.#touched) tell(page, this.#classOf(page));
    this.#touched.clear();
  }

  #classOf(page: number): number {
    const pa = BigInt(this.map.pfnOf(page)) << BigInt(PAGE_SHIFT);
    let borrowed = PAGE_ABSENT;
    for (const [id, table] of this.#tables) {
      const mode = this.#state.mode(id, table, pa) & MODE_ABSENT;
      const party = this.#parties.indexOf(id);
      if ((mode & MODE_UNOWNED) === 0) return pageClass(ownerState(mode), party);
      if ((mode & MODE_INVALID) === 0 && borrowed === PAGE_ABSENT) borrowed = pageClass(PAGE_BORROWED, party);
    }
    return borrowed;
  }
}

function ownerState(mode: number): number {
  if ((mode & MODE_INVALID) !== 0) return PAGE_LENT;
  return (mode & MODE_SHARED) !== 0 ? PAGE_SHARED : PAGE_OWNED;
}
