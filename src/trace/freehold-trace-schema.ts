// Freehold's own trace format as zod schemas: the header is checked with one, and editors get a JSON Schema of a whole line.
// Lines are read by the parser in Wasm, not by these.

import { z } from "zod";
import { NOPAGE, POISON } from "../../assembly/abi/codes.js";
import { tracedHostSchema } from "../machine/config.js";
import { ffaSchema } from "../machine/ffa-config.js";
import type { ArgumentKind } from "../machine/operations.js";
import {
  PANIC_NAMES,
  STATE_NAMES,
  TRACE_FORMAT,
  TRACE_VERBS,
  TRACE_VERSION,
  isOptionalArgument,
  type TraceSystem,
  type TraceVerb,
} from "./freehold-trace-format.js";

const note = z.string().meta({ id: "note", description: "A remark for people; skipped." });

const headerOf = <S extends z.ZodType>(system: TraceSystem, config: S, id: string) =>
  z
    .strictObject({
      format: z.literal(TRACE_FORMAT),
      version: z.literal(TRACE_VERSION),
      system: z.literal(system),
      config,
      note: note.optional(),
    })
    .meta({ id, description: "The first line: the machine that the operations run on." });

/** The first line. */
export const headerSchema = z.union([
  headerOf("pkvm", tracedHostSchema, "header"),
  headerOf("ffa", ffaSchema, "ffa_header"),
]);

/** A hex string of 64 bits whose value fits `digits` digits. */
const hexString = (digits: number) => z.string().regex(new RegExp(`^0x0{0,${16 - digits}}[0-9a-fA-F]{1,${digits}}$`));

const u64 = z.union([hexString(16), z.int().nonnegative()]).meta({ id: "u64" });
const handle = z.union([hexString(4), z.int().min(0).max(0xffff)]).meta({ id: "handle" });
const index = z.union([hexString(8), z.int().min(0).max(0xffff_ffff)]).meta({ id: "index" });
const flag = z.union([z.string().regex(/^0x0{0,15}[01]$/), z.literal([0, 1])]).meta({ id: "flag" });
const count = z
  .union([hexString(16), z.int()])
  .meta({ id: "count", description: "A number of pages; a negative one is modulo 2^64." });

const ARGUMENTS: Readonly<Record<ArgumentKind, z.ZodType>> = {
  u64,
  handle,
  mask: index,
  index,
  count,
  capability: handle,
  bits: index,
  flag,
};

const ret = z.union([hexString(8), z.int().max(0x7fff_ffff)]).meta({
  id: "ret",
  description: "Expected return value: 0, a count or handle, or a negative Linux errno or FF-A code.",
});
const state = (id: string, last: number, whose: string) =>
  z
    .union([z.enum(STATE_NAMES.slice(0, last + 1)), z.int().min(0).max(last)])
    .meta({ id, description: `Expected page state ${whose} after the operation.` });
const hostState = state("host", NOPAGE, "of the operation's first page at the host");
const hypState = state("hyp", NOPAGE, "of the operation's first page at EL2");
const guestState = state("guest", POISON, "of the guest's page at gfn");
const panic = z
  .enum([...PANIC_NAMES.keys()])
  .meta({ id: "panic", description: "The function in which EL2 must stop; excludes all other expectations." });

function lineOf(verb: TraceVerb) {
  const shape: Record<string, z.ZodType> = { op: z.literal(verb.name) };
  for (const [name, { kind }] of Object.entries(verb.args)) {
    shape[name] = isOptionalArgument(name) ? ARGUMENTS[kind].optional() : ARGUMENTS[kind];
  }
  if (verb.push !== 0) shape["mc_pages"] = z.array(u64).optional();
  shape["ret"] = ret.optional();
  if (verb.firstPage !== null) Object.assign(shape, { host: hostState.optional(), hyp: hypState.optional() });
  if (verb.guestPage) shape["guest"] = guestState.optional();
  return z.strictObject({ ...shape, panic: panic.optional(), note: note.optional() });
}

/** Any line but the first. */
export const lineSchema = z.union([
  ...[...TRACE_VERBS.values()].map(lineOf),
  z.strictObject({ reset: z.literal(true), note: note.optional() }),
  z.strictObject({ note }),
]);

/** The published JSON Schema: one line of a trace, whichever it is. */
export function traceJsonSchema(): object {
  return z.toJSONSchema(z.union([...headerSchema.options, ...lineSchema.options]), {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod;
      if (def.type === "bigint") jsonSchema.not = {}; // JSON has no such value
    },
  });
}
