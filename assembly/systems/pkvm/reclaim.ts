// Guest pages on their way back to the host: by force, or from a dying VM; and the question whether a guest's fault hit
// a page that was taken by force (nvhe/mem_protect.c; reference pkvm-el2 sections 3.9 to 3.11).

import {
  EAGAIN,
  EBUSY,
  EFAULT,
  EHWPOISON,
  EINVAL,
  EPERM,
  ERANGE,
  NOPAGE,
  OWNED,
  PANIC_HOST_STAGE2_DECODE_GFN_META,
  PANIC_PKVM_HOST_FORCE_RECLAIM_PAGE_GUEST,
  PANIC_PKVM_HOST_RECLAIM_PAGE_GUEST,
  PKVM_ID_GUEST,
  REASON_GUEST_BLOCK,
  REASON_GUEST_STATE,
  REASON_NO_FAULT_IPA,
  REASON_NO_SUCH_VM,
  REASON_NOT_A_TRANSLATION_FAULT,
  REASON_NOT_GUEST_OWNED,
  REASON_NOT_MEMORY,
  REASON_NOT_PROTECTED_ANY_MORE,
  REASON_VM_NOT_DYING,
  SHARED_BORROWED,
  SHARED_OWNED,
} from "../../abi/codes";
import { REASON_LENT_BY_FFA } from "../../abi/android";
import { isValid, outputAddress } from "../../arch/descriptor";
import { pageMask, pageShift, pageSize, pfnToPa, truncatePfn } from "../../arch/geometry";
import { exceptionClass, isLowerAbort, isTranslationFault, HPFAR_FIPA, HPFAR_NS } from "../../arch/syndrome";
import { wipePage } from "../../memory/dram";
import { recordPointOfCoherency, recording } from "../../memory/journal";
import { isMemory, pageOf } from "../../memory/regions";
import { panic, refuse } from "../../memory/verdict";
import { hostState } from "../../memory/vmemmap";
import { stage2Annotate } from "../../pagetable/map";
import { stage2Unmap } from "../../pagetable/unmap";
import { getLeaf, leaf, leafLevel } from "../../pagetable/walk";
import { checkGuestMapped } from "./checks";
import { returnToHost } from "./host-stage2";
import { hostTable, isAndroid } from "./machine";
import { findVm, getVm, isDying, putVm, Vm } from "./vm";
import {
  POISONED,
  TYPE_DONATION,
  TYPE_POISONED,
  donationGfn,
  donationHandle,
  donationOwner,
  guestStateOf,
} from "./annotation";
import { invalidType } from "../../pagetable/invalid-entry";

/** hyp_poison_page: zeroed through the fixmap and flushed to the point of coherency, whatever FWB says. */
export function wipeAndFlush(phys: u64): void {
  wipePage(pageOf(phys >> pageShift));
  if (recording) recordPointOfCoherency(phys, pageSize);
}

// host_force_reclaim_page_guest: the host kernel touched a page that a guest owns and takes it; the guest's entry is
// poisoned for the rest of the VM's life.   nvhe/mem_protect.c:__pkvm_host_force_reclaim_page_guest
//
//            before    after
//   guest    OWNED     POISON
//   host     NOPAGE    OWNED     (contents zeroed)
export function hostForceReclaimPageGuest(address: u64): i32 {
  const phys = address & ~pageMask;
  if (!isMemory(phys)) return refuse(EFAULT, REASON_NOT_MEMORY, phys, 0, 0);
  const page = pageOf(phys >> pageShift);
  const host = hostState(page);
  if (host != NOPAGE) return refuse(EAGAIN, REASON_NOT_PROTECTED_ANY_MORE, phys, NOPAGE, host);
  getLeaf(hostTable, phys);
  // A valid entry of a page that is not the host's: EL2 text.
  if (leafLevel != 3 || isValid(leaf)) return panic(PANIC_HOST_STAGE2_DECODE_GFN_META);
  if (invalidType(leaf) != TYPE_DONATION) return refuse(EINVAL, REASON_NOT_GUEST_OWNED, phys, PKVM_ID_GUEST, 0);
  const owner = donationOwner(leaf);
  if (owner != PKVM_ID_GUEST) return refuse(EPERM, REASON_NOT_GUEST_OWNED, phys, PKVM_ID_GUEST, owner);
  const gfn = donationGfn(leaf);
  const vm = findVm(donationHandle(leaf));
  if (vm == null) return refuse(EAGAIN, REASON_NO_SUCH_VM, donationHandle(leaf), 0, 0);

  const ipa = pfnToPa(gfn);
  const refusal = checkGuestMapped(vm.table, ipa);
  if (refusal != 0) return refusal;
  if (outputAddress(leaf) != phys) return panic(PANIC_PKVM_HOST_FORCE_RECLAIM_PAGE_GUEST);
  const state = guestStateOf(leaf);
  if (state != OWNED) return refuse(EPERM, REASON_GUEST_STATE, ipa, OWNED, state);

  if (stage2Annotate(vm.table, ipa, pageSize, TYPE_POISONED, 0, false) != 0) {
    return panic(PANIC_PKVM_HOST_FORCE_RECLAIM_PAGE_GUEST);
  }
  wipeAndFlush(phys);
  return returnToHost(phys >> pageShift, 1) == 0 ? 0 : panic(PANIC_PKVM_HOST_FORCE_RECLAIM_PAGE_GUEST);
}

