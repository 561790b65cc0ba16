// Memory slots of a VM: which change KVM takes when (reference host-and-vmm 2.3; a real host's answers: observed 2, action 17).

import { hostRule, observedRule, type Row } from "../rule-table.js";

/** What KVM_SET_USER_MEMORY_REGION asks for, and of which VM. */
export interface SlotRequest {
  readonly change: "add" | "delete" | "move" | "flags";
  readonly dirtyLogging?: boolean;
  readonly readOnly?: boolean;
  /** On a guest_memfd: one that cannot be mapped, or one that can. */
  readonly guestMemfd?: "plain" | "mmap";
  /** The slot ends beyond the VM's IPA space. */
  readonly beyondIpa?: boolean;
  readonly protected: boolean;
  /** EL2 knows the VM: it has run. */
  readonly created: boolean;
}

const PREPARE = "arch/arm64/kvm/mmu.c:kvm_arch_prepare_memory_region";
const SET = "virt/kvm/kvm_main.c:kvm_set_memory_region";

/** The errno; null: done. */
export const MEMSLOT_ROWS: readonly Row<SlotRequest, string | null>[] = [
  {
    rule: hostRule("kvm.memslot.gmem-plain", "no slot on a guest_memfd that cannot be mapped", "2.3", "M", PREPARE),
    when: ({ guestMemfd }) => guestMemfd === "plain",
    then: "EINVAL",
  },
  {
    rule: observedRule("kvm.memslot.read-only", "an existing slot cannot be made read-only or writable", "2", SET),
    when: ({ change, readOnly }) => change === "flags" && readOnly === true,
    then: "EINVAL",
  },
  {
    rule: hostRule(
      "kvm.memslot.protected-flags",
      "a protected VM has neither dirty logging nor read-only slots",
      "2.3",
      "M",
      PREPARE,
    ),
    when: ({ protected: isProtected, dirtyLogging, readOnly }) =>
      isProtected && (dirtyLogging === true || readOnly === true),
    then: "EPERM",
  },
  {
    rule: hostRule(
      "kvm.memslot.protected-fixed",
      "a protected VM that has run keeps its slots; a vCPU that faults during the refused call sees a hole (MMIO exit)",
      "2.3",
      "M",
      PREPARE,
    ),
    when: ({ protected: isProtected, created, change }) =>
      isProtected && created && (change === "delete" || change === "move"),
    then: "EPERM",
  },
  {
    rule: hostRule("kvm.memslot.beyond-ipa", "no slot beyond the VM's IPA space", "2.3", "S", PREPARE),
    when: ({ beyondIpa }) => beyondIpa === true,
    then: "EFAULT",
  },
  {
    rule: hostRule(
      "kvm.memslot.taken",
      "the slot is set; new slots are taken also while the VM runs",
      "2.3",
      "M",
      PREPARE,
    ),
    when: () => true,
    then: null,
  },
];
