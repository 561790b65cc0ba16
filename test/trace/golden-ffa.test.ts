// Golden recordings of FF-A calls: every line of every vector matches; what is not a recording is refused with its line; what
// differs is found.

import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { FfaManagersConfig } from "../../src/machine/ffa-config.js";
import { transmit } from "../../src/machine/ffa-descriptor.js";
import { FfaState } from "../../src/machine/ffa-state.js";
import { Machine } from "../../src/machine/machine.js";
import { instantiateCore } from "../../src/machine/module.js";
import { createGoldenFfaReplay } from "../../src/trace/golden-ffa.js";
import { callOf } from "../../src/trace/golden-ffa-calls.js";
import { digestFfaState } from "../../src/trace/golden-ffa-digest.js";
import { parseFfaHeader, parseFfaLine, type FfaOperation } from "../../src/trace/golden-ffa-format.js";
import { TraceError, type Replay, type ReplayOptions, type ReplaySummary } from "../../src/trace/replay.js";

const VECTORS = new URL("../vectors/ffa/", import.meta.url);
const files = readdirSync(VECTORS).filter((name) => name.endsWith(".jsonl.gz"));

const load = (name: string) => gunzipSync(readFileSync(new URL(name, VECTORS)));

function feed(replay: Replay, bytes: Uint8Array, piece = 1 << 16): ReplaySummary {
  for (let at = 0; at < bytes.length; at += piece) replay.write(bytes.subarray(at, at + piece));
  return replay.end();
}

async function replayLines(lines: readonly string[], options: ReplayOptions = {}): Promise<ReplaySummary> {
  return feed(await createGoldenFfaReplay(options), Buffer.from(`${lines.join("\n")}\n`));
}

test("there are 22 vectors with 44,902 operations", () => {
  const announced = files.map((name) => {
    const bytes = load(name);
    return (JSON.parse(bytes.subarray(0, bytes.indexOf(10)).toString()) as { ops: number }).ops;
  });

  expect(files).toHaveLength(22);
  expect(announced.reduce((sum, ops) => sum + ops, 0)).toBe(44_902);
});

