// The state of a machine of any system as a row of numbers, without knowing what the machine is: its state lies in linear memory,
// and the journal names every word that changed since the first state. Memory is cut into chunks of 256 bytes; those that ever
// changed are parts, each kept once:
//
//   row: u32 number of entries | u32 what a system says of itself (extra words) | u32 contents, for each chunk in the order in
//        which they first changed; contents that are those of the first state are left out at the end
//
// Exact: equal rows are equal machines. Two machines may have different rows and the same future: where the order of a free
// list or the place of an object differs. What a system knows to be dead or a cache it leaves out (left-out.ts); one that lives in
// heaps tells its state as a whole, and no chunk counts (gunyah-state.ts).

import { snapshotBase } from "../batch/machine";
import { heapTop, reserve } from "../memory/heap";
import { journalAddress, journalLength, journalWord } from "./journal";

const CHUNK_SHIFT: u32 = 8;
const CHUNK: usize = 1 << CHUNK_SHIFT;
const WORDS: u32 = (CHUNK >> 3) as u32;
/** Chunks that may change, left-out ranges, and extra words. */
const MAX_CHUNKS: u32 = 2048;
const MAX_RANGES: u32 = 256;
const MAX_EXTRA: u32 = 2048;
/** No number: there is no room. */
const NONE: u32 = 0xffff_ffff;

// u32 per chunk of linear memory from `base` on: its place among those that changed + 1, 0 = none.
let places: usize = 0;
let chunksInMemory: u32 = 0;
let base: usize = 0;
/** Heap top in the first state: what was reserved since begins as zeros. */
let firstTop: usize = 0;
let seenTop: usize = 0;

// Per changed chunk: u32 address | u32 words that are left out, a bit each | u32 contents in the first state | u32 when it was
// last found changed.
const CHANGED: usize = 16;
let changed: usize = 0;
let changedCount: u32 = 0;
let turn: u32 = 0;

// Ranges left out: u32 first byte | u32 end.
let ranges: usize = 0;
let rangeCount: u32 = 0;
let extra: usize = 0;
let extraCount: u32 = 0;
let scratch: usize = 0;
let row: usize = 0;

// Interned: u32 words | the words. Rows are interned in the same way.
let arena: usize = 0;
let arenaNext: usize = 0;
let arenaEnd: usize = 0;
// u32 per slot: address in the arena, 0 = none.
let index: usize = 0;
let mask: u32 = 0;
// u32 per slot: number + 1 of a state. u32 per state: address of its row.
let stateIndex: usize = 0;
let stateMask: u32 = 0;
let rows: usize = 0;
let capacity: u32 = 0;
let states: u32 = 0;

let isArenaFull: bool = false;
/** A system tells all of its state by itself: chunks say nothing more. */
let isTold: bool = false;
// The first extra word of the section that was begun, and whether there was room for all sections so far.
let sectionStart: u32 = 0;
let areSectionsKept: bool = true;

/** Room for `count` states, and `bytes` bytes for what they are made of. False if linear memory is used up. */
export function reserveWords(count: u32, bytes: u32): bool {
  capacity = count;
  const slots: u32 = 1 << (32 - clz<u32>(count << 1));
  const parts: u32 = 1 << (32 - clz<u32>(bytes >> 6));
  stateMask = slots - 1;
  mask = parts - 1;
  rows = reserve((count as usize) << 2);
  stateIndex = reserve((slots as usize) << 2);
  index = reserve((parts as usize) << 2);
  arena = reserve(bytes);
  arenaEnd = arena + bytes;
  changed = reserve((MAX_CHUNKS as usize) * CHANGED);
  ranges = reserve((MAX_RANGES as usize) << 3);
  extra = reserve((MAX_EXTRA as usize) << 3);
  scratch = reserve(CHUNK);
  row = reserve(((MAX_CHUNKS as usize) + 2) << 2);
  return rows != 0 && stateIndex != 0 && index != 0 && arena != 0 && changed != 0 && row != 0;
}

/** Begins with the machine as it is, which is no state yet: the journal is empty. False if linear memory is used up. */
export function startWords(): bool {
  base = snapshotBase() & ~(CHUNK - 1);
  // Behind the machine, and zero like all that is reserved; a chunk for each 256 bytes up to there and as much again. In chunks of
  // its own: what it says is no state.
  if (!reserveUpToChunk()) return false;
  chunksInMemory = (((heapTop() - base) >> CHUNK_SHIFT) as u32) * 2;
  places = reserve((chunksInMemory as usize) << 2);
  if (places == 0 || !reserveUpToChunk()) return false;
  firstTop = heapTop();
  seenTop = firstTop;
  changedCount = 0;
  rangeCount = 0;
  states = 0;
  turn = 0;
  isTold = false;
  arenaNext = arena + 8;
  isArenaFull = false;
  memory.fill(stateIndex, 0, ((stateMask as usize) + 1) << 2);
  memory.fill(index, 0, ((mask as usize) + 1) << 2);
  return true;
}

