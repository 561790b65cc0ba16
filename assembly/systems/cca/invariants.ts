// The invariants of realm memory that speak of states (reference cca section 13), and what RMM keeps besides. Numbers 1 to 14 are the
// reference's; 5 follows from 4, 8 and the rest speak of steps.

import * as abi from "../../abi/cca";
import { granuleSize, levelShift, pageSize, pgdPages, startLevel } from "../../arch/geometry";
import { isValid, XN, XN_ALL, XN_SHIFT } from "../../arch/descriptor";
import { frameOf } from "../../memory/dram";
import { regionAt, regionCount } from "../../memory/regions";
import { granuleAt, granuleState, gptOf, isLocked, paOf, refcountOf } from "./granule";
import { eachRealm } from "./machine";
import { isProtected, nextRec, rootTable, vmidCount, vmidOf } from "./realm";
import { auxOf, auxCountOf, realmOf } from "./rec";
import { ENTRIES, entryAt } from "./rtt";
import { addressOf, isAssigned, isAssignedNs, isLive, isNs, isTableEntry, ripasOf } from "./rtt-entry";
import { isVmidTaken, vmidLimit } from "./vmid";

const R1: i32 = 1;
const R2: i32 = 2;
const R3: i32 = 3;
const R4: i32 = 4;
const R6: i32 = 6;
const R7: i32 = 7;
const R9: i32 = 9;
const R13: i32 = 13;
const R14: i32 = 14;
const R16: i32 = 16;
const R17: i32 = 17;

let wanted: u64 = 0;
let broken: i32 = 0;
let subject: u64 = 0;
let expected: u64 = 0;
let found: u64 = 0;

/** Checks the invariants whose bits are set: the number of the first that is violated, 0 if none is. */
export function checkInvariants(mask: u64): i32 {
  wanted = mask;
  broken = 0;
  eachGranule(checkGranule);
  if (broken == 0) eachRealm(checkRealm);
  if (broken == 0) eachGranule(checkUse);
  if (broken == 0) checkVmids();
  return broken;
}

export function violationSubject(): u64 {
  return subject;
}

export function violationExpected(): u64 {
  return expected;
}

export function violationFound(): u64 {
  return found;
}

// False if this violates an invariant that is asked for.
function expect(invariant: i32, isKept: bool, what: u64, want: u64, have: u64): bool {
  if (isKept || broken != 0 || ((wanted >> invariant) & 1) == 0) return true;
  broken = invariant;
  subject = what;
  expected = want;
  found = have;
  return false;
}

function eachGranule(visit: (granule: usize) => void): void {
  for (let i = 0; i < regionCount && broken == 0; i++) {
    const region = regionAt(i);
    const end = region.words + ((region.pages as usize) << 3);
    for (let granule = region.words; granule < end && broken == 0; granule += 8) visit(granule);
  }
}

// What each granule says by itself.
function checkGranule(granule: usize): void {
  const state = granuleState(granule);
  const gpt = gptOf(granule);
  if (load<u64>(granule) == 0) return;
  const pa = paOf(granule);
  expect(R17, !isLocked(granule), pa, 0, 1);
  expect(R1, (state != abi.GRANULE_NS) == (gpt == abi.GPT_REALM), pa, state, gpt);
  expect(R2, gpt != abi.GPT_NS || state == abi.GRANULE_NS, pa, abi.GRANULE_NS, state);
  if (state == abi.GRANULE_DELEGATED) expect(R9, isZero(granule), pa, 0, 1);
  if (isCounted(state)) return;
  expect(R7, refcountOf(granule) == 0, pa, 0, refcountOf(granule));
}

function isCounted(state: i32): bool {
  return state == abi.GRANULE_RD || state == abi.GRANULE_RTT || state == abi.GRANULE_REC;
}

function isZero(granule: usize): bool {
  const frame = frameOf(granule);
  if (frame == 0) return true;
  for (let at = frame; at < frame + (pageSize as usize); at += 8) {
    if (load<u64>(at) != 0) return false;
  }
  return true;
}

// Realms, and their tables from the root down.

function checkRealm(rd: usize): bool {
  for (let i: u32 = 0; i < vmidCount(rd); i++) expect(R16, isVmidTaken(vmidOf(rd, i)), paOf(rd), vmidOf(rd, i), 0);
  for (let index: u32 = 0; index < pgdPages && broken == 0; index++) {
    checkTable(rootTable(rd, index), startLevel, (index as u64) << levelShift(startLevel - 1));
  }
  return broken == 0;
}

