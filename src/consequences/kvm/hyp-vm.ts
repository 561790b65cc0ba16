// A VM as KVM's host half and EL2 know it together: handle, first run, vCPU loads, table pages, the hypercalls on its pages
// (kvm/pkvm.c, kvm/arm.c; reference host-and-vmm 2.1, 2.2, pkvm-el2 section 5).

import type { Outcome } from "../../machine/machine.js";
import type { Operation } from "../../machine/operations.js";
import type { HostConfig } from "../../machine/config.js";
import { NOPAGE, SHARED_OWNED } from "../../../assembly/abi/codes.js";
import { hostRule, observedRule } from "../rule-table.js";
import type { El2 } from "./el2.js";

const INIT = "arch/arm64/kvm/pkvm.c:pkvm_init_host_vm";

const CREATION_RULES = {
  taint: hostRule("kvm.create-vm.taint", "a protected VM taints the host kernel (U): experimental", "2.1", "M", INIT),
  full: observedRule("kvm.create-vm.full", "no VM handle is free: KVM_CREATE_VM gives ENOMEM", "4", INIT),
  firstRun: hostRule(
    "kvm.first-run",
    "EL2 learns of the VM at its first KVM_RUN; from here on the memory slots of a protected VM are fixed",
    "2.3",
    "M",
    "arch/arm64/kvm/arm.c:kvm_arch_vcpu_run_pid_change",
  ),
} as const;

/** Pages that the kernel keeps for itself. */
export interface KernelPages {
  /**
   * @param pages how many, in one piece
   * @param alignment in pages
   * @returns physical address in bytes
   */
  take(pages: number, alignment?: number): bigint;
}

/** What `KVM_CREATE_VM` and `KVM_CREATE_VCPU` are asked for. */
export interface VmRequest {
  readonly protected: boolean;
  readonly vcpus: number;
}

/** The registers with which a guest's abort reaches the host. */
export interface GuestFault {
  readonly esr: bigint;
  readonly hpfar: bigint;
  readonly far: bigint;
}

/** HPFAR_EL2.NS, by which EL2 marks a valid HPFAR in what it saves of an exit (reference pkvm-el2 3.11). */
const HPFAR_NS = 1n << 63n;

export class HypVm {
  /** EL2's handle. */
  readonly handle: number;
  readonly protected: boolean;
  readonly vcpus: number;
  readonly #el2: El2;
  readonly #pages: KernelPages;
  readonly #config: HostConfig;
  /** struct kvm, and a struct kvm_vcpu for each vCPU: shared with EL2 as long as the VM lives. */
  readonly #kvm: bigint;
  readonly #hostVcpus: readonly bigint[];
  /** Pages on the host's list of table pages, by vCPU. */
  readonly #listed: number[];
  /** The vCPU that is loaded. */
  #loaded: number | null = null;
  #created = false;

  /** Makes a VM as KVM_CREATE_VM does; EL2 only keeps a handle for it. Null: there is none left. */
  static create(el2: El2, config: HostConfig, pages: KernelPages, request: VmRequest): HypVm | null {
    const handle = el2.apply({ op: "reserve_vm" }).ret;
    if (handle < 0) {
      el2.log.rule(CREATION_RULES.full);
      return null;
    }
    if (request.protected) el2.log.rule(CREATION_RULES.taint);
    return new HypVm(el2, config, pages, request, handle);
  }

  private constructor(el2: El2, config: HostConfig, pages: KernelPages, request: VmRequest, handle: number) {
    this.#el2 = el2;
    this.#config = config;
    this.#pages = pages;
    this.handle = handle;
    this.protected = request.protected;
    this.vcpus = request.vcpus;
    this.#listed = new Array<number>(request.vcpus).fill(0);
    this.#kvm = this.#shareStruct(config.host_kvm_bytes);
    this.#hostVcpus = Array.from({ length: request.vcpus }, () => this.#shareStruct(config.host_vcpu_bytes));
  }

  /** Whether EL2 has the VM: it has run once. */
  get isCreated(): boolean {
    return this.#created;
  }

