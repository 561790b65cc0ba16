// One worker's part of the breadth-first search. All workers have the same memory: the states, the table of who is in it, and what
// is still to be expanded. The states of a depth are taken by whoever is free; all workers finish a depth before any begins the
// next, so a state's parent is always one depth above it, and a counterexample is a shortest one.
//
// Every worker is an instance of its own, with variables of its own, and reserves the same memory in the same order: so they
// all find what is shared at the same address.

import {
  EXPAND_FINISHED,
  EXPAND_GROW,
  EXPAND_LIMIT,
  EXPAND_PAUSED,
  HOST_ABANDONS,
  INTACT,
  MAX_WORKERS,
  SYMMETRIC_GUESTS,
  SYMMETRIC_PAGES,
} from "../../abi/specification";
import { heapTop, reserve, setHeapTop } from "../../memory/heap";
import { canonicalise, prepareSymmetry } from "./canonical";
import { brokenRule } from "./invariants";
import { findCall, findPanic } from "./path";
import { pages, setState, slots } from "./state";
import {
  abandons,
  MAX_SUCCESSORS,
  panickingCall,
  setAbandons,
  SUCCESSOR_HASH,
  SUCCESSOR_PARENT,
  SUCCESSOR_SIZE,
  writeSuccessors,
} from "./successors";
import {
  add,
  BLOCK,
  CACHE_LINE,
  createVisited,
  endBlock,
  firstOfBlock,
  grow,
  hashOf,
  hasEntries,
  hasRoom,
  NO_STATE,
  pagesOf,
  parentOf,
  reserveLines,
  slotsOf,
  touchHomes,
} from "./visited";

/** Successors that are made before any is looked up: their homes in the table are touched together. */
const GROUP: u32 = 128;
const MAX_GROUP: u32 = GROUP + MAX_SUCCESSORS;
/** Linear memory that is a worker's own: more than it needs. */
const OWN_BYTES: u32 = 1 << 15;
/** Blocks of a depth that a worker takes at once: few, so that all end a depth together. */
const TAKE: u32 = 4;

let worker: u32 = 0;
let workers: u32 = 1;
let renames: bool = false;
/** States that are kept at most. */
let limit: u32 = 0;

/** Successors of several states that are to be looked up: [group, groupEnd). */
let group: usize = 0;
let groupEnd: usize = 0;

/** Shared: a cache line that begins with u32 states kept, and then one for each worker with what follows. */
let shared: usize = 0;
/** u32 blocks that the worker has filled, at the end of even depths and of odd ones. */
const FILLED: usize = 0;
/** u32 blocks of the worker's that were taken to be expanded, of even depths and of odd ones. */
const TAKEN: usize = 8;
/** Those of `count` that are in the shared count. */
let counted: u32 = 0;

let depth: u32 = 0;
/** u32 per worker, this worker's own: where its blocks of this depth end. */
let ends: usize = 0;
/** The worker whose blocks are taken: first this one, then those who come after it. */
let from: u32 = 0;
let passed: u32 = 0;
/** Blocks that were taken and not begun yet, and the states of one that are not expanded yet. */
let block: u32 = 0;
let blocksEnd: u32 = 0;
let expanded: u32 = 0;
let expandedEnd: u32 = 0;

/** States that this worker found first. */
export let count: u32 = 0;
export let transitions: f64 = 0;
/** The first state that breaks a rule, and the rule. */
export let broken: u32 = 0;
export let brokenBy: i32 = INTACT;
/** The first state in which a call panics EL2, and how many such states there are. */
export let panicking: u32 = 0;
export let panics: u32 = 0;

/**
 * Begins as worker `me` of `all`, which keep at most `maximum` states together; the table is made for `expected` of them and grows if
 * there are more. Once in the life of an instance. False if there is no memory for that.
 */
export function createSearch(me: u32, all: u32, maximum: u32, expected: u32, flags: i32): bool {
  if (all == 0 || all > (MAX_WORKERS as u32) || me >= all) return false;
  worker = me;
  workers = all;
  limit = maximum;
  setAbandons((flags & HOST_ABANDONS) != 0);
  renames = (flags & (SYMMETRIC_PAGES | SYMMETRIC_GUESTS)) != 0;
  const own = heapTop();
  setHeapTop(own + me * OWN_BYTES);
  group = reserve(MAX_GROUP * SUCCESSOR_SIZE);
  groupEnd = group;
  ends = reserve((MAX_WORKERS as u32) * 4);
  if (group == 0 || ends == 0 || !prepareSymmetry((flags & SYMMETRIC_GUESTS) != 0)) return false;
  setHeapTop(own + all * OWN_BYTES);
  shared = reserveLines(1 + all);
  return shared != 0 && createVisited(maximum, expected, me, all);
}

/** The state to begin with: its own parent. One worker adds it, before any begins a depth. */
export function addInitial(pageWord: u64, slotWord: u64): void {
  setState(pageWord, slotWord);
  if (renames) canonicalise();
  addAndCheck(pages, slots, hashOf(pages, slots), 0);
  countKept();
  atomic.store<u32>(lineOf(worker) + FILLED, endBlock());
}

/**
 * What was found is expanded from now on. False if that is nothing. Counts have two places each: a worker that has begun the next
 * depth does not write where one that is about to begin it reads.
 */
