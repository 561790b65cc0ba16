// Range -> value maps (reference gunyah section 2.7; hyp/misc/gpt): mapping records of a sparse extent and the ownership
// database. A 16-way tree over 44 bits of address; a slot holds nothing, one value for all it covers, or a node below.
//
//   slot, 16 bytes:   0 u64 value at the slot's start | 8 u32 kind | 12 u32 node below
//   root, 32 bytes:   the slot for all addresses | finger: 16 u64 block + 1, 24 u32 its node, 28 u32 the node above
//   lone root:        0 u64 value | 8 u32 LONE | 12 u32 kind | 16 u64 start | 24 u64 end
//
// The finger is where the last look-up ended: the node whose slots are the pages of a block (0: the block is one value), and
// the one whose slots are blocks. Neighbours need no way down from the root. A map of one range, as that of a parcel with one
// region is, has no nodes at all: the heap is charged with those that the tree would have.
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
import { allocate, book, denyMemory, ensure, hasRoom, Heap, release, unbook } from "./partition";
import { deny } from "./refusal";

/** Kinds of values. Nothing is kind 0. */
export const NOTHING: u32 = 0;
/** Kinds from here on advance with the address; those below are one value for a whole range. */
export const ADVANCING: u32 = 128;
const NODE: u32 = 255;
/** Of a root only. */
const LONE: u32 = 254;

/** Addresses end here (exclusive). */
export const GPT_LIMIT: u64 = (1 as u64) << 44;
const ROOT_SHIFT: u64 = 44;
const FANOUT: u64 = 16;
const FANOUT_SHIFT: u64 = 4;

export const ROOT_BYTES: usize = 32;
const SLOT_BYTES: usize = 16;
const NODE_BYTES: usize = 256;

const FINGER_BLOCK: usize = 16;
const FINGER_NODE: usize = 24;
const FINGER_ABOVE: usize = 28;
const PAGE_SHIFT: u64 = 12;
export const PAGE_BYTES: u64 = 4096;
export const BLOCK_SHIFT: u64 = 16;
const LARGE_SHIFT: u64 = 20;
const NO_BLOCK: u64 = u64.MAX_VALUE;

const LONE_KIND: usize = 12;
const LONE_START: usize = 16;
const LONE_END: usize = 24;

export function kindOf(slot: usize): u32 {
  return load<u32>(slot, 8);
}

