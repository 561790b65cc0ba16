// Realm translation tables in their granules: the walk, which locks from table to table, and writes, of which every VMID of the
// realm's TLB entries must hear (reference cca sections 4 and 6.3; lib/s2tt/src/s2tt.c:s2tt_walk_lock_unlock).

import { RMM_DESTROY_FLUSH_ONE, RMM_MULTI_VMID_FLUSH } from "../../abi/mutations";
import { TTL_UNKNOWN } from "../../abi/records";
import { TLB_OFF, TLB_WORST_CASE } from "../../abi/tlb";
import { granuleSize, indexMask, levelBits, levelShift, pageShift, pageSize, startLevel } from "../../arch/geometry";
import { fill, invalidateIpa, invalidateRange, invalidateVmid, tlbMode } from "../../arch/tlb";
import { entryChanged, isCacheable, isIssued } from "../../arch/tlb-checks";
import { ensureFrame } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { granuleAt, lock, unlock } from "./granule";
import { rootTable, vmidCount, vmidOf } from "./realm";
import { addressOf, isTableEntry } from "./rtt-entry";

/** Where the last walk ended: the table, locked, its level, and the entry. */
export let table: usize = 0;
export let level: i32 = 0;
export let entry: u64 = 0;

/** Entries of a table. */
export const ENTRIES: u32 = 512;

export function entryAt(granule: usize, index: u32): u64 {
  return load<u64>(ensureFrame(granule) + ((index as usize) << 3));
}

function indexOf(ipa: u64, at: i32): u32 {
  return ((ipa >> levelShift(at)) & indexMask) as u32;
}

/**
 * Walks to the entry for `ipa` at level `wanted`, or to where tables end before. Each table is locked before the one above is
 * released, and the last one stays so: `table`, `level` and `entry` tell. False if a lock cannot be had; the realm's own is
 * released once the root is locked.
 */
export function walkLocked(rd: usize, ipa: u64, wanted: i32): bool {
  let granule = rootTable(rd, (ipa >> (levelShift(startLevel) + levelBits)) as u32);
  if (!lock(granule)) return false;
  unlock(rd);
  let at = startLevel;
  let found = entryAt(granule, indexOf(ipa, at));
  while (at < wanted && isTableEntry(found, at)) {
    const child = granuleAt(addressOf(found));
    if (!lock(child)) return false;
    unlock(granule);
    granule = child;
    found = entryAt(granule, indexOf(ipa, ++at));
  }
  table = granule;
  level = at;
  entry = found;
  return true;
}

/** Writes the entry for `ipa` in a table of level `at`. The caller invalidates what was valid before. */
export function writeEntry(rd: usize, granule: usize, at: i32, ipa: u64, value: u64): void {
  const address = ensureFrame(granule) + ((indexOf(ipa, at) as usize) << 3);
  const before = load<u64>(address);
  store<u64>(address, value);
  for (let i: u32 = 0; i < vmidCount(rd); i++) entryChanged(vmidOf(rd, i), at, ipa, before, value, address);
}

/** Writes the entries of a table that no entry leads to yet. */
export function writeUnlinked(granule: usize, index: u32, value: u64): void {
  store<u64>(ensureFrame(granule) + ((index as usize) << 3), value);
}

/** A table is about to be cut off: what hardware may have cached of the entries in it. */
export function cacheEntries(rd: usize, granule: usize, at: i32, ipa: u64): void {
  if (tlbMode != TLB_WORST_CASE) return;
  const base = (ipa >> levelShift(at - 1)) << levelShift(at - 1);
  for (let index: u32 = 0; index < ENTRIES; index++) {
    const each = entryAt(granule, index);
    if (!isCacheable(each, at)) continue;
    const from = base + ((index as u64) << levelShift(at));
    for (let i: u32 = 0; i < vmidCount(rd); i++) fill(vmidOf(rd, i), from, levelShift(at), each, at);
  }
}

/** TLBI of a leaf that was taken out or changed, by its level. */
export function flushLeaf(rd: usize, ipa: u64, at: i32, site: i32): void {
  if (tlbMode == TLB_OFF || !isIssued(site)) return;
  for (let i: u32 = 0; i < vmidCount(rd); i++) invalidateIpa(vmidOf(rd, i), ipa, at);
}

/** TLBI of all that an entry of level `at` covers: a table was taken out, or is about to be replaced. */
export function flushTable(rd: usize, ipa: u64, at: i32, site: i32): void {
  if (tlbMode == TLB_OFF || !isIssued(site)) return;
  const base = (ipa >> levelShift(at)) << levelShift(at);
  let pages = granuleSize(at) >> pageShift;
  for (let i: u32 = 0; i < vmidCount(rd); i++) {
    invalidateIpa(vmidOf(rd, i), base, TTL_UNKNOWN);
    invalidateRange(vmidOf(rd, i), base, pages * pageSize);
    if (isMutated(RMM_MULTI_VMID_FLUSH)) pages = 0;
  }
}

/** TLBI of a destroyed table of the unprotected half. */
export function flushUnprotectedTable(rd: usize, ipa: u64, at: i32, site: i32): void {
  if (isMutated(RMM_DESTROY_FLUSH_ONE)) flushLeaf(rd, ipa, TTL_UNKNOWN, site);
  else flushTable(rd, ipa, at, site);
}

/** TLBI of all that the realm's VMIDs have. */
export function flushRealm(rd: usize, site: i32): void {
  if (tlbMode == TLB_OFF || !isIssued(site)) return;
  for (let i: u32 = 0; i < vmidCount(rd); i++) invalidateVmid(vmidOf(rd, i));
}
