// Freehold's own trace format, as tables: its keys, and which verb takes which. The parser in Wasm, the writer, the schema and
// the messages are all made from here; the verbs and their arguments come from the one table of operations.
// The format in words: docs/trace-format.md.

import * as codes from "../../assembly/abi/codes.js";
import { FFA_MEM_DONATE, FFA_TX } from "../../assembly/abi/ffa.js";
import { FFA_SMC, FFA_VERSION } from "../../assembly/abi/ffa-proxy.js";
import { HOST_MEMCACHE_PUSH, HOST_MEMCACHE_PUSH_LOADED, PT_MAP } from "../../assembly/abi/operations.js";
import * as abi from "../../assembly/abi/trace.js";
import type { ResolvedConfig } from "../machine/config.js";
import { pageStateName } from "../machine/names.js";
import { OPERATIONS, type Argument, type ArgumentKind, type OperationName, type Verb } from "../machine/operations.js";
import { panicOf } from "../machine/outcome.js";
import { managersOf } from "../machine/secure-world.js";

export const TRACE_FORMAT = "freehold-trace";
export const TRACE_VERSION = 1;

/** Names of the page states, by number; POISON exists in guests only. */
export const STATE_NAMES: readonly string[] = [
  codes.OWNED,
  codes.SHARED_OWNED,
  codes.SHARED_BORROWED,
  codes.NOPAGE,
  codes.POISON,
].map(pageStateName);

/** A key of a line: what its value is, and the largest number it can be. */
export interface TraceKey {
  readonly slot: number;
  /** TYPE_* of assembly/abi/trace.ts. */
  readonly type: number;
  readonly maximum: bigint;
  /** What a value must be, for messages: `a page number`. */
  readonly wants: string;
}

const U64_MAX = (1n << 64n) - 1n;
const NUMBER = 'a whole number or "0x..."';
const STATE = 'a page state ("OWNED", "SHARED_OWNED", "SHARED_BORROWED", "NOPAGE", for a guest also "POISON")';

/** The keys that are no arguments. */
const FIXED_KEYS: Readonly<Record<string, TraceKey>> = {
  op: { slot: abi.SLOT_OP, type: abi.TYPE_OPERATION, maximum: U64_MAX, wants: "the name of an operation" },
  ret: { slot: abi.SLOT_RET, type: abi.TYPE_SIGNED, maximum: 0x7fff_ffffn, wants: NUMBER },
  host: { slot: abi.SLOT_HOST, type: abi.TYPE_STATE, maximum: BigInt(codes.NOPAGE), wants: STATE },
  hyp: { slot: abi.SLOT_HYP, type: abi.TYPE_STATE, maximum: BigInt(codes.NOPAGE), wants: STATE },
  guest: { slot: abi.SLOT_GUEST, type: abi.TYPE_STATE, maximum: BigInt(codes.POISON), wants: STATE },
  panic: { slot: abi.SLOT_PANIC, type: abi.TYPE_PANIC, maximum: U64_MAX, wants: "the name of a function" },
  note: { slot: abi.SLOT_NOTE, type: abi.TYPE_NOTE, maximum: 0n, wants: "a string" },
  reset: { slot: abi.SLOT_RESET, type: abi.TYPE_TRUE, maximum: 0n, wants: "true" },
  mc_pages: { slot: abi.SLOT_MC_PAGES, type: abi.TYPE_PAGES, maximum: U64_MAX, wants: "an array of page numbers" },
};

/** The largest value of an argument, by its kind. */
const MAXIMA: Readonly<Record<ArgumentKind, bigint>> = {
  u64: U64_MAX,
  count: U64_MAX,
  handle: 0xffffn,
  mask: 0x7fff_ffffn,
  index: 0xffff_ffffn,
  capability: 0xffffn,
  bits: 0xffff_ffffn,
  flag: 1n,
};

/** The operation by which each page of `mc_pages` gets onto the host's list, for the verbs that have `mc_pages`. */
const PUSHES: { readonly [K in OperationName]?: number } = {
  hcall_donate_guest: HOST_MEMCACHE_PUSH_LOADED,
  hcall_share_guest: HOST_MEMCACHE_PUSH_LOADED,
  refill_memcache: HOST_MEMCACHE_PUSH,
};

/** Whose machine a trace is about, as its header names it. */
export type TraceSystem = "pkvm" | "ffa";

/** Whose verb it is: `proxy` are the FF-A calls that only a host with pKVM's proxy in front of the secure world makes. */
export type VerbGroup = TraceSystem | "proxy";

