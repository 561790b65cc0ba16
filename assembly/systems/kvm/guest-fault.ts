// A guest's stage-2 abort: mapped from what is behind its memory slot, left to the VMM as MMIO, or turned into an exception
// for the guest (arch/arm64/kvm/mmu.c:kvm_handle_guest_abort; reference host-and-vmm section 2.5, common part).

import { EAGAIN, EBADF, EFAULT, ENOSYS } from "../../abi/codes";
import {
  EFFECT_RUN_EXIT,
  FAULT_ADDRESS_SIZE_INJECTED,
  FAULT_HOST_SEA,
  FAULT_RESUMED,
  FAULT_SEA_INJECTED,
  FAULT_SKIPPED,
  HVA_HUGE,
  HVA_MAPPED,
  HVA_WRITABLE,
  KVM_EXIT_MEMORY_FAULT,
  KVM_EXIT_MMIO,
  REASON_GMEM_FILE_GONE,
  REASON_KVM_FAULT_STATUS,
  REASON_KVM_HVA_READONLY,
  REASON_KVM_HVA_UNMAPPED,
  REASON_KVM_NO_SYNDROME,
} from "../../abi/kvm";
import { isValid } from "../../arch/descriptor";
import { blockShift, iaBits, iaSize, pageMask, pageShift, pageSize, pfnToPa } from "../../arch/geometry";
import {
  CM,
  EC_IABT_LOW,
  exceptionClass,
  FSC,
  ISV,
  isAbortOnWalk,
  isAccessFlagFault,
  isExternalAbort,
  isPermissionFault,
  isTranslationFault,
  S1PTW,
  SAS_SHIFT,
  WNR,
} from "../../arch/syndrome";
import { record, recording } from "../../memory/journal";
import { memoryPageOf, pageOf } from "../../memory/regions";
import { refuse } from "../../memory/verdict";
import { hasDic, PROT_DEVICE, PROT_R, PROT_RWX, PROT_W, PROT_X } from "../../pagetable/attributes";
import { stage2Map } from "../../pagetable/map";
import { stage2MakeYoung, stage2RelaxPerms } from "../../pagetable/update";
import { getLeaf, leaf, leafLevel } from "../../pagetable/walk";
import { pfnOfFolio } from "./folio";
import { namedFile, takenFolio, takePage } from "./guest-memfd";
import { Memslot, slotOfGfn } from "./memslot";
import { namedVm, Vm } from "./vm";

/** FSC of an exclusive or atomic access to memory that does not support it. */
const FSC_EXCL_ATOMIC: u64 = 0x35;

/**
 * kvm_handle_guest_abort.
 *
 * @param pfn what the VMM's page tables have behind the faulting page, if `hva` says HVA_MAPPED; of no account for a guest_memfd
 * @returns FAULT_*, an exit reason of KVM_RUN, or the negative errno with which it fails
 */
export function guestFault(handle: u32, esr: u64, ipa: u64, pfn: u64, hva: u32): i32 {
  const vm = namedVm(handle);
  if (vm == null) return -EBADF;
  if (isSynchronousExternal(esr)) return FAULT_HOST_SEA;
  if (isTranslationFault(esr)) {
    if (ipa >= iaSize) return FAULT_ADDRESS_SIZE_INJECTED;
    if (ipa >> (vm.ipaBits as u64) != 0) return FAULT_SEA_INJECTED;
  }
  if (!isHandled(esr)) return refuse(EFAULT, REASON_KVM_FAULT_STATUS, ipa, 0, (esr & FSC) as u32);
  const slot = slotOfGfn(vm, ipa >> pageShift);
  if (slot == null || (slot.isReadOnly && isWriteFault(esr))) return emulate(vm, esr, ipa);
  if (isAccessFlagFault(esr)) {
    stage2MakeYoung(vm.table, ipa);
    return FAULT_RESUMED;
  }
  return slot.isGmem ? mapFolio(vm, slot, ipa) : mapHostMemory(vm, slot, esr, ipa, pfn, hva);
}

// kvm_vcpu_abt_issea: raised by the access (0x10, 0x18) or by the walk before it.
function isSynchronousExternal(esr: u64): bool {
  return isExternalAbort(esr) || (esr & FSC) == 0x18 || isAbortOnWalk(esr);
}

function isHandled(esr: u64): bool {
  if (isTranslationFault(esr) || isPermissionFault(esr) || isAccessFlagFault(esr)) return true;
  return (esr & FSC) == FSC_EXCL_ATOMIC;
}

function isFetch(esr: u64): bool {
  return exceptionClass(esr) == EC_IABT_LOW;
}

// kvm_is_write_fault. A stage-1 walk that may not write its own tables (the access flag) is a write.
function isWriteFault(esr: u64): bool {
  if (isFetch(esr)) return false;
  return esr & S1PTW ? isPermissionFault(esr) : (esr & WNR) != 0;
}

