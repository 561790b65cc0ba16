// The line kinds of a golden recording of FF-A calls, checked field by field (golden/ffa/README.md).

import { z } from "zod";
import { ConfigError } from "../machine/config.js";
import { resolveFfaConfig, type FfaManagersConfig } from "../machine/ffa-config.js";
import type { Constituent, TransactionDescriptor } from "../machine/ffa-descriptor.js";
import { COUNT_MAX, fail, HEX, object, onlyFields, parse, shown, type Fields } from "./golden-fields.js";

const count = z.int().nonnegative().max(COUNT_MAX);
const flag = z.literal([0, 1]);
const hex = z
  .string()
  .regex(HEX)
  .transform((text) => BigInt(text));
const smallHex = (max: number) =>
  z
    .string()
    .regex(HEX)
    .transform((text) => Number(text))
    .refine((value) => value <= max, { error: `is more than 0x${max.toString(16)}` });
const id = smallHex(0xffff);
const mode = smallHex(0x3ff);
const word = smallHex(0xffff_ffff);
const page = z.int().nonnegative().max(0xff_ffff);
const table = z.literal(["main", "s", "ns"]);
const raw = z.string().regex(/^([0-9a-f]{2})*$/);

// Header

const endpointSchema = z.strictObject({
  id,
  manager: z.literal(["hyp", "spmc"]),
  version: smallHex(0x7fff_ffff),
  buffer_pages: z.int().min(0).max(4),
  tables: z.union([z.tuple([z.literal("main")]), z.tuple([z.literal("s"), z.literal("ns")])]),
  modes: z.array(z.strictObject({ table, page, n: page, mode })),
  el0: flag.optional(),
  init: flag.optional(),
});

const configSchema = z.strictObject({
  name: z.string(),
  flavour: z.literal(["hypervisor", "spmc", "both"]),
  limits: z.strictObject({
    transactions: z.int().min(1).max(4096),
    fragments: z.int().min(1).max(64),
    recipients: z.int().min(1).max(16),
    buffer_pages: z.int().min(1).max(4),
  }),
  base: hex,
  pages: z.int().min(1).max(0x10_0000),
  protect: flag,
  pas_secure: z.array(z.strictObject({ page, n: page })),
  endpoints: z.array(endpointSchema).max(32),
});

const headerSchema = z.strictObject({
  format: z.literal("freehold-golden"),
  version: z.literal(1),
  kind: z.literal("ffa"),
  source: z.string(),
  seed: z.int(),
  ops: count,
  script: z.string(),
  check_every: count,
  config: configSchema,
});

export interface FfaHeader {
  /** Operation lines in the file. */
  readonly ops: number;
  /** A check line stands wherever the number of operations is a multiple of this. */
  readonly checkEvery: number;
  readonly config: FfaManagersConfig;
}

/** Reads the first line. */
export function parseFfaHeader(value: unknown): FfaHeader {
  const { ops, check_every: checkEvery, config } = parse(headerSchema, object(value, "header"), "");
  try {
    return { ops, checkEvery, config: resolveFfaConfig(config) };
  } catch (error) {
    if (error instanceof ConfigError) fail(`config.${error.message}`);
    throw error;
  }
}

// Messages

const receiverSchema = z.strictObject({
  id,
  permissions: smallHex(0xff),
  flags: smallHex(0xff).optional(),
  offset: count.optional(),
  impdef: z.tuple([hex, hex]).optional(),
  reserved: hex.optional(),
});

const constituent = z.tuple([hex, z.int().nonnegative().max(0xffff_ffff)]);

const descriptorSchema = z.strictObject({
  layout: z.literal(["1.0", "1.1"]),
  sender: id,
  attributes: id,
  flags: word,
  handle: hex.optional(),
  tag: hex,
  access_size: z.int().min(0).max(0xffff).optional(),
  receivers_offset: count.optional(),
  receiver_count: count.optional(),
  reserved: word.optional(),
  receivers: z.array(receiverSchema),
  composite: z
    .strictObject({
      page_count: z.int().nonnegative().max(0xffff_ffff),
      constituent_count: z.int().nonnegative().max(0xffff_ffff),
      at: z.int().min(0).max(0xffff).optional(),
    })
    .optional(),
  constituents: z.array(constituent).optional(),
});

type RecordedDescriptor = z.output<typeof descriptorSchema>;

