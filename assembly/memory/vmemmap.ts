// The hyp vmemmap: EL2's 8 bytes of state per page (nvhe/memory.h:struct hyp_page; reference pkvm-el2 section 1.3).
//
//   63                         32 31   28 27   24 23    16 15            0
//  +-----------------------------+-------+-------+--------+---------------+
//  |   host_share_guest_count    | Y ^ 3 |   H   | order  |   refcount    |
//  +-----------------------------+-------+-------+--------+---------------+
//
// H is the host's state, Y EL2's; stored so that zeroed memory reads OWNED by the host, NOPAGE for EL2.
// A page is named by the address of its word.

import { NOPAGE, PANIC_HYP_PAGE_REF_DEC, PANIC_HYP_PAGE_REF_INC, SHARED_BORROWED } from "../abi/codes";
import { touch } from "./cards";
import { recordPage, recording } from "./journal";
import { panic } from "./verdict";

const STATES: usize = 3; // byte with both state nibbles
const ORDER: usize = 2;
const SHARES: usize = 4;

/** HYP_NO_ORDER: a page of a free block that is not its head. */
export const HYP_NO_ORDER: u32 = 0xff;

export function hostState(page: usize): i32 {
  return (load<u8>(page, STATES) as i32) & 15;
}

export function hypState(page: usize): i32 {
  return ((load<u8>(page, STATES) as i32) >> 4) ^ NOPAGE;
}

// Written as bytes and halves of the word; the whole word is read only for the journal, because a wide load that
// follows a narrow store to the same word waits for it.
export function setHostState(page: usize, state: i32): void {
  const before = recording ? load<u64>(page) : 0;
  store<u8>(page, ((load<u8>(page, STATES) as i32) & 0xf0) | state, STATES);
  if (recording) recordPage(page, before);
}

export function setHypState(page: usize, state: i32): void {
  const before = recording ? load<u64>(page) : 0;
  store<u8>(page, ((load<u8>(page, STATES) as i32) & 0x0f) | ((state ^ NOPAGE) << 4), STATES);
  if (recording) recordPage(page, before);
}

export function shareCount(page: usize): u32 {
  return load<u32>(page, SHARES);
}

export function setShareCount(page: usize, count: u32): void {
  const before = recording ? load<u64>(page) : 0;
  store<u32>(page, count, SHARES);
  if (recording) recordPage(page, before);
}

export function refcount(page: usize): u32 {
  return load<u16>(page);
}

/** Sets the count outright: pools and tables, whose counts nobody watches. */
export function setRefcount(page: usize, count: u32): void {
  if (recording) touch(page);
  store<u16>(page, count as u16);
}

/** hyp_page_ref_inc. */
export function incrementRefcount(page: usize): void {
  const count = refcount(page);
  if (count == 0xffff) {
    panic(PANIC_HYP_PAGE_REF_INC);
    return;
  }
  changeRefcount(page, count + 1);
}

/** hyp_page_ref_dec: a BUG at 0. */
export function decrementRefcount(page: usize): i32 {
  const count = refcount(page);
  if (count == 0) return panic(PANIC_HYP_PAGE_REF_DEC);
  changeRefcount(page, count - 1);
  return 0;
}

// Only the count of a page EL2 borrows is an effect: it is the number of pins.
function changeRefcount(page: usize, count: u32): void {
  const before = recording ? load<u64>(page) : 0;
  store<u16>(page, count as u16);
  if (!recording) return;
  touch(page);
  if (hypState(page) == SHARED_BORROWED) recordPage(page, before);
}

export function order(page: usize): u32 {
  return load<u8>(page, ORDER);
}

export function setOrder(page: usize, value: u32): void {
  if (recording) touch(page);
  store<u8>(page, value as u8, ORDER);
}

/** The whole word, for dumps. */
export function pageWord(page: usize): u64 {
  return load<u64>(page);
}
