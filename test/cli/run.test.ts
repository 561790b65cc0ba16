// `freehold run`: what it prints, and what its exit codes say.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freehold, jsonLines } from "./captured-terminal.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "freehold-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function aFile(text: string, name = "run.yaml"): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const HEAD = `scenario: touch
title: The VMM reads
source: host-and-vmm 7.2
participants: { vmm: { role: vmm, handlers: [SIGSEGV] }, guest: { role: guest } }
pages: { secret: { of: guest } }
steps:
  - { access: secret, by: guest, kind: store, value: 0xa004 }
`;
const FINE = `${HEAD}  - { access: secret, by: vmm, note: It handles the signal., expect: { pkvm: SIGSEGV/SEGV_ACCERR } }
finally: { pkvm: { secret: true, intact: true, died: [], shows: SEGV, mark: M } }
`;

test("a run, step by step", async () => {
  const { exitCode, stdout, stderr } = await freehold("run", aFile(FINE), "--system", "pkvm");
  expect([exitCode, stderr]).toEqual([0, ""]);
  const lines = stdout.split("\n");
  expect(lines[0]).toBe("touch on pkvm: The VMM reads (host-and-vmm 7.2)");
  expect(lines[1]).toBe("  1  guest stores 0xa004 to secret  ok");
  expect(lines[2]).toMatch(/^ {2}2 {2}vmm loads from secret {10}SIGSEGV\/SEGV_ACCERR at 0x[0-9a-f]+$/);
  expect(lines[3]).toBe("       It handles the signal.");
  expect(lines).toContainEqual(expect.stringMatching(/^ {7}process: .*SIGSEGV/));
  expect(lines).toContain("  shows SEGV, measured; secret: yes; intact: yes; died: nobody");
});

test("--evidence prints what the outcome stands on", async () => {
  const { stdout } = await freehold("run", aFile(FINE), "--system", "pkvm", "--evidence");
  expect(stdout).toContain("ESR_EL1 0x92000087");
  expect(stdout).toMatch(/host-and-vmm 1\.\d/);
});

test("an expectation that is not met: file, line, expected, found", async () => {
  const path = aFile(`${HEAD}  - { access: secret, by: vmm, expect: { pkvm: { result: ok, value: 0xa004 } } }
