// Undo: in the exploring variant of the module every store to linear memory first notes here what it overwrites
// (scripts/journal-stores.js puts the calls in; the replay module has none). Going back costs what was done since, not the
// size of the machine.
//
// The journal is a stack of 16-byte entries over the words of 8 bytes that a store touches:
//
//    0 u32 address of the word | 8 u64 what it held
//    0 u32 0 (a mark)          | 8 u64 heap top, panic << 32, limit << 48
//
// Taking entries off in reverse order ends with the oldest note of each word, which is what the word held at the mark: a word's
// first store since then was noted before it happened.
//
// Noted are only stores to the machine's state as it was at the latest mark: windows and the search's own tables lie below it,
// and what was reserved since is forgotten by going back.
//
// What is state and no memory: heap top and verdict, which a mark keeps. All other globals of the core are the machine's
// constants, caches of them, or scratch of one call, as for a snapshot (batch/machine.ts); a TLB is not switched between marks.

import { snapshotBase } from "../batch/machine";
import { heapTop, reserve, setHeapTop } from "../memory/heap";
import { forgetChunks } from "../memory/journal";
import { limitReached, panicked, setVerdict } from "../memory/verdict";
import { isWatching, look } from "./reads";

const ENTRY: usize = 16;
/** What `undoTo` answers where the journal was too short: nothing was undone. */
const OVERFLOWED: i32 = -1;

let first: usize = 0;
let next: usize = 0;
let end: usize = 0;
let overflowed: bool = false;
// The state at the latest mark: [from, from + bytes). No bytes: nothing is noted.
let from: usize = 0;
let bytes: usize = 0;

/** Reserves room for `entries` entries, below the machine: before it is created. False if linear memory is used up. */
export function journalReserve(entries: u32): bool {
  first = reserve((entries as usize) * ENTRY);
  end = first + (entries as usize) * ENTRY;
  journalForget();
  return first != 0;
}

/** Forgets all marks. From here on nothing is noted until the next mark. */
export function journalForget(): void {
  next = first;
  bytes = 0;
  overflowed = false;
}

/** A point to go back to; -1 if the journal is full. */
export function mark(): i32 {
  const here = ((next - first) / ENTRY) as i32;
  const verdict = (panicked as u64) | ((limitReached as u64) << 16);
  if (first == 0 || !push(0, (heapTop() as u64) | (verdict << 32))) return OVERFLOWED;
  from = snapshotBase();
  bytes = heapTop() - from;
  return here;
}

/** Goes back to where `mark` answered `point`; marks made since are gone, this one too. 0, or -1 after an overflow. */
export function undoTo(point: i32): i32 {
  const until = first + (point as usize) * ENTRY;
  if (overflowed || point < 0 || until >= next) return OVERFLOWED;
  while (next != until) {
    next -= ENTRY;
    const address = load<u32>(next) as usize;
    if (address != 0) store<u64>(address, load<u64>(next, 8));
  }
  forgetChunks();
  setHeapTop(load<u32>(next, 8) as usize);
  setVerdict(load<u16>(next, 12), load<u16>(next, 14));
  bytes = next != first ? heapTop() - from : 0;
  return 0;
}

/** Entries in use. */
export function journalLength(): i32 {
  return ((next - first) / ENTRY) as i32;
}

/** Address of the word that entry `index` notes, 0 for a mark. */
export function journalAddress(index: i32): usize {
  return load<u32>(first + (index as usize) * ENTRY) as usize;
}

/** What it held. */
export function journalWord(index: i32): u64 {
  return load<u64>(first + (index as usize) * ENTRY, 8);
}

/** Whether a store went unnoted because the journal was full: only a snapshot or a reset leads back. */
export function journalOverflowed(): bool {
  return overflowed;
}

function push(address: usize, value: u64): bool {
  if (next == end) {
    overflowed = true;
    return false;
  }
  store<u32>(next, address as u32);
  store<u64>(next, value, 8);
  next += ENTRY;
  return true;
}

function noteWord(address: usize): void {
  push(address, load<u64>(address));
}

/** Called before each store of `size` bytes at `pointer` + `offset`; answers the pointer. */
export function noteStore(pointer: usize, offset: usize, size: usize): usize {
  const address = pointer + offset;
  if (isWatching()) look(address, size);
  if (address - from >= bytes) return pointer;
  const last = (address + size - 1) & ~7;
  for (let word = address & ~7; word <= last; word += 8) noteWord(word);
  return pointer;
}

/** Stands for memory.fill. Words that have the value already need no note: most of a table page is empty. */
export function fillNoted(to: usize, value: i32, size: usize): void {
  if (isWatching()) look(to, size);
  if (to - from < bytes) {
    const pattern = ((value & 0xff) as u64) * 0x0101_0101_0101_0101;
    for (let word = to & ~7; word < to + size; word += 8) {
      if (load<u64>(word) != pattern) noteWord(word);
    }
  }
  memory.fill(to, value as u8, size);
}

/** Stands for memory.copy. */
export function copyNoted(to: usize, source: usize, size: usize): void {
  if (isWatching()) {
    look(to, size);
    look(source, size);
  }
  if (to - from < bytes) {
    for (let word = to & ~7; word < to + size; word += 8) noteWord(word);
  }
  memory.copy(to, source, size);
}
