// HLOS and its VMs under Gunyah: the common verbs as messages to the resource manager (reference gunyah 6, 8.1). Kernel,
// VMMs and processes are all HLOS to it.

import { VMID_HLOS } from "../../../../assembly/abi/gunyah.js";
import { TaskEnded } from "../../../consequences/cpu.js";
import { MachineLimit } from "../../../consequences/machine-limit.js";
import type { Process } from "../../../consequences/processes.js";
import { stepResult, type StepResult } from "../../../consequences/result.js";
import type { SglEntry } from "../../../machine/gunyah-messages.js";
import type { RmAnswer } from "../../../machine/gunyah-vm.js";
import { hex } from "../../../machine/names.js";
import type { Action, PageRef, Participant, Rights, Verb } from "../../scenario.js";
import { noSuchVerb } from "../linux/linux-world.js";
import type { PlacedPage } from "../linux/placed-page.js";
import type { GunyahGuest } from "./guest.js";
import { HlosWorld, type HlosWorldParts, type MoveAction } from "./hlos-world.js";
import { PARCEL_RULES } from "./parcel-rules.js";
import type { PageParcel, Parcels, Transfer } from "./parcels.js";
import type { GunyahVms } from "./vms.js";

type ActionOf<V extends Verb> = Extract<Action, { readonly verb: V }>;

export interface GunyahWorldParts extends HlosWorldParts {
  readonly parcels: Parcels;
  readonly vms: GunyahVms;
}

/** What a donation, lend or share asks for. */
interface Giving {
  readonly pages: readonly PageRef[];
  readonly from: string;
  readonly to: readonly string[];
  readonly rights: Rights;
  readonly sanitize: boolean;
}

/** A page that a guest has from the start. */
interface Ram {
  readonly guest: GunyahGuest;
  readonly page: PlacedPage;
}

/** Guests with so little memory get a parcel for each page: then pages can go back one by one. An owner has 64 at most. */
const FEW_PAGES = 32;

export class GunyahWorld extends HlosWorld<GunyahGuest> {
  readonly #parcels: Parcels;
  readonly #vms: GunyahVms;
  /** Memory that guests shall have when the first step begins. */
  readonly #ram: Ram[] = [];

  constructor(parts: GunyahWorldParts) {
    super(parts);
    this.#parcels = parts.parcels;
    this.#vms = parts.vms;
    this.populate(parts.setup, parts.backing);
    this.#giveRam();
  }

