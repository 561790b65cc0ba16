// Interchangeable pages and VMs: a state and what becomes of it when they change their names (renaming.ts) lead to the same, with
// the names changed. So a search visits one state of each such set. It keeps the one that it came to first, as it is, so that
// ways to it are ways of the machine; what is looked for in the index is the set's smallest row (visited.ts).
//
// The smallest row has the page parts of each group in order. Most often only one renaming of pages brings that about; where
// pages are alike, all that do are compared, for each renaming of VMs; but of pages that are alike and that no VM's part names,
// one order is enough. How many lead to the smallest row tells how many different ones there are.

import { reserve } from "../memory/heap";
import { maxVms } from "../systems/pkvm/vm";
import { ownPages } from "./domain";
import { EL2, LISTS, PAGE, partsOfState, placeOfEl2, placeOfVm, TABLE, VM } from "./packed-state";
import {
  beginRenaming,
  bitOf,
  groups,
  MAX_ORDERS,
  membersOf,
  namedBy,
  newName,
  newSlot,
  ordersOf,
  pageRenamings,
  placeOfMember,
  reserveRenaming,
  vmRenamings,
  withPagesRenamed,
  withVmsRenamed,
} from "./renaming";
import { isTranslationWatched } from "./translation";

const MAX_GROUPS: usize = 4;
const ROW_BYTES: usize = 256;

/** Whether states are taken together. */
export let isSymmetric: bool = false;
/** Of the last `smallestRow`: how many rows there are that differ in names alone. */
export let alike: u32 = 1;

let sorting: usize = 0; // per group MAX_ORDERS x u32: the orders that sort its page parts in the row at hand
let sortingCounts: usize = 0; // u32 per group
let base: usize = 0;
let candidate: usize = 0;

/**
 * @param ofPages in how many ways pages can change their names, the one that changes nothing among them
 * @param ofVms the same of VMs; with both 1 states are not taken together
 * @returns false if linear memory is used up
 */
export function reserveSymmetry(ofPages: u32, ofVms: u32): bool {
  isSymmetric = false;
  sorting = reserve(MAX_GROUPS * (MAX_ORDERS as usize) * 4);
  sortingCounts = reserve(MAX_GROUPS << 2);
  base = reserve(ROW_BYTES);
  candidate = reserve(ROW_BYTES);
  return candidate != 0 && reserveRenaming(ofPages, ofVms);
}

/**
 * Takes states together from now on, if the first one, packed at `row`, is the same whatever the names. A cached translation names
 * pages in EL2's part: where they are watched, each state is visited.
 */
export function beginSymmetry(row: usize): void {
  isSymmetric = false;
  if (!beginRenaming() || isTranslationWatched()) return;
  isSymmetric = isSameUnderAll(row);
}

function rowBytes(): usize {
  return (partsOfState() as usize) << 1;
}

function isSameUnderAll(row: usize): bool {
  for (let ofVms: u32 = 0; ofVms < vmRenamings; ofVms++) {
    writeVmsRenamed(row, ofVms, base);
    for (let ofPages: u32 = 0; ofPages < pageRenamings; ofPages++) {
      writePagesRenamed(base, ofPages, candidate);
      if (memory.compare(candidate, row, rowBytes()) != 0) return false;
    }
  }
  return true;
}

/** Writes to `to` the smallest of the rows that the one at `row` becomes; `alike` tells how many different ones there are. */
export function smallestRow(row: usize, to: usize): void {
  let reached: u32 = 0;
  for (let ofVms: u32 = 0; ofVms < vmRenamings; ofVms++) {
    const from = ofVms == 0 ? row : base;
    if (ofVms != 0) writeVmsRenamed(row, ofVms, base);
    const count = findAllSorting(from);
    for (let i: u32 = 0; i < count; i++) {
      writePagesRenamed(from, sortingRenaming(i), reached == 0 ? to : candidate);
      const difference = reached == 0 ? -1 : memory.compare(candidate, to, rowBytes());
      if (difference < 0 && reached != 0) memory.copy(to, candidate, rowBytes());
      if (difference <= 0) reached = difference == 0 ? reached + 1 : 1;
    }
  }
  // Those that lead to the smallest row are as many as those that change nothing.
  alike = (pageRenamings * vmRenamings) / (reached * leftOut);
}

/** How many renamings of pages there are for each that `findAllSorting` found: they change nothing besides. */
let leftOut: u32 = 1;
/** The members of groups that VMs' parts of the row at hand name. */
let named: u32 = 0;

