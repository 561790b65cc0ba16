// VMs and vCPUs as EL2 keeps them: a table of slots, handle = base + slot, VMID = slot + 1
// (nvhe/pkvm.h:struct pkvm_hyp_vm, struct pkvm_hyp_vcpu; reference pkvm-el2 section 5.1).

import { EFFECT_VCPU, EFFECT_VM, VM_STATE_DYING, VM_STATE_FREE, VM_STATE_LIVE } from "../../abi/records";
import { LOCK_GUEST, LOCK_VM_TABLE } from "../../abi/locks";
import { pageMask, pageShift } from "../../arch/geometry";
import { reserve } from "../../memory/heap";
import { record, recording } from "../../memory/journal";
import { isInterleaving, lockReleased } from "../../memory/lock";
import { Memcache } from "../../memory/memcache";
import { Pool, POOL_BYTES } from "../../memory/page-pool";
import { decrementRefcount, incrementRefcount } from "../../memory/vmemmap";
import { Stage2, STAGE2_BYTES } from "../../pagetable/stage2-table";

@unmanaged
export class Vm {
  /** VM_STATE_*. */
  state: i32;
  handle: u32;
  isProtected: bool;
  createdVcpus: u32;
  /** The host's struct kvm, and the areas donated for the VM and its root (bytes). */
  kvmPa: u64;
  vmPa: u64;
  pgdPa: u64;
  /** First page of the VM area: its refcount counts loaded vCPUs and transient references. */
  vmPage: usize;
  table: Stage2;
  pool: Pool;
  /** Initialised vCPUs, linked in no order. */
  vcpus: usize;
  /** Android: exits for device space only where the guest asked for them (MMIO guard). */
  isGuarded: bool;
}

@unmanaged
export class Vcpu {
  vm: Vm;
  /** Next vCPU of the VM, or next free record. */
  next: usize;
  index: u32;
  loaded: bool;
  hostPa: u64;
  hypPa: u64;
  memcache: Memcache;
  /** The host's own list of table pages for this vCPU, in its descriptor: newest node first. */
  hostList: usize;
  hostListLength: u32;
}

// A node of a host's list. The list is the host's business: it may name pages that the host cannot write, so it is not
// threaded through them. 0 u64 pfn | 8 u32 next | 12 u32 offset within the page, in searches
export const NODE_BYTES: usize = 16;
const NODE_OFFSET: usize = 12;
export const VM_BYTES: usize = 80;
export const VCPU_BYTES: usize = 64;
export const MEMCACHE_BYTES: usize = 16;
/** VMs that are being taken down and have no slot any more: one on each CPU. */
const DETACHED: u32 = 2;

export let maxVms: u32 = 0;
export let handleBase: u32 = 0;
let vms: usize = 0;
// Free vCPU records, free list nodes, the vCPU loaded on this CPU: 0 u32 | 4 u32 | 8 u32. In linear memory for snapshots.
let cpu: usize = 0;
/** What a vCPU or node becomes when linear memory is used up: 0. */
const NONE: usize = 0;

/** Makes the slot table. False if linear memory is used up. */
export function reserveVms(slots: u32, base: u32): bool {
  maxVms = slots;
  handleBase = base;
  if (isInterleaving()) slots += DETACHED;
  vms = reserve((slots as usize) * VM_BYTES);
  cpu = reserve(16);
  if (vms == 0 || cpu == 0) return false;
  for (let slot: u32 = 0; slot < slots; slot++) {
    const vm = vmAt(slot);
    const table = reserve(STAGE2_BYTES);
    const pool = reserve(POOL_BYTES);
    if (table == 0 || pool == 0) return false;
    vm.handle = base + slot;
    vm.table = changetype<Stage2>(table);
    vm.pool = changetype<Pool>(pool);
    vm.table.pool = vm.pool;
    vm.table.vm = vm.handle;
    vm.table.vmid = slot + 1;
  }
  return true;
}

export function vmAt(slot: u32): Vm {
  return changetype<Vm>(vms + (slot as usize) * VM_BYTES);
}

/** The records of VMs that have no slot any more: in use, or null. Only where CPUs interleave. */
export function detachedAt(index: u32): Vm | null {
  const vm = vmAt(maxVms + index);
  return vm.state != VM_STATE_FREE ? vm : null;
}

/** Empties a VM's slot; the VM goes on in a record of its own until nothing is left of it. */
export function detachVm(vm: Vm): Vm {
  const gone = vmAt(detachedAt(0) == null ? maxVms : maxVms + 1);
  const table = gone.table;
  const pool = gone.pool;
  memory.copy(changetype<usize>(gone), changetype<usize>(vm), VM_BYTES);
  table.vm = vm.handle;
  table.vmid = vm.table.vmid;
  vm.table = table;
  vm.pool = pool;
  vm.vcpus = NONE;
  for (let at = gone.vcpus; at != NONE; at = changetype<Vcpu>(at).next) changetype<Vcpu>(at).vm = gone;
  setVmState(vm, VM_STATE_FREE, false, 0);
  return gone;
}

/** get_vm_by_handle, with a reference that keeps the VM from being taken down until `putVm`. */
export function getVm(handle: u32): Vm | null {
  const vm = findVm(handle);
  if (isInterleaving() && vm != null) {
    incrementRefcount(vm.vmPage);
    lockReleased(LOCK_VM_TABLE);
  }
  return vm;
}

