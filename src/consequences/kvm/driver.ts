// KVM of a host under pKVM: makes VMs, runs their vCPUs, gives them memory, follows (or ignores) the VMM's address space, and
// ends them (reference host-and-vmm 2).

import type { HostConfig } from "../../machine/config.js";
import type { Outcome } from "../../machine/machine.js";
import { hex } from "../../machine/names.js";
import type { Fault } from "../../machine/translation.js";
import type { EvidenceLog } from "../evidence-log.js";
import type { Frame, HostPage } from "../host-memory.js";
import type { LinuxHost } from "../linux-host.js";
import type { Process } from "../processes.js";
import { stepResult, type StepResult } from "../result.js";
import { decide, hostRule } from "../rule-table.js";
import type { MemslotChange, VmDriver } from "../vm-driver.js";
import type { El2, Touch } from "./el2.js";
import { ANDROID_RULES, el2Features, type El2Features } from "./el2-features.js";
import { GUEST_ABORT_ROWS, type AbortVerdict, type GuestAbort } from "./guest-abort.js";
import { CALL_RULES, callAnswer, GUEST_CALLS, type GuestCall } from "./guest-calls.js";
import { HypVm, type GuestFault, type KernelPages, type VmRequest } from "./hyp-vm.js";
import { MEMSLOT_ROWS, type SlotRequest } from "./memslots.js";
import { ProtectedAbort } from "./protected-abort.js";
import { isRunResult, MAX_RESUMES, runReturned } from "./run-ioctl.js";
import { SharedAbort } from "./shared-abort.js";
import { destroyVm } from "./teardown.js";
import { KvmVm } from "./vm.js";

/** A guest's fault on the way to the host. */
interface Exit extends GuestFault {
  readonly ipa: bigint;
  readonly kind: Touch["kind"];
  readonly fault: GuestAbort["fault"];
  /** Loads and stores of a guest have a valid syndrome; what EL2 makes up has none. */
  readonly hasSyndrome: boolean;
}

/** One go at what a vCPU wants to do: it ends, or leaves the guest with a fault. */
type Attempt = { readonly done: StepResult } | { readonly exit: Exit };

const RULES = {
  ignores: hostRule(
    "kvm.notifier.ignored",
    "a protected VM keeps the pinned page, whatever becomes of the VMM's address space",
    "2.6",
    "M",
    "arch/arm64/kvm/mmu.c:kvm_unmap_gfn_range",
  ),
} as const;

/** What KVM_SET_USER_MEMORY_REGION is asked for by a change of a scenario. */
const SLOT_CHANGES: Readonly<Record<MemslotChange, Omit<SlotRequest, "protected" | "created">>> = {
  delete: { change: "delete" },
  move: { change: "move" },
  "dirty-logging": { change: "flags", dirtyLogging: true },
  "read-only": { change: "flags", readOnly: true },
  add: { change: "add" },
  "bind-again": { change: "add" },
};

export class KvmDriver implements VmDriver {
  readonly #el2: El2;
  readonly #host: LinuxHost;
  readonly #log: EvidenceLog;
  readonly #config: HostConfig;
  readonly #features: El2Features;
  readonly #pages: KernelPages;
  readonly #protected: ProtectedAbort;
  readonly #shared: SharedAbort;
  readonly #vms: KvmVm[] = [];

  constructor(el2: El2, host: LinuxHost, config: HostConfig, pages: KernelPages) {
    this.#el2 = el2;
    this.#host = host;
    this.#log = host.log;
    this.#config = config;
    this.#features = el2Features(config);
    this.#pages = pages;
    this.#protected = new ProtectedAbort(host, this.#features);
    this.#shared = new SharedAbort(host);
  }

