// Mapping an extent: records, and the page tables where it owns the memory (reference gunyah sections 3.3, 3.4;
// memextent.c:memextent_map, memextent_unmap and what they call). Records change before the page tables do; everything that
// can be refused is refused before either.

import {
  ADDR_INVALID,
  ARGUMENT_ALIGNMENT,
  ARGUMENT_INVALID,
  ARGUMENT_SIZE,
  DENIED,
  EXTENT_BASIC,
  MAP_DEVICE_GRE,
  MAP_KERNEL_SHIFT,
  MAP_MEMTYPE_SHIFT,
  MAP_NORMAL_NC,
  MEMEXTENT_MAPPINGS_FULL,
  MEMEXTENT_TYPE,
  MEMTYPE_ANY,
  MEMTYPE_DEVICE,
  REASON_ACCESS_NOT_SUBSET,
  REASON_BEYOND_LIMIT,
  REASON_DEVICE_EXTENT,
  REASON_EMPTY_RANGE,
  REASON_ENCODING,
  REASON_EXTENT_BASIC,
  REASON_MAPPINGS_FULL,
  REASON_MEMTYPE,
  REASON_NO_RECORD,
  REASON_NO_WRITE_ACCESS,
  REASON_OUTSIDE_EXTENT,
  REASON_PAGE_ALIGNMENT,
  REASON_READ_ONLY_SPACE,
  REASON_RECORD_RANGE,
  REASON_SPARSE_UPDATE_ACCESS,
  REASON_WRAPS,
  ACCESS_W,
  ACCESS_X,
} from "../../abi/gunyah";
import {
  GUNYAH_ACCESS_REDUCED,
  GUNYAH_FAILED_MAP_RECORDED,
  GUNYAH_UNMAP_ALL_KEEPS_SLOTS,
  GUNYAH_UPDATE_ACCESS_CARVED_OUT,
} from "../../abi/mutations";
import { pageMask, pageShift, pageSize } from "../../arch/geometry";
import { wipePage } from "../../memory/dram";
import { recordDataCache, recording, recordPointOfCoherency } from "../../memory/journal";
import { isMutated } from "../../memory/mutation";
import { pageOf } from "../../memory/regions";
import { hasXnx } from "../../pagetable/attributes";
import { AddressSpace } from "./address-space";
import {
  canWriteSlot,
  endOf,
  Extent,
  freeSlot,
  hasRecord,
  isOwnedBy,
  nextOwn,
  packRecord,
  readRecord,
  RECORD_IPA,
  recordEnd,
  recordAttributes,
  recordValue,
  removeRecord,
  setRecord,
  slotAccepts,
  slotMatches,
  SLOTS,
  slotSpace,
} from "./extent";
import { clearSlots } from "./extent-life";
import { GPT_LIMIT } from "./gpt";
import { commit, prepareNothing, prepareUnmap } from "./leaves";
import { runEnd, runStart } from "./memdb";
import { beginPlan, denyTables, planFits } from "./page-table";
import { denyMemory } from "./partition";
import { deny } from "./refusal";
import { applyRecord, prepareRecord, withdrawRecord } from "./transfer";

/** Addresses of records end here (exclusive). */
const RECORD_LIMIT: u64 = (1 as u64) << 48;

/** memextent_map_partial: [pa, pa + size) of the extent at `ipa`. `attributes` as in a map call. */
export function mapPartial(me: Extent, space: AddressSpace, ipa: u64, pa: u64, size: u64, attributes: u32): i32 {
  if (isMutated(GUNYAH_ACCESS_REDUCED)) attributes = reduced(me, attributes);
  const refused = checkPart(me, ipa, pa, size) || checkMapping(me, space, attributes);
  if (refused != 0) return refused;
  if (me.kind == EXTENT_BASIC) return deny(MEMEXTENT_TYPE, REASON_EXTENT_BASIC, me.id, 0, 0);
  return map(me, space, ipa, pa, size, attributes);
}

// The mistake: what the extent does not allow is left out, and nobody told.
function reduced(me: Extent, attributes: u32): u32 {
  return attributes & ~((~(me.access | (me.access << MAP_KERNEL_SHIFT)) & 0x77) as u32);
}

/** memextent_map: all of the extent. */
export function mapAll(me: Extent, space: AddressSpace, ipa: u64, attributes: u32): i32 {
  const refused = checkAddress(ipa) || checkMapping(me, space, attributes);
  return refused != 0 ? refused : map(me, space, ipa, me.base, me.size, attributes);
}

