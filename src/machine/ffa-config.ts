// The configuration of a machine of FF-A partition managers: which managers there are, their limits, the endpoints with what
// their stage-2 tables hold at the start, and the operations that put it there. Field names: golden/ffa/README.md section 3.

import { z } from "zod";
import * as abi from "../../assembly/abi/ffa.js";
import type { Region, Resolved } from "./config.js";
import { ConfigError, parseConfig, switchField, u64 } from "./config-values.js";
import { tableGeometry } from "./geometry.js";
import type { Operation } from "./operations.js";

const PAGE_SHIFT = 12;
const IA_BITS = 40;
const TABLES = ["main", "s", "ns"] as const;
const VERSIONS = [0x10000, 0x10001, 0x10002, 0x10003];
/** In a stage-2 handle this bit names an endpoint's non-secure table; an id cannot have it. */
const ID_EXCLUDED = abi.FFA_NON_SECURE_TABLE;
/** The SPMC sees the normal world as one endpoint with this id. */
const NORMAL_WORLD = 0;
/** The hypervisor's channel to the SPMC. */
const SPMC_CHANNEL = 0x8000;

const small = (max: number, complaint: string) =>
  u64.refine((value) => value <= BigInt(max), complaint).transform((value) => Number(value));

export const endpointId = small(0xffff, "is not a 16-bit endpoint id").refine((id) => (id & ID_EXCLUDED) === 0, {
  error: "uses bit 14, by which Freehold names an endpoint's non-secure table",
});
export const version = small(0xffff_ffff, "is no FF-A version").refine((value) => VERSIONS.includes(value), {
  error: "must be 0x10000 to 0x10003 (1.0 to 1.3)",
});
const mode = small(0x3ff, "has bits that no mode has");
const page = z.int().nonnegative().max(0xff_ffff);
const pages = z.int().min(1).max(0x10_0000);

/** Consecutive pages of one table that have a mode at the start. */
const initialMode = z.strictObject({ table: z.literal(TABLES), page, n: page, mode });

const endpoint = z.strictObject({
  /** Bit 15 set: a secure partition; 0 at the SPMC: the normal world as a whole. */
  id: endpointId,
  /** Default: `spmc` for secure partitions and the normal world, unless there is none. */
  manager: z.literal(["hyp", "spmc"]).optional(),
  /** The version that the endpoint speaks: it fixes its descriptor layouts. Default: 1.3. */
  version: version.default(0x10003),
  /** Of RX and of TX; 0: none registered. */
  buffer_pages: z.int().min(0).max(abi.FFA_MAX_BUFFER_PAGES).default(1),
  /** Default: `main`; for the SPMC's endpoints, S-EL0 partitions excepted, `s` and `ns` (secure and non-secure output). */
  tables: z.union([z.tuple([z.literal("main")]), z.tuple([z.literal("s"), z.literal("ns")])]).optional(),
  /** All other pages are absent. */
  modes: z.array(initialMode).default([]),
  /** An S-EL0 partition. */
  el0: switchField.default(false),
  /** Still in its initialisation phase. */
  init: switchField.default(false),
});

export const ffaLimits = z.strictObject({
  /** Slots of the transaction table of each manager. Defaults: Hafnium's build (reference ffa, section 1.5). */
  transactions: z.int().min(1).max(abi.FFA_MAX_TRANSACTIONS).default(100),
  /** Fragments of one transaction. */
  fragments: z.int().min(1).max(abi.FFA_MAX_FRAGMENTS).default(20),
  /** Recipients of one transaction. */
  recipients: z.int().min(1).max(abi.FFA_MAX_RECIPIENTS).default(2),
  /** The largest RX or TX buffer. */
  buffer_pages: z.int().min(1).max(abi.FFA_MAX_BUFFER_PAGES).default(1),
});