/** A verb of the format. */
export interface TraceVerb {
  readonly name: OperationName;
  readonly code: number;
  /** By which the parser knows it, from 1. */
  readonly number: number;
  readonly group: VerbGroup;
  /** Arguments in the order in which they are written. */
  readonly args: Readonly<Record<string, Argument>>;
  /** The argument that names the operation's first page, whose `host` and `hyp` states can be expected. */
  readonly firstPage: string | null;
  /** Whether `vm` and `gfn` are arguments, so that the `guest` state can be expected. */
  readonly guestPage: boolean;
  /** The operation that pushes one page of `mc_pages`; 0 if the verb has none. */
  readonly push: number;
}

function traceVerb(name: OperationName, group: VerbGroup, number: number): TraceVerb {
  const { code, args }: Verb = OPERATIONS[name];
  return {
    name,
    code,
    number,
    group,
    args,
    firstPage: ["pfn", "phys", "from"].find((page) => page in args) ?? null,
    guestPage: "vm" in args && "gfn" in args,
    push: PUSHES[name] ?? 0,
  };
}

/**
 * The group of an operation: pKVM of Linux 7.3 has those below the page-table library's, FF-A partition managers the calls (what
 * makes a machine stands in the header); null: no trace has it.
 */
function groupOf(code: number): VerbGroup | null {
  if (code < PT_MAP) return "pkvm";
  if (code >= FFA_VERSION && code <= FFA_SMC) return "proxy";
  return code >= FFA_MEM_DONATE && code <= FFA_TX ? "ffa" : null;
}

/** The verbs of all systems. */
export const TRACE_VERBS: ReadonlyMap<string, TraceVerb> = new Map(
  (Object.keys(OPERATIONS) as OperationName[])
    .flatMap((name) => {
      const group = groupOf(OPERATIONS[name].code);
      return group === null ? [] : [{ name, group }];
    })
    .map(({ name, group }, index) => [name, traceVerb(name, group, index + 1)]),
);

/** The verbs of some groups. */
export function verbsOf(...groups: readonly VerbGroup[]): TraceVerb[] {
  return [...TRACE_VERBS.values()].filter(({ group }) => groups.includes(group));
}

/** Whose verbs a machine's trace has. */
export function groupsOf(config: ResolvedConfig): readonly VerbGroup[] {
  if (config.kind === "ffa") return ["ffa"];
  return managersOf(config) === null ? ["pkvm"] : ["pkvm", "ffa", "proxy"];
}

/** Arguments that may be left out, and are 0 then. */
export function isOptionalArgument(name: string): boolean {
  return OPTIONAL.includes(name);
}
const OPTIONAL = ["at_fail", "x64", "tx_fault", "wipe_fail", "address", "page_count", "sender"];

function argumentKey(slot: number, { kind }: Argument): TraceKey {
  const type = kind === "count" ? abi.TYPE_SIGNED : abi.TYPE_NUMBER;
  return { slot, type, maximum: MAXIMA[kind], wants: kind === "flag" ? "0 or 1" : NUMBER };
}

function allKeys(): ReadonlyMap<string, TraceKey> {
  const keys = new Map(Object.entries(FIXED_KEYS));
  for (const { args } of TRACE_VERBS.values()) {
    for (const [name, argument] of Object.entries(args)) {
      const slot = abi.SLOT_ARGUMENT + keys.size - Object.keys(FIXED_KEYS).length;
      if (!keys.has(name)) keys.set(name, argumentKey(slot, argument));
    }
  }
  return keys;
}

/** Every key that a line can have. An argument has the same meaning and range in all verbs. */
export const TRACE_KEYS: ReadonlyMap<string, TraceKey> = allKeys();

/** The name of a key, by its slot. */
export function keyName(slot: number): string {
  for (const [name, key] of TRACE_KEYS) if (key.slot === slot) return name;
  throw new RangeError(`no key has slot ${slot}`);
}

/** What `panic` calls PANIC_* `code`: the function that stopped, or `el2-fault` where none did. */
export function panicName(code: number): string {
  const { func, kind } = panicOf(code);
  return func ?? kind;
}

/** PANIC_* by what `panic` calls them; of two with one name, the first. */
export const PANIC_NAMES: ReadonlyMap<string, number> = panicNames();

function panicNames(): ReadonlyMap<string, number> {
  const names = new Map<string, number>();
  for (const [constant, code] of Object.entries(codes)) {
    if (!constant.startsWith("PANIC_") || code === codes.PANIC_NONE) continue;
    if (!names.has(panicName(code))) names.set(panicName(code), code);
  }
  return names;
}
