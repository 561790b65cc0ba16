// Addresses only, many at a time: IPAs in, PAs out, each outcome exactly that of the walk in arch/translate.ts. Attributes
// and syndromes are not made. Three forms, each compiled for the three granules:
//
// - cached: remembers where level-3 tables are. For addresses that share a few hundred of them.
// - touching: for trees larger than the processor's caches. A group of addresses first finds its entries, then loads them all
//   in a loop that does nothing else, so that the processor waits for many cache misses at once; only then they are checked.
// - chained: each address takes part of the last result, so walks cannot overlap.
//
// What is remembered holds for one batch: tables do not change under it.

import { NO_STAGE2, TRANSLATE_FAULT_BIT, TRANSLATE_LEVEL_SHIFT } from "../abi/walk";
import { TABLE } from "../arch/descriptor";
import {
  findTable,
  firstPfn,
  leafMask,
  leafValue,
  pages,
  preparePlainWalk,
  regionFrames,
  tableMask,
} from "../arch/plain-walk";
import { fault, level, outputAddress, translate } from "../arch/translate";
import { reserve } from "../memory/heap";
import { enterAnew, regime } from "./access";

// A line: 0 u64 tag = batch << 44 | IPA >> what the table covers | 8 u32 linear address of the table | 12 u32 0
const LINE_SHIFT: usize = 4;
const LEAF_LINES: u32 = 1024; // level-3 tables: 2 GiB with 4 KiB pages
const MIDDLE_LINES: u32 = 512; // level-2 tables: 512 GiB
const BATCH_SHIFT: u64 = 44;
const LAST_BATCH: u64 = (1 << 20) - 1;

/** So many addresses show how many level-3 tables there are to remember; more than an eighth, and touching is faster. */
const SAMPLE: i32 = 1024;
/** Entries in flight at a time. */
const GROUP: i32 = 128;

/** OA[47:12]. */
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

let leafLines: usize = 0;
let middleLines: usize = 0;
/** u32 per address of a group: linear address of its entry. */
let entries: usize = 0;
/** What an address without a plain way is given as its entry: 8 bytes of zeros, an invalid descriptor. */
let nothing: usize = 0;

let batch: u64 = 0;
let kind: u32 = 0;
let missed: i32 = 0;
let faulted: i32 = 0;

export function reserveTranslationLines(): void {
  if (leafLines != 0) return;
  leafLines = reserve((LEAF_LINES as usize) << LINE_SHIFT);
  middleLines = reserve((MIDDLE_LINES as usize) << LINE_SHIFT);
  entries = reserve((GROUP as usize) << 2);
  nothing = reserve(8);
}

// The type parameter G stands for the granule: u8 4 KiB, u16 16 KiB, u32 64 KiB.

function shiftOf<G>(): u64 {
  const size = sizeof<G>();
  return size == 1 ? 12 : size == 2 ? 14 : 16;
}

/**
 * Translates `count` IPAs (u64 each, at `from`) of the stage 2 that a handle names, for accesses of one kind (ACCESS_*).
 * Answers (TRANSLATE_*, u64 each) go to `to`. The number of those that fault, or NO_STAGE2.
 */
export function translateAll(handle: u32, access: u32, from: usize, to: usize, count: i32): i32 {
  if (!begin(handle, access)) return NO_STAGE2;
  if (!preparePlainWalk(regime, access)) translateExactly(from, to, count);
  else if (regime.granuleShift == 12) translatePlainly<u8>(from, to, count);
  else if (regime.granuleShift == 14) translatePlainly<u16>(from, to, count);
  else translatePlainly<u32>(from, to, count);
  return faulted;
}

/** As `translateAll`, one address after the other: what a walk by itself takes. */
export function translateEach(handle: u32, access: u32, from: usize, to: usize, count: i32): i32 {
  if (!begin(handle, access)) return NO_STAGE2;
  if (!preparePlainWalk(regime, access)) translateExactly(from, to, count);
  else if (regime.granuleShift == 12) translateInTurn<u8>(from, to, count);
  else if (regime.granuleShift == 14) translateInTurn<u16>(from, to, count);
  else translateInTurn<u32>(from, to, count);
  return faulted;
}

