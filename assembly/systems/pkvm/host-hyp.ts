// Pages between the host and EL2: share, unshare, donate both ways, pin
// (nvhe/mem_protect.c; reference pkvm-el2 sections 3.2 to 3.5).

import {
  NOPAGE,
  OWNED,
  PANIC_EL2_FAULT,
  PANIC_HYP_PIN_SHARED_MEM,
  PANIC_HYP_UNPIN_SHARED_MEM,
  PANIC_PKVM_HOST_DONATE_HYP,
  PANIC_PKVM_HYP_DONATE_HOST,
  PKVM_ID_HYP,
  REASON_HYP_PAGE_IN_USE,
  REASON_PINNED,
  SHARED_BORROWED,
  SHARED_OWNED,
} from "../../abi/codes";
import { DONATE_HOST_IGNORES_REFCOUNT, HYP_SIDE_CHECK_DEBUG_ONLY, SHARE_CHECKED_UNLOCKED } from "../../abi/mutations";
import { pageMask, pageShift, pfnToPa, truncatePfn } from "../../arch/geometry";
import { lockReleased } from "../../memory/lock";
import { isMutated } from "../../memory/mutation";
import { pageOf } from "../../memory/regions";
import { panic } from "../../memory/verdict";
import {
  decrementRefcount,
  hypState,
  incrementRefcount,
  refcount,
  setHostState,
  setHypState,
} from "../../memory/vmemmap";
import { hypMapPage, hypUnmapPage, PAGE_HYP } from "../../pagetable/hyp-stage1";
import { checkCount, checkedPage, checkHost, checkHostPage, checkHyp, checkMemory, checkPfnRange } from "./checks";
import { annotateHost, returnToHost } from "./host-stage2";

// host_share_hyp: EL2 may use a page of the host's.   nvhe/mem_protect.c:__pkvm_host_share_hyp
//
//            before    after
//   host     OWNED     SHARED_OWNED
//   hyp      NOPAGE    SHARED_BORROWED   (mapped only when it is pinned)
export function hostShareHyp(frame: u64): i32 {
  const pfn = truncatePfn(frame);
  let refusal = checkHostPage(pfn, OWNED);
  if (refusal == 0) refusal = checkHyp(pfn, 1, NOPAGE);
  if (refusal != 0) return refusal;

  if (isMutated(SHARE_CHECKED_UNLOCKED)) {
    lockReleased(0);
    // Only where the page is: what it has become meanwhile is not asked.
    checkHostPage(pfn, OWNED);
  }
  setHypState(checkedPage, SHARED_BORROWED);
  setHostState(checkedPage, SHARED_OWNED);
  return 0;
}

// host_unshare_hyp: the way back, refused while EL2 holds a pin.   nvhe/mem_protect.c:__pkvm_host_unshare_hyp
export function hostUnshareHyp(frame: u64): i32 {
  const pfn = truncatePfn(frame);
  let refusal = checkHostPage(pfn, SHARED_OWNED);
  if (refusal == 0 && !isMutated(HYP_SIDE_CHECK_DEBUG_ONLY)) refusal = checkHyp(pfn, 1, SHARED_BORROWED);
  if (refusal == 0) refusal = checkCount(pfn, 1, REASON_PINNED);
  if (refusal != 0) return refusal;

  // EL2 of that time mapped what is shared at once: there is nothing to unmap of a page that was not.
  if (isDefined(EXPLORING) && hypState(checkedPage) != SHARED_BORROWED) return panic(PANIC_HYP_UNPIN_SHARED_MEM);
  setHypState(checkedPage, NOPAGE);
  setHostState(checkedPage, OWNED);
  return 0;
}

