// What the parts of a state become when interchangeable pages, and interchangeable VMs, change their names: a page gets the name
// of another of its group, a VM the slot of another of its kind, and with it the handle and the pages that it is made of.
//
//   page                  the handle in the host's entry, and in the word that tells whose contents it holds; no page part has
//                         the page's own address
//   VM                    the same of the pages that it is made of, and their addresses
//   table, pool, lists    addresses of pages
//   EL2                   the handle of the VM whose vCPU is loaded

import { PKVM_ID_GUEST } from "../abi/codes";
import { GIVEN_AWAY, SECRET } from "../abi/explore";
import { addressField, isValid } from "../arch/descriptor";
import { pageShift } from "../arch/geometry";
import { reserve } from "../memory/heap";
import { INVALID_TYPE_SHIFT } from "../pagetable/invalid-entry";
import { donationOwner, TYPE_DONATION } from "../systems/pkvm/annotation";
import { handleBase, maxVms } from "../systems/pkvm/vm";
import { MAX_NUMBER, NO_NUMBER, numberOf, partAt, partCount, partWords, wordsOf } from "./components";
import { domainPfn, groupOf, isHostKvm, ownerOf, pages } from "./domain";
import { EL2, LISTS, PAGE, placeOfPage, TABLE, VM } from "./packed-state";

const MAX_GROUPS: u32 = 4;
const MAX_MEMBERS: u32 = 5;
/** 5! */
export const MAX_ORDERS: u32 = 120;
const KINDS: u32 = LISTS + 1;
const NUMBERS_OF_KIND: u32 = MAX_NUMBER + 1;
const SCRATCH_BYTES: usize = 65536;
const HANDLE: u64 = 0xffff;
/** Of a DONATION's handle (systems/pkvm/annotation.ts), and of the loaded vCPU's in EL2's part. */
const DONATION_HANDLE: u64 = 4;
const LOADED_HANDLE: u64 = 32;
const NO_VCPU: u64 = u64.MAX_VALUE;
const SEEN: u32 = 1 << 31;

/** Groups of interchangeable pages. */
export let groups: u32 = 0;
/** In how many ways pages can change their names, and VMs; the one that changes nothing counts. */
export let pageRenamings: u32 = 1;
export let vmRenamings: u32 = 1;
/** There was no room for a part under another name. */
export let isRenamingFull: bool = false;

/** How many there is room for. */
let mostPageRenamings: u32 = 1;
let mostVmRenamings: u32 = 1;
// Per group.
let memberCounts: usize = 0; // u32
let memberPages: usize = 0; // MAX_MEMBERS x u32: index among the domain's pages
let memberPlaces: usize = 0; // MAX_MEMBERS x u32: where its part is in a row
let orderCounts: usize = 0; // u32
/** Orders of MAX_MEMBERS things, a u8 each: whose name it gets. The first k! of them leave all but the first k where they are. */
let orders: usize = 0;
let vmOrders: usize = 0; // u32 per renaming of VMs: its order of slots
// u32 per kind, number and renaming: the number that it becomes, + 1; 0: not known yet.
let knownByPages: usize = 0; // of the kinds from TABLE on
let knownByVms: usize = 0;
// u32 per kind from TABLE on and number: the members of groups that it names, a bit each, | SEEN.
let named: usize = 0;
let scratch: usize = 0;

/** Room for so many renamings of pages, and of VMs. False if linear memory is used up. */
export function reserveRenaming(ofPages: u32, ofVms: u32): bool {
  mostPageRenamings = ofPages;
  mostVmRenamings = ofVms;
  if (ofPages * ofVms <= 1) return true;
  memberCounts = reserve(MAX_GROUPS << 2);
  memberPages = reserve((MAX_GROUPS * MAX_MEMBERS) << 2);
  memberPlaces = reserve((MAX_GROUPS * MAX_MEMBERS) << 2);
  orderCounts = reserve(MAX_GROUPS << 2);
  orders = reserve(MAX_ORDERS * MAX_MEMBERS);
  vmOrders = reserve(MAX_ORDERS << 2);
  scratch = reserve(SCRATCH_BYTES);
  knownByPages = reserve((((KINDS - TABLE) * NUMBERS_OF_KIND * ofPages) as usize) << 2);
  knownByVms = reserve(((KINDS * NUMBERS_OF_KIND * ofVms) as usize) << 2);
  named = reserve((((KINDS - TABLE) * NUMBERS_OF_KIND) as usize) << 2);
  return scratch != 0 && knownByPages != 0 && knownByVms != 0 && named != 0;
}

