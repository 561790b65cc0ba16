// Interchangeable pages: a state and what becomes of it when such pages change their names lead to the same, with the names
// changed. So a search visits one state of each such set. It keeps the state that it came to first, as it is, so that ways to it
// are ways of the machine; what is looked for in the index is the set's smallest row (visited.ts).
//
// A renaming gives each page of a group the name of another of that group. In a row the parts of pages change places, and parts
// that hold addresses of pages become other parts: a VM's tables, its pool, its vCPUs' lists. A VM's record, the pages that it
// is made of, and EL2's part name none of these pages, and page parts do not hold their own address (packed-state.ts).
//
// The smallest row has the page parts of each group in order. Most often only one renaming brings that about; where pages are
// alike, all that do are compared. How many lead to the smallest row tells how many states there are in the set.

import { addressField, isValid } from "../arch/descriptor";
import { pageShift } from "../arch/geometry";
import { reserve } from "../memory/heap";
import { maxVms } from "../systems/pkvm/vm";
import { MAX_NUMBER, NO_NUMBER, numberOf, partAt, partCount, partWords, wordsOf } from "./components";
import { domainPfn, groupOf, pages } from "./domain";
import { LISTS, partsOfState, placeOfPage, placeOfTable, TABLE } from "./packed-state";

const MAX_GROUPS: u32 = 4;
const MAX_MEMBERS: u32 = 5;
const MAX_ORDERS: u32 = 120;
/** Kinds of parts that hold addresses of pages: TABLE to LISTS. */
const RENAMED_KINDS: u32 = LISTS - TABLE + 1;
const NUMBERS_OF_KIND: u32 = MAX_NUMBER + 1;
const ROW_BYTES: usize = 256;
const SCRATCH_BYTES: usize = 65536;

/** Whether states are taken together. */
export let isSymmetric: bool = false;
/** Of the last `smallestRow`: how many states there are that differ in names alone. */
export let alike: u32 = 1;
/** There was no room for a part under another name: what `smallestRow` said since then does not count. */
export let isSymmetryFull: bool = false;

let groups: u32 = 0;
/** All of them, the one that changes nothing among them; of all groups together. */
let renamings: u32 = 1;
/** How many there is room for. */
let mostRenamings: u32 = 1;
// Per group.
let memberCounts: usize = 0; // u32
let memberPages: usize = 0; // MAX_MEMBERS x u32: index among the domain's pages
let memberPlaces: usize = 0; // MAX_MEMBERS x u32: where its part is in a row
let orderCounts: usize = 0; // u32
let sorting: usize = 0; // MAX_ORDERS x u32: the orders that sort the row at hand
let sortingCounts: usize = 0; // u32
/** Orders of MAX_MEMBERS things, a u8 each: whose name it gets. The first k! of them leave all but the first k where they are. */
let orders: usize = 0;
// u32 per kind, number and renaming: the number that it becomes, + 1; 0: not known yet.
let known: usize = 0;
let scratch: usize = 0;
let candidate: usize = 0;

/**
 * @param count renamings there are to be room for, the one that changes nothing among them; 1: no symmetry
 * @returns false if linear memory is used up
 */
export function reserveSymmetry(count: u32): bool {
  mostRenamings = count;
  isSymmetric = false;
  if (count <= 1) return true;
  memberCounts = reserve(MAX_GROUPS << 2);
  memberPages = reserve((MAX_GROUPS * MAX_MEMBERS) << 2);
  memberPlaces = reserve((MAX_GROUPS * MAX_MEMBERS) << 2);
  orderCounts = reserve(MAX_GROUPS << 2);
  sorting = reserve((MAX_GROUPS * MAX_ORDERS) << 2);
  sortingCounts = reserve(MAX_GROUPS << 2);
  orders = reserve(MAX_ORDERS * MAX_MEMBERS);
  scratch = reserve(SCRATCH_BYTES);
  candidate = reserve(ROW_BYTES);
  known = reserve(((RENAMED_KINDS * NUMBERS_OF_KIND * count) as usize) << 2);
  return candidate != 0 && known != 0;
}

/** Takes states together from now on, if the first one, packed at `row`, is the same under every renaming. */
export function beginSymmetry(row: usize): void {
  isSymmetric = false;
  isSymmetryFull = false;
  if (mostRenamings <= 1) return;
  listOrders();
  readGroups();
  isSymmetric = renamings > 1 && renamings <= mostRenamings && isSameUnderAll(row);
}

