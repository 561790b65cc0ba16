// Range -> value maps (reference gunyah section 2.7; hyp/misc/gpt): mapping records of a sparse extent and the ownership
// database. A 16-way tree over 44 bits of address; a slot holds nothing, one value for all it covers, or a node below.
//
//   slot, 16 bytes:   0 u64 value at the slot's start | 8 u32 kind | 12 u32 node below
//
// Every write first counts the nodes it needs: it is refused before anything changes, so there is nothing to roll back.

import {
  ARGUMENT_INVALID,
  ARGUMENT_SIZE,
  BUSY,
  REASON_BEYOND_LIMIT,
  REASON_EMPTY_RANGE,
  REASON_OTHER_VALUE,
  REASON_OVERLAP,
} from "../../abi/gunyah";
import { allocate, denyMemory, ensure, Heap, release } from "./partition";
import { deny } from "./refusal";

/** Kinds of values. Nothing is kind 0. */
export const NOTHING: u32 = 0;
/** Kinds from here on advance with the address; those below are one value for a whole range. */
export const ADVANCING: u32 = 128;
const NODE: u32 = 255;

/** Addresses end here (exclusive). */
export const GPT_LIMIT: u64 = (1 as u64) << 44;
const ROOT_SHIFT: u64 = 44;
const FANOUT: u64 = 16;
const FANOUT_SHIFT: u64 = 4;

export const SLOT_BYTES: usize = 16;
const NODE_BYTES: usize = 256;

function kindOf(slot: usize): u32 {
  return load<u32>(slot, 8);
}

function nodeOf(slot: usize): usize {
  return load<u32>(slot, 12) as usize;
}

function child(node: usize, index: u64): usize {
  return node + ((index << 4) as usize);
}

function advance(kind: u32, value: u64, offset: u64): u64 {
  return kind >= ADVANCING ? value + offset : value;
}

function setSlot(slot: usize, kind: u32, value: u64, node: usize): void {
  store<u64>(slot, kind == NOTHING ? 0 : value);
  store<u32>(slot, kind, 8);
  store<u32>(slot, node as u32, 12);
}

// What the last find or run ended at: the kind, the value at the address asked for, the end of what is alike (exclusive).
export let foundKind: u32 = 0;
export let foundValue: u64 = 0;
export let foundEnd: u64 = 0;

/** Looks at one address below the limit: one slot. */
function find(root: usize, address: u64): void {
  let slot = root;
  let shift = ROOT_SHIFT;
  while (kindOf(slot) == NODE) {
    shift -= FANOUT_SHIFT;
    slot = child(nodeOf(slot), (address >> shift) & (FANOUT - 1));
  }
  const base = (address >> shift) << shift;
  foundKind = kindOf(slot);
  foundValue = advance(foundKind, load<u64>(slot), address - base);
  foundEnd = base + ((1 as u64) << shift);
}

/** The longest run from `address` on, up to `end` at most, of one kind whose values continue each other. */
export function findRun(root: usize, address: u64, end: u64): void {
  find(root, address);
  const kind = foundKind;
  const value = foundValue;
  let stop = foundEnd;
  while (stop < end) {
    find(root, stop);
    if (foundKind != kind || foundValue != advance(kind, value, stop - address)) break;
    stop = foundEnd;
  }
  foundKind = kind;
  foundValue = value;
  foundEnd = min(stop, end);
}

/** Whether [start, end) holds nothing but values of `kind` that are `value` from its start on, in the bits of `mask`. */
export function rangeIs(root: usize, start: u64, end: u64, kind: u32, value: u64, mask: u64): bool {
  for (let at = start; at < end; at = foundEnd) {
    find(root, at);
    if (foundKind != kind || ((foundValue ^ advance(kind, value, at - start)) & mask) != 0) {
      foundEnd = at;
      return false;
    }
  }
  return true;
}

