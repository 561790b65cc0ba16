// Stage-2 tables as Gunyah's EL2 builds them (reference gunyah section 4; hyp/mem/pgtable/armv8/src/pgtable.c): 4 KiB pages,
// blocks of 2 MiB and 1 GiB wherever they fit, break before make, and bits 11:2 of a table descriptor with the number of
// entries in use below. The Contiguous bit is never set.
//
// A change is planned first: the table pages that it takes are counted, and without them it is refused before it starts.

import {
  ACCESS_R,
  ACCESS_W,
  ACCESS_X,
  ADDR_INVALID,
  ADDR_OVERFLOW,
  ARGUMENT_ALIGNMENT,
  HEAP_TABLES,
  MAP_DEVICE_GRE,
  MAP_KERNEL_SHIFT,
  MAP_MEMTYPE_SHIFT,
  NOMEM,
  PANIC_PGTABLE_RANGE,
  REASON_HEAP,
  REASON_PAGE_ALIGNMENT,
  REASON_SPACE_OVERFLOW,
  REASON_SPACE_RANGE,
} from "../../abi/gunyah";
import { GUNYAH_MAP_ASSERTS, GUNYAH_TABLE_FREED_BEFORE_FLUSH } from "../../abi/mutations";
import { EFFECT_TLBI_STAGE1, TTL_UNKNOWN } from "../../abi/records";
import { TLBI_BREAK_LEAF, TLBI_RELAX_PERMS, TLBI_SPLIT, TLBI_UNMAP_LEAF } from "../../abi/tlb";
import {
  addressField,
  AF,
  isTable,
  isValid,
  MEMATTR,
  MEMATTR_SHIFT,
  outputAddress,
  PERMS,
  S2AP_R,
  S2AP_W,
  SH_IS,
  TABLE,
  TYPE,
  VALID,
  XN,
  XN_ALL,
  XN_NONE,
  XN_PX,
  XN_SHIFT,
  XN_UX,
} from "../../arch/descriptor";
import { granuleSize, iaBits, iaSize, indexMask, levelShift, pageMask, pfnToPa, startLevel } from "../../arch/geometry";
import { entryBroken } from "../../arch/tlb-checks";
import { ensureFrame, frameOf } from "../../memory/dram";
import { reserve } from "../../memory/heap";
import { observing, record, recordDescriptor, recording } from "../../memory/journal";
import { isMutated } from "../../memory/mutation";
import { allocatePages, initPool, Pool, POOL_BYTES } from "../../memory/page-pool";
import { pfnOf } from "../../memory/regions";
import { panic } from "../../memory/verdict";
import { refcount, setRefcount } from "../../memory/vmemmap";
import { flushForTeardown, flushIpa, flushTablePointer } from "../../pagetable/maintenance";
import {
  childPage,
  freeTablePage,
  isEmptyTable,
  rootFrame,
  rootIndex,
  rootPage,
  setEntry,
  setRoot,
  Stage2,
} from "../../pagetable/stage2-table";
import { forgetLeafTable } from "../../pagetable/walk-cache";
import { forgetLeafTables, reserveLeafTables } from "./leaves";
import { deny } from "./refusal";

/** Bits 11:2 of a table descriptor: entries in use in the next table. */
const COUNT: u64 = 0xffc;
export const COUNT_SHIFT: u64 = 2;

/** Where table pages come from: a part of the hypervisor's own memory. */
let pool: Pool = changetype<Pool>(0);
// 0 u64 table pages that can still be taken, whatever the pool holds: for tests. In linear memory for snapshots.
let allowance: usize = 0;

/** Makes the pool of table pages. False if linear memory is used up. */
export function reserveTables(pfn: u64, pages: u64): bool {
  const at = reserve(POOL_BYTES);
  allowance = reserve(16);
  if (at == 0 || allowance == 0 || !reserveLeafTables()) return false;
  pool = changetype<Pool>(at);
  initPool(pool, pfn, pages, 0);
  store<u64>(allowance, u64.MAX_VALUE);
  return true;
}

export function limitTables(pages: u64): void {
  store<u64>(allowance, pages);
}

/** Table pages that can be taken now. */
export function tablesLeft(): u64 {
  return min(pool.free as u64, load<u64>(allowance));
}

export function tablesInUse(): u64 {
  return pool.pages - (pool.free as u64);
}