// host_reclaim_page_guest: teardown takes a page back; wiped if the guest owned it, as it is if the guest had shared it.
// A poisoned entry is success: the page went before.   nvhe/mem_protect.c:__pkvm_host_reclaim_page_guest
export function hostReclaimPageGuest(vm: Vm, frame: u64): i32 {
  const ipa = pfnToPa(truncatePfn(frame));
  const refusal = checkGuestMapped(vm.table, ipa);
  if (refusal != 0) return refusal == -EHWPOISON ? 0 : refusal;
  const phys = outputAddress(leaf);
  const state = guestStateOf(leaf);
  if (state != OWNED && state != SHARED_OWNED) return refuse(EPERM, REASON_GUEST_STATE, ipa, OWNED, state);
  const hostWants = state == OWNED ? NOPAGE : SHARED_BORROWED;
  const host = hostState(pageOf(phys >> pageShift));
  // Shared, and not with the host: the secure world has it.
  if (isAndroid && state == SHARED_OWNED && host == NOPAGE) return refuse(EBUSY, REASON_LENT_BY_FFA, ipa, 0, 0);
  if (host != hostWants) return panic(PANIC_PKVM_HOST_RECLAIM_PAGE_GUEST);

  if (state == OWNED) wipeAndFlush(phys);
  if (stage2Unmap(vm.table, ipa, pageSize) != 0) return panic(PANIC_PKVM_HOST_RECLAIM_PAGE_GUEST);
  return returnToHost(phys >> pageShift, 1) == 0 ? 0 : panic(PANIC_PKVM_HOST_RECLAIM_PAGE_GUEST);
}

// nvhe/pkvm.c:__pkvm_reclaim_dying_guest_page
export function reclaimDyingGuestPage(handle: u32, gfn: u64): i32 {
  const vm = getVm(handle);
  if (vm == null) return refuse(EINVAL, REASON_NO_SUCH_VM, handle, 0, 0);
  return putVm(vm, isDying(vm) ? hostReclaimPageGuest(vm, gfn) : refuse(EINVAL, REASON_VM_NOT_DYING, handle, 0, 0));
}

// vcpu_in_poison_fault: whether the vCPU's last exit was a fault on a poisoned page: 1 or 0. The address comes from EL2's
// saved registers, not from the host.   nvhe/mem_protect.c:__pkvm_vcpu_in_poison_fault
export function vcpuInPoisonFault(vm: Vm, esr: u64, hpfar: u64): i32 {
  if (!isLowerAbort(exceptionClass(esr)) || !isTranslationFault(esr)) {
    return refuse(EINVAL, REASON_NOT_A_TRANSLATION_FAULT, esr, 0, 0);
  }
  if ((hpfar & HPFAR_NS) == 0) return refuse(ERANGE, REASON_NO_FAULT_IPA, hpfar, 0, 0);
  const ipa = (hpfar & HPFAR_FIPA) << 8;
  const ret = getLeaf(vm.table, ipa);
  if (ret != 0) return ret;
  if (leafLevel != 3) return refuse(EINVAL, REASON_GUEST_BLOCK, ipa, 3, leafLevel);
  return leaf == POISONED ? 1 : 0;
}
