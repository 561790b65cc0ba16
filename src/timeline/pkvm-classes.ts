// Page classes of a pKVM machine (reference pkvm-el2 sections 1.1 to 1.6).
//
//   host            EL2             class
//   OWNED           NOPAGE          owned by the host
//   SHARED_OWNED    any             shared by the host: with EL2, with guests that are not protected, through FF-A
//   SHARED_BORROWED NOPAGE          shared by a guest with the host
//   NOPAGE          OWNED           owned by the hypervisor
//   NOPAGE          NOPAGE          owned by the guest that the host's table names
//
// A page that was reclaimed by force is the host's; it is shown as poisoned while the guest's entry still says so and nothing
// else happens to the page.

import { NOPAGE, OWNED, SHARED_BORROWED, SHARED_OWNED } from "../../assembly/abi/codes.js";
import { MODULE_OWNED } from "../../assembly/abi/android.js";
import { EFFECT_DESCRIPTOR, EFFECT_PAGE, EFFECT_VM, VM_STATE_FREE } from "../../assembly/abi/records.js";
import { isValid, outputAddress } from "../machine/describe.js";
import { eachPageRun } from "../machine/dumps.js";
import type { Machine } from "../machine/machine.js";
import { hex } from "../machine/names.js";
import type { ClassListener, PageClasses } from "./classes.js";
import type { EffectRecord } from "./effect-records.js";
import { mapOfRegions, type MemoryMap } from "./memory-map.js";
import { PAGE_ABSENT, PAGE_OWNED, PAGE_POISONED, PAGE_SHARED, pageClass, partyOfClass } from "./page-class.js";
import { Parties } from "./parties.js";
import { NO_PAGE } from "./timeline.js";

const HOST = 0;
const HYPERVISOR = 1;
const TYPE_POISON = 3n;
/** Frame numbers of a guest have less bits. */
const GFN_END = 2 ** 36;

