// Freehold's own trace format, read and written. The format: docs/trace-format.md.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import { LINE_MAX, STOP_OPERATION, STOP_REFUSED } from "../../assembly/abi/trace.js";
import type { Effect } from "../../src/machine/effects.js";
import type { MachineConfig } from "../../src/machine/config.js";
import type { FfaConfig } from "../../src/machine/ffa-config.js";
import { Machine } from "../../src/machine/machine.js";
import { instantiateCore } from "../../src/machine/module.js";
import { encodeOperation, type Argument, type Operation } from "../../src/machine/operations.js";
import { verbsOf, type TraceSystem } from "../../src/trace/freehold-trace-format.js";
import { TraceParser } from "../../src/trace/freehold-trace-parser.js";
import { lineSchema } from "../../src/trace/freehold-trace-schema.js";
import {
  expectationsOf,
  ffaTraceHeader,
  traceHeader,
  traceLine,
  traceReset,
} from "../../src/trace/freehold-trace-writer.js";
import { createFreeholdTraceReplay } from "../../src/trace/freehold-trace.js";
import { TraceError, type Replay, type ReplayOptions, type ReplaySummary } from "../../src/trace/replay.js";

const CONFIG = { regions: [{ base: "0x40000000", size: "0x4000000" }] };
const HEADER = traceHeader(CONFIG);
const DOCUMENT = readFileSync(new URL("../../docs/trace-format.md", import.meta.url), "utf8");
const EXAMPLE = /```jsonl\n([^`]*)```/.exec(DOCUMENT)?.[1] ?? "";

interface Replayed {
  readonly summary: ReplaySummary;
  readonly replay: Replay;
}

/** Replays a text, handed over in pieces of `piece` bytes. */
async function replayText(text: string, options: ReplayOptions = {}, piece = Infinity): Promise<Replayed> {
  const replay = await createFreeholdTraceReplay(options);
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length && !replay.done; at += piece) replay.write(bytes.subarray(at, at + piece));
  return { summary: replay.end(), replay };
}

/** Replays lines behind a header. */
const replayLines = (lines: readonly string[], options?: ReplayOptions) =>
  replayText(HEADER + lines.map((line) => `${line}\n`).join(""), options);

/** The error a text is refused with. */
async function refusal(text: string): Promise<TraceError> {
  const error: unknown = await replayText(text).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(TraceError);
  return error as TraceError;
}

describe("the documentation", () => {
  test("its example replays without a difference", async () => {
    const { summary } = await replayText(EXAMPLE);
    expect(summary).toMatchObject({
      format: "freehold-trace",
      ops: 17,
      matched: 17,
      diverged: 0,
      first: null,
      panic: null,
    });
    expect(summary.description).toBe("22 lines, 17 operations, 17 with expectations");
  });

  test("it lists every operation with its arguments", () => {
    const rows =
      DOCUMENT.split("## Operations")[1]
        ?.split("\n")
        .filter((row) => row.startsWith("| `")) ?? [];
    const words = (cell = "") => [...cell.matchAll(/`([^`]*)`/g)].map(([, word]) => word ?? "");
    const listed = rows.flatMap((row) => {
      const [, names, args] = row.split("|");
      return words(names).map((name) => [name, words(args)] as const);
    });
    const known = verbsOf("pkvm").map((verb) => {
      return [verb.name, [...Object.keys(verb.args), ...(verb.push === 0 ? [] : ["mc_pages"])]] as const;
    });
    expect(new Map(listed)).toEqual(new Map(known));
  });
});

describe("recordings of Linux 7.3.4, rewritten in this format", () => {
  /** Fields of a recorded configuration that follow from the others. */
  const DERIVED = ["start_level", "pgd_pages", "parange", "memcache_min_pages", "block_pages"];

  interface Recorded {
    readonly config?: Readonly<Record<string, unknown>>;
    readonly op?: string;
    readonly args?: object;
    readonly ret?: number;
    readonly panic?: { readonly func?: string; readonly kind: string };
    readonly reset?: object;
  }

  function rewritten({ config, op, args, ret, panic, reset }: Recorded): string {
    if (config !== undefined) {
      const given = Object.entries(config).filter(([field]) => !DERIVED.includes(field));
      return traceHeader(Object.fromEntries(given) as unknown as MachineConfig);
    }
    if (reset !== undefined) return traceReset();
    return op === undefined ? "" : `${JSON.stringify({ op, ...args, ret, panic: panic?.func ?? panic?.kind })}\n`;
  }

  test.each(["02-protected-a", "04-memcache-a", "05-hostmap-b", "06-lifecycle-a", "07-panic-a"])("%s", async (name) => {
    const file = new URL(`../vectors/pkvm/${name}.jsonl.gz`, import.meta.url);
    const lines = gunzipSync(readFileSync(file)).toString().trim().split("\n");
    const recorded = lines.map((line) => JSON.parse(line) as Recorded);
    const { summary } = await replayText(recorded.map(rewritten).join(""));
    expect(summary).toMatchObject({ diverged: 0, first: null, panic: null });
    expect(summary.matched).toBe(recorded.filter(({ op }) => op !== undefined).length);
  });
});

describe("reading", () => {
  test.each([1, 7, 64, 1000])("the file may be cut every %i bytes", async (piece) => {
    const { summary } = await replayText(EXAMPLE, {}, piece);
    expect(summary).toEqual((await replayText(EXAMPLE)).summary);
  });

  test.each([
    ["keys in another order", '{"ret":0,"pfn":"0x40000","op":"host_share_hyp"}'],
    ["white space", '\t { "op" :  "host_share_hyp" ,"pfn"\t:"0x40000", "ret": 0 } \r'],
    ["a decimal page number", '{"op":"host_share_hyp","pfn":262144,"ret":0}'],
    ["upper-case digits and leading zeros", '{"op":"host_share_hyp","pfn":"0x000000000004000A","ret":0}'],
    ["states by number", '{"op":"host_share_hyp","pfn":"0x40000","host":1,"hyp":2}'],
    ["states by name", '{"op":"host_share_hyp","pfn":"0x40000","host":"SHARED_OWNED","hyp":"SHARED_BORROWED"}'],
    [
      "escapes and UTF-8 in a note",
      String.raw`{"op":"host_share_hyp","pfn":"0x40000","note":"\"\\\/\b\f\n\r\té – 🦔","ret":0}`,
    ],
    ["minus zero", '{"op":"host_share_hyp","pfn":-0,"ret":-1}'],
  ])("%s", async (_, line) => {
    expect((await replayLines([line])).summary).toMatchObject({ ops: 1, matched: 1 });
  });

  test("the last line needs no newline", async () => {
    const { summary } = await replayText(`${HEADER}{"op":"host_share_hyp","pfn":"0x40000","ret":0}`);
    expect(summary).toMatchObject({ ops: 1, matched: 1 });
  });

  test("a line without expectations runs and is not counted as checked", async () => {
    const share = '{"op":"host_share_hyp","pfn":"0x40000"';
    const { summary } = await replayLines([`${share}}`, `${share},"ret":-1}`]);
    expect(summary).toMatchObject({ ops: 1, matched: 1, diverged: 0 });
    expect(summary.description).toBe("3 lines, 2 operations, 1 with expectations");
  });

  test("a reset gives a fresh machine", async () => {
    const share = '{"op":"host_share_hyp","pfn":"0x40000","ret":0}';
    expect((await replayLines([share, '{"reset":true}', share])).summary).toMatchObject({ ops: 2, matched: 2 });
    expect((await replayLines([share, share])).summary).toMatchObject({ ops: 2, matched: 1 });
  });

  test("mc_pages are put on the host's list in order", async () => {
    const lines = EXAMPLE.trim().split("\n").slice(1, 9);
    const refill =
      '{"op":"refill_memcache","vm":"0x1000","vcpu":0,"mc_pages":[ "0x40100" , 262400,"0x40200" ],"ret":-12}';
    const { replay, summary } = await replayLines([...lines, refill]);
    expect(summary.diverged).toBe(0);
    // 262400 is 0x40100 again: the last page was taken first, then 0x40100, which then was no longer the host's.
    expect(replay.machine?.vcpus()).toMatchObject([{ memcache: 2, hostMemcache: 1 }]);
  });
});

describe("differences", () => {
  const SHARE = '{"op":"host_share_hyp","pfn":"0x40000"';
  const RECLAIM = '{"op":"host_reclaim_page_guest","vm":"0x1000","gfn":"0x1"';
  const UNPIN = '{"op":"hyp_unpin_shared_mem","from":"0x41000000","to":"0x41001000"';

  // prettier-ignore
  test.each([
    ["ret",   `${SHARE},"ret":-1}`,                      "-1",          "0"],
    ["host",  `${SHARE},"ret":0,"host":"OWNED"}`,        "OWNED",       "SHARED_OWNED"],
    ["hyp",   `${SHARE},"ret":0,"hyp":3}`,               "NOPAGE",      "SHARED_BORROWED"],
    ["panic", `${SHARE},"panic":"hyp_page_ref_dec"}`,    "hyp_page_ref_dec", "no panic, ret 0"],
    ["host",  '{"op":"host_share_hyp","pfn":1,"host":0}', "OWNED",      "no memory"],
    ["guest", `${RECLAIM},"guest":"OWNED"}`,             "OWNED",       "no such VM or address"],
    ["panic", `${UNPIN},"ret":0}`,                       "no panic",    "hyp_page_ref_dec"],
    ["panic", `${UNPIN}}`,                               "no panic",    "hyp_page_ref_dec"],
    ["panic", `${UNPIN},"panic":"el2-fault"}`,           "el2-fault",   "hyp_page_ref_dec"],
  ])("%s: %s", async (field, line, expected, found) => {
    const { summary } = await replayLines(["", line]);
    const op = line.slice(7, line.indexOf('"', 7));
    expect(summary).toMatchObject({ ops: 1, matched: 0, diverged: 1 });
    expect(summary.first).toEqual({ line: 3, operation: 0, op, field, expected, found });
  });

  test("a panic that is not expected is told, and every later operation differs", async () => {
    const { summary } = await replayLines([`${UNPIN}}`, `${SHARE},"ret":0}`, '{"reset":true}', `${SHARE},"ret":0}`]);
    expect(summary).toMatchObject({ ops: 3, matched: 1, diverged: 2, panic: "hyp_page_ref_dec" });
  });

  test("an expected panic is none to tell", async () => {
    const { summary } = await replayLines([`${UNPIN},"panic":"hyp_page_ref_dec"}`]);
    expect(summary).toMatchObject({ ops: 1, matched: 1, diverged: 0, panic: null });
  });

  test("stopAtFirst stops there", async () => {
    const { summary, replay } = await replayLines([`${SHARE},"ret":-1}`, "not read"], { stopAtFirst: true });
    expect(summary).toMatchObject({ ops: 1, diverged: 1 });
    expect(replay.done).toBe(true);
  });
});

describe("at, explain, onEffects", () => {
  const lines = EXAMPLE.trim().split("\n").slice(1);

  test.each([0, 1, 8, 9, 17, 100])("at %i leaves the machine after that many operations", async (at) => {
    const { summary, replay } = await replayLines(lines, { at });
    expect(summary.description).toContain(`${Math.min(at, 17)} operations`);
    expect(replay.done).toBe(at <= 16 || at === 17);
    expect(replay.machine?.vms()).toHaveLength(at > 0 && at < 15 ? 1 : 0);
  });

  test("explain runs one operation more and keeps what it did", async () => {
    const { replay } = await replayLines(lines, { at: 8, explain: true });
    expect(replay.explained).toMatchObject({
      line: 12,
      operation: 8,
      op: "hcall_donate_guest",
      args: { pfn: "0x41000", gfn: "0x80000", mc_pages: "0x40100 0x40101" },
      recorded: { ret: 0, host: "NOPAGE" },
      outcome: { ret: 0, status: "ok" },
    });
    const pages = replay.explained?.effects.filter(({ kind }) => kind === "page") ?? [];
    expect(pages.length).toBeGreaterThan(0);
  });

  test("explain names the check of a refused operation", async () => {
    const { replay } = await replayLines(lines, { at: 10, explain: true });
    expect(replay.explained?.outcome).toMatchObject({ ret: -1, reason: "host_state", expected: 0, found: 2 });
  });

  test("onEffects hears every operation in order, and nothing else changes", async () => {
    const heard: [number, readonly Effect[]][] = [];
    const { summary } = await replayLines(lines, { onEffects: (...heardNow) => heard.push(heardNow) });
    expect(heard.map(([operation]) => operation)).toEqual(Array.from({ length: 17 }, (_, operation) => operation));
    const pages = heard[1]?.[1].filter(({ kind }) => kind === "page");
    expect(pages?.at(-1)).toMatchObject({ pa: 0x40000000n, after: { host: 1, hyp: 2 } });
    expect(summary).toEqual((await replayLines(lines)).summary);
  });
});

describe("refused", () => {
  const SHARE = '{"op":"host_share_hyp","pfn":"0x40000","ret":0}';
  const header = (change: object) => `${JSON.stringify({ ...(JSON.parse(HEADER) as object), ...change })}\n`;

  // prettier-ignore
  test.each([
    ["an empty file", "", 1, /empty/],
    ["no header", `${SHARE}\n`, 1, /first line must be a header/],
    ["a header that is not JSON", '{"format":"freehold-trace",\n', 1, /not JSON/],
    ["a header that is an array", "[]\n", 1, /no JSON object/],
    ["another version", header({ version: 2 }), 1, /version 2 is not supported/],
    ["no version", header({ version: undefined }), 1, /version \(none\) is not supported/],
    ["another system", header({ system: "cca" }), 1, /system "cca" is not supported/],
    ["an unknown key in the header", header({ confg: 1 }), 1, /unknown key "confg".*did you mean "config"/],
    ["a key twice in the header", HEADER.replace('"version":1', '"version":2,"version":1'), 1, /"version" stands twice/],
    ["no config", header({ config: undefined }), 1, /needs a "config"/],
    ["an unknown field in the config", header({ config: { ...CONFIG, ia_bit: 40 } }), 1, /config: .*ia_bit/],
    ["unaligned regions", header({ config: { regions: [{ base: "0x40000800", size: "0x4000000" }] } }), 1, /regions.0.base: .*aligned/],
    ["a header that is not UTF-8", HEADER.replace("pkvm", "\ud800"), 1, /system/],
  ])("%s", async (_, text, line, message) => {
    const error = await refusal(text);
    expect(error.message).toMatch(message);
    expect(error.line).toBe(line);
  });

  const share = (rest: string) => `{"op":"host_share_hyp","pfn":"0x40000"${rest}}`;
  const donate = (rest: string) => `{"op":"host_donate_guest","vcpu":0,"pfn":1,"gfn":1${rest}}`;
  // prettier-ignore
  test.each([
    ["no JSON",                 "share a page",                               /column 1: a line must be one JSON object, found "share a page"/],
    ["a comment",               "# share a page",                             /one JSON object/],
    ["an array",                "[]",                                         /one JSON object/],
    ["an empty object",         "{}",                                         /column 2: a quoted key/],
    ["a key without quotes",    '{op:"host_share_hyp"}',                      /column 2: a quoted key must stand here, found "op:/],
    ["no colon",                '{"op" "host_share_hyp"}',                    /column 7: a ":" must follow/],
    ["no comma",                '{"op":"host_share_hyp" "pfn":1}',            /column 24: a "," or the closing/],
    ["a comma too many",        share(","),                                   /a quoted key must stand here, found "}"/],
    ["text behind the object",  `${share("")} x`,                             /nothing may follow the object, found "x"/],
    ["two objects",             share("") + share(""),                        /nothing may follow/],
    ["no end",                  '{"op":"host_share_hyp","pfn":1',             /found the end of the line/],
    ["no end of a string",      '{"op":"host_share_hyp',                      /string must be closed/],
    ["no end of a key",         '{"op":"host_share_hyp","pf',                 /string must be closed/],
    ["a control character",     '{"op":"host_share\u0001hyp"}',               /string must be closed/],
    ["an escape in a name",     String.raw`{"op":"host\u005fshare_hyp"}`,     /names have no escapes/],
    ["an unknown escape",       share(String.raw`,"note":"\x41"`),            /no such escape/],
    ["a short escape",          share(String.raw`,"note":"\u12"`),            /no such escape/],
    ["an unknown key",          share(',"pfm":1'),                            /column 41: unknown key "pfm" \(did you mean "pfn"\?\)/],
    ["an empty key",            share(',"":1'),                               /unknown key ""/],
    ["a very long key",         share(`,"${"k".repeat(100)}":1`),             /unknown key "kkk/],
    ["a key twice",             share(',"pfn":1'),                            /"pfn" stands twice/],
    ["an unknown operation",    '{"op":"host_donte_guest"}',                  /unknown operation "host_donte_guest" \(did you mean "host_donate_guest"\?\)/],
    ["a table operation",       '{"op":"pt_map"}',                            /unknown operation "pt_map"/],
    ["no operation",            '{"pfn":1}',                                  /the line has no "op"/],
    ["an operation by number",  '{"op":1}',                                   /"op" must be the name of an operation, found "1"/],
    ["a missing argument",      donate(""),                                   /host_donate_guest needs "vm"/],
    ["another's argument",      share(',"gfn":1'),                            /host_share_hyp has no "gfn"/],
    ["another's mc_pages",      share(',"mc_pages":[]'),                      /host_share_hyp has no "mc_pages"/],
    ["a fraction",              '{"op":"host_share_hyp","pfn":1.5}',          /"pfn" must be a whole number or "0x..."/],
    ["an exponent",             '{"op":"host_share_hyp","pfn":1e3}',          /"pfn" must be a whole number/],
    ["a leading zero",          '{"op":"host_share_hyp","pfn":01}',           /"pfn" must be a whole number/],
    ["2^53",                    '{"op":"host_share_hyp","pfn":9007199254740992}',  /"pfn" must be a whole number/],
    ["17 decimal digits",       '{"op":"host_share_hyp","pfn":10000000000000000}', /"pfn" must be a whole number/],
    ["17 hex digits",           '{"op":"host_share_hyp","pfn":"0x00000000000040000"}', /"pfn" must be a whole number/],
    ["hex without digits",      '{"op":"host_share_hyp","pfn":"0x"}',         /"pfn" must be a whole number/],
    ["a decimal string",        '{"op":"host_share_hyp","pfn":"262144"}',     /"pfn" must be a whole number or "0x...", found ""262144""/],
    ["hex without quotes",      '{"op":"host_share_hyp","pfn":0x40000}',      /"pfn" must be a whole number/],
    ["a negative page",         '{"op":"host_share_hyp","pfn":-1}',           /"pfn" is out of range: -1/],
    ["true for a number",       '{"op":"host_share_hyp","pfn":true}',         /"pfn" must be a whole number/],
    ["null",                    '{"op":"host_share_hyp","pfn":null}',         /"pfn" must be a whole number/],
    ["an object for a number",  '{"op":"host_share_hyp","pfn":{"a":[1]}}',    /"pfn" must be a whole number/],
    ["a handle of 17 bits",     donate(',"vm":"0x10000"'),                    /"vm" is out of range: "0x10000"/],
    ["a flag of 2",             '{"op":"host_test_clear_young_guest","vm":1,"gfn":1,"nr":1,"mkold":2}', /"mkold" is out of range: 2/],
    ["an unknown state",        share(',"host":"SHARED"'),                    /unknown page state "SHARED"/],
    ["a state in lower case",   share(',"host":"nopage"'),                    /unknown page state "nopage" \(did you mean "NOPAGE"\?\)/],
    ["a poisoned host page",    share(',"host":"POISON"'),                    /"host" is out of range/],
    ["state 4 of the host",     share(',"host":4'),                           /"host" is out of range/],
    ["host without a page",     '{"op":"vcpu_put","host":0}',                 /vcpu_put does not name a page of the host/],
    ["guest without a gfn",     share(',"guest":0'),                          /host_share_hyp does not name a guest page/],
    ["an unknown panic",        share(',"panic":"hyp_page_ref_deck"'),        /unknown panic "hyp_page_ref_deck" \(did you mean "hyp_page_ref_dec"\?\)/],
    ["panic and ret",           share(',"ret":0,"panic":"hyp_page_ref_dec"'), /nothing else can be expected/],
    ["ret beyond 31 bits",      share(',"ret":2147483648'),                   /"ret" is out of range/],
    ["a note that is no string", share(',"note":1'),                          /"note" must be a string/],
    ["reset that is not true",  '{"reset":1}',                                /"reset" must be true/],
    ["reset with more",         '{"reset":true,"ret":0}',                     /only a "note" can stand beside/],
    ["reset with a longer word", '{"reset":trueish}',                         /"reset" must be true/],
    ["mc_pages that is no array", '{"op":"refill_memcache","vm":1,"vcpu":0,"mc_pages":1}',      /"mc_pages" must be an array/],
    ["a nested array",          '{"op":"refill_memcache","vm":1,"vcpu":0,"mc_pages":[[1]]}',    /"mc_pages" must be an array/],
    ["a comma at its end",      '{"op":"refill_memcache","vm":1,"vcpu":0,"mc_pages":[1,]}',     /"mc_pages" must be an array/],
    ["no comma in it",          '{"op":"refill_memcache","vm":1,"vcpu":0,"mc_pages":[1 2]}',    /column 55: a "," or the closing/],
  ])("%s", async (_, line, message) => {
    const error = await refusal(`${HEADER}${SHARE}\n${line}\n${SHARE}\n`);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("\n");
    expect(error.line).toBe(3);
  });

  test("a note that is not UTF-8", async () => {
    const replay = await createFreeholdTraceReplay();
    const line = Buffer.from('{"note":"\xc3\x28"}\n', "latin1");
    expect(() => replay.write(Buffer.concat([Buffer.from(HEADER), line]))).toThrow(/not UTF-8/);
  });

  test("binary garbage", async () => {
    const garbage = Array.from({ length: 4096 }, (_, index) => String.fromCharCode((index * 7919) & 0xff)).join("");
    expect((await refusal(`${HEADER}${garbage}`)).line).toBe(2);
  });

  test("a file that ends in the middle of a line", async () => {
    expect((await refusal(HEADER + SHARE.slice(0, -5))).message).toMatch(/is it cut off\?/);
  });

  test("an endless line, without taking it in", async () => {
    const replay = await createFreeholdTraceReplay();
    replay.write(Buffer.from(HEADER));
    const memory = replay.machine?.core.memory.buffer.byteLength;
    const piece = Buffer.alloc(65536, '{"note":"a');
    const endless = () => {
      for (let size = 0; size < 2 ** 30; size += piece.length) replay.write(piece);
    };
    expect(endless).toThrow(/line is longer than 1048576 bytes/);
    expect(replay.machine?.core.memory.buffer.byteLength).toBe(memory);
  });

  test("a line of just over 1 MiB, however the file is cut; not one of 1 MiB", async () => {
    const line = (length: number) => `${HEADER}{"note":"${"n".repeat(length - 11)}"}\n`;
    expect((await replayText(line(LINE_MAX))).summary.ops).toBe(0);
    expect((await refusal(line(LINE_MAX + 1))).message).toMatch(/longer than/);
    await expect(replayText(line(LINE_MAX + 1), {}, 65536)).rejects.toThrow(/longer than/);
  });
});

// ---------------------------------------------------------------- properties

const REGION_PFN = 0x40000n;

/** Values that operations are likely to mean something with, and any others. */
function argument(name: string, { kind }: Argument): fc.Arbitrary<number | bigint> {
  switch (kind) {
    case "flag":
      return fc.nat(1);
    case "index":
      if (name === "at") return fc.nat(127).map((block) => 32 * block);
      return fc.oneof(fc.nat(2), fc.nat(0xffff_ffff));
    case "handle":
      return fc.oneof(fc.constantFrom(0x1000, 1, 2), fc.nat(0xffff));
    case "count":
      return fc.oneof(fc.constant(1n), fc.bigInt(-4n, 600n));
    default: {
      const page = fc.bigInt(REGION_PFN, REGION_PFN + 0x4000n);
      const inBytes = /_pa$|^(from|to|phys)$/.test(name) ? page.map((pfn) => pfn << 12n) : page;
      return fc.oneof(inBytes, fc.bigInt(0n, (1n << 64n) - 1n));
    }
  }
}

function anOperation(system: TraceSystem): fc.Arbitrary<Operation> {
  return fc.oneof(
    ...verbsOf(system).map(({ name, args }) => {
      const values = Object.fromEntries(Object.entries(args).map(([key, value]) => [key, argument(key, value)]));
      return fc.record({ op: fc.constant(name), ...values }) as unknown as fc.Arbitrary<Operation>;
    }),
  );
}

function packed(operation: Operation): Buffer {
  const record = Buffer.alloc(OPERATION_SIZE);
  encodeOperation(operation, new DataView(record.buffer, record.byteOffset));
  return record;
}

describe.each<TraceSystem>(["pkvm", "ffa"])("properties of lines: %s", (system) => {
  const operations = anOperation(system);
  let parser: TraceParser;
  beforeAll(async () => {
    parser = new TraceParser(await instantiateCore());
    parser.begin(0, [system]);
  });

  function parse(line: string): Buffer {
    const { written } = new TextEncoder().encodeInto(line, parser.bytes.subarray(parser.window));
    expect(parser.step(parser.window, parser.window + written)).toBe(STOP_OPERATION);
    return Buffer.from(parser.record);
  }

  test("an operation written and read back is the same record", () => {
    fc.assert(
      fc.property(operations, (operation) => {
        expect(parse(traceLine(operation, { ret: 0 })).toString("hex")).toBe(packed(operation).toString("hex"));
      }),
    );
  });

  test("neither the order of keys nor white space matters", () => {
    const spaces = fc.array(fc.constantFrom(" ", "\t", "\r"), { maxLength: 3 }).map((some) => some.join(""));
    fc.assert(
      fc.property(
        operations,
        fc.array(fc.nat(), { minLength: 12, maxLength: 12 }),
        spaces,
        (operation, order, space) => {
          const entries = Object.entries(JSON.parse(traceLine(operation, { ret: -1 }, { note: "n" })) as object);
          const shuffled = entries.map((entry, index) => [order[index] ?? 0, entry] as const).sort(([a], [b]) => a - b);
          const text = shuffled.map(([, [key, value]]) => `"${key}"${space}:${space}${JSON.stringify(value)}`);
          const line = `${space}{${space}${text.join(`${space},${space}`)}${space}}${space}\n`;
          expect(parse(line).toString("hex")).toBe(packed(operation).toString("hex"));
        },
      ),
    );
  });
});

describe("properties", () => {
  let parser: TraceParser;
  beforeAll(async () => {
    parser = new TraceParser(await instantiateCore());
    parser.begin(0, ["pkvm"]);
  });

  test("what a machine did, written as a trace, replays without a difference", async () => {
    const setUp = EXAMPLE.trim().split("\n").slice(1, 9);
    const { machine } = (await replayLines(setUp, { at: 8 })).replay as { machine: Machine };
    const start = machine.snapshot();
    await fc.assert(
      fc.asyncProperty(fc.array(anOperation("pkvm"), { maxLength: 60 }), async (list) => {
        machine.restore(start);
        const lines = list.map((operation) => {
          const expected = expectationsOf(machine.apply(operation));
          const state = "pfn" in operation && expected.panic === undefined ? machine.pageState(operation.pfn) : null;
          return traceLine(operation, state === null ? expected : { ...expected, host: state.host, hyp: state.hyp });
        });
        const { summary } = await replayText([HEADER, ...setUp.map((line) => `${line}\n`), ...lines].join(""));
        expect(summary).toMatchObject({ matched: list.length + 8, diverged: 0, first: null, panic: null });
      }),
      { numRuns: 20 },
    );
  });

  test("what FF-A partition managers did replays as well", async () => {
    const endpoints = [1, 2].map((id) => ({ id, modes: [{ table: "main" as const, page: 16 * id, n: 16, mode: 7 }] }));
    const config: FfaConfig = { flavour: "hypervisor", base: "0x80000000", pages: 64, endpoints };
    const machine = await Machine.createFfa(config);
    const start = machine.snapshot();
    await fc.assert(
      fc.asyncProperty(fc.array(anOperation("ffa"), { maxLength: 60 }), async (list) => {
        machine.restore(start);
        const lines = list.map((operation) => traceLine(operation, expectationsOf(machine.apply(operation))));
        const { summary } = await replayText([ffaTraceHeader(config), ...lines].join(""));
        expect(summary).toMatchObject({ matched: list.length, diverged: 0, first: null, panic: null });
      }),
      { numRuns: 20 },
    );
  });

  test("a line that is accepted is JSON, and the schema accepts it", () => {
    const lines = EXAMPLE.trim().split("\n").slice(1);
    const change = fc.record({
      line: fc.nat(lines.length - 1),
      at: fc.nat(150),
      remove: fc.nat(3),
      insert: fc.stringMatching(/^[{}[\]",:0-9a-fx \\n-]{0,3}$/),
    });
    fc.assert(
      fc.property(change, ({ line, at, remove, insert }) => {
        const text = lines[line] ?? "";
        const changed = `${text.slice(0, at)}${insert}${text.slice(at + remove)}\n`;
        const { written } = new TextEncoder().encodeInto(changed, parser.bytes.subarray(parser.window));
        const stop = parser.step(parser.window, parser.window + written);
        if (stop === STOP_REFUSED || changed.trim() === "") return;
        expect(lineSchema.safeParse(JSON.parse(changed)).error).toBeUndefined();
      }),
      { numRuns: 10000, seed: 20 },
    );
  });

  test("a damaged file is refused or replayed, nothing else", async () => {
    const bytes = Buffer.from(EXAMPLE);
    const damage = fc.array(fc.record({ at: fc.nat(bytes.length - 1), byte: fc.nat(255) }), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(damage, async (places) => {
        const damaged = Buffer.from(bytes);
        for (const { at, byte } of places) damaged[at] = byte;
        const replay = await createFreeholdTraceReplay();
        const run = () => {
          replay.write(damaged);
          return replay.end();
        };
        const outcome = settle(run);
        if (!(outcome instanceof TraceError)) expect(outcome.matched + outcome.diverged).toBe(outcome.ops);
      }),
      { numRuns: 200, seed: 20 },
    );
  });
});

/** The result, or the TraceError thrown instead. */
function settle(run: () => ReplaySummary): ReplaySummary | TraceError {
  try {
    return run();
  } catch (error) {
    if (error instanceof TraceError) return error;
    throw error;
  }
}
