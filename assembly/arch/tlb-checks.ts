// What an operation leaves in the TLB: every change of a table entry is compared with what is cached of it, and what the
// operation should have invalidated is reported (reference pkvm-el2 section 11.5, I25 and I26; stage2-walk section 11).
//
// In the worst case everything valid is cached. Then only what is stale needs to be kept: an entry goes in at the moment
// when it is taken out of the tables, and the invalidation that has to follow takes it out again.

import {
  TLB_BREAK_BEFORE_MAKE,
  TLB_LEFT_BEHIND,
  TLB_OFF,
  TLB_REPORT_ALLOWED,
  TLB_REPORT_BYTES,
  TLB_REPORT_CACHED,
  TLB_REPORT_CODE,
  TLB_REPORT_FILLED,
  TLB_REPORT_IPA,
  TLB_REPORT_KIND,
  TLB_REPORT_LEVEL,
  TLB_REPORT_NOTICED,
  TLB_REPORT_OPERATION,
  TLB_REPORT_TABLE,
  TLB_REPORT_TABLE_LEVEL,
  TLB_REPORT_VMID,
  TLB_REPORTS,
  TLB_STALE_USE,
  TLB_VMID_LEFT,
  TLB_WORST_CASE,
  TLBI_NONE,
} from "../abi/tlb";
import { panicked } from "../memory/verdict";
import { AF, DBM, isTable, isValid, PERMS, SW, TYPE, VALID } from "./descriptor";
import { granuleSize, isBlockLevel, levelShift } from "./geometry";
import {
  ALLOWED,
  drop,
  fill,
  PRESENT,
  REPORTED,
  reportAt,
  STALE,
  tlb,
  TlbEntry,
  tlbMode,
  visitAll,
  visitRange,
  visitVmid,
} from "./tlb";

/** What may change in a valid entry without a break: everything else may not be cached in two versions. */
const MAY_CHANGE: u64 = PERMS | AF | DBM | SW;
const NO_VMID: u32 = u32.MAX_VALUE;

/** The TLBI site that is taken out (TLBI_*): for tests and teaching. */
let suppressed: i32 = TLBI_NONE;
/** Code of the current operation. */
let code: u32 = 0;
/** Whether it made an entry stale. */
let marked: bool = false;
/** Its caller invalidates. */
let deferred: bool = false;
/** Entry that it has broken and not yet made. */
let broken: usize = 0;
/** VMID that it has flushed for good: nothing walks its tables any more. */
let retired: u32 = NO_VMID;
/** The tables being freed hang on no entry any more. */
let detached: i32 = 0;

export function suppressSite(site: i32): void {
  suppressed = site;
}

/** Whether the TLBI of `site` is there. */
export function isIssued(site: i32): bool {
  return site != suppressed;
}

/** Before an operation. */
export function beginOperation(operation: u32): void {
  code = operation;
  marked = false;
  broken = 0;
  retired = NO_VMID;
}

/** After it: what it should have invalidated is gone by now. An EL2 that has stopped is past that. */
export function endOperation(): void {
  if (marked && panicked == 0) visitAll(reportLeft);
  tlb.operation++;
}

function reportLeft(entry: TlbEntry): void {
  if ((entry.flags & (STALE | ALLOWED | REPORTED)) == STALE) report(TLB_LEFT_BEHIND, entry, entry.base);
}

/** Until the next call: entries become stale and the caller of the operation invalidates (I25's exceptions). */
export function deferInvalidation(on: bool): void {
  deferred = on;
}

/** Whether the caller of the operation invalidates. */
export function isInvalidationDeferred(): bool {
  return deferred;
}

/** Around the freeing of a subtree that a break has cut off. */
export function enterDetached(): void {
  detached++;
}

export function leaveDetached(): void {
  detached--;
}

/** The VMID was flushed and no vCPU runs with it any more. */
export function retireVmid(vmid: u32): void {
  retired = vmid;
}

/** An entry goes through invalid before it is made anew: `at` names it until then. */
export function entryBroken(vmid: u32, level: i32, ipa: u64, before: u64, at: usize): void {
  if (tlbMode == TLB_OFF) return;
  noteChange(vmid, level, ipa, before, 0);
  broken = at;
}

/** A table entry was written. */
export function entryChanged(vmid: u32, level: i32, ipa: u64, before: u64, after: u64, at: usize): void {
  if (tlbMode == TLB_OFF || detached != 0 || vmid == retired) return;
  noteChange(vmid, level, ipa, at == broken ? 0 : before, after);
  broken = 0;
  if (isValid(after)) visitRange(vmid, startOf(ipa, level), granuleSize(level), checkMade);
}

function startOf(ipa: u64, level: i32): u64 {
  return (ipa >> levelShift(level)) << levelShift(level);
}

// The change that noteEntry and checkMade look at.
let changedLevel: i32 = 0;
let oldDescriptor: u64 = 0;
let newDescriptor: u64 = 0;