function findAllSorting(row: usize): u32 {
  named = 0;
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    const place = placeOfVm(slot) - VM;
    for (let kind = TABLE; kind <= LISTS; kind++) named |= namedBy(kind, part(row, place + kind));
  }
  leftOut = 1;
  let count: u32 = 1;
  for (let group: u32 = 0; group < groups; group++) count *= findSorting(row, group);
  return count;
}

/** Finds the orders of a group that put its page parts in order; returns how many they are. */
function findSorting(row: usize, group: u32): u32 {
  const all = ordersOf(group);
  let sorted: u32 = 0;
  let count: u32 = 0;
  for (let order: u32 = 0; order < all; order++) {
    if (!isSortedBy(order, row, group)) continue;
    sorted++;
    if (keepsUnnamed(order, row, group)) store<u32>(sortingAt(group, count++), order);
  }
  leftOut *= sorted / count;
  store<u32>(sortingCounts + ((group as usize) << 2), count);
  return count;
}

function isSortedBy(order: u32, row: usize, group: u32): bool {
  renamePages(row, group, order, candidate);
  const count = membersOf(group);
  for (let member: u32 = 1; member < count; member++) {
    const before = part(candidate, placeOfMember(group, member - 1));
    if (before > part(candidate, placeOfMember(group, member))) return false;
  }
  return true;
}

/** Whether pages that are alike, and that no VM's part names, stay one behind the other as they were. */
function keepsUnnamed(order: u32, row: usize, group: u32): bool {
  const count = membersOf(group);
  for (let member: u32 = 1; member < count; member++) {
    if ((named & bitOf(group, member)) != 0) continue;
    for (let before: u32 = 0; before < member; before++) {
      if ((named & bitOf(group, before)) != 0 || newName(order, before) < newName(order, member)) continue;
      if (part(row, placeOfMember(group, before)) == part(row, placeOfMember(group, member))) return false;
    }
  }
  return true;
}

function sortingAt(group: u32, index: u32): usize {
  return sorting + ((group * MAX_ORDERS + index) as usize) * 4;
}

/** The renaming made of choice `index` among the orders that sort. */
function sortingRenaming(index: u32): u32 {
  let renaming: u32 = 0;
  let stride: u32 = 1;
  for (let group: u32 = 0; group < groups; group++) {
    const count = load<u32>(sortingCounts + ((group as usize) << 2));
    renaming += load<u32>(sortingAt(group, index % count)) * stride;
    index /= count;
    stride *= ordersOf(group);
  }
  return renaming;
}

function part(row: usize, place: u32): u32 {
  return load<u16>(row + ((place as usize) << 1));
}

function setPart(row: usize, place: u32, number: u32): void {
  store<u16>(row + ((place as usize) << 1), number as u16);
}

function renamePages(row: usize, group: u32, order: u32, to: usize): void {
  const count = membersOf(group);
  for (let member: u32 = 0; member < count; member++) {
    setPart(to, placeOfMember(group, newName(order, member)), part(row, placeOfMember(group, member)));
  }
}

/** The row under other names of pages. */
function writePagesRenamed(row: usize, renaming: u32, to: usize): void {
  memory.copy(to, row, rowBytes());
  if (renaming == 0) return;
  let rest = renaming;
  for (let group: u32 = 0; group < groups; group++) {
    renamePages(row, group, rest % ordersOf(group), to);
    rest /= ordersOf(group);
  }
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    const place = placeOfVm(slot) - VM;
    for (let kind = TABLE; kind <= LISTS; kind++) {
      setPart(to, place + kind, withPagesRenamed(kind, part(row, place + kind), renaming));
    }
  }
}

/** The row under other names of VMs. */
function writeVmsRenamed(row: usize, renaming: u32, to: usize): void {
  memory.copy(to, row, rowBytes());
  for (let place: u32 = 0; place < ownPages; place++) {
    setPart(to, place, withVmsRenamed(PAGE, part(row, place), 0, renaming));
  }
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    const from = placeOfVm(slot) - VM;
    const place = placeOfVm(newSlot(renaming, slot)) - VM;
    for (let kind = VM; kind <= LISTS; kind++) {
      setPart(to, place + kind, withVmsRenamed(kind, part(row, from + kind), slot, renaming));
    }
  }
  setPart(to, placeOfEl2(), withVmsRenamed(EL2, part(row, placeOfEl2()), 0, renaming));
}
