// The isolation invariants of reference pkvm-el2 section 11, over the whole state of a machine at rest.
// Each is a loop over pages, leaves or tables; the first violation ends the check. I25 and I26 speak of what an operation
// did to the TLB and are checked on its effects by the TypeScript side
// (src/machine/effect-invariants.ts), and so is I21, which compares two states.

import {
  MEMBLOCK_NOMAP,
  NOPAGE,
  OWNED,
  PKVM_ID_GUEST,
  PKVM_ID_HYP,
  REGION_FRAMES,
  SHARED_BORROWED,
  SHARED_OWNED,
} from "../../abi/codes";
import { MODULE_NOPAGE, MODULE_OWNED } from "../../abi/android";
import { VM_STATE_LIVE } from "../../abi/records";
import { isExecutable, isTable, isValid, outputAddress, S2AP_R, S2AP_W, SW, XN } from "../../arch/descriptor";
import { granuleSize, indexMask, levelShift, pageShift, pfnToPa, pgdPages, startLevel } from "../../arch/geometry";
import { frameOf } from "../../memory/dram";
import { heapTop, reserve, setHeapTop } from "../../memory/heap";
import { head, Pool } from "../../memory/page-pool";
import {
  findMemoryRange,
  isMemory,
  isMemoryRange,
  mappedPageOf,
  pageOf,
  pfnOf,
  Region,
  regionAt,
  regionCount,
  regionOf,
  vmemmap,
  vmemmapPages,
} from "../../memory/regions";
import { hostState, hypState, refcount, shareCount } from "../../memory/vmemmap";
import { hypLeaf, hypRoot, hypStartLevel, isHypWritable } from "../../pagetable/hyp-stage1";
import { childPage, rootFrame, rootPage, Stage2 } from "../../pagetable/stage2-table";
import { getLeaf, leaf, leafLevel } from "../../pagetable/walk";
import { hostKvmBytes, hostTable, hostVcpuBytes, isAndroid, isHypText, isReplayed } from "./machine";
import { isOtherCode } from "./private-range";
import { findVm, maxVms, Vcpu, Vm, vmAt } from "./vm";
import {
  MMIO_GUARDED,
  POISONED,
  TYPE_DONATION,
  TYPE_POISONED,
  donationGfn,
  donationHandle,
  donationOwner,
  guestStateOf,
} from "./annotation";
import { TYPE_LOCKED, invalidType } from "../../pagetable/invalid-entry";

let mask: u64 = 0;
let violated: i32 = 0;
let subject: u64 = 0;
let expected: u64 = 0;
let found: u64 = 0;

// Per page, 16 bytes: guest leaves that own it, share it, borrow it, and pins that VMs hold. Above the machine's state.
let mappings: usize = 0;
let pieceTop: usize = 0;
const OWNERS: usize = 0;
const SHARERS: usize = 4;
const BORROWERS: usize = 8;
const PINS: usize = 12;

/** What was violated is about: a physical or intermediate physical address in bytes. */
export function violationSubject(): u64 {
  return subject;
}

export function violationExpected(): u64 {
  return expected;
}

export function violationFound(): u64 {
  return found;
}

/** Checks the invariants whose bit is set (bit n = I<n>): 0, or the number of the first one violated. */
export function checkInvariants(wanted: u64): i32 {
  mask = wanted;
  violated = 0;
  const top = heapTop();
  mappings = reserve((vmemmapPages as usize) << 4);
  if (mappings != 0) {
    checkGuests();
    checkTable(hostTable, null);
    if (!isReplayed) checkHypTable(hypRoot(), hypStartLevel());
    checkPages();
  }
  setHeapTop(top);
  return violated;
}

// The same in pieces, for a search that asks only about what an operation has touched: what a VM's table, its vCPUs' lists and
// a page by itself must keep. Between `beginPiece` and `endPiece`; the caller counts who maps and pins the page, as the sweep
// over everything does for all pages.

export function beginPiece(wanted: u64): bool {
  mask = wanted;
  violated = 0;
  pieceTop = heapTop();
  mappings = reserve((vmemmapPages as usize) << 4);
  return mappings != 0;
}

/** The number of the first invariant that is violated, or 0. */
export function endPiece(): i32 {
  setHeapTop(pieceTop);
  return violated;
}