// As Fisher and Yates shuffle, with the digits of a number to the base of factorials in place of chance.
function listOrders(): void {
  for (let order: u32 = 0; order < MAX_ORDERS; order++) {
    const at = orders + ((order * MAX_MEMBERS) as usize);
    let rest = order;
    for (let i: u32 = 0; i < MAX_MEMBERS; i++) {
      const other = at + ((i - (rest % (i + 1))) as usize);
      rest /= i + 1;
      store<u8>(at + (i as usize), i as u8);
      const moved = load<u8>(other);
      store<u8>(other, i as u8);
      store<u8>(at + (i as usize), moved);
    }
  }
}

function readGroups(): void {
  memory.fill(memberCounts, 0, MAX_GROUPS << 2);
  groups = 0;
  renamings = 1;
  for (let page: u32 = 0; page < pages; page++) {
    const group = groupOf(page) - 1;
    if (group < MAX_GROUPS && membersOf(group) < MAX_MEMBERS) addMember(group, page);
  }
  for (let group: u32 = 0; group < groups; group++) {
    let count: u32 = 1;
    for (let i: u32 = 2; i <= membersOf(group); i++) count *= i;
    store<u32>(u32At(orderCounts, group), count);
    renamings *= count;
  }
}

function addMember(group: u32, page: u32): void {
  const count = membersOf(group);
  store<u32>(u32At(memberPages, group * MAX_MEMBERS + count), page);
  store<u32>(u32At(memberPlaces, group * MAX_MEMBERS + count), placeOfPage(page));
  store<u32>(u32At(memberCounts, group), count + 1);
  groups = max(groups, group + 1);
}

function u32At(table: usize, index: u32): usize {
  return table + ((index as usize) << 2);
}

function membersOf(group: u32): u32 {
  return load<u32>(u32At(memberCounts, group));
}

/** Whose name a member gets. */
function newName(order: u32, member: u32): u32 {
  return load<u8>(orders + ((order * MAX_MEMBERS + member) as usize));
}

function placeOfMember(group: u32, member: u32): u32 {
  return load<u32>(u32At(memberPlaces, group * MAX_MEMBERS + member));
}

function isSameUnderAll(row: usize): bool {
  for (let renaming: u32 = 0; renaming < renamings; renaming++) {
    memory.copy(candidate, row, (partsOfState() as usize) << 1);
    let rest = renaming;
    for (let group: u32 = 0; group < groups; group++) {
      const count = load<u32>(u32At(orderCounts, group));
      renamePages(row, group, rest % count, candidate);
      rest /= count;
    }
    renameVms(row, renaming, candidate);
    if (memory.compare(candidate, row, (partsOfState() as usize) << 1) != 0) return false;
  }
  return true;
}

/** Forgets which parts become which. Before the parts are forgotten. */
export function forgetRenamed(): void {
  for (let i: u32 = 0; i < RENAMED_KINDS && mostRenamings > 1; i++) {
    memory.fill(knownAs(i, 0, 0), 0, ((partCount(TABLE + i) * mostRenamings) as usize) << 2);
  }
}

function knownAs(kind: u32, number: u32, renaming: u32): usize {
  return u32At(known, (kind * NUMBERS_OF_KIND + number) * mostRenamings + renaming);
}

/** Writes to `to` the smallest of the rows that the one at `row` becomes; `alike` tells how many different ones there are. */
export function smallestRow(row: usize, to: usize): void {
  memory.copy(to, row, (partsOfState() as usize) << 1);
  let count: u32 = 1;
  for (let group: u32 = 0; group < groups; group++) count *= findSorting(row, group, to);
  let reached: u32 = 1;
  renameVms(row, sortingRenaming(0), to);
  for (let i: u32 = 1; i < count; i++) {
    renameVms(row, sortingRenaming(i), candidate);
    const difference = compareVms(candidate, to);
    if (difference == 0) reached++;
    if (difference >= 0) continue;
    reached = 1;
    copyVms(candidate, to);
  }
  // Those that lead to the smallest row are as many as those that change nothing.
  alike = renamings / reached;
}

