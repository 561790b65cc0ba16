// Android's variant of pKVM (common kernel 6.12, nvhe/mem_protect.c and nvhe/pkvm.c there; reference pkvm-el2 section 13.2,
// host-and-vmm section 5): pages given back by the guest, pages in use by devices, pages of EL2's modules, MMIO guard, FF-A of
// guests. Every transition that it shares with Linux 7.3 is in that one's file; annotations are encoded as there.

import {
  E2BIG,
  EBUSY,
  EINVAL,
  ENOENT,
  ENOMEM,
  EPERM,
  NOPAGE,
  OWNED,
  PANIC_EL2_FAULT,
  PANIC_HYP_PAGE_REF_DEC,
  PANIC_HYP_PAGE_REF_INC,
  PANIC_PKVM_GUEST_SHARE_HOST,
  PANIC_PKVM_GUEST_UNSHARE_HOST,
  REASON_ARGUMENTS,
  REASON_GUEST_BLOCK,
  REASON_GUEST_STATE,
  REASON_HOST_STATE,
  REASON_PROT,
  SHARED_OWNED,
} from "../../abi/codes";
import {
  GUEST_MMIO,
  MODULE_NOPAGE,
  MODULE_OWNED,
  PKVM_ID_PROTECTED,
  REASON_DMA_USE,
  REASON_MMIO_UNGUARDED,
  REASON_MODULE_RANGE,
  REASON_NOT_ENROLLED,
} from "../../abi/android";
import { RELINQUISH_UNALIGNED } from "../../abi/mutations";
import { isValid, outputAddress } from "../../arch/descriptor";
import { pageMask, pageShift, pageSize, pfnToPa, truncatePfn } from "../../arch/geometry";
import { writeU64 } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { recordPage, recording } from "../../memory/journal";
import { pageOf } from "../../memory/regions";
import { clearRefusal, panic, PANICKED, refuse } from "../../memory/verdict";
import { hostState, refcount, setRefcount } from "../../memory/vmemmap";
import { PROT_RWX, setAttributes } from "../../pagetable/attributes";
import { stage2Annotate } from "../../pagetable/map";
import { stage2Unmap } from "../../pagetable/unmap";
import { getLeaf, leaf, leafLevel } from "../../pagetable/walk";
import { guestStateOf, TYPE_MMIO } from "./annotation";
import { checkGuestPage, checkHyp, checkMemory, checkPfnRange } from "./checks";
import {
  answer,
  answerTwo,
  checkTransition,
  guestHvc,
  guestShareHost,
  guestUnshareHost,
  leaveToHost,
  MEM_SHARE,
  MEM_UNSHARE,
  setGuestState,
  showMissingPage,
} from "./guest-host";
import { annotateHost, mapHost, returnToHost, setHostStates } from "./host-stage2";
import { hostTable } from "./machine";
import { wipeAndFlush } from "./reclaim";
import { Vcpu } from "./vm";

// Pages in use by devices.

// host_use_dma: EL2's IOMMU driver maps pages for a device; each counts its uses, and none can be given away meanwhile.
// The host must have them. A page that EL2 borrows counts pins in the same place; whether devices may use it is unverified.
export function hostUseDma(pfn: u64, pages: u64): i32 {
  const refusal = checkDmaRange(pfn, pages);
  if (refusal != 0) return refusal;
  const first = pageOf(pfn);
  for (let i: usize = 0; i < (pages as usize); i++) {
    const page = first + (i << 3);
    if (refcount(page) == 0xffff) return panic(PANIC_HYP_PAGE_REF_INC);
    setUses(page, refcount(page) + 1);
  }
  return 0;
}

function checkDmaRange(pfn: u64, pages: u64): i32 {
  const start = pfnToPa(pfn);
  let refusal = checkPfnRange(pfn, pages);
  if (refusal == 0) refusal = checkMemory(start, start + pfnToPa(pages));
  for (let i: u64 = 0; i < pages && refusal == 0; i++) {
    const have = hostState(pageOf(pfn + i));
    if (have == NOPAGE || have == MODULE_NOPAGE)
      refusal = refuse(EPERM, REASON_HOST_STATE, start + pfnToPa(i), OWNED, have);
  }
  return refusal != 0 ? refusal : checkHyp(pfn, pages, NOPAGE);
}

