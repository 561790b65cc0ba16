// Random sequences of operations that mostly succeed: each is chosen by the state in which the machine is, from numbers that
// fast-check draws and shrinks. What the reference calls misuse or a known leftover is never chosen: unshare_ffa of pages that
// are not shared over FF-A (3.13), finalize before everything is reclaimed (5.7), unpin without a pin (fatal, 3.5).

import fc from "fast-check";
import { Machine, type Outcome } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import {
  AREA,
  donateGuest,
  forceReclaim,
  guestShares,
  guestUnshares,
  hostReads,
  makeVm,
  pin,
  POISONED,
  reclaim,
  result,
  RWX,
  shareGuest,
  unpin,
  unshareGuest,
} from "./scenario.js";

/** What one operation is chosen by. */
export interface Choice {
  /** Which of PAGES, GUEST_FRAMES and the VMs it is about. */
  readonly page: number;
  readonly frame: number;
  readonly vm: number;
  /** Which of the operations that are possible. */
  readonly pick: number;
  /** 0 to 9: ordinary operations of that page; 10: a step of that VM's life; 11: any operation, likely to be refused. */
  readonly kind: number;
}

export const choices = (maxLength: number): fc.Arbitrary<Choice[]> =>
  fc.array(
    fc.record({
      page: fc.nat(PAGES.length - 1),
      frame: fc.nat(GUEST_FRAMES.length - 1),
      vm: fc.nat(AREAS.length - 1),
      pick: fc.nat(0xffff),
      kind: fc.nat(11),
    }),
    { minLength: 1, maxLength, size: "max" },
  );

/** Pages that change hands: in three blocks of the host's, the first and last of one of them. */
export const PAGES: readonly bigint[] = [0x40000n, 0x40001n, 0x40002n, 0x40200n, 0x403ffn, 0x40400n];
/** A block of them can be shared as a whole. */
const BLOCKS: readonly bigint[] = [0x40000n, 0x40200n];
/** Guest frames: two tables, the first frame of each aligned to a block. */
const GUEST_FRAMES: readonly bigint[] = [0x80000n, 0x80001n, 0x80002n, 0x80003n, 0x80200n, 0x80201n];
/** What the VMs are made of: two protected ones, one that is not. */
const AREAS: readonly { readonly area: bigint; readonly protected: boolean }[] = [
  { area: 0x40800n, protected: true },
  { area: 0x40840n, protected: true },
  { area: 0x40880n, protected: false },
];
const MEMCACHE_PAGES = 8;
/** The host's list and the memcache are filled up to this. */
const MEMCACHE_MINIMUM = 2;

/** 16 MiB of memory, one root page, three VMs with filled memcaches; the pages hold data that a wipe destroys. */
export async function aSmallHost(): Promise<Machine> {
  const machine = await Machine.create({
    ia_bits: 36,
    regions: [{ base: 0x4000_0000n, size: 0x100_0000n }],
    hyp_carveout: { base: 0x40c0_0000n, size: 0x20_0000n },
    host_s2_pool_pages: 64,
    max_vms: 4,
  });
  for (const vm of AREAS) makeVm(machine, { ...vm, memcache: MEMCACHE_PAGES });
  for (const pfn of PAGES) machine.writePage(pfn << 12n, new Uint8Array(4096).fill(Number(pfn & 0xffn) | 1));
  return machine;
}

/** The operation that a choice means in the machine's present state. */
export function choose(machine: Machine, choice: Choice): Operation {
  const possible = choice.kind < 10 ? pageOperations(machine, choice) : possibleOtherwise(machine, choice);
  return possible[choice.pick % possible.length] ?? hostReads(0x4000_0000n);
}

function possibleOtherwise(machine: Machine, choice: Choice): Operation[] {
  return choice.kind === 10 ? [lifeStep(machine, choice)] : anyOperations(machine, choice);
}

const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T;

interface Mapping {
  readonly vm: number;
  readonly gfn: bigint;
  readonly pages: number;
  readonly state: number;
}

/** The guest mappings of a page. */
function mappingsOf(machine: Machine, pfn: bigint): Mapping[] {
  const mappings: Mapping[] = [];
  for (const { vm, state } of machine.vms()) {
    if (state === "reserved") continue;
    for (const { ipa, level, descriptor } of machine.leaves(vm)) {
      const first = (descriptor & 0xffff_ffff_f000n) >> 12n;
      const pages = level === 3 ? 1 : 512;
      if ((descriptor & 1n) === 0n || pfn < first || pfn >= first + BigInt(pages)) continue;
      mappings.push({ vm, gfn: ipa >> 12n, pages, state: Number((descriptor >> 55n) & 3n) });
    }
  }
  return mappings;
}

/** VMs with a vCPU to map with, of one kind. */
function guests(machine: Machine, isProtected: boolean): number[] {
  const running = new Set(machine.vcpus().map(({ vm }) => vm));
  return machine.vms().flatMap((vm) => (vm.protected === isProtected && running.has(vm.vm) ? [vm.vm] : []));
}

