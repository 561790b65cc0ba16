// A Linux host on Gunyah whose driver gives memory to guests on demand: the common verbs as what driver and guests do about
// single pages.

import { VMID_HLOS } from "../../../../assembly/abi/gunyah.js";
import { TaskEnded } from "../../../consequences/cpu.js";
import type { GunyahDriver } from "../../../consequences/gunyah/driver.js";
import { LENT_CONTENT } from "../../../consequences/gunyah/vm-put.js";
import { stage2Of, type Gunyah } from "../../../consequences/gunyah/hypervisor.js";
import type { LinuxVm } from "../../../consequences/gunyah/linux-vm.js";
import type { FilePage } from "../../../consequences/host-memory.js";
import { MachineLimit } from "../../../consequences/machine-limit.js";
import type { Process } from "../../../consequences/processes.js";
import { stepResult, type StepResult } from "../../../consequences/result.js";
import { hostRule } from "../../../consequences/rule-table.js";
import type { Region } from "../../../machine/config.js";
import { isValid, outputAddress } from "../../../machine/describe.js";
import { panicSentence } from "../../../machine/reasons.js";
import type { Action, Backing, PageDeclaration, PageRef, Participant, Verb } from "../../scenario.js";
import type { PageView } from "../../system.js";
import type { MachineHold } from "../linux/booted-machine.js";
import { LinuxWorld, noSuchVerb, type LinuxWorldParts, type TransferAction } from "../linux/linux-world.js";
import type { PageAllocator } from "../linux/page-allocator.js";
import type { PlacedPage } from "../linux/placed-page.js";
import { RawOperations } from "../linux/raw-operations.js";

type ActionOf<V extends Verb> = Extract<Action, { readonly verb: V }>;

export interface GunyahLinuxWorldParts extends LinuxWorldParts {
  readonly hold: MachineHold;
  readonly hypervisor: Gunyah;
  readonly driver: GunyahDriver;
  readonly allocator: PageAllocator;
  /** The hypervisor's own memory. Its tables fill it from the bottom. */
  readonly carveout: Pick<Region, "base" | "size">;
}

const NOT_MAPPED: PageView = { mapped: false, frame: null, value: null };

/** What belongs to another VM is not the owner's to share either. */
const NOT_TO_SHARE = hostRule(
  "gunyah-linux.share.not-owned",
  "a page that a VM has is not the host's to share: the value of the error is unverified",
  "7.14",
  "U",
);

export class GunyahLinuxWorld extends LinuxWorld<LinuxVm> {
  readonly #hold: MachineHold;
  readonly #hypervisor: Gunyah;
  readonly #driver: GunyahDriver;
  readonly #allocator: PageAllocator;
  readonly #raw: RawOperations;
  /** End of what is left of the hypervisor's memory. */
  #hypervisorEnd: bigint;
  /** Addresses of pages that guests got beside those declared for them. */
  readonly #aliases = new Map<LinuxVm, Map<PlacedPage, bigint>>();

