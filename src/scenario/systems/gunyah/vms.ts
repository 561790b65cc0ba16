// The VMs that HLOS starts and ends at the resource manager (reference gunyah 6.10), as the host's kernel knows them.

import { VMID_HLOS } from "../../../../assembly/abi/gunyah.js";
import type { Gunyah } from "../../../consequences/gunyah/hypervisor.js";
import type { HostPage } from "../../../consequences/host-memory.js";
import type { LinuxHost } from "../../../consequences/linux-host.js";
import type { Process } from "../../../consequences/processes.js";
import type { VmDriver } from "../../../consequences/vm-driver.js";
import { vmName } from "../../../machine/gunyah-names.js";
import type { GunyahVm } from "../../../machine/gunyah-vm.js";
import type { PlacedPage } from "../linux/placed-page.js";
import { GunyahGuest } from "./guest.js";
import { VM_RULES } from "./parcel-rules.js";
import type { PageParcel, Parcels } from "./parcels.js";

export interface VmRequest {
  readonly name: string;
  readonly protected: boolean;
}

export class GunyahVms implements VmDriver {
  readonly #hypervisor: Gunyah;
  readonly #host: LinuxHost;
  readonly #parcels: Parcels;
  readonly #guests: GunyahGuest[] = [];

  constructor(hypervisor: Gunyah, host: LinuxHost, parcels: Parcels) {
    this.#hypervisor = hypervisor;
    this.#host = host;
    this.#parcels = parcels;
  }

  get #hlos(): GunyahVm {
    return this.#hypervisor.vm(VMID_HLOS);
  }

  /**
   * VM_ALLOC, VM_INIT and VM_START; its memory follows (giveRam). Null: the resource manager has no VMID or memory left.
   */
  create({ name, protected: isProtected }: VmRequest, vmm: Process): GunyahGuest | null {
    const allocated = this.#hlos.allocVm();
    if (allocated.error !== 0) return null;
    const vmid = Number(allocated.value);
    this.#hlos.initVm(vmid);
    this.#hlos.startVm(vmid);
    const guest = new GunyahGuest(name, vmid, vmm, isProtected);
    this.#guests.push(guest);
    return guest;
  }

  /**
   * Gives a VM its memory, as the resource manager does when it starts one: lent by HLOS, exclusive, with all rights and
   * without a wipe, accepted in one piece where the VM's configuration has it. A VM that is not protected shares it with HLOS.
   */
  giveRam(guest: GunyahGuest, pages: readonly PlacedPage[]): void {
    const size = BigInt(this.#hypervisor.machine.pageSize);
    const given = pages.flatMap((page) => {
      const pa = this.#parcels.pin(page);
      return typeof pa === "bigint" && page.guest !== null ? [{ page, pa, ipa: page.guest.ipa }] : [];
    });
    if (given.length === 0) return;
    const member = { vmid: guest.vmid, rights: "RWX" } as const;
    const created = this.#parcels.create(VMID_HLOS, {
      transfer: guest.isProtected ? "LEND" : "SHARE",
      pages: given.map(({ page }) => page),
      regions: given.map(({ pa }) => ({ ipa: pa, size })),
      members: guest.isProtected ? [member] : [{ vmid: VMID_HLOS, rights: "RWX" }, member],
      sanitize: false,
    });
    if (created.error !== 0) return this.#parcels.unpin(pages);
    const addresses = given.map(({ ipa }) => ipa);
    for (const parcel of this.#parcels.covering(given.map(({ page }) => page)) ?? []) {
      if (this.#parcels.accept(guest.vmid, parcel, addresses, false).error !== 0) this.#takeBack(parcel);
    }
  }

  /** The VM exits and is reset; what HLOS lent it as its own memory comes back. Does nothing for one that has ended. */
  end(guest: GunyahGuest): void {
    if (!guest.alive) return;
    guest.alive = false;
    this.#host.log.rule(VM_RULES.exit);
    this.#hypervisor.vm(guest.vmid).exit();
    this.#host.log.rule(VM_RULES.reset);
    this.#hlos.resetVm(guest.vmid);
    this.#host.log.saw("kernel", `${vmName(guest.vmid)} (${guest.name}) has exited and is reset`);
    if (guest.vmm.alive) this.#host.log.saw("vmm", `${guest.vmm.name}: ${guest.name} runs no more`);
    for (const parcel of this.#parcels.ofHlos((page) => page.guest?.name === guest.name)) this.#takeBack(parcel);
    this.#hlos.deallocVm(guest.vmid);
    this.#host.noteDeath(guest.name);
  }

  #takeBack(parcel: PageParcel): void {
    if (this.#parcels.reclaim(VMID_HLOS, parcel, false).error !== 0) this.#host.log.rule(VM_RULES.lost);
  }

  /** With a process go its VMs, and what it has given to others. */
  exit(process: Process): void {
    for (const guest of this.#guests) if (guest.vmm === process) this.end(guest);
    const isOfProcess = ({ host, guest }: PlacedPage) => host?.process === process && guest === null;
    for (const parcel of this.#parcels.ofHlos(isOfProcess)) this.#takeBack(parcel);
  }

  invalidate(page: HostPage): void {
    if (this.#parcels.holds(page)) this.#host.log.rule(VM_RULES.pinned);
  }

  /** No file of the kernel's is memory of a VM here. */
  invalidateFile(): void {
    return;
  }

  /** There are no memslots: what a VM has, it has accepted. */
  memslot(): string | null {
    return null;
  }
}