function takeTable(): usize {
  const page = allocatePages(pool, 0);
  if (load<u64>(allowance) != u64.MAX_VALUE) store<u64>(allowance, load<u64>(allowance) - 1);
  ensureFrame(page);
  return page;
}

/** Gives the table its root. NOMEM if there is no page. */
export function createTable(table: Stage2): i32 {
  if (tablesLeft() == 0) return deny(NOMEM, REASON_HEAP, 0, 0, HEAP_TABLES);
  table.pool = pool;
  setRoot(table, takeTable());
  return 0;
}

/** Frees the table with all that hangs below; the VMID is flushed before. */
export function destroyTable(table: Stage2): void {
  if (table.root == 0) return;
  flushForTeardown(table);
  const root = rootPage(table, 0);
  freeBelow(table, frameOf(root), root, startLevel, 0);
  freeTablePage(table, root);
  table.root = 0;
}

function freeBelow(table: Stage2, frame: usize, page: usize, level: i32, base: u64): void {
  for (let index: u64 = 0; index <= indexMask && !isEmptyTable(page); index++) {
    const entry = frame + ((index as usize) << 3);
    const descriptor = load<u64>(entry);
    if (descriptor == 0) continue;
    const ipa = base + (index << levelShift(level));
    setEntry(table, entry, page, level, ipa, 0);
    if (!isTable(descriptor, level)) continue;
    const child = childPage(descriptor);
    freeBelow(table, frameOf(child), child, level + 1, ipa);
    if (level == 2) forgetTable(table, ipa);
    freeTablePage(table, child);
  }
}

// Attributes. Access is the same to EL1 and EL0 but for execution (invariant I5).

// The last leaf that was encoded: one follows another with the same attributes.
let encoded: u32 = u32.MAX_VALUE;
let encodedLeaf: u64 = 0;

/** The leaf, without its address, for attributes of a map call. */
export function encodeLeaf(attributes: u32): u64 {
  if (attributes != encoded) {
    encoded = attributes;
    encodedLeaf = leafOf(attributes);
  }
  return encodedLeaf;
}

function leafOf(attributes: u32): u64 {
  const user = attributes & 7;
  const kernel = (attributes >> MAP_KERNEL_SHIFT) & 7;
  const memtype = attributes >> MAP_MEMTYPE_SHIFT;
  let leaf: u64 = AF | VALID | ((memtype as u64) << MEMATTR_SHIFT);
  if (memtype > (MAP_DEVICE_GRE as u32)) leaf |= SH_IS;
  if (kernel & ACCESS_R) leaf |= S2AP_R;
  if (kernel & ACCESS_W) leaf |= S2AP_W;
  return leaf | (executeNever((user & ACCESS_X) != 0, (kernel & ACCESS_X) != 0) << XN_SHIFT);
}

function executeNever(user: bool, kernel: bool): u64 {
  if (user) return kernel ? XN_NONE : XN_UX;
  return kernel ? XN_PX : XN_ALL;
}

/** The attributes of a map call that lead to this leaf. */
export function decodeLeaf(leaf: u64): u32 {
  const xn = (leaf & XN) >> XN_SHIFT;
  const rw = (leaf & S2AP_R ? ACCESS_R : 0) | (leaf & S2AP_W ? ACCESS_W : 0);
  const user = rw | (xn == XN_NONE || xn == XN_UX ? ACCESS_X : 0);
  const kernel = rw | (xn == XN_NONE || xn == XN_PX ? ACCESS_X : 0);
  const memtype = ((leaf & MEMATTR) >> MEMATTR_SHIFT) as i32;
  return (user | (kernel << MAP_KERNEL_SHIFT) | (memtype << MAP_MEMTYPE_SHIFT)) as u32;
}

/** pgtable_vm_map's checks of a range (4.1). */
function checkSpaceRange(ipa: u64, size: u64): i32 {
  if (isMutated(GUNYAH_MAP_ASSERTS) && (ipa >= iaSize || size > iaSize - ipa)) return panic(PANIC_PGTABLE_RANGE);
  if (ipa >= iaSize) return deny(ADDR_INVALID, REASON_SPACE_RANGE, ipa, iaBits, 0);
  if (size > iaSize - ipa) return deny(ADDR_OVERFLOW, REASON_SPACE_OVERFLOW, ipa, iaBits, 0);
  return ((ipa | size) & pageMask) == 0 ? 0 : deny(ARGUMENT_ALIGNMENT, REASON_PAGE_ALIGNMENT, ipa | size, 0, 0);
}

