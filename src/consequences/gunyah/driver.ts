// Linux's Gunyah driver: makes VMs, runs their vCPUs, gives them memory as they touch it, follows (or ignores) the VMM's
// address space, and ends them (reference host-and-vmm 6.4 to 6.6, gunyah 7).

import { VMID_DYNAMIC_FIRST, VMID_DYNAMIC_LAST } from "../../../assembly/abi/gunyah-rm.js";
import { hex } from "../../machine/names.js";
import { TaskEnded } from "../cpu.js";
import type { EvidenceLog } from "../evidence-log.js";
import type { FilePage, Frame, HostPage } from "../host-memory.js";
import type { LinuxHost } from "../linux-host.js";
import type { Process } from "../processes.js";
import { stepResult, type StepResult } from "../result.js";
import { decide, gunyahRule, hostRule } from "../rule-table.js";
import type { Touch } from "../kvm/el2.js";
import type { MemslotChange, VmDriver } from "../vm-driver.js";
import { type Binding, Bindings, type BoundPage, UNBIND_ROWS } from "./bindings.js";
import { DemandPaging } from "./demand-paging.js";
import type { GuestMemory } from "./guest-memory.js";
import { GuestMemoryFiles } from "./guest-memory-file.js";
import type { Gunyah } from "./hypervisor.js";
import { extentOf, LinuxVm } from "./linux-vm.js";
import { PinnedMemory } from "./pinned-memory.js";
import { exitWords, PAGE_FAULT_STATE, RUN_ROWS, type RunExit, VMMIO_STATE } from "./run-exit.js";
import { VmObjects } from "./vm-objects.js";
import { putVm } from "./vm-put.js";

/** Which driver, and what it does with the memory of VMs that are to be protected. */
export interface DriverModel {
  /** The vendor driver pins user pages; the v17-style one has a file of its own. */
  readonly memory: "pinned" | "file";
  readonly access: "lend" | "share";
}

/** One go at what a vCPU wants to do: it ends, or leaves the guest. */
type Attempt = { readonly done: StepResult } | { readonly state: RunExit["state"] };

/** After so many equal exits in a row that the driver took for handled, the guest makes no progress. */
const MAX_RESUMES = 8;

const NO_HOOK = hostRule(
  "gunyah-linux.notifier.none",
  "the driver has no hook in the VMM's address space: the guest keeps the pinned page",
  "7.10",
  "U",
);
const BY_FILE = hostRule(
  "gunyah-linux.notifier.by-file",
  "the binding is to the file: where the VMM maps it does not matter",
  "7.10",
  "S",
);
const RELEASED = hostRule(
  "gunyah-linux.release",
  "the guest releases the page of its own will: the host gets it back, zeroed only if somebody asked for that",
  "7.6",
  "S",
);

const NOT_HELD = gunyahRule(
  "gunyah-linux.release.not-held",
  "the resource manager knows of nothing there that the guest holds: MEM_RELEASED",
  "6.7",
);
const EXITED = hostRule(
  "gunyah-linux.run.exited",
  "the guest has ended: exit STATUS, EXITED (2); its pages stay where they are until the VM goes",
  "7.12",
  "S",
);

/** Guest addresses at which scenarios have nothing. */
const FAR_AWAY = 1n << 35n;

/** What GUNYAH_VM_MAP_MEM is asked for beside the default. */
export interface BindOptions {
  /** ALLOW_WRITE. */
  readonly write?: boolean;
  /** FORCE_LEND or FORCE_SHARE. */
  readonly lends?: boolean;
  /** False: a flag that the driver does not know. */
  readonly knownFlags?: boolean;
  /** False: the linear map has large blocks (no rodata=full). */
  readonly linearMapByPages?: boolean;
}

export class GunyahDriver implements VmDriver {
  readonly #gunyah: Gunyah;
  readonly #host: LinuxHost;
  readonly #log: EvidenceLog;
  readonly #model: DriverModel;
  readonly #files: GuestMemoryFiles | null;
  readonly #memory: GuestMemory;
  readonly #paging: DemandPaging;
  readonly #vms: LinuxVm[] = [];

  constructor(gunyah: Gunyah, host: LinuxHost, model: DriverModel) {
    this.#gunyah = gunyah;
    this.#host = host;
    this.#log = host.log;
    this.#model = model;
    this.#files = model.memory === "file" ? new GuestMemoryFiles(host, (file) => this.#takeBack(file)) : null;
    this.#memory = this.#files ?? new PinnedMemory(host);
    this.#paging = new DemandPaging(host, this.#memory);
  }

  /** A page of a guest-memory file; null: the driver has no files. */
  newFilePage(): FilePage | null {
    return this.#files?.newPage() ?? null;
  }

