// Addresses only, many at a time: IPAs in, PAs out, each outcome exactly that of the walk in arch/translate.ts. Attributes
// and syndromes are not made.
//
// What is remembered of a walk is where a table is: a level-3 table as long as there are few of them, else a level-2 table,
// so that what is remembered stays in the processor's caches. It holds for one batch, under which tables do not change.
//
// A tree that is larger than those caches is touched first: a group of addresses finds its page entries, then loads them all
// in a loop that does nothing else, so that the processor waits for many misses at once; only then they are checked.

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
const LEAF_LINES: u32 = 4096; // level-3 tables: 8 GiB with 4 KiB pages
const MIDDLE_LINES: u32 = 512; // level-2 tables: 512 GiB
const BATCH_SHIFT: u64 = 44;
const LAST_BATCH: u64 = (1 << 20) - 1;

/** So many addresses show how many tables there are to remember. */
const SAMPLE: i32 = 256;
/** More level-2 tables than this have too many level-3 tables to remember. */
const MANY: i32 = 8;
/** Entries in flight at a time. */
const GROUP: i32 = 256;

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

// The type parameter G stands for the granule: u8 4 KiB, u16 16 KiB, u32 64 KiB; R for what is remembered.
type LeafTable = u8;
type MiddleTable = u16;

function linesOf<R>(): usize {
  const size = sizeof<R>();
  return size == sizeof<LeafTable>() ? leafLines : middleLines;
}

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

/** As `translateAll`, each address to its end before the next one: nothing is touched ahead. */
export function translateEach(handle: u32, access: u32, from: usize, to: usize, count: i32): i32 {
  if (!begin(handle, access)) return NO_STAGE2;
  if (!preparePlainWalk(regime, access)) translateExactly(from, to, count);
  else if (regime.granuleShift == 12) translateOneByOne<u8>(from, to, count);
  else if (regime.granuleShift == 14) translateOneByOne<u16>(from, to, count);
  else translateOneByOne<u32>(from, to, count);
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
  const done = (sample as usize) << 3;
  translateTouching<G, MiddleTable>(from, to, sample);
  if (missed > MANY) translateTouching<G, MiddleTable>(from + done, to + done, count - sample);
  else translateNearby<G>(from + done, to + done, count - sample);
}

function translateNearby<G>(from: usize, to: usize, count: i32): void {
  missed = 0;
  const sample = min(count, SAMPLE);
  const done = (sample as usize) << 3;
  translateInTurn<G, LeafTable>(from, to, sample);
  if (missed * 4 > sample) translateTouching<G, LeafTable>(from + done, to + done, count - sample);
  else translateInTurn<G, LeafTable>(from + done, to + done, count - sample);
}

function translateOneByOne<G>(from: usize, to: usize, count: i32): void {
  const sample = min(count, SAMPLE);
  const done = (sample as usize) << 3;
  translateInTurn<G, MiddleTable>(from, to, sample);
  if (missed > MANY) translateInTurn<G, MiddleTable>(from + done, to + done, count - sample);
  else translateInTurn<G, LeafTable>(from + done, to + done, count - sample);
}

function chainPlainly<G>(chain: u64, from: usize, to: usize, count: i32): void {
  const sample = min(count, SAMPLE);
  const done = (sample as usize) << 3;
  const last = chainInTurn<G, MiddleTable>(chain, 0, from, to, sample);
  if (missed > MANY) chainInTurn<G, MiddleTable>(chain, last, from + done, to + done, count - sample);
  else chainInTurn<G, LeafTable>(chain, last, from + done, to + done, count - sample);
}

// In turn.

function translateInTurn<G, R>(from: usize, to: usize, count: i32): void {
  const pageMask = ((1 as u64) << shiftOf<G>()) - 1;
  const address = ADDRESS & ~pageMask;
  const mask = leafMask;
  const value = leafValue;
  const current = batch << BATCH_SHIFT;
  const lines = linesOf<R>();
  const none = nothing;
  const table = tableMask;
  const first = firstPfn;
  const limit = pages;
  const frames = regionFrames;
  for (const end = from + ((count as usize) << 3); from < end; from += 8, to += 8) {
    const ipa = load<u64>(from);
    const descriptor = load<u64>(PageEntry.find<G, R>(ipa, lines, current, none, table, first, limit, frames));
    if ((descriptor & mask) == value) store<u64>(to, (descriptor & address) | (ipa & pageMask));
    else store<u64>(to, exactly(ipa));
  }
}

