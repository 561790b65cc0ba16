// A host under pKVM with its guests: the common verbs as what the host's KVM and the guests do about pages.

import { SHARED_BORROWED, SHARED_OWNED } from "../../../../assembly/abi/codes.js";
import { TaskEnded } from "../../../consequences/cpu.js";
import type { KvmDriver } from "../../../consequences/kvm/driver.js";
import type { El2 } from "../../../consequences/kvm/el2.js";
import { MachineLimit } from "../../../consequences/machine-limit.js";
import { ANDROID_RULES, el2Features, type El2Features } from "../../../consequences/kvm/el2-features.js";
import type { GuestCall } from "../../../consequences/kvm/guest-calls.js";
import type { KvmVm } from "../../../consequences/kvm/vm.js";
import type { Process } from "../../../consequences/processes.js";
import { stepResult, type StepResult } from "../../../consequences/result.js";
import { isValid, leafPageState } from "../../../machine/describe.js";
import { panicSentence } from "../../../machine/reasons.js";
import type { Action, PageRef, Participant, Verb } from "../../scenario.js";
import type { PageView } from "../../system.js";
import { LinuxWorld, noSuchVerb, type LinuxWorldParts, type TransferAction } from "../linux/linux-world.js";
import type { MachineHold } from "../linux/booted-machine.js";
import type { PageAllocator } from "../linux/page-allocator.js";
import type { PlacedPage } from "../linux/placed-page.js";
import { RawOperations } from "../linux/raw-operations.js";
import { frameBehind, viewOf, walked } from "../linux/stage2-views.js";

type ActionOf<V extends Verb> = Extract<Action, { readonly verb: V }>;

export interface PkvmWorldParts extends LinuxWorldParts {
  readonly hold: MachineHold;
  readonly el2: El2;
  readonly driver: KvmDriver;
  readonly allocator: PageAllocator;
}

export class PkvmWorld extends LinuxWorld<KvmVm> {
  readonly #hold: MachineHold;
  readonly #el2: El2;
  readonly #driver: KvmDriver;
  readonly #allocator: PageAllocator;
  readonly #features: El2Features;
  readonly #raw: RawOperations;
  /** Addresses of pages that guests got beside those declared for them. */
  readonly #aliases = new Map<KvmVm, Map<PlacedPage, bigint>>();
  /** Pages that this step seized by the hypercall itself, not from the kernel's fault path. */
  #seizedByCall = 0;

