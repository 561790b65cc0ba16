// Capability spaces (reference gunyah sections 2.2, 2.3, 11; hyp/core/cspace_twolevel): tables of capabilities, each an
// object and the rights to it. A capability number is its place in the table, from 1 on.
//
//   capability, 16 bytes:   0 u32 object | 4 u32 rights | 8 u32 state | 12 u32 the capability it was copied from

import {
  ARGUMENT_INVALID,
  CSPACE_CAP_NULL,
  CSPACE_CAP_REVOKED,
  CSPACE_FULL,
  CSPACE_INSUFFICIENT_RIGHTS,
  CSPACE_WRONG_OBJECT_TYPE,
  OBJECT_CONFIG,
  REASON_CAP_NULL,
  REASON_CAP_REVOKED,
  REASON_CAP_RIGHTS,
  REASON_CAP_TYPE,
  REASON_CAPABILITIES,
  REASON_CSPACE_FULL,
  REASON_OBJECT_STATE,
  VMID_END,
} from "../../abi/gunyah";
import { reserve } from "../../memory/heap";
import { AddressSpace, destroyAddressSpace } from "./address-space";
import { deleteExtent, Extent } from "./extent";
import {
  checkState,
  createObject,
  freeObject,
  KernelObject,
  OBJECT_ADDRSPACE,
  OBJECT_CSPACE,
  OBJECT_MEMEXTENT,
  OBJECT_THREAD,
  objectAt,
  objectsEnd,
  Partition,
  STATE_ACTIVE,
} from "./object";
import { allocate, denyMemory, release } from "./partition";
import { deny } from "./refusal";
import { destroyThread, Thread } from "./thread";

@unmanaged
export class CSpace extends KernelObject {
  /** Most capabilities; 0 until it is configured. */
  capacity: u32;
  table: usize;
}

const CSPACE_BYTES: usize = offsetof<CSpace>();
const CAP_BYTES: usize = 16;
/** Capability numbers have 16 bits in an operation record. */
const MOST_CAPABILITIES: u64 = 65535;

const CAP_FREE: u32 = 0;
const CAP_LIVE: u32 = 1;
const CAP_REVOKED: u32 = 2;

// u32 per VMID: the capability space of its threads.
let cspaces: usize = 0;

export function reserveCspaces(): bool {
  cspaces = reserve((VMID_END as usize) << 2);
  return cspaces != 0;
}

/** The capability space that a VM's hypercalls are made with; null if there is none. */
export function cspaceOf(vmid: u32): CSpace | null {
  if (vmid >= (VMID_END as u32)) return null;
  const at = load<u32>(cspaces + ((vmid as usize) << 2)) as usize;
  return at == 0 ? null : changetype<CSpace>(at);
}

export function setCspace(vmid: u32, cspace: CSpace): void {
  store<u32>(cspaces + ((vmid as usize) << 2), changetype<usize>(cspace) as u32);
}

/** A new capability space in state INIT; null if there is no memory for it. */
export function createCspace(partition: Partition): CSpace | null {
  const at = createObject(OBJECT_CSPACE, partition, partition.heap, CSPACE_BYTES);
  return at == 0 ? null : changetype<CSpace>(at);
}

/** cspace_configure, of a capability space in state INIT. */
export function configureCspace(cspace: CSpace, capacity: u64): i32 {
  if (capacity == 0 || capacity > MOST_CAPABILITIES) {
    return deny(ARGUMENT_INVALID, REASON_CAPABILITIES, capacity, 0, capacity as u32);
  }
  cspace.capacity = capacity as u32;
  return 0;
}

export function activateCspace(cspace: CSpace): i32 {
  if (cspace.capacity == 0) return deny(OBJECT_CONFIG, REASON_OBJECT_STATE, cspace.id, 0, 0);
  cspace.table = allocate(cspace.heap, (cspace.capacity as usize) * CAP_BYTES);
  if (cspace.table == 0) return denyMemory(cspace.heap);
  cspace.state = STATE_ACTIVE;
  return 0;
}

export function capAt(cspace: CSpace, number: u32): usize {
  return cspace.table + ((number - 1) as usize) * CAP_BYTES;
}

/** CAP_*: 0, there is none. */
export function stateOf(cap: usize): u32 {
  return load<u32>(cap, 8);
}

function objectOf(cap: usize): KernelObject {
  return changetype<KernelObject>(load<u32>(cap) as usize);
}

/** The capability of the last successful look-up or creation, and its object. */
export let capability: usize = 0;
export let object: KernelObject = changetype<KernelObject>(0);
export let capNumber: u32 = 0;

/** Finds a capability that is not free, revoked or not. */
function findCap(cspace: CSpace, number: u32): i32 {
  const isPlace = number != 0 && number <= cspace.capacity && cspace.table != 0;
  if (!isPlace || stateOf(capAt(cspace, number)) == CAP_FREE) {
    return deny(CSPACE_CAP_NULL, REASON_CAP_NULL, number, 0, 0);
  }
  capability = capAt(cspace, number);
  object = objectOf(capability);
  return 0;
}

/**
 * cspace_lookup_object_any: an object of `type` (0: any) in any state, with at least these rights. The order of checks:
 * nothing there, revoked, type, rights.
 */
export function lookUpAny(cspace: CSpace, number: u32, type: u32, rights: u32): i32 {
  const refused = findCap(cspace, number);
  if (refused != 0) return refused;
  if (stateOf(capability) == CAP_REVOKED) return deny(CSPACE_CAP_REVOKED, REASON_CAP_REVOKED, number, 0, 0);
  if (type != 0 && object.type != type) {
    return deny(CSPACE_WRONG_OBJECT_TYPE, REASON_CAP_TYPE, number, type, object.type);
  }
  const held = load<u32>(capability, 4);
  return (held & rights) == rights ? 0 : deny(CSPACE_INSUFFICIENT_RIGHTS, REASON_CAP_RIGHTS, number, rights, held);
}

