// The line kinds of a golden recording, checked field by field (golden/pkvm/README.md sections 2, 3, 6, 7 and 9).

import { z } from "zod";
import {
  ConfigError,
  resolveConfig,
  resolvePageTableConfig,
  type MachineConfig,
  type PageTableConfig,
  type ResolvedConfig,
} from "../machine/config.js";
import { fitsArgument, verbNamed, type Argument, type ArgumentKind, type Operation } from "../machine/operations.js";
import {
  COUNT_MAX,
  derived,
  fail,
  type Fields,
  hex,
  HEX,
  integer,
  list,
  object,
  onlyFields,
  parse,
  shown,
} from "./golden-fields.js";

export type GoldenKind = "pkvm" | "pgtable";

export interface GoldenHeader {
  readonly kind: GoldenKind;
  /** Operation lines in the file. */
  readonly ops: number;
  /** A check line stands wherever the number of operations is a multiple of this. */
  readonly checkEvery: number;
  readonly config: ResolvedConfig;
}

export interface GoldenPanic {
  readonly kind: string;
  readonly func: string | null;
}

/** JSON of an array entry of `changed`, `tlbi` or `cmo`, already checked. */
export type Entry = Readonly<Record<string, string | number>>;

export interface GoldenOperation {
  readonly i: number;
  readonly op: string;
  /** Arguments as recorded. */
  readonly args: Readonly<Record<string, string | number | readonly string[]>>;
  readonly operation: Operation;
  /** Pages pushed onto the host's list before the call. */
  readonly pushes: readonly bigint[];
  readonly ret: number;
  readonly panic: GoldenPanic | null;
  /** Outcome fields that the line has, in the notation of `outcomeText`. */
  readonly outcome: ReadonlyMap<string, string>;
  readonly changed: Readonly<Record<ChangedList, readonly Entry[]>>;
  readonly tlbi: readonly Tlbi[];
  readonly cmo: readonly Cmo[];
}

export interface GoldenCheck {
  readonly i: number;
  readonly pages: number;
  readonly host_leaves: number;
  readonly guest_leaves: number;
  readonly tables: number;
  readonly sha256: string;
  readonly sha256_tables: string;
}

export interface Tlbi {
  readonly kind: "vmid" | "ipa" | "ipa_nsh" | "range";
  readonly vmid: number;
  /** Bytes; 0 for `vmid`. */
  readonly ipa: number;
  /** Null: no level hint. */
  readonly level: number | null;
  readonly pages: number;
  /** Invalidations in a row, the address growing by the level's entry size. */
  readonly count: number;
}

export interface Cmo {
  readonly kind: "dc" | "ic" | "poc";
  /** Bytes. */
  readonly address: number;
  readonly size: number;
}

export type GoldenLine =
  | { readonly type: "operation"; readonly value: GoldenOperation }
  | { readonly type: "check"; readonly value: GoldenCheck }
  | { readonly type: "reset"; readonly value: { readonly i: number } };

/** Addresses of the machine: all fit 52 bits. */
function address(value: unknown, where: string): number {
  const number = Number(hex(value, where));
  if (!Number.isSafeInteger(number)) fail(`${where}: ${shown(value)} is out of range`);
  return number;
}

// The header.

const flag = z.literal([0, 1]);
const hexString = z.string().regex(HEX);
const count = z.int().nonnegative().max(COUNT_MAX);
const range = z.strictObject({ base: hexString, size: hexString });
const shape = { name: z.string(), page_shift: z.literal([12, 14, 16]), start_level: count, pgd_pages: count };

const hostHeader = z.strictObject({
  ...shape,
  ia_bits: z.literal([32, 36, 40, 42, 44, 48]),
  parange: count,
  features: z.strictObject({ fwb: flag, dic: flag, xnx: flag, tlb_range: flag, el2_debug: flag }),
  regions: z.array(z.strictObject({ base: hexString, size: hexString, nomap: flag })),
  hyp_carveout: range,
  hyp_text: range,
  host_s2_pool_pages: count,
  vm_bytes: count,
  vm_bytes_per_vcpu: count,
  vcpu_bytes: count,
  host_kvm_bytes: count,
  host_vcpu_bytes: count,
  memcache_min_pages: count,
  handle_base: hexString,
  max_vms: count,
  block_pages: count,
});

