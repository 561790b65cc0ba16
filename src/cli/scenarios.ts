// Scenarios as the command line names them: a bundled one by its name, any other by its path.

import { existsSync } from "node:fs";
import { bundledScenarios } from "../scenario/bundled-scenarios.js";
import type { Scenario } from "../scenario/scenario.js";
import { excerpt } from "../trace/replay.js";
import { suggestion } from "../trace/spelling.js";
import { RefusedInput } from "./failure.js";

/**
 * The bundled scenario of that name, or the one in that file (`-`: standard input).
 *
 * @throws ScenarioError if the file is no scenario; RefusedInput if there is neither
 */
export async function scenarioNamed(name: string): Promise<Scenario> {
  if (isPath(name)) return scenarioIn(name);
  const bundled = await bundledScenarios();
  const found = bundled.find((scenario) => scenario.name === name);
  if (found !== undefined) return found;
  if (existsSync(name)) return scenarioIn(name);
  const names = bundled.map((scenario) => scenario.name);
  throw new RefusedInput(
    excerpt(name.trim()) || `"${excerpt(name)}"`,
    0,
    `neither a bundled scenario${suggestion(name, names)} nor a file`,
  );
}

const isPath = (name: string) => name === "-" || /[/\\]|\.(ya?ml|json)$/.test(name);

async function scenarioIn(path: string): Promise<Scenario> {
  const { loadScenario } = await import("../scenario/load-scenario.js");
  return loadScenario(path);
}
