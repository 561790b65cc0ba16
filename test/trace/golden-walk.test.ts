// Golden recordings of walks: every field of every line matches; what is not a recording is refused with its line; what
// differs is found. Recorded from Arm's architecture model (test/vectors/README.md).

import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { createGoldenWalkReplay } from "../../src/trace/golden-walk.js";
import { replayFile } from "../../src/trace/open.js";
import { TraceError, type ReplayOptions, type ReplaySummary } from "../../src/trace/replay.js";

const VECTORS = new URL("../vectors/walk/", import.meta.url);
const files = readdirSync(VECTORS).filter((name) => name.endsWith(".jsonl.gz"));

const load = (name: string) => gunzipSync(readFileSync(new URL(name, VECTORS)));
const linesOf = (name: string) => load(name).toString().trimEnd().split("\n");

async function replayLines(lines: readonly string[], options: ReplayOptions = {}): Promise<ReplaySummary> {
  const replay = await createGoldenWalkReplay(options);
  replay.write(Buffer.from(`${lines.join("\n")}\n`));
  return replay.end();
}

test.each(files)("%s: every walk matches", async (name) => {
  const bytes = load(name);
  const header = JSON.parse(bytes.subarray(0, bytes.indexOf(10)).toString()) as { ops: number };
  const replay = await createGoldenWalkReplay();
  for (let at = 0; at < bytes.length; at += 1 << 16) replay.write(bytes.subarray(at, at + (1 << 16)));
  const summary = replay.end();

  expect(summary).toMatchObject({ format: "golden walk", diverged: 0, first: null, panic: null });
  expect(summary).toMatchObject({ ops: header.ops, matched: header.ops });
});

test("the format is told from the header", async () => {
  const { summary, machine } = await replayFile(new URL("attrs.jsonl.gz", VECTORS).pathname, { at: 10 });

  expect(summary).toMatchObject({ format: "golden walk", ops: 9, diverged: 0 });
  expect(machine).toBeNull();
});

const lines = linesOf("g4k-pa48-hd.jsonl.gz");
const legality = linesOf("legality.jsonl.gz");

interface Line {
  readonly index: number;
  readonly value: Record<string, unknown> & { readonly i: number; readonly args: Record<string, unknown> };
}

/** The first line, from 0, that `wanted` accepts. */
function find(recording: readonly string[], wanted: (value: Record<string, unknown>) => boolean): Line {
  const index = recording.findIndex((text) => wanted(JSON.parse(text) as Record<string, unknown>));
  return { index, value: JSON.parse(recording[index] ?? "null") as Line["value"] };
}

function replaced(recording: readonly string[], index: number, text: string): string[] {
  return recording.map((line, at) => (at === index ? text : line));
}

const header = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
const config = find(lines, (value) => value["op"] === "config");
const leaf = find(lines, (value) => "changed" in value);
const fault = find(lines, (value) => "hpfar" in value);
const permission = find(lines, (value) => value["fault"] === "permission" && !("hpfar" in value));
const check = find(lines, (value) => "check" in value);
const regime = find(legality, (value) => (value["trace"] as unknown[] | undefined)?.length === 1);

const withField = (line: Line, change: object, recording = lines): string[] =>
  replaced(recording, line.index, JSON.stringify({ ...line.value, ...change }));
const withArgs = (line: Line, change: object, recording = lines): string[] =>
  withField(line, { args: { ...line.value.args, ...change } }, recording);
const withHeader = (change: object): string[] => replaced(lines, 0, JSON.stringify({ ...header, ...change }));
const without = (line: Line): string[] => lines.filter((_, at) => at !== line.index);

const CONFIG = config.index + 1;
const LEAF = leaf.index + 1;
const FAULT = fault.index + 1;

