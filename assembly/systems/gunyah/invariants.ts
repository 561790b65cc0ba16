// The invariants of reference gunyah section 9 that speak of the hypervisor's state: I1 to I5 and I22. I6 and I7 cannot be
// violated: an extent has four slots whose maps hold one record per address, and ownership is one map.

import { MAP_KERNEL_SHIFT, MAP_MEMTYPE_SHIFT, MEMDB_EXTENT, MEMDB_NOTYPE, VMID_END } from "../../abi/gunyah";
import { isTable, isValid, outputAddress } from "../../arch/descriptor";
import { granuleSize, iaSize, indexMask, levelShift, startLevel } from "../../arch/geometry";
import { frameOf } from "../../memory/dram";
import { regionAt, regionCount } from "../../memory/regions";
import { childPage, rootFrame } from "../../pagetable/stage2-table";
import { AddressSpace, findSpace } from "./address-space";
import {
  endOf,
  Extent,
  hasRecord,
  nextOwn,
  readRecord,
  recordAttributes,
  RECORD_IPA,
  recordEnd,
  recordValue,
  SLOTS,
  slotSpace,
} from "./extent";
import { isMemtypeAllowed } from "./mapping";
import { findOwnerRun, memdbLookup, ownerObject, ownerType, runEnd, runStart } from "./memdb";
import { KernelObject, OBJECT_MEMEXTENT, objectAt, objectsEnd, STATE_DYING } from "./object";
import { countOf, decodeLeaf } from "./page-table";

let wanted: u64 = 0;
let subject: u64 = 0;
let expected: u64 = 0;
let found: u64 = 0;

export function violationSubject(): u64 {
  return subject;
}

export function violationExpected(): u64 {
  return expected;
}

export function violationFound(): u64 {
  return found;
}

/** Checks those of the invariants (bit n is I<n>) and answers the number of the first that is violated, 0 if none is. */
export function checkInvariants(mask: u64): i32 {
  wanted = mask;
  const ownership = isAsked(1) ? checkOwnership() : 0;
  if (ownership != 0) return ownership;
  for (let vmid: u32 = 1; vmid < (VMID_END as u32); vmid++) {
    const space = findSpace(vmid);
    const broken = space == null ? 0 : checkTables(space);
    if (broken != 0) return broken;
  }
  for (let id: u32 = 1; id < objectsEnd(); id++) {
    const object = objectAt(id);
    if (object == null || object.type != OBJECT_MEMEXTENT) continue;
    const broken = checkExtent(changetype<Extent>(object));
    if (broken != 0) return broken;
  }
  return 0;
}

function isAsked(number: i32): bool {
  return (wanted & ((1 as u64) << number)) != 0;
}

function violated(number: i32, what: u64, want: u64, have: u64): i32 {
  if (!isAsked(number)) return 0;
  subject = what;
  expected = want;
  found = have;
  return number;
}

// I1: every byte of memory has an owner that exists. That there is no second one is the database's shape.
function checkOwnership(): i32 {
  for (let i = 0; i < regionCount; i++) {
    const end = regionAt(i).base + regionAt(i).size;
    for (let pa = regionAt(i).base; pa < end; pa = runEnd) {
      findOwnerRun(pa, end);
      const isOwned = ownerType != MEMDB_NOTYPE && (ownerType != MEMDB_EXTENT || objectAt(ownerObject) != null);
      if (!isOwned) return violated(1, pa, 1, ownerObject);
    }
  }
  return 0;
}

// I2, I5 and I22, along the tables.

let current: AddressSpace = changetype<AddressSpace>(0);

function checkTables(space: AddressSpace): i32 {
  current = space;
  return checkTable(rootFrame(space.table, 0), startLevel, 0);
}

function checkTable(frame: usize, level: i32, base: u64): i32 {
  for (let index: u64 = 0; index <= indexMask; index++) {
    const descriptor = load<u64>(frame + ((index as usize) << 3));
    if (!isValid(descriptor)) continue;
    const ipa = base + (index << levelShift(level));
    if (ipa >= iaSize) return violated(2, ipa, 0, descriptor);
    const broken = isTable(descriptor, level)
      ? checkSubtable(descriptor, level + 1, ipa)
      : checkLeaf(descriptor, level, ipa);
    if (broken != 0) return broken;
  }
  return 0;
}

