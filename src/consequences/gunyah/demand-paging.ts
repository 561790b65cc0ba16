// Pages on demand: what a guest touches is found, donated from HLOS's extent to the guest's and mapped; and the way back
// (reference gunyah 7; host-and-vmm 6.5). Newer firmware has donations of its own for lent pages (TO_PROTECTED 3,
// FROM_PROTECTED 4) and flags for their mappings (PRIVATE, VMMIO); the donation between siblings of the published
// hypervisor stands for them.

import { ACCESS_R, ACCESS_W, ACCESS_X } from "../../../assembly/abi/gunyah.js";
import type { EvidenceLog } from "../evidence-log.js";
import type { Frame } from "../host-memory.js";
import type { LinuxHost } from "../linux-host.js";
import { decide, gunyahRule, hostRule, type Row } from "../rule-table.js";
import type { Binding } from "./bindings.js";
import { remapped } from "./error-remap.js";
import type { GuestMemory } from "./guest-memory.js";
import { extentOf, type LinuxVm, type Provided } from "./linux-vm.js";
import { mapAttributes } from "./vm-objects.js";

const DEMAND = "drivers/virt/gunyah: demand paging";

/** What the fault handler finds at an address. */
interface FindCase {
  readonly isBound: boolean;
  readonly isWrite: boolean;
  readonly mayWrite: boolean;
}

export const FIND_ROWS: readonly Row<FindCase, string | null>[] = [
  {
    rule: hostRule("gunyah-linux.demand.no-binding", "nothing is bound at the address: ENOENT", "6.5", "S", DEMAND),
    when: ({ isBound }) => !isBound,
    then: "ENOENT",
  },
  {
    rule: hostRule(
      "gunyah-linux.demand.read-only",
      "a write, and the binding does not allow writes: EPERM",
      "6.5",
      "S",
      DEMAND,
    ),
    when: ({ isWrite, mayWrite }) => isWrite && !mayWrite,
    then: "EPERM",
  },
  {
    rule: hostRule("gunyah-linux.demand.bound", "the address is bound: its page is looked for", "7.7", "S", DEMAND),
    when: () => true,
    then: null,
  },
];

const PROVIDE = {
  taken: gunyahRule(
    "gunyah-linux.provide.again",
    "step 1: the address is in the VM's tree already, somebody else has done it: EAGAIN",
    "7",
    "S",
    DEMAND,
  ),
  lend: gunyahRule(
    "gunyah-linux.provide.lend",
    "steps 2 and 3: the page is donated to the guest's private extent (TO_PROTECTED) and mapped (PRIVATE): HLOS loses it",
    "7",
    "S",
    DEMAND,
  ),
  share: gunyahRule(
    "gunyah-linux.provide.share",
    "steps 2 and 3: the page is donated to the guest's shared extent (SIBLING) and mapped (VMMIO): HLOS keeps its mapping",
    "7",
    "S",
    DEMAND,
  ),
  notDonated: gunyahRule(
    "gunyah-linux.provide.not-donated",
    "step 4: the donation failed, the tree entry is removed",
    "7",
    "S",
    DEMAND,
  ),
  notMapped: gunyahRule(
    "gunyah-linux.provide.not-mapped",
    "step 4: the mapping failed, the donation is reversed and the tree entry removed",
    "7",
    "S",
    DEMAND,
  ),
} as const;

/** Whether a page may be taken back. */
interface ReclaimCase {
  readonly isGiven: boolean;
  readonly lent: boolean;
  readonly released: boolean;
  readonly stopped: boolean;
}

export const RECLAIM_ROWS: readonly Row<ReclaimCase, string | null>[] = [
  {
    rule: gunyahRule("gunyah-linux.reclaim.not-given", "the guest has no page there: ENOENT", "7", "S", DEMAND),
    when: ({ isGiven }) => !isGiven,
    then: "ENOENT",
  },
  {
    rule: hostRule(
      "gunyah-linux.reclaim.held",
      "a lent page is not seized: while the guest holds it the answer is MEM_INUSE (EBUSY is what devices report)",
      "7.6",
      "S",
      DEMAND,
    ),
    when: ({ lent, released, stopped }) => lent && !released && !stopped,
    then: "EBUSY",
  },
  {
    rule: gunyahRule(
      "gunyah-linux.reclaim.done",
      "the page is unmapped from the guest and donated back (FROM_PROTECTED or SIBLING), then let go",
      "7",
      "S",
      DEMAND,
    ),
    when: () => true,
    then: null,
  },
];

/** A page whose way back failed is kept out of the kernel's hands on purpose. */
export const LOST = hostRule(
  "gunyah-linux.reclaim.lost",
  "the page does not come back: WARN, and it is never freed",
  "6.6",
  "S",
  "drivers/virt/gunyah: reclaim",
);

