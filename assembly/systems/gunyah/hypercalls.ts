// The hypercalls (reference gunyah sections 2.2, 2.3): reserved bits first, then capabilities in the order given there, then
// the object's own checks. `caller` is the VMID whose capability space the numbers are in.

import * as abi from "../../abi/gunyah";
import {
  activateSpace,
  AddressSpace,
  attachDevice,
  configureSpace,
  configureVmmio,
  lookup,
  lookupAttributes,
  lookupPa,
  lookupSize,
  newAddressSpace,
} from "./address-space";
import { answer } from "./answer";
import {
  activateCspace,
  capNumber,
  checkRoom,
  configureCspace,
  copyCap,
  createCspace,
  CSpace,
  cspaceOf,
  deleteCap,
  lookUp,
  lookUpAny,
  object,
  putCap,
  revokeCap,
  revokeCopies,
} from "./cspace";
import { donateChild, donateFromPartition, donateParent, donateSibling, donateToPartition } from "./donate";
import { configureDerived, configureExtent, createExtent, Extent } from "./extent";
import { activateExtent, synchronize } from "./extent-life";
import { createPartition } from "./machine";
import {
  cleanRange,
  mapAll,
  mapPartial,
  unmapAll,
  unmapPartial,
  unmapWhole,
  updateAccess,
  updateAccessPartial,
  zeroRange,
} from "./mapping";
import {
  checkState,
  KernelObject,
  OBJECT_ADDRSPACE,
  OBJECT_CSPACE,
  OBJECT_MEMEXTENT,
  OBJECT_PARTITION,
  OBJECT_THREAD,
  Partition,
  STATE_ACTIVE,
  STATE_INIT,
} from "./object";
import { denyMemory } from "./partition";
import { deny } from "./refusal";
import { attachCspace, attachSpace, createThread, Thread } from "./thread";

// Capabilities.

let space: AddressSpace = changetype<AddressSpace>(0);
let extent: Extent = changetype<Extent>(0);

function find(caller: u32, cap: u32, type: u32, rights: i32): i32 {
  const cspace = cspaceOf(caller);
  if (cspace == null) return deny(abi.CSPACE_CAP_NULL, abi.REASON_NO_SUCH_SPACE, caller, 0, caller);
  return lookUp(cspace, cap, type, rights as u32);
}

function findAny(caller: u32, cap: u32, type: u32, rights: i32): i32 {
  const cspace = cspaceOf(caller);
  if (cspace == null) return deny(abi.CSPACE_CAP_NULL, abi.REASON_NO_SUCH_SPACE, caller, 0, caller);
  return lookUpAny(cspace, cap, type, rights as u32);
}

/** An object that is still to be configured. */
function findFresh(caller: u32, cap: u32, type: u32): i32 {
  const refused = findAny(caller, cap, type, abi.RIGHT_OBJECT_ACTIVATE);
  return refused != 0 ? refused : checkState(object, STATE_INIT);
}

function findSpace(caller: u32, cap: u32, rights: i32): i32 {
  const refused = find(caller, cap, OBJECT_ADDRSPACE, rights);
  if (refused == 0) space = changetype<AddressSpace>(object);
  return refused;
}

function findExtent(caller: u32, cap: u32, rights: i32): i32 {
  const refused = find(caller, cap, OBJECT_MEMEXTENT, rights);
  if (refused == 0) extent = changetype<Extent>(object);
  return refused;
}

function findBoth(caller: u32, as: u32, me: u32, spaceRights: i32, extentRights: i32): i32 {
  return findSpace(caller, as, spaceRights) || findExtent(caller, me, extentRights);
}

function checkBits(value: u64, allowed: u64): i32 {
  return (value & ~allowed) == 0 ? 0 : deny(abi.ARGUMENT_INVALID, abi.REASON_RESERVED_BITS, value, 0, value as u32);
}

/** Without no_sync a call that succeeded ends with a grace period. */
function finish(refused: i32, flags: u64): i32 {
  if (refused == 0 && (flags & NO_SYNC) == 0) synchronize();
  return refused;
}

const NO_SYNC: u64 = 1 << 31;

// Objects.