// host_unuse_dma: the driver's own book-keeping, so a use that is not there is a BUG.
export function hostUnuseDma(pfn: u64, pages: u64): i32 {
  for (let i: u64 = 0; i < pages; i++) {
    const page = pageOf(pfn + i);
    if (page == 0) return panic(PANIC_EL2_FAULT);
    if (refcount(page) == 0) return panic(PANIC_HYP_PAGE_REF_DEC);
    setUses(page, refcount(page) - 1);
  }
  return 0;
}

function setUses(page: usize, uses: u32): void {
  const before = load<u64>(page);
  setRefcount(page, uses);
  if (recording) recordPage(page, before);
}

// Pages of modules.

// module_change_host_page_prot: a module of EL2 says what the host may do with pristine pages, or with pages it took before.
//
//   prot        host afterwards
//   RWX         OWNED           as if nothing had been
//   other       MODULE_OWNED    mapped with these permissions
//   none        MODULE_NOPAGE   annotated DONATION/PROTECTED
export function moduleChangeHostPageProt(pfn: u64, pages: u64, prot: u64): i32 {
  if (prot & ~PROT_RWX) return refuse(EINVAL, REASON_PROT, prot, PROT_RWX as u32, prot as u32);
  let refusal = setAttributes(hostTable, prot);
  if (refusal == 0) refusal = checkPfnRange(pfn, pages);
  if (refusal == 0) refusal = checkMemory(pfnToPa(pfn), pfnToPa(pfn + pages));
  if (refusal == 0) refusal = checkModuleRange(pfn, pages);
  if (refusal != 0 || pages == 0) return refusal;

  if (prot == 0) {
    const ret = annotateHost(pfn, pages, PKVM_ID_PROTECTED, 0);
    if (ret == 0) setHostStates(pfn, pages, MODULE_NOPAGE);
    return ret;
  }
  // A map that changes nothing but permissions is no change to the library: the old leaves go first.
  let ret = stage2Unmap(hostTable, pfnToPa(pfn), pfnToPa(pages));
  if (ret == 0) ret = mapHost(pfnToPa(pfn), pfnToPa(pages), prot);
  if (ret == 0) setHostStates(pfn, pages, prot == PROT_RWX ? OWNED : MODULE_OWNED);
  return ret;
}

// All pages pristine, or all in the same state of a module's.
function checkModuleRange(pfn: u64, pages: u64): i32 {
  let first: i32 = OWNED;
  for (let i: u64 = 0; i < pages; i++) {
    const pa = pfnToPa(pfn + i);
    const have = hostState(pageOf(pfn + i));
    if (i == 0) first = have;
    if (have != OWNED && have != MODULE_OWNED && have != MODULE_NOPAGE)
      return refuse(EPERM, REASON_HOST_STATE, pa, OWNED, have);
    if (have != first) return refuse(EPERM, REASON_MODULE_RANGE, pa, first, have);
    const uses = refcount(pageOf(pfn + i));
    if (uses != 0) return refuse(EINVAL, REASON_DMA_USE, pa, 0, uses);
  }
  return 0;
}

// What guests do.

/** Whether the last guestRelinquishToHost took a page away: then the host must hear of it, to unpin it. */
let relinquished: bool = false;

// guest_relinquish_to_host: the guest gives a page back while it runs (a balloon). The next access to the address faults and
// gets another page. Nothing mapped is success.   __pkvm_guest_relinquish_to_host
//
//            before    after
//   guest    OWNED     NOPAGE
//   host     NOPAGE    OWNED     (contents zeroed, unless the guest asks otherwise)
export function guestRelinquishToHost(vcpu: Vcpu, frame: u64, keepsContent: bool): i32 {
  const table = vcpu.vm.table;
  const ipa = pfnToPa(truncatePfn(frame));
  relinquished = false;
  let ret = getLeaf(table, ipa);
  if (ret != 0 || !isValid(leaf)) return ret;
  if (leafLevel != 3) return refuse(E2BIG, REASON_GUEST_BLOCK, ipa, 3, leafLevel);
  const state = guestStateOf(leaf);
  if (state != OWNED) return refuse(EPERM, REASON_GUEST_STATE, ipa, OWNED, state);
  const phys = outputAddress(leaf);
  const uses = refcount(pageOf(phys >> pageShift));
  if (uses != 0) return refuse(EBUSY, REASON_DMA_USE, phys, 0, uses);

  ret = stage2Unmap(table, ipa, pageSize);
  if (ret != 0) return ret;
  if (isDefined(EXPLORING) && isMutated(RELINQUISH_UNALIGNED)) wipeBehind(phys, wipedFrom);
  else if (!keepsContent) wipeAndFlush(phys);
  relinquished = true;
  return returnToHost(phys >> pageShift, 1);
}