export const ffaSchema = z.strictObject({
  /** Only documentation. */
  name: z.string().optional(),
  /** `both`: a hypervisor that forwards to an SPMC. */
  flavour: z.literal(["hypervisor", "spmc", "both"]),
  limits: ffaLimits.prefault({}),
  /** Page number p stands for the address base + 4096 p. */
  base: u64,
  pages,
  /** Firmware can move pages to the secure physical address space. */
  protect: switchField.default(false),
  /** Pages that are secure at the start. */
  pas_secure: z.array(z.strictObject({ page, n: page })).default([]),
  endpoints: z.array(endpoint).min(1).max(abi.FFA_MAX_ENDPOINTS),
});

/** Configuration of FF-A partition managers. `flavour`, `base`, `pages` and `endpoints` must be given. */
export type FfaConfig = z.input<typeof ffaSchema>;

/** `main`, or one of the two tables of an endpoint of the SPMC. */
export type FfaTable = (typeof TABLES)[number];

/** An endpoint as the machine has it. */
export interface FfaEndpointConfig {
  readonly id: number;
  readonly manager: "hyp" | "spmc";
  readonly version: number;
  readonly buffer_pages: number;
  readonly tables: readonly FfaTable[];
  readonly modes: readonly {
    readonly table: FfaTable;
    readonly page: number;
    readonly n: number;
    readonly mode: number;
  }[];
  readonly el0: boolean;
  readonly init: boolean;
}

/** The configuration of partition managers, complete. */
export interface FfaManagersConfig extends Resolved {
  readonly kind: "ffa";
  readonly flavour: "hypervisor" | "spmc" | "both";
  readonly limits: z.output<typeof ffaLimits>;
  readonly base: bigint;
  readonly pages: number;
  readonly protect: boolean;
  readonly pas_secure: readonly { readonly page: number; readonly n: number }[];
  readonly endpoints: readonly FfaEndpointConfig[];
  /** The pages, as one region. */
  readonly regions: readonly Region[];
  /** Simulator-side pages for tables and buffers. */
  readonly frames: number;
}

/**
 * Checks a configuration of partition managers and fills in what it leaves out.
 *
 * @throws ConfigError naming the field: an endpoint that stands twice or has no manager here, pages beyond `pages`, a table
 * that the endpoint does not have, larger buffers than `limits` allows
 */
export function resolveFfaConfig(config: FfaConfig): FfaManagersConfig {
  const given = parseConfig(ffaSchema, config);
  const { flavour, base, pages: count, protect, pas_secure } = given;
  if ((base & 0xfffn) !== 0n) throw new ConfigError(`base: 0x${base.toString(16)} is not page aligned`);
  const size = BigInt(count) << BigInt(PAGE_SHIFT);
  if (base + size > 1n << BigInt(IA_BITS)) throw new ConfigError(`pages: end beyond ${IA_BITS} address bits`);
  pas_secure.forEach(({ page: first, n }, index) => checkPages(`pas_secure.${index}`, first, n, count));
  const endpoints = given.endpoints.map((each) => completeEndpoint(each, flavour));
  endpoints.forEach((each, index) => checkEndpoint(each, `endpoints.${index}`, given));
  checkIds(endpoints, flavour);
  return {
    kind: "ffa",
    geometry: tableGeometry(PAGE_SHIFT, IA_BITS),
    features: { fwb: false, dic: false, xnx: true, tlb_range: false, el2_debug: false },
    ...{ flavour, limits: given.limits, base, pages: count, protect, pas_secure, endpoints },
    regions: [{ base, size, nomap: false }],
    frames: framesFor(endpoints, count),
  };
}

type GivenEndpoint = z.output<typeof endpoint>;

function completeEndpoint(given: GivenEndpoint, flavour: FfaManagersConfig["flavour"]): FfaEndpointConfig {
  const isSpmcs = flavour !== "hypervisor" && (given.id === NORMAL_WORLD || given.id > SPMC_CHANNEL);
  const manager = given.manager ?? (isSpmcs || flavour === "spmc" ? "spmc" : "hyp");
  const tables: readonly FfaTable[] = given.tables ?? (manager === "spmc" && !given.el0 ? ["s", "ns"] : ["main"]);
  return { ...given, manager, tables };
}

