// VM life cycle: slots, VM and vCPU areas taken by donation and handed back at teardown
// (nvhe/pkvm.c; reference pkvm-el2 sections 3.14, 5).

import {
  EBUSY,
  EINVAL,
  ENOENT,
  ENOMEM,
  LIMIT_CONTENTS,
  PANIC_EL2_FAULT,
  PANIC_TEARDOWN_DONATE,
  REASON_ALIGNMENT,
  REASON_DONATION_REFUSED,
  REASON_HANDLE_RANGE,
  REASON_HOST_STATE,
  REASON_ID_REGISTERS,
  REASON_NO_SUCH_VM,
  REASON_PIN_REFUSED,
  REASON_REFILL_REFUSED,
  REASON_SLOT_NOT_RESERVED,
  REASON_TABLE_FULL,
  REASON_VCPU_COUNT,
  REASON_VCPU_EXISTS,
  REASON_VCPU_INDEX,
  REASON_VM_DYING,
  REASON_VM_IN_USE,
  REASON_VM_NOT_DYING,
} from "../../abi/codes";
import { NOPAGE } from "../../abi/codes";
import {
  EFFECT_HOST_MEMCACHE,
  EFFECT_LOADED,
  EFFECT_TEARDOWN,
  EFFECT_VCPU,
  VM_STATE_DYING,
  VM_STATE_FREE,
  VM_STATE_LIVE,
  VM_STATE_RESERVED,
} from "../../abi/records";
import {
  DONATE_HOST_IGNORES_REFCOUNT,
  INIT_VCPU_EARLY_PUBLISH,
  INIT_VCPU_PIN_LEAK,
  INIT_VM_LATE_FAILURE,
  MEMCACHE_TOPUP_UNBOUNDED,
  MEMCACHE_UNALIGNED_HEAD,
  POOL_STALE_ORDER,
  SVE_UNPIN_BY_FLAG,
} from "../../abi/mutations";
import { LOCK_HOST, LOCK_HYP, LOCK_VM_TABLE } from "../../abi/locks";
import { pageMask, pageShift, pfnToPa, pgdPages } from "../../arch/geometry";
import { readU64, wipePage, writeU64 } from "../../memory/dram";
import { expectUnused } from "../../arch/tlb-checks";
import { isMutated } from "../../memory/mutation";
import { record, recording, recordPointOfCoherency } from "../../memory/journal";
import { isInterleaving, lockReleased } from "../../memory/lock";
import { popMemcache, pushMemcache } from "../../memory/memcache";
import { allocatePages, initPool, splitPage } from "../../memory/page-pool";
import { pageOf, pfnOf } from "../../memory/regions";
import { expected, found, panic, PANICKED, panicked, reachLimit, reason, refuse, subject } from "../../memory/verdict";
import { decrementRefcount, hostState, incrementRefcount, refcount, setOrder, setRefcount } from "../../memory/vmemmap";
import { stage2Destroy } from "../../pagetable/destroy";
import { flushForTeardown } from "../../pagetable/maintenance";
import { freeTablePage, rootPage, setRoot } from "../../pagetable/stage2-table";
import { DATA_CACHE, DATA_CACHE_NOT_FWB, INSTRUCTION_CACHE } from "../../pagetable/stage2-table";
import { hasDic } from "../../pagetable/attributes";
import { hostDonateHyp, hypDonateHost, hypPinSharedMem, hypUnpinSharedMem } from "./host-hyp";
import { hostKvmBytes, hostVcpuBytes, rootOrder, vcpuBytes, vmBytes, vmBytesPerVcpu } from "./machine";
import {
  addVcpu,
  detachVm,
  findVcpu,
  findVm,
  handleBase,
  loadedVcpu,
  maxVms,
  offsetOnHostList,
  popHostList,
  removeVcpus,
  setLoadedVcpu,
  setVmState,
  slotOf,
  topOfHostList,
  Vcpu,
  vcpuSummary,
  Vm,
  vmAt,
} from "./vm";

// The host's struct kvm as far as EL2 reads it, in the first bytes of its page:
//   0 u32 handle | 4 u32 created vCPUs | 8 u32 bit 0 protected, bit 1 ID registers initialised
export const KVM_FLAGS: u64 = 8;
export const KVM_PROTECTED: u64 = 1;
const KVM_ID_REGISTERS: u64 = 2;

function wholePages(bytes: u64): u64 {
  return (bytes + pageMask) >> pageShift;
}