function noteChange(vmid: u32, level: i32, ipa: u64, before: u64, after: u64): void {
  changedLevel = level;
  oldDescriptor = before;
  newDescriptor = after;
  if (isSame(before, after)) return;
  const base = startOf(ipa, level);
  if (tlbMode == TLB_WORST_CASE && isCacheable(before, level)) fill(vmid, base, levelShift(level), before, level);
  visitRange(vmid, base, granuleSize(level), noteEntry);
}

/** Whether hardware sees no difference. */
function isSame(one: u64, other: u64): bool {
  return ((one | other) & VALID) == 0 || ((one ^ other) & ~SW) == 0;
}

/** A leaf, but not one that raises an Access flag fault; or a table. */
export function isCacheable(descriptor: u64, level: i32): bool {
  if (!isValid(descriptor)) return false;
  if (isTable(descriptor, level)) return true;
  return (descriptor & AF) != 0 && (level == 3 ? (descriptor & TYPE) != 0 : isBlockLevel(level));
}

// A cached copy of the changed entry, or, if that was a table, of anything below it.
function noteEntry(entry: TlbEntry): void {
  const isOwn = entry.level == changedLevel;
  if (!isOwn && ((entry.level as i32) < changedLevel || !isTable(oldDescriptor, changedLevel))) return;
  if (isOwn && entry.shift == levelShift(changedLevel) && isSame(entry.descriptor, newDescriptor)) {
    refresh(entry);
    return;
  }
  entry.now = newDescriptor;
  entry.nowLevel = changedLevel as u8;
  if (isValid(oldDescriptor) && !keepsItsBlame(entry)) markStale(entry);
}

// An entry that is stale already: the operation before this one should have invalidated. If that one may leave it to its
// caller, so may an update in place after it.
function keepsItsBlame(entry: TlbEntry): bool {
  const isInPlace = isValid(newDescriptor) && ((oldDescriptor ^ newDescriptor) & ~MAY_CHANGE) == 0;
  return (entry.flags & STALE) != 0 && ((entry.flags & ALLOWED) == 0 || isInPlace);
}

/** The tables hold it again. */
function refresh(entry: TlbEntry): void {
  if (tlbMode == TLB_WORST_CASE) drop(entry);
  else entry.flags = PRESENT;
}

function markStale(entry: TlbEntry): void {
  entry.flags = PRESENT | STALE | (deferred ? ALLOWED : 0);
  entry.changedAt = tlb.operation;
  entry.changedBy = code as u16;
  marked = true;
}

function checkMade(entry: TlbEntry): void {
  if ((entry.flags & (STALE | REPORTED)) != STALE) return;
  const isOwn = entry.level == changedLevel;
  if (isOwn && ((entry.descriptor ^ newDescriptor) & ~MAY_CHANGE) == 0) return;
  entry.now = newDescriptor;
  entry.nowLevel = changedLevel as u8;
  report(TLB_BREAK_BEFORE_MAKE, entry, entry.base);
}

/** After a flush of the VMID: nothing stale of it is left. */
export function expectFresh(vmid: u32): void {
  if (tlbMode != TLB_OFF) visitVmid(vmid, reportStale);
}

function reportStale(entry: TlbEntry): void {
  if (entry.flags & STALE) reportUnused(entry);
}

/** A VMID is given up: nothing of it is left (I26). */
export function expectUnused(vmid: u32): void {
  if (tlbMode != TLB_OFF) visitVmid(vmid, reportUnused);
}

function reportUnused(entry: TlbEntry): void {
  if (entry.flags & REPORTED) return;
  entry.changedAt = tlb.operation;
  entry.changedBy = code as u16;
  entry.flags &= ~ALLOWED;
  report(TLB_VMID_LEFT, entry, entry.base);
}

/** An access to `ipa` was translated by a stale entry. */
export function reportUse(entry: TlbEntry, ipa: u64): void {
  const flags = entry.flags;
  report(TLB_STALE_USE, entry, ipa);
  entry.flags = flags;
}

function report(kind: i32, entry: TlbEntry, ipa: u64): void {
  entry.flags |= REPORTED;
  const index = tlb.reports++;
  if (index >= (TLB_REPORTS as u32)) return;
  const at = reportAt(index);
  store<u8>(at, kind, TLB_REPORT_KIND);
  store<u8>(at, entry.flags & ALLOWED ? 1 : 0, TLB_REPORT_ALLOWED);
  store<u8>(at, entry.level, TLB_REPORT_LEVEL);
  store<u8>(at, entry.nowLevel, TLB_REPORT_TABLE_LEVEL);
  store<u32>(at, entry.vmid, TLB_REPORT_VMID);
  store<u64>(at, ipa, TLB_REPORT_IPA);
  store<u64>(at, entry.descriptor, TLB_REPORT_CACHED);
  store<u64>(at, entry.now, TLB_REPORT_TABLE);
  store<u32>(at, entry.changedAt, TLB_REPORT_OPERATION);
  store<u16>(at, entry.changedBy, TLB_REPORT_CODE);
  store<u32>(at, tlb.operation, TLB_REPORT_NOTICED);
  store<u32>(at, entry.filledAt, TLB_REPORT_FILLED);
  store<u64>(at, (1 as u64) << entry.shift, TLB_REPORT_BYTES);
}
