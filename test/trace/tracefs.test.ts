// Hypervisor traces: the recordings of real hosts replay without a difference, and whatever is wrong with a trace is found.

import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Effect } from "../../src/machine/effects.js";
import { type Replay, type ReplayOptions, type ReplaySummary, TraceError } from "../../src/trace/replay.js";
import { createTracefsReplay } from "../../src/trace/tracefs.js";
import { GUEST_SNAPSHOT, memOp, snapshot, STEPS, TRACE, traceText } from "./tracefs-text.js";

const CAPTURES = new URL("../vectors/traces/", import.meta.url);

/** Feeds `text` in pieces of `size` bytes until no more is wanted. */
async function feed(text: string | Uint8Array, options: ReplayOptions = {}, size = 1 << 20): Promise<Replay> {
  const bytes = typeof text === "string" ? Buffer.from(text, "latin1") : text;
  const replay = await createTracefsReplay(options);
  for (let at = 0; at < bytes.length && !replay.done; at += size) replay.write(bytes.subarray(at, at + size));
  return replay;
}

async function replayText(
  text: string | Uint8Array,
  options: ReplayOptions = {},
  size?: number,
): Promise<ReplaySummary> {
  return (await feed(text, options, size)).end();
}

async function refusal(text: string): Promise<TraceError> {
  try {
    await replayText(text);
  } catch (error) {
    if (error instanceof TraceError) return error;
    throw error;
  }
  throw new Error("the trace was not refused");
}

/** TRACE with each of `changes` replaced; each must be there. */
function changed(...changes: readonly (readonly [string, string])[]): string {
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`no ${from} in the trace`);
    return text.replace(from, to);
  }, traceText(TRACE));
}

const without = (event: string): string => traceText(TRACE.filter((one) => one !== event));

describe("recordings of Linux 7.3.4", () => {
  const recordings = readdirSync(CAPTURES).filter((name) => name.endsWith(".hyp.txt.gz"));

  // Lines, operations and snapshots of the recordings that came with the reference; others just have to be equal.
  const known: Readonly<Record<string, string>> = {
    "abuse-n1": "20209 lines, 10487 operations, 2 snapshots equal",
    "boot-a57": "7072 lines, 5519 operations, 2 snapshots equal",
    "boot-n1": "7458 lines, 5658 operations, 2 snapshots equal",
    "lin-n1": "156599 lines, 38330 operations, 2 snapshots equal",
    "misc-n1": "15235 lines, 8344 operations, 2 snapshots equal",
    "multi-n1": "102679 lines, 41741 operations, 2 snapshots equal",
    "np-n1": "84939 lines, 17404 operations, 9 snapshots equal",
    "pvm-n1": "80842 lines, 25944 operations, 9 snapshots equal",
  };

  test("the eight of them are here", () => {
    expect(recordings).toEqual(expect.arrayContaining(Object.keys(known).map((name) => `${name}.hyp.txt.gz`)));
  });

  test.each(recordings)("%s: 0 differences", async (name) => {
    const summary = await replayText(gunzipSync(readFileSync(new URL(name, CAPTURES))));
    expect(summary).toMatchObject({ format: "tracefs", diverged: 0, first: null, panic: null });
    expect(summary.matched).toBe(summary.ops);
    expect(summary.description).toBe(known[name.replace(".hyp.txt.gz", "")] ?? summary.description);
  });

  test("cut into pieces anywhere", async () => {
    const text = gunzipSync(readFileSync(new URL("boot-a57.hyp.txt.gz", CAPTURES)));
    for (const size of [97, 4096]) expect(await replayText(text, {}, size)).toMatchObject({ ops: 5519, diverged: 0 });
  });
});

