// Parts of states, each kept once: a state is a row of numbers of parts. Exact: two parts have the same number if and only if
// they are the same words. A part is numbered within its kind, from 0.
//
//   part: 0 u16 number | 2 u16 kind | 4 u32 words | 8 the words

import { reserve } from "../memory/heap";

/** Numbers are 16 bits wide. */
export const MAX_NUMBER: u32 = 0xffff;
export const KINDS: usize = 16;
const HEADER: usize = 8;
/** What `numberOf` answers where there is no room for another part. */
export const NO_NUMBER: i32 = -1;

// u32 per slot: the part's address, 0 = none. Open addressing; parts are never removed.
let index: usize = 0;
let mask: u32 = 0;
let first: usize = 0;
let next: usize = 0;
let end: usize = 0;
// u32 per kind: parts there are.
let counts: usize = 0;
// u32 per kind and number: the part's address.
let addresses: usize = 0;

/** Room for parts of `bytes` bytes together. False if linear memory is used up. */
export function reserveParts(bytes: usize): bool {
  // A part takes 16 bytes or more: half of the slots stay empty.
  const slots: u32 = 1 << (32 - clz<u32>((bytes as u32) >> 4));
  mask = slots - 1;
  index = reserve((slots as usize) << 2);
  counts = reserve(KINDS << 2);
  addresses = reserve((KINDS * ((MAX_NUMBER as usize) + 1)) << 2);
  first = reserve(bytes);
  next = first;
  end = first + bytes;
  return index != 0 && counts != 0 && addresses != 0 && first != 0;
}

export function forgetParts(): void {
  // Fresh memory is zero, and most of it is never touched.
  if (next != first) memory.fill(index, 0, ((mask as usize) + 1) << 2);
  memory.fill(counts, 0, KINDS << 2);
  next = first;
}

/** The number of the part of `kind` made of `words` words at `at`; NO_NUMBER if there is no room for a new one. */
export function numberOf(kind: u32, at: usize, words: u32): i32 {
  const bytes = (words as usize) << 3;
  let slot = hash(kind, at, bytes);
  let part = partIn(slot);
  while (part != 0) {
    if (load<u16>(part, 2) == kind && load<u32>(part, 4) == words && isSame(part + HEADER, at, bytes)) {
      return load<u16>(part) as i32;
    }
    part = partIn(++slot);
  }
  return addPart(entryOf(slot), kind, at, words);
}

function entryOf(slot: u32): usize {
  return index + (((slot & mask) as usize) << 2);
}

function partIn(slot: u32): usize {
  return load<u32>(entryOf(slot)) as usize;
}

/** Parts lie one behind the other in the order in which they came: from here up to `endOfParts`. */
export function firstPart(): usize {
  return first;
}

export function endOfParts(): usize {
  return next;
}

/** Where the part behind this one is. */
export function partBehind(part: usize): usize {
  return part + HEADER + ((load<u32>(part, 4) as usize) << 3);
}

export function partNumber(part: usize): u32 {
  return load<u16>(part);
}

export function partKind(part: usize): u32 {
  return load<u16>(part, 2);
}

export function partWords(part: usize): u32 {
  return load<u32>(part, 4);
}

/** Part `number` of a kind. */
export function partAt(kind: u32, number: u32): usize {
  return load<u32>(addressOf(kind, number)) as usize;
}

function addressOf(kind: u32, number: u32): usize {
  return addresses + (((kind * (MAX_NUMBER + 1) + number) as usize) << 2);
}

/** Where its words are. */
export function wordsOf(part: usize): usize {
  return part + HEADER;
}

/** Parts of all kinds. */
export function partTotal(): u32 {
  let total: u32 = 0;
  for (let kind: u32 = 0; kind < (KINDS as u32); kind++) total += partCount(kind);
  return total;
}

/** Parts of a kind. */
export function partCount(kind: u32): u32 {
  return load<u32>(counts + ((kind as usize) << 2));
}

function hash(kind: u32, at: usize, bytes: usize): u32 {
  let value: u64 = (kind as u64) * 0x9e37_79b9_7f4a_7c15;
  for (let offset: usize = 0; offset < bytes; offset += 8) {
    value = (value ^ load<u64>(at + offset)) * 0x9e37_79b9_7f4a_7c15;
    value ^= value >> 29;
  }
  return (value >> 32) as u32;
}

function isSame(one: usize, other: usize, bytes: usize): bool {
  for (let offset: usize = 0; offset < bytes; offset += 8) {
    if (load<u64>(one + offset) != load<u64>(other + offset)) return false;
  }
  return true;
}

function addPart(entry: usize, kind: u32, at: usize, words: u32): i32 {
  const bytes = (words as usize) << 3;
  const count = counts + ((kind as usize) << 2);
  const number = load<u32>(count);
  if (number > MAX_NUMBER || end - next < HEADER + bytes) return NO_NUMBER;
  store<u16>(next, number as u16);
  store<u16>(next, kind as u16, 2);
  store<u32>(next, words, 4);
  memory.copy(next + HEADER, at, bytes);
  store<u32>(entry, next as u32);
  store<u32>(count, number + 1);
  store<u32>(addressOf(kind, number), next as u32);
  next += HEADER + bytes;
  return number as i32;
}
