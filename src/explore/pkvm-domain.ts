// Small pKVM machines to search: pages that change hands, pages that VMs are made of, and every call that a host and its guests
// can make about them. The calls are those of the host's hypercall interface and of guests, not EL2's own functions.

import { GIVEN_AWAY, HOST_DATA, SECRET } from "../../assembly/abi/explore.js";
import type { MachineConfig } from "../machine/config.js";
import type { Operation } from "../machine/operations.js";
import type { Domain, DomainPage, Step } from "./domain.js";
import { withEl2Calls, type El2Call } from "./el2-calls.js";

/** How large a machine is. */
export interface PkvmSizes {
  /** Pages that change hands. */
  readonly pages: number;
  /** Pages that the host offers for guests' tables. */
  readonly tablePages: number;
  /** One VM each, with one vCPU: true for a protected one. */
  readonly vms: readonly boolean[];
  /** Guest frames of every VM. */
  readonly gfns: number;
  /** How far they are from each other. Default: 1. */
  readonly gfnStride?: bigint;
  /** Whether the host also makes the VMs: else they are there from the start, and do not come back once they are gone. */
  readonly makesVms?: boolean;
  /** A page of firmware's (NOMAP) among those that are named. */
  readonly firmwarePage?: boolean;
  /** The first VM's vCPU is loaded from the start, and the host has listed a table page for it that is not among `tablePages`. */
  readonly running?: boolean;
  /** The page behind those for tables is the first VM's from the start, at its first frame, with what it keeps to itself. */
  readonly neighbour?: boolean;
  /** The first VM is gone; the second one's vCPU is loaded, and what the host lists for it is a page of the other's root. */
  readonly usedRoot?: boolean;
  /** Android's pKVM. Default: Linux 7.3. */
  readonly variant?: "android";
  /** The host's own calls about its pages are left out: what is tried is `extras` and what concerns VMs. */
  readonly quietHost?: boolean;
  /** Calls that take the host's addresses, or that only boot may make. Not with `pages` above 2. */
  readonly el2Calls?: readonly El2Call[];
  /** Further steps. */
  readonly extras?: readonly (keyof typeof EXTRA_STEPS)[];
}

/** The sizes by name: exhausted at once, in seconds, in less than a minute; and what is too large for that. */
export const PKVM_PRESETS = {
  tiny: { pages: 1, tablePages: 1, vms: [true], gfns: 1 },
  small: { pages: 2, tablePages: 2, vms: [true, false], gfns: 1 },
  medium: { pages: 3, tablePages: 2, vms: [true, false], gfns: 1 },
  large: { pages: 4, tablePages: 3, vms: [true, true, false], gfns: 2 },
  calls: { pages: 1, tablePages: 1, vms: [false], gfns: 1, el2Calls: ["boot", "vcpu", "tracing"] },
} as const satisfies Readonly<Record<string, PkvmSizes>>;

const PAGE = 0x1000n;
export const FIRST_PFN = 0x4_0000n;
const EL2_CALLS_PFN = FIRST_PFN + 2n;
const SPARE_PFN = FIRST_PFN + 6n;
const RUNNING_PFN = FIRST_PFN + 7n;
export const TABLE_PFN = FIRST_PFN + 8n;
const VMS_PFN = TABLE_PFN + 8n;
export const FIRST_GFN = 0x8_0000n;
const HANDLE_BASE = 0x1000;
const RWX = 0xfn;

/** Behind the entries of a table that the domain's guest frames use, and not at the start, where EL2 links free pages. */
export const TRACER = 0xc00;

/** Pages of a VM, from its first one. The root is four pages, aligned to its size. */
const PART = { kvm: 0n, hostVcpu: 1n, vm: 2n, hypVcpu: 3n, pgd: 4n } as const;
const PAGES_OF_VM = 8n;
const CARVEOUT_PAGES = 32n;

const carveoutPfn = ({ vms }: PkvmSizes): bigint => VMS_PFN + BigInt(vms.length) * PAGES_OF_VM;
const lastPfn = (sizes: PkvmSizes): bigint => carveoutPfn(sizes) + CARVEOUT_PAGES;
const firmwarePfn = (sizes: PkvmSizes): bigint => lastPfn(sizes) + 1n;

