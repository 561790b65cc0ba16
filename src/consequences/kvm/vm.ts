// A VM of the host's KVM: whose it is, which guest addresses its slots cover, and which pages it was given.

import type { Frame, HostPage } from "../host-memory.js";
import type { Process } from "../processes.js";
import type { HypVm } from "./hyp-vm.js";

/** A page that KVM gave to the guest (struct pkvm_mapping): kept until the VM ends, or a notifier takes it. */
export interface Mapping {
  /** Guest physical address in bytes. */
  readonly ipa: bigint;
  readonly frame: Frame;
}

/** Guest addresses that no scenario uses, for slots that are added. */
const SPARE_IPA = 1n << 38n;

export class KvmVm {
  /** The guest's name. */
  readonly name: string;
  readonly hyp: HypVm;
  /** Whose memory it runs in. */
  readonly vmm: Process;
  readonly mappings = new Map<bigint, Mapping>();
  alive = true;
  readonly #slots = new Map<bigint, bigint>();

  constructor(name: string, hyp: HypVm, vmm: Process) {
    this.name = name;
    this.hyp = hyp;
    this.vmm = vmm;
  }

  get isProtected(): boolean {
    return this.hyp.protected;
  }

  /** Covers one page of guest addresses by what the VMM has at `va`. Both in bytes. */
  setSlot(ipa: bigint, va: bigint): void {
    this.#slots.set(ipa, va);
  }

  /** A second slot, somewhere else, on what the VMM has behind `ipa`. */
  bindAgain(ipa: bigint, pageSize: number): void {
    const va = this.#slots.get(ipa);
    let spare = SPARE_IPA;
    while (this.#slots.has(spare)) spare += BigInt(pageSize);
    if (va !== undefined) this.setSlot(spare, va);
  }

  removeSlot(ipa: bigint): void {
    this.#slots.delete(ipa);
  }

  /** The VMM's address behind a page of guest addresses; null where no slot is. */
  addressBehind(ipa: bigint): bigint | null {
    return this.#slots.get(ipa) ?? null;
  }

  /** The pages of guest addresses that a page of the VMM backs. */
  guestAddressesOf(page: HostPage): readonly bigint[] {
    if (page.process !== this.vmm) return [];
    return [...this.#slots].filter(([, va]) => va === page.va).map(([ipa]) => ipa);
  }
}
