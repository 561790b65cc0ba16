// The job "scenario": a scenario on a system.

import { bundledScenarios } from "../scenario/bundled-scenarios.js";
import { runScenario, type RunOptions, type RunReport } from "../scenario/run-scenario.js";
import type { Scenario } from "../scenario/scenario.js";
import { loadSystem } from "../scenario/systems/index.js";

export interface ScenarioInput extends RunOptions {
  /** The name of a bundled one, or one that was read. */
  readonly scenario: string | Scenario;
  /** The name of a system, as in SYSTEMS. */
  readonly system: string;
}

/**
 * @throws RangeError if there is no scenario or no system of that name
 * @throws ScenarioError if the scenario needs more memory or VMs than the system's machine has
 */
export async function scenarioJob({ scenario: wanted, system: name, ...options }: ScenarioInput): Promise<RunReport> {
  const scenario = typeof wanted === "string" ? await bundledScenario(wanted) : wanted;
  const system = await loadSystem(name);
  if (system === null) throw new RangeError(`there is no system "${name}"`);
  return runScenario(scenario, system, options);
}

async function bundledScenario(name: string): Promise<Scenario> {
  const scenario = (await bundledScenarios()).find((bundled) => bundled.name === name);
  if (scenario === undefined) throw new RangeError(`there is no bundled scenario "${name}"`);
  return scenario;
}
