// The runs of a snapshot: page_run and s2_run lines in packed form, kept while the snapshot cannot be used yet.
//
//    0 u64 pfn or address | 8 u64 pages or entries | 16 u64 first descriptor, or u32 cnt and 20 u32 ref
//   24 u8 PAGES or LEAVES | 25 u8 host | 26 u8 hyp | 27 u8 level | 28 u32 line

import { reserve } from "../memory/heap";

const COUNT: usize = 8;
const DESCRIPTOR: usize = 16;
const REF: usize = 20;
const KIND: usize = 24;
const HOST: usize = 25;
const HYP: usize = 26;
const LEVEL: usize = 27;
const LINE: usize = 28;
const RUN_SIZE: usize = 32;
const PAGES: u32 = 1;
const LEAVES: u32 = 2;

/** Runs that can be kept: those of the first snapshot, or of one printed before all of its steps. */
export const RUNS: u32 = 1 << 20;

let runs: usize = 0;
/** Runs kept. */
export let runCount: u32 = 0;

/** False if linear memory is used up. */
export function openRuns(): bool {
  runCount = 0;
  runs = reserve((RUNS as usize) * RUN_SIZE);
  return runs != 0;
}

export function forgetRuns(): void {
  runCount = 0;
}

/** The kept run number `index`; with `index` = `runCount` the place of the next one. */
export function runAt(index: u32): usize {
  return runs + (index as usize) * RUN_SIZE;
}

/** Keeps what was filled in at `runAt(runCount)`. */
export function keepRun(): void {
  runCount++;
}

export function setPageRun(run: usize, pfn: u64, pages: u64, host: i32, hyp: i32, cnt: u32, ref: u32): void {
  store<u64>(run, pfn);
  store<u64>(run, pages, COUNT);
  store<u32>(run, cnt, DESCRIPTOR);
  store<u32>(run, ref, REF);
  store<u8>(run, PAGES as u8, KIND);
  store<u8>(run, host as u8, HOST);
  store<u8>(run, hyp as u8, HYP);
}

export function setLeafRun(run: usize, address: u64, entries: u64, level: i32, descriptor: u64): void {
  store<u64>(run, address);
  store<u64>(run, entries, COUNT);
  store<u64>(run, descriptor, DESCRIPTOR);
  store<u8>(run, LEAVES as u8, KIND);
  store<u8>(run, level as u8, LEVEL);
}

export function setRunLine(run: usize, line: u32): void {
  store<u32>(run, line, LINE);
}

export function isPageRun(run: usize): bool {
  return load<u8>(run, KIND) == PAGES;
}

export function runLine(run: usize): u32 {
  return load<u32>(run, LINE);
}

/** Pages or entries. */
export function runLength(run: usize): u64 {
  return load<u64>(run, COUNT);
}

export function runPfn(run: usize): u64 {
  return load<u64>(run);
}

export function runHost(run: usize): i32 {
  return load<u8>(run, HOST);
}

export function runHyp(run: usize): i32 {
  return load<u8>(run, HYP);
}

export function runShareCount(run: usize): u32 {
  return load<u32>(run, DESCRIPTOR);
}

export function runRefcount(run: usize): u32 {
  return load<u32>(run, REF);
}

export function runAddress(run: usize): u64 {
  return load<u64>(run);
}

export function runLevel(run: usize): i32 {
  return load<u8>(run, LEVEL);
}

/** The descriptor of entry `index`: valid ones have ascending addresses, invalid ones are equal. */
export function runDescriptor(run: usize, index: u64): u64 {
  const first = load<u64>(run, DESCRIPTOR);
  return first & 1 ? first + index * entrySize(runLevel(run)) : first;
}

/** Bytes that an entry of `level` covers with 4 KiB pages, the only ones in these traces. */
export function entrySize(level: i32): u64 {
  return (1 as u64) << ((39 - 9 * level) as u64);
}
