import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { worstOf } from "../../src/cli/exit-codes.js";
import { freehold, PROTECTED } from "./captured-terminal.js";

const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };

test("--version prints the package's version", async () => {
  expect(await freehold("--version")).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: "" });
});

test.each([["--help"], ["replay", "--help"], ["explain", "--help"], ["help", "replay"]])(
  "%s %s lists every exit code",
  async (...args) => {
    const { exitCode, stdout } = await freehold(...args);
    expect(exitCode).toBe(0);
    for (const code of [0, 1, 2, 3, 4, 5, 70]) expect(stdout).toMatch(new RegExp(`^ +${code}  \\S`, "m"));
  },
);

test("without a command the help goes to standard error, and it is a usage error", async () => {
  const { exitCode, stdout, stderr } = await freehold();
  expect([exitCode, stdout]).toEqual([2, ""]);
  expect(stderr).toContain("Usage: freehold");
});

test.each([
  [["repaly", "x"], "unknown command 'repaly'"],
  [["replay"], "missing required argument 'file'"],
  [["replay", "x", "--josn"], "unknown option '--josn'"],
  [["replay", "x", "--at", "-1"], "option '--at <n>'"],
  [["replay", "x", "--at", "1e3"], "Expected a number of operations"],
  [["replay", "x", "y", "--at", "1"], "--at, --pages and --vm take one file"],
  [["replay", "x", "--pages", "here"], "Expected frame numbers"],
  [["replay", "x", "--vm", "70000"], "Expected a VM handle"],
  [["explain", "x"], "required option '--at <n>' not specified"],
  [["explain", "x", "y", "--at", "1"], "too many arguments"],
])("usage error: %j", async (args, message) => {
  const { exitCode, stdout, stderr } = await freehold(...args);
  expect([exitCode, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(message);
});

test.each([
  [[], 0],
  [[0, 0], 0],
  [[0, 5], 5],
  [[5, 1], 1],
  [[1, 4], 4],
  [[4, 3, 1], 3],
])("several files: %j give %i", (codes, code) => {
  expect(worstOf(codes)).toBe(code);
});

test("the built command runs", () => {
  expect(execFileSync("node", ["dist/cli/bundle/main.js", "--version"], { encoding: "utf8" })).toBe(`${version}\n`);
});

test("a reader that goes away is no error, and the exit code is still that of the replay", () => {
  const command = `node dist/cli/bundle/main.js replay ${PROTECTED} --at 5 --json 2>&1 >&3 3>&- | cat`;
  const { stdout, status } = spawnSync("bash", ["-c", `set -o pipefail; { ${command}; } 3> >(exec true)`], {
    encoding: "utf8",
  });
  expect([stdout, status]).toEqual(["", 0]);
});