// The change being planned or made: [.., end) to `delta` further up with `wanted` as leaf; or the removal of what leads to
// [physical, physical + physicalSize).
let current: Stage2 = changetype<Stage2>(0);
let wanted: u64 = 0;
let delta: u64 = 0;
let isRemoval: bool = false;
let physical: u64 = 0;
let physicalSize: u64 = 0;
/** Whether the last mapRange came upon a leaf. */
export let wasOccupied: bool = false;

function beginMap(table: Stage2, ipa: u64, pa: u64, leaf: u64): void {
  current = table;
  isRemoval = false;
  delta = pa - ipa;
  wanted = leaf;
}

function beginRemoval(table: Stage2, pa: u64, size: u64): void {
  current = table;
  isRemoval = true;
  physical = pa;
  physicalSize = size;
}

/** Maps [ipa, ipa + size) to `pa`. Range and table pages were checked. */
export function mapRange(table: Stage2, ipa: u64, size: u64, pa: u64, leaf: u64): void {
  beginMap(table, ipa, pa, leaf);
  wasOccupied = false;
  changeRoot(ipa, size);
}

/** Removes the leaves in [ipa, ipa + size) whose output lies in [pa, pa + paSize): the matching form (4.2). */
export function unmapRange(table: Stage2, ipa: u64, size: u64, pa: u64): void {
  beginRemoval(table, pa, size);
  changeRoot(ipa, size);
}

function changeRoot(ipa: u64, size: u64): void {
  // 64 entries of the root cover the 36 bits: one page.
  const index = rootIndex(ipa);
  changeTable(rootPage(current, index), rootFrame(current, index), startLevel, 0, ipa, ipa + size);
  // Commit: DSB, TLBI VMALLE1, DSB.
  if (recording) record(EFFECT_TLBI_STAGE1, 0, current.vmid, 0, 0, 0, 0);
}

function changeTable(page: usize, frame: usize, level: i32, base: u64, from: u64, to: u64): void {
  const granule = granuleSize(level);
  for (let at = from; at < to;) {
    const start = at & ~(granule - 1);
    const stop = min(start + granule, to);
    const entry = frame + ((((start - base) >> levelShift(level)) << 3) as usize);
    if (isRemoval) removeEntry(page, entry, level, at, stop);
    else mapEntry(page, entry, level, at, stop);
    at = stop;
  }
}

function isCovered(level: i32, from: u64, to: u64): bool {
  return to - from == granuleSize(level);
}

/** What a leaf at `level` for `ipa` looks like. */
function leafFor(level: i32, ipa: u64): u64 {
  return wanted | addressField(ipa + delta) | (level == 3 ? TYPE : 0);
}

/** Whether a leaf fits: the entry is covered, both addresses are aligned to it. */
function fitsLeaf(level: i32, from: u64, to: u64): bool {
  return isCovered(level, from, to) && ((from + delta) & (granuleSize(level) - 1)) == 0;
}

/** Whether the leaf already says what is wanted, of the part that is asked for. */
function isAlready(descriptor: u64, level: i32, from: u64): bool {
  const base = from & ~(granuleSize(level) - 1);
  return descriptor == (wanted | addressField(base + delta) | (level == 3 ? TYPE : 0)) && isAligned(level, base);
}

function isAligned(level: i32, base: u64): bool {
  return ((base + delta) & (granuleSize(level) - 1)) == 0;
}

// The five cases of 4.1.
function mapEntry(page: usize, entry: usize, level: i32, from: u64, to: u64): void {
  const before = load<u64>(entry);
  if (isTable(before, level)) {
    descend(page, entry, level, from, to);
    return;
  }
  if (isValid(before)) {
    wasOccupied = true;
    if (isAlready(before, level, from)) return;
    if (!isCovered(level, from, to)) {
      splitBlock(page, entry, level, from);
      descend(page, entry, level, from, to);
      return;
    }
    if (isInPlace(before, level, from)) {
      setEntry(current, entry, page, level, from, leafFor(level, from));
      flushIpa(current, from, level, TLBI_RELAX_PERMS);
      return;
    }
    breakEntry(entry, level, from, before);
  }
  if (fitsLeaf(level, from, to)) {
    setEntry(current, entry, page, level, from, leafFor(level, from));
    return;
  }
  setEntry(current, entry, page, level, from, addressField(pfnToPa(pfnOf(takeTable()))) | TABLE);
  descend(page, entry, level, from, to);
}

