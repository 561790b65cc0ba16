// pKVM's ownership protocol: what each call does to the pages' rows, and what it answers (reference pkvm-el2 section 3.1).
// Written from the reference's tables and independent of systems/pkvm/, whose refinement it judges. Calls of the host answer as
// its hypercalls do (section 7.2): a guest of the wrong kind or age is -EINVAL before anything else is looked at. Of several pages,
// of table pages and of addresses that do not exist this machine knows nothing.

import {
  EAGAIN,
  EBUSY,
  EFAULT,
  EHWPOISON,
  EINVAL,
  ENOENT,
  EPERM,
  NOPAGE,
  OWNED,
  POISON,
  SHARED_BORROWED,
  SHARED_OWNED,
} from "../../abi/codes";
import * as operation from "../../abi/operations";
import {
  BEYOND_BOUND,
  EL2_PANIC,
  GUEST_ABSENT,
  GUEST_DYING,
  GUEST_LIVE,
  GUEST_PRIVATE,
  GUEST_SHARED,
  GUEST_WRITE,
  HOST_ACCESS,
  HOST_PRIVATE,
  HYP_PRIVATE,
  LEFT_BEHIND,
  NO_CALLER,
  NO_SUCH_CALL,
  SHARED_OVER_FFA,
  SHARED_WITH_GUESTS,
  SHARED_WITH_HYP,
} from "../../abi/specification";
import {
  argumentOf,
  gfnCount,
  guestCount,
  guestOf,
  isProtected,
  lifeOf,
  maxPins,
  maxShares,
  pageCount,
  rowOf,
  setLife,
  setPage,
  setSecret,
  setSlot,
  slotCount,
  slotPage,
  slotState,
} from "./state";

/**
 * Makes a call in the current state. `a` and `b`: page; page and slot; slot; or guest, as the operation needs.
 * Returns the call's result; only with 0 did the state change.
 */
export function step(code: i32, a: u32, b: u32): i32 {
  switch (code) {
    case operation.HOST_SHARE_GUEST:
      return a < pageCount && b < slotCount ? hostShareGuest(a, b) : NO_SUCH_CALL;
    case operation.HOST_DONATE_GUEST:
      return a < pageCount && b < slotCount ? hostDonateGuest(a, b) : NO_SUCH_CALL;
    case operation.HOST_SHARE_HYP:
    case operation.HOST_UNSHARE_HYP:
    case operation.HOST_DONATE_HYP:
    case operation.HYP_DONATE_HOST:
    case operation.HYP_PIN_SHARED_MEM:
    case operation.HYP_UNPIN_SHARED_MEM:
    case operation.HOST_SHARE_FFA:
    case operation.HOST_UNSHARE_FFA:
    case operation.HOST_FORCE_RECLAIM_PAGE_GUEST:
    case HOST_ACCESS:
      return a < pageCount ? stepPage(code, a) : NO_SUCH_CALL;
    case operation.INIT_VM:
    case operation.START_TEARDOWN_VM:
    case operation.FINALIZE_TEARDOWN_VM:
      return a < guestCount ? stepGuest(code, a) : NO_SUCH_CALL;
    default:
      return a < slotCount ? stepSlot(code, a) : NO_SUCH_CALL;
  }
}

function stepPage(code: i32, page: u32): i32 {
  if (code == operation.HOST_SHARE_HYP) return hostShareHyp(page);
  if (code == operation.HOST_UNSHARE_HYP) return hostUnshareHyp(page);
  if (code == operation.HOST_DONATE_HYP) return hostDonateHyp(page);
  if (code == operation.HYP_DONATE_HOST) return hypDonateHost(page);
  if (code == operation.HYP_PIN_SHARED_MEM) return hypPin(page);
  if (code == operation.HYP_UNPIN_SHARED_MEM) return hypUnpin(page);
  if (code == operation.HOST_SHARE_FFA) return hostShareFfa(page);
  if (code == operation.HOST_UNSHARE_FFA) return hostUnshareFfa(page);
  if (code == HOST_ACCESS) return hostAccess(page);
  return forceReclaim(page);
}

function stepSlot(code: i32, slot: u32): i32 {
  if (code == operation.HOST_UNSHARE_GUEST) return hostUnshareGuest(slot);
  if (code == operation.GUEST_SHARE_HOST) return guestShareHost(slot);
  if (code == operation.GUEST_UNSHARE_HOST) return guestUnshareHost(slot);
  if (code == operation.RECLAIM_DYING_GUEST_PAGE) return reclaimDyingGuestPage(slot);
  if (code == GUEST_WRITE) return guestWrite(slot);
  return NO_SUCH_CALL;
}

