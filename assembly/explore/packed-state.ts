// A pKVM machine's state as a row of numbers, read from its real tables, vmemmap and pools. Two machines of one configuration
// have the same row if and only if the domain's operations do the same to both from here on:
//
//   page   the vmemmap word (H, Y, C, R, order), the host's entry, EL2's own entry, whose contents it holds
//   VM     slot, the areas it is made of and their pages, its vCPUs and which is loaded
//   table  the entries that a walk of every guest frame of the domain reads, and so the pages that are its tables
//   pool   its free table pages, in order
//   lists  its vCPUs' table pages in order, and the lists that the host has made
//   EL2    how many pages its own pools have left, what its tracing holds, and which vCPU is loaded
//
// A row has the pages of their own first, then four parts for each VM slot, then EL2.
//
// Left out is what no operation can tell apart: which pages of EL2's own pools are tables (they are nobody else's, and a count
// decides), linear addresses, caches, the order of VMs' vCPU records. The host's entry for a page of its own is either there
// or comes with its next access, and no call asks which: both are one state. Where translations are watched they are not: then
// it counts whether and at which level there is an entry, and so do stale ones in the TLB.
//
// A page that no operation of the domain names has no part; neither have entries for other guest frames, which stay empty.

import { VM_STATE_LIVE } from "../abi/records";
import { addressField, isTable, isValid, TYPE, VALID } from "../arch/descriptor";
import { blockShift, granuleSize, pageShift, pfnToPa, startLevel } from "../arch/geometry";
import { frameOf, readU64 } from "../memory/dram";
import { reserve } from "../memory/heap";
import { head, Pool } from "../memory/page-pool";
import { pageOf, pfnOf } from "../memory/regions";
import { pageWord } from "../memory/vmemmap";
import { attributes, PROT_RWX, setAttributes } from "../pagetable/attributes";
import { hypEntry, hypLeaf, hypRoot } from "../pagetable/hyp-stage1";
import { childPage, entryOffset, rootFrame, rootIndex, Stage2 } from "../pagetable/stage2-table";
import { getLeaf, leaf, leafLevel } from "../pagetable/walk";
import { hostPool, hostTable, hypPool } from "../systems/pkvm/machine";
import { privatelyMapped } from "../systems/pkvm/private-range";
import { tellTracing } from "../systems/pkvm/tracing";
import { findVcpu, loadedVcpu, maxVms, Vcpu, Vm, vmAt, vmSummary } from "../systems/pkvm/vm";
import { NO_NUMBER, numberOf } from "./components";
import { domainGfn, domainPfn, frames, isHostKvm, ownerOf, ownPages, pages, tracer } from "./domain";
import { depend } from "./reads";
import { isTranslationWatched, tellStale } from "./translation";

// Kinds of parts.
export const PAGE: u32 = 0;
export const EL2: u32 = 1;
export const VM: u32 = 2;
export const TABLE: u32 = 3;
const POOL: u32 = 4;
export const LISTS: u32 = 5;

/** Parts of a VM: of the kinds VM to LISTS. */
const VM_PARTS: u32 = 4;

/** Where a word with a frame number has room for an offset within the page. */
const OFFSET_SHIFT: u64 = 52;
const SCRATCH_BYTES: usize = 65536;
/** Ends a list of any length. */
const END: u64 = u64.MAX_VALUE;
/** Second word of a host's struct kvm: the flag that init_vcpu reads (systems/pkvm/lifecycle.ts). */
export const KVM_FLAGS: u64 = 8;

let scratch: usize = 0;
/** Where the next word of the part goes. */
let next: usize = 0;
/** The host's entry for a page of its own, without its address. */
let ownLeaf: u64 = 0;

/** EL2's level-3 table in which its own root is mapped: it stays where it is. */
let hypBlock: u64 = 0;
let hypTable: usize = 0;

export function reservePacking(): bool {
  scratch = reserve(SCRATCH_BYTES);
  return scratch != 0;
}

/** Once the machine and the domain are there. */
export function preparePacking(): void {
  setAttributes(hostTable, PROT_RWX);
  ownLeaf = attributes | VALID;
  const own = pfnToPa(pfnOf(hypRoot()));
  hypBlock = own >> blockShift;
  hypTable = hypEntry(own) - entryOffset(own, 3);
}

