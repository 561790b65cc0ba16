// REALM_CREATE, REALM_ACTIVATE, REALM_DESTROY (reference cca section 6.6; rmi/realm.c).

import * as abi from "../../abi/cca";
import { RMM_VMID_FREED_EARLY, RMM_VMID_LEAK } from "../../abi/mutations";
import { TLBI_TEARDOWN } from "../../abi/tlb";
import { iaBits, levelShift, pageShift, pageSize, pgdPages, startLevel } from "../../arch/geometry";
import { isValid } from "../../arch/descriptor";
import { readU64, wipePage } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { isNonSecure } from "./gpt";
import { findLocked, findNonSecure, gptOf, granuleAt, lock, paOf, refcountOf, unlock, unlockAs } from "./granule";
import {
  addVmid,
  protectedRoots,
  realmState,
  rootPa,
  rootTable,
  setNextRec,
  setRealmState,
  setRootPa,
  vmidCount,
  vmidOf,
} from "./realm";
import { done, fail, refused } from "./refusal";
import { ENTRIES, entryAt, flushRealm, writeEntry, writeUnlinked } from "./rtt";
import { unassigned, unassignedNs } from "./rtt-entry";
import { freeVmid, takeVmid } from "./vmid";

//            before           after
//   rd       DELEGATED        RD, NEW
//   roots    DELEGATED        RTT: unassigned_empty, in the unprotected half unassigned_ns
//   VMIDs    free             taken
export function realmCreate(rdPa: u64, params: u64): i32 {
  if (!areParamsValid(params) || !takeVmids(params)) return refused();
  const base = readU64(params + abi.PARAMS_RTT_BASE);
  if (!isOutsideRoots(rdPa, base) || !lockRealm(rdPa, base)) {
    freeVmids(params, isMutated(RMM_VMID_LEAK) ? 0 : auxPlanes(params));
    return refused();
  }
  const rd = granuleAt(rdPa);
  setRealmState(rd, abi.REALM_NEW);
  setNextRec(rd, 0);
  setRootPa(rd, base);
  for (let plane: u64 = 0; plane <= auxPlanes(params); plane++) addVmid(rd, vmidIn(params, plane) as u32);
  for (let index: u32 = 0; index < pgdPages; index++) {
    const empty = index < protectedRoots() ? unassigned(abi.RIPAS_EMPTY) : unassignedNs();
    const root = rootTable(rd, index);
    for (let i: u32 = 0; i < ENTRIES; i++) writeUnlinked(root, i, empty);
    unlockAs(root, abi.GRANULE_RTT);
  }
  unlockAs(rd, abi.GRANULE_RD);
  return done();
}

function areParamsValid(params: u64): bool {
  const page = findNonSecure(params);
  if (page == 0) return false;
  if (!isNonSecure(page)) return fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_READ, params, abi.GPT_NS, gptOf(page));
  const flags = readU64(params + abi.PARAMS_FLAGS);
  if (flags != 0) return fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_FLAGS, params, 0, flags as u32);
  const bits = readU64(params + abi.PARAMS_S2SZ);
  if (bits != (iaBits as u64)) return fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_S2SZ, params, iaBits, bits as u32);
  return isRootValid(params) && isPlaneCountValid(params);
}

// VTTBR_EL2 takes concatenated root tables only where they are aligned as a whole.
function isRootValid(params: u64): bool {
  const base = readU64(params + abi.PARAMS_RTT_BASE);
  const count = readU64(params + abi.PARAMS_RTT_NUM_START);
  const isAligned = (base & (((pgdPages as u64) << pageShift) - 1)) == 0;
  const isLevel = readU64(params + abi.PARAMS_RTT_LEVEL_START) == (startLevel as u64);
  if (isAligned && isLevel && count == (pgdPages as u64)) return true;
  return fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_ROOT, base, pgdPages, count as u32);
}

function isPlaneCountValid(params: u64): bool {
  const planes = auxPlanes(params);
  if (planes <= (abi.MAX_AUX_PLANES as u64)) return true;
  return fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_VMID, params, abi.MAX_AUX_PLANES, planes as u32);
}

function auxPlanes(params: u64): u64 {
  return readU64(params + abi.PARAMS_NUM_AUX_PLANES);
}

// Of the first plane, and of auxiliary ones from 1 on.
function vmidIn(params: u64, plane: u64): u64 {
  return readU64(plane == 0 ? params + abi.PARAMS_VMID : params + abi.PARAMS_AUX_VMID + ((plane - 1) << 3));
}

// All or none.
function takeVmids(params: u64): bool {
  for (let plane: u64 = 0; plane <= auxPlanes(params); plane++) {
    const vmid = vmidIn(params, plane);
    if (takeVmid(vmid)) continue;
    if (plane > 0) freeVmids(params, plane - 1);
    return fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_VMID, params, 0, vmid as u32);
  }
  return true;
}

