// What is refused, and how; and what a machine answers about operations, pages and walks.

import { expect, test } from "vitest";
import { Machine } from "../../src/machine/machine.js";
import { describeEffects } from "../../src/machine/describe.js";
import { openTimeline, tooLarge, traceBuffers } from "../../src/timeline/service.js";
import { traceHeader, traceLine } from "../../src/trace/freehold-trace-writer.js";
import { inPieces, load, vector } from "./traces.js";

const HEADER = traceHeader({ regions: [{ base: 0x40000000n, size: 0x8000000n }] });
const bytesOf = (text: string) => new TextEncoder().encode(text);
const open = (text: string | Uint8Array) => openTimeline(inPieces(typeof text === "string" ? bytesOf(text) : text));

// prettier-ignore
test.each<[string, string | Uint8Array, number, RegExp]>([
  // input                            bytes                                              line  sentence
  ["nothing",                         "",                                                0,    /^the file is empty$/],
  ["something else",                  "\x7fELF",                                         0,    /^not a trace that Freehold reads: it looks like an ELF file$/],
  ["a line that is no object",        `${HEADER}{"op":"host_share_hyp","pfn":1}\nx\n`,   3,    /./],
  ["a line with an unknown verb",     `${HEADER}{"op":"host_shar_hyp","pfn":1}\n`,       2,    /host_share_hyp/],
  ["a configuration that cannot be",  `${HEADER.replace("0x8000000", "0x8000001")}`,     1,    /regions/],
  ["a recording of walks",        vector("walk/attrs.jsonl")    ,                     0,    /^a recording of walks has no operations to step through$/],
])("%s is refused", async (_, bytes, line, sentence) => {
  const answer = await open(bytes);
  expect(answer).toEqual({ refusal: expect.stringMatching(sentence) as string, line });
});

test("a header alone is a machine without operations", async () => {
  const { trace, machine } = await load(HEADER);
  expect(trace.operations.count).toBe(0);
  expect(machine.operation(0)).toBeNull();
  expect(machine.tables(-1)).toEqual([{ table: "host", name: "host stage 2" }]);
});

test("loading ends when it is aborted", async () => {
  const control = new AbortController();
  const progress = () => control.abort(new Error("enough"));
  await expect(load(vector("traces/misc-n1.hyp.txt"), { signal: control.signal, progress })).rejects.toThrow("enough");
});

test("progress tells the bytes that were read, then the share that is run again", async () => {
  const bytes = vector("traces/boot-n1.hyp.txt");
  const told: [number, number | null][] = [];
  await load(bytes, { progress: (read, share) => told.push([read, share]) });
  const reading = told.filter(([, share]) => share === null).map(([read]) => read);
  expect(reading).toEqual([...reading].sort((a, b) => a - b));
  expect(reading.at(-1)).toBe(bytes.length);
  expect(told.every(([, share]) => share === null || (share >= 0 && share <= 1))).toBe(true);
});

test("what is too large says so", () => {
  expect(tooLarge(1e9, "freehold-trace")).toBeNull();
  expect(tooLarge(1e9, bytesOf(HEADER))).toBeNull();
  expect(tooLarge(1e11, bytesOf(HEADER))).toMatch(
    /^the trace has 100\.0 GB of text, .* at most \d+\.\d GB can be shown$/,
  );
});

test("the columns of a trace can be transferred, each buffer once", async () => {
  const { trace } = await load(HEADER + traceLine({ op: "host_share_hyp", pfn: 0x45000n }));
  const buffers = traceBuffers(trace);
  expect(new Set(buffers).size).toBe(buffers.length);
  const sent = structuredClone(trace, { transfer: buffers });
  expect(sent.operations.line[0]).toBe(2);
  expect(trace.initial.length).toBe(0);
});

test("an operation says what explain says of it", async () => {
  const share = { op: "host_share_hyp", pfn: 0x45000n } as const;
  const { machine } = await load(HEADER + traceLine(share, { ret: 0 }) + traceLine(share, { ret: 0, host: 0 }));

  const plain = await Machine.create({ regions: [{ base: 0x40000000n, size: 0x8000000n }] });
  const effects = describeEffects(plain.apply(share).effects, plain);
  const common = { verb: "host_share_hyp", args: { pfn: "0x45000" } };
  expect(machine.operation(0)).toEqual({
    ...common,
    number: 0,
    line: 2,
    answer: "0",
    refusal: null,
    effects,
    recorded: {},
  });
  expect(machine.operation(1)).toEqual({
    ...{ ...common, number: 1, line: 3, answer: "-1 (-EPERM)", effects: [], recorded: { ret: "0" } },
    refusal: "refused with -EPERM by __pkvm_host_share_hyp: pfn 0x45000 is SHARED_OWNED at the host, must be OWNED",
  });
});

test("a page and a walk before and after it changes hands", async () => {
  const { machine } = await load(HEADER + traceLine({ op: "host_donate_hyp", pfn: 0x45000n, nr: 1n }));
  const states = (after: number) => machine.page(after, 0x45000n).sides.map(({ state }) => state);
  expect([states(-1), states(0)]).toEqual([
    ["OWNED", "NOPAGE"],
    ["NOPAGE", "OWNED"],
  ]);
  expect(machine.page(0, 0x45000n).leaves).toEqual([
    expect.objectContaining({ table: "host", ipa: 0x45000000n, level: 3, words: "donated to EL2" }),
  ]);
  const walk = machine.walk(0, "host", 0x45000000n, { kind: "write" });
  expect(walk).toMatchObject({ faults: true, pa: null });
  expect(walk?.result).toMatch(/^Translation fault, level 3: .*donated to EL2/);
  expect(walk?.registers.map(({ name }) => name)).toEqual(["ESR_EL2", "HPFAR_EL2"]);
  expect(machine.walk(0, 0x1000, 0n, { kind: "read" })).toBeNull();
});

test("where there is no memory, a page has nothing", async () => {
  const { machine } = await load(HEADER);
  expect(machine.page(-1, 0x1n)).toEqual({ pfn: 0x1n, sides: [], leaves: [], contents: null });
});