// host_donate_hyp: pages become EL2's.   nvhe/mem_protect.c:__pkvm_host_donate_hyp
//
//            before    after
//   host     OWNED     NOPAGE    (annotated DONATION/HYP, page by page)
//   hyp      NOPAGE    OWNED     (mapped before the host loses access: a short overlap)
export function hostDonateHyp(pfn: u64, pages: u64): i32 {
  let refusal = checkPfnRange(pfn, pages);
  if (refusal == 0) refusal = checkHost(pfn, pages, OWNED);
  if (refusal == 0) refusal = checkHyp(pfn, pages, NOPAGE);
  if (refusal != 0 || pages == 0) return refusal;

  const first = pageOf(pfn);
  for (let i: u64 = 0; i < pages; i++) setHypState(first + ((i as usize) << 3), OWNED);
  for (let i: u64 = 0; i < pages; i++) {
    if (!hypMapPage(pfnToPa(pfn + i), PAGE_HYP)) return panic(PANIC_PKVM_HOST_DONATE_HYP);
  }
  return annotateHost(pfn, pages, PKVM_ID_HYP, 0) == 0 ? 0 : panic(PANIC_PKVM_HOST_DONATE_HYP);
}

// hyp_donate_host: pages of EL2's that nothing uses return to the host.   nvhe/mem_protect.c:__pkvm_hyp_donate_host
// EL2's side is looked at first, without a memory check. Aligned ranges come back as blocks.
export function hypDonateHost(pfn: u64, pages: u64): i32 {
  let refusal = checkPfnRange(pfn, pages);
  if (refusal == 0) refusal = checkHyp(pfn, pages, OWNED);
  if (refusal == 0) refusal = checkHost(pfn, pages, NOPAGE);
  if (refusal == 0 && !isMutated(DONATE_HOST_IGNORES_REFCOUNT)) {
    refusal = checkCount(pfn, pages, REASON_HYP_PAGE_IN_USE);
  }
  if (refusal != 0 || pages == 0) return refusal;

  const first = pageOf(pfn);
  for (let i: u64 = 0; i < pages; i++) setHypState(first + ((i as usize) << 3), NOPAGE);
  for (let i: u64 = 0; i < pages; i++) {
    if (!hypUnmapPage(pfnToPa(pfn + i))) return panic(PANIC_PKVM_HYP_DONATE_HOST);
  }
  return returnToHost(pfn, pages) == 0 ? 0 : panic(PANIC_PKVM_HYP_DONATE_HOST);
}

// hyp_pin_shared_mem: EL2 holds on to what the host shares with it; all pages or none. Addresses in bytes, rounded
// outwards. A range that ends before it begins has no pages, but its ends are checked.
export function hypPinSharedMem(from: u64, to: u64): i32 {
  const start = from & ~pageMask;
  const end = (to + pageMask) & ~pageMask;
  const pfn = start >> pageShift;
  const pages = end > start ? (end - start) >> pageShift : 0;
  let refusal = pages == 0 ? checkMemory(start, end) : checkHost(pfn, pages, SHARED_OWNED);
  if (refusal == 0) refusal = checkHyp(pfn, pages, SHARED_BORROWED);
  if (refusal != 0) return refusal;

  for (let i: u64 = 0; i < pages; i++) {
    const page = pageOf(pfn + i);
    incrementRefcount(page);
    if (refcount(page) == 1 && !hypMapPage(pfnToPa(pfn + i), PAGE_HYP)) return panic(PANIC_HYP_PIN_SHARED_MEM);
  }
  return 0;
}

// hyp_unpin_shared_mem: checks nothing; a page without a pin is a BUG.
export function hypUnpinSharedMem(from: u64, to: u64): i32 {
  const end = (to + pageMask) & ~pageMask;
  for (let pa = from & ~pageMask; pa < end; pa += pageMask + 1) {
    const page = pageOf(pa >> pageShift);
    if (page == 0) return panic(PANIC_EL2_FAULT);
    if (refcount(page) == 1 && !hypUnmapPage(pa)) return panic(PANIC_HYP_UNPIN_SHARED_MEM);
    const ret = decrementRefcount(page);
    if (ret != 0) return ret;
  }
  return 0;
}
