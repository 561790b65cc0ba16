// A file's page cache: which folio holds which page of the file. A radix tree of 64-slot nodes that grows with the largest
// index, as the kernel's xarray does (include/linux/xarray.h; mm/filemap.c), so that sparse files cost what they hold.
//
//   node, 264 bytes: 0 64 u32 (children, or folio + 1 in the lowest nodes; 0 = none) | 256 u32 entries in use | 260 u32 0
//   A free node has the next free one in its first 4 bytes.

import { reserve } from "../../memory/heap";

const SLOT_SHIFT: u64 = 6;
const SLOTS: u64 = 64;
const NODE_BYTES: usize = 264;
const USED: usize = 256;

/** No folio, and no index behind the one asked for. */
export const NO_FOLIO: u32 = u32.MAX_VALUE;
export const NO_INDEX: u64 = u64.MAX_VALUE;

@unmanaged
export class PageCache {
  root: usize;
  /** Index bits below the root's slots. */
  shift: u32;
}

// u32: first free node. In linear memory to be part of snapshots.
let freeNodes: usize = 0;

/** Once per machine. False if linear memory is used up. */
export function reservePageCaches(): bool {
  freeNodes = reserve(16);
  return freeNodes != 0;
}

function takeNode(): usize {
  const node = load<u32>(freeNodes) as usize;
  if (node == 0) return reserve(NODE_BYTES);
  store<u32>(freeNodes, load<u32>(node));
  memory.fill(node, 0, NODE_BYTES);
  return node;
}

function releaseNode(node: usize): void {
  store<u32>(node, load<u32>(freeNodes));
  store<u32>(freeNodes, node as u32);
}

function slotOf(node: usize, index: u64, shift: u32): usize {
  return node + ((((index >> (shift as u64)) & (SLOTS - 1)) << 2) as usize);
}

function covers(cache: PageCache, index: u64): bool {
  return cache.root != 0 && index >> (cache.shift as u64) < SLOTS;
}

/** The folio at `index`, or NO_FOLIO. */
export function folioAt(cache: PageCache, index: u64): u32 {
  if (!covers(cache, index)) return NO_FOLIO;
  let entry = cache.root as u32;
  for (let shift: i32 = cache.shift; shift >= 0 && entry != 0; shift -= SLOT_SHIFT as i32) {
    entry = load<u32>(slotOf(entry as usize, index, shift));
  }
  return entry - 1;
}

/** Puts a folio where there is none. False, and nothing changed that could be seen, if linear memory is used up. */
export function addFolio(cache: PageCache, index: u64, folio: u32): bool {
  if (!grow(cache, index)) return false;
  let node = cache.root;
  for (let shift = cache.shift; shift != 0; shift -= SLOT_SHIFT as u32) {
    const slot = slotOf(node, index, shift);
    if (load<u32>(slot) == 0) {
      const child = takeNode();
      if (child == 0) return false;
      store<u32>(slot, child as u32);
      count(node, 1);
    }
    node = load<u32>(slot) as usize;
  }
  store<u32>(slotOf(node, index, 0), folio + 1);
  count(node, 1);
  return true;
}

// New roots above the old one, until the index fits.
function grow(cache: PageCache, index: u64): bool {
  if (cache.root == 0) {
    cache.root = takeNode();
    cache.shift = 0;
  }
  while (cache.root != 0 && !covers(cache, index)) {
    const above = takeNode();
    if (above == 0) return false;
    store<u32>(above, cache.root as u32);
    count(above, 1);
    cache.root = above;
    cache.shift += SLOT_SHIFT as u32;
  }
  return cache.root != 0;
}

function count(node: usize, change: i32): u32 {
  const used = load<u32>(node, USED) + change;
  store<u32>(node, used, USED);
  return used;
}

/** Takes out the folio at `index`, which is there, and the nodes that become empty. */
export function removeFolio(cache: PageCache, index: u64): void {
  if (!removeBelow(cache.root, cache.shift, index)) return;
  releaseNode(cache.root);
  cache.root = 0;
}

// True if the node is empty now.
function removeBelow(node: usize, shift: u32, index: u64): bool {
  const slot = slotOf(node, index, shift);
  if (shift != 0) {
    const child = load<u32>(slot) as usize;
    if (!removeBelow(child, shift - (SLOT_SHIFT as u32), index)) return false;
    releaseNode(child);
  }
  store<u32>(slot, 0);
  return count(node, -1) == 0;
}

/** The smallest index from `from` on that has a folio, or NO_INDEX. */
export function nextIndex(cache: PageCache, from: u64): u64 {
  return covers(cache, from) ? nextBelow(cache.root, cache.shift as u64, from) : NO_INDEX;
}

// `from` counts from the node's first index.
function nextBelow(node: usize, shift: u64, from: u64): u64 {
  let start = from & (((1 as u64) << shift) - 1);
  for (let slot = from >> shift; slot < SLOTS; slot++) {
    const entry = load<u32>(node + ((slot as usize) << 2));
    if (entry != 0) {
      const below = shift == 0 ? 0 : nextBelow(entry as usize, shift - SLOT_SHIFT, start);
      if (below != NO_INDEX) return (slot << shift) | below;
    }
    start = 0;
  }
  return NO_INDEX;
}