function reserveUpToChunk(): bool {
  const rest = (CHUNK - (heapTop() & (CHUNK - 1))) & (CHUNK - 1);
  return rest == 0 || reserve(rest) != 0;
}

/** What lies there says nothing of the machine's future. Before the first state. */
export function leaveOut(first: usize, bytes: usize): void {
  if (rangeCount == MAX_RANGES) return;
  const at = ranges + ((rangeCount++ as usize) << 3);
  store<u32>(at, first as u32);
  store<u32>(at, (first + bytes) as u32, 4);
}

/** What a system says of itself is all of its state. Before the first state. */
export function tellAll(): void {
  isTold = true;
}

/** Before `visitWords`: begins the list of what a system says of itself. */
export function clearExtra(): void {
  extraCount = 0;
  areSectionsKept = true;
}

export function addExtra(word: u64): void {
  if (extraCount < MAX_EXTRA) store<u64>(extra + ((extraCount++ as usize) << 3), word);
  else {
    areSectionsKept = false;
    isArenaFull = true;
  }
}

/** What is said from here on, up to `endSection`, is kept once for all states that say the same. */
export function beginSection(): void {
  sectionStart = extraCount;
}

/** The section becomes one word, unequal to those of other sections. */
export function endSection(): void {
  const known = intern(extra + ((sectionStart as usize) << 3), ((extraCount - sectionStart) as usize) << 3);
  if (known == 0) areSectionsKept = false;
  extraCount = sectionStart;
  addExtra(known);
}

/** Why there is no room: not for states, but for what they are made of. */
export function areWordsFull(): bool {
  return isArenaFull;
}

/** States that were visited. */
export function wordStates(): u32 {
  return states;
}

/** Bytes in use for states and what they are made of. */
export function wordBytes(): u32 {
  return (arenaNext - arena) as u32;
}

/** The number of the machine's state; a new one has the number that was next. NONE if there is no room. */
export function visitWords(): u32 {
  const count = writeRow();
  if (count == 0) return NONE;
  const bytes = (count as usize) << 2;
  let slot = hash(row, bytes);
  let number = load<u32>(stateSlot(slot));
  while (number != 0) {
    const known = load<u32>(rows + (((number - 1) as usize) << 2)) as usize;
    if (load<u32>(known) == count && isSame(known + 8, row, bytes)) return number - 1;
    number = load<u32>(stateSlot(++slot));
  }
  return addState(slot, count);
}

function stateSlot(slot: u32): usize {
  return stateIndex + (((slot & stateMask) as usize) << 2);
}

function addState(slot: u32, count: u32): u32 {
  isArenaFull = false;
  if (states == capacity) return NONE;
  const at = keep(row, (count as usize) << 2, count);
  if (at == 0) return NONE;
  store<u32>(rows + ((states as usize) << 2), at as u32);
  store<u32>(stateSlot(slot), ++states);
  return states - 1;
}

// The row in `row`: how many numbers, 0 if there is no room.
function writeRow(): u32 {
  turn++;
  if (!isTold) findChanged();
  store<u32>(row, areSectionsKept ? intern(extra, (extraCount as usize) << 3) : 0);
  let used: u32 = 1;
  for (let i: u32 = 0; i < changedCount; i++) {
    const at = changedAt(i);
    const initial = load<u32>(at, 8);
    const address = load<u32>(at) as usize;
    const contents = load<u32>(at, 12) == turn || address >= firstTop ? contentsOf(address, load<u32>(at, 4)) : initial;
    if (contents == 0) return 0;
    store<u32>(row + (((i + 1) as usize) << 2), contents);
    if (contents != initial) used = i + 2;
  }
  return load<u32>(row) == 0 ? 0 : used;
}

function changedAt(place: u32): usize {
  return changed + (place as usize) * CHANGED;
}