export function checkVmTable(vm: Vm): void {
  checkTable(vm.table, vm);
}

export function checkOnePage(pfn: u64): void {
  const page = pageOf(pfn);
  const pa = pfnToPa(pfn);
  const region = regionOf(pfn);
  if (region != null) checkPage(region, page, pa);
  getLeaf(hostTable, pa);
  if (leaf != 0) checkHostLeaf(leaf, leafLevel, pa & ~(granuleSize(leafLevel) - 1));
}

// Notes a violation unless one was found before or nobody asked. Holds means: nothing to note.
function demand(invariant: i32, holds: bool, what: u64, want: u64, have: u64): void {
  if (holds || violated != 0 || ((mask >> invariant) & 1) == 0) return;
  violated = invariant;
  subject = what;
  expected = want;
  found = have;
}

function checkGuests(): void {
  for (let slot: u32 = 0; slot < maxVms && violated == 0; slot++) {
    const vm = vmAt(slot);
    if (vm.state < VM_STATE_LIVE) continue;
    checkTable(vm.table, vm);
    checkMemcaches(vm);
    if (!isReplayed) countPins(vm);
  }
}

// The host's descriptors that the VM holds on to.
export function countPins(vm: Vm): void {
  countPinned(vm.kvmPa, hostKvmBytes);
  for (let at = vm.vcpus; at != 0; at = changetype<Vcpu>(at).next)
    countPinned(changetype<Vcpu>(at).hostPa, hostVcpuBytes);
}

function countPinned(pa: u64, bytes: u64): void {
  const last = (pa + bytes - 1) >> pageShift;
  for (let pfn = pa >> pageShift; pfn <= last; pfn++) {
    const at = mappings + ((pageOf(pfn) - vmemmap) << 1);
    store<u32>(at, load<u32>(at, PINS) + 1, PINS);
  }
}

// I17 to I19 for every table, I20 for the pages they are in, and the leaves.
function checkTable(table: Stage2, vm: Vm | null): void {
  for (let i: u32 = 0; i < pgdPages; i++) {
    checkTablePage(
      table,
      vm,
      rootPage(table, i),
      rootFrame(table, i),
      startLevel,
      (i as u64) << levelShift(startLevel - 1),
    );
  }
}

function checkTablePage(table: Stage2, vm: Vm | null, page: usize, frame: usize, level: i32, base: u64): void {
  let used: u64 = 0;
  for (let index: u64 = 0; index <= indexMask && violated == 0; index++) {
    if (isDefined(EXPLORING)) index = skipEmpty(frame, index);
    const descriptor = load<u64>(frame + ((index as usize) << 3));
    if (descriptor == 0) continue;
    used++;
    const ipa = base + (index << levelShift(level));
    if (isTable(descriptor, level)) {
      const child = childPage(descriptor);
      checkTablePage(table, vm, child, frameOf(child), level + 1, ipa);
    } else if (vm == null) checkHostLeaf(descriptor, level, ipa);
    else checkGuestLeaf(vm, descriptor, level, ipa);
  }
  demand(18, used != 0 || level == startLevel, base, 1, 0);
  demand(17, (refcount(page) as u64) == used + 1, base, used + 1, refcount(page));
  checkHypOwned(page);
}

// A search checks every state, and most of a table is empty: the first of the eight entries that `index` is the first of, or of
// a later eight, that are not all empty; the last entry if there are none.
function skipEmpty(frame: usize, index: u64): u64 {
  let first = index;
  while ((first & 7) == 0 && first + 7 < indexMask) {
    const at = frame + ((first as usize) << 3);
    const lower = v128.or(v128.load(at), v128.load(at, 16));
    if (v128.any_true(v128.or(lower, v128.or(v128.load(at, 32), v128.load(at, 48))))) return first;
    first += 8;
  }
  return first;
}

// I20 for EL2's own stage 1.
function checkHypTable(page: usize, level: i32): void {
  checkHypOwned(page);
  for (let index: u64 = 0; index <= indexMask && violated == 0; index++) {
    if (isDefined(EXPLORING)) index = skipEmpty(frameOf(page), index);
    const descriptor = load<u64>(frameOf(page) + ((index as usize) << 3));
    if (isDefined(EXPLORING) && level == 3) checkHypMapping(descriptor);
    if (isTable(descriptor, level)) checkHypTable(childPage(descriptor), level + 1);
  }
}

