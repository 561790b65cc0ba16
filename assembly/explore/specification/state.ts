// The state of the specification machine: two words.
//
//   pages   63  60 59                            0      a page, ten bits    9    7 6        3 2   0
//          +------+-----+-----+ ... +-----+-----+                          +------+----------+-----+
//          |   0  | p5  | p4  |     | p1  | p0  |                          |secret| argument | row |
//          +------+-----+-----+ ... +-----+-----+                          +------+----------+-----+
//   slots   63  56 55    48 47                  0       a slot, six bits           5    3 2     0
//          +------+--------+-----+ ... +----+----+                                +------+-------+
//          |   0  | guests | s7  |     | s1 | s0 |                                | page | state |
//          +------+--------+-----+ ... +----+----+                                +------+-------+
//
// A page: its row of the ownership tuple, what that row needs to know, and the guest (from 1) whose secret it holds, 0 for none.
// A slot is one gfn of one guest: slot = guest * gfns + gfn. Its state is EL2's page state. A guest, two bits: its life.

import { NOPAGE } from "../../abi/codes";
import { GUEST_LIVE, MAX_COUNT, MAX_GUESTS, MAX_PAGES, MAX_SLOTS } from "../../abi/specification";

const PAGE_BITS: u32 = 10;
const PAGE_MASK: u64 = 0x3ff;
const ROW_AND_ARGUMENT: u64 = 0x7f;
const SLOT_BITS: u32 = 6;
const SLOT_MASK: u64 = 0x3f;
const GUESTS_SHIFT: u32 = 48;

export let pages: u64 = 0;
export let slots: u64 = 0;

/** How many there are. Fixed by configure(). */
export let pageCount: u32 = 0;
export let guestCount: u32 = 0;
export let gfnCount: u32 = 0;
export let slotCount: u32 = 0;
/** Bit g: guest g is protected. */
export let protectedGuests: u32 = 0;
/** Counts do not grow beyond these. */
export let maxPins: u32 = 0;
export let maxShares: u32 = 0;
/** The guest of each slot, four bits each. */
let guestOfSlots: u32 = 0;

/** Fixes the size of the machine. False if the packed state has no room for it. */
export function configure(p: i32, g: i32, gfns: i32, isProtected: u32, pins: i32, shares: i32): bool {
  if (p < 1 || p > MAX_PAGES || g < 0 || g > MAX_GUESTS || gfns < 0 || gfns > MAX_SLOTS || g * gfns > MAX_SLOTS)
    return false;
  if (pins < 0 || pins > MAX_COUNT || shares < 0 || shares > MAX_COUNT || isProtected >> g != 0) return false;
  pageCount = p;
  guestCount = g;
  gfnCount = gfns;
  slotCount = guestCount * gfnCount;
  protectedGuests = isProtected;
  maxPins = pins;
  maxShares = shares;
  guestOfSlots = 0;
  for (let slot: u32 = 0; slot < slotCount; slot++) guestOfSlots |= (slot / gfnCount) << (4 * slot);
  setInitialState();
  return true;
}

/** Which guests are protected, where that is decided when they are made. */
export function setProtectedGuests(guests: u32): void {
  protectedGuests = guests;
}

/** All pages are the host's; all guests are live and map nothing. */
function setInitialState(): void {
  pages = 0;
  slots = 0;
  for (let slot: u32 = 0; slot < slotCount; slot++) setSlot(slot, NOPAGE, 0);
  for (let guest: u32 = 0; guest < guestCount; guest++) setLife(guest, GUEST_LIVE);
}

export function setState(pageWord: u64, slotWord: u64): void {
  pages = pageWord;
  slots = slotWord;
}

export function pageAt(page: u32): u32 {
  return ((pages >> (PAGE_BITS * page)) & PAGE_MASK) as u32;
}

export function rowOf(page: u32): i32 {
  return pageAt(page) & 7;
}

export function argumentOf(page: u32): u32 {
  return (pageAt(page) >> 3) & 15;
}

export function secretOf(page: u32): u32 {
  return pageAt(page) >> 7;
}

/** The secret stays: only who may touch the page changes. */
export function setPage(page: u32, row: i32, argument: u32): void {
  const shift = PAGE_BITS * page;
  const bits: u64 = (row as u32) | (argument << 3);
  pages = (pages & ~(ROW_AND_ARGUMENT << shift)) | (bits << shift);
}

/** 0 wipes the page, or publishes what is in it. */
export function setSecret(page: u32, secret: u32): void {
  const shift = PAGE_BITS * page + 7;
  const mask: u64 = 7;
  pages = (pages & ~(mask << shift)) | ((secret as u64) << shift);
}

export function slotState(slot: u32): i32 {
  return ((slots >> (SLOT_BITS * slot)) & 7) as i32;
}

export function slotPage(slot: u32): u32 {
  return ((slots >> (SLOT_BITS * slot + 3)) & 7) as u32;
}

/** A slot that maps nothing has page 0, so that equal states are equal words. */
export function setSlot(slot: u32, state: i32, page: u32): void {
  const shift = SLOT_BITS * slot;
  const bits: u64 = (state as u32) | (page << 3);
  slots = (slots & ~(SLOT_MASK << shift)) | (bits << shift);
}

export function guestOf(slot: u32): u32 {
  return (guestOfSlots >> (4 * slot)) & 15;
}

export function isProtected(guest: u32): bool {
  return ((protectedGuests >> guest) & 1) != 0;
}

export function lifeOf(guest: u32): i32 {
  return ((slots >> (GUESTS_SHIFT + 2 * guest)) & 3) as i32;
}

export function setLife(guest: u32, life: i32): void {
  const shift = GUESTS_SHIFT + 2 * guest;
  const mask: u64 = 3;
  slots = (slots & ~(mask << shift)) | ((life as u64) << shift);
}

// Moving a state's parts about, for its canonical form.

export function withPageBits(word: u64, page: u32, bits: u32): u64 {
  return word | ((bits as u64) << (PAGE_BITS * page));
}

export function slotBits(word: u64, slot: u32): u32 {
  return ((word >> (SLOT_BITS * slot)) & SLOT_MASK) as u32;
}

export function withSlotBits(word: u64, slot: u32, bits: u32): u64 {
  return word | ((bits as u64) << (SLOT_BITS * slot));
}

export function withLife(word: u64, guest: u32, life: i32): u64 {
  return word | ((life as u64) << (GUESTS_SHIFT + 2 * guest));
}
