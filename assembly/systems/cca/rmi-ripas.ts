// RTT_INIT_RIPAS, RTT_SET_RIPAS: what the realm counts as its RAM (reference cca section 6.5; rmi/rtt.c).

import {
  GRANULE_RD,
  GRANULE_REC,
  HIPAS_UNASSIGNED,
  REALM_NEW,
  REASON_RMM_OTHER_REALM,
  REASON_RMM_PENDING,
  REASON_RMM_RIPAS,
  REASON_RMM_RUNNING,
  REASON_RMM_WALK,
  RIPAS_DESTROYED,
  RIPAS_RAM,
  RMI_ERROR_INPUT,
  RMI_ERROR_REC,
  RMI_ERROR_RTT,
} from "../../abi/cca";
import { RMM_LOCK_LEAK_EMPTY, RMM_RANGE_TOP, RMM_UPDATE_RIPAS } from "../../abi/mutations";
import { TLBI_UNMAP_LEAF } from "../../abi/tlb";
import { isValid } from "../../arch/descriptor";
import { granuleSize, indexMask, levelShift } from "../../arch/geometry";
import { isMutated } from "../../memory/mutation";
import { isProtectedRange, isRange } from "./addresses";
import { findLocked, granuleAt, lockTwo, paOf, refcountOf, unlock } from "./granule";
import { answerWith, done, fail, failAt, refused } from "./refusal";
import { isPending, maySetDestroyed, pendingNext, pendingRipas, pendingTop, realmOf, setPendingNext } from "./rec";
import { isRealmIn } from "./rmi-realm";
import * as rtt from "./rtt";
import { addressOf, assigned, hipasOf, isNs, isTableEntry, ripasOf, unassigned } from "./rtt-entry";

/** The entry stays as it is, and so do those behind it. */
const STOP: u64 = u64.MAX_VALUE;

// What the entries are to become.
let wanted: i32 = 0;
let mayChangeDestroyed: bool = false;

//            before             after
//   entries  unassigned_empty   unassigned_ram
// Before the realm is active, and measured.
export function rttInitRipas(rdPa: u64, base: u64, top: u64): i32 {
  const isRefusedLate = isMutated(RMM_LOCK_LEAK_EMPTY) && base == top;
  if (!isRefusedLate && !isRange(base, top)) return refused();
  const rd = findLocked(rdPa, GRANULE_RD);
  if (rd == 0) return refused();
  // With the bug, as it was: the realm stays locked.
  if (isRefusedLate && !isRange(base, top)) return refused();
  if (!isProtectedRange(base, top, !isMutated(RMM_RANGE_TOP)) || !isRealmIn(rd, REALM_NEW)) {
    unlock(rd);
    return refused();
  }
  if (!rtt.walkLocked(rd, base, 3)) return refused();
  const reached = isEntryStart(base) ? change(rd, base, top, initialised) : base;
  unlock(rtt.table);
  if (!hasProgress(base, reached)) return refused();
  answerWith(reached, 0);
  return done();
}

function initialised(entry: u64, level: i32): u64 {
  if (isTableEntry(entry, level) || isNs(entry) || hipasOf(entry, level) != HIPAS_UNASSIGNED) return STOP;
  return ripasOf(entry, level) == RIPAS_DESTROYED ? STOP : unassigned(RIPAS_RAM);
}

/** What the REC's realm has asked for, as far as the host likes. */
export function rttSetRipas(rdPa: u64, recPa: u64, base: u64, top: u64): i32 {
  if (!isRange(base, top) || !lockTwo(rdPa, GRANULE_RD, recPa, GRANULE_REC)) return refused();
  const rd = granuleAt(rdPa);
  const rec = granuleAt(recPa);
  if (!isIdleOf(rec, rd) || !isAskedFor(rec, base, top)) {
    unlock(rd);
    unlock(rec);
    return refused();
  }
  wanted = pendingRipas(rec);
  mayChangeDestroyed = maySetDestroyed(rec);
  if (!rtt.walkLocked(rd, base, 3)) return refused();
  const reached = isEntryStart(base) ? change(rd, base, top, asWanted) : base;
  unlock(rtt.table);
  const isDone = hasProgress(base, reached);
  if (isDone) {
    answerWith(reached, 0);
    setPendingNext(rec, reached);
  }
  unlock(rec);
  return isDone ? done() : refused();
}

function isIdleOf(rec: usize, rd: usize): bool {
  if (refcountOf(rec) != 0) return fail(RMI_ERROR_REC, REASON_RMM_RUNNING, paOf(rec), 0, 0);
  return realmOf(rec) == rd || fail(RMI_ERROR_REC, REASON_RMM_OTHER_REALM, paOf(rec), 0, 0);
}

function isAskedFor(rec: usize, base: u64, top: u64): bool {
  const isNext = isPending(rec) && base == pendingNext(rec);
  if (!isNext) return fail(RMI_ERROR_INPUT, REASON_RMM_PENDING, base, 0, 0);
  return top <= pendingTop(rec) || fail(RMI_ERROR_INPUT, REASON_RMM_PENDING, top, 0, 0);
}

// The table of reference section 6.5, entry by entry.
function asWanted(entry: u64, level: i32): u64 {
  if (isTableEntry(entry, level) || isNs(entry)) return STOP;
  const found = ripasOf(entry, level);
  if (found == wanted) return entry;
  if (found == RIPAS_DESTROYED && isMutated(RMM_UPDATE_RIPAS)) return entry;
  if (found == RIPAS_DESTROYED && !mayChangeDestroyed) return STOP;
  const isUnassigned = hipasOf(entry, level) == HIPAS_UNASSIGNED;
  return isUnassigned ? unassigned(wanted) : assigned(addressOf(entry), wanted, level);
}

// The walk went as deep as it could: `base` must be where the entry begins.
function isEntryStart(base: u64): bool {
  if ((base & (granuleSize(rtt.level) - 1)) == 0) return true;
  return failAt(RMI_ERROR_RTT, rtt.level, REASON_RMM_WALK, base, 3);
}

// Entries of the one table at which the walk ended, while they fit below `top`, up to the first that stops. Where it ends.
function change(rd: usize, base: u64, top: u64, become: (entry: u64, level: i32) => u64): u64 {
  const size = granuleSize(rtt.level);
  let ipa = base;
  for (let index = ((base >> levelShift(rtt.level)) & indexMask) as u32; index < rtt.ENTRIES; index++) {
    if (isMutated(RMM_RANGE_TOP) ? ipa >= top : ipa + size > top) break;
    const entry = rtt.entryAt(rtt.table, index);
    const next = become(entry, rtt.level);
    if (next == STOP) break;
    if (next != entry) {
      rtt.writeEntry(rd, rtt.table, rtt.level, ipa, next);
      if (isValid(entry)) rtt.flushLeaf(rd, ipa, rtt.level, TLBI_UNMAP_LEAF);
    }
    ipa += size;
  }
  return ipa;
}

function hasProgress(base: u64, reached: u64): bool {
  return reached > base || failAt(RMI_ERROR_RTT, rtt.level, REASON_RMM_RIPAS, base, 0);
}