  /** KVM_CREATE_VM and its vCPUs. Null: no handle is left (ENOMEM). */
  createVm(name: string, vmm: Process, request: VmRequest): KvmVm | null {
    const hyp = HypVm.create(this.#el2, this.#config, this.#pages, request);
    if (hyp === null) return null;
    const vm = new KvmVm(name, hyp, vmm);
    this.#vms.push(vm);
    return vm;
  }

  /** KVM_RUN, in which the guest makes one access. */
  touch(vm: KvmVm, vcpu: number, touch: Touch): StepResult {
    return this.#run(vm, vcpu, () => {
      const { fault, value } = this.#el2.touch(vm.hyp.handle, touch);
      if (fault !== null) return { exit: exitOf(touch, fault) };
      return { done: stepResult("ok", { value: touch.kind === "store" ? null : value }) };
    });
  }

  /** KVM_RUN, in which the guest calls the hypervisor about a page. */
  call(vm: KvmVm, vcpu: number, call: GuestCall, ipa: bigint): StepResult {
    if (!vm.isProtected) {
      this.#log.rule(CALL_RULES.notProtected);
      return stepResult("NOT_SUPPORTED");
    }
    return this.#run(vm, vcpu, () => this.#hypercall(vm, vcpu, call, ipa));
  }

  #hypercall(vm: KvmVm, vcpu: number, call: GuestCall, ipa: bigint): Attempt {
    const fn = GUEST_CALLS[call];
    const outcome = this.#el2.apply({ op: "guest_hvc", vm: vm.hyp.handle, vcpu, fn, a1: ipa, a2: 0n, a3: 0n });
    const shown = outcome.details.guestExit;
    if (shown !== undefined) {
      this.#log.rule(CALL_RULES.repeated);
      return { exit: { ...shown, ipa, kind: "store", fault: "translation", hasSyndrome: false } };
    }
    if (outcome.ret !== 0) return { done: this.#answered(call, outcome) };
    if (call === "relinquish" && this.#features.relinquish) return { done: this.#relinquished(vm, ipa) };
    this.#log.rule(CALL_RULES.unknown);
    return { done: stepResult("NOT_SUPPORTED") };
  }

  #answered(call: GuestCall, outcome: Outcome): StepResult {
    this.#log.rule(CALL_RULES.inEl2);
    if (call === "unshare" && this.#features.iommu) this.#log.rule(ANDROID_RULES.unshared);
    const { result, value } = callAnswer(outcome);
    this.#log.saw("guest", `x0 = ${value} from its hypercall`);
    return stepResult(result, { value: value > 0n ? value : null });
  }

  /** EL2 has done it, and leaves the call to the host so that it lets go of the page as well. */
  #relinquished(vm: KvmVm, ipa: bigint): StepResult {
    this.#log.rule(ANDROID_RULES.relinquished);
    const mapping = vm.mappings.get(ipa);
    vm.mappings.delete(ipa);
    if (mapping !== undefined) this.#host.unpin(vm.vmm, mapping.frame);
    return stepResult("ok");
  }

  /** KVM_RUN with a write fault at `ipa`, be it one that another vCPU has taken as well. */
  fault(vm: KvmVm, vcpu: number, ipa: bigint): StepResult {
    return this.#once(vm, vcpu, () =>
      this.#handle(vm, vcpu, { ...writeFaultAt(ipa), ipa, kind: "store", fault: "translation", hasSyndrome: true }),
    );
  }

  /** KVM_RUN with a write fault at `ipa`, where the handler finds the page at `pa`, whosever it is. */
  give(vm: KvmVm, vcpu: number, ipa: bigint, pa: bigint): StepResult {
    return this.#once(vm, vcpu, () => {
      vm.hyp.topUpMemcache(vcpu);
      const result = this.#protected.map(vm, ipa, pa, writeFaultAt(ipa));
      if (result === "mapped") this.#record(vm, ipa, this.#host.frameAt(pa));
      return result === "mapped" || result === null ? null : stepResult(`KVM_RUN ${result}`);
    });
  }

  /** As if the page had been pinned for the guest: teardown gives it back. */
  #record(vm: KvmVm, ipa: bigint, frame: Frame): void {
    frame.pins += 1;
    vm.vmm.lockedPages += 1;
    vm.mappings.set(ipa, { ipa, frame });
  }

  /** Takes a page of a normal VM back (its notifier's work, on request). */
  unshare(vm: KvmVm, ipa: bigint): Outcome {
    const outcome = vm.hyp.unshare(ipa);
    if (outcome.errno === null) vm.mappings.delete(ipa);
    return outcome;
  }

  #once(vm: KvmVm, vcpu: number, handle: () => StepResult | null): StepResult {
    return this.#run(vm, vcpu, () => ({ done: handle() ?? stepResult("ok") }));
  }

  /** kvm_arch_vcpu_ioctl_run: until the attempt ends, the host handles what it exits with. */
  #run(vm: KvmVm, vcpu: number, attempt: () => Attempt): StepResult {
    if (!vm.alive) return stepResult("not run");
    vm.hyp.ensureCreated();
    vm.hyp.load(vcpu);
    const result = this.#whileLoaded(vm, vcpu, attempt);
    if (isRunResult(result.result)) runReturned(this.#host, vm.vmm, result.result);
    return result;
  }

  /** A task that the kernel ends in the middle of the run lets the vCPU go, too. */
  #whileLoaded(vm: KvmVm, vcpu: number, attempt: () => Attempt): StepResult {
    try {
      return this.#untilItEnds(vm, vcpu, attempt);
    } finally {
      vm.hyp.put();
    }
  }

  #untilItEnds(vm: KvmVm, vcpu: number, attempt: () => Attempt): StepResult {
    for (let resumes = 0; resumes < MAX_RESUMES; resumes++) {
      const tried = attempt();
      if ("done" in tried) return tried.done;
      const result = this.#handle(vm, vcpu, tried.exit);
      if (result !== null) return result;
    }
    return stepResult("spins");
  }

  /** kvm_handle_guest_abort. Null: back into the guest. */
  #handle(vm: KvmVm, vcpu: number, exit: Exit): StepResult | null {
    const va = vm.addressBehind(exit.ipa & ~this.#pageMask);
    const verdict = decide(GUEST_ABORT_ROWS, this.#abortOf(vm, exit, va !== null), this.#log);
    if (verdict.kind === "exit" && this.#features.mmioGuard) return this.#guarded(vm, vcpu, verdict, exit);
    if (verdict.kind === "map") return this.#giveMemory(vm, vcpu, exit, va === null ? null : vm.vmm.pageAt(va));
    return this.#ending(verdict, exit);
  }

  /** __pkvm_check_ioguard_page: an access that the VMM would emulate goes back to a guest that has not asked for that. */
  #guarded(vm: KvmVm, vcpu: number, verdict: Exclude<AbortVerdict, { kind: "map" }>, exit: Exit): StepResult | null {
    this.#log.rule(ANDROID_RULES.mmioGuard);
    const { errno } = this.#el2.apply({ op: "guest_mmio_abort", vm: vm.hyp.handle, vcpu, ipa: exit.ipa });
    return this.#ending(errno === null ? verdict : { kind: "inject", exception: "SEA" }, exit);
  }

  #abortOf(vm: KvmVm, { ipa, kind, fault, hasSyndrome }: Exit, hasSlot: boolean): GuestAbort {
    return {
      ...{ fault, kind, ipa, hasSyndrome },
      ipaEnd: 1n << BigInt(this.#config.geometry.iaBits),
      hasSlot,
      isSlotReadOnly: false,
      onStage1Walk: false,
      isCacheMaintenance: false,
      isProtected: vm.isProtected,
    };
  }

  #giveMemory(vm: KvmVm, vcpu: number, exit: Exit, page: HostPage | null): StepResult | null {
    const ipa = exit.ipa & ~this.#pageMask;
    const errno = vm.isProtected
      ? this.#protected.handle(vm, vcpu, ipa, page, exit)
      : this.#shared.handle(vm, { vcpu, ipa, page, kind: exit.kind, onPermission: exit.fault === "permission" });
    return errno === null ? null : stepResult(`KVM_RUN ${errno}`);
  }

  #ending(verdict: Exclude<AbortVerdict, { kind: "map" }>, exit: Exit): StepResult | null {
    switch (verdict.kind) {
      case "inject":
        this.#log.saw("guest", `${verdict.exception} on its ${exit.kind} at ${hex(exit.ipa)}`);
        return stepResult(`guest ${verdict.exception}`);
      case "exit":
        return stepResult(`KVM_RUN ${verdict.reason}`);
      case "error":
        return stepResult(`KVM_RUN ${verdict.errno}`);
      default:
        return null;
    }
  }

  get #pageMask(): bigint {
    return BigInt(this.#el2.machine.pageSize - 1);
  }

  /** The guest has powered off and its last descriptor is closed. */
  close(vm: KvmVm): void {
    destroyVm(vm, this.#host);
  }

  /** The VMs of a process: their memory goes back before its address space does. */
  exit(process: Process): void {
    for (const vm of this.#vms) if (vm.vmm === process) destroyVm(vm, this.#host);
  }

  invalidate(page: HostPage): void {
    for (const vm of this.#vms) {
      if (!vm.alive) continue;
      const mapped = vm.guestAddressesOf(page).filter((ipa) => vm.mappings.has(ipa));
      if (mapped.length === 0) continue;
      if (vm.isProtected) this.#log.rule(RULES.ignores);
      else this.#shared.invalidate(vm, mapped);
    }
  }

  /** Pages of guest_memfd files never become a VM's here: the fault handlers go by the VMM's address space. */
  invalidateFile(): void {
    return;
  }

  memslot(change: MemslotChange, pages: readonly HostPage[]): string | null {
    for (const vm of this.#vms) {
      const ipas = pages.flatMap((page) => vm.guestAddressesOf(page));
      if (!vm.alive || ipas.length === 0) continue;
      const request = { ...SLOT_CHANGES[change], protected: vm.isProtected, created: vm.hyp.isCreated };
      const errno = decide(MEMSLOT_ROWS, request, this.#log);
      if (errno !== null) return errno;
      this.#changeSlots(vm, change, ipas);
    }
    return null;
  }

  #changeSlots(vm: KvmVm, change: MemslotChange, ipas: readonly bigint[]): void {
    switch (change) {
      case "bind-again":
        for (const ipa of ipas) vm.bindAgain(ipa, this.#el2.machine.pageSize);
        break;
      case "delete":
      case "move":
        this.#shared.invalidate(vm, ipas);
        for (const ipa of ipas) vm.removeSlot(ipa);
        break;
      case "dirty-logging":
        for (const ipa of ipas) if (vm.mappings.has(ipa)) vm.hyp.writeProtect(ipa);
        break;
      default:
        break;
    }
  }
}

const FAULT_KINDS: Readonly<Record<Fault["kind"], GuestAbort["fault"]>> = {
  translation: "translation",
  permission: "permission",
  access_flag: "access-flag",
  address_size: "translation",
  external_abort: "external",
  alignment: "other",
  granule_protection: "other",
};

function exitOf({ ipa, kind }: Touch, { esr, hpfar, kind: fault }: Fault): Exit {
  return { ipa, kind, fault: FAULT_KINDS[fault], esr, hpfar: hpfar ?? 0n, far: ipa, hasSyndrome: true };
}

/** ESR and HPFAR of a write that meets no translation at level 3. */
function writeFaultAt(ipa: bigint): GuestFault {
  return { esr: 0x9200_0047n, hpfar: (ipa >> 12n) << 4n, far: ipa };
}
