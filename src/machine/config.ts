// The configuration of a machine: what users write, checked and completed, and the packed record the core reads
// (layout: assembly/abi/config.ts). Field names are those of the recorded vectors' headers.

import { z } from "zod";
import * as abi from "../../assembly/abi/config.js";
import {
  CREATE_CARVEOUT,
  CREATE_GEOMETRY,
  CREATE_POOL,
  CREATE_REGIONS,
  CREATE_TOO_LARGE,
  MEMBLOCK_NOMAP,
} from "../../assembly/abi/codes.js";
import { ConfigError, parseConfig, rangeField, regionField, switchField, u32Field, u64 } from "./config-values.js";
import type { FfaManagersConfig } from "./ffa-config.js";
import { levelShift, tableGeometry, tablePagesFor, type TableGeometry } from "./geometry.js";
import { CONFIG_CCA_VMIDS } from "../../assembly/abi/cca.js";
import { FFA_BOTH, FFA_HYPERVISOR_ALONE, FFA_SPMC_ALONE } from "../../assembly/abi/ffa.js";
import { resolveSecureWorld, secureWorldSchema } from "./secure-world.js";

export { ConfigError } from "./config-values.js";

/** IPA widths that the ID register of an arm64 CPU can state; 52 bits would need LPA2. */
const IA_BITS = [32, 36, 40, 42, 44, 48] as const;

/** pkvm_handle_t is 16 bits wide. */
const HANDLE_END = 0x10000;

const handle = u64
  .refine((value) => value > 0n && value < BigInt(HANDLE_END), "is not a 16-bit handle")
  .transform(Number);
const pageShift = z.literal([12, 14, 16]);
const iaBits = z.literal(IA_BITS);

const features = z.strictObject({
  /** Stage-2 forced write-back. */
  fwb: switchField.default(false),
  /** No instruction-cache maintenance needed. */
  dic: switchField.default(false),
  /** Separate privileged and unprivileged execute permission at stage 2. */
  xnx: switchField.default(false),
  /** Range TLBI. */
  tlb_range: switchField.default(false),
  /** CONFIG_NVHE_EL2_DEBUG: extra assertions. */
  el2_debug: switchField.default(false),
});

const hostSchema = z.strictObject({
  /** Only documentation. */
  name: z.string().optional(),
  /** log2 of the page size. */
  page_shift: pageShift.default(12),
  /** Width of the host's and every guest's IPA space; default 40, or more if the regions need it. */
  ia_bits: iaBits.optional(),
  features: features.prefault({}),
  /** Memory regions in ascending order, sizes in bytes; everything else is device space. `nomap`: firmware-reserved. */
  regions: z.array(regionField).min(1),
  /** EL2's own memory; default: as much as it needs, at the top of the largest region. */
  hyp_carveout: rangeField.optional(),
  /** EL2's code; default: the first 64 KiB of the carve-out. */
  hyp_text: rangeField.optional(),
  /** Table pages of the host stage 2. */
  host_s2_pool_pages: u32Field.min(1).optional(),
  /** Sizes in bytes that EL2 takes by donation for a VM (plus so much per vCPU) and for a vCPU. */
  vm_bytes: u32Field.min(1).default(5480),
  vm_bytes_per_vcpu: u32Field.default(8),
  vcpu_bytes: u32Field.min(1).default(7696),
  /** Sizes in bytes of the host's own descriptors, which EL2 pins. */
  host_kvm_bytes: u32Field.min(1).default(5120),
  host_vcpu_bytes: u32Field.min(1).default(7680),
  /** Handle of VM slot 0. */
  handle_base: handle.default(0x1000),
  max_vms: u32Field.min(1).max(255).default(255),
});

const pageTableSchema = z.strictObject({
  name: z.string().optional(),
  page_shift: pageShift.default(12),
  ia_bits: iaBits.default(40),
  features: features.prefault({}),
  /** Table pages, the root's included. */
  pool_pages: u32Field.min(1).default(4096),
  /** Identity addresses demanded. */
  idmap: switchField.default(false),
  /** Memory type always "as stage 1". */
  as_s1: switchField.default(false),
  /** Page leaves only. */
  force_pte: switchField.default(false),
  vmid: u32Field.max(0xffff).default(7),
});