/** cspace_lookup_object: one that is active. */
export function lookUp(cspace: CSpace, number: u32, type: u32, rights: u32): i32 {
  const refused = lookUpAny(cspace, number, type, rights);
  return refused != 0 ? refused : checkState(object, STATE_ACTIVE);
}

/** Whether a capability space has room. */
export function checkRoom(cspace: CSpace): i32 {
  for (let number: u32 = 1; number <= cspace.capacity; number++) {
    if (stateOf(capAt(cspace, number)) != CAP_FREE) continue;
    capNumber = number;
    return 0;
  }
  return deny(CSPACE_FULL, REASON_CSPACE_FULL, cspace.id, 0, cspace.capacity);
}

/** A capability for a reference that the caller holds, in the place that checkRoom has found. */
export function putCap(cspace: CSpace, target: KernelObject, rights: u32, origin: usize): void {
  const cap = capAt(cspace, capNumber);
  store<u32>(cap, changetype<usize>(target) as u32);
  store<u32>(cap, rights, 4);
  store<u32>(cap, CAP_LIVE, 8);
  store<u32>(cap, origin as u32, 12);
}

/** cspace_copy_cap: with no more rights than it has. */
export function copyCap(from: CSpace, number: u32, to: CSpace, rights: u32): i32 {
  let refused = lookUpAny(from, number, 0, 0);
  if (refused == 0) refused = checkRoom(to);
  if (refused != 0) return refused;
  object.references++;
  putCap(to, object, load<u32>(capability, 4) & rights, capability);
  return 0;
}

/** cspace_delete_cap: with the last reference the object goes. NOMEM if that takes memory which is not there. */
export function deleteCap(cspace: CSpace, number: u32): i32 {
  const refused = findCap(cspace, number);
  if (refused != 0) return refused;
  const cap = capability;
  if (stateOf(cap) == CAP_LIVE) {
    const stuck = releaseObject(objectOf(cap));
    if (stuck != 0) return stuck;
  }
  adoptCopies(cap);
  memory.fill(cap, 0, CAP_BYTES);
  return 0;
}

/** cspace_revoke_cap: it stays in its place and is good for nothing. */
export function revokeCap(cspace: CSpace, number: u32): i32 {
  const refused = lookUpAny(cspace, number, 0, 0);
  return refused != 0 ? refused : revoke(capability);
}

function revoke(cap: usize): i32 {
  const stuck = releaseObject(objectOf(cap));
  if (stuck == 0) store<u32>(cap, CAP_REVOKED, 8);
  return stuck;
}

/** cspace_revoke_caps_from: all that were copied from it, and from those. */
export function revokeCopies(cspace: CSpace, number: u32): i32 {
  const refused = lookUpAny(cspace, number, 0, 0);
  if (refused != 0) return refused;
  eachCopy(capability, REVOKE);
  return 0;
}

const REVOKE: bool = true;
const ADOPT: bool = false;

/** The copies of a capability that is deleted are its origin's from now on. */
function adoptCopies(cap: usize): void {
  eachCopy(cap, ADOPT);
}

function eachCopy(cap: usize, revokes: bool): void {
  for (let id: u32 = 1; id < objectsEnd(); id++) {
    const holder = objectAt(id);
    if (holder == null || holder.type != OBJECT_CSPACE) continue;
    const cspace = changetype<CSpace>(holder);
    if (cspace.table == 0) continue;
    for (let number: u32 = 1; number <= cspace.capacity; number++) {
      const copy = capAt(cspace, number);
      if (load<u32>(copy, 12) != (cap as u32) || stateOf(copy) == CAP_FREE) continue;
      if (!revokes) store<u32>(copy, load<u32>(cap, 12), 12);
      else {
        // The capability that was asked for still holds a reference: none of these is the last one.
        if (stateOf(copy) == CAP_LIVE) revoke(copy);
        eachCopy(copy, REVOKE);
      }
    }
  }
}

/** Drops a reference. */
function releaseObject(target: KernelObject): i32 {
  if (target.type == OBJECT_MEMEXTENT) return deleteExtent(changetype<Extent>(target));
  if (target.references > 1) {
    target.references--;
    return 0;
  }
  switch (target.type) {
    case OBJECT_ADDRSPACE:
      destroyAddressSpace(changetype<AddressSpace>(target));
      break;
    case OBJECT_THREAD:
      destroyThread(changetype<Thread>(target));
      break;
    case OBJECT_CSPACE:
      destroyCspace(changetype<CSpace>(target));
      break;
    default:
      // A partition outlives its capabilities: objects come from its heap.
      break;
  }
  return 0;
}

function destroyCspace(cspace: CSpace): void {
  for (let number: u32 = 1; number <= cspace.capacity && cspace.table != 0; number++) {
    if (stateOf(capAt(cspace, number)) != CAP_FREE) deleteCap(cspace, number);
  }
  for (let vmid: u32 = 0; vmid < (VMID_END as u32); vmid++) {
    if (cspaceOf(vmid) == cspace) store<u32>(cspaces + ((vmid as usize) << 2), 0);
  }
  if (cspace.table != 0) release(cspace.heap, cspace.table, (cspace.capacity as usize) * CAP_BYTES);
  freeObject(cspace, CSPACE_BYTES);
}
