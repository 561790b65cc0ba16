// Memory extents (reference gunyah section 3): windows on the physical address space that own memory and carry up to four
// mapping slots. A slot holds records "this memory is mapped there": of a BASIC extent one for all of it, of a SPARSE one a
// map from physical ranges to addresses. A record counts for the page tables only where the extent owns the memory.

import {
  ARGUMENT_ALIGNMENT,
  ARGUMENT_INVALID,
  ADDR_INVALID,
  EXTENT_BASIC,
  EXTENT_MEMTYPE_SHIFT,
  EXTENT_SPARSE,
  EXTENT_TYPE_SHIFT,
  MAP_KERNEL_SHIFT,
  MAP_MEMTYPE_SHIFT,
  MEMDB_EXTENT,
  MEMTYPE_ANY,
  MEMTYPE_CACHED,
  REASON_ACCESS_NOT_SUBSET,
  REASON_EMPTY_RANGE,
  REASON_EXTENT_ATTRIBUTES,
  REASON_OUTSIDE_EXTENT,
  REASON_PAGE_ALIGNMENT,
  REASON_PARENT_MEMTYPE,
} from "../../abi/gunyah";
import { GUNYAH_DERIVE_IGNORES_TYPE, GUNYAH_SIZE_CHECK_AND, GUNYAH_SLOT_ATTRIBUTES_KEPT } from "../../abi/mutations";
import { EFFECT_MAPPING } from "../../abi/records";
import { pageMask } from "../../arch/geometry";
import { record, recording } from "../../memory/journal";
import { isMutated } from "../../memory/mutation";
import { AddressSpace } from "./address-space";
import { activateExtent, deactivateExtent } from "./extent-life";
import {
  ADVANCING,
  canWrite,
  findRun,
  foundEnd,
  foundKind,
  foundValue,
  GPT_LIMIT,
  gptClear,
  isGptEmpty,
  NOTHING,
  put,
  rangeIs,
  ROOT_BYTES,
} from "./gpt";
import { isOwnershipContiguous, nextOwnedRun } from "./memdb";
import { createObject, KernelObject, OBJECT_MEMEXTENT, Partition, STATE_INIT } from "./object";
import { deny } from "./refusal";

@unmanaged
export class Extent extends KernelObject {
  /** First byte and bytes of its window on the physical address space. */
  base: u64;
  size: u64;
  /** EXTENT_*, ACCESS_*, MEMTYPE_*. */
  kind: u32;
  access: u32;
  memtype: u32;
  /** ROLE_*, and whose: a VMID or a parcel's handle. The resource manager sets both. */
  role: u32;
  label: u32;
  /** Slots that are not free. */
  slotsInUse: u32;
  /** Bytes that it owns: the ownership database's count. */
  owned: u64;
  /** The extent it was derived from; a root extent's memory comes from its partition. */
  parent: Extent | null;
  firstChild: Extent | null;
  nextSibling: Extent | null;
  previousSibling: Extent | null;
  /** The next extent whose memory waits for a grace period. */
  nextDying: Extent | null;
  /** Number of the virtual device that answers accesses without permission; 0: none. */
  device: u32;
  /** Mapped into EL2. */
  attached: bool;
}

export const SLOTS: u32 = 4;
/** A record's kind in a slot's map. */
export const MAPPING: u32 = ADVANCING;
// Behind the extent: per slot a map's root, which of a BASIC extent holds the record of its first byte; then per slot u32 its
// address space, 0 = free.
const ROOTS_AT: usize = (offsetof<Extent>() + 7) & ~7;
const SPACES_AT: usize = ROOTS_AT + (SLOTS as usize) * ROOT_BYTES;
export const EXTENT_BYTES: usize = SPACES_AT + (SLOTS as usize) * 4;

/** A new extent in state INIT; null if there is no memory for it. */
export function createExtent(partition: Partition): Extent | null {
  const at = createObject(OBJECT_MEMEXTENT, partition, partition.heap, EXTENT_BYTES);
  return at == 0 ? null : changetype<Extent>(at);
}

