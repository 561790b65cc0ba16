// The machine's state as one of the specification machine's: a page's row of the ownership tuple (reference pkvm-el2 section 1.5)
// from its vmemmap word, the host's annotation and the guests' leaves; a slot for each VM slot and guest frame of the domain.
//
// It has room for the first pages, VMs and frames of the domain (abi/specification.ts). A state has no counterpart where a page
// is in no row, and where a guest has something else than single pages that are among these.

import { NOPAGE, OWNED, POISON, SHARED_BORROWED, SHARED_OWNED } from "../abi/codes";
import { SECRET } from "../abi/explore";
import { VM_STATE_DYING, VM_STATE_LIVE } from "../abi/records";
import {
  GUEST_ABSENT,
  GUEST_DYING,
  GUEST_LIVE,
  GUEST_PRIVATE,
  GUEST_SHARED,
  HOST_PRIVATE,
  HYP_PRIVATE,
  LEFT_BEHIND,
  MAX_COUNT,
  MAX_GUESTS,
  MAX_PAGES,
  MAX_SLOTS,
  SHARED_OVER_FFA,
  SHARED_WITH_GUESTS,
  SHARED_WITH_HYP,
} from "../abi/specification";
import { isValid, outputAddress } from "../arch/descriptor";
import { pageShift, pfnToPa } from "../arch/geometry";
import { readU64 } from "../memory/dram";
import { mappedPageOf, pageOf } from "../memory/regions";
import { hostState, hypState, refcount, shareCount } from "../memory/vmemmap";
import { invalidType } from "../pagetable/invalid-entry";
import { getLeaf, leaf, leafLevel } from "../pagetable/walk";
import { donationGfn, donationHandle, guestStateOf, TYPE_DONATION } from "../systems/pkvm/annotation";
import { hostTable } from "../systems/pkvm/machine";
import { handleBase, maxVms, Vm, vmAt } from "../systems/pkvm/vm";
import { domainGfn, domainPfn, frames, ownerOf, pages as domainPages, tracer } from "./domain";
import { placeOfPage } from "./packed-state";
import {
  configure,
  gfnCount,
  guestCount,
  guestOf,
  pageCount,
  setLife,
  setPage,
  setProtectedGuests,
  setSecret,
  setSlot,
  setState,
  slotState,
} from "./specification/state";

/** What has no number on the specification machine. */
export const NONE: u32 = u32.MAX_VALUE;
/** What a page is in no row of. */
const NO_ROW: i32 = -1;
const HANDLE: u64 = 0xffff;

/** Frame numbers of the specification's pages. */
const pfns: usize = memory.data(8 * MAX_PAGES, 8);
/** Their places in a row of numbers. */
const places: usize = memory.data(MAX_PAGES);
/** The slots that map each page, one bit each. */
const mappers: usize = memory.data(4 * MAX_PAGES, 4);

/** An address that shows why a state has no counterpart. */
export let strangeAt: u64 = 0;
/** What a row needs to know besides. */
let argument: u32 = 0;

/** Sizes the specification machine, once the domain is there. False if there is nothing it could say. */
export function prepareAbstraction(): bool {
  let count: u32 = 0;
  for (let i: u32 = 0; i < domainPages && count < (MAX_PAGES as u32); i++) {
    if (ownerOf(i) != 0 || mappedPageOf(domainPfn(i)) == 0) continue;
    store<u8>(places + (count as usize), placeOfPage(i) as u8);
    store<u64>(pfns + ((count++ as usize) << 3), domainPfn(i));
  }
  const guests = min(maxVms, MAX_GUESTS as u32);
  const gfns = guests == 0 ? 0 : min(frames, (MAX_SLOTS as u32) / guests);
  return configure(count, guests, gfns, 0, MAX_COUNT, MAX_COUNT);
}

export function specificationPage(pfn: u64): u32 {
  for (let page: u32 = 0; page < pageCount; page++) {
    if (pfnAt(page) == pfn) return page;
  }
  return NONE;
}

export function specificationGuest(handle: u32): u32 {
  const guest = handle - handleBase;
  return guest < guestCount ? guest : NONE;
}

export function specificationSlot(handle: u32, gfn: u64): u32 {
  const guest = specificationGuest(handle);
  if (guest == NONE) return NONE;
  for (let i: u32 = 0; i < gfnCount; i++) {
    if (domainGfn(i) == gfn) return guest * gfnCount + i;
  }
  return NONE;
}

export function pfnAt(page: u32): u64 {
  return load<u64>(pfns + ((page as usize) << 3));
}

/** Where the part of a page of the specification's is in a row. */
export function placeOfSpecified(page: u32): u32 {
  return load<u8>(places + (page as usize));
}

export function gfnAt(slot: u32): u64 {
  return domainGfn(slot - guestOf(slot) * gfnCount);
}