  /** A parcel for each page, or for all pages of one name. */
  #giveRam(): void {
    const groups = new Map<unknown, Ram[]>();
    for (const each of this.#ram) {
      const key = this.#ram.length <= FEW_PAGES ? each.page : each.page.declaration;
      groups.set(key, [...(groups.get(key) ?? []), each]);
    }
    for (const group of groups.values()) {
      const [first] = group;
      if (first === undefined) continue;
      const pages = group.map(({ page }) => page);
      this.host.step(first.guest.vmm, () => {
        this.#vms.giveRam(first.guest, pages);
        return stepResult("ok");
      });
    }
  }

  override perform(action: Action): StepResult {
    if (action.verb === "call" && action.call.startsWith("memslot_")) {
      return noSuchVerb("there are no memslots: a VM has the memory that it has accepted");
    }
    return super.perform(action);
  }

  protected createGuest(participant: Extract<Participant, { role: "guest" }>, vmm: Process): GunyahGuest {
    const guest = this.#vms.create(participant, vmm);
    if (guest === null)
      throw new MachineLimit(`${participant.name}: there are more guests than the resource manager has VMIDs`);
    return guest;
  }

  protected bindPage(guest: GunyahGuest, _ipa: bigint, _va: bigint, page: PlacedPage): void {
    this.#ram.push({ guest, page });
  }

  protected endGuest(guest: GunyahGuest): void {
    this.#vms.end(guest);
  }

  protected touch(guest: GunyahGuest, page: PlacedPage, { kind, value, offset }: ActionOf<"access">): StepResult {
    const ipa = this.addressIn(guest, page) + BigInt(offset);
    const answer = this.hypervisor.touchAs(guest.vmid, { ipa, kind, value: value ?? 0n, driven: true });
    switch (answer.kind) {
      case "done":
        return stepResult("ok", { value: kind === "store" ? null : answer.value });
      case "emulated":
        return stepResult("ok");
      case "injected":
        this.host.log.saw("guest", `${guest.name}: synchronous External abort on its ${kind} at ${hex(ipa)}`);
        return stepResult("guest SEA");
      case "vmmio":
        this.host.log.saw("vmm", `vcpu_run ends: a ${kind} of ${guest.name} at ${hex(ipa)} is for the VMM`);
        return stepResult("VCPU_RUN MMIO");
      case "blocked":
        return stepResult("VCPU_RUN FAULT");
      case "stopped":
        throw new TaskEnded(answer);
    }
  }

  /** Where a guest has a page, or will have it: as declared, or where it has nothing else. */
  protected addressIn(guest: GunyahGuest, page: PlacedPage): bigint {
    if (page.guest?.name === guest.name) return page.guest.ipa;
    const ipa = guest.addresses.get(page) ?? this.addresses.next(guest.name);
    guest.addresses.set(page, ipa);
    return ipa;
  }

  protected move(action: MoveAction): StepResult {
    switch (action.verb) {
      case "donate":
        return this.#give("DONATE", { ...action, to: [action.to], rights: "RWX", sanitize: false });
      case "lend":
        return this.#give("LEND", action);
      case "share":
        return this.#give("SHARE", action);
      case "accept":
        return this.#eachParcel(action, (vmid, parcel) => this.#accept(vmid, parcel, action));
      case "relinquish":
        return this.#eachParcel(action, (vmid, parcel) => this.#parcels.release(vmid, parcel, action.sanitize));
      case "reclaim":
        if (action.force) this.host.log.rule(PARCEL_RULES.noForce);
        return this.#eachParcel(action, (vmid, parcel) => this.#parcels.reclaim(vmid, parcel, action.sanitize));
    }
  }

  /** The VM that a participant is, or is a part of; null: no VM at all. */
  #vmidOf(name: string): number | null {
    const role = this.participants.get(name)?.role;
    if (role === "guest") return this.guest(name).vmid;
    return name === "hypervisor" || role === "device" ? null : VMID_HLOS;
  }

  #give(transfer: Transfer, { pages: refs, from, to, rights, sanitize }: Giving): StepResult {
    const giver = this.#vmidOf(from);
    const receivers = to.map((name) => this.#vmidOf(name));
    if (giver === null || receivers.includes(null)) return noSuchVerb("parcels go from VM to VM; HLOS is one of them");
    if (!this.#isThere(from)) return stepResult("not run");
    const pages = refs.map((ref) => this.page(ref));
    const loose = pages.filter((page) => !this.#parcels.isPinned(page));
    const regions = this.#regionsOf(from, pages);
    // The owner of what is shared keeps all its rights.
    const keeps = transfer === "SHARE" ? [{ vmid: giver, rights: "RWX" as const }] : [];
    const members = [...keeps, ...receivers.map((vmid) => ({ vmid: vmid as number, rights }))];
    const result = Array.isArray(regions)
      ? this.#told(giver, this.#parcels.create(giver, { transfer, pages, regions, members, sanitize }))
      : regions;
    if (result.result !== "ok") this.#parcels.unpin(loose);
    return result;
  }

  /** Where the giver has the pages: HLOS at their physical addresses. */
  #regionsOf(from: string, pages: readonly PlacedPage[]): SglEntry[] | StepResult {
    const regions: SglEntry[] = [];
    for (const page of pages) {
      const guest = this.guestNamed(from);
      const ipa = guest === null ? this.#parcels.pin(page) : this.addressIn(guest, page);
      if (ipa === null) return noSuchVerb(`${page.name} has no frame`);
      if (typeof ipa === "string") return stepResult(ipa);
      regions.push({ ipa, size: this.pageSize });
    }
    return regions;
  }

  #isThere(name: string): boolean {
    return this.participants.get(name)?.role !== "guest" || this.isAlive(this.guest(name));
  }

  /** The verb on each parcel that the pages make up, until one is refused. */
  #eachParcel(
    { pages, by }: ActionOf<"accept" | "relinquish" | "reclaim">,
    run: (vmid: number, parcel: PageParcel) => RmAnswer,
  ): StepResult {
    const vmid = this.#vmidOf(by);
    if (vmid === null) return noSuchVerb(`${by} is no VM`);
    if (!this.#isThere(by)) return stepResult("not run");
    const parcels = this.#parcels.covering(pages.map((ref) => this.page(ref)));
    if (parcels === null) return noSuchVerb("a parcel is accepted, released and reclaimed as a whole");
    let result = stepResult("ok");
    for (const parcel of parcels) {
      result = this.#told(vmid, run(vmid, parcel));
      if (result.result !== "ok") break;
    }
    return result;
  }

  #accept(vmid: number, parcel: PageParcel, { by, sanitize }: ActionOf<"accept">): RmAnswer {
    // HLOS has memory where it lies; the resource manager knows.
    const addresses = vmid === VMID_HLOS ? [] : parcel.pages.map((page) => this.addressIn(this.guest(by), page));
    return this.#parcels.accept(vmid, parcel, addresses, sanitize);
  }

  #told(vmid: number, { error, name }: RmAnswer): StepResult {
    if (error === 0) return stepResult("ok");
    this.host.log.saw(vmid === VMID_HLOS ? "kernel" : "guest", `the resource manager answers ${name} (${error})`);
    return stepResult(name);
  }
}