/** A host as the header of a trace describes it. */
export const tracedHostSchema = hostSchema.extend({
  /** What stands behind EL2's FF-A proxy; default: nothing. */
  secure_world: secureWorldSchema.optional(),
});

const machineSchema = tracedHostSchema.extend({
  /** `android`: pKVM of Android's common kernels (reference pkvm-el2 section 13.2); default: that of Linux 7.3. */
  variant: z.literal(["linux", "android"]).default("linux"),
});

const kvmSchema = z.strictObject({
  name: z.string().optional(),
  page_shift: pageShift.default(12),
  /** The largest IPA space a VM may have, and what physical addresses reach; default 40, or more if the regions need it. */
  ia_bits: iaBits.optional(),
  features: features.prefault({}),
  /** As of a pKVM host. */
  regions: z.array(regionField).min(1),
  /** Where guest_memfd takes its pages from; default: the upper quarter of the largest region. */
  folio_pool: rangeField.optional(),
  /** Pages for the tables of all VMs, in frames outside the regions. */
  table_pages: u32Field.min(1).max(0x10_0000).default(4096),
  /** Handle of the first VM. */
  handle_base: handle.default(1),
  max_vms: u32Field.min(1).max(255).default(255),
});

/**
 * Configuration of a pKVM host. Only `regions` must be given: `{ regions: [{ base: "0x40000000", size: "0x10000000" }] }`.
 * Addresses and sizes are bytes, as bigint, number or string.
 */
export type MachineConfig = z.input<typeof machineSchema>;

/** Configuration of a plain KVM host. Only `regions` must be given. Addresses and sizes are bytes. */
export type KvmConfig = z.input<typeof kvmSchema>;

/** Configuration of one stage-2 table by itself (the page-table library without ownership). */
export type PageTableConfig = z.input<typeof pageTableSchema>;

/** The parts of a resolved configuration that every kind of machine has. */
export interface Resolved {
  readonly geometry: TableGeometry;
  readonly features: z.output<typeof features>;
}

/** A memory region, in bytes. */
export interface Region {
  readonly base: bigint;
  readonly size: bigint;
  readonly nomap: boolean;
}

/** A pKVM host's configuration, complete. */
export interface HostConfig extends Resolved {
  readonly kind: "pkvm" | "replayed";
  readonly regions: readonly Region[];
  readonly hyp_carveout: { readonly base: bigint; readonly size: bigint };
  readonly hyp_text: { readonly base: bigint; readonly size: bigint };
  readonly host_s2_pool_pages: number;
  readonly vm_bytes: number;
  readonly vm_bytes_per_vcpu: number;
  readonly vcpu_bytes: number;
  readonly host_kvm_bytes: number;
  readonly host_vcpu_bytes: number;
  readonly handle_base: number;
  readonly max_vms: number;
  /** Linux 7.3 if left out. */
  readonly variant?: "linux" | "android";
  readonly secure_world?: FfaManagersConfig;
  /** Table frames outside DRAM: of a machine rebuilt from a trace's snapshot (`replayed`), of a secure world. Else 0. */
  readonly frames: number;
}

/** A lone table's configuration, complete. */
export interface LoneTableConfig extends Resolved {
  readonly kind: "page_table";
  readonly pool_pages: number;
  readonly idmap: boolean;
  readonly as_s1: boolean;
  readonly force_pte: boolean;
  readonly vmid: number;
}

/** A plain KVM host's configuration, complete. */
export interface KvmHostConfig extends Resolved {
  readonly kind: "kvm";
  readonly regions: readonly Region[];
  readonly folio_pool: { readonly base: bigint; readonly size: bigint };
  readonly table_pages: number;
  readonly handle_base: number;
  readonly max_vms: number;
}

/** A Gunyah machine's configuration, complete. */
export interface GunyahConfig extends Resolved {
  readonly kind: "gunyah";
  readonly regions: readonly Region[];
  readonly hyp_carveout: { readonly base: bigint; readonly size: bigint };
  readonly table_pages: number;
  readonly heap_bytes: number;
  readonly memdb_bytes: number;
}