/** How a page is to be given. */
export type Terms = Pick<Binding, "lends" | "write">;

/** RX or RWX for lent pages, R or RW for shared ones: those the guest cannot execute. */
function accessOf({ lends, write }: Terms): number {
  return ACCESS_R | (write ? ACCESS_W : 0) | (lends ? ACCESS_X : 0);
}

export class DemandPaging {
  readonly #host: LinuxHost;
  readonly #log: EvidenceLog;
  readonly #memory: GuestMemory;
  /** Addresses of frames that were lent to VMs that have ended. */
  readonly #returned = new Set<bigint>();

  constructor(host: LinuxHost, memory: GuestMemory) {
    this.#host = host;
    this.#log = host.log;
    this.#memory = memory;
  }

  /** Gives the guest the page behind a bound address. An errno; null: it has it. */
  demand(vm: LinuxVm, ipa: bigint, isWrite: boolean): string | null {
    const bound = vm.bindings.at(ipa);
    const mayWrite = bound?.binding.write ?? false;
    const errno = decide(FIND_ROWS, { isBound: bound !== null, isWrite, mayWrite }, this.#log);
    if (errno !== null || bound === null) return errno;
    const taken = this.#memory.take(vm, bound);
    return taken.errno === null ? this.#provideHeld(vm, ipa, taken.frame, bound.binding) : taken.errno;
  }

  /** Gives the guest this page, whosever it is. */
  give(vm: LinuxVm, ipa: bigint, frame: Frame, terms: Terms): string | null {
    this.#memory.hold(vm, frame);
    return this.#provideHeld(vm, ipa, frame, terms);
  }

  #provideHeld(vm: LinuxVm, ipa: bigint, frame: Frame, terms: Terms): string | null {
    const errno = this.#provide(vm, ipa, frame, terms);
    if (errno === null) this.#memory.given(frame, terms);
    else this.#memory.putBack(vm, frame);
    return errno;
  }

  /** Steps 1 to 4. */
  #provide(vm: LinuxVm, ipa: bigint, frame: Frame, terms: Terms): string | null {
    if (vm.provided.has(ipa)) {
      this.#log.rule(PROVIDE.taken);
      return "EAGAIN";
    }
    const page: Provided = { ipa, frame, lent: terms.lends, released: false };
    vm.provided.set(ipa, page);
    this.#log.rule(page.lent ? PROVIDE.lend : PROVIDE.share);
    const errno = this.#donateAndMap(vm, page, terms);
    if (errno !== null) vm.provided.delete(ipa);
    return errno;
  }

  #donateAndMap({ objects }: LinuxVm, { ipa, frame, lent }: Provided, terms: Terms): string | null {
    const extent = extentOf(lent);
    const donated = remapped(objects.donate(frame.pa, extent), this.#log);
    if (donated !== null) {
      this.#log.rule(PROVIDE.notDonated);
      return donated;
    }
    const mapped = remapped(objects.map(frame.pa, ipa, extent, mapAttributes(accessOf(terms))), this.#log);
    if (mapped === null) return null;
    this.#log.rule(PROVIDE.notMapped);
    if (objects.donateBack(frame.pa, extent).errno !== null) this.#lose(frame);
    return mapped;
  }

  /** Takes a page back. An errno; null: it is the host's again. */
  reclaim(vm: LinuxVm, ipa: bigint): string | null {
    const page = vm.provided.get(ipa);
    const { lent = false, released = false } = page ?? {};
    const given = { isGiven: page !== undefined, lent, released, stopped: !vm.alive };
    const refused = decide(RECLAIM_ROWS, given, this.#log);
    if (refused !== null || page === undefined) return refused;
    const errno = this.#unmapAndDonateBack(vm, page);
    if (errno !== null) return errno;
    vm.provided.delete(ipa);
    this.#memory.putBack(vm, page.frame);
    return null;
  }

  #unmapAndDonateBack({ objects }: LinuxVm, { ipa, frame, lent }: Provided): string | null {
    const extent = extentOf(lent);
    return (
      remapped(objects.unmap(frame.pa, ipa, extent), this.#log) ??
      remapped(objects.donateBack(frame.pa, extent), this.#log)
    );
  }

  /** Takes everything back that comes back, when the VM has ended. */
  reclaimAll(vm: LinuxVm): void {
    for (const { ipa, frame, lent } of vm.pages) {
      if (this.reclaim(vm, ipa) !== null) this.#lose(frame);
      else if (lent) this.#returned.add(frame.pa);
    }
  }

  /** Whether a frame came back from a VM that has ended, to which it had been lent. */
  wasLent(pa: bigint): boolean {
    return this.#returned.has(pa);
  }

  #lose(frame: Frame): void {
    this.#log.rule(LOST);
    this.#log.saw("kernel", "WARN: a page cannot be reclaimed");
    this.#host.hold(frame);
  }
}
