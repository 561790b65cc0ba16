// docs/scenario-format.md is true: its example is read, runs as it says, and its tables name all there is.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { defineScenario, loadSystem, readScenario, runScenario } from "../../src/index.js";
import { PARTICIPANT_SCHEMAS, pagesSchema, STEP_SCHEMAS } from "../../src/scenario/file-schema.js";
import { BACKINGS, INSTRUCTIONS, RIGHTS, VERBS } from "../../src/scenario/scenario.js";
import { freehold } from "../cli/captured-terminal.js";

const DOCS = readFileSync("docs/scenario-format.md", "utf8");

test("the example is what runs", async () => {
  const text = /^```yaml\n([^]*?)^```$/m.exec(DOCS)?.[1] ?? "";
  const scenario = readScenario(text, "example.yaml");
  const pkvm = await loadSystem("pkvm");
  if (pkvm === null) throw new Error("no system pkvm");
  expect(await runScenario(scenario, pkvm)).toMatchObject({ shows: "SEGV", mark: "M", failures: [] });
});

test("the program prints what its comment says", async () => {
  const scenario = defineScenario({
    scenario: "touch",
    pages: { secret: { of: "guest" } },
    steps: [
      { access: "secret", by: "guest", kind: "store", value: 0xa004n },
      { access: "secret", by: "vmm", expect: { pkvm: "SIGSEGV/SEGV_ACCERR" } },
    ],
  });
  const pkvm = await loadSystem("pkvm");
  if (pkvm === null) throw new Error("no system pkvm");
  expect(await runScenario(scenario, pkvm)).toMatchObject({ shows: "SEGV", failures: [] });
});

const words = [...VERBS, ...BACKINGS, ...INSTRUCTIONS, ...RIGHTS];
const keys = [...Object.values(PARTICIPANT_SCHEMAS), pagesSchema, ...Object.values(STEP_SCHEMAS)].flatMap((schema) =>
  Object.keys(schema.shape),
);

test("every verb, backing, instruction, right and key is described", () => {
  expect([...words, ...keys].filter((word) => !DOCS.includes(`\`${word}\``))).toEqual([]);
});

test("every option of the command, and no other", async () => {
  const names = (text: string) => new Set(text.match(/(?<![\w-])--[a-z][a-z0-9-]+/g));
  const options = names((await freehold("run", "--help")).stdout);
  options.delete("--help");
  expect(names(DOCS)).toEqual(options);
});
