// What the resource manager does to extents and address spaces on behalf of its VMs
// (platform/qemu/src/vm_memory.c; reference gunyah section 6.3).

import {
  ACCESS_RW,
  ACCESS_RWX,
  MAP_DEVICE_NGNRE,
  MAP_KERNEL_SHIFT,
  MAP_MEMTYPE_SHIFT,
  MAP_NORMAL_NC,
  MAP_NORMAL_WB,
  MEMDB_EXTENT,
  MEMDB_NOTYPE,
  ROLE_OWNED,
  VMID_HLOS,
} from "../../abi/gunyah";
import {
  ATTR_DEVICE,
  ATTR_UNCACHED,
  MEM_TYPE_IO,
  REASON_DEVICE_SPACE,
  REASON_REGION_ADDRESS,
  REASON_RM_MEMORY,
  RM_ARGUMENT_INVALID,
  RM_MAP_FAILED,
  RM_MEM_INVALID,
  RM_NOMEM,
} from "../../abi/gunyah-rm";
import { Extent, sparseChild } from "./extent";
import { closeIpaSpace, DEVICE_WINDOW, giveBack, IPA_SPACE, NO_IPA, takeFixed, takeLowest } from "./ipa-allocator";
import { hlosSpace, parentDdr } from "./machine";
import { mapPartial } from "./mapping";
import { memdbInsert, memdbUpdate } from "./memdb";
import { Member } from "./parcel";
import { deny } from "./refusal";
import { freeIpasOf, isMappedDirect, RmVm, vmRecord } from "./rm-vm";

/** Addresses that a message may name end here. */
export const ADDRESS_LIMIT: u64 = 1 << 44;

/** The extent that a VM's memory of this type belongs to while the VM owns it; null if it cannot own any. */
export function ownedExtent(vm: RmVm, memType: i32): Extent | null {
  return memType == MEM_TYPE_IO ? vm.ownedDevice : vm.ownedDdr;
}

/** An extent for a parcel: a sibling of those that VMs own. */
export function parcelExtent(memType: i32): Extent | null {
  return sparseChild(parentDdr, memType == MEM_TYPE_IO ? ACCESS_RW : ACCESS_RWX);
}

/** An extent for what a VM owns. */
export function newOwnedExtent(vmid: u32, memType: i32): Extent | null {
  const extent = parcelExtent(memType);
  if (extent == null) return null;
  extent.role = ROLE_OWNED;
  extent.label = vmid;
  return extent;
}

/** How a VM maps what it owns. */
export function ownedAttributes(memType: i32): u32 {
  if (memType == MEM_TYPE_IO) return attributesOf(ACCESS_RW, MAP_DEVICE_NGNRE);
  return attributesOf(ACCESS_RWX, MAP_NORMAL_WB);
}

/** How a member maps its parcel: the rights for kernel and user alike, and the memory type of its attribute. */
export function mappingAttributes(member: Member): u32 {
  return attributesOf(member.rights, memoryType(member.attribute));
}

function attributesOf(rights: u32, memoryTypeOfMapping: u32): u32 {
  return rights | (rights << MAP_KERNEL_SHIFT) | (memoryTypeOfMapping << MAP_MEMTYPE_SHIFT);
}

function memoryType(attribute: i32): u32 {
  if (attribute == ATTR_DEVICE) return MAP_DEVICE_NGNRE;
  return attribute == ATTR_UNCACHED ? MAP_NORMAL_NC : MAP_NORMAL_WB;
}

/**
 * Gives device space to HLOS as its board's configuration does: an extent of HLOS owns it, mapped at IPA = PA. The hypervisor
 * has no owner for device space before.
 */
export function giveDeviceSpace(pa: u64, size: u64): i32 {
  const hlos = vmRecord(VMID_HLOS);
  if (hlos.ownedDevice == null) hlos.ownedDevice = newOwnedExtent(VMID_HLOS, MEM_TYPE_IO);
  const owned = hlos.ownedDevice;
  if (owned == null) return deny(RM_NOMEM, REASON_RM_MEMORY, pa, 0, 0);
  if (((pa | size) & 0xfff) != 0 || size == 0 || pa + size < pa) {
    return deny(RM_ARGUMENT_INVALID, REASON_REGION_ADDRESS, pa, 0, 0);
  }
  const error = memdbInsert(pa, pa + size - 1, owned.id, MEMDB_EXTENT);
  if (error != 0) return deny(RM_MEM_INVALID, REASON_DEVICE_SPACE, pa, 0, error);
  const unmapped = mapPartial(owned, hlosSpace, pa, pa, size, ownedAttributes(MEM_TYPE_IO));
  if (unmapped == 0) return 0;
  memdbUpdate(pa, pa + size - 1, 0, MEMDB_NOTYPE, owned.id, MEMDB_EXTENT);
  return deny(RM_MAP_FAILED, REASON_DEVICE_SPACE, pa, 0, unmapped);
}

// Addresses. IO memory lies at IPA = PA everywhere, NORMAL memory in VMs that are mapped directly; such addresses need no
// book-keeping, since no byte is in two parcels. Elsewhere IO memory must keep clear of what the resource manager chose.

/** Whether memory of this type can only lie at IPA = PA. */
export function isIdentity(vm: RmVm, memType: i32): bool {
  return memType == MEM_TYPE_IO || isMappedDirect(vm);
}

/** Whether [ipa, ipa + size) is a range of pages that the VM's address space can have. */
export function isIpaRange(ipa: u64, size: u64): bool {
  return (ipa & 0xfff) == 0 && ipa < IPA_SPACE && size <= IPA_SPACE - ipa;
}

function isKept(vm: RmVm, ipa: u64, size: u64): bool {
  return !isMappedDirect(vm) && ipa + size > DEVICE_WINDOW;
}

/** Takes a range of addresses for NORMAL memory; NO_IPA if none is left. */
export function chooseIpa(vm: RmVm, size: u64): u64 {
  return takeLowest(freeIpasOf(vm), size);
}

/** Takes this range; false if not all of it is free. NORMAL memory gets nothing in the device window. */
export function reserveIpa(vm: RmVm, memType: i32, ipa: u64, size: u64): bool {
  if (isMappedDirect(vm)) return true;
  if (memType == MEM_TYPE_IO && !isKept(vm, ipa, size)) return true;
  return takeFixed(freeIpasOf(vm), ipa, size);
}

export function freeIpa(vm: RmVm, ipa: u64, size: u64): void {
  if (ipa != NO_IPA && isKept(vm, ipa, size)) giveBack(freeIpasOf(vm), ipa, size);
}

export function forgetIpas(vm: RmVm): void {
  closeIpaSpace(freeIpasOf(vm));
}