describe("a small trace", () => {
  test("operations and snapshots are all checked", async () => {
    const summary = await replayText(traceText(TRACE));
    expect(summary).toEqual({
      format: "tracefs",
      ops: 12,
      matched: 12,
      diverged: 0,
      first: null,
      panic: null,
      description: "42 lines, 12 operations, 2 snapshots equal",
    });
  });

  test("the machine is the snapshot's", async () => {
    const { machine } = await feed(traceText(TRACE), { at: 12 });
    expect(machine?.config).toMatchObject({
      kind: "replayed",
      geometry: { iaBits: 48, pageShift: 12 },
      regions: [{ base: 0x40000000n, size: 0x200000n }],
      features: { fwb: false },
    });
  });

  test("a leaf with MemAttr 7 means that the CPU has FWB", async () => {
    const fwb = traceText(TRACE).replace(/1007ff/g, "1007df");
    const first = "addr=0x0 entries=1 level=1 pte=0x0";
    const { machine } = await feed(fwb.replaceAll(first, first.replace("pte=0x0", "pte=0x400000000007dd")), { at: 12 });
    expect(machine?.config.features.fwb).toBe(true);
  });

  test("steps from number 0 on before the first snapshot are undone and replayed", async () => {
    const text = traceText([...STEPS, ...snapshot(12, "after")]);
    expect(await replayText(text)).toMatchObject({ ops: 12, matched: 12, diverged: 0 });
  });

  test("lines may be out of order, and CPUs interleaved with a snapshot", async () => {
    const late = [...snapshot(0, "before"), ...STEPS.slice(0, 5).reverse(), ...STEPS.slice(5).reverse()];
    const after = snapshot(12, "after");
    const steps = [memOp(12, "host_share_hyp", { host: "shared_owned", hyp: "shared_borrowed" })];
    const text = traceText([...late, ...after.slice(0, 4), ...steps, ...after.slice(4)]);
    expect(await replayText(text)).toMatchObject({
      ops: 13,
      diverged: 0,
      description: expect.stringMatching(/1 snapshot equal$/) as string,
    });
  });

  test("a snapshot may be printed before its last steps", async () => {
    const text = traceText([
      ...snapshot(0, "before"),
      ...STEPS.slice(0, 8),
      ...snapshot(12, "after"),
      ...STEPS.slice(8),
    ]);
    expect(await replayText(text)).toMatchObject({
      ops: 12,
      diverged: 0,
      description: expect.stringMatching(/1 snapshot equal$/) as string,
    });
  });

  test("a handle that is reserved again has an empty table", async () => {
    const guest = { gfn: "0x80000", vm: "0x1000" };
    const poisoned = memOp(1, "host_force_reclaim", { ...guest, guest: "poison" });
    const donate = (seq: number) => memOp(seq, "host_donate_guest", { ...guest, host: "nopage", guest: "owned" });
    const reserve = "host_hcall_ret func=__pkvm_reserve_vm smccc=0 ret=4096";
    const events = [...snapshot(0, "before"), donate(0), poisoned, reserve, donate(2)];
    expect(await replayText(traceText(events))).toMatchObject({ ops: 3, diverged: 0 });
    const kept = events.filter((event) => event !== reserve);
    expect((await replayText(traceText(kept))).first).toMatchObject({ operation: 2, field: "ret", found: "-1" });
  });

  test("a recorded -ENOMEM is a memcache that was empty", async () => {
    const donate = memOp(0, "host_donate_guest", { gfn: "0x80000", vm: "0x1000", ret: -12, guest: "nopage" });
    expect(await replayText(traceText([...snapshot(0, "before"), donate]))).toMatchObject({ ops: 1, diverged: 0 });
  });

  test("comments, and a last line without its newline", async () => {
    const text = `# tracer: nop\n#\n${traceText(TRACE).trimEnd()}`;
    expect(await replayText(text)).toMatchObject({
      ops: 12,
      diverged: 0,
      description: expect.stringMatching(/^44 lines/) as string,
    });
  });
});

