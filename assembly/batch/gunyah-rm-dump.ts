// Listings of the resource manager's state for people and comparisons. Each call fills the dump window from where the caller
// left off and answers the number of records. Layouts: abi/gunyah-rm.ts.

import { DUMP_ACL_SIZE, DUMP_PARCEL_SIZE, DUMP_REGION_SIZE, RM_VM_NONE } from "../abi/gunyah-rm";
import { VMID_END } from "../abi/gunyah";
import { findOwnerRun, ownerObject, ownerType, ownerWord } from "../systems/gunyah/memdb";
import { findParcel, ipaAt, memberAt, memberOf, nextParcel, parcelWord, regionAt } from "../systems/gunyah/parcel";
import { vmRecord } from "../systems/gunyah/rm-vm";
import { dumpCapacity, dumpWindow } from "./dump";

/** Parcels with handles from `handle` on, ascending, one record each. */
export function dumpParcels(handle: u32): i32 {
  const window = dumpWindow();
  const room = dumpCapacity() / DUMP_PARCEL_SIZE;
  let count = 0;
  let parcel = nextParcel(handle);
  while (parcel != null && count < room) {
    const at = window + (count as usize) * DUMP_PARCEL_SIZE;
    store<u32>(at, parcel.handle);
    store<u32>(at, parcel.owner, 4);
    store<u64>(at, parcelWord(parcel), 8);
    store<u64>(at, parcel.totalSize, 16);
    store<u32>(at, parcel.label, 24);
    store<u32>(at, parcel.memberCount, 28);
    store<u32>(at, parcel.attributeCount, 32);
    store<u32>(at, parcel.regionCount, 36);
    store<u32>(at, parcel.extent.id, 40);
    count++;
    parcel = nextParcel(parcel.handle + 1);
  }
  return count;
}

/** The ACL of a parcel, with how far each member has accepted. No such parcel: nothing. */
export function dumpMembers(handle: u32): i32 {
  const parcel = findParcel(handle);
  if (parcel == null) return 0;
  for (let i: u32 = 0; i < parcel.memberCount; i++) {
    const at = dumpWindow() + (i as usize) * DUMP_ACL_SIZE;
    const member = memberAt(parcel, i);
    store<u16>(at, member.vmid);
    store<u8>(at, member.rights, 2);
    store<u8>(at, member.attribute, 3);
    store<u8>(at, member.shared ? 1 : 0, 4);
    store<u8>(at, member.mapped ? 1 : 0, 5);
    store<u8>(at, member.contiguous ? 1 : 0, 6);
    store<u8>(at, 0, 7);
    store<u32>(at, member.ipaCount, 8);
    store<u32>(at, member.turn, 12);
  }
  return parcel.memberCount as i32;
}

/** Regions of a parcel from number `from` on. */
export function dumpRegions(handle: u32, from: u32): i32 {
  const parcel = findParcel(handle);
  if (parcel == null || from >= parcel.regionCount) return 0;
  const count = min(parcel.regionCount - from, (dumpCapacity() / DUMP_REGION_SIZE) as u32);
  for (let i: u32 = 0; i < count; i++) {
    const at = dumpWindow() + (i as usize) * DUMP_REGION_SIZE;
    const region = regionAt(parcel, from + i);
    store<u64>(at, region.pa);
    store<u64>(at, region.size, 8);
    store<u64>(at, region.ipa, 16);
  }
  return count as i32;
}

/** The IPAs (u64) that a member has for the regions from number `from` on. */
export function dumpIpas(handle: u32, vmid: u32, from: u32): i32 {
  const parcel = findParcel(handle);
  const member = parcel != null ? memberOf(parcel, vmid) : null;
  if (member == null || from >= member.ipaCount) return 0;
  const count = min(member.ipaCount - from, (dumpCapacity() / 8) as u32);
  for (let i: u32 = 0; i < count; i++) store<u64>(dumpWindow() + ((i as usize) << 3), ipaAt(member, from + i));
  return count as i32;
}

/** Who owns the byte at `pa`, as in EFFECT_OWNERSHIP; 0 where nobody does. */
export function gunyahOwner(pa: u64): u64 {
  if (!findOwnerRun(pa, pa + 1)) return 0;
  return ownerWord(ownerObject, ownerType);
}

/** RM_VM_* | VM_* << 8 | owner << 16 | parcels << 32 of a VM; 0 if there is none. */
export function rmVmInfo(vmid: u32): u64 {
  if (vmid >= (VMID_END as u32)) return 0;
  const vm = vmRecord(vmid);
  if (vm.state == RM_VM_NONE) return 0;
  return (vm.state as u64) | ((vm.flags as u64) << 8) | ((vm.owner as u64) << 16) | ((vm.parcels as u64) << 32);
}