function stepGuest(code: i32, guest: u32): i32 {
  if (code == operation.INIT_VM) return initVm(guest);
  if (code == operation.START_TEARDOWN_VM) return startTeardown(guest);
  return finalizeTeardown(guest);
}

// Host and hypervisor: sections 3.2 to 3.5.

export function hostShareHyp(page: u32): i32 {
  if (rowOf(page) != HOST_PRIVATE) return -EPERM;
  setPage(page, SHARED_WITH_HYP, 0);
  return 0;
}

export function hostUnshareHyp(page: u32): i32 {
  if (rowOf(page) != SHARED_WITH_HYP) return -EPERM;
  if (argumentOf(page) != 0) return -EBUSY;
  setPage(page, HOST_PRIVATE, 0);
  return 0;
}

export function hostDonateHyp(page: u32): i32 {
  if (rowOf(page) != HOST_PRIVATE) return -EPERM;
  setPage(page, HYP_PRIVATE, 0);
  return 0;
}

/** The hypervisor has wiped the page: its own contents are not modelled. */
export function hypDonateHost(page: u32): i32 {
  if (rowOf(page) != HYP_PRIVATE) return -EPERM;
  setPage(page, HOST_PRIVATE, 0);
  return 0;
}

export function hypPin(page: u32): i32 {
  if (rowOf(page) != SHARED_WITH_HYP) return -EPERM;
  const pins = argumentOf(page);
  if (pins >= maxPins) return BEYOND_BOUND;
  setPage(page, SHARED_WITH_HYP, pins + 1);
  return 0;
}

/** Has no checks: EL2 unpins what it pinned, and asserts that. */
export function hypUnpin(page: u32): i32 {
  if (rowOf(page) != SHARED_WITH_HYP || argumentOf(page) == 0) return EL2_PANIC;
  setPage(page, SHARED_WITH_HYP, argumentOf(page) - 1);
  return 0;
}

/** An access completes, or the host is shown its own fault. */
export function hostAccess(page: u32): i32 {
  const row = rowOf(page);
  return row == HYP_PRIVATE || row == GUEST_PRIVATE || row == LEFT_BEHIND ? -EFAULT : 0;
}

// The host and the secure world: section 3.13. EL2's proxy alone makes these calls.

export function hostShareFfa(page: u32): i32 {
  if (rowOf(page) != HOST_PRIVATE) return -EPERM;
  setPage(page, SHARED_OVER_FFA, 0);
  return 0;
}

/** Looks at the host's state alone. What is shared with others is no longer in any row then: the proxy does not ask for it. */
export function hostUnshareFfa(page: u32): i32 {
  const row = rowOf(page);
  if (row == SHARED_WITH_HYP || row == SHARED_WITH_GUESTS) return NO_SUCH_CALL;
  if (row != SHARED_OVER_FFA) return -EPERM;
  setPage(page, HOST_PRIVATE, 0);
  return 0;
}

// Non-protected guests: section 3.6.

export function hostShareGuest(page: u32, slot: u32): i32 {
  const guest = guestOf(slot);
  if (lifeOf(guest) != GUEST_LIVE || isProtected(guest)) return -EINVAL;
  if (slotState(slot) != NOPAGE) return -EPERM;
  const row = rowOf(page);
  if (row != HOST_PRIVATE && row != SHARED_WITH_GUESTS) return -EPERM;
  const shares = argumentOf(page);
  if (shares >= maxShares) return BEYOND_BOUND;
  setPage(page, SHARED_WITH_GUESTS, shares + 1);
  setSlot(slot, SHARED_BORROWED, page);
  return 0;
}

/** Allowed on a dying guest, too. */
export function hostUnshareGuest(slot: u32): i32 {
  const guest = guestOf(slot);
  if (lifeOf(guest) == GUEST_ABSENT || isProtected(guest)) return -EINVAL;
  if (slotState(slot) != SHARED_BORROWED) return -ENOENT;
  const page = slotPage(slot);
  const shares = argumentOf(page) - 1;
  setPage(page, shares == 0 ? HOST_PRIVATE : SHARED_WITH_GUESTS, shares);
  setSlot(slot, NOPAGE, 0);
  return 0;
}

// Protected guests: sections 3.7 to 3.10.