/** A recorded descriptor in the product's own form. */
export function descriptorOf(recorded: RecordedDescriptor): TransactionDescriptor {
  const { composite, constituents } = recorded;
  return {
    layout: recorded.layout,
    sender: recorded.sender,
    attributes: recorded.attributes,
    flags: recorded.flags,
    handle: recorded.handle ?? 0n,
    tag: recorded.tag,
    ...(recorded.access_size === undefined ? {} : { accessSize: recorded.access_size }),
    ...(recorded.receivers_offset === undefined ? {} : { receiversOffset: recorded.receivers_offset }),
    ...(recorded.receiver_count === undefined ? {} : { receiverCount: recorded.receiver_count }),
    ...(recorded.reserved === undefined ? {} : { reserved: recorded.reserved }),
    receivers: recorded.receivers as TransactionDescriptor["receivers"],
    ...(composite === undefined ? {} : { composite: compositeOf(composite) }),
    constituents: constituentsOf(constituents ?? []),
  };
}

/** Recorded constituents in the product's own form. */
export function constituentsOf(recorded: readonly z.output<typeof constituent>[]): Constituent[] {
  return recorded.map(([address, pages]) => ({ address, pages }));
}

function compositeOf(composite: NonNullable<RecordedDescriptor["composite"]>) {
  const { page_count: pageCount, constituent_count: constituentCount, at } = composite;
  return { pageCount, constituentCount, ...(at === undefined ? {} : { at }) };
}

// Operations

const vm = { vm: id };
const faults = { tx_fault: flag.optional(), wipe_fail: flag.optional() };
const length = z.int().nonnegative().max(0xffff_ffff);
/** Bytes of a message that is in a buffer. */
const message = z.int().nonnegative().max(0x1_0000);

const sendArguments = z.strictObject({
  ...vm,
  total: length,
  fragment: message,
  address: hex.optional(),
  page_count: z.union([hex, count]).optional(),
  desc: descriptorSchema,
  raw: raw.optional(),
  x64: flag.optional(),
  ...faults,
});

const ARGUMENTS = {
  mem_donate: sendArguments,
  mem_lend: sendArguments,
  mem_share: sendArguments,
  retrieve_req: sendArguments,
  frag_tx: z.strictObject({
    ...vm,
    handle: hex,
    fragment: message,
    sender: id.optional(),
    constituents: z.array(constituent),
    raw: raw.optional(),
    ...faults,
  }),
  frag_rx: z.strictObject({ ...vm, handle: hex, offset: length, sender: id.optional(), ...faults }),
  relinquish: z.strictObject({
    ...vm,
    handle: hex,
    flags: word,
    count: length,
    endpoints: z.array(id),
    raw: raw.optional(),
    ...faults,
  }),
  reclaim: z.strictObject({ ...vm, handle: hex, flags: word, ...faults }),
  perm_get: z.strictObject({ ...vm, base: hex, pages: length, ...faults }),
  perm_set: z.strictObject({ ...vm, base: hex, pages: length, perm: z.union([length, word]), ...faults }),
  rx_release: z.strictObject({ ...vm, ...faults }),
  rx_fill: z.strictObject({ ...vm, ...faults }),
  abort: z.strictObject({ ...vm, ...faults }),
} as const;

export type FfaVerb = keyof typeof ARGUMENTS;

const replySchema = z.discriminatedUnion("fn", [
  z.strictObject({
    fn: z.literal("SUCCESS"),
    handle: hex.optional(),
    perm: length.optional(),
    pages: length.optional(),
  }),
  z.strictObject({ fn: z.literal("FRAG_RX"), handle: hex, offset: length, sender: id.optional() }),
  z.strictObject({
    fn: z.literal("RETRIEVE_RESP"),
    total: length,
    fragment: message,
    desc: descriptorSchema,
    raw: raw.optional(),
  }),
  z.strictObject({
    fn: z.literal("FRAG_TX"),
    handle: hex,
    fragment: message,
    constituents: z.array(constituent),
    raw: raw.optional(),
  }),
]);

export type FfaReply = z.output<typeof replySchema>;

const recordSchema = z.union([
  z.strictObject({ manager: z.literal(["hyp", "spmc"]), slot: count, free: z.literal(1) }),
  z.strictObject({
    manager: z.literal(["hyp", "spmc"]),
    slot: count,
    handle: hex,
    verb: z.literal(["donate", "lend", "share"]),
    sender: id,
    complete: flag,
    fragments: count,
    constituents: count,
    retrieved: z.array(count),
    by_hypervisor: count,
    orig_mode: mode.nullable(),
    protected: flag,
    pending: flag,
  }),
]);

