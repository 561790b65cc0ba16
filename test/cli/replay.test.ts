import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CAPTURE, freehold, jsonLines, PROTECTED } from "./captured-terminal.js";

const SELFTEST = "test/vectors/pkvm/01-selftest-a.jsonl.gz";
const HEADER = 1;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "freehold-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** The selftest vector with the return value of one operation changed to -99. */
function withWrongReturn(operation: number): { path: string; line: number } {
  const lines = gunzipSync(readFileSync(SELFTEST)).toString().split("\n");
  const at = lines.findIndex((line) => line.startsWith(`{"i":${operation},`));
  lines[at] = (lines[at] ?? "").replace(/"ret":-?\d+/, '"ret":-99');
  const path = join(folder, "wrong.jsonl");
  writeFileSync(path, lines.join("\n"));
  return { path, line: at + HEADER };
}

test("a summary for each file and a total", async () => {
  const { exitCode, stdout, stderr } = await freehold("replay", SELFTEST, CAPTURE);
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^ok .*01-selftest-a.* golden pkvm +121 of 121 match/m);
  expect(stdout).toMatch(/^ok .*boot-n1.* tracefs +5658 of 5658 match/m);
  expect(stdout).toMatch(/^5779 results of 2 files checked, none differs$/m);
});

test("--json: an object for each file, a total at the end", async () => {
  const { exitCode, stdout } = await freehold("replay", SELFTEST, CAPTURE, "--json");
  expect(exitCode).toBe(0);
  expect(jsonLines(stdout)).toEqual([
    { file: SELFTEST, format: "golden pkvm", ops: 121, matched: 121, diverged: 0, first: null },
    { file: CAPTURE, format: "tracefs", ops: 5658, matched: 5658, diverged: 0, first: null },
    { total: true, files: 2, ops: 5779, matched: 5779, diverged: 0 },
  ]);
});

test("a difference is found and shown", async () => {
  const { path, line } = withWrongReturn(60);
  const { exitCode, stdout } = await freehold("replay", path, "--json");
  expect(exitCode).toBe(1);
  expect(jsonLines(stdout)[0]).toMatchObject({
    diverged: 1,
    first: { line, operation: 60, field: "ret", expected: "-99" },
  });
});

test("--stop-at-first checks nothing behind the first difference", async () => {
  const { path } = withWrongReturn(60);
  const { exitCode, stdout } = await freehold("replay", path, "--json", "--stop-at-first");
  expect(exitCode).toBe(1);
  expect(jsonLines(stdout)[0]).toMatchObject({ matched: 60, diverged: 1 });
});

test("standard input, packed or not", () => {
  const packed = readFileSync(SELFTEST);
  for (const input of [packed, gunzipSync(packed)]) {
    const args = ["dist/cli/bundle/main.js", "replay", "-", "--json"];
    const { stdout, status } = spawnSync("node", args, { input, encoding: "utf8" });
    expect(status).toBe(0);
    expect(jsonLines(stdout)[0]).toEqual(expect.objectContaining({ file: "-", ops: 121, matched: 121 }));
  }
});

test("--at, --pages: the state after so many operations", async () => {
  const { stdout } = await freehold("replay", PROTECTED, "--at", "31", "--pages", "0x41000+4", "--json");
  const state = jsonLines(stdout)[1] as { at: number; pages: Record<string, unknown>[] };
  expect(state.at).toBe(31);
  expect(state.pages).toEqual([
    {
      ...{ pfn: "0x41000", n: 3, host: "NOPAGE", hyp: "NOPAGE", pins: 0, shares: 0 },
      leaf: { level: 3, descriptor: "0x2000004000010004", entry: "donated to VM 0x1000" },
      guests: [{ vm: "0x1000", gfn: "0x40000", state: "OWNED" }],
    },
    expect.objectContaining({ pfn: "0x41003", n: 1, host: "OWNED" }),
  ]);
});

test("--vm: what a VM maps", async () => {
  const { stdout } = await freehold("replay", PROTECTED, "--at", "31", "--vm", "0x1000", "--json");
  const state = jsonLines(stdout)[1];
  expect(state).toMatchObject({
    vms: [{ vm: "0x1000", state: "live", protected: true, vcpus: 2 }],
    mappings: [{ vm: "0x1000", ipa: "0x40000000", n: 3, level: 3, descriptor: "0x410007ff" }],
  });
});

test("the state for people", async () => {
  const { stdout } = await freehold("replay", PROTECTED, "--at", "31", "--pages", "0x41002-0x41003");
  expect(stdout).toContain("State after 31 operations");
  expect(stdout).toMatch(/^ {2}0x41002 +1 +NOPAGE +NOPAGE +- +- +donated to VM 0x1000 +VM 0x1000 gfn 0x40002 OWNED$/m);
  expect(stdout).toMatch(/^ {2}0x41003 +1 +OWNED +NOPAGE +- +- +/m);
});

test("without a selection: totals over all memory, and the pages that are neither the host's nor EL2's", async () => {
  const { stdout } = await freehold("replay", PROTECTED, "--at", "31", "--json");
  const { totals, pages } = jsonLines(stdout)[1] as { totals: { pages: number }[]; pages: Record<string, unknown>[] };
  expect(totals.reduce((sum, total) => sum + total.pages, 0)).toBe(0x4000);
  expect(pages.map(({ host, hyp }) => `${String(host)} ${String(hyp)}`)).not.toContain("NOPAGE OWNED");
  expect(pages[0]).toMatchObject({ pfn: "0x41000", guests: [{ vm: "0x1000" }] });
});

test("a capture does not tell what kind of VM it shows", async () => {
  const capture = "test/vectors/traces/abuse-n1.hyp.txt.gz";
  const { stdout } = await freehold("replay", capture, "--at", "9000", "--vm", "0x1000", "--json");
  expect(jsonLines(stdout)[1]).toMatchObject({ vms: [{ vm: "0x1000", protected: null, vcpus: null, created: [] }] });
});

const FFA = new URL("../vectors/ffa/02-tests-spmc.jsonl.gz", import.meta.url).pathname;

test("a recording of FF-A calls, and the managers' state after so many", async () => {
  const { exitCode, stdout } = await freehold("replay", FFA, "--at", "8", "--vm", "0x8001", "--pages", "0x10002,0x1007c+2", "--json"); // prettier-ignore
  expect(exitCode).toBe(0);
  const [summary, state] = jsonLines(stdout);
  expect(summary).toMatchObject({ format: "golden ffa", ops: 8, matched: 8, diverged: 0 });
  expect(state).toMatchObject({
    pages: [
      { vm: "0x8001", table: "ns", pfn: "0x10002", n: 1, mode: "RW- !O-SA, non-secure", secure: false },
      { vm: "0x8001", table: "ns", pfn: "0x1007c", n: 2, mode: "RWX O-EA, non-secure", secure: false },
    ],
    records: [{ manager: "spmc", handle: "0x0", verb: "share", receivers: [{ id: "0x8001", retrieved: 1 }] }],
    rx: ["0x8001"],
  });
});

test("the managers' state for people", async () => {
  const { stdout } = await freehold("replay", FFA, "--at", "8", "--vm", "0x8001");
  expect(stdout).toContain("SP 0x8001  ns     0x10002          1      RW- !O-SA, non-secure  non-secure");
  expect(stdout).toContain("SPMC     0x0     share by 0x1  1 page  sent   0x8001 (retrieved)");
  expect(stdout).toContain("RX holds a message: 0x8001");
});
