// The plain-JavaScript twin of bench/c/ffa-tables.h: a partition manager's stage-2 tables on typed arrays. Entries are two
// 32-bit words, low first; pages are named by their frame number.

import { panic } from "./machine.js";

const TABLE_WORDS = 1024;
const TABLE_PAGES = 1024;
/** High word of the simulated address of the first table page. */
const POOL_HIGH = 0xffff;

export const PTE_VALID = 1;
const PTE_TABLE = 3;
export const PTE_S2AP_R = 0x40;
export const PTE_S2AP_W = 0x80;
export const PTE_NORMAL = 15 << 2;
export const PTE_DEVICE = 1 << 2;
export const PTE_MEMATTR = 15 << 2;
/** Type bit 1, access flag, inner shareable: in every page entry, also in one that is not valid. */
export const PTE_PAGE = 2 | 0x700;
// High words.
export const PTE_XN = 2 << 21;
export const PTE_OWNED = 1 << 23;
export const PTE_EXCLUSIVE = 1 << 24;
export const PTE_NON_SECURE = 1 << 25;
const OA_HIGH = 0xffff;

export class Tables {
  readonly words = new Uint32Array(TABLE_PAGES * TABLE_WORDS);
  /** Entries that are not zero, by table page. Free pages are all zeros, and stacked. */
  readonly #entries = new Uint16Array(TABLE_PAGES);
  readonly #free = Uint32Array.from({ length: TABLE_PAGES }, (_, index) => TABLE_PAGES - 1 - index);
  #freeCount = TABLE_PAGES;
  /** The mode that `readMode` found: what an entry says besides its address; 0 and 0 is the absent one. */
  modeLow = 0;
  modeHigh = 0;

  /** Index of the first word of a new table. */
  take(): number {
    if (this.#freeCount === 0) panic("no table page");
    return this.#free[--this.#freeCount]! * TABLE_WORDS;
  }

  #write(slot: number, low: number, high: number): void {
    const wasZero = (this.words[slot]! | this.words[slot + 1]!) === 0;
    const isZero = (low | high) === 0;
    this.words[slot] = low;
    this.words[slot + 1] = high;
    if (wasZero && !isZero) this.#entries[slot >>> 10]!++;
    if (!wasZero && isZero) this.#entries[slot >>> 10]!--;
  }

  /** First word of the level-3 table for a page, -1 if there is none. */
  find(root: number, pfn: number): number {
    let table = root;
    for (let level = 0; level < 3; level++) {
      const slot = table + indexAt(level, pfn);
      if ((this.words[slot]! & PTE_TABLE) !== PTE_TABLE) return -1;
      table = this.#childOf(slot);
    }
    return table;
  }

  #make(root: number, pfn: number): number {
    let table = root;
    for (let level = 0; level < 3; level++) {
      const slot = table + indexAt(level, pfn);
      if (this.words[slot] === 0) this.#write(slot, ((this.take() >>> 10) << 12) | PTE_TABLE, POOL_HIGH);
      table = this.#childOf(slot);
    }
    return table;
  }

  #childOf(slot: number): number {
    return (this.words[slot]! >>> 12) * TABLE_WORDS;
  }

  /** Frees the tables above a page that have become empty; the root stays. */
  #drop(root: number, pfn: number): void {
    const slots = [0, 0, 0];
    let table = root;
    for (let level = 0; level < 3; level++) {
      slots[level] = table + indexAt(level, pfn);
      table = this.#childOf(slots[level]!);
    }
    for (let level = 2; level >= 0; level--) {
      const page = this.words[slots[level]!]! >>> 12;
      if (this.#entries[page] !== 0) return;
      this.#write(slots[level]!, 0, 0);
      this.#free[this.#freeCount++] = page;
    }
  }

  /** Leaves a page's mode in `modeLow` and `modeHigh`. */
  readMode(root: number, pfn: number): void {
    const table = this.find(root, pfn);
    const slot = table + indexAt(3, pfn);
    this.modeLow = table < 0 ? 0 : this.words[slot]! & 0xfff;
    this.modeHigh = table < 0 ? 0 : this.words[slot + 1]! & ~OA_HIGH;
  }

  /** Whether all pages of a range have a mode. One walk for each level-3 table. */
  haveMode(root: number, start: number, end: number, low: number, high: number): boolean {
    const words = this.words;
    for (let pfn = start; pfn < end;) {
      const table = this.find(root, pfn);
      const stop = blockEnd(pfn, end);
      if (table < 0 && (low | high) !== 0) return false;
      if (table >= 0) {
        const last = table + indexAt(3, stop - 1);
        for (let slot = table + indexAt(3, pfn); slot <= last; slot += 2) {
          if ((words[slot]! & 0xfff) !== low || (words[slot + 1]! & ~OA_HIGH) !== high) return false;
        }
      }
      pfn = stop;
    }
    return true;
  }

  /** Gives all pages of a range a mode, entry by entry. */
  setMode(root: number, start: number, end: number, low: number, high: number): void {
    const isAbsent = (low | high) === 0;
    for (let pfn = start; pfn < end;) {
      const stop = blockEnd(pfn, end);
      const table = isAbsent ? this.find(root, pfn) : this.#make(root, pfn);
      if (table >= 0) {
        let slot = table + indexAt(3, pfn);
        // The address's high word is the same for a whole block.
        const entryHigh = isAbsent ? 0 : Math.floor(pfn / 0x100000) | high;
        for (let page = pfn; page < stop; page++, slot += 2) {
          this.#write(slot, isAbsent ? 0 : (page << 12) | low, entryHigh);
        }
        if (this.#entries[table >>> 10] === 0) this.#drop(root, pfn);
      }
      pfn = stop;
    }
  }
}

/** Of the words of an entry in its table. */
export function indexAt(level: number, pfn: number): number {
  if (level === 3) return (pfn & 511) << 1;
  if (level === 2) return ((pfn >>> 9) & 511) << 1;
  return ((level === 1 ? pfn / 0x40000 : pfn / 0x8000000) & 511) << 1;
}

function blockEnd(pfn: number, end: number): number {
  return Math.min(pfn - (pfn & 511) + 512, end);
}
