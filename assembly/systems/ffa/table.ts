// An endpoint's stage-2 tables as the managers keep them: identity maps whose entries carry a mode
// (inc/hf/mm.h, src/arch/aarch64/mm.c; reference ffa, section 3).
//
//   bit 0 valid · 55 owned · 56 exclusive · 57 non-secure output · 58 user and not-global (S-EL0 partitions)
//
// An all-zero entry is MODE_ABSENT. A page that was lent away keeps its output address and access bits in an invalid entry.

import {
  MODE_ABSENT,
  MODE_D,
  MODE_INVALID,
  MODE_NG,
  MODE_NS,
  MODE_R,
  MODE_SHARED,
  MODE_UNOWNED,
  MODE_USER,
  MODE_W,
  MODE_X,
} from "../../abi/ffa";
import { LIMIT_FRAMES } from "../../abi/codes";
import { HF_FLUSH_WRONG_SPACE } from "../../abi/mutations";
import { TTL_UNKNOWN } from "../../abi/records";
import { TLBI_BREAK_LEAF, TLBI_UNMAP_LEAF, TLBI_UNMAP_TABLE } from "../../abi/tlb";
import {
  addressField,
  AF,
  isTable,
  MEMATTR_SHIFT,
  S2AP_R,
  S2AP_W,
  SH_IS,
  TABLE,
  TYPE,
  VALID,
  XN_ALL,
  XN_SHIFT,
} from "../../arch/descriptor";
import { iaSize, pfnToPa, startLevel } from "../../arch/geometry";
import { invalidateIpa } from "../../arch/tlb";
import { frameOf } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { pfnOf } from "../../memory/regions";
import { reachLimit } from "../../memory/verdict";
import { refcount, setRefcount } from "../../memory/vmemmap";
import { flushIpa } from "../../pagetable/maintenance";
import {
  allocateTablePage,
  childPage,
  entryOffset,
  freeTablePage,
  isEmptyTable,
  rootFrame,
  rootIndex,
  rootPage,
  setEntry,
  Stage2,
} from "../../pagetable/stage2-table";
import { forgetLeafTable, leafEntry, leafTable } from "../../pagetable/walk-cache";

const OWNED: u64 = 1 << 55;
const EXCLUSIVE: u64 = 1 << 56;
const NON_SECURE: u64 = 1 << 57;
const USER: u64 = 1 << 58;
const MEMATTR_NORMAL: u64 = 15;
const MEMATTR_DEVICE: u64 = 1;
const NO_EXECUTE: u64 = XN_ALL << XN_SHIFT;

/** The mode of the page at `pa`. */
export function modeAt(table: Stage2, pa: u64): i32 {
  return modeOf(attributesAt(table, pa));
}

/** What the entry for the page at `pa` says besides its address. It and the mode stand for each other; 0: absent. */
export function attributesAt(table: Stage2, pa: u64): u64 {
  const entry = pa < iaSize ? leafEntry(table, pa) : 0;
  return entry == 0 ? 0 : load<u64>(entry) & ~addressField(u64.MAX_VALUE);
}

/** The mode that attributes stand for. */
export function modeOf(descriptor: u64): i32 {
  if (descriptor == 0) return MODE_ABSENT;
  let mode = 0;
  if (descriptor & S2AP_R) mode |= MODE_R;
  if (descriptor & S2AP_W) mode |= MODE_W;
  if (!(descriptor & NO_EXECUTE)) mode |= MODE_X;
  if (((descriptor >> MEMATTR_SHIFT) & 15) == MEMATTR_DEVICE) mode |= MODE_D;
  if (!(descriptor & VALID)) mode |= MODE_INVALID;
  if (!(descriptor & OWNED)) mode |= MODE_UNOWNED;
  if (!(descriptor & EXCLUSIVE)) mode |= MODE_SHARED;
  if (descriptor & NON_SECURE) mode |= MODE_NS;
  return descriptor & USER ? mode | MODE_USER | MODE_NG : mode;
}

/** The entry that gives a page a mode. */
export function descriptorOf(mode: i32, pa: u64): u64 {
  let descriptor = addressField(pa) | TYPE | AF | SH_IS;
  if (mode & MODE_R) descriptor |= S2AP_R;
  if (mode & MODE_W) descriptor |= S2AP_W;
  if (!(mode & MODE_X)) descriptor |= NO_EXECUTE;
  descriptor |= (mode & MODE_D ? MEMATTR_DEVICE : MEMATTR_NORMAL) << MEMATTR_SHIFT;
  if (!(mode & MODE_INVALID)) descriptor |= VALID;
  if (!(mode & MODE_UNOWNED)) descriptor |= OWNED;
  if (!(mode & MODE_SHARED)) descriptor |= EXCLUSIVE;
  if (mode & MODE_NS) descriptor |= NON_SECURE;
  return mode & MODE_USER ? descriptor | USER : descriptor;
}