/** memextent_unmap_partial. */
export function unmapPartial(me: Extent, space: AddressSpace, ipa: u64, pa: u64, size: u64): i32 {
  const refused = checkPart(me, ipa, pa, size) || checkWritable(space);
  if (refused != 0) return refused;
  if (me.kind == EXTENT_BASIC) return deny(MEMEXTENT_TYPE, REASON_EXTENT_BASIC, me.id, 0, 0);
  return unmap(me, space, ipa, pa, pa + size);
}

/** memextent_unmap. */
export function unmapWhole(me: Extent, space: AddressSpace, ipa: u64): i32 {
  const refused = checkAddress(ipa) || checkWritable(space);
  return refused != 0 ? refused : unmap(me, space, ipa, me.base, endOf(me));
}

/** memextent_update_access of all of the extent: owned runs are mapped again. `access` as in a map call. */
export function updateAccess(me: Extent, space: AddressSpace, ipa: u64, access: u32): i32 {
  const refused = checkAddress(ipa) || checkAccess(me, access) || checkWritable(space);
  if (refused != 0) return refused;
  const slot = matchingSlot(me, space, ipa, me.base, endOf(me));
  if (slot == SLOTS) return deny(ADDR_INVALID, REASON_NO_RECORD, ipa, 0, 0);
  if (me.kind != EXTENT_BASIC) return deny(ADDR_INVALID, REASON_SPARSE_UPDATE_ACCESS, ipa, 0, 0);
  readRecord(me, slot, me.base, endOf(me));
  const memtype = recordAttributes(recordValue) & ~(0x77 as u32);
  return place(me, slot, space, me.base, endOf(me), packRecord(ipa, memtype | access), UPDATE);
}

/** memextent_update_access_partial: a BASIC extent has no parts, and of a SPARSE one the record is never found. */
export function updateAccessPartial(me: Extent, space: AddressSpace, ipa: u64, pa: u64, size: u64, access: u32): i32 {
  const refused = checkPart(me, ipa, pa, size) || checkAccess(me, access) || checkWritable(space);
  if (refused != 0) return refused;
  if (me.kind == EXTENT_BASIC) return deny(MEMEXTENT_TYPE, REASON_EXTENT_BASIC, me.id, 0, 0);
  return deny(ADDR_INVALID, REASON_SPARSE_UPDATE_ACCESS, ipa, 0, 0);
}

/** memextent_unmap_all: drops every record in every address space. */
export function unmapAll(me: Extent): i32 {
  beginPlan(false);
  let refused = withdrawAll(me, true);
  if (refused == 0 && !planFits()) {
    beginPlan(true);
    refused = withdrawAll(me, true);
    if (!planFits()) return denyTables();
  }
  if (refused != 0) return refused;
  withdrawAll(me, false);
  if (!isMutated(GUNYAH_UNMAP_ALL_KEEPS_SLOTS)) clearSlots(me);
  return 0;
}

/** memextent_zero_range: owned runs are zeroed and cleaned to memory, the rest is skipped. */
export function zeroRange(me: Extent, pa: u64, size: u64): i32 {
  if (me.memtype == MEMTYPE_DEVICE) return deny(DENIED, REASON_DEVICE_EXTENT, me.id, 0, 0);
  if ((me.access & ACCESS_W) == 0) return deny(DENIED, REASON_NO_WRITE_ACCESS, me.id, 0, me.access);
  const refused = checkModifyRange(me, pa, size);
  if (refused != 0) return refused;
  for (let at = pa; nextOwn(me, at, pa + size); at = runEnd) {
    for (let page = runStart; page < runEnd; page += pageSize) zeroPage(page);
    if (recording) recordPointOfCoherency(runStart, runEnd - runStart);
  }
  return 0;
}

function zeroPage(pa: u64): void {
  const page = pageOf(pa >> pageShift);
  if (page != 0) wipePage(page);
}

/** memextent_cache_clean_range and memextent_cache_flush_range, of owned runs. */
export function cleanRange(me: Extent, pa: u64, size: u64, isFlush: bool): i32 {
  if (me.memtype == MEMTYPE_DEVICE) return deny(DENIED, REASON_DEVICE_EXTENT, me.id, 0, 0);
  const refused = checkModifyRange(me, pa, size);
  if (refused != 0) return refused;
  for (let at = pa; nextOwn(me, at, pa + size); at = runEnd) {
    if (!recording) continue;
    if (isFlush) recordDataCache(runStart, runEnd - runStart);
    else recordPointOfCoherency(runStart, runEnd - runStart);
  }
  return 0;
}

// Checks, in the order of 3.3.

function checkAddress(ipa: u64): i32 {
  return (ipa & pageMask) == 0 ? 0 : deny(ARGUMENT_ALIGNMENT, REASON_PAGE_ALIGNMENT, ipa, 0, 0);
}

