// A Linux host on Gunyah whose driver gives memory to guests on demand: the common verbs as what driver and guests do about
// single pages.

import type { GunyahDriver } from "../../../consequences/gunyah/driver.js";
import type { LinuxVm } from "../../../consequences/gunyah/linux-vm.js";
import { LENT_CONTENT } from "../../../consequences/gunyah/vm-put.js";
import type { FilePage } from "../../../consequences/host-memory.js";
import { MachineLimit } from "../../../consequences/machine-limit.js";
import type { Process } from "../../../consequences/processes.js";
import { stepResult, type StepResult } from "../../../consequences/result.js";
import { hostRule } from "../../../consequences/rule-table.js";
import type { Action, Backing, PageDeclaration, PageRef, Participant, Verb } from "../../scenario.js";
import type { PageView } from "../../system.js";
import { HlosWorld, type HlosWorldParts, type MoveAction } from "../gunyah/hlos-world.js";
import { noSuchVerb } from "../linux/linux-world.js";
import type { PlacedPage } from "../linux/placed-page.js";

type ActionOf<V extends Verb> = Extract<Action, { readonly verb: V }>;

export interface GunyahLinuxWorldParts extends HlosWorldParts {
  readonly driver: GunyahDriver;
}

/** What belongs to another VM is not the owner's to share either. */
const NOT_TO_SHARE = hostRule(
  "gunyah-linux.share.not-owned",
  "a page that a VM has is not the host's to share: the value of the error is unverified",
  "7.14",
  "U",
);

export class GunyahLinuxWorld extends HlosWorld<LinuxVm> {
  /** Pages whose guest memory is in the driver's file. */
  readonly #ofFile = new Set<PlacedPage>();
  readonly #driver: GunyahDriver;
  /** Addresses of pages that guests got beside those declared for them. */
  readonly #aliases = new Map<LinuxVm, Map<PlacedPage, bigint>>();

  constructor(parts: GunyahLinuxWorldParts) {
    super(parts);
    this.#driver = parts.driver;
    this.populate(parts.setup, parts.backing);
  }

  override perform(action: Action): StepResult {
    this.resume();
    const isLook = this.#framesOf(action).some((frame) => this.#driver.wasLent(frame));
    const result = super.perform(action);
    if (isLook && result.result !== "not run") this.host.log.rule(LENT_CONTENT);
    return result;
  }

  /** The frames that a step of the host touches. */
  #framesOf(action: Action): readonly bigint[] {
    if (action.verb !== "access" && action.verb !== "call") return [];
    if (this.guestNamed(action.by) !== null) return [];
    const refs = action.verb === "access" ? [action.page] : action.pages;
    return refs.flatMap((ref) => this.frameOf(this.page(ref)) ?? []);
  }

  protected createGuest(participant: Extract<Participant, { role: "guest" }>, vmm: Process): LinuxVm {
    const vm = this.#driver.createVm(participant.name, vmm, participant);
    if (vm === null) throw new MachineLimit(`${participant.name}: there are more guests than VMIDs`);
    return vm;
  }

  /** Guest memory of the v17-style driver is a file of its own. */
  protected override filePage(_page: PageDeclaration, _index: number, backing: Backing): FilePage | null {
    return backing === "guest_memfd" ? this.#driver.newFilePage() : null;
  }

  protected bindPage(vm: LinuxVm, ipa: bigint, va: bigint, page: PlacedPage): void {
    const file = page.host?.file ?? null;
    if (file !== null) this.#ofFile.add(page);
    this.#driver.bind(vm, ipa, [{ va, file }]);
  }

  /** The VMM's side of memory in a file is the file: what else it maps at the address is none of the guest's memory. */
  override hostView(ref: PageRef): PageView | null {
    const page = this.page(ref);
    return this.#ofFile.has(page) && page.host?.file === null ? null : super.hostView(ref);
  }

  protected endGuest(vm: LinuxVm): void {
    this.#driver.close(vm);
  }

  protected touch(vm: LinuxVm, page: PlacedPage, { kind, value, offset }: ActionOf<"access">): StepResult {
    const ipa = this.addressIn(vm, page);
    if (ipa === null) return noSuchVerb(`${page.name} has no address in ${vm.name}`);
    return this.#driver.touch(vm, { ipa: ipa + BigInt(offset), kind, value: value ?? 0n });
  }

  /** As declared, or where the page was put for this guest. */
  protected addressIn(vm: LinuxVm, page: PlacedPage): bigint | null {
    return page.guest?.name === vm.name ? page.guest.ipa : (this.#aliases.get(vm)?.get(page) ?? null);
  }

  protected move(action: MoveAction): StepResult {
    switch (action.verb) {
      case "donate":
        return this.#eachPage(action.pages, (page) => this.#give(page, action.from, action.to, true));
      case "lend":
      case "share":
        return this.#giveToOne(action);
      case "relinquish":
        return this.#eachPage(action.pages, (page) => this.#release(page, action));
      case "reclaim":
        return this.#eachPage(action.pages, (page) => this.#reclaim(page, action.by));
      case "accept":
        return noSuchVerb("the driver maps what the guest touches: there is nothing to accept");
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
  #give(page: PlacedPage, from: string, to: string, write: boolean): StepResult {
    if (this.guestNamed(from) !== null) return noSuchVerb("a guest has nothing but what the host gave it");
    const vm = this.guestNamed(to);
    if (vm === null) return noSuchVerb(`the driver gives memory to guests, not to ${to}`);
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
    const vm = this.guestNamed(by);
    if (vm === null) return noSuchVerb("only guests have something to give back");
    if (!this.isAlive(vm)) return stepResult("not run");
    const ipa = this.addressIn(vm, page);
    if (ipa === null) return noSuchVerb(`${page.name} has no address in ${by}`);
    return stepResult(this.#driver.release(vm, ipa, sanitize) ?? "ok");
  }

  /** From the guest that has the page. `force` makes no difference: there is no way to take it (host-and-vmm 7.6). */
  #reclaim(page: PlacedPage, by: string): StepResult {
    if (this.guestNamed(by) !== null) return noSuchVerb("a guest has lent nothing that it could take back");
    if (page.guest === null) return noSuchVerb(`${page.name} is no guest's`);
    const vm = this.guest(page.guest.name);
    if (!this.isAlive(vm)) return stepResult("not run");
    return stepResult(this.#driver.reclaim(vm, page.guest.ipa) ?? "ok");
  }
}
