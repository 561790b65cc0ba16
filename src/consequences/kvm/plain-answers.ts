// What a plain KVM host's answers mean: of the fault handler for KVM_RUN and the guest, of KVM_SET_USER_MEMORY_REGION for the
// VMM. The answers are the machine's (kvm_guest_fault, kvm_set_memory_region); here they get words and a source.

import {
  FAULT_ADDRESS_SIZE_INJECTED,
  FAULT_HOST_SEA,
  FAULT_RESUMED,
  FAULT_SEA_INJECTED,
  FAULT_SKIPPED,
  KVM_EXIT_MEMORY_FAULT,
  KVM_EXIT_MMIO,
} from "../../../assembly/abi/kvm.js";
import { hostRule, observedRule, type Row } from "../rule-table.js";
import type { MemslotChange } from "../vm-driver.js";

/** What kvm_guest_fault answered, and what is behind the address. */
export interface FaultAnswer {
  readonly ret: number;
  readonly errno: string | null;
  /** KVM_EXIT_*; null: KVM_RUN does not return with one. */
  readonly exitReason: number | null;
  readonly kind: "load" | "store" | "fetch";
  readonly isGmem: boolean;
}

/** `again`: back into the guest, whose instruction is executed again; `on`: behind it; else what the run or the guest sees. */
export type FaultVerdict = "again" | "on" | { readonly result: string };

const HANDLER = "arch/arm64/kvm/mmu.c:kvm_handle_guest_abort";
const GMEM_ABORT = "arch/arm64/kvm/mmu.c:gmem_abort";
const USER_ABORT = "arch/arm64/kvm/mmu.c:user_mem_abort";

export const FAULT_ANSWERS: readonly Row<FaultAnswer, FaultVerdict>[] = [
  {
    rule: hostRule(
      "kvm.plain.gmem-mapped",
      "the file's page is mapped for the guest; at its first use it is allocated and zeroed",
      "4.2",
      "M",
      GMEM_ABORT,
    ),
    when: ({ ret, isGmem }) => ret === FAULT_RESUMED && isGmem,
    then: "again",
  },
  {
    rule: observedRule(
      "kvm.plain.host-mapped",
      "the VMM's page is mapped for the guest as the VMM has it; it is neither pinned nor charged",
      "6",
      USER_ABORT,
    ),
    when: ({ ret }) => ret === FAULT_RESUMED,
    then: "again",
  },
  {
    rule: hostRule(
      "kvm.plain.gmem-poisoned",
      "the file's page has a hardware error: KVM_RUN fails and names the address (exit reason 39)",
      "4.1",
      "S",
      GMEM_ABORT,
    ),
    when: ({ errno, exitReason }) => errno === "EHWPOISON" && exitReason === KVM_EXIT_MEMORY_FAULT,
    then: { result: "KVM_RUN EHWPOISON MEMORY_FAULT" },
  },
  {
    rule: hostRule(
      "kvm.plain.gmem-gone",
      "the slot's file is closed: KVM_RUN fails and names the address (exit reason 39)",
      "4.2",
      "M",
      GMEM_ABORT,
    ),
    when: ({ errno, exitReason }) => errno === "EFAULT" && exitReason === KVM_EXIT_MEMORY_FAULT,
    then: { result: "KVM_RUN EFAULT MEMORY_FAULT" },
  },
  {
    rule: hostRule("kvm.plain.gmem-memory", "no page is free for the file", "4.2", "U", GMEM_ABORT),
    when: ({ errno, exitReason }) => errno === "ENOMEM" && exitReason === KVM_EXIT_MEMORY_FAULT,
    then: { result: "KVM_RUN ENOMEM MEMORY_FAULT" },
  },
  {
    rule: hostRule("kvm.plain.mmio", "no slot covers the address: the VMM shall emulate a device", "7.7", "M", HANDLER),
    when: ({ ret }) => ret === KVM_EXIT_MMIO,
    then: { result: "KVM_RUN MMIO" },
  },
  {
    rule: hostRule("kvm.plain.fetch-sea", "a fetch where no slot is: external abort, no exit", "2.5", "M", HANDLER),
    when: ({ ret, kind }) => ret === FAULT_SEA_INJECTED && kind === "fetch",
    then: { result: "guest SEA" },
  },
  {
    rule: hostRule(
      "kvm.plain.beyond-vm",
      "the address is beyond the VM's IPA space: external abort in the guest",
      "10.2",
      "U",
      HANDLER,
    ),
    when: ({ ret }) => ret === FAULT_SEA_INJECTED || ret === FAULT_HOST_SEA,
    then: { result: "guest SEA" },
  },
  {
    rule: hostRule(
      "kvm.plain.beyond-machine",
      "the address is beyond what the machine can translate: address-size fault in the guest",
      "10.2",
      "U",
      HANDLER,
    ),
    when: ({ ret }) => ret === FAULT_ADDRESS_SIZE_INJECTED,
    then: { result: "guest address size fault" },
  },
  {
    rule: hostRule("kvm.plain.skipped", "cache maintenance where no slot is: skipped", "2.5", "S", HANDLER),
    when: ({ ret }) => ret === FAULT_SKIPPED,
    then: "on",
  },
  {
    rule: hostRule("kvm.plain.no-syndrome", "an access without valid syndrome cannot be emulated", "2.5", "S", HANDLER),
    when: ({ errno }) => errno === "ENOSYS",
    then: { result: "KVM_RUN ENOSYS" },
  },
  {
    rule: hostRule(
      "kvm.plain.host-refused",
      "behind the slot the VMM has nothing that could be mapped so",
      "2.5",
      "U",
      USER_ABORT,
    ),
    when: ({ errno }) => errno === "EFAULT",
    then: { result: "KVM_RUN EFAULT" },
  },
  {
    rule: hostRule("kvm.plain.no-memory", "no page for the guest's tables", "2.5", "U", HANDLER),
    when: () => true,
    then: { result: "KVM_RUN ENOMEM" },
  },
];

