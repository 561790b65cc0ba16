// How VMs begin and end. A VM lives as long as a descriptor of it is open or a guest_memfd made for it is
// (virt/kvm/kvm_main.c:kvm_put_kvm; reference host-and-vmm sections 2.1, 4).

import { EBADF, EINVAL, ENOMEM, REASON_TABLE_PAGES } from "../../abi/codes";
import {
  REASON_KVM_IPA_BITS,
  REASON_KVM_NOT_PROTECTED_MODE,
  REASON_KVM_VM_LIMIT,
  REASON_KVM_VM_TYPE,
  VM_TYPE_IPA_BITS,
  VM_TYPE_PROTECTED,
} from "../../abi/kvm";
import { VM_STATE_DYING, VM_STATE_FREE, VM_STATE_LIVE } from "../../abi/records";
import { iaBits, pgdPages } from "../../arch/geometry";
import { expectUnused } from "../../arch/tlb-checks";
import { allocatePages, splitPage } from "../../memory/page-pool";
import { refuse } from "../../memory/verdict";
import { hasDic } from "../../pagetable/attributes";
import { stage2Destroy } from "../../pagetable/destroy";
import { flushForTeardown } from "../../pagetable/maintenance";
import {
  DATA_CACHE,
  DATA_CACHE_NOT_FWB,
  FREE_UNLINKED,
  freeTablePage,
  INSTRUCTION_CACHE,
  rootPage,
  setRoot,
} from "../../pagetable/stage2-table";
import { namedFile, releaseFile } from "./guest-memfd";
import { tablePool } from "./machine";
import { Memslot, removeSlot } from "./memslot";
import { existingVm, maxVms, namedVm, setVmState, Vm, vmAt } from "./vm";

const KNOWN_TYPE: u64 = (VM_TYPE_PROTECTED as u32 as u64) | (VM_TYPE_IPA_BITS as u64);
/** KVM_PHYS_SHIFT, which type 0 stands for. */
const DEFAULT_IPA_BITS: u32 = 40;
const SMALLEST_IPA_BITS: u32 = 32;

/**
 * KVM_CREATE_VM: kvm_arch_init_vm, kvm_init_stage2_mmu. Answers the handle. All tables have the shape that the largest IPA
 * space needs; the VM's own bounds its memory slots and what is a fault of the guest's.
 */
export function createVm(type: u64): i32 {
  if (type & ~KNOWN_TYPE) return refuse(EINVAL, REASON_KVM_VM_TYPE, type, 0, type as u32);
  if (type & (VM_TYPE_PROTECTED as u32 as u64))
    return refuse(EINVAL, REASON_KVM_NOT_PROTECTED_MODE, type, 0, type as u32);
  const asked = (type & (VM_TYPE_IPA_BITS as u64)) as u32;
  const bits = asked == 0 ? DEFAULT_IPA_BITS : asked;
  if (bits < SMALLEST_IPA_BITS || bits > iaBits) return refuse(EINVAL, REASON_KVM_IPA_BITS, type, iaBits, bits);
  let slot: u32 = 0;
  while (slot < maxVms && vmAt(slot).state != VM_STATE_FREE) slot++;
  if (slot == maxVms) return refuse(ENOMEM, REASON_KVM_VM_LIMIT, 0, 0, maxVms);

  const vm = vmAt(slot);
  const root = allocatePages(tablePool, ctz(pgdPages));
  if (root == 0) return refuse(ENOMEM, REASON_TABLE_PAGES, 0, 0, 0);
  splitPage(root);
  setRoot(vm.table, root);
  vm.table.flags = DATA_CACHE | DATA_CACHE_NOT_FWB | FREE_UNLINKED | (hasDic ? 0 : INSTRUCTION_CACHE);
  vm.ipaBits = bits;
  setVmState(vm, VM_STATE_LIVE);
  return vm.handle as i32;
}

/** The VMM lets go of the VM, vCPUs included: kvm_vm_release. */
export function releaseVm(handle: u32): i32 {
  const vm = namedVm(handle);
  if (vm == null) return -EBADF;
  if (vm.files == 0) destroyVm(vm);
  else setVmState(vm, VM_STATE_DYING);
  return 0;
}

/** The last reference to a file goes, and with it perhaps the VM that it held. */
export function closeGuestMemfd(fd: u32): i32 {
  const file = namedFile(fd);
  if (file == null) return -EBADF;
  const vm = existingVm(file.vm)!;
  releaseFile(file, fd);
  vm.files--;
  if (vm.files == 0 && vm.state == VM_STATE_DYING) destroyVm(vm);
  return 0;
}

// kvm_destroy_vm: the tables go, what they mapped is not touched. The real VMID allocator flushes when it comes round to a
// VMID again; here the VMID is the slot's, and the flush is made when it is given up.
function destroyVm(vm: Vm): void {
  while (vm.slots != 0) removeSlot(vm, changetype<Memslot>(vm.slots));
  flushForTeardown(vm.table);
  stage2Destroy(vm.table);
  for (let i: u32 = 0; i < pgdPages; i++) freeTablePage(vm.table, rootPage(vm.table, i));
  expectUnused(vm.table.vmid);
  setVmState(vm, VM_STATE_FREE);
}
