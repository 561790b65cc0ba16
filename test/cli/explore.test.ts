// `freehold explore`: what it prints, and what its exit codes say.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CAPTURE, freehold, jsonLines } from "./captured-terminal.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "freehold-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const BUG = "donate-guest-before-memcache-check";

test("nothing found: what was searched, how large it was, and that every state was visited", async () => {
  const { exitCode, stdout, stderr } = await freehold("explore", "--preset", "tiny");
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^pkvm, preset tiny: 2 pages in play, 1 VM, 1 guest frame, \d+ operations of \d+ kinds/);
  expect(stdout).toMatch(
    /^searched: \d+ states, \d+ transitions of [\d,]+ operations tried, depth \d+, \d+ bytes a state/m,
  );
  expect(stdout).toMatch(/\nnothing found in any of the \d+ states of this machine\n$/);
});

test("a bound that is reached is no exhausted search", async () => {
  const { exitCode, stdout } = await freehold("explore", "--preset", "tiny", "--max-states", "10");
  expect(exitCode).toBe(5);
  expect(stdout).toContain("bounds: 10 states\n");
  expect(stdout).toMatch(
    /\nnothing found in 10 states, and there are more, which were not visited: no room for more states\n$/,
  );
});

test("a bug: the way step by step with answers, reasons and pages, and the same search without it", async () => {
  const { exitCode, stdout } = await freehold("explore", "--bug", BUG);
  expect(exitCode).toBe(1);
  const lines = stdout.split("\n").map((line) => line.trim());
  const start = lines.indexOf("panic: EL2 stops in __pkvm_host_donate_guest, and the machine with it");
  expect(lines.slice(start + 1, start + 7)).toEqual([
    "caused by: the host",
    "1. vcpu_load vm=0x1000 vcpu=0  ->  0",
    "pfn 0x40012: EL2 OWNED -> OWNED, 1 reference",
    "2. hcall_donate_guest pfn=0x40000 gfn=0x80000  ->  panic",
    "EL2 panicked in __pkvm_host_donate_guest (warn): a table could not be changed after all checks had passed",
    "pfn 0x40000: host OWNED -> NOPAGE",
  ]);
  expect(stdout).toMatch(/^with the bug: .*: stopped at the first finding$/m);
  expect(stdout).toMatch(/^without it: .*: every state was visited$/m);
  expect(stdout).toContain(`${BUG} is found: without it, the same search finds nothing of the kind "panic"`);
});

test("--json: an object for each search and each finding, and a total", async () => {
  const { exitCode, stdout } = await freehold("explore", "--bug", BUG, "--json");
  expect(exitCode).toBe(1);
  const [mutated, finding, clean, total] = jsonLines(stdout);
  expect(mutated).toMatchObject({ system: "pkvm", bug: BUG, end: "found", exhausted: false, findings: 1 });
  expect(finding).toMatchObject({
    ...{ finding: "panic", kind: "panic", by: "the host" },
    steps: [
      { op: "vcpu_load", args: { vm: "0x1000", vcpu: "0" }, answer: "0", sentence: null },
      {
        ...{ op: "hcall_donate_guest", args: { pfn: "0x40000", gfn: "0x80000" }, answer: "panic" },
        changes: [{ pfn: "0x40000", party: "host", before: "OWNED", after: "NOPAGE" }],
      },
    ],
  });
  expect(clean).toMatchObject({ bug: null, end: "exhausted", exhausted: true, findings: 0 });
  expect(total).toEqual({ total: true, bug: BUG, found: true, bounded: [] });
});

test("states that differ in names alone are visited once, unless each is wanted", async () => {
  const pages = ["explore", "--preset", "tiny", "--pages", "2"];
  const { stdout: together } = await freehold(...pages);
  const { stdout: each } = await freehold(...pages, "--no-symmetry");
  const inAll = /states stand for ([\d,]+) with ([\d,]+) transitions/.exec(together) ?? expect.fail(together);
  expect(each).toContain(`searched: ${inAll[1]} states, ${inAll[2]} transitions`);
  expect(each).not.toContain("stand for");
  expect(together).toContain(`nothing found in any of the ${inAll[1]} states`);
});

test("sizes change a preset: a larger machine has more states", async () => {
  const states = async (...sizes: string[]) => {
    const { stdout } = await freehold("explore", "--preset", "tiny", "--json", ...sizes);
    return Number(jsonLines(stdout)[0]?.["states"]);
  };
  expect(await states("--table-pages", "2")).toBeGreaterThan(await states());
});

test("--rules: what is not asked for is not found", async () => {
  const { stdout } = await freehold("explore", "--bug", "unmapped-counts-as-owned", "--rules", "I12");
  expect(stdout).toContain("unmapped-counts-as-owned is not found");
});

test("--rules: kinds of rules by name, and only those", async () => {
  const { exitCode, stdout } = await freehold("explore", "--preset", "tiny", "--rules", "panic,secrecy");
  expect(exitCode).toBe(0);
  expect(stdout).toContain("\nrules: panic, secrecy\n");
});

