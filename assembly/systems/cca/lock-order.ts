// Which granule was locked while which other was held, by the call at hand: two calls that are possible in one state and take
// two locks in opposite order are a deadlock of two CPUs.
//
// It lies in linear memory above the state and is no part of it: 0 u32 held | 4 u32 pairs | held granules, u32 each | pairs,
// u32 held | u32 taken

import { reserve } from "../../memory/heap";

/** A realm descriptor, a REC with its auxiliary granules, tables: more are never held. */
const MAX_HELD: u32 = 32;
const MAX_PAIRS: u32 = 128;
const HELD: usize = 8;
const PAIRS: usize = HELD + (MAX_HELD as usize) * 4;
const BYTES: usize = PAIRS + (MAX_PAIRS as usize) * 8;

let order: usize = 0;

export function reserveLockOrder(): bool {
  order = reserve(BYTES);
  return order != 0;
}

export function lockOrderAddress(): usize {
  return order;
}

export function lockOrderBytes(): usize {
  return BYTES;
}

/** A call begins. */
export function beginLocks(): void {
  store<u64>(order, 0);
}

export function noteLocked(granule: usize): void {
  const held = load<u32>(order);
  for (let i: u32 = 0; i < held; i++) addPair(load<u32>(order + HELD + ((i as usize) << 2)), granule as u32);
  if (held == MAX_HELD) return;
  store<u32>(order + HELD + ((held as usize) << 2), granule as u32);
  store<u32>(order, held + 1);
}

export function noteUnlocked(granule: usize): void {
  const held = load<u32>(order);
  let kept: u32 = 0;
  for (let i: u32 = 0; i < held; i++) {
    const each = load<u32>(order + HELD + ((i as usize) << 2));
    if (each != (granule as u32)) store<u32>(order + HELD + ((kept++ as usize) << 2), each);
  }
  store<u32>(order, kept);
}

function addPair(held: u32, taken: u32): void {
  const pairs = load<u32>(order, 4);
  if (pairs == MAX_PAIRS) return;
  const at = order + PAIRS + ((pairs as usize) << 3);
  store<u32>(at, held);
  store<u32>(at, taken, 4);
  store<u32>(order, pairs + 1, 4);
}

/** Granules that the last call left locked, and the first of them. */
export function locksLeft(): u32 {
  return load<u32>(order);
}

export function firstLeft(): usize {
  return load<u32>(order + HELD) as usize;
}

/** Pairs of the last call. */
export function lockPairs(): u32 {
  return load<u32>(order, 4);
}

/** Granule held in pair `index`, and the one that was taken while it was. */
export function heldOf(index: u32): usize {
  return load<u32>(order + PAIRS + ((index as usize) << 3)) as usize;
}

export function takenOf(index: u32): usize {
  return load<u32>(order + PAIRS + ((index as usize) << 3), 4) as usize;
}
