// A TLB of one CPU: stage-2 entries and table entries, tagged by VMID (DDI 0487 D8.16; reference stage2-walk section 11).
// An entry covers the whole range of its leaf: a block, or a contiguous run. Combined entries with stage 1 are not modelled;
// every invalidation that EL2 issues takes them along.
//
// All of it lies in linear memory above the machine's state, so that snapshots hold it.

import { TLB_OFF, TLB_REPORT_SIZE, TLB_REPORTS } from "../abi/tlb";
import { TTL_UNKNOWN } from "../abi/records";
import { reserve } from "../memory/heap";
import { setWatched } from "../memory/journal";
import { isTable } from "./descriptor";
import { pageMask, pageSize } from "./geometry";

// Flags of an entry.
export const PRESENT: u8 = 1;
/** The tables do not hold it any more. */
export const STALE: u8 = 2;
/** Stale, and whoever made it so may leave the invalidation to its caller. */
export const ALLOWED: u8 = 4;
/** Has been reported as left behind. */
export const REPORTED: u8 = 8;

@unmanaged
export class TlbEntry {
  /** First address of the range. */
  base: u64;
  descriptor: u64;
  /** Of a stale entry: what the tables hold instead. */
  now: u64;
  vmid: u32;
  /** The entry covers 1 << shift bytes. */
  shift: u8;
  level: u8;
  flags: u8;
  nowLevel: u8;
  /** Operations, by number: the last one before the entry was filled; the one that made it stale, and its code. */
  filledAt: u32;
  changedAt: u32;
  changedBy: u16;
}

@unmanaged
export class Tlb {
  /** TLB_*. */
  mode: i32;
  /** Entries present. */
  live: u32;
  /** Bit n: there may be entries that cover 1 << n bytes. */
  shifts: u64;
  /** Number of the current or next operation. */
  operation: u32;
  /** Reports since the last time they were taken; those beyond TLB_REPORTS are only counted. */
  reports: u32;
  /** Where the next victim is looked for. */
  hand: u32;
}

const SET_BITS: u32 = 10;
const WAYS: usize = 4;
const ENTRY_BYTES: usize = 48;
const SET_BYTES: usize = WAYS * ENTRY_BYTES;
const ENTRIES_BYTES: usize = SET_BYTES << SET_BITS;
const HEADER_BYTES: usize = 48;
const REPORTS_BYTES: usize = (TLB_REPORTS as usize) * (TLB_REPORT_SIZE as usize);
export const TLB_BYTES: usize = HEADER_BYTES + ENTRIES_BYTES + REPORTS_BYTES;

/** TLB_*: callers on hot paths look at it first. */
export let tlbMode: i32 = TLB_OFF;
export let tlb: Tlb = changetype<Tlb>(0);

/** Switches the TLB, empty, to `mode`. False if linear memory is used up. */
export function switchTlb(mode: i32): bool {
  let at = tlbAddress();
  if (at == 0 && mode != TLB_OFF) {
    at = reserve(TLB_BYTES);
    if (at == 0) return false;
  }
  if (at != 0) {
    const operation = changetype<Tlb>(at).operation;
    memory.fill(at, 0, TLB_BYTES);
    changetype<Tlb>(at).mode = mode;
    changetype<Tlb>(at).operation = operation;
  }
  attachTlb(at);
  return true;
}

/** Where the TLB's memory is, 0 if it was never on: a snapshot keeps it. */
export function tlbAddress(): usize {
  return changetype<usize>(tlb);
}

/** A machine was made (0: without a TLB) or restored. */
export function attachTlb(at: usize): void {
  tlb = changetype<Tlb>(at);
  tlbMode = at != 0 ? tlb.mode : TLB_OFF;
  setWatched(tlbMode != TLB_OFF);
}

/** Record number `index` of the reports. */
export function reportAt(index: u32): usize {
  return tlbAddress() + HEADER_BYTES + ENTRIES_BYTES + (index as usize) * (TLB_REPORT_SIZE as usize);
}

function entryAt(set: usize, way: usize): TlbEntry {
  return changetype<TlbEntry>(set + way * ENTRY_BYTES);
}

function setOf(vmid: u32, ipa: u64, shift: u32): usize {
  const key = ((ipa >> shift) + (vmid as u64) * 977 + (shift as u64) * 131) * 0x9e37_79b9_7f4a_7c15;
  return tlbAddress() + HEADER_BYTES + ((key >> (64 - SET_BITS)) as usize) * SET_BYTES;
}

function overlaps(entry: TlbEntry, vmid: u32, ipa: u64, size: u64): bool {
  if (!(entry.flags & PRESENT) || entry.vmid != vmid) return false;
  return entry.base < ipa ? ipa - entry.base < (1 as u64) << entry.shift : entry.base - ipa < size;
}

