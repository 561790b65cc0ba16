// The scenarios that come with Freehold: well formed, sourced, and met by every system that they state expectations for.

import { basename } from "node:path";
import { expect, test } from "vitest";
import { bundledScenarios } from "../../src/scenario/bundled-scenarios.js";
import { runScenario } from "../../src/scenario/run-scenario.js";
import type { Scenario } from "../../src/scenario/scenario.js";
import { loadSystem, SYSTEMS } from "../../src/scenario/systems/index.js";

const SCENARIOS = await bundledScenarios();

/** A page of the reference or the recordings, and its sections. */
const SOURCE = /^(host-and-vmm|gunyah|ffa|verbs|observed)\b/;

/** The systems that a scenario states an expectation for. */
function systemsExpectedIn({ steps, finally: final }: Scenario): string[] {
  return [...new Set([...steps.flatMap(({ expect: expected }) => [...expected.keys()]), ...final.keys()])];
}

const EXPECTED = SCENARIOS.flatMap((scenario) =>
  SYSTEMS.filter(({ name }) => systemsExpectedIn(scenario).includes(name)).map(
    ({ name }) => [scenario.name, name, scenario] as const,
  ),
);

test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))("%s names itself", (name, scenario) => {
  expect(basename(scenario.file)).toBe(`${name}.yaml`);
  expect(scenario.title).not.toBe(name);
  expect(scenario.source).toMatch(SOURCE);
});

test("no two have one name", () => {
  const names = SCENARIOS.map(({ name }) => name);

  expect(new Set(names).size).toBe(names.length);
});

test("every scenario states what some system answers", () => {
  expect(SCENARIOS.filter((scenario) => systemsExpectedIn(scenario).length === 0).map(({ name }) => name)).toEqual([]);
});

test.each(EXPECTED)("%s comes out on %s as stated", async (_name, systemName, scenario) => {
  const system = await loadSystem(systemName);
  if (system === null) throw new Error(`no system ${systemName}`);

  const { failures } = await runScenario(scenario, system);

  expect(failures.map(({ line, field, expected, found }) => `line ${line}: ${field}: ${expected} / ${found}`)).toEqual(
    [],
  );
});
