// Worlds whose host is HLOS on Gunyah: where its memory and that of its VMs is, by the tables of their address spaces. How
// memory gets from one to the other is each system's own.

import { VMID_HLOS } from "../../../../assembly/abi/gunyah.js";
import { TaskEnded } from "../../../consequences/cpu.js";
import { stage2Of, type Gunyah } from "../../../consequences/gunyah/hypervisor.js";
import type { Process } from "../../../consequences/processes.js";
import type { StepResult } from "../../../consequences/result.js";
import type { Region } from "../../../machine/config.js";
import { panicSentence } from "../../../machine/reasons.js";
import type { Action, PageRef } from "../../scenario.js";
import type { PageView } from "../../system.js";
import type { MachineHold } from "../linux/booted-machine.js";
import { LinuxWorld, noSuchVerb, type LinuxWorldParts, type TransferAction } from "../linux/linux-world.js";
import type { PageAllocator } from "../linux/page-allocator.js";
import type { PlacedPage } from "../linux/placed-page.js";
import { RawOperations } from "../linux/raw-operations.js";
import { frameBehind, viewOf, walked } from "../linux/stage2-views.js";

export interface HlosWorldParts extends LinuxWorldParts {
  readonly hold: MachineHold;
  readonly hypervisor: Gunyah;
  readonly allocator: PageAllocator;
  /** The hypervisor's own memory. Its tables fill it from the bottom. */
  readonly carveout: Pick<Region, "base" | "size">;
}

/** What every system knows of a VM. */
export interface HlosVm {
  readonly vmid: number;
  /** The process that started it and ends with it. */
  readonly vmm: Process;
  readonly alive: boolean;
}

/** What changes whose memory is. */
export type MoveAction = Exclude<TransferAction, { readonly verb: "operation" | "walk" }>;

export abstract class HlosWorld<G extends HlosVm> extends LinuxWorld<G> {
  protected readonly hypervisor: Gunyah;
  protected readonly raw: RawOperations;
  readonly #hold: MachineHold;
  readonly #allocator: PageAllocator;
  /** End of what is left of the hypervisor's memory. */
  #hypervisorEnd: bigint;

  constructor(parts: HlosWorldParts) {
    super(parts);
    this.hypervisor = parts.hypervisor;
    this.#hold = parts.hold;
    this.#allocator = parts.allocator;
    this.#hypervisorEnd = parts.carveout.base + parts.carveout.size;
    this.raw = new RawOperations(parts.hypervisor, {
      handleOf: (name) => this.guestNamed(name)?.vmid ?? null,
      hasPage: (page) => this.hasPage(page),
      frameOf: (page) => this.frameOf(this.page(page)),
      ipaOf: (page) => this.page(page).guest?.ipa ?? null,
    });
  }

  /** Where a guest has a page, in bytes; null: nowhere. */
  protected abstract addressIn(guest: G, page: PlacedPage): bigint | null;
  protected abstract move(action: MoveAction): StepResult;

  override perform(action: Action): StepResult {
    this.resume();
    return super.perform(action);
  }

  /** Puts the machine into this world's state, if another one has used it. */
  protected resume(): void {
    this.#hold.resume();
  }

  /** The guest of that name; null for any other participant. */
  protected guestNamed(name: string): G | null {
    return this.isGuest(name) ? this.guest(name) : null;
  }

  protected get pageSize(): bigint {
    return BigInt(this.hypervisor.machine.pageSize);
  }

  protected ownPage(of: "kernel" | "hypervisor", content: bigint): bigint {
    const pa = of === "kernel" ? this.#allocator.take(1) : this.#takeFromHypervisor();
    this.hypervisor.machine.writePage(pa, new Uint8Array(new BigUint64Array([content]).buffer));
    return pa;
  }

  #takeFromHypervisor(): bigint {
    this.#hypervisorEnd -= this.pageSize;
    return this.#hypervisorEnd;
  }

  protected isAlive(guest: G): boolean {
    const { deaths } = this.host;
    return guest.alive && guest.vmm.alive && !deaths.includes("kernel") && !deaths.includes("hypervisor");
  }

  /** What stops the hypervisor stops the machine. */
  protected transfer(action: TransferAction): StepResult {
    const result = this.#transfer(action);
    const { panicked } = this.hypervisor.machine;
    if (panicked !== null) throw new TaskEnded({ kind: "stopped", why: panicSentence(panicked) });
    return result;
  }

  #transfer(action: TransferAction): StepResult {
    switch (action.verb) {
      case "operation":
        return this.raw.run(action);
      case "walk":
        return this.#walk(action);
      default:
        return this.move(action);
    }
  }

  #walk({ of, ipa, page }: Extract<Action, { readonly verb: "walk" }>): StepResult {
    const guest = this.guestNamed(of);
    const vmid = guest?.vmid ?? (of.startsWith("$") ? Number(this.raw.saved(of) ?? VMID_HLOS) : VMID_HLOS);
    const placed = page === null ? null : this.page(page);
    const asked = typeof ipa === "string" ? this.raw.saved(ipa) : ipa;
    const known = placed === null ? null : guest === null ? this.frameOf(placed) : this.addressIn(guest, placed);
    const address = asked ?? known;
    if (address === null) return noSuchVerb("the page has no address there");
    return walked(this.hypervisor.machine, stage2Of(vmid), address);
  }

  protected guestFrame({ guest: at }: PlacedPage): bigint | null {
    if (at === null) return null;
    const guest = this.guest(at.name);
    return guest.alive ? this.#mapped(guest.vmid, at.ipa) : null;
  }

  /** Physical address in bytes that the tables of a VM give; null where nothing is mapped. */
  #mapped(vmid: number, ipa: bigint): bigint | null {
    const { machine } = this.hypervisor;
    const leaf = machine.leaf(stage2Of(vmid), ipa);
    const frame = leaf === null ? null : frameBehind(leaf.descriptor, machine.pageShift);
    return leaf === null || frame === null ? null : frame + (ipa - leaf.ipa);
  }

  guestView(ref: PageRef): PageView | null {
    this.resume();
    const page = this.page(ref);
    return page.guest === null ? null : viewOf(this.hypervisor, this.guestFrame(page));
  }

  hostView(ref: PageRef): PageView | null {
    this.resume();
    const { host } = this.page(ref);
    if (host === null || host.process === null) return null;
    return viewOf(this.hypervisor, host.frame === null ? null : this.#mapped(VMID_HLOS, host.frame.pa));
  }

  /** Two VMs reach the same memory only where its owner has shared it. */
  isShared(ref: PageRef): boolean {
    this.resume();
    const frame = this.guestFrame(this.page(ref));
    return frame !== null && this.#mapped(VMID_HLOS, frame) !== null;
  }

  release(): void {
    this.#hold.release();
  }
}
