// The memory of a walk machine: any 8-byte words at any physical address, everything else reads as 0.
// Words are kept in lines of 64 bytes, found through a hash index of twice as many slots or more.
//
//   line, 80 bytes: 0 u64 address >> 6 | 8 8 words | 72 u64 0

import { heapTop, reserve, setHeapTop } from "./heap";

const LINE_SHIFT: u64 = 6;
const LINE_BYTES: usize = 80;
const SMALLEST: u32 = 512;

// u32 per slot: the line's linear address, 0 = none. Open addressing; lines are never removed.
let index: usize = 0;
let mask: u32 = 0;
let lines: u32 = 0;

/** Whether this memory, and not DRAM, is what walks read. */
export let isSparse: bool = false;

/** Starts with an empty memory. False if linear memory is used up. */
export function reserveSparse(): bool {
  isSparse = true;
  lines = 0;
  mask = SMALLEST - 1;
  index = reserve((SMALLEST as usize) << 2);
  return index != 0;
}

/** The machine has DRAM instead. */
export function dropSparse(): void {
  isSparse = false;
}

export function readWord(pa: u64): u64 {
  const line = load<u32>(slotOf(pa >> LINE_SHIFT)) as usize;
  return line == 0 ? 0 : load<u64>(wordIn(line, pa));
}

/** False if linear memory is used up. */
export function writeWord(pa: u64, value: u64): bool {
  let line = load<u32>(slotOf(pa >> LINE_SHIFT)) as usize;
  if (line == 0) {
    if (value == 0) return true;
    line = addLine(pa >> LINE_SHIFT);
    if (line == 0) return false;
  }
  store<u64>(wordIn(line, pa), value);
  return true;
}

function wordIn(line: usize, pa: u64): usize {
  return line + 8 + ((pa & 56) as usize);
}

/** The slot that holds the line, or the empty one where it belongs. */
function slotOf(tag: u64): usize {
  // Fibonacci hashing: neighbouring lines and equal offsets in tables spread alike.
  let at = ((tag * 0x9e37_79b9_7f4a_7c15) >> 32) as u32;
  let slot = index + (((at & mask) as usize) << 2);
  let line = load<u32>(slot) as usize;
  while (line != 0 && load<u64>(line) != tag) {
    slot = index + (((++at & mask) as usize) << 2);
    line = load<u32>(slot) as usize;
  }
  return slot;
}

function addLine(tag: u64): usize {
  if (lines * 2 > mask && !growIndex()) return 0;
  const line = reserve(LINE_BYTES);
  if (line == 0) return 0;
  store<u64>(line, tag);
  store<u32>(slotOf(tag), line as u32);
  lines++;
  return line;
}

// The old index stays behind: all of them together are smaller than the new one.
function growIndex(): bool {
  const old = index;
  const oldSlots = (mask as usize) + 1;
  const grown = reserve(oldSlots << 3);
  if (grown == 0) return false;
  index = grown;
  mask = mask * 2 + 1;
  for (let slot: usize = 0; slot < oldSlots; slot++) {
    const line = load<u32>(old + (slot << 2));
    if (line != 0) store<u32>(slotOf(load<u64>(line as usize)), line);
  }
  return true;
}

// Digest: all words that are not 0, in ascending address order, each as 16 bytes (address, value).

/** FNV-1a over the memory; 0 if linear memory has no room for the order. */
export function digestWords(): u64 {
  const top = heapTop();
  const sorted = reserve((lines as usize) << 2);
  if (sorted == 0) return 0;
  sortLines(sorted);
  let hash: u64 = 0xcbf2_9ce4_8422_2325;
  for (let i: u32 = 0; i < lines; i++) hash = hashLine(hash, load<u32>(sorted + ((i as usize) << 2)) as usize);
  setHeapTop(top);
  return hash;
}

function hashLine(hash: u64, line: usize): u64 {
  const pa = load<u64>(line) << LINE_SHIFT;
  for (let offset: usize = 0; offset < 64; offset += 8) {
    const value = load<u64>(line + 8 + offset);
    if (value != 0) hash = hashBytes(hashBytes(hash, pa + (offset as u64)), value);
  }
  return hash;
}

function hashBytes(hash: u64, word: u64): u64 {
  for (let byte: u64 = 0; byte < 64; byte += 8) hash = (hash ^ ((word >> byte) & 0xff)) * 0x100_0000_01b3;
  return hash;
}

// Shell's sort by address, of the lines' addresses.
function sortLines(sorted: usize): void {
  let filled = sorted;
  for (let slot: usize = 0; slot <= (mask as usize); slot++) {
    const line = load<u32>(index + (slot << 2));
    if (line == 0) continue;
    store<u32>(filled, line);
    filled += 4;
  }
  for (let gap = ((lines as usize) >> 1) << 2; gap != 0; gap = (gap >> 3) << 2) {
    for (let at = sorted + gap; at < filled; at += 4) sink(sorted, at, gap);
  }
}

/** Moves the line at `at` down to its place among those `gap` bytes apart. */
function sink(sorted: usize, at: usize, gap: usize): void {
  const line = load<u32>(at);
  const tag = load<u64>(line as usize);
  let to = at;
  while (to - sorted >= gap && load<u64>(load<u32>(to - gap) as usize) > tag) {
    store<u32>(to, load<u32>(to - gap));
    to -= gap;
  }
  store<u32>(to, line);
}
