// A host with plain KVM and normal VMs on guest_memfd (or on memory of their VMMs): nobody owns pages, so most of the common
// verbs have nothing to do here.

import type { El2 } from "../../../consequences/kvm/el2.js";
import { GmemFile } from "../../../consequences/kvm/gmem-file.js";
import type { PlainKvmDriver } from "../../../consequences/kvm/plain-driver.js";
import type { PlainVm } from "../../../consequences/kvm/plain-vm.js";
import { MachineLimit } from "../../../consequences/machine-limit.js";
import type { FilePage } from "../../../consequences/host-memory.js";
import type { Process } from "../../../consequences/processes.js";
import type { StepResult } from "../../../consequences/result.js";
import type { Action, Backing, PageDeclaration, PageRef, Participant, Verb } from "../../scenario.js";
import type { PageView } from "../../system.js";
import type { MachineHold } from "../linux/booted-machine.js";
import { LinuxWorld, noSuchVerb, type LinuxWorldParts, type TransferAction } from "../linux/linux-world.js";
import type { PageAllocator } from "../linux/page-allocator.js";
import type { PlacedPage } from "../linux/placed-page.js";
import { RawOperations } from "../linux/raw-operations.js";
import { frameBehind, viewOf, walked } from "../linux/stage2-views.js";

type ActionOf<V extends Verb> = Extract<Action, { readonly verb: V }>;

export interface PlainKvmWorldParts extends LinuxWorldParts {
  readonly hold: MachineHold;
  readonly kvm: El2;
  readonly driver: PlainKvmDriver;
  readonly allocator: PageAllocator;
}

export class PlainKvmWorld extends LinuxWorld<PlainVm> {
  readonly #hold: MachineHold;
  readonly #kvm: El2;
  readonly #driver: PlainKvmDriver;
  readonly #allocator: PageAllocator;
  readonly #raw: RawOperations;
  /** One file for each declared name. */
  readonly #files = new Map<PageDeclaration, GmemFile>();

