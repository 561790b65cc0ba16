// What is known of operations by the parts of the state that they look at: a machine that finds the same parts does the same,
// whatever the rest of the state is. So an operation is carried out once for all states that have those parts in common
// (LTSmin caches transitions like this by matrices that the model's author gives; here the reads are watched).
//
// Per subject (an operation, a rule about a piece of the state) a decision tree: a node names a place in the row, its edges the
// numbers that were met there, the leaves outcomes. It is exact without any order of reads being the same: two rows that end
// in one leaf have all parts in common that were looked at when the leaf was made.
//
//   edge     u64: node << 40 | number << 24 | target, 0 = none. Open addressing in a table that is at most half full, and no
//            larger than that: it is looked at for every part of every operation
//   target   a node, or OUTCOME | outcome
//   outcome  UNCHANGED, ..., or where its changes are, in steps of 4 bytes:
//            0 u16 changes | 2 u16 what is counted each time | per change: u16 place | u16 number

import { reserve } from "../memory/heap";
import { depend, dependence, dependences } from "./reads";

/** Nothing is known: nobody was there with these parts. */
export const UNKNOWN: u32 = 0;
/** The operation is not tried; it changes nothing (+ 2 for each of what is counted); the rule holds. Changes have larger numbers. */
export const IMPOSSIBLE: u32 = 1;
export const UNCHANGED: u32 = 2;
export const HOLDS: u32 = 3;
/** The largest number of what is counted each time that an operation is tried. */
const MOST_COUNTED: u32 = 2;

const OUTCOME: u32 = 0x80_0000;
const TARGET: u32 = 0xff_ffff;
const MAX_SUBJECTS: usize = 8192;
const MAX_NODES: u32 = 1 << 20;
const FEWEST_SLOTS: u32 = 1 << 14;
const MOST_SLOTS: u32 = 1 << 21;
const CHANGE_BYTES: usize = 1 << 24;
const FIRST_CHANGES: u32 = UNCHANGED + 2 * MOST_COUNTED + 1;

let roots: usize = 0; // u32 per subject: target, 0 = none
let places: usize = 0; // u8 per node
let nodes: u32 = 0;
let tables: usize = 0; // of edges, each behind the one before and twice its size
let edges: usize = 0; // the last of them
let mask: u32 = 0;
let edgeCount: u32 = 0;
let changes: usize = 0;
let nextChange: u32 = FIRST_CHANGES;
let isAsked: usize = 0; // u8 per place, of one way down

export function reserveDecisions(): bool {
  roots = reserve(MAX_SUBJECTS << 2);
  places = reserve(MAX_NODES);
  tables = reserve((MOST_SLOTS as usize) << 4);
  changes = reserve(CHANGE_BYTES);
  isAsked = reserve(256);
  return roots != 0 && places != 0 && tables != 0 && changes != 0 && isAsked != 0;
}

export function forgetDecisions(): void {
  memory.fill(roots, 0, MAX_SUBJECTS << 2);
  edges = tables;
  mask = FEWEST_SLOTS - 1;
  memory.fill(edges, 0, (FEWEST_SLOTS as usize) << 3);
  nodes = 0;
  edgeCount = 0;
  nextChange = FIRST_CHANGES;
}

/** What is known of `subject` in the state whose parts are at `row`. */
export function outcomeOf(subject: u32, row: usize): u32 {
  let target = load<u32>(rootOf(subject));
  while (target != 0 && (target & OUTCOME) == 0) target = targetOf(target, numberAt(row, placeOf(target)));
  return target & ~OUTCOME;
}

function rootOf(subject: u32): usize {
  return roots + ((subject as usize) << 2);
}

function placeOf(node: u32): u32 {
  return load<u8>(places + (node as usize));
}

function numberAt(row: usize, place: u32): u32 {
  return load<u16>(row + ((place as usize) << 1));
}

function edgeAt(slot: u32): usize {
  return edges + (((slot & mask) as usize) << 3);
}

function slotFor(key: u32): u32 {
  return (key * 0x9e37_79b1) >> 10;
}