test("--trace and --itf: files that are replayed and read; the replay differs where the bug shows", async () => {
  const [trace, itf] = [join(folder, "found.jsonl"), join(folder, "found.itf.json")];
  expect((await freehold("explore", "--bug", BUG, "--trace", trace, "--itf", itf)).exitCode).toBe(1);
  const replayed = await freehold("replay", trace, "--json");
  expect(replayed.exitCode).toBe(1);
  expect(jsonLines(replayed.stdout)[0]).toMatchObject({ ops: 2, matched: 1, first: { op: "hcall_donate_guest" } });
  const { states } = JSON.parse(readFileSync(itf, "utf8")) as { states: unknown[] };
  expect(states).toHaveLength(3);
});

// FF-A: no bug is switched on, so that the replay matches.
test.each([
  ["ffa-fragment-rollback", ["--bug", "ffa-fragment-rollback"], "recorded", "the host"],
  ["a handle that comes again", ["--system", "ffa", "--preset", "worlds", "--rules", "F10"], "F10", "VM 0x1"],
])("%s: confirmed, written and replayed", async (_, options, rule, by) => {
  const [trace, itf] = [join(folder, `${rule}.jsonl`), join(folder, `${rule}.itf.json`)];
  const { exitCode, stdout } = await freehold("explore", ...options, "--trace", trace, "--itf", itf, "--json");
  const [search, finding] = jsonLines(stdout);
  const steps = finding?.["steps"] as unknown[];
  expect(exitCode).toBe(1);
  expect(search).toMatchObject({ end: "found", findings: 1 });
  expect(finding).toMatchObject({ finding: rule, confirmed: true, by });
  const replayed = await freehold("replay", trace, "--json");
  expect([replayed.exitCode, jsonLines(replayed.stdout)[0]?.["matched"]]).toEqual([0, steps.length]);
  const { states } = JSON.parse(readFileSync(itf, "utf8")) as { states: unknown[] };
  expect(states).toHaveLength(steps.length + 1);
});

test("a bug that the machine as it is has: one search, and why there is no other", async () => {
  const { stdout } = await freehold("explore", "--bug", "ffa-fragment-rollback");
  expect(stdout).toMatch(/^searched: .*: stopped at the first finding$/m);
  expect(stdout).not.toMatch(/^(with the bug|without it):/m);
  expect(stdout).toContain(
    "ffa-fragment-rollback is found in the machine as it is: there is none without it to search",
  );
});

test("an SPMC that answers falsely has its part in what it causes", async () => {
  const { stdout } = await freehold("explore", "--bug", "ffa-reclaim-range-count");
  expect(stdout).toContain("caused by: the host, and an SPMC that answers falsely");
  expect(stdout).toMatch(/the SPMC will answer with range_count 0x10000000/);
  expect(stdout).toMatch(/pfn 0x40000: SPMC: the normal world RWX O-EA.* -> RWX O-SA/);
});

// What is printed is what is looked after: `translation` only by name where it is dear, all that is cheap and what the bug breaks.
// prettier-ignore
test.each([
  [["--system", "gunyah", "--preset", "tiny"], "panic, refusal, I1 to I5, I8 to I19, I21, I22, promise, secrecy, integrity, refinement, lookup, leak"],
  [["--system", "gunyah", "--preset", "tiny", "--rules", "I22,translation,I3,I5,I4"], "I3 to I5, I22, translation"],
  [["--bug", "gunyah-table-freed-before-flush"], "panic, refusal, I1 to I5, I8 to I19, I21, I22, promise, secrecy, integrity, lookup, translation"],
  [["--system", "ffa", "--preset", "tables-own", "--rules", "told,merged"], "told, merged"],
])("%j looks after %s", async (options, rules) => {
  const { stdout } = await freehold("explore", ...options);
  expect(stdout.split("\n")[1]).toBe(`rules: ${rules}`);
});

test("--rules: those of the system that is searched, by name", async () => {
  const { exitCode, stdout } = await freehold(
    "explore",
    "--system",
    "pkvm-ffa",
    "--preset",
    "tiny",
    "--rules",
    "recorded,F1,panic",
  );
  expect(exitCode).toBe(0);
  expect(stdout).toContain("\nrules: panic, F1, recorded\n");
});

test("nothing found, nothing written", async () => {
  const { exitCode, stderr } = await freehold("explore", "--preset", "tiny", "--itf", join(folder, "none.json"));
  expect([exitCode, stderr]).toEqual([0, `${join(folder, "none.json")}: not written, nothing was found\n`]);
});

test("a file that cannot be written is refused input", async () => {
  const path = join(folder, "no", "where.json");
  const { exitCode, stderr } = await freehold("explore", "--bug", BUG, "--itf", path);
  expect([exitCode, stderr]).toEqual([3, `${path}: cannot be written (ENOENT)\n`]);
});

// From a trace