finally: { pkvm: { shows: ok } }
`);
  const { exitCode, stdout } = await freehold("run", path, "--system", "pkvm");
  expect(exitCode).toBe(1);
  expect(stdout.split("\n")).toEqual(
    expect.arrayContaining([
      `  ${path}:8: step 2: result: expected ok, found SIGSEGV/SEGV_ACCERR`,
      `  ${path}:8: step 2: value: expected 0xa004, found nothing`,
      `  ${path}:9: at the end: shows: expected ok, found SEGV`,
    ]),
  );
});

test("a verb that the system lacks is told with its reason, and is no failure", async () => {
  const path = aFile(`${HEAD}  - { lend: secret, from: guest, to: kernel }\n`);
  const { exitCode, stdout } = await freehold("run", path, "--system", "pkvm");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^ {2}2 {2}guest lends secret .* has no such verb: .+$/m);
});

test("who is dead cannot be killed; a cell without an answer has no mark", async () => {
  const path = aFile(`${HEAD}  - { kill: vmm }\n  - { kill: vmm }\n`);
  const { stdout } = await freehold("run", path, "--system", "pkvm");
  expect(stdout).toMatch(/^ {2}3 {2}vmm is killed +not run: vmm is dead$/m);
  expect(stdout).toContain("\n  shows –; secret");
});

test("--json: an object for each scenario and system", async () => {
  const { exitCode, stdout } = await freehold("run", aFile(FINE), "--system", "pkvm", "--json");
  expect(exitCode).toBe(0);
  const [run, ...more] = jsonLines(stdout);
  expect(more).toEqual([]);
  expect(run).toMatchObject({
    ...{ scenario: "touch", system: "pkvm", shows: "SEGV", mark: "M", secret: true, intact: true, split: false },
    ...{ died: [], failures: [] },
    steps: [
      { verb: "access", line: 7, result: "ok" },
      {
        verb: "access",
        line: 8,
        result: "SIGSEGV/SEGV_ACCERR",
        signal: { name: "SIGSEGV" },
        skipped: false,
      },
    ],
  });
  expect(stdout).not.toContain("evidence");
  const opened = await freehold("run", aFile(FINE), "--system", "pkvm", "--json", "--evidence");
  expect(opened.stdout).toContain(`"kind":"rule"`);
});

test("--list names every bundled scenario under its group", async () => {
  const { exitCode, stdout } = await freehold("run", "--list");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^1 Host user space touches a private page$/m);
  expect(stdout).toMatch(/^ {2}situation-01-user-load +The VMM loads from a page that is private to its guest$/m);
  const listed = jsonLines((await freehold("run", "--list", "--json")).stdout);
  expect(listed).toContainEqual(
    expect.objectContaining({ name: "situation-01-user-load", source: "host-and-vmm 7.2" }),
  );
});

test("a bundled scenario runs by its name", async () => {
  const { exitCode, stdout } = await freehold("run", "situation-01-user-load", "--system", "pkvm");
  expect(exitCode).toBe(0);
  expect(stdout).toContain("situation-01-user-load on pkvm");
});

test("without --system: every system that the scenario is for", async () => {
  const { stdout } = await freehold("run", aFile(`systems: [pkvm]\n${FINE}`), "--json");
  expect(jsonLines(stdout).map(({ system }) => system)).toEqual(["pkvm"]);
});

test("a scenario for other systems is not run: alone a mistake, beside others not", async () => {
  const other = aFile(`systems: [gunyah]\nscenario: other\nsteps: [{ kill: vmm }]\n`, "other.yaml");
  const alone = await freehold("run", other, "--system", "pkvm");
  expect(alone).toEqual({ exitCode: 2, stdout: "", stderr: "other is only for gunyah: not run\n" });
  expect((await freehold("run", other, aFile(FINE), "--system", "pkvm")).exitCode).toBe(0);
});

test.each([
  [["run"], "name a scenario, or give --list"],
  [["run", "x", "--list"], "--list takes no scenario"],
  [["run", "--list", "--system", "pkvm"], "--list runs nothing: it goes with --json only"],
  [["run", "--list", "--evidence"], "--list runs nothing: it goes with --json only"],
])("usage error: %j", async (args, message) => {
  const { exitCode, stdout, stderr } = await freehold(...args);
  expect([exitCode, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(message);
});

test.each([
  ["pkmv", 'unknown system "pkmv" (did you mean "pkvm"?)'],
  ["xen", 'unknown system "xen": there are pkvm'],
])("a system that is not there, %s, is refused", async (system, message) => {
  const { exitCode, stdout, stderr } = await freehold("run", "situation-01-user-load", "--system", system);
  expect([exitCode, stdout]).toEqual([3, ""]);
  expect(stderr).toContain(message);
});

test("input that is refused: one line with its place, and the others still run", async () => {
  const bad = aFile(FINE.replace("access: secret, by: vmm", "acess: secret, by: vmm"), "bad.yaml");
  const { exitCode, stdout, stderr } = await freehold("run", bad, aFile(FINE), "--system", "pkvm", "--json");
  expect([exitCode, stderr]).toEqual([3, `${bad}:8:7: unknown verb "acess" (did you mean "access"?)\n`]);
  const [refused, run] = jsonLines(stdout);
  expect(refused).toEqual({ file: bad, error: 'unknown verb "acess" (did you mean "access"?)', line: 8, column: 7 });
  expect(run).toMatchObject({ scenario: "touch", failures: [] });
});

test.each([
  [
    "situation-01-user-laod",
    'situation-01-user-laod: neither a bundled scenario (did you mean "situation-01-user-load"?) nor a file\n',
  ],
  ["./nowhere.yaml", "./nowhere.yaml: no such file\n"],
  ["", '"": neither a bundled scenario nor a file\n'],
  ["./no\nwhere\u001b[31m.yaml", "./no where.[31m.yaml: no such file\n"],
])("no such scenario: %s", async (name, line) => {
  expect(await freehold("run", name)).toEqual({ exitCode: 3, stdout: "", stderr: line });
});