// Another call's refusal, under this one's error. A page in the wrong host state gets the name of what it was for; every
// other reason says enough by itself.
function passOn(errno: i32, what: i32): i32 {
  return refuse(errno, reason == REASON_HOST_STATE ? what : reason, subject, expected, found);
}

// map_donated_memory: -ENOMEM whatever the reason; the area is zeroed where the caller wants it so.
function takeArea(pa: u64, pages: u64): i32 {
  if (pa & pageMask) return refuse(ENOMEM, REASON_ALIGNMENT, pa, 0, 0);
  const ret = hostDonateHyp(pa >> pageShift, pages);
  return ret == 0 || ret == PANICKED ? ret : passOn(ENOMEM, REASON_DONATION_REFUSED);
}

function wipeArea(pa: u64, pages: u64): void {
  for (let i: u64 = 0; i < pages; i++) wipePage(pageOf((pa >> pageShift) + i));
}

// unmap_donated_memory: zeroed, cleaned by its exact size, and given back.
function returnArea(pa: u64, bytes: u64): void {
  wipeArea(pa, wholePages(bytes));
  if (recording) recordPointOfCoherency(pa, bytes);
  if (hypDonateHost(pa >> pageShift, wholePages(bytes)) != 0) panic(PANIC_TEARDOWN_DONATE);
}

// A host descriptor that EL2 wants to hold on to; `errno` 0 keeps the pin's own error.
function pinDescriptor(pa: u64, bytes: u64, errno: i32): i32 {
  const ret = hypPinSharedMem(pa, pa + bytes);
  return ret == 0 || ret == PANICKED ? ret : passOn(errno != 0 ? errno : -ret, REASON_PIN_REFUSED);
}

/** pkvm_reserve_vm: the handle of the lowest free slot. */
export function reserveVm(): i32 {
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    const vm = vmAt(slot);
    if (vm.state != VM_STATE_FREE) continue;
    setVmState(vm, VM_STATE_RESERVED, false, 0);
    return vm.handle as i32;
  }
  return refuse(ENOMEM, REASON_TABLE_FULL, maxVms, 0, maxVms);
}

/** pkvm_unreserve_vm: only a slot that has no VM yet. */
export function unreserveVm(handle: u32): void {
  const vm = slotOf(handle);
  if (vm != null && vm.state == VM_STATE_RESERVED) setVmState(vm, VM_STATE_FREE, false, 0);
}

/** What the host writes into its struct kvm before init_vm; only where it has access at all. */
function writeKvm(kvmPa: u64, handle: u32, vcpus: u32, kvmFlags: u64): void {
  const page = pageOf(kvmPa >> pageShift);
  if (page == 0 || hostState(page) == NOPAGE || (kvmPa & 7) != 0) return;
  writeU64(kvmPa, (handle as u64) | ((vcpus as u64) << 32));
  writeU64(kvmPa + KVM_FLAGS, kvmFlags);
}

// init_vm: a reserved slot becomes a VM; its area and root are taken from the host.   nvhe/pkvm.c:__pkvm_init_vm
export function initVm(handle: u32, kvmPa: u64, vmPa: u64, pgdPa: u64, vcpus: i32, kvmFlags: u64): i32 {
  writeKvm(kvmPa, handle, vcpus, kvmFlags);
  let ret = pinDescriptor(kvmPa, hostKvmBytes, 0);
  if (ret != 0) return ret;
  lockReleased(LOCK_HOST | LOCK_HYP);
  if (vcpus < 1) ret = refuse(EINVAL, REASON_VCPU_COUNT, vcpus, 1, vcpus);
  else if (handle < handleBase) ret = refuse(EINVAL, REASON_HANDLE_RANGE, handle, handleBase, handle);
  else ret = initVmAreas(handle, kvmPa, vmPa, pgdPa, vcpus, kvmFlags);
  if (ret != 0 && ret != PANICKED) hypUnpinSharedMem(kvmPa, kvmPa + hostKvmBytes);
  return ret;
}

