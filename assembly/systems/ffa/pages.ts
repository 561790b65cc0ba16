// The pages of a transaction: their common mode in one endpoint's tables, changing it, wiping and protecting them
// (src/ffa_memory.c: constituents_get_mode, ffa_region_group_identity_map, clear_memory; reference ffa, section 5.4).

import {
  FFA_DENIED,
  FFA_INVALID_PARAMETERS,
  FFA_NO_MEMORY,
  MODE_INVALID,
  MODE_SHARED,
  MODE_UNOWNED,
  REASON_FFA_ALIGNMENT,
  REASON_FFA_EMPTY_FRAGMENT,
  REASON_FFA_MIXED_MODES,
  REASON_FFA_OVERLAP,
  REASON_FFA_PAGE_COUNT,
  REASON_FFA_PROTECTION,
  REASON_FFA_RANGE,
  REASON_FFA_TABLE_MEMORY,
} from "../../abi/ffa";
import {
  HF_CLEAR_WRONG_INDEX,
  HF_CLEAR_WRONG_WORLD,
  HF_DESCRIPTOR_OVERFLOW,
  HF_OVERLAPPING_RANGES,
} from "../../abi/mutations";
import { iaSize, pageMask, pageShift, pageSize } from "../../arch/geometry";
import { observing, recordWipe, recording } from "../../memory/journal";
import { wipePage } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { pageOf } from "../../memory/regions";
import { refuse } from "../../memory/verdict";
import {
  Endpoint,
  endpointAttributes,
  endpointMode,
  haveEndpointAttributes,
  isSecure,
  setEndpointMode,
  setEndpointModes,
} from "./endpoint";
import { isSecurePage, protect, unprotect } from "./firmware";
import { modeOf, stoppedAt } from "./table";
import { fragmentAt, fragmentLength, Transaction } from "./transaction";

/** The state bits of a mode. */
export const STATE: i32 = MODE_INVALID | MODE_UNOWNED | MODE_SHARED;

/** What `commonMode` found. */
export let mode: i32 = 0;

export function addressAt(constituent: usize): u64 {
  return load<u64>(constituent);
}

export function pagesAt(constituent: usize): u64 {
  return load<u32>(constituent, 8) as u64;
}

/** Where the first constituent begins. */
export function firstAddress(transaction: Transaction): u64 {
  return fragmentLength(transaction, 0) == 0 ? 0 : addressAt(fragmentAt(transaction, 0));
}

/** Rows 23 to 25: no overlap, the promised number of pages, and something in the first fragment. */
export function checkConstituents(transaction: Transaction): i32 {
  const overlap = findOverlap(transaction);
  if (overlap != 0) return overlap;
  const sum = sumPages(transaction);
  if (!isMutated(HF_DESCRIPTOR_OVERFLOW) && sum != (transaction.pageCount as u64)) {
    return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_PAGE_COUNT, 0, transaction.pageCount, sum as u32);
  }
  if (fragmentLength(transaction, 0) != 0) return 0;
  return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_EMPTY_FRAGMENT, 0, 0, 0);
}

function sumPages(transaction: Transaction): u64 {
  let sum: u64 = 0;
  for (let fragment: u32 = 0; fragment < transaction.fragments; fragment++) {
    const first = fragmentAt(transaction, fragment);
    for (let i: u32 = 0; i < fragmentLength(transaction, fragment); i++) sum += pagesAt(first + (i << 4));
  }
  return sum;
}

// Each constituent against all later ones, up to the first without pages (reference 5.4).
function findOverlap(transaction: Transaction): i32 {
  if (isMutated(HF_OVERLAPPING_RANGES) || areAscending(transaction)) return 0;
  for (let fragment: u32 = 0; fragment < transaction.fragments; fragment++) {
    const first = fragmentAt(transaction, fragment);
    for (let i: u32 = 0; i < fragmentLength(transaction, fragment); i++) {
      const at = first + (i << 4);
      if (pagesAt(at) != 0 && overlapsLater(transaction, fragment, i + 1, at)) {
        return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_OVERLAP, addressAt(at), 0, 0);
      }
    }
  }
  return 0;
}

// The usual list, in which nothing can overlap.
function areAscending(transaction: Transaction): bool {
  let last: u64 = 0;
  for (let fragment: u32 = 0; fragment < transaction.fragments; fragment++) {
    const first = fragmentAt(transaction, fragment);
    const count = fragmentLength(transaction, fragment);
    if (!addressesAscend(first, count, last)) return false;
    if (count == 0) continue;
    const final = first + ((count - 1) << 4);
    last = addressAt(final) + (pagesAt(final) << pageShift);
  }
  return true;
}

/** Whether each of `count` constituents begins where the one before ends or behind, the first at `start` or behind. */
export function addressesAscend(list: usize, count: u32, start: u64): bool {
  let last = start;
  const end = list + ((count as usize) << 4);
  for (let at = list; at < end; at += 16) {
    if (addressAt(at) < last) return false;
    last = addressAt(at) + (pagesAt(at) << pageShift);
    if (last < addressAt(at)) return false;
  }
  return true;
}

function overlapsLater(transaction: Transaction, fromFragment: u32, fromIndex: u32, at: usize): bool {
  const start = addressAt(at);
  const end = endOf(at);
  let index = fromIndex;
  for (let fragment = fromFragment; fragment < transaction.fragments; fragment++) {
    const first = fragmentAt(transaction, fragment);
    for (; index < fragmentLength(transaction, fragment); index++) {
      const other = first + (index << 4);
      if (pagesAt(other) == 0) return false;
      if (addressAt(other) < end && start < endOf(other)) return true;
    }
    index = 0;
  }
  return false;
}

