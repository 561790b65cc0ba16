// What a change of owner does to the page tables (reference gunyah section 3.5, the rule table). The range is taken in
// steps inside which none of the eight slots changes what it says; in a step the slots are processed in order, each first
// "unmap what x said", then "map what y says":
//
//   x record        y record                page table
//   (as, ipa, a)    (as, ipa, a)            nothing
//   (as, ipa, a)    (as, ipa, b)            map with b over it
//   (as, ipa, a)    none, or another ipa    unmap
//   none            (as, ipa, b)            map
//
// Ownership changes before the page tables do (3.6). Everything that can be refused is refused before.

import { DENIED, REASON_READ_ONLY_SPACE } from "../../abi/gunyah";
import { AddressSpace } from "./address-space";
import {
  Extent,
  hasRecord,
  readRecord,
  RECORD_IPA,
  recordAttributes,
  recordEnd,
  recordValue,
  SLOTS,
  slotSpace,
} from "./extent";
import {
  beginPlan,
  denyTables,
  encodeLeaf,
  mapRange,
  planFits,
  planMap,
  planUnmap,
  unmapRange,
  wasOccupied,
} from "./page-table";
import { prepareMap, prepareNothing, prepareUnmap } from "./leaves";
import { deny } from "./refusal";

// The records of one step: 4 of x, 4 of y, 16 bytes each: 0 u64 value | 8 u32 address space, 0 = no record
const STEP_BYTES: usize = 128;
const step: usize = memory.data(128, 8);
const SIDE: usize = 64;

let isPlanning: bool = false;

/** Whether the change of [start, end) from x to y (either may be nobody) can be made: then it will. DENIED, NOMEM, or a range error. */
export function checkTransfer(x: Extent | null, y: Extent | null, start: u64, end: u64): i32 {
  beginPlan(false);
  let refused = planTransfer(x, y, start, end);
  if (refused != 0 || planFits()) return refused;
  beginPlan(true);
  refused = planTransfer(x, y, start, end);
  return planFits() ? refused : denyTables();
}

/** Adds the change to a plan that was begun. */
export function planTransfer(x: Extent | null, y: Extent | null, start: u64, end: u64): i32 {
  isPlanning = true;
  return eachStep(x, y, start, end);
}

/** Makes the change. */
export function transfer(x: Extent | null, y: Extent | null, start: u64, end: u64): void {
  isPlanning = false;
  eachStep(x, y, start, end);
}

/** Whether the change is an ordinary one: at most one record takes or loses effect, for all of [start, end). Then `commit` makes it. */
export function prepareTransfer(x: Extent | null, y: Extent | null, start: u64, end: u64): bool {
  if (isBeyondOneRecord(x, start, end)) return false;
  const before = onlySpace;
  const value = recordValue;
  if (isBeyondOneRecord(y, start, end)) return false;
  const after = onlySpace;
  if (before == null && after == null) {
    prepareNothing();
    return true;
  }
  if (before == null) return !after!.readOnly && prepareRecord(after!, recordValue, start, end);
  if (after != null || before.readOnly) return false;
  return prepareUnmap(before.table, value & RECORD_IPA, end - start, start);
}

/** Whether mapping one record where memory is owned, [pa, stop), is an ordinary change of the tables. Then `commit` makes it. */
export function prepareRecord(space: AddressSpace, value: u64, pa: u64, stop: u64): bool {
  return prepareMap(space.table, value & RECORD_IPA, stop - pa, pa, encodeLeaf(recordAttributes(value)));
}

// Where the one record of a range maps it (in recordValue); null if there is none.
let onlySpace: AddressSpace | null = null;

/** Whether an extent may have more to say of [pa, end) than one record for all of it. */
function isBeyondOneRecord(me: Extent | null, pa: u64, end: u64): bool {
  onlySpace = null;
  if (me == null || me.slotsInUse == 0) return false;
  const space = slotSpace(me, 0);
  if (me.slotsInUse != 1 || space == null) return true;
  readRecord(me, 0, pa, end);
  if (hasRecord) onlySpace = space;
  return recordEnd < end;
}

function eachStep(x: Extent | null, y: Extent | null, start: u64, end: u64): i32 {
  for (let pa = start; pa < end;) {
    const afterX = readSide(step, x, pa, end);
    const stop = readSide(step + SIDE, y, pa, afterX);
    const refused = isQuiet() ? 0 : runStep(pa, stop);
    if (refused != 0) return refused;
    pa = stop;
  }
  return 0;
}

