// Objects of a Gunyah machine, as its specification needs to know them (src/explore/gunyah-plain-state.ts): what the capabilities
// of a VM stand for, how extents and address spaces were configured, and of a parcel the lists that came with it.

import { capAt, cspaceOf, stateOf } from "../systems/gunyah/cspace";
import { AddressSpace } from "../systems/gunyah/address-space";
import { Extent } from "../systems/gunyah/extent";
import { KernelObject, OBJECT_ADDRSPACE, OBJECT_MEMEXTENT, objectAt, objectsEnd } from "../systems/gunyah/object";
import { attributeWord, findParcel } from "../systems/gunyah/parcel";

/** What a word that can be 0 has besides. */
const THERE: u64 = (1 as u64) << 32;

/** Numbers of objects are below it. */
export function objectNumbersEnd(): u32 {
  return objectsEnd();
}

/** The highest capability that a VM has; 0: none. */
export function highestCap(vmid: u32): u32 {
  const cspace = cspaceOf(vmid);
  if (cspace == null || cspace.table == 0) return 0;
  let number = cspace.capacity;
  while (number != 0 && stateOf(capAt(cspace, number)) == 0) number--;
  return number;
}

/** The number of the object that a capability stands for, whether it was revoked or not; 0: none. */
export function capObject(vmid: u32, number: u32): u32 {
  const cspace = cspaceOf(vmid);
  if (cspace == null || number == 0 || number > cspace.capacity || cspace.table == 0) return 0;
  const cap = capAt(cspace, number);
  return stateOf(cap) == 0 ? 0 : changetype<KernelObject>(load<u32>(cap) as usize).id;
}

/**
 * A word of an object.
 *
 *           0                                       1                       2      3
 *   all     type | state << 8; 0: there is none
 *   extent  | attached << 16 | parent << 32         first byte of window    size   type | access << 8 | memory type << 16
 *   space                                           VMID | read-only << 32
 */
export function objectWord(id: u32, word: u32): u64 {
  const object = objectAt(id);
  if (object == null) return 0;
  const head = (object.type as u64) | ((object.state as u64) << 8);
  if (object.type == OBJECT_MEMEXTENT) return extentWord(changetype<Extent>(object), head, word);
  return word != 0 && object.type == OBJECT_ADDRSPACE ? spaceWord(changetype<AddressSpace>(object)) : head;
}

function extentWord(me: Extent, head: u64, word: u32): u64 {
  const parent = me.parent;
  switch (word) {
    case 0:
      return head | ((me.attached ? 1 : 0) << 16) | ((parent == null ? 0 : (parent.id as u64)) << 32);
    case 1:
      return me.base;
    case 2:
      return me.size;
    default:
      return (me.kind as u64) | ((me.access as u64) << 8) | ((me.memtype as u64) << 16);
  }
}

function spaceWord(space: AddressSpace): u64 {
  return (space.vmid as u64) | ((space.readOnly ? 1 : 0) << 32);
}

/** The attribute entry number `index` that a parcel was created with: attribute | VMID << 16 | 1 << 32; 0 if there are not as many. */
export function parcelAttribute(handle: u32, index: u32): u64 {
  const parcel = findParcel(handle);
  if (parcel == null || index >= parcel.attributeCount) return 0;
  return (attributeWord(parcel, index) as u64) | THERE;
}

/** The tag of a parcel's notifications | 1 << 32; 0: there was none yet. */
export function parcelTag(handle: u32): u64 {
  const parcel = findParcel(handle);
  return parcel == null || !parcel.hasTag ? 0 : (parcel.tag as u64) | THERE;
}
