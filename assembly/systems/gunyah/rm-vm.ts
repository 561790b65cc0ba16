// VMs as the resource manager keeps them: one record per VMID (reference gunyah sections 6.1, 6.3, 6.10).

import { VMID_END, VMID_HLOS, VMID_HYP, VMID_RM } from "../../abi/gunyah";
import {
  EFFECT_RM_VM,
  RM_VM_NONE,
  RM_VM_RUNNING,
  VM_MEM_MAP_DIRECT,
  VMID_CONFIGURED_END,
  VMID_DYNAMIC_FIRST,
  VMID_DYNAMIC_LAST,
} from "../../abi/gunyah-rm";
import { reserve } from "../../memory/heap";
import { record, recording } from "../../memory/journal";
import { AddressSpace } from "./address-space";
import { Extent } from "./extent";
import { hlosOwned, hlosSpace } from "./machine";

@unmanaged
export class RmVm {
  vmid: u32;
  /** RM_VM_*. */
  state: i32;
  /** VMID of the VM that allocated it, and may reset it. */
  owner: u32;
  /** VM_*. */
  flags: u32;
  /** Parcels that it owns: at most 64. */
  parcels: u32;
  /** First free range of its IPA space. */
  freeIpas: u32;
  /** Its stage 2 and the memory it owns; null before it is allocated and after its reset. */
  space: AddressSpace | null;
  ownedDdr: Extent | null;
  ownedDevice: Extent | null;
  /** What it starts from: handle, base, IMAGE_*; no handle: none. */
  hasImage: bool;
  hasFirmware: bool;
  imageHandle: u32;
  imageFlags: u32;
  firmwareHandle: u32;
  imageIpa: u64;
  firmwareIpa: u64;
  /** First configured device. */
  devices: usize;
}

const VM_BYTES: usize = offsetof<RmVm>();

let vms: usize = 0;

/** Makes the records; HLOS runs already. False if linear memory is used up. */
export function reserveRmVms(): bool {
  vms = reserve((VMID_END as usize) * VM_BYTES);
  if (vms == 0) return false;
  const hlos = vmRecord(VMID_HLOS);
  hlos.vmid = VMID_HLOS;
  hlos.state = RM_VM_RUNNING;
  hlos.owner = VMID_RM;
  hlos.flags = VM_MEM_MAP_DIRECT;
  hlos.space = hlosSpace;
  hlos.ownedDdr = hlosOwned;
  return true;
}

/** The record of a VMID below 256, whether there is such a VM or not. */
export function vmRecord(vmid: u32): RmVm {
  return changetype<RmVm>(vms + (vmid as usize) * VM_BYTES);
}

/** A VM that has an address space; null for any other 32-bit value. */
export function findRmVm(vmid: u32): RmVm | null {
  if (vmid >= (VMID_END as u32)) return null;
  const vm = vmRecord(vmid);
  return vm.space != null ? vm : null;
}

/** Whether an ACL may name it: HLOS, RM, configured VMs, dynamic VMs that are allocated. */
export function isVmidValid(vmid: u32): bool {
  if (vmid == VMID_HLOS || vmid == VMID_RM) return true;
  if (isDynamic(vmid)) return vmRecord(vmid).state != RM_VM_NONE;
  return isConfigured(vmid);
}

/** VMIDs that are given out while the machine runs. */
export function isDynamic(vmid: u32): bool {
  return vmid >= (VMID_DYNAMIC_FIRST as u32) && vmid <= (VMID_DYNAMIC_LAST as u32);
}

/** VMIDs of the board's configuration: secondary and peripheral VMs. */
export function isConfigured(vmid: u32): bool {
  return vmid != VMID_HYP && vmid != VMID_HLOS && vmid < (VMID_CONFIGURED_END as u32);
}

/** NORMAL memory of the VM lies at IPA = PA. */
export function isMappedDirect(vm: RmVm): bool {
  return (vm.flags & VM_MEM_MAP_DIRECT) != 0;
}

/** Address of the VM's list of free IPAs. */
export function freeIpasOf(vm: RmVm): usize {
  return changetype<usize>(vm) + offsetof<RmVm>("freeIpas");
}

export function setRmVmState(vm: RmVm, state: i32): void {
  if (recording) record(EFFECT_RM_VM, 0, vm.vmid, 0, vm.state, state, 0);
  vm.state = state;
}
