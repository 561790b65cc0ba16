// What is true of every state: pages and slots tell the same story (reference pkvm-el2 section 11.1), and secrets stay with the
// guest that wrote them (section 11.6). Exceptions are those of section 5.7: guests that the host finalised before taking back.

import { NOPAGE, OWNED, POISON, SHARED_BORROWED, SHARED_OWNED } from "../../abi/codes";
import {
  BROKEN_COUNT,
  BROKEN_KIND,
  BROKEN_MAPPING,
  BROKEN_OWNER,
  BROKEN_SECRECY,
  GUEST_ABSENT,
  GUEST_PRIVATE,
  GUEST_SHARED,
  INTACT,
  LEFT_BEHIND,
  SHARED_WITH_GUESTS,
} from "../../abi/specification";
import {
  argumentOf,
  guestOf,
  isProtected,
  lifeOf,
  pageCount,
  rowOf,
  secretOf,
  slotCount,
  slotPage,
  slotState,
} from "./state";

/** The first rule that the current state breaks, or INTACT. `abandons`: pages of finalised guests may be there. */
export function brokenRule(abandons: bool): i32 {
  let shares: u32 = 0; // mappings in non-protected guests, four bits a page
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    const rule = checkSlot(slot);
    if (rule != INTACT) return rule;
    if (slotState(slot) == SHARED_BORROWED) shares += (1 as u32) << (4 * slotPage(slot));
  }
  for (let page: u32 = 0; page < pageCount; page++) {
    const rule = checkPage(page, (shares >> (4 * page)) & 15, abandons);
    if (rule != INTACT) return rule;
  }
  return INTACT;
}

/** I3, I4, I6 and I8, from the mapping's side. */
function checkSlot(slot: u32): i32 {
  const state = slotState(slot);
  if (state == NOPAGE) return INTACT;
  const guest = guestOf(slot);
  if (lifeOf(guest) == GUEST_ABSENT) return BROKEN_KIND;
  if (isProtected(guest) == (state == SHARED_BORROWED)) return BROKEN_KIND;
  if (state == POISON) return INTACT;

  const page = slotPage(slot);
  const row = rowOf(page);
  if (state == SHARED_BORROWED) return row == SHARED_WITH_GUESTS ? INTACT : BROKEN_MAPPING;
  if (argumentOf(page) != slot) return BROKEN_MAPPING;
  return row == (state == OWNED ? GUEST_PRIVATE : GUEST_SHARED) ? INTACT : BROKEN_MAPPING;
}

/** I2, I5 and the secret, from the page's side. */
function checkPage(page: u32, mapped: u32, abandons: bool): i32 {
  const row = rowOf(page);
  const argument = argumentOf(page);
  if (row == GUEST_PRIVATE && !maps(argument, OWNED, page)) return BROKEN_OWNER;
  if (row == GUEST_SHARED && !maps(argument, SHARED_OWNED, page) && !abandons) return BROKEN_OWNER;
  if (row == LEFT_BEHIND && !abandons) return BROKEN_OWNER;

  const counted = row == SHARED_WITH_GUESTS ? argument : 0;
  if (counted < mapped || (counted > mapped && !abandons)) return BROKEN_COUNT;

  const secret = secretOf(page);
  if (secret == 0) return INTACT;
  if (row != GUEST_PRIVATE && row != LEFT_BEHIND) return BROKEN_SECRECY;
  return guestOf(argument) == secret - 1 ? INTACT : BROKEN_SECRECY;
}

function maps(slot: u32, state: i32, page: u32): bool {
  return slotState(slot) == state && slotPage(slot) == page;
}
