// How a VM comes to its memory before it runs: the resource manager accepts on its behalf
// (vm_creation.c:process_memparcels; reference gunyah section 6.10).
//
//   LOAD -config_image-> AUTH -init-> READY -start-> RUNNING        a parcel that cannot be accepted: INIT_FAILED

import {
  ACCEPT_DONE,
  ACCEPT_MAP_CONTIGUOUS,
  ACCEPT_SANITIZE,
  DEVICE_IO,
  IMAGE_MAY_STAY_UNSANITISED,
  MEM_TYPE_IO,
  MEM_TYPE_NORMAL,
  REASON_HANDLE,
  REASON_IMAGE_ACL,
  REASON_IMAGE_TRANS_TYPE,
  REASON_RM_MEMORY,
  REASON_RM_VM_STATE,
  REASON_VM_OWNER,
  REASON_VM_UNKNOWN,
  RIGHTS_RWX,
  RM_ARGUMENT_INVALID,
  RM_DENIED,
  RM_HANDLE_INVALID,
  RM_NOMEM,
  RM_VM_AUTH,
  RM_VM_INIT_FAILED,
  RM_VM_INIT_STATE,
  RM_VM_LOAD,
  RM_VM_READY,
  RM_VM_RUNNING,
  RM_VM_STATE,
  RM_VMID_INVALID,
  SGL_ENTRY,
  TRANS_LEND,
} from "../../abi/gunyah-rm";
import { reserve } from "../../memory/heap";
import { findParcel, memberAt, memberOf, nextParcel, Parcel } from "./parcel";
import { acceptParcel } from "./parcel-accept";
import { deny } from "./refusal";
import { allocate, release } from "./rm-memory";
import { findRmVm, RmVm, setRmVmState } from "./rm-vm";

/** A device of a VM's configuration that is backed by a parcel with its label. */
@unmanaged
export class Device {
  label: u32;
  /** DEVICE_*. */
  flags: u32;
  /** Where shared memory goes; IO memory lies at IPA = PA. */
  ipa: u64;
  next: usize;
}

const DEVICE_BYTES: usize = offsetof<Device>();

// The one SGL entry with which the resource manager accepts at an address of its choice.
let place: usize = 0;

/** False if linear memory is used up. */
export function reserveStart(): bool {
  place = reserve(SGL_ENTRY);
  return place != 0;
}

/** The VM that `caller` allocated: VMID_INVALID for no VM, DENIED for another's, VM_STATE outside `state` (0: any). */
export function checkVm(caller: u32, vmid: u64, state: i32): i32 {
  const vm = vmid < 256 ? findRmVm(vmid as u32) : null;
  if (vm == null) return deny(RM_VMID_INVALID, REASON_VM_UNKNOWN, vmid, 0, 0);
  if (vm.owner != caller) return deny(RM_DENIED, REASON_VM_OWNER, vmid, vm.owner, caller);
  if (state == 0 || vm.state == state) return 0;
  return deny(RM_VM_STATE, REASON_RM_VM_STATE, vmid, state, vm.state);
}

/** VM_CONFIG_IMAGE: the parcel that the VM starts from, to be mapped at `ipa`. LOAD becomes AUTH. */
export function rmVmConfigImage(caller: u32, vmid: u64, handle: u64, ipa: u64, flags: u64): i32 {
  const refusal = checkVm(caller, vmid, RM_VM_LOAD);
  if (refusal != 0) return refusal;
  const vm = findRmVm(vmid as u32) as RmVm;
  vm.hasImage = true;
  vm.imageHandle = handle as u32;
  vm.imageIpa = ipa;
  vm.imageFlags = flags as u32;
  setRmVmState(vm, RM_VM_AUTH);
  return 0;
}

/** The firmware's parcel; before init. */
export function rmVmConfigFirmware(caller: u32, vmid: u64, handle: u64, ipa: u64): i32 {
  const refusal = checkVm(caller, vmid, RM_VM_AUTH);
  if (refusal != 0) return refusal;
  const vm = findRmVm(vmid as u32) as RmVm;
  vm.hasFirmware = true;
  vm.firmwareHandle = handle as u32;
  vm.firmwareIpa = ipa;
  return 0;
}

/** A device of the VM's configuration: its memory will be the parcel with this label. */
export function rmVmConfigDevice(caller: u32, vmid: u64, label: u64, ipa: u64, flags: u64): i32 {
  const refusal = checkVm(caller, vmid, 0);
  if (refusal != 0) return refusal;
  const vm = findRmVm(vmid as u32) as RmVm;
  const at = allocate(DEVICE_BYTES);
  if (at == 0) return deny(RM_NOMEM, REASON_RM_MEMORY, vmid, 0, 0);
  const device = changetype<Device>(at);
  device.label = label as u32;
  device.flags = flags as u32;
  device.ipa = ipa;
  device.next = vm.devices;
  vm.devices = at;
  return 0;
}

export function forgetDevices(vm: RmVm): void {
  while (vm.devices != 0) {
    const at = vm.devices;
    vm.devices = changetype<Device>(at).next;
    release(at, DEVICE_BYTES);
  }
}