/** The first trace of docs/trace-format.md. */
function exampleTrace(): string {
  const [, example = ""] = /```jsonl\n([^]*?)```/.exec(readFileSync("docs/trace-format.md", "utf8")) ?? [];
  const path = join(folder, "example.jsonl");
  writeFileSync(path, example);
  return path;
}

test("from operation N of a trace: what is in play there is searched", async () => {
  const args = ["--from", exampleTrace(), "--operation", "10", "--in-play", "0x41000"];
  const { exitCode, stdout } = await freehold("explore", ...args);
  expect(exitCode).toBe(0);
  expect(stdout).toContain("behind 10 operations: 1 page in play, 1 VM, 1 guest frame");
  expect(stdout).toMatch(/nothing found in any of the \d+ states/);
});

test("a trace's finding: the trace that is written begins with the first trace's operations", async () => {
  const written = join(folder, "from.jsonl");
  const args = ["--from", exampleTrace(), "--operation", "8", "--in-play", "0x41000", "--bug", BUG, "--trace", written];
  expect((await freehold("explore", ...args)).exitCode).toBe(1);
  const lines = jsonLines(readFileSync(written, "utf8"));
  expect(lines.slice(1, 9).map(({ op }) => op)).toEqual([
    ...["reserve_vm", "host_share_hyp", "host_share_hyp", "init_vm", "host_share_hyp", "host_share_hyp"],
    ...["init_vcpu", "vcpu_load"],
  ]);
  expect(lines.at(-1)).toMatchObject({ op: "hcall_donate_guest", panic: "__pkvm_host_donate_guest" });
});

test.each([
  ["a state behind the end", ["--operation", "1000"], "the trace has no state behind 1000 operations"],
  ["a state in which EL2 has stopped", ["--operation", "17"], "EL2 has panicked by then"],
  ["too many pages", ["--operation", "8", "--in-play", "0x40000+9"], "more than 4 pages cannot be in play"],
  ["pages that are no memory", ["--operation", "8", "--in-play", "0x1"], "pages in play that are no memory: 0x1"],
])("refused: %s", async (_, args, message) => {
  const { exitCode, stderr } = await freehold("explore", "--from", exampleTrace(), ...args);
  expect(exitCode).toBe(3);
  expect(stderr).toContain(message);
});

test("a capture of a host is refused with a sentence", async () => {
  const { exitCode, stderr } = await freehold("explore", "--from", CAPTURE, "--operation", "10");
  expect(exitCode).toBe(3);
  expect(stderr).toContain("only the trace of a pKVM machine");
});

test.each([
  [["--preset", "tinny"], 'unknown preset "tinny" (did you mean "tiny"?)'],
  [["--system", "pkmv"], 'unknown system "pkmv" (did you mean "pkvm"?)'],
  [["--bug", "donate-guest-before-memcache-chek"], `did you mean "${BUG}"?`],
  [["--rules", "I99"], 'Unknown rule "I99"'],
  [["--system", "ffa", "--rules", "I1"], '--rules: system ffa has no rule "I1"'],
  [["--system", "ffa", "--rules", "pointer"], '--rules: system ffa has no rule "pointer"'],
  [["--system", "ffa", "--preset", "tiny", "--rules", "told"], '--rules: preset tiny has no rule "told"'],
  [["--operation", "3"], "--operation goes with --from"],
  [["--in-play", "0x41000"], "--in-play goes with --from"],
  [["--from", "x", "--preset", "tiny"], "--preset does not go with --from"],
  [["--from", "x", "--table-pages", "2"], "--table-pages does not go with --from"],
  [["--from", "x", "--system", "gunyah"], "--from: only with --system pkvm"],
  [["--system", "cca", "--cpus", "2"], "--cpus: only with --system pkvm"],
  [["--system", "gunyah", "--random"], "--random: only with --system pkvm"],
  [["--random", "--max-states", "9"], "--max-states: --random keeps no states"],
  [["--random", "--all"], "--all: --random goes on behind findings"],
  [["--bug", BUG, "--all"], "--all does not go with --bug"],
  [
    ["--bug", "stale-vma", "--preset", "tiny"],
    "--bug: stale-vma is in code of system pkvm-host, which no machine of system pkvm runs",
  ],
  [["--bug", "stale-vma", "--from", "x"], "--bug: stale-vma is in code of system pkvm-host"],
  [["--system", "cca", "--makes-vms"], "--makes-vms: only with --system pkvm"],
  [["--preset", "panics", "--pages", "2"], "--pages: not with --preset panics"],
  [["--bug", "stale-vma", "--system", "cca"], "the machine of stale-vma is of system pkvm-host"],
  [["--vms", "x"], "Expected p or n"],
  [["--pages", "0"], "Expected a number, 1 or more"],
  [["--seconds", "0"], "Expected a number greater than 0"],
])("usage error: %j", async (args, message) => {
  const { exitCode, stdout, stderr } = await freehold("explore", ...args);
  expect([exitCode, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(message);
});