const tableHeader = z.strictObject({
  ...shape,
  ia_bits: z.literal([32, 36, 40, 42, 44, 48]),
  pool_pages: count,
  idmap: flag,
  as_s1: flag,
  force_pte: flag,
  vmid: count,
  features: z.strictObject({ fwb: flag, dic: flag, xnx: flag, tlb_range: flag }),
});

const headerSchema = z.strictObject({
  format: z.literal("freehold-golden"),
  version: count,
  kind: z.string(),
  source: z.string(),
  seed: z.int(),
  ops: count,
  script: z.string(),
  check_every: count.min(1),
  config: z.unknown(),
});

const PARANGE_BITS = [32, 36, 40, 42, 44, 48];
const VERSION = 1;

/** Reads the first line. */
export function parseHeader(value: unknown): GoldenHeader {
  const fields = object(value, "header");
  if (fields["format"] !== "freehold-golden") fail("not the header of a golden recording");
  const header = parse(headerSchema, fields, "");
  if (header.version !== VERSION) fail(`version ${header.version} is not supported, only ${VERSION}`);
  const { kind, ops, check_every: checkEvery } = header;
  if (kind !== "pkvm" && kind !== "pgtable")
    fail(`kind ${shown(kind)} is not supported, only "pkvm", "pgtable", "walk" and "ffa"`);
  try {
    const config = kind === "pkvm" ? hostConfig(header.config) : tableConfig(header.config);
    return { kind, ops, checkEvery, config };
  } catch (error) {
    if (error instanceof ConfigError) fail(`config.${error.message}`);
    throw error;
  }
}

function hostConfig(value: unknown): ResolvedConfig {
  const { start_level, pgd_pages, parange, memcache_min_pages, block_pages, ...own } = parse(
    hostHeader,
    value,
    "config",
  );
  const config = resolveConfig(own satisfies MachineConfig);
  derived("start_level", start_level, config.geometry.startLevel);
  derived("pgd_pages", pgd_pages, config.geometry.pgdPages);
  derived("parange", parange, PARANGE_BITS.indexOf(own.ia_bits));
  derived("memcache_min_pages", memcache_min_pages, config.geometry.memcacheMinPages);
  derived("block_pages", block_pages, config.geometry.blockPages);
  return config;
}

function tableConfig(value: unknown): ResolvedConfig {
  const { start_level, pgd_pages, ...own } = parse(tableHeader, value, "config");
  const config = resolvePageTableConfig(own satisfies PageTableConfig);
  derived("start_level", start_level, config.geometry.startLevel);
  derived("pgd_pages", pgd_pages, config.geometry.pgdPages);
  return config;
}

// Outcome fields. `outcomeText` is how both the recorded and the found value are written to be compared.

/** The one notation in which outcome values are compared and reported. */
export const outcomeText = {
  number: (value: number): string => String(value),
  hex: (value: bigint): string => `0x${value.toString(16)}`,
  registers: (values: readonly bigint[]): string => `[${values.map((value) => outcomeText.hex(value)).join(" ")}]`,
  loaded: (vcpu: { readonly vm: number; readonly vcpu: number } | null): string =>
    vcpu === null ? "null" : `[0x${vcpu.vm.toString(16)} ${vcpu.vcpu}]`,
} as const;

type OutcomeReader = (value: unknown, where: string) => string;

const countField: OutcomeReader = (value, where) => outcomeText.number(integer(value, where, 0, COUNT_MAX));
const signedField: OutcomeReader = (value, where) => outcomeText.number(integer(value, where, -COUNT_MAX, COUNT_MAX));
const bitField: OutcomeReader = (value, where) => outcomeText.number(integer(value, where, 0, 1));
const hexField: OutcomeReader = (value, where) => outcomeText.hex(hex(value, where));

const resultField: OutcomeReader = (value, where) => {
  if (value === "mapped" || value === "spurious" || value === "injected" || value === "retry") return value;
  return fail(`${where}: ${shown(value)} is no result of an abort`);
};