// I22 for the private range too: what EL2 maps is its own, or pinned.
function checkHypMapping(descriptor: u64): void {
  if (!isValid(descriptor)) return;
  const pa = outputAddress(descriptor);
  const page = pageOf(pa >> pageShift);
  const hyp = page != 0 ? hypState(page) : NOPAGE;
  demand(22, hyp == OWNED || (hyp == SHARED_BORROWED && refcount(page) != 0), pa, OWNED, hyp);
}

// I20. Frames of a replayed machine are the simulator's.
function checkHypOwned(page: usize): void {
  if (isReplayed) return;
  const legal = hostState(page) == NOPAGE && hypState(page) == OWNED;
  demand(20, legal, pfnToPa(pfnOf(page)), OWNED, hypState(page));
}

export function checkMemcaches(vm: Vm): void {
  if (isDefined(EXPLORING)) checkPool(vm.pool);
  for (let at = vm.vcpus; at != 0; at = changetype<Vcpu>(at).next) {
    let pa = changetype<Vcpu>(at).memcache.head;
    for (let i: u32 = 0; i < changetype<Vcpu>(at).memcache.pages; i++) {
      const page = pageOf(pa >> pageShift);
      checkHypOwned(page);
      demand(20, refcount(page) == 0, pa, 0, refcount(page));
      pa = load<u64>(frameOf(page));
    }
  }
}

// I20 for the pages that a VM's tables have left.
function checkPool(pool: Pool): void {
  for (let blockOrder: u32 = 0; blockOrder <= pool.maxOrder; blockOrder++) {
    for (let link = load<u64>(head(pool, blockOrder)); link != 0;) {
      const block = pageOf(link >> pageShift);
      for (let i: usize = 0; i < 1 << blockOrder; i++) checkHypOwned(block + (i << 3));
      link = load<u64>(frameOf(block));
    }
  }
}

// I11, I14, I16, I19 on the host's side.
function checkHostLeaf(descriptor: u64, level: i32, ipa: u64): void {
  const type = invalidType(descriptor);
  if (!isValid(descriptor)) {
    demand(19, type == TYPE_DONATION && level == 3, ipa, TYPE_DONATION, type);
    return;
  }
  const size = granuleSize(level);
  demand(14, outputAddress(descriptor) == ipa && (descriptor & SW) == 0, ipa, ipa, descriptor);
  const region = findMemoryRange(ipa);
  demand(16, region != null ? isMemoryRange(ipa, ipa + size) : isGap(ipa, size), ipa, size, level);
  if (region != null && pageIsText(ipa)) return;
  const all = (descriptor & (S2AP_R | S2AP_W)) == (S2AP_R | S2AP_W);
  const executes = region != null ? (descriptor & XN) == 0 : !isExecutable(descriptor);
  demand(11, all && executes, ipa, 0, descriptor);
}

function isGap(ipa: u64, size: u64): bool {
  for (let at = ipa; at < ipa + size; at += size - 1) {
    if (isMemory(at)) return false;
  }
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    if (!(region.flags & REGION_FRAMES) && region.base >= ipa && region.base < ipa + size) return false;
  }
  return true;
}

function pageIsText(pa: u64): bool {
  const page = pageOf(pa >> pageShift);
  return page != 0 && isReadOnlyForHost(page);
}

// EL2's text, which the host may read (reference 1.7); in a replayed machine text is what looks like it.
function isReadOnlyForHost(page: usize): bool {
  if (hostState(page) == MODULE_OWNED) return true;
  if (hostState(page) != NOPAGE || hypState(page) != OWNED) return false;
  return isReplayed || isHypText(page);
}