  /** The first KVM_RUN of any vCPU: pkvm_create_hyp_vm, pkvm_create_hyp_vcpu. Later ones: nothing. */
  ensureCreated(): void {
    if (this.#created) return;
    const { geometry, vm_bytes, vm_bytes_per_vcpu, vcpu_bytes } = this.#config;
    this.#el2.log.rule(CREATION_RULES.firstRun);
    this.#el2.apply({
      op: "init_vm",
      vm: this.handle,
      kvm_pa: this.#kvm,
      vm_pa: this.#pages.take(this.#pageCount(vm_bytes + vm_bytes_per_vcpu * this.vcpus)),
      pgd_pa: this.#pages.take(geometry.pgdPages, geometry.pgdPages),
      vcpus: this.vcpus,
      protected: this.protected,
      id_regs: 1,
    });
    this.#hostVcpus.forEach((host_pa, vcpu) => {
      const hyp_pa = this.#pages.take(this.#pageCount(vcpu_bytes));
      this.#el2.apply({ op: "init_vcpu", vm: this.handle, vcpu, host_pa, hyp_pa });
    });
    this.#created = true;
  }

  load(vcpu: number): void {
    this.#loaded = vcpu;
    this.#el2.apply({ op: "vcpu_load", vm: this.handle, vcpu });
  }

  /** Nothing if no vCPU of this VM is loaded. */
  put(): void {
    if (this.#loaded === null) return;
    this.#loaded = null;
    this.#el2.apply({ op: "vcpu_put" });
  }

  /** Step 1 of a fault: the loaded vCPU's list of table pages is filled up to the levels below the root. */
  topUpMemcache(vcpu: number): void {
    for (let pages = this.#listed[vcpu] ?? 0; pages < this.#config.geometry.memcacheMinPages; pages++) {
      this.#el2.apply({ op: "host_memcache_push_loaded", pfn: this.#frame(this.#pages.take(1)) });
    }
    this.#listed[vcpu] = this.#config.geometry.memcacheMinPages;
  }

  /** EL2 takes what it needs from the loaded vCPU's list, and says what it left there. */
  #refilling(operation: Operation): Outcome {
    const outcome = this.#el2.apply(operation);
    const left = outcome.details.hostMemcache;
    if (left !== undefined && this.#loaded !== null) this.#listed[this.#loaded] = left;
    return outcome;
  }

  /** __pkvm_host_donate_guest, for the loaded vCPU. */
  donate(pa: bigint, ipa: bigint): Outcome {
    return this.#refilling({ op: "hcall_donate_guest", pfn: this.#frame(pa), gfn: this.#frame(ipa) });
  }

  /** __pkvm_host_share_guest, for the loaded vCPU. */
  share(pa: bigint, ipa: bigint, prot: bigint): Outcome {
    return this.#refilling({ op: "hcall_share_guest", pfn: this.#frame(pa), gfn: this.#frame(ipa), nr: 1, prot });
  }

  /** __pkvm_host_unshare_guest. */
  unshare(ipa: bigint): Outcome {
    return this.#el2.apply({ op: "hcall_unshare_guest", vm: this.handle, gfn: this.#frame(ipa), nr: 1 });
  }

  /** Adds rights to a page that the loaded vCPU's guest has. */
  relaxPermissions(ipa: bigint, prot: bigint): void {
    this.#el2.apply({ op: "hcall_relax_perms_guest", gfn: this.#frame(ipa), prot });
  }

  /** Takes the guest's right to write; EL2 leaves the flush to the host. */
  writeProtect(ipa: bigint): void {
    this.#el2.apply({ op: "hcall_wrprotect_guest", vm: this.handle, gfn: this.#frame(ipa), nr: 1 });
    this.#el2.apply({ op: "hcall_tlb_flush_vmid", vm: this.handle });
  }

  /** __pkvm_vcpu_in_poison_fault, about the loaded vCPU's last exit: 1, 0 or a negative errno. */
  inPoisonFault({ esr, hpfar, far }: GuestFault): number {
    return this.#el2.apply({ op: "hcall_vcpu_in_poison_fault", esr, hpfar: hpfar | HPFAR_NS, far }).ret;
  }

  /** Whether a guest has the page: private to one, or shared with one by the host. */
  isGuestPage(pa: bigint): boolean {
    const state = this.#el2.machine.pageState(this.#frame(pa));
    if (state === null) return false;
    return state.host === NOPAGE ? state.hyp === NOPAGE : state.host === SHARED_OWNED && state.shares > 0;
  }

  /** From here on no vCPU can be loaded, and pages can be reclaimed. */
  startTeardown(): void {
    this.#el2.apply({ op: "start_teardown_vm", vm: this.handle });
  }

  /** __pkvm_reclaim_dying_guest_page. */
  reclaimDying(ipa: bigint): Outcome {
    return this.#el2.apply({ op: "reclaim_dying_guest_page", vm: this.handle, gfn: this.#frame(ipa) });
  }

  /** FF-A messages that end what the guest has lent to the secure world of this page. */
  releaseFfa(ipa: bigint): void {
    this.#el2.apply({ op: "guest_unshare_ffa", vm: this.handle, vcpu: 0, gfn: this.#frame(ipa) });
  }

  /** kvm_arch_destroy_vm: EL2 lets go of the VM, then the host takes back what it shared. */
  finalize(): void {
    if (this.#created) this.#el2.apply({ op: "finalize_teardown_vm", vm: this.handle });
    else this.#el2.apply({ op: "unreserve_vm", vm: this.handle });
    this.#hostVcpus.forEach((pa) => this.#unshareStruct(pa, this.#config.host_vcpu_bytes));
    this.#unshareStruct(this.#kvm, this.#config.host_kvm_bytes);
  }

  #shareStruct(bytes: number): bigint {
    const pa = this.#pages.take(this.#pageCount(bytes));
    this.#eachPage(pa, bytes, (pfn) => this.#el2.apply({ op: "host_share_hyp", pfn }));
    return pa;
  }

  #unshareStruct(pa: bigint, bytes: number): void {
    this.#eachPage(pa, bytes, (pfn) => this.#el2.apply({ op: "host_unshare_hyp", pfn }));
  }

  #eachPage(pa: bigint, bytes: number, visit: (pfn: bigint) => void): void {
    for (let page = 0; page < this.#pageCount(bytes); page++) visit(this.#frame(pa) + BigInt(page));
  }

  #pageCount(bytes: number): number {
    return Math.ceil(bytes / this.#el2.machine.pageSize);
  }

  #frame(address: bigint): bigint {
    return address >> BigInt(this.#el2.machine.pageShift);
  }
}