/** A configured and activated sparse child with its parent's window; null if there is no memory for it. */
export function sparseChild(parent: Extent, access: u32): Extent | null {
  const child = createExtent(parent.partition as Partition);
  if (child == null) return null;
  const attributes = access | (parent.memtype << EXTENT_MEMTYPE_SHIFT) | (EXTENT_SPARSE << EXTENT_TYPE_SHIFT);
  let refused = configureDerived(child, parent, 0, parent.size, attributes);
  if (refused == 0) refused = activateExtent(child);
  if (refused == 0) return child;
  deactivateExtent(child);
  return null;
}

/** Drops a reference; with the last one mappings and memory go to the parent, or back to the partition (3.7). NOMEM if that cannot be. */
export function deleteExtent(me: Extent): i32 {
  if (me.references > 1) {
    me.references--;
    return 0;
  }
  return deactivateExtent(me);
}

// configure and derive: checks in the order of 3.1.

/** memextent_configure, of an extent in state INIT. */
export function configureExtent(me: Extent, base: u64, size: u64, attributes: u32): i32 {
  const isNoRange = isMutated(GUNYAH_SIZE_CHECK_AND)
    ? size == 0 && base + size < base
    : size == 0 || base + size - 1 < base;
  if (isNoRange) return deny(ARGUMENT_INVALID, REASON_EMPTY_RANGE, base, 0, 0);
  if ((base | size) & pageMask) return deny(ARGUMENT_ALIGNMENT, REASON_PAGE_ALIGNMENT, base | size, 0, 0);
  const refused = checkAttributes(attributes);
  if (refused != 0) return refused;
  dropParent(me);
  me.base = base;
  me.size = size;
  setAttributes(me, attributes);
  return 0;
}

/** memextent_configure_derive, of an extent in state INIT. */
export function configureDerived(me: Extent, parent: Extent, offset: u64, size: u64, attributes: u32): i32 {
  if (size == 0 || offset + size - 1 < offset) return deny(ARGUMENT_INVALID, REASON_EMPTY_RANGE, offset, 0, 0);
  if (offset + size > parent.size) return deny(ADDR_INVALID, REASON_OUTSIDE_EXTENT, offset + size, 0, 0);
  if ((offset | size) & pageMask) return deny(ARGUMENT_ALIGNMENT, REASON_PAGE_ALIGNMENT, offset | size, 0, 0);
  const refused = checkAttributes(attributes);
  if (refused != 0) return refused;
  const access = attributes & 7;
  if (access & ~parent.access) {
    return deny(ARGUMENT_INVALID, REASON_ACCESS_NOT_SUBSET, parent.id, parent.access, access);
  }
  const memtype = (attributes >> EXTENT_MEMTYPE_SHIFT) & 3;
  if (parent.memtype != MEMTYPE_ANY && parent.memtype != memtype) {
    return deny(ARGUMENT_INVALID, REASON_PARENT_MEMTYPE, parent.id, parent.memtype, memtype);
  }
  parent.references++;
  dropParent(me);
  me.base = parent.base + offset;
  me.size = size;
  me.parent = parent;
  setAttributes(me, isMutated(GUNYAH_DERIVE_IGNORES_TYPE) ? attributes & ~(3 << EXTENT_TYPE_SHIFT) : attributes);
  return 0;
}

/** A child holds on to its parent from its configuration on. */
export function dropParent(me: Extent): void {
  const parent = me.parent;
  me.parent = null;
  if (parent == null) return;
  if (parent.references == 1) deactivateExtent(parent);
  else parent.references--;
}

const ATTRIBUTES: u32 = 0x30307;

// Reserved bits and append; then type, memory type and access. Write and execute without read is no access there is.
function checkAttributes(attributes: u32): i32 {
  const access = attributes & 7;
  const memtype = (attributes >> EXTENT_MEMTYPE_SHIFT) & 3;
  const kind = attributes >> EXTENT_TYPE_SHIFT;
  const isValid = memtype != MEMTYPE_CACHED && kind <= (EXTENT_SPARSE as u32) && access != 0 && access != 3;
  if ((attributes & ~ATTRIBUTES) == 0 && isValid) return 0;
  return deny(ARGUMENT_INVALID, REASON_EXTENT_ATTRIBUTES, attributes, 0, attributes);
}

function setAttributes(me: Extent, attributes: u32): void {
  me.access = attributes & 7;
  me.memtype = (attributes >> EXTENT_MEMTYPE_SHIFT) & 3;
  me.kind = (attributes >> EXTENT_TYPE_SHIFT) & 3;
}

