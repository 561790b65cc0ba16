// A guest's access while KVM_RUN lasts, and what the host makes of its faults (arch/arm64/kvm/mmu.c:kvm_handle_guest_abort;
// reference host-and-vmm section 2.5, whose order this is). Every page that a guest of a search accesses is in its slot.

import { EFAULT, ENOMEM } from "../../abi/codes";
import { HCALL_RELAX_PERMS_GUEST, HOST_MEMCACHE_PUSH_LOADED } from "../../abi/operations";
import { PERM_FAULT_WITHOUT_TOPUP, PFNMAP_BLOCK_SIZE, STALE_VMA } from "../../abi/mutations";
import { HOST_FIRST_GFN, MEMORY_DEVICE, MEMORY_FOLIO } from "../../abi/user-calls";
import { ACCESS_WRITE, FAULT_PERMISSION } from "../../abi/walk";
import { pfnToPa } from "../../arch/geometry";
import { fault, translate } from "../../arch/translate";
import { enterAnew, regime } from "../../batch/access";
import { isMutated } from "../../memory/mutation";
import { PROT_RWX, PROT_W } from "../../pagetable/attributes";
import { memcacheMinimum } from "../../systems/pkvm/checks";
import { loadedVcpu } from "../../systems/pkvm/vm";
import { allocate, GIVEN, pinFrame, unpinFrame } from "./frames";
import { mustCall } from "./hypercalls";
import { addRecord, findRecord, Kvm, numberOf, recordPages } from "./kvm";
import {
  beginFault,
  endFault,
  faultPage,
  faultPages,
  isPermissionFault,
  isWriteFault,
  mustRetry,
  readSequence,
  setFaultPages,
} from "./preempted";
import { account, BLOCK_PAGES, leafPages, lockedVm, mappedAt, memoryKind } from "./process";
import { donatePage, sharePages } from "./stage2";

/** Faults that are handled before the guest is said to make no progress. */
const MAX_FAULTS: i32 = 4;
/** RLIMIT_MEMLOCK of every process, in pages. */
const LOCK_LIMIT: i32 = 8;
/** Pages of the folio that memory of MEMORY_FOLIO is. */
const FOLIO_PAGES: u32 = 4;

/** Whether the guest's last access faults for ever: it was resumed each time, and came back. */
export let isStuck: bool = false;

export function forgetFaults(): void {
  isStuck = false;
}

/** The guest accesses a page of its slot: 0 once it can, else why KVM_RUN returns. */
export function guestAccess(kvm: Kvm, page: u32, access: i32): i32 {
  for (let faults = 0; !canAccess(kvm, page, access); faults++) {
    const ret = kvm.isProtected ? protectedAbort(kvm, page) : ordinaryAbort(kvm, page, access == ACCESS_WRITE);
    if (ret != 0) return ret;
    isStuck = faults == MAX_FAULTS;
    if (isStuck) return 0;
  }
  return 0;
}

/** The architecture's walk over the tables that EL2 has made. */
export function canAccess(kvm: Kvm, page: u32, access: i32): bool {
  const ipa = pfnToPa((HOST_FIRST_GFN as u64) + (page as u64));
  return enterAnew(kvm.handle) && translate(regime, ipa, access as u32);
}

// topup_hyp_memcache: the host's list is as long as a mapping can need pages for tables.
function topUp(kvm: Kvm): bool {
  while (loadedVcpu()!.hostListLength < memcacheMinimum()) {
    const pfn = allocate(1, GIVEN + (numberOf(kvm) as i32));
    if (pfn == 0) return false;
    mustCall(HOST_MEMCACHE_PUSH_LOADED, 0, 0, pfn, 0, 0, 0);
  }
  return true;
}

