// The state of a Gunyah machine for packing by words (words.ts), told as what it says and not as where it lies: objects, nodes,
// tables and parcels live in heaps, whose blocks keep what is dead and whose addresses depend on the way that led there.
//
// Two machines that tell the same answer every call alike, for ever: what is left out is never read again, or only renames.
//
//   free blocks, free ids, free capabilities   overwritten before they are read
//   addresses, object ids, which page is a      renamed: objects by the order in which they are first named below
//     table
//   handles, turns of acceptances               count up and are compared only: told as their rank (handles wrap after 2^32)
//   a level-3 table that was changed last,      caches of the rest
//     fingers of range maps, owned bytes
//   order of siblings, roles and labels         no call looks at them (labels are for effects)
//
// Exact in what remains: records slot by slot, tables with their shape and counts, memory by its owners, who waits for a grace
// period, the books of the resource manager, bytes and allocations left of every heap, and words of memory that count.

import { EXTENT_BASIC, MEMDB_NOTYPE, VMID_END } from "../abi/gunyah";
import { MESSAGE_BYTES, RM_VM_NONE } from "../abi/gunyah-rm";
import { isTable } from "../arch/descriptor";
import { granuleSize, iaSize, indexMask, levelShift, startLevel } from "../arch/geometry";
import { frameOf, readU64 } from "../memory/dram";
import { reserve } from "../memory/heap";
import { refcount } from "../memory/vmemmap";
import { childPage, rootFrame, Stage2 } from "../pagetable/stage2-table";
import { AddressSpace, findSpace, Range } from "../systems/gunyah/address-space";
import { capAt, CSpace, cspaceOf, stateOf } from "../systems/gunyah/cspace";
import {
  endOf,
  Extent,
  hasRecord,
  readRecord,
  recordEnd,
  recordsOf,
  recordValue,
  SLOTS,
  slotSpace,
} from "../systems/gunyah/extent";
import { firstDying } from "../systems/gunyah/extent-life";
import { findRun, foundEnd, foundKind, foundValue, GPT_LIMIT, NOTHING } from "../systems/gunyah/gpt";
import { testMap } from "../systems/gunyah/gpt-calls";
import { hypPartition, rootPartition } from "../systems/gunyah/machine";
import { findOwnerRun, ownerObject, ownerType, runEnd } from "../systems/gunyah/memdb";
import {
  KernelObject,
  OBJECT_ADDRSPACE,
  OBJECT_CSPACE,
  OBJECT_MEMEXTENT,
  OBJECT_THREAD,
  objectAt,
} from "../systems/gunyah/object";
import { tablesInUse, tablesLeft } from "../systems/gunyah/page-table";
import {
  attributeWord,
  ipaAt,
  Member,
  memberAt,
  memberOf,
  nextParcel,
  Parcel,
  parcelWord,
  REGION_BYTES,
  regionAt,
} from "../systems/gunyah/parcel";
import { Heap } from "../systems/gunyah/partition";
import { rmHeap } from "../systems/gunyah/rm-memory";
import { pendingBytes, pendingMessage, PIECE_BYTES } from "../systems/gunyah/rm-message";
import { Device } from "../systems/gunyah/rm-start";
import { RmVm, vmRecord } from "../systems/gunyah/rm-vm";
import { Thread } from "../systems/gunyah/thread";
import { addExtra, beginSection, endSection } from "./words";

const MAX_NAMED: u32 = 512;
const MAX_COUNTED: u32 = 64;
/** What is named and is no object any more: a bug's, since nothing else keeps an object that is gone. */
const GONE: u64 = 0xffff_ffff;
/** A list that does not end is a bug's too. */
const MOST_LINKS: u32 = 256;

// Objects by name - 1: u32 address. Physical addresses of words that count: u64.
let named: usize = 0;
let names: u32 = 0;
let counted: usize = 0;
let countedWords: u32 = 0;

/** False if linear memory is used up. */
export function reserveGunyahState(): bool {
  named = reserve((MAX_NAMED as usize) << 2);
  counted = reserve((MAX_COUNTED as usize) << 3);
  countedWords = 0;
  return named != 0 && counted != 0;
}

/** The word of memory at a physical address is part of the state. Before the first state. False if there are too many. */
export function countWord(pa: u64): bool {
  if (countedWords == MAX_COUNTED || counted == 0) return false;
  store<u64>(counted + ((countedWords++ as usize) << 3), pa);
  return true;
}

