// VMs of plain KVM: slots of a table, handle = base + slot, VMID = slot + 1. Each has a stage 2 and memory slots
// (include/linux/kvm_host.h:struct kvm; asm/kvm_host.h:struct kvm_s2_mmu).

import { EBADF } from "../../abi/codes";
import { REASON_KVM_NO_SUCH_VM } from "../../abi/kvm";
import { EFFECT_VM, VM_STATE_FREE, VM_STATE_LIVE } from "../../abi/records";
import { reserve } from "../../memory/heap";
import { record, recording } from "../../memory/journal";
import { Pool } from "../../memory/page-pool";
import { refuse } from "../../memory/verdict";
import { Stage2, STAGE2_BYTES } from "../../pagetable/stage2-table";

@unmanaged
export class Vm {
  /** VM_STATE_*; dying: the VMM let go of it, a guest_memfd has not. */
  state: i32;
  handle: u32;
  /** IPA bits that the VMM asked for. */
  ipaBits: u32;
  /** guest_memfd files made for it; each holds a reference. */
  files: u32;
  table: Stage2;
  /** Memory slots (memslot.ts), the newest first. */
  slots: usize;
}

const VM_BYTES: usize = 24;

export let maxVms: u32 = 0;
let handleBase: u32 = 0;
let vms: usize = 0;

/** Makes the table of slots; table pages come from `pool`. False if linear memory is used up. */
export function reserveVms(slots: u32, base: u32, pool: Pool): bool {
  maxVms = slots;
  handleBase = base;
  vms = reserve((slots as usize) * VM_BYTES);
  if (vms == 0) return false;
  for (let slot: u32 = 0; slot < slots; slot++) {
    const vm = vmAt(slot);
    const table = reserve(STAGE2_BYTES);
    if (table == 0) return false;
    vm.handle = base + slot;
    vm.table = changetype<Stage2>(table);
    vm.table.pool = pool;
    vm.table.memcache = null;
    vm.table.vm = vm.handle;
    vm.table.vmid = slot + 1;
  }
  return true;
}

export function vmAt(slot: u32): Vm {
  return changetype<Vm>(vms + (slot as usize) * VM_BYTES);
}

/** The VM behind a handle, dying ones included, or null. */
export function existingVm(handle: u32): Vm | null {
  const slot = handle - handleBase;
  return slot < maxVms && vmAt(slot).state != VM_STATE_FREE ? vmAt(slot) : null;
}

/** The VM whose descriptor the VMM holds; null refuses with -EBADF. */
export function namedVm(handle: u32): Vm | null {
  const vm = existingVm(handle);
  if (vm != null && vm.state == VM_STATE_LIVE) return vm;
  refuse(EBADF, REASON_KVM_NO_SUCH_VM, handle, 0, 0);
  return null;
}

export function setVmState(vm: Vm, state: i32): void {
  const before = vmSummary(vm);
  vm.state = state;
  if (recording) record(EFFECT_VM, 0, vm.handle, 0, before, vmSummary(vm), 0);
}

/** VM_STATE_*; no VM is protected, and vCPUs are the host's affair. */
export function vmSummary(vm: Vm): u64 {
  return vm.state as u64;
}

/** By slot of the table; 0 for a free one. */
export function vmSummaryAt(slot: u32): u64 {
  return slot < maxVms ? vmSummary(vmAt(slot)) : 0;
}
