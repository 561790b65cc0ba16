// The fault of a normal VM under pKVM: the host keeps its page and shares it with the guest (kvm/mmu.c:user_mem_abort,
// kvm/pkvm.c:pkvm_pgtable_stage2_map; reference host-and-vmm 2.5, pkvm-el2 3.6, 5.8; observed 6).

import type { EvidenceLog } from "../evidence-log.js";
import type { Frame, HostPage } from "../host-memory.js";
import type { LinuxHost, Pinned } from "../linux-host.js";
import { decide, hostRule, observedRule, type Row } from "../rule-table.js";
import { reportBadPage, type MapResult } from "./protected-abort.js";
import type { KvmVm } from "./vm.js";

const ABORT = "arch/arm64/kvm/mmu.c:user_mem_abort";
const MAP = "arch/arm64/kvm/pkvm.c:pkvm_pgtable_stage2_map";

/** enum kvm_pgtable_prot: both execute rights, W, R (reference pkvm-el2 2.3). */
const PROT_X = 3n;
const PROT_W = 4n;
const PROT_R = 8n;

/** What hva_to_pfn found. */
const FIND_ROWS: readonly Row<string | null, MapResult | "go on">[] = [
  {
    rule: hostRule("kvm.find.hwpoison", "the page is bad: SIGBUS interrupts the VMM's thread", "2.5", "S", ABORT),
    when: (errno) => errno === "EHWPOISON",
    then: "EINTR",
  },
  {
    rule: hostRule(
      "kvm.find.refused",
      "behind the slot the VMM has nothing that could be mapped so",
      "2.5",
      "M",
      ABORT,
    ),
    when: (errno) => errno !== null,
    then: "EFAULT",
  },
  {
    rule: observedRule("kvm.find.found", "the VMM's page is looked up; it is neither pinned nor charged", "6", ABORT),
    when: () => true,
    then: "go on",
  },
];

const SHARE_ROWS: readonly Row<string | null, MapResult>[] = [
  {
    rule: observedRule("kvm.share.done", "host and guest have the page", "6", MAP),
    when: (errno) => errno === null,
    then: null,
  },
  {
    rule: hostRule("kvm.share.not-owned", "the page is private to a protected VM, or not the host's", "2.5", "M", MAP),
    when: (errno) => errno === "EPERM",
    then: "EPERM",
  },
  {
    rule: hostRule("kvm.share.memcache", "no page for the guest's tables", "2.5", "S", MAP),
    when: (errno) => errno === "ENOMEM",
    then: "ENOMEM",
  },
  {
    rule: hostRule("kvm.share.refused", "EL2 refuses the arguments", "2.5", "S", MAP),
    when: () => true,
    then: "EINVAL",
  },
];

const RELAX = observedRule(
  "kvm.share.relaxed",
  "the same page gets the missing right in the guest's table",
  "6",
  ABORT,
);
const RACED = hostRule("kvm.share.raced", "the page was mapped meanwhile: the guest is resumed", "2.5", "S", MAP);
const FOLLOWS = hostRule(
  "kvm.notifier.follows",
  "a normal VM follows its VMM's address space: the guest loses the page and finds the new one at its next touch",
  "2.6",
  "M",
  "arch/arm64/kvm/mmu.c:kvm_unmap_gfn_range",
);

/** A fault of a normal VM. */
export interface SharedFault {
  readonly vcpu: number;
  /** Guest physical address in bytes, page aligned. */
  readonly ipa: bigint;
  /** Null where the VMM has nothing mapped. */
  readonly page: HostPage | null;
  readonly kind: "load" | "store" | "fetch";
  /** The guest has the page, with fewer rights. */
  readonly onPermission: boolean;
}

export class SharedAbort {
  readonly #host: LinuxHost;
  readonly #log: EvidenceLog;

  constructor(host: LinuxHost) {
    this.#host = host;
    this.#log = host.log;
  }

  /** user_mem_abort; the faulting vCPU is loaded. */
  handle(vm: KvmVm, { vcpu, ipa, page, kind, onPermission }: SharedFault): MapResult {
    vm.hyp.topUpMemcache(vcpu);
    const found: Pinned = page === null ? { errno: "EFAULT" } : this.#host.faultIn(page, kind === "store");
    const verdict = decide(FIND_ROWS, found.errno, this.#log);
    if (found.errno === "EHWPOISON" && page !== null) reportBadPage(this.#host, page);
    if (found.errno !== null || page === null) return verdict === "go on" ? null : verdict;
    const prot = rightsOf(page, kind);
    const isMapped = vm.mappings.has(ipa);
    if (isMapped && !onPermission) {
      this.#log.rule(RACED);
      return null;
    }
    // A break of copy on write has told the notifier, and so removed the mapping, before this point.
    if (isMapped) {
      this.#log.rule(RELAX);
      vm.hyp.relaxPermissions(ipa, prot);
      return null;
    }
    return this.#share(vm, ipa, found.frame, prot);
  }

  #share(vm: KvmVm, ipa: bigint, frame: Frame, prot: bigint): MapResult {
    const { errno } = vm.hyp.share(frame.pa, ipa, prot);
    if (errno === null) vm.mappings.set(ipa, { ipa, frame });
    return decide(SHARE_ROWS, errno, this.#log);
  }

  /** kvm_unmap_gfn_range: the VMM's page is about to change or go. */
  invalidate(vm: KvmVm, ipas: readonly bigint[]): void {
    for (const ipa of ipas) {
      if (!vm.mappings.has(ipa)) continue;
      this.#log.rule(FOLLOWS);
      vm.hyp.unshare(ipa);
      vm.mappings.delete(ipa);
    }
  }
}

/** R for a first read of an empty page, RW once it is written, X for code. */
function rightsOf(page: HostPage, kind: "load" | "store" | "fetch"): bigint {
  const isWritable = page.protection === "rw" && !page.writeProtected;
  return PROT_R | (isWritable ? PROT_W : 0n) | (kind === "fetch" ? PROT_X : 0n);
}
