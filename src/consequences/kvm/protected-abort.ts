// A protected VM's fault on memory of its VMM: one page is pinned for good and donated (kvm/mmu.c:pkvm_mem_abort,
// kvm/pkvm.c:pkvm_pgtable_stage2_map; reference host-and-vmm 2.5).

import type { EvidenceLog } from "../evidence-log.js";
import type { HostPage } from "../host-memory.js";
import type { LinuxHost, Pinned } from "../linux-host.js";
import { decide, hostRule, observedRule, type Row } from "../rule-table.js";
import { ANDROID_RULES, type El2Features } from "./el2-features.js";
import type { GuestFault } from "./hyp-vm.js";
import type { KvmVm } from "./vm.js";

const ABORT = "arch/arm64/kvm/mmu.c:pkvm_mem_abort";
const MAP = "arch/arm64/kvm/pkvm.c:pkvm_pgtable_stage2_map";

/** Null: the guest goes on (perhaps to fault again). Else KVM_RUN fails with this errno, exit_reason 0. */
export type MapResult = "EFAULT" | "EPERM" | "ENOMEM" | "EIO" | "EINVAL" | "EINTR" | null;

/** What pin_user_pages answered, or the page it found. */
interface PinCase {
  readonly errno: string | null;
  readonly swapBacked: boolean;
}

/**
 * A failed pin decides; `go on` with the page otherwise. For a bad page the handler resumes the guest; what ends the run is
 * the signal, which is pending.
 */
export const PIN_ROWS: readonly Row<PinCase, MapResult | "go on">[] = [
  {
    rule: observedRule("kvm.pin.memlock", "RLIMIT_MEMLOCK, or the memory, does not allow another pin", "4", ABORT),
    when: ({ errno }) => errno === "ENOMEM",
    then: "ENOMEM",
  },
  {
    rule: hostRule(
      "kvm.pin.hwpoison",
      "the page is bad: SIGBUS/BUS_MCEERR_AR to the VMM's thread, for which the run is interrupted",
      "2.5",
      "S",
      ABORT,
    ),
    when: ({ errno }) => errno === "EHWPOISON",
    then: "EINTR",
  },
  {
    rule: hostRule(
      "kvm.pin.refused",
      "the VMM's page cannot be pinned (not mapped, not writable, or of a file that forbids it)",
      "2.5",
      "M",
      ABORT,
    ),
    when: ({ errno }) => errno !== null,
    then: "EFAULT",
  },
  {
    rule: hostRule("kvm.pin.not-swap-backed", "the page is neither anonymous nor shmem", "2.5", "M", ABORT),
    when: ({ swapBacked }) => !swapBacked,
    then: "EIO",
  },
  {
    rule: hostRule("kvm.pin.pinned", "the VMM's page is pinned for the life of the VM and charged", "2.5", "M", ABORT),
    when: () => true,
    then: "go on",
  },
];

/** What EL2 answered where KVM has a record of the guest's page already. */
const POISON_ROWS: readonly Row<number, MapResult>[] = [
  {
    rule: hostRule(
      "kvm.map.raced",
      "the page was mapped meanwhile (EL2: not poisoned): -EAGAIN inside, the guest is resumed",
      "2.5",
      "M",
      MAP,
    ),
    when: (answer) => answer === 0,
    then: null,
  },
  {
    rule: hostRule(
      "kvm.map.poisoned",
      "KVM has a record of the page and EL2 says that it was seized: no way back, EFAULT on every run",
      "2.5",
      "M",
      MAP,
    ),
    when: () => true,
    then: "EFAULT",
  },
];

/** A donation's errno, and what is the matter with the page: a guest has it, or a device may use it. */
interface DonateCase {
  readonly errno: string | null;
  readonly isGuests: boolean;
  readonly isDmaMapped: boolean;
}