/** Android's call by which a guest gives a page back. */
const MEM_RELINQUISH = 0xc600_0009n;

/** 2^52 pages are 0 bytes. */
const WRAP = 1n << 52n;

/** Steps that a search for one thing or another needs, and most do without. The first own page and the first VM are meant. */
const EXTRA_STEPS = {
  /** The host shares its page with the secure world. */
  shareFfa: () => [{ op: "host_share_ffa", pfn: FIRST_PFN, nr: 1 }],
  /** Frame numbers and counts that wrap once they are bytes. */
  wrappedShares: () => [
    { op: "hcall_share_guest", pfn: FIRST_PFN, gfn: FIRST_GFN, nr: WRAP + 1n, prot: RWX },
    { op: "hcall_share_guest", pfn: FIRST_PFN + WRAP, gfn: FIRST_GFN, nr: 1, prot: RWX },
  ],
  /** A table page by an address near its end. */
  unalignedTablePage: () => [{ op: "host_memcache_push_at", pa: TABLE_PFN * PAGE + PAGE - 16n }],
  /** A VM whose area, of two pages, goes on behind the end of memory. */
  vmAtTheEnd: (sizes) => [{ ...initVm(0, sizes.vms[0] === true), vm_pa: lastPfn(sizes) * PAGE, vcpus: 2 }],
  /** A vCPU that the VM does not have. */
  vcpuBeyond: () => [{ ...initVcpu(0), vcpu: 1, hyp_pa: SPARE_PFN * PAGE }],
  /** A vCPU whose host's descriptor is not shared with EL2. */
  vcpuUnshared: () => [{ ...initVcpu(0), host_pa: FIRST_PFN * PAGE, hyp_pa: SPARE_PFN * PAGE }],
  /** Its guest gives a page back by an address within it. */
  relinquish: () => [
    {
      op: "guest_hvc",
      vm: handleOf(0),
      vcpu: 0,
      fn: MEM_RELINQUISH,
      a1: FIRST_GFN * PAGE + PAGE - 16n,
      a2: 0n,
      a3: 0n,
    },
  ],
  /** The host reads its page, and one that is EL2's. */
  hostReads: (sizes) => [reads("host", FIRST_PFN), reads("host", lastPfn(sizes) - 1n)],
} as const satisfies Readonly<Record<string, (sizes: PkvmSizes) => readonly Step[]>>;

/**
 * As little DRAM as holds all this, EL2's own memory near its end, a last page, and one page behind it that is firmware's; two
 * levels of tables; descriptors of a page each. Every rule is checked for every page in every state.
 */
export function configOf(sizes: PkvmSizes): MachineConfig {
  const carveout = carveoutPfn(sizes) * PAGE;
  const firmware = firmwarePfn(sizes) * PAGE;
  return {
    ia_bits: 32,
    ...(sizes.variant === undefined ? {} : { variant: sizes.variant }),
    regions: [
      { base: FIRST_PFN * PAGE, size: firmware - FIRST_PFN * PAGE },
      { base: firmware, size: PAGE, nomap: true },
    ],
    hyp_carveout: { base: carveout, size: CARVEOUT_PAGES * PAGE },
    hyp_text: { base: carveout, size: PAGE },
    host_s2_pool_pages: 16,
    vm_bytes: 64,
    vm_bytes_per_vcpu: Number(PAGE) / 2,
    vcpu_bytes: 64,
    host_kvm_bytes: 64,
    host_vcpu_bytes: 64,
    max_vms: sizes.vms.length,
  };
}

const pageRange = (first: bigint, count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => first + BigInt(i));
export const handleOf = (slot: number): number => HANDLE_BASE + slot;
const partOf = (slot: number, part: keyof typeof PART): bigint => VMS_PFN + BigInt(slot) * PAGES_OF_VM + PART[part];

/** The machine and what is tried on it. */
export function pkvmDomain(sizes: PkvmSizes): Domain {
  const domain = plainDomain(sizes);
  const places = {
    ...{ own: FIRST_PFN, spare: EL2_CALLS_PFN, hyp: lastPfn(sizes) - 1n },
    ...{ kvm: partOf(0, "kvm"), hostVcpu: partOf(0, "hostVcpu") },
  };
  return sizes.el2Calls === undefined ? domain : withEl2Calls(domain, sizes.el2Calls, places);
}