/** Only S2AP and XN differ. */
function isInPlace(before: u64, level: i32, from: u64): bool {
  return isAligned(level, from) && ((before ^ leafFor(level, from)) & ~PERMS) == 0;
}

// Break before make: the entry is invalid in between. Only the TLB is told of that, as nobody else can see it.
function breakEntry(entry: usize, level: i32, ipa: u64, before: u64): void {
  if (!observing) return;
  entryBroken(current.vmid, level, ipa, before, entry);
  flushIpa(current, ipa, level, TLBI_BREAK_LEAF);
  if (recording) record(EFFECT_TLBI_STAGE1, 0, current.vmid, 0, 0, 0, 0);
}

// A table that is left without entries goes: its page is free when the TLB was told.
function descend(page: usize, entry: usize, level: i32, from: u64, to: u64): void {
  const child = childPage(load<u64>(entry));
  const base = from & ~(granuleSize(level) - 1);
  changeTable(child, frameOf(child), level + 1, base, from, to);
  if (!isEmptyTable(child)) {
    updateCount(entry, level, base, child);
    return;
  }
  setEntry(current, entry, page, level, base, 0);
  if (isMutated(GUNYAH_TABLE_FREED_BEFORE_FLUSH)) freeTablePage(current, child);
  flushTablePointer(current, base);
  if (level == 2) forgetTable(current, base);
  if (!isMutated(GUNYAH_TABLE_FREED_BEFORE_FLUSH)) freeTablePage(current, child);
}

function forgetTable(table: Stage2, ipa: u64): void {
  forgetLeafTable(table, ipa);
  forgetLeafTables();
}

// The count is software's; the hardware ignores bits 11:2 of a table descriptor, so no TLB is concerned.
function updateCount(entry: usize, level: i32, base: u64, child: usize): void {
  const before = load<u64>(entry);
  const after = (before & ~COUNT) | (((refcount(child) - 1) as u64) << COUNT_SHIFT);
  if (after == before) return;
  store<u64>(entry, after);
  if (recording) recordDescriptor(current.vm, level, base, before, after);
}

/** A block becomes a table of the next smaller leaves (break-before-make level 0: broken first). */
function splitBlock(page: usize, entry: usize, level: i32, ipa: u64): void {
  const before = load<u64>(entry);
  const base = ipa & ~(granuleSize(level) - 1);
  if (observing) {
    entryBroken(current.vmid, level, base, before, entry);
    flushIpa(current, base, level, TLBI_SPLIT);
  }
  const child = takeTable();
  const frame = frameOf(child);
  for (let index: u64 = 0; index <= indexMask; index++) {
    const leaf = childLeaf(before, level, index);
    store<u64>(frame + ((index as usize) << 3), leaf);
    if (recording) recordDescriptor(current.vm, level + 1, base + (index << levelShift(level + 1)), 0, leaf);
  }
  setRefcount(child, (indexMask + 2) as u32);
  const count = (indexMask + 1) << COUNT_SHIFT;
  setEntry(current, entry, page, level, base, addressField(pfnToPa(pfnOf(child))) | TABLE | count);
}

/** Entry `index` of the table that takes a block's place. */
function childLeaf(block: u64, level: i32, index: u64): u64 {
  return (block + (index << levelShift(level + 1))) | (level == 2 ? TYPE : 0);
}

function removeEntry(page: usize, entry: usize, level: i32, from: u64, to: u64): void {
  const before = load<u64>(entry);
  if (!isValid(before)) return;
  if (isTable(before, level)) {
    descend(page, entry, level, from, to);
    return;
  }
  const overlap = overlapOf(before, level, from, to);
  if (overlap == 0) return;
  if (overlap == granuleSize(level)) {
    setEntry(current, entry, page, level, from, 0);
    flushIpa(current, from, level, TLBI_UNMAP_LEAF);
    return;
  }
  splitBlock(page, entry, level, from);
  descend(page, entry, level, from, to);
}