/** Makes the specification's state that of the machine. False if it has no counterpart: see `strangeAt`. */
export function abstractState(): bool {
  setState(0, 0);
  memory.fill(mappers, 0, 4 * MAX_PAGES);
  for (let guest: u32 = 0; guest < guestCount; guest++) {
    if (!abstractGuest(guest)) return false;
  }
  for (let page: u32 = 0; page < pageCount; page++) {
    if (!abstractPage(page)) return false;
  }
  return true;
}

let protectedGuests: u32 = 0;

/** Tells the specification which guests are protected now. */
export function abstractKinds(): void {
  for (let guest: u32 = 0; guest < guestCount; guest++) abstractKind(guest);
}

function abstractKind(guest: u32): void {
  const vm = vmAt(guest);
  const bit: u32 = 1 << guest;
  const isProtected = vm.state >= VM_STATE_LIVE && vm.isProtected;
  protectedGuests = isProtected ? protectedGuests | bit : protectedGuests & ~bit;
  setProtectedGuests(protectedGuests);
}

function abstractGuest(guest: u32): bool {
  const vm = vmAt(guest);
  const isThere = vm.state >= VM_STATE_LIVE;
  abstractKind(guest);
  setLife(guest, !isThere ? GUEST_ABSENT : vm.state == VM_STATE_DYING ? GUEST_DYING : GUEST_LIVE);
  for (let i: u32 = 0; i < gfnCount; i++) {
    const slot = guest * gfnCount + i;
    if (!isThere) setSlot(slot, NOPAGE, 0);
    else if (!abstractSlot(vm, slot, pfnToPa(domainGfn(i)))) return false;
  }
  return true;
}

function abstractSlot(vm: Vm, slot: u32, ipa: u64): bool {
  getLeaf(vm.table, ipa);
  const state = guestStateOf(leaf);
  if (!isValid(leaf)) {
    setSlot(slot, state, 0);
    return state == NOPAGE || state == POISON || isStrange(ipa);
  }
  const page = leafLevel == 3 ? specificationPage(outputAddress(leaf) >> pageShift) : NONE;
  if (page == NONE) return isStrange(ipa);
  setSlot(slot, state, page);
  const mapped = mappers + ((page as usize) << 2);
  store<u32>(mapped, load<u32>(mapped) | (1 << slot));
  return true;
}

function isStrange(address: u64): bool {
  strangeAt = address;
  return false;
}

function abstractPage(page: u32): bool {
  const pa = pfnToPa(pfnAt(page));
  const row = rowOfPage(pageOf(pfnAt(page)), pa, load<u32>(mappers + ((page as usize) << 2)));
  if (row == NO_ROW || argument > (MAX_COUNT as u32)) return isStrange(pa);
  setPage(page, row, argument);
  const contents = readU64(pa + tracer);
  if ((contents & ~HANDLE) == (SECRET as u64)) {
    setSecret(page, ((contents & HANDLE) as u32) - handleBase + 1);
  }
  return true;
}

/** The row of a page that the slots in `mapped` map; `argument` is what the row needs to know. */
function rowOfPage(word: usize, pa: u64, mapped: u32): i32 {
  const host = hostState(word);
  const hyp = hypState(word);
  const shares = shareCount(word);
  const count = refcount(word);
  argument = 0;
  if (hyp == OWNED) return host == NOPAGE && (shares | mapped) == 0 ? HYP_PRIVATE : NO_ROW;
  if (hyp == SHARED_BORROWED) {
    argument = count;
    return host == SHARED_OWNED && (shares | mapped) == 0 ? SHARED_WITH_HYP : NO_ROW;
  }
  if (hyp != NOPAGE || count != 0) return NO_ROW;
  if (host == SHARED_OWNED && shares != 0) {
    argument = shares;
    return SHARED_WITH_GUESTS;
  }
  if (shares != 0) return NO_ROW;
  if (host == OWNED) return mapped == 0 ? HOST_PRIVATE : NO_ROW;
  if (host == SHARED_OWNED) return mapped == 0 ? SHARED_OVER_FFA : NO_ROW;
  if (host == SHARED_BORROWED) return rowOfBorrowed(mapped);
  return host == NOPAGE ? rowOfDonated(pa, mapped) : NO_ROW;
}

// Of a guest that was finalised no table is left that names the slot.
function rowOfBorrowed(mapped: u32): i32 {
  if (popcnt(mapped) != 1) return NO_ROW;
  argument = ctz(mapped);
  return slotState(argument) == SHARED_OWNED ? GUEST_SHARED : NO_ROW;
}

// The annotation names the slot: if it maps the page, it is the guest's.
function rowOfDonated(pa: u64, mapped: u32): i32 {
  getLeaf(hostTable, pa);
  if (isValid(leaf) || invalidType(leaf) != TYPE_DONATION) return NO_ROW;
  argument = specificationSlot(donationHandle(leaf), donationGfn(leaf));
  if (argument == NONE) return NO_ROW;
  if (mapped == 0) return LEFT_BEHIND;
  return mapped == (1 as u32) << argument && slotState(argument) == OWNED ? GUEST_PRIVATE : NO_ROW;
}