/** partition_create_*: an object in state INIT; answers the capability. */
export function createObjectOf(caller: u32, type: u32, partitionCap: u32, cspaceCap: u32): i32 {
  let refused = find(caller, partitionCap, OBJECT_PARTITION, abi.RIGHT_PARTITION_OBJECT_CREATE);
  if (refused != 0) return refused;
  const partition = changetype<Partition>(object);
  refused = find(caller, cspaceCap, OBJECT_CSPACE, abi.RIGHT_CSPACE_CREATE);
  if (refused != 0) return refused;
  const cspace = changetype<CSpace>(object);
  refused = checkRoom(cspace);
  if (refused != 0) return refused;
  const made = newObject(type, partition);
  if (made == null) return denyMemory(partition.heap);
  putCap(cspace, made, abi.RIGHTS_ALL as u32, 0);
  return answer(capNumber, 0, 0);
}

function newObject(type: u32, partition: Partition): KernelObject | null {
  switch (type) {
    case OBJECT_PARTITION:
      return createPartition(partition);
    case OBJECT_CSPACE:
      return createCspace(partition);
    case OBJECT_ADDRSPACE:
      return newAddressSpace(partition);
    case OBJECT_MEMEXTENT:
      return createExtent(partition);
    default:
      return createThread(partition);
  }
}

export function objectActivate(caller: u32, cap: u32): i32 {
  const refused = findAny(caller, cap, 0, abi.RIGHT_OBJECT_ACTIVATE);
  return refused != 0 ? refused : activate(object);
}

export function objectActivateFrom(caller: u32, cspaceCap: u32, cap: u32): i32 {
  let refused = find(caller, cspaceCap, OBJECT_CSPACE, 0);
  if (refused == 0) refused = lookUpAny(changetype<CSpace>(object), cap, 0, abi.RIGHT_OBJECT_ACTIVATE as u32);
  return refused != 0 ? refused : activate(object);
}

function activate(target: KernelObject): i32 {
  const refused = checkState(target, STATE_INIT);
  if (refused != 0) return refused;
  switch (target.type) {
    case OBJECT_CSPACE:
      return activateCspace(changetype<CSpace>(target));
    case OBJECT_ADDRSPACE:
      return activateSpace(changetype<AddressSpace>(target));
    case OBJECT_MEMEXTENT:
      return activateExtent(changetype<Extent>(target));
    default:
      target.state = STATE_ACTIVE;
      return 0;
  }
}

export function cspaceConfigure(caller: u32, cap: u32, capacity: u64): i32 {
  const refused = findFresh(caller, cap, OBJECT_CSPACE);
  return refused != 0 ? refused : configureCspace(changetype<CSpace>(object), capacity);
}

export function cspaceDeleteCapFrom(caller: u32, cspaceCap: u32, cap: u32): i32 {
  const refused = find(caller, cspaceCap, OBJECT_CSPACE, abi.RIGHT_CSPACE_DELETE);
  return refused != 0 ? refused : deleteCap(changetype<CSpace>(object), cap);
}

export function cspaceCopyCapFrom(caller: u32, cspaceCap: u32, cap: u32, toCap: u64, rights: u64): i32 {
  let refused = find(caller, cspaceCap, OBJECT_CSPACE, abi.RIGHT_CSPACE_COPY);
  if (refused != 0) return refused;
  const from = changetype<CSpace>(object);
  refused = find(caller, toCap as u32, OBJECT_CSPACE, abi.RIGHT_CSPACE_CREATE);
  if (refused == 0) refused = copyCap(from, cap, changetype<CSpace>(object), rights as u32);
  return refused != 0 ? refused : answer(capNumber, 0, 0);
}

export function cspaceRevokeCapFrom(caller: u32, cspaceCap: u32, cap: u32): i32 {
  const refused = find(caller, cspaceCap, OBJECT_CSPACE, abi.RIGHT_CSPACE_REVOKE);
  return refused != 0 ? refused : revokeCap(changetype<CSpace>(object), cap);
}

export function cspaceRevokeCapsFrom(caller: u32, cspaceCap: u32, cap: u32): i32 {
  const refused = find(caller, cspaceCap, OBJECT_CSPACE, abi.RIGHT_CSPACE_REVOKE);
  return refused != 0 ? refused : revokeCopies(changetype<CSpace>(object), cap);
}

export function cspaceAttachThread(caller: u32, cspaceCap: u32, threadCap: u32): i32 {
  let refused = find(caller, cspaceCap, OBJECT_CSPACE, abi.RIGHT_CSPACE_ATTACH);
  if (refused != 0) return refused;
  const cspace = changetype<CSpace>(object);
  refused = findFresh(caller, threadCap, OBJECT_THREAD);
  if (refused == 0) attachCspace(changetype<Thread>(object), cspace);
  return refused;
}

// Address spaces.

