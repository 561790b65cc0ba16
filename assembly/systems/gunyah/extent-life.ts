// Activation and end of memory extents (reference gunyah sections 3.2, 3.7; memextent_basic.c, memextent_sparse.c).
// What a derived extent leaves goes to its parent, what a root extent leaves to its partition: mappings at once, memory when
// a grace period has passed. Nothing is zeroed.

import {
  BUSY,
  DENIED,
  EXTENT_BASIC,
  EXTENT_SPARSE,
  MEMDB_EXTENT,
  MEMDB_NOT_OWNER,
  MEMDB_NOTYPE,
  MEMDB_PARTITION,
  MEMTYPE_DEVICE,
  OBJECT_CONFIG,
  PANIC_DERIVE_REMAP,
  REASON_ATTACHED,
  REASON_OBJECT_STATE,
  REASON_PARTIALLY_MAPPED,
} from "../../abi/gunyah";
import { GUNYAH_DERIVE_REMAP_PANIC } from "../../abi/mutations";
import { reserve } from "../../memory/heap";
import { isMutated } from "../../memory/mutation";
import { panic } from "../../memory/verdict";
import { AddressSpace } from "./address-space";
import {
  canWriteSlot,
  clearSlot,
  dropParent,
  endOf,
  Extent,
  EXTENT_BYTES,
  hasRecord,
  isConfigured,
  maskRecord,
  nextOwn,
  readRecord,
  recordEnd,
  recordValue,
  setRecord,
  SLOTS,
  slotSpace,
} from "./extent";
import { checkMemdbUpdate, memdbUpdate, runEnd, runStart } from "./memdb";
import { freeObject, KernelObject, Partition, STATE_ACTIVE, STATE_DYING, STATE_INIT } from "./object";
import { denyMemory } from "./partition";
import { deny } from "./refusal";
import { beginPlan, denyTables, planFits } from "./page-table";
import { checkTransfer, planTransfer, transfer } from "./transfer";

// 0 u32 the extents whose memory waits for a grace period. In linear memory for snapshots.
let dying: usize = 0;

/** The first of the extents whose memory waits for a grace period; null if none does. */
export function firstDying(): Extent | null {
  const first = load<u32>(dying) as usize;
  return first == 0 ? null : changetype<Extent>(first);
}

export function reserveDying(): bool {
  dying = reserve(16);
  return dying != 0;
}

/** Activation of an extent in state INIT. Nothing is different after an error. */
export function activateExtent(me: Extent): i32 {
  if (!isConfigured(me)) return deny(OBJECT_CONFIG, REASON_OBJECT_STATE, me.id, 0, 0);
  const parent = me.parent;
  const refused = parent == null ? activateRoot(me) : activateDerived(me, parent);
  if (refused != 0) return refused;
  me.state = STATE_ACTIVE;
  if (parent != null) link(me, parent);
  return 0;
}

// A BASIC extent takes its range from the partition; a SPARSE one owns nothing yet, unless it is for a device, whose range
// no one else owns.
function activateRoot(me: Extent): i32 {
  const partition = me.partition as Partition;
  if (me.kind == EXTENT_BASIC) return take(me, partition.id, MEMDB_PARTITION);
  return me.memtype == MEMTYPE_DEVICE ? take(me, 0, MEMDB_NOTYPE) : 0;
}

/** All of the window, from another owner, with one retry after a grace period. */
function take(me: Extent, from: u32, fromType: u32): i32 {
  const last = endOf(me) - 1;
  const refused = memdbUpdate(me.base, last, me.id, MEMDB_EXTENT, from, fromType);
  if (refused != MEMDB_NOT_OWNER || !synchronize()) return refused;
  return memdbUpdate(me.base, last, me.id, MEMDB_EXTENT, from, fromType);
}

function activateDerived(me: Extent, parent: Extent): i32 {
  if (parent.attached) return deny(BUSY, REASON_ATTACHED, parent.id, 0, 0);
  const isCarvedOut = me.kind == EXTENT_BASIC || parent.kind == EXTENT_BASIC;
  let refused = inheritRecords(me, parent);
  if (refused == 0 && isCarvedOut) refused = carveOut(me, parent);
  if (refused != 0) clearSlots(me);
  return refused;
}

/** The parent's records within the window, with no more access than the child has. */
function inheritRecords(me: Extent, parent: Extent): i32 {
  if (parent.slotsInUse == 0) return 0;
  for (let slot: u32 = 0; slot < SLOTS; slot++) {
    const space = slotSpace(parent, slot);
    if (space == null) continue;
    const refused = inheritSlot(me, parent, slot, space);
    if (refused != 0) return refused;
  }
  return 0;
}