/** Takes over the domain's groups. False if there are no names to change, or no room for it. */
export function beginRenaming(): bool {
  isRenamingFull = false;
  if (mostPageRenamings * mostVmRenamings <= 1) return false;
  listOrders();
  readGroups();
  readVms();
  const isRoom = pageRenamings <= mostPageRenamings && vmRenamings <= mostVmRenamings;
  return isRoom && pageRenamings * vmRenamings > 1;
}

/** Forgets which parts become which. Before the parts are forgotten. */
export function forgetRenamed(): void {
  if (mostPageRenamings * mostVmRenamings <= 1) return;
  for (let kind: u32 = 0; kind < KINDS; kind++) {
    const count = partCount(kind);
    memory.fill(byVms(kind, 0, 0), 0, ((count * mostVmRenamings) as usize) << 2);
    if (kind < TABLE) continue;
    memory.fill(byPages(kind, 0, 0), 0, ((count * mostPageRenamings) as usize) << 2);
    memory.fill(namedAt(kind, 0), 0, (count as usize) << 2);
  }
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
  pageRenamings = 1;
  for (let page: u32 = 0; page < pages; page++) {
    const group = groupOf(page) - 1;
    if (ownerOf(page) == 0 && group < MAX_GROUPS && membersOf(group) < MAX_MEMBERS) addMember(group, page);
  }
  for (let group: u32 = 0; group < groups; group++) {
    const count = factorial(membersOf(group));
    store<u32>(u32At(orderCounts, group), count);
    pageRenamings *= count;
  }
}

function addMember(group: u32, page: u32): void {
  const count = membersOf(group);
  store<u32>(u32At(memberPages, group * MAX_MEMBERS + count), page);
  store<u32>(u32At(memberPlaces, group * MAX_MEMBERS + count), placeOfPage(page));
  store<u32>(u32At(memberCounts, group), count + 1);
  groups = max(groups, group + 1);
}

// Orders of all slots that give each VM the slot of one of its kind.
function readVms(): void {
  vmRenamings = 0;
  const all = maxVms <= MAX_MEMBERS ? factorial(maxVms) : 1;
  for (let order: u32 = 0; order < all; order++) {
    if (keepsKinds(order)) store<u32>(u32At(vmOrders, vmRenamings++), order);
  }
}

function keepsKinds(order: u32): bool {
  for (let slot: u32 = 0; slot < maxVms && order != 0; slot++) {
    const other = newName(order, slot);
    if (other != slot && (kindOfVm(slot) == 0 || kindOfVm(slot) != kindOfVm(other))) return false;
  }
  return true;
}

// That of the first of its pages stands for all.
function kindOfVm(slot: u32): u32 {
  const page = pageOfVm(slot, 0);
  return page == pages ? 0 : groupOf(page);
}

/** Index of page `number` of those that a VM is made of; `pages` if there is none. */
function pageOfVm(slot: u32, number: u32): u32 {
  for (let page: u32 = 0; page < pages; page++) {
    if (ownerOf(page) == slot + 1 && number-- == 0) return page;
  }
  return pages;
}

function factorial(n: u32): u32 {
  return n <= 1 ? 1 : n * factorial(n - 1);
}

function u32At(table: usize, index: u32): usize {
  return table + ((index as usize) << 2);
}

export function membersOf(group: u32): u32 {
  return load<u32>(u32At(memberCounts, group));
}

