// RTT_CREATE, RTT_DESTROY, RTT_READ_ENTRY: tables below the roots (reference cca section 6.3; rmi/rtt.c). RTT_FOLD: rmi-fold.ts.

import {
  GRANULE_DELEGATED,
  GRANULE_RD,
  GRANULE_RTT,
  HIPAS_UNASSIGNED,
  NS_MEMATTR,
  NS_S2AP,
  REASON_RMM_NO_TABLE,
  REASON_RMM_TABLE,
  REASON_RMM_TABLE_IN_USE,
  RIPAS_DESTROYED,
  RMI_ERROR_RTT,
} from "../../abi/cca";
import { RMM_NS_FOLD, RMM_SPURIOUS_UNLOCK } from "../../abi/mutations";
import { TLBI_SPLIT, TLBI_UNMAP_TABLE } from "../../abi/tlb";
import { isValid } from "../../arch/descriptor";
import { granuleSize, indexMask, levelShift, startLevel } from "../../arch/geometry";
import { wipePage } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { isAddress, isLevel, isReachedLevel, isTablePlace } from "./addresses";
import { addReferences, findLocked, granuleAt, lock, lockTwo, paOf, refcountOf, unlock, unlockAs } from "./granule";
import { isProtected } from "./realm";
import { answerMore, answerWith, done, fail, failAt, refused } from "./refusal";
import * as rtt from "./rtt";
import {
  addressOf,
  assigned,
  assignedNs,
  hipasOf,
  isAssigned,
  isAssignedNs,
  isTableEntry,
  NS_ATTRIBUTES,
  ripasOf,
  tableEntry,
  unassigned,
  unassignedNs,
} from "./rtt-entry";

//            before       after
//   rtt      DELEGATED    RTT, 512 entries that say what the parent entry said
//   parent   no table     table
export function rttCreate(rdPa: u64, rttPa: u64, ipa: u64, level: u64): i32 {
  if (!lockTwo(rttPa, GRANULE_DELEGATED, rdPa, GRANULE_RD)) return refused();
  const rd = granuleAt(rdPa);
  const child = granuleAt(rttPa);
  if (!isTablePlace(ipa, level)) {
    unlock(rd);
    unlock(child);
    return refused();
  }
  const above = (level as i32) - 1;
  if (!rtt.walkLocked(rd, ipa, above)) return refused();
  const isFree = isReachedLevel(ipa, rtt.level, above) && isNoTable(ipa);
  if (isFree) split(rd, child, ipa);
  unlock(rtt.table);
  unlockAs(child, isFree ? GRANULE_RTT : GRANULE_DELEGATED);
  return isFree ? done() : refused();
}

function isNoTable(ipa: u64): bool {
  if (!isTableEntry(rtt.entry, rtt.level)) return true;
  return failAt(RMI_ERROR_RTT, rtt.level, REASON_RMM_TABLE, ipa, 0);
}

// What was valid is taken out and invalidated before the table that says the same takes its place.
function split(rd: usize, child: usize, ipa: u64): void {
  const parent = rtt.entry;
  const at = rtt.level;
  const table = rtt.table;
  const isBlock = isAssigned(parent, at);
  const below = at + 1;
  for (let i: u32 = 0; i < rtt.ENTRIES; i++) rtt.writeUnlinked(child, i, partOf(parent, at, below, i));
  if (isValid(parent)) {
    rtt.writeEntry(rd, table, at, ipa, 0);
    rtt.flushLeaf(rd, ipa, at, TLBI_SPLIT);
  }
  rtt.writeEntry(rd, table, at, ipa, tableEntry(paOf(child)));
  if (isBlock) addReferences(child, rtt.ENTRIES);
  else addReferences(table, 1);
  if (isAssignedNs(parent) && isMutated(RMM_NS_FOLD)) addReferences(child, rtt.ENTRIES);
}

// Entry `index` of the table below that says what `parent` said.
function partOf(parent: u64, at: i32, below: i32, index: u32): u64 {
  const offset = (index as u64) << levelShift(below);
  if (isAssigned(parent, at)) return assigned(addressOf(parent) + offset, ripasOf(parent, at), below);
  if (isAssignedNs(parent)) return assignedNs((addressOf(parent) + offset) | (parent & NS_ATTRIBUTES), below);
  return parent;
}

