// The rows of reference ffa, section 18 (Hafnium's tests 1 to 150, and R1 to R20), each run by the scenarios that
// ffa-rows.yaml names: they exist, they name the row, and every expectation in them is met.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { bundledScenarios } from "../../src/scenario/bundled-scenarios.js";
import { runScenario } from "../../src/scenario/run-scenario.js";
import type { Scenario } from "../../src/scenario/scenario.js";
import { loadSystem } from "../../src/scenario/systems/index.js";

interface Rows {
  readonly rows: Readonly<Record<string, readonly string[]>>;
  readonly absent: Readonly<Record<string, string>>;
}

const ROWS = parse(readFileSync(new URL("ffa-rows.yaml", import.meta.url), "utf8")) as Rows;
const SCENARIOS = await bundledScenarios();
const OF_FFA = SCENARIOS.filter(({ group }) => group === "FF-A");

const numbered = (count: number, prefix = "") => Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);

/** `107..119` as its rows. */
function rowsOf(key: string): string[] {
  const [first, last] = key.split("..");
  if (last === undefined) return [key];
  return numbered(Number(last)).slice(Number(first) - 1);
}

function named(name: string): Scenario {
  const scenario = SCENARIOS.find((candidate) => candidate.name === name);
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  return scenario;
}

/** The rows that a scenario says it is made from: `ffa 18 rows 20, 21, MS ...`. */
function sourcesOf({ source }: Scenario): string[] {
  const list = /^ffa 18 rows? ((?:R?[0-9]+(?:, )?)+)/.exec(source)?.[1] ?? "";
  return list.split(", ").filter((row) => row !== "");
}

test("every row is run or has a reason why not", () => {
  const all = [...Object.keys(ROWS.rows), ...Object.keys(ROWS.absent).flatMap(rowsOf)];

  expect(all.toSorted()).toEqual([...numbered(150), ...numbered(20, "R")].toSorted());
});

test("at least 80 rows are run", () => {
  expect(Object.keys(ROWS.rows).length).toBeGreaterThanOrEqual(80);
});

test("no scenario of the group is without a row", () => {
  const named = new Set(Object.values(ROWS.rows).flat());

  expect(OF_FFA.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([]);
});

describe.each(Object.entries(ROWS.rows))("row %s", (row, names) => {
  test.each(names)("%s names the row and expects something of every system", (name) => {
    const scenario = named(name);
    const expected = new Set(scenario.steps.flatMap(({ expect: systems }) => [...systems.keys()]));

    expect(sourcesOf(scenario)).toContain(row);
    expect([...expected].toSorted()).toEqual([...scenario.systems].toSorted());
  });
});

const RUNS = OF_FFA.flatMap((scenario) => scenario.systems.map((system) => [scenario.name, system, scenario] as const));

test.each(RUNS)("%s comes out on %s as the reference has it", async (_name, systemName, scenario) => {
  const system = await loadSystem(systemName);
  if (system === null) throw new Error(`no system ${systemName}`);
  const { failures, mark } = await runScenario(scenario, system);

  expect(failures.map(({ line, field, expected, found }) => `line ${line}: ${field}: ${expected} / ${found}`)).toEqual(
    [],
  );
  expect(mark).not.toBe("U");
});