/** The entry of a leaf that translates `ipa`, or null. A stale one comes before a fresh one: it was there first. */
export function lookUp(vmid: u32, ipa: u64): TlbEntry | null {
  let found: TlbEntry | null = null;
  for (let shifts = tlb.shifts; shifts != 0; shifts &= shifts - 1) {
    const set = setOf(vmid, ipa, ctz(shifts) as u32);
    for (let way: usize = 0; way < WAYS; way++) {
      const entry = entryAt(set, way);
      if (!overlaps(entry, vmid, ipa, 1) || isTable(entry.descriptor, entry.level)) continue;
      if (entry.flags & STALE) return entry;
      found = entry;
    }
  }
  return found;
}

/** Puts an entry for the range of `1 << shift` bytes around `ipa` into its set, unless the very same is there. */
export function fill(vmid: u32, ipa: u64, shift: u32, descriptor: u64, level: i32): void {
  const base = (ipa >> shift) << shift;
  const set = setOf(vmid, ipa, shift);
  for (let way: usize = 0; way < WAYS; way++) {
    const entry = entryAt(set, way);
    const isSame = entry.base == base && entry.vmid == vmid && entry.shift == shift && entry.descriptor == descriptor;
    if (entry.flags & PRESENT && isSame && entry.level == level) return;
  }
  const entry = victimIn(set);
  if (!(entry.flags & PRESENT)) tlb.live++;
  memory.fill(changetype<usize>(entry), 0, ENTRY_BYTES);
  entry.base = base;
  entry.descriptor = descriptor;
  entry.vmid = vmid;
  entry.shift = shift as u8;
  entry.level = level as u8;
  entry.flags = PRESENT;
  entry.filledAt = tlb.operation;
  tlb.shifts |= (1 as u64) << shift;
}

// An empty way, else one with nothing stale in it, else the next in turn: what is stale is what one wants to see.
function victimIn(set: usize): TlbEntry {
  let fresh: usize = WAYS;
  for (let way: usize = 0; way < WAYS; way++) {
    const flags = entryAt(set, way).flags;
    if (!(flags & PRESENT)) return entryAt(set, way);
    if (!(flags & STALE)) fresh = way;
  }
  return entryAt(set, fresh < WAYS ? fresh : (tlb.hand++ as usize) % WAYS);
}

export type Visit = (entry: TlbEntry) => void;

/** Visits every entry of the VMID that covers any of [ipa, ipa + size), some more than once. */
export function visitRange(vmid: u32, ipa: u64, size: u64, visit: Visit): void {
  if (tlb.live == 0) return;
  if (size > pageSize) {
    const first = tlbAddress() + HEADER_BYTES;
    for (let at = first; at < first + ENTRIES_BYTES; at += SET_BYTES) visitSet(at, vmid, ipa, size, visit);
    return;
  }
  for (let shifts = tlb.shifts; shifts != 0; shifts &= shifts - 1) {
    visitSet(setOf(vmid, ipa, ctz(shifts) as u32), vmid, ipa, size, visit);
  }
}

function visitSet(set: usize, vmid: u32, ipa: u64, size: u64, visit: Visit): void {
  for (let way: usize = 0; way < WAYS; way++) {
    const entry = entryAt(set, way);
    if (overlaps(entry, vmid, ipa, size)) visit(entry);
  }
}

export function visitVmid(vmid: u32, visit: Visit): void {
  visitRange(vmid, 0, u64.MAX_VALUE, visit);
}

/** Visits every entry. */
export function visitAll(visit: Visit): void {
  if (tlb.live == 0) return;
  const first = tlbAddress() + HEADER_BYTES;
  for (let at = first; at < first + ENTRIES_BYTES; at += ENTRY_BYTES) {
    if (changetype<TlbEntry>(at).flags & PRESENT) visit(changetype<TlbEntry>(at));
  }
}

export function drop(entry: TlbEntry): void {
  entry.flags = 0;
  tlb.live--;
}

let hint: i32 = TTL_UNKNOWN;

/**
 * TLBI IPAS2E1(IS): entries that translate `ipa`. A level hint that is not the entry's own leaves the entry behind, as the
 * architecture allows (section 11, TTL).
 */
export function invalidateIpa(vmid: u32, ipa: u64, level: i32): void {
  if (tlbMode == TLB_OFF) return;
  hint = level;
  visitRange(vmid, ipa & ~pageMask, pageSize, dropHinted);
}

function dropHinted(entry: TlbEntry): void {
  if (entry.flags & PRESENT && (hint == TTL_UNKNOWN || entry.level == hint)) drop(entry);
}

/** TLBI RIPAS2E1IS, without a level hint. */
export function invalidateRange(vmid: u32, ipa: u64, size: u64): void {
  hint = TTL_UNKNOWN;
  if (tlbMode != TLB_OFF) visitRange(vmid, ipa, size, dropHinted);
}

/** TLBI VMALLS12E1IS. */
export function invalidateVmid(vmid: u32): void {
  hint = TTL_UNKNOWN;
  if (tlbMode != TLB_OFF) visitVmid(vmid, dropHinted);
}

/** TLBI ALLE1IS. */
export function invalidateAll(): void {
  if (tlbMode != TLB_OFF) visitAll(drop);
}
