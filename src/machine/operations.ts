// The verbs a machine understands: name, opcode and argument fields. One table for the typed API, the trace readers, the CLI
// and the docs. Where each argument lies in the 40-byte record is fixed in assembly/abi/operations.ts.

import * as abi from "../../assembly/abi/operations.js";
import { ANDROID_OPERATIONS } from "./android-operations.js";
import { FFA_MM_OPERATIONS } from "./ffa-mm-operations.js";
import { CCA_OPERATIONS } from "./cca-operations.js";
import { EL2_CALL_OPERATIONS } from "./el2-call-operations.js";
import { FFA_BUFFER_OPERATIONS, FFA_OPERATIONS } from "./ffa-operations.js";
import { GUNYAH_OPERATIONS } from "./gunyah-operations.js";
import { RESOURCE_MANAGER_OPERATIONS } from "./gunyah-rm-operations.js";
import { KVM_OPERATIONS } from "./kvm-operations.js";

/** Where an argument lies in the record. */
export type Place = "vm" | "vcpu" | "a" | "b" | "c" | "d";

/**
 * What an argument is, and how text formats write it:
 * `u64` a 64-bit value (address, frame number, mask), a hex string; `handle` a VM handle, a hex string;
 * `mask` a mask of less than 32 bits, a hex string; `index` and `count` decimal numbers (a negative count is modulo 2^64);
 * `capability` a number of less than 16 bits; `bits` any 32 bits, a hex string; `flag` 0 or 1.
 */
export type ArgumentKind = "u64" | "handle" | "mask" | "index" | "count" | "capability" | "bits" | "flag";

/** One argument of an operation. */
export interface Argument {
  readonly kind: ArgumentKind;
  readonly at: Place;
  /** The bit of the field that holds a flag, or from which a capability or 32 bits stand; without it the value is the whole field. */
  readonly bit?: number;
  /** A flag that is stored negated. */
  readonly inverted?: boolean;
}

/** One verb. */
export interface Verb {
  readonly code: number;
  /** In the order in which texts print them. */
  readonly args: Readonly<Record<string, Argument>>;
}

const VM = { vm: { kind: "handle", at: "vm" } } as const;
const VCPU = { ...VM, vcpu: { kind: "index", at: "vcpu" } } as const;

const u64 = <P extends Place>(at: P) => ({ kind: "u64", at }) as const;
const count = <P extends Place>(at: P) => ({ kind: "count", at }) as const;
const flag = <P extends Place>(at: P) => ({ kind: "flag", at }) as const;

const PFN = { pfn: u64("a") } as const;
const PFN_NR = { ...PFN, nr: count("b") } as const;
const FROM_TO = { from: u64("a"), to: u64("b") } as const;
const GFN = { gfn: u64("a") } as const;
const GFN_NR = { ...GFN, nr: count("b") } as const;
const GFN_PROT = { ...GFN, prot: u64("b") } as const;
const GFN_NR_MKOLD = { ...GFN_NR, mkold: flag("c") } as const;
const PFN_GFN = { ...PFN, gfn: u64("b") } as const;
const PFN_GFN_NR_PROT = { ...PFN_GFN, nr: count("c"), prot: u64("d") } as const;
const POISON_FAULT = { esr: u64("a"), hpfar: u64("b"), far: u64("c") } as const;
const ADDR = { addr: u64("a") } as const;
const ADDR_SIZE = { ...ADDR, size: u64("b") } as const;
const MEMCACHE = { mc: { kind: "flag", at: "vcpu", bit: 31, inverted: true } } as const;

const OF_SEARCHES = {
  ...FFA_BUFFER_OPERATIONS,
  ...FFA_MM_OPERATIONS,
  ...CCA_OPERATIONS,
  ...EL2_CALL_OPERATIONS,
} as const satisfies Record<string, Verb>;