/** Whether a mode leaves an entry behind: what is invalid and not owned does not (mm.c:mm_pg_commit). */
export function isAbsent(mode: i32): bool {
  return (mode & (MODE_INVALID | MODE_UNOWNED)) == (MODE_INVALID | MODE_UNOWNED);
}

/** The page for which no table page was left. */
export let stoppedAt: u64 = 0;

/** Gives the page at `pa` a mode. False if no table page is left. */
export function setModeAt(table: Stage2, pa: u64, mode: i32): bool {
  const found = leafEntry(table, pa);
  if (found == 0) return isAbsent(mode) || mapPage(table, pa, mode);
  const page = leafTable;
  const old = load<u64>(found);
  const descriptor = isAbsent(mode) ? 0 : descriptorOf(mode, pa);
  if (old == descriptor) return true;
  if (old & VALID) breakEntry(table, found, page, pa, descriptor == 0 ? TLBI_UNMAP_LEAF : TLBI_BREAK_LEAF);
  setEntry(table, found, page, 3, pa, descriptor);
  if (descriptor == 0 && isEmptyTable(page)) dropTables(table, pa);
  return true;
}

// Lists of ranges at once: `count` constituents (address, pages) from `list` on. Pages are 4 KiB (machine.ts), so an entry's
// address field is the address, and a level-3 table is looked up once for all pages of a block that follow one another.

const PAGE_SHIFT: u64 = 12;
const PAGE: u64 = 4096;
const BLOCK_SHIFT: u64 = 21;
const INDEX: u64 = 511;
const NO_BLOCK: u64 = u64.MAX_VALUE;

/** Whether all pages have these attributes; not if a range is empty, unaligned or beyond the table. */
export function haveAttributes(table: Stage2, list: usize, count: u32, attributes: u64): bool {
  const end = list + ((count as usize) << 4);
  let block = NO_BLOCK;
  let entries: usize = 0;
  for (let at = list; at < end; at += 16) {
    let pa = load<u64>(at);
    const last = pa + ((load<u32>(at, 8) as u64) << PAGE_SHIFT);
    if ((pa & (PAGE - 1)) != 0 || pa >= last || last > iaSize) return false;
    while (pa < last) {
      if (pa >> BLOCK_SHIFT != block) {
        block = pa >> BLOCK_SHIFT;
        entries = leafEntry(table, block << BLOCK_SHIFT);
      }
      const stop = min(last, (block + 1) << BLOCK_SHIFT);
      if (entries == 0 ? attributes != 0 : !areEntries(entries + entryAt(pa), pa, stop, attributes)) return false;
      pa = stop;
    }
  }
  return true;
}

function areEntries(first: usize, start: u64, stop: u64, attributes: u64): bool {
  // An absent page has no address either.
  const step = attributes == 0 ? 0 : PAGE;
  let expected = attributes == 0 ? 0 : attributes | start;
  let entry = first;
  for (let pa = start; pa < stop; pa += PAGE) {
    if (load<u64>(entry) != expected) return false;
    expected += step;
    entry += 8;
  }
  return true;
}

function entryAt(pa: u64): usize {
  return (((pa >> PAGE_SHIFT) & INDEX) << 3) as usize;
}

/** Gives all pages one mode while nobody observes entries. False if no table page is left. */
export function setModes(table: Stage2, list: usize, count: u32, mode: i32): bool {
  const attributes = isAbsent(mode) ? 0 : descriptorOf(mode, 0);
  const end = list + ((count as usize) << 4);
  let block = NO_BLOCK;
  let entries: usize = 0;
  let page: usize = 0;
  for (let at = list; at < end; at += 16) {
    let pa = load<u64>(at);
    const last = pa + ((load<u32>(at, 8) as u64) << PAGE_SHIFT);
    while (pa < last) {
      if (pa >> BLOCK_SHIFT != block) {
        block = pa >> BLOCK_SHIFT;
        entries = leafEntry(table, block << BLOCK_SHIFT);
        if (entries == 0 && attributes != 0) {
          if (!mapPage(table, pa, mode)) return false;
          entries = leafEntry(table, block << BLOCK_SHIFT);
        }
        page = leafTable;
      }
      const stop = min(last, (block + 1) << BLOCK_SHIFT);
      if (entries != 0 && !setEntries(entries + entryAt(pa), page, pa, stop, attributes)) {
        dropTables(table, pa);
        block = NO_BLOCK;
      }
      pa = stop;
    }
  }
  return true;
}

// False if the table is empty then.
function setEntries(first: usize, page: usize, start: u64, stop: u64, attributes: u64): bool {
  const step = attributes == 0 ? 0 : PAGE;
  let descriptor = attributes == 0 ? 0 : attributes | start;
  let entry = first;
  let present: u32 = 0;
  for (let pa = start; pa < stop; pa += PAGE) {
    present += u32(load<u64>(entry) != 0);
    store<u64>(entry, descriptor);
    descriptor += step;
    entry += 8;
  }
  const now: u32 = attributes == 0 ? 0 : (((stop - start) >> PAGE_SHIFT) as u32);
  if (now == present) return true;
  setRefcount(page, refcount(page) + now - present);
  return !isEmptyTable(page);
}