const changedSchema = z.strictObject({
  modes: z.array(z.strictObject({ vm: id, table, page, n: page, mode })).default([]),
  pas: z.array(z.strictObject({ page, n: page, secure: flag })).default([]),
  zeroed: z.array(z.strictObject({ page, n: page })).default([]),
  rx: z.array(z.strictObject({ vm: id, full: flag })).default([]),
  records: z.array(recordSchema).default([]),
});

export type FfaChanged = z.output<typeof changedSchema>;

/** One call with what was recorded of it. `shown` keeps the recording's own values for display. */
export type FfaOperation = {
  [V in FfaVerb]: {
    readonly i: number;
    readonly op: V;
    readonly args: z.output<(typeof ARGUMENTS)[V]>;
    readonly shown: Fields;
    readonly ret: number;
    readonly reply: FfaReply | null;
    readonly changed: FfaChanged;
  };
}[FfaVerb];

const checkSchema = z.strictObject({
  i: count,
  modes: count,
  secure: count,
  records: count,
  rx: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

export type FfaCheck = z.output<typeof checkSchema>;

const resetSchema = z.strictObject({ i: count });
const noteSchema = z.strictObject({ i: count, text: z.string() });

export type FfaLine =
  | { readonly type: "operation"; readonly value: FfaOperation }
  | { readonly type: "check"; readonly value: FfaCheck }
  | { readonly type: "reset"; readonly i: number }
  | { readonly type: "note"; readonly i: number };

const DISPLAYED = 4;

/** The arguments in words, as short as a descriptor can be told. */
export function argumentWords({ shown: args }: FfaOperation): Record<string, string | number> {
  const words: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(args)) {
    if (name === "raw") continue;
    if (name === "desc") Object.assign(words, descriptorWords(value as Fields));
    else words[name] = argumentText(name, value);
  }
  return words;
}

function argumentText(name: string, value: unknown): string | number {
  if (typeof value === "number") return value;
  if (!Array.isArray(value)) return String(value);
  const items = value.map((item) => (Array.isArray(item) ? item.join("+") : String(item)));
  const rest = items.length - DISPLAYED;
  const more = rest > 0 && name === "constituents" ? `,and ${rest} more` : "";
  return `${(more === "" ? items : items.slice(0, DISPLAYED)).join(",")}${more}`;
}

function descriptorWords(descriptor: Fields): Record<string, string | number> {
  const words: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(descriptor)) {
    if (name === "receivers") {
      const receivers = value as readonly Fields[];
      words[name] = receivers.map(({ id, permissions }) => `${String(id)}:${String(permissions)}`).join(",");
    } else if (name === "composite") Object.assign(words, value as Fields);
    else words[name === "flags" ? "desc_flags" : name] = argumentText(name, value);
  }
  return words;
}

/** Reads a line behind the header. */
export function parseFfaLine(value: unknown): FfaLine {
  const fields = object(value, "line");
  for (const type of ["check", "reset", "note"] as const) {
    if (!Object.hasOwn(fields, type)) continue;
    onlyFields(fields, (name) => name === type, "");
    const inner = fields[type];
    if (type === "check") return { type, value: parse(checkSchema, inner, type) };
    if (type === "reset") return { type, i: parse(resetSchema, inner, type).i };
    return { type, i: parse(noteSchema, inner, type).i };
  }
  return { type: "operation", value: parseOperation(fields) };
}

function parseOperation(fields: Fields): FfaOperation {
  const { op } = fields;
  if (op === undefined) fail("neither an operation nor a check, reset or note");
  if (typeof op !== "string" || !Object.hasOwn(ARGUMENTS, op)) fail(`unknown operation ${shown(op)}`);
  const known = ["i", "op", "args", "ret", "reply", "changed"];
  onlyFields(fields, (name) => known.includes(name), "");
  const verb = op as FfaVerb;
  const ret = parse(z.int().min(-16).max(0), fields["ret"], "ret");
  const reply = Object.hasOwn(fields, "reply") ? parse(replySchema, fields["reply"], "reply") : null;
  if (reply !== null && ret !== 0) fail("reply: a call that fails has none");
  return {
    i: parse(count, fields["i"], "i"),
    op: verb,
    args: parse(ARGUMENTS[verb], fields["args"], "args"),
    shown: object(fields["args"], "args"),
    ret,
    reply,
    changed: parse(changedSchema, fields["changed"], "changed"),
  } as FfaOperation;
}
