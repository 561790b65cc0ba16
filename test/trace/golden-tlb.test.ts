// Linux's own EL2 code leaves nothing behind in a TLB: its recorded operations, with everything valid counted as cached.
// Recorded library calls do, where they were told not to invalidate.

import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { afterEach, expect, test, vi } from "vitest";
import { Machine } from "../../src/machine/machine.js";
import { describeTlbReport, type TlbReport } from "../../src/machine/tlb.js";
import { createGoldenReplay } from "../../src/trace/golden.js";

const folder = new URL("../vectors/pkvm/", import.meta.url);
/** One of each kind of host, and of tables of each shape. */
const HOSTS = /^(0[1-9]|1[0126]|19)-/;
const TABLES = /^2[146]-/;
const files = readdirSync(folder);
const SKIP_BBM_TLBI = 0x20;

afterEach(() => vi.restoreAllMocks());

/** The machine that the next replay makes. */
function nextMachine(): { current?: Machine } {
  const next: { current?: Machine } = {};
  const create = Machine.createOn.bind(Machine);
  vi.spyOn(Machine, "createOn").mockImplementation((core, config) => {
    next.current = create(core, config, { tlb: "worst_case" });
    return next.current;
  });
  return next;
}

/** The reports of a recording, and the line of the operation that each names. */
async function reportsOf(name: string): Promise<{ report: TlbReport; line: string }[]> {
  const lines = gunzipSync(readFileSync(new URL(name, folder)))
    .toString()
    .trimEnd()
    .split("\n");
  const next = nextMachine();
  const replay = await createGoldenReplay();
  const found: { report: TlbReport; line: string }[] = [];
  let operations: string[] = [];
  for (const [index, line] of lines.entries()) {
    if (line.includes('"op":')) operations.push(line);
    const isLast = index === lines.length - 1 || lines[index + 1]?.startsWith('{"reset"');
    replay.write(Buffer.from(`${line}\n`));
    if (!isLast && index % 64 !== 0) continue;
    for (const report of next.current?.tlb.takeReports() ?? []) {
      found.push({ report, line: operations[report.operation] ?? "" });
    }
    if (lines[index + 1]?.startsWith('{"reset"')) operations = [];
  }
  return found;
}

test.each(files.filter((name) => HOSTS.test(name)))("%s", async (name) => {
  const found = await reportsOf(name);
  expect(found.map(({ report }) => describeTlbReport(report))).toEqual([]);
});

test.each(files.filter((name) => TABLES.test(name)))("%s", async (name) => {
  const found = await reportsOf(name);
  const unexpected = found.filter(
    ({ line }) => (Number(/"flags":"(0x[0-9a-f]+)"/.exec(line)?.[1]) & SKIP_BBM_TLBI) === 0,
  );
  expect(found).not.toEqual([]);
  expect(unexpected.map(({ report, line }) => `${describeTlbReport(report)} ${line.slice(0, 120)}`)).toEqual([]);
});