const registersField: OutcomeReader = (value, where) => {
  const values = list(value, where);
  if (values.length !== 4) fail(`${where}: ${values.length} registers instead of 4`);
  return outcomeText.registers(values.map((register) => hex(register, where)));
};

const loadedField: OutcomeReader = (value, where) => {
  if (value === null) return outcomeText.loaded(null);
  const pair = list(value, where);
  if (pair.length !== 2) fail(`${where}: not [vm, vcpu]`);
  const vm = Number(hex(pair[0], where));
  return outcomeText.loaded({ vm, vcpu: integer(pair[1], where, 0, COUNT_MAX) });
};

interface OutcomeField {
  readonly read: OutcomeReader;
  /** The field may be absent; whether it had to be is compared like a value. */
  readonly optional: boolean;
}

const always = (read: OutcomeReader): OutcomeField => ({ read, optional: false });
const sometimes = (read: OutcomeReader): OutcomeField => ({ read, optional: true });

const ZEROED = { zeroed: sometimes(bitField) };
const HOST_MC = { host_mc: sometimes(countField) };
const FREE = { free: always(countField) };

const OUTCOME_FIELDS: Readonly<Record<string, Readonly<Record<string, OutcomeField>>>> = {
  host_abort: { result: always(resultField), inj_esr: sometimes(hexField) },
  guest_hvc: {
    x: always(registersField),
    elr_delta: always(signedField),
    exit_code: sometimes(countField),
    esr: sometimes(hexField),
    hpfar: sometimes(hexField),
    far: sometimes(hexField),
  },
  host_force_reclaim_page_guest: ZEROED,
  host_reclaim_page_guest: ZEROED,
  reclaim_dying_guest_page: ZEROED,
  hcall_donate_guest: HOST_MC,
  hcall_share_guest: HOST_MC,
  refill_memcache: HOST_MC,
  vcpu_load: { loaded: always(loadedField) },
  finalize_teardown_vm: { teardown_mc: sometimes(countField), stage2_teardown_mc: sometimes(countField) },
  pt_map: FREE,
  pt_unmap: FREE,
  pt_annotate: FREE,
  pt_wrprotect: FREE,
  pt_flush: FREE,
  pt_mkyoung: FREE,
  pt_test_clear_young: FREE,
  pt_relax_perms: FREE,
  pt_split: { nobjs: always(countField), ...FREE },
  pt_get_leaf: { pte: sometimes(hexField), level: sometimes(countField), ...FREE },
};

const NO_FIELDS: Readonly<Record<string, OutcomeField>> = {};
const PUSHING: ReadonlySet<string> = new Set(["refill_memcache", "hcall_donate_guest", "hcall_share_guest"]);

// Operation lines.

/** Pages that one refill may push: a batch's records, less the operation itself. */
const PUSHES_MAX = 65535;

function argument(kind: ArgumentKind, value: unknown, where: string): number | bigint {
  const decimal = kind === "index" || kind === "count" || kind === "flag";
  if (decimal && typeof value !== "number") fail(`${where}: ${shown(value)} is not a number`);
  const parsed = decimal ? (value as number) : hex(value, where);
  const number = kind === "handle" || kind === "mask" ? Number(parsed) : parsed;
  if (!fitsArgument(kind, number)) fail(`${where}: ${shown(value)} is out of range`);
  return number;
}

function parsePushes(args: Fields): bigint[] {
  const pages = list(args["mc_pages"], "args.mc_pages");
  if (pages.length > PUSHES_MAX) fail(`args.mc_pages: more than ${PUSHES_MAX} pages`);
  return pages.map((page) => hex(page, "args.mc_pages"));
}

function parseArguments(op: string, args: Fields, verbArgs: Readonly<Record<string, Argument>>): Operation {
  const pushing = PUSHING.has(op);
  const known = (name: string) => Object.hasOwn(verbArgs, name) || (pushing && name === "mc_pages");
  onlyFields(args, known, "args: ");
  const operation: Record<string, unknown> = { op };
  for (const name in verbArgs) {
    if (!Object.hasOwn(args, name)) fail(`args: ${name} is missing`);
    operation[name] = argument((verbArgs[name] as Argument).kind, args[name], `args.${name}`);
  }
  return operation as unknown as Operation;
}

