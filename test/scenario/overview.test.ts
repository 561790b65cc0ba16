// The matrix against the overview of reference host-and-vmm 7.1, cell by cell. overview.yaml holds the overview's text, the
// section behind each row, the marks that the reference gives, and which runs show the cell.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { MARKS, type Mark } from "../../src/consequences/evidence.js";
import { bundledScenarios } from "../../src/scenario/bundled-scenarios.js";
import { type RunReport, runScenario } from "../../src/scenario/run-scenario.js";
import { loadSystem, SYSTEMS } from "../../src/scenario/systems/index.js";

/** What must come out of a run. */
interface Facts {
  readonly result?: string;
  readonly value?: number;
  readonly shows?: string;
  readonly mark?: Mark;
  readonly secret?: boolean;
  readonly intact?: boolean;
  readonly died?: readonly string[];
}

interface Cell {
  readonly text: string;
  readonly marks?: readonly Mark[];
  /** By `scenario on system`, or `scenario on system at step`. */
  readonly runs?: Readonly<Record<string, Facts>>;
}

interface Overview {
  readonly columns: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly absent: Readonly<Record<string, string>>;
  readonly rows: readonly {
    readonly row: number;
    readonly situation: string;
    readonly section: string;
    readonly cells: Readonly<Record<string, Cell>>;
  }[];
}

const OVERVIEW = parse(readFileSync(new URL("overview.yaml", import.meta.url), "utf8")) as Overview;
const SCENARIOS = await bundledScenarios();
const REGISTERED = SYSTEMS.map(({ name }) => name);

const CELLS = OVERVIEW.rows.flatMap(({ row, situation, section, cells }) =>
  Object.keys(OVERVIEW.columns).map((column) => {
    const cell = cells[column];
    if (cell === undefined) throw new Error(`row ${row} has no cell ${column}`);
    return { row, situation, section, column, ...cell };
  }),
);

test("the overview has 13 rows", () => {
  expect(OVERVIEW.rows.map(({ row }) => row)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
});

test("every column's systems are there", () => {
  const systems = Object.values(OVERVIEW.columns).flatMap((column) => Object.keys(column));

  expect(systems.filter((system) => !REGISTERED.includes(system))).toEqual([]);
});

test.each(Object.entries(OVERVIEW.absent))("%s (%s) is not there yet", (column) => {
  expect(Object.keys(OVERVIEW.columns)).not.toContain(column);
  expect(OVERVIEW.rows.map(({ cells }) => cells[column]?.runs)).toEqual(OVERVIEW.rows.map(() => undefined));
});

describe.each(CELLS)("row $row $column, $situation: $text (section $section)", ({ runs = {}, marks = [] }) => {
  const entries = Object.entries(runs).map(([key, facts]) => ({ key, ...placeOf(key), facts }));

  test("some run shows it", () => {
    expect(entries).not.toEqual([]);
  });

  test.each(entries.filter(({ system }) => REGISTERED.includes(system)))(
    "$key",
    async ({ scenario, system, at, facts }) => {
      const report = await reportOf(scenario, system);

      expect(factsOf(report, at)).toMatchObject(facts);
      const stated = facts.mark === undefined ? marks : [facts.mark];
      expect(isWeaker(report.mark, stated), `mark ${report.mark}, stated ${stated.join(", ")}`).toBe(false);
    },
  );
});

/** `situation-07-guest-shares on pkvm at read` */
function placeOf(key: string): { scenario: string; system: string; at: string | undefined } {
  const [scenario = "", place = ""] = key.split(" on ");
  const [system = "", at] = place.split(" at ");
  return { scenario, system, at };
}

async function reportOf(name: string, systemName: string): Promise<RunReport> {
  const scenario = SCENARIOS.find((candidate) => candidate.name === name);
  const system = await loadSystem(systemName);
  if (scenario === undefined || system === null) throw new Error(`no ${name} on ${systemName}`);
  return runScenario(scenario, system);
}

function factsOf(report: RunReport, at: string | undefined) {
  const scenario = SCENARIOS.find(({ name }) => name === report.scenario);
  const index = at === undefined ? scenario?.cell : scenario?.steps.findIndex(({ id }) => id === at);
  const step = report.steps[index ?? -1];
  if (step === undefined) throw new Error(`${report.scenario} has no step ${at}`);
  const { shows, mark, secret, intact, died } = report;
  const { result, value } = step.result;
  return { result, value: value === null ? null : Number(value), shows, mark, secret, intact, died };
}

/** A cell that the reference calls measured or read from source must not stand on less. */
function isWeaker(mark: Mark, stated: readonly Mark[]): boolean {
  return MARKS.indexOf(mark) > Math.max(...stated.map((each) => MARKS.indexOf(each)));
}