describe("options", () => {
  test("at: the state after that many operations", async () => {
    for (const [at, host] of [
      [0, 0],
      [1, 1],
      [5, 0],
      [6, 3],
      [7, 2],
      [12, 0],
    ] as const) {
      const replay = await feed(traceText(TRACE), { at }, 64);
      expect(replay.end()).toMatchObject({ diverged: 0 });
      expect(replay.done).toBe(true);
      expect(replay.machine?.pageState(0x40100n)?.host).toBe(host);
    }
  });

  test("explain: the operation with its effects", async () => {
    const replay = await feed(traceText(TRACE), { at: 5, explain: true });
    expect(replay.explained).toMatchObject({
      line: 16,
      operation: 5,
      op: "host_donate_guest",
      args: { pfn: "0x40100", gfn: "0x80000", vm: "0x1000", nr: 1 },
      recorded: { ret: 0, host: "nopage", hyp: "nopage", guest: "owned", cnt: 0 },
      outcome: { ret: 0, status: "ok" },
    });
    const kinds = replay.explained?.effects.map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(["page", "descriptor"]));
    expect(replay.machine?.pageState(0x40100n)?.host).toBe(3);
  });

  test("explain: a host abort that is injected, and a refusal", async () => {
    const injected = (await feed(traceText(TRACE), { at: 10, explain: true })).explained;
    expect(injected).toMatchObject({
      op: "host_abort",
      args: { ipa: "0x40100000", esr: "0x93c08007" },
      recorded: { ret: -1 },
    });
    expect(injected?.outcome.details.abort?.result).toBe("injected");
    const refused = (await feed(traceText(TRACE), { at: 7, explain: true })).explained;
    expect(refused?.outcome).toMatchObject({ ret: -1, errno: "EPERM", reason: "host_state" });
  });

  test("explain: nothing where the trace has no such operation", async () => {
    const replay = await feed(traceText(TRACE), { at: 12, explain: true });
    expect(replay.end()).toMatchObject({ ops: 12 });
    expect(replay.explained).toBeNull();
  });

  test("onEffects: every operation in order, and nothing else changes", async () => {
    const heard: [number, readonly Effect[]][] = [];
    const onEffects = (operation: number, effects: readonly Effect[]) => heard.push([operation, effects]);
    expect(await replayText(traceText(TRACE), { onEffects })).toEqual(await replayText(traceText(TRACE)));
    expect(heard.map(([operation]) => operation)).toEqual(STEPS.map((_, index) => index));
    expect(heard[0]?.[1]).toContainEqual(expect.objectContaining({ kind: "page", pa: 0x40100000n }));
    expect(heard[2]?.[1]).toEqual([]);
  });

  test("stopAtFirst: the replay ends there", async () => {
    const text = changed([
      "op=host_unshare_hyp pfn=0x40100 gfn=0x0 nr=1 vm=0x0 ret=-16",
      "op=host_unshare_hyp pfn=0x40100 gfn=0x0 nr=1 vm=0x0 ret=0",
    ]);
    const replay = await feed(text, { stopAtFirst: true }, 64);
    expect(replay.done).toBe(true);
    expect(replay.end()).toMatchObject({ ops: 3, matched: 2, diverged: 1 });
  });
});