/** Puts the page parts of a group in order; returns how many of its orders do. */
function findSorting(row: usize, group: u32, to: usize): u32 {
  const all = load<u32>(u32At(orderCounts, group));
  let count: u32 = 0;
  for (let order: u32 = 0; order < all; order++) {
    renamePages(row, group, order, candidate);
    if (!isSorted(candidate, group)) continue;
    store<u32>(u32At(sorting, group * MAX_ORDERS + count++), order);
    if (count == 1) renamePages(row, group, order, to);
  }
  store<u32>(u32At(sortingCounts, group), count);
  return count;
}

function renamePages(row: usize, group: u32, order: u32, to: usize): void {
  const count = membersOf(group);
  for (let member: u32 = 0; member < count; member++) {
    setPart(to, placeOfMember(group, newName(order, member)), part(row, placeOfMember(group, member)));
  }
}

function isSorted(row: usize, group: u32): bool {
  const count = membersOf(group);
  for (let member: u32 = 1; member < count; member++) {
    if (part(row, placeOfMember(group, member - 1)) > part(row, placeOfMember(group, member))) return false;
  }
  return true;
}

function part(row: usize, place: u32): u32 {
  return load<u16>(row + ((place as usize) << 1));
}

function setPart(row: usize, place: u32, number: u32): void {
  store<u16>(row + ((place as usize) << 1), number as u16);
}

/** The renaming made of the `index`-th choice among the orders that sort. */
function sortingRenaming(index: u32): u32 {
  let renaming: u32 = 0;
  let stride: u32 = 1;
  for (let group: u32 = 0; group < groups; group++) {
    const count = load<u32>(u32At(sortingCounts, group));
    renaming += load<u32>(u32At(sorting, group * MAX_ORDERS + (index % count))) * stride;
    index /= count;
    stride *= load<u32>(u32At(orderCounts, group));
  }
  return renaming;
}

function renameVms(row: usize, renaming: u32, to: usize): void {
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    const place = placeOfTable(slot);
    for (let i: u32 = 0; i < RENAMED_KINDS; i++) setPart(to, place + i, renamed(i, part(row, place + i), renaming));
  }
}

/** Below 0: the VMs' parts of `row` are smaller; 0: they are the same. */
function compareVms(row: usize, other: usize): i32 {
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    const place = placeOfTable(slot);
    for (let i: u32 = 0; i < RENAMED_KINDS; i++) {
      const difference = (part(row, place + i) as i32) - (part(other, place + i) as i32);
      if (difference != 0) return difference;
    }
  }
  return 0;
}

function copyVms(row: usize, to: usize): void {
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    const place = placeOfTable(slot);
    for (let i: u32 = 0; i < RENAMED_KINDS; i++) setPart(to, place + i, part(row, place + i));
  }
}

/** The number of the part that part `number` of kind TABLE + `kind` becomes. */
function renamed(kind: u32, number: u32, renaming: u32): u32 {
  if (renaming == 0) return number;
  const at = knownAs(kind, number, renaming);
  if (load<u32>(at) == 0) store<u32>(at, rename(kind, number, renaming) + 1);
  return load<u32>(at) - 1;
}

function rename(kind: u32, number: u32, renaming: u32): u32 {
  const at = partAt(TABLE + kind, number);
  const words = partWords(at);
  for (let i: u32 = 0; i < words; i++) {
    const word = load<u64>(wordsOf(at) + ((i as usize) << 3));
    const isAddress = kind != 0 || isValid(word);
    store<u64>(scratch + ((i as usize) << 3), isAddress ? renamedAddress(word, renaming) : word);
  }
  const other = numberOf(TABLE + kind, scratch, words);
  if (other != NO_NUMBER) return other as u32;
  isSymmetryFull = true;
  return number;
}

/** A descriptor, or an address with or without what else is in its word. */
function renamedAddress(word: u64, renaming: u32): u64 {
  const pfn = addressField(word) >> pageShift;
  let rest = renaming;
  for (let group: u32 = 0; group < groups; group++) {
    const count = load<u32>(u32At(orderCounts, group));
    for (let member: u32 = 0; member < membersOf(group); member++) {
      if (pfnOfMember(group, member) != pfn) continue;
      return word ^ ((pfn ^ pfnOfMember(group, newName(rest % count, member))) << pageShift);
    }
    rest /= count;
  }
  return word;
}

function pfnOfMember(group: u32, member: u32): u64 {
  return domainPfn(load<u32>(u32At(memberPages, group * MAX_MEMBERS + member)));
}