// The records of one extent at `pa`; where the first of them ends.
function readSide(side: usize, me: Extent | null, pa: u64, end: u64): u64 {
  let stop = end;
  for (let slot: u32 = 0; slot < SLOTS; slot++) {
    store<u32>(side + ((slot as usize) << 4), 0, 8);
    const space = me != null ? slotSpace(me, slot) : null;
    if (me == null || space == null) continue;
    readRecord(me, slot, pa, stop);
    stop = recordEnd;
    if (!hasRecord) continue;
    store<u64>(side + ((slot as usize) << 4), recordValue);
    store<u32>(side + ((slot as usize) << 4), changetype<usize>(space) as u32, 8);
  }
  return stop;
}

function isQuiet(): bool {
  for (let at = step + 8; at < step + STEP_BYTES; at += 16) if (load<u32>(at) != 0) return false;
  return true;
}

function runStep(pa: u64, stop: u64): i32 {
  for (let slot: u32 = 0; slot < SLOTS; slot++) {
    const x = step + ((slot as usize) << 4);
    const y = x + SIDE;
    let refused = 0;
    if (load<u32>(x, 8) != 0 && counterpart(x, step + SIDE) == 0) refused = withdraw(x, pa, stop);
    if (refused != 0) return refused;
    if (load<u32>(y, 8) == 0) continue;
    const same = counterpart(y, step);
    if (same == 0 || load<u64>(same) != load<u64>(y)) refused = apply(y, pa, stop, same == 0);
    if (refused != 0) return refused;
  }
  return 0;
}

/** The record of the other side for the same address of the same space; 0 if there is none. */
function counterpart(entry: usize, side: usize): usize {
  for (let at = side; at < side + SIDE; at += 16) {
    if (load<u32>(at, 8) != load<u32>(entry, 8)) continue;
    if (((load<u64>(at) ^ load<u64>(entry)) & RECORD_IPA) == 0) return at;
  }
  return 0;
}

function withdraw(entry: usize, pa: u64, stop: u64): i32 {
  return unmapRecord(changetype<AddressSpace>(load<u32>(entry, 8) as usize), load<u64>(entry), pa, stop);
}

function apply(entry: usize, pa: u64, stop: u64, isNew: bool): i32 {
  return mapRecord(changetype<AddressSpace>(load<u32>(entry, 8) as usize), load<u64>(entry), pa, stop, isNew);
}

// One record on owned memory: planned or made.

// `isNew`: the record does not take the place of one for the same address, so that a leaf that is there is another record's.
function mapRecord(space: AddressSpace, value: u64, pa: u64, stop: u64, isNew: bool): i32 {
  const leaf = encodeLeaf(recordAttributes(value));
  const ipa = value & RECORD_IPA;
  if (isPlanning) {
    if (space.readOnly) return deny(DENIED, REASON_READ_ONLY_SPACE, ipa, 0, space.vmid);
    return planMap(space.table, ipa, stop - pa, pa, leaf);
  }
  mapRange(space.table, ipa, stop - pa, pa, leaf);
  if (isNew && wasOccupied) space.isOverwritten = true;
  return 0;
}

function unmapRecord(space: AddressSpace, value: u64, pa: u64, stop: u64): i32 {
  const ipa = value & RECORD_IPA;
  if (isPlanning) {
    if (space.readOnly) return deny(DENIED, REASON_READ_ONLY_SPACE, ipa, 0, space.vmid);
    planUnmap(space.table, ipa, stop - pa, pa);
    return 0;
  }
  unmapRange(space.table, ipa, stop - pa, pa);
  return 0;
}

/** addrspace_map of one record where memory is owned: [pa, stop). With `plan` it is only added to the plan. */
export function applyRecord(space: AddressSpace, value: u64, pa: u64, stop: u64, isNew: bool, plan: bool): i32 {
  isPlanning = plan;
  return mapRecord(space, value, pa, stop, isNew);
}

/** addrspace_unmap of one record, the same way. */
export function withdrawRecord(space: AddressSpace, value: u64, pa: u64, stop: u64, plan: bool): i32 {
  isPlanning = plan;
  return unmapRecord(space, value, pa, stop);
}