/** gpt_insert: where nothing is. BUSY on an overlap. */
export function gptInsert(root: usize, heap: Heap, base: u64, size: u64, kind: u32, value: u64): i32 {
  const bad = checkGptRange(base, size);
  if (bad != 0) return bad;
  if (!rangeIs(root, base, base + size, NOTHING, 0, 0)) return deny(BUSY, REASON_OVERLAP, foundEnd, 0, 0);
  return write(root, heap, base, base + size, kind, value);
}

/** gpt_update: where `old` is, all of it. BUSY where it is not. */
export function gptUpdate(root: usize, heap: Heap, base: u64, size: u64, kind: u32, old: u64, value: u64): i32 {
  const bad = checkGptRange(base, size);
  if (bad != 0) return bad;
  if (!rangeIs(root, base, base + size, kind, old, u64.MAX_VALUE)) {
    return deny(BUSY, REASON_OTHER_VALUE, foundEnd, 0, 0);
  }
  return write(root, heap, base, base + size, kind, value);
}

/** gpt_remove: what equals `value` in the bits of `mask`, all of it. BUSY where it does not. */
export function gptRemove(root: usize, heap: Heap, base: u64, size: u64, kind: u32, value: u64, mask: u64): i32 {
  const bad = checkGptRange(base, size);
  if (bad != 0) return bad;
  if (!rangeIs(root, base, base + size, kind, value, mask)) return deny(BUSY, REASON_OTHER_VALUE, foundEnd, 0, 0);
  return write(root, heap, base, base + size, NOTHING, 0);
}

/** ARGUMENT_INVALID for an empty range or one that wraps, ARGUMENT_SIZE for one beyond 44 bits. */
export function checkGptRange(base: u64, size: u64): i32 {
  if (size == 0 || base + size < base) return deny(ARGUMENT_INVALID, REASON_EMPTY_RANGE, base, 0, 0);
  return base + size <= GPT_LIMIT ? 0 : deny(ARGUMENT_SIZE, REASON_BEYOND_LIMIT, base, 0, 0);
}

/** Whether [start, end) can be written: the nodes that takes are there. */
export function canWrite(root: usize, heap: Heap, start: u64, end: u64): bool {
  seek(root, start, end);
  if (isWhole(start, end)) return true;
  const nodes = nodesFor(root, ROOT_SHIFT, 0, start, end);
  return nodes == 0 || ensure(heap, NODE_BYTES, nodes);
}

/** Writes [start, end), whatever is there. NOMEM, with nothing changed, if a node is missing. */
export function write(root: usize, heap: Heap, start: u64, end: u64, kind: u32, value: u64): i32 {
  if (!canWrite(root, heap, start, end)) return denyMemory(heap);
  put(root, heap, start, end, kind, value);
  return 0;
}

/** The same; canWrite was asked. */
export function put(root: usize, heap: Heap, start: u64, end: u64, kind: u32, value: u64): void {
  seek(root, start, end);
  if (isWhole(start, end)) writeWhole(heap, start, end, kind, value);
  else writeSlot(root, heap, ROOT_SHIFT, 0, start, end, kind, value);
}

// The ordinary write is of whole slots of one node, and takes no new one. What the last seek ended at: the slot that holds all of
// the range, the bits it covers, and the slots above it, from the root on.
let holder: usize = 0;
let holderShift: u64 = 0;
let depth: usize = 0;
const path: usize = memory.data(64, 8);

function seek(root: usize, start: u64, end: u64): void {
  let slot = root;
  let shift = ROOT_SHIFT;
  depth = 0;
  while (kindOf(slot) == NODE) {
    const below = shift - FANOUT_SHIFT;
    if ((start ^ (end - 1)) >> below != 0) break;
    store<u32>(path + (depth << 2), slot as u32);
    depth++;
    slot = child(nodeOf(slot), (start >> below) & (FANOUT - 1));
    shift = below;
  }
  holder = slot;
  holderShift = shift;
}

/** Whether the range is the holder itself, or some of the slots below it. */
function isWhole(start: u64, end: u64): bool {
  const shift = kindOf(holder) == NODE ? holderShift - FANOUT_SHIFT : holderShift;
  return ((start | end) & (((1 as u64) << shift) - 1)) == 0;
}