/** As `translateAll`, but each address is first XORed with the bits in `mask` of the answer before it. */
export function translateChain(handle: u32, access: u32, mask: u64, from: usize, to: usize, count: i32): i32 {
  if (!begin(handle, access)) return NO_STAGE2;
  if (!preparePlainWalk(regime, access)) chainExactly(mask, from, to, count);
  else if (regime.granuleShift == 12) chainPlainly<u8>(mask, from, to, count);
  else if (regime.granuleShift == 14) chainPlainly<u16>(mask, from, to, count);
  else chainPlainly<u32>(mask, from, to, count);
  return faulted;
}

function begin(handle: u32, access: u32): bool {
  if (batch == LAST_BATCH) {
    memory.fill(leafLines, 0, (LEAF_LINES as usize) << LINE_SHIFT);
    memory.fill(middleLines, 0, (MIDDLE_LINES as usize) << LINE_SHIFT);
    batch = 0;
  }
  batch++;
  kind = access;
  missed = 0;
  faulted = 0;
  return enterAnew(handle);
}

/** The walk itself, for what is not plain. */
function exactly(ipa: u64): u64 {
  if (translate(regime, ipa, kind)) return outputAddress;
  faulted++;
  return ((1 as u64) << TRANSLATE_FAULT_BIT) | (((level as u64) & 0xff) << TRANSLATE_LEVEL_SHIFT) | (fault as u64);
}

function translateExactly(from: usize, to: usize, count: i32): void {
  for (let i: usize = 0; i < (count as usize) << 3; i += 8) store<u64>(to + i, exactly(load<u64>(from + i)));
}

function chainExactly(mask: u64, from: usize, to: usize, count: i32): void {
  let last: u64 = 0;
  for (let i: usize = 0; i < (count as usize) << 3; i += 8) {
    last = exactly(load<u64>(from + i) ^ (last & mask));
    store<u64>(to + i, last);
  }
}

function translatePlainly<G>(from: usize, to: usize, count: i32): void {
  const sample = min(count, SAMPLE);
  translateCached<G>(from, to, sample);
  const done = (sample as usize) << 3;
  if (missed * 8 <= sample) translateCached<G>(from + done, to + done, count - sample);
  else translateTouching<G>(from + done, to + done, count - sample);
}

// Cached.

function translateCached<G>(from: usize, to: usize, count: i32): void {
  const shift = shiftOf<G>();
  const stride = shift - 3;
  const pageMask = ((1 as u64) << shift) - 1;
  const indexMask = ((1 as u64) << stride) - 1;
  const address = ADDRESS & ~pageMask;
  const lines = leafLines;
  const current = batch << BATCH_SHIFT;
  const mask = leafMask;
  const value = leafValue;
  const end = from + ((count as usize) << 3);
  for (; from < end; from += 8, to += 8) {
    const ipa = load<u64>(from);
    const block = ipa >> (shift + stride);
    const line = lines + ((((block as u32) & (LEAF_LINES - 1)) as usize) << LINE_SHIFT);
    if (load<u64>(line) != (current | block) && !rememberLeafTable(ipa, line, current | block)) {
      store<u64>(to, exactly(ipa));
      continue;
    }
    const index = ((ipa >> shift) & indexMask) as usize;
    const descriptor = load<u64>((load<u32>(line, 8) as usize) + (index << 3));
    if ((descriptor & mask) == value) store<u64>(to, (descriptor & address) | (ipa & pageMask));
    else store<u64>(to, exactly(ipa));
  }
}

function rememberMiddleTable(ipa: u64, line: usize, tag: u64): bool {
  return remember(findTable(regime, ipa, 2), line, tag);
}

function rememberLeafTable(ipa: u64, line: usize, tag: u64): bool {
  missed++;
  return remember(findTable(regime, ipa, 3), line, tag);
}

function remember(table: usize, line: usize, tag: u64): bool {
  if (table == 0) return false;
  store<u64>(line, tag);
  store<u32>(line, table as u32, 8);
  return true;
}

// One by one, and chained.

function translateInTurn<G>(from: usize, to: usize, count: i32): void {
  const pageMask = ((1 as u64) << shiftOf<G>()) - 1;
  const address = ADDRESS & ~pageMask;
  const mask = leafMask;
  const value = leafValue;
  const lines = middleLines;
  const current = batch << BATCH_SHIFT;
  const frames = regionFrames;
  for (const end = from + ((count as usize) << 3); from < end; from += 8, to += 8) {
    const ipa = load<u64>(from);
    const descriptor = load<u64>(PageEntry.find<G>(ipa, lines, current, frames));
    if ((descriptor & mask) == value) store<u64>(to, (descriptor & address) | (ipa & pageMask));
    else store<u64>(to, exactly(ipa));
  }
}