// A list is checked and then changed. Where it is one range within one level-3 table, the second finds what the first has found.
let checkedEntry: usize = 0;
let checkedTable: usize = 0;

/** What all pages have in common after `haveCommonAttributes`. */
export let commonAttributes: u64 = 0;

/** Whether all pages have the attributes of the first, which are left in `commonAttributes`. The list is not empty. */
export function haveCommonAttributes(table: Stage2, list: usize, count: u32): bool {
  const start = load<u64>(list);
  const stop = start + ((load<u32>(list, 8) as u64) << PAGE_SHIFT);
  const isRun = count == 1 && (start & (PAGE - 1)) == 0 && start < stop && stop <= iaSize;
  checkedEntry = isRun && (start ^ (stop - 1)) >> BLOCK_SHIFT == 0 ? leafEntry(table, start) : 0;
  checkedTable = leafTable;
  if (checkedEntry == 0) {
    commonAttributes = attributesAt(table, start);
    return haveAttributes(table, list, count, commonAttributes);
  }
  commonAttributes = load<u64>(checkedEntry) & ~addressField(u64.MAX_VALUE);
  return areEntries(checkedEntry, start, stop, commonAttributes);
}

/** As `setModes`, right after `haveCommonAttributes` for the same list. */
export function setCheckedModes(table: Stage2, list: usize, count: u32, mode: i32): bool {
  if (checkedEntry == 0) return setModes(table, list, count, mode);
  const start = load<u64>(list);
  const stop = start + ((load<u32>(list, 8) as u64) << PAGE_SHIFT);
  const attributes = isAbsent(mode) ? 0 : descriptorOf(mode, 0);
  if (!setEntries(checkedEntry, checkedTable, start, stop, attributes)) dropTables(table, start);
  return true;
}

// Break before make (mm.c:mm_replace_entry).
function breakEntry(table: Stage2, entry: usize, page: usize, pa: u64, site: i32): void {
  setEntry(table, entry, page, 3, pa, 0);
  if (isMutated(HF_FLUSH_WRONG_SPACE) && isWalked(table)) invalidateIpa(secureTag(table), pa, 3);
  else flushIpa(table, pa, 3, site);
}

// What the SPMC notes of the normal world (endpoint 0) no MMU walks.
function isWalked(table: Stage2): bool {
  return table.vm != 0;
}

// By IPA an invalidation names a space in its operand: this is the tag of the secure one of the same endpoint (endpoint.ts).
function secureTag(table: Stage2): u32 {
  return ((table.vmid - 1) & ~1) | 1;
}

// Builds the tables above the page, as far as they are missing.
function mapPage(table: Stage2, pa: u64, mode: i32): bool {
  const index = rootIndex(pa);
  let page = rootPage(table, index);
  let frame = rootFrame(table, index);
  for (let level = startLevel; level < 3; level++) {
    const entry = frame + entryOffset(pa, level);
    let descriptor = load<u64>(entry);
    if (!isTable(descriptor, level)) {
      const child = allocateTablePage(table);
      if (child == 0) {
        stoppedAt = pa;
        reachLimit(LIMIT_FRAMES);
        return false;
      }
      descriptor = addressField(pfnToPa(pfnOf(child))) | TABLE;
      setEntry(table, entry, page, level, pa, descriptor);
    }
    page = childPage(descriptor);
    frame = frameOf(page);
  }
  setEntry(table, frame + entryOffset(pa, 3), page, 3, pa, descriptorOf(mode, pa));
  return true;
}

// vm_ptable_defrag: a table whose entries are all absent goes, and so do those above it that become empty.
function dropTables(table: Stage2, pa: u64): void {
  for (let below = 3; below > startLevel; below--) {
    const index = rootIndex(pa);
    let page = rootPage(table, index);
    let entry = rootFrame(table, index) + entryOffset(pa, startLevel);
    for (let level = startLevel; level < below - 1; level++) {
      page = childPage(load<u64>(entry));
      entry = frameOf(page) + entryOffset(pa, level + 1);
    }
    const child = childPage(load<u64>(entry));
    if (!isEmptyTable(child)) return;
    setEntry(table, entry, page, below - 1, pa, 0);
    if (isMutated(HF_FLUSH_WRONG_SPACE) && isWalked(table)) invalidateIpa(secureTag(table), pa, TTL_UNKNOWN);
    else flushIpa(table, pa, TTL_UNKNOWN, TLBI_UNMAP_TABLE);
    if (below == 3) forgetLeafTable(table, pa);
    freeTablePage(table, child);
  }
}