/** The configuration of a machine with realms, complete. */
export interface CcaConfig extends Resolved {
  readonly kind: "cca";
  readonly regions: readonly Region[];
  readonly vmids: number;
}

/** What a machine is made from. */
export type ResolvedConfig =
  HostConfig | KvmHostConfig | LoneTableConfig | GunyahConfig | FfaManagersConfig | CcaConfig;

/**
 * Checks a host configuration and fills in what it leaves out.
 *
 * @throws ConfigError naming the field: unknown or ill-typed fields, regions that overlap, are not page aligned, do not fit
 * `ia_bits`, are more than 128 or more than 4 GiB of WebAssembly memory can describe; a carve-out outside the regions
 */
export function resolveConfig(config: MachineConfig): HostConfig {
  const given = parseConfig(machineSchema, config);
  checkRegions(given.regions, given.page_shift, given.ia_bits ?? 48);
  checkHandles(given);
  const geometry = tableGeometry(given.page_shift, given.ia_bits ?? iaBitsFor(given.regions));
  const poolPages = given.host_s2_pool_pages ?? hostPoolBudget(given.regions, given.page_shift);
  if (poolPages < geometry.pgdPages) {
    throw new ConfigError(`host_s2_pool_pages: ${poolPages} is less than the ${geometry.pgdPages} root pages`);
  }
  const carveout = given.hyp_carveout ?? placeCarveout(given.regions, geometry, poolPages, given.features.el2_debug);
  const text = given.hyp_text ?? { base: carveout.base, size: textSize(given.page_shift) };
  checkCarveout(carveout, text, given.regions, given.page_shift);
  const secureWorld =
    given.secure_world === undefined ? null : resolveSecureWorld(given.secure_world, { ...given, geometry });
  return {
    kind: "pkvm",
    geometry,
    features: given.features,
    regions: given.regions,
    hyp_carveout: carveout,
    hyp_text: text,
    host_s2_pool_pages: poolPages,
    vm_bytes: given.vm_bytes,
    vm_bytes_per_vcpu: given.vm_bytes_per_vcpu,
    vcpu_bytes: given.vcpu_bytes,
    host_kvm_bytes: given.host_kvm_bytes,
    host_vcpu_bytes: given.host_vcpu_bytes,
    handle_base: given.handle_base,
    max_vms: given.max_vms,
    variant: given.variant,
    ...(secureWorld === null ? {} : { secure_world: secureWorld }),
    frames: secureWorld?.frames ?? 0,
  };
}

function checkHandles({ handle_base, max_vms }: { readonly handle_base: number; readonly max_vms: number }): void {
  if (handle_base + max_vms <= HANDLE_END) return;
  throw new ConfigError(`max_vms: ${max_vms} handles from ${handle_base} on do not fit 16 bits`);
}

/**
 * Checks the configuration of a plain KVM host and fills in what it leaves out.
 *
 * @throws ConfigError naming the field: what {@link resolveConfig} refuses of regions and handles; a folio pool outside them
 */
export function resolveKvmConfig(config: KvmConfig): KvmHostConfig {
  const given = parseConfig(kvmSchema, config);
  checkRegions(given.regions, given.page_shift, given.ia_bits ?? 48);
  checkHandles(given);
  const geometry = tableGeometry(given.page_shift, given.ia_bits ?? iaBitsFor(given.regions));
  if (given.table_pages < geometry.pgdPages) {
    throw new ConfigError(`table_pages: ${given.table_pages} is less than the ${geometry.pgdPages} root pages`);
  }
  const pool = given.folio_pool ?? placeFolioPool(given.regions, given.page_shift);
  checkPlace("folio_pool", pool, given.regions, given.page_shift);
  if (pool.size === 0n) throw new ConfigError("folio_pool.size: guest_memfd needs pages");
  const { features, regions, table_pages, handle_base, max_vms } = given;
  return { kind: "kvm", geometry, features, regions, folio_pool: pool, table_pages, handle_base, max_vms };
}

