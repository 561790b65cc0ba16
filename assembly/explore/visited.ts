// The states that were visited: rows in the order in which they were found, which is the queue of a breadth-first search, and
// an exact index over them, which grows with them. A row also says how its state was reached, for counterexamples.
//
// Where states are taken together that differ in the names of pages alone (symmetry.ts), the index goes by their smallest row.
//
//   row: u16 per part | u16 operation | u32 number of the state it was applied to (padded to 4)

import { reserve } from "../memory/heap";
import { isRenamingFull } from "./renaming";
import { alike, isSymmetric, smallestRow } from "./symmetry";

/** What `visit` answers where there is no room for another state. */
export const NO_STATE: u32 = 0xffff_ffff;

/** Bit of the operation's field. */
const BROKEN: u32 = 0x8000;
const FEWEST_SLOTS: u32 = 1 << 18;

let rows: usize = 0;
let rowBytes: usize = 0;
let partBytes: usize = 0;
let capacity: u32 = 0;
/** States visited. */
export let states: u32 = 0;
/** States that they stand for. */
export let statesInAll: u64 = 0;
/** Whether the last `visit` was the first of its state. */
export let isNew: bool = false;

// u64 per slot: hash << 32 | number + 1, 0 = none. Open addressing; at most half full while it can grow.
let index: usize = 0;
let mask: u32 = 0;
let mostSlots: u32 = 0;

let smallest: usize = 0;
let otherSmallest: usize = 0;

/** Room for `count` states of `parts` parts: memory that is not written yet is only an address. False if there are too few. */
export function reserveStates(count: u32, parts: u32): bool {
  layOut(parts);
  capacity = count;
  if ((count as u64) * (rowBytes as u64) > (u32.MAX_VALUE as u64)) return false;
  rows = reserve((count as usize) * rowBytes);
  mostSlots = max<u32>(FEWEST_SLOTS, 1 << (32 - clz<u32>(count + (count >> 2))));
  index = reserve((mostSlots as usize) << 3);
  smallest = reserve(rowBytes);
  otherSmallest = reserve(rowBytes);
  return rows != 0 && index != 0 && otherSmallest != 0;
}

function layOut(parts: u32): void {
  partBytes = (parts as usize) << 1;
  rowBytes = ((partBytes + 2 + 3) & ~3) + 4;
}

export function forgetStates(): void {
  states = 0;
  statesInAll = 0;
  clearIndex(FEWEST_SLOTS);
}

function clearIndex(slots: u32): void {
  mask = slots - 1;
  memory.fill(index, 0, (slots as usize) << 3);
}

/** Bytes that a state takes, its share of the index left out. */
export function stateBytes(): u32 {
  return rowBytes as u32;
}

export function rowOf(state: u32): usize {
  return rows + (state as usize) * rowBytes;
}

/** The state that led to this one, and by which operation. The first state is its own parent. */
export function parentOf(state: u32): u32 {
  return writtenParent(rowOf(state));
}

export function operationTo(state: u32): u32 {
  return writtenOperation(rowOf(state));
}

/** A rule is broken in this state: what follows from it says nothing. */
export function setBroken(state: u32): void {
  const at = rowOf(state) + partBytes;
  store<u16>(at, load<u16>(at) | (BROKEN as u16));
}

export function isBroken(state: u32): bool {
  return (load<u16>(rowOf(state) + partBytes) & BROKEN) != 0;
}

/** Whether a state's parts are those at `row`. */
export function isState(state: u32, row: usize): bool {
  return isSame(rowOf(state), row);
}

/** The number of the state whose parts are at `row`; adds it if it is new (`isNew`). NO_STATE if there is no room. */
export function visit(row: usize, parent: u32, operation: u32): u32 {
  const key = keyOf(row);
  const standsFor = alike;
  if (isRenamingFull) return NO_STATE;
  const tag = hash(key);
  const at = find(row, key, tag);
  const entry = load<u64>(at);
  isNew = entry == 0;
  if (!isNew) return (entry as u32) - 1;
  statesInAll += isSymmetric ? standsFor : 1;
  return add(at, tag, row, parent, operation);
}