function writeWhole(heap: Heap, start: u64, end: u64, kind: u32, value: u64): void {
  if (kindOf(holder) == NODE) {
    const shift = holderShift - FANOUT_SHIFT;
    const size = (1 as u64) << shift;
    let slot = child(nodeOf(holder), (start >> shift) & (FANOUT - 1));
    for (let at = start; at < end; at += size) {
      freeBelow(slot, heap);
      setSlot(slot, kind, advance(kind, value, at - start), 0);
      slot += SLOT_BYTES;
    }
    if (!mergeSlot(holder, heap, shift)) return;
  } else {
    setSlot(holder, kind, value, 0);
  }
  // A slot that is one value may make its node one value, and so on up.
  let shift = holderShift;
  while (depth > 0 && mergeSlot(load<u32>(path + (--depth << 2)) as usize, heap, shift)) shift += FANOUT_SHIFT;
}

/** Gives all nodes back. */
export function gptClear(root: usize, heap: Heap): void {
  freeBelow(root, heap);
  setSlot(root, NOTHING, 0, 0);
}

export function isGptEmpty(root: usize): bool {
  return kindOf(root) == NOTHING;
}

// Only the slots at both ends of a range are covered in part. `slot` is 0 below a value that is yet to be split.
function nodesFor(slot: usize, shift: u64, base: u64, start: u64, end: u64): u32 {
  if (start <= base && end >= base + ((1 as u64) << shift)) return 0;
  const below = shift - FANOUT_SHIFT;
  const from = (max(start, base) - base) >> below;
  const to = (min(end, base + ((1 as u64) << shift)) - 1 - base) >> below;
  const node = slot != 0 && kindOf(slot) == NODE ? nodeOf(slot) : 0;
  let nodes: u32 = node == 0 ? 1 : 0;
  nodes += nodesFor(node == 0 ? 0 : child(node, from), below, base + (from << below), start, end);
  if (to != from) nodes += nodesFor(node == 0 ? 0 : child(node, to), below, base + (to << below), start, end);
  return nodes;
}

function writeSlot(slot: usize, heap: Heap, shift: u64, base: u64, start: u64, end: u64, kind: u32, value: u64): void {
  const last = base + ((1 as u64) << shift);
  if (start <= base && end >= last) {
    freeBelow(slot, heap);
    setSlot(slot, kind, advance(kind, value, base - start), 0);
    return;
  }
  const below = shift - FANOUT_SHIFT;
  if (kindOf(slot) != NODE) splitSlot(slot, heap, below);
  const node = nodeOf(slot);
  const to = (min(end, last) - 1 - base) >> below;
  for (let i = (max(start, base) - base) >> below; i <= to; i++) {
    writeSlot(child(node, i), heap, below, base + (i << below), start, end, kind, value);
  }
  mergeSlot(slot, heap, below);
}

function splitSlot(slot: usize, heap: Heap, below: u64): void {
  const node = allocate(heap, NODE_BYTES);
  const kind = kindOf(slot);
  for (let i: u64 = 0; i < FANOUT; i++) {
    setSlot(child(node, i), kind, advance(kind, load<u64>(slot), i << below), 0);
  }
  setSlot(slot, NODE, 0, node);
}

// A node whose slots say one thing becomes that one value: ranges that were split and given back are whole again.
function mergeSlot(slot: usize, heap: Heap, below: u64): bool {
  const node = nodeOf(slot);
  const kind = kindOf(node);
  if (kind == NODE) return false;
  const value = load<u64>(node);
  for (let i: u64 = 1; i < FANOUT; i++) {
    const at = child(node, i);
    if (kindOf(at) != kind || load<u64>(at) != advance(kind, value, i << below)) return false;
  }
  release(heap, node, NODE_BYTES);
  setSlot(slot, kind, value, 0);
  return true;
}

function freeBelow(slot: usize, heap: Heap): void {
  if (kindOf(slot) != NODE) return;
  const node = nodeOf(slot);
  for (let i: u64 = 0; i < FANOUT; i++) freeBelow(child(node, i), heap);
  release(heap, node, NODE_BYTES);
}