function endOf(constituent: usize): u64 {
  return addressAt(constituent) + (pagesAt(constituent) << pageShift);
}

/** Rows 26 and 27: the one mode that all pages have in the endpoint's tables, left in `mode`. */
export function commonMode(transaction: Transaction, endpoint: Endpoint): i32 {
  let isFirst = true;
  let attributes: u64 = 0;
  for (let fragment: u32 = 0; fragment < transaction.fragments; fragment++) {
    const first = fragmentAt(transaction, fragment);
    const count = fragmentLength(transaction, fragment);
    if (count == 0) continue;
    if (isFirst) attributes = endpointAttributes(endpoint, addressAt(first));
    mode = modeOf(attributes);
    isFirst = false;
    if (haveEndpointAttributes(endpoint, first, count, attributes)) continue;
    for (let i: u32 = 0; i < count; i++) {
      const checked = checkConstituent(endpoint, first + (i << 4));
      if (checked != 0) return checked;
    }
  }
  return 0;
}

// Page by page: to find out what is wrong.
function checkConstituent(endpoint: Endpoint, at: usize): i32 {
  const start = addressAt(at);
  const pages = pagesAt(at);
  if (start & pageMask) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_ALIGNMENT, start, 0, 0);
  const end = start + (pages << pageShift);
  if (pages == 0 || end > iaSize || end < start) return refuse(FFA_DENIED, REASON_FFA_RANGE, start, 0, pages as u32);
  for (let pa = start; pa < end; pa += pageSize) {
    const found = endpointMode(endpoint, pa);
    if (found != mode) return refuse(FFA_DENIED, REASON_FFA_MIXED_MODES, pa, mode, found);
  }
  return 0;
}

/** Gives all pages a mode. Table memory is checked for by the caller's machine, so this fails only at a limit. */
export function commit(transaction: Transaction, endpoint: Endpoint, newMode: i32): i32 {
  for (let fragment: u32 = 0; fragment < transaction.fragments; fragment++) {
    const first = fragmentAt(transaction, fragment);
    const count = fragmentLength(transaction, fragment);
    const isDone = observing
      ? commitEach(endpoint, first, count, newMode)
      : setEndpointModes(endpoint, first, count, newMode);
    if (!isDone) return refuse(FFA_NO_MEMORY, REASON_FFA_TABLE_MEMORY, stoppedAt, 0, 0);
  }
  return 0;
}

// Page by page, so that each change is seen.
function commitEach(endpoint: Endpoint, first: usize, count: u32, newMode: i32): bool {
  for (let i: u32 = 0; i < count; i++) {
    const start = addressAt(first + (i << 4));
    const end = start + (pagesAt(first + (i << 4)) << pageShift);
    for (let pa = start; pa < end; pa += pageSize) {
      if (!setEndpointMode(endpoint, pa, newMode)) return false;
    }
  }
  return true;
}

/** clear_memory. */
export function wipe(transaction: Transaction): void {
  for (let fragment: u32 = 0; fragment < transaction.fragments; fragment++) {
    const first = fragmentAt(transaction, fragment);
    for (let i: u32 = 0; i < fragmentLength(transaction, fragment); i++) {
      if (isMutated(HF_CLEAR_WRONG_WORLD) && isElsewhere(transaction.sender, addressAt(first))) continue;
      if (isMutated(HF_CLEAR_WRONG_INDEX)) wipeRange(addressAt(first + (i << 4)), pagesAt(first));
      else wipeRange(addressAt(first + (i << 4)), pagesAt(first + (i << 4)));
    }
  }
}

// Whether a page is not in the physical address space that the owner's id stands for.
function isElsewhere(owner: u32, pa: u64): bool {
  return isSecure(owner) != isSecurePage(pa);
}

function wipeRange(start: u64, pages: u64): void {
  for (let i: u64 = 0; i < pages; i++) {
    const pa = start + (i << pageShift);
    const page = pageOf(pa >> pageShift);
    if (page != 0) wipePage(page);
    else if (recording) recordWipe(pa, pageSize);
  }
}

/** Row 33: all pages into the secure space, or none. */
export function protectAll(transaction: Transaction): i32 {
  for (let fragment: u32 = 0; fragment < transaction.fragments; fragment++) {
    const first = fragmentAt(transaction, fragment);
    for (let i: u32 = 0; i < fragmentLength(transaction, fragment); i++) {
      const start = addressAt(first + (i << 4));
      const pages = pagesAt(first + (i << 4));
      const moved = protect(start, pages);
      if (moved == pages) continue;
      unprotect(start, moved);
      unprotectBefore(transaction, fragment, i);
      return refuse(FFA_DENIED, REASON_FFA_PROTECTION, start + (moved << pageShift), 0, 0);
    }
  }
  return 0;
}

/** All pages back into the non-secure space. */
export function unprotectAll(transaction: Transaction): void {
  unprotectBefore(transaction, transaction.fragments, 0);
}

function unprotectBefore(transaction: Transaction, endFragment: u32, endIndex: u32): void {
  for (let fragment: u32 = 0; fragment <= endFragment && fragment < transaction.fragments; fragment++) {
    const first = fragmentAt(transaction, fragment);
    const end = fragment == endFragment ? endIndex : fragmentLength(transaction, fragment);
    for (let i: u32 = 0; i < end; i++) unprotect(addressAt(first + (i << 4)), pagesAt(first + (i << 4)));
  }
}
