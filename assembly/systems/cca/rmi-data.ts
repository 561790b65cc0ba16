// DATA_CREATE, DATA_CREATE_UNKNOWN, DATA_DESTROY: memory comes to a realm and goes (reference cca section 6.2; rmi/rtt.c).

import {
  GPT_NS,
  GRANULE_DATA,
  GRANULE_DELEGATED,
  GRANULE_RD,
  REALM_NEW,
  REASON_RMM_ASSIGNED,
  REASON_RMM_FLAGS,
  REASON_RMM_READ,
  REASON_RMM_UNASSIGNED,
  RIPAS_DESTROYED,
  RIPAS_EMPTY,
  RIPAS_RAM,
  RMI_ERROR_INPUT,
  RMI_ERROR_RTT,
} from "../../abi/cca";
import { RMM_LOCK_ORDER, RMM_UNKNOWN_SETS_RAM } from "../../abi/mutations";
import { TLBI_UNMAP_LEAF } from "../../abi/tlb";
import { isValid } from "../../arch/descriptor";
import { pageSize } from "../../arch/geometry";
import { ensureFrame, wipePage } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { isProtectedPage, isReachedLevel } from "./addresses";
import { isNonSecure } from "./gpt";
import {
  addReferences,
  findLocked,
  findNonSecure,
  gptOf,
  granuleAt,
  lock,
  lockTwo,
  paOf,
  unlock,
  unlockAs,
} from "./granule";
import { answerWith, done, fail, failAt, refused } from "./refusal";
import { isRealmIn } from "./rmi-realm";
import { nextLive } from "./rmi-rtt";
import * as rtt from "./rtt";
import { addressOf, assigned, isAssigned, isUnassigned, ripasOf, unassigned } from "./rtt-entry";

const MEASURE: u64 = 1;

//            before              after
//   data     DELEGATED           DATA, a copy of the host's page
//   entry    unassigned, any     assigned_ram
export function dataCreate(rdPa: u64, dataPa: u64, ipa: u64, srcPa: u64, flags: u64): i32 {
  if (!areFlags(flags)) return refused();
  const src = findNonSecure(srcPa);
  if (src == 0 || !lockTwo(dataPa, GRANULE_DELEGATED, rdPa, GRANULE_RD)) return refused();
  const rd = granuleAt(rdPa);
  const data = granuleAt(dataPa);
  if (!isRealmIn(rd, REALM_NEW) || !isProtectedPage(ipa)) {
    unlock(rd);
    unlock(data);
    return refused();
  }
  if (!rtt.walkLocked(rd, ipa, 3)) return refused();
  const isDone = isFree(ipa) && copyFrom(src, data);
  if (isDone) assign(rd, data, ipa, RIPAS_RAM);
  unlock(rtt.table);
  unlockAs(data, isDone ? GRANULE_DATA : GRANULE_DELEGATED);
  return isDone ? done() : refused();
}

function areFlags(flags: u64): bool {
  return flags <= MEASURE || fail(RMI_ERROR_INPUT, REASON_RMM_FLAGS, 0, MEASURE as u32, flags as u32);
}

// A copy that faults leaves zeros.
function copyFrom(src: usize, data: usize): bool {
  if (!isNonSecure(src)) return fail(RMI_ERROR_INPUT, REASON_RMM_READ, paOf(src), GPT_NS, gptOf(src));
  memory.copy(ensureFrame(data), ensureFrame(src), pageSize as usize);
  return true;
}

