// The published JSON Schema of the trace format. `npm run schema` writes it anew.

import { format } from "prettier";
import { expect, test } from "vitest";
import { OPERATIONS, fitsArgument, type Argument } from "../../src/machine/operations.js";
import { GUNYAH_FIRST } from "../../assembly/abi/gunyah.js";
import { SLOT_ZERO } from "../../assembly/abi/trace.js";
import { TRACE_KEYS, TRACE_VERBS } from "../../src/trace/freehold-trace-format.js";
import { headerSchema, lineSchema, traceJsonSchema } from "../../src/trace/freehold-trace-schema.js";

test("schema/freehold-trace.schema.json is what the code says", async () => {
  const text = await format(JSON.stringify(traceJsonSchema()), { parser: "json", printWidth: 120 });
  await expect(text).toMatchFileSnapshot("../../schema/freehold-trace.schema.json");
});

test("the format has every operation of a pKVM machine", () => {
  const missing = Object.entries(OPERATIONS).filter(([name]) => !TRACE_VERBS.has(name));
  expect(missing.filter(([name, { code }]) => !name.startsWith("pt_") && code < GUNYAH_FIRST)).toEqual([]);
});

test("every key has a slot of its own", () => {
  const slots = [...TRACE_KEYS.values()].map(({ slot }) => slot);
  expect(new Set(slots).size).toBe(slots.length);
  expect(Math.max(...slots)).toBeLessThan(SLOT_ZERO);
});

test.each([...TRACE_VERBS.values()])("$name: its arguments have the ranges of their keys", ({ args }) => {
  for (const [name, argument] of Object.entries<Argument>(args)) {
    const { maximum = 0n } = TRACE_KEYS.get(name) ?? {};
    const large = ["u64", "count"].includes(argument.kind);
    expect(fitsArgument(argument.kind, large ? maximum : Number(maximum))).toBe(true);
    expect(fitsArgument(argument.kind, large ? maximum + 1n : Number(maximum) + 1)).toBe(false);
  }
});

test.each([
  { format: "freehold-trace", version: 2, system: "pkvm", config: { regions: [{ base: 0, size: 4096 }] } },
  { format: "freehold-trace", version: 1, system: "cca", config: { regions: [{ base: 0, size: 4096 }] } },
  { format: "freehold-trace", version: 1, system: "pkvm", config: { regions: [] } },
])("no header: %j", (header) => expect(headerSchema.safeParse(header).success).toBe(false));

test.each([
  { op: "host_share_hyp" },
  { op: "host_share_hyp", pfn: "41000" },
  { op: "host_share_hyp", pfn: "0x41000", gfn: "0x1" },
  { op: "host_share_hyp", pfn: "0x41000", host: "POISON" },
  { op: "vcpu_put", host: "OWNED" },
  { op: "vcpu_load", vm: "0x10000", vcpu: 0 },
  { reset: false },
  {},
])("no line: %j", (line) => expect(lineSchema.safeParse(line).success).toBe(false));

test.each([
  { op: "host_share_hyp", pfn: "0x41000", ret: -1, host: 0, hyp: "NOPAGE" },
  { op: "host_share_hyp", pfn: 266240 },
  { op: "refill_memcache", vm: 4096, vcpu: 0, mc_pages: ["0x1", 2] },
  { op: "host_reclaim_page_guest", vm: "0x1000", gfn: 1, guest: "POISON" },
  { reset: true },
  { note: "the guest starts" },
])("a line: %j", (line) => expect(lineSchema.safeParse(line).success).toBe(true));
