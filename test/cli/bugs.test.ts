// `freehold bugs`: the catalogue, and what is said of one bug.

import { expect, test } from "vitest";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import { freehold, jsonLines } from "./captured-terminal.js";

test("a line for each bug, and how many there are", async () => {
  const { exitCode, stdout } = await freehold("bugs");
  expect(exitCode).toBe(0);
  const [head, ...lines] = stdout.split("\n");
  expect(head).toMatch(/^NAME +CLASS +FOUND BY +BREAKS +SOURCE$/);
  expect(lines.slice(0, BUGS.length).map((line) => line.split(" ")[0])).toEqual(BUGS.map(({ name }) => name));
  expect(stdout).toContain(`${BUGS.length} bugs, ${BUGS.filter(hasSearch).length} found by a search`);
});

test("--class chooses, --json gives an object for each", async () => {
  const { exitCode, stdout } = await freehold("bugs", "--class", "S", "--json");
  expect(exitCode).toBe(0);
  const sequential = BUGS.filter(({ classes }) => classes.includes("S"));
  expect(jsonLines(stdout).map(({ name }) => name)).toEqual(sequential.map(({ name }) => name));
  expect(jsonLines(stdout)).toContainEqual({
    name: "share-guest-before-memcache-check",
    section: "2.2",
    classes: ["S"],
    source: "6.14-era → 7.1 (8234409ffb65)",
    mistake: "the page is marked shared before the vCPU's table pages are counted, and the guest's map fails",
    breaks: "half a transition; the host stops the machine",
    search: {
      ...{ kind: "panic", rule: null, cpus: 1, command: "freehold explore --bug share-guest-before-memcache-check" },
      unmended: false,
    },
    whyNot: null,
  });
});

test("every bug says which search finds it, or why none does", async () => {
  const { stdout } = await freehold("bugs", "--json");
  for (const { search, whyNot } of jsonLines(stdout))
    expect([search, whyNot].filter((told) => told !== null)).toHaveLength(1);
});

test("by name: all that is known", async () => {
  const { stdout } = await freehold("bugs", "init-vm-late-failure");
  expect(stdout).toMatch(/^ {2}source +6\.18 → 7\.2 .*section 2\.2\)$/m);
  expect(stdout).toMatch(/^ {2}class +S: a sequence of calls shows it$/m);
});

test.each([
  [["bugs", "init-vm-late-failur"], 'unknown bug "init-vm-late-failur" (did you mean "init-vm-late-failure"?)'],
  [["bugs", "--class", "Q"], 'unknown class "Q"'],
])("usage error: %j", async (args, message) => {
  const { exitCode, stdout, stderr } = await freehold(...args);
  expect([exitCode, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(message);
});
