// pKVM hosts as the tests of this folder set them up: VMs made by ordinary operations, states and results read by name.

import { Machine, type Outcome } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";

/** Page states by their number (reference 1.4). */
const STATES = ["OWNED", "SHARED_OWNED", "SHARED_BORROWED", "NOPAGE", "POISON"] as const;
export type State = (typeof STATES)[number];

/** `prot` of a mapping that grants everything (reference 2.3). */
export const RWX = 0xfn;

/** A guest's PTE that was reclaimed by force (reference 1.6.3). */
export const POISONED = 0x3000_0000_0000_0000n;

/** The host reads an address it has no translation for: data abort from EL0, translation fault of level 3. */
export const hostReads = (pa: bigint): Operation => ({
  op: "host_abort",
  esr: 0x92000007n,
  spsr: 0n,
  far: pa,
  hpfar: (pa >> 12n) << 4n,
  at_fail: 0,
});

// Operations on one page of 4 KiB, by the names of the reference's tables.
export const pin = (pfn: bigint): Operation => ({ op: "hyp_pin_shared_mem", ...addresses(pfn) });
export const unpin = (pfn: bigint): Operation => ({ op: "hyp_unpin_shared_mem", ...addresses(pfn) });
export const forceReclaim = (pfn: bigint): Operation => ({ op: "host_force_reclaim_page_guest", phys: pfn << 12n });
export const guestShares = (vm: number, gfn: bigint): Operation => ({ op: "guest_share_host", vm, vcpu: 0, gfn });
export const guestUnshares = (vm: number, gfn: bigint): Operation => ({ op: "guest_unshare_host", vm, vcpu: 0, gfn });
export const reclaim = (vm: number, gfn: bigint): Operation => ({ op: "host_reclaim_page_guest", vm, gfn });
export const unshareGuest = (vm: number, gfn: bigint, nr = 1): Operation => ({ op: "host_unshare_guest", vm, gfn, nr });

export function donateGuest(vm: number, pfn: bigint, gfn: bigint): Operation {
  return { op: "host_donate_guest", vm, vcpu: 0, pfn, gfn };
}

export function shareGuest(vm: number, pfn: bigint, gfn: bigint, nr = 1, prot = RWX): Operation {
  return { op: "host_share_guest", vm, vcpu: 0, pfn, gfn, nr, prot };
}

function addresses(pfn: bigint): { from: bigint; to: bigint } {
  return { from: pfn << 12n, to: (pfn + 1n) << 12n };
}

/** Runs an operation that the scenario needs to succeed. */
export function must(machine: Machine, operation: Operation): Outcome {
  const outcome = machine.apply(operation);
  if (outcome.status !== "ok" || outcome.ret < 0) throw new Error(`${operation.op}: ${result(outcome)}`);
  return outcome;
}

/** A return value as the reference's tables write it; `fatal` where EL2 panics. */
export function result(outcome: Outcome): string {
  if (outcome.status === "panicked") return "fatal";
  if (outcome.status !== "ok") return outcome.status;
  return outcome.errno ?? String(outcome.ret);
}

function stateName(state: number): State {
  const name = STATES[state];
  if (name === undefined) throw new Error(`no page state ${state}`);
  return name;
}

/** What EL2 notes of a page's states: H and Y of the reference. */
export function pageStates(machine: Machine, pfn: bigint): { host: State; hyp: State } {
  const page = machine.pageState(pfn);
  if (page === null) throw new Error(`pfn 0x${pfn.toString(16)} is no memory`);
  return { host: stateName(page.host), hyp: stateName(page.hyp) };
}

/** The state of a guest's page, read from its leaf (reference 1.4): poisoned, invalid, else software bits 56:55. */
export function guestState(machine: Machine, vm: number, gfn: bigint): State {
  const leaf = machine.leaf(vm, gfn << BigInt(machine.pageShift));
  if (leaf === null) throw new Error(`VM 0x${vm.toString(16)} has no gfn 0x${gfn.toString(16)}`);
  if (leaf.descriptor === POISONED) return "POISON";
  if ((leaf.descriptor & 1n) === 0n) return "NOPAGE";
  return stateName(Number((leaf.descriptor >> 55n) & 3n));
}

/** Where `makeVm` puts what a VM is made of: frame numbers from the (aligned) start of an area of 64 pages. */
export const AREA = { pgd: 0n, kvm: 16n, vm: 20n, hostVcpu: 24n, hypVcpu: 28n, memcache: 32n } as const;

export interface VmOptions {
  readonly protected: boolean;
  /** First of 64 host pages that the VM may use up, a multiple of 16. */
  readonly area: bigint;
  /** Table pages in the memcache of vCPU 0, at most 32. */
  readonly memcache?: number;
}

/** Shares every page of a host descriptor with EL2, as the host does before EL2 pins it. */
function shareDescriptor(machine: Machine, pfn: bigint, bytes: number): void {
  for (let page = 0n; page < BigInt(Math.ceil(bytes / machine.pageSize)); page++) {
    must(machine, { op: "host_share_hyp", pfn: pfn + page });
  }
}

/** A VM with vCPU 0, made as the host makes it (reference 5.8). Returns its handle. */
export function makeVm(machine: Machine, options: VmOptions): number {
  const { area, memcache = 0 } = options;
  const config = machine.config;
  if (!("host_kvm_bytes" in config)) throw new Error("no machine with VMs of pKVM");
  const pa = (offset: bigint) => (area + offset) << BigInt(machine.pageShift);
  shareDescriptor(machine, area + AREA.kvm, config.host_kvm_bytes);
  shareDescriptor(machine, area + AREA.hostVcpu, config.host_vcpu_bytes);
  const vm = must(machine, { op: "reserve_vm" }).ret;
  must(machine, {
    op: "init_vm",
    vm,
    kvm_pa: pa(AREA.kvm),
    vm_pa: pa(AREA.vm),
    pgd_pa: pa(AREA.pgd),
    vcpus: 1,
    protected: options.protected,
    id_regs: 1,
  });
  must(machine, { op: "init_vcpu", vm, vcpu: 0, host_pa: pa(AREA.hostVcpu), hyp_pa: pa(AREA.hypVcpu) });
  fillMemcache(machine, vm, area + AREA.memcache, memcache);
  return vm;
}

/** Moves `pages` pages from `pfn` on through the host's list into the EL2 memcache of vCPU 0. */
function fillMemcache(machine: Machine, vm: number, pfn: bigint, pages: number): void {
  for (let page = 0n; page < BigInt(pages); page++) {
    must(machine, { op: "host_memcache_push", vm, vcpu: 0, pfn: pfn + page });
  }
  must(machine, { op: "refill_memcache", vm, vcpu: 0 });
}