/** A change of memory slots, and what the machine answered. */
export interface SlotAnswer {
  readonly change: MemslotChange;
  readonly isGmem: boolean;
  readonly errno: string | null;
}

const SET = "virt/kvm/kvm_main.c:kvm_set_memory_region";

/** The errno is the machine's; a row says where it comes from. */
export const SLOT_ANSWERS: readonly Row<SlotAnswer, "done" | "refused">[] = [
  {
    rule: hostRule(
      "kvm.plain.slot-bound",
      "a range of a guest_memfd belongs to one slot: EEXIST",
      "4.2",
      "M",
      "virt/kvm/guest_memfd.c:kvm_gmem_bind",
    ),
    when: ({ change, isGmem, errno }) => change === "bind-again" && isGmem && errno === "EEXIST",
    then: "refused",
  },
  {
    rule: observedRule(
      "kvm.plain.slot-read-only",
      "an existing slot cannot be made read-only or writable: EINVAL",
      "2",
      SET,
    ),
    when: ({ change, isGmem, errno }) => change === "read-only" && !isGmem && errno !== null,
    then: "refused",
  },
  {
    rule: hostRule(
      "kvm.plain.slot-gmem-fixed",
      "a slot on a guest_memfd can be deleted; it is neither moved nor changed",
      "4.2",
      "U",
      SET,
    ),
    when: ({ isGmem, errno }) => isGmem && errno !== null,
    then: "refused",
  },
  {
    rule: hostRule("kvm.plain.slot-refused", "the slot cannot be set so", "2.3", "U", SET),
    when: ({ errno }) => errno !== null,
    then: "refused",
  },
  {
    rule: hostRule("kvm.plain.slot-aliases", "slots on memory of the VMM may alias freely", "7.14", "M", SET),
    when: ({ change }) => change === "bind-again",
    then: "done",
  },
  {
    rule: hostRule("kvm.plain.slot-set", "the slot is set, also while the VM runs", "2.3", "M", SET),
    when: () => true,
    then: "done",
  },
];
