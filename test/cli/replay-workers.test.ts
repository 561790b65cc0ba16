// `replay --workers`: what is printed is what is printed without, whatever is wrong with the files and however they are taken
// apart. The workers' side is the built one, in dist/.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { traceHeader, traceLine, traceReset } from "../../src/trace/freehold-trace-writer.js";
import { CAPTURE, freehold, jsonLines, PROTECTED, type Run } from "./captured-terminal.js";

const SELFTEST = "test/vectors/pkvm/01-selftest-a.jsonl.gz";
/** A recording with resets, long enough to be taken apart. */
const RANDOM = "test/vectors/pkvm/13-random-a-el2debug.jsonl.gz";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "freehold-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The lines of RANDOM, some of them changed. */
function changed(name: string, change: (line: string, number: number) => string): string {
  const lines = gunzipSync(readFileSync(RANDOM)).toString().split("\n");
  return file(name, gzipSync(lines.map((line, index) => change(line, index + 1)).join("\n"), { level: 1 }));
}

const wrongReturn = (line: string) => line.replace(/"ret":-?\d+/, '"ret":-99');

/** The same without the one difference that there is: the scaling in the total. */
function comparable({ exitCode, stdout, stderr }: Run): unknown {
  return { exitCode, stderr, stdout: stdout.replace(/,"workers":\d+,"seconds":[\d.e-]+,"scaling":[\d.e-]+\}/, "}") };
}

async function expectTheSame(...args: string[]): Promise<Run> {
  const without = await freehold("replay", ...args);
  const withWorkers = await freehold("replay", ...args, "--workers", "2");
  expect(comparable(withWorkers)).toEqual(comparable(without));
  return withWorkers;
}

test("files of all formats, in their order", async () => {
  const files = [
    SELFTEST,
    CAPTURE,
    "test/vectors/ffa/07-perm-spmc.jsonl.gz",
    "test/vectors/walk/attrs.jsonl.gz",
    PROTECTED,
  ];
  expect((await expectTheSame(...files)).exitCode).toBe(0);
  await expectTheSame(...files, "--json");
});

test("one long recording in parts", async () => {
  const { stdout } = await expectTheSame(RANDOM);
  expect(stdout).toMatch(/ 8000 of 8000 match +8060 lines, 8000 operations, \d+ checks, 13 resets/);
});

test("one long Freehold trace in parts", async () => {
  const share = traceLine({ op: "host_share_hyp", pfn: 0x41000n }, { ret: 0 }, { note: "x".repeat(1000) });
  const unshare = traceLine({ op: "host_unshare_hyp", pfn: 0x41000n }, { ret: 0 }, { note: "y".repeat(1000) });
  const episode = traceReset() + (share + unshare).repeat(500);
  const header = traceHeader({ regions: [{ base: "0x40000000", size: "0x4000000" }] });
  const path = file("long.jsonl", header + episode.repeat(12) + share + share + episode);
  const { stdout, exitCode } = await expectTheSame(path);
  expect(exitCode).toBe(1);
  expect(stdout).toContain("first at line 12015, operation 12001, host_share_hyp: ret");
});

test("differences, their place and number", async () => {
  // The header is line 1; operation 7000 is in the twelfth of fourteen episodes.
  const path = changed("wrong.jsonl.gz", (line, number) =>
    number === 7050 || number === 7060 ? wrongReturn(line) : line,
  );
  const { exitCode, stdout } = await expectTheSame(path);
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/first at line 7050, /);
  await expectTheSame(path, "--stop-at-first", "--json");
});

test("a refusal in a part: the sentence, the line and the exit code of the whole", async () => {
  const broken = changed("broken.jsonl.gz", (line, number) => (number === 6000 ? line.slice(1) : line));
  const { exitCode, stderr } = await expectTheSame(broken);
  expect(exitCode).toBe(3);
  expect(stderr).toMatch(/broken\.jsonl\.gz:6000: /);
  // What comes before the refusal and stops the replay comes first.
  const both = changed("both.jsonl.gz", (line, number) =>
    number === 6000 ? line.slice(1) : number === 900 ? wrongReturn(line) : line,
  );
  expect((await expectTheSame(both, "--stop-at-first")).exitCode).toBe(1);
  expect((await expectTheSame(both)).exitCode).toBe(3);
});

test("files that cannot be replayed, among others", async () => {
  mkdirSync(join(folder, "folder"));
  const files = [
    join(folder, "nowhere"),
    SELFTEST,
    join(folder, "folder"),
    file("hello.txt", "hello\n"),
    file("empty", ""),
    file("cut.gz", readFileSync(PROTECTED).subarray(0, 3000)),
    PROTECTED,
    join(SELFTEST, "below"),
  ];
  const { exitCode, stderr } = await expectTheSame(...files);
  expect(exitCode).toBe(3);
  expect(stderr.trimEnd().split("\n")).toHaveLength(6);
  await expectTheSame(...files, "--json");
});

test("--json: the total says how the workers scaled", async () => {
  const { stdout } = await freehold("replay", SELFTEST, PROTECTED, "--workers", "2", "--json");
  expect(jsonLines(stdout).at(-1)).toEqual({
    ...{ total: true, files: 2, ops: 377, matched: 377, diverged: 0 },
    ...{ workers: 2, seconds: expect.any(Number) as number, scaling: expect.any(Number) as number },
  });
});

test.each([
  [["--workers", "0"], /Expected a number of workers/],
  [["--workers", "two"], /Expected a number of workers/],
  [["--workers", "2", "--at", "3"], /--workers does not go with --at, --pages and --vm/],
])("%j is a mistake", async (args, message) => {
  const { exitCode, stdout, stderr } = await freehold("replay", SELFTEST, ...args);
  expect([exitCode, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(message);
});

test("the bundled command, with standard input among the files, ends by itself", () => {
  const args = ["dist/cli/bundle/main.js", "replay", PROTECTED, "-", CAPTURE, "--workers", "2", "--json"];
  const { stdout, stderr, status } = spawnSync("node", args, { input: readFileSync(SELFTEST), encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  expect(jsonLines(stdout).map(({ file, ops }) => [file, ops])).toEqual([
    [PROTECTED, 256],
    ["-", 121],
    [CAPTURE, 5658],
    [undefined, 6035],
  ]);
});

test("Ctrl-C ends the command and its threads", async () => {
  const files = Array.from({ length: 8 }, () => RANDOM);
  const command = spawn("node", ["dist/cli/bundle/main.js", "replay", CAPTURE, ...files, "--workers", "2"]);
  await once(command.stdout, "data"); // the capture is done, the recordings are not
  command.kill("SIGINT");
  expect(await once(command, "close")).toEqual([null, "SIGINT"]);
});
