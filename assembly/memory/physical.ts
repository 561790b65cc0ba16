// What answers a physical address: the sparse memory of a walk machine, or DRAM. Where nothing answers, or where the machine
// was told to, an access ends in a synchronous External abort.

import { pageShift } from "../arch/geometry";
import { readU64, writeU64 } from "./dram";
import { pageOf } from "./regions";
import { isSparse, readWord, writeWord } from "./sparse";

/** Whether the last read was aborted. */
export let aborted: bool = false;

let abortFirst: u64 = 0;
let abortBytes: u64 = 0;

/** Addresses from `first` up to `end` (exclusive) abort. */
export function setAbortRange(first: u64, end: u64): void {
  abortFirst = first;
  abortBytes = end > first ? end - first : 0;
}

/** The aligned word at `pa`; sets `aborted`. */
export function readPhysical(pa: u64): u64 {
  aborted = pa - abortFirst < abortBytes || (!isSparse && pageOf(pa >> pageShift) == 0);
  if (aborted) return 0;
  return isSparse ? readWord(pa) : readU64(pa);
}

/** Writes a word that was read before. */
export function writePhysical(pa: u64, value: u64): void {
  if (isSparse) writeWord(pa, value);
  else writeU64(pa, value);
}