function checkEndpoint(
  { id, manager, buffer_pages, tables, modes }: FfaEndpointConfig,
  where: string,
  { flavour, limits: { buffer_pages: largest }, pages: count }: z.output<typeof ffaSchema>,
): void {
  const isSpmcs = id === NORMAL_WORLD || id > SPMC_CHANNEL;
  if (isSpmcs !== (manager === "spmc"))
    throw new ConfigError(`${where}.manager: ${manager} has no endpoint of this id`);
  if (flavour === (manager === "spmc" ? "hypervisor" : "spmc")) {
    throw new ConfigError(`${where}.manager: there is no ${manager} in flavour ${flavour}`);
  }
  if (buffer_pages > largest) {
    throw new ConfigError(`${where}.buffer_pages: ${buffer_pages} is more than limits.buffer_pages, ${largest}`);
  }
  modes.forEach(({ table, page: first, n }, index) => {
    checkPages(`${where}.modes.${index}`, first, n, count);
    if (!tables.includes(table)) throw new ConfigError(`${where}.modes.${index}.table: the endpoint has no ${table}`);
  });
}

function checkPages(where: string, first: number, n: number, count: number): void {
  if (first + n > count) throw new ConfigError(`${where}: page ${first + n - 1} where there are ${count}`);
}

function checkIds(endpoints: readonly FfaEndpointConfig[], flavour: FfaManagersConfig["flavour"]): void {
  const ids = endpoints.map(({ id }) => id);
  const twice = ids.findIndex((id, index) => ids.indexOf(id) !== index);
  if (twice >= 0) throw new ConfigError(`endpoints.${twice}.id: 0x${(ids[twice] ?? 0).toString(16)} stands twice`);
  if (flavour === "both" && !ids.includes(NORMAL_WORLD)) {
    throw new ConfigError("endpoints: a hypervisor that forwards needs endpoint 0x0, the normal world at the SPMC");
  }
}

// Two buffers of up to four pages that must be adjacent, and tables: roots, and what maps all pages once.
/** Simulator-side pages that endpoints with `count` pages to map need. */
export function framesFor(endpoints: readonly FfaEndpointConfig[], count: number): number {
  const { pgdPages } = tableGeometry(PAGE_SHIFT, IA_BITS);
  const lowest = Math.ceil(count / 512) + 1;
  const table = 2 * pgdPages + lowest + Math.ceil(lowest / 512) + 1;
  const buffers = 2 * abi.FFA_MAX_BUFFER_PAGES;
  return endpoints.reduce((sum, { tables }) => sum + buffers + tables.length * table, buffers);
}

/** The operations that make the endpoints, before the first call. */
export function setUpOperations(config: FfaManagersConfig): Operation[] {
  const operations: Operation[] = [];
  const addressOf = (page: number) => config.base + (BigInt(page) << BigInt(PAGE_SHIFT));
  for (const each of config.endpoints) {
    const { id: vm, version, buffer_pages } = each;
    operations.push({
      op: "ffa_endpoint",
      ...{ vm, version: BigInt(version), buffer_pages, flags: BigInt(endpointFlags(each)) },
    });
    for (const { table, page, n, mode } of each.modes) {
      const index = each.tables.indexOf(table);
      operations.push({
        op: "ffa_set_mode",
        ...{ vm, table: index, address: addressOf(page), pages: n, mode: BigInt(mode) },
      });
    }
  }
  for (const { page, n } of config.pas_secure) {
    operations.push({ op: "ffa_set_secure", address: addressOf(page), pages: n });
  }
  return operations;
}

function endpointFlags({ manager, el0, init, tables }: FfaEndpointConfig): number {
  return (
    (manager === "spmc" ? abi.FFA_ENDPOINT_SPMC : 0) |
    (el0 ? abi.FFA_ENDPOINT_EL0 : 0) |
    (init ? abi.FFA_ENDPOINT_INIT : 0) |
    (tables.length > 1 ? abi.FFA_ENDPOINT_TWO_TABLES : 0)
  );
}