  constructor(parts: PlainKvmWorldParts) {
    super(parts);
    this.#hold = parts.hold;
    this.#kvm = parts.kvm;
    this.#driver = parts.driver;
    this.#allocator = parts.allocator;
    this.#raw = new RawOperations(parts.kvm, {
      handleOf: (name) => (this.isGuest(name) ? this.guest(name).handle : null),
      hasPage: (page) => this.hasPage(page),
      frameOf: (page) => this.frameOf(this.page(page)),
      ipaOf: (page) => this.page(page).guest?.ipa ?? null,
      fileOf: (page) => this.#fileOf(this.page(page))?.fd ?? null,
    });
    this.populate(parts.setup, parts.backing);
  }

  override perform(action: Action): StepResult {
    this.#hold.resume();
    return super.perform(action);
  }

  /** KVM_CREATE_VM of a normal VM: without pKVM there are no others, whatever the scenario asks for. */
  protected createGuest({ name }: Extract<Participant, { role: "guest" }>, vmm: Process): PlainVm {
    const vm = this.#driver.createVm(name, vmm);
    if (vm === null) throw new MachineLimit(`${name}: there are more guests than KVM has room for`);
    return vm;
  }

  protected override filePage(declaration: PageDeclaration, index: number, backing: Backing): FilePage | null {
    const isGmem = backing === "guest_memfd" || backing === "guest_memfd-shared";
    // A file belongs to a VM; memory of other processes is what the host's model makes of it.
    if (!isGmem || !this.isGuest(declaration.of)) return null;
    const file = this.#files.get(declaration) ?? this.#createFile(declaration, backing === "guest_memfd-shared");
    return file.pages[index] ?? null;
  }

  #createFile(declaration: PageDeclaration, initShared: boolean): GmemFile {
    const file = this.#driver.createFile(this.guest(declaration.of), declaration.count, initShared);
    this.#files.set(declaration, file);
    return file;
  }

  #fileOf({ declaration }: PlacedPage): GmemFile | null {
    return this.#files.get(declaration) ?? null;
  }

  protected ownPage(_of: "kernel" | "hypervisor", content: bigint): bigint {
    const pa = this.#allocator.take(1);
    this.#kvm.machine.writePage(pa, new Uint8Array(new BigUint64Array([content]).buffer));
    return pa;
  }

  protected bindPage(vm: PlainVm, ipa: bigint, va: bigint, { host }: PlacedPage): void {
    this.#driver.bind(vm, { ipa, va, page: host });
  }

  protected isAlive(vm: PlainVm): boolean {
    return vm.alive && vm.vmm.alive && !this.host.deaths.includes("kernel");
  }

  protected endGuest(vm: PlainVm): void {
    this.#driver.close(vm);
  }

  protected touch(vm: PlainVm, page: PlacedPage, { kind, value, offset }: ActionOf<"access">): StepResult {
    if (page.guest?.name !== vm.name) return noSuchVerb(`${page.name} has no address in ${vm.name}`);
    return this.#driver.touch(vm, { ipa: page.guest.ipa + BigInt(offset), kind, value: value ?? 0n });
  }

  protected transfer(action: TransferAction): StepResult {
    switch (action.verb) {
      case "reclaim":
        return this.#reclaim(action);
      case "operation":
        return this.#raw.run(action);
      case "walk":
        return this.#walk(action);
      default:
        return noSuchVerb(`plain KVM has no ${action.verb}`);
    }
  }

  /** The VMM takes pages of a guest_memfd back by holes; the host kernel seizes nothing, and guests share nothing. */
  #reclaim({ by, pages, force }: ActionOf<"reclaim">): StepResult {
    const role = this.participants.get(by)?.role;
    if (role === "guest") return noSuchVerb("there is nothing to unshare: pages have no state of their own");
    if (role !== "vmm" || force)
      return noSuchVerb("the host kernel seizes no page: it reaches all of them as they are");
    const owned = pages.flatMap((ref) => this.page(ref).host ?? []);
    return this.host.call("punch_hole", this.process(by), owned);
  }

  #walk({ of, ipa, page }: ActionOf<"walk">): StepResult {
    if (!this.isGuest(of)) return noSuchVerb("the host has no stage 2: its addresses are physical");
    const asked = typeof ipa === "string" ? this.#raw.saved(ipa) : ipa;
    const address = asked ?? (page === null ? null : (this.page(page).guest?.ipa ?? null));
    if (address === null) return noSuchVerb("the page has no address there");
    return walked(this.#kvm.machine, this.guest(of).handle, address);
  }

  protected guestFrame({ guest }: PlacedPage): bigint | null {
    if (guest === null) return null;
    const vm = this.guest(guest.name);
    const descriptor = vm.alive ? this.#kvm.descriptor(vm.handle, guest.ipa) : 0n;
    return frameBehind(descriptor, this.#kvm.machine.pageShift);
  }

  guestView(ref: PageRef): PageView | null {
    this.#hold.resume();
    const page = this.page(ref);
    return page.guest === null ? null : viewOf(this.#kvm, this.guestFrame(page));
  }

  /** What the VMM has at its address stands for the guest's page only as long as it maps the file there. */
  hostView(ref: PageRef): PageView | null {
    this.#hold.resume();
    const page = this.page(ref);
    if (page.host === null || page.host.process === null) return null;
    if (this.#fileOf(page) !== null && page.host.file === null) return null;
    return viewOf(this.#kvm, page.host.frame?.pa ?? null);
  }

  /** A whole file is shared or not, from its beginning; memory of the VMM always is. */
  isShared(ref: PageRef): boolean {
    this.#hold.resume();
    const page = this.page(ref);
    return this.guestFrame(page) !== null && (this.#fileOf(page)?.initShared ?? true);
  }

  release(): void {
    this.#hold.release();
  }
}
