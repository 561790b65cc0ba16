// States that differ only in names are one: pages are interchangeable, and so are guests of one kind. The canonical form of a state
// is the smallest that renaming gives. Gfns keep their names.
//
// With the guests' order fixed, pages are sorted by what they are and who maps them. Two pages alike in both are mapped by nobody
// (a slot maps one page), so their order makes no difference: the form does not depend on the names before.

import { OWNED, SHARED_BORROWED, SHARED_OWNED } from "../../abi/codes";
import { GUEST_PRIVATE, GUEST_SHARED, LEFT_BEHIND, MAX_GUESTS, MAX_PAGES, MAX_SLOTS } from "../../abi/specification";
import { reserve } from "../../memory/heap";
import {
  gfnCount,
  guestCount,
  isProtected,
  lifeOf,
  pageAt,
  pageCount,
  pages,
  setState,
  slotBits,
  slotCount,
  slots,
  withLife,
  withPageBits,
  withSlotBits,
} from "./state";

const MAX_ORDERS: u32 = 24;

/** The orders of guests, each MAX_GUESTS bytes: the new number of each guest. The first changes nothing. */
let orders: usize = 0;
let orderCount: u32 = 0;
/** Scratch: a sort key for each page, a new number for each page. */
let keys: usize = 0;
let newPage: usize = 0;

/** Prepares the renamings that count as none. False if there is no memory for them. */
export function prepareSymmetry(renamesGuests: bool): bool {
  orders = reserve(MAX_ORDERS * MAX_GUESTS);
  keys = reserve(4 * MAX_PAGES);
  newPage = reserve(MAX_PAGES);
  if (orders == 0 || keys == 0 || newPage == 0) return false;
  for (let guest: u32 = 0; guest < guestCount; guest++) store<u8>(orders + guest, guest as u8);
  orderCount = 1;
  if (renamesGuests) appendOrders(0);
  return true;
}

/** Swaps guests from `first` on in the last order, in all ways that keep their kinds, each appended as an order of its own. */
function appendOrders(first: u32): void {
  if (first + 1 >= guestCount) return;
  const base = orders + (orderCount - 1) * MAX_GUESTS;
  appendOrders(first + 1);
  for (let other = first + 1; other < guestCount; other++) {
    if (isProtected(first) != isProtected(other)) continue;
    const order = orders + orderCount++ * MAX_GUESTS;
    memory.copy(order, base, MAX_GUESTS);
    store<u8>(order + first, load<u8>(base + other));
    store<u8>(order + other, load<u8>(base + first));
    appendOrders(first + 1);
  }
}

/** Makes the current state canonical. */
export function canonicalise(): void {
  const fromPages = pages;
  const fromSlots = slots;
  rename(orders);
  let leastPages = pages;
  let leastSlots = slots;
  for (let order: u32 = 1; order < orderCount; order++) {
    setState(fromPages, fromSlots);
    rename(orders + order * MAX_GUESTS);
    if (slots < leastSlots || (slots == leastSlots && pages < leastPages)) {
      leastPages = pages;
      leastSlots = slots;
    }
  }
  setState(leastPages, leastSlots);
}

/** Renames the current state's guests as `order` says, then its pages by what they are. */
function rename(order: usize): void {
  sortPages(order);
  let newPages: u64 = 0;
  for (let page: u32 = 0; page < pageCount; page++) {
    newPages = withPageBits(newPages, load<u8>(newPage + page), renamedPage(page, order));
  }
  let newSlots: u64 = 0;
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    newSlots = withSlotBits(newSlots, renamedSlot(slot, order), renamedMapping(slotBits(slots, slot)));
  }
  for (let guest: u32 = 0; guest < guestCount; guest++) {
    newSlots = withLife(newSlots, load<u8>(order + guest), lifeOf(guest));
  }
  setState(newPages, newSlots);
}

/** Finds each page's new number: its place when sorted by its renamed bits and the set of slots that map it. */
function sortPages(order: usize): void {
  for (let page: u32 = 0; page < pageCount; page++) {
    store<u32>(keys + 4 * page, renamedPage(page, order) << MAX_SLOTS);
  }
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    const bits = slotBits(slots, slot);
    if (!mapsPage(bits)) continue;
    const key = keys + 4 * (bits >> 3);
    store<u32>(key, load<u32>(key) | (1 << renamedSlot(slot, order)));
  }
  for (let page: u32 = 0; page < pageCount; page++) {
    const key = load<u32>(keys + 4 * page);
    let place: u32 = 0;
    for (let other: u32 = 0; other < pageCount; other++) {
      const otherKey = load<u32>(keys + 4 * other);
      if (otherKey < key || (otherKey == key && other < page)) place++;
    }
    store<u8>(newPage + page, place as u8);
  }
}

/** A page's bits with its slot and the writer of its secret renamed. */
function renamedPage(page: u32, order: usize): u32 {
  const bits = pageAt(page);
  const row: i32 = bits & 7;
  const argument = (bits >> 3) & 15;
  const secret = bits >> 7;
  const namesSlot = row == GUEST_PRIVATE || row == GUEST_SHARED || row == LEFT_BEHIND;
  const newArgument = namesSlot ? renamedSlot(argument, order) : argument;
  const newSecret = secret == 0 ? 0 : (load<u8>(order + secret - 1) as u32) + 1;
  return row | (newArgument << 3) | (newSecret << 7);
}

function renamedSlot(slot: u32, order: usize): u32 {
  const guest = slot / gfnCount;
  return (load<u8>(order + guest) as u32) * gfnCount + (slot - guest * gfnCount);
}

function mapsPage(bits: u32): bool {
  const state: i32 = bits & 7;
  return state == OWNED || state == SHARED_OWNED || state == SHARED_BORROWED;
}

function renamedMapping(bits: u32): u32 {
  return mapsPage(bits) ? (bits & 7) | ((load<u8>(newPage + (bits >> 3)) as u32) << 3) : bits;
}
