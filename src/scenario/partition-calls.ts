// FF-A calls as `operation` steps write them: their arguments in words, from receivers and constituents to single fields of
// a message. Whatever fits a field can be written; what to make of it is the partition managers' affair.

import { excerpt } from "../trace/replay.js";
import { suggestion } from "../trace/spelling.js";
import type { Cast, Role } from "./cast.js";
import { checkSaved } from "./saved-names.js";
import type { Action } from "./scenario.js";
import type { Path, Source } from "./source.js";

/**
 * `party` a participant, or the number of an endpoint; `handle` `$name` or a number; `receivers` `A:RW B:RO+X`; `endpoints`
 * `A B`; `constituents` `mem[0..1] mem[3]`; `address` `mem[0]+8` or a number.
 */
type CallArgument = "party" | "handle" | "receivers" | "endpoints" | "constituents" | "address" | "number" | "flag";

type CallArguments = Readonly<Record<string, CallArgument>>;

const BY: CallArguments = { by: "party" };
const FAULTS: CallArguments = { tx_fault: "flag", wipe_fail: "flag" };
const HANDLE: CallArguments = { handle: "handle" };
/** w1 to w4 of a call with a message. */
const REGISTERS: CallArguments = { total: "number", fragment: "number", address: "number", count: "number" };
const MESSAGE: CallArguments = {
  ...{ sender: "party", tag: "number", flags: "number", attributes: "number", impdef: "number" },
  ...{ header_reserved: "number", entry_size: "number", entry_reserved: "number" },
  ...{ receivers_offset: "number", receiver_count: "number", composite_offset: "number" },
  ...REGISTERS,
  ...FAULTS,
};
const SEND: CallArguments = {
  ...{ ...BY, to: "receivers", pages: "constituents" },
  ...MESSAGE,
  ...{ page_count: "number", constituent_count: "number", first: "number" },
};

/** The calls by name, with what each argument is. */
export const PARTITION_CALLS = {
  mem_donate: SEND,
  mem_lend: SEND,
  mem_share: SEND,
  mem_retrieve: { ...BY, ...HANDLE, to: "receivers", ...MESSAGE, keep: "flag" },
  mem_relinquish: { ...BY, ...HANDLE, flags: "number", endpoints: "endpoints", count: "number", ...FAULTS },
  mem_reclaim: { ...BY, ...HANDLE, flags: "number", ...FAULTS },
  mem_frag_tx: { ...BY, ...HANDLE, pages: "constituents", fragment: "number", sender: "party", ...FAULTS },
  mem_frag_rx: { ...BY, ...HANDLE, offset: "number", sender: "party" },
  mem_perm_get: { ...BY, base: "address", count: "number" },
  mem_perm_set: { ...BY, base: "address", count: "number", permission: "number" },
  rx_release: BY,
  rx_fill: BY,
} as const satisfies Readonly<Record<string, CallArguments>>;

export type PartitionCall = keyof typeof PARTITION_CALLS;

/** Arguments without which a call says nothing. */
const NEEDED = ["by", "handle", "pages", "base", "permission"];

type Arguments = Extract<Action, { readonly verb: "operation" }>["args"];

/** A receiver in words; `permissions` null: what the call gives or asks for by itself. */
export interface ReceiverWords {
  /** A participant's name, or an endpoint's number. */
  readonly endpoint: string;
  /** Data access in bits 1:0, instruction access in bits 3:2. */
  readonly permissions: number | null;
}

/** One or (with `each`) several constituents in words. */
export interface ConstituentWords {
  /** Null: `address` is a number. */
  readonly page: { readonly name: string; readonly first: number | null; readonly last: number | null } | null;
  /** Bytes from the page's start, or from 0. */
  readonly offset: bigint;
  /** What the constituent says instead of how many pages are named. */
  readonly count: number | null;
  /** A constituent for each page. */
  readonly each: boolean;
}

const NUMBER = "0x[0-9a-fA-F]{1,16}|[0-9]{1,20}";
const RECEIVER = new RegExp(`^([A-Za-z][A-Za-z0-9_-]*|${NUMBER})(?::(.+))?$`);
const PERMISSIONS: Readonly<Record<string, number>> = {
  ...{ "-": 0, RO: 1, R: 1, RW: 2, D3: 3 },
  ...{ NX: 4, X: 8, I3: 12 },
};
const CONSTITUENT = new RegExp(
  `^(?:([A-Za-z][A-Za-z0-9_-]*)(?:\\[([0-9]{1,6})(?:\\.\\.([0-9]{1,6}))?\\])?|(${NUMBER}))(?:\\+(${NUMBER}))?(?:\\*(${NUMBER}))?$`,
);
const U32_END = 1n << 32n;
const U64_END = 1n << 64n;

/** Null if the text names no receivers. */
export function parseReceivers(text: string): ReceiverWords[] | null {
  const receivers = words(text).map((word): ReceiverWords | null => {
    const [, endpoint = "", stated] = RECEIVER.exec(word) ?? [];
    const permissions = stated === undefined ? null : permissionsOf(stated);
    return endpoint === "" || permissions === undefined ? null : { endpoint, permissions };
  });
  return receivers.includes(null) ? null : receivers.filter((receiver) => receiver !== null);
}

/** `RW`, `RO+X`, `-`, or the byte as a number; undefined: none of these. */
function permissionsOf(text: string): number | undefined {
  if (new RegExp(`^(${NUMBER})$`).test(text)) return Number(BigInt(text) & 0xffn);
  let permissions = 0;
  for (const word of text.split("+")) {
    const bits = PERMISSIONS[word];
    if (bits === undefined) return undefined;
    permissions |= bits;
  }
  return permissions;
}