function initVmAreas(handle: u32, kvmPa: u64, vmPa: u64, pgdPa: u64, vcpus: u32, kvmFlags: u64): i32 {
  const areaBytes = vmBytes + vmBytesPerVcpu * vcpus;
  let ret = takeArea(vmPa, wholePages(areaBytes));
  lockReleased(LOCK_HOST | LOCK_HYP);
  if (ret != 0) return ret;
  wipeArea(vmPa, wholePages(areaBytes));
  ret = takeArea(pgdPa, pgdPages);
  if (ret != 0) {
    if (ret == PANICKED) return ret;
    const why = reason;
    const pa = subject;
    const want = expected;
    const have = found;
    lockReleased(LOCK_HOST | LOCK_HYP);
    returnArea(vmPa, areaBytes);
    lockReleased(LOCK_HOST | LOCK_HYP);
    return refuse(ENOMEM, why, pa, want, have);
  }
  lockReleased(LOCK_HOST | LOCK_HYP);
  // EL2 does not look at what the root allocation gave it (reference 2.12).
  if (pgdPa & (pfnToPa(pgdPages) - 1)) return panic(PANIC_EL2_FAULT);
  const vm = slotOf(handle);
  if (vm == null || vm.state != VM_STATE_RESERVED) {
    if (vm != null && failsLate()) setRefcount(pageOf(pgdPa >> pageShift), 1);
    lockReleased(LOCK_VM_TABLE);
    returnArea(vmPa, areaBytes);
    lockReleased(LOCK_HOST | LOCK_HYP);
    returnArea(pgdPa, pfnToPa(pgdPages));
    lockReleased(LOCK_HOST | LOCK_HYP);
    return refuse(EINVAL, REASON_SLOT_NOT_RESERVED, handle, 0, 0);
  }
  vm.kvmPa = kvmPa;
  vm.vmPa = vmPa;
  vm.pgdPa = pgdPa;
  vm.vmPage = pageOf(vmPa >> pageShift);
  vm.isGuarded = false;
  initGuestTable(vm, pgdPa >> pageShift);
  setVmState(vm, VM_STATE_LIVE, (kvmFlags & KVM_PROTECTED) != 0, vcpus);
  return 0;
}

// The table was built before the slot was looked at, and nothing took it down again.
function failsLate(): bool {
  return isMutated(INIT_VM_LATE_FAILURE) || isMutated(DONATE_HOST_IGNORES_REFCOUNT);
}

// kvm_guest_prepare_stage2: a pool over the root pages, then the root taken out of it: an empty pool.
export function initGuestTable(vm: Vm, rootPfn: u64): void {
  vm.table.flags = DATA_CACHE | DATA_CACHE_NOT_FWB | (hasDic ? 0 : INSTRUCTION_CACHE);
  vm.table.memcache = null;
  initPool(vm.pool, rootPfn, pgdPages, 0);
  const root = allocatePages(vm.pool, rootOrder());
  splitPage(root);
  setRoot(vm.table, root);
}

// init_vcpu.   nvhe/pkvm.c:__pkvm_init_vcpu
export function initVcpu(handle: u32, index: u32, hostPa: u64, hypPa: u64): i32 {
  let ret = takeArea(hypPa, wholePages(vcpuBytes));
  if (ret != 0) return ret;
  wipeArea(hypPa, wholePages(vcpuBytes));
  lockReleased(LOCK_HOST | LOCK_HYP);
  const vm = findVm(handle);
  let pinned = false;
  if (vm == null) {
    ret = refuse(ENOENT, REASON_NO_SUCH_VM, handle, 0, 0);
  } else {
    ret = pinDescriptor(hostPa, hostVcpuBytes, EBUSY);
    pinned = ret == 0;
    if (pinned) ret = checkVcpu(vm, index);
    if (ret == 0) return registerVcpu(vm, index, hostPa, hypPa);
    if (isMutated(SVE_UNPIN_BY_FLAG)) pinned = true;
    if (isMutated(INIT_VCPU_PIN_LEAK)) pinned = false;
  }
  if (ret == PANICKED) return ret;
  if (pinned) hypUnpinSharedMem(hostPa, hostPa + hostVcpuBytes);
  lockReleased(LOCK_VM_TABLE);
  returnArea(hypPa, vcpuBytes);
  return ret;
}

// The ID registers of a non-protected VM are the host's: read from its struct kvm now, not at init_vm.
function checkVcpu(vm: Vm, index: u32): i32 {
  if (!vm.isProtected && (readU64(vm.kvmPa + KVM_FLAGS) & KVM_ID_REGISTERS) == 0) {
    return refuse(EINVAL, REASON_ID_REGISTERS, vm.handle, 1, 0);
  }
  if (index >= vm.createdVcpus) return refuse(EINVAL, REASON_VCPU_INDEX, index, vm.createdVcpus, index);
  return findVcpu(vm, index) == null ? 0 : refuse(EINVAL, REASON_VCPU_EXISTS, index, 0, index);
}

