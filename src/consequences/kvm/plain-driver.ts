// KVM of a host without pKVM: normal VMs whose memory is a guest_memfd or the VMM's own. Guests follow the file, or the VMM's
// address space; nothing is pinned, nobody loses access (reference host-and-vmm 2.5 common part, 2.6, 4).

import type { Outcome } from "../../machine/machine.js";
import { hex } from "../../machine/names.js";
import type { EvidenceLog } from "../evidence-log.js";
import type { FilePage, HostPage } from "../host-memory.js";
import type { LinuxHost } from "../linux-host.js";
import type { Process } from "../processes.js";
import { stepResult, type StepResult } from "../result.js";
import { decide, hostRule } from "../rule-table.js";
import type { MemslotChange, VmDriver } from "../vm-driver.js";
import type { El2, Touch } from "./el2.js";
import { GmemFile } from "./gmem-file.js";
import { FAULT_ANSWERS, SLOT_ANSWERS, type FaultVerdict } from "./plain-answers.js";
import { PlainVm, type PlainSlot } from "./plain-vm.js";
import { reportBadPage } from "./protected-abort.js";
import { isRunResult, MAX_RESUMES, runReturned } from "./run-ioctl.js";

/** ESR_EL2.ISV, and SAS for eight bytes: what hardware says of a guest's plain load or store. */
const PLAIN_ACCESS = (1n << 24n) | (3n << 22n);

const RULES = {
  follows: hostRule(
    "kvm.plain.follows",
    "a VM on memory of its VMM follows that address space: the guest loses the page and finds the new one at its next touch",
    "7.10",
    "M",
    "arch/arm64/kvm/mmu.c:kvm_unmap_gfn_range",
  ),
  badPage: hostRule(
    "kvm.plain.bad-page",
    "the VMM's page is bad: SIGBUS interrupts its thread",
    "2.5",
    "U",
    "arch/arm64/kvm/mmu.c:user_mem_abort",
  ),
  release: hostRule(
    "kvm.plain.release",
    "the VM goes; a guest_memfd, and what the guest left in it, lives until its own descriptor is closed",
    "7.12",
    "S",
    "virt/kvm/kvm_main.c:kvm_vm_release",
  ),
  fileRelease: hostRule(
    "kvm.plain.gmem-release",
    "the file goes with its process; its pages go back to the allocator as they are, zeroed by whoever uses them next",
    "7.11",
    "S",
    "virt/kvm/guest_memfd.c:kvm_gmem_release",
  ),
} as const;

/** What a memory slot is made from. */
export interface BindRequest {
  /** Guest physical address in bytes. */
  readonly ipa: bigint;
  /** The VMM's address in bytes. */
  readonly va: bigint;
  readonly page: HostPage | null;
}

/** What the VMM has behind a slot on its memory, as get_user_pages finds it. */
interface HostMemory {
  /** Frame number; 0 if nothing is there. */
  readonly pfn: bigint;
  readonly mapped: boolean;
  readonly writable: boolean;
}

const NO_HOST_MEMORY: HostMemory = { pfn: 0n, mapped: false, writable: false };

export class PlainKvmDriver implements VmDriver {
  readonly #kvm: El2;
  readonly #host: LinuxHost;
  readonly #log: EvidenceLog;
  readonly #vms: PlainVm[] = [];
  readonly #files: GmemFile[] = [];

  constructor(kvm: El2, host: LinuxHost) {
    this.#kvm = kvm;
    this.#host = host;
    this.#log = host.log;
  }

  /** KVM_CREATE_VM of a normal VM: there are no others. Null: refused. */
  createVm(name: string, vmm: Process): PlainVm | null {
    const { ret } = this.#kvm.apply({ op: "kvm_create_vm", type: 0n });
    if (ret < 0) return null;
    const vm = new PlainVm(name, ret, vmm);
    this.#vms.push(vm);
    return vm;
  }