function targetOf(node: u32, number: u32): u32 {
  const key = ((node as u64) << 16) | (number as u64);
  let slot = slotFor((key as u32) ^ node);
  let edge = load<u64>(edgeAt(slot));
  while (edge != 0) {
    if (edge >> 24 == key) return (edge as u32) & TARGET;
    edge = load<u64>(edgeAt(++slot));
  }
  return 0;
}

function addEdge(node: u32, number: u32, target: u32): void {
  insert(((((node as u64) << 16) | (number as u64)) << 24) | (target as u64));
  edgeCount++;
}

function insert(edge: u64): void {
  let slot = slotFor(((edge >> 24) as u32) ^ ((edge >> 40) as u32));
  while (load<u64>(edgeAt(slot)) != 0) slot++;
  store<u64>(edgeAt(slot), edge);
}

/** Makes room for `count` edges in all. False if there is none. */
function growTo(count: u32): bool {
  while (count > (mask + 1) >> 1) {
    if (mask + 1 == MOST_SLOTS) return false;
    const old = edges;
    const end = old + (((mask + 1) as usize) << 3);
    edges = end;
    mask = mask * 2 + 1;
    memory.fill(edges, 0, ((mask + 1) as usize) << 3);
    for (let at = old; at != end; at += 8) {
      if (load<u64>(at) != 0) insert(load<u64>(at));
    }
  }
  return true;
}

/** Notes an outcome for all rows that have the parts in common with `row` that were looked at since `watch`. */
export function learn(subject: u32, row: usize, outcome: u32): void {
  if (nodes + dependences + 1 >= MAX_NODES || !growTo(edgeCount + dependences + 1)) return;
  memory.fill(isAsked, 0, 256);
  let node: u32 = 0;
  let target = load<u32>(rootOf(subject));
  while (target != 0) {
    node = target;
    const place = placeOf(node);
    store<u8>(isAsked + (place as usize), 1);
    target = targetOf(node, numberAt(row, place));
  }
  for (let i: u32 = 0; i < dependences; i++) {
    const place = dependence(i);
    if (load<u8>(isAsked + (place as usize)) != 0) continue;
    store<u8>(places + (++nodes as usize), place as u8);
    connect(subject, node, row, nodes);
    node = nodes;
  }
  connect(subject, node, row, outcome | OUTCOME);
}

function connect(subject: u32, node: u32, row: usize, target: u32): void {
  if (node == 0) store<u32>(rootOf(subject), target);
  else addEdge(node, numberAt(row, placeOf(node)), target);
}

/** The outcome of an operation that changes nothing, with what is counted each time. */
export function unchanged(counted: u32): u32 {
  return UNCHANGED + 2 * counted;
}

/** Whether an operation that is tried changes nothing. */
export function isUnchanged(outcome: u32): bool {
  return outcome < FIRST_CHANGES;
}

/** What is counted each time that the operation is tried. */
export function countedWith(outcome: u32): u32 {
  if (outcome < FIRST_CHANGES) return (outcome - UNCHANGED) >> 1;
  return load<u16>(changes + ((outcome as usize) << 2), 2);
}

/** The outcome that turns `before` into `after`, of `count` numbers each; UNKNOWN if there is no room for it. What changes counts. */
export function changesBetween(before: usize, after: usize, count: u32, counted: u32): u32 {
  const outcome = nextChange;
  let at = changes + ((outcome as usize) << 2);
  if (at + (((count + 1) as usize) << 2) > changes + CHANGE_BYTES) return UNKNOWN;
  let length: u32 = 0;
  for (let place: u32 = 0; place < count; place++) {
    const number = numberAt(after, place);
    if (number == numberAt(before, place)) continue;
    depend(place);
    length++;
    at += 4;
    store<u16>(at, place as u16);
    store<u16>(at, number as u16, 2);
  }
  store<u32>(changes + ((outcome as usize) << 2), length | (counted << 16));
  nextChange += length + 1;
  return outcome;
}

/** Makes the changes of an outcome to `row`. */
export function applyChanges(outcome: u32, row: usize): void {
  let at = changes + ((outcome as usize) << 2);
  const end = at + ((load<u16>(at) as usize) << 2);
  while (at != end) {
    at += 4;
    store<u16>(row + ((load<u16>(at) as usize) << 1), load<u16>(at, 2));
  }
}