/** Tells the state. */
export function tellGunyah(): void {
  names = 0;
  tellHeaps();
  tellOwners();
  for (let vmid: u32 = 0; vmid < (VMID_END as u32); vmid++) tellVm(vmid);
  tellDying();
  tellParcels();
  tellTestMap();
  for (let i: u32 = 0; i < countedWords; i++) addExtra(readU64(load<u64>(counted + ((i as usize) << 3))));
  // What is told of one may name more.
  for (let i: u32 = 0; i < names; i++) {
    beginSection();
    tellObject(changetype<KernelObject>(load<u32>(named + ((i as usize) << 2)) as usize));
    endSection();
  }
}

/** Objects are numbered as they are first named; 0 is none. */
function nameOf(object: KernelObject | null): u64 {
  if (object == null) return 0;
  if (objectAt(object.id) != object) return GONE;
  const address = changetype<usize>(object) as u32;
  let i: u32 = 0;
  while (i < names && load<u32>(named + ((i as usize) << 2)) != address) i++;
  if (i == MAX_NAMED) return GONE;
  if (i == names) store<u32>(named + ((names++ as usize) << 2), address);
  return (i + 1) as u64;
}

function tellHeaps(): void {
  beginSection();
  tellHeap(rootPartition.heap, 0);
  tellHeap(hypPartition.heap, 0);
  tellHeap(rmHeap, rmHeap.allowed == u64.MAX_VALUE ? messageBuffers() + spareRoom() : 0);
  addExtra(tablesInUse());
  addExtra(tablesLeft());
  endSection();
}

function tellHeap(heap: Heap, dead: u64): void {
  addExtra(heap.used - dead);
  addExtra(heap.allowed);
}

// Whoever has once spoken to the resource manager keeps a buffer, which says nothing between two messages.
function messageBuffers(): u64 {
  let bytes: u64 = 0;
  for (let vmid: u32 = 0; vmid < (VMID_END as u32); vmid++) {
    if (pendingMessage(vmid) != 0) bytes += blockOf((MESSAGE_BYTES as u32) + PIECE_BYTES);
  }
  return bytes;
}

// Lists keep the room that they once needed, also after a call that was refused. It counts where a test limits allocations.
function spareRoom(): u64 {
  let bytes: u64 = 0;
  for (let parcel: Parcel | null = nextParcel(0); parcel != null; parcel = after(parcel)) {
    bytes += blockOf(parcel.regionRoom * (REGION_BYTES as u32));
    for (let i: u32 = 0; i < parcel.memberCount; i++) bytes += blockOf(memberAt(parcel, i).ipaRoom << 3);
  }
  return bytes;
}

/** What a heap is charged with for so many bytes. */
function blockOf(bytes: u32): u64 {
  return bytes == 0 ? 0 : (1 as u64) << max<u64>(32 - clz<u32>(bytes - 1), 4);
}

function tellOwners(): void {
  beginSection();
  for (let pa: u64 = 0; findOwnerRun(pa, GPT_LIMIT); pa = runEnd) {
    if (ownerType == MEMDB_NOTYPE) continue;
    const owner = objectAt(ownerObject);
    addExtra(pa | (ownerType as u64));
    addExtra(runEnd);
    addExtra(owner == null ? GONE : nameOf(owner));
  }
  endSection();
}

function tellDying(): void {
  let me = firstDying();
  while (me != null) {
    addExtra(nameOf(me));
    me = me.nextDying;
  }
  addExtra(0);
}

function tellTestMap(): void {
  findRun(testMap(), 0, GPT_LIMIT);
  if (foundKind == NOTHING && foundEnd == GPT_LIMIT) return;
  beginSection();
  for (let at: u64 = 0; at < GPT_LIMIT; at = foundEnd) {
    findRun(testMap(), at, GPT_LIMIT);
    addExtra(at);
    addExtra(foundKind);
    addExtra(foundValue);
  }
  endSection();
}

// Objects.

function tellObject(object: KernelObject): void {
  addExtra((object.type as u64) | ((object.state as u64) << 8) | ((object.references as u64) << 32));
  addExtra(nameOf(object.partition));
  switch (object.type) {
    case OBJECT_MEMEXTENT:
      tellExtent(changetype<Extent>(object));
      break;
    case OBJECT_ADDRSPACE:
      tellSpace(changetype<AddressSpace>(object));
      break;
    case OBJECT_CSPACE:
      tellCspace(changetype<CSpace>(object));
      break;
    case OBJECT_THREAD:
      addExtra(nameOf(changetype<Thread>(object).space));
      addExtra(nameOf(changetype<Thread>(object).cspace));
      break;
    default:
      break;
  }
}

