// All calls that change a state. Each row is offered what it can accept, the verbs decide: offering everything would find
// the same successors, and take several times as long.

import { NOPAGE, OWNED, SHARED_BORROWED, SHARED_OWNED } from "../../abi/codes";
import * as operation from "../../abi/operations";
import {
  EL2_PANIC,
  GUEST_ABSENT,
  GUEST_LIVE,
  GUEST_PRIVATE,
  GUEST_WRITE,
  HOST_PRIVATE,
  HYP_PRIVATE,
  LEFT_BEHIND,
  SHARED_WITH_GUESTS,
  SHARED_WITH_HYP,
} from "../../abi/specification";
import * as protocol from "./protocol";
import {
  gfnCount,
  guestCount,
  guestOf,
  isProtected,
  lifeOf,
  pageCount,
  pages,
  rowOf,
  secretOf,
  setState,
  slotCount,
  slotPage,
  slots,
  slotState,
} from "./state";

/** No state has more successors: each page can go to each slot, with a few calls more for each page, slot and guest. */
export const MAX_SUCCESSORS: u32 = 128;
/** u64 pages | u64 slots | u32 call | u32 the state it is of | u64 hash, for who looks it up */
export const SUCCESSOR_SIZE: u32 = 32;
export const SUCCESSOR_PARENT: usize = 20;
export const SUCCESSOR_HASH: usize = 24;

/** Whether the host may finalise a guest whose pages it has not taken back. */
export let abandons: bool = false;
/** The first call that panicked EL2 in the state whose successors were asked for last, or 0. */
export let panickingCall: u32 = 0;

let from: u32 = 0;
let fromPages: u64 = 0;
let fromSlots: u64 = 0;
let out: usize = 0;
/** Bit s: slot s can be given a page. */
let freeSlots: u32 = 0;

export function setAbandons(value: bool): void {
  abandons = value;
}

/** A call as one number: operation << 8 | a << 4 | b. */
export function callOf(code: i32, a: u32, b: u32): u32 {
  return (code << 8) | (a << 4) | b;
}

/** Writes the successors of state number `index`, each with its call, to `to`. Returns where they end. */
export function writeSuccessors(pageWord: u64, slotWord: u64, index: u32, to: usize): usize {
  setState(pageWord, slotWord);
  from = index;
  fromPages = pageWord;
  fromSlots = slotWord;
  out = to;
  panickingCall = 0;
  freeSlots = 0;
  for (let slot: u32 = 0; slot < slotCount; slot++) Offer.toSlot(slot);
  for (let page: u32 = 0; page < pageCount; page++) Offer.toPage(page);
  for (let guest: u32 = 0; guest < guestCount; guest++) Offer.toGuest(guest);
  return out;
}

/**
 * Written into writeSuccessors(), and what a call led to is noted where it was made: between functions the state would go through
 * memory with each of them.
 */
class Offer {
  /** Notes what a call led to, and takes it back. */
  @inline
  static note(result: i32, code: i32, a: u32, b: u32): void {
    if (result == 0) {
      store<u64>(out, pages);
      store<u64>(out, slots, 8);
      store<u32>(out, callOf(code, a, b), 16);
      store<u32>(out, from, SUCCESSOR_PARENT);
      out += SUCCESSOR_SIZE;
      setState(fromPages, fromSlots);
    } else if (result == EL2_PANIC && panickingCall == 0) {
      panickingCall = callOf(code, a, b);
    }
  }

  @inline
  static toPage(page: u32): void {
    switch (rowOf(page)) {
      case HOST_PRIVATE:
        Offer.note(protocol.hostShareHyp(page), operation.HOST_SHARE_HYP, page, 0);
        Offer.note(protocol.hostDonateHyp(page), operation.HOST_DONATE_HYP, page, 0);
        return offerToFreeSlots(page);
      case SHARED_WITH_HYP:
        return offerSharedWithHyp(page);
      case SHARED_WITH_GUESTS:
        return offerToFreeSlots(page);
      case HYP_PRIVATE:
        return Offer.note(protocol.hypDonateHost(page), operation.HYP_DONATE_HOST, page, 0);
      case GUEST_PRIVATE:
      case LEFT_BEHIND:
        return Offer.note(protocol.forceReclaim(page), operation.HOST_FORCE_RECLAIM_PAGE_GUEST, page, 0);
      default:
        return;
    }
  }

  @inline
  static toSlot(slot: u32): void {
    const state = slotState(slot);
    const isLive = lifeOf(guestOf(slot)) == GUEST_LIVE;
    if (state == NOPAGE && isLive) freeSlots |= 1 << slot;
    if (state == SHARED_BORROWED)
      return Offer.note(protocol.hostUnshareGuest(slot), operation.HOST_UNSHARE_GUEST, slot, 0);
    if (state != OWNED && state != SHARED_OWNED) return;
    if (!isLive) {
      return Offer.note(protocol.reclaimDyingGuestPage(slot), operation.RECLAIM_DYING_GUEST_PAGE, slot, 0);
    }
    if (state == SHARED_OWNED)
      return Offer.note(protocol.guestUnshareHost(slot), operation.GUEST_UNSHARE_HOST, slot, 0);
    Offer.note(protocol.guestShareHost(slot), operation.GUEST_SHARE_HOST, slot, 0);
    if (secretOf(slotPage(slot)) == 0) Offer.note(protocol.guestWrite(slot), GUEST_WRITE, slot, 0);
  }

  @inline
  static toGuest(guest: u32): void {
    const life = lifeOf(guest);
    if (life == GUEST_ABSENT) return Offer.note(protocol.initVm(guest), operation.INIT_VM, guest, 0);
    if (life == GUEST_LIVE) return Offer.note(protocol.startTeardown(guest), operation.START_TEARDOWN_VM, guest, 0);
    if (abandons || !holdsPages(guest)) {
      Offer.note(protocol.finalizeTeardown(guest), operation.FINALIZE_TEARDOWN_VM, guest, 0);
    }
  }
}

/** EL2 unpins only what it pinned, so a page without pins is not offered: that would be a panic of nobody's making. */
function offerSharedWithHyp(page: u32): void {
  Offer.note(protocol.hostUnshareHyp(page), operation.HOST_UNSHARE_HYP, page, 0);
  Offer.note(protocol.hypPin(page), operation.HYP_PIN_SHARED_MEM, page, 0);
  const result = protocol.hypUnpin(page);
  if (result == 0) Offer.note(result, operation.HYP_UNPIN_SHARED_MEM, page, 0);
}

/** A page goes to protected guests once and to the others any number of times. */
function offerToFreeSlots(page: u32): void {
  for (let left = freeSlots; left != 0; left &= left - 1) {
    const slot = ctz(left);
    if (isProtected(guestOf(slot)))
      Offer.note(protocol.hostDonateGuest(page, slot), operation.HOST_DONATE_GUEST, page, slot);
    else Offer.note(protocol.hostShareGuest(page, slot), operation.HOST_SHARE_GUEST, page, slot);
  }
}

/** Poison is nothing to take back. */
function holdsPages(guest: u32): bool {
  for (let slot = guest * gfnCount; slot < (guest + 1) * gfnCount; slot++) {
    const state = slotState(slot);
    if (state == OWNED || state == SHARED_OWNED || state == SHARED_BORROWED) return true;
  }
  return false;
}
