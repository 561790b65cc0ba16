// One worker's share of the breadth-first search: it owns the states whose hash falls to it. Successors that are another's are
// gathered in a batch for that worker; what others found for this one comes in as such batches. All workers finish a depth before
// any begins the next, so a state's parent is always one depth above it, and a counterexample is a shortest one.

import {
  CANDIDATE_PARENT,
  CANDIDATE_SIZE,
  EXPAND_FINISHED,
  EXPAND_LIMIT,
  EXPAND_PAUSED,
  HOST_ABANDONS,
  INTACT,
  MAX_WORKERS,
  OUTBOX_CANDIDATES,
  PARENT_WORKER_SHIFT,
  SYMMETRIC_GUESTS,
  SYMMETRIC_PAGES,
} from "../../abi/specification";
import { reserve } from "../../memory/heap";
import { canonicalise, prepareSymmetry } from "./canonical";
import { brokenRule } from "./invariants";
import { findCall, findPanic } from "./path";
import { pages, setState, slots } from "./state";
import { abandons, MAX_SUCCESSORS, panickingCall, setAbandons, SUCCESSOR_SIZE, writeSuccessors } from "./successors";
import { add, count, createVisited, GROUP, hashOf, makeRoom, pagesOf, slotsOf, touchHomes } from "./visited";

const CANDIDATE: u32 = CANDIDATE_SIZE;
const OUTBOX: u32 = OUTBOX_CANDIDATES;
/** The last states that were found, by hash. Calls that can be swapped lead to the same state soon after: half end here. */
const RECENT: u32 = 8192;

let worker: u32 = 0;
let workers: u32 = 1;
let renames: bool = false;
/** States that this worker keeps at most. */
let limit: u32 = 0;

/** Successors of one state; this worker's candidates with their hashes; a batch for each worker; a batch from another. */
let successors: usize = 0;
let group: usize = 0;
let hashes: usize = 0;
let outboxes: usize = 0;
let outboxCounts: usize = 0;
let inbox: usize = 0;
let recent: usize = 0;
let grouped: u32 = 0;

/** States [expanded, depthEnd) are still to be expanded at this depth. */
let expanded: u32 = 0;
let depthEnd: u32 = 0;

export let transitions: f64 = 0;
/** The first state that breaks a rule, and the rule. */
export let broken: u32 = 0;
export let brokenBy: i32 = INTACT;
/** The first state in which a call panics EL2, and how many such states there are. */
export let panicking: u32 = 0;
export let panics: u32 = 0;

/**
 * Begins as worker `me` of `all`, which keeps at most `maximum` states; the table is made for `expected` of them and grows if there
 * are more. Once in the life of an instance. False if there is no memory for that.
 */
export function createSearch(me: u32, all: u32, maximum: u32, expected: u32, flags: i32): bool {
  if (all == 0 || all > (MAX_WORKERS as u32) || me >= all || maximum >> PARENT_WORKER_SHIFT != 0) return false;
  worker = me;
  workers = all;
  limit = maximum;
  setAbandons((flags & HOST_ABANDONS) != 0);
  renames = (flags & (SYMMETRIC_PAGES | SYMMETRIC_GUESTS)) != 0;
  return prepareSymmetry((flags & SYMMETRIC_GUESTS) != 0) && reserveBuffers() && createVisited(maximum, expected);
}

function reserveBuffers(): bool {
  successors = reserve(MAX_SUCCESSORS * SUCCESSOR_SIZE);
  group = reserve((GROUP + MAX_SUCCESSORS) * CANDIDATE);
  hashes = reserve((GROUP + MAX_SUCCESSORS) * 8);
  outboxCounts = reserve(MAX_WORKERS * 4);
  outboxes = reserve(workers * OUTBOX * CANDIDATE);
  inbox = reserve(OUTBOX * CANDIDATE);
  recent = reserve(RECENT * 16);
  return (
    successors != 0 && group != 0 && hashes != 0 && outboxCounts != 0 && outboxes != 0 && inbox != 0 && recent != 0
  );
}

/** Gives every worker the state to begin with; its owner keeps it. */
export function addInitial(pageWord: u64, slotWord: u64): void {
  setState(pageWord, slotWord);
  if (renames) canonicalise();
  const hash = hashOf(pages, slots);
  if (ownerOf(hash) != worker) return;
  addAndCheck(pages, slots, hash, worker << PARENT_WORKER_SHIFT); // its own parent: index 0 of its owner
}

function ownerOf(hash: u64): u32 {
  return workers == 1 ? 0 : (hash as u32) % workers;
}

/** What was found is expanded from now on. Returns how many states that is. */
export function beginDepth(): u32 {
  expanded = depthEnd;
  depthEnd = count;
  return depthEnd - expanded;
}

