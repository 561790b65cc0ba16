// The checks every transition is made of, in the order and with the codes of EL2 (reference pkvm-el2 section 3.0).
// A check answers 0 or a negative errno with its reason, and writes nothing.

import {
  E2BIG,
  EBUSY,
  EHWPOISON,
  EINVAL,
  ENOENT,
  ENOMEM,
  EPERM,
  MEMBLOCK_NOMAP,
  OWNED,
  PANIC_EL2_FAULT,
  PANIC_GET_VALID_GUEST_PTE,
  NOPAGE,
  POISON,
  REASON_ALIGNMENT,
  REASON_GUEST_BLOCK,
  REASON_GUEST_POISONED,
  REASON_GUEST_STATE,
  REASON_GUEST_UNMAPPED,
  REASON_HOST_STATE,
  REASON_HYP_STATE,
  REASON_MEMCACHE,
  REASON_NOMAP,
  REASON_NOT_MEMORY,
  REASON_PFN_RANGE,
  REASON_RANGE_CROSSES,
  REASON_SIZE,
} from "../../abi/codes";
import { REASON_DMA_USE } from "../../abi/android";
import {
  PFN_COUNT_OVERFLOW,
  RANGE_CHECK_ONE_END,
  SHARE_GUEST_COUNT_OVERFLOW,
  UNMAPPED_COUNTS_AS_OWNED,
  POISON_FORGOTTEN,
} from "../../abi/mutations";
import { isValid, outputAddress } from "../../arch/descriptor";
import { blockShift, iaBits, pageShift, pageSize, pfnToPa, startLevel } from "../../arch/geometry";
import { isMutated } from "../../memory/mutation";
import { findMemoryRange, mappedPageOf, pageOf, rangeEnd, rangeStart } from "../../memory/regions";
import { panic, refuse } from "../../memory/verdict";
import { hostState, hypState, refcount } from "../../memory/vmemmap";
import { Stage2 } from "../../pagetable/stage2-table";
import { getLeaf, leaf, LEAF, leafLevel, old, address, walk } from "../../pagetable/walk";
import { isAndroid } from "./machine";
import { Vcpu } from "./vm";
import { guestStateOf, POISONED } from "./annotation";

/** check_range_allowed_memory: one range, and memory that EL2 may hand around. */
export function checkMemory(start: u64, end: u64): i32 {
  const region = findMemoryRange(start);
  if (isDefined(EXPLORING) && isMutated(RANGE_CHECK_ONE_END)) return 0;
  if (end - 1 < rangeStart || end - 1 >= rangeEnd) return refuse(EINVAL, REASON_RANGE_CROSSES, start, 0, 0);
  if (region == null) return refuse(EPERM, REASON_NOT_MEMORY, start, 0, 0);
  if (region.flags & MEMBLOCK_NOMAP && !isMutated(UNMAPPED_COUNTS_AS_OWNED)) {
    return refuse(EPERM, REASON_NOMAP, start, 0, 0);
  }
  return 0;
}

/** pfn_range_is_valid. */
export function checkPfnRange(pfn: u64, pages: u64): i32 {
  const limit = (1 as u64) << (iaBits - pageShift);
  if (isDefined(EXPLORING) && isCountedInBytes()) return 0;
  return pfn < limit && limit - pfn >= pages ? 0 : refuse(EINVAL, REASON_PFN_RANGE, pfnToPa(pfn), 0, 0);
}

/** The host state of one page (frame number below 2^64 / page size). Sets `checkedPage`. */
export function checkHostPage(pfn: u64, want: i32): i32 {
  const page = isMutated(UNMAPPED_COUNTS_AS_OWNED) ? pageOf(pfn) : mappedPageOf(pfn);
  if (page == 0) return checkMemory(pfnToPa(pfn), pfnToPa(pfn) + pageSize);
  checkedPage = page;
  const have = hostState(page);
  if (have != want) return refuse(EPERM, REASON_HOST_STATE, pfnToPa(pfn), want, have);
  return isAndroid && want == OWNED ? checkNoDma(pfn, 1, EINVAL) : 0;
}

/** The page of the last successful checkHostPage or checkHost (its first). */
export let checkedPage: usize = 0;

/** The host state of `pages` pages: the range first, then each page ascending. */
export function checkHost(pfn: u64, pages: u64, want: i32): i32 {
  if (pages == 1) return checkHostPage(pfn, want);
  const start = pfnToPa(pfn);
  const outside = checkMemory(start, start + pfnToPa(pages));
  if (outside != 0) return outside;
  const first = pageOf(pfn);
  for (let i: u64 = 0; i < pages; i++) {
    const have = hostState(first + ((i as usize) << 3));
    if (have != want) return refuse(EPERM, REASON_HOST_STATE, start + pfnToPa(i), want, have);
  }
  checkedPage = first;
  return isAndroid && want == OWNED ? checkNoDma(pfn, pages, EINVAL) : 0;
}