export function addrspaceAttachThread(caller: u32, as: u32, threadCap: u32): i32 {
  let refused = findSpace(caller, as, abi.RIGHT_ADDRSPACE_ATTACH);
  if (refused == 0) refused = findFresh(caller, threadCap, OBJECT_THREAD);
  if (refused == 0) attachSpace(changetype<Thread>(object), space);
  return refused;
}

export function addrspaceConfigure(caller: u32, as: u32, vmid: u64): i32 {
  const refused = findFresh(caller, as, OBJECT_ADDRSPACE);
  return refused != 0 ? refused : configureSpace(changetype<AddressSpace>(object), vmid);
}

const MAP_FLAGS: u64 = NO_SYNC | (abi.MAP_PARTIAL as u64);

/** `both`: attributes in the low half, flags in the high one. */
export function addrspaceMap(caller: u32, as: u32, me: u32, ipa: u64, both: u64, offset: u64, size: u64): i32 {
  const flags = both >> 32;
  const attributes = both as u32;
  let refused = checkBits(attributes, abi.MAP_ATTRIBUTES) || checkBits(flags, MAP_FLAGS);
  if (refused == 0) refused = findBoth(caller, as, me, abi.RIGHT_ADDRSPACE_MAP, abi.RIGHT_MEMEXTENT_MAP);
  if (refused != 0) return refused;
  if (flags & abi.MAP_PARTIAL) refused = mapPartial(extent, space, ipa, extent.base + offset, size, attributes);
  else refused = mapAll(extent, space, ipa, attributes);
  return finish(refused, flags);
}

export function addrspaceUnmap(caller: u32, as: u32, me: u32, ipa: u64, both: u64, offset: u64, size: u64): i32 {
  const flags = both >> 32;
  let refused = checkBits(both & 0xffff_ffff, 0) || checkBits(flags, MAP_FLAGS);
  if (refused == 0) refused = findBoth(caller, as, me, abi.RIGHT_ADDRSPACE_MAP, abi.RIGHT_MEMEXTENT_MAP);
  if (refused != 0) return refused;
  if (flags & abi.MAP_PARTIAL) refused = unmapPartial(extent, space, ipa, extent.base + offset, size);
  else refused = unmapWhole(extent, space, ipa);
  return finish(refused, flags);
}

export function addrspaceUpdateAccess(caller: u32, as: u32, me: u32, ipa: u64, both: u64, offset: u64, size: u64): i32 {
  const flags = both >> 32;
  const access = both as u32;
  let refused = checkBits(access, 0x77) || checkBits(flags, MAP_FLAGS);
  if (refused == 0) refused = findBoth(caller, as, me, abi.RIGHT_ADDRSPACE_MAP, abi.RIGHT_MEMEXTENT_MAP);
  if (refused != 0) return refused;
  if (flags & abi.MAP_PARTIAL) refused = updateAccessPartial(extent, space, ipa, extent.base + offset, size, access);
  else refused = updateAccess(extent, space, ipa, access);
  return finish(refused, flags);
}

/** Answers the offset in the extent; attributes and pages beside it. */
export function addrspaceLookup(caller: u32, as: u32, me: u32, ipa: u64, size: u64): i32 {
  let refused = findBoth(caller, as, me, abi.RIGHT_ADDRSPACE_LOOKUP, abi.RIGHT_MEMEXTENT_LOOKUP);
  if (refused == 0) refused = lookup(space, extent, ipa, size);
  return refused != 0 ? refused : answer(lookupPa - extent.base, lookupAttributes, (lookupSize >> 12) as u32);
}

export function addrspaceConfigureVmmio(caller: u32, as: u32, base: u64, size: u64, operation: u64): i32 {
  const refused = findSpace(caller, as, abi.RIGHT_ADDRSPACE_ADD_VMMIO_RANGE);
  if (refused != 0) return refused;
  if (operation > (abi.VMMIO_REMOVE as u64)) {
    return deny(abi.ARGUMENT_INVALID, abi.REASON_OPERATION, operation, 0, operation as u32);
  }
  return configureVmmio(space, base, size, operation as u32);
}

export function addrspaceAttachVdevice(caller: u32, as: u32, base: u64, size: u64, device: u64): i32 {
  const refused = findSpace(caller, as, abi.RIGHT_ADDRSPACE_MAP);
  return refused != 0 ? refused : attachDevice(space, base, size, device as u32);
}