/** Whether configure or derive has been called. */
export function isConfigured(me: Extent): bool {
  return me.state != STATE_INIT || me.size != 0;
}

// Ownership.

/** Whether every byte of [pa, pa + size) belongs to the extent. */
export function isOwnedBy(me: Extent, pa: u64, size: u64): bool {
  return isOwnershipContiguous(pa, pa + size - 1, me.id, MEMDB_EXTENT);
}

/** The next run from `from` on, below `end`, that the extent owns: runStart and runEnd of memdb.ts. False if there is none. */
export function nextOwn(me: Extent, from: u64, end: u64): bool {
  return me.owned != 0 && nextOwnedRun(me.id, MEMDB_EXTENT, from, end);
}

export function endOf(me: Extent): u64 {
  return me.base + me.size;
}

// Records. A value: address in bits 63:12, memtype 9:6, kernel access 5:3, user access 2:0.

/** All of a value but the attributes. */
export const RECORD_IPA: u64 = 0xffff_ffff_ffff_f000;

export function packRecord(ipa: u64, attributes: u32): u64 {
  const access = (attributes & 7) | (((attributes >> MAP_KERNEL_SHIFT) & 7) << 3);
  return ipa | (access as u64) | (((attributes >> MAP_MEMTYPE_SHIFT) as u64) << 6);
}

/** Attributes as in a map call. */
export function recordAttributes(value: u64): u32 {
  const low = value as u32;
  return (low & 7) | (((low >> 3) & 7) << MAP_KERNEL_SHIFT) | (((low >> 6) & 15) << MAP_MEMTYPE_SHIFT);
}

/** The same record with no more access than `access`. */
export function maskRecord(value: u64, access: u32): u64 {
  return value & ~((~(access | (access << 3)) & 63) as u64);
}

/** The root of a slot's map. */
export function recordsOf(me: Extent, slot: u32): usize {
  return changetype<usize>(me) + ROOTS_AT + (slot as usize) * ROOT_BYTES;
}

function spaceAt(me: Extent, slot: u32): usize {
  return changetype<usize>(me) + SPACES_AT + ((slot as usize) << 2);
}

/** The address space that a slot is for; null if it is free. */
export function slotSpace(me: Extent, slot: u32): AddressSpace | null {
  const space = load<u32>(spaceAt(me, slot)) as usize;
  return space == 0 ? null : changetype<AddressSpace>(space);
}

// Where the last readRecord ended: whether there is a record at the address asked for, its value, the end of what is alike.
export let hasRecord: bool = false;
export let recordValue: u64 = 0;
export let recordEnd: u64 = 0;

/** Reads what a slot says of `pa` and on, up to `end` at most. Outside the window nothing is said. */
export function readRecord(me: Extent, slot: u32, pa: u64, end: u64): void {
  const at = recordsOf(me, slot);
  hasRecord = false;
  recordEnd = end;
  if (load<u32>(spaceAt(me, slot)) == 0 || pa >= GPT_LIMIT) return;
  if (me.kind == EXTENT_BASIC) {
    if (pa < me.base) recordEnd = min(end, me.base);
    if (pa - me.base >= me.size) return;
    hasRecord = true;
    recordValue = load<u64>(at) + (pa - me.base);
    recordEnd = min(end, endOf(me));
    return;
  }
  findRun(at, pa, end);
  hasRecord = foundKind == MAPPING;
  recordValue = foundValue;
  recordEnd = foundEnd;
}

/** A free slot, SLOTS if there is none. */
export function freeSlot(me: Extent): u32 {
  if (me.slotsInUse == 0) return 0;
  for (let slot: u32 = 0; slot < SLOTS; slot++) if (slotSpace(me, slot) == null) return slot;
  return SLOTS;
}

/** Whether a slot can take a record of [pa, end) beside those it has. */
export function slotAccepts(me: Extent, slot: u32, space: AddressSpace, pa: u64, end: u64): bool {
  if (slotSpace(me, slot) != space || me.kind == EXTENT_BASIC) return false;
  return rangeIs(recordsOf(me, slot), pa, end, NOTHING, 0, 0);
}