describe("differences", () => {
  // prettier-ignore
  test.each<[string, string, number, string, string, string]>([
    // in the trace, changed to, line, field, expected, found
    ["ret=-16", "ret=0", 13, "ret", "0", "-16"],
    ["ret=0 host=shared_owned", "ret=0 host=owned", 11, "host", "owned", "shared_owned"],
    ["hyp=shared_borrowed guest=- cnt=1", "hyp=nopage guest=- cnt=1", 12, "hyp", "nopage", "shared_borrowed"],
    ["cnt=1", "cnt=2", 12, "cnt", "2", "1"],
    ["guest=owned", "guest=nopage", 16, "guest", "nopage", "owned"],
    ["start=0x40101000", "start=0x40000000", 28, "start", "0x40000000", "0x40101000"],
    ["size=0x1000 ret=0", "size=0x200000 ret=0", 28, "size", "0x200000", "0x1000"],
    ["start=0x0 size=0x0 ret=-1", "start=0x0 size=0x0 ret=-17", 29, "ret", "-17", "-1"],
  ])("%s -> %s", async (from, to, line, field, expected, found) => {
    const summary = await replayText(changed([from, to]));
    expect(summary.diverged).toBeGreaterThan(0);
    expect(summary.matched + summary.diverged).toBe(summary.ops);
    expect(summary.first).toEqual({ line, operation: expect.any(Number) as number, op: expect.any(String) as string, field, expected, found });
  });

  const [, , pages] = snapshot(12, "after") as [string, string, string];

  // prettier-ignore
  test.each<[string, string, number, string, string, string]>([
    // in the last snapshot, changed to, line, field, expected, found
    [pages, pages.replace("host=owned hyp=nopage", "host=shared_owned hyp=nopage"), 33, "page[0x40010].host", "shared_owned", "owned"],
    [pages, pages.replace("hyp=nopage", "hyp=shared_borrowed").replace("host=owned", "host=shared_owned"), 33, "page[0x40010].host", "shared_owned", "owned"],
    [pages, pages.replace("cnt=0", "cnt=1"), 33, "page[0x40010].cnt", "1", "0"],
    [pages, pages.replace("nr=496", "nr=495"), 31, "pages", "511", "512"],
    ["pte=0x401007ff", "pte=0x4010077f", 37, "s2[0x40100000].pte", "0x4010077f", "0x401007ff"],
    ["addr=0x40010000 entries=240 level=3 pte=0x0", "addr=0x40010000 entries=240 level=3 pte=0x2000000000000002", 36, "s2[0x40010000].pte", "0x2000000000000002", "0x0"],
  ])("snapshot: %s -> %s", async (from, to, line, field, expected, found) => {
    const text = traceText(TRACE.map((event, index) => (index >= 30 ? event.replace(from, to) : event)));
    const summary = await replayText(text);
    expect(summary).toMatchObject({ ops: 12, matched: 12, diverged: 1 });
    expect(summary.first).toEqual({ line, operation: -1, op: "snapshot", field, expected, found });
  });

  test("snapshot of a guest: permissions are not compared, addresses, states and tables are", async () => {
    const guest = (from: string, to: string) => changed(...[[from, to] as const]);
    const leaf = "vm=0x1000 addr=0x80000000 entries=1 level=3 pte=0x401007ff";
    expect(await replayText(guest(leaf, leaf.replace("7ff", "33f")))).toMatchObject({ diverged: 0 });
    const moved = await replayText(guest(leaf, leaf.replace("0x401007ff", "0x401017ff")));
    expect(moved.first).toMatchObject({ line: 19, field: "s2[0x1000][0x80000000].pte", found: "0x401007ff" });
    const shared = await replayText(guest(leaf, leaf.replace("0x401007ff", "0x800000401007ff")));
    expect(shared.first).toMatchObject({ line: 19, field: "s2[0x1000][0x80000000].pte" });
    const block = leaf.replace("level=3 pte=0x401007ff", "level=2 pte=0x0");
    const rest = "s2_run vm=0x1000 addr=0x80001000 entries=511 level=3 pte=0x0";
    const noTable = traceText(TRACE.filter((event) => event !== rest).map((event) => event.replace(leaf, block)));
    expect((await replayText(noTable)).first).toMatchObject({
      field: "s2[0x1000][0x80000000].level",
      expected: "2",
      found: "3",
    });
  });

  test("a page pinned in the snapshot", async () => {
    const pinned = memOp(12, "host_share_hyp", { host: "shared_owned", hyp: "shared_borrowed" });
    const [begin, hyp, , ...leaves] = snapshot(13, "after") as [string, string, string, ...string[]];
    const runs = (ref: number) => [
      "page_run pfn=0x40010 nr=240 host=owned hyp=nopage cnt=0 ref=0",
      `page_run pfn=0x40100 nr=1 host=shared_owned hyp=shared_borrowed cnt=0 ref=${ref}`,
      "page_run pfn=0x40101 nr=255 host=owned hyp=nopage cnt=0 ref=0",
    ];
    const text = (ref: number) => traceText([...TRACE, pinned, begin, hyp, ...runs(ref), ...leaves]);
    expect(await replayText(text(0))).toMatchObject({ ops: 13, diverged: 0 });
    expect((await replayText(text(1))).first).toMatchObject({ field: "page[0x40100].ref", expected: "1", found: "0" });
  });

  test("a panic that the recording does not have ends the replay", async () => {
    const shared = { host: "shared_owned", hyp: "shared_borrowed" };
    const events = [...snapshot(0, "before"), memOp(0, "host_share_hyp", shared), memOp(1, "hyp_unpin", shared)];
    const replay = await feed(traceText([...events, memOp(2, "host_unshare_hyp", {})]));
    const summary = replay.end();
    expect(summary).toMatchObject({ ops: 2, matched: 1, diverged: 1 });
    expect(summary.panic).not.toBeNull();
    expect(summary.first).toMatchObject({ line: 12, field: "panic", expected: "no panic", found: summary.panic });
  });

  // A step's line is its claim: no character of it can change without being noticed.
  test("any digit or letter of the guest's steps counts", async () => {
    const lines = traceText(TRACE).split("\n");
    for (const number of [16, 25, 26, 27, 30]) {
      const line = lines[number - 1] ?? "";
      for (let at = line.indexOf("op="); at < line.length; at++) {
        const character = line.charAt(at);
        const other = /[0-8]/.test(character) ? String(Number(character) + 1) : "z";
        const mutated = lines.with(number - 1, line.slice(0, at) + other + line.slice(at + 1)).join("\n");
        const noticed = await replayText(mutated).then(
          ({ diverged }) => diverged > 0,
          (error: unknown) => error instanceof TraceError,
        );
        expect(noticed, `line ${number}, column ${at + 1}: ${character} -> ${other}`).toBe(true);
      }
    }
  });
});