  constructor(parts: GunyahLinuxWorldParts) {
    super(parts);
    this.#hold = parts.hold;
    this.#hypervisor = parts.hypervisor;
    this.#driver = parts.driver;
    this.#allocator = parts.allocator;
    this.#hypervisorEnd = parts.carveout.base + parts.carveout.size;
    this.#raw = new RawOperations(parts.hypervisor, {
      handleOf: (name) => (this.participants.get(name)?.role === "guest" ? this.guest(name).vmid : null),
      hasPage: (page) => this.hasPage(page),
      frameOf: (page) => this.frameOf(this.page(page)),
      ipaOf: (page) => this.page(page).guest?.ipa ?? null,
    });
    this.populate(parts.setup, parts.backing);
  }

  override perform(action: Action): StepResult {
    this.#hold.resume();
    const isLook = this.#framesOf(action).some((frame) => this.#driver.wasLent(frame));
    const result = super.perform(action);
    if (isLook && result.result !== "not run") this.host.log.rule(LENT_CONTENT);
    return result;
  }

  /** The frames that a step of the host touches. */
  #framesOf(action: Action): readonly bigint[] {
    if (action.verb !== "access" && action.verb !== "call") return [];
    if (this.participants.get(action.by)?.role === "guest") return [];
    const refs = action.verb === "access" ? [action.page] : action.pages;
    return refs.flatMap((ref) => this.frameOf(this.page(ref)) ?? []);
  }

  protected createGuest(participant: Extract<Participant, { role: "guest" }>, vmm: Process): LinuxVm {
    const vm = this.#driver.createVm(participant.name, vmm, participant);
    if (vm === null) throw new MachineLimit(`${participant.name}: there are more guests than VMIDs`);
    return vm;
  }

  protected ownPage(of: "kernel" | "hypervisor", content: bigint): bigint {
    const pa = of === "kernel" ? this.#allocator.take(1) : this.#takeFromHypervisor();
    this.#hypervisor.machine.writePage(pa, new Uint8Array(new BigUint64Array([content]).buffer));
    return pa;
  }

  #takeFromHypervisor(): bigint {
    this.#hypervisorEnd -= BigInt(this.#hypervisor.machine.pageSize);
    return this.#hypervisorEnd;
  }

  /** Guest memory of the v17-style driver is a file of its own. */
  protected override filePage(_page: PageDeclaration, _index: number, backing: Backing): FilePage | null {
    return backing === "guest_memfd" ? this.#driver.newFilePage() : null;
  }

  protected bindPage(vm: LinuxVm, ipa: bigint, va: bigint, { host }: PlacedPage): void {
    this.#driver.bind(vm, ipa, [{ va, file: host?.file ?? null }]);
  }

  protected isAlive(vm: LinuxVm): boolean {
    const { deaths } = this.host;
    return vm.alive && vm.vmm.alive && !deaths.includes("kernel") && !deaths.includes("hypervisor");
  }

  protected endGuest(vm: LinuxVm): void {
    this.#driver.close(vm);
  }

  protected touch(vm: LinuxVm, page: PlacedPage, { kind, value, offset }: ActionOf<"access">): StepResult {
    const ipa = this.#addressIn(vm, page);
    if (ipa === null) return noSuchVerb(`${page.name} has no address in ${vm.name}`);
    return this.#driver.touch(vm, { ipa: ipa + BigInt(offset), kind, value: value ?? 0n });
  }

  /** Where the guest has a page: as declared, or where it was put for this guest. */
  #addressIn(vm: LinuxVm, page: PlacedPage): bigint | null {
    return page.guest?.name === vm.name ? page.guest.ipa : (this.#aliases.get(vm)?.get(page) ?? null);
  }

  /** What stops the hypervisor stops the machine. */
  protected transfer(action: TransferAction): StepResult {
    const result = this.#transfer(action);
    const { panicked } = this.#hypervisor.machine;
    if (panicked !== null) throw new TaskEnded({ kind: "stopped", why: panicSentence(panicked) });
    return result;
  }

  #transfer(action: TransferAction): StepResult {
    switch (action.verb) {
      case "donate":
        return this.#eachPage(action.pages, (page) => this.#give(page, action.from, action.to));
      case "lend":
      case "share":
        return this.#giveToOne(action);
      case "relinquish":
        return this.#eachPage(action.pages, (page) => this.#release(page, action));
      case "reclaim":
        return this.#eachPage(action.pages, (page) => this.#reclaim(page, action.by));
      case "operation":
        return this.#raw.run(action);
      case "walk":
        return this.#walk(action);
      case "accept":
        return noSuchVerb("nothing to accept");
    }
  }

  /** Page by page, until one is refused. */
  #eachPage(pages: readonly PageRef[], run: (page: PlacedPage) => StepResult): StepResult {
    let result = stepResult("ok");
    for (const ref of pages) {
      result = run(this.page(ref));
      if (result.result !== "ok") break;
    }
    return result;
  }

  #giveToOne({ pages, from, to, verb, rights, sanitize }: ActionOf<"lend" | "share">): StepResult {
    const [receiver] = to;
    if (sanitize) return noSuchVerb("pages on demand are not zeroed before: only memory parcels can be");
    if (receiver === undefined || to.length !== 1)
      return noSuchVerb(`the driver knows one guest for a page: no ${verb}`);
    return this.#eachPage(pages, (page) => this.#give(page, from, receiver, rights.includes("W")));
  }

  /** The guest gets the page as if it had touched it: by its binding, or as the driver would give any page. */
  #give(page: PlacedPage, from: string, to: string, write = true): StepResult {
    if (this.participants.get(from)?.role === "guest")
      return noSuchVerb("a guest has nothing but what the host gave it");
    if (this.participants.get(to)?.role !== "guest")
      return noSuchVerb(`the driver gives memory to guests, not to ${to}`);
    const vm = this.guest(to);
    if (!this.isAlive(vm)) return stepResult("not run");
    return this.host.step(vm.vmm, () => stepResult(this.#giveTo(vm, page, write) ?? "ok"));
  }

  #giveTo(vm: LinuxVm, page: PlacedPage, write: boolean): string | null {
    if (page.guest?.name === vm.name) {
      this.#driver.allowWrite(vm, page.guest.ipa, write);
      return this.#driver.provide(vm, page.guest.ipa);
    }
    const frame = this.frameOf(page);
    if (frame === null) return "EFAULT";
    const ipa = this.addresses.next(vm.name);
    const errno = this.#driver.give(vm, ipa, frame, write);
    if (errno === null) this.#noteAddress(vm, page, ipa);
    else if (!vm.lends) this.host.log.rule(NOT_TO_SHARE);
    return errno;
  }

  #noteAddress(vm: LinuxVm, page: PlacedPage, ipa: bigint): void {
    const known = this.#aliases.get(vm) ?? new Map<PlacedPage, bigint>();
    this.#aliases.set(vm, known.set(page, ipa));
  }

  #release(page: PlacedPage, { by, sanitize }: ActionOf<"relinquish">): StepResult {
    if (this.participants.get(by)?.role !== "guest") return noSuchVerb("only guests have something to give back");
    const vm = this.guest(by);
    if (!this.isAlive(vm)) return stepResult("not run");
    const ipa = this.#addressIn(vm, page);
    if (ipa === null) return noSuchVerb(`${page.name} has no address in ${by}`);
    return stepResult(this.#driver.release(vm, ipa, sanitize) ?? "ok");
  }

  /** From the guest that has the page. `force` makes no difference: there is no way to take it (host-and-vmm 7.6). */
  #reclaim(page: PlacedPage, by: string): StepResult {
    if (this.participants.get(by)?.role === "guest")
      return noSuchVerb("a guest has lent nothing that it could take back");
    if (page.guest === null) return noSuchVerb(`${page.name} is no guest's`);
    const vm = this.guest(page.guest.name);
    if (!this.isAlive(vm)) return stepResult("not run");
    return stepResult(this.#driver.reclaim(vm, page.guest.ipa) ?? "ok");
  }

  #walk({ of, ipa, page }: ActionOf<"walk">): StepResult {
    const vm = this.participants.get(of)?.role === "guest" ? this.guest(of) : null;
    const vmid = vm?.vmid ?? (of.startsWith("$") ? Number(this.#raw.saved(of) ?? VMID_HLOS) : VMID_HLOS);
    const placed = page === null ? null : this.page(page);
    const asked = typeof ipa === "string" ? this.#raw.saved(ipa) : ipa;
    const known = placed === null ? null : vm === null ? this.frameOf(placed) : this.#addressIn(vm, placed);
    const address = asked ?? known;
    if (address === null) return noSuchVerb("the page has no address there");
    const translation = this.#hypervisor.machine.translate(stage2Of(vmid), address, { kind: "read" });
    if (translation === null) return stepResult("not run");
    const { pa, fault } = translation;
    return fault === null ? stepResult("ok", { value: pa }) : stepResult(`${fault.kind.replace("_", " ")} fault`);
  }

  protected guestFrame({ guest }: PlacedPage): bigint | null {
    if (guest === null) return null;
    const vm = this.guest(guest.name);
    return vm.alive ? this.#mapped(vm.vmid, guest.ipa) : null;
  }

  /** Physical address in bytes that the tables of a VM give; null where nothing is mapped. */
  #mapped(vmid: number, ipa: bigint): bigint | null {
    const { machine } = this.#hypervisor;
    const leaf = machine.leaf(stage2Of(vmid), ipa);
    if (leaf === null || !isValid(leaf.descriptor)) return null;
    return outputAddress(leaf.descriptor, machine.pageShift) + (ipa - leaf.ipa);
  }

  guestView(ref: PageRef): PageView | null {
    this.#hold.resume();
    const page = this.page(ref);
    return page.guest === null ? null : this.#viewOf(this.guestFrame(page));
  }

  hostView(ref: PageRef): PageView | null {
    this.#hold.resume();
    const { host } = this.page(ref);
    if (host === null || host.process === null) return null;
    return this.#viewOf(host.frame === null ? null : this.#mapped(VMID_HLOS, host.frame.pa));
  }

  #viewOf(frame: bigint | null): PageView {
    if (frame === null) return NOT_MAPPED;
    return { mapped: true, frame, value: this.#hypervisor.word(frame) };
  }

  /** Host and guest reach the same frame only where it was shared. */
  isShared(ref: PageRef): boolean {
    this.#hold.resume();
    const frame = this.guestFrame(this.page(ref));
    return frame !== null && this.#mapped(VMID_HLOS, frame) !== null;
  }

  release(): void {
    this.#hold.release();
  }
}
