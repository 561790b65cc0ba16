// The states that were reached, exactly: an array of states in the order of discovery, which is the queue of the breadth-first
// search too, and an open-addressing table of who is in it.
//
//   states    16 bytes each: pages, slots                     parents   4 bytes each: where it was reached from
//   table      8 bytes each: tag << 32 | index + 1; 0 = free. A tag that fits is only a hint: the state itself is compared.
//
// The table is at the end of the heap and grows in place by three quarters. It is rebuilt from the states, so there are never two.

import { reserve } from "../../memory/heap";

const STATE_SIZE: u32 = 16;
const LEAST_CAPACITY: u32 = 1 << 12;
/** Three of four entries are in use at most. */
const FULL: u32 = 4;
/** States that may be added before it is seen that the limit is passed. */
const SLACK: u32 = 1024;
/** States whose homes in the table are touched together: loads that nothing waits for, since Wasm has no prefetch. */
export const GROUP: u32 = 128;

export let count: u32 = 0;
let states: usize = 0;
let parents: usize = 0;
let table: usize = 0;
let capacity: u32 = 0;
/** Exported, so that the compiler keeps the loads that touch. */
export let touched: u64 = 0;

/**
 * Room for `maximum` states and a group more, which costs nothing until they come. The table is made for `expected` states: entering
 * them again as it grows is dear. False if there is no memory.
 */
export function createVisited(maximum: u32, expected: u32): bool {
  states = reserve((maximum + SLACK) * STATE_SIZE);
  parents = reserve((maximum + SLACK) * 4);
  capacity = max(LEAST_CAPACITY, ((min(expected, maximum) + SLACK) / (FULL - 1)) * FULL);
  table = reserve((capacity as usize) * 8);
  return states != 0 && parents != 0 && table != 0;
}

export function pagesOf(index: u32): u64 {
  return load<u64>(states + index * STATE_SIZE);
}

export function slotsOf(index: u32): u64 {
  return load<u64>(states + index * STATE_SIZE, 8);
}

export function parentOf(index: u32): u32 {
  return load<u32>(parents + (index as usize) * 4);
}

/** Bytes in use: states, parents and the whole table. */
export function visitedBytes(): f64 {
  return (count as f64) * 20 + (capacity as f64) * 8;
}

/** Above, the home in the table; below, the tag, whose lowest bits choose the worker. */
export function hashOf(pages: u64, slots: u64): u64 {
  let hash = (pages ^ ((slots << 29) | (slots >> 35))) * 0x9e37_79b9_7f4a_7c15;
  hash = (hash ^ (hash >> 32) ^ slots) * 0xd6e8_feb8_6659_fd93;
  hash = (hash ^ (hash >> 29)) * 0xbf58_476d_1ce4_e5b9;
  return hash ^ (hash >> 32);
}

/** Where a hash is at home: it is scaled, not masked, so that the capacity need not be a power of two. */
export function homeOf(hash: u64): usize {
  return table + ((((hash >> 32) * (capacity as u64)) >> 32) as usize) * 8;
}

/** Brings the homes of `hashes` into the cache, many at a time. */
export function touchHomes(hashes: usize, length: u32): void {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < length; i++) sum += load<u64>(homeOf(load<u64>(hashes + i * 8)));
  touched = sum;
}

/** Makes sure that the table has room for `more` states. False when memory is used up. */
export function makeRoom(more: u32): bool {
  while ((count + more) * (FULL as u64) > (capacity as u64) * (FULL - 1)) {
    if (!grow()) return false;
  }
  return true;
}

function grow(): bool {
  const larger = (capacity >> 2) * 7;
  if (reserve(((larger - capacity) as usize) * 8) == 0) return false;
  memory.fill(table, 0, (capacity as usize) * 8);
  capacity = larger;
  for (let first: u32 = 0; first < count; first += GROUP) enterAgain(first, min(first + GROUP, count));
  return true;
}

/** Enters states [first, end) in the emptied table, after their homes have been touched. */
function enterAgain(first: u32, end: u32): void {
  let sum: u64 = 0;
  for (let index = first; index < end; index++) sum += load<u64>(homeOf(hashOf(pagesOf(index), slotsOf(index))));
  touched = sum;
  for (let index = first; index < end; index++) {
    const hash = hashOf(pagesOf(index), slotsOf(index));
    let entry = homeOf(hash);
    while (load<u64>(entry) != 0) entry = next(entry);
    store<u64>(entry, entryOf(hash, index));
  }
}

function next(entry: usize): usize {
  const following = entry + 8;
  return following == table + (capacity as usize) * 8 ? table : following;
}

function entryOf(hash: u64, index: u32): u64 {
  return (hash << 32) | (index + 1);
}

/** Adds a state unless it is there. True if it is new; then it is the last one. makeRoom() went before. */
export function add(pages: u64, slots: u64, hash: u64, parent: u32): bool {
  let entry = homeOf(hash);
  let found = load<u64>(entry);
  while (found != 0) {
    if ((found ^ (hash << 32)) >> 32 == 0) {
      const index = (found as u32) - 1;
      if (pagesOf(index) == pages && slotsOf(index) == slots) return false;
    }
    entry = next(entry);
    found = load<u64>(entry);
  }
  store<u64>(entry, entryOf(hash, count));
  const state = states + count * STATE_SIZE;
  store<u64>(state, pages);
  store<u64>(state, slots, 8);
  store<u32>(parents + (count as usize) * 4, parent);
  count++;
  return true;
}