//            before                after
//   rtt      RTT, nothing live     DELEGATED, zero
//   parent   table                 unassigned_destroyed, in the unprotected half unassigned_ns
// Mappings of the host count as nothing: they go with their table.
export function rttDestroy(rdPa: u64, ipa: u64, level: u64): i32 {
  const rd = findLocked(rdPa, GRANULE_RD);
  if (rd == 0) return refused();
  if (!isTablePlace(ipa, level)) {
    unlock(rd);
    return refused();
  }
  const above = (level as i32) - 1;
  if (!rtt.walkLocked(rd, ipa, above)) return refused();
  if (!isReachedLevel(ipa, rtt.level, above) || !isATable(ipa)) {
    answerWith(0, nextLive(ipa));
    unlock(rtt.table);
    if (isMutated(RMM_SPURIOUS_UNLOCK)) unlock(rtt.table);
    return refused();
  }
  const child = granuleAt(addressOf(rtt.entry));
  if (!lock(child)) return refused();
  const isIdle = hasNothingLive(child, ipa, level as i32);
  if (isIdle) cutOff(rd, child, ipa);
  unlockAs(child, isIdle ? GRANULE_DELEGATED : GRANULE_RTT);
  unlock(rtt.table);
  return isIdle ? done() : refused();
}

/** Whether the walk ended at a table's entry; false with the refusal noted. */
export function isATable(ipa: u64): bool {
  if (isTableEntry(rtt.entry, rtt.level)) return true;
  return failAt(RMI_ERROR_RTT, rtt.level, REASON_RMM_NO_TABLE, ipa, 0);
}

function hasNothingLive(child: usize, ipa: u64, level: i32): bool {
  const live = refcountOf(child);
  if (live == 0) return true;
  answerWith(0, ipa);
  return fail(RMI_ERROR_RTT | (level << 8), REASON_RMM_TABLE_IN_USE, ipa, 0, live);
}

function cutOff(rd: usize, child: usize, ipa: u64): void {
  const at = rtt.level;
  const isOfRealm = isProtected(ipa);
  rtt.cacheEntries(rd, child, at + 1, ipa);
  rtt.writeEntry(rd, rtt.table, at, ipa, isOfRealm ? unassigned(RIPAS_DESTROYED) : unassignedNs());
  if (isOfRealm) rtt.flushTable(rd, ipa, at, TLBI_UNMAP_TABLE);
  else rtt.flushUnprotectedTable(rd, ipa, at, TLBI_UNMAP_TABLE);
  addReferences(rtt.table, -1);
  wipePage(child);
  answerWith(paOf(child), nextLive(ipa));
}

/** Where the next entry may be that holds something: in the table at which the walk ended, or behind it. */
export function nextLive(ipa: u64): u64 {
  const size = granuleSize(rtt.level);
  const first = ((ipa >> levelShift(rtt.level)) & indexMask) as u32;
  for (let index = first; index < rtt.ENTRIES; index++) {
    const entry = rtt.entryAt(rtt.table, index);
    const holds = isTableEntry(entry, rtt.level) || isAssigned(entry, rtt.level) || isAssignedNs(entry);
    if (holds) return index == first ? ipa : (ipa & ~(size - 1)) + ((index - first) as u64) * size;
  }
  return (ipa & ~(size - 1)) + ((rtt.ENTRIES - first) as u64) * size;
}

/** What the host may know of an entry: x1 level reached, x2 HIPAS, x3 descriptor, x4 RIPAS. */
export function rttReadEntry(rdPa: u64, ipa: u64, level: u64): i32 {
  const rd = findLocked(rdPa, GRANULE_RD);
  if (rd == 0) return refused();
  if (!isLevel(level, startLevel) || !isAddress(ipa, level as i32)) {
    unlock(rd);
    return refused();
  }
  if (!rtt.walkLocked(rd, ipa, level as i32)) return refused();
  const entry = rtt.entry;
  const at = rtt.level;
  answerWith(at as u64, hipasOf(entry, at) as u64);
  answerMore(shownOf(entry, at), ripasOf(entry, at) as u64);
  unlock(rtt.table);
  return done();
}

// Version 1.0 shows no address of what is DESTROYED.
function shownOf(entry: u64, at: i32): u64 {
  if (isTableEntry(entry, at)) return addressOf(entry);
  if (isAssignedNs(entry)) return addressOf(entry) | (entry & (NS_MEMATTR | NS_S2AP));
  if (hipasOf(entry, at) == HIPAS_UNASSIGNED || ripasOf(entry, at) == RIPAS_DESTROYED) return 0;
  return addressOf(entry);
}