  /** KVM_CREATE_GUEST_MEMFD. */
  createFile(vm: PlainVm, pages: number, initShared: boolean): GmemFile {
    const file = new GmemFile(this.#kvm, { vm: vm.handle, owner: vm.vmm, pages, initShared });
    this.#files.push(file);
    return file;
  }

  /** A slot of one page: on the guest_memfd behind the VMM's page, else on the VMM's memory. */
  bind(vm: PlainVm, { ipa, va, page }: BindRequest): void {
    this.#setSlot(vm, { id: vm.nextId(), ipa, va, page, gmem: gmemBehind(page) });
  }

  /** KVM_SET_USER_MEMORY_REGION2: the errno; null if it is done. */
  #setSlot(vm: PlainVm, slot: PlainSlot, { readonly = false } = {}): string | null {
    const { errno } = this.#kvm.apply({
      op: "kvm_set_memory_region",
      ...{ vm: vm.handle, slot: slot.id, gpa: slot.ipa, size: BigInt(this.#kvm.machine.pageSize), readonly },
      ...{ fd: slot.gmem?.file.fd ?? 0, offset: slot.gmem?.file.offsetOf(slot.gmem.page) ?? 0n },
    });
    if (errno === null) vm.setSlot(slot);
    return errno;
  }

  /** KVM_RUN, in which the guest makes one access. */
  touch(vm: PlainVm, touch: Touch): StepResult {
    for (let resumes = 0; resumes < MAX_RESUMES; resumes++) {
      const { fault, value } = this.#kvm.touch(vm.handle, touch);
      if (fault === null) return stepResult("ok", { value: touch.kind === "store" ? null : value });
      const verdict = this.#fault(vm, touch, touch.kind === "fetch" ? fault.esr : fault.esr | PLAIN_ACCESS);
      if (verdict === "again") continue;
      return verdict === "on" ? stepResult("ok") : this.#ended(vm, touch, verdict.result);
    }
    return stepResult("spins");
  }