/** Android: no device may use a page that changes hands. */
export function checkNoDma(pfn: u64, pages: u64, errno: i32): i32 {
  for (let i: u64 = 0; i < pages; i++) {
    const uses = refcount(pageOf(pfn + i));
    if (uses != 0) return refuse(errno, REASON_DMA_USE, pfnToPa(pfn + i), 0, uses);
  }
  return 0;
}

/** EL2's state of `pages` pages. It has no memory check of its own: EL2 has no entry for device space and would fault. */
export function checkHyp(pfn: u64, pages: u64, want: i32): i32 {
  for (let i: u64 = 0; i < pages; i++) {
    const page = pageOf(pfn + i);
    if (page == 0) return panic(PANIC_EL2_FAULT);
    const have = hypState(page);
    if (have != want) return refuse(EPERM, REASON_HYP_STATE, pfnToPa(pfn + i), want, have);
  }
  return 0;
}

/** No references: `why` tells pins from pages in use. */
export function checkCount(pfn: u64, pages: u64, why: i32): i32 {
  for (let i: u64 = 0; i < pages; i++) {
    const count = refcount(pageOf(pfn + i));
    if (count != 0) return refuse(EBUSY, why, pfnToPa(pfn + i), 0, count);
  }
  return 0;
}

/** The state of one guest page. */
export function checkGuestPage(table: Stage2, ipa: u64, want: i32): i32 {
  const ret = getLeaf(table, ipa);
  if (ret != 0) return ret;
  const have = guestStateOf(leaf);
  if (isMutated(POISON_FORGOTTEN) && have == POISON && want == NOPAGE) return 0;
  return have == want ? 0 : refuse(EPERM, REASON_GUEST_STATE, ipa, want, have);
}

let wantedState: i32 = 0;

/** The state of every leaf, valid or not, in [ipa, ipa + size). */
export function checkGuest(table: Stage2, ipa: u64, size: u64, want: i32): i32 {
  if (size == pageSize) return checkGuestPage(table, ipa, want);
  wantedState = want;
  return walk(table, ipa, size, LEAF, checkLeaf);
}

function checkLeaf(kind: u32): i32 {
  const have = guestStateOf(old);
  return have == wantedState ? 0 : refuse(EPERM, REASON_GUEST_STATE, address, wantedState, have);
}

/** get_valid_guest_pte: a mapped page, whose descriptor is then in `leaf`. */
export function checkGuestMapped(table: Stage2, ipa: u64): i32 {
  const ret = getLeaf(table, ipa);
  if (ret != 0) return ret;
  if (leaf == POISONED) return refuse(EHWPOISON, REASON_GUEST_POISONED, ipa, 0, 0);
  if (!isValid(leaf)) return refuse(ENOENT, REASON_GUEST_UNMAPPED, ipa, 0, 0);
  if (leafLevel != 3) return refuse(E2BIG, REASON_GUEST_BLOCK, ipa, 3, leafLevel);
  return mappedPageOf(outputAddress(leaf) >> pageShift) != 0 ? 0 : panic(PANIC_GET_VALID_GUEST_PTE);
}

/** Pages in a level-2 block. */
export function blockPages(): u64 {
  return (1 as u64) << (blockShift - pageShift);
}

/** __guest_check_transition_size: one page, or one aligned level-2 block. */
export function checkSize(pa: u64, ipa: u64, pages: u64): i32 {
  if (pages == 1) return 0;
  const block = blockPages();
  if (pages != block) return refuse(EINVAL, REASON_SIZE, pages, block as u32, pages as u32);
  const mask = pfnToPa(block) - 1;
  if (pa & mask) return refuse(EINVAL, REASON_ALIGNMENT, pa, 0, 0);
  return ipa & mask ? refuse(EINVAL, REASON_ALIGNMENT, ipa, 0, 0) : 0;
}

/** Frame numbers and counts are turned into bytes before they are bounded: 2^52 + 1 pages are one. */
export function isCountedInBytes(): bool {
  return isMutated(PFN_COUNT_OVERFLOW) || isMutated(SHARE_GUEST_COUNT_OVERFLOW);
}

/** Table pages a vCPU needs for the deepest walk: levels - 1. */
export function memcacheMinimum(): u32 {
  return (3 - startLevel) as u32;
}

/** __guest_check_pgtable_memcache: demanded even where no table is missing. */
export function checkMemcache(vcpu: Vcpu): i32 {
  const have = vcpu.memcache.pages;
  const want = memcacheMinimum();
  return have >= want ? 0 : refuse(ENOMEM, REASON_MEMCACHE, 0, want, have);
}