function checkPart(me: Extent, ipa: u64, pa: u64, size: u64): i32 {
  const offset = pa - me.base;
  const all = ipa | offset | size;
  if (all & pageMask) return deny(ARGUMENT_ALIGNMENT, REASON_PAGE_ALIGNMENT, all, 0, 0);
  if (size == 0) return deny(ARGUMENT_SIZE, REASON_EMPTY_RANGE, ipa, 0, 0);
  if (offset + size - 1 < offset || ipa + size - 1 < ipa) return deny(ARGUMENT_SIZE, REASON_WRAPS, ipa, 0, 0);
  if (offset + size > me.size) return deny(ARGUMENT_SIZE, REASON_OUTSIDE_EXTENT, offset + size, 0, 0);
  return 0;
}

/** What is checked of a mapping beside its range. */
export function checkMapping(me: Extent, space: AddressSpace, attributes: u32): i32 {
  return (
    checkAccess(me, attributes & 0x77) || checkMemtype(me, attributes >> MAP_MEMTYPE_SHIFT) || checkWritable(space)
  );
}

// User and kernel access within the extent's; and such as a descriptor can hold: one S2AP for both, and without XNX one XN.
function checkAccess(me: Extent, attributes: u32): i32 {
  const user = attributes & 7;
  const kernel = (attributes >> MAP_KERNEL_SHIFT) & 7;
  if ((user | kernel) & ~me.access) {
    return deny(ARGUMENT_INVALID, REASON_ACCESS_NOT_SUBSET, me.id, me.access, user | kernel);
  }
  const differ = user ^ kernel;
  const isEncodable = (differ & ~ACCESS_X) == 0 && (hasXnx || differ == 0);
  // Write and execute without read, and execute alone at EL1, are no accesses there are.
  const isAccess = user != 3 && kernel != 3 && kernel != (ACCESS_X as u32);
  return isEncodable && isAccess ? 0 : deny(ARGUMENT_INVALID, REASON_ENCODING, attributes, user, kernel);
}

// Normal types whose inner field is 0 are reserved.
function checkMemtype(me: Extent, memtype: u32): i32 {
  const isEncodable = memtype <= 15 && (memtype <= (MAP_DEVICE_GRE as u32) || (memtype & 3) != 0);
  if (isEncodable && isMemtypeAllowed(me, memtype)) return 0;
  return deny(ARGUMENT_INVALID, REASON_MEMTYPE, me.id, me.memtype, memtype);
}

/** memextent_check_memtype: devices under every extent there is, non-cacheable not under DEVICE, the rest only under ANY. */
export function isMemtypeAllowed(me: Extent, memtype: u32): bool {
  if (memtype <= (MAP_DEVICE_GRE as u32)) return true;
  return memtype == (MAP_NORMAL_NC as u32) ? me.memtype != MEMTYPE_DEVICE : me.memtype == MEMTYPE_ANY;
}

function checkWritable(space: AddressSpace): i32 {
  return space.readOnly ? deny(DENIED, REASON_READ_ONLY_SPACE, space.vmid, 0, space.vmid) : 0;
}

function checkModifyRange(me: Extent, pa: u64, size: u64): i32 {
  const offset = pa - me.base;
  if ((offset | size) & pageMask) return deny(ARGUMENT_ALIGNMENT, REASON_PAGE_ALIGNMENT, offset | size, 0, 0);
  if (size == 0 || offset + size - 1 < offset) return deny(ARGUMENT_INVALID, REASON_EMPTY_RANGE, offset, 0, 0);
  return offset + size > me.size ? deny(ARGUMENT_SIZE, REASON_OUTSIDE_EXTENT, offset + size, 0, 0) : 0;
}

// Records and page tables.

function map(me: Extent, space: AddressSpace, ipa: u64, pa: u64, size: u64, attributes: u32): i32 {
  if (me.kind != EXTENT_BASIC) {
    if (ipa + size >= RECORD_LIMIT || ipa + size < ipa) return deny(ADDR_INVALID, REASON_RECORD_RANGE, ipa, 0, 0);
    if (pa + size > GPT_LIMIT) return deny(ARGUMENT_SIZE, REASON_BEYOND_LIMIT, pa, 0, 0);
  }
  const slot = slotFor(me, space, pa, pa + size);
  if (slot == SLOTS) return deny(MEMEXTENT_MAPPINGS_FULL, REASON_MAPPINGS_FULL, ipa, 0, SLOTS);
  return place(me, slot, space, pa, pa + size, packRecord(ipa, attributes), APPLY);
}