describe("refused", () => {
  const donation = STEPS[5] ?? "";

  // prettier-ignore
  test.each<[string, string, number, string]>([
    // what, the trace, line, part of the sentence
    ["lost events", changed([traceText(TRACE).split("\n")[12] ?? "", "CPU:1 [LOST 20 EVENTS]"]), 13, "events were lost"],
    ["no header", changed(["[000]\t  100.000012: ", "[000] "]), 13, 'must begin with "[CPU]<tab>seconds.microseconds: "'],
    ["a time stamp without microseconds", changed(["100.000012: ", "100.0012: "]), 13, "must begin with"],
    ["an empty line", changed(["\n[000]\t  100.000012", "\n\n[000]\t  100.000012"]), 13, "found the end of the line"],
    ["an unknown event", changed(["mem_op seq=3", "mem_opp seq=3"]), 14, 'unknown event "mem_opp" (did you mean "mem_op"?)'],
    ["an event that the tracer does not know", changed(["mem_op seq=3", "UNKNOWN id=7 seq=3"]), 14, 'unknown event "UNKNOWN"'],
    ["an unknown field", changed(["seq=3 early=0", "seq=3 later=0"]), 14, 'expected "early=", found "later=0'],
    ["a missing field", changed([" nr=1 vm", " vm"]), 11, 'expected "nr=", found "vm=0x0'],
    ["a field that stands twice", changed([" nr=1 vm", " nr=1 nr=1 vm"]), 11, 'expected "vm=", found "nr=1'],
    ["another order", changed(["gfn=0x0 nr=1", "nr=1 gfn=0x0"]), 11, 'expected "gfn="'],
    ["a field too many", changed(["cnt=1", "cnt=1 x=1"]), 12, "nothing may follow"],
    ["carriage returns", traceText(TRACE).replaceAll("\n", "\r\n"), 1, 'nothing may follow the event\'s last field, found "."'],
    ["an unknown operation", changed(["op=hyp_pin", "op=hyp_pinn"]), 12, 'unknown operation "hyp_pinn" (did you mean "hyp_pin"?)'],
    ["an unknown state", changed(["host=nopage hyp=nopage", "host=nopag hyp=nopage"]), 16, 'unknown page state "nopag" (did you mean "nopage"?)'],
    ["no number", changed(["seq=3", "seq=x"]), 14, 'expected a number, found "x early'],
    ["a hexadecimal number without 0x", changed(["gfn=0x80000", "gfn=80000"]), 16, "expected a number"],
    ["more than 64 bits", changed(["gfn=0x80000", "gfn=0x10000000000000000"]), 16, "out of range: \"0x1"],
    ["a number beyond its field", changed(["vm=0x1000 ret", "vm=0x10000 ret"]), 16, "out of range"],
    ["a positive result", changed(["ret=-16", "ret=16"]), 13, "out of range"],
    ["a flag beyond 1", changed(["early=0", "early=2"]), 11, "out of range"],
    ["NUL bytes", changed(["cnt=1", "cnt=1\0\0\0"]), 12, 'found "..."'],
    ["NUL bytes in place of fields", changed([donation.slice(20, 60), "\0".repeat(40)]), 16, "found"],
    ["a control character in a comment", `# \x1b[31m\n${traceText(TRACE)}`, 1, "control character (0x1b)"],
    ["binary data", `${traceText(TRACE)}\x1f\x8b\x08${"\xff".repeat(40)}`, 43, "must begin with"],
    ["a cut line", traceText(TRACE).slice(0, -10), 42, "the file's last line does not end: is it cut off?"],
    ["a line that is too long", traceText(TRACE) + "x".repeat(2 ** 20 + 1), 43, "a line is longer than 1048576 bytes"],
    ["a comment that is too long", `#${"x".repeat(2 ** 20)}
${traceText(TRACE)}`, 1, "a line is longer than 1048576 bytes"],
    ["a seq twice", changed(["seq=3 ", "seq=2 "]), 14, "seq=2 was there already, in line 13"],
    ["a seq that is missing", without(donation), 30, "seq=5 is missing"],
    ["a seq that is missing at the end", traceText(TRACE).replace("seq=11 ", "seq=12 "), 30, "seq=11 is missing"],
    ["steps that are missing before a snapshot at the end", traceText([...TRACE.slice(0, 29), ...TRACE.slice(30)]), 30, "seq=11 is missing"],
    ["a seq far ahead", changed(["seq=3 ", "seq=70003 "]), 14, "seq=70003 is too far ahead: seq=0 is missing"],
    ["a state of a page that is not known", changed(["pfn=0x40100 gfn=0x80000", "pfn=0xfffffffffffff gfn=0x80000"]), 16, "a page that is not known"],
    ["two pages for an operation on one", changed(["nr=1 vm=0x1000", "nr=2 vm=0x1000"]), 16, "no machine runs this operation"],
    ["a guest's operation without a VM", changed(["vm=0x1000", "vm=0x0"]), 16, "no machine runs this operation"],
    ["no trace at all", "", 0, "no snapshot of the whole machine"],
    ["no snapshot", traceText(STEPS), 12, "no snapshot of the whole machine"],
    ["a guest's snapshot first", traceText(GUEST_SNAPSHOT), 1, "no snapshot of the whole machine"],
    ["steps before the snapshot, not from the first on", traceText([...STEPS.slice(1), ...snapshot(12, "after")]), 12, "seq=0 is missing"],
  ])("%s", async (_, text, line, sentence) => {
    const error = await refusal(text);
    expect(error.message).toContain(sentence);
    expect(error.line).toBe(line);
    expect(error.message).not.toMatch(/[^\x20-\x7e]/);
    expect(error.message.length).toBeLessThan(240);
  });

  const end = "snapshot id=1 end seq=0";
  const hypPages = "page_run pfn=0x40000 nr=16 host=nopage hyp=owned cnt=0 ref=0";
  const hypLeaves = "addr=0x40000000 entries=16 level=3 pte=0x2000000000000002";
  const lastRun = "addr=0x8000000000 entries=511 level=0";

  // prettier-ignore
  test.each<[string, string, number, string]>([
    // what is wrong with the snapshot, the trace, line, part of the sentence
    ["it does not end", without(end), 16, "the snapshot of line 1 is not complete yet"],
    ["the trace ends in it", traceText(TRACE.slice(0, -1)), 41, "the trace ends inside the snapshot that begins in line 31"],
    ["it ends twice", changed([`${end}\n`, `${end}\n[000]\t  100.000009: ${end}\n`]), 11, "this ends no snapshot"],
    ["it ends with another number", changed([end, "snapshot id=1 end seq=1"]), 10, "this ends no snapshot"],
    ["another one begins in it", changed([hypPages, "snapshot id=1 begin seq=0"]), 2, "the snapshot of line 1 is not complete"],
    ["an unknown id", changed(["snapshot id=4096 begin", "snapshot id=2 begin"]), 17, "neither 1 (the machine) nor a VM's handle"],
    ["neither begin nor end", changed(["id=1 begin", "id=1 start"]), 1, 'expected "begin" or "end"'],
    ["a run outside", changed(["snapshot id=1 begin seq=0", "selftest id=1"]), 2, "belongs to no snapshot"],
    ["another table's run", changed(["s2_run vm=0x1000 addr=0x80001000", "s2_run vm=0x1001 addr=0x80001000"]), 20, "belongs to no snapshot"],
    ["page runs overlap", changed(["pfn=0x40010 nr=496", "pfn=0x4000f nr=497"]), 3, "pfn 0x4000f are empty or out of order"],
    ["an empty run", changed(["pfn=0x40010 nr=496", "pfn=0x40010 nr=0"]), 3, "empty or out of order"],
    ["states that exclude each other", changed(["host=owned hyp=nopage cnt=0 ref=0", "host=owned hyp=owned cnt=0 ref=0"]), 3, "the states of pfn 0x40010 exclude each other"],
    ["a state that is not known", changed(["host=nopage hyp=owned cnt=0 ref=0", "host=- hyp=owned cnt=0 ref=0"]), 2, "exclude each other"],
    ["a hole in the table", changed([hypLeaves, hypLeaves.replace("entries=16", "entries=15")]), 6, "0x40010000 do not follow those before them, which end at 0x4000f000"],
    ["entries between those of their level", changed(["addr=0x0 entries=1 level=1", "addr=0x0 entries=1 level=3"], [hypLeaves, "addr=0x1000 entries=16 level=2 pte=0x0"]), 5, "not aligned to their level"],
    ["a table descriptor", changed(["addr=0x0 entries=1 level=1 pte=0x0", "addr=0x0 entries=1 level=1 pte=0x40000003"]), 4, "no descriptor that a walk of this level can end at"],
    ["an unknown level", changed([lastRun, lastRun.replace("level=0", "level=4")]), 9, "out of range"],
    ["half an address space", changed([lastRun, lastRun.replace("511", "300")]), 10, "not the end of an address space"],
    ["more entries than there are addresses", changed([lastRun, lastRun.replace("511", "999999")]), 9, "not the end of an address space"],
    ["an address space that no table has", changed([lastRun, lastRun.replace("511", "1023")]), 10, "ia_bits"],
    ["no pages", traceText(TRACE.filter((event) => !event.startsWith("page_run"))), 1, "the snapshot has no pages of memory"],
    ["more memory than can be simulated", changed(["pfn=0x40010 nr=496", "pfn=0x40010 nr=900000000"]), 10, "WebAssembly memory"],
    ["a page of EL2 that the host maps", changed([hypLeaves, "addr=0x40000000 entries=16 level=3 pte=0x400007ff"]), 2, "disagree on who owns 0x40000000"],
    ["a page of the host with a note of EL2", changed(["addr=0x40010000 entries=496 level=3 pte=0x0", "addr=0x40010000 entries=496 level=3 pte=0x2000000000000002"]), 3, "disagree on who owns 0x40010000"],
    ["pages of guests at the start", changed(["host=owned hyp=nopage", "host=shared_borrowed hyp=nopage"]), 3, "guests own pages in the first snapshot"],
    ["entries by the million", changed(["addr=0x80000000 entries=510 level=1", `addr=0x80000000 entries=${510 * 2 ** 18} level=3`]), 8, "more pages than the host reserves"],
  ])("a snapshot: %s", async (_, text, line, sentence) => {
    const error = await refusal(text);
    expect(error.message).toContain(sentence);
    expect(error.line).toBe(line);
  });

  test("a snapshot that comes far too late", async () => {
    const shares = Array.from({ length: 3000 }, (_, seq) =>
      seq % 2 === 0
        ? memOp(seq, "host_share_hyp", { host: "shared_owned", hyp: "shared_borrowed" })
        : memOp(seq, "host_unshare_hyp", {}),
    );
    const error = await refusal(traceText([...snapshot(0, "before"), ...shares, ...snapshot(100, "before")]));
    expect(error.message).toContain("the snapshot comes too late");
    expect(error.line).toBe(3011);
    const twice = await refusal(traceText([...snapshot(0, "before"), ...shares, shares[5] ?? ""]));
    expect(twice.message).toContain("seq=5 comes a second time or far too late");
  });
});

test("random damage: refused or replayed, never anything else", async () => {
  const text = Buffer.from(traceText(TRACE), "latin1");
  let x = 88172645;
  const random = (limit: number): number => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % limit;
  };
  let refused = 0;
  for (let round = 0; round < 400; round++) {
    const damaged = Buffer.from(text);
    for (let change = random(4); change >= 0; change--) damaged[random(damaged.length)] = random(256);
    const cut = random(4) === 0 ? damaged.subarray(0, random(damaged.length)) : damaged;
    try {
      const { ops, matched, diverged } = await replayText(cut, {}, 1 + random(500));
      expect(matched + diverged).toBe(ops);
    } catch (error) {
      expect(error).toBeInstanceOf(TraceError);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(200);
});
