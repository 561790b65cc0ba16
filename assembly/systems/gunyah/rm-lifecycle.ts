// The life of a VM at the resource manager: allocated, exited, reset (reference gunyah section 6.10).
//
//   NONE -alloc-> LOAD ... RUNNING -exit-> EXITED -reset-> RESET -dealloc-> NONE          (starting: rm-start.ts)
//
// A VM that has exited keeps its parcels, and their owners get MEM_INUSE. Only its reset releases them. Nothing is zeroed
// but what somebody asked for; memory that the VM owned goes to parent_ddr as it is, and not back to HLOS.

import { VMID_END, VMID_HLOS } from "../../abi/gunyah";
import {
  EFFECT_RESET_STAGE,
  MEM_RELEASED,
  MEM_TYPE_IO,
  MEM_TYPE_NORMAL,
  REASON_NO_VMID,
  REASON_PARCEL_LOCKED,
  REASON_HANDLE,
  REASON_RM_MEMORY,
  REASON_RM_VM_STATE,
  REASON_VM_OWNER,
  REASON_VM_UNKNOWN,
  REASON_VMID_TAKEN,
  RESET_CLEANUP_VM,
  RESET_COMPLETED,
  RESET_DESTROY_VDEVICES,
  RESET_DESTROY_VM,
  RESET_INIT,
  RESET_RELEASE_IRQS,
  RESET_RELEASE_MEMPARCELS,
  RM_BUSY,
  RM_DENIED,
  RM_HANDLE_INVALID,
  RM_NOMEM,
  RM_NORESOURCE,
  RM_VM_EXITED,
  RM_VM_INIT_FAILED,
  RM_VM_LOAD,
  RM_VM_NONE,
  RM_VM_READY,
  RM_VM_RESET_STATE,
  RM_VM_RESETTING,
  RM_VM_RUNNING,
  RM_VM_STATE,
  RM_VMID_INVALID,
  VMID_DYNAMIC_FIRST,
  VMID_DYNAMIC_LAST,
} from "../../abi/gunyah-rm";
import { record, recording } from "../../memory/journal";
import { AddressSpace, destroyAddressSpace } from "./address-space";
import { answer } from "./answer";
import { deleteExtent, Extent } from "./extent";
import { synchronize } from "./extent-life";
import { openIpaSpace } from "./ipa-allocator";
import { createAddressSpace } from "./machine";
import {
  disownParcel,
  dropIfAbandoned,
  findParcel,
  Member,
  memberOf,
  nextParcel,
  Parcel,
  parcelWord,
  recordParcel,
} from "./parcel";
import { recordNotification } from "./parcel-notify";
import { releaseMember } from "./parcel-return";
import { deny } from "./refusal";
import { checkVm, forgetDevices } from "./rm-start";
import { findRmVm, freeIpasOf, isConfigured, isDynamic, isMappedDirect, RmVm, setRmVmState, vmRecord } from "./rm-vm";
import { forgetIpas, newOwnedExtent } from "./vm-memory";

/** VM_ALLOC: an address space and two extents for what the VM will own. Answers the VMID. */
export function rmVmAlloc(caller: u32, wanted: u64, flags: u64): i32 {
  if (findRmVm(caller) == null) return deny(RM_VMID_INVALID, REASON_VM_UNKNOWN, caller, 0, 0);
  const vmid = wanted == 0 ? lowestFree() : (min<u64>(wanted, VMID_END) as u32);
  if (vmid == 0) return deny(RM_NORESOURCE, REASON_NO_VMID, 0, 0, 0);
  if (!isDynamic(vmid) && !isConfigured(vmid)) return deny(RM_VMID_INVALID, REASON_VM_UNKNOWN, wanted, 0, 0);
  const vm = vmRecord(vmid);
  if (vm.state != RM_VM_NONE) return deny(RM_BUSY, REASON_VMID_TAKEN, vmid, RM_VM_NONE, vm.state);
  vm.vmid = vmid;
  vm.owner = caller;
  vm.flags = flags as u32;
  vm.space = createAddressSpace(vmid);
  vm.ownedDdr = newOwnedExtent(vmid, MEM_TYPE_NORMAL);
  vm.ownedDevice = newOwnedExtent(vmid, MEM_TYPE_IO);
  const hasIpas = isMappedDirect(vm) || openIpaSpace(freeIpasOf(vm));
  if (vm.space == null || vm.ownedDdr == null || vm.ownedDevice == null || !hasIpas) {
    destroyVm(vm);
    return deny(RM_NOMEM, REASON_RM_MEMORY, vmid, 0, 0);
  }
  setRmVmState(vm, RM_VM_LOAD);
  return answer(vmid, 0, 0);
}

function lowestFree(): u32 {
  for (let vmid: u32 = VMID_DYNAMIC_FIRST; vmid <= (VMID_DYNAMIC_LAST as u32); vmid++) {
    if (vmRecord(vmid).state == RM_VM_NONE) return vmid;
  }
  return 0;
}

/** The VM stops, by itself or by a crash. Its parcels stay accepted and mapped. */
export function rmVmExit(vmid: u32): i32 {
  const vm = findRmVm(vmid);
  if (vm == null) return deny(RM_VMID_INVALID, REASON_VM_UNKNOWN, vmid, 0, 0);
  if (vm.state != RM_VM_RUNNING || vmid == VMID_HLOS) {
    return deny(RM_VM_STATE, REASON_RM_VM_STATE, vmid, RM_VM_RUNNING, vm.state);
  }
  setRmVmState(vm, RM_VM_EXITED);
  return 0;
}

