// A search shared out among workers that have no memory in common. All have all states, under the same numbers; what is shared
// out is the work, round by round:
//
//   look     at the states that are new since the last round: whether a rule is broken in them
//   expand   a block of states that were looked at before, next in the queue
//   found    what the others do not know yet is sent to all; each takes in the states that any worker found, in the order in
//            which one worker alone would have found them
//
// So numbers, ways and findings are those of one worker. Where operations are known by decision trees (decisions.ts), each worker has
// operations and pieces of its own, in all states, and so makes their trees alone. Where each is carried out in each state, each
// worker has its part of the block's states, next to each other, so that its machine goes short ways.
//
// Numbers of parts are each worker's own: before a worker sends rows it sends the parts that are new since it last did, from
// which the others make a table of their own numbers. Rows are sent as they are kept (visited.ts), in the sender's numbers.

import { DOMAIN_MAX_OPERATIONS, MAX_SHARES, SHARE_FOUND, SHARE_WINDOW } from "../abi/explore";
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
  hashOfRow,
  isNew,
  isSame,
  isVisited,
  NO_STATE,
  setBroken,
  stateBytes,
  states,
  visit,
  writeState,
  writtenOperation,
  writtenParent,
} from "./visited";

/** Bit of a row's operation: it was carried out, not known. */
export const CARRIED_OUT: u32 = 0x4000;

/** Numbers that a worker can give. */
const NUMBERS_OF_KIND: u32 = MAX_NUMBER + 1;
const NUMBERS: usize = (NUMBERS_OF_KIND as usize) * KINDS;
const ROW_BYTES: usize = 256;
/** Room for what is found in a round: that of one state's operations besides. */
const FOUND_ROWS: u32 = (SHARE_FOUND + DOMAIN_MAX_OPERATIONS) as u32;
/** In `foundIndex`: number of a row + 1, below the round. Twice as many slots as there can be rows. */
const NUMBER_BITS: u32 = 20;
const FOUND_SLOTS: u32 = (SHARE_FOUND << 1) as u32;
const LAST_ROUND: u32 = 0xfff;
/** In `finders`: besides the worker, that its operation was carried out. */
const BY_MACHINE: u32 = 0x80;

let worker: u32 = 0;
let workers: u32 = 1;
/** False: a search of one's own, and nothing here is asked again. */
export let isShared: bool = false;
/** Whether operations are shared out, and not states. */
let isByOperation: bool = false;

/** States in a block. */
let blockSize: u32 = 0;
/** The block; where this worker is in it, and where its part ends. */
let blockEnd: u32 = 0;
let next: u32 = 0;
let partEnd: u32 = 0;
/** New states; where this worker is in them. States below `firstNew` were looked at by all. */
let firstNew: u32 = 0;
let unlooked: u32 = 0;
let endOfNew: u32 = 0;

let finders: usize = 0; // u8 per new state: the worker who found it | BY_MACHINE
let broken: usize = 0; // u32 per state in which this worker found a rule broken, of this round
let brokenCount: u32 = 0;

let kinds: usize = 0; // u32 per position of a row: kind, times the numbers of a kind
let sent: usize = 0; // parts up to here were sent
// Per worker.
let translations: usize = 0; // u16 per number and kind
let found: usize = 0; // what it found in this round
let foundBytes: usize = 0;
let counts: usize = 0; // u32: how many that are
let cursors: usize = 0; // u32: how many of them were taken in
let foundIndex: usize = 0; // u32 per slot: round << NUMBER_BITS | number + 1; of another round: none. Open addressing
let foundCount: u32 = 0;
let round: u32 = 0;
/** Where parts and numbers of broken states that others sent are put, SHARE_WINDOW bytes. */
let window: usize = 0;

/** There was no room for a state or a part that another worker sent. */
export let isShareFull: bool = false;