/** Null if the text names no constituents. */
export function parseConstituents(text: string): ConstituentWords[] | null {
  const constituents: ConstituentWords[] = [];
  let each = false;
  for (const word of words(text)) {
    if (word === "each") {
      each = true;
      continue;
    }
    const constituent = parseConstituent(word, each);
    if (constituent === null) return null;
    constituents.push(constituent);
    each = false;
  }
  return each ? null : constituents;
}

function parseConstituent(word: string, each: boolean): ConstituentWords | null {
  const match = CONSTITUENT.exec(word);
  if (match === null) return null;
  const [, name, first, last, address, plus, pages] = match;
  const offset = BigInt(address ?? 0) + BigInt(plus ?? 0);
  const count = pages === undefined ? null : BigInt(pages);
  if (offset >= U64_END || (count !== null && count >= U32_END) || (address !== undefined && each)) return null;
  const number = (digits: string | undefined) => (digits === undefined ? null : Number(digits));
  const page = name === undefined ? null : { name, first: number(first), last: number(last ?? first) };
  return { page, offset, count: count === null ? null : Number(count), each };
}

const words = (text: string) => text.split(/\s+/).filter((word) => word !== "");

/** What arguments may refer to. */
interface CallContext {
  readonly source: Source;
  readonly cast: Cast;
  readonly saved: ReadonlySet<string>;
}

const CALLERS: readonly Role[] = ["partition", "guest", "vmm", "process", "kernel"];

/**
 * Checks the arguments of a call.
 *
 * @param path where the step is
 * @throws ScenarioError at the first one that cannot be
 */
export function checkPartitionCall(context: CallContext, path: Path, op: string, args: Arguments): void {
  const { source } = context;
  const known: CallArguments = PARTITION_CALLS[op as PartitionCall];
  const names = Object.keys(known);
  const missing = names.find((name) => NEEDED.includes(name) && args[name] === undefined);
  if (missing !== undefined) throw source.error(path, `${op} needs the argument "${missing}"`);
  for (const [name, value] of Object.entries(args)) {
    const place = [...path, "with", name];
    const kind = known[name];
    if (kind === undefined) {
      const hint = suggestion(name, names) || `, which has ${names.join(", ")}`;
      throw source.error(place, `unknown argument "${excerpt(name)}" of ${op}${hint}`, "key");
    }
    CHECKS[kind](context, place, value);
  }
}

type Check = (context: CallContext, path: Path, value: Arguments[string]) => void;

/** A number is an endpoint's id, or an address. */
const orNumber =
  (check: (context: CallContext, path: Path, text: string) => void): Check =>
  (context, path, value) => {
    if (typeof value === "bigint") return;
    if (typeof value !== "string") throw noSuch(context, path, value, "name or number");
    check(context, path, value);
  };

const textual =
  (what: string, check: (context: CallContext, path: Path, text: string) => boolean): Check =>
  (context, path, value) => {
    const text = typeof value === "bigint" ? String(value) : value;
    if (typeof text !== "string" || !check(context, path, text)) throw noSuch(context, path, value, what);
  };

const CHECKS: Readonly<Record<CallArgument, Check>> = {
  party: orNumber(({ cast }, path, text) => void cast.party(path, text, CALLERS)),
  handle: orNumber(({ source, saved }, path, text) => checkSaved(source, path, text, saved)),
  address: orNumber((context, path, text) => {
    const [constituent, ...more] = parseConstituents(text) ?? [];
    if (constituent === undefined || more.length > 0) throw noSuch(context, path, text, "address: mem[0] or mem[0]+8");
    checkPages(context, path, constituent);
  }),
  receivers: textual("list of receivers: A:RW B:RO+X", ({ cast }, path, text) => {
    const receivers = parseReceivers(text);
    for (const { endpoint } of receivers ?? []) checkEndpoint(cast, path, endpoint);
    return receivers !== null;
  }),
  endpoints: textual("list of endpoints: A B", ({ cast }, path, text) => {
    const endpoints = parseReceivers(text);
    for (const { endpoint } of endpoints ?? []) checkEndpoint(cast, path, endpoint);
    return endpoints?.every(({ permissions }) => permissions === null) === true;
  }),
  constituents: textual("list of constituents: mem[0..1] mem[3]", (context, path, text) => {
    const constituents = parseConstituents(text);
    for (const constituent of constituents ?? []) checkPages(context, path, constituent);
    return constituents !== null;
  }),
  number: (context, path, value) => {
    if (typeof value !== "bigint") throw noSuch(context, path, value, "number");
  },
  flag: (context, path, value) => {
    if (typeof value !== "boolean") throw noSuch(context, path, value, "truth value (true or false)");
  },
};

function noSuch({ source }: CallContext, path: Path, value: Arguments[string], what: string) {
  return source.error(path, `"${excerpt(String(value))}" is no ${what}`);
}

function checkEndpoint(cast: Cast, path: Path, endpoint: string): void {
  if (/^[0-9]/.test(endpoint)) return;
  cast.party(path, endpoint, CALLERS);
}

function checkPages({ cast }: CallContext, path: Path, { page }: ConstituentWords): void {
  if (page === null) return;
  const { name, first, last } = page;
  const run = first === last ? `${first}` : `${first}..${last}`;
  cast.pageList(path, first === null ? name : `${name}[${run}]`);
}
