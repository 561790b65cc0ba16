// Machines rebuilt from a trace's snapshot: pages and leaves are set one by one, VMs come into being when an operation
// names them. A trace shows neither which pages hold tables nor how full a memcache is, so table frames are the
// simulator's own (a region behind DRAM) and the memcache check sees what the trace implies.

import { frameOf } from "../../memory/dram";
import { LIMIT_FRAMES, OWNED } from "../../abi/codes";
import { VM_STATE_FREE, VM_STATE_LIVE } from "../../abi/records";
import { addressField, isTable, TABLE } from "../../arch/descriptor";
import { pfnToPa, pgdPages, startLevel } from "../../arch/geometry";
import { pushMemcache } from "../../memory/memcache";
import { pageOf, pfnOf } from "../../memory/regions";
import { invalidateVmid } from "../../arch/tlb";
import { retireVmid } from "../../arch/tlb-checks";
import { reachLimit } from "../../memory/verdict";
import {
  hostState,
  hypState,
  refcount,
  setHostState,
  setHypState,
  setRefcount,
  setShareCount,
  shareCount,
} from "../../memory/vmemmap";
import { stage2Destroy } from "../../pagetable/destroy";
import { hypMapPage, hypUnmapPage, PAGE_HYP } from "../../pagetable/hyp-stage1";
import {
  allocateTablePage,
  childPage,
  entryOffset,
  rootFrame,
  rootIndex,
  rootPage,
  setEntry,
} from "../../pagetable/stage2-table";
import { getLeaf, leaf, leafLevel as levelOfLeaf } from "../../pagetable/walk";
import { memcacheMinimum } from "./checks";
import { initGuestTable } from "./lifecycle";
import { guestFrames, guestFramesEnd, hostTable } from "./machine";
import { addVcpu, findVcpu, setVmState, slotOf, Vcpu, Vm } from "./vm";

/** A vCPU 0 has the table pages it may need, a vCPU 1 never has any. */
const FILLED: u32 = 0;
const EMPTY: u32 = 1;

// u64: next guest frame never used; u32 at USED_VCPU: the vCPU in use. In linear memory to be part of snapshots.
let nextFrame: usize = 0;
const USED_VCPU: usize = 12;

/** After the machine was made: guests' frames start at the bottom. */
export function startReplayed(counter: usize): void {
  nextFrame = counter;
  store<u64>(nextFrame, guestFrames);
  store<u32>(nextFrame, FILLED, USED_VCPU);
}

function takeFrames(pages: u64): u64 {
  const pfn = (load<u64>(nextFrame) + pages - 1) & ~(pages - 1);
  if (pfn + pages > guestFramesEnd) {
    reachLimit(LIMIT_FRAMES);
    return 0;
  }
  store<u64>(nextFrame, pfn + pages);
  return pfn;
}

/**
 * Whether CHK_MC finds table pages for the operations that follow: 0 = none. The fill level is not in a trace.
 * False if nothing changes.
 */
export function replayedSetMemcache(pages: u32): bool {
  const vcpu = pages == 0 ? EMPTY : FILLED;
  if (vcpu == replayedVcpuIndex()) return false;
  store<u32>(nextFrame, vcpu, USED_VCPU);
  return true;
}

/** The vCPU that operations of a replayed machine are made for. */
export function replayedVcpuIndex(): u32 {
  return load<u32>(nextFrame, USED_VCPU);
}

/** The VM a trace names; made if it does not exist. Null for a handle that no slot has. */
export function replayedVm(handle: u32): Vm | null {
  const vm = slotOf(handle);
  if (vm == null || vm.state == VM_STATE_LIVE) return vm;
  const root = vm.table.root == 0 ? takeFrames(pgdPages) : 0;
  if (vm.table.root == 0) {
    if (root == 0) return null;
    initGuestTable(vm, root);
  }
  setVmState(vm, VM_STATE_LIVE, false, 2);
  if (findVcpu(vm, FILLED) == null) addVcpu(vm, FILLED);
  if (findVcpu(vm, EMPTY) == null) addVcpu(vm, EMPTY);
  return vm;
}

