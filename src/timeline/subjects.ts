// Which pages an operation works on, and who takes part: read from its record, and from the tables before it runs where it names
// its page by a guest's address.

import {
  GUEST_HVC,
  OPERATION_A,
  OPERATION_B,
  OPERATION_C,
  OPERATION_CODE,
  OPERATION_D,
  OPERATION_VM,
  VCPU_PUT,
} from "../../assembly/abi/operations.js";
import { EFFECT_ABORT, EFFECT_LOADED, EFFECT_PAGE } from "../../assembly/abi/records.js";
import { EFFECT_FFA_MODE } from "../../assembly/abi/ffa.js";
import { entrySize, isValid, outputAddress } from "../machine/describe.js";
import type { Machine } from "../machine/machine.js";
import { OPERATIONS, type OperationName, type Place, type Verb } from "../machine/operations.js";
import type { EffectRecord } from "./effect-records.js";
import type { MemoryMap } from "./memory-map.js";
import { NO_PAGE } from "./timeline.js";

const OFFSETS: Readonly<Record<Place, number>> = {
  vm: OPERATION_VM,
  vcpu: OPERATION_VM,
  a: OPERATION_A,
  b: OPERATION_B,
  c: OPERATION_C,
  d: OPERATION_D,
};

/** How a verb names its first page, by the name of the argument, best first. */
const PAGES: Readonly<Record<string, "frame" | "address" | "guest frame">> = {
  pfn: "frame",
  phys: "address",
  from: "address",
  addr: "address",
  base: "address",
  vm_pa: "address",
  hyp_pa: "address",
  gfn: "guest frame",
};
/** How it says how many: frames, bytes, or the byte behind the last one. */
const COUNTS: Readonly<Record<string, "frames" | "bytes" | "end">> = {
  nr: "frames",
  pages: "frames",
  size: "bytes",
  to: "end",
};

interface Rule {
  readonly unit: "frame" | "address" | "guest frame";
  readonly at: number;
  readonly count: { readonly unit: "frames" | "bytes" | "end"; readonly at: number } | null;
  /** The verb works on the VM of the loaded vCPU. */
  readonly onLoaded: boolean;
}

const RULES: ReadonlyMap<number, Rule> = new Map(
  (Object.keys(OPERATIONS) as OperationName[]).flatMap((name) => {
    const { code, args }: Verb = OPERATIONS[name];
    const page = Object.keys(PAGES).find((key) => key in args);
    const unit = page === undefined ? undefined : PAGES[page];
    if (page === undefined || unit === undefined) return [];
    const rule = { unit, at: offsetOf(args, page), count: countOf(args) };
    return [[code, { ...rule, onLoaded: name.startsWith("hcall_") && !("vm" in args) }] as const];
  }),
);

function offsetOf(args: Verb["args"], name: string): number {
  return OFFSETS[args[name]?.at ?? "a"];
}

function countOf(args: Verb["args"]): Rule["count"] {
  const name = Object.keys(COUNTS).find((key) => key in args);
  const unit = name === undefined ? undefined : COUNTS[name];
  return name === undefined || unit === undefined ? null : { unit, at: offsetOf(args, name) };
}

export class Subjects {
  /** VM handle or endpoint of the operation; 0: none takes part. */
  vm = 0;
  /** Its first page and how many; NO_PAGE and 0: none. */
  page = NO_PAGE;
  pages = 0;
  readonly #machine: Machine;
  readonly #map: MemoryMap;
  /** Handle of the VM whose vCPU is loaded; 0: none is. */
  #loaded = 0;
  #isGuestCall = false;

  constructor(machine: Machine, map: MemoryMap) {
    this.#machine = machine;
    this.#map = map;
  }

  /** The machine was reset. */
  reset(): void {
    this.#loaded = 0;
  }

  /** The record of an operation, before it runs. */
  name(record: DataView): void {
    const code = record.getUint16(OPERATION_CODE, true);
    const rule = RULES.get(code);
    this.vm = rule?.onLoaded === true ? this.#loaded : record.getUint16(OPERATION_VM, true);
    this.page = NO_PAGE;
    this.pages = 0;
    this.#isGuestCall = code === GUEST_HVC;
    if (rule !== undefined) this.#take(rule, record);
    if (code === VCPU_PUT) this.#loaded = 0;
  }

  #take({ unit, at, count }: Rule, record: DataView): void {
    const { pageShift, pageSize } = this.#machine;
    const value = record.getBigUint64(at, true);
    const pfn = unit === "frame" ? Number(value) : unit === "address" ? Number(value >> BigInt(pageShift)) : null;
    this.page = pfn === null ? this.#guestPage(value) : this.#map.pageOf(pfn);
    if (this.page === NO_PAGE) return;
    const asked = count === null ? 1 : Number(record.getBigUint64(count.at, true));
    const bytes = count?.unit === "end" ? asked - (pfn ?? 0) * pageSize : asked;
    const pages = count === null || count.unit === "frames" ? asked : Math.ceil(bytes / pageSize);
    this.pages = Math.max(1, Math.min(pages, this.#map.pagesFrom(this.page)));
  }

  /** The page behind a guest's frame as its table stands. */
  #guestPage(gfn: bigint): number {
    const { pageShift, core } = this.#machine;
    const ipa = BigInt.asUintN(64, gfn << BigInt(pageShift));
    const level = this.vm === 0 ? -1 : core.exports.findLeaf(this.vm, ipa);
    if (level < 0) return NO_PAGE;
    const descriptor = BigInt.asUintN(64, core.exports.leafDescriptor());
    if (!isValid(descriptor)) return NO_PAGE;
    const pa = outputAddress(descriptor, pageShift) + (ipa & (entrySize(level, pageShift) - 1n));
    return this.#map.pageOf(Number(pa >> BigInt(pageShift)));
  }

  /** Something that a record of the operation has just done. */
  see(effect: EffectRecord): void {
    switch (effect.kind) {
      case EFFECT_LOADED:
        this.#loaded = effect.owner;
        break;
      case EFFECT_ABORT:
        this.#takeFirst(Number(effect.before));
        break;
      case EFFECT_PAGE:
        // What names no page of its own: a guest's call. Table pages that change hands are not what an operation is about.
        if (this.#isGuestCall) this.#takeFirst(effect.address);
        break;
      case EFFECT_FFA_MODE:
        this.#takeNext(effect.address);
        break;
      default:
        break;
    }
  }

  #takeFirst(pa: number): void {
    if (this.page !== NO_PAGE) return;
    this.page = this.#map.pageOf(Math.floor(pa / this.#machine.pageSize));
    this.pages = this.page === NO_PAGE ? 0 : 1;
  }

  /** FF-A's messages name pages by constituents; those that change modes one behind the other are one range. */
  #takeNext(pa: number): void {
    const page = this.#map.pageOf(Math.floor(pa / this.#machine.pageSize));
    if (this.page !== NO_PAGE && page === this.page + this.pages) this.pages += 1;
    else this.#takeFirst(pa);
  }
}