function parsePanic(value: unknown): GoldenPanic {
  const fields = object(value, "panic");
  onlyFields(fields, (name) => name === "kind" || name === "func", "panic: ");
  const { kind, func } = fields;
  if (kind !== "warn" && kind !== "bug" && kind !== "el2-fault") fail(`panic.kind: ${shown(kind)} is no kind of panic`);
  if (kind === "el2-fault") {
    if (func !== undefined) fail("panic.func: an el2-fault has none");
    return { kind, func: null };
  }
  if (typeof func !== "string") fail(`panic.func: ${shown(func)} is not a name`);
  return { kind, func };
}

const COMMON_FIELDS: ReadonlySet<string> = new Set(["i", "op", "args", "ret", "changed", "tlbi", "cmo"]);
const PANIC_FIELDS: ReadonlySet<string> = new Set(["i", "op", "args", "panic"]);

function parseOutcome(fields: Fields, known: Readonly<Record<string, OutcomeField>>): Map<string, string> {
  const outcome = new Map<string, string>();
  for (const name in known) {
    const { read, optional } = known[name] as OutcomeField;
    if (Object.hasOwn(fields, name)) outcome.set(name, read(fields[name], name));
    else if (!optional) fail(`${name} is missing`);
  }
  return outcome;
}

function parseOperation(fields: Fields, kind: GoldenKind): GoldenOperation {
  const op = fields["op"];
  if (typeof op !== "string") fail(`op: ${shown(op)} is not a name`);
  const verb = verbNamed(op);
  const ofKind = op.startsWith("pt_") === (kind === "pgtable") && !op.startsWith("host_memcache_push");
  if (verb === undefined || !ofKind) fail(`unknown operation ${shown(op)}`);
  const args = object(fields["args"], "args");
  const operation = parseArguments(op, args, verb.args);
  const common = {
    i: integer(fields["i"], "i", 0, COUNT_MAX),
    op,
    args: args as GoldenOperation["args"],
    operation,
    pushes: PUSHING.has(op) ? parsePushes(args) : [],
  };
  if (Object.hasOwn(fields, "panic")) {
    onlyFields(fields, (name) => PANIC_FIELDS.has(name), "");
    const panic = parsePanic(fields["panic"]);
    return { ...common, ret: 0, panic, outcome: new Map(), changed: NOTHING, tlbi: [], cmo: [] };
  }
  const known = OUTCOME_FIELDS[op] ?? NO_FIELDS;
  onlyFields(fields, (name) => COMMON_FIELDS.has(name) || Object.hasOwn(known, name), "");
  return {
    ...common,
    ret: integer(fields["ret"], "ret", -COUNT_MAX, COUNT_MAX),
    panic: null,
    outcome: parseOutcome(fields, known),
    changed: parseChanged(fields["changed"]),
    tlbi: fields["tlbi"] === undefined ? [] : list(fields["tlbi"], "tlbi").map(parseTlbi),
    cmo: fields["cmo"] === undefined ? [] : list(fields["cmo"], "cmo").map(parseCmo),
  };
}

// `changed`: the lists and the fields of their entries. `hex` fields are strings, the others small numbers.

type FieldType = "hex" | "number" | "state";

const LEAF = { ipa: "hex", level: "number", n: "number", pte: "hex" } as const;

/** The lists of `changed`, in the order in which they are compared. */
export const CHANGED = {
  pages: { pfn: "hex", n: "number", host: "number", hyp: "number", pins: "number", shares: "number" },
  host: LEAF,
  guest: { vm: "hex", ...LEAF },
  tables: { vm: "hex", ipa: "hex", level: "number", present: "number" },
  vms: { vm: "hex", state: "state", protected: "number", vcpus: "number" },
  vcpus: { vm: "hex", vcpu: "number", present: "number", mc: "number", loaded: "number" },
} as const satisfies Record<string, Readonly<Record<string, FieldType>>>;

export type ChangedList = keyof typeof CHANGED;

export const CHANGED_LISTS = Object.keys(CHANGED) as ChangedList[];

