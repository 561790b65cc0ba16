// Which part of the packed state tells what a word of the machine's memory holds (packed-state.ts says what a part is made of),
// for reads.ts. It depends on the state: a page can be a guest's table, free in its pool, or in a list.
//
// Words of EL2's own pages, pools and tables are EL2's part, and so is everything not known here: what they hold beyond the
// part is what no operation can tell apart. A pointer to a page's contents goes with the contents.

import { VM_STATE_LIVE } from "../abi/records";
import { isTable } from "../arch/descriptor";
import { indexMask, pageShift, pageSize, pfnToPa, pgdPages, startLevel } from "../arch/geometry";
import { hasSecureWorld, snapshotBase } from "../batch/machine";
import { tlbMode } from "../arch/tlb";
import { TLB_OFF } from "../abi/tlb";
import { frameOf, frames as frameIndex } from "../memory/dram";
import { heapTop } from "../memory/heap";
import { head, Pool, POOL_BYTES } from "../memory/page-pool";
import { pageOf, regionAt, regionCount, REGION_BYTES, vmemmap } from "../memory/regions";
import { hypEntry } from "../pagetable/hyp-stage1";
import { childPage, rootFrame, rootPage, STAGE2_BYTES } from "../pagetable/stage2-table";
import { cache as walkCache, leafEntry, walkCacheBytes } from "../pagetable/walk-cache";
import { hostTable, isAndroid, isReplayed } from "../systems/pkvm/machine";
import { maxVms, MEMCACHE_BYTES, NODE_BYTES, Vcpu, VCPU_BYTES, VM_BYTES, vmAt } from "../systems/pkvm/vm";
import { domainPfn, isHostKvm, pages, tracer } from "./domain";
import { KVM_FLAGS, placeOfEl2, placeOfLists, placeOfPage, placeOfPool, placeOfTable, placeOfVm } from "./packed-state";
import { claim, disclaim, mapMemory } from "./reads";

/** Maps the memory of the machine as it stands. False: not a machine whose words are known. */
export function mapWords(): bool {
  if (hasSecureWorld || isAndroid || isReplayed || tlbMode != TLB_OFF) return false;
  if (!mapMemory(snapshotBase(), heapTop(), placeOfEl2())) return false;
  disclaim(walkCache, walkCacheBytes());
  disclaim(changetype<usize>(regionAt(0)), (regionCount as usize) * REGION_BYTES);
  for (let i: u32 = 0; i < pages; i++) claimFrame(pageOf(domainPfn(i)), placeOfPage(i));
  for (let slot: u32 = 0; slot < maxVms; slot++) claimVm(slot);
  for (let i: u32 = 0; i < pages; i++) {
    if (!claimPage(i, placeOfPage(i))) return false;
  }
  return true;
}

// A page's contents, and the pointer to them.
function claimFrame(page: usize, place: u32): void {
  const frame = frameOf(page);
  if (frame != 0) claim(frame, pageSize as usize, place);
  claim(frameIndex + ((page - vmemmap) >> 1), 4, place);
}

function claimVm(slot: u32): void {
  const vm = vmAt(slot);
  claim(changetype<usize>(vm), VM_BYTES, placeOfVm(slot));
  claim(changetype<usize>(vm.table), STAGE2_BYTES, placeOfVm(slot));
  claim(changetype<usize>(vm.pool), POOL_BYTES, placeOfPool(slot));
  if (vm.state < VM_STATE_LIVE) return;
  for (let i: u32 = 0; i < pgdPages; i++) {
    claimTable(rootPage(vm.table, i), rootFrame(vm.table, i), startLevel, placeOfTable(slot));
  }
  claimPool(vm.pool, placeOfPool(slot));
  for (let at = vm.vcpus; at != 0; at = changetype<Vcpu>(at).next) claimVcpu(changetype<Vcpu>(at), slot);
}

function claimTable(page: usize, frame: usize, level: i32, place: u32): void {
  claimFrame(page, place);
  if (level == 3) return;
  for (let index: usize = 0; index <= (indexMask as usize); index++) {
    const descriptor = load<u64>(frame + (index << 3));
    if (!isTable(descriptor, level)) continue;
    const child = childPage(descriptor);
    claimTable(child, frameOf(child), level + 1, place);
  }
}

function claimPool(pool: Pool, place: u32): void {
  for (let order: u32 = 0; order <= pool.maxOrder; order++) {
    for (let link = load<u64>(head(pool, order)); link != 0; link = load<u64>(frameOf(pageOf(link >> pageShift)))) {
      claimFrame(pageOf(link >> pageShift), place);
    }
  }
}

// What is loaded goes with the VM; its lists and their nodes do not.
function claimVcpu(vcpu: Vcpu, slot: u32): void {
  const at = changetype<usize>(vcpu);
  const place = placeOfLists(slot);
  claim(at, VCPU_BYTES, placeOfVm(slot));
  claim(at + offsetof<Vcpu>("hostList"), 8, place);
  claim(changetype<usize>(vcpu.memcache), MEMCACHE_BYTES, place);
  let pa = vcpu.memcache.head;
  for (let i: u32 = 0; i < vcpu.memcache.pages; i++) {
    const page = pageOf(pa >> pageShift);
    claimFrame(page, place);
    pa = load<u64>(frameOf(page));
  }
  let node = vcpu.hostList;
  for (let i: u32 = 0; i < vcpu.hostListLength; i++) {
    claim(node, NODE_BYTES, place);
    node = load<u32>(node, 8) as usize;
  }
}

// What a page's part is made of, whatever else the page is used for.
function claimPage(index: u32, place: u32): bool {
  const pa = pfnToPa(domainPfn(index));
  const page = pageOf(domainPfn(index));
  const hostEntry = leafEntry(hostTable, pa);
  const hyp = hypEntry(pa);
  if (hostEntry == 0 || hyp == 0) return false;
  claim(page, 8, place);
  claim(hostEntry, 8, place);
  claim(hyp, 8, place);
  const frame = frameOf(page);
  if (frame == 0) return true;
  claim(frame + (tracer as usize), 8, place);
  if (isHostKvm(index)) claim(frame + (KVM_FLAGS as usize), 8, place);
  return true;
}