/** Its vCPU, with as many table pages as the memcache check and the deepest walk can want. */
export function replayedVcpu(handle: u32): Vcpu | null {
  const vm = replayedVm(handle);
  if (vm == null) return null;
  const used = replayedVcpuIndex();
  const vcpu = findVcpu(vm, used);
  if (vcpu == null || used == EMPTY) return vcpu;
  while (vcpu.memcache.pages < memcacheMinimum()) {
    const pfn = takeFrames(1);
    if (pfn == 0) break;
    pushMemcache(vcpu.memcache, pageOf(pfn));
  }
  return vcpu;
}

/** The guest table of a handle goes: a new VM is about to use the handle. */
export function replayedDropVm(handle: u32): void {
  const vm = slotOf(handle);
  if (vm == null || vm.state == VM_STATE_FREE) return;
  // The trace does not show the flush that came with the VM's end.
  invalidateVmid(vm.table.vmid);
  retireVmid(vm.table.vmid);
  stage2Destroy(vm.table);
  setVmState(vm, VM_STATE_FREE, false, 0);
}

/** Sets `pages` pages to the given states and counts, whatever they had. EL2's own and pinned pages are in its linear map. */
export function replayedSetPages(pfn: u64, pages: u64, host: i32, hyp: i32, shares: u32, references: u32): void {
  const mapped = hyp == OWNED || references != 0;
  for (let i: u64 = 0; i < pages; i++) {
    const page = pageOf(pfn + i);
    if (page == 0) return;
    const wasMapped = hypState(page) == OWNED || refcount(page) != 0;
    // Only what differs: untouched pages of a large machine cost nothing.
    if (hostState(page) != host) setHostState(page, host);
    if (hypState(page) != hyp) setHypState(page, hyp);
    if (shareCount(page) != shares) setShareCount(page, shares);
    if (refcount(page) != references) setRefcount(page, references);
    if (mapped && !wasMapped && !hypMapPage(pfnToPa(pfn + i), PAGE_HYP)) reachLimit(LIMIT_FRAMES);
    if (wasMapped && !mapped) hypUnmapPage(pfnToPa(pfn + i));
  }
}

/** Sets one entry of the host's table, making the tables above it; descriptor 0 makes the tables alone. */
export function replayedSetHostLeaf(ipa: u64, level: i32, descriptor: u64): void {
  let page = rootPage(hostTable, rootIndex(ipa));
  let frame = rootFrame(hostTable, rootIndex(ipa));
  for (let at = startLevel; at < level; at++) {
    const entry = frame + entryOffset(ipa, at);
    if (!isTable(load<u64>(entry), at)) {
      const child = allocateTablePage(hostTable);
      if (child == 0) {
        reachLimit(LIMIT_FRAMES);
        return;
      }
      setEntry(hostTable, entry, page, at, ipa, addressField(pfnToPa(pfnOf(child))) | TABLE);
    }
    page = childPage(load<u64>(entry));
    frame = frameOf(page);
  }
  setEntry(hostTable, frame + entryOffset(ipa, level), page, level, ipa, descriptor);
}

/** Looks up the host's entry for `ipa`; leafDescriptor and leafLevel say what it is. */
export function replayedHostLeaf(ipa: u64): void {
  getLeaf(hostTable, ipa);
}

/** The same in the table of a VM; false if it has none. */
export function replayedGuestLeaf(handle: u32, ipa: u64): bool {
  const vm = slotOf(handle);
  return vm != null && vm.state == VM_STATE_LIVE && getLeaf(vm.table, ipa) == 0;
}

export function leafDescriptor(): u64 {
  return leaf;
}

export function leafLevel(): i32 {
  return levelOfLeaf;
}