  #fault(vm: PlainVm, { ipa, kind }: Touch, esr: bigint): FaultVerdict {
    const slot = vm.slotAt(ipa & ~this.#pageMask);
    const gmem = slot?.gmem ?? null;
    const memory = slot === null || gmem !== null ? NO_HOST_MEMORY : this.#hostMemory(vm, slot, kind === "store");
    if (memory === "interrupted") return { result: "KVM_RUN EINTR" };
    const outcome = this.#kvm.apply({ op: "kvm_guest_fault", vm: vm.handle, esr, ipa, huge: false, ...memory });
    if (gmem !== null) this.#noteFolio(gmem, outcome);
    const { ret, errno, details } = outcome;
    const exitReason = details.runExit?.reason ?? null;
    return decide(FAULT_ANSWERS, { ret, errno, exitReason, kind, isGmem: gmem !== null }, this.#log);
  }

  /** What the VMM's address space has behind the slot, faulted in as for the guest's access. */
  #hostMemory(vm: PlainVm, { va }: PlainSlot, write: boolean): HostMemory | "interrupted" {
    const page = vm.vmm.pageAt(va);
    if (page === null) return NO_HOST_MEMORY;
    const found = this.#host.faultIn(page, write);
    if (found.errno === "EHWPOISON") {
      this.#log.rule(RULES.badPage);
      reportBadPage(this.#host, page);
      return "interrupted";
    }
    if (found.errno !== null) return NO_HOST_MEMORY;
    const writable = page.protection === "rw" && !page.writeProtected;
    return { pfn: found.pa >> BigInt(this.#kvm.machine.pageShift), mapped: true, writable };
  }

  /** The file's page that the fault handler took is the page cache's, too. */
  #noteFolio({ file, page }: NonNullable<PlainSlot["gmem"]>, outcome: Outcome): void {
    file.note(outcome);
    if (outcome.ret === 0) this.#host.fileFrame(page);
  }

  #ended(vm: PlainVm, { kind, ipa }: Touch, result: string): StepResult {
    if (isRunResult(result)) runReturned(this.#host, vm.vmm, result, () => this.#memoryFaultAt(ipa));
    else this.#log.saw("guest", () => `${result.replace(/^guest /, "")} on its ${kind} at ${hex(ipa)}`);
    return stepResult(result);
  }

  #memoryFaultAt(ipa: bigint): string {
    return `gpa ${hex(ipa & ~this.#pageMask)}, size ${hex(this.#kvm.machine.pageSize)}, flags 0`;
  }

  get #pageMask(): bigint {
    return BigInt(this.#kvm.machine.pageSize - 1);
  }

  /** The guest has powered off and the last descriptor of the VM is closed. */
  close(vm: PlainVm): void {
    if (!vm.alive) return;
    vm.alive = false;
    this.#log.rule(RULES.release);
    this.#kvm.apply({ op: "kvm_destroy_vm", vm: vm.handle });
    this.#host.noteDeath(vm.name);
  }

  exit(process: Process): void {
    for (const vm of this.#vms) if (vm.vmm === process) this.close(vm);
    for (const file of this.#files) if (file.owner === process && file.isOpen) this.#release(file);
  }

  #release(file: GmemFile): void {
    this.#log.rule(RULES.fileRelease);
    this.#closeFile(file);
  }

  #closeFile(file: GmemFile): void {
    file.close();
    for (const page of file.pages) {
      page.closed = true;
      this.#host.dropFilePage(page);
    }
  }

  invalidate(page: HostPage): void {
    for (const vm of this.#vms) {
      if (!vm.alive) continue;
      for (const { ipa } of vm.followersOf(page)) this.#unmap(vm, ipa);
    }
  }

  /** kvm_unmap_gfn_range: only of what the guest has is it worth a word. */
  #unmap(vm: PlainVm, ipa: bigint): void {
    if (this.#kvm.descriptor(vm.handle, ipa) === 0n) return;
    this.#log.rule(RULES.follows);
    this.#kvm.apply({ op: "kvm_unmap_gfn_range", vm: vm.handle, gfn: ipa >> this.#pageShift, nr: 1 });
  }

  get #pageShift(): bigint {
    return BigInt(this.#kvm.machine.pageShift);
  }

  /** A hole is punched by the file itself; a file whose last descriptor is closed takes all its pages along. */
  invalidateFile(page: FilePage): void {
    const file = this.#files.find((candidate) => candidate === page.guestMemory);
    if (page.closed && file?.isOpen === true) this.#closeFile(file);
  }

  memslot(change: MemslotChange, pages: readonly HostPage[]): string | null {
    for (const vm of this.#vms) {
      if (!vm.alive) continue;
      for (const slot of vm.slots.filter(({ page }) => page !== null && pages.includes(page))) {
        const errno = this.#changeSlot(vm, slot, change);
        decide(SLOT_ANSWERS, { change, isGmem: slot.gmem !== null, errno }, this.#log);
        if (errno !== null) return errno;
      }
    }
    return null;
  }

  #changeSlot(vm: PlainVm, slot: PlainSlot, change: MemslotChange): string | null {
    const id = change === "add" || change === "bind-again" ? vm.nextId() : slot.id;
    const elsewhere = vm.spareIpa(id, this.#kvm.machine.pageSize);
    switch (change) {
      case "delete":
        return this.#deleteSlot(vm, slot);
      case "read-only":
        return this.#setSlot(vm, slot, { readonly: true });
      case "dirty-logging":
        return this.#setSlot(vm, slot);
      case "move":
        return this.#setSlot(vm, { ...slot, ipa: elsewhere });
      case "add":
        return this.#setSlot(vm, { ...slot, id, ipa: elsewhere, page: null, gmem: null });
      case "bind-again":
        return this.#setSlot(vm, { ...slot, id, ipa: elsewhere });
    }
  }

  #deleteSlot(vm: PlainVm, slot: PlainSlot): string | null {
    const region = { vm: vm.handle, slot: slot.id, gpa: slot.ipa, size: 0n, fd: 0, offset: 0n, readonly: false };
    const { errno } = this.#kvm.apply({ op: "kvm_set_memory_region", ...region });
    if (errno === null) vm.removeSlot(slot);
    return errno;
  }
}

/** The file behind a page of the VMM, if it is a guest_memfd of the machine's. */
function gmemBehind(page: HostPage | null): PlainSlot["gmem"] {
  const file = page?.file ?? null;
  return file !== null && file.guestMemory instanceof GmemFile ? { file: file.guestMemory, page: file } : null;
}