/** Numbers in a row. */
export function partsOfState(): u32 {
  return ownPages + maxVms * VM_PARTS + 1;
}

// Where the parts are in a row.

/** Of page `index` of the domain: its own, or its VM's. */
export function placeOfPage(index: u32): u32 {
  const owner = ownerOf(index);
  if (owner != 0) return placeOfVm(owner - 1);
  let place: u32 = 0;
  for (let i: u32 = 0; i < index; i++) {
    if (ownerOf(i) == 0) place++;
  }
  return place;
}

export function placeOfVm(slot: u32): u32 {
  return ownPages + slot * VM_PARTS;
}

export function placeOfTable(slot: u32): u32 {
  return placeOfVm(slot) + TABLE - VM;
}

export function placeOfPool(slot: u32): u32 {
  return placeOfVm(slot) + POOL - VM;
}

export function placeOfLists(slot: u32): u32 {
  return placeOfVm(slot) + LISTS - VM;
}

/** Notes that all that is known of VMs and their tables counts (reads.ts). */
export function dependOnVms(): void {
  for (let slot: u32 = 0; slot < maxVms; slot++) dependOnVm(slot);
}

export function dependOnVm(slot: u32): void {
  depend(placeOfVm(slot));
  depend(placeOfTable(slot));
}

/** Whether a VM or its tables differ in two rows. */
export function areVmsChanged(before: usize, after: usize): bool {
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    if (isChanged(placeOfVm(slot), before, after) || isChanged(placeOfTable(slot), before, after)) return true;
  }
  return false;
}

export function isChanged(place: u32, before: usize, after: usize): bool {
  const at = (place as usize) << 1;
  return load<u16>(before + at) != load<u16>(after + at);
}

export function placeOfEl2(): u32 {
  return partsOfState() - 1;
}

/** The kind of the part whose number stands at `position` of a row. */
export function kindAt(position: u32): u32 {
  if (position < ownPages) return PAGE;
  return position == placeOfEl2() ? EL2 : VM + ((position - ownPages) % VM_PARTS);
}

/** Writes the machine's state to `row`. False if there is no room for another part. */
export function packState(row: usize): bool {
  let to = row;
  for (let i: u32 = 0; i < pages; i++) {
    if (ownerOf(i) != 0) continue;
    next = scratch;
    addPage(i);
    if (!addNumber(to, PAGE)) return false;
    to += 2;
  }
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    if (!addVmParts(slot, to)) return false;
    to += (VM_PARTS as usize) << 1;
  }
  next = scratch;
  addEl2();
  return addNumber(to, EL2);
}

function addVmParts(slot: u32, to: usize): bool {
  const vm = vmAt(slot);
  for (let kind = VM; kind < VM + VM_PARTS; kind++) {
    next = scratch;
    if (kind == VM) addVm(slot, vm);
    else if (vm.state >= VM_STATE_LIVE) addVmPart(kind, vm);
    if (!addNumber(to + (((kind - VM) as usize) << 1), kind)) return false;
  }
  return true;
}

function addVmPart(kind: u32, vm: Vm): void {
  if (kind == TABLE) addTable(vm);
  else if (kind == POOL) addPool(vm.pool);
  else if (kind == LISTS) addAllLists(vm);
}

/** Begins a part. */
export function beginPart(): void {
  next = scratch;
}

/** Ends it: its number goes to `to`. False if there is no room for another part. */
export function addNumber(to: usize, kind: u32): bool {
  const number = numberOf(kind, scratch, ((next - scratch) >> 3) as u32);
  if (number == NO_NUMBER) return false;
  store<u16>(to, number as u16);
  return true;
}

export function add(word: u64): void {
  store<u64>(next, word);
  next += 8;
}

function addPage(index: u32): void {
  const pfn = domainPfn(index);
  const pa = pfnToPa(pfn);
  add(pageWord(pageOf(pfn)));
  add(hostEntry(pa));
  add(withoutOwnAddress(pa >> blockShift == hypBlock ? load<u64>(hypTable + entryOffset(pa, 3)) : hypLeaf(pa), pa));
  add(readU64(pa + tracer));
  if (isHostKvm(index)) add(readU64(pa + KVM_FLAGS));
}

