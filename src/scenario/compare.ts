// Runs scenarios on systems and lays out the matrix. Nothing here knows how a system answers.

import type { Cell, Matrix, Row } from "./matrix.js";
import { runScenario, type RunOptions } from "./run-scenario.js";
import type { Scenario } from "./scenario.js";
import type { System } from "./system.js";

/** Runs every scenario on every system that it is for. */
export async function compareScenarios(
  scenarios: readonly Scenario[],
  systems: readonly System[],
  options: RunOptions = {},
): Promise<Matrix> {
  const groups = new Map<string, Row[]>();
  for (const scenario of scenarios) {
    const rows = groups.get(scenario.group) ?? [];
    rows.push(await compareSystems(scenario, systems, options));
    groups.set(scenario.group, rows);
  }
  return { systems, groups: [...groups].map(([name, rows]) => ({ name, rows })) };
}

async function compareSystems(scenario: Scenario, systems: readonly System[], options: RunOptions): Promise<Row> {
  const cells: (Cell | null)[] = [];
  for (const system of systems) {
    const cell = async () => ({ scenario, system, report: await runScenario(scenario, system, options) });
    cells.push(isFor(scenario, system) ? await cell() : null);
  }
  return { scenario, cells };
}

/** Whether a scenario is for a system: it names none, or this one. */
export function isFor(scenario: Scenario, system: System): boolean {
  return scenario.systems.length === 0 || scenario.systems.includes(system.name);
}