export function beginDepth(): bool {
  let found = false;
  for (let peer: u32 = 0; peer < workers; peer++) {
    const end = atomic.load<u32>(lineOf(peer) + FILLED + ofDepth(depth));
    if (end != endOf(peer)) found = true;
    store<u32>(ends + peer * 4, end);
  }
  depth++;
  atomic.store<u32>(lineOf(worker) + TAKEN + ofDepth(depth + 1), endOf(worker));
  from = worker;
  passed = 0;
  return found;
}

function lineOf(peer: u32): usize {
  return shared + (1 + peer) * CACHE_LINE;
}

function ofDepth(number: u32): usize {
  return (number & 1) << 2;
}

function endOf(peer: u32): u32 {
  return load<u32>(ends + peer * 4);
}

/** Expands states of this depth, `most` or a few more. */
export function expand(most: u32): i32 {
  for (let done: u32 = 0; done < most;) {
    if (expanded == expandedEnd && !take()) {
      const ended = drainGroup();
      if (ended != EXPAND_FINISHED) return ended;
      atomic.store<u32>(lineOf(worker) + FILLED + ofDepth(depth), endBlock());
      return countKept() ? EXPAND_FINISHED : EXPAND_LIMIT;
    }
    while (expanded < expandedEnd && groupEnd < group + GROUP * SUCCESSOR_SIZE) {
      expandState(expanded++);
      done++;
    }
    if (groupEnd >= group + GROUP * SUCCESSOR_SIZE) {
      const ended = drainGroup();
      if (ended != EXPAND_FINISHED) return ended;
    }
  }
  return EXPAND_PAUSED;
}

/**
 * Takes a block of this depth that nobody has taken. False if there are none left. A worker begins with those it has filled: states
 * that are found together lead to the same states, and what it found itself is in its cache.
 */
function take(): bool {
  while (block == blocksEnd) {
    if (passed == workers) return false;
    const end = endOf(from);
    block = min(atomic.add<u32>(lineOf(from) + TAKEN + ofDepth(depth), TAKE), end);
    blocksEnd = min(block + TAKE, end);
    if (block != end) break;
    passed++;
    from = from + 1 == workers ? 0 : from + 1;
  }
  expanded = firstOfBlock(from, block++);
  expandedEnd = expanded + BLOCK;
  return true;
}

function expandState(index: u32): void {
  if (parentOf(index) == NO_STATE) return;
  const first = groupEnd;
  groupEnd = writeSuccessors(pagesOf(index), slotsOf(index), index, first);
  transitions += (((groupEnd - first) as u32) / SUCCESSOR_SIZE) as f64;
  if (panickingCall != 0) notePanic(index);
  if (renames) renameSuccessors(first);
  for (let at = first; at < groupEnd; at += SUCCESSOR_SIZE) {
    store<u64>(at, hashOf(load<u64>(at), load<u64>(at, 8)), SUCCESSOR_HASH);
  }
}

function renameSuccessors(first: usize): void {
  for (let at = first; at < groupEnd; at += SUCCESSOR_SIZE) {
    setState(load<u64>(at), load<u64>(at, 8));
    canonicalise();
    store<u64>(at, pages);
    store<u64>(at, slots, 8);
  }
}

function notePanic(index: u32): void {
  if (panics++ == 0) panicking = index;
}

/** Looks all candidates of the group up, and keeps the new ones. EXPAND_FINISHED, or what there is no room in. */
function drainGroup(): i32 {
  const most = workers * (MAX_GROUP + BLOCK);
  if (!hasRoom(most)) return EXPAND_LIMIT;
  if (!hasEntries(most)) return EXPAND_GROW;
  touchHomes(group + SUCCESSOR_HASH, groupEnd + SUCCESSOR_HASH, SUCCESSOR_SIZE);
  for (let at = group; at < groupEnd; at += SUCCESSOR_SIZE) {
    addAndCheck(load<u64>(at), load<u64>(at, 8), load<u64>(at, SUCCESSOR_HASH), load<u32>(at, SUCCESSOR_PARENT));
  }
  groupEnd = group;
  return count - counted < BLOCK || countKept() ? EXPAND_FINISHED : EXPAND_LIMIT;
}

/** Adds what this worker has kept to the shared count: many at once, since each time the line comes from another core. */
function countKept(): bool {
  const more = count - counted;
  counted = count;
  return atomic.add<u32>(shared, more) + more <= limit;
}

function addAndCheck(pageWord: u64, slotWord: u64, hash: u64, parent: u32): void {
  const index = add(pageWord, slotWord, hash, parent);
  if (index == NO_STATE) return;
  count++;
  if (brokenBy != INTACT) return;
  setState(pageWord, slotWord);
  brokenBy = brokenRule(abandons);
  if (brokenBy != INTACT) broken = index;
}

/** Makes the table larger, while no worker expands. The first worker enters the states again. False without room. */
export function growTable(): bool {
  return grow(worker == 0);
}

/** Makes the call that leads from the current state to a stored one. Returns it, or 0. */
export function nextCall(pageWord: u64, slotWord: u64): u32 {
  return findCall(pageWord, slotWord, renames, group);
}

/** A call that panics EL2 in the current state, or 0. */
export function panicHere(): u32 {
  return findPanic(group);
}