/** The value of all that a slot covers, or of its start. */
export function valueOf(slot: usize): u64 {
  return load<u64>(slot);
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
// The slot that find ended at, and the bits it covers.
let foundSlot: usize = 0;
let foundShift: u64 = 0;

/** Looks at one address below the limit: one slot. */
function find(root: usize, address: u64): void {
  if (kindOf(root) == LONE) {
    foundSlot = root;
    findLone(root, address);
    return;
  }
  let slot = root;
  let shift = ROOT_SHIFT;
  const finger = kindOf(root) == NODE ? load<u64>(root, FINGER_BLOCK) - 1 : NO_BLOCK;
  if (finger >> FANOUT_SHIFT == address >> LARGE_SHIFT) {
    const isSame = finger == address >> BLOCK_SHIFT && load<u32>(root, FINGER_NODE) != 0;
    shift = isSame ? PAGE_SHIFT : BLOCK_SHIFT;
    const node = isSame ? load<u32>(root, FINGER_NODE) : load<u32>(root, FINGER_ABOVE);
    slot = child(node as usize, (address >> shift) & (FANOUT - 1));
  }
  while (kindOf(slot) == NODE) {
    const node = nodeOf(slot);
    shift -= FANOUT_SHIFT;
    if (shift == BLOCK_SHIFT) setFinger(root, address, node);
    if (shift == PAGE_SHIFT) moveFinger(root, address, node);
    slot = child(node, (address >> shift) & (FANOUT - 1));
  }
  const base = (address >> shift) << shift;
  foundSlot = slot;
  foundShift = shift;
  foundKind = kindOf(slot);
  foundValue = advance(foundKind, load<u64>(slot), address - base);
  foundEnd = base + ((1 as u64) << shift);
}

function findLone(root: usize, address: u64): void {
  const start = load<u64>(root, LONE_START);
  const end = load<u64>(root, LONE_END);
  const isInside = address >= start && address < end;
  foundKind = isInside ? load<u32>(root, LONE_KIND) : NOTHING;
  foundValue = isInside ? advance(foundKind, load<u64>(root), address - start) : 0;
  foundEnd = address < start ? start : isInside ? end : GPT_LIMIT;
}

/** To a block, whose node of pages nobody knows yet. */
function setFinger(root: usize, address: u64, above: usize): void {
  store<u64>(root, (address >> BLOCK_SHIFT) + 1, FINGER_BLOCK);
  store<u32>(root, 0, FINGER_NODE);
  store<u32>(root, above as u32, FINGER_ABOVE);
}

/** To a block below the same node. */
function moveFinger(root: usize, address: u64, node: usize): void {
  store<u64>(root, (address >> BLOCK_SHIFT) + 1, FINGER_BLOCK);
  store<u32>(root, node as u32, FINGER_NODE);
}

/** Before nodes may be given back. */
function dropFinger(root: usize): void {
  store<u64>(root, 0, FINGER_BLOCK);
}

/** The finger's node of pages if it is that of `address`, else 0. */
function fingerNode(root: usize, address: u64): usize {
  if (kindOf(root) != NODE || load<u64>(root, FINGER_BLOCK) != (address >> BLOCK_SHIFT) + 1) return 0;
  return load<u32>(root, FINGER_NODE) as usize;
}

/** The slot that is all of [start, end), if that is a page of the finger's block; else 0. */
function pageSlot(root: usize, start: u64, end: u64): usize {
  const node = fingerNode(root, start);
  if (node == 0 || end - start != PAGE_BYTES || (start & (PAGE_BYTES - 1)) != 0) return 0;
  const slot = slotOfPage(node, start);
  return kindOf(slot) == NODE ? 0 : slot;
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

// Pages one by one, for whoever has many of them: the node is asked for once a block.

/** The node whose slots are the pages of the block around `address`; 0 if there is none: then foundKind and foundValue say what is there. */
export function pageNode(root: usize, address: u64): usize {
  const node = fingerNode(root, address);
  if (node != 0) return node;
  find(root, address);
  return fingerNode(root, address);
}

/** The slot of a page in its node. */
export function slotOfPage(node: usize, address: u64): usize {
  return node + ((((address >> PAGE_SHIFT) & (FANOUT - 1)) << 4) as usize);
}

/** Writes a page's slot in the node where the finger is. True if the node is gone, because all of its block says one thing now. */
export function setPage(root: usize, heap: Heap, node: usize, address: u64, kind: u32, value: u64): bool {
  const slot = slotOfPage(node, address);
  setSlot(slot, kind, value, 0);
  if (!isOneValue(node, slot, PAGE_SHIFT)) return false;
  mergePages(root, heap, address);
  return true;
}

/**
 * Makes the node of pages in which the page will be that the last `pageNode` was asked for and had none for; 0, and nothing is
 * different, if there is no memory. Something else than what is there has to be written to the page now.
 */
export function openPages(root: usize, heap: Heap, address: u64): usize {
  const nodes = ((foundShift - PAGE_SHIFT) >> 2) as u32;
  if (foundShift < BLOCK_SHIFT || kindOf(foundSlot) == LONE || !ensure(heap, NODE_BYTES, nodes)) return 0;
  let slot = foundSlot;
  for (let shift = foundShift; shift > PAGE_SHIFT;) {
    shift -= FANOUT_SHIFT;
    splitSlot(slot, heap, shift);
    if (shift == BLOCK_SHIFT) setFinger(root, address, nodeOf(slot));
    if (shift == PAGE_SHIFT) moveFinger(root, address, nodeOf(slot));
    slot = child(nodeOf(slot), (address >> shift) & (FANOUT - 1));
  }
  return load<u32>(root, FINGER_NODE) as usize;
}

/** Whether [start, end) can be written: the nodes that takes are there. */
export function canWrite(root: usize, heap: Heap, start: u64, end: u64): bool {
  if (pageSlot(root, start, end) != 0) return true;
  const kind = kindOf(root);
  if (kind == NOTHING) return hasRoom(heap, NODE_BYTES, nodesOf(start, end));
  if (kind == LONE) {
    if (isLone(root, start, end)) return true;
    if (!unfoldLone(root, heap)) return false;
  }
  seek(root, start, end);
  if (isWhole(start, end)) return true;
  const nodes = nodesFor(holder, holderShift, (start >> holderShift) << holderShift, start, end);
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
  if (pageSlot(root, start, end) != 0) {
    setPage(root, heap, fingerNode(root, start), start, kind, value);
    return;
  }
  if (putLone(root, heap, start, end, kind, value)) return;
  dropFinger(root);
  seek(root, start, end);
  if (isWhole(start, end)) writeWhole(heap, start, end, kind, value);
  else writePart(heap, start, end, kind, value);
}

// A map of one range.

function isLone(root: usize, start: u64, end: u64): bool {
  return load<u64>(root, LONE_START) == start && load<u64>(root, LONE_END) == end;
}

/** Nodes of a map that holds nothing but [start, end). */
function nodesOf(start: u64, end: u64): u32 {
  const size = end - start;
  // Whole slots of one node: one node per level above them.
  if ((size & (size - 1)) == 0 && (start & (size - 1)) == 0) return ((ROOT_SHIFT + 3 - ctz(size)) >> 2) as u32;
  return nodesFor(0, ROOT_SHIFT, 0, start, end);
}

/** Makes, changes or removes a lone range. False if this write makes none, or the root is a tree's. */
function putLone(root: usize, heap: Heap, start: u64, end: u64, kind: u32, value: u64): bool {
  const isEmpty = kindOf(root) == NOTHING;
  if (end - start == GPT_LIMIT || (!isEmpty && kindOf(root) != LONE)) return false;
  if (isEmpty) book(heap, NODE_BYTES, nodesOf(start, end));
  if (kind == NOTHING) {
    unbook(heap, NODE_BYTES, nodesOf(start, end));
    setSlot(root, NOTHING, 0, 0);
    dropFinger(root);
    return true;
  }
  store<u64>(root, value);
  store<u32>(root, LONE, 8);
  store<u32>(root, kind, LONE_KIND);
  store<u64>(root, start, LONE_START);
  store<u64>(root, end, LONE_END);
  return true;
}

/** Makes a tree of a lone range: a second one is coming. False, and nothing is different, if linear memory is used up. */
function unfoldLone(root: usize, heap: Heap): bool {
  const start = load<u64>(root, LONE_START);
  const end = load<u64>(root, LONE_END);
  const kind = load<u32>(root, LONE_KIND);
  const value = load<u64>(root);
  const nodes = nodesOf(start, end);
  unbook(heap, NODE_BYTES, nodes);
  // They were counted as allocations when they were booked.
  if (heap.allowed != u64.MAX_VALUE) heap.allowed += nodes as u64;
  if (!ensure(heap, NODE_BYTES, nodes)) {
    book(heap, NODE_BYTES, nodes);
    return false;
  }
  setSlot(root, NOTHING, 0, 0);
  dropFinger(root);
  writeSlot(root, heap, ROOT_SHIFT, 0, start, end, kind, value);
  return true;
}

// A tree.

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
  mergeAbove(heap);
}

function writePart(heap: Heap, start: u64, end: u64, kind: u32, value: u64): void {
  writeSlot(holder, heap, holderShift, (start >> holderShift) << holderShift, start, end, kind, value);
  mergeAbove(heap);
}

// The finger's node of pages holds one value: it becomes that in its block's slot, and so on up.
function mergePages(root: usize, heap: Heap, address: u64): void {
  const above = load<u32>(root, FINGER_ABOVE) as usize;
  const slot = child(above, (address >> BLOCK_SHIFT) & (FANOUT - 1));
  collapse(slot, heap);
  store<u32>(root, 0, FINGER_NODE);
  if (isOneValue(above, slot, BLOCK_SHIFT)) {
    dropFinger(root);
    seek(root, address, address + PAGE_BYTES);
    mergeAbove(heap);
  }
}

// A slot that is one value may make its node one value, and so on up.
function mergeAbove(heap: Heap): void {
  let shift = holderShift;
  while (depth > 0 && mergeSlot(load<u32>(path + (--depth << 2)) as usize, heap, shift)) shift += FANOUT_SHIFT;
}

/** Gives all nodes back. */
export function gptClear(root: usize, heap: Heap): void {
  if (kindOf(root) == LONE) unbook(heap, NODE_BYTES, nodesOf(load<u64>(root, LONE_START), load<u64>(root, LONE_END)));
  dropFinger(root);
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
  if (kind != NOTHING) {
    const step = advance(kind, 0, (1 as u64) << below);
    let value = load<u64>(slot);
    for (let at = node; at < node + NODE_BYTES; at += SLOT_BYTES) {
      store<u64>(at, value);
      store<u64>(at, kind as u64, 8);
      value += step;
    }
  }
  setSlot(slot, NODE, 0, node);
}

// A node whose slots say one thing becomes that one value: ranges that were split and given back are whole again.
function mergeSlot(slot: usize, heap: Heap, below: u64): bool {
  if (!isUniform(nodeOf(slot), below)) return false;
  collapse(slot, heap);
  return true;
}

function collapse(slot: usize, heap: Heap): void {
  const node = nodeOf(slot);
  setSlot(slot, kindOf(node), load<u64>(node), 0);
  release(heap, node, NODE_BYTES);
}

function isUniform(node: usize, below: u64): bool {
  return isOneValue(node, node, below);
}

/**
 * Whether a node holds one value only, that of `slot`, which was written. Slots are written in ascending order as a rule: the
 * next ones tell soonest.
 */
function isOneValue(node: usize, slot: usize, below: u64): bool {
  const kind = kindOf(slot);
  if (kind == NODE) return false;
  const step = advance(kind, 0, (1 as u64) << below);
  const value = load<u64>(slot);
  if (!areAlike(slot + SLOT_BYTES, node + NODE_BYTES, kind, value + step, step)) return false;
  return areAlike(node, slot, kind, value - step * (((slot - node) >> 4) as u64), step);
}

function areAlike(from: usize, to: usize, kind: u32, first: u64, step: u64): bool {
  let value = first;
  for (let at = from; at < to; at += SLOT_BYTES) {
    if (kindOf(at) != kind || load<u64>(at) != value) return false;
    value += step;
  }
  return true;
}

function freeBelow(slot: usize, heap: Heap): void {
  if (kindOf(slot) != NODE) return;
  const node = nodeOf(slot);
  for (let i: u64 = 0; i < FANOUT; i++) freeBelow(child(node, i), heap);
  release(heap, node, NODE_BYTES);
}