function chainPlainly<G>(chain: u64, from: usize, to: usize, count: i32): void {
  const pageMask = ((1 as u64) << shiftOf<G>()) - 1;
  const address = ADDRESS & ~pageMask;
  const mask = leafMask;
  const value = leafValue;
  const lines = middleLines;
  const current = batch << BATCH_SHIFT;
  const frames = regionFrames;
  let last: u64 = 0;
  for (const end = from + ((count as usize) << 3); from < end; from += 8, to += 8) {
    const ipa = load<u64>(from) ^ (last & chain);
    const descriptor = load<u64>(PageEntry.find<G>(ipa, lines, current, frames));
    last = (descriptor & mask) == value ? (descriptor & address) | (ipa & pageMask) : exactly(ipa);
    store<u64>(to, last);
  }
}

// Touching.

function translateTouching<G>(from: usize, to: usize, count: i32): void {
  while (count > 0) {
    const size = min(count, GROUP);
    findEntries<G>(from, size);
    loadEntries(to, size);
    checkEntries<G>(from, to, size);
    from += (size as usize) << 3;
    to += (size as usize) << 3;
    count -= size;
  }
}

/** Finds where the page entries of `count` addresses are. */
function findEntries<G>(from: usize, count: i32): void {
  const lines = middleLines;
  const current = batch << BATCH_SHIFT;
  const frames = regionFrames;
  let to = entries;
  for (const end = from + ((count as usize) << 3); from < end; from += 8, to += 4) {
    store<u32>(to, PageEntry.find<G>(load<u64>(from), lines, current, frames) as u32);
  }
}

class PageEntry {
  /**
   * Linear address of the page entry for `ipa`, through the level-2 table remembered for it; `nothing` without a plain way.
   * What does not change in a loop is handed in, because the engine does not keep globals in registers.
   */
  @inline
  static find<G>(ipa: u64, lines: usize, current: u64, frames: usize): usize {
    const shift = shiftOf<G>();
    const stride = shift - 3;
    const indexMask = ((1 as u64) << stride) - 1;
    const range = ipa >> (shift + 2 * stride);
    const line = lines + ((((range as u32) & (MIDDLE_LINES - 1)) as usize) << LINE_SHIFT);
    let entry = nothing;
    if (load<u64>(line) == (current | range) || rememberMiddleTable(ipa, line, current | range)) {
      const index = ((ipa >> (shift + stride)) & indexMask) as usize;
      const descriptor = load<u64>((load<u32>(line, 8) as usize) + (index << 3));
      const page = ((descriptor & ADDRESS) >> shift) - firstPfn;
      if ((descriptor & tableMask) == TABLE && page < pages) {
        const table = load<u32>(frames + ((page as usize) << 2)) as usize;
        if (table != 0) entry = table + ((((ipa >> shift) & indexMask) as usize) << 3);
      }
    }
    return entry;
  }
}

/** Loads them, and nothing else. */
function loadEntries(to: usize, count: i32): void {
  let from = entries;
  for (const end = from + (((count as usize) & ~3) << 2); from < end; from += 16, to += 32) {
    const a = load<u64>(load<u32>(from) as usize);
    const b = load<u64>(load<u32>(from, 4) as usize);
    const c = load<u64>(load<u32>(from, 8) as usize);
    const d = load<u64>(load<u32>(from, 12) as usize);
    store<u64>(to, a);
    store<u64>(to, b, 8);
    store<u64>(to, c, 16);
    store<u64>(to, d, 24);
  }
  for (const end = entries + ((count as usize) << 2); from < end; from += 4, to += 8) {
    store<u64>(to, load<u64>(load<u32>(from) as usize));
  }
}

/** Makes answers of descriptors. */
function checkEntries<G>(from: usize, to: usize, count: i32): void {
  const pageMask = ((1 as u64) << shiftOf<G>()) - 1;
  const address = ADDRESS & ~pageMask;
  const mask = leafMask;
  const value = leafValue;
  for (const end = from + ((count as usize) << 3); from < end; from += 8, to += 8) {
    const ipa = load<u64>(from);
    const descriptor = load<u64>(to);
    if ((descriptor & mask) == value) store<u64>(to, (descriptor & address) | (ipa & pageMask));
    else store<u64>(to, exactly(ipa));
  }
}