test.each(files)("%s: every line matches", async (name) => {
  const bytes = load(name);
  const header = JSON.parse(bytes.subarray(0, bytes.indexOf(10)).toString()) as { ops: number };
  const checks = bytes.toString("latin1").match(/^\{"check"/gm)?.length ?? 0;
  const summary = feed(await createGoldenFfaReplay(), bytes);

  expect(summary).toMatchObject({ format: "golden ffa", diverged: 0, first: null, panic: null });
  expect(summary.matched).toBe(header.ops);
  expect(summary.ops).toBe(header.ops);
  expect(summary.description).toContain(`, ${checks} checks,`);
});

test("bytes may be cut anywhere", async () => {
  expect(feed(await createGoldenFfaReplay(), load("07-perm-spmc.jsonl.gz"), 7)).toMatchObject({ diverged: 0, ops: 59 });
});

// Where nobody asks for effects, calls take shorter ways.
test.each(["11-random-hyp-r.jsonl.gz", "20-random-spmc-a.jsonl.gz", "30-random-both-a.jsonl.gz"])(
  "%s: without effects the same states come about",
  async (name) => {
    const [first = "", ...rest] = load(name).toString().trimEnd().split("\n");
    const header = parseFfaHeader(JSON.parse(first));
    const machine = Machine.createOn(await instantiateCore(), header.config);
    const state = new FfaState(machine);
    let checks = 0;
    for (const text of rest) {
      const line = parseFfaLine(JSON.parse(text));
      if (line.type === "reset") machine.reset();
      else if (line.type === "operation") runQuietly(machine, header.config, line.value);
      else if (line.type === "check") {
        expect({ i: line.value.i, ...digestFfaState(state) }).toEqual(line.value);
        checks += 1;
      }
    }
    expect(checks).toBeGreaterThan(60);
  },
);

function runQuietly(machine: Machine, { endpoints }: FfaManagersConfig, line: FfaOperation): void {
  const { message, operation } = callOf(line);
  const room = (endpoints.find(({ id }) => id === line.args.vm)?.buffer_pages ?? 0) * 4096;
  const pieces = message === null || room === 0 ? [] : transmit(line.args.vm, message.subarray(0, room));
  const [outcome] = machine.applyBatch([...pieces, operation], { effects: false }).slice(-1);
  expect(outcome?.ret).toBe(line.ret);
}

const lines = load("01-tests-hyp.jsonl.gz").toString().trimEnd().split("\n");

interface Line {
  readonly index: number;
  readonly value: Record<string, unknown>;
}

/** The first line, from 0, that `wanted` accepts. */
function find(recording: readonly string[], wanted: (value: Record<string, unknown>) => boolean): Line {
  const index = recording.findIndex((text) => wanted(JSON.parse(text) as Record<string, unknown>));
  return { index, value: JSON.parse(recording[index] ?? "null") as Record<string, unknown> };
}

const replaced = (index: number, text: string): string[] => lines.map((line, at) => (at === index ? text : line));
const withField = (line: Line, change: object): string[] =>
  replaced(line.index, JSON.stringify({ ...line.value, ...change }));
const withArgs = (line: Line, change: object): string[] =>
  withField(line, { args: { ...(line.value["args"] as object), ...change } });

const send = find(lines, (value) => value["op"] === "mem_lend" && value["ret"] === 0);
const retrieve = find(lines, (value) => value["op"] === "retrieve_req" && value["ret"] === 0);
const wipe = find(lines, (value) => (value["changed"] as { zeroed?: unknown } | undefined)?.zeroed !== undefined);
const fragment = find(lines, (value) => (value["reply"] as { fn?: string } | undefined)?.fn === "FRAG_RX");
const check = find(lines, (value) => "check" in value);
const header = JSON.parse(lines[0] ?? "") as Record<string, unknown> & {
  config: Record<string, unknown> & { endpoints: Record<string, unknown>[] };
};

const withHeader = (change: object): string[] => replaced(0, JSON.stringify({ ...header, ...change }));
const withConfig = (change: object): string[] => withHeader({ config: { ...header.config, ...change } });
const withEndpoint = (change: object): string[] =>
  withConfig({
    endpoints: header.config.endpoints.map((endpoint, at) => (at === 0 ? { ...endpoint, ...change } : endpoint)),
  });

const SEND = send.index + 1;
const desc = (send.value["args"] as { desc: Record<string, unknown> }).desc;
const changed = send.value["changed"] as { modes: object[]; records: object[] };
const reply = retrieve.value["reply"] as Record<string, unknown> & { desc: Record<string, unknown>; raw: string };

// prettier-ignore
test.each<[string, string[], line: number, RegExp]>([
  ["an empty file",               [""],                                                1, /empty line/],
  ["another format",              withHeader({ format: "golden" }),                    1, /^format: /],
  ["another version",             withHeader({ version: 2 }),                          1, /^version: /],
  ["a header field too many",     withHeader({ more: 1 }),                             1, /more/],
  ["ops of a wrong type",         withHeader({ ops: "9" }),                            1, /^ops: /],
  ["an unknown flavour",          withConfig({ flavour: "el3" }),                      1, /^config\.flavour: /],
  ["an unaligned base",           withConfig({ base: "0x10000800" }),                  1, /^config\.base: 0x10000800 is not page aligned$/],
  ["too many pages",              withConfig({ pages: 0x20_0000 }),                    1, /^config\.pages: /],
  ["secure pages beyond the end", withConfig({ pas_secure: [{ page: 100, n: 20 }] }),  1, /^config\.pas_secure\.0: page 119 where there are 112$/],
  ["no endpoints",                withConfig({ endpoints: [] }),                       1, /^config\.endpoints: /],
  ["an endpoint twice",           withEndpoint({ id: "0x2" }),                         1, /^config\.endpoints\.1\.id: 0x2 stands twice$/],
  ["an id with bit 14",           withEndpoint({ id: "0x4001" }),                      1, /^config\.endpoints\.0\.id: uses bit 14/],
  ["an endpoint of no manager",   withEndpoint({ id: "0x8001" }),                      1, /^config\.endpoints\.0\.manager: hyp has no endpoint of this id$/],
  ["a manager that is not there", withEndpoint({ id: "0x8001", manager: "spmc" }),     1, /^config\.endpoints\.0\.manager: there is no spmc in flavour hypervisor$/],
  ["an unknown FF-A version",     withEndpoint({ version: "0x10004" }),                1, /^config\.endpoints\.0\.version: /],
  ["larger buffers than allowed", withEndpoint({ buffer_pages: 2 }),                   1, /^config\.endpoints\.0\.buffer_pages: 2 is more than/],
  ["a table it does not have",    withEndpoint({ modes: [{ table: "s", page: 0, n: 1, mode: "0x7" }] }), 1, /^config\.endpoints\.0\.modes\.0\.table: /],
  ["a mode with other bits",      withEndpoint({ modes: [{ table: "main", page: 0, n: 1, mode: "0x400" }] }), 1, /^config\.endpoints\.0\.modes\.0\.mode: /],
  ["no JSON",                     replaced(send.index, '{"i":'),                       SEND, /^not JSON: \{"i":$/],
  ["an unknown operation",        withField(send, { op: "mem_lent" }),                 SEND, /^unknown operation "mem_lent"$/],
  ["neither operation nor check", replaced(send.index, "{}"),                          SEND, /^neither an operation nor a check/],
  ["an unknown field",            withField(send, { note: 1 }),                        SEND, /unknown field/],
  ["a field that stands twice",   replaced(send.index, (lines[send.index] ?? "").replace("{", '{"ret":0,')), SEND, /^field "ret" stands twice$/],
  ["a result that is no error",   withField(send, { ret: 1, reply: undefined }),       SEND, /^ret: /],
  ["a reply of a failed call",    withField(send, { ret: -2 }),                        SEND, /^reply: a call that fails has none$/],
  ["an unknown reply",            withField(send, { reply: { fn: "INTERRUPT" } }),     SEND, /^reply/],
  ["an unknown argument",         withArgs(send, { prot: 1 }),                         SEND, /prot/],
  ["no such caller",              withArgs(send, { vm: "0x9" }),                       SEND, /^args\.vm: 0x9 is no endpoint of the machine$/],
  ["bytes that are not the fields'", withArgs(send, { desc: { ...desc, tag: "0x8" } }), SEND, /^args\.raw: differs from the fields beside it at byte 16$/],
  ["a response that is not its fields'", withField(retrieve, { reply: { ...reply, desc: { ...reply.desc, tag: "0x1" } } }), retrieve.index + 1, /^reply\.raw: differs from the fields beside it at byte 16$/],
  ["a changed page beyond the end", withField(send, { changed: { modes: [{ vm: "0x1", table: "main", page: 111, n: 2, mode: "0x17" }] } }), SEND, /^changed\.modes: page 112 where there are 112$/],
  ["a changed table of nobody",   withField(send, { changed: { modes: [{ vm: "0x1", table: "ns", page: 0, n: 1, mode: "0x17" }] } }), SEND, /^changed\.modes: 0x1 has no table ns$/],
  ["a changed page twice",        withField(send, { changed: { ...changed, modes: [...changed.modes, ...changed.modes] } }), SEND, /^changed\.modes: .* stands twice$/],
  ["an unknown list",             withField(send, { changed: { leaves: [] } }),        SEND, /^changed/],
  ["an operation left out",       lines.filter((_, at) => at !== send.index),          SEND, /^i: \d+ where \d+ is expected$/],
  ["a note of another operation", replaced(2, '{"note":{"i":3,"text":""}}'),           3, /^i: 3 where 0 is expected$/],
  ["no check at the start",       lines.filter((_, at) => at !== check.index),         3, /^no check line before the operation$/],
  ["no check at the end",         lines.slice(0, -1),                                  lines.length - 1, /^no check line at the end$/],
  ["a short digest",              withField(check, { check: { ...(check.value["check"] as object), sha256: "00" } }), check.index + 1, /^check\.sha256: /],
  ["fewer operations",            lines.slice(0, SEND),                                SEND, /^the header announces \d+ operations, the file has \d+$/],
  ["more operations",             withHeader({ ops: 1 }),                              5, /^more operations than the header's 1$/],
])("refused: %s", async (_what, recording, line, message) => {
  const error: unknown = await replayLines(recording).catch((thrown: unknown) => thrown);

  expect(error).toBeInstanceOf(TraceError);
  expect((error as TraceError).message).toMatch(message);
  expect((error as TraceError).line).toBe(line);
});

const withChanged = (line: Line, change: object): string[] =>
  withField(line, { changed: { ...(line.value["changed"] as object), ...change } });
const withCheck = (change: object): string[] =>
  withField(check, { check: { ...(check.value["check"] as object), ...change } });
const record = changed.records[0] as Record<string, unknown>;
const mode = changed.modes[0] as Record<string, unknown>;

/** The response with another byte, in both notations. */
const otherTag = {
  ...reply,
  desc: { ...reply.desc, tag: "0x1" },
  raw: `${reply.raw.slice(0, 32)}01${reply.raw.slice(34)}`,
};

// prettier-ignore
test.each<[field: string, string[], Line]>([
  ["ret",             withField(send, { ret: -6, reply: undefined }),                          send],
  ["reply.fn",        withField(send, { reply: undefined }),                                   send],
  ["reply.handle",    withField(send, { reply: { fn: "SUCCESS", handle: "0x1" } }),            send],
  ["reply.handle",    withField(send, { reply: { fn: "SUCCESS" } }),                           send],
  ["reply.offset",    withField(fragment, { reply: { ...(fragment.value["reply"] as object), offset: 16 } }), fragment],
  ["reply.total",     withField(retrieve, { reply: { ...reply, total: 1 } }),                  retrieve],
  ["reply.raw",       withField(retrieve, { reply: otherTag }),                                retrieve],
  ["changed.modes",   withChanged(send, { modes: undefined }),                                 send],
  ["changed.modes",   withChanged(send, { modes: [{ ...mode, mode: "0x13" }, ...changed.modes.slice(1)] }), send],
  ["changed.pas",     withChanged(send, { pas: [{ page: 2, n: 1, secure: 1 }] }),              send],
  ["changed.zeroed",  withChanged(wipe, { zeroed: undefined }),                                wipe],
  ["changed.zeroed",  withChanged(send, { zeroed: [{ page: 2, n: 1 }] }),                      send],
  ["changed.rx",      withChanged(retrieve, { rx: undefined }),                                retrieve],
  ["changed.records", withChanged(send, { records: undefined }),                               send],
  ["changed.records", withChanged(send, { records: [{ ...record, verb: "share" }] }),          send],
  ["changed.records", withChanged(send, { records: [{ ...record, retrieved: [1] }] }),         send],
  ["changed.records", withChanged(send, { records: [{ ...record, orig_mode: null }] }),        send],
  ["modes",           withCheck({ modes: 1 }),                                                 check],
  ["secure",          withCheck({ secure: 1 }),                                                check],
  ["records",         withCheck({ records: 1 }),                                               check],
  ["rx",              withCheck({ rx: 1 }),                                                    check],
  ["sha256",          withCheck({ sha256: "0".repeat(64) }),                                   check],
])("a wrong %s is found", async (field, recording, line) => {
  const summary = await replayLines(recording, { stopAtFirst: true });

  expect(summary.diverged).toBe(1);
  expect(summary.first).toMatchObject({ line: line.index + 1, field });
});

test("the machine is left in the state after N operations, and operation N is explained", async () => {
  const at = send.value["i"] as number;
  const replay = await createGoldenFfaReplay({ at, explain: true });
  replay.write(Buffer.from(`${lines.join("\n")}\n`));

  expect(replay.done).toBe(true);
  expect(replay.explained).toMatchObject({
    ...{ operation: at, op: "ffa_mem_lend", line: SEND, recorded: { ret: 0, reply: "SUCCESS" } },
    outcome: { ret: 0, details: { reply: { fn: "SUCCESS" } } },
  });
});
