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
  createVisited,
  endBlock,
  grow,
  hashOf,
  hasEntries,
  hasRoom,
  NO_STATE,
  pagesOf,
  parentOf,
  slotsOf,
  takenRoom,
  touchHomes,
} from "./visited";

/** Successors that are made before any is looked up: their homes in the table are touched together. */
const GROUP: u32 = 128;
const MAX_GROUP: u32 = GROUP + MAX_SUCCESSORS;
/** Linear memory that is a worker's own: more than it needs. */
const OWN_BYTES: u32 = 1 << 15;
/** States of a depth that a worker takes at once. Those found together lead to the same states: it takes many. */
const TAKE: u32 = 16 * BLOCK;

let worker: u32 = 0;
let workers: u32 = 1;
let renames: bool = false;
/** States that are kept at most. */
let limit: u32 = 0;

/** Successors of several states that are to be looked up: [group, groupEnd). */
let group: usize = 0;
let groupEnd: usize = 0;

/** Shared: u32 states kept | u32, u32 states taken to be expanded, of even depths and of odd ones. */
let shared: usize = 0;
const TAKEN: usize = 4;

let depth: u32 = 0;
/** The states of this depth, and those of them that this worker has taken and not expanded yet. */
let depthBegin: u32 = 0;
let depthEnd: u32 = 0;
let expanded: u32 = 0;
let takeEnd: u32 = 0;

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
  if (group == 0 || !prepareSymmetry((flags & SYMMETRIC_GUESTS) != 0)) return false;
  setHeapTop(own + all * OWN_BYTES);
  shared = reserve(TAKEN + 8);
  return shared != 0 && createVisited(maximum, expected, all);
}

/** The state to begin with: its own parent. One worker adds it, before any begins a depth. */
export function addInitial(pageWord: u64, slotWord: u64): void {
  setState(pageWord, slotWord);
  if (renames) canonicalise();
  addAndCheck(pages, slots, hashOf(pages, slots), 0);
  atomic.add<u32>(shared, 1);
  endBlock();
}

/** The room that was taken for states, as this worker sees it: the most that any sees when all have ended a depth ends the next. */
export function foundEnd(): u32 {
  return takenRoom();
}

/** What was found is expanded from now on: all that has an index below `end`. False if that is nothing. */
export function beginDepth(end: u32): bool {
  depth++;
  depthBegin = depthEnd;
  depthEnd = end;
  expanded = 0;
  takeEnd = 0;
  // The other counter is the one of the depth before: nobody looks at it any more, or yet.
  atomic.store<u32>(takenAt(depth + 1), 0);
  return depthBegin != depthEnd;
}

function takenAt(ofDepth: u32): usize {
  return shared + TAKEN + ((ofDepth & 1) << 2);
}

/** Expands states of this depth, `most` or a few more. */
export function expand(most: u32): i32 {
  for (let done: u32 = 0; done < most;) {
    if (expanded == takeEnd && !take()) {
      const ended = drainGroup();
      if (ended == EXPAND_FINISHED) endBlock();
      return ended;
    }
    while (expanded < takeEnd && groupEnd < group + GROUP * SUCCESSOR_SIZE) {
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

/** Takes states of this depth that nobody has taken. False if there are none left. */
function take(): bool {
  const first = depthBegin + atomic.add<u32>(takenAt(depth), TAKE);
  if (first >= depthEnd) return false;
  expanded = first;
  takeEnd = min(first + TAKE, depthEnd);
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
  const before = count;
  touchHomes(group + SUCCESSOR_HASH, groupEnd + SUCCESSOR_HASH, SUCCESSOR_SIZE);
  for (let at = group; at < groupEnd; at += SUCCESSOR_SIZE) {
    addAndCheck(load<u64>(at), load<u64>(at, 8), load<u64>(at, SUCCESSOR_HASH), load<u32>(at, SUCCESSOR_PARENT));
  }
  groupEnd = group;
  const kept = atomic.add<u32>(shared, count - before) + count - before;
  return kept <= limit ? EXPAND_FINISHED : EXPAND_LIMIT;
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