function plainDomain(sizes: PkvmSizes): Domain {
  const own = pageRange(FIRST_PFN, sizes.pages);
  const tables = pageRange(TABLE_PFN, sizes.tablePages);
  const gfns = pageRange(0n, sizes.gfns).map((i) => FIRST_GFN + i * (sizes.gfnStride ?? 1n));
  const firmware = sizes.firmwarePage === true ? [firmwarePfn(sizes)] : [];
  const slots = sizes.vms.map((_, slot) => slot);
  const making = (slot: number) => makeVm(slot, sizes.vms[slot] === true);
  const named = [...own, ...firmware];
  const others = [
    ...(sizes.running === true ? [RUNNING_PFN] : []),
    ...(sizes.neighbour === true ? [neighbourPfn(sizes)] : []),
    ...(sizes.extras === undefined ? [] : [SPARE_PFN]),
  ];
  return {
    config: configOf(sizes),
    pages: [...own, ...others, ...firmware, ...tables]
      .map((pfn): DomainPage => ({ pfn }))
      .concat(slots.flatMap(pagesOfVm)),
    gfns,
    contents: [
      ...slots.map((slot) => hostKvm(slot, sizes.vms[slot] === true)),
      ...(sizes.neighbour === true ? [secretOf(0, neighbourPfn(sizes))] : []),
    ],
    setUp: [
      ...slots.flatMap((slot) => [...shareDescriptors(slot), ...(sizes.makesVms === true ? [] : making(slot))]),
      ...(sizes.running === true ? run(0, RUNNING_PFN) : []),
      ...(sizes.neighbour === true ? [donate(neighbourPfn(sizes))] : []),
      ...(sizes.usedRoot === true ? [...teardown(0), ...run(1, partOf(0, "pgd"))] : []),
    ],
    steps: [
      ...named.flatMap((pfn) => (sizes.quietHost === true ? guestPages(pfn, gfns) : hostCalls(pfn, gfns))),
      ...(sizes.extras ?? []).flatMap((name): readonly Step[] => EXTRA_STEPS[name](sizes)),
      ...tables.map((pfn): Step => ({ op: "host_memcache_push_loaded", pfn })),
      { op: "vcpu_put" },
      ...(sizes.makesVms === true ? lifeCalls(slots.flatMap((slot) => making(slot))) : []),
      ...slots.flatMap((slot) => vmCalls(handleOf(slot), gfns, sizes.vms[slot] === true)),
    ],
    tracer: TRACER,
    longestList: 2,
  };
}

/** The pages that a VM is made of. */
export function pagesOfVm(slot: number): DomainPage[] {
  const first = partOf(slot, "kvm");
  return pageRange(first, Number(PAGES_OF_VM)).map((pfn) => (pfn === first ? { pfn, slot, kvm: true } : { pfn, slot }));
}

// The flags of the host's struct kvm as init_vm finds them (assembly/systems/pkvm/lifecycle.ts): written beforehand, so that
// what the host writes for a call is no change that the call makes.
export function hostKvm(slot: number, isProtected: boolean): { pa: bigint; word: bigint } {
  return { pa: partOf(slot, "kvm") * PAGE + 8n, word: isProtected ? 3n : 2n };
}

/** What the host shares with EL2 before it makes a VM. */
export function shareDescriptors(slot: number): Operation[] {
  return [
    { op: "host_share_hyp", pfn: partOf(slot, "kvm") },
    { op: "host_share_hyp", pfn: partOf(slot, "hostVcpu") },
  ];
}

/** The calls that make VMs, each once, and the one that gives a slot back. */
function lifeCalls(making: readonly Operation[]): Step[] {
  const others = making.filter(({ op }) => op !== "reserve_vm");
  const unreserve = others.flatMap((call): Step[] =>
    call.op === "init_vm" ? [{ op: "unreserve_vm", vm: call.vm }] : [],
  );
  return [{ op: "reserve_vm" }, ...others, ...unreserve];
}