export function ordersOf(group: u32): u32 {
  return load<u32>(u32At(orderCounts, group));
}

/** Whose name a member of a group, or a slot, gets in an order. */
export function newName(order: u32, member: u32): u32 {
  return load<u8>(orders + ((order * MAX_MEMBERS + member) as usize));
}

/** Where the part of a member is in a row. */
export function placeOfMember(group: u32, member: u32): u32 {
  return load<u32>(u32At(memberPlaces, group * MAX_MEMBERS + member));
}

/** The slot that a VM gets. */
export function newSlot(renaming: u32, slot: u32): u32 {
  return newName(load<u32>(u32At(vmOrders, renaming)), slot);
}

// Names of pages

/** The bit of a member of a group in `namedBy`. */
export function bitOf(group: u32, member: u32): u32 {
  return 1 << (group * MAX_MEMBERS + member);
}

/** The members of groups that a part of a kind from TABLE on names. */
export function namedBy(kind: u32, number: u32): u32 {
  const at = namedAt(kind, number);
  if (load<u32>(at) == 0) store<u32>(at, SEEN | membersNamed(partAt(kind, number)));
  return load<u32>(at) & ~SEEN;
}

function namedAt(kind: u32, number: u32): usize {
  return u32At(named, (kind - TABLE) * NUMBERS_OF_KIND + number);
}

function membersNamed(part: usize): u32 {
  let bits: u32 = 0;
  for (let i: u32 = 0; i < partWords(part); i++) {
    const pfn = addressField(load<u64>(wordsOf(part) + ((i as usize) << 3))) >> pageShift;
    for (let group: u32 = 0; group < groups; group++) {
      for (let member: u32 = 0; member < membersOf(group); member++) {
        if (pfnOfMember(group, member) == pfn) bits |= bitOf(group, member);
      }
    }
  }
  return bits;
}

function byPages(kind: u32, number: u32, renaming: u32): usize {
  return u32At(knownByPages, ((kind - TABLE) * NUMBERS_OF_KIND + number) * mostPageRenamings + renaming);
}

/** The number of the part that part `number` of a kind from TABLE on becomes. */
export function withPagesRenamed(kind: u32, number: u32, renaming: u32): u32 {
  if (renaming == 0) return number;
  const at = byPages(kind, number, renaming);
  if (load<u32>(at) == 0) {
    const part = partAt(kind, number);
    copyWords(part);
    for (let i: u32 = 0; i < partWords(part); i++) {
      if (kind != TABLE || isValid(word(i))) setWord(i, underOtherPage(word(i), renaming));
    }
    store<u32>(at, numberOfCopy(kind, number) + 1);
  }
  return load<u32>(at) - 1;
}

function copyWords(part: usize): void {
  memory.copy(scratch, wordsOf(part), (partWords(part) as usize) << 3);
}

function word(index: u32): u64 {
  return load<u64>(scratch + ((index as usize) << 3));
}

function setWord(index: u32, value: u64): void {
  store<u64>(scratch + ((index as usize) << 3), value);
}

/** The number of the part made of the words at `scratch`, which are as many as those of part `number`. */
function numberOfCopy(kind: u32, number: u32): u32 {
  const other = numberOf(kind, scratch, partWords(partAt(kind, number)));
  if (other != NO_NUMBER) return other as u32;
  isRenamingFull = true;
  return number;
}

/** A descriptor, or an address with or without what else is in its word. */
function underOtherPage(value: u64, renaming: u32): u64 {
  const pfn = addressField(value) >> pageShift;
  let rest = renaming;
  for (let group: u32 = 0; group < groups; group++) {
    for (let member: u32 = 0; member < membersOf(group); member++) {
      if (pfnOfMember(group, member) != pfn) continue;
      return withAddress(value, pfn, pfnOfMember(group, newName(rest % ordersOf(group), member)));
    }
    rest /= ordersOf(group);
  }
  return value;
}

