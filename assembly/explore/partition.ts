// A search shared out among workers that have no memory in common. Every state has one owner, by its hash, who alone can say
// whether it is new. Whoever discovered a state goes on from it, owner or not, because its machine is one step away: what is
// another's is offered to that one, and comes back if nobody was there before. So each worker has a tree of its own, whose
// states are one undo and one operation apart, and only rows travel.
//
// Numbers of parts are each worker's own. Hashes are made of the parts' words, so that all agree on the owner; and before a
// worker sends rows it sends the parts that are new since it last did, from which the other makes a table of its own numbers.
//
// What workers send each other are states as they are kept (visited.ts), in the sender's numbers:
//
//   offers    rows, parents, operations in the sender's tree; the owner sends back those that were new
//   hand-over a tree: u32 parent is place in this list + 1 (0 = the first state of the search) | role << 30
//
// A role says what a state in this worker's tree is for.

import { DOMAIN_MAX_OPERATIONS, MAX_SHARES, SHARE_OFFERS, SHARE_WINDOW } from "../abi/explore";
import { reserve } from "../memory/heap";
import {
  endOfParts,
  firstPart,
  KINDS,
  MAX_NUMBER,
  NO_NUMBER,
  numberOf,
  partBehind,
  partKind,
  partNumber,
  partWords,
  wordsOf,
} from "./components";
import { kindAt, partsOfState } from "./packed-state";
import {
  append,
  isBroken,
  isNew,
  isVisited,
  NO_STATE,
  operationTo,
  parentOf,
  rowOf,
  stateBytes,
  states,
  visit,
  writeState,
  writtenOperation,
  writtenParent,
} from "./visited";

/** To be expanded here. Whether it is sound was asked when it was found. */
const OURS: u32 = 0;
/** To be expanded here; whether it is sound is not known yet. */
const UNCHECKED: u32 = 1;
/** Known, and another's to expand; or nothing but a part of a way. */
const THEIRS: u32 = 2;

const ROLE_SHIFT: u32 = 30;
const PLACE: u32 = 0x3fff_ffff;
/** Numbers that a worker can give. */
const NUMBERS_OF_KIND: u32 = MAX_NUMBER + 1;
const NUMBERS: usize = (NUMBERS_OF_KIND as usize) * KINDS;
const ROW_BYTES: usize = 256;

let worker: u32 = 0;
let workers: u32 = 1;
/** False: a search of one's own, and nothing here is asked again. */
export let isShared: bool = false;

let roles: usize = 0; // u8 per state
let places: usize = 0; // u32 per state: `serial` when it was last written into a hand-over
let serial: u32 = 0;

let hashes: usize = 0; // u64 per number and kind: the hash of the part's words
let hashed: usize = 0; // parts up to here have one
let kinds: usize = 0; // u32 per position of a row: kind, times the numbers of a kind
let row: usize = 0;
/** Who owns the row that was last asked about. */
let owner: u32 = 0;

// Per peer.
let translations: usize = 0; // u16 per number and kind
let sent: usize = 0; // u32: parts up to here were sent
let offered: usize = 0; // u32: offers in the outbox
let outboxes: usize = 0;
let outboxBytes: usize = 0;
/** What is read from, or written for, other workers. */
let window: usize = 0;

/** States to be expanded here: of the depth that is next, and how many that are. */
let from: u32 = 0;
let until: u32 = 0;
let ahead: u32 = 0;
/** States that this worker discovered first. */
export let discovered: u32 = 0;
/** There was no room for a state or a part that another worker sent. */
export let isShareFull: bool = false;

/**
 * Room for the share of worker `me` of `all`, once there is room for `count` states; of 0 workers: nothing is shared. False if
 * linear memory is used up.
 */
export function reserveShare(me: u32, all: u32, count: u32): bool {
  worker = me;
  workers = all;
  isShared = all > 0;
  if (!isShared) return true;
  if (me >= all || all > (MAX_SHARES as u32)) return false;
  outboxBytes = ((SHARE_OFFERS + DOMAIN_MAX_OPERATIONS) as usize) * (stateBytes() as usize);
  roles = reserve(count as usize);
  places = reserve((count as usize) << 2);
  hashes = reserve(NUMBERS << 3);
  kinds = reserve(ROW_BYTES << 1);
  row = reserve(ROW_BYTES);
  translations = reserve((all as usize) * (NUMBERS << 1));
  sent = reserve((all as usize) << 2);
  offered = reserve((all as usize) << 2);
  window = reserve(SHARE_WINDOW);
  outboxes = reserve((all as usize) * outboxBytes);
  return roles != 0 && places != 0 && hashes != 0 && kinds != 0 && row != 0 && translations != 0 && outboxes != 0;
}