function registerVcpu(vm: Vm, index: u32, hostPa: u64, hypPa: u64): i32 {
  const vcpu = addVcpu(vm, index);
  if (vcpu == null) {
    reachLimit(LIMIT_CONTENTS);
    return 0;
  }
  if (isMutated(INIT_VCPU_EARLY_PUBLISH)) lockReleased(0);
  vcpu.hostPa = hostPa;
  vcpu.hypPa = hypPa;
  return 0;
}

function setLoaded(vcpu: Vcpu, loaded: bool): void {
  if (isInterleaving() && loaded && !isReady(vcpu)) return;
  const before = vcpuSummary(vcpu);
  vcpu.loaded = loaded;
  if (recording) record(EFFECT_VCPU, 0, vcpu.vm.handle, vcpu.index, before, vcpuSummary(vcpu), 0);
  setLoadedVcpu(loaded ? vcpu : null);
  if (loaded) incrementRefcount(vcpu.vm.vmPage);
  else decrementRefcount(vcpu.vm.vmPage);
}

// Whether no other CPU has it loaded. EL2 reads the host's vCPU, through the pointer that init_vcpu stored.
function isReady(vcpu: Vcpu): bool {
  if (vcpu.hostPa == 0) panic(PANIC_EL2_FAULT);
  return !vcpu.loaded && vcpu.hostPa != 0;
}

/** pkvm_load_hyp_vcpu: silently nothing where it cannot (reference 5.3). */
export function vcpuLoad(handle: u32, index: u32): void {
  if (loadedVcpu() == null) {
    const vm = findVm(handle);
    if (vm != null && vm.state == VM_STATE_LIVE) {
      const vcpu = findVcpu(vm, index);
      if (vcpu != null) setLoaded(vcpu, true);
    }
  }
  if (!recording) return;
  const now = loadedVcpu();
  if (now == null) record(EFFECT_LOADED, 0, 0, 0, 0, 0, 0);
  else record(EFFECT_LOADED, 0, now.vm.handle, now.index, 0, 0, 0);
}

export function vcpuPut(): void {
  const vcpu = loadedVcpu();
  if (vcpu != null) setLoaded(vcpu, false);
}

// refill_memcache: pages of the host's list become EL2's, until EL2 has as many as the host offered at the start.
// What was moved before a refusal stays moved.   nvhe/hyp-main.c:pkvm_refill_memcache
export function refillMemcache(vcpu: Vcpu): i32 {
  let target = vcpu.hostListLength;
  let ret = 0;
  if (isDefined(EXPLORING) && isMutated(MEMCACHE_TOPUP_UNBOUNDED)) target += vcpu.memcache.pages;
  while (ret == 0 && vcpu.memcache.pages < target) {
    const pfn = topOfHostList(vcpu);
    ret = hostDonateHyp(pfn, 1);
    if (ret == PANICKED) return ret;
    if (ret != 0) {
      ret = passOn(ENOMEM, REASON_REFILL_REFUSED);
    } else {
      const offset: u64 = isDefined(EXPLORING) ? offsetOnHostList(vcpu) : 0;
      popHostList(vcpu);
      pushMemcache(vcpu.memcache, pageOf(pfn));
      if (isMutated(MEMCACHE_UNALIGNED_HEAD)) vcpu.memcache.head |= offset;
      lockReleased(LOCK_HOST | LOCK_HYP);
    }
  }
  recordHostList(vcpu);
  return ret;
}

/** What is left on the host's list: part of every call that may refill. */
export function recordHostList(vcpu: Vcpu): void {
  if (recording) record(EFFECT_HOST_MEMCACHE, 0, vcpu.vm.handle, vcpu.hostListLength, 0, 0, 0);
}

// nvhe/pkvm.c:__pkvm_start_teardown_vm
export function startTeardownVm(handle: u32): i32 {
  const vm = findVm(handle);
  if (vm == null) return refuse(EINVAL, REASON_NO_SUCH_VM, handle, 0, 0);
  const references = refcount(vm.vmPage);
  if (references != 0) return refuse(EINVAL, REASON_VM_IN_USE, handle, 0, references);
  if (vm.state == VM_STATE_DYING) return refuse(EINVAL, REASON_VM_DYING, handle, 0, 0);
  setVmState(vm, VM_STATE_DYING, vm.isProtected, vm.createdVcpus);
  return 0;
}

