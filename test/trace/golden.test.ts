// Golden recordings: every line of every vector matches; what is not a recording is refused with its line; what differs is found.

import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { createGoldenReplay } from "../../src/trace/golden.js";
import { TraceError, type Replay, type ReplayOptions, type ReplaySummary } from "../../src/trace/replay.js";

const VECTORS = new URL("../vectors/pkvm/", import.meta.url);
const files = readdirSync(VECTORS).filter((name) => name.endsWith(".jsonl.gz"));

const load = (name: string) => gunzipSync(readFileSync(new URL(name, VECTORS)));

function feed(replay: Replay, bytes: Uint8Array, piece = 1 << 16): ReplaySummary {
  for (let at = 0; at < bytes.length; at += piece) replay.write(bytes.subarray(at, at + piece));
  return replay.end();
}

async function replayLines(lines: readonly string[], options: ReplayOptions = {}): Promise<ReplaySummary> {
  return feed(await createGoldenReplay(options), Buffer.from(`${lines.join("\n")}\n`));
}

test.each(files)("%s: every line matches", async (name) => {
  const bytes = load(name);
  const header = JSON.parse(bytes.subarray(0, bytes.indexOf(10)).toString()) as { kind: string; ops: number };
  const checks = bytes.toString("latin1").match(/^\{"check"/gm)?.length ?? 0;
  const summary = feed(await createGoldenReplay(), bytes);

  expect(summary).toMatchObject({ format: `golden ${header.kind}`, diverged: 0, first: null, panic: null });
  expect(summary.matched).toBe(header.ops);
  expect(summary.ops).toBe(header.ops);
  expect(summary.description).toContain(`${checks} checks`);
});

test("bytes may be cut anywhere", async () => {
  const summary = feed(await createGoldenReplay(), load("02-protected-a.jsonl.gz"), 7);

  expect(summary).toMatchObject({ diverged: 0, ops: 256 });
});

const lines = load("02-protected-a.jsonl.gz").toString().trimEnd().split("\n");
const tableLines = load("21-pgtable-a.jsonl.gz").toString().trimEnd().split("\n");

interface Line {
  readonly index: number;
  readonly value: Record<string, unknown>;
}

/** The first line, from 0, that `wanted` accepts. */
function find(recording: readonly string[], wanted: (value: Record<string, unknown>) => boolean): Line {
  const index = recording.findIndex((text) => wanted(JSON.parse(text) as Record<string, unknown>));
  return { index, value: JSON.parse(recording[index] ?? "null") as Record<string, unknown> };
}

function replaced(recording: readonly string[], index: number, text: string): string[] {
  return recording.map((line, at) => (at === index ? text : line));
}

const operation = find(lines, (value) => value["op"] === "host_donate_guest" && value["ret"] === 0);
const abort = find(lines, (value) => value["result"] === "injected");
const check = find(lines, (value) => "check" in value);
const header = JSON.parse(lines[0] ?? "") as Record<string, unknown> & { config: Record<string, unknown> };

const withField = (line: Line, change: object): string[] =>
  replaced(lines, line.index, JSON.stringify({ ...line.value, ...change }));
const withHeader = (change: object): string[] => replaced(lines, 0, JSON.stringify({ ...header, ...change }));
const withConfig = (change: object): string[] => withHeader({ config: { ...header.config, ...change } });
const withArgs = (change: object): string[] =>
  withField(operation, { args: { ...(operation.value["args"] as object), ...change } });

const AT = operation.index + 1;

// prettier-ignore
test.each<[string, string[], line: number, RegExp]>([
  ["an empty file",              [""],                                                        1, /empty line/],
  ["no header",                  lines.slice(1),                                              1, /not the header/],
  ["another format",             withHeader({ format: "golden" }),                            1, /not the header/],
  ["another version",            withHeader({ version: 2 }),                                  1, /^version 2 is not supported, only 1$/],
  ["another kind",               withHeader({ kind: "ffa" }),                                 1, /^kind "ffa" is not supported/],
  ["a header field too many",    withHeader({ more: 1 }),                                     1, /more/],
  ["ops of a wrong type",        withHeader({ ops: "9" }),                                    1, /^ops: /],
  ["an unknown config field",    withConfig({ sve: 1 }),                                      1, /sve/],
  ["a wrong config type",        withConfig({ page_shift: "12" }),                            1, /^config\.page_shift: /],
  ["a start level that is not",  withConfig({ start_level: 0 }),                              1, /^config\.start_level: is 0, but 1 follows/],
  ["overlapping regions",        withConfig({ regions: [{ base: "0x40000000", size: "0x4000000", nomap: 0 }, { base: "0x40001000", size: "0x1000", nomap: 0 }] }), 1, /^config\.regions\.1\.base: /],
  ["an unaligned region",        withConfig({ regions: [{ base: "0x40000800", size: "0x4000000", nomap: 0 }] }), 1, /not page aligned/],
  ["a second header",            [lines[0] ?? "", ...lines],                                  2, /neither an operation/],
  ["no JSON",                    replaced(lines, operation.index, "{\"i\":"),                 AT, /^not JSON: \{"i":$/],
  ["an empty line",              replaced(lines, operation.index, ""),                        AT, /empty line/],
  ["a list",                     replaced(lines, operation.index, "[]"),                      AT, /not an object/],
  ["an unknown operation",       withField(operation, { op: "host_donte_guest" }),            AT, /^unknown operation "host_donte_guest"$/],
  ["a verb of the other kind",   withField(operation, { op: "pt_unmap" }),                    AT, /^unknown operation "pt_unmap"$/],
  ["a verb of ours",             withField(operation, { op: "host_memcache_push" }),          AT, /^unknown operation/],
  ["an unknown field",           withField(operation, { note: 1 }),                           AT, /^unknown field "note"$/],
  ["another verb's field",       withField(operation, { zeroed: 1 }),                         AT, /^unknown field "zeroed"$/],
  ["a field that stands twice",  replaced(lines, operation.index, (lines[operation.index] ?? "").replace("{", '{"ret":0,')), AT, /^field "ret" stands twice$/],
  ["no ret",                     withField(operation, { ret: undefined }),                    AT, /^ret: undefined is not an integer$/],
  ["a ret that is no number",    withField(operation, { ret: "0" }),                          AT, /^ret: "0" is not an integer$/],
  ["no changed",                 withField(operation, { changed: undefined }),                AT, /^changed: not an object$/],
  ["an unknown list",            withField(operation, { changed: { leaves: [] } }),           AT, /^changed: unknown field "leaves"$/],
  ["an entry without n",         withField(operation, { changed: { host: [{ ipa: "0x0", level: 3, pte: "0x0" }] } }), AT, /^changed\.host\.n: is missing$/],
  ["an entry with more",         withField(operation, { changed: { tables: [{ vm: "0x0", ipa: "0x0", level: 3, present: 1, n: 1 }] } }), AT, /unknown field "n"/],
  ["a pte that is a number",     withField(operation, { changed: { host: [{ ipa: "0x0", level: 3, n: 1, pte: 0 }] } }), AT, /^changed\.host\.pte: cannot be 0$/],
  ["no such TLBI",               withField(operation, { tlbi: [["all", 0]] }),                AT, /^tlbi: .* is no invalidation$/],
  ["no such cache operation",    withField(operation, { cmo: [["dc", "0x0"]] }),              AT, /^cmo: /],
  ["an unknown argument",        withArgs({ prot: "0xf" }),                                   AT, /^args: unknown field "prot"$/],
  ["a missing argument",         withArgs({ gfn: undefined }),                                AT, /^args: gfn is missing$/],
  ["a number for an address",    withArgs({ pfn: 1 }),                                        AT, /^args\.pfn: 1 is not a hexadecimal number$/],
  ["65 bits",                    withArgs({ pfn: "0x10000000000000000" }),                    AT, /^args\.pfn: .* is not a hexadecimal/],
  ["a handle of 17 bits",        withArgs({ vm: "0x10000" }),                                 AT, /^args\.vm: "0x10000" is out of range$/],
  ["a negative vCPU",            withArgs({ vcpu: -1 }),                                      AT, /^args\.vcpu: -1 is out of range$/],
  ["a result that is none",      withField(abort, { result: "denied" }),                      abort.index + 1, /^result: "denied" is no result/],
  ["an operation left out",      lines.filter((_, at) => at !== operation.index),             AT, /^i: \d+ where \d+ is expected$/],
  ["an operation twice",         [...lines.slice(0, operation.index + 1), ...lines.slice(operation.index)], AT + 1, /^i: \d+ where \d+ is expected$/],
  ["no check at the start",      lines.filter((_, at) => at !== check.index),                 2, /^no check line before the operation$/],
  ["no check at the end",        lines.slice(0, -1),                                          lines.length - 1, /^no check line at the end$/],
  ["a check of wrong type",      withField(check, { check: { ...(check.value["check"] as object), pages: "0" } }), check.index + 1, /^check\.pages: /],
  ["a short digest",             withField(check, { check: { ...(check.value["check"] as object), sha256: "00" } }), check.index + 1, /^check\.sha256: /],
  ["fewer operations",           lines.slice(0, AT),                                          AT, /^the header announces \d+ operations, the file has \d+$/],
  ["more operations",            withHeader({ ops: 1 }),                                      4, /^more operations than the header's 1$/],
])("refused: %s", async (_what, recording, line, message) => {
  const error: unknown = await replayLines(recording).catch((thrown: unknown) => thrown);

  expect(error).toBeInstanceOf(TraceError);
  expect((error as TraceError).message).toMatch(message);
  expect((error as TraceError).line).toBe(line);
});

test("refused: bytes that are no text, and no bytes at all", async () => {
  const replay = await createGoldenReplay();

  expect(() => replay.write(Uint8Array.of(0xff, 0xfe, 10))).toThrow("not text: invalid UTF-8");
  const empty = await createGoldenReplay();
  expect(() => empty.end()).toThrow("the file is empty");
});

test("refused: a line that never ends", async () => {
  const replay = await createGoldenReplay();
  const megabytes = new Uint8Array(1 << 23).fill(0x20);

  expect(() => {
    for (let i = 0; i < 9; i++) replay.write(megabytes);
  }).toThrow("line is longer than 67108864 bytes");
});

test("refused: an operation behind a panic", async () => {
  const recording = load("07-panic-a.jsonl.gz").toString().trimEnd().split("\n");
  const reset = find(recording, (value) => "reset" in value);
  const without = recording.filter((_, at) => at !== reset.index && at !== reset.index + 1);

  await expect(replayLines(without)).rejects.toThrow("an operation behind a panic");
});

const changed = operation.value["changed"] as Record<string, Record<string, unknown>[]>;
const reclaim = find(lines, (value) => value["zeroed"] === 1);
const hvc = find(lines, (value) => "elr_delta" in value);
const load1 = find(lines, (value) => "loaded" in value && value["loaded"] !== null);
const teardown = find(lines, (value) => "teardown_mc" in value && value["ret"] === 0);
const invalidation = find(lines, (value) => "tlbi" in value);

/** The recording with one entry of the operation's `changed` altered, added or dropped. */
const withEntry = (list: string, change: object | null): string[] => {
  const [first, ...rest] = changed[list] ?? [];
  const entries = change === null ? rest : [{ ...first, ...change }, ...rest];
  return withField(operation, { changed: { ...changed, [list]: entries } });
};
const withCheck = (change: object): string[] =>
  withField(check, { check: { ...(check.value["check"] as object), ...change } });

// prettier-ignore
test.each<[field: string, string[], Line]>([
  ["ret",            withField(operation, { ret: -1 }),                              operation],
  ["panic",          replaced(lines, operation.index, JSON.stringify({ i: operation.value["i"], op: operation.value["op"], args: operation.value["args"], panic: { kind: "warn", func: "f" } })), operation],
  ["changed.pages",  withEntry("pages", { host: 0 }),                                operation],
  ["changed.pages",  withEntry("pages", null),                                       operation],
  ["changed.host",   withEntry("host", { pte: "0x2000000000000002" }),               operation],
  ["changed.guest",  withEntry("guest", { n: 2 }),                                   operation],
  ["changed.guest",  withEntry("guest", { level: 2 }),                               operation],
  ["changed.tables", withEntry("tables", { vm: "0x0", ipa: "0x0", level: 3, present: 1 }), operation],
  ["changed.vms",    withEntry("vms", { vm: "0x1000", state: "D", protected: 1, vcpus: 1 }), operation],
  ["changed.vcpus",  withEntry("vcpus", { mc: 77 }),                                 operation],
  ["zeroed",         withField(reclaim, { zeroed: 0 }),                              reclaim],
  ["zeroed",         withField(reclaim, { zeroed: undefined }),                      reclaim],
  ["x",              withField(hvc, { x: ["0x1", "0x2", "0x3", "0x4"] }),            hvc],
  ["elr_delta",      withField(hvc, { elr_delta: 8 }),                               hvc],
  ["loaded",         withField(load1, { loaded: null }),                             load1],
  ["teardown_mc",    withField(teardown, { teardown_mc: 99 }),                       teardown],
  ["result",         withField(abort, { result: "mapped" }),                         abort],
  ["inj_esr",        withField(abort, { inj_esr: "0x1" }),                           abort],
  ["tlbi",           withField(invalidation, { tlbi: [] }),                          invalidation],
  ["tlbi",           withField(invalidation, { tlbi: [...(invalidation.value["tlbi"] as unknown[]), ["vmid", 1]] }), invalidation],
  ["cmo",            withField(operation, { cmo: [["poc", "0x0", "0x1000"]] }),      operation],
  ["pages",          withCheck({ pages: 1 }),                                        check],
  ["tables",         withCheck({ tables: 1 }),                                       check],
  ["sha256",         withCheck({ sha256: "0".repeat(64) }),                          check],
  ["sha256_tables",  withCheck({ sha256_tables: "0".repeat(64) }),                   check],
])("a wrong %s is found", async (field, recording, line) => {
  const summary = await replayLines(recording, { stopAtFirst: true });

  expect(summary.diverged).toBe(1);
  expect(summary.first).toMatchObject({ line: line.index + 1, field });
});

test("a wrong free count and a wrong leaf are found in a page-table recording", async () => {
  const map = find(tableLines, (value) => value["op"] === "pt_map" && value["ret"] === 0);
  const leaf = find(tableLines, (value) => value["op"] === "pt_get_leaf" && "pte" in value);
  let recording = replaced(tableLines, map.index, JSON.stringify({ ...map.value, free: 1 }));
  recording = replaced(recording, leaf.index, JSON.stringify({ ...leaf.value, level: 0 }));
  const summary = await replayLines(recording, { at: 300 });

  expect(summary.diverged).toBe(2);
  expect(summary.first?.field).toBe("free");
});

test("after a divergence the rest is still compared, or not", async () => {
  const wrong = withField(operation, { ret: -1 });

  expect(await replayLines(wrong)).toMatchObject({ ops: 256, matched: 255, diverged: 1 });
  const stopped = await replayLines(wrong, { stopAtFirst: true });
  expect(stopped).toMatchObject({ diverged: 1, first: { line: AT, expected: "-1", found: "0" } });
  expect(stopped.ops).toBeLessThan(256);
});

test("a panic that was not recorded is named", async () => {
  const recording = load("07-panic-a.jsonl.gz").toString().trimEnd().split("\n");
  const panic = find(recording, (value) => "panic" in value);
  const { i, op, args } = panic.value;
  const quiet = replaced(recording, panic.index, JSON.stringify({ i, op, args, ret: 0, changed: {} }));
  const summary = await replayLines(quiet, { stopAtFirst: true });

  expect(summary).toMatchObject({ diverged: 1, panic: "host_stage2_decode_gfn_meta", first: { field: "panic" } });
});

test("the state after N operations, and operation N explained", async () => {
  const number = operation.value["i"] as number;
  const replay = await createGoldenReplay({ at: number, explain: true });
  replay.write(Buffer.from(`${lines.join("\n")}\n`));
  const summary = replay.end();

  expect(summary).toMatchObject({ diverged: 0 });
  expect(replay.done).toBe(true);
  expect(replay.explained).toMatchObject({
    line: AT,
    operation: number,
    op: "host_donate_guest",
    args: operation.value["args"],
    outcome: { ret: 0, status: "ok" },
    recorded: { ret: 0 },
  });
  expect(replay.explained?.effects.length).toBeGreaterThan(0);
});

test("the state after N operations is not that after the reset behind them", async () => {
  const recording = load("07-panic-a.jsonl.gz").toString().trimEnd().split("\n");
  const reset = find(recording, (value) => "reset" in value);
  const at = (reset.value["reset"] as { i: number }).i;
  const replay = await createGoldenReplay({ at });
  replay.write(Buffer.from(`${recording.join("\n")}\n`));

  expect(replay.end()).toMatchObject({ diverged: 0 });
  expect(replay.machine?.panicked).not.toBeNull();
});

test("effects are passed on, operation by operation", async () => {
  const heard: number[] = [];
  await replayLines(lines, { at: 20, onEffects: (number) => heard.push(number) });

  expect(heard).toEqual(Array.from({ length: 20 }, (_, number) => number));
});