//            before              after
//   data     DELEGATED           DATA, zero
//   entry    unassigned, any     assigned, of the same RIPAS: what is RAM is the realm's to say
export function dataCreateUnknown(rdPa: u64, dataPa: u64, ipa: u64): i32 {
  if (isMutated(RMM_LOCK_ORDER)) return createBehindTable(rdPa, dataPa, ipa);
  if (!lockTwo(dataPa, GRANULE_DELEGATED, rdPa, GRANULE_RD)) return refused();
  const rd = granuleAt(rdPa);
  const data = granuleAt(dataPa);
  if (!isProtectedPage(ipa)) {
    unlock(rd);
    unlock(data);
    return refused();
  }
  if (!rtt.walkLocked(rd, ipa, 3)) return refused();
  const isDone = isFree(ipa);
  if (isDone) assignUnknown(rd, data, ipa);
  unlock(rtt.table);
  unlockAs(data, isDone ? GRANULE_DATA : GRANULE_DELEGATED);
  return isDone ? done() : refused();
}

// The same with the granule locked last, behind the table.
function createBehindTable(rdPa: u64, dataPa: u64, ipa: u64): i32 {
  const rd = findLocked(rdPa, GRANULE_RD);
  if (rd == 0) return refused();
  if (!isProtectedPage(ipa)) {
    unlock(rd);
    return refused();
  }
  if (!rtt.walkLocked(rd, ipa, 3)) return refused();
  const data = isFree(ipa) ? findLocked(dataPa, GRANULE_DELEGATED) : 0;
  if (data != 0) {
    assignUnknown(rd, data, ipa);
    unlockAs(data, GRANULE_DATA);
  }
  unlock(rtt.table);
  return data != 0 ? done() : refused();
}

function assignUnknown(rd: usize, data: usize, ipa: u64): void {
  assign(rd, data, ipa, isMutated(RMM_UNKNOWN_SETS_RAM) ? RIPAS_RAM : ripasOf(rtt.entry, 3));
}

function assign(rd: usize, data: usize, ipa: u64, ripas: i32): void {
  rtt.writeEntry(rd, rtt.table, 3, ipa, assigned(paOf(data), ripas, 3));
  addReferences(rtt.table, 1);
}

// Whether the walk ended at an unassigned page.
function isFree(ipa: u64): bool {
  if (!isReachedLevel(ipa, rtt.level, 3)) return false;
  return isUnassigned(rtt.entry, 3) || failAt(RMI_ERROR_RTT, 3, REASON_RMM_ASSIGNED, ipa, 0);
}

//            before                after
//   data     DATA                  DELEGATED, zero
//   entry    assigned_empty        unassigned_empty
//            assigned_ram          unassigned_destroyed: so the realm learns of it
//            assigned_destroyed    unassigned_destroyed
export function dataDestroy(rdPa: u64, ipa: u64): i32 {
  const rd = findLocked(rdPa, GRANULE_RD);
  if (rd == 0) return refused();
  if (!isProtectedPage(ipa)) {
    unlock(rd);
    return refused();
  }
  if (!rtt.walkLocked(rd, ipa, 3)) return refused();
  const isThere = isAssignedPage(ipa);
  if (!isThere) answerWith(0, nextLive(ipa));
  else if (!takeAway(rd, ipa)) return refused();
  unlock(rtt.table);
  return isThere ? done() : refused();
}

function isAssignedPage(ipa: u64): bool {
  if (!isReachedLevel(ipa, rtt.level, 3)) return false;
  return isAssigned(rtt.entry, 3) || failAt(RMI_ERROR_RTT, 3, REASON_RMM_UNASSIGNED, ipa, 0);
}

function takeAway(rd: usize, ipa: u64): bool {
  const entry = rtt.entry;
  const data = granuleAt(addressOf(entry));
  if (!lock(data)) return false;
  const isEmpty = ripasOf(entry, 3) == RIPAS_EMPTY;
  rtt.writeEntry(rd, rtt.table, 3, ipa, unassigned(isEmpty ? RIPAS_EMPTY : RIPAS_DESTROYED));
  if (isValid(entry)) rtt.flushLeaf(rd, ipa, 3, TLBI_UNMAP_LEAF);
  addReferences(rtt.table, -1);
  wipePage(data);
  answerWith(paOf(data), nextLive(ipa));
  unlockAs(data, GRANULE_DELEGATED);
  return true;
}