let wipedFrom: u64 = 0;

function wipeBehind(phys: u64, offset: u64): void {
  for (let at = offset & ~7; at < pageSize; at += 8) writeU64(phys + at, 0);
}

// mmio_guard_map: exits for accesses to this address are wanted. Only where there is nothing yet.
// What MAP answers before ENROLL is unverified.   __pkvm_install_ioguard_page
export function guestMmioGuardMap(vcpu: Vcpu, frame: u64): i32 {
  const vm = vcpu.vm;
  const ipa = pfnToPa(truncatePfn(frame));
  if (!vm.isGuarded) return refuse(EINVAL, REASON_NOT_ENROLLED, vm.handle, 0, 0);
  const refusal = checkGuestPage(vm.table, ipa, NOPAGE);
  if (refusal != 0) return refusal;
  vm.table.memcache = vcpu.memcache;
  return stage2Annotate(vm.table, ipa, pageSize, TYPE_MMIO, 0, true);
}

/** A guest's access to device space: 0 the host hears of it; -EPERM it goes back to the guest, which never asked for it. */
export function guestMmioAbort(vcpu: Vcpu, ipa: u64): i32 {
  if (!vcpu.vm.isGuarded) return 0;
  const ret = getLeaf(vcpu.vm.table, ipa);
  if (ret != 0) return ret;
  return guestStateOf(leaf) == GUEST_MMIO ? 0 : refuse(EPERM, REASON_MMIO_UNGUARDED, ipa & ~pageMask, 0, 0);
}

// guest_share_ffa: the page is lent to the secure world. The host does not get it, and cannot reclaim it meanwhile.
//
//            before    after
//   guest    OWNED     SHARED_OWNED
//   host     NOPAGE    NOPAGE
export function guestShareFfa(vcpu: Vcpu, frame: u64): i32 {
  return changeFfa(vcpu, frame, OWNED, SHARED_OWNED, PANIC_PKVM_GUEST_SHARE_HOST);
}

export function guestUnshareFfa(vcpu: Vcpu, frame: u64): i32 {
  return changeFfa(vcpu, frame, SHARED_OWNED, OWNED, PANIC_PKVM_GUEST_UNSHARE_HOST);
}

function changeFfa(vcpu: Vcpu, frame: u64, from: i32, to: i32, failure: i32): i32 {
  const ipa = pfnToPa(truncatePfn(frame));
  const refusal = checkTransition(vcpu, ipa, from, NOPAGE);
  if (refusal != 0) return refusal;
  return setGuestState(vcpu, ipa, outputAddress(leaf), to) == 0 ? 0 : panic(failure);
}

// Function ids; those of INFO, ENROLL and UNMAP are unverified.
const VENDOR_HYP_FEATURES: u32 = 0x86000000;
const PKVM_HYP_MEMINFO: u32 = 0xc6000002;
const MMIO_GUARD_INFO: u32 = 0xc6000005;
const MMIO_GUARD_ENROLL: u32 = 0xc6000006;
const MMIO_GUARD_MAP: u32 = 0xc6000007;
const MMIO_GUARD_UNMAP: u32 = 0xc6000008;
const MEM_RELINQUISH: u32 = 0xc6000009;

const FEATURES: u64 = 0x3fd; // functions 0, 2 to 9
const HAS_RANGE: u64 = 1;
const SUCCESS: u64 = 0;
const INVALID_PARAMETER: u64 = -3;
/** Leaves that one share or unshare changes at most. */
const MAX_LEAVES: u64 = 256;

