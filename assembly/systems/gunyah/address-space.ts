// Address spaces (reference gunyah section 2.5; hyp/mem/addrspace): a stage-2 table under a VMID, the ranges whose faults
// go to a VMM, the virtual devices attached to it.

import {
  ADDR_INVALID,
  ADDR_OVERFLOW,
  ARGUMENT_ALIGNMENT,
  ARGUMENT_INVALID,
  ARGUMENT_SIZE,
  BUSY,
  MEMDB_NOT_OWNER,
  NORESOURCES,
  OBJECT_CONFIG,
  REASON_EMPTY_RANGE,
  REASON_NOT_MAPPED,
  REASON_MEMDB_OWNER,
  REASON_OBJECT_STATE,
  REASON_PAGE_ALIGNMENT,
  REASON_VMID_IN_USE,
  REASON_VMID_RANGE,
  REASON_VMMIO_FULL,
  REASON_VMMIO_NONE,
  REASON_VMMIO_OVERLAP,
  REASON_WRAPS,
  VMID_END,
  VMMIO_ADD,
} from "../../abi/gunyah";
import { GUNYAH_LOOKUP_LENGTH, GUNYAH_SPACE_LEFT_IN_EXTENTS } from "../../abi/mutations";
import { isValid, outputAddress } from "../../arch/descriptor";
import { granuleSize, iaSize, pageMask } from "../../arch/geometry";
import { reserve } from "../../memory/heap";
import { isMutated } from "../../memory/mutation";
import { Stage2, STAGE2_BYTES } from "../../pagetable/stage2-table";
import { getLeaf, leaf, leafLevel } from "../../pagetable/walk";
import { clearSlot, Extent, isOwnedBy, SLOTS, slotSpace } from "./extent";
import { findOwnerRun, ownerObject } from "./memdb";
import {
  createObject,
  freeObject,
  KernelObject,
  OBJECT_ADDRSPACE,
  OBJECT_MEMEXTENT,
  objectAt,
  objectsEnd,
  Partition,
  STATE_ACTIVE,
  STATE_DYING,
} from "./object";
import { createTable, decodeLeaf, destroyTable } from "./page-table";
import { allocate, denyMemory, release } from "./partition";
import { deny } from "./refusal";

@unmanaged
export class AddressSpace extends KernelObject {
  /** 0 until it is configured. */
  vmid: u32;
  /** Map, unmap and update are refused. */
  readOnly: bool;
  /** A record was applied where another one was: records and table may differ since (invariant I3's exception). */
  isOverwritten: bool;
  table: Stage2;
  /** Ranges whose faults go to a VMM, and those of virtual devices. */
  vmmio: Range | null;
  vmmioCount: u32;
  devices: Range | null;
  /** VCPU_* of a vCPU that vcpu_run drives, and the address that it waits for. */
  runState: u32;
  runAddress: u64;
}

@unmanaged
export class Range {
  base: u64;
  size: u64;
  /** Number of the device; 0 of a VMMIO range. */
  device: u32;
  next: Range | null;
}

const SPACE_BYTES: usize = offsetof<AddressSpace>() + STAGE2_BYTES;
const RANGE_BYTES: usize = offsetof<Range>();
/** Most VMMIO ranges of an address space. */
const VMMIO_RANGES: u32 = 128;

// u32 per VMID: its address space.
let spaces: usize = 0;

export function reserveSpaces(): bool {
  spaces = reserve((VMID_END as usize) << 2);
  return spaces != 0;
}

/** The active address space with this VMID, or null. */
export function findSpace(vmid: u32): AddressSpace | null {
  if (vmid >= (VMID_END as u32)) return null;
  const at = load<u32>(spaces + ((vmid as usize) << 2)) as usize;
  return at == 0 ? null : changetype<AddressSpace>(at);
}

function setSpace(vmid: u32, space: usize): void {
  store<u32>(spaces + ((vmid as usize) << 2), space as u32);
}

/** A new address space in state INIT; null if there is no memory for it. */
export function newAddressSpace(partition: Partition): AddressSpace | null {
  const at = createObject(OBJECT_ADDRSPACE, partition, partition.heap, SPACE_BYTES);
  if (at == 0) return null;
  const space = changetype<AddressSpace>(at);
  space.table = changetype<Stage2>(at + offsetof<AddressSpace>());
  return space;
}