export function addrspaceSetReadOnly(caller: u32, as: u32, isReadOnly: bool): i32 {
  const refused = findSpace(caller, as, 0);
  if (refused == 0) space.readOnly = isReadOnly;
  return refused;
}

// Memory extents.

export function memextentConfigure(caller: u32, me: u32, base: u64, size: u64, attributes: u64): i32 {
  let refused = findFresh(caller, me, OBJECT_MEMEXTENT);
  if (refused == 0) refused = checkBits(attributes, 0xffff_ffff);
  return refused != 0 ? refused : configureExtent(changetype<Extent>(object), base, size, attributes as u32);
}

export function memextentConfigureDerive(
  caller: u32,
  me: u32,
  parent: u32,
  offset: u64,
  size: u64,
  attributes: u64,
): i32 {
  let refused = findFresh(caller, me, OBJECT_MEMEXTENT);
  if (refused != 0) return refused;
  const fresh = changetype<Extent>(object);
  refused = findExtent(caller, parent, abi.RIGHT_MEMEXTENT_DERIVE);
  if (refused == 0) refused = checkBits(attributes, 0xffff_ffff);
  return refused != 0 ? refused : configureDerived(fresh, extent, offset, size, attributes as u32);
}

/** Zeroing and cache maintenance demand no_sync, sync_all that it is clear. */
export function memextentModify(caller: u32, me: u32, flags: u64, offset: u64, size: u64): i32 {
  const operation = (flags & 0xff) as u32;
  let refused = checkBits(flags, NO_SYNC | 0xff) || checkOperation(operation, (flags & NO_SYNC) != 0);
  if (refused == 0) refused = findExtent(caller, me, abi.RIGHT_MEMEXTENT_MAP);
  if (refused != 0) return refused;
  const pa = extent.base + offset;
  switch (operation) {
    case abi.MODIFY_UNMAP_ALL:
      refused = unmapAll(extent);
      break;
    case abi.MODIFY_ZERO_RANGE:
      return zeroRange(extent, pa, size);
    case abi.MODIFY_CACHE_CLEAN:
      return cleanRange(extent, pa, size, false);
    case abi.MODIFY_CACHE_FLUSH:
      return cleanRange(extent, pa, size, true);
    default:
      break;
  }
  return finish(refused, flags);
}

function checkOperation(operation: u32, noSync: bool): i32 {
  const isRange = operation >= (abi.MODIFY_ZERO_RANGE as u32) && operation <= (abi.MODIFY_CACHE_FLUSH as u32);
  const isSync = operation == (abi.MODIFY_SYNC_ALL as u32);
  if (!isRange && !isSync && operation != (abi.MODIFY_UNMAP_ALL as u32)) {
    return deny(abi.ARGUMENT_INVALID, abi.REASON_OPERATION, operation, 0, operation);
  }
  const isWrong = (isRange && !noSync) || (isSync && noSync);
  return isWrong ? deny(abi.ARGUMENT_INVALID, abi.REASON_SYNC_FLAG, operation, isRange ? 1 : 0, noSync ? 1 : 0) : 0;
}

export function memextentDonate(caller: u32, from: u32, to: u32, options: u64, offset: u64, size: u64): i32 {
  let refused = checkBits(options, NO_SYNC | 0xff);
  if (refused != 0) return refused;
  const type = (options & 0xff) as i32;
  if (type == abi.DONATE_TO_SIBLING) refused = donateToSibling(caller, from, to, offset, size);
  else if (type == abi.DONATE_TO_CHILD) refused = donateWithParent(caller, to, from, offset, size, true);
  else if (type == abi.DONATE_TO_PARENT) refused = donateWithParent(caller, from, to, offset, size, false);
  else refused = deny(abi.ARGUMENT_INVALID, abi.REASON_OPERATION, options, 0, type as u32);
  return finish(refused, options);
}

function donateToSibling(caller: u32, from: u32, to: u32, offset: u64, size: u64): i32 {
  let refused = findExtent(caller, from, abi.RIGHT_MEMEXTENT_DONATE);
  if (refused != 0) return refused;
  const source = extent;
  refused = findExtent(caller, to, abi.RIGHT_MEMEXTENT_DONATE);
  return refused != 0 ? refused : donateSibling(source, extent, source.base + offset, size);
}