function withAddress(value: u64, pfn: u64, other: u64): u64 {
  return value ^ ((pfn ^ other) << pageShift);
}

function pfnOfMember(group: u32, member: u32): u64 {
  return domainPfn(load<u32>(u32At(memberPages, group * MAX_MEMBERS + member)));
}

// Names of VMs

function byVms(kind: u32, number: u32, renaming: u32): usize {
  return u32At(knownByVms, (kind * NUMBERS_OF_KIND + number) * mostVmRenamings + renaming);
}

/**
 * The number of the part that part `number` of a kind becomes.
 *
 * @param slot of a VM's part: whose it is before
 */
export function withVmsRenamed(kind: u32, number: u32, slot: u32, renaming: u32): u32 {
  if (renaming == 0) return number;
  const at = byVms(kind, number, renaming);
  if (load<u32>(at) == 0) {
    const part = partAt(kind, number);
    copyWords(part);
    renameVms(kind, partWords(part), slot, renaming);
    store<u32>(at, numberOfCopy(kind, number) + 1);
  }
  return load<u32>(at) - 1;
}

// The words of a part as packed-state.ts has them.
function renameVms(kind: u32, words: u32, slot: u32, renaming: u32): void {
  if (kind == PAGE) renamePage(0, renaming);
  else if (kind == EL2) renameLoaded(words - 1, renaming);
  else if (kind == VM) renameVmRecord(words, slot, renaming);
  else {
    for (let i: u32 = 0; i < words; i++) {
      if (kind != TABLE || isValid(word(i))) setWord(i, underOtherVm(word(i), renaming));
    }
  }
}

/** The words of a page from `at` on: its vmemmap word, the host's entry, EL2's, whose contents it holds. */
function renamePage(at: u32, renaming: u32): void {
  setWord(at + 1, donatedToOther(word(at + 1), renaming));
  setWord(at + 3, withOthersContents(word(at + 3), renaming));
}

const PAGE_WORDS: u32 = 4;

function renameVmRecord(words: u32, slot: u32, renaming: u32): void {
  let at: u32 = 0;
  for (let page: u32 = 0; page < pages; page++) {
    if (ownerOf(page) != slot + 1) continue;
    renamePage(at, renaming);
    at += PAGE_WORDS + (isHostKvm(page) ? 1 : 0);
  }
  for (; at < words; at++) setWord(at, underOtherVm(word(at), renaming));
}

function renameLoaded(at: u32, renaming: u32): void {
  const loaded = word(at);
  if (loaded != NO_VCPU) setWord(at, withHandle(loaded, LOADED_HANDLE, renaming));
}

function donatedToOther(entry: u64, renaming: u32): u64 {
  if (isValid(entry) || entry >> INVALID_TYPE_SHIFT != TYPE_DONATION) return entry;
  return donationOwner(entry) == PKVM_ID_GUEST ? withHandle(entry, DONATION_HANDLE, renaming) : entry;
}

function withOthersContents(contents: u64, renaming: u32): u64 {
  const whose = contents & ~HANDLE;
  return whose == SECRET || whose == GIVEN_AWAY ? withHandle(contents, 0, renaming) : contents;
}

function withHandle(value: u64, shift: u64, renaming: u32): u64 {
  const slot = ((value >> shift) & HANDLE) - (handleBase as u64);
  if (slot >= (maxVms as u64)) return value;
  return value + (((newSlot(renaming, slot as u32) as u64) - slot) << shift);
}

/** As `underOtherPage`, of the pages that VMs are made of. */
function underOtherVm(value: u64, renaming: u32): u64 {
  const pfn = addressField(value) >> pageShift;
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    for (let number: u32 = 0; ; number++) {
      const page = pageOfVm(slot, number);
      if (page == pages) break;
      if (domainPfn(page) == pfn) {
        return withAddress(value, pfn, domainPfn(pageOfVm(newSlot(renaming, slot), number)));
      }
    }
  }
  return value;
}