/** Every operation by its name. */
export const OPERATIONS = {
  host_share_hyp: { code: abi.HOST_SHARE_HYP, args: PFN },
  host_unshare_hyp: { code: abi.HOST_UNSHARE_HYP, args: PFN },
  host_donate_hyp: { code: abi.HOST_DONATE_HYP, args: PFN_NR },
  hyp_donate_host: { code: abi.HYP_DONATE_HOST, args: PFN_NR },
  host_share_ffa: { code: abi.HOST_SHARE_FFA, args: PFN_NR },
  host_unshare_ffa: { code: abi.HOST_UNSHARE_FFA, args: PFN_NR },
  hyp_pin_shared_mem: { code: abi.HYP_PIN_SHARED_MEM, args: FROM_TO },
  hyp_unpin_shared_mem: { code: abi.HYP_UNPIN_SHARED_MEM, args: FROM_TO },
  host_abort: {
    code: abi.HOST_ABORT,
    args: { esr: u64("a"), spsr: u64("b"), far: u64("c"), hpfar: u64("d"), at_fail: flag("vcpu") },
  },

  host_share_guest: { code: abi.HOST_SHARE_GUEST, args: { ...VCPU, ...PFN_GFN_NR_PROT } },
  host_unshare_guest: { code: abi.HOST_UNSHARE_GUEST, args: { ...VM, ...GFN_NR } },
  host_wrprotect_guest: { code: abi.HOST_WRPROTECT_GUEST, args: { ...VM, ...GFN_NR } },
  host_relax_perms_guest: { code: abi.HOST_RELAX_PERMS_GUEST, args: { ...VCPU, ...GFN_PROT } },
  host_test_clear_young_guest: { code: abi.HOST_TEST_CLEAR_YOUNG_GUEST, args: { ...VM, ...GFN_NR_MKOLD } },
  host_mkyoung_guest: { code: abi.HOST_MKYOUNG_GUEST, args: { ...VCPU, ...GFN } },
  host_donate_guest: { code: abi.HOST_DONATE_GUEST, args: { ...VCPU, ...PFN_GFN } },
  guest_share_host: { code: abi.GUEST_SHARE_HOST, args: { ...VCPU, ...GFN } },
  guest_unshare_host: { code: abi.GUEST_UNSHARE_HOST, args: { ...VCPU, ...GFN } },
  guest_hvc: {
    code: abi.GUEST_HVC,
    args: { ...VCPU, fn: u64("a"), a1: u64("b"), a2: u64("c"), a3: u64("d") },
  },
  host_force_reclaim_page_guest: { code: abi.HOST_FORCE_RECLAIM_PAGE_GUEST, args: { phys: u64("a") } },
  host_reclaim_page_guest: { code: abi.HOST_RECLAIM_PAGE_GUEST, args: { ...VM, ...GFN } },
  reclaim_dying_guest_page: { code: abi.RECLAIM_DYING_GUEST_PAGE, args: { ...VM, ...GFN } },
  vcpu_in_poison_fault: { code: abi.VCPU_IN_POISON_FAULT, args: { ...VCPU, ...POISON_FAULT } },

  hcall_donate_guest: { code: abi.HCALL_DONATE_GUEST, args: PFN_GFN },
  hcall_share_guest: { code: abi.HCALL_SHARE_GUEST, args: PFN_GFN_NR_PROT },
  hcall_unshare_guest: { code: abi.HCALL_UNSHARE_GUEST, args: { ...VM, ...GFN_NR } },
  hcall_wrprotect_guest: { code: abi.HCALL_WRPROTECT_GUEST, args: { ...VM, ...GFN_NR } },
  hcall_test_clear_young_guest: { code: abi.HCALL_TEST_CLEAR_YOUNG_GUEST, args: { ...VM, ...GFN_NR_MKOLD } },
  hcall_tlb_flush_vmid: { code: abi.HCALL_TLB_FLUSH_VMID, args: VM },
  hcall_relax_perms_guest: { code: abi.HCALL_RELAX_PERMS_GUEST, args: GFN_PROT },
  hcall_mkyoung_guest: { code: abi.HCALL_MKYOUNG_GUEST, args: GFN },
  hcall_vcpu_in_poison_fault: { code: abi.HCALL_VCPU_IN_POISON_FAULT, args: POISON_FAULT },

  reserve_vm: { code: abi.RESERVE_VM, args: {} },
  unreserve_vm: { code: abi.UNRESERVE_VM, args: VM },
  init_vm: {
    code: abi.INIT_VM,
    args: {
      ...VM,
      kvm_pa: u64("a"),
      vm_pa: u64("b"),
      pgd_pa: u64("c"),
      vcpus: { kind: "index", at: "vcpu" },
      protected: { kind: "flag", at: "d", bit: 0 },
      id_regs: { kind: "flag", at: "d", bit: 1 },
    },
  },
  init_vcpu: { code: abi.INIT_VCPU, args: { ...VCPU, host_pa: u64("a"), hyp_pa: u64("b") } },
  vcpu_load: { code: abi.VCPU_LOAD, args: VCPU },
  vcpu_put: { code: abi.VCPU_PUT, args: {} },
  start_teardown_vm: { code: abi.START_TEARDOWN_VM, args: VM },
  finalize_teardown_vm: { code: abi.FINALIZE_TEARDOWN_VM, args: VM },
  refill_memcache: { code: abi.REFILL_MEMCACHE, args: VCPU },
  host_memcache_push: { code: abi.HOST_MEMCACHE_PUSH, args: { ...VCPU, ...PFN } },
  host_memcache_push_loaded: { code: abi.HOST_MEMCACHE_PUSH_LOADED, args: PFN },

  pt_map: {
    code: abi.PT_MAP,
    args: { ...ADDR_SIZE, phys: u64("c"), prot: u64("d"), ...MEMCACHE, flags: { kind: "mask", at: "vcpu" } },
  },
  pt_unmap: { code: abi.PT_UNMAP, args: ADDR_SIZE },
  pt_annotate: { code: abi.PT_ANNOTATE, args: { ...ADDR_SIZE, type: count("c"), annot: u64("d"), ...MEMCACHE } },
  pt_wrprotect: { code: abi.PT_WRPROTECT, args: ADDR_SIZE },
  pt_flush: { code: abi.PT_FLUSH, args: ADDR_SIZE },
  pt_mkyoung: { code: abi.PT_MKYOUNG, args: ADDR },
  pt_test_clear_young: { code: abi.PT_TEST_CLEAR_YOUNG, args: { ...ADDR_SIZE, mkold: flag("c") } },
  pt_relax_perms: { code: abi.PT_RELAX_PERMS, args: { ...ADDR, prot: u64("b") } },
  pt_split: { code: abi.PT_SPLIT, args: { ...ADDR_SIZE, nobjs: count("c") } },
  pt_get_leaf: { code: abi.PT_GET_LEAF, args: ADDR },

  ...ANDROID_OPERATIONS,
  ...KVM_OPERATIONS,
  ...GUNYAH_OPERATIONS,
  ...RESOURCE_MANAGER_OPERATIONS,
  ...FFA_OPERATIONS,
  ...OF_SEARCHES,
} as const satisfies Record<string, Verb>;

