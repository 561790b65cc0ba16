// Freehold's own trace format for FF-A partition managers (docs/trace-format-ffa.md).

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import { STOP_OPERATION } from "../../assembly/abi/trace.js";
import type { FfaConfig } from "../../src/machine/ffa-config.js";
import { transmit } from "../../src/machine/ffa-descriptor.js";
import { instantiateCore } from "../../src/machine/module.js";
import { encodeOperation, type Argument, type Operation } from "../../src/machine/operations.js";
import { isOptionalArgument, verbsOf } from "../../src/trace/freehold-trace-format.js";
import { TraceParser } from "../../src/trace/freehold-trace-parser.js";
import { headerSchema, lineSchema } from "../../src/trace/freehold-trace-schema.js";
import { ffaTraceHeader, traceLine, traceReset } from "../../src/trace/freehold-trace-writer.js";
import { createFreeholdTraceReplay } from "../../src/trace/freehold-trace.js";
import { callOf } from "../../src/trace/golden-ffa-calls.js";
import { parseFfaLine } from "../../src/trace/golden-ffa-format.js";
import type { Replay, ReplayOptions, ReplaySummary } from "../../src/trace/replay.js";

const DOCUMENT = readFileSync(new URL("../../docs/trace-format-ffa.md", import.meta.url), "utf8");
const [EXAMPLE = "", BEHIND_PROXY = ""] = [...DOCUMENT.matchAll(/```jsonl\n([^`]*)```/g)].map(([, text]) => text);

async function replayText(text: string, options: ReplayOptions = {}): Promise<[ReplaySummary, Replay]> {
  const replay = await createFreeholdTraceReplay(options);
  replay.write(new TextEncoder().encode(text));
  return [replay.end(), replay];
}

test.each([
  ["of partition managers", EXAMPLE, 6],
  ["of a host behind pKVM's proxy", BEHIND_PROXY, 7],
])(
  "the documentation's example %s replays without a difference, and the schema accepts its lines",
  async (_of, text, ops) => {
    const [summary] = await replayText(text);
    expect(summary).toMatchObject({ format: "freehold-trace", ops, matched: ops, diverged: 0, first: null });
    const [header, ...lines] = text.trim().split("\n");
    expect(headerSchema.safeParse(JSON.parse(header ?? "")).error).toBeUndefined();
    for (const line of lines.filter((text) => text !== "")) {
      expect(lineSchema.safeParse(JSON.parse(line)).error).toBeUndefined();
    }
  },
);

test("the documentation lists every operation with its arguments", () => {
  const [, tables = ""] = DOCUMENT.split("## Operations");
  const rows = tables.split("\n").filter((row) => row.startsWith("| `"));
  const words = (cell = "") => [...cell.matchAll(/`([^`]*)`/g)].map(([, word]) => word ?? "");
  const listed = rows.flatMap((row) => {
    const [, names, args] = row.split("|");
    return words(names).map((name) => [name, words(args)] as const);
  });
  const known = verbsOf("ffa", "proxy").map(({ name, args }) => [name, Object.keys(args)] as const);

  expect(new Map(listed)).toEqual(new Map(known));
  for (const name of ["x64", "tx_fault", "wipe_fail", "address", "page_count", "sender"]) {
    expect(isOptionalArgument(name)).toBe(true);
  }
});

test.each([
  ["host_share_hyp", '{"op":"host_share_hyp","pfn":"0x10000"}', 'unknown operation "host_share_hyp"'],
  ["ffa_endpoint", '{"op":"ffa_endpoint","vm":3}', 'unknown operation "ffa_endpoint"'],
  ["a missing argument", '{"op":"ffa_mem_reclaim","vm":1,"flags":0}', 'ffa_mem_reclaim needs "handle"'],
  ["another operation's argument", '{"op":"ffa_rx_release","vm":1,"offset":0}', 'ffa_rx_release has no "offset"'],
  ["a page state", '{"op":"ffa_rx_release","vm":1,"host":0}', 'so "host" cannot be expected'],
])("refused: %s", async (_what, line, message) => {
  const [header] = EXAMPLE.split("\n");
  await expect(replayText(`${header ?? ""}\n${line}\n`)).rejects.toThrow(message);
});

test.each([
  ["another system", '{"format":"freehold-trace","version":1,"system":"cca","config":{}}', 'only "pkvm" and "ffa"'],
  ["a configuration that cannot be", ffaTraceHeader({} as FfaConfig), "config: flavour: "],
])("refused: %s", async (_what, header, message) => {
  await expect(replayText(`${header.trim()}\n`)).rejects.toThrow(message);
});

test("an FF-A call is unknown to a pKVM machine", async () => {
  const header = '{"format":"freehold-trace","version":1,"system":"pkvm","config":{"regions":[{"base":"0x40000000","size":"0x4000000"}]}}'; // prettier-ignore
  await expect(replayText(`${header}\n{"op":"ffa_rx_release","vm":1}\n`)).rejects.toThrow("unknown operation");
});

test("a wrong code is found, and an operation is explained", async () => {
  const wrong = EXAMPLE.replace('"ret":-6', '"ret":0');
  const [summary] = await replayText(wrong);
  expect(summary).toMatchObject({
    diverged: 1,
    first: { op: "ffa_mem_reclaim", field: "ret", expected: "0", found: "-6" },
  });
  const [, replay] = await replayText(EXAMPLE, { at: 9, explain: true });
  expect(replay.explained).toMatchObject({
    op: "ffa_mem_reclaim",
    outcome: { errno: "DENIED", reason: "ffa_still_retrieved" },
    recorded: { ret: -6 },
  });
});

// Recordings of Hafnium, rewritten in this format.
test.each(["01-tests-hyp", "07-perm-spmc", "09-worlds-both", "13-random-hyp-abort"])("%s", async (name) => {
  const file = new URL(`../vectors/ffa/${name}.jsonl.gz`, import.meta.url);
  const [first = "", ...rest] = gunzipSync(readFileSync(file)).toString().trim().split("\n");
  const { config, ops } = JSON.parse(first) as { config: FfaConfig; ops: number };
  const buffers = new Map(config.endpoints.map(({ id, buffer_pages: pages = 1 }) => [Number(id), pages * 4096]));
  const text = rest.map((line) => rewritten(line, (vm) => buffers.get(vm) ?? 0)).join("");
  const [summary] = await replayText(ffaTraceHeader(config) + text);

  expect(summary).toMatchObject({ matched: ops, diverged: 0, first: null });
});

function rewritten(text: string, room: (vm: number) => number): string {
  const line = parseFfaLine(JSON.parse(text));
  if (line.type === "reset") return traceReset();
  if (line.type !== "operation") return "";
  const { message, operation } = callOf(line.value);
  const { vm } = line.value.args;
  const pieces = message === null || room(vm) === 0 ? [] : transmit(vm, message.subarray(0, room(vm)));
  return [...pieces.map((piece) => traceLine(piece)), traceLine(operation, { ret: line.value.ret })].join("");
}

function argument({ kind }: Argument): fc.Arbitrary<unknown> {
  switch (kind) {
    case "flag":
      return fc.nat(1);
    case "index":
      return fc.nat(0xffff_ffff);
    case "handle":
      return fc.nat(0xffff);
    case "count":
      return fc.maxSafeInteger();
    default:
      return fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  }
}

test("an operation written and read back is the same record", async () => {
  const operations = fc.oneof(
    ...verbsOf("ffa").map(({ name, args }) => {
      const values = Object.fromEntries(Object.entries(args).map(([key, value]) => [key, argument(value)]));
      return fc.record({ op: fc.constant(name), ...values }) as unknown as fc.Arbitrary<Operation>;
    }),
  );
  const parser = new TraceParser(await instantiateCore());
  parser.begin(0, ["ffa"]);
  fc.assert(
    fc.property(operations, (operation) => {
      const { written } = new TextEncoder().encodeInto(traceLine(operation), parser.bytes.subarray(parser.window));
      const packed = Buffer.alloc(OPERATION_SIZE);
      encodeOperation(operation, new DataView(packed.buffer, packed.byteOffset));

      expect(parser.step(parser.window, parser.window + written)).toBe(STOP_OPERATION);
      expect(Buffer.from(parser.record).toString("hex")).toBe(packed.toString("hex"));
    }),
  );
});