// I3, I8, I10, I19 on a guest's side, and the counts that the pages are compared with.
function checkGuestLeaf(vm: Vm, descriptor: u64, level: i32, ipa: u64): void {
  if (!isValid(descriptor)) {
    const type = invalidType(descriptor);
    if (isAndroid && descriptor == MMIO_GUARDED) return;
    demand(19, descriptor == POISONED && level == 3 && type != TYPE_LOCKED, ipa, TYPE_POISONED, type);
    return;
  }
  const state = guestStateOf(descriptor);
  const first = outputAddress(descriptor) >> pageShift;
  const pages = granuleSize(level) >> pageShift;
  if (!isReplayed) checkLeafKind(vm, descriptor, state, level, ipa);
  for (let i: u64 = 0; i < pages && violated == 0; i++) {
    demand(10, mappedPageOf(first + i) != 0, ipa, 0, pfnToPa(first + i));
    const page = pageOf(first + i);
    if (page != 0) countMapping(page, state);
  }
}

function checkLeafKind(vm: Vm, descriptor: u64, state: i32, level: i32, ipa: u64): void {
  if (state == SHARED_BORROWED) {
    demand(8, !vm.isProtected, ipa, 0, descriptor);
    return;
  }
  const all = (descriptor & (S2AP_R | S2AP_W)) == (S2AP_R | S2AP_W) && (descriptor & XN) == 0;
  demand(8, vm.isProtected && level == 3 && all, ipa, state, descriptor);
}

export function countMapping(page: usize, state: i32): void {
  const at = mappings + ((page - vmemmap) << 1);
  if (state == OWNED) store<u32>(at, load<u32>(at, OWNERS) + 1, OWNERS);
  else if (state == SHARED_OWNED) store<u32>(at, load<u32>(at, SHARERS) + 1, SHARERS);
  else store<u32>(at, load<u32>(at, BORROWERS) + 1, BORROWERS);
}

function checkPages(): void {
  for (let i = 0; i < regionCount && violated == 0; i++) {
    const region = regionAt(i);
    if (region.flags & REGION_FRAMES) continue;
    for (let page: u64 = 0; page < region.pages && violated == 0; page++) {
      checkPage(region, region.words + ((page as usize) << 3), pfnToPa(region.firstPfn + page));
    }
  }
}

function checkPage(region: Region, page: usize, pa: u64): void {
  const at = mappings + ((page - vmemmap) << 1);
  const owners = load<u32>(at, OWNERS);
  const sharers = load<u32>(at, SHARERS);
  const borrowers = load<u32>(at, BORROWERS);
  if (isAndroid && isAndroidOnly(page, pa, owners, sharers, borrowers)) return;
  checkStates(page, pa, owners, sharers, borrowers);
  if (region.flags & MEMBLOCK_NOMAP) {
    const host = hostState(page) == OWNED && hypState(page) == NOPAGE;
    demand(9, host && owners + sharers + borrowers == 0, pa, OWNED, hostState(page));
  }
  checkHostView(page, pa);
  checkHypView(page, pa);
}

// Pages in states that Linux 7.3 does not have: a module's, which nobody else maps, and a guest's that it has lent through
// FF-A, which the host has not (reference 13.2).
function isAndroidOnly(page: usize, pa: u64, owners: u32, sharers: u32, borrowers: u32): bool {
  const host = hostState(page);
  const isUnknownToHyp = hypState(page) == NOPAGE;
  if (host == NOPAGE && isUnknownToHyp && sharers == 1) {
    demand(3, owners + borrowers == 0, pa, 0, owners + borrowers);
    return true;
  }
  if (host != MODULE_OWNED && host != MODULE_NOPAGE) return false;
  demand(1, isUnknownToHyp && owners + sharers + borrowers == 0, pa, 0, load<u64>(page));
  getLeaf(hostTable, pa);
  demand(12, leafLevel == 3 && isValid(leaf) == (host == MODULE_OWNED), pa, 3, leafLevel);
  return true;
}