/** What the donation's errno means for KVM_RUN. */
const DONATE_ROWS: readonly Row<DonateCase, MapResult>[] = [
  {
    rule: hostRule("kvm.donate.done", "the page is the guest's, with what the VMM put into it", "2.5", "M", MAP),
    when: ({ errno }) => errno === null,
    then: null,
  },
  {
    rule: hostRule(
      "kvm.donate.guests",
      "the page is another guest's, shared with one, or this guest's at another address: EPERM until that ends",
      "2.5",
      "M",
      MAP,
    ),
    when: ({ errno, isGuests }) => errno === "EPERM" && isGuests,
    then: "EPERM",
  },
  {
    rule: hostRule("kvm.donate.not-owned", "the page is the hypervisor's, or shared over FF-A", "2.5", "S", MAP),
    when: ({ errno }) => errno === "EPERM",
    then: "EPERM",
  },
  {
    rule: hostRule("kvm.donate.memcache", "no page for the guest's tables", "2.5", "S", MAP),
    when: ({ errno }) => errno === "ENOMEM",
    then: "ENOMEM",
  },
  { rule: ANDROID_RULES.dmaMapped, when: ({ isDmaMapped }) => isDmaMapped, then: "EINVAL" },
  {
    rule: hostRule("kvm.donate.refused", "EL2 refuses the arguments", "2.5", "S", MAP),
    when: () => true,
    then: "EINVAL",
  },
];

export class ProtectedAbort {
  readonly #host: LinuxHost;
  readonly #log: EvidenceLog;
  readonly #features: El2Features;

  constructor(host: LinuxHost, features: El2Features) {
    this.#host = host;
    this.#log = host.log;
    this.#features = features;
  }

  /** pkvm_mem_abort, in its order; the faulting vCPU is loaded. `page`: null where the VMM has nothing mapped. */
  handle(vm: KvmVm, vcpu: number, ipa: bigint, page: HostPage | null, fault: GuestFault): MapResult {
    vm.hyp.topUpMemcache(vcpu);
    const pinned = this.#pin(vm, page);
    const found = pinned.errno === null ? pinned : { errno: pinned.errno, swapBacked: false };
    const verdict = decide(PIN_ROWS, found, this.#log);
    if (pinned.errno === "EHWPOISON" && page !== null) reportBadPage(this.#host, page);
    if (pinned.errno !== null) return verdict === "go on" ? null : verdict;

    const result = verdict === "go on" ? this.map(vm, ipa, pinned.frame.pa, fault) : verdict;
    if (result !== "mapped") {
      // Every failure, and every retry, gives back the pin and the charge of this attempt.
      this.#host.unpin(vm.vmm, pinned.frame);
      return result;
    }
    vm.mappings.set(ipa, { ipa, frame: pinned.frame });
    return null;
  }

  /** The charge comes first, whatever is mapped there. */
  #pin(vm: KvmVm, page: HostPage | null): Pinned {
    return page === null ? { errno: this.#host.lockLimit(vm.vmm) ?? "EFAULT" } : this.#host.pin(page);
  }

  /** pkvm_pgtable_stage2_map: `mapped` means that the caller has a new mapping to record. */
  map(vm: KvmVm, ipa: bigint, pa: bigint, fault: GuestFault): MapResult | "mapped" {
    if (vm.mappings.has(ipa)) return this.#mappedAlready(vm, fault);
    const isGuests = vm.hyp.isGuestPage(pa);
    const { errno, reason } = vm.hyp.donate(pa, ipa);
    return decide(DONATE_ROWS, { errno, isGuests, isDmaMapped: reason === "dma_use" }, this.#log) ?? "mapped";
  }

  /** KVM has a record of the page, and yet the guest faults on it. */
  #mappedAlready(vm: KvmVm, fault: GuestFault): MapResult {
    if (this.#features.forceReclaim) return decide(POISON_ROWS, vm.hyp.inPoisonFault(fault), this.#log);
    this.#log.rule(ANDROID_RULES.raced);
    return null;
  }
}

/** kvm_send_hwpoison_signal: to the thread that runs the vCPU. */
export function reportBadPage(host: LinuxHost, page: HostPage): void {
  if (page.process === null) return;
  host.forceSignal(page.process, { name: "SIGBUS", code: "BUS_MCEERR_AR", address: page.va });
}
