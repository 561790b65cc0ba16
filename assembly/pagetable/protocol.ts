// What the page-table protocol forbids and no entry of a TLB shows by itself. Looked after in the exploring variant of the module
// alone, while its TLB is on: callers ask isDefined(EXPLORING) first.

import { TABLE_ADDRESS, TABLE_DEAD, TABLE_FREED, TABLE_HINT, TABLE_NONE, TABLE_RIGHTS } from "../abi/explore";
import { TTL_UNKNOWN } from "../abi/records";
import { TLB_OFF, TLB_WORST_CASE } from "../abi/tlb";
import {
  isTable,
  isValid,
  outputAddress,
  S2AP_R,
  S2AP_W,
  XN,
  XN_NONE,
  XN_PX,
  XN_SHIFT,
  XN_UX,
} from "../arch/descriptor";
import { granuleSize, indexMask, levelShift, pfnToPa, startLevel } from "../arch/geometry";
import { fill, STALE, tlb, TlbEntry, tlbMode, visitVmid } from "../arch/tlb";
import { isCacheable, isInvalidationDeferred } from "../arch/tlb-checks";
import { frameOf } from "../memory/dram";
import { pfnOf } from "../memory/regions";
import { refcount } from "../memory/vmemmap";
import { childPage, entryOffset, rootFrame, rootIndex, Stage2 } from "./stage2-table";

/** The first breach of the current operation: TABLE_* of abi/explore.ts, 0 for none; and the address, in bytes. */
export let breach: i32 = 0;
export let breachAt: u64 = 0;

// The entry that the operation changed last.
let changedLevel: i32 = 0;
let changedFrom: u64 = 0;

export function forgetBreach(): void {
  breach = 0;
  changedFrom = 0;
}

// What a TLB entry has shown before comes first.
function note(code: i32, ipa: u64): void {
  if (tlbMode == TLB_OFF || breach != 0 || tlb.reports != 0) return;
  breach = code;
  breachAt = ipa;
}

/** Whether rights are taken from a leaf by a map over it, as by a caller that asks for fewer. */
let mayMapTakeRights: bool = false;

export function letMapTakeRights(may: bool): void {
  mayMapTakeRights = may;
}

/** An entry was written. Only write protection and ageing take rights from a leaf that keeps its pages, unless a map may. */
export function noteWritten(level: i32, ipa: u64, before: u64, after: u64): void {
  changedLevel = level;
  changedFrom = before;
  if (isInvalidationDeferred() || !isValid(before) || !isValid(after)) return;
  if (isTable(before, level) || isTable(after, level) || outputAddress(before) != outputAddress(after)) return;
  if (!mayMapTakeRights && (rightsOf(before) & ~rightsOf(after)) != 0) note(TABLE_RIGHTS, ipa);
}

// Read, write, execute at EL1 and at EL0.
function rightsOf(leaf: u64): u64 {
  const xn = (leaf & XN) >> XN_SHIFT;
  const executes = (xn == XN_NONE || xn == XN_PX ? 1 : 0) | (xn == XN_NONE || xn == XN_UX ? 2 : 0);
  return (leaf & (S2AP_R | S2AP_W)) | executes;
}

/** A walk goes down into a table. */
export function expectLive(page: usize, ipa: u64): void {
  if (refcount(page) == 0) note(TABLE_DEAD, ipa);
}

/** Whether a walk that goes on in `page` finds a table there: what is read else is none. */
export function isTablePage(page: usize, ipa: u64): bool {
  if (page != 0 && refcount(page) != 0) return true;
  note(TABLE_NONE, ipa);
  return false;
}

let freed: u64 = 0;

/** A table page goes back to its pool: no walk may go through it any more. */
export function expectUnlinked(table: Stage2, page: usize): void {
  if (tlbMode == TLB_OFF) return;
  freed = pfnToPa(pfnOf(page));
  visitVmid(table.vmid, checkPointer);
}

function checkPointer(entry: TlbEntry): void {
  const isPointer = (entry.flags & STALE) != 0 && isTable(entry.descriptor, entry.level);
  if (isPointer && outputAddress(entry.descriptor) == freed) note(TABLE_FREED, entry.base);
}

/** An invalidation that names a level: that of the leaf that is there, or that was just taken out. */
export function expectHint(table: Stage2, ipa: u64, level: i32): void {
  if (level == TTL_UNKNOWN || (changedLevel == level && isValid(changedFrom) && !isTable(changedFrom, level))) return;
  if (findLeaf(table, ipa) != level) note(TABLE_HINT, ipa);
}

/** After a map: every address of the range leads where it should. */
export function expectMapped(table: Stage2, from: u64, size: u64, phys: u64): void {
  for (let ipa = from; ipa < from + size;) {
    const level = findLeaf(table, ipa);
    const inside = level != TTL_UNKNOWN ? ipa & (granuleSize(level) - 1) : 0;
    if (level == TTL_UNKNOWN || outputAddress(leafFound) + inside != phys + (ipa - from)) {
      note(TABLE_ADDRESS, ipa);
      return;
    }
    ipa += granuleSize(level) - inside;
  }
}

let leafFound: u64 = 0;

// The level at which a walk of `ipa` ends at a valid leaf, which is then in `leafFound`; else TTL_UNKNOWN.
function findLeaf(table: Stage2, ipa: u64): i32 {
  let frame = rootFrame(table, rootIndex(ipa));
  let level = startLevel;
  let descriptor = load<u64>(frame + entryOffset(ipa, level));
  while (isTable(descriptor, level)) {
    frame = frameOf(childPage(descriptor));
    descriptor = load<u64>(frame + entryOffset(ipa, ++level));
  }
  leafFound = descriptor;
  return isValid(descriptor) ? level : TTL_UNKNOWN;
}

/** A table is about to be cut off: what is below it was valid up to now, and may be cached as well. */
export function cacheBelow(vmid: u32, descriptor: u64, level: i32, ipa: u64): void {
  if (tlbMode != TLB_WORST_CASE || !isTable(descriptor, level)) return;
  const frame = frameOf(childPage(descriptor));
  const base = (ipa >> levelShift(level)) << levelShift(level);
  const below = level + 1;
  for (let index: u64 = 0; index <= indexMask; index++) {
    const entry = load<u64>(frame + ((index as usize) << 3));
    if (!isCacheable(entry, below)) continue;
    const from = base + (index << levelShift(below));
    fill(vmid, from, levelShift(below), entry, below);
    cacheBelow(vmid, entry, below, from);
  }
}