/** Goes on from the answer `last`. Returns the last answer. */
function chainInTurn<G, R>(chain: u64, last: u64, from: usize, to: usize, count: i32): u64 {
  const pageMask = ((1 as u64) << shiftOf<G>()) - 1;
  const address = ADDRESS & ~pageMask;
  const mask = leafMask;
  const value = leafValue;
  const current = batch << BATCH_SHIFT;
  const lines = linesOf<R>();
  const none = nothing;
  const table = tableMask;
  const first = firstPfn;
  const limit = pages;
  const frames = regionFrames;
  for (const end = from + ((count as usize) << 3); from < end; from += 8, to += 8) {
    const ipa = load<u64>(from) ^ (last & chain);
    const descriptor = load<u64>(PageEntry.find<G, R>(ipa, lines, current, none, table, first, limit, frames));
    last = (descriptor & address) | (ipa & pageMask);
    if ((descriptor & mask) != value) last = exactly(ipa);
    store<u64>(to, last);
  }
  return last;
}

// Touching.

function translateTouching<G, R>(from: usize, to: usize, count: i32): void {
  while (count > 0) {
    const size = min(count, GROUP);
    findEntries<G, R>(from, size);
    loadEntries(to, size);
    checkEntries<G>(from, to, size);
    from += (size as usize) << 3;
    to += (size as usize) << 3;
    count -= size;
  }
}

/** Finds where the page entries of `count` addresses are. */
function findEntries<G, R>(from: usize, count: i32): void {
  const current = batch << BATCH_SHIFT;
  const lines = linesOf<R>();
  const none = nothing;
  const table = tableMask;
  const first = firstPfn;
  const limit = pages;
  const frames = regionFrames;
  let to = entries;
  for (const end = from + ((count as usize) << 3); from < end; from += 8, to += 4) {
    const entry = PageEntry.find<G, R>(load<u64>(from), lines, current, none, table, first, limit, frames);
    store<u32>(to, entry as u32);
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

class PageEntry {
  /**
   * Linear address of the page entry for `ipa`; that of `none` if the way to it is not plain.
   * Written into every loop, and what does not change there is handed in: the engine neither inlines nor keeps globals in registers.
   */
  @inline
  static find<G, R>(
    ipa: u64,
    lines: usize,
    current: u64,
    none: usize,
    mask: u64,
    first: u64,
    limit: u64,
    frames: usize,
  ): usize {
    const shift = shiftOf<G>();
    const stride = shift - 3;
    const indexMask = ((1 as u64) << stride) - 1;
    const isLeafTable = sizeof<R>() == sizeof<LeafTable>();
    const tag = current | (ipa >> (isLeafTable ? shift + stride : shift + 2 * stride));
    const lineMask = (isLeafTable ? LEAF_LINES : MIDDLE_LINES) - 1;
    const line = lines + ((((tag as u32) & lineMask) as usize) << LINE_SHIFT);
    if (load<u64>(line) != tag && !remember(ipa, isLeafTable ? 3 : 2, line, tag)) return none;
    let table = load<u32>(line, 8) as usize;
    if (!isLeafTable) {
      const index = ((ipa >> (shift + stride)) & indexMask) as usize;
      const descriptor = load<u64>(table + (index << 3));
      const page = ((descriptor & ADDRESS) >> shift) - first;
      if ((descriptor & mask) != TABLE || page >= limit) return none;
      table = load<u32>(frames + ((page as usize) << 2)) as usize;
      if (table == 0) return none;
    }
    return table + ((((ipa >> shift) & indexMask) as usize) << 3);
  }
}

/** Finds a table and fills its line. False if the way to it is not plain. */
function remember(ipa: u64, tableLevel: i32, line: usize, tag: u64): bool {
  missed++;
  const table = findTable(regime, ipa, tableLevel);
  if (table == 0) return false;
  store<u64>(line, tag);
  store<u32>(line, table as u32, 8);
  return true;
}
