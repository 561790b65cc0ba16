// Page classes of a table that stands alone: its input addresses where the trace ever maps or annotates something. Whose memory it
// maps nobody says, so the map tells what the table makes of each address.

import { OPERATION_A, OPERATION_B, OPERATION_CODE, PT_ANNOTATE, PT_MAP } from "../../assembly/abi/operations.js";
import { EFFECT_DESCRIPTOR } from "../../assembly/abi/records.js";
import { levelShift } from "../machine/geometry.js";
import type { Machine } from "../machine/machine.js";
import type { ClassListener, PageClasses } from "./classes.js";
import type { EffectRecord } from "./effect-records.js";
import type { Journal } from "./journal.js";
import { MemoryMap } from "./memory-map.js";
import { PAGE_ABSENT, PAGE_OWNED, pageClass } from "./page-class.js";

const MAPPED = pageClass(PAGE_OWNED, 0);
const ANNOTATED = pageClass(PAGE_OWNED, 1);
/** Of what one operation maps, so many pages are shown: those behind them, in blocks of up to 1 GiB, are like these. */
const SHOWN = 1024;

/** Frames, the end excluded. */
interface Range {
  readonly first: number;
  readonly end: number;
}

export class LoneTableClasses implements PageClasses {
  readonly map: MemoryMap;
  readonly parties: readonly string[] = ["mapped", "annotated"];
  readonly #machine: Machine;
  #touched: Range[] = [];

  constructor(machine: Machine, journal: Journal) {
    this.#machine = machine;
    const ranges = unionOf(rangesOf(machine, journal));
    this.map = new MemoryMap(ranges.map(({ first, end }) => ({ pfn: BigInt(first), pages: end - first })));
  }

  initial(): Uint8Array<ArrayBuffer> {
    const classes = new Uint8Array(this.map.pages);
    const all = this.map.regions.map(({ pfn, pages }) => ({ first: Number(pfn), end: Number(pfn) + pages }));
    for (const range of all) this.#look(range, classes, (page, value) => (classes[page] = value));
    return classes;
  }

  reset(): void {
    // Nothing is remembered.
  }

  see(effect: EffectRecord): void {
    if (effect.kind !== EFFECT_DESCRIPTOR) return;
    const first = effect.address / this.#machine.pageSize;
    const pages = 2 ** (levelShift(this.#machine.pageShift, effect.level) - this.#machine.pageShift);
    this.#touched.push({ first, end: first + pages });
  }

  settle(classes: Uint8Array, tell: ClassListener): void {
    for (const range of unionOf(this.#touched)) this.#look(range, classes, tell);
    this.#touched = [];
  }

  /** Tells the classes of a range's pages that are not those in `classes`. */
  #look({ first, end }: Range, classes: Uint8Array, tell: ClassListener): void {
    for (const region of this.map.regions) {
      const start = Number(region.pfn);
      let pfn = Math.max(first, start);
      const stop = Math.min(end, start + region.pages);
      while (pfn < stop) {
        const { value, next } = this.#entryAt(pfn);
        for (const last = Math.min(next, stop); pfn < last; pfn++) {
          const page = region.first + pfn - start;
          if (classes[page] !== value) tell(page, value);
        }
      }
    }
  }

  /** Class of the entry at which a walk for a frame ends, and the first frame behind it. */
  #entryAt(pfn: number): { readonly value: number; readonly next: number } {
    const { pageShift, core } = this.#machine;
    const level = core.exports.findLeaf(0, BigInt(pfn) << BigInt(pageShift));
    if (level < 0) return { value: PAGE_ABSENT, next: Infinity };
    const descriptor = core.exports.leafDescriptor();
    const pages = 2 ** (levelShift(pageShift, level) - pageShift);
    const value = (descriptor & 1n) !== 0n ? MAPPED : descriptor === 0n ? PAGE_ABSENT : ANNOTATED;
    return { value, next: pfn - (pfn % pages) + pages };
  }
}

/** What is mapped or annotated, refused or not. */
function rangesOf(machine: Machine, journal: Journal): Range[] {
  const ranges: Range[] = [];
  const limit = 2 ** (machine.config.geometry.iaBits - machine.pageShift);
  for (let index = 0; index < journal.end(journal.operations - 1); index++) {
    const record = journal.record(index);
    const view = new DataView(record.buffer, record.byteOffset);
    const code = view.getUint16(OPERATION_CODE, true);
    if (code !== PT_MAP && code !== PT_ANNOTATE) continue;
    const first = Number(view.getBigUint64(OPERATION_A, true) >> BigInt(machine.pageShift));
    const pages = Math.ceil(Number(view.getBigUint64(OPERATION_B, true)) / machine.pageSize);
    if (first < limit) ranges.push({ first, end: Math.min(first + Math.min(pages, SHOWN), limit) });
  }
  return ranges;
}

/** The same frames in ascending ranges that do not touch. */
function unionOf(ranges: readonly Range[]): readonly Range[] {
  const union: { first: number; end: number }[] = [];
  for (const { first, end } of [...ranges].sort((a, b) => a.first - b.first)) {
    const last = union.at(-1);
    if (last !== undefined && first <= last.end) last.end = Math.max(last.end, end);
    else if (end > first) union.push({ first, end });
  }
  return union;
}