/** Room for the share of worker `me` of `all`; of 0 workers: nothing is shared. False if linear memory is used up. */
export function reserveShare(me: u32, all: u32): bool {
  worker = me;
  workers = all;
  isShared = all > 0;
  if (!isShared) return true;
  if (me >= all || all > (MAX_SHARES as u32)) return false;
  foundBytes = (FOUND_ROWS as usize) * (stateBytes() as usize);
  finders = reserve((all as usize) * (FOUND_ROWS as usize));
  broken = reserve((all as usize) * (FOUND_ROWS as usize) * 4);
  kinds = reserve(ROW_BYTES << 1);
  translations = reserve((all as usize) * (NUMBERS << 1));
  counts = reserve((all as usize) << 2);
  cursors = reserve((all as usize) << 2);
  window = reserve(SHARE_WINDOW);
  found = reserve((all as usize) * foundBytes);
  foundIndex = reserve((FOUND_SLOTS as usize) << 2);
  return finders != 0 && broken != 0 && kinds != 0 && translations != 0 && foundIndex != 0;
}

/** All workers know the first state of the search, and looked at it. */
export function beginShare(byOperation: bool, operations: u32): void {
  isByOperation = byOperation;
  blockSize = max(1, (SHARE_FOUND as u32) / max(1, operations));
  for (let i: u32 = 0; i < partsOfState(); i++) {
    store<u32>(kinds + ((i as usize) << 2), kindAt(i) * NUMBERS_OF_KIND);
  }
  sent = firstPart();
  blockEnd = 0;
  firstNew = states;
  endOfNew = states;
  round = 0;
  isShareFull = false;
}

// A round

/** Goes on to the next round; with `lookOnly` no block is begun. */
export function beginRound(lookOnly: bool): void {
  const from = blockEnd;
  if (!lookOnly) blockEnd = min(firstNew, from + blockSize);
  const count: u64 = blockEnd - from;
  next = isByOperation ? from : ((from + (count * worker) / workers) as u32);
  partEnd = isByOperation ? blockEnd : ((from + (count * (worker + 1)) / workers) as u32);
  unlooked = firstNew;
  endOfNew = states;
  brokenCount = 0;
  foundCount = 0;
  if (round++ == LAST_ROUND) {
    memory.fill(foundIndex, 0, (FOUND_SLOTS as usize) << 2);
    round = 1;
  }
}

/** States whose operations were all tried, once the round is over. */
export function statesExpanded(): u32 {
  return blockEnd;
}

/** The next state that is to be looked at, or NO_STATE. */
export function nextToLookAt(): u32 {
  return unlooked < endOfNew ? unlooked++ : NO_STATE;
}

/** The next state of the block that this worker has something to try in, or NO_STATE. */
export function nextToExpand(): u32 {
  return next < partEnd ? next++ : NO_STATE;
}

/** Whether this worker tries an operation in the states of its part of the block. */
export function isOurOperation(index: u32): bool {
  return !isShared || !isByOperation || index % workers == worker;
}

/** Whether this worker looks at a piece of new states. */
export function isOurPiece(piece: u32): bool {
  return !isShared || piece % workers == worker;
}

/**
 * Whether this worker is to look at the whole of a new state: it found it, and by carrying an operation out. It looks later, when
 * it is known that no other came there first.
 */
export function isOursToLookAt(state: u32): bool {
  return load<u8>(finders + ((state - firstNew) as usize)) == ((worker | BY_MACHINE) as u8);
}

/** A rule is broken in a new state. */
export function noteBroken(state: u32): void {
  store<u32>(broken + ((brokenCount++ as usize) << 2), state);
}

export function brokenStates(): usize {
  return broken;
}

export function brokenStatesCount(): u32 {
  return brokenCount;
}

/** Another worker found a rule broken in `count` states, whose numbers are in the window. */
export function takeBroken(count: u32): void {
  for (let i: u32 = 0; i < count; i++) setBroken(load<u32>(window + ((i as usize) << 2)));
}

export function shareWindow(): usize {
  return window;
}

// What was found