// Marks the chunks that differ from the first state, or may: those of all notes in the journal, and what was reserved since.
function findChanged(): void {
  const length = journalLength();
  for (let i = 0; i < length; i++) {
    const address = journalAddress(i);
    if (address == 0 || address >= firstTop) continue;
    const place = load<u32>(placeOf(address));
    if (place != 0) store<u32>(changedAt(place - 1), turn, 12);
    else addChanged(address & ~(CHUNK - 1));
  }
  const top = (heapTop() + CHUNK - 1) & ~(CHUNK - 1);
  for (; seenTop < top; seenTop += CHUNK) addChanged(seenTop);
}

function placeOf(address: usize): usize {
  return places + (((address - base) >> CHUNK_SHIFT) << 2);
}

function addChanged(chunk: usize): void {
  const place = (chunk - base) >> CHUNK_SHIFT;
  if (changedCount == MAX_CHUNKS || place >= (chunksInMemory as usize)) {
    isArenaFull = true;
    return;
  }
  const at = changedAt(changedCount++);
  store<u32>(places + (place << 2), changedCount);
  const out = leftOut(chunk);
  store<u32>(at, chunk as u32);
  store<u32>(at, out, 4);
  store<u32>(at, initialContents(chunk, out), 8);
  store<u32>(at, turn, 12);
}

// A bit for each word that lies in a range left out.
function leftOut(chunk: usize): u32 {
  let bits: u32 = 0;
  for (let i: u32 = 0; i < rangeCount; i++) {
    const first = load<u32>(ranges + ((i as usize) << 3)) as usize;
    const end = load<u32>(ranges + ((i as usize) << 3), 4) as usize;
    for (let word: u32 = 0; word < WORDS; word++) {
      const address = chunk + ((word as usize) << 3);
      if (address >= first && address < end) bits |= 1 << word;
    }
  }
  return bits;
}

function contentsOf(chunk: usize, out: u32): u32 {
  for (let word: u32 = 0; word < WORDS; word++) {
    const offset = (word as usize) << 3;
    // Behind the heap's top is what was undone: reserved again, it is zero.
    const isOut = ((out >> word) & 1) != 0 || chunk + offset >= heapTop();
    store<u64>(scratch + offset, isOut ? 0 : load<u64>(chunk + offset));
  }
  return intern(scratch, CHUNK);
}

// The oldest note of a word is what it held in the first state.
function initialContents(chunk: usize, out: u32): u32 {
  if (chunk >= firstTop) memory.fill(scratch, 0, CHUNK);
  else memory.copy(scratch, chunk, CHUNK);
  for (let i = journalLength() - 1; i >= 0 && chunk < firstTop; i--) {
    const address = journalAddress(i);
    if (address - chunk < CHUNK) store<u64>(scratch + (address - chunk), journalWord(i));
  }
  for (let word: u32 = 0; word < WORDS; word++) {
    if ((out >> word) & 1) store<u64>(scratch + ((word as usize) << 3), 0);
  }
  return intern(scratch, CHUNK);
}

/** Where the same bytes are kept; 0 if there is no room. */
function intern(at: usize, bytes: usize): u32 {
  let slot = hash(at, bytes);
  let known = load<u32>(partSlot(slot)) as usize;
  while (known != 0) {
    if (load<u32>(known) == (bytes as u32) && isSame(known + 8, at, bytes)) return known as u32;
    known = load<u32>(partSlot(++slot)) as usize;
  }
  const kept = keep(at, bytes, bytes as u32);
  if (kept != 0) store<u32>(partSlot(slot), kept as u32);
  return kept as u32;
}

function partSlot(slot: u32): usize {
  return index + (((slot & mask) as usize) << 2);
}

function keep(at: usize, bytes: usize, length: u32): usize {
  const size: usize = ((bytes + 7) & ~7) + 8;
  if (arenaEnd - arenaNext < size) {
    isArenaFull = true;
    return 0;
  }
  const kept = arenaNext;
  store<u32>(kept, length);
  memory.copy(kept + 8, at, bytes);
  arenaNext += size;
  return kept;
}

function hash(at: usize, bytes: usize): u32 {
  let value: u64 = (bytes as u64) * 0x9e37_79b9_7f4a_7c15;
  for (let offset: usize = 0; offset < bytes; offset += 4) {
    value = (value ^ (load<u32>(at + offset) as u64)) * 0xff51_afd7_ed55_8ccd;
    value ^= value >> 32;
  }
  return value as u32;
}

function isSame(one: usize, other: usize, bytes: usize): bool {
  for (let offset: usize = 0; offset < bytes; offset += 4) {
    if (load<u32>(one + offset) != load<u32>(other + offset)) return false;
  }
  return true;
}
