// What workers do for the compare view: they read scenarios and run them. What a person may get wrong is an answer, with the
// place that is to blame.

import type { ScenarioFile } from "../../scenario/file-schema.js";
import { defineScenario, readScenario } from "../../scenario/read-scenario.js";
import { runScenario, type RunReport } from "../../scenario/run-scenario.js";
import { ScenarioError } from "../../scenario/scenario-error.js";
import type { Scenario } from "../../scenario/scenario.js";
import type { System } from "../../scenario/system.js";
import { loadSystem, SYSTEMS } from "../../scenario/systems/index.js";

/** What is wrong, where: as the command line says it. */
export interface Problem {
  readonly file: string;
  /** From 1; 0 if no line is to blame. */
  readonly line: number;
  /** From 1; 0 if no column is to blame. */
  readonly column: number;
  readonly sentence: string;
}

export type Reading = { readonly scenario: Scenario } | { readonly problem: Problem };
export type Running = { readonly report: RunReport } | { readonly problem: Problem };

export interface SystemTitle {
  readonly name: string;
  readonly title: string;
}

export const SCENARIO_JOBS = {
  /** All systems, in the order of the matrix's columns. */
  systems: (): Promise<readonly SystemTitle[]> =>
    Promise.resolve(SYSTEMS.map(({ name, title }): SystemTitle => ({ name, title }))),

  /** A scenario in YAML or JSON. `file`: by which messages call it. */
  read: ({ text, file }: { text: string; file: string }): Promise<Reading> =>
    answer(() => ({ scenario: readScenario(text, file) })),

  /** A scenario that the page has made. */
  define: (scenario: ScenarioFile): Promise<Reading> => answer(() => ({ scenario: defineScenario(scenario) })),

  /** A scenario on the system of this name. */
  run: ({ scenario, system }: { scenario: Scenario; system: string }): Promise<Running> =>
    answer(async () => ({ report: await runScenario(scenario, await systemNamed(system)) })),
} as const;

/** The names of a link are anybody's. */
async function systemNamed(name: string): Promise<System> {
  const system = await loadSystem(name);
  if (system === null) throw new RangeError(`there is no system "${name}"`);
  return system;
}

async function answer<T>(ask: () => T | Promise<T>): Promise<T | { readonly problem: Problem }> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    const { file, line, column, sentence } = error;
    return { problem: { file, line, column, sentence } };
  }
}