/** Whether only searches make this call: no trace and no scenario has a machine for it. */
export const isOfSearches = (name: string): boolean => Object.hasOwn(OF_SEARCHES, name);

/** The name of a verb, as traces, the CLI and explanations spell it. */
export type OperationName = keyof typeof OPERATIONS;

type ArgumentValue<A extends Argument> = A["kind"] extends "u64"
  ? bigint
  : A["kind"] extends "count"
    ? number | bigint
    : A["kind"] extends "flag"
      ? 0 | 1 | boolean
      : number;

type ArgumentsOf<V extends Verb> = { readonly [F in keyof V["args"]]: ArgumentValue<V["args"][F]> };

/**
 * One operation with its arguments, for example `{ op: "host_donate_guest", vm: 0x1000, vcpu: 0, pfn: 0x41000n, gfn: 0x40000n }`.
 * Frame numbers (`pfn`, `gfn`) are in units of the page size; `*_pa`, `phys`, `from`, `to`, `addr` and `size` in bytes.
 */
export type Operation = {
  [K in OperationName]: { readonly op: K } & ArgumentsOf<(typeof OPERATIONS)[K]>;
}[OperationName];

const BY_CODE: ReadonlyMap<number, OperationName> = new Map(
  (Object.keys(OPERATIONS) as OperationName[]).map((name) => [OPERATIONS[name].code, name]),
);

/** The verb called `name`, or undefined. */
export function verbNamed(name: string): Verb | undefined {
  return Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name as OperationName] : undefined;
}

/** The name of an opcode, or undefined. */
export function operationName(code: number): OperationName | undefined {
  return BY_CODE.get(code);
}

const U64_END = 1n << 64n;

/** The largest value of an argument that is not 64 bits wide. */
const LIMITS: Readonly<Record<Exclude<ArgumentKind, "u64" | "count">, number>> = {
  handle: 0xffff,
  mask: 0x7fff_ffff,
  index: 0xffff_ffff,
  capability: 0xffff,
  bits: 0xffff_ffff,
  flag: 1,
};