/** A step led to a state: it is kept unless it is known. */
export function noteFound(parts: usize, parent: u32, operation: u32): void {
  if (isVisited(parts)) return;
  let slot = hashOfRow as u32;
  for (;;) {
    const entry = load<u32>(foundSlot(slot));
    if (entry >> NUMBER_BITS != round) break;
    if (isSame(rowFoundBy(worker, (entry & ((1 << NUMBER_BITS) - 1)) - 1), parts)) return;
    slot++;
  }
  writeState(rowFoundBy(worker, foundCount), parts, parent, operation);
  store<u32>(foundSlot(slot), (round << NUMBER_BITS) | ++foundCount);
}

function foundSlot(slot: u32): usize {
  return foundIndex + (((slot & (FOUND_SLOTS - 1)) as usize) << 2);
}

/** Returns how many states this worker found in the round. */
export function endRound(): u32 {
  setFound(worker, foundCount);
  return foundCount;
}

/** Where what a worker found in the round is put, in the order of parents and operations. */
export function foundBy(peer: u32): usize {
  return found + (peer as usize) * foundBytes;
}

/** How many rows that are. */
function setFound(peer: u32, count: u32): void {
  store<u32>(counts + ((peer as usize) << 2), count);
}

/** Another worker found `count` states, which are in their place: the rows become such of this worker's numbers. */
export function receiveFound(peer: u32, count: u32): void {
  for (let i: u32 = 0; i < count; i++) translate(peer, rowFoundBy(peer, i));
  setFound(peer, count);
}

/** Takes in what all found, as one worker would have found it. */
export function takeFound(): void {
  firstNew = endOfNew;
  for (let peer: u32 = 0; peer < workers; peer++) store<u32>(cursors + ((peer as usize) << 2), 0);
  for (let peer = first(); peer != workers; peer = first()) {
    const cursor = cursors + ((peer as usize) << 2);
    const at = rowFoundBy(peer, load<u32>(cursor));
    store<u32>(cursor, load<u32>(cursor) + 1);
    if (!takeIn(peer, at)) return;
  }
}

function rowFoundBy(peer: u32, number: u32): usize {
  return foundBy(peer) + (number as usize) * (stateBytes() as usize);
}

/** The worker whose next row comes first; `workers` if there is none. */
function first(): u32 {
  let best = workers;
  let bestKey: u64 = u64.MAX_VALUE;
  for (let peer: u32 = 0; peer < workers; peer++) {
    const cursor = load<u32>(cursors + ((peer as usize) << 2));
    if (cursor == load<u32>(counts + ((peer as usize) << 2))) continue;
    const at = rowFoundBy(peer, cursor);
    const key = ((writtenParent(at) as u64) << 16) | ((writtenOperation(at) & ~CARRIED_OUT) as u64);
    if (key >= bestKey) continue;
    best = peer;
    bestKey = key;
  }
  return best;
}

function takeIn(peer: u32, at: usize): bool {
  const operation = writtenOperation(at);
  const state = visit(at, writtenParent(at), operation & ~CARRIED_OUT);
  if (state == NO_STATE) {
    isShareFull = true;
    return false;
  }
  const how = (operation & CARRIED_OUT) != 0 ? BY_MACHINE : 0;
  if (isNew) store<u8>(finders + ((state - firstNew) as usize), (peer | how) as u8);
  return true;
}

// Parts

/** How many bytes of parts, whole ones and at most `most`, are to be sent: they end at `partsSent` from now on. */
export function partsToSend(most: u32): u32 {
  const start = sent;
  while (sent != endOfParts() && partBehind(sent) - start <= (most as usize)) sent = partBehind(sent);
  return (sent - start) as u32;
}

export function partsSent(): usize {
  return sent;
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

/** Turns a row of another worker's numbers into one of this worker's. */
function translate(peer: u32, row: usize): void {
  const count = partsOfState();
  for (let i: u32 = 0; i < count; i++) {
    const at = row + ((i as usize) << 1);
    store<u16>(at, load<u16>(translation(peer, load<u32>(kinds + ((i as usize) << 2)) + (load<u16>(at) as u32))));
  }
}