function tellExtent(me: Extent): void {
  addExtra(me.base);
  addExtra(me.size);
  addExtra((me.kind as u64) | ((me.access as u64) << 8) | ((me.memtype as u64) << 16) | ((me.attached ? 1 : 0) << 24));
  addExtra(((me.device as u64) << 32) | (me.slotsInUse as u64));
  addExtra(nameOf(me.parent));
  addExtra(me.firstChild != null ? 1 : 0);
  for (let slot: u32 = 0; slot < SLOTS; slot++) tellSlot(me, slot);
}

function tellSlot(me: Extent, slot: u32): void {
  const space = slotSpace(me, slot);
  addExtra(nameOf(space));
  // The record of a BASIC extent is cleared with its slot. What is left there after all, the next one may read.
  if (me.kind == EXTENT_BASIC) addExtra(load<u64>(recordsOf(me, slot)));
  if (space == null) return;
  for (let pa = me.base; pa < endOf(me); pa = recordEnd) {
    readRecord(me, slot, pa, endOf(me));
    if (!hasRecord) continue;
    addExtra(pa);
    addExtra(recordEnd);
    addExtra(recordValue);
  }
  addExtra(GONE);
}

function tellSpace(space: AddressSpace): void {
  addExtra((space.vmid as u64) | ((space.readOnly ? 1 : 0) << 32) | ((space.isOverwritten ? 1 : 0) << 33));
  addExtra(space.runState);
  addExtra(space.runAddress);
  tellRanges(space.vmmio);
  tellRanges(space.devices);
  tellTable(space.table);
}

function tellRanges(first: Range | null): void {
  let range = first;
  while (range != null) {
    addExtra(range.base);
    addExtra(range.size);
    addExtra(range.device);
    range = range.next;
  }
  addExtra(GONE);
}

function tellCspace(cspace: CSpace): void {
  addExtra(cspace.capacity);
  for (let number: u32 = 1; number <= cspace.capacity && cspace.table != 0; number++) {
    const cap = capAt(cspace, number);
    if (stateOf(cap) == 0) continue;
    addExtra((number as u64) | ((stateOf(cap) as u64) << 32));
    addExtra(nameOf(changetype<KernelObject>(load<u32>(cap) as usize)));
    // Rights, and where it was copied from: tables of capabilities stay where they are.
    addExtra(load<u32>(cap, 4));
    addExtra(load<u32>(cap, 12));
  }
}

// Tables, as runs of leaves that continue each other: u64 address | level, first leaf, leaves in the run.

let runIpa: u64 = 0;
let runLeaf: u64 = 0;
let runLeaves: u64 = 0;

function tellTable(table: Stage2): void {
  runLeaves = 0;
  if (table.root == 0) return;
  tellEntries(rootFrame(table, 0), startLevel, 0);
  endRun();
}

function tellEntries(frame: usize, level: i32, base: u64): void {
  const granule = granuleSize(level);
  for (let index: u64 = 0; index <= indexMask; index++) {
    const descriptor = load<u64>(frame + ((index as usize) << 3));
    if (descriptor == 0) continue;
    const ipa = base + (index << levelShift(level));
    if (ipa >= iaSize) return;
    if (isTable(descriptor, level)) tellSubtable(descriptor, level, ipa);
    else tellLeaf(descriptor, level, ipa, granule);
  }
}

function tellLeaf(descriptor: u64, level: i32, ipa: u64, granule: u64): void {
  const at = ipa | (level as u64);
  if (runLeaves != 0 && at == runIpa + runLeaves * granule && descriptor == runLeaf + runLeaves * granule) {
    runLeaves++;
    return;
  }
  endRun();
  runIpa = at;
  runLeaf = descriptor;
  runLeaves = 1;
}

function endRun(): void {
  if (runLeaves == 0) return;
  addExtra(runIpa);
  addExtra(runLeaf);
  addExtra(runLeaves);
  runLeaves = 0;
}

// Which page a table is in is left out: it comes of a pool of single pages.
function tellSubtable(descriptor: u64, level: i32, ipa: u64): void {
  const child = childPage(descriptor);
  endRun();
  addExtra(ipa | (level as u64));
  addExtra((descriptor & 0xfff) | ((refcount(child) as u64) << 32));
  tellEntries(frameOf(child), level + 1, ipa);
  endRun();
  addExtra(GONE);
}

// The resource manager's books.

