// `freehold explore --random`: a campaign at the command line, and one that goes on.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

const random = (...options: string[]) => freehold("explore", "--preset", "tiny", "--random", ...options);

test("nothing found is never more than a bound that was reached", async () => {
  const { exitCode, stdout, stderr } = await random("--ways", "200");
  expect([exitCode, stderr]).toEqual([5, ""]);
  expect(stdout).toMatch(/^bounds: 200 ways$/m);
  expect(stdout).toMatch(/^tried: 200 ways, [\d,]+ operations, \d+ kinds of answers/m);
  expect(stdout).toMatch(/\nnothing found in the ways that were tried\n$/);
});

// The panics that unmodified pKVM has are there to be found (reference pkvm-el2 section 12).
test("what is found is told like any finding, once per broken rule and verb", async () => {
  const { exitCode, stdout } = await freehold("explore", "--preset", "panics", "--random", "--ways", "300", "--json");
  expect(exitCode).toBe(1);
  const [campaign, ...findings] = jsonLines(stdout);
  expect(campaign).toMatchObject({ campaign: true, ways: 300, findings: findings.length });
  expect(findings[0]).toMatchObject({ finding: "panic", confirmed: true });
});

test("a campaign in a file goes on where it was", async () => {
  const file = join(folder, "campaign.jsonl");
  await random("--ways", "200", "--campaign", file);
  const begun = readFileSync(file, "utf8");
  writeFileSync(file, `${begun}{"ways":1`); // killed while it wrote
  const { exitCode, stdout } = await random("--ways", "300", "--campaign", file);
  expect(exitCode).toBe(5);
  expect(stdout).toMatch(/^tried: 300 ways/m);
  expect(readFileSync(file, "utf8").startsWith(begun)).toBe(true);
  expect(readFileSync(file, "utf8").trimEnd().split("\n")).toHaveLength(3);
});

test.each([
  ["of another seed", (text: string) => text, ["--seed", "2"], /:1: this is the campaign of another search/],
  ["that is none", () => "ways\n", [], /:1: no line of a campaign: it is no JSON/],
])("a file %s is refused with a sentence", async (name, change, options, sentence) => {
  const file = join(folder, `${name}.jsonl`);
  await random("--ways", "10", "--campaign", file);
  writeFileSync(file, change(readFileSync(file, "utf8")));
  const { exitCode, stderr } = await random("--ways", "20", "--campaign", file, ...options);
  expect(exitCode).toBe(3);
  expect(stderr).toMatch(sentence);
});

test.each([
  [["--seed", "2"], /--seed, --ways and --campaign go with --random/],
  [["--random", "--cpus", "2"], /--random goes with neither/],
  [["--random", "--bug", "init-vm-late-failure"], /--bug: every state is searched/],
])("%j: wrong options", async (options, sentence) => {
  const { exitCode, stderr } = await freehold("explore", ...options);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(sentence);
});
