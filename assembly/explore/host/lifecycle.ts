// A VM from KVM_CREATE_VM to the last close of its fds, and what of it EL2 is told when (reference host-and-vmm sections 2.1, 2.2,
// 2.8; pkvm-el2 section 5.8).

import { EINVAL, ENOMEM } from "../../abi/codes";
import { FINALIZE_TEARDOWN_VM, INIT_VCPU, INIT_VM, RESERVE_VM, UNRESERVE_VM } from "../../abi/operations";
import { HOST_SHARE_HYP, HOST_UNSHARE_HYP } from "../../abi/operations";
import { NOTIFIER_BEFORE_HANDLE, SHARED_STRUCT_PAGE } from "../../abi/mutations";
import { VM_FIRMWARE, VM_PROTECTED } from "../../abi/user-calls";
import { pfnToPa, pgdPages } from "../../arch/geometry";
import { isMutated } from "../../memory/mutation";
import { forgetFirmware, noteFirmware } from "./firmware";
import { allocate, freeAll, freeFrame, GIVEN, KERNEL, setSharedObjects, sharedObjects } from "./frames";
import { call, mustCall } from "./hypercalls";
import { forgetKvm, Kvm, numberOf } from "./kvm";
import { flushShadowAll } from "./stage2";

/** Where struct kvm_vcpu lies in its page, behind a struct kvm. */
const VCPU_OFFSET: u64 = 0x800;
const PROTECTED: u64 = 1;
const ID_REGISTERS: u64 = 2;

/** kvm_arch_init_vm: the handle is reserved here, the VM is made at EL2 when it first runs. */
export function createVm(kvm: Kvm, process: u32, flags: i32): i32 {
  const page = allocate(1, KERNEL + (numberOf(kvm) as i32));
  if (page == 0) return -ENOMEM;
  kvm.exists = true;
  kvm.isProtected = (flags & VM_PROTECTED) != 0;
  kvm.wantsFirmware = (flags & VM_FIRMWARE) != 0;
  kvm.mm = process;
  kvm.kvmPfn = page;
  shareObject(page);
  return isMutated(NOTIFIER_BEFORE_HANDLE) ? 0 : reserveHandle(kvm);
}

function reserveHandle(kvm: Kvm): i32 {
  const handle = call(RESERVE_VM, 0, 0, 0, 0, 0, 0);
  if (handle < 0) return handle;
  kvm.handle = handle as u32;
  return 0;
}

/** kvm_arch_vcpu_create. */
export function createVcpu(kvm: Kvm): i32 {
  if (kvm.hasVcpu) return -EINVAL;
  kvm.vcpuPfn = kvm.kvmPfn;
  kvm.hasVcpu = true;
  return shareObject(kvm.vcpuPfn);
}

// kvm_share_hyp: a page is shared with the first object in it, and unshared with the last.
function shareObject(pfn: u64): i32 {
  const objects = sharedObjects(pfn);
  setSharedObjects(pfn, objects + 1);
  return objects == 0 || isMutated(SHARED_STRUCT_PAGE) ? mustCall(HOST_SHARE_HYP, 0, 0, pfn, 0, 0, 0) : 0;
}

// kvm_unshare_hyp; the page is free with its last object.
function unshareObject(pfn: u64): void {
  const objects = sharedObjects(pfn) - 1;
  setSharedObjects(pfn, objects);
  if (objects == 0 || isMutated(SHARED_STRUCT_PAGE)) mustCall(HOST_UNSHARE_HYP, 0, 0, pfn, 0, 0, 0);
  if (objects == 0) freeFrame(pfn);
}

/** The first KVM_RUN: pkvm_create_hyp_vm, and pkvm_create_hyp_vcpu. */
export function createAtEl2(kvm: Kvm): i32 {
  if (kvm.isCreated) return 0;
  if (isMutated(NOTIFIER_BEFORE_HANDLE)) reserveHandle(kvm);
  const use = GIVEN + (numberOf(kvm) as i32);
  const root = pfnToPa(allocate(pgdPages as u32, use));
  const area = pfnToPa(allocate(1, use));
  const vcpuArea = pfnToPa(allocate(1, use));
  const flags = (kvm.isProtected ? PROTECTED : 0) | ID_REGISTERS;
  const hasPages = root != 0 && area != 0 && vcpuArea != 0;
  const ret = hasPages ? mustCall(INIT_VM, kvm.handle, 1, pfnToPa(kvm.kvmPfn), area, root, flags) : -ENOMEM;
  if (ret < 0) {
    freeAll(use);
    return ret;
  }
  kvm.isCreated = true;
  if (kvm.wantsFirmware) noteFirmware(kvm);
  return mustCall(INIT_VCPU, kvm.handle, 0, pfnToPa(kvm.vcpuPfn) + VCPU_OFFSET, vcpuArea, 0, 0);
}

/** kvm_destroy_vm: the last fd is closed. */
export function destroyVm(kvm: Kvm, current: u32): void {
  flushShadowAll(kvm, current);
  if (kvm.isCreated) mustCall(FINALIZE_TEARDOWN_VM, kvm.handle, 0, 0, 0, 0, 0);
  else call(UNRESERVE_VM, kvm.handle, 0, 0, 0, 0, 0);
  forgetFirmware(kvm);
  freeAll(GIVEN + (numberOf(kvm) as i32));
  if (kvm.hasVcpu) unshareObject(kvm.vcpuPfn);
  unshareObject(kvm.kvmPfn);
  forgetKvm(kvm);
}