function tellVm(vmid: u32): void {
  const cspace = cspaceOf(vmid);
  const space = findSpace(vmid);
  const vm = vmRecord(vmid);
  // What the last VM with this VMID was like is overwritten by the next, but for the rule of its image.
  const isThere = vm.state != RM_VM_NONE;
  const flags = (isThere ? (vm.flags as u64) | ((vm.owner as u64) << 16) : 0) | ((vm.imageFlags as u64) << 32);
  const isKnown = isThere || vm.space != null || vm.parcels != 0 || vm.freeIpas != 0 || vm.devices != 0;
  if (cspace == null && space == null && !isKnown && flags == 0 && pendingBytes(vmid) == 0) return;
  addExtra((vmid as u64) | ((vm.state as u64) << 16) | ((pendingBytes(vmid) as u64) << 32));
  addExtra(nameOf(cspace));
  addExtra(nameOf(space));
  addExtra(flags);
  tellPending(vmid);
  if (isKnown) tellBooks(vm);
}

function tellPending(vmid: u32): void {
  const bytes = pendingBytes(vmid);
  for (let at: u32 = 0; at < bytes; at++) addExtra(load<u8>(pendingMessage(vmid) + (at as usize)));
}

function tellBooks(vm: RmVm): void {
  addExtra(vm.parcels);
  addExtra(nameOf(vm.space));
  addExtra(nameOf(vm.ownedDdr));
  addExtra(nameOf(vm.ownedDevice));
  beginSection();
  tellStart(vm.hasImage, vm.imageHandle, vm.imageIpa);
  tellStart(vm.hasFirmware, vm.firmwareHandle, vm.firmwareIpa);
  let links: u32 = 0;
  for (let at = vm.devices; at != 0 && links < MOST_LINKS; links++) {
    const device = changetype<Device>(at);
    addExtra((device.label as u64) | ((device.flags as u64) << 32));
    addExtra(device.ipa);
    at = device.next;
  }
  addExtra(GONE);
  // Free ranges of addresses: 0 u64 base | 8 u64 size | 16 u32 next (ipa-allocator.ts).
  links = 0;
  for (let at = vm.freeIpas as usize; at != 0 && links < MOST_LINKS; links++) {
    addExtra(load<u64>(at));
    addExtra(load<u64>(at, 8));
    at = load<u32>(at, 16) as usize;
  }
  endSection();
}

function tellStart(has: bool, handle: u32, ipa: u64): void {
  addExtra(has ? rankOf(handle) + 1 : 0);
  if (has) addExtra(ipa);
}

/** How many parcels are older; GONE if there is no such parcel: then there will be none. */
function rankOf(handle: u32): u64 {
  let rank: u64 = 0;
  for (let parcel: Parcel | null = nextParcel(0); parcel != null; parcel = after(parcel)) {
    if (parcel.handle == handle) return rank;
    rank++;
  }
  return GONE;
}

function after(parcel: Parcel | null): Parcel | null {
  return parcel == null ? null : nextParcel(parcel.handle + 1);
}

function tellParcels(): void {
  for (let parcel: Parcel | null = nextParcel(0); parcel != null; parcel = after(parcel)) {
    addExtra(parcelWord(parcel));
    addExtra((parcel.owner as u64) | ((parcel.hasTag ? 1 : 0) << 32));
    addExtra(((parcel.label as u64) << 32) | (parcel.hasTag ? (parcel.tag as u64) : 0));
    addExtra(nameOf(parcel.extent));
    beginSection();
    tellRegions(parcel);
    for (let i: u32 = 0; i < parcel.memberCount; i++) tellMember(parcel, memberAt(parcel, i));
    for (let i: u32 = 0; i < parcel.attributeCount; i++) addExtra(attributeWord(parcel, i));
    endSection();
  }
  addExtra(GONE);
}

function tellRegions(parcel: Parcel): void {
  addExtra(parcel.totalSize);
  addExtra(parcel.regionCount | (parcel.memberCount << 20));
  for (let i: u32 = 0; i < parcel.regionCount; i++) {
    const region = regionAt(parcel, i);
    addExtra(region.pa);
    addExtra(region.size);
    addExtra(region.ipa);
  }
}

function tellMember(parcel: Parcel, member: Member): void {
  const state = (member.shared ? 1 : 0) | (member.mapped ? 2 : 0) | (member.contiguous ? 4 : 0);
  addExtra((member.vmid as u64) | ((member.rights as u64) << 16) | ((member.attribute as u64) << 24) | (state << 32));
  addExtra(member.shared ? turnRank(member) : GONE);
  for (let i: u32 = 0; i < member.ipaCount; i++) addExtra(ipaAt(member, i));
  addExtra(GONE);
}

/** What counts of a turn: how many parcels the same VM accepted before, and still holds. */
function turnRank(member: Member): u64 {
  let rank: u64 = 0;
  for (let parcel: Parcel | null = nextParcel(0); parcel != null; parcel = after(parcel)) {
    const other = memberOf(parcel, member.vmid);
    if (other != null && other.shared && other.turn < member.turn) rank++;
  }
  return rank;
}
