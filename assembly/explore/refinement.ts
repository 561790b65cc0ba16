// Refinement: the specification machine makes every call that the machine makes, from the same state, and must give the same
// answer and end in the same state (reference bugs.md section 11, checks 2 and 3).
//
// What it says of a call see specified-call.ts. Nothing is said in states that have no counterpart (abstraction.ts).

import { DISAGREE_GUEST, DISAGREE_LIFE, DISAGREE_PAGE, DISAGREE_RESULT, DISAGREE_STATE } from "../abi/explore";
import { FINALIZE_TEARDOWN_VM } from "../abi/operations";
import { HOST_PRIVATE, HYP_PRIVATE, NO_CALLER } from "../abi/specification";
import { pfnToPa } from "../arch/geometry";
import { operation } from "../batch/operation-record";
import { isAndroid } from "../systems/pkvm/machine";
import { handleBase } from "../systems/pkvm/vm";
import { abstractState, gfnAt, pfnAt, prepareAbstraction, strangeAt } from "./abstraction";
import {
  Call,
  CALL_BYTES,
  describe,
  HANDLED,
  MAY_BE_REFUSED,
  MORE,
  NO_CHANGE,
  SILENT,
  takeStep,
} from "./specified-call";
import {
  guestCount,
  lifeOf,
  pageAt,
  pageCount,
  pages,
  rowOf,
  setPage,
  setState,
  slotBits,
  slotCount,
  slots,
} from "./specification/state";

/** Calls whose answers, and others of which only the states before and after were compared. */
export let answersCompared: u64 = 0;
export let statesCompared: u64 = 0;
/** DISAGREE_*, and what about. */
export let disagreement: i32 = 0;
export let disagreesAt: u64 = 0;

/** Whether the specification machine has something to say of this one. */
export let isReady: bool = false;
let hasCounterpart: bool = false;
let pagesBefore: u64 = 0;
let slotsBefore: u64 = 0;
let verdict: i32 = SILENT;
/** The call that is made. */
const call: usize = memory.data(CALL_BYTES as i32, 8);

/** Once the domain is there. */
export function prepareRefinement(): void {
  // The specification is that of Linux: Android's calls answer otherwise, and it has more of them.
  isReady = !isAndroid && prepareAbstraction();
  answersCompared = 0;
  statesCompared = 0;
}

/** Notes the state in which calls are going to be tried. */
export function noteAbstractState(): void {
  hasCounterpart = isReady && abstractState();
  pagesBefore = pages;
  slotsBefore = slots;
}

/** Makes a call on the specification, in the noted state, before the machine makes it. */
export function specify(record: usize): void {
  verdict = SILENT;
  if (!hasCounterpart) return;
  setState(pagesBefore, slotsBefore);
  describe(record, changetype<Call>(call));
  let turn: u32 = 0;
  do verdict = takeStep(changetype<Call>(call), turn++);
  while (verdict == MORE);
}

/** Whether the machine answered and did what the specification says: else see `disagreement`. */
export function isRefined(record: usize, ret: i32, hasChanged: bool): bool {
  if (verdict == SILENT || (verdict >= NO_CALLER && verdict < NO_CHANGE)) return true;
  if (verdict == NO_CHANGE) compared(false);
  else if (!isAnswered(verdict == HANDLED ? 1 : verdict, ret)) return false;
  const wantedPages = pages;
  const wantedSlots = slots;
  if (!hasChanged) setState(pagesBefore, slotsBefore);
  else if (!abstractState()) return disagrees(DISAGREE_STATE, strangeAt);
  if (operation(record) == FINALIZE_TEARDOWN_VM) return isSame(withTablesLeft(wantedPages), wantedSlots);
  return isSame(wantedPages, wantedSlots);
}

/** Counts a call whose answer was compared, or of which only the states were. */
export function compared(isAnswer: bool): void {
  if (isAnswer) answersCompared++;
  else statesCompared++;
}

function isAnswered(wanted: i32, ret: i32): bool {
  compared(true);
  if ((changetype<Call>(call).flags & MAY_BE_REFUSED) != 0 && ret < 0) setState(pagesBefore, slotsBefore);
  else if (ret != wanted) return disagreesOnAnswer(wanted, ret);
  return true;
}

export function disagreesOnAnswer(wanted: i32, ret: i32): bool {
  return disagrees(DISAGREE_RESULT, ((wanted as u64) << 32) | (ret as u32 as u64));
}

export function disagrees(how: i32, at: u64): bool {
  disagreement = how;
  disagreesAt = at;
  return false;
}

// Of which VM's tables a page is the specification does not know: at the end of a VM each may come back (leaks.ts looks after that).
function withTablesLeft(wanted: u64): u64 {
  const foundPages = pages;
  const foundSlots = slots;
  for (let page: u32 = 0; page < pageCount; page++) {
    setState(foundPages, foundSlots);
    const isHosts = rowOf(page) == HOST_PRIVATE;
    setState(wanted, foundSlots);
    if (isHosts && rowOf(page) == HYP_PRIVATE) setPage(page, HOST_PRIVATE, 0);
    wanted = pages;
  }
  setState(foundPages, foundSlots);
  return wanted;
}

/** Compares the current state with the wanted one. */
export function isSame(wantedPages: u64, wantedSlots: u64): bool {
  if (pages == wantedPages && slots == wantedSlots) return true;
  const foundPages = pages;
  const foundSlots = slots;
  for (let page: u32 = 0; page < pageCount; page++) {
    setState(foundPages, foundSlots);
    const bits = pageAt(page);
    setState(wantedPages, wantedSlots);
    if (bits != pageAt(page)) return disagrees(DISAGREE_PAGE, pfnToPa(pfnAt(page)));
  }
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    if (slotBits(foundSlots, slot) != slotBits(wantedSlots, slot)) {
      return disagrees(DISAGREE_GUEST, pfnToPa(gfnAt(slot)));
    }
  }
  return disagrees(DISAGREE_LIFE, differingGuest(foundSlots, wantedSlots));
}

function differingGuest(foundSlots: u64, wantedSlots: u64): u64 {
  for (let guest: u32 = 0; guest < guestCount; guest++) {
    setState(0, foundSlots);
    const life = lifeOf(guest);
    setState(0, wantedSlots);
    if (life != lifeOf(guest)) return handleBase + guest;
  }
  return 0;
}