/** VM_RESET, all stages. A locked parcel holds it up: called again, it goes on where it was. */
export function rmVmReset(caller: u32, vmid: u64): i32 {
  const refusal = checkVm(caller, vmid, 0);
  if (refusal != 0) return refusal;
  const vm = findRmVm(vmid as u32) as RmVm;
  const state = vm.state;
  if (state != RM_VM_RESETTING) {
    if (state != RM_VM_EXITED && state != RM_VM_READY && state != RM_VM_INIT_FAILED) {
      return deny(RM_VM_STATE, REASON_RM_VM_STATE, vmid, RM_VM_EXITED, state);
    }
    setRmVmState(vm, RM_VM_RESETTING);
    recordStage(vm, RESET_INIT);
    recordStage(vm, RESET_DESTROY_VDEVICES);
  }
  recordStage(vm, RESET_RELEASE_MEMPARCELS);
  const ret = releaseParcels(vm);
  if (ret != 0) return ret;
  recordStage(vm, RESET_RELEASE_IRQS);
  recordStage(vm, RESET_DESTROY_VM);
  destroyVm(vm);
  abandonParcels(vm.vmid);
  recordStage(vm, RESET_CLEANUP_VM);
  forgetDevices(vm);
  vm.hasImage = false;
  vm.hasFirmware = false;
  recordStage(vm, RESET_COMPLETED);
  setRmVmState(vm, RM_VM_RESET_STATE);
  return 0;
}

function recordStage(vm: RmVm, stage: i32): void {
  if (recording) record(EFFECT_RESET_STAGE, stage, vm.vmid, 0, 0, 0, 0);
}

// Stage 2: what was accepted last is released first, and its owner hears of it.
function releaseParcels(vm: RmVm): i32 {
  for (let parcel = lastAccepted(vm.vmid); parcel != null; parcel = lastAccepted(vm.vmid)) {
    if (parcel.locked) return deny(RM_DENIED, REASON_PARCEL_LOCKED, parcel.handle, 0, 1);
    const ret = releaseMember(parcel, vm, memberOf(parcel, vm.vmid) as Member, false);
    if (ret != 0) return ret;
    if (recording) recordNotification(parcel.owner, MEM_RELEASED, parcel.handle, vm.vmid, parcel.tag);
    dropIfAbandoned(parcel);
  }
  return 0;
}

function lastAccepted(vmid: u32): Parcel | null {
  let last: Parcel | null = null;
  let turn: u32 = 0;
  let parcel = nextParcel(0);
  while (parcel != null) {
    const member = memberOf(parcel, vmid);
    if (member != null && member.shared && member.turn > turn) {
      last = parcel;
      turn = member.turn;
    }
    parcel = nextParcel(parcel.handle + 1);
  }
  return last;
}

// Stage 4. Nobody can reclaim the VM's own parcels any more: their memory goes where the rest of its memory goes, as soon
// as no member holds it. They are nobody's until then, so that a later VM with this VMID does not inherit them.
function abandonParcels(vmid: u32): void {
  let next: u32 = 0;
  for (let parcel = nextParcel(0); parcel != null; parcel = nextParcel(next)) {
    next = parcel.handle + 1;
    if (parcel.owner != vmid) continue;
    disownParcel(parcel);
    dropIfAbandoned(parcel);
  }
}

// The address space goes first, and every record that names it; what the VM owned then goes to parent_ddr without a table
// being touched, so that nothing of this can fail.
function destroyVm(vm: RmVm): void {
  if (vm.space != null) destroyAddressSpace(vm.space as AddressSpace);
  if (vm.ownedDdr != null) deleteExtent(vm.ownedDdr as Extent);
  if (vm.ownedDevice != null) deleteExtent(vm.ownedDevice as Extent);
  synchronize();
  forgetIpas(vm);
  vm.ownedDdr = null;
  vm.ownedDevice = null;
  vm.space = null;
}

/** VM_DEALLOC: the VMID is free, after a reset or before anything began. */
export function rmVmDealloc(caller: u32, vmid: u64): i32 {
  const vm = vmid < 256 ? vmRecord(vmid as u32) : null;
  if (vm == null || vm.state == RM_VM_NONE) return deny(RM_VMID_INVALID, REASON_VM_UNKNOWN, vmid, 0, 0);
  if (vm.owner != caller) return deny(RM_DENIED, REASON_VM_OWNER, vmid, vm.owner, caller);
  if (vm.state == RM_VM_LOAD) {
    const ret = releaseParcels(vm);
    if (ret != 0) return ret;
    destroyVm(vm);
    abandonParcels(vm.vmid);
    forgetDevices(vm);
  } else if (vm.state != RM_VM_RESET_STATE) {
    return deny(RM_VM_STATE, REASON_RM_VM_STATE, vmid, RM_VM_RESET_STATE, vm.state);
  }
  setRmVmState(vm, RM_VM_NONE);
  return 0;
}

/** Platform code locks a parcel, or lets go of it. */
export function rmParcelLock(handle: u32, locked: bool): i32 {
  const parcel = findParcel(handle);
  if (parcel == null) return deny(RM_HANDLE_INVALID, REASON_HANDLE, handle, 0, 0);
  const before = parcelWord(parcel);
  parcel.locked = locked;
  if (recording) recordParcel(parcel, before);
  return 0;
}