/** addrspace_configure, of a space in state INIT. */
export function configureSpace(space: AddressSpace, vmid: u64): i32 {
  if (vmid == 0 || vmid >= (VMID_END as u64)) return deny(ARGUMENT_INVALID, REASON_VMID_RANGE, vmid, 0, vmid as u32);
  space.vmid = vmid as u32;
  return 0;
}

/** Activation: the VMID must be free; the root table is made. */
export function activateSpace(space: AddressSpace): i32 {
  if (space.vmid == 0) return deny(OBJECT_CONFIG, REASON_OBJECT_STATE, space.id, 0, 0);
  if (findSpace(space.vmid) != null) return deny(BUSY, REASON_VMID_IN_USE, space.vmid, 0, space.vmid);
  const refused = createTable(space.table);
  if (refused != 0) return refused;
  space.table.vmid = space.vmid;
  space.table.vm = space.vmid;
  space.state = STATE_ACTIVE;
  setSpace(space.vmid, changetype<usize>(space));
  return 0;
}

/** A configured and activated one of this partition; null if there is no memory for it or the VMID is in use. */
export function createSpaceOf(partition: Partition, vmid: u32): AddressSpace | null {
  const space = newAddressSpace(partition);
  if (space == null) return null;
  if (configureSpace(space, vmid) == 0 && activateSpace(space) == 0) return space;
  freeObject(space, SPACE_BYTES);
  return null;
}

/** Drops the last reference: records that name it vanish, ownership stays, table and VMID are free again. */
export function destroyAddressSpace(space: AddressSpace): void {
  for (let id: u32 = 1; id < objectsEnd() && !isMutated(GUNYAH_SPACE_LEFT_IN_EXTENTS); id++) {
    const object = objectAt(id);
    if (object != null && object.type == OBJECT_MEMEXTENT) forgetSpace(changetype<Extent>(object), space);
  }
  destroyTable(space.table);
  freeRanges(space, space.vmmio);
  freeRanges(space, space.devices);
  if (space.state == STATE_ACTIVE) setSpace(space.vmid, 0);
  space.state = STATE_DYING;
  freeObject(space, SPACE_BYTES);
}

function forgetSpace(me: Extent, space: AddressSpace): void {
  for (let slot: u32 = 0; slot < SLOTS; slot++) {
    if (slotSpace(me, slot) == space) clearSlot(me, slot);
  }
}

function freeRanges(space: AddressSpace, first: Range | null): void {
  let range = first;
  while (range != null) {
    const next = range.next;
    release(space.heap, changetype<usize>(range), RANGE_BYTES);
    range = next;
  }
}

// VMMIO ranges and virtual devices.

/** addrspace_configure_vmmio: adds a range, or removes exactly that one. */
export function configureVmmio(space: AddressSpace, base: u64, size: u64, operation: u32): i32 {
  if (size == 0) return deny(ARGUMENT_SIZE, REASON_EMPTY_RANGE, base, 0, 0);
  if (base + size - 1 < base) return deny(ADDR_OVERFLOW, REASON_WRAPS, base, 0, 0);
  if (operation != (VMMIO_ADD as u32)) return removeVmmio(space, base, size);
  if (space.vmmioCount == VMMIO_RANGES) return deny(NORESOURCES, REASON_VMMIO_FULL, base, 0, VMMIO_RANGES);
  if (overlapping(space.vmmio, base, size) != null) return deny(BUSY, REASON_VMMIO_OVERLAP, base, 0, 0);
  const range = newRange(space, base, size, 0);
  if (range == null) return denyMemory(space.heap);
  range.next = space.vmmio;
  space.vmmio = range;
  space.vmmioCount++;
  return 0;
}

function removeVmmio(space: AddressSpace, base: u64, size: u64): i32 {
  let before: Range | null = null;
  let range = space.vmmio;
  while (range != null) {
    if (range.base == base && range.size == size) {
      if (before == null) space.vmmio = range.next;
      else before.next = range.next;
      space.vmmioCount--;
      release(space.heap, changetype<usize>(range), RANGE_BYTES);
      return 0;
    }
    before = range;
    range = range.next;
  }
  return deny(ARGUMENT_INVALID, REASON_VMMIO_NONE, base, 0, 0);
}

