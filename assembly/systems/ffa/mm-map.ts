// Mapping and unmapping a range of a partition manager's table: in blocks where addresses and range allow it, and in smaller
// leaves where they do not, for which a block that is there is decomposed (src/mm.c; reference ffa section 3, bugs section 7).
// Whatever can be refused is refused before the first write.

import {
  FFA_DENIED,
  FFA_INVALID_PARAMETERS,
  FFA_NO_MEMORY,
  MODE_ABSENT,
  REASON_FFA_ALIGNMENT,
  REASON_FFA_OUTPUT,
  REASON_FFA_RANGE,
  REASON_FFA_TABLE_MEMORY,
} from "../../abi/ffa";
import { HF_BLOCK_REPLACE_FLUSH, HF_OVERMAP } from "../../abi/mutations";
import { addressField, isTable, outputAddress, TABLE, TYPE } from "../../arch/descriptor";
import {
  granuleSize,
  iaSize,
  indexMask,
  levelBits,
  levelShift,
  pageMask,
  pfnToPa,
  startLevel,
} from "../../arch/geometry";
import { frameOf } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { pfnOf } from "../../memory/regions";
import { refuse } from "../../memory/verdict";
import { setRefcount } from "../../memory/vmemmap";
import {
  allocateTablePage,
  childPage,
  entryOffset,
  rootFrame,
  rootIndex,
  rootPage,
  Stage2,
} from "../../pagetable/stage2-table";
import { replaceAndFlush, replaceEntry } from "./mm-entry";
import { attributesOf, isBlockAllowed, mmLeaf, outputAt } from "./mm-table";
import { isAbsent } from "./table";

// What a range is mapped to, while a call is at work.
let table: Stage2 = changetype<Stage2>(0);
/** PA - IPA, modulo 2^64. */
let offset: u64 = 0;
let mode: i32 = 0;

/** Checks the range of a call: 0, or what refuses it. */
export function checkMmRange(begin: u64, size: u64): i32 {
  if (((begin | size) & pageMask) != 0) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_ALIGNMENT, begin, 0, 0);
  if (size == 0 || size > iaSize || begin > iaSize - size) return refuse(FFA_DENIED, REASON_FFA_RANGE, begin, 0, 0);
  return 0;
}

/** Lets [begin, begin + size) lead to `pa` with a mode. */
export function mmMap(pgt: Stage2, begin: u64, size: u64, pa: u64, newMode: i32): i32 {
  const refused = checkMmRange(begin, size);
  if (refused != 0) return refused;
  if ((pa & pageMask) != 0) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_ALIGNMENT, pa, 0, 0);
  table = pgt;
  offset = pa - begin;
  mode = newMode;
  const elsewhere = isMutated(HF_OVERMAP) ? NOWHERE : leadingElsewhere(begin, begin + size);
  if (elsewhere != NOWHERE) return refuse(FFA_DENIED, REASON_FFA_OUTPUT, elsewhere, 0, 0);
  return commit(begin, begin + size);
}

/** Takes [begin, begin + size) out of the table. */
export function mmUnmap(pgt: Stage2, begin: u64, size: u64): i32 {
  const refused = checkMmRange(begin, size);
  if (refused != 0) return refused;
  table = pgt;
  offset = 0;
  mode = MODE_ABSENT;
  return commit(begin, begin + size);
}

function commit(begin: u64, end: u64): i32 {
  let needed: u32 = 0;
  for (let ipa = begin; ipa < end; ipa = endOfRoot(ipa, end)) {
    needed += pagesBelow(rootFrame(table, rootIndex(ipa)), startLevel, ipa, endOfRoot(ipa, end), false);
  }
  if (needed > table.pool.free) return refuse(FFA_NO_MEMORY, REASON_FFA_TABLE_MEMORY, begin, needed, table.pool.free);
  for (let ipa = begin; ipa < end; ipa = endOfRoot(ipa, end)) {
    const index = rootIndex(ipa);
    mapTable(rootPage(table, index), rootFrame(table, index), startLevel, ipa, endOfRoot(ipa, end));
  }
  return 0;
}

// The end of what one root page covers, or of the range.
function endOfRoot(ipa: u64, end: u64): u64 {
  return min(end, ((rootIndex(ipa) as u64) + 1) << (levelShift(startLevel) + levelBits));
}