/** Whether `value` can be an argument of this kind. */
export function fitsArgument(kind: ArgumentKind, value: unknown): value is number | bigint {
  switch (kind) {
    case "u64":
      return typeof value === "bigint" && value >= 0n && value < U64_END;
    case "count":
      if (typeof value === "bigint") return value >= -(U64_END >> 1n) && value < U64_END;
      return Number.isSafeInteger(value);
    default:
      return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= LIMITS[kind];
  }
}

const OFFSETS: Readonly<Record<Exclude<Place, "vm" | "vcpu">, number>> = {
  a: abi.OPERATION_A,
  b: abi.OPERATION_B,
  c: abi.OPERATION_C,
  d: abi.OPERATION_D,
};

function storeArgument(view: DataView, at: number, argument: Argument, value: number | bigint): void {
  const { at: place, bit } = argument;
  const raw = argument.inverted === true ? 1 - Number(value) : value;
  if (place === "vm") view.setUint16(at + abi.OPERATION_VM, Number(raw), true);
  else if (place === "vcpu") {
    const field = Number(raw) * 2 ** (bit ?? 0);
    view.setUint32(at + abi.OPERATION_VCPU, view.getUint32(at + abi.OPERATION_VCPU, true) | field, true);
  } else {
    const offset = at + OFFSETS[place];
    const field = BigInt(raw) << BigInt(bit ?? 0);
    view.setBigUint64(offset, view.getBigUint64(offset, true) | BigInt.asUintN(64, field), true);
  }
}

function loadArgument(view: DataView, at: number, argument: Argument): number | bigint {
  const { at: place, bit, kind } = argument;
  if (place === "vm") return view.getUint16(at + abi.OPERATION_VM, true);
  if (place === "vcpu") {
    const field = view.getUint32(at + abi.OPERATION_VCPU, true);
    if (kind === "mask") return field & LIMITS.mask;
    if (kind === "capability") return (field >>> (bit ?? 0)) & LIMITS.capability;
    const value = bit === undefined ? field : (field >>> bit) & 1;
    return argument.inverted === true ? 1 - value : value;
  }
  const field = view.getBigUint64(at + OFFSETS[place], true);
  if (kind === "flag") return Number((field >> BigInt(bit ?? 0)) & 1n);
  if (kind === "bits") return Number(BigInt.asUintN(32, field >> BigInt(bit ?? 0)));
  return kind === "count" ? BigInt.asIntN(64, field) : field;
}

function badArgument(op: string, name: string, value: unknown): RangeError {
  if (value === undefined) return new RangeError(`${op}: ${name} is missing`);
  const text = typeof value === "bigint" || typeof value === "number" ? String(value) : `a ${typeof value}`;
  return new RangeError(`${op}: ${name} cannot be ${text}`);
}

/**
 * Writes one 40-byte record (layout: assembly/abi/operations.ts) at offset `at` of `view`.
 *
 * @throws RangeError if the operation is unknown, an argument is missing, or its value does not fit
 */
export function encodeOperation(operation: Operation, view: DataView, at = 0): void {
  const verb = verbNamed(operation.op);
  if (verb === undefined) throw new RangeError(`unknown operation ${JSON.stringify(operation.op)}`);
  new Uint8Array(view.buffer, view.byteOffset + at, abi.OPERATION_SIZE).fill(0);
  view.setUint16(at + abi.OPERATION_CODE, verb.code, true);
  const values = operation as unknown as Readonly<Record<string, unknown>>;
  for (const name in verb.args) {
    const argument = verb.args[name] as Argument;
    const given = values[name];
    const value = typeof given === "boolean" ? Number(given) : given;
    if (!fitsArgument(argument.kind, value)) throw badArgument(operation.op, name, given);
    storeArgument(view, at, argument, value);
  }
}

/**
 * Reads one 40-byte record back; counts come as signed bigint, other 64-bit values as bigint, all else as number.
 *
 * @returns the operation, or undefined if the opcode is unknown
 */
export function decodeOperation(view: DataView, at = 0): Operation | undefined {
  const name = operationName(view.getUint16(at + abi.OPERATION_CODE, true));
  if (name === undefined) return undefined;
  const operation: Record<string, unknown> = { op: name };
  const args: Readonly<Record<string, Argument>> = OPERATIONS[name].args;
  for (const field in args) operation[field] = loadArgument(view, at, args[field] as Argument);
  return operation as unknown as Operation;
}