/** addrspace_attach_vdevice: accesses to the range are answered by a device of EL2, known by its number. */
export function attachDevice(space: AddressSpace, base: u64, size: u64, device: u32): i32 {
  if (size == 0) return deny(ARGUMENT_SIZE, REASON_EMPTY_RANGE, base, 0, 0);
  if (base + size - 1 < base) return deny(ADDR_OVERFLOW, REASON_WRAPS, base, 0, 0);
  if (overlapping(space.devices, base, size) != null) return deny(BUSY, REASON_VMMIO_OVERLAP, base, 0, 0);
  const range = newRange(space, base, size, device);
  if (range == null) return denyMemory(space.heap);
  range.next = space.devices;
  space.devices = range;
  return 0;
}

function newRange(space: AddressSpace, base: u64, size: u64, device: u32): Range | null {
  const at = allocate(space.heap, RANGE_BYTES);
  if (at == 0) return null;
  const range = changetype<Range>(at);
  range.base = base;
  range.size = size;
  range.device = device;
  return range;
}

function overlapping(first: Range | null, base: u64, size: u64): Range | null {
  let range = first;
  while (range != null && !(range.base <= base + (size - 1) && base <= range.base + (range.size - 1))) {
    range = range.next;
  }
  return range;
}

/** Whether [ipa, ipa + bytes) lies inside one VMMIO range. */
export function isVmmio(space: AddressSpace, ipa: u64, bytes: u64): bool {
  const range = overlapping(space.vmmio, ipa, 1);
  return range != null && range.size - (ipa - range.base) >= bytes;
}

/** Whether a virtual device answers at `ipa`. */
export function isDevice(space: AddressSpace, ipa: u64): bool {
  return overlapping(space.devices, ipa, 1) != null;
}

// addrspace_lookup.

/** What the last look-up found. Attributes as in a map call. */
export let lookupPa: u64 = 0;
export let lookupSize: u64 = 0;
export let lookupAttributes: u32 = 0;

/**
 * addrspace_lookup: what is mapped at `ipa`, as far as physical addresses continue and attributes are equal, `size` bytes at
 * most. All of that must belong to the extent: it is not shortened to what does.
 */
export function lookup(space: AddressSpace, me: Extent, ipa: u64, size: u64): i32 {
  if (size == 0) return deny(ARGUMENT_SIZE, REASON_EMPTY_RANGE, ipa, 0, 0);
  if (ipa + size - 1 < ipa) return deny(ADDR_OVERFLOW, REASON_WRAPS, ipa, 0, 0);
  if ((ipa | size) & pageMask) return deny(ARGUMENT_ALIGNMENT, REASON_PAGE_ALIGNMENT, ipa | size, 0, 0);
  if (!findLeaf(space, ipa)) return deny(ADDR_INVALID, REASON_NOT_MAPPED, ipa, 0, 0);
  lookupPa = leafPa;
  lookupAttributes = leafAttributes;
  let mapped = leafRest;
  while (mapped < size && findLeaf(space, ipa + mapped)) {
    if (leafPa != lookupPa + mapped || leafAttributes != lookupAttributes) break;
    mapped += isMutated(GUNYAH_LOOKUP_LENGTH) ? mapped + leafRest : leafRest;
  }
  lookupSize = min(mapped, size);
  if (isOwnedBy(me, lookupPa, lookupSize)) return 0;
  findOwnerRun(lookupPa, lookupPa + 1);
  return deny(MEMDB_NOT_OWNER, REASON_MEMDB_OWNER, lookupPa, me.id, ownerObject);
}

// Where one leaf leads from an address on: physical address, attributes, bytes up to its end.
let leafPa: u64 = 0;
let leafAttributes: u32 = 0;
let leafRest: u64 = 0;

function findLeaf(space: AddressSpace, ipa: u64): bool {
  if (ipa >= iaSize || getLeaf(space.table, ipa) != 0 || !isValid(leaf)) return false;
  const granule = granuleSize(leafLevel);
  const offset = ipa & (granule - 1);
  leafPa = outputAddress(leaf) + offset;
  leafAttributes = decodeLeaf(leaf);
  leafRest = granule - offset;
  return true;
}
