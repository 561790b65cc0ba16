// Which parts of the state an operation looks at or writes: every load outside this folder's engine goes through `noteLoad`
// (scripts/journal-stores.js puts the calls in), every store through `noteStore` of journal.ts. While nobody watches, a load
// costs one comparison.
//
// A part is named by its place in a row. `partOfWord` says for each 4 bytes of the machine's memory which part tells what they
// hold (word-parts.ts fills it in); 0 = none: a constant, or a cache.

import { reserve } from "../memory/heap";

/** A machine of more memory is not watched: to say whose its words are would take longer than the operations. */
const MAX_BYTES: usize = 1 << 21;
const MAX_PLACES: usize = 256;
const WORD_SHIFT: usize = 2;

let partOfWord: usize = 0; // u8 per 4 bytes: place + 1
let base: usize = 0;
let mapped: usize = 0; // bytes that have parts
let watched: usize = 0; // the same while somebody watches, else 0
let isSeen: usize = 0; // u8 per place + 1
let list: usize = 0; // u8 places, in the order in which they were first looked at
/** Parts that were looked at since `watch`. */
export let dependences: u32 = 0;

export function reserveReads(): bool {
  partOfWord = reserve(MAX_BYTES >> WORD_SHIFT);
  isSeen = reserve(MAX_PLACES);
  list = reserve(MAX_PLACES);
  return partOfWord != 0 && isSeen != 0 && list != 0;
}

/** Begins to say whose the words in [from, until) are: those of `place`, unless claimed. False: too many to be watched. */
export function mapMemory(from: usize, until: usize, place: u32): bool {
  base = from;
  mapped = until - from;
  if (mapped > MAX_BYTES) return false;
  memory.fill(partOfWord, (place + 1) as u8, mapped >> WORD_SHIFT);
  return true;
}

/** The words in [at, at + bytes) are those of `place`. */
export function claim(at: usize, bytes: usize, place: u32): void {
  memory.fill(partOfWord + ((at - base) >> WORD_SHIFT), (place + 1) as u8, bytes >> WORD_SHIFT);
}

/** What the words hold says nothing about the state. */
export function disclaim(at: usize, bytes: usize): void {
  memory.fill(partOfWord + ((at - base) >> WORD_SHIFT), 0, bytes >> WORD_SHIFT);
}

/** From here on looks are noted, none so far. */
export function watch(): void {
  memory.fill(isSeen, 0, MAX_PLACES);
  dependences = 0;
  watched = mapped;
}

export function unwatch(): void {
  watched = 0;
}

/** Whether looks are noted. */
export function isWatching(): bool {
  return watched != 0;
}

export function dependence(index: u32): u32 {
  return load<u8>(list + (index as usize));
}

/** Notes that the part at `place` counts. */
export function depend(place: u32): void {
  note(place + 1);
}

function note(part: u32): void {
  if (part == 0 || load<u8>(isSeen + (part as usize)) != 0) return;
  store<u8>(isSeen + (part as usize), 1);
  store<u8>(list + (dependences++ as usize), (part - 1) as u8);
}

/** Called with each load of `size` bytes at `pointer` + `offset`; answers the pointer. */
export function noteLoad(pointer: usize, offset: usize, size: usize): usize {
  if (watched != 0) look(pointer + offset, size);
  return pointer;
}

/** The bytes in [address, address + size) are read or written. */
export function look(address: usize, size: usize): void {
  if (address - base >= watched) return;
  const end = min(address + size - base, watched);
  for (let at = (address - base) >> WORD_SHIFT; at << WORD_SHIFT < end; at++) note(load<u8>(partOfWord + at));
}