function checkTable(table: usize, level: i32, base: u64): void {
  if (!expect(R3, granuleState(table) == abi.GRANULE_RTT, paOf(table), abi.GRANULE_RTT, granuleState(table))) return;
  let live: u32 = 0;
  for (let index: u32 = 0; index < ENTRIES && broken == 0; index++) {
    const entry = entryAt(table, index);
    const ipa = base + ((index as u64) << levelShift(level));
    if (isLive(entry, level)) live++;
    if (isTableEntry(entry, level)) checkTable(granuleAt(addressOf(entry)), level + 1, ipa);
    else checkEntry(entry, level, ipa);
  }
  expect(R7, refcountOf(table) == live, paOf(table), live, refcountOf(table));
}

function checkEntry(entry: u64, level: i32, ipa: u64): void {
  expect(R13, isNs(entry) != isProtected(ipa), ipa, isProtected(ipa) ? 0 : 1, isNs(entry) ? 1 : 0);
  if (isAssignedNs(entry)) expect(R14, (entry & XN) >> XN_SHIFT == XN_ALL, ipa, XN_ALL, (entry & XN) >> XN_SHIFT);
  if (!isAssigned(entry, level)) return;
  const isRam = ripasOf(entry, level) == abi.RIPAS_RAM;
  expect(R6, isValid(entry) == isRam, ipa, isRam ? 1 : 0, entry & 1);
  const end = addressOf(entry) + granuleSize(level);
  for (let pa = addressOf(entry); pa < end && broken == 0; pa += pageSize) {
    const state = granuleState(granuleAt(pa));
    expect(R4, state == abi.GRANULE_DATA, pa, abi.GRANULE_DATA, state);
  }
}

// What each granule is used for: as many data granules as entries map, and each by one.

let used: usize = 0;
let uses: u32 = 0;

function checkUse(granule: usize): void {
  const state = granuleState(granule);
  if (state == abi.GRANULE_REC) checkRec(granule);
  if (state != abi.GRANULE_DATA && state != abi.GRANULE_RTT && state != abi.GRANULE_RD) return;
  used = granule;
  uses = 0;
  if (state == abi.GRANULE_RD) countRecs(granule);
  else eachRealm(countUses);
  if (state == abi.GRANULE_DATA) expect(R4, uses == 1, paOf(granule), 1, uses);
  else if (state == abi.GRANULE_RTT) expect(R3, uses == 1, paOf(granule), 1, uses);
}

function checkRec(rec: usize): void {
  const rd = granuleState(realmOf(rec));
  expect(R3, rd == abi.GRANULE_RD, paOf(rec), abi.GRANULE_RD, rd);
  expect(R7, refcountOf(rec) <= 1, paOf(rec), 1, refcountOf(rec));
  for (let i: u32 = 0; i < auxCountOf(rec); i++) {
    const state = granuleState(auxOf(rec, i));
    expect(R3, state == abi.GRANULE_REC_AUX, paOf(auxOf(rec, i)), abi.GRANULE_REC_AUX, state);
  }
}

function countRecs(rd: usize): void {
  eachGranule(countRec);
  expect(R7, refcountOf(rd) == uses && (uses as u64) <= nextRec(rd), paOf(rd), uses, refcountOf(rd));
}

function countRec(granule: usize): void {
  if (granuleState(granule) == abi.GRANULE_REC && realmOf(granule) == used) uses++;
}

function countUses(rd: usize): bool {
  for (let index: u32 = 0; index < pgdPages; index++) {
    if (rootTable(rd, index) == used) uses++;
    countIn(rootTable(rd, index), startLevel);
  }
  return true;
}

function countIn(table: usize, level: i32): void {
  if (refcountOf(table) == 0) return;
  for (let index: u32 = 0; index < ENTRIES; index++) {
    const entry = entryAt(table, index);
    if (isTableEntry(entry, level)) {
      if (granuleAt(addressOf(entry)) == used) uses++;
      countIn(granuleAt(addressOf(entry)), level + 1);
    } else if (isAssigned(entry, level) && isWithin(entry, level)) uses++;
  }
}

function isWithin(entry: u64, level: i32): bool {
  return paOf(used) - addressOf(entry) < granuleSize(level);
}

// VMIDs.

let vmid: u32 = 0;
let owners: u32 = 0;

function checkVmids(): void {
  for (vmid = 1; vmid < vmidLimit() && broken == 0; vmid++) {
    owners = 0;
    eachRealm(countOwners);
    expect(R16, owners == (isVmidTaken(vmid) ? 1 : 0), vmid, isVmidTaken(vmid) ? 1 : 0, owners);
  }
}

function countOwners(rd: usize): bool {
  for (let i: u32 = 0; i < vmidCount(rd); i++) {
    if (vmidOf(rd, i) == vmid) owners++;
  }
  return true;
}