/** kvm_handle_pvm_hvc64 of the variant: 1 = handled at EL2, back to the guest; 0 = left to the host. */
export function androidHvc(vcpu: Vcpu, x0: u64, x1: u64, x2: u64, x3: u64): i32 {
  switch (x0 as u32) {
    case VENDOR_HYP_FEATURES:
      return answer(FEATURES);
    case PKVM_HYP_MEMINFO:
      return (x1 | x2 | x3) != 0 ? answer(INVALID_PARAMETER) : answerTwo(pageSize, HAS_RANGE);
    case MMIO_GUARD_INFO:
      return answer(x1 | x2 | x3 ? INVALID_PARAMETER : pageSize);
    case MMIO_GUARD_ENROLL:
      vcpu.vm.isGuarded = true;
      return answer(SUCCESS);
    case MMIO_GUARD_UNMAP:
      return answer(SUCCESS); // accepted, and nothing done
    case MMIO_GUARD_MAP:
      return mmioGuardMapHvc(vcpu, x0, x1, x2, x3);
    case MEM_RELINQUISH:
      return relinquishHvc(vcpu, x0, x1, x2, x3);
    case MEM_SHARE:
    case MEM_UNSHARE:
      return changeRange(vcpu, x0, x1, x2, x3);
    default:
      return guestHvc(vcpu, x0, x1, x2, x3);
  }
}

function badArgument(x1: u64): i32 {
  refuse(-(INVALID_PARAMETER as i32), REASON_ARGUMENTS, x1, 0, 0);
  return answer(INVALID_PARAMETER);
}

// The HVC comes again when the host has given what was missing.
function mmioGuardMapHvc(vcpu: Vcpu, x0: u64, x1: u64, x2: u64, x3: u64): i32 {
  if ((x1 & pageMask) != 0) return badArgument(x1);
  const ret = guestMmioGuardMap(vcpu, x1 >> pageShift);
  if (ret == PANICKED) return ret;
  if (ret == -ENOMEM) return leaveToHost(x0, x1, x2, x3, -4);
  return answer(ret == 0 ? SUCCESS : INVALID_PARAMETER);
}

function relinquishHvc(vcpu: Vcpu, x0: u64, x1: u64, x2: u64, x3: u64): i32 {
  if (isDefined(EXPLORING) && isMutated(RELINQUISH_UNALIGNED)) wipedFrom = x1 & pageMask;
  else if ((x2 | x3) != 0 || (x1 & pageMask) != 0) return badArgument(x1);
  const ret = guestRelinquishToHost(vcpu, x1 >> pageShift, false);
  if (ret == PANICKED) return ret;
  if (ret == -E2BIG) return leaveToHost(x0, x1, x2, x3, -4);
  if (ret == 0 && relinquished) return leaveToHost(x0, x1, x2, x3, 0);
  return answer(ret == 0 ? SUCCESS : INVALID_PARAMETER);
}

// MEM_SHARE and MEM_UNSHARE of x2 pages (0: one). As many as are alike and follow each other in memory; x1 says how many.
function changeRange(vcpu: Vcpu, x0: u64, x1: u64, x2: u64, x3: u64): i32 {
  if (x3 != 0 || (x1 & pageMask) != 0) return badArgument(x1);
  const isShare = (x0 as u32) == MEM_SHARE;
  const gfn = x1 >> pageShift;
  const pages = min(max(x2, 1), MAX_LEAVES);
  let done: u64 = 0;
  let next: u64 = 0;
  let ret = 0;
  while (done < pages && ret == 0) {
    const isThere = getLeaf(vcpu.vm.table, pfnToPa(truncatePfn(gfn + done))) == 0;
    const phys = outputAddress(leaf);
    if (isThere && done != 0 && phys != next) break;
    ret = isShare ? guestShareHost(vcpu, gfn + done) : guestUnshareHost(vcpu, gfn + done);
    if (ret == 0) done++;
    next = phys + pageSize;
  }
  if (ret == PANICKED) return ret;
  if (done != 0) {
    clearRefusal();
    return answerTwo(SUCCESS, done);
  }
  return ret == -ENOENT && isShare ? showMissingPage(vcpu, x0, x1, x2, x3) : answer(INVALID_PARAMETER);
}