const NOTHING: GoldenOperation["changed"] = { pages: [], host: [], guest: [], tables: [], vms: [], vcpus: [] };

function parseChanged(value: unknown): GoldenOperation["changed"] {
  const fields = object(value, "changed");
  const changed: Partial<Record<ChangedList, readonly Entry[]>> = {};
  onlyFields(fields, (name) => Object.hasOwn(CHANGED, name), "changed: ");
  for (const name of CHANGED_LISTS) {
    if (!Object.hasOwn(fields, name)) continue;
    const entries = list(fields[name], `changed.${name}`);
    for (const entry of entries) checkEntry(entry, CHANGED[name], name);
    changed[name] = entries as readonly Entry[];
  }
  return { ...NOTHING, ...changed };
}

function checkEntry(value: unknown, types: Readonly<Record<string, FieldType>>, name: string): void {
  const entry = object(value, `changed.${name}`);
  let fields = 0;
  for (const field in types) {
    fields += 1;
    if (!fitsField(entry[field], types[field] as FieldType)) {
      fail(
        `changed.${name}.${field}: ${entry[field] === undefined ? "is missing" : `cannot be ${shown(entry[field])}`}`,
      );
    }
  }
  if (Object.keys(entry).length !== fields)
    onlyFields(entry, (field) => Object.hasOwn(types, field), `changed.${name}: `);
}

function fitsField(value: unknown, type: FieldType): boolean {
  if (type === "hex") return typeof value === "string" && HEX.test(value);
  if (type === "number") return Number.isSafeInteger(value) && (value as number) >= 0;
  return value === "R" || value === "L" || value === "D" || value === "-";
}

// Maintenance.

function parseTlbi(value: unknown): Tlbi {
  const entry = list(value, "tlbi");
  const kind = entry[0];
  const vmid = integer(entry[1], "tlbi", 0, 0xffff);
  const one = { vmid, level: null, pages: 0, count: 1 };
  if (kind === "vmid" && entry.length === 2) return { ...one, kind, ipa: 0 };
  if (kind === "range" && entry.length === 4) {
    return { ...one, kind, ipa: address(entry[2], "tlbi"), pages: integer(entry[3], "tlbi", 0, 2 ** 52) };
  }
  if ((kind === "ipa" && (entry.length === 4 || entry.length === 5)) || (kind === "ipa_nsh" && entry.length === 4)) {
    const level = entry[3] === null ? null : integer(entry[3], "tlbi", 0, 3);
    if (entry.length === 5 && level === null) fail("tlbi: a run without a level");
    const count = entry.length === 5 ? integer(entry[4], "tlbi", 1, COUNT_MAX) : 1;
    return { ...one, kind, ipa: address(entry[2], "tlbi"), level, count };
  }
  return fail(`tlbi: ${shown(value)} is no invalidation`);
}

function parseCmo(value: unknown): Cmo {
  const entry = list(value, "cmo");
  const kind = entry[0];
  if (entry.length !== 3 || (kind !== "dc" && kind !== "ic" && kind !== "poc")) fail(`cmo: ${shown(value)}`);
  return { kind, address: address(entry[1], "cmo"), size: address(entry[2], "cmo") };
}

// Check and reset lines.

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const checkSchema = z.strictObject({
  i: count,
  pages: count,
  host_leaves: count,
  guest_leaves: count,
  tables: count,
  sha256: digest,
  sha256_tables: digest,
});
const resetSchema = z.strictObject({ i: count });

/** Reads a line behind the header. */
export function parseLine(value: unknown, kind: GoldenKind): GoldenLine {
  const fields = object(value, "line");
  if (Object.hasOwn(fields, "check")) {
    onlyFields(fields, (name) => name === "check", "");
    return { type: "check", value: parse(checkSchema, fields["check"], "check") };
  }
  if (Object.hasOwn(fields, "reset")) {
    onlyFields(fields, (name) => name === "reset", "");
    return { type: "reset", value: parse(resetSchema, fields["reset"], "reset") };
  }
  if (Object.hasOwn(fields, "op")) return { type: "operation", value: parseOperation(fields, kind) };
  return fail("neither an operation, a check nor a reset");
}