export function hostDonateGuest(page: u32, slot: u32): i32 {
  const guest = guestOf(slot);
  if (lifeOf(guest) != GUEST_LIVE || !isProtected(guest)) return -EINVAL;
  if (rowOf(page) != HOST_PRIVATE) return -EPERM;
  if (slotState(slot) != NOPAGE) return -EPERM;
  setPage(page, GUEST_PRIVATE, slot);
  setSlot(slot, OWNED, page);
  return 0;
}

/** What is in the page is public from now on. */
export function guestShareHost(slot: u32): i32 {
  const refusal = checkGuestCall(slot, OWNED);
  if (refusal != 0) return refusal;
  const page = slotPage(slot);
  setPage(page, GUEST_SHARED, slot);
  setSecret(page, 0);
  setSlot(slot, SHARED_OWNED, page);
  return 0;
}

export function guestUnshareHost(slot: u32): i32 {
  const refusal = checkGuestCall(slot, SHARED_OWNED);
  if (refusal != 0) return refusal;
  const page = slotPage(slot);
  setPage(page, GUEST_PRIVATE, slot);
  setSlot(slot, OWNED, page);
  return 0;
}

function checkGuestCall(slot: u32, want: i32): i32 {
  if (lifeOf(guestOf(slot)) != GUEST_LIVE) return NO_CALLER;
  const found = slotState(slot);
  if (found == POISON) return -EHWPOISON;
  if (found == NOPAGE) return -ENOENT;
  return found == want ? 0 : -EPERM;
}

/** A secret is what a protected guest writes to a page that is its alone. Where nothing is mapped, KVM_RUN ends with -EFAULT. */
export function guestWrite(slot: u32): i32 {
  const guest = guestOf(slot);
  if (lifeOf(guest) != GUEST_LIVE) return NO_CALLER;
  const state = slotState(slot);
  if (state == NOPAGE || state == POISON) return -EFAULT;
  if (state == OWNED) setSecret(slotPage(slot), guest + 1);
  return 0;
}

/** A page that its guest owns comes back wiped, and the guest finds poison. What an annotation names may be another guest by now. */
export function forceReclaim(page: u32): i32 {
  const row = rowOf(page);
  if (row == HYP_PRIVATE) return -EPERM;
  if (row != GUEST_PRIVATE && row != LEFT_BEHIND) return -EAGAIN;
  const slot = argumentOf(page);
  if (row == LEFT_BEHIND) return forceReclaimLeftBehind(slot);
  setPage(page, HOST_PRIVATE, 0);
  setSecret(page, 0);
  setSlot(slot, POISON, 0);
  return 0;
}

function forceReclaimLeftBehind(slot: u32): i32 {
  if (lifeOf(guestOf(slot)) == GUEST_ABSENT) return -EAGAIN;
  const state = slotState(slot);
  if (state == POISON) return -EHWPOISON;
  // The handle's new guest maps another page there: EL2 asserts that it is the same.
  return state == NOPAGE ? -ENOENT : EL2_PANIC;
}

/** Wiped if the guest did not share it. A poisoned slot was taken before: success, and it stays poisoned. */
export function reclaimDyingGuestPage(slot: u32): i32 {
  if (lifeOf(guestOf(slot)) != GUEST_DYING) return -EINVAL;
  const state = slotState(slot);
  if (state == POISON) return 0;
  if (state == NOPAGE) return -ENOENT;
  if (state == SHARED_BORROWED) return -EPERM;
  const page = slotPage(slot);
  setPage(page, HOST_PRIVATE, 0);
  if (state == OWNED) setSecret(page, 0);
  setSlot(slot, NOPAGE, 0);
  return 0;
}

// Life cycle: sections 5.3 to 5.7. Init includes the reservation of the handle and the vCPUs, which are made of other pages.

export function initVm(guest: u32): i32 {
  if (lifeOf(guest) != GUEST_ABSENT) return -EINVAL;
  setLife(guest, GUEST_LIVE);
  return 0;
}

export function startTeardown(guest: u32): i32 {
  if (lifeOf(guest) != GUEST_LIVE) return -EINVAL;
  setLife(guest, GUEST_DYING);
  return 0;
}

/** Does not look at the guest's mappings: what the host has not taken back is not returned. */
export function finalizeTeardown(guest: u32): i32 {
  if (lifeOf(guest) != GUEST_DYING) return -EINVAL;
  for (let slot = guest * gfnCount; slot < (guest + 1) * gfnCount; slot++) {
    if (slotState(slot) == OWNED) setPage(slotPage(slot), LEFT_BEHIND, slot);
    setSlot(slot, NOPAGE, 0);
  }
  setLife(guest, GUEST_ABSENT);
  return 0;
}
