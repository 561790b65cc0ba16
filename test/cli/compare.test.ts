// `freehold compare`: what it takes, what it refuses, and its forms. What the renderers print is in matrix/.

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freehold, jsonLines } from "./captured-terminal.js";

let folder = "";
let load = "";
let unmet = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "freehold-"));
  load = aFile("load.yaml", aLoad("load", "SEGV"));
  unmet = aFile("unmet.yaml", aLoad("unmet", "ok"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function aFile(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Situation 1 of host-and-vmm 7.2: the VMM loads from a page that is private to its guest. */
function aLoad(name: string, shows: string): string {
  return `\
scenario: ${name}
title: The VMM loads <b>
source: host-and-vmm 7.2
group: 1 User space
participants:
  vmm: { role: vmm, handlers: [SIGSEGV] }
  guest: { role: guest, vmm: vmm }
pages:
  secret: { of: guest }
systems: [pkvm]
steps:
  - { access: secret, by: guest, kind: store, value: 0xa004 }
  - { access: secret, by: vmm, kind: load }
finally:
  pkvm: { shows: ${shows} }
`;
}

const pkvm = (...args: string[]) => freehold("compare", ...args, "--system", "pkvm");

test("a table: the process gets the signal that the reference states", async () => {
  const { exitCode, stdout, stderr } = await pkvm(load);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toBe(`\
1 User space

                   pkvm
-----------------  ----
The VMM loads <b>  SEGV
(load)

SEGV    SIGSEGV, SEGV_ACCERR
`);
});

test("an expectation that is not met: exit code 1, expected and found on standard error", async () => {
  const { exitCode, stdout, stderr } = await pkvm(load, unmet);
  expect(exitCode).toBe(1);
  expect(stdout).toContain("SEGV!");
  expect(stderr).toBe("unmet on pkvm: at the end: expected shows ok, found SEGV\n");
});

test.each([[["--evidence"]], [["--evidence", "load"]], [["--evidence", "load:pkvm"]]])(
  "%j opens the cell: operations, descriptors, syndrome, rules and who saw what",
  async (evidence) => {
    const { exitCode, stdout } = await pkvm(load, ...evidence);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^load on pkvm: SEGV\n/);
    for (const kind of ["operation", "access", "syndrome", "rule", "saw"])
      expect(stdout).toMatch(new RegExp(`^ +${kind} `, "m"));
    expect(stdout).toMatch(/host-and-vmm 1\.\d/);
  },
);

test("--markdown: tables and evidence; --no-evidence: tables alone; with a row: its section alone", async () => {
  const [full, tables, row] = await Promise.all([
    pkvm(load, "--markdown"),
    pkvm(load, "--markdown", "--no-evidence"),
    pkvm(load, unmet, "--markdown", "--evidence", "load"),
  ]);
  expect(full.stdout).toContain("| The VMM loads \\<b\\> | [SEGV](#load-on-pkvm) |");
  expect(full.stdout).toContain("<details>");
  expect(tables.stdout).toContain("| The VMM loads \\<b\\> | SEGV |");
  expect(tables.stdout).not.toContain("<details>");
  expect(row.stdout).toMatch(/^<details><summary><code>load<\/code>/);
  expect(row.stdout.match(/<details>/g)).toHaveLength(1);
});

test("--json: a line for the cell, then the total", async () => {
  const { stdout } = await pkvm(load, "--json");
  expect(jsonLines(stdout)).toMatchObject([
    {
      kind: "cell",
      scenario: "load",
      system: "pkvm",
      shows: "SEGV",
      result: "SIGSEGV/SEGV_ACCERR",
      secret: true,
      died: [],
    },
    { kind: "total", scenarios: 1, systems: ["pkvm"], cells: 1, failed: 0 },
  ]);
});

test("--json --no-evidence: who saw what, without the steps", async () => {
  const [cell] = jsonLines((await pkvm(load, "--json", "--no-evidence")).stdout);
  expect(cell).toMatchObject({ shows: "SEGV", process: [expect.stringContaining("SIGSEGV")] });
  expect(cell).not.toHaveProperty("evidence");
});

test("--html: to standard output, or to a file and nothing besides", async () => {
  const page = join(folder, "page.html");
  const [shown, written] = await Promise.all([pkvm(load, "--html"), pkvm(load, "--html", page)]);
  expect(shown.stdout).toMatch(/^<!doctype html>/);
  expect(shown.stdout).toContain("The VMM loads &lt;b&gt;");
  expect(written.stdout).toBe("");
  expect(readFileSync(page, "utf8")).toBe(shown.stdout);
});

test.each(["nowhere/page.html", "folder.html"])(
  "--html %s, which cannot be written: one line, nothing left",
  async (name) => {
    mkdirSync(join(folder, "folder.html"), { recursive: true });
    const before = readdirSync(folder);
    const { exitCode, stdout, stderr } = await pkvm(load, "--html", join(folder, name));
    expect([exitCode, stdout]).toEqual([3, ""]);
    expect(stderr).toMatch(/\.html: cannot be written \(E[A-Z]+\)\n$/);
    expect(readdirSync(folder)).toEqual(before);
  },
);

test.each([
  [[], "name scenarios, or give --all"],
  [["load", "--all"], "name scenarios, or give --all"],
  [["load", "--json", "--markdown"], "exclude each other"],
  [["load", "--html", "other.yaml"], "a name for --html ends in .html"],
  [["load", "--no-evidence"], "--no-evidence goes with --markdown or --json"],
  [["load", "--json", "--evidence"], "hold all the evidence already"],
])("%j: a usage error (%s)", async (args, sentence) => {
  const { exitCode, stderr } = await freehold("compare", ...args);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(sentence);
});

test.each<[string, (file: string) => string[], string]>([
  ["a system", (file) => [file, "--system", "pkmv"], '--system: unknown system "pkmv" (did you mean "pkvm"?)\n'],
  ["a group", (file) => [file, "--group", "User"], '--group: no scenario is of a group "User"\n'],
  [
    "a row",
    (file) => [file, "--evidence", "laod"],
    '--evidence: no scenario of this matrix is named "laod" (did you mean "load"?)\n',
  ],
  [
    "a column",
    (file) => [file, "--evidence", "load:pkmv"],
    '--evidence: no system of this matrix is named "pkmv" (did you mean "pkvm"?)\n',
  ],
])("%s that there is not: exit code 3 and one sentence", async (_what, args, sentence) => {
  const { exitCode, stdout, stderr } = await freehold("compare", ...args(load));
  expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 3, stdout: "", stderr: sentence });
});

test("the same name twice is refused: cells could not be told apart", async () => {
  const { exitCode, stderr } = await pkvm(load, aFile("again.yaml", aLoad("load", "SEGV")));
  expect(exitCode).toBe(3);
  expect(stderr).toMatch(/again\.yaml: scenario "load" is there already: .*load\.yaml\n$/);
});

test.each([
  ["no YAML", "steps: [\n"],
  ["an unknown verb", "scenario: x\npages: { p: { of: guest } }\nsteps:\n  - { acess: p, by: guest }\n"],
  ["an unknown page", "scenario: x\npages: { p: { of: guest } }\nsteps:\n  - { access: q, by: guest }\n"],
])("a file that is no scenario (%s): exit code 3 with file and line", async (what, text) => {
  const path = aFile(`${what.replaceAll(" ", "-")}.yaml`, text);
  for (const form of [[], ["--json"]]) {
    const { exitCode, stdout, stderr } = await freehold("compare", path, ...form);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(new RegExp(`^${path.replaceAll(".", "\\.")}:\\d+:\\d+: [^\\n]+\\n$`));
    if (form.length > 0) expect(jsonLines(stdout)).toMatchObject([{ file: path, line: expect.any(Number) as number }]);
  }
});