/** VM_INIT: memory is accepted, the VM is READY. A VM without an image comes here from LOAD. */
export function rmVmInit(caller: u32, vmid: u64): i32 {
  const refusal = checkVm(caller, vmid, 0);
  if (refusal != 0) return refusal;
  const vm = findRmVm(vmid as u32) as RmVm;
  if (vm.state != RM_VM_LOAD && vm.state != RM_VM_AUTH) {
    return deny(RM_VM_STATE, REASON_RM_VM_STATE, vmid, RM_VM_AUTH, vm.state);
  }
  setRmVmState(vm, RM_VM_INIT_STATE);
  const ret = acceptImage(vm) || acceptFirmware(vm) || acceptLabelled(vm) || acceptPrivate(vm);
  setRmVmState(vm, ret == 0 ? RM_VM_READY : RM_VM_INIT_FAILED);
  return ret;
}

/** VM_START. */
export function rmVmStart(caller: u32, vmid: u64): i32 {
  const refusal = checkVm(caller, vmid, RM_VM_READY);
  if (refusal == 0) setRmVmState(findRmVm(vmid as u32) as RmVm, RM_VM_RUNNING);
  return refusal;
}

function acceptImage(vm: RmVm): i32 {
  if (!vm.hasImage) return 0;
  const sanitize = vm.imageFlags & IMAGE_MAY_STAY_UNSANITISED ? 0 : ACCEPT_SANITIZE;
  return acceptLent(vm, vm.imageHandle, vm.imageIpa, sanitize);
}

function acceptFirmware(vm: RmVm): i32 {
  return vm.hasFirmware ? acceptLent(vm, vm.firmwareHandle, vm.firmwareIpa, ACCEPT_SANITIZE) : 0;
}

// What a VM runs must be lent, exclusive to it, with all rights; it is mapped in one piece at its base.
function acceptLent(vm: RmVm, handle: u32, ipa: u64, sanitize: u32): i32 {
  const parcel = findParcel(handle);
  if (parcel == null) return deny(RM_HANDLE_INVALID, REASON_HANDLE, handle, 0, 0);
  if (parcel.transType != TRANS_LEND) {
    return deny(RM_ARGUMENT_INVALID, REASON_IMAGE_TRANS_TYPE, handle, TRANS_LEND, parcel.transType);
  }
  if (!isPrivateTo(parcel, vm.vmid)) {
    const rights = parcel.memberCount == 1 ? memberAt(parcel, 0).rights : 0;
    return deny(RM_ARGUMENT_INVALID, REASON_IMAGE_ACL, handle, RIGHTS_RWX, rights);
  }
  return acceptAt(parcel, vm, ipa, ACCEPT_DONE | ACCEPT_MAP_CONTIGUOUS | sanitize);
}

/** Exclusive to the VM, with all rights. */
function isPrivateTo(parcel: Parcel, vmid: u32): bool {
  const only = memberAt(parcel, 0);
  return parcel.memberCount == 1 && only.vmid == vmid && only.rights == RIGHTS_RWX;
}

function acceptAt(parcel: Parcel, vm: RmVm, ipa: u64, flags: u32): i32 {
  store<u64>(place, ipa);
  store<u64>(place, parcel.totalSize, 8);
  return acceptParcel(parcel, vm.vmid, flags, place, 1);
}

// Parcels with the label of a configured device.
function acceptLabelled(vm: RmVm): i32 {
  let parcel = nextParcel(0);
  while (parcel != null) {
    const ret = acceptDevices(parcel, vm);
    if (ret != 0) return ret;
    parcel = nextParcel(parcel.handle + 1);
  }
  return 0;
}

/** MEM_SHARED has been sent to the VM: if it is READY, the resource manager accepts for its configured devices. */
export function acceptForDevices(parcel: Parcel, vmid: u32): void {
  const vm = findRmVm(vmid);
  if (vm != null && vm.state == RM_VM_READY) acceptDevices(parcel, vm);
}

function acceptDevices(parcel: Parcel, vm: RmVm): i32 {
  const member = memberOf(parcel, vm.vmid);
  if (member == null || parcel.owner == vm.vmid) return 0;
  for (let at = vm.devices; at != 0 && !member.mapped; at = changetype<Device>(at).next) {
    const device = changetype<Device>(at);
    const memType = device.flags & DEVICE_IO ? MEM_TYPE_IO : MEM_TYPE_NORMAL;
    if (device.label != parcel.label || parcel.memType != memType) continue;
    const ret =
      memType == MEM_TYPE_IO
        ? acceptParcel(parcel, vm.vmid, ACCEPT_DONE, 0, 0)
        : acceptAt(parcel, vm, device.ipa, ACCEPT_DONE | ACCEPT_MAP_CONTIGUOUS);
    if (ret != 0) return ret;
  }
  return 0;
}

// Private memory: whatever else is exclusively the VM's, NORMAL, with all rights and label 0. That it is zeroed on reclaim
// under the image's rule is unverified.
function acceptPrivate(vm: RmVm): i32 {
  const sanitize = vm.imageFlags & IMAGE_MAY_STAY_UNSANITISED ? 0 : ACCEPT_SANITIZE;
  let next: u32 = 0;
  for (let parcel = nextParcel(0); parcel != null; parcel = nextParcel(next)) {
    next = parcel.handle + 1;
    if (!isPrivateTo(parcel, vm.vmid) || parcel.memType != MEM_TYPE_NORMAL || parcel.label != 0) continue;
    if (memberAt(parcel, 0).mapped) continue;
    const ret = acceptParcel(parcel, vm.vmid, ACCEPT_DONE | sanitize, 0, 0);
    if (ret != 0) return ret;
  }
  return 0;
}