export class PkvmClasses implements PageClasses {
  readonly map: MemoryMap;
  readonly #machine: Machine;
  readonly #shift: number;
  readonly #parties = new Parties(["host", "hypervisor"], (handle) => `VM ${hex(handle)}`);
  /** Pages whose word has changed in this operation: byte 3 of the word, host and EL2 state. */
  readonly #touched = new Map<number, number>();
  /** By guest entry (VM and gfn): the page that was taken from it, while it is poisoned; and the other way round. */
  readonly #poisonedBy = new Map<number, number>();
  readonly #poisoned = new Map<number, number>();
  /** Pages that were poisoned in this operation, and those that no longer are. */
  #newPoisons: [page: number, entry: number][] = [];
  #healed: number[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#shift = machine.pageShift;
    this.map = mapOfRegions(machine);
  }

  get parties(): readonly string[] {
    return this.#parties.names;
  }

  initial(): Uint8Array<ArrayBuffer> {
    const classes = new Uint8Array(this.map.pages);
    let page = 0;
    eachPageRun(this.#machine.core, (_, word, pages) => {
      const end = page + Number(pages);
      this.#fillRun(classes, page, end, Number((word >> 24n) & 0xffn));
      page = end;
    });
    this.#dropNomap(classes);
    return classes;
  }

  // All pages of a run are in the same state, but each of a guest's pages may have another owner.
  #fillRun(classes: Uint8Array, from: number, end: number, states: number): void {
    if (hostOf(states) !== NOPAGE || hypOf(states) === OWNED) {
      classes.fill(this.#classOf(from, states, HOST), from, end);
      return;
    }
    for (let page = from; page < end; page++) classes[page] = this.#classOf(page, states, HOST);
  }

  /** Firmware's memory is nobody's, unless EL2 lives there. */
  #dropNomap(classes: Uint8Array): void {
    const { config } = this.#machine;
    if (!("regions" in config)) return;
    config.regions.forEach(({ nomap }, index) => {
      const region = this.map.regions[index];
      if (!nomap || region === undefined) return;
      for (let page = region.first; page < region.first + region.pages; page++) {
        if (partyOfClass(classes[page] ?? 0) === HOST) classes[page] = PAGE_ABSENT;
      }
    });
  }

  reset(): void {
    this.#poisonedBy.clear();
    this.#poisoned.clear();
  }

  see(effect: EffectRecord): void {
    switch (effect.kind) {
      case EFFECT_PAGE: {
        const page = this.map.pageOf(effect.address / 2 ** this.#shift);
        if (page !== NO_PAGE) this.#touched.set(page, effect.afterLow >>> 24);
        break;
      }
      case EFFECT_DESCRIPTOR:
        if (effect.owner !== 0) this.#seeGuestEntry(effect);
        break;
      case EFFECT_VM:
        if ((effect.afterLow & 0xff) === VM_STATE_FREE) this.#healAllOf(effect.owner);
        break;
      default:
        break;
    }
  }

  #seeGuestEntry(effect: EffectRecord): void {
    const entry = effect.owner * GFN_END + effect.address / 2 ** this.#shift;
    const taken = this.#poisonedBy.get(entry);
    if (taken !== undefined) this.#healed.push(taken);
    const { before, after } = effect;
    if (after >> 60n !== TYPE_POISON || isValid(after) || !isValid(before)) return;
    const page = this.map.pageOf(Number(outputAddress(before, this.#shift)) / 2 ** this.#shift);
    if (page !== NO_PAGE) this.#newPoisons.push([page, entry]);
  }

  /** The VM's table is gone, and its entries with it. */
  #healAllOf(handle: number): void {
    for (const [entry, page] of this.#poisonedBy) if (Math.floor(entry / GFN_END) === handle) this.#healed.push(page);
  }

  settle(classes: Uint8Array, tell: ClassListener): void {
    for (const [page, states] of this.#touched) {
      this.#heal(page);
      tell(page, this.#classOf(page, states, partyOfClass(classes[page] ?? 0)));
    }
    this.#touched.clear();
    for (const page of this.#healed) {
      if (this.#heal(page)) tell(page, pageClass(PAGE_OWNED, HOST));
    }
    this.#healed = [];
    for (const [page, entry] of this.#newPoisons) {
      this.#poisonedBy.set(entry, page);
      this.#poisoned.set(page, entry);
      tell(page, pageClass(PAGE_POISONED, HOST));
    }
    this.#newPoisons = [];
  }

  /** Whether the page was poisoned. */
  #heal(page: number): boolean {
    const entry = this.#poisoned.get(page);
    if (entry === undefined) return false;
    this.#poisoned.delete(page);
    this.#poisonedBy.delete(entry);
    return true;
  }

  /** `party`: whose it was. A guest that shares its page with the host is named in no table of the host's. */
  #classOf(page: number, states: number, party: number): number {
    if (hypOf(states) === OWNED) return pageClass(PAGE_OWNED, HYPERVISOR);
    switch (hostOf(states)) {
      case OWNED:
      case MODULE_OWNED:
        return pageClass(PAGE_OWNED, HOST);
      case SHARED_OWNED:
        return pageClass(PAGE_SHARED, HOST);
      case SHARED_BORROWED:
        return pageClass(PAGE_SHARED, party);
      case NOPAGE:
        return pageClass(PAGE_OWNED, this.#annotatedOwner(page));
      default:
        return pageClass(PAGE_OWNED, HYPERVISOR); // a module of EL2 has it
    }
  }

  /** The guest that the host's table says the page was donated to. */
  #annotatedOwner(page: number): number {
    const { exports } = this.#machine.core;
    exports.findLeaf(0, BigInt(this.map.pfnOf(page)) << BigInt(this.#shift));
    return this.#parties.indexOf(Number((BigInt.asUintN(64, exports.leafDescriptor()) >> 4n) & 0xffffn));
  }
}

function hostOf(states: number): number {
  return states & 15;
}

function hypOf(states: number): number {
  return (states >> 4) ^ NOPAGE;
}
