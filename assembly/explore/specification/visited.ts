// The states that were reached, exactly, in memory that all workers of a search share: an array of states, which is the queue of
// the breadth-first search too, and an open-addressing table of who is in it.
//
//   states    16 bytes each: pages, slots                     parents   4 bytes each: where it was reached from
//   table      4 bytes each: tag above, index + 1 below; 0 = free. A tag that fits is only a hint: the state itself is compared.
//
// A worker writes a state where no other writes, in a block of its own, and then enters it with a compare-and-swap: who is second
// finds the other's entry and compares. The table is at the end of the heap and grows in place by half, while all workers
// wait. It is rebuilt from the states, so there are never two.

import { heapLeft, heapTop, reserve, setHeapTop } from "../../memory/heap";

const STATE_SIZE: u32 = 16;
/** One of three entries is in use at most: a longer table costs less than looks at an entry's neighbours. */
const ENTRIES_PER_STATE: u32 = 3;
/** States that a worker takes room for at once. */
export const BLOCK: u32 = 64;
/** The parent of what no state was written to: the rest of a block, when a depth has ended. */
export const NO_STATE: u32 = 0xffff_ffff;
/** What workers write is not beside what others use: a core has a whole line, or none of it. */
export const CACHE_LINE: u32 = 64;
/** Blocks that end early: one for each worker and depth. */
const ENDED_BLOCKS: u32 = 64;

let states: usize = 0;
let parents: usize = 0;
let table: usize = 0;
let capacity: u32 = 0;
/** There is memory for so many, blocks that end early included. */
let room: u32 = 0;
/** The bits of an entry that are its tag. */
let tagMask: u32 = 0;
/** Shared: u32 states for which room was taken. */
let taken: usize = 0;
/** Blocks that a worker has room to note. */
let mostBlocks: u32 = 0;
/** Shared, per worker: u32 first state, of each block that it took. */
let blocks: usize = 0;
/** This worker's part of them, and how many that are. */
let ownBlocks: usize = 0;
let blockCount: u32 = 0;
/** What is left of this worker's block: [nextIndex, blockEnd). */
let nextIndex: u32 = 0;
let blockEnd: u32 = 0;
/** Exported, so that the compiler keeps the loads that touch. */
export let touched: u64 = 0;

/**
 * Room for `maximum` states and a bit more, which costs nothing until they come. The table is made for `expected` states: entering
 * them again as it grows is dear. False if there is no memory.
 */
export function createVisited(maximum: u32, expected: u32, worker: u32, workers: u32): bool {
  room = maximum + workers * ENDED_BLOCKS * BLOCK;
  if ((room as u64) * (STATE_SIZE + 4) > (heapLeft() as u64)) return false;
  taken = reserveLines(1);
  mostBlocks = room / BLOCK + 1;
  blocks = reserve(workers * mostBlocks * 4);
  ownBlocks = blocks + worker * mostBlocks * 4;
  states = reserve(room * STATE_SIZE);
  parents = reserve(room * 4);
  setCapacity((min(expected, maximum) + workers * ENDED_BLOCKS * BLOCK) * ENTRIES_PER_STATE);
  table = reserve((capacity as usize) * 4);
  return taken != 0 && blocks != 0 && states != 0 && parents != 0 && table != 0;
}

/** `count` cache lines, and nothing else in them. 0 if there is no memory. */
export function reserveLines(count: u32): usize {
  const aligned = (heapTop() + CACHE_LINE - 1) & ~((CACHE_LINE - 1) as usize);
  setHeapTop(aligned);
  return reserve(count * CACHE_LINE);
}