/** The transitions that leave the page's state (reference 1.5), and the host's access to it. */
function pageOperations(machine: Machine, choice: Choice): Operation[] {
  const pfn = at(PAGES, choice.page);
  const page = machine.pageState(pfn);
  const access = hostReads(pfn << 12n);
  if (page === null) return [access];
  if (page.hyp === 0) return [{ op: "hyp_donate_host", pfn, nr: 1 }, access];
  if (page.hyp === 2) return [...pinOperations(pfn, page.refcount), access];
  const mappings = mappingsOf(machine, pfn);
  const mapping = mappings[choice.frame % Math.max(1, mappings.length)];
  if (mapping === undefined) {
    const own = ownPageOperations(machine, choice, pfn);
    return page.host === 0 ? [...own, access] : [{ op: "host_unshare_ffa", pfn, nr: 1 }, access];
  }
  return [...guestPageOperations(machine, choice, pfn, mapping), access];
}

function pinOperations(pfn: bigint, pins: number): Operation[] {
  const operations: Operation[] = [{ op: "host_unshare_hyp", pfn }, pin(pfn)];
  return pins > 0 ? [...operations, unpin(pfn)] : operations;
}

function ownPageOperations(machine: Machine, choice: Choice, pfn: bigint): Operation[] {
  const gfn = at(GUEST_FRAMES, choice.frame);
  const operations: Operation[] = [
    { op: "host_share_hyp", pfn },
    { op: "host_share_ffa", pfn, nr: 1 },
    { op: "host_donate_hyp", pfn, nr: 1 },
  ];
  // Thrice: these are what traces are full of.
  for (const vm of guests(machine, true)) operations.push(...Array<Operation>(3).fill(donateGuest(vm, pfn, gfn)));
  for (const vm of guests(machine, false)) {
    operations.push(...Array<Operation>(2).fill(shareGuest(vm, pfn, gfn)));
    const block = at(BLOCKS, choice.page);
    operations.push(shareGuest(vm, block, gfn & ~0x1ffn, 512), shareGuest(vm, pfn, gfn, 1, 0x8n));
  }
  return operations;
}

function guestPageOperations(machine: Machine, choice: Choice, pfn: bigint, mapping: Mapping): Operation[] {
  const { vm, gfn, pages, state } = mapping;
  const vcpus = machine.vcpus(vm).length;
  if (state === 2) {
    const other = at(GUEST_FRAMES, choice.frame);
    const operations: Operation[] = [
      unshareGuest(vm, gfn, pages),
      unshareGuest(vm, gfn, pages),
      { op: "host_wrprotect_guest", vm, gfn, nr: pages },
      { op: "host_test_clear_young_guest", vm, gfn, nr: pages, mkold: 1 },
    ];
    if (vcpus === 0) return operations;
    const tune: Operation[] = [
      shareGuest(vm, pfn, other),
      { op: "host_relax_perms_guest", vm, vcpu: 0, gfn, prot: RWX },
      { op: "host_mkyoung_guest", vm, vcpu: 0, gfn },
    ];
    return [...operations, ...tune];
  }
  const back: Operation[] = [reclaim(vm, gfn), forceReclaim(pfn)];
  if (vcpus === 0) return back;
  return [...back, state === 0 ? guestShares(vm, gfn) : guestUnshares(vm, gfn), hvc(vm, state === 0, gfn)];
}

function hvc(vm: number, share: boolean, gfn: bigint): Operation {
  const fn = share ? 0xc600_0003n : 0xc600_0004n;
  return { op: "guest_hvc", vm, vcpu: 0, fn, a1: gfn << 12n, a2: 0n, a3: 0n };
}

/** The next step of a VM's life, as a host takes it (reference 5.8). */
function lifeStep(machine: Machine, choice: Choice): Operation {
  const { area, protected: isProtected } = at(AREAS, choice.vm);
  const vm = 0x1000 + (choice.vm % AREAS.length);
  const status = machine.vms().find((one) => one.vm === vm);
  const pa = (offset: bigint) => (area + offset) << 12n;
  const descriptors = { kvm_pa: pa(AREA.kvm), vm_pa: pa(AREA.vm), pgd_pa: pa(AREA.pgd) };
  if (status === undefined) return { op: "reserve_vm" };
  if (status.state === "reserved")
    return { op: "init_vm", vm, ...descriptors, vcpus: 1, protected: isProtected, id_regs: 1 };
  if (status.state === "dying") return teardownStep(machine, vm);
  const [vcpu] = machine.vcpus(vm);
  if (vcpu === undefined) {
    return { op: "init_vcpu", vm, vcpu: 0, host_pa: pa(AREA.hostVcpu), hyp_pa: pa(AREA.hypVcpu) };
  }
  if (vcpu.memcache < MEMCACHE_MINIMUM) return refillStep(machine, vm, area, vcpu.hostMemcache);
  if (vcpu.loaded) return { op: "vcpu_put" };
  return choice.pick % 3 === 0 ? { op: "start_teardown_vm", vm } : { op: "vcpu_load", vm, vcpu: 0 };
}