/** Bytes of a leaf's part [from, to) that lead to the memory to be unmapped. */
function overlapOf(leaf: u64, level: i32, from: u64, to: u64): u64 {
  const start = outputAddress(leaf) + (from & (granuleSize(level) - 1));
  const first = max(start, physical);
  const last = min(start + (to - from), physical + physicalSize);
  return last > first ? last - first : 0;
}

// Planning. First by a bound that is cheap and nearly always enough, then exactly.

let needed: u64 = 0;
let exactly: bool = false;
// Tables that the plan has counted already: tags of VMID, level, and block.
const PLANNED: usize = 64;
const planned: usize = memory.data(512, 8);

/** Starts a plan. `exact` counts table by table. */
export function beginPlan(exact: bool): void {
  needed = 0;
  exactly = exact;
  if (exact) memory.fill(planned, 0, PLANNED << 3);
}

/** Whether there are table pages for all that was planned. */
export function planFits(): bool {
  return needed <= tablesLeft();
}

export function denyTables(): i32 {
  return deny(NOMEM, REASON_HEAP, 0, 0, HEAP_TABLES);
}

/** Adds a mapping to the plan, after the checks of its range. */
export function planMap(table: Stage2, ipa: u64, size: u64, pa: u64, leaf: u64): i32 {
  const refused = checkSpaceRange(ipa, size);
  if (refused != 0) return refused;
  beginMap(table, ipa, pa, leaf);
  plan(ipa, size);
  return 0;
}

/** Adds a removal to the plan. What no address space can hold is not there to be removed. */
export function planUnmap(table: Stage2, ipa: u64, size: u64, pa: u64): void {
  beginRemoval(table, pa, size);
  plan(ipa, size);
}

function plan(ipa: u64, size: u64): void {
  if (!exactly) needed += 4 + (size >> 21) + (size >> 30);
  else planTable(rootFrame(current, 0), 0, startLevel, ipa, ipa + size);
}

/** The entries of a table; of one that is yet to be made in the place of `block` (or of nothing) if `frame` is 0. */
function planTable(frame: usize, block: u64, level: i32, from: u64, to: u64): void {
  const granule = granuleSize(level);
  for (let at = from; at < to;) {
    const index = (at >> levelShift(level)) & indexMask;
    const stop = min((at & ~(granule - 1)) + granule, to);
    const virtual = block == 0 ? 0 : childLeaf(block, level - 1, index);
    planEntry(frame == 0 ? virtual : load<u64>(frame + ((index as usize) << 3)), level, at, stop);
    at = stop;
  }
}

function planEntry(descriptor: u64, level: i32, from: u64, to: u64): void {
  if (isTable(descriptor, level)) {
    planTable(frameOf(childPage(descriptor)), 0, level + 1, from, to);
    return;
  }
  const isLeaf = isValid(descriptor);
  if (isRemoval) {
    const overlap = isLeaf ? overlapOf(descriptor, level, from, to) : 0;
    if (overlap != 0 && overlap != granuleSize(level)) planNewTable(descriptor, level, from, to);
    return;
  }
  if (isLeaf && isAlready(descriptor, level, from)) return;
  if (fitsLeaf(level, from, to)) return;
  planNewTable(isLeaf && !isCovered(level, from, to) ? descriptor : 0, level, from, to);
}

function planNewTable(block: u64, level: i32, from: u64, to: u64): void {
  const tag = (((from >> levelShift(level)) << 16) | ((current.vmid as u64) << 4) | (level as u64)) + 1;
  const line = (planned + (((tag ^ (tag >> 16) ^ (tag >> 25)) & ((PLANNED - 1) as u64)) << 3)) as usize;
  if (load<u64>(line) != tag) {
    store<u64>(line, tag);
    needed++;
  }
  planTable(0, block, level + 1, from, to);
}

/** Whether a count in a table descriptor is wrong: for the invariant checker (I22). */
export function countOf(descriptor: u64): u32 {
  return ((descriptor & COUNT) >> COUNT_SHIFT) as u32;
}

/** TLBI by IPA without a level hint: a conflict in the TLB is resolved. */
export function flushConflict(table: Stage2, ipa: u64): void {
  flushIpa(table, ipa, TTL_UNKNOWN, TLBI_RELAX_PERMS);
}