/** The first slot of this address space that has room for the record, else the first free one, else SLOTS. */
function slotFor(me: Extent, space: AddressSpace, pa: u64, end: u64): u32 {
  for (let slot: u32 = 0; slot < SLOTS; slot++) if (slotAccepts(me, slot, space, pa, end)) return slot;
  return freeSlot(me);
}

/** The first slot with this record, else SLOTS. */
function matchingSlot(me: Extent, space: AddressSpace, ipa: u64, pa: u64, end: u64): u32 {
  let slot: u32 = 0;
  while (slot < SLOTS && !slotMatches(me, slot, space, pa, end, ipa)) slot++;
  return slot;
}

/** Makes a record (APPLY) or changes it (UPDATE), and maps what is owned of it. */
function place(me: Extent, slot: u32, space: AddressSpace, pa: u64, end: u64, value: u64, change: i32): i32 {
  if (!canWriteSlot(me, slot, pa, end)) return denyMemory(me.heap);
  if (isMutated(GUNYAH_FAILED_MAP_RECORDED)) setRecord(me, slot, space, pa, end, value);
  if (change == APPLY && prepareOwned(me, space, pa, end, value)) {
    setRecord(me, slot, space, pa, end, value);
    commit();
    return 0;
  }
  beginPlan(false);
  let refused = eachOwned(me, space, pa, end, value, change, true);
  if (refused == 0 && !planFits()) {
    beginPlan(true);
    refused = eachOwned(me, space, pa, end, value, change, true);
    if (!planFits()) return denyTables();
  }
  if (refused != 0) return refused;
  setRecord(me, slot, space, pa, end, value);
  return eachOwned(me, space, pa, end, value, change, false);
}

function unmap(me: Extent, space: AddressSpace, ipa: u64, pa: u64, end: u64): i32 {
  const slot = matchingSlot(me, space, ipa, pa, end);
  if (slot == SLOTS) return deny(ADDR_INVALID, REASON_NO_RECORD, ipa, 0, 0);
  if (!canWriteSlot(me, slot, pa, end)) return denyMemory(me.heap);
  if (isOwnedBy(me, pa, end - pa) && prepareUnmap(space.table, ipa, end - pa, pa)) {
    removeRecord(me, slot, pa, end);
    commit();
    return 0;
  }
  beginPlan(false);
  let refused = eachOwned(me, space, pa, end, ipa, WITHDRAW, true);
  if (refused == 0 && !planFits()) {
    beginPlan(true);
    refused = eachOwned(me, space, pa, end, ipa, WITHDRAW, true);
    if (!planFits()) return denyTables();
  }
  if (refused != 0) return refused;
  removeRecord(me, slot, pa, end);
  return eachOwned(me, space, pa, end, ipa, WITHDRAW, false);
}

/** Whether a record of [pa, end) changes the tables in an ordinary way: none of it is owned, or all. */
function prepareOwned(me: Extent, space: AddressSpace, pa: u64, end: u64, value: u64): bool {
  if (me.owned != 0) return isOwnedBy(me, pa, end - pa) && prepareRecord(space, value, pa, end);
  prepareNothing();
  return true;
}

const WITHDRAW: i32 = 0;
const APPLY: i32 = 1;
const UPDATE: i32 = 2;

/** Does (or plans) something with every owned run of [pa, end), whose record begins with `value` at `pa`. */
function eachOwned(me: Extent, space: AddressSpace, pa: u64, end: u64, value: u64, change: i32, plan: bool): i32 {
  if (change == UPDATE && isMutated(GUNYAH_UPDATE_ACCESS_CARVED_OUT)) {
    return applyRecord(space, value, pa, end, false, plan);
  }
  for (let at = pa; nextOwn(me, at, end); at = runEnd) {
    const from = runStart;
    const part = value + (from - pa);
    const refused =
      change == WITHDRAW
        ? withdrawRecord(space, part & RECORD_IPA, from, runEnd, plan)
        : applyRecord(space, part, from, runEnd, change == APPLY, plan);
    if (refused != 0) return refused;
  }
  return 0;
}

function withdrawAll(me: Extent, plan: bool): i32 {
  for (let slot: u32 = 0; slot < SLOTS; slot++) {
    const space = slotSpace(me, slot);
    const refused = space == null ? 0 : withdrawSlot(me, slot, space, plan);
    if (refused != 0) return refused;
  }
  return 0;
}

function withdrawSlot(me: Extent, slot: u32, space: AddressSpace, plan: bool): i32 {
  for (let pa = me.base; pa < endOf(me);) {
    readRecord(me, slot, pa, endOf(me));
    const stop = recordEnd;
    const refused = hasRecord ? eachOwned(me, space, pa, stop, recordValue, WITHDRAW, plan) : 0;
    if (refused != 0) return refused;
    pa = stop;
  }
  return 0;
}
