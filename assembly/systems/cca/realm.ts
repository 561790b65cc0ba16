// The realm descriptor, in its granule (reference cca section 2; runtime/include/realm.h). What it says of the stage 2 that the
// machine's geometry says already is left out: all realms of a machine have one size of IPA space. Measurements are left out too: no
// command depends on their value.
//
//    0 u64 REALM_* | 8 u64 index of the next REC | 16 u64 PA of the first root table | 24 u64 VMIDs | 32 u64 each of them

import { iaBits, iaSize, pageShift, pgdPages } from "../../arch/geometry";
import { ensureFrame } from "../../memory/dram";
import { granuleAt } from "./granule";

const STATE: usize = 0;
const NEXT_REC: usize = 8;
const ROOT: usize = 16;
const VMID_COUNT: usize = 24;
const VMIDS: usize = 32;

export function realmState(rd: usize): i32 {
  return load<u64>(ensureFrame(rd), STATE) as i32;
}

export function setRealmState(rd: usize, state: i32): void {
  store<u64>(ensureFrame(rd), state as u64, STATE);
}

/** Index that the next REC must have. */
export function nextRec(rd: usize): u64 {
  return load<u64>(ensureFrame(rd), NEXT_REC);
}

export function setNextRec(rd: usize, index: u64): void {
  store<u64>(ensureFrame(rd), index, NEXT_REC);
}

export function rootPa(rd: usize): u64 {
  return load<u64>(ensureFrame(rd), ROOT);
}

export function setRootPa(rd: usize, pa: u64): void {
  store<u64>(ensureFrame(rd), pa, ROOT);
}

/** Root table number `index`, a granule. */
export function rootTable(rd: usize, index: u32): usize {
  return granuleAt(rootPa(rd) + ((index as u64) << pageShift));
}

/** Root tables of which the realm's protected half begins with the first ones. */
export function protectedRoots(): u32 {
  return pgdPages >> 1;
}

/** One for the first plane, and one for each further one. */
export function vmidCount(rd: usize): u32 {
  return load<u64>(ensureFrame(rd), VMID_COUNT) as u32;
}

export function vmidOf(rd: usize, index: u32): u32 {
  return load<u64>(ensureFrame(rd) + VMIDS + ((index as usize) << 3)) as u32;
}

export function addVmid(rd: usize, vmid: u32): void {
  const count = vmidCount(rd);
  store<u64>(ensureFrame(rd) + VMIDS + ((count as usize) << 3), vmid as u64);
  store<u64>(ensureFrame(rd), (count + 1) as u64, VMID_COUNT);
}

/** Whether the realm has the address at all. */
export function isInRealm(ipa: u64): bool {
  return ipa < iaSize;
}

/** The lower half is protected (PAR), the upper one the host's to map. */
export function isProtected(ipa: u64): bool {
  return ipa >> (iaBits - 1) == 0;
}