// Those of planes 0 to `last`.
function freeVmids(params: u64, last: u64): void {
  for (let plane: u64 = 0; plane <= last; plane++) freeVmid(vmidIn(params, plane) as u32);
}

function isOutsideRoots(rd: u64, base: u64): bool {
  if (rd - base >= (pgdPages as u64) << pageShift) return true;
  return fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_RD_IN_ROOT, rd, 0, 0);
}

// The descriptor and the root tables, all DELEGATED, lowest address first; none of them if one cannot be had.
function lockRealm(rd: u64, base: u64): bool {
  const isFirst = rd < base;
  if (isFirst && findLocked(rd, abi.GRANULE_DELEGATED) == 0) return false;
  for (let index: u32 = 0; index < pgdPages; index++) {
    if (findLocked(base + ((index as u64) << pageShift), abi.GRANULE_DELEGATED) != 0) continue;
    unlockRoots(base, index);
    if (isFirst) unlock(granuleAt(rd));
    return false;
  }
  if (isFirst || findLocked(rd, abi.GRANULE_DELEGATED) != 0) return true;
  unlockRoots(base, pgdPages);
  return false;
}

function unlockRoots(base: u64, count: u32): void {
  for (let index: u32 = 0; index < count; index++) unlock(granuleAt(base + (index as u64) * pageSize));
}

//            before   after
//   realm    NEW      ACTIVE
export function realmActivate(rdPa: u64): i32 {
  const rd = findLocked(rdPa, abi.GRANULE_RD);
  if (rd == 0) return refused();
  const isNew = isRealmIn(rd, abi.REALM_NEW);
  if (isNew) setRealmState(rd, abi.REALM_ACTIVE);
  unlock(rd);
  return isNew ? done() : refused();
}

/** Whether the realm is in this state; false with the refusal noted. */
export function isRealmIn(rd: usize, wanted: i32): bool {
  const found = realmState(rd);
  return found == wanted || fail(abi.RMI_ERROR_REALM, abi.REASON_RMM_REALM_STATE, paOf(rd), wanted, found);
}

//            before                       after
//   rd       RD, no REC                   DELEGATED, zero
//   roots    RTT, nothing live in them    DELEGATED, zero
//   VMIDs    taken                        free
export function realmDestroy(rdPa: u64): i32 {
  const rd = findLocked(rdPa, abi.GRANULE_RD);
  if (rd == 0) return refused();
  if (isMutated(RMM_VMID_FREED_EARLY)) freeVmidsOf(rd);
  if (!isWithoutRecs(rd) || !lockIdleRoots(rd)) {
    unlock(rd);
    return refused();
  }
  // Mappings of the unprotected half count as nothing, and may be there.
  for (let index: u32 = 0; index < pgdPages; index++) dropRoot(rd, index);
  flushRealm(rd, TLBI_TEARDOWN);
  for (let index: u32 = 0; index < pgdPages; index++) {
    wipePage(rootTable(rd, index));
    unlockAs(rootTable(rd, index), abi.GRANULE_DELEGATED);
  }
  freeVmidsOf(rd);
  wipePage(rd);
  unlockAs(rd, abi.GRANULE_DELEGATED);
  return done();
}

function freeVmidsOf(rd: usize): void {
  for (let i: u32 = 0; i < vmidCount(rd); i++) freeVmid(vmidOf(rd, i));
}

function isWithoutRecs(rd: usize): bool {
  const recs = refcountOf(rd);
  return recs == 0 || fail(abi.RMI_ERROR_REALM, abi.REASON_RMM_RECS, paOf(rd), 0, recs);
}

// All root tables, if nothing in them is live; else none.
function lockIdleRoots(rd: usize): bool {
  for (let index: u32 = 0; index < pgdPages; index++) {
    const root = rootTable(rd, index);
    if (!lock(root)) return false;
    const live = refcountOf(root);
    if (live == 0) continue;
    unlockRoots(rootPa(rd), index + 1);
    return fail(abi.RMI_ERROR_REALM, abi.REASON_RMM_LIVE_TABLES, paOf(root), 0, live);
  }
  return true;
}

function dropRoot(rd: usize, index: u32): void {
  const root = rootTable(rd, index);
  for (let i: u32 = 0; i < ENTRIES; i++) {
    if (isValid(entryAt(root, i))) writeEntry(rd, root, startLevel, ipaOfRootEntry(index, i), 0);
  }
}

function ipaOfRootEntry(index: u32, i: u32): u64 {
  return ((index * ENTRIES + i) as u64) << levelShift(startLevel);
}