/** Expands at most `most` states. Pauses early when a batch for another worker is full. */
export function expand(most: u32): i32 {
  const end = most < depthEnd - expanded ? expanded + most : depthEnd;
  while (expanded < end) {
    if (isOutboxFull()) return drainGroup() ? EXPAND_PAUSED : EXPAND_LIMIT;
    expandState(expanded++);
    if (grouped >= GROUP && !drainGroup()) return EXPAND_LIMIT;
  }
  if (!drainGroup()) return EXPAND_LIMIT;
  return expanded == depthEnd ? EXPAND_FINISHED : EXPAND_PAUSED;
}

function expandState(index: u32): void {
  const parent = (worker << PARENT_WORKER_SHIFT) | index;
  const end = writeSuccessors(pagesOf(index), slotsOf(index), successors);
  transitions += (((end - successors) as u32) / SUCCESSOR_SIZE) as f64;
  if (panickingCall != 0) notePanic(index);
  for (let at = successors; at < end; at += SUCCESSOR_SIZE) {
    if (renames) {
      setState(load<u64>(at), load<u64>(at, 8));
      canonicalise();
      sendToOwner(pages, slots, parent);
    } else {
      sendToOwner(load<u64>(at), load<u64>(at, 8), parent);
    }
  }
}

function notePanic(index: u32): void {
  if (panics++ == 0) panicking = index;
}

function sendToOwner(pageWord: u64, slotWord: u64, parent: u32): void {
  const hash = hashOf(pageWord, slotWord);
  if (isRecent(pageWord, slotWord, hash)) return;
  const owner = ownerOf(hash);
  let at = group + grouped * CANDIDATE;
  if (owner == worker) {
    store<u64>(hashes + grouped * 8, hash);
    grouped++;
  } else {
    const filled = outboxCount(owner);
    at = outbox(owner) + filled * CANDIDATE;
    store<u32>(outboxCounts + owner * 4, filled + 1);
  }
  store<u64>(at, pageWord);
  store<u64>(at, slotWord, 8);
  store<u32>(at, parent, CANDIDATE_PARENT);
}

/** True if the state was sent to its owner not long ago; if not, it is now. */
function isRecent(pageWord: u64, slotWord: u64, hash: u64): bool {
  const at = recent + ((hash as u32) & (RECENT - 1)) * 16;
  if (load<u64>(at) == pageWord && load<u64>(at, 8) == slotWord) return true;
  store<u64>(at, pageWord);
  store<u64>(at, slotWord, 8);
  return false;
}

/** Looks all candidates of the group up, and keeps the new ones. False without room. */
function drainGroup(): bool {
  if (!makeRoom(grouped)) return false;
  touchHomes(hashes, grouped);
  for (let i: u32 = 0; i < grouped; i++) {
    const at = group + i * CANDIDATE;
    addAndCheck(load<u64>(at), load<u64>(at, 8), load<u64>(hashes + i * 8), load<u32>(at, CANDIDATE_PARENT));
  }
  grouped = 0;
  return count <= limit;
}

function addAndCheck(pageWord: u64, slotWord: u64, hash: u64, parent: u32): void {
  if (!add(pageWord, slotWord, hash, parent) || brokenBy != INTACT) return;
  setState(pageWord, slotWord);
  brokenBy = brokenRule(abandons);
  if (brokenBy != INTACT) broken = count - 1;
}

/** Makes the call that leads from the current state to a stored one. Returns it, or 0. */
export function nextCall(pageWord: u64, slotWord: u64): u32 {
  return findCall(pageWord, slotWord, renames, successors);
}

/** A call that panics EL2 in the current state, or 0. */
export function panicHere(): u32 {
  return findPanic(successors);
}

// Batches between workers.

function isOutboxFull(): bool {
  for (let peer: u32 = 0; peer < workers; peer++) {
    if (outboxCount(peer) + MAX_SUCCESSORS > OUTBOX) return true;
  }
  return false;
}

export function outbox(peer: u32): usize {
  return outboxes + peer * OUTBOX * CANDIDATE;
}

export function outboxCount(peer: u32): u32 {
  return load<u32>(outboxCounts + peer * 4);
}

export function clearOutbox(peer: u32): void {
  store<u32>(outboxCounts + peer * 4, 0);
}

/** Where a batch from another worker is put before receive(). */
export function inboxWindow(): usize {
  return inbox;
}

/** Takes in the batch in the inbox. False without room. */
export function receive(candidates: u32): bool {
  for (let first: u32 = 0; first < candidates; first += GROUP) {
    grouped = min(GROUP, candidates - first);
    memory.copy(group, inbox + first * CANDIDATE, grouped * CANDIDATE);
    for (let i: u32 = 0; i < grouped; i++) {
      const at = group + i * CANDIDATE;
      store<u64>(hashes + i * 8, hashOf(load<u64>(at), load<u64>(at, 8)));
    }
    if (!drainGroup()) return false;
  }
  return true;
}
