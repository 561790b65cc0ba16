// What KVM makes of a guest's stage-2 fault, before memory is looked for (kvm/mmu.c:kvm_handle_guest_abort; reference
// host-and-vmm 2.5, common part). The order of the rows is the code's.

import { hostRule, type Row } from "../rule-table.js";

/** What the handler looks at. */
export interface GuestAbort {
  readonly fault: "translation" | "permission" | "access-flag" | "external" | "other";
  readonly kind: "load" | "store" | "fetch";
  /** Bytes. */
  readonly ipa: bigint;
  /** End of the machine's IPA space; under pKVM every VM has all of it. */
  readonly ipaEnd: bigint;
  /** A slot covers the address. */
  readonly hasSlot: boolean;
  readonly isSlotReadOnly: boolean;
  /** The guest's own stage-1 walk touched the address. */
  readonly onStage1Walk: boolean;
  /** ESR_EL2.ISV: the syndrome says which register, how many bytes. */
  readonly hasSyndrome: boolean;
  readonly isCacheMaintenance: boolean;
  readonly isProtected: boolean;
}

/**
 * `map`: memory is to be given to the guest; `resume`: nothing to do; `skip`: the instruction is stepped over; `inject`: the
 * guest takes an exception and goes on; `exit`: KVM_RUN returns 0 with this exit reason; `error`: KVM_RUN fails.
 */
export type AbortVerdict =
  | { readonly kind: "map" | "resume" | "skip" }
  | { readonly kind: "inject"; readonly exception: "SEA" | "address size fault" }
  | { readonly kind: "exit"; readonly reason: "MMIO" }
  | { readonly kind: "error"; readonly errno: string };

const HANDLER = "arch/arm64/kvm/mmu.c:kvm_handle_guest_abort";
const MMIO = "arch/arm64/kvm/mmio.c:io_mem_abort";

const INJECT_SEA = { kind: "inject", exception: "SEA" } as const;

const hasNoMemory = ({ hasSlot, isSlotReadOnly, kind }: GuestAbort) => !hasSlot || (isSlotReadOnly && kind === "store");

export const GUEST_ABORT_ROWS: readonly Row<GuestAbort, AbortVerdict>[] = [
  {
    rule: hostRule("kvm.abort.external", "an external abort is handed on to the guest", "2.5", "S", HANDLER),
    when: ({ fault }) => fault === "external",
    then: INJECT_SEA,
  },
  {
    rule: hostRule(
      "kvm.abort.beyond-machine",
      "the address is beyond what the machine can translate: address-size fault in the guest",
      "10.2",
      "U",
      HANDLER,
    ),
    when: ({ fault, ipa, ipaEnd }) => fault === "translation" && ipa >= ipaEnd,
    then: { kind: "inject", exception: "address size fault" },
  },
  {
    rule: hostRule("kvm.abort.unsupported", "a fault of a kind that KVM does not handle", "2.5", "S", HANDLER),
    when: ({ fault }) => fault === "other",
    then: { kind: "error", errno: "EFAULT" },
  },
  {
    rule: hostRule("kvm.abort.fetch-no-slot", "a fetch where no slot is: external abort, no exit", "2.5", "M", HANDLER),
    when: (abort) => hasNoMemory(abort) && abort.kind === "fetch",
    then: INJECT_SEA,
  },
  {
    rule: hostRule("kvm.abort.walk-no-slot", "a stage-1 table where no slot is: external abort", "2.5", "S", HANDLER),
    when: (abort) => hasNoMemory(abort) && abort.onStage1Walk,
    then: INJECT_SEA,
  },
  {
    rule: hostRule("kvm.abort.cache-no-slot", "cache maintenance where no slot is: skipped", "2.5", "S", HANDLER),
    when: (abort) => hasNoMemory(abort) && abort.isCacheMaintenance,
    then: { kind: "skip" },
  },
  {
    rule: hostRule(
      "kvm.abort.protected-no-syndrome",
      "a protected VM's access without valid syndrome, where no slot is: external abort",
      "2.5",
      "M",
      MMIO,
    ),
    when: (abort) => hasNoMemory(abort) && !abort.hasSyndrome && abort.isProtected,
    then: INJECT_SEA,
  },
  {
    rule: hostRule("kvm.abort.no-syndrome", "an access without valid syndrome cannot be emulated", "2.5", "S", MMIO),
    when: (abort) => hasNoMemory(abort) && !abort.hasSyndrome,
    then: { kind: "error", errno: "ENOSYS" },
  },
  {
    rule: hostRule("kvm.abort.mmio", "no slot covers the address: the VMM shall emulate a device", "2.5", "M", MMIO),
    when: hasNoMemory,
    then: { kind: "exit", reason: "MMIO" },
  },
  {
    rule: hostRule("kvm.abort.access-flag", "the page is marked young again", "2.5", "S", HANDLER),
    when: ({ fault }) => fault === "access-flag",
    then: { kind: "resume" },
  },
  {
    rule: hostRule("kvm.abort.memory", "a slot covers the address: the VMM's page is looked for", "2.5", "M", HANDLER),
    when: () => true,
    then: { kind: "map" },
  },
];
