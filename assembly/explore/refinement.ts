// Refinement: the specification machine makes every call that the machine makes, from the same state, and must give the same
// answer and end in the same state (reference bugs.md section 11, checks 2 and 3).
//
// What it says of a call see specified-call.ts. Nothing is said in states that have no counterpart (abstraction.ts).

import { NOPAGE, POISON } from "../abi/codes";
import { DISAGREE_GUEST, DISAGREE_LIFE, DISAGREE_PAGE, DISAGREE_RESULT, DISAGREE_STATE } from "../abi/explore";
import { FINALIZE_TEARDOWN_VM } from "../abi/operations";
import { GUEST_PRIVATE, HOST_PRIVATE, HYP_PRIVATE, NO_CALLER, SHARED_WITH_GUESTS } from "../abi/specification";
import { pfnToPa } from "../arch/geometry";
import { operation } from "../batch/operation-record";
import { isAndroid } from "../systems/pkvm/machine";
import { handleBase } from "../systems/pkvm/vm";
import { abstractState, gfnAt, pfnAt, placeOfSpecified, prepareAbstraction, strangeAt } from "./abstraction";
import { dependOnVm, dependOnVms, isChanged } from "./packed-state";
import { depend } from "./reads";
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
  guestOf,
  lifeOf,
  pageAt,
  pageCount,
  pages,
  rowOf,
  setPage,
  setState,
  slotBits,
  slotCount,
  slotPage,
  slots,
  slotState,
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
// Behind the call, on the machine.
let slotsAfter: u64 = 0;
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
  lastCompared = NOT;
  slotsAfter = slotsBefore;
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
  slotsAfter = slots;
  if (operation(record) == FINALIZE_TEARDOWN_VM) return isSame(withTablesLeft(wantedPages), wantedSlots);
  return isSame(wantedPages, wantedSlots);
}

// How a call was compared.
const NOT: u32 = 0;
const BY_ANSWER: u32 = 1;
const BY_STATES: u32 = 2;
let lastCompared: u32 = NOT;

/** Counts a call whose answer was compared, or of which only the states were. */
export function compared(isAnswer: bool): void {
  compareAgain(isAnswer ? BY_ANSWER : BY_STATES);
}

/** How the last call was compared. */
export function comparedLast(): u32 {
  return lastCompared;
}

/** Counts a call that was compared in this way. */
export function compareAgain(how: u32): void {
  lastCompared = how;
  if (how == BY_ANSWER) answersCompared++;
  else if (how == BY_STATES) statesCompared++;
}

/**
 * Adds the parts by which a call was compared to those that it looked at: the rows of the pages and slots that it names or changes,
 * and what those rows are read from. All else is the same before and after, and so is its row. False in a state without
 * a counterpart: nothing was compared, in another state it may be.
 *
 * @param before rows of the state before and behind the call
 */
export function dependOnCompared(before: usize, after: usize): bool {
  if (!isReady) return true;
  if (!hasCounterpart) return false;
  setState(pagesBefore, slotsBefore);
  const named = changetype<Call>(call);
  for (let page: u32 = 0; page < pageCount; page++) {
    const isNamed = ((named.pages >> page) & 1) != 0;
    if (isNamed || isChanged(placeOfSpecified(page), before, after)) dependOnPage(page);
  }
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    const isNamed = ((named.slots >> slot) & 1) != 0;
    if (isNamed || slotBits(slotsAfter, slot) != slotBits(slotsBefore, slot)) dependOnSlot(slot);
  }
  return true;
}

// The row of a page says by itself that no guest maps it, but for what guests share or own.
function dependOnPage(page: u32): void {
  depend(placeOfSpecified(page));
  const row = rowOf(page);
  if (row == SHARED_WITH_GUESTS || row >= GUEST_PRIVATE) dependOnVms();
}

function dependOnSlot(slot: u32): void {
  dependOnVm(guestOf(slot));
  if (isMapping(slotState(slot))) dependOnPage(slotPage(slot));
  const state = (slotBits(slotsAfter, slot) & 7) as i32;
  if (isMapping(state)) dependOnPage(slotBits(slotsAfter, slot) >> 3);
}

function isMapping(state: i32): bool {
  return state != NOPAGE && state != POISON;
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