// finalize_teardown_vm: everything EL2 took for the VM goes back. Guest leaves are not looked at: pages that were not
// reclaimed before are lost to the host.   nvhe/pkvm.c:__pkvm_finalize_teardown_vm
export function finalizeTeardownVm(handle: u32): i32 {
  const vm = findVm(handle);
  if (vm == null) return refuse(EINVAL, REASON_NO_SUCH_VM, handle, 0, 0);
  const references = refcount(vm.vmPage);
  let refusal = 0;
  if (references != 0) refusal = refuse(EINVAL, REASON_VM_IN_USE, handle, 0, references);
  else if (vm.state != VM_STATE_DYING) refusal = refuse(EINVAL, REASON_VM_NOT_DYING, handle, 0, 0);
  if (refusal != 0) {
    if (recording) record(EFFECT_TEARDOWN, 0, handle, 0, 0, 0, 0);
    return refusal;
  }
  flushForTeardown(vm.table);
  const gone = isInterleaving() ? detach(vm) : vm;
  stage2List = 0;
  teardownList = 0;
  stage2ListHead = 0;
  teardownListHead = 0;
  returnTables(gone);
  returnVcpus(gone);
  returnOnList(gone.vmPa, vmBytes + vmBytesPerVcpu * gone.createdVcpus);
  hypUnpinSharedMem(gone.kvmPa, gone.kvmPa + hostKvmBytes);
  removeVcpus(gone);
  expectUnused(gone.table.vmid);
  if (recording) record(EFFECT_TEARDOWN, 0, handle, teardownList, stage2List, 0, 0);
  setVmState(gone, VM_STATE_FREE, false, 0);
  return panicked != 0 ? PANICKED : 0;
}

// The slot is empty before anything goes back: it may get another VM while this one is taken down.
function detach(vm: Vm): Vm {
  const gone = detachVm(vm);
  lockReleased(LOCK_VM_TABLE);
  return gone;
}

// The two lists of pages handed back, threaded through their first 8 bytes before each donation.
let stage2List: u64 = 0;
let stage2ListHead: u64 = 0;
let teardownList: u64 = 0;
let teardownListHead: u64 = 0;

function giveBackStage2Page(page: usize): void {
  const pfn = pfnOf(page);
  writeU64(pfnToPa(pfn), stage2ListHead);
  stage2ListHead = pfnToPa(pfn);
  stage2List++;
  if (hypDonateHost(pfn, 1) != 0) panic(PANIC_TEARDOWN_DONATE);
  pauseTeardown();
}

// Another CPU may take down another VM meanwhile: the lists are this call's.
function pauseTeardown(): void {
  if (!isInterleaving()) return;
  const stage2Head = stage2ListHead;
  const teardownHead = teardownListHead;
  lockReleased(LOCK_HOST | LOCK_HYP);
  stage2ListHead = stage2Head;
  teardownListHead = teardownHead;
}

// reclaim_pgtable_pages: the tables into the pool, then the pool to the host.
function returnTables(vm: Vm): void {
  stage2Destroy(vm.table);
  for (let i: u32 = 0; i < pgdPages; i++) freeTablePage(vm.table, rootPage(vm.table, i));
  for (let page = allocatePages(vm.pool, 0); page != 0; page = allocatePages(vm.pool, 0)) {
    setRefcount(page, 0);
    if (isDefined(EXPLORING) && isMutated(POOL_STALE_ORDER) && page == rootPage(vm.table, 0))
      setOrder(page, rootOrder());
    giveBackStage2Page(page);
  }
}

function returnVcpus(vm: Vm): void {
  for (let index: u32 = 0; index < vm.createdVcpus; index++) {
    const vcpu = findVcpu(vm, index);
    if (vcpu == null) continue;
    hypUnpinSharedMem(vcpu.hostPa, vcpu.hostPa + hostVcpuBytes);
    pauseTeardown();
    for (let page = popMemcache(vcpu.memcache); page != 0; page = popMemcache(vcpu.memcache)) {
      if (recording) recordPointOfCoherency(pfnToPa(pfnOf(page)), pageMask + 1);
      giveBackStage2Page(page);
    }
    returnOnList(vcpu.hypPa, vcpuBytes);
  }
}

// teardown_donated_memory: zeroed, its pages listed, flushed as whole pages, given back as one range.
function returnOnList(pa: u64, bytes: u64): void {
  const pages = wholePages(bytes);
  wipeArea(pa, pages);
  for (let i: u64 = 0; i < pages; i++) {
    writeU64(pa + pfnToPa(i), teardownListHead);
    teardownListHead = pa + pfnToPa(i);
    teardownList++;
  }
  if (recording) recordPointOfCoherency(pa, pfnToPa(pages));
  if (hypDonateHost(pa >> pageShift, pages) != 0) panic(PANIC_TEARDOWN_DONATE);
  pauseTeardown();
}