// The child is looked up first; then its parent, or of a root extent its partition. Nobody else will do.
function donateWithParent(caller: u32, child: u32, parent: u32, offset: u64, size: u64, toChild: bool): i32 {
  let refused = findExtent(caller, child, abi.RIGHT_MEMEXTENT_DONATE);
  if (refused != 0) return refused;
  const me = extent;
  const pa = me.base + offset;
  const known = me.parent;
  if (known == null) {
    refused = find(caller, parent, OBJECT_PARTITION, abi.RIGHT_PARTITION_DONATE);
    if (refused != 0) return refused;
    if (object != (me.partition as Partition)) return denyParent(me, (me.partition as Partition).id);
    return toChild ? donateFromPartition(me, pa, size) : donateToPartition(me, pa, size);
  }
  refused = findExtent(caller, parent, abi.RIGHT_MEMEXTENT_DONATE);
  if (refused != 0) return refused;
  if (extent != known) return denyParent(me, known.id);
  return toChild ? donateChild(known, me, pa, size) : donateParent(me, known, pa, size);
}

function denyParent(me: Extent, wanted: u32): i32 {
  return deny(abi.ARGUMENT_INVALID, abi.REASON_NOT_PARENT, me.id, wanted, object.id);
}

/** memextent_attach: a BASIC extent is mapped into EL2. Partition, access, size, children: the order of 3.4. */
export function memextentAttach(caller: u32, me: u32, partitionCap: u32, size: u64): i32 {
  let refused = findExtent(caller, me, abi.RIGHT_MEMEXTENT_ATTACH) || find(caller, partitionCap, OBJECT_PARTITION, 0);
  if (refused != 0) return refused;
  if (extent.kind != abi.EXTENT_BASIC) return deny(abi.MEMEXTENT_TYPE, abi.REASON_EXTENT_NOT_BASIC, extent.id, 0, 0);
  const owner = extent.partition as Partition;
  if (object != owner) return deny(abi.DENIED, abi.REASON_OTHER_PARTITION, extent.id, owner.id, object.id);
  if ((extent.access & abi.ACCESS_RW) != abi.ACCESS_RW) {
    return deny(abi.DENIED, abi.REASON_NO_RW_ACCESS, extent.id, abi.ACCESS_RW, extent.access);
  }
  if (size > extent.size) return deny(abi.ARGUMENT_SIZE, abi.REASON_BEYOND_SIZE, size, 0, 0);
  if (extent.firstChild != null) return deny(abi.BUSY, abi.REASON_HAS_CHILDREN, extent.id, 0, 0);
  if (extent.attached) return deny(abi.BUSY, abi.REASON_ATTACHED, extent.id, 0, 0);
  extent.attached = true;
  return 0;
}

export function memextentDetach(caller: u32, me: u32): i32 {
  const refused = findExtent(caller, me, abi.RIGHT_MEMEXTENT_ATTACH);
  if (refused != 0) return refused;
  if (!extent.attached) return deny(abi.FAILURE, abi.REASON_NOT_ATTACHED, extent.id, 0, 0);
  extent.attached = false;
  return 0;
}

/** vdevice_attach_phys: accesses that the mapping of this extent does not permit are answered by a device of EL2. */
export function vdeviceAttachPhys(caller: u32, me: u32, device: u64): i32 {
  const refused = findExtent(caller, me, abi.RIGHT_MEMEXTENT_ATTACH);
  if (refused != 0) return refused;
  if (extent.device != 0) return deny(abi.BUSY, abi.REASON_ATTACHED, extent.id, 0, 0);
  extent.device = device as u32;
  return 0;
}

// vCPUs.

/** vcpu_run: what the vCPU waits for is done by now, but a fault is for good. Answers the run state. */
export function vcpuRun(caller: u32, threadCap: u32): i32 {
  const refused = findVcpu(caller, threadCap);
  if (refused != 0) return refused;
  const state = space.runState;
  if (state != abi.VCPU_FAULT) space.runState = abi.VCPU_READY;
  return answer(space.runState, 0, 0);
}

/** vcpu_run_check: why it does not run. Answers the run state, and the address that a VMM is to answer for. */
export function vcpuRunCheck(caller: u32, threadCap: u32): i32 {
  const refused = findVcpu(caller, threadCap);
  if (refused != 0) return refused;
  return answer(space.runState, space.runAddress as u32, (space.runAddress >> 32) as u32);
}

function findVcpu(caller: u32, threadCap: u32): i32 {
  const refused = find(caller, threadCap, OBJECT_THREAD, 0);
  if (refused != 0) return refused;
  const attached = changetype<Thread>(object).space;
  if (attached == null) return deny(abi.OBJECT_CONFIG, abi.REASON_NOT_ATTACHED, object.id, 0, 0);
  space = attached;
  return 0;
}
