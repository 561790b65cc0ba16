// The ordinary change of a page table: a range below one level-3 table that is there and stays, leaves made where nothing
// is or removed where they lead to the memory in question, and nobody who watches. It takes no table page and frees none,
// so that it cannot be refused; each entry costs a load and a store. Anything else is page-table.ts's, which comes to the
// same bytes.
//
// First it is looked at (prepare), then made (commit): in between nothing else changes the tables.

import { isTable, outputAddress, TYPE, VALID } from "../../arch/descriptor";
import { blockShift, iaSize, pageShift, pageSize, startLevel } from "../../arch/geometry";
import { frameOf } from "../../memory/dram";
import { reserve } from "../../memory/heap";
import { observing } from "../../memory/journal";
import { refcount, setRefcount } from "../../memory/vmemmap";
import { childPage, entryOffset, rootFrame, Stage2 } from "../../pagetable/stage2-table";
import { COUNT_SHIFT } from "./page-table";

// The level-3 tables that were changed last, by VMID and block:
//   0 u64 tag, 0 = none | 8 u32 frame | 12 u32 page | 16 u32 the entry that leads to the table
const LINES: u64 = 16;
const LINE_SHIFT: u64 = 5;
let lines: usize = 0;

/** False if linear memory is used up. */
export function reserveLeafTables(): bool {
  lines = reserve((LINES << LINE_SHIFT) as usize);
  return lines != 0;
}

/** A table is taken out of use. */
export function forgetLeafTables(): void {
  memory.fill(lines, 0, (LINES << LINE_SHIFT) as usize);
}

// The level-3 table last looked for: its first entry, its page, and the entry that leads to it.
export let frame: usize = 0;
export let page: usize = 0;
export let parent: usize = 0;

/** Whether a level-3 table covers `ipa`, which lies in the IPA space. */
export function findTable(table: Stage2, ipa: u64): bool {
  const block = ipa >> blockShift;
  const tag = (block << 16) | (table.vmid as u64);
  const line = lines + ((((block ^ (table.vmid as u64)) & (LINES - 1)) << LINE_SHIFT) as usize);
  if (load<u64>(line) != tag) {
    if (!walkToTable(table, ipa)) return false;
    store<u64>(line, tag);
    store<u32>(line, frame as u32, 8);
    store<u32>(line, page as u32, 12);
    store<u32>(line, parent as u32, 16);
    return true;
  }
  frame = load<u32>(line, 8) as usize;
  page = load<u32>(line, 12) as usize;
  parent = load<u32>(line, 16) as usize;
  return true;
}

function walkToTable(table: Stage2, ipa: u64): bool {
  frame = rootFrame(table, 0);
  for (let level = startLevel; level < 3; level++) {
    parent = frame + entryOffset(ipa, level);
    const descriptor = load<u64>(parent);
    if (!isTable(descriptor, level)) return false;
    page = childPage(descriptor);
    frame = frameOf(page);
  }
  return true;
}

// What was prepared: `count` entries from `first` on become `leaf` and its successors, or 0.
let first: usize = 0;
let count: u32 = 0;
let leaf: u64 = 0;
let isRemoval: bool = false;

/** A change that changes nothing. */
export function prepareNothing(): void {
  count = 0;
}

/** Whether mapping [ipa, ipa + size) to `pa` is ordinary: no entry is in use. `attributes`: the leaf without its address. */
export function prepareMap(table: Stage2, ipa: u64, size: u64, pa: u64, attributes: u64): bool {
  if (!prepareEntries(table, ipa, size)) return false;
  const end = first + ((count as usize) << 3);
  for (let at = first; at < end; at += 8) if (load<u64>(at) != 0) return false;
  isRemoval = false;
  leaf = attributes | pa | TYPE;
  return true;
}

/** Whether removing what leads from [ipa, ipa + size) to [pa, ..) is ordinary: all of it does, and the table keeps other entries. */
export function prepareUnmap(table: Stage2, ipa: u64, size: u64, pa: u64): bool {
  if (!prepareEntries(table, ipa, size) || refcount(page) - 1 <= count) return false;
  let to = pa;
  const end = first + ((count as usize) << 3);
  for (let at = first; at < end; at += 8) {
    const entry = load<u64>(at);
    if ((entry & VALID) == 0 || outputAddress(entry) != to) return false;
    to += pageSize;
  }
  isRemoval = true;
  return true;
}

function prepareEntries(table: Stage2, ipa: u64, size: u64): bool {
  if (observing || ipa >= iaSize || (ipa ^ (ipa + size - 1)) >> blockShift != 0) return false;
  if (!findTable(table, ipa)) return false;
  first = frame + entryOffset(ipa, 3);
  count = (size >> pageShift) as u32;
  return true;
}

/** Makes the change. */
export function commit(): void {
  if (count == 0) return;
  const end = first + ((count as usize) << 3);
  if (isRemoval) {
    for (let at = first; at < end; at += 8) store<u64>(at, 0);
    countEntries(page, parent, -(count as i32));
    return;
  }
  let next = leaf;
  for (let at = first; at < end; at += 8) {
    store<u64>(at, next);
    next += pageSize;
  }
  countEntries(page, parent, count);
}

/** So many more entries of a table are in use: its page's count, and the one in the entry above. */
export function countEntries(tablePage: usize, above: usize, more: i32): void {
  setRefcount(tablePage, refcount(tablePage) + more);
  store<u64>(above, load<u64>(above) + ((more as u64) << COUNT_SHIFT));
}