/** Whether a slot says of all of [pa, end) that it is mapped in this space from `ipa` on. */
export function slotMatches(me: Extent, slot: u32, space: AddressSpace, pa: u64, end: u64, ipa: u64): bool {
  if (slotSpace(me, slot) != space) return false;
  const at = recordsOf(me, slot);
  if (me.kind == EXTENT_BASIC) return ((load<u64>(at) ^ ipa) & RECORD_IPA) == 0;
  return rangeIs(at, pa, end, MAPPING, ipa, RECORD_IPA);
}

/** Whether a slot can be written over [pa, end): the nodes that takes are there. */
export function canWriteSlot(me: Extent, slot: u32, pa: u64, end: u64): bool {
  return me.kind == EXTENT_BASIC || canWrite(recordsOf(me, slot), me.heap, pa, end);
}

/** Makes a record, over whatever the slot says. canWriteSlot was asked. */
export function setRecord(me: Extent, slot: u32, space: AddressSpace, pa: u64, end: u64, value: u64): void {
  const at = recordsOf(me, slot);
  useSlot(me, slot, space);
  if (me.kind == EXTENT_BASIC)
    store<u64>(at, isMutated(GUNYAH_SLOT_ATTRIBUTES_KEPT) ? value | (load<u64>(at) & ~RECORD_IPA) : value);
  else put(at, me.heap, pa, end, MAPPING, value);
  if (recording) recordChange(space, slot, pa, end, value, true);
}

/** Removes what a slot says of [pa, end), which is one record; a slot that says nothing any more is free. canWriteSlot was asked. */
export function removeRecord(me: Extent, slot: u32, pa: u64, end: u64): void {
  const at = recordsOf(me, slot);
  if (recording) {
    readRecord(me, slot, pa, end);
    recordChange(slotSpace(me, slot) as AddressSpace, slot, pa, end, recordValue, false);
  }
  if (me.kind == EXTENT_SPARSE) put(at, me.heap, pa, end, NOTHING, 0);
  if (me.kind == EXTENT_BASIC || isGptEmpty(at)) freeSlotOf(me, slot);
}

/** The slot is for this address space; a record follows. */
export function useSlot(me: Extent, slot: u32, space: AddressSpace): void {
  if (slotSpace(me, slot) == null) me.slotsInUse++;
  store<u32>(spaceAt(me, slot), changetype<usize>(space) as u32);
}

/** A slot of a SPARSE extent that says nothing any more is free. */
export function freeIfEmpty(me: Extent, slot: u32): void {
  if (isGptEmpty(recordsOf(me, slot))) freeSlotOf(me, slot);
}

function freeSlotOf(me: Extent, slot: u32): void {
  store<u32>(spaceAt(me, slot), 0);
  if (isDefined(EXPLORING)) clearRecord(me, slot);
  me.slotsInUse--;
}

// The record of a BASIC extent. Nothing reads it until the slot is used again: a machine that replays leaves it where it is.
function clearRecord(me: Extent, slot: u32): void {
  if (me.kind == EXTENT_BASIC && !isMutated(GUNYAH_SLOT_ATTRIBUTES_KEPT)) store<u64>(recordsOf(me, slot), 0);
}

/** Forgets all that a slot says. */
export function clearSlot(me: Extent, slot: u32): void {
  const space = slotSpace(me, slot);
  if (space == null) return;
  const at = recordsOf(me, slot);
  if (recording) recordSlot(me, slot, space);
  if (me.kind == EXTENT_SPARSE) gptClear(at, me.heap);
  freeSlotOf(me, slot);
}

function recordSlot(me: Extent, slot: u32, space: AddressSpace): void {
  for (let pa = me.base; pa < endOf(me); pa = recordEnd) {
    readRecord(me, slot, pa, endOf(me));
    if (hasRecord) recordChange(space, slot, pa, recordEnd, recordValue, false);
  }
}

const MADE: u64 = 1 << 31;

function recordChange(space: AddressSpace, slot: u32, pa: u64, end: u64, value: u64, isMade: bool): void {
  const after = isMade ? (recordAttributes(value) as u64) | MADE : 0;
  record(EFFECT_MAPPING, slot, space.vmid, value & RECORD_IPA, pa, after, end - pa);
}
