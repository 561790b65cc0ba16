// RTT_FOLD: a table whose entries all say the same becomes one entry again (reference cca section 6.3; rmi/rtt.c).

import {
  GRANULE_DELEGATED,
  GRANULE_RD,
  GRANULE_RTT,
  REASON_RMM_FOLD,
  REASON_RMM_LEVEL,
  RMI_ERROR_RTT,
} from "../../abi/cca";
import { RMM_FOLD_TAUTOLOGY, RMM_NS_FOLD } from "../../abi/mutations";
import { TLBI_BREAK_TABLE } from "../../abi/tlb";
import { granuleSize } from "../../arch/geometry";
import { wipePage } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { isReachedLevel, isTablePlace } from "./addresses";
import { addReferences, findLocked, granuleAt, lock, paOf, refcountOf, unlock, unlockAs } from "./granule";
import { answerWith, done, fail, failAt, refused } from "./refusal";
import { isATable } from "./rmi-rtt";
import * as rtt from "./rtt";
import {
  addressOf,
  assigned,
  assignedNs,
  DEFAULT_ATTRIBUTES,
  isAssigned,
  isAssignedNs,
  NS_ATTRIBUTES,
  ripasOf,
} from "./rtt-entry";

/** No entry: what is to be folded does not make one. */
const NONE: u64 = u64.MAX_VALUE;

//            before                      after
//   rtt      RTT, 512 equal entries      DELEGATED, zero
//   parent   table                       the entry that all of them were
export function rttFold(rdPa: u64, ipa: u64, level: u64): i32 {
  const rd = findLocked(rdPa, GRANULE_RD);
  if (rd == 0) return refused();
  if (!isTablePlace(ipa, level)) {
    unlock(rd);
    return refused();
  }
  const above = (level as i32) - 1;
  if (!rtt.walkLocked(rd, ipa, above)) return refused();
  if (!isReachedLevel(ipa, rtt.level, above) || !isATable(ipa)) {
    unlock(rtt.table);
    return refused();
  }
  const child = granuleAt(addressOf(rtt.entry));
  if (!lock(child)) return refused();
  const folded = entryFor(child, level as i32, ipa);
  if (folded != NONE) replace(rd, child, ipa, folded);
  unlockAs(child, folded != NONE ? GRANULE_DELEGATED : GRANULE_RTT);
  unlock(rtt.table);
  return folded != NONE ? done() : refused();
}

// The entry one level above that says what all of the table's entries say; NONE with the refusal noted.
function entryFor(child: usize, level: i32, ipa: u64): u64 {
  const first = rtt.entryAt(child, 0);
  const live = refcountOf(child);
  if (live != 0 && live != rtt.ENTRIES) return refuse(level, ipa, live);
  if (live == 0 && !isAssignedNs(first)) return areEqual(child, first) ? first : refuse(level, ipa, live);
  // Blocks stand at level 1 and below.
  if (level <= 1) {
    failAt(RMI_ERROR_RTT, level - 1, REASON_RMM_LEVEL, ipa, 2);
    return NONE;
  }
  if (!isOneRun(child, first, level)) return refuse(level, ipa, live);
  if (isAssigned(first, level)) return assigned(addressOf(first), ripasOf(first, level), level - 1);
  const attributes = isMutated(RMM_NS_FOLD) ? DEFAULT_ATTRIBUTES : first & NS_ATTRIBUTES;
  return assignedNs(addressOf(first) | attributes, level - 1);
}

function refuse(level: i32, ipa: u64, live: u32): u64 {
  fail(RMI_ERROR_RTT | (level << 8), REASON_RMM_FOLD, ipa, 0, live);
  return NONE;
}

function areEqual(child: usize, first: u64): bool {
  for (let i: u32 = 1; i < rtt.ENTRIES; i++) {
    if (rtt.entryAt(child, i) != first) return false;
  }
  return true;
}

// Assigned, contiguous, aligned as a block, and all of one kind.
function isOneRun(child: usize, first: u64, level: i32): bool {
  const start = addressOf(first);
  if ((start & (granuleSize(level - 1) - 1)) != 0) return false;
  for (let i: u32 = 0; i < rtt.ENTRIES; i++) {
    const entry = rtt.entryAt(child, i);
    if (!isLikeFirst(entry, first, level)) return false;
    if (addressOf(entry) != start + (i as u64) * granuleSize(level)) return false;
  }
  return true;
}

function isLikeFirst(entry: u64, first: u64, level: i32): bool {
  if (isAssigned(first, level)) return isAssigned(entry, level) && ripasOf(entry, level) == ripasOf(first, level);
  const like = isMutated(RMM_FOLD_TAUTOLOGY) ? entry : first;
  return isAssignedNs(entry) && (entry & NS_ATTRIBUTES) == (like & NS_ATTRIBUTES);
}

function replace(rd: usize, child: usize, ipa: u64, folded: u64): void {
  const at = rtt.level;
  const isLive = refcountOf(child) != 0;
  rtt.cacheEntries(rd, child, at + 1, ipa);
  rtt.writeEntry(rd, rtt.table, at, ipa, 0);
  rtt.flushTable(rd, ipa, at, TLBI_BREAK_TABLE);
  rtt.writeEntry(rd, rtt.table, at, ipa, folded);
  // The block is live in place of the table; nothing else is.
  if (isLive) addReferences(child, -(rtt.ENTRIES as i32));
  else addReferences(rtt.table, -1);
  wipePage(child);
  answerWith(paOf(child), 0);
}