/** The calls that make a VM with one vCPU. */
export function makeVm(slot: number, isProtected: boolean): Operation[] {
  return [{ op: "reserve_vm" }, initVm(slot, isProtected), initVcpu(slot)];
}

const addressOf = (slot: number, part: keyof typeof PART): bigint => partOf(slot, part) * PAGE;

function initVm(slot: number, isProtected: boolean) {
  const pages = { kvm_pa: addressOf(slot, "kvm"), vm_pa: addressOf(slot, "vm"), pgd_pa: addressOf(slot, "pgd") };
  return { op: "init_vm", vm: handleOf(slot), ...pages, vcpus: 1, protected: isProtected, id_regs: 1 } as const;
}

function initVcpu(slot: number) {
  const pages = { host_pa: addressOf(slot, "hostVcpu"), hyp_pa: addressOf(slot, "hypVcpu") };
  return { op: "init_vcpu", vm: handleOf(slot), vcpu: 0, ...pages } as const;
}

function run(slot: number, tablePage: bigint): Operation[] {
  return [
    { op: "vcpu_load", vm: handleOf(slot), vcpu: 0 },
    { op: "host_memcache_push_loaded", pfn: tablePage },
  ];
}

const neighbourPfn = ({ tablePages }: PkvmSizes): bigint => TABLE_PFN + BigInt(tablePages);

function donate(pfn: bigint): Operation {
  return { op: "hcall_donate_guest", pfn, gfn: FIRST_GFN };
}

function secretOf(slot: number, pfn: bigint): { pa: bigint; word: bigint } {
  return { pa: pfn * PAGE + BigInt(TRACER), word: BigInt(SECRET + handleOf(slot)) };
}

function teardown(slot: number): Operation[] {
  return [
    { op: "start_teardown_vm", vm: handleOf(slot) },
    { op: "finalize_teardown_vm", vm: handleOf(slot) },
  ];
}

/** What the host can do with a page of its own, or with one that it has given away. */
export function hostCalls(pfn: bigint, gfns: readonly bigint[]): Step[] {
  return [
    { op: "host_share_hyp", pfn },
    { op: "host_unshare_hyp", pfn },
    { op: "host_force_reclaim_page_guest", phys: pfn * PAGE },
    writes("host", pfn, BigInt(HOST_DATA)),
    ...guestPages(pfn, gfns),
  ];
}

function guestPages(pfn: bigint, gfns: readonly bigint[]): Step[] {
  return gfns.flatMap((gfn): Step[] => [
    { op: "hcall_donate_guest", pfn, gfn },
    { op: "hcall_share_guest", pfn, gfn, nr: 1, prot: RWX },
  ]);
}

/** What the host and a guest can do with a VM. */
export function vmCalls(vm: number, gfns: readonly bigint[], isProtected: boolean): Step[] {
  return [
    { op: "vcpu_load", vm, vcpu: 0 },
    { op: "start_teardown_vm", vm },
    { op: "finalize_teardown_vm", vm },
    ...gfns.flatMap((gfn) => (isProtected ? protectedCalls(vm, gfn) : ordinaryCalls(vm, gfn))),
  ];
}

function protectedCalls(vm: number, gfn: bigint): Step[] {
  return [
    { op: "guest_share_host", vm, vcpu: 0, gfn },
    { op: "guest_unshare_host", vm, vcpu: 0, gfn },
    { op: "reclaim_dying_guest_page", vm, gfn },
    writes(vm, gfn, BigInt(SECRET + vm)),
  ];
}

function ordinaryCalls(vm: number, gfn: bigint): Step[] {
  return [{ op: "hcall_unshare_guest", vm, gfn, nr: 1 }, writes(vm, gfn, BigInt(GIVEN_AWAY + vm))];
}

function reads(stage2: "host" | number, frame: bigint): Step {
  return { op: "access", access: { stage2, ipa: frame * PAGE, kind: "read" } };
}

/** Contents that say whose they are. */
function writes(stage2: "host" | number, frame: bigint, value: bigint): Step {
  return { op: "access", access: { stage2, ipa: frame * PAGE + BigInt(TRACER), kind: "write", value } };
}
