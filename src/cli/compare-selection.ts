// Which scenarios and systems a matrix is of, as the command line names them.

import { bundledScenarios } from "../scenario/bundled-scenarios.js";
import { isFor } from "../scenario/compare.js";
import type { Scenario } from "../scenario/scenario.js";
import type { System } from "../scenario/system.js";
import { suggestion } from "../trace/spelling.js";
import { RefusedInput } from "./failure.js";
import { scenarioNamed } from "./scenarios.js";
import { namedSystems } from "./system-option.js";

export interface SelectionOptions {
  readonly all?: boolean;
  /** Names; none: all. */
  readonly system?: readonly string[];
  /** A name or its first words. */
  readonly group?: string;
  /** `ROW` or `ROW:SYSTEM`: nothing else is run. */
  readonly evidence?: string | boolean;
}

/** Rows and columns of a matrix. */
export interface Selection {
  readonly scenarios: readonly Scenario[];
  readonly systems: readonly System[];
}

/**
 * @param names of bundled scenarios, or paths
 * @throws RefusedInput or ScenarioError on what there is not, or what cannot be read
 */
export async function selectionOf(names: readonly string[], options: SelectionOptions): Promise<Selection> {
  const scenarios = await chosenScenarios(names, options);
  const systems = await namedSystems(options.system);
  return typeof options.evidence === "string"
    ? opened(options.evidence, { scenarios, systems })
    : { scenarios, systems };
}

async function chosenScenarios(
  names: readonly string[],
  { all, group }: SelectionOptions,
): Promise<readonly Scenario[]> {
  const scenarios = all === true ? await bundledScenarios() : await Promise.all(names.map(scenarioNamed));
  refuseTwins(scenarios);
  if (group === undefined) return scenarios;
  const chosen = scenarios.filter((scenario) => isGroup(scenario.group, group));
  if (chosen.length > 0) return chosen;
  throw new RefusedInput("--group", 0, `no scenario is of a group "${group}"${suggestion(group, groupsOf(scenarios))}`);
}

/** `1 Host user space` and `1` begin the name `1 Host user space touches a private page`; `Host` does not. */
function isGroup(name: string, asked: string): boolean {
  return `${name} `.toLowerCase().startsWith(`${asked.trim()} `.toLowerCase());
}

const groupsOf = (scenarios: readonly Scenario[]) => new Set(scenarios.map(({ group }) => group));

/** Cells are told apart by the names of their scenarios. */
function refuseTwins(scenarios: readonly Scenario[]): void {
  const files = new Map<string, string>();
  for (const { name, file } of scenarios) {
    const other = files.get(name);
    if (other !== undefined) throw new RefusedInput(file, 0, `scenario "${name}" is there already: ${other}`);
    files.set(name, file);
  }
}

/** What `ROW` or `ROW:SYSTEM` leaves of rows and columns. */
function opened(cells: string, { scenarios, systems }: Selection): Selection {
  const [row = "", ...rest] = cells.split(":");
  const column = rest.length === 0 ? undefined : rest.join(":");
  const scenario = named(row, scenarios, "scenario");
  if (column === undefined) return { scenarios: [scenario], systems };
  const system = named(column, systems, "system");
  if (isFor(scenario, system)) return { scenarios: [scenario], systems: [system] };
  throw new RefusedInput("--evidence", 0, `${scenario.name} is not for ${system.name}`);
}

function named<Thing extends { readonly name: string }>(name: string, things: readonly Thing[], noun: string): Thing {
  const found = things.find((thing) => thing.name === name);
  if (found !== undefined) return found;
  const names = things.map((thing) => thing.name);
  throw new RefusedInput("--evidence", 0, `no ${noun} of this matrix is named "${name}"${suggestion(name, names)}`);
}
