// Names to numbers: an open-addressed table over the names' characters, filled once and then only read.
// An entry holds the whole name, so that a hit is exact and not a matter of hashes.
//
//    0 the name, padded with zeros to 48 bytes | 48 u64 tag: length, kind << 32; 0 = free | 56 i32 value | 60 u32 0

import { NAME_MAX } from "../abi/trace";
import { reserve } from "../memory/heap";
import { leading } from "./scan";

const ENTRY_SIZE: usize = 64;
const ENTRY_TAG: usize = 48;
const ENTRY_VALUE: usize = 56;
const ENTRIES: u32 = 512;
const ENTRY_BITS: u64 = 9;
const HASH: u64 = 0x9e3779b97f4a7c15; // 2^64 divided by the golden ratio

let table: usize = 0;

/** Returned for a name that is not in the dictionary. */
export const NO_NAME: i32 = -1;

/** Makes the dictionary. False if there is no memory. */
export function createDictionary(): bool {
  if (table == 0) table = reserve((ENTRIES as usize) * ENTRY_SIZE);
  return table != 0;
}

/** Adds the `length` (1..NAME_MAX) characters at `at`. False if the name is too long, known already, or the table is full. */
export function addName(kind: i32, at: usize, length: u32, value: i32): bool {
  if (length == 0 || length > (NAME_MAX as u32) || nameValue(kind, at, length) != NO_NAME) return false;
  let index = hashOf(at, length, tagOf(kind, length));
  for (let probes: u32 = 1; load<u64>(entryAt(index), ENTRY_TAG) != 0; probes++) {
    if (probes == ENTRIES / 2) return false;
    index = (index + 1) % ENTRIES;
  }
  const entry = entryAt(index);
  memory.copy(entry, at, length as usize);
  store<u64>(entry, tagOf(kind, length), ENTRY_TAG);
  store<i32>(entry, value, ENTRY_VALUE);
  return true;
}

/** The value of the `length` characters at `at`, or NO_NAME. */
export function nameValue(kind: i32, at: usize, length: u32): i32 {
  if (length > (NAME_MAX as u32)) return NO_NAME;
  const tag = tagOf(kind, length);
  let index = hashOf(at, length, tag);
  while (true) {
    const entry = entryAt(index);
    const found = load<u64>(entry, ENTRY_TAG);
    if (found == 0) return NO_NAME;
    if (found == tag && sameName(entry, at, length)) return load<i32>(entry, ENTRY_VALUE);
    index = (index + 1) % ENTRIES;
  }
}

function entryAt(index: u32): usize {
  return table + (index as usize) * ENTRY_SIZE;
}

function tagOf(kind: i32, length: u32): u64 {
  return (length as u64) | ((kind as u64) << 32);
}

// The first and the last eight characters tell nearly all names apart, and need no loop.
function hashOf(at: usize, length: u32, tag: u64): u32 {
  const first = load<u64>(at);
  const ends = length <= 8 ? leading(first, length) : first ^ rotl<u64>(load<u64>(at + (length as usize) - 8), 29);
  return (((ends ^ tag) * HASH) >> (64 - ENTRY_BITS)) as u32;
}

// Whether the first `length` characters are equal, sixteen at a time.
function sameName(entry: usize, at: usize, length: u32): bool {
  if (length <= 16) return differences(entry, at) << (32 - length) == 0;
  if (length <= 32) return (differences(entry, at) | (differences(entry + 16, at + 16) << (48 - length))) == 0;
  return memory.compare(entry, at, length as usize) == 0;
}

function differences(entry: usize, at: usize): u32 {
  return i8x16.bitmask(i8x16.ne(v128.load(entry), v128.load(at)));
}
