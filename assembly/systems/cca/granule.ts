// Granules: RMM's state of each page of memory, its reference count and its lock (reference cca section 2; lib/granule). EL3's
// value of the granule protection table lies beside it: EL3 writes it (gpt.ts), nobody else.
//
// The word of a granule, which also names it everywhere in this room (layout: abi/cca.ts). Zero is what boot leaves: NS, unlocked.

import {
  EFFECT_GRANULE,
  GPT_NS,
  GRANULE_NS,
  PANIC_RMM_REFCOUNT,
  PANIC_RMM_UNLOCK,
  REASON_RMM_ALIGNMENT,
  REASON_RMM_GRANULE,
  REASON_RMM_LOCK,
  REASON_RMM_NO_GRANULE,
  REASON_RMM_SAME_GRANULE,
  RMI_ERROR_INPUT,
  RMI_NEVER_RETURNS,
} from "../../abi/cca";
import { RMM_ALIASED_GRANULE } from "../../abi/mutations";
import { pageMask, pageShift, pfnToPa } from "../../arch/geometry";
import { record, recording } from "../../memory/journal";
import { isMutated } from "../../memory/mutation";
import { memoryPageOf, pfnOf } from "../../memory/regions";
import { panic } from "../../memory/verdict";
import { noteLocked, noteUnlocked } from "./lock-order";
import { fail } from "./refusal";

const STATE: usize = 2;
const GPT: usize = 3;
const LOCK: usize = 4;
/** Entries of a table, the most that a count can be. */
const MAX_REFCOUNT: u32 = 512;

export function paOf(granule: usize): u64 {
  return pfnToPa(pfnOf(granule));
}

/** The granule at an address, or 0: not aligned, or no memory. */
export function granuleAt(pa: u64): usize {
  return (pa & pageMask) == 0 ? memoryPageOf(pa >> pageShift) : 0;
}

export function granuleState(granule: usize): i32 {
  return load<u8>(granule, STATE);
}

export function setGranuleState(granule: usize, state: i32): void {
  const before = load<u64>(granule);
  store<u8>(granule, state, STATE);
  changed(granule, before);
}

/** GPT_* of the granule. */
export function gptOf(granule: usize): i32 {
  return (load<u8>(granule, GPT) as i32) ^ GPT_NS;
}

export function setGpt(granule: usize, value: i32): void {
  const before = load<u64>(granule);
  store<u8>(granule, value ^ GPT_NS, GPT);
  changed(granule, before);
}

export function refcountOf(granule: usize): u32 {
  return load<u16>(granule);
}

/** Adds to the count, or takes from it. */
export function addReferences(granule: usize, change: i32): void {
  const before = load<u64>(granule);
  const count = (load<u16>(granule) as i32) + change;
  if (count < 0 || count > (MAX_REFCOUNT as i32)) panic(PANIC_RMM_REFCOUNT);
  store<u16>(granule, count as u16);
  changed(granule, before);
}

function changed(granule: usize, before: u64): void {
  if (recording) record(EFFECT_GRANULE, 0, 0, paOf(granule), before, load<u64>(granule), 0);
}

export function isLocked(granule: usize): bool {
  return load<u8>(granule, LOCK) != 0;
}

/** Takes the lock. With one CPU a lock that is held stays so: then false, and the call never returns. */
export function lock(granule: usize): bool {
  if (isLocked(granule)) return fail(RMI_NEVER_RETURNS, REASON_RMM_LOCK, paOf(granule), 0, 0);
  noteLocked(granule);
  store<u8>(granule, 1, LOCK);
  return true;
}

/** Releases it. RMM asserts that it was held. */
export function unlock(granule: usize): void {
  if (!isLocked(granule)) {
    panic(PANIC_RMM_UNLOCK);
    return;
  }
  noteUnlocked(granule);
  store<u8>(granule, 0, LOCK);
}

/** Gives the granule its next state, and releases it. */
export function unlockAs(granule: usize, state: i32): void {
  setGranuleState(granule, state);
  unlock(granule);
}

// find_granule: the granule, or 0 with the refusal noted.
function find(pa: u64): usize {
  const granule = granuleAt(pa);
  if (granule != 0) return granule;
  fail(RMI_ERROR_INPUT, (pa & pageMask) != 0 ? REASON_RMM_ALIGNMENT : REASON_RMM_NO_GRANULE, pa, 0, 0);
  return 0;
}

/** The granule, which must be in this state; not locked. 0 with the refusal noted. */
function findInState(pa: u64, state: i32): usize {
  const granule = find(pa);
  return granule != 0 && isInState(granule, state) ? granule : 0;
}

function isInState(granule: usize, state: i32): bool {
  const found = granuleState(granule);
  return found == state || fail(RMI_ERROR_INPUT, REASON_RMM_GRANULE, paOf(granule), state, found);
}

/** find_lock_granule: locked and in this state, or 0 with the refusal noted. */
export function findLocked(pa: u64, state: i32): usize {
  const granule = find(pa);
  if (granule == 0 || !lock(granule)) return 0;
  if (isInState(granule, state)) return granule;
  unlock(granule);
  return 0;
}

/**
 * find_lock_two_granules: both locked, the lower address first, which all calls do alike, and only then looked at. They must
 * differ: who locks one twice waits for ever. False with the refusal noted, and both free.
 */
export function lockTwo(one: u64, oneState: i32, other: u64, otherState: i32): bool {
  const first = find(one);
  const second = first != 0 ? find(other) : 0;
  if (second == 0) return false;
  if (first == second && !isMutated(RMM_ALIASED_GRANULE))
    return fail(RMI_ERROR_INPUT, REASON_RMM_SAME_GRANULE, one, 0, 0);
  if (!lock(min(first, second)) || !lock(max(first, second))) return false;
  if (isInState(first, oneState) && isInState(second, otherState)) return true;
  unlock(first);
  unlock(second);
  return false;
}

/** An NS granule, as a call wants it of a page that the host wrote; not locked: RMM only reads it. */
export function findNonSecure(pa: u64): usize {
  return findInState(pa, GRANULE_NS);
}