function refillStep(machine: Machine, vm: number, area: bigint, listed: number): Operation {
  if (listed >= MEMCACHE_MINIMUM) return { op: "refill_memcache", vm, vcpu: 0 };
  const supply = Array.from({ length: MEMCACHE_PAGES }, (_, index) => area + AREA.memcache + BigInt(index));
  // A page is listed twice if it is pushed before the refill: the second donation is refused.
  const pfn = supply.find((page) => machine.pageState(page)?.host === 0) ?? area;
  return { op: "host_memcache_push", vm, vcpu: 0, pfn };
}

function teardownStep(machine: Machine, vm: number): Operation {
  const leaf = machine.leaves(vm).find(({ descriptor }) => (descriptor & 1n) === 1n);
  if (leaf === undefined) return { op: "finalize_teardown_vm", vm };
  const gfn = leaf.ipa >> 12n;
  const borrowed = ((leaf.descriptor >> 55n) & 3n) === 2n;
  return borrowed ? unshareGuest(vm, gfn, leaf.level === 3 ? 1 : 512) : { op: "reclaim_dying_guest_page", vm, gfn };
}

/** Operations with any page, any frame and any VM: mostly refused. */
function anyOperations(machine: Machine, choice: Choice): Operation[] {
  const odd: readonly bigint[] = [
    ...PAGES,
    0x3ffffn,
    0x40c00n,
    0x41000n,
    (1n << 24n) - 1n,
    1n << 24n,
    (1n << 52n) | 0x40000n,
  ];
  const pfn = at(odd, choice.pick);
  const gfn = at([...GUEST_FRAMES, 1n << 24n, 0n], choice.pick >> 4);
  const nr = at([1, 1, 1, 0, 2, 512, -1], choice.pick >> 2);
  const vm = 0x1000 + (choice.vm % 4);
  const isOurs = PAGES.includes(pfn);
  const operations: Operation[] = [
    { op: "host_share_hyp", pfn },
    { op: "host_unshare_hyp", pfn },
    { op: "host_donate_hyp", pfn, nr },
    { op: "host_share_ffa", pfn, nr },
    pin(pfn & 0xf_ffff_ffffn),
    donateGuest(vm, pfn, gfn),
    shareGuest(vm, pfn, gfn, nr, at([RWX, 0x8n, 0x10n], choice.pick >> 6)),
    unshareGuest(vm, gfn, nr),
    guestShares(vm, gfn),
    guestUnshares(vm, gfn),
    reclaim(vm, gfn),
    { op: "reclaim_dying_guest_page", vm, gfn },
    { op: "start_teardown_vm", vm },
    { op: "host_memcache_push_loaded", pfn },
    { op: "hcall_donate_guest", pfn, gfn },
    { op: "hcall_share_guest", pfn, gfn, nr: 1, prot: RWX },
    { op: "hcall_unshare_guest", vm, gfn, nr },
    { op: "hcall_tlb_flush_vmid", vm },
  ];
  if (isOurs) operations.push(forceReclaim(pfn), { op: "hyp_donate_host", pfn, nr: 1 });
  if (pfn < 1n << 24n) operations.push(hostReads(pfn << 12n));
  return operations.filter((operation) => !isExcluded(machine, operation));
}

// EL2 has no entry for device space, and would fault (3.4); pages that hold tables are not the caller's to share.
function isExcluded(machine: Machine, operation: Operation): boolean {
  if (operation.op !== "hyp_donate_host") return false;
  return machine.pageState(operation.pfn) === null;
}

/** An operation as a line of a scenario: `host_donate_guest vm=0x1000 vcpu=0 pfn=0x40000 gfn=0x80000`. */
export function describeOperation(operation: Operation): string {
  const { op, ...args } = operation as Operation & Record<string, unknown>;
  const words = Object.entries(args).map(([name, value]) => {
    const isHex = typeof value === "bigint" || name === "vm";
    return `${name}=${isHex ? `0x${(value as bigint | number).toString(16)}` : String(value)}`;
  });
  return [op, ...words].join(" ");
}

/** Operations with their results, one line each. */
export function describeRun(operations: readonly Operation[], outcomes: readonly Outcome[] = []): string {
  const line = (operation: Operation, index: number) => {
    const outcome = outcomes[index];
    return `  ${describeOperation(operation)}${outcome === undefined ? "" : ` -> ${result(outcome)}`}`;
  };
  return operations.map(line).join("\n");
}

/** Poisoned guest frames of all VMs. */
export function poisoned(machine: Machine): string[] {
  return machine.vms().flatMap(({ vm, state }) => {
    if (state === "reserved") return [];
    const leaves = machine.leaves(vm).filter(({ descriptor }) => descriptor === POISONED);
    return leaves.map(({ ipa }) => `${vm} ${ipa.toString(16)}`);
  });
}