  /** CREATE_VM up to VM_START's resources. Null: no VMID is left. */
  createVm(name: string, vmm: Process, { protected: isProtected }: { readonly protected: boolean }): LinuxVm | null {
    const vmid = this.#freeVmid();
    if (vmid === null) return null;
    const lends = isProtected && this.#model.access === "lend";
    const objects = new VmObjects(this.#gunyah, vmid, { trapsToVmm: !lends });
    const bindings = new Bindings(this.#host.pageSize, this.#log, (a, b) => this.#memory.isSame(a, b));
    const vm = new LinuxVm(name, vmm, objects, bindings, lends);
    this.#vms.push(vm);
    return vm;
  }

  #freeVmid(): number | null {
    const taken = new Set(this.#vms.filter(({ alive }) => alive).map(({ vmid }) => vmid));
    for (let vmid = VMID_DYNAMIC_FIRST; vmid <= VMID_DYNAMIC_LAST; vmid++) if (!taken.has(vmid)) return vmid;
    return null;
  }

  /** GUNYAH_VM_MAP_MEM with the access that is the VM's default, and all rights that go with it unless said otherwise. */
  bind(vm: LinuxVm, ipa: bigint, pages: readonly BoundPage[], options: BindOptions = {}): string | null {
    const { write = true, lends = vm.lends, knownFlags = true, linearMapByPages = true } = options;
    const binding: Binding = { ipa, pages, write, lends };
    const fits = pages.every((page) => this.#memory.fits(page));
    // The vendor driver leaves the linear map alone.
    const changesLinearMap = this.#files !== null;
    return vm.bindings.add(binding, { knownFlags, fits, linearMapByPages: linearMapByPages || !changesLinearMap });
  }

  /** GUNYAH_VM_MAP_MEM with UNMAP: pages that the guest has come back first; one that does not keeps the binding. */
  unbind(vm: LinuxVm, ipa: bigint, pages: number): string | null {
    const refused = vm.bindings.mayRemove(ipa, pages);
    if (refused !== null) return refused;
    for (let page = 0n; page < BigInt(pages); page++) {
      const address = ipa + page * BigInt(this.#host.pageSize);
      const errno = vm.provided.has(address) ? this.#paging.reclaim(vm, address) : null;
      if (errno !== null) return errno;
    }
    vm.bindings.remove(ipa, pages);
    return null;
  }

  /** VCPU_RUN, in which the guest makes one access. */
  touch(vm: LinuxVm, touch: Touch): StepResult {
    if (!vm.alive) return stepResult("not run");
    for (let resumes = 0; resumes < MAX_RESUMES; resumes++) {
      const attempt = this.#enter(vm, touch);
      if ("done" in attempt) return attempt.done;
      const result = this.#handle(vm, touch, attempt.state);
      if (result !== null) return result;
    }
    return stepResult("spins");
  }

  /** vcpu_run. A page that is not there: state PAGE_FAULT of newer firmware, or VMMIO; all else is the hypervisor's. */
  #enter(vm: LinuxVm, touch: Touch): Attempt {
    if (vm.lends || touch.kind === "fetch") {
      const { fault, value } = this.#gunyah.touch(vm.vmid, touch);
      if (fault === null) return completed(touch, value ?? 0n);
      if (fault.kind === "translation") {
        this.#log.rule(PAGE_FAULT_STATE);
        return { state: "PAGE_FAULT" };
      }
    }
    const answer = this.#gunyah.touchAs(vm.vmid, { ...touch, driven: true });
    switch (answer.kind) {
      case "done":
        return completed(touch, answer.value);
      case "vmmio":
        this.#log.rule(VMMIO_STATE);
        return { state: "VMMIO" };
      case "injected":
        this.#log.saw("guest", `${vm.name}: synchronous External abort on its ${touch.kind} at ${hex(touch.ipa)}`);
        return { done: stepResult("guest SEA") };
      case "emulated":
        return { done: stepResult("ok") };
      case "blocked":
        return { done: stepResult("VCPU_RUN FAULT") };
      case "stopped":
        throw new TaskEnded(answer);
    }
  }

  /** The driver's own handling of an exit. Null: back into the guest. */
  #handle(vm: LinuxVm, { ipa, kind }: Touch, state: RunExit["state"]): StepResult | null {
    const exit = { state, errno: this.#paging.demand(vm, this.#pageOf(ipa), kind === "store") };
    const verdict = decide(RUN_ROWS, exit, this.#log);
    if (verdict === "resume") return null;
    this.#log.saw("vmm", () => exitWords(exit, verdict));
    return stepResult(verdict === "MMIO" ? "VCPU_RUN MMIO" : `VCPU_RUN PAGE_FAULT ${exit.errno}`);
  }

  #pageOf(ipa: bigint): bigint {
    return ipa - (ipa % BigInt(this.#host.pageSize));
  }

  /** Gives the guest the page behind an address before it touches it. An errno; null: it has it. */
  provide(vm: LinuxVm, ipa: bigint): string | null {
    return this.#paging.demand(vm, ipa, false);
  }

  /** Binds a page again that the guest does not have yet, so that it may or may not be written. */
  allowWrite(vm: LinuxVm, ipa: bigint, write: boolean): void {
    const bound = vm.bindings.at(ipa);
    if (bound === null || bound.binding.write === write || vm.provided.has(ipa)) return;
    vm.bindings.remove(ipa, 1);
    this.bind(vm, ipa, [bound.page], { write });
  }

  /** Whether a frame came back from a VM that has ended, to which it had been lent. */
  wasLent(pa: bigint): boolean {
    return this.#paging.wasLent(pa);
  }

  /** Gives the guest the page at `pa`, whosever it is. */
  give(vm: LinuxVm, ipa: bigint, pa: bigint, write: boolean): string | null {
    return this.#paging.give(vm, ipa, this.#host.frameAt(pa), { lends: vm.lends, write });
  }

  /** Takes a page back from the guest. */
  reclaim(vm: LinuxVm, ipa: bigint): string | null {
    return this.#paging.reclaim(vm, ipa);
  }

  /** The guest gives a page back: the resource manager zeroes it if asked, the driver reclaims it. An error by name. */
  release(vm: LinuxVm, ipa: bigint, sanitize: boolean): string | null {
    const page = vm.provided.get(ipa);
    if (page === undefined) {
      this.#log.rule(NOT_HELD);
      return "MEM_RELEASED";
    }
    this.#log.rule(RELEASED);
    page.released = true;
    if (sanitize) vm.objects.zero(page.frame.pa, extentOf(page.lent));
    return this.#paging.reclaim(vm, ipa);
  }

  /** A page of a guest-memory file is wanted back: from all guests that have it. */
  #takeBack({ frame }: FilePage): string | null {
    for (const { vm, ipa } of frame === null ? [] : this.#holdersOf(frame)) {
      const errno = this.#paging.reclaim(vm, ipa);
      if (errno !== null) return errno;
    }
    return null;
  }

  #holdersOf(frame: Frame): readonly { readonly vm: LinuxVm; readonly ipa: bigint }[] {
    const alive = this.#vms.filter((vm) => vm.alive);
    return alive.flatMap((vm) => vm.pages.filter((page) => page.frame === frame).map(({ ipa }) => ({ vm, ipa })));
  }

  /** The guest has powered off and its last descriptor is closed. */
  close(vm: LinuxVm): void {
    this.#log.rule(EXITED);
    this.#log.saw("vmm", "VCPU_RUN returns 0, exit reason STATUS (2): EXITED (2)");
    putVm(vm, this.#host, this.#paging);
  }

  /** The VMs of a process: their memory goes back before its address space does. */
  exit(process: Process): void {
    for (const vm of this.#vms) if (vm.vmm === process) putVm(vm, this.#host, this.#paging);
  }

  /** Says why the guest keeps what it has: it does in any case. */
  invalidate({ frame }: HostPage): void {
    if (frame === null || this.#holdersOf(frame).length === 0) return;
    this.#log.rule(this.#files === null ? NO_HOOK : BY_FILE);
  }

  /** The file goes: shared pages leave their guests; what is lent stays, held by the driver. */
  invalidateFile(file: FilePage): void {
    this.#takeBack(file);
  }

  memslot(change: MemslotChange, pages: readonly HostPage[]): string | null {
    const bound = this.#vms.flatMap((vm) =>
      vm.alive ? pages.flatMap((page) => vm.bindings.addressesOf(page).map((ipa) => ({ vm, ipa }))) : [],
    );
    if (bound.length === 0 && change === "delete") {
      return decide(UNBIND_ROWS, { isBound: false, isWhole: false }, this.#log);
    }
    for (const { vm, ipa } of bound) {
      const errno = this.#rebind(vm, change, ipa);
      if (errno !== null) return errno;
    }
    return null;
  }

  /** What a change of a memslot is to this driver: bindings are made and removed, nothing else. */
  #rebind(vm: LinuxVm, change: MemslotChange, ipa: bigint): string | null {
    const page = vm.bindings.at(ipa)?.page;
    if (page === undefined) return "ENOENT";
    switch (change) {
      case "delete":
        return this.unbind(vm, ipa, 1);
      case "bind-again":
      case "move":
        return this.bind(vm, ipa + FAR_AWAY, [page]);
      case "read-only":
        return this.bind(vm, ipa, [page], { write: false });
      case "dirty-logging":
        return this.bind(vm, ipa, [page], { knownFlags: false });
      case "add":
        return null;
    }
  }
}

function completed({ kind }: Touch, value: bigint): Attempt {
  return { done: stepResult("ok", { value: kind === "store" ? null : value }) };
}