/** Drops what `getVm` took, once the call in between has answered `ret`. */
export function putVm(vm: Vm | null, ret: i32): i32 {
  if (isInterleaving() && vm != null) {
    lockReleased(LOCK_GUEST);
    decrementRefcount(vm.vmPage);
  }
  return ret;
}

/** The slot a handle names, or null below the base and beyond the table. */
export function slotOf(handle: u32): Vm | null {
  const slot = handle - handleBase;
  return slot < maxVms ? vmAt(slot) : null;
}

/** get_vm_by_handle: null for an empty or reserved slot too. */
export function findVm(handle: u32): Vm | null {
  const vm = slotOf(handle);
  return vm != null && vm.state >= VM_STATE_LIVE ? vm : null;
}

export function setVmState(vm: Vm, state: i32, isProtected: bool, vcpus: u32): void {
  const before = vmSummary(vm);
  vm.state = state;
  vm.isProtected = isProtected;
  vm.createdVcpus = vcpus;
  if (recording) record(EFFECT_VM, 0, vm.handle, 0, before, vmSummary(vm), 0);
}

/** VM_STATE_* | protected << 8 | vCPUs << 16; a slot without a VM has neither. */
export function vmSummary(vm: Vm): u64 {
  return (vm.state as u64) | ((vm.isProtected ? 1 : 0) << 8) | ((vm.createdVcpus as u64) << 16);
}

/** The initialised vCPU `index` of a VM, or null. */
export function findVcpu(vm: Vm, index: u32): Vcpu | null {
  for (let at = vm.vcpus; at != NONE; at = changetype<Vcpu>(at).next) {
    if (changetype<Vcpu>(at).index == index) return changetype<Vcpu>(at);
  }
  return null;
}

/** A fresh vCPU record in its VM's list; null if linear memory is used up. */
export function addVcpu(vm: Vm, index: u32): Vcpu | null {
  let at = load<u32>(cpu) as usize;
  if (at != NONE) {
    store<u32>(cpu, changetype<Vcpu>(at).next as u32);
  } else {
    at = reserve(VCPU_BYTES + MEMCACHE_BYTES);
    if (at == NONE) return null;
  }
  memory.fill(at, 0, VCPU_BYTES + MEMCACHE_BYTES);
  const vcpu = changetype<Vcpu>(at);
  vcpu.vm = vm;
  vcpu.index = index;
  vcpu.memcache = changetype<Memcache>(at + VCPU_BYTES);
  vcpu.next = vm.vcpus;
  vm.vcpus = at;
  if (recording) record(EFFECT_VCPU, 0, vm.handle, index, 0, vcpuSummary(vcpu), 0);
  return vcpu;
}

/** The VM is gone and its vCPUs with it. */
export function removeVcpus(vm: Vm): void {
  while (vm.vcpus != NONE) {
    const vcpu = changetype<Vcpu>(vm.vcpus);
    if (recording) record(EFFECT_VCPU, 0, vm.handle, vcpu.index, vcpuSummary(vcpu), 0, 0);
    while (vcpu.hostListLength != 0) popHostList(vcpu);
    vm.vcpus = vcpu.next;
    vcpu.next = load<u32>(cpu) as usize;
    store<u32>(cpu, changetype<usize>(vcpu) as u32);
  }
}

/** present | loaded << 1 | memcache pages << 8. */
export function vcpuSummary(vcpu: Vcpu): u64 {
  return 1 | ((vcpu.loaded ? 1 : 0) << 1) | ((vcpu.memcache.pages as u64) << 8);
}

/** The vCPU loaded on this CPU, or null. */
export function loadedVcpu(): Vcpu | null {
  const at = load<u32>(cpu, 8) as usize;
  return at != NONE ? changetype<Vcpu>(at) : null;
}

export function setLoadedVcpu(vcpu: Vcpu | null): void {
  store<u32>(cpu, changetype<usize>(vcpu) as u32, 8);
}

/** Puts a frame number on the host's list. False if linear memory is used up. */
export function pushHostList(vcpu: Vcpu, pfn: u64): bool {
  let node = load<u32>(cpu, 4) as usize;
  if (node != NONE) store<u32>(cpu, load<u32>(node, 8), 4);
  else node = reserve(NODE_BYTES);
  if (node == NONE) return false;
  store<u64>(node, pfn);
  store<u32>(node, vcpu.hostList as u32, 8);
  if (isDefined(EXPLORING)) store<u32>(node, 0, NODE_OFFSET);
  vcpu.hostList = node;
  vcpu.hostListLength++;
  return true;
}

/** The same with an address that need not be where a page begins. */
export function pushHostListAt(vcpu: Vcpu, pa: u64): bool {
  if (!pushHostList(vcpu, pa >> pageShift)) return false;
  store<u32>(vcpu.hostList, (pa & pageMask) as u32, NODE_OFFSET);
  return true;
}

/** How far into its page the newest address on the host's list is. */
export function offsetOnHostList(vcpu: Vcpu): u64 {
  return load<u32>(vcpu.hostList, NODE_OFFSET) as u64;
}

/** The newest frame number on the host's list, which is not empty. */
export function topOfHostList(vcpu: Vcpu): u64 {
  return load<u64>(vcpu.hostList);
}

export function popHostList(vcpu: Vcpu): void {
  const node = vcpu.hostList;
  vcpu.hostList = load<u32>(node, 8) as usize;
  vcpu.hostListLength--;
  store<u32>(node, load<u32>(cpu, 4), 8);
  store<u32>(cpu, node as u32, 4);
}

export function isDying(vm: Vm): bool {
  return vm.state == VM_STATE_DYING;
}
