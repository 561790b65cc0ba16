// The host's hypercalls on guests: the handlers' own checks, on the loaded vCPU or a handle, then the transition
// (nvhe/hyp-main.c; reference pkvm-el2 section 7.2).

import {
  EINVAL,
  REASON_NO_SUCH_VM,
  REASON_NO_VCPU_LOADED,
  REASON_VM_NOT_PROTECTED,
  REASON_VM_PROTECTED,
} from "../../abi/codes";
import { isMutated } from "../../memory/mutation";
import { refuse } from "../../memory/verdict";
import { FLUSH_RANGE_NOT_FOR_PKVM } from "../../abi/mutations";
import { TLBI_FLUSH_VMID } from "../../abi/tlb";
import { expectFresh } from "../../arch/tlb-checks";
import { flushVmid } from "../../pagetable/maintenance";
import {
  hostDonateGuest,
  hostMkyoungGuest,
  hostRelaxPermsGuest,
  hostShareGuest,
  hostTestClearYoungGuest,
  hostUnshareGuest,
  hostWrprotectGuest,
} from "./host-guest";
import { recordHostList, refillMemcache } from "./lifecycle";
import { vcpuInPoisonFault } from "./reclaim";
import { findVm, getVm, loadedVcpu, putVm, Vcpu, Vm } from "./vm";

// The loaded vCPU, of a VM of the wanted kind.
function checkLoaded(vcpu: Vcpu | null, wantProtected: bool): i32 {
  if (vcpu == null) return refuse(EINVAL, REASON_NO_VCPU_LOADED, 0, 0, 0);
  if (vcpu.vm.isProtected == wantProtected) return 0;
  return refuse(EINVAL, wantProtected ? REASON_VM_NOT_PROTECTED : REASON_VM_PROTECTED, vcpu.vm.handle, 0, 0);
}

// get_np_pkvm_hyp_vm.
function checkNonProtected(vm: Vm | null, handle: u32): i32 {
  if (vm == null) return refuse(EINVAL, REASON_NO_SUCH_VM, handle, 0, 0);
  return vm.isProtected ? refuse(EINVAL, REASON_VM_PROTECTED, handle, 0, 0) : 0;
}

// The kind of vCPU is looked at before the refill, the refill comes before the transition's own checks: a page whose
// state is wrong still costs a top-up.
function refillLoaded(wantProtected: bool): i32 {
  const vcpu = loadedVcpu();
  const refusal = checkLoaded(vcpu, wantProtected);
  if (refusal == 0) return refillMemcache(vcpu!);
  if (vcpu != null) recordHostList(vcpu);
  return refusal;
}

export function hcallDonateGuest(pfn: u64, gfn: u64): i32 {
  const refusal = refillLoaded(true);
  return refusal != 0 ? refusal : hostDonateGuest(loadedVcpu()!, pfn, gfn);
}

export function hcallShareGuest(pfn: u64, gfn: u64, pages: u64, prot: u64): i32 {
  const refusal = refillLoaded(false);
  return refusal != 0 ? refusal : hostShareGuest(loadedVcpu()!, pfn, gfn, pages, prot);
}

export function hcallUnshareGuest(handle: u32, gfn: u64, pages: u64): i32 {
  const vm = getVm(handle);
  const refusal = checkNonProtected(vm, handle);
  return putVm(vm, refusal != 0 ? refusal : hostUnshareGuest(vm!, gfn, pages));
}

export function hcallWrprotectGuest(handle: u32, gfn: u64, pages: u64): i32 {
  const vm = getVm(handle);
  const refusal = checkNonProtected(vm, handle);
  return putVm(vm, refusal != 0 ? refusal : hostWrprotectGuest(vm!, gfn, pages));
}

export function hcallTestClearYoungGuest(handle: u32, gfn: u64, pages: u64, mkold: bool): i32 {
  const vm = getVm(handle);
  const refusal = checkNonProtected(vm, handle);
  return putVm(vm, refusal != 0 ? refusal : hostTestClearYoungGuest(vm!, gfn, pages, mkold));
}

/** __pkvm_tlb_flush_vmid: of a non-protected VM; else nothing, and no error. */
export function hcallTlbFlushVmid(handle: u32): void {
  const vm = findVm(handle);
  if (vm == null || vm.isProtected) return;
  if (!isMutated(FLUSH_RANGE_NOT_FOR_PKVM)) flushVmid(vm.table, TLBI_FLUSH_VMID);
  expectFresh(vm.table.vmid);
}

export function hcallRelaxPermsGuest(gfn: u64, prot: u64): i32 {
  const vcpu = loadedVcpu();
  const refusal = checkLoaded(vcpu, false);
  return refusal != 0 ? refusal : hostRelaxPermsGuest(vcpu!, gfn, prot);
}

export function hcallMkyoungGuest(gfn: u64): i32 {
  const vcpu = loadedVcpu();
  const refusal = checkLoaded(vcpu, false);
  return refusal != 0 ? refusal : hostMkyoungGuest(vcpu!, gfn);
}

/** Whatever kind of VM the loaded vCPU is of. */
export function hcallVcpuInPoisonFault(esr: u64, hpfar: u64): i32 {
  const vcpu = loadedVcpu();
  if (vcpu == null) return refuse(EINVAL, REASON_NO_VCPU_LOADED, 0, 0, 0);
  return vcpuInPoisonFault(vcpu.vm, esr, hpfar);
}