/** All workers know the first state of the search; the first of them expands it. */
export function beginShare(): void {
  hashed = firstPart();
  for (let peer: u32 = 0; peer < workers; peer++) store<u32>(sent + ((peer as usize) << 2), hashed as u32);
  for (let i: u32 = 0; i < partsOfState(); i++) {
    store<u32>(kinds + ((i as usize) << 2), kindAt(i) * NUMBERS_OF_KIND);
  }
  setRole(0, worker == 0 ? OURS : THEIRS);
  from = 0;
  until = 0;
  ahead = worker == 0 ? 1 : 0;
  discovered = ahead;
}

function setRole(state: u32, role: u32): void {
  store<u8>(roles + (state as usize), role as u8);
}

function roleOf(state: u32): u32 {
  return load<u8>(roles + (state as usize));
}

export function isUnchecked(state: u32): bool {
  return isShared && roleOf(state) == UNCHECKED;
}

// Owners

/** Whether this worker can say if a state is new. */
export function owns(row: usize): bool {
  if (!isShared) return true;
  owner = ownerOf(row);
  return owner == worker;
}

function ownerOf(row: usize): u32 {
  hashNewParts();
  let value: u64 = 0;
  for (let i: u32 = 0; i < partsOfState(); i++) {
    const number = load<u16>(row + ((i as usize) << 1)) as u32;
    const part = load<u32>(kinds + ((i as usize) << 2)) + number;
    value = (value ^ load<u64>(hashes + ((part as usize) << 3))) * 0x9e37_79b9_7f4a_7c15;
    value ^= value >> 32;
  }
  return ((value >> 8) as u32) % workers;
}

function hashNewParts(): void {
  for (; hashed != endOfParts(); hashed = partBehind(hashed)) {
    const number = partKind(hashed) * NUMBERS_OF_KIND + partNumber(hashed);
    store<u64>(hashes + ((number as usize) << 3), hashOfWords(wordsOf(hashed), partWords(hashed)));
  }
}

function hashOfWords(words: usize, count: u32): u64 {
  let value: u64 = count as u64;
  for (let i: u32 = 0; i < count; i++) {
    value = (value ^ load<u64>(words + ((i as usize) << 3))) * 0xff51_afd7_ed55_8ccd;
    value ^= value >> 33;
  }
  return value;
}

/** A state that this worker owns was new. */
export function noteDiscovery(): void {
  discovered++;
  ahead++;
}

// Offers

/** Keeps a state for the owner that `owns` found: whether it is new comes back later. */
export function offer(row: usize, parent: u32, operation: u32): void {
  if (isVisited(row)) return;
  const count = offersFor(owner);
  writeState(outbox(owner) + (count as usize) * (stateBytes() as usize), row, parent, operation);
  store<u32>(offered + ((owner as usize) << 2), count + 1);
}

export function outbox(peer: u32): usize {
  return outboxes + (peer as usize) * outboxBytes;
}

export function offersFor(peer: u32): u32 {
  return load<u32>(offered + ((peer as usize) << 2));
}

export function forgetOffers(peer: u32): void {
  store<u32>(offered + ((peer as usize) << 2), 0);
}

/** A state could make more offers than there is room for: one per operation. */
function isOutboxFull(): bool {
  for (let peer: u32 = 0; peer < workers; peer++) {
    if (offersFor(peer) >= (SHARE_OFFERS as u32)) return true;
  }
  return false;
}

/** Where what another worker sent is put, SHARE_WINDOW bytes. */
export function shareWindow(): usize {
  return window;
}

/** Of `count` offers in the window, those that are new are put at its start, to be sent back. Returns how many. */
export function takeOffers(peer: u32, count: u32): u32 {
  const size = stateBytes() as usize;
  let kept: usize = window;
  for (let i: u32 = 0; i < count; i++) {
    const at = window + (i as usize) * size;
    translate(peer, at, row);
    const state = visit(row, 0, 0);
    if (state == NO_STATE) {
      isShareFull = true;
      break;
    }
    if (!isNew) continue;
    setRole(state, THEIRS);
    memory.copy(kept, at, size);
    kept += size;
  }
  return ((kept - window) / size) as u32;
}

/** `count` states in the window were offered by this worker, and new: they are its to expand. */
export function takeBack(count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const at = window + (i as usize) * (stateBytes() as usize);
    const state = visit(at, writtenParent(at), writtenOperation(at));
    if (state == NO_STATE) {
      isShareFull = true;
      return;
    }
    setRole(state, UNCHECKED);
    noteDiscovery();
  }
}

// Parts