  constructor(parts: PkvmWorldParts) {
    super(parts);
    this.#hold = parts.hold;
    this.#el2 = parts.el2;
    this.#driver = parts.driver;
    this.#allocator = parts.allocator;
    this.#features = el2Features(parts.el2.machine.config);
    this.#raw = new RawOperations(parts.el2, {
      handleOf: (name) => (this.isGuest(name) ? this.guest(name).hyp.handle : null),
      hasPage: (page) => this.hasPage(page),
      frameOf: (page) => this.frameOf(this.page(page)),
      ipaOf: (page) => this.page(page).guest?.ipa ?? null,
    });
    this.populate(parts.setup, parts.backing);
  }

  override perform(action: Action): StepResult {
    this.#hold.resume();
    this.#seizedByCall = 0;
    const result = super.perform(action);
    return { ...result, forceReclaims: result.forceReclaims + this.#seizedByCall };
  }

  protected createGuest(participant: Extract<Participant, { role: "guest" }>, vmm: Process): KvmVm {
    const { name } = participant;
    const vm = this.#driver.createVm(name, vmm, participant);
    if (vm === null) throw new MachineLimit(`${name}: there are more guests than EL2 has handles`);
    return vm;
  }

  protected ownPage(of: "kernel" | "hypervisor", content: bigint): bigint {
    const pa = this.#allocator.take(1);
    this.#el2.machine.writePage(pa, new Uint8Array(new BigUint64Array([content]).buffer));
    if (of === "hypervisor") this.#el2.apply({ op: "host_donate_hyp", pfn: this.#frameNumber(pa), nr: 1 });
    return pa;
  }

  protected bindPage(vm: KvmVm, ipa: bigint, va: bigint): void {
    vm.setSlot(ipa, va);
  }

  protected isAlive(vm: KvmVm): boolean {
    const { deaths } = this.host;
    return vm.alive && vm.vmm.alive && !deaths.includes("kernel") && !deaths.includes("hypervisor");
  }

  protected endGuest(vm: KvmVm): void {
    this.#driver.close(vm);
  }

  protected touch(vm: KvmVm, page: PlacedPage, { kind, value, offset, vcpu }: ActionOf<"access">): StepResult {
    const ipa = this.#addressIn(vm, page);
    if (ipa === null) return noSuchVerb(`${page.name} has no address in ${vm.name}`);
    return this.#driver.touch(vm, vcpu, { ipa: ipa + BigInt(offset), kind, value: value ?? 0n });
  }

  /** Where the guest has a page: as declared, or where the host has put it for this guest. */
  #addressIn(vm: KvmVm, page: PlacedPage): bigint | null {
    return page.guest?.name === vm.name ? page.guest.ipa : (this.#aliases.get(vm)?.get(page) ?? null);
  }

  /** What stops EL2 stops the machine. */
  protected transfer(action: TransferAction): StepResult {
    const result = this.#transfer(action);
    const { panicked } = this.#el2.machine;
    if (panicked !== null) throw new TaskEnded({ kind: "stopped", why: panicSentence(panicked) });
    return result;
  }

  #transfer(action: TransferAction): StepResult {
    switch (action.verb) {
      case "donate":
        return this.#eachPage(action.pages, (page) => this.#donate(page, action));
      case "share":
        return this.#eachPage(action.pages, (page) => this.#share(page, action));
      case "reclaim":
        return this.#eachPage(action.pages, (page) => this.#reclaim(page, action));
      case "relinquish":
        return this.#eachPage(action.pages, (page) => this.#relinquish(page, action));
      case "operation":
        return this.#operation(action);
      case "walk":
        return this.#walk(action);
      default:
        return noSuchVerb(`pKVM has no ${action.verb}`);
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

  #donate(page: PlacedPage, { from, to }: ActionOf<"donate">): StepResult {
    if (to === "hypervisor") return this.#applyTo(page, "host_donate_hyp");
    if (from === "hypervisor" && to === "kernel") return this.#applyTo(page, "hyp_donate_host");
    if (!this.isGuest(to)) {
      return noSuchVerb(`pages are donated to guests or to the hypervisor, not to ${to}`);
    }
    if (this.isGuest(from)) return noSuchVerb("a guest shares pages, it donates none");
    const vm = this.guest(to);
    if (!this.isAlive(vm)) return stepResult("not run");
    if (!vm.isProtected) return noSuchVerb("the host shares pages with a VM that is not protected, it donates none");
    return this.#giveTo(vm, page);
  }

  /** The guest's vCPU, run by its VMM, faults where the page shall be: at a slot for it, or where the guest has nothing yet. */
  #giveTo(vm: KvmVm, page: PlacedPage): StepResult {
    const bound = this.#boundAddress(vm, page);
    if (bound !== null) return this.host.step(vm.vmm, () => this.#driver.fault(vm, 0, bound));
    const ipa = this.addresses.next(vm.name);
    const result = this.host.step(vm.vmm, () => this.#giveAt(vm, ipa, page));
    if (result.result === "ok") this.#noteAddress(vm, page, ipa);
    return result;
  }

  /** Of the addresses that are bound to a page of the guest's: the first at which it has none, else as declared. */
  #boundAddress(vm: KvmVm, { guest, host }: PlacedPage): bigint | null {
    if (guest?.name !== vm.name) return null;
    const bound = host === null ? [] : vm.guestAddressesOf(host);
    return bound.find((ipa) => !vm.mappings.has(ipa)) ?? guest.ipa;
  }

  #noteAddress(vm: KvmVm, page: PlacedPage, ipa: bigint): void {
    const known = this.#aliases.get(vm) ?? new Map<PlacedPage, bigint>();
    this.#aliases.set(vm, known.set(page, ipa));
  }

  #giveAt(vm: KvmVm, ipa: bigint, page: PlacedPage): StepResult {
    if (page.host !== null && page.host.process === vm.vmm) {
      // What the VMM has in its address space it can put behind a second slot.
      vm.setSlot(ipa, page.host.va);
      return this.#driver.fault(vm, 0, ipa);
    }
    const frame = this.frameOf(page);
    return frame === null ? noSuchVerb(`${page.name} has no frame`) : this.#driver.give(vm, 0, ipa, frame);
  }

  #share(page: PlacedPage, { from, to }: ActionOf<"share">): StepResult {
    if (this.isGuest(from)) return this.#guestCall(page, from, "share");
    if (to.includes("hypervisor")) return this.#applyTo(page, "host_share_hyp");
    const [name = ""] = to;
    if (to.length !== 1 || !this.isGuest(name)) {
      return noSuchVerb("a page is shared with one guest");
    }
    const vm = this.guest(name);
    if (!this.isAlive(vm)) return stepResult("not run");
    if (vm.isProtected) return noSuchVerb("the host donates pages to a protected VM; sharing is the guest's own call");
    return this.#giveTo(vm, page);
  }

  #reclaim(page: PlacedPage, { by, force }: ActionOf<"reclaim">): StepResult {
    if (this.isGuest(by)) return this.#guestCall(page, by, "unshare");
    if (force) return this.#forceReclaim(page);
    if (page.guest === null) return this.#applyTo(page, "host_unshare_hyp");
    const vm = this.guest(page.guest.name);
    const outcome = vm.isProtected ? vm.hyp.reclaimDying(page.guest.ipa) : this.#driver.unshare(vm, page.guest.ipa);
    return stepResult(outcome.errno ?? "ok");
  }

  #relinquish(page: PlacedPage, { by }: ActionOf<"relinquish">): StepResult {
    if (!this.isGuest(by)) return noSuchVerb("only a guest gives pages back");
    return this.#guestCall(page, by, "relinquish");
  }

  #operation(action: ActionOf<"operation">): StepResult {
    const result = this.#raw.run(action);
    if (action.op === "host_force_reclaim_page_guest" && result.result === "ok") this.#seizedByCall += 1;
    return result;
  }

  /** pkvm_force_reclaim_guest_page: the hypercall asks nobody for leave. */
  #forceReclaim(page: PlacedPage): StepResult {
    if (!this.#features.forceReclaim) {
      this.host.log.rule(ANDROID_RULES.noForceReclaim);
      return noSuchVerb(ANDROID_RULES.noForceReclaim.says);
    }
    const frame = this.frameOf(page);
    if (frame === null) return noSuchVerb(`${page.name} has no frame`);
    const { errno } = this.#el2.apply({ op: "host_force_reclaim_page_guest", phys: frame });
    if (errno === null) this.#seizedByCall += 1;
    return stepResult(errno ?? "ok");
  }

  #guestCall(page: PlacedPage, by: string, call: GuestCall): StepResult {
    const vm = this.guest(by);
    if (!this.isAlive(vm)) return stepResult("not run");
    const ipa = this.#addressIn(vm, page);
    if (ipa === null) return noSuchVerb(`${page.name} has no address in ${by}`);
    return this.#driver.call(vm, 0, call, ipa);
  }

  #applyTo(
    page: PlacedPage,
    op: "host_donate_hyp" | "hyp_donate_host" | "host_share_hyp" | "host_unshare_hyp",
  ): StepResult {
    const frame = this.frameOf(page);
    if (frame === null) return noSuchVerb(`${page.name} has no frame`);
    const pfn = this.#frameNumber(frame);
    const isDonation = op === "host_donate_hyp" || op === "hyp_donate_host";
    const outcome = this.#el2.apply(isDonation ? { op, pfn, nr: 1 } : { op, pfn });
    return stepResult(outcome.errno ?? "ok");
  }

  #walk({ of, ipa, page }: ActionOf<"walk">): StepResult {
    const stage2 = this.isGuest(of) ? this.guest(of).hyp.handle : "host";
    const placed = page === null ? null : this.page(page);
    const asked = typeof ipa === "string" ? this.#raw.saved(ipa) : ipa;
    const address = asked ?? (stage2 === "host" ? placed && this.frameOf(placed) : placed?.guest?.ipa) ?? null;
    if (address === null) return noSuchVerb("the page has no address there");
    return walked(this.#el2.machine, stage2, address);
  }

  protected guestFrame(page: PlacedPage): bigint | null {
    const descriptor = this.#guestDescriptor(page);
    return frameBehind(descriptor, this.#el2.machine.pageShift);
  }

  /** The guest's leaf; 0 where there is none, or no guest (any more). */
  #guestDescriptor({ guest }: PlacedPage): bigint {
    if (guest === null) return 0n;
    const vm = this.guest(guest.name);
    if (!vm.alive || !vm.hyp.isCreated) return 0n;
    return this.#el2.descriptor(vm.hyp.handle, guest.ipa);
  }

  guestView(ref: PageRef): PageView | null {
    this.#hold.resume();
    const page = this.page(ref);
    return page.guest === null ? null : viewOf(this.#el2, this.guestFrame(page));
  }

  hostView(ref: PageRef): PageView | null {
    this.#hold.resume();
    const { host } = this.page(ref);
    if (host === null || host.process === null) return null;
    const frame = host.frame?.pa ?? null;
    return viewOf(this.#el2, frame !== null && this.#isHosts(frame) ? frame : null);
  }

  /** Whether the host's own table lets it through, or would after a fault that maps on demand. */
  #isHosts(pa: bigint): boolean {
    const descriptor = this.#el2.descriptor("host", pa);
    return descriptor === 0n || isValid(descriptor);
  }

  isShared(ref: PageRef): boolean {
    this.#hold.resume();
    const descriptor = this.#guestDescriptor(this.page(ref));
    if (!isValid(descriptor)) return false;
    const state = leafPageState(descriptor);
    return state === SHARED_OWNED || state === SHARED_BORROWED;
  }

  release(): void {
    this.#hold.release();
  }

  #frameNumber(pa: bigint): bigint {
    return pa >> BigInt(this.#el2.machine.pageShift);
  }
}