// pkvm_mem_abort: table pages, account, pin, and only then EL2. What EL2 did not take is unpinned, and comes off the account.
function protectedAbort(kvm: Kvm, page: u32): i32 {
  const pages = folioPages(page);
  const first = page & ~(pages - 1);
  const pfn = mappedAt(first);
  if (!topUp(kvm) || lockedVm(kvm.mm) + (pages as i32) > LOCK_LIMIT) return -ENOMEM;
  if (pfn == 0) return -EFAULT;
  account(kvm.mm, pages as i32);
  for (let i: u32 = 0; i < pages; i++) pinFrame(pfn + (i as u64));
  let given: u32 = 0;
  let ret = 0;
  while (given < pages && ret == 0) {
    ret = topUp(kvm) ? donatePage(kvm, first + given, pfn + (given as u64)) : -ENOMEM;
    if (ret == 0) given++;
  }
  if (given != 0) addRecord(kvm, first, pfn, given);
  for (let i = given; i < pages; i++) unpinFrame(pfn + (i as u64));
  account(kvm.mm, (given as i32) - (pages as i32));
  return ret;
}

// Pages of the folio that the page is in, if the VMM has it whole.
function folioPages(page: u32): u32 {
  const first = page & ~(FOLIO_PAGES - 1);
  if (memoryKind != MEMORY_FOLIO || mappedAt(first) == 0) return 1;
  for (let i: u32 = 1; i < FOLIO_PAGES; i++) {
    if (mappedAt(first + i) != mappedAt(first) + (i as u64)) return 1;
  }
  return FOLIO_PAGES;
}

// user_mem_abort, of a guest that is not protected: what the VMM has there, and then EL2.
function ordinaryAbort(kvm: Kvm, page: u32, isWrite: bool): i32 {
  const ret = beginAbort(kvm, page, isWrite);
  return ret == 0 ? finishAbort(kvm) : ret;
}

/**
 * Its first half, under mmap_lock: table pages, and the size of the VMM's leaf. While dirty pages are logged, each is mapped by
 * itself. Callbacks that come once mmap_lock is released are to be noticed.
 */
export function beginAbort(kvm: Kvm, page: u32, isWrite: bool): i32 {
  const isPermission = fault == FAULT_PERMISSION;
  if ((!isPermission || !isMutated(PERM_FAULT_WITHOUT_TOPUP)) && !topUp(kvm)) return -ENOMEM;
  beginFault(page, isWrite, isPermission);
  setFaultPages(kvm.logsDirty ? 1 : sourcePages(page));
  if (!isMutated(STALE_VMA)) readSequence();
  return 0;
}

/** Its second half: the page, and under mmu_lock the map, unless a callback came in between: then the guest tries again. */
export function finishAbort(kvm: Kvm): i32 {
  if (isMutated(STALE_VMA)) readSequence();
  const page = faultPage();
  const pfn = mappedAt(page);
  const ret = pfn == 0 ? -EFAULT : mustRetry() ? 0 : mapOrdinary(kvm, page, pfn, faultPages());
  endFault();
  return ret;
}

// What is logged may be written once it is.
function mapOrdinary(kvm: Kvm, page: u32, pfn: u64, pages: u32): i32 {
  const prot = kvm.logsDirty && !isWriteFault() ? PROT_RWX & ~PROT_W : PROT_RWX;
  const record = findRecord(kvm, page);
  if (isPermissionFault() && record != 0 && recordPages(record) == pages) {
    return mustCall(HCALL_RELAX_PERMS_GUEST, 0, 0, (HOST_FIRST_GFN as u64) + (page as u64), prot, 0, 0);
  }
  const offset = page & (pages - 1);
  return sharePages(kvm, page - offset, pfn - (offset as u64), pages, prot);
}

// Pages that the VMM has in one leaf. A device's mapping is as large as a block, and lies so in its addresses and in its file.
function sourcePages(page: u32): u32 {
  return memoryKind == MEMORY_DEVICE && isMutated(PFNMAP_BLOCK_SIZE) ? BLOCK_PAGES : leafPages(page);
}