function checkSubtable(descriptor: u64, level: i32, base: u64): i32 {
  const frame = frameOf(childPage(descriptor));
  let used: u32 = 0;
  for (let index: u64 = 0; index <= indexMask; index++) {
    if (isValid(load<u64>(frame + ((index as usize) << 3)))) used++;
  }
  if (used != countOf(descriptor) && isAsked(22)) return violated(22, base, used, countOf(descriptor));
  return checkTable(frame, level, base);
}

function checkLeaf(leaf: u64, level: i32, ipa: u64): i32 {
  const attributes = decodeLeaf(leaf);
  if (((attributes ^ (attributes >> MAP_KERNEL_SHIFT)) & 6) != 0 && isAsked(5)) return violated(5, ipa, 0, leaf);
  if (!isAsked(2)) return 0;
  const pa = outputAddress(leaf);
  const end = pa + granuleSize(level);
  for (let at = pa; at < end; at = recordEnd) {
    if (memdbLookup(at) != 0 || ownerType != MEMDB_EXTENT) return violated(2, ipa, at, 0);
    findOwnerRun(at, end);
    if (!hasSuchRecord(objectAt(ownerObject), at, runEnd, ipa + (at - pa), attributes))
      return violated(2, ipa, at, leaf);
  }
  return 0;
}

/** Whether the owner has a record that this leaf comes of; recordEnd is where it ends. */
function hasSuchRecord(owner: KernelObject | null, pa: u64, end: u64, ipa: u64, attributes: u32): bool {
  const me = heirOf(owner);
  if (me == null) return false;
  for (let slot: u32 = 0; slot < SLOTS; slot++) {
    if (slotSpace(me, slot) != current) continue;
    readRecord(me, slot, pa, end);
    if (!hasRecord || (recordValue & RECORD_IPA) != ipa) continue;
    if (recordAttributes(recordValue) == attributes) return true;
  }
  return false;
}

// Until a grace period has passed a dead extent still owns what is its parent's.
function heirOf(owner: KernelObject | null): Extent | null {
  let me: Extent | null = owner == null ? null : changetype<Extent>(owner);
  while (me != null && me.state == STATE_DYING) me = me.parent;
  return me;
}

// I3 and I4, along the records.

function checkExtent(me: Extent): i32 {
  for (let pa = me.base; nextOwn(me, pa, endOf(me)); pa = runEnd) {
    const broken = checkRun(me, runStart, runEnd);
    if (broken != 0) return broken;
  }
  return 0;
}

function checkRun(me: Extent, start: u64, end: u64): i32 {
  for (let slot: u32 = 0; slot < SLOTS; slot++) {
    const space = slotSpace(me, slot);
    if (space == null) continue;
    for (let pa = start; pa < end;) {
      readRecord(me, slot, pa, end);
      const stop = recordEnd;
      const broken = hasRecord ? checkRecord(me, space, recordValue, pa, stop) : 0;
      if (broken != 0) return broken;
      pa = stop;
    }
  }
  return 0;
}

function checkRecord(me: Extent, space: AddressSpace, value: u64, pa: u64, end: u64): i32 {
  const attributes = recordAttributes(value);
  const access = (attributes | (attributes >> MAP_KERNEL_SHIFT)) & 7;
  const isAllowed = (access & ~me.access) == 0 && isMemtypeAllowed(me, attributes >> MAP_MEMTYPE_SHIFT);
  if (!isAllowed && isAsked(4)) return violated(4, pa, me.access, attributes);
  // Where something was mapped over something else, records say more than the table can.
  if (!isAsked(3) || space.isOverwritten) return 0;
  const ipa = value & RECORD_IPA;
  for (let at = pa; at < end; at += leafRest) {
    if (!leadsTo(space, ipa + (at - pa), at, attributes)) return violated(3, ipa + (at - pa), at, leafFound);
  }
  return 0;
}

let leafRest: u64 = 0;
let leafFound: u64 = 0;

function leadsTo(space: AddressSpace, ipa: u64, pa: u64, attributes: u32): bool {
  let frame = rootFrame(space.table, 0);
  let level = startLevel;
  leafFound = load<u64>(frame + (((ipa >> levelShift(level)) << 3) as usize));
  while (isTable(leafFound, level)) {
    frame = frameOf(childPage(leafFound));
    level++;
    leafFound = load<u64>(frame + ((((ipa >> levelShift(level)) & indexMask) << 3) as usize));
  }
  const offset = ipa & (granuleSize(level) - 1);
  leafRest = granuleSize(level) - offset;
  return isValid(leafFound) && outputAddress(leafFound) + offset == pa && decodeLeaf(leafFound) == attributes;
}