/** Whether it was visited; `hashOfRow` is its hash from then on. */
export function isVisited(row: usize): bool {
  const key = keyOf(row);
  hashOfRow = hash(key);
  return load<u64>(find(row, key, hashOfRow)) != 0;
}

export let hashOfRow: u64 = 0;

/** How many states a row stands for. */
export function statesLike(row: usize): u32 {
  if (!isSymmetric) return 1;
  smallestRow(row, otherSmallest);
  return alike;
}

// What the index goes by.
function keyOf(row: usize): usize {
  if (!isSymmetric) return row;
  smallestRow(row, smallest);
  return smallest;
}

// The slot of the index that names the state, or the empty one where it would be.
function find(row: usize, key: usize, tag: u64): usize {
  let slot = tag as u32;
  let entry = load<u64>(entryOf(slot));
  while (entry != 0) {
    if (entry >> 32 == tag >> 32 && isLike((entry as u32) - 1, row, key)) break;
    entry = load<u64>(entryOf(++slot));
  }
  return entryOf(slot);
}

function isLike(state: u32, row: usize, key: usize): bool {
  if (isSame(rowOf(state), row)) return true;
  if (!isSymmetric) return false;
  smallestRow(rowOf(state), otherSmallest);
  return isSame(otherSmallest, key);
}

function entryOf(slot: u32): usize {
  return index + (((slot & mask) as usize) << 3);
}

function add(at: usize, tag: u64, row: usize, parent: u32, operation: u32): u32 {
  if (states == capacity) return NO_STATE;
  const state = states++;
  writeState(rowOf(state), row, parent, operation);
  if (states > (mask + 1) >> 1 && mask + 1 < mostSlots) indexAgain((mask + 1) << 1);
  else store<u64>(at, entryFor(tag, state));
  return state;
}

function entryFor(tag: u64, state: u32): u64 {
  return ((tag >> 32) << 32) | ((state + 1) as u64);
}

function indexAgain(slots: u32): void {
  clearIndex(slots);
  for (let state: u32 = 0; state < states; state++) {
    const tag = hash(keyOf(rowOf(state)));
    let slot = tag as u32;
    while (load<u64>(entryOf(slot)) != 0) slot++;
    store<u64>(entryOf(slot), entryFor(tag, state));
  }
}

/** Writes a state as it is kept, `stateBytes` long. */
export function writeState(to: usize, row: usize, parent: u32, operation: u32): void {
  memory.copy(to, row, partBytes);
  store<u16>(to + partBytes, operation as u16);
  store<u32>(to + rowBytes - 4, parent);
}

/** Of a state as it is kept, `stateBytes` long. */
export function writtenParent(at: usize): u32 {
  return load<u32>(at + rowBytes - 4);
}

export function writtenOperation(at: usize): u32 {
  return load<u16>(at + partBytes) & ~BROKEN;
}

// Numbers four at a time, then those that are left.
function hash(row: usize): u64 {
  let value: u64 = 0x9e37_79b9_7f4a_7c15;
  let offset: usize = 0;
  for (; offset + 8 <= partBytes; offset += 8) value = mix(value, load<u64>(row + offset));
  for (; offset < partBytes; offset += 2) value = mix(value, load<u16>(row + offset));
  return value;
}

function mix(value: u64, word: u64): u64 {
  const mixed = (value ^ word) * 0xff51_afd7_ed55_8ccd;
  return mixed ^ (mixed >> 32);
}

/** Whether two rows have the same parts. */
export function isSame(one: usize, other: usize): bool {
  let offset: usize = 0;
  for (; offset + 8 <= partBytes; offset += 8) {
    if (load<u64>(one + offset) != load<u64>(other + offset)) return false;
  }
  for (; offset < partBytes; offset += 2) {
    if (load<u16>(one + offset) != load<u16>(other + offset)) return false;
  }
  return true;
}