// I1 to I7: states and mappings against each other.
function checkStates(page: usize, pa: u64, owners: u32, sharers: u32, borrowers: u32): void {
  const host = hostState(page);
  const hyp = hypState(page);
  const shares = shareCount(page);
  demand(
    3,
    owners == 0 || (host == NOPAGE && hyp == NOPAGE && owners == 1 && sharers + borrowers == 0),
    pa,
    NOPAGE,
    host,
  );
  const lent = sharers == 1 && owners + borrowers == 0 && hyp == NOPAGE;
  demand(4, sharers != 0 ? host == SHARED_BORROWED && lent : host != SHARED_BORROWED, pa, SHARED_BORROWED, host);
  demand(5, shares == borrowers, pa, borrowers, shares);
  demand(6, shares == 0 || (host == SHARED_OWNED && hyp == NOPAGE), pa, SHARED_OWNED, host);
  demand(7, hyp != SHARED_BORROWED || (host == SHARED_OWNED && shares == 0), pa, SHARED_OWNED, host);
  const owning = (host <= SHARED_OWNED ? 1 : 0) + (hyp == OWNED ? 1 : 0) + owners + sharers;
  demand(2, owning == 1, pa, 1, owning);
  demand(1, isLegal(host, hyp, shares, owners, sharers, borrowers), pa, 0, load<u64>(page));
}

// T0 to T6 of reference 1.5.
function isLegal(host: i32, hyp: i32, shares: u32, owners: u32, sharers: u32, borrowers: u32): bool {
  const mapped = owners + sharers + borrowers;
  if (hyp == OWNED) return host == NOPAGE && shares == 0 && mapped == 0; // T4
  if (hyp == SHARED_BORROWED) return host == SHARED_OWNED && shares == 0 && mapped == 0; // T1
  if (hyp != NOPAGE) return false;
  if (host == OWNED) return shares == 0 && mapped == 0; // T0
  if (host == SHARED_OWNED) return shares == borrowers && owners + sharers == 0; // T2, T3
  if (host == SHARED_BORROWED) return shares == 0 && sharers == 1 && mapped == 1; // T6
  return host == NOPAGE && shares == 0 && owners == 1 && mapped == 1; // T5
}

// I11 to I13, I15: what the host's table says of the page.
function checkHostView(page: usize, pa: u64): void {
  getLeaf(hostTable, pa);
  const lost = hostState(page) == NOPAGE;
  if (!lost) {
    demand(12, leaf == 0 || isValid(leaf), pa, 0, leaf);
    demand(15, leaf == 0 || isValid(leaf), pa, 1, 0);
    return;
  }
  if (isReadOnlyForHost(page) && isValid(leaf)) {
    demand(12, leafLevel == 3 && (leaf & S2AP_W) == 0, pa, 3, leafLevel);
    return;
  }
  demand(15, leaf != 0 && !isValid(leaf), pa, 0, 1);
  demand(12, leafLevel == 3 && invalidType(leaf) == TYPE_DONATION, pa, TYPE_DONATION, leaf);
  if (violated == 0) checkOwner(page, pa, leaf);
}

function checkOwner(page: usize, pa: u64, annotation: u64): void {
  const owner = donationOwner(annotation);
  const wanted = hypState(page) == OWNED ? PKVM_ID_HYP : PKVM_ID_GUEST;
  demand(13, owner == wanted, pa, wanted, owner);
  if (owner != PKVM_ID_GUEST) return;
  const vm = findVm(donationHandle(annotation));
  const there = vm != null && getLeaf(vm.table, pfnToPa(donationGfn(annotation))) == 0;
  const maps = there && isValid(leaf) && outputAddress(leaf) == pa && guestStateOf(leaf) == OWNED;
  demand(13, maps, pa, annotation, there ? leaf : 0);
}

// I22 to I24: what EL2 maps and pins.
function checkHypView(page: usize, pa: u64): void {
  const hyp = hypState(page);
  const count = refcount(page);
  const entry = hypLeaf(pa);
  if (hyp == NOPAGE) {
    // Devices of Android's host count where EL2's pins do.
    demand(24, entry == 0 && (count == 0 || isAndroid), pa, 0, entry != 0 ? entry : (count as u64));
    return;
  }
  // Pins that nobody but the caller knows of (a trace's, a test's) come on top of those of VMs.
  const pins = load<u32>(mappings + ((page - vmemmap) << 1), PINS);
  if (hyp == SHARED_BORROWED) demand(23, count >= pins, pa, pins, count);
  let writable = hyp == OWNED ? !isHypText(page) : count > 0;
  if (isDefined(EXPLORING) && isOtherCode(pfnOf(page))) writable = false;
  if (!isReplayed) demand(22, isHypWritable(entry) == writable, pa, writable ? 1 : 0, entry);
}