function endOfEntry(ipa: u64, level: i32, end: u64): u64 {
  return min(end, (ipa & ~(granuleSize(level) - 1)) + granuleSize(level));
}

const NOWHERE: u64 = u64.MAX_VALUE;

/** Replacing an output address takes an unmap: the first address that leads to another one than it is told to. */
function leadingElsewhere(begin: u64, end: u64): u64 {
  if (isAbsent(mode)) return NOWHERE;
  for (let ipa = begin; ipa < end;) {
    let level = startLevel;
    let entry = load<u64>(rootFrame(table, rootIndex(ipa)) + entryOffset(ipa, level));
    while (isTable(entry, level)) {
      level++;
      entry = load<u64>(frameOf(childPage(entry)) + entryOffset(ipa, level));
    }
    if (entry != 0 && outputAt(entry, level, ipa) != ipa + offset) return ipa;
    ipa = endOfEntry(ipa, level, end);
  }
  return NOWHERE;
}

/** Whether the part [ipa, stop) of an entry becomes one leaf of it. */
function isWhole(level: i32, ipa: u64, stop: u64): bool {
  if (stop - ipa != granuleSize(level)) return false;
  return level == 3 || isAbsent(mode) || isBlockAllowed(level, ipa + offset);
}

/** Whether a leaf says already what is asked for. */
function isDone(entry: u64, level: i32, ipa: u64): bool {
  if (isAbsent(mode) || entry == 0) return entry == 0 && isAbsent(mode);
  const wanted = mmLeaf(table, level, ipa + offset, mode);
  return attributesOf(entry) == attributesOf(wanted) && outputAt(entry, level, ipa) == ipa + offset;
}

// Table pages that are missing below the table in `frame`; 0: one that is missing itself, in the place of an entry that
// translates something or of an empty one.
function pagesBelow(frame: usize, level: i32, begin: u64, end: u64, isDecomposed: bool): u32 {
  let pages: u32 = 0;
  for (let ipa = begin; ipa < end; ipa = endOfEntry(ipa, level, end)) {
    const stop = endOfEntry(ipa, level, end);
    const entry = frame == 0 ? 0 : load<u64>(frame + entryOffset(ipa, level));
    if (isWhole(level, ipa, stop)) continue;
    if (isTable(entry, level)) pages += pagesBelow(frameOf(childPage(entry)), level + 1, ipa, stop, false);
    else if (isDecomposed || !isDone(entry, level, ipa))
      pages += 1 + pagesBelow(0, level + 1, ipa, stop, isDecomposed || entry != 0);
  }
  return pages;
}

function mapTable(page: usize, frame: usize, level: i32, begin: u64, end: u64): void {
  for (let ipa = begin; ipa < end; ipa = endOfEntry(ipa, level, end)) {
    const at = frame + entryOffset(ipa, level);
    const stop = endOfEntry(ipa, level, end);
    if (isWhole(level, ipa, stop)) {
      replaceEntry(table, at, page, level, ipa, mmLeaf(table, level, ipa + offset, mode));
      continue;
    }
    if (!isTable(load<u64>(at), level)) {
      if (isDone(load<u64>(at), level, ipa)) continue;
      decompose(at, page, level, ipa);
    }
    const child = childPage(load<u64>(at));
    mapTable(child, frameOf(child), level + 1, ipa, stop);
  }
}

/** An entry that is no table becomes one: empty, or with smaller leaves that say the same as the block. */
function decompose(at: usize, page: usize, level: i32, ipa: u64): void {
  const block = load<u64>(at);
  const child = allocateTablePage(table);
  if (block != 0) fillWith(child, block, level + 1);
  const size = granuleSize(level);
  const begin = isMutated(HF_BLOCK_REPLACE_FLUSH) ? ipa : ipa & ~(size - 1);
  replaceAndFlush(table, at, page, level, ipa, addressField(pfnToPa(pfnOf(child))) | TABLE, begin, begin + size);
}

function fillWith(page: usize, block: u64, level: i32): void {
  const frame = frameOf(page);
  const attributes = attributesOf(block) | (level == 3 ? TYPE : 0);
  for (let index: u64 = 0; index <= indexMask; index++) {
    const pa = outputAddress(block) + index * granuleSize(level);
    store<u64>(frame + ((index as usize) << 3), attributes | addressField(pa));
  }
  setRefcount(page, (indexMask + 2) as u32);
}