// No memory behind the address: the guest's own mistake, or a device that the VMM plays. Without a valid syndrome nobody
// knows what to play; KVM_CAP_ARM_NISV_TO_USER, with which the VMM would be asked, is off.
function emulate(vm: Vm, esr: u64, ipa: u64): i32 {
  if (isFetch(esr) || (esr & S1PTW) != 0) return FAULT_SEA_INJECTED;
  if (esr & CM) return FAULT_SKIPPED;
  if ((esr & ISV) == 0) return refuse(ENOSYS, REASON_KVM_NO_SYNDROME, ipa, 0, 0);
  exit(KVM_EXIT_MMIO, vm, ipa, (1 as u64) << ((esr >> SAS_SHIFT) & 3));
  return KVM_EXIT_MMIO;
}

function exit(reason: i32, vm: Vm, ipa: u64, size: u64): void {
  if (recording) record(EFFECT_RUN_EXIT, reason, vm.handle, ipa, 0, 0, size);
}

// gmem_abort: the page of the file, whatever the VMM's address space has. An error is told with KVM_EXIT_MEMORY_FAULT.
// Which permissions 7.3 gives is unverified; the page is the guest's own, and no access to it faults twice.
function mapFolio(vm: Vm, slot: Memslot, ipa: u64): i32 {
  const page = ipa & ~pageMask;
  const index = slot.firstIndex + ((ipa >> pageShift) - slot.firstGfn);
  let ret = 0;
  if (slot.fd == 0) ret = refuse(EFAULT, REASON_GMEM_FILE_GONE, page, 0, slot.id);
  else ret = takePage(namedFile(slot.fd)!, slot.fd, index);
  if (ret != 0) {
    exit(KVM_EXIT_MEMORY_FAULT, vm, page, pageSize);
    return ret;
  }
  return resume(stage2Map(vm.table, page, pageSize, pfnToPa(pfnOfFolio(takenFolio)), PROT_RWX, true, 0));
}

// user_mem_abort: what the VMM's address space has, with its permissions; execute only where the guest executes, so that
// the instruction cache is cleaned when it must be.
function mapHostMemory(vm: Vm, slot: Memslot, esr: u64, ipa: u64, pfn: u64, hva: u32): i32 {
  const page = ipa & ~pageMask;
  if ((hva & HVA_MAPPED) == 0 || !isMappable(pfn)) return refuse(EFAULT, REASON_KVM_HVA_UNMAPPED, page, 0, 0);
  if (isWriteFault(esr) && (hva & HVA_WRITABLE) == 0) return refuse(EFAULT, REASON_KVM_HVA_READONLY, page, 0, 0);
  const isDevice = memoryPageOf(pfn) == 0;
  // -ENOEXEC, which the handler turns into an abort.
  if (isDevice && isFetch(esr)) return FAULT_SEA_INJECTED;
  let prot = PROT_R;
  if ((hva & HVA_WRITABLE) != 0 && !slot.isReadOnly) prot |= PROT_W;
  if (isDevice) prot |= PROT_DEVICE;
  else if (isFetch(esr) || hasDic) prot |= PROT_X;

  const size = fitsBlock(slot, ipa, pfn, hva) ? (1 as u64) << blockShift : pageSize;
  const isGranule = getLeaf(vm.table, page) == 0 && isValid(leaf) && leafLevel == (size == pageSize ? 3 : 2);
  if (isPermissionFault(esr) && isGranule) return resume(stage2RelaxPerms(vm.table, page, prot));
  return resume(stage2Map(vm.table, ipa & ~(size - 1), size, pfnToPa(pfn) & ~(size - 1), prot, true, 0));
}

// Not beyond the physical addresses, and no frame of a table: those are no process's.
function isMappable(pfn: u64): bool {
  return pfn >> ((iaBits - pageShift) as u64) == 0 && (memoryPageOf(pfn) != 0 || pageOf(pfn) == 0);
}

// fault_supports_stage2_huge_mapping: guest and host page alike within a block that the slot has whole.
function fitsBlock(slot: Memslot, ipa: u64, pfn: u64, hva: u32): bool {
  const pages = (1 as u64) << (blockShift - pageShift);
  const gfn = ipa >> pageShift;
  if ((hva & HVA_HUGE) == 0 || ((gfn ^ pfn) & (pages - 1)) != 0) return false;
  const first = gfn & ~(pages - 1);
  const firstPfn = pfn & ~(pages - 1);
  if (memoryPageOf(firstPfn) == 0 || memoryPageOf(firstPfn + pages - 1) == 0) return false;
  return first >= slot.firstGfn && first + pages <= slot.firstGfn + slot.pages;
}

// -EAGAIN: another fault has done it, the guest tries again.
function resume(ret: i32): i32 {
  return ret == -EAGAIN ? FAULT_RESUMED : ret;
}