function placeFolioPool(regions: readonly Region[], shift: number): Range {
  const usable = regions.filter(({ nomap }) => !nomap).sort((a, b) => (a.size < b.size ? 1 : -1));
  const [largest] = usable;
  if (largest === undefined) throw new ConfigError("regions: none is memory that the kernel may use");
  const pages = (largest.size >> BigInt(shift)) / 4n || 1n;
  const size = pages << BigInt(shift);
  return { base: largest.base + largest.size - size, size };
}

/**
 * Checks the configuration of a lone table and fills in what it leaves out.
 *
 * @throws ConfigError naming the field
 */
export function resolvePageTableConfig(config: PageTableConfig): LoneTableConfig {
  const given = parseConfig(pageTableSchema, config);
  const { page_shift, ia_bits, pool_pages, idmap, as_s1, force_pte, vmid } = given;
  const geometry = tableGeometry(page_shift, ia_bits);
  if (pool_pages < geometry.pgdPages) {
    throw new ConfigError(`pool_pages: ${pool_pages} is less than the ${geometry.pgdPages} root pages`);
  }
  return { kind: "page_table", geometry, features: given.features, pool_pages, idmap, as_s1, force_pte, vmid };
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

function isAligned(value: bigint, shift: number): boolean {
  return (value & ((1n << BigInt(shift)) - 1n)) === 0n;
}

/** Bytes of the core's state per page of DRAM: vmemmap entry, index of contents, descriptors of host and owner with their tables. */
const STATE_BYTES_PER_PAGE = 21n;
const WASM_BYTES = 1n << 32n;

/** @throws ConfigError naming the region at fault */
export function checkRegions(regions: readonly Region[], shift: number, bits: number): void {
  if (regions.length > abi.HYP_MEMBLOCK_REGIONS) {
    throw new ConfigError(`regions: ${regions.length} regions, pKVM takes at most ${abi.HYP_MEMBLOCK_REGIONS}`);
  }
  let end = 0n;
  let pages = 0n;
  regions.forEach(({ base, size }, index) => {
    const where = `regions.${index}`;
    if (size === 0n) throw new ConfigError(`${where}.size: the region is empty`);
    if (!isAligned(base, shift)) throw new ConfigError(`${where}.base: ${hex(base)} is not page aligned`);
    if (!isAligned(size, shift))
      throw new ConfigError(`${where}.size: ${hex(size)} is not a multiple of the page size`);
    if (base < end) {
      throw new ConfigError(`${where}.base: ${hex(base)} is below the end of the region before it, ${hex(end)}`);
    }
    end = base + size;
    if (end > 1n << BigInt(bits)) throw new ConfigError(`${where}: ends at ${hex(end)}, beyond ${bits} address bits`);
    pages += size >> BigInt(shift);
  });
  if (pages * STATE_BYTES_PER_PAGE > WASM_BYTES) throw tooLarge(pages, shift);
}

/** The error for more DRAM than can be simulated. */
function tooLarge(pages: bigint, shift: number): ConfigError {
  const gib = (bytes: bigint) => `${(Number(bytes) / 2 ** 30).toFixed(1)} GiB`;
  const dram = gib(pages << BigInt(shift));
  const need = gib(pages * STATE_BYTES_PER_PAGE);
  return new ConfigError(`regions: ${dram} of DRAM need ${need} of WebAssembly memory, the limit is 4 GiB`);
}

/** What the core's refusal to make a machine (CREATE_* of assembly/abi/codes.ts) means for its configuration. */
export function creationError(answer: number, config: ResolvedConfig): ConfigError {
  const { pageShift } = config.geometry;
  const regions = config.kind === "page_table" ? [] : config.regions;
  switch (answer) {
    case CREATE_TOO_LARGE:
      return tooLarge(regions.reduce((sum, { size }) => sum + size, 0n) >> BigInt(pageShift), pageShift);
    case CREATE_REGIONS:
      return new ConfigError("regions: the core refuses them");
    case CREATE_GEOMETRY:
      return new ConfigError("ia_bits: no stage-2 table has this shape");
    case CREATE_CARVEOUT:
      if (config.kind === "kvm") return new ConfigError("folio_pool: no memory");
      return new ConfigError("hyp_carveout: too small for EL2's tables and the host's table pool");
    case CREATE_POOL:
      if (config.kind === "kvm") return new ConfigError("table_pages: too few for one root");
      if (config.kind === "gunyah")
        return new ConfigError("table_pages, heap_bytes or memdb_bytes: too few to start HLOS");
      return new ConfigError("host_s2_pool_pages: too few to describe EL2's own memory");
    default:
      return new ConfigError(`the core refuses the configuration (${answer})`);
  }
}

function iaBitsFor(regions: readonly Region[]): number {
  const last = regions.at(-1);
  const end = last === undefined ? 0n : last.base + last.size;
  return IA_BITS.find((bits) => bits >= 40 && end <= 1n << BigInt(bits)) ?? 48;
}

const GIB = 2 ** 30;

/** Reference pkvm-el2 section 2.12: tables for all regions, as many again for 1 GiB of device space, and 16. */
function hostPoolBudget(regions: readonly Region[], shift: number): number {
  return hypTableBudget(regions, shift) + 16;
}

function hypTableBudget(regions: readonly Region[], shift: number): number {
  const pages = regions.map(({ size }) => Number(size >> BigInt(shift)));
  return [...pages, GIB / 2 ** shift].reduce((sum, count) => sum + tablePagesFor(count, shift), 0);
}

/** 64 KiB, or a page where that is more. */
function textSize(shift: number): bigint {
  return BigInt(Math.max(2 ** shift, 0x10000));
}

/** Pages of the ownership selftest (CONFIG_NVHE_EL2_DEBUG), of the VM table, of the FF-A mailboxes and descriptor buffer. */
const SELFTEST_PAGES = 32;
const VM_TABLE_PAGES = 1;
const FFA_BYTES = 11 * 4096;

/** The carve-out of reference pkvm-el2 section 1.7, in bytes: rounded up to blocks of level 2. */
function carveoutSize(regions: readonly Region[], { pageShift }: TableGeometry, pool: number, debug: boolean): bigint {
  const pageSize = 2 ** pageShift;
  const memoryPages = regions.reduce((sum, { size }) => sum + Number(size >> BigInt(pageShift)), 0);
  const vmemmapPages = Math.ceil((memoryPages * 8) / pageSize) + regions.length;
  const pages =
    Number(textSize(pageShift)) / pageSize +
    (debug ? SELFTEST_PAGES : 0) +
    vmemmapPages +
    VM_TABLE_PAGES +
    hypTableBudget(regions, pageShift) +
    pool +
    Math.ceil(FFA_BYTES / pageSize);
  return BigInt(pages) << BigInt(pageShift);
}

function placeCarveout(regions: readonly Region[], geometry: TableGeometry, pool: number, debug: boolean) {
  const size = carveoutSize(regions, geometry, pool, debug);
  const block = 1n << BigInt(levelShift(geometry.pageShift, 2));
  const blocks = ((size + block - 1n) / block) * block;
  const usable = regions.filter(({ nomap }) => !nomap).sort((a, b) => (a.size < b.size ? 1 : -1));
  for (const { base, size: room } of usable) {
    const start = ((base + room - blocks) / block) * block;
    if (blocks <= room && start >= base) return { base: start, size: blocks };
    // The kernel falls back to a carve-out without block alignment (kvm/pkvm.c:kvm_hyp_reserve).
    if (size <= room) return { base: base + room - size, size };
  }
  throw new ConfigError(`regions: none has room for the ${hex(size)} bytes of EL2's own memory`);
}

type Range = HostConfig["hyp_text"];

/** @throws ConfigError unless EL2's own memory is aligned, not empty, and inside one region that is not `nomap` */
export function checkCarveoutRange(field: string, carveout: Range, regions: readonly Region[], shift: number): void {
  if (carveout.size === 0n) throw new ConfigError(`${field}.size: EL2 needs memory of its own`);
  checkPlace(field, carveout, regions, shift);
}

function checkCarveout(carveout: Range, text: Range, regions: readonly Region[], shift: number): void {
  checkCarveoutRange("hyp_carveout", carveout, regions, shift);
  checkPlace("hyp_text", text, regions, shift);
}

function checkPlace(field: string, { base, size }: Range, regions: readonly Region[], shift: number): void {
  if (!isAligned(base, shift)) throw new ConfigError(`${field}.base: ${hex(base)} is not page aligned`);
  if (!isAligned(size, shift)) throw new ConfigError(`${field}.size: ${hex(size)} is not a multiple of the page size`);
  const end = base + size;
  const inside = regions.some((region) => !region.nomap && base >= region.base && end <= region.base + region.size);
  if (size > 0n && !inside)
    throw new ConfigError(`${field}: ${hex(base)}..${hex(end)} is not inside one usable region`);
}

function featureBits(set: Resolved["features"]): number {
  return (
    (set.fwb ? abi.FEATURE_FWB : 0) |
    (set.dic ? abi.FEATURE_DIC : 0) |
    (set.xnx ? abi.FEATURE_XNX : 0) |
    (set.tlb_range ? abi.FEATURE_TLB_RANGE : 0) |
    (set.el2_debug ? abi.FEATURE_EL2_DEBUG : 0)
  );
}

const KINDS = {
  pkvm: abi.KIND_PKVM,
  page_table: abi.KIND_PAGE_TABLE,
  replayed: abi.KIND_REPLAYED,
  kvm: abi.KIND_KVM,
  gunyah: abi.KIND_GUNYAH,
  ffa: abi.KIND_FFA,
  cca: abi.KIND_CCA,
} as const;

/** The packed record of assembly/abi/config.ts. */
export function packConfig(config: ResolvedConfig): Uint8Array {
  const regions = config.kind === "page_table" ? 0 : config.regions.length;
  const bytes = new Uint8Array(abi.CONFIG_HEADER_SIZE + regions * abi.CONFIG_REGION_SIZE);
  const view = new DataView(bytes.buffer);
  const put32 = (offset: number, value: number) => view.setUint32(offset, value, true);
  put32(abi.CONFIG_KIND, KINDS[config.kind]);
  put32(abi.CONFIG_PAGE_SHIFT, config.geometry.pageShift);
  put32(abi.CONFIG_IA_BITS, config.geometry.iaBits);
  put32(abi.CONFIG_FEATURES, featureBits(config.features));
  if (config.kind === "page_table") {
    packTable(config, put32);
    return bytes;
  }
  if (config.kind === "ffa") packFfa(config, put32);
  else if (config.kind === "kvm") packKvm(config, view, put32);
  else if (config.kind === "gunyah") packGunyah(config, view, put32);
  else if (config.kind === "cca") put32(CONFIG_CCA_VMIDS, config.vmids);
  else packHost(config, view, put32);
  packRegions(config.regions, view, put32);
  return bytes;
}

type Put32 = (offset: number, value: number) => void;

function packTable(config: LoneTableConfig, put32: Put32): void {
  put32(abi.CONFIG_VMID, config.vmid);
  put32(abi.CONFIG_POOL_PAGES, config.pool_pages);
  put32(abi.CONFIG_FRAMES, config.pool_pages);
  const flags =
    (config.idmap ? abi.TABLE_IDMAP : 0) |
    (config.as_s1 ? abi.TABLE_AS_S1 : 0) |
    (config.force_pte ? abi.TABLE_FORCE_PTE : 0);
  put32(abi.CONFIG_TABLE_FLAGS, flags);
}

function packGunyah(config: GunyahConfig, view: DataView, put32: Put32): void {
  view.setBigUint64(abi.CONFIG_CARVEOUT_BASE, config.hyp_carveout.base, true);
  view.setBigUint64(abi.CONFIG_CARVEOUT_SIZE, config.hyp_carveout.size, true);
  put32(abi.CONFIG_POOL_PAGES, config.table_pages);
  put32(abi.CONFIG_HEAP_BYTES, config.heap_bytes);
  put32(abi.CONFIG_MEMDB_BYTES, config.memdb_bytes);
}

function packHost(config: HostConfig, view: DataView, put32: Put32): void {
  const put64 = (offset: number, value: bigint) => view.setBigUint64(offset, value, true);
  const variant = config.variant === "android" ? abi.FEATURE_ANDROID : 0;
  put32(abi.CONFIG_FEATURES, featureBits(config.features) | variant | secureWorldBits(config.secure_world));
  if (config.secure_world !== undefined) packSecureWorld(config.secure_world, put32);
  put32(abi.CONFIG_HOST_S2_POOL_PAGES, config.host_s2_pool_pages);
  put64(abi.CONFIG_CARVEOUT_BASE, config.hyp_carveout.base);
  put64(abi.CONFIG_CARVEOUT_SIZE, config.hyp_carveout.size);
  put64(abi.CONFIG_TEXT_BASE, config.hyp_text.base);
  put64(abi.CONFIG_TEXT_SIZE, config.hyp_text.size);
  put32(abi.CONFIG_HOST_S2_POOL_PAGES, config.host_s2_pool_pages);
  put32(abi.CONFIG_VM_BYTES, config.vm_bytes);
  put32(abi.CONFIG_VM_BYTES_PER_VCPU, config.vm_bytes_per_vcpu);
  put32(abi.CONFIG_VCPU_BYTES, config.vcpu_bytes);
  put32(abi.CONFIG_HOST_KVM_BYTES, config.host_kvm_bytes);
  put32(abi.CONFIG_HOST_VCPU_BYTES, config.host_vcpu_bytes);
  put32(abi.CONFIG_HANDLE_BASE, config.handle_base);
  put32(abi.CONFIG_MAX_VMS, config.max_vms);
  put32(abi.CONFIG_FRAMES, config.frames);
}

function secureWorldBits(config: FfaManagersConfig | undefined): number {
  if (config === undefined) return 0;
  return abi.FEATURE_SECURE_WORLD | (config.protect ? abi.FEATURE_GRANULE_PROTECTION : 0);
}

function packSecureWorld({ limits }: FfaManagersConfig, put32: Put32): void {
  put32(abi.CONFIG_SECURE_TRANSACTIONS, limits.transactions);
  put32(abi.CONFIG_SECURE_FRAGMENTS, limits.fragments);
  put32(abi.CONFIG_SECURE_RECIPIENTS, limits.recipients);
  put32(abi.CONFIG_SECURE_BUFFER_PAGES, limits.buffer_pages);
}

function packKvm(config: KvmHostConfig, view: DataView, put32: Put32): void {
  view.setBigUint64(abi.CONFIG_CARVEOUT_BASE, config.folio_pool.base, true);
  view.setBigUint64(abi.CONFIG_CARVEOUT_SIZE, config.folio_pool.size, true);
  put32(abi.CONFIG_HANDLE_BASE, config.handle_base);
  put32(abi.CONFIG_MAX_VMS, config.max_vms);
  put32(abi.CONFIG_FRAMES, config.table_pages);
}

const FLAVOURS = { hypervisor: FFA_HYPERVISOR_ALONE, spmc: FFA_SPMC_ALONE, both: FFA_BOTH } as const;

// Endpoints are made by operations (ffa-config.ts).
function packFfa(config: FfaManagersConfig, put32: Put32): void {
  put32(abi.CONFIG_FFA_FLAVOUR, FLAVOURS[config.flavour]);
  put32(abi.CONFIG_FFA_TRANSACTIONS, config.limits.transactions);
  put32(abi.CONFIG_FFA_FRAGMENTS, config.limits.fragments);
  put32(abi.CONFIG_FFA_RECIPIENTS, config.limits.recipients);
  put32(abi.CONFIG_FFA_BUFFER_PAGES, config.limits.buffer_pages);
  put32(abi.CONFIG_FFA_PROTECT, config.protect ? 1 : 0);
  put32(abi.CONFIG_FRAMES, config.frames);
}

function packRegions(regions: readonly Region[], view: DataView, put32: Put32): void {
  put32(abi.CONFIG_REGIONS, regions.length);
  regions.forEach(({ base, size, nomap }, index) => {
    const at = abi.CONFIG_HEADER_SIZE + index * abi.CONFIG_REGION_SIZE;
    view.setBigUint64(at, base, true);
    view.setBigUint64(at + 8, size, true);
    put32(at + 16, nomap ? MEMBLOCK_NOMAP : 0);
  });
}