/** An index + 1 has as many bits as the states need that can be entered; the rest is the tag. */
function setCapacity(entries: u32): void {
  capacity = entries;
  tagMask = ((-1 as i32) << (32 - clz(entries / ENTRIES_PER_STATE))) as u32;
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

/** How many states room was taken for, by all workers. */
export function takenRoom(): u32 {
  return atomic.load<u32>(taken);
}

/** Bytes in use: states, parents and the whole table. */
export function visitedBytes(): f64 {
  return (takenRoom() as f64) * 20 + (capacity as f64) * 4;
}

/** Above, the home in the table; below, the tag. */
export function hashOf(pages: u64, slots: u64): u64 {
  let hash = (pages ^ ((slots << 29) | (slots >> 35))) * 0x9e37_79b9_7f4a_7c15;
  hash = (hash ^ (hash >> 32) ^ slots) * 0xd6e8_feb8_6659_fd93;
  hash = (hash ^ (hash >> 29)) * 0xbf58_476d_1ce4_e5b9;
  return hash ^ (hash >> 32);
}

/** Where a hash is at home: it is scaled, not masked, so that the capacity need not be a power of two. */
function homeOf(hash: u64): usize {
  return table + ((((hash >> 32) * (capacity as u64)) >> 32) as usize) * 4;
}

/**
 * Brings the homes of hashes that are `stride` bytes apart into the cache: loads that nothing waits for, since Wasm has no prefetch.
 * The loop has nothing else in it, so that many of them are under way at once.
 */
export function touchHomes(from: usize, to: usize, stride: u32): void {
  let sum: u64 = 0;
  for (let at = from; at < to; at += stride) sum += load<u32>(homeOf(load<u64>(at)));
  touched = sum;
}

/** Whether the memory has room for `more` states. */
export function hasRoom(more: u32): bool {
  return takenRoom() + more <= room;
}

/** Whether the table has entries for `more` states. */
export function hasEntries(more: u32): bool {
  return takenRoom() + more <= capacity / ENTRIES_PER_STATE;
}

/** Makes the table larger. All workers do, so that they have it at the same place; one of them enters the states again. */
export function grow(enters: bool): bool {
  const before = capacity;
  const larger = (before >> 1) * 3;
  if (reserve(((larger - before) as usize) * 4) == 0) return false;
  setCapacity(larger);
  if (!enters) return true;
  memory.fill(table, 0, (before as usize) * 4);
  const end = takenRoom();
  for (let first: u32 = 0; first < end; first += BLOCK) enterAgain(first, first + BLOCK);
  return true;
}

/** Enters states [first, end) in the emptied table, after their homes have been touched. */
function enterAgain(first: u32, end: u32): void {
  let sum: u64 = 0;
  for (let index = first; index < end; index++) sum += load<u32>(homeOf(hashOf(pagesOf(index), slotsOf(index))));
  touched = sum;
  for (let index = first; index < end; index++) {
    if (parentOf(index) == NO_STATE) continue;
    const hash = hashOf(pagesOf(index), slotsOf(index));
    let entry = homeOf(hash);
    while (load<u32>(entry) != 0) entry = next(entry);
    store<u32>(entry, ((hash as u32) & tagMask) | (index + 1));
  }
}

function next(entry: usize): usize {
  const following = entry + 4;
  return following == table + (capacity as usize) * 4 ? table : following;
}

/** Adds a state unless it is there. Returns its index if it is new, or NO_STATE. There is room: hasRoom() and hasEntries() said so. */
export function add(pages: u64, slots: u64, hash: u64, parent: u32): u32 {
  const tag = (hash as u32) & tagMask;
  let entry = homeOf(hash);
  while (true) {
    let found = atomic.load<u32>(entry);
    if (found == 0) {
      found = enter(entry, tag, pages, slots, parent);
      if (found == 0) return nextIndex++;
    }
    if ((found & tagMask) == tag) {
      const index = (found & ~tagMask) - 1;
      if (pagesOf(index) == pages && slotsOf(index) == slots) return NO_STATE;
    }
    entry = next(entry);
  }
}

/** Writes the state where this worker's next one goes, and enters it. Returns 0, or what another worker entered before. */
function enter(entry: usize, tag: u32, pages: u64, slots: u64, parent: u32): u32 {
  if (nextIndex == blockEnd) {
    nextIndex = atomic.add<u32>(taken, BLOCK);
    blockEnd = nextIndex + BLOCK;
    store<u32>(ownBlocks + blockCount++ * 4, nextIndex);
  }
  const state = states + nextIndex * STATE_SIZE;
  store<u64>(state, pages);
  store<u64>(state, slots, 8);
  store<u32>(parents + (nextIndex as usize) * 4, parent);
  return atomic.cmpxchg<u32>(entry, 0, tag | (nextIndex + 1));
}

/** What is left of the block stays empty: the next state is of another depth. Returns how many blocks this worker took so far. */
export function endBlock(): u32 {
  while (nextIndex < blockEnd) store<u32>(parents + (nextIndex++ as usize) * 4, NO_STATE);
  return blockCount;
}

/** The first state of a block, by the worker who took it and its place among that worker's blocks. */
export function firstOfBlock(worker: u32, block: u32): u32 {
  return load<u32>(blocks + (worker * mostBlocks + block) * 4);
}