/** How many bytes of parts, whole ones and at most `most`, a peer is to be sent: they end at `partsSentTo` from now on. */
export function partsFor(peer: u32, most: u32): u32 {
  const at = sent + ((peer as usize) << 2);
  const start = load<u32>(at) as usize;
  let end = start;
  while (end != endOfParts() && partBehind(end) - start <= (most as usize)) end = partBehind(end);
  store<u32>(at, end as u32);
  return (end - start) as u32;
}

export function partsSentTo(peer: u32): usize {
  return load<u32>(sent + ((peer as usize) << 2)) as usize;
}

/** Takes in the parts of another worker that are in the window. */
export function takeParts(peer: u32, bytes: u32): void {
  for (let part = window; part < window + (bytes as usize); part = partBehind(part)) {
    const number = numberOf(partKind(part), wordsOf(part), partWords(part));
    if (number == NO_NUMBER) {
      isShareFull = true;
      return;
    }
    store<u16>(translation(peer, partKind(part) * NUMBERS_OF_KIND + partNumber(part)), number as u16);
  }
}

function translation(peer: u32, number: u32): usize {
  return translations + ((peer as usize) * NUMBERS + (number as usize)) * 2;
}

/** A row of another worker's in this one's numbers. */
function translate(peer: u32, at: usize, to: usize): void {
  for (let i: u32 = 0; i < partsOfState(); i++) {
    const number = load<u32>(kinds + ((i as usize) << 2)) + (load<u16>(at + ((i as usize) << 1)) as u32);
    store<u16>(to + ((i as usize) << 1), load<u16>(translation(peer, number)));
  }
}

// Depths. All workers have expanded their states of a depth, and have had back what they offered, before any begins the next.

/** States that this worker found for the next depth, hand-overs counted. */
export function statesAhead(): u32 {
  return ahead;
}

/** Goes on to the next depth. */
export function beginDepth(): void {
  from = until;
  until = states;
  ahead = 0;
}

/** The next state to expand; NO_STATE at the end of the depth, or where offers must be sent first (`isDepthDone`). */
export function nextState(): u32 {
  if (isOutboxFull()) return NO_STATE;
  while (from < until) {
    const state = from++;
    if (roleOf(state) != THEIRS) return state;
  }
  return NO_STATE;
}

export function isDepthDone(): bool {
  return from == until;
}

/**
 * Gives away up to `most` states of the next depth: they, and the ways to them, are written to the window as far as it reaches.
 * Returns how many list entries there are; `handedOver` says how many states.
 */
export function handOver(most: u32): u32 {
  const start = serial;
  const room = (SHARE_WINDOW as u32) / stateBytes();
  handedOver = 0;
  for (let state = states; state > until && handedOver < most;) {
    state--;
    if (roleOf(state) == THEIRS || isBroken(state)) continue;
    if (serial - start + missing(state, start) > room) break;
    write(state, start, UNCHECKED);
    setRole(state, THEIRS);
    handedOver++;
  }
  ahead -= handedOver;
  return serial - start;
}

/** States that the last `handOver` gave away. */
export let handedOver: u32 = 0;

function isWritten(state: u32, start: u32): bool {
  return state == 0 || load<u32>(places + ((state as usize) << 2)) > start;
}

/** Entries that a state and the way to it still need. */
function missing(state: u32, start: u32): u32 {
  let count: u32 = 0;
  for (let at = state; !isWritten(at, start); at = parentOf(at)) count++;
  return count;
}

/** Writes a state to the list, and first what leads to it. Returns its place, from 1. */
function write(state: u32, start: u32, role: u32): u32 {
  if (state == 0) return 0;
  const known = load<u32>(places + ((state as usize) << 2));
  if (known > start) return known - start;
  const parent = write(parentOf(state), start, THEIRS);
  const at = window + ((serial - start) as usize) * (stateBytes() as usize);
  writeState(at, rowOf(state), parent | (role << ROLE_SHIFT), operationTo(state));
  store<u32>(places + ((state as usize) << 2), ++serial);
  return serial - start;
}

/** Takes the hand-over in the window. Returns how many states are to be expanded. */
export function takeOver(peer: u32, count: u32): u32 {
  const first = states;
  let taken: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const at = window + (i as usize) * (stateBytes() as usize);
    const place = writtenParent(at) & PLACE;
    translate(peer, at, row);
    const state = append(row, place == 0 ? 0 : first + place - 1, writtenOperation(at));
    if (state == NO_STATE) {
      isShareFull = true;
      return taken;
    }
    const role = writtenParent(at) >> ROLE_SHIFT;
    setRole(state, role);
    if (role != THEIRS) taken++;
  }
  ahead += taken;
  return taken;
}
