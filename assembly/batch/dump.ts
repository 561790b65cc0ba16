// Listings of the state for people, digests and comparisons: pages, leaves, tables. Each call fills the window from where
// the caller left off and answers the number of records. Layouts: abi/records.ts.

import { frameOf } from "../memory/dram";
import { DUMP_LEAF_SIZE, DUMP_PAGE_SIZE, DUMP_TABLE_SIZE } from "../abi/records";
import { REGION_FRAMES } from "../abi/codes";
import { isTable } from "../arch/descriptor";
import { iaSize, indexMask, levelShift, pgdPages, startLevel } from "../arch/geometry";
import { reserve } from "../memory/heap";
import { pageOf, regionAt, regionCount, vmemmap, vmemmapPages, pfnOf } from "../memory/regions";
import { pageWord } from "../memory/vmemmap";
import { lookUpEntries } from "../pagetable/walk-cache";
import { hypEntry } from "../pagetable/hyp-stage1";
import { childPage, entryOffset, rootFrame, rootIndex, Stage2 } from "../pagetable/stage2-table";
import { getLeaf, leaf, leafLevel } from "../pagetable/walk";
import { tableOf } from "./tables";

const WINDOW_BYTES: usize = 1 << 20;

let window: usize = 0;
let filled: usize = 0;

export function dumpWindow(): usize {
  if (window == 0) window = reserve(WINDOW_BYTES);
  return window;
}

export function dumpCapacity(): i32 {
  return WINDOW_BYTES as i32;
}

/** Runs of pages with equal vmemmap words, from page number `from` (counted over all regions) on. */
export function dumpPages(from: u32): i32 {
  filled = dumpWindow();
  let count = 0;
  let index = from;
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    if (region.flags & REGION_FRAMES) continue;
    const first = ((region.words - vmemmap) >> 3) as u32;
    const last = first + (region.pages as u32);
    while (index >= first && index < last) {
      if (filled - window + DUMP_PAGE_SIZE > WINDOW_BYTES) return count;
      index = dumpRun(index, last);
      count++;
    }
  }
  return count;
}

// One run; the index behind it.
function dumpRun(index: u32, last: u32): u32 {
  const page = vmemmap + ((index as usize) << 3);
  const word = pageWord(page);
  let next = index + 1;
  while (next < last && pageWord(vmemmap + ((next as usize) << 3)) == word) next++;
  store<u64>(filled, pfnOf(page));
  store<u64>(filled, word, 8);
  store<u64>(filled, (next - index) as u64, 16);
  filled += DUMP_PAGE_SIZE;
  return next;
}

/** Pages that `dumpPages` counts over. */
export function dumpPageCount(): u32 {
  let pages = vmemmapPages;
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    if (region.flags & REGION_FRAMES) pages -= region.pages as u32;
  }
  return pages;
}

/** Non-zero entries at which walks end, from `from` on, one record each. */
export function dumpLeaves(handle: u32, from: u64): i32 {
  const table = tableOf(handle);
  filled = dumpWindow();
  if (table == null) return 0;
  cursor = from;
  wantTables = false;
  return dumpAll(table);
}

/** All tables in order of address, then level; the first `skip` are left out. Roots are marked. */
export function dumpTables(handle: u32, skip: u32): i32 {
  const table = tableOf(handle);
  filled = dumpWindow();
  if (table == null) return 0;
  cursor = 0;
  wantTables = true;
  toSkip = skip;
  return dumpAll(table);
}

let cursor: u64 = 0;
let wantTables: bool = false;
let toSkip: u32 = 0;
let written: i32 = 0;

function dumpAll(table: Stage2): i32 {
  written = 0;
  for (let index = rootIndex(cursor); index < pgdPages && cursor < iaSize; index++) {
    if (wantTables && !addTable((index as u64) << levelShift(startLevel - 1), startLevel, true)) break;
    if (!dumpTable(rootFrame(table, index), startLevel)) break;
  }
  return written;
}

// False when the window is full.
function dumpTable(frame: usize, level: i32): bool {
  const shift = levelShift(level);
  for (let index = (cursor >> shift) & indexMask; index <= indexMask; index++) {
    const descriptor = load<u64>(frame + ((index as usize) << 3));
    const covers = (cursor >> shift) << shift;
    if (isTable(descriptor, level)) {
      if (wantTables && !addTable(covers, level + 1, false)) return false;
      if (!dumpTable(frameOf(childPage(descriptor)), level + 1)) return false;
    } else {
      if (!wantTables && descriptor != 0 && !addLeaf(covers, descriptor, level)) return false;
      cursor = covers + ((1 as u64) << shift);
    }
  }
  return true;
}

function addLeaf(ipa: u64, descriptor: u64, level: i32): bool {
  if (filled - window + DUMP_LEAF_SIZE > WINDOW_BYTES) return false;
  store<u64>(filled, ipa);
  store<u64>(filled, descriptor, 8);
  store<u64>(filled, level as u64, 16);
  filled += DUMP_LEAF_SIZE;
  written++;
  return true;
}

function addTable(ipa: u64, level: i32, isRoot: bool): bool {
  if (toSkip != 0) {
    toSkip--;
    return true;
  }
  if (filled - window + DUMP_TABLE_SIZE > WINDOW_BYTES) return false;
  store<u64>(filled, ipa);
  store<u32>(filled, level, 8);
  store<u32>(filled, isRoot ? 1 : 0, 12);
  filled += DUMP_TABLE_SIZE;
  written++;
  return true;
}

/** Looks up the entry for `ipa`: its level, -1 if there is no such table or no such address. */
export function findLeaf(handle: u32, ipa: u64): i32 {
  const table = tableOf(handle);
  return table != null && getLeaf(table, ipa) == 0 ? leafLevel : -1;
}

/** The descriptor that the last findLeaf ended at. */
export function leafDescriptor(): u64 {
  return leaf;
}

/** Linear address of a page's vmemmap word, 0 where there is no memory: for debuggers, and tests that plant faults. */
export function pagePointer(pfn: u64): usize {
  return pageOf(pfn);
}

/** Linear address of the entry at which a walk of `ipa` ends, 0 if there is none. */
export function entryPointer(handle: u32, ipa: u64): usize {
  const table = tableOf(handle);
  if (table == null || getLeaf(table, ipa) != 0) return 0;
  let frame = rootFrame(table, rootIndex(ipa));
  for (let level = startLevel; level < leafLevel; level++) {
    frame = frameOf(childPage(load<u64>(frame + entryOffset(ipa, level))));
  }
  return frame + entryOffset(ipa, leafLevel);
}

/** Linear address of EL2's linear-map entry for a page, 0 if no table reaches it. */
export function hypEntryPointer(pa: u64): usize {
  return hypEntry(pa);
}

/** `count` leaf look-ups (see lookUpEntries): the number of valid ones, -1 if there is no such table. */
export function lookUpLeaves(handle: u32, from: usize, to: usize, count: i32): i32 {
  const table = tableOf(handle);
  return table != null ? lookUpEntries(table, from, to, count) : -1;
}

/** A page's word by frame number; all ones where there is no memory. */
export function wordOf(pfn: u64): u64 {
  const page = pageOf(pfn);
  return page == 0 ? u64.MAX_VALUE : pageWord(page);
}