// prettier-ignore
test.each<[string, string[], line: number, RegExp]>([
  ["an empty file",                [""],                                         1, /empty line/],
  ["no header",                    lines.slice(1),                               1, /not the header/],
  ["another version",              withHeader({ version: 2 }),                   1, /^version 2 is not supported, only 1$/],
  ["another kind",                 withHeader({ kind: "pkvm" }),                 1, /^kind "pkvm" is not the kind of this recording/],
  ["a header field too many",      withHeader({ check_every: 1 }),               1, /check_every/],
  ["no JSON",                      replaced(lines, leaf.index, "{"),             LEAF, /^not JSON: \{$/],
  ["an unknown operation",         withField(leaf, { op: "wlak" }),              LEAF, /^unknown operation "wlak"$/],
  ["neither operation nor check",  replaced(lines, leaf.index, '{"i":1}'),       LEAF, /^neither an operation nor a check$/],
  ["a field that stands twice",    replaced(lines, leaf.index, (lines[leaf.index] ?? "").replace("{", '{"ret":0,')), LEAF, /^field "ret" stands twice$/],
  ["an unknown field",             withField(leaf, { tlb: 1 }),                  LEAF, /^unknown field "tlb"$/],
  ["a fault's field on a leaf",    withField(leaf, { fsc: 4 }),                  LEAF, /^unknown field "fsc"$/],
  ["a leaf's field on a fault",    withField(fault, { pa: "0x0" }),              FAULT, /^unknown field "pa"$/],
  ["a missing field",              withField(leaf, { attr: undefined }),         LEAF, /^attr: undefined are no memory attributes$/],
  ["no such attributes",           withField(leaf, { attr: "norm-iwb-owb/xsh" }), LEAF, /^attr: "norm-iwb-owb\/xsh" are no memory attributes$/],
  ["no such fault",                withField(fault, { fault: "alignment" }),     FAULT, /^fault: /],
  ["a ret that is none",           withField(leaf, { ret: 2 }),                  LEAF, /^ret: 2 is out of range$/],
  ["a number for an address",      withField(leaf, { pa: 1 }),                   LEAF, /^pa: 1 is not a hexadecimal number$/],
  ["a change of two numbers",      withField(leaf, { changed: { mem: [["0x0", "0x1"]] } }), LEAF, /^changed\.mem: not \[address, old, new\]$/],
  ["no such access",               withArgs(leaf, { acc: "rw" }),                LEAF, /^args\.acc: "rw" is no kind of access$/],
  ["EL0 walking tables",           withArgs(leaf, { acc: "t", el: 0 }),          LEAF, /^args\.el: /],
  ["65 bits",                      withArgs(leaf, { ipa: "0x10000000000000000" }), LEAF, /^args\.ipa: .* is not a hexadecimal/],
  ["an unknown argument",          withArgs(leaf, { va: "0x0" }),                LEAF, /^args: unknown field "va"$/],
  ["a second opinion, malformed",  withField(leaf, { linux: { why: "x", ret: 0, fsc: 1 } }), LEAF, /^linux: /],
  ["an unknown register",          withArgs(config, { tcr: "0x0" }),             CONFIG, /tcr/],
  ["no such PA size",              withArgs(config, { pamax: 47 }),              CONFIG, /^args\.pamax: /],
  ["no such stage-1 attributes",   withArgs(config, { s1attr: "wb" }),           CONFIG, /^args\.s1attr: "wb" are no memory attributes$/],
  ["a wrong granule",              withArgs(config, { granule: "16K" }),         CONFIG, /^args\.granule: is 16K, but VTCR_EL2 says 4K$/],
  ["a wrong start level",          withArgs(config, { startLevel: 3 }),          CONFIG, /^args\.startLevel: is 3, but VTCR_EL2 says \d$/],
  ["an unaligned word",            withArgs(config, { mem: [["0x4", "0x1"]] }),  CONFIG, /^args\.mem: 0x4 is not the address of a word$/],
  ["a word beyond 52 bits",        withArgs(config, { mem: [["0x10000000000000", "0x1"]] }), CONFIG, /^args\.mem: /],
  ["a walk left out",              without(leaf),                                LEAF, /^i: \d+ where \d+ is expected$/],
  ["a walk without a machine",     [lines[0] ?? "", JSON.stringify({ ...leaf.value, i: 0 })], 2, /^a walk without a config line before it$/],
  ["no check after 256 walks",     without(check),                               check.index + 1, /^no check line after 256 walks$/],
  ["a check of another operation", replaced(lines, check.index, JSON.stringify({ check: { ...(check.value["check"] as object), i: 1 } })), check.index + 1, /^check\.i: 1 where \d+ is expected$/],
  ["a short digest",               replaced(lines, check.index, JSON.stringify({ check: { ...(check.value["check"] as object), mem: "0x1" } })), check.index + 1, /^check\.mem: /],
  ["fewer walks",                  lines.slice(0, LEAF),                         LEAF, /^the header announces \d+ walks, the file has \d+$/],
  ["more walks",                   withHeader({ ops: 1 }),                       4, /^more walks than the header's 1$/],
])("refused: %s", async (_what, recording, line, message) => {
  const error: unknown = await replayLines(recording).catch((thrown: unknown) => thrown);

  expect(error).toBeInstanceOf(TraceError);
  expect((error as TraceError).message).toMatch(message);
  expect((error as TraceError).line).toBe(line);
});

test("refused: a second opinion of a walker that was not asked", async () => {
  const recording = linesOf("g4k-lpa2.jsonl.gz");
  const walk = find(recording, (value) => value["ret"] === 1 && value["op"] === "walk");
  const opinion = { linux: { why: "ipa-range", ret: 1, fsc: 4 } };

  await expect(replayLines(withField(walk, opinion, recording))).rejects.toThrow("linux: its walker was not asked");
});

// prettier-ignore
test.each<[field: string, string[], Line]>([
  ["ret",         withField(fault, { ...leaf.value, i: fault.value.i, args: fault.value.args, fault: undefined, fsc: undefined, esr: undefined, hpfar: undefined }), fault],
  ["pa",          withField(leaf, { pa: "0x1000" }),                     leaf],
  ["level",       withField(leaf, { level: 0 }),                         leaf],
  ["desc",        withField(leaf, { desc: "0x1" }),                      leaf],
  ["s2ap",        withField(leaf, { s2ap: 0 }),                          leaf],
  ["xn",          withField(leaf, { xn: 2 }),                            leaf],
  ["cont",        withField(leaf, { cont: 1 }),                          leaf],
  ["s2attr",      withField(leaf, { s2attr: "norm-iwt-owt/ish" }),       leaf],
  ["attr",        withField(leaf, { attr: "norm-iwt-owt/ish" }),         leaf],
  ["reads",       withField(leaf, { reads: 1 }),                         leaf],
  ["changed.mem", withField(leaf, { changed: undefined }),               leaf],
  ["changed.mem", withField(leaf, { changed: { mem: [["0x8", "0x1", "0x401"]] } }), leaf],
  ["fault",       withField(fault, { fault: "addrsize" }),               fault],
  ["fsc",         withField(fault, { fsc: 0 }),                          fault],
  ["esr",         withField(fault, { esr: "0x92000000" }),               fault],
  ["hpfar",       withField(fault, { hpfar: "0x10" }),                   fault],
  ["hpfar",       withField(fault, { hpfar: undefined }),                fault],
  ["hpfar",       withField(permission, { hpfar: "0x10" }),              permission],
])("a wrong %s is found", async (field, recording, line) => {
  const summary = await replayLines(recording, { at: line.value.i + 1 });

  expect(summary.diverged).toBe(1);
  expect(summary.first).toMatchObject({ line: line.index + 1, operation: line.value.i, op: "walk", field });
});

// prettier-ignore
test.each<[field: string, change: object]>([
  ["level", { level: -1 }],
  ["fsc",   { fsc: 5 }],
  ["trace", { trace: [] }],
  ["trace", { trace: ["0x40000008"] }],
])("a wrong %s of a regime is found", async (field, change) => {
  const summary = await replayLines(withField(regime, change, legality), { at: regime.value.i + 1 });

  expect(summary).toMatchObject({ diverged: 1, first: { line: regime.index + 1, op: "regime", field } });
});

test("a wrong digest is found, and the rest is compared or not", async () => {
  const { i } = check.value["check"] as { i: number };
  const wrong = replaced(lines, check.index, JSON.stringify({ check: { i, mem: "0x0000000000000000" } }));

  expect(await replayLines(wrong)).toMatchObject({ ops: 5568, matched: 5568, diverged: 1 });
  const stopped = await replayLines(wrong, { stopAtFirst: true });
  expect(stopped).toMatchObject({ ops: 256, diverged: 1, first: { operation: -1, op: "check", field: "mem" } });
});

test("walks are answered, not explained", async () => {
  await expect(createGoldenWalkReplay({ at: 1, explain: true })).rejects.toThrow(TraceError);
});

test("the machine is left in the state after N operations", async () => {
  const replay = await createGoldenWalkReplay({ at: leaf.value.i + 1 });
  replay.write(Buffer.from(`${lines.join("\n")}\n`));
  const [[address, , after]] = (leaf.value["changed"] as { mem: [[string, string, string]] }).mem;

  expect(replay.done).toBe(true);
  expect(replay.walkMachine.readWord(BigInt(address))).toBe(BigInt(after));
});