// Interchangeable pages in the same state have the same part. EL2's linear map leads to this page or nowhere.
function withoutOwnAddress(entry: u64, pa: u64): u64 {
  const own = addressField(pa);
  return isValid(entry) && addressField(entry) == own ? entry ^ own : entry;
}

// Without its own address, too.
function hostEntry(pa: u64): u64 {
  getLeaf(hostTable, pa);
  if (isTranslationWatched()) add((leaf & VALID) | ((leafLevel as u64) << 1));
  if (!isValid(leaf)) return leaf;
  const relative = leaf ^ addressField(pa & ~(granuleSize(leafLevel) - 1));
  return (relative & ~TYPE) == ownLeaf ? 0 : relative;
}

function addVm(slot: u32, vm: Vm): void {
  for (let i: u32 = 0; i < pages; i++) {
    if (ownerOf(i) == slot + 1) addPage(i);
  }
  addIdentity(vm);
}

/** All that EL2 knows of a VM. */
export function addVmRecord(vm: Vm): void {
  addIdentity(vm);
  if (vm.state < VM_STATE_LIVE) return;
  for (let kind = TABLE; kind < VM + VM_PARTS; kind++) addVmPart(kind, vm);
}

function addIdentity(vm: Vm): void {
  add(vmSummary(vm));
  if (vm.state < VM_STATE_LIVE) return;
  add(vm.kvmPa);
  add(vm.vmPa);
  add(vm.pgdPa);
  for (let index: u32 = 0; index < vm.createdVcpus; index++) addVcpu(findVcpu(vm, index));
}

function addVcpu(vcpu: Vcpu | null): void {
  if (vcpu == null) {
    add(0);
    return;
  }
  add(1 | ((vcpu.loaded ? 1 : 0) << 1));
  add(vcpu.hostPa);
  add(vcpu.hypPa);
}

function addTable(vm: Vm): void {
  for (let i: u32 = 0; i < frames; i++) addWalk(vm.table, pfnToPa(domainGfn(i)));
}

// The entries from the root to where the walk ends: they also name the pages that are tables.
function addWalk(table: Stage2, ipa: u64): void {
  let frame = rootFrame(table, rootIndex(ipa));
  for (let level = startLevel; level <= 3; level++) {
    const descriptor = load<u64>(frame + entryOffset(ipa, level));
    add(descriptor);
    if (!isTable(descriptor, level)) break;
    frame = frameOf(childPage(descriptor));
  }
  add(END);
}

// Single pages are linked in the order in which they will be taken.
function addPool(pool: Pool): void {
  add(pool.free as u64);
  for (let order: u32 = 0; order <= pool.maxOrder; order++) {
    for (let link = load<u64>(head(pool, order)); link != 0; link = load<u64>(frameOf(pageOf(link >> pageShift)))) {
      add(link);
    }
    add(END);
  }
}

function addAllLists(vm: Vm): void {
  for (let index: u32 = 0; index < vm.createdVcpus; index++) addLists(findVcpu(vm, index));
}

function addLists(vcpu: Vcpu | null): void {
  if (vcpu == null) {
    add(END);
    return;
  }
  let pa = vcpu.memcache.head;
  for (let i: u32 = 0; i < vcpu.memcache.pages; i++) {
    add(pa);
    pa = load<u64>(frameOf(pageOf(pa >> pageShift)));
  }
  add(END);
  let node = vcpu.hostList;
  for (let i: u32 = 0; i < vcpu.hostListLength; i++) {
    add(load<u64>(node) | ((load<u32>(node, 12) as u64) << OFFSET_SHIFT));
    node = load<u32>(node, 8) as usize;
  }
  add(END);
}

function addEl2(): void {
  add(hostPool.free as u64);
  add(hypPool.free as u64);
  tellStale(add);
  tellTracing(add);
  if (privatelyMapped() != 0) add(privatelyMapped());
  const loaded = loadedVcpu();
  add(loaded != null ? ((loaded.vm.handle as u64) << 32) | (loaded.index as u64) : END);
}