function inheritSlot(me: Extent, parent: Extent, slot: u32, space: AddressSpace): i32 {
  for (let pa = me.base; pa < endOf(me);) {
    readRecord(parent, slot, pa, endOf(me));
    const stop = recordEnd;
    if (me.kind == EXTENT_BASIC && stop != endOf(me)) return deny(DENIED, REASON_PARTIALLY_MAPPED, pa, 0, 0);
    if (hasRecord) {
      const value = maskRecord(recordValue, me.access);
      if (!canWriteSlot(me, slot, pa, stop)) return denyMemory(me.heap);
      setRecord(me, slot, space, pa, stop, value);
    }
    pa = stop;
  }
  return 0;
}

function carveOut(me: Extent, parent: Extent): i32 {
  const last = endOf(me) - 1;
  let refused = checkMemdbUpdate(me.base, last, parent.id, MEMDB_EXTENT);
  if (refused == MEMDB_NOT_OWNER && synchronize()) {
    refused = checkMemdbUpdate(me.base, last, parent.id, MEMDB_EXTENT);
  }
  if (refused == 0) {
    refused = checkTransfer(parent, me, me.base, endOf(me));
    if (isMutated(GUNYAH_DERIVE_REMAP_PANIC) && refused != 0) return panic(PANIC_DERIVE_REMAP);
  }
  if (refused != 0) return refused;
  memdbUpdate(me.base, last, me.id, MEMDB_EXTENT, parent.id, MEMDB_EXTENT);
  transfer(parent, me, me.base, endOf(me));
  return 0;
}

function link(me: Extent, parent: Extent): void {
  const first = parent.firstChild;
  me.nextSibling = first;
  me.previousSibling = null;
  if (first != null) first.previousSibling = me;
  parent.firstChild = me;
}

function unlink(me: Extent, parent: Extent): void {
  const before = me.previousSibling;
  const after = me.nextSibling;
  if (before == null) parent.firstChild = after;
  else before.nextSibling = after;
  if (after != null) after.previousSibling = before;
}

/** The last reference is dropped. NOMEM, with nothing changed, if a block must be split and there is no table page. */
export function deactivateExtent(me: Extent): i32 {
  if (me.state == STATE_INIT) {
    dropParent(me);
    freeObject(me, EXTENT_BYTES);
    return 0;
  }
  const refused = checkLeave(me);
  if (refused != 0) return refused;
  const parent = me.parent;
  for (let pa = me.base; nextOwn(me, pa, endOf(me)); pa = runEnd) transferRun(me, parent);
  clearSlots(me);
  if (parent != null) unlink(me, parent);
  me.references = 0;
  me.state = STATE_DYING;
  const first = load<u32>(dying) as usize;
  me.nextDying = first == 0 ? null : changetype<Extent>(first);
  store<u32>(dying, changetype<usize>(me) as u32);
  return 0;
}

// do_mapping_transfer: the run that was found last. runEnd stays what it is.
function transferRun(me: Extent, parent: Extent | null): void {
  transfer(me, parent, runStart, runEnd);
}

function checkLeave(me: Extent): i32 {
  if (me.owned == 0) return 0;
  beginPlan(false);
  let refused = planLeave(me);
  if (refused != 0 || planFits()) return refused;
  beginPlan(true);
  refused = planLeave(me);
  return planFits() ? refused : denyTables();
}

function planLeave(me: Extent): i32 {
  for (let pa = me.base; nextOwn(me, pa, endOf(me)); pa = runEnd) {
    const refused = planTransfer(me, me.parent, runStart, runEnd);
    if (refused != 0) return refused;
  }
  return 0;
}

export function clearSlots(me: Extent): void {
  if (me.slotsInUse == 0) return;
  for (let slot: u32 = 0; slot < SLOTS; slot++) clearSlot(me, slot);
}

/** A grace period passes: what dying extents own goes to their parents or partitions. False if nothing was waiting. */
export function synchronize(): bool {
  let first = load<u32>(dying) as usize;
  if (first == 0) return false;
  while (first != 0) {
    const me = changetype<Extent>(first);
    const next = me.nextDying;
    store<u32>(dying, next == null ? 0 : (changetype<usize>(next) as u32));
    cleanUp(me);
    first = load<u32>(dying) as usize;
  }
  return true;
}

// Giving whole runs back takes no node of the database: their ends are there already.
function cleanUp(me: Extent): void {
  const parent = me.parent;
  const isDevice = parent == null && me.kind == EXTENT_SPARSE && me.memtype == MEMTYPE_DEVICE;
  const heir: KernelObject | null = parent != null ? parent : me.partition;
  const to: u32 = isDevice || heir == null ? 0 : heir.id;
  const type: u32 = isDevice ? MEMDB_NOTYPE : parent != null ? MEMDB_EXTENT : MEMDB_PARTITION;
  for (let pa = me.base; nextOwn(me, pa, endOf(me)); pa = runEnd) {
    memdbUpdate(runStart, runEnd - 1, to, type, me.id, MEMDB_EXTENT);
  }
  dropParent(me);
  freeObject(me, EXTENT_BYTES);
}
