// `freehold run SCENARIO...`: each step of a scenario on each system with its outcome, and expectations that were not met.

import { Command } from "commander";
import { bundledScenarios } from "../scenario/bundled-scenarios.js";
import type { Cell } from "../scenario/matrix.js";
import { isFor } from "../scenario/compare.js";
import { runScenario } from "../scenario/run-scenario.js";
import type { Scenario } from "../scenario/scenario.js";
import { DIVERGED, FINE, USAGE, worstOf } from "./exit-codes.js";
import { inputFailure, writeFailure } from "./failure.js";
import { printRun, runJson } from "./run-report.js";
import { scenarioNamed } from "./scenarios.js";
import { namedSystems, systemOption } from "./system-option.js";
import { coloured, table, type Terminal, writeJson, writeLine } from "./terminal.js";

export interface RunCommandOptions {
  readonly system?: readonly string[];
  readonly json?: boolean;
  readonly evidence?: boolean;
  readonly list?: boolean;
}

export function runCommand(terminal: Terminal, finish: (exitCode: number) => void): Command {
  const command = new Command("run")
    .description("Run scenarios, step by step, and compare with what they expect.")
    .argument("[scenario...]", "names of bundled scenarios, or YAML or JSON files; - for standard input")
    .addOption(systemOption())
    .option("--evidence", "print what each outcome stands on")
    .option("--json", "one JSON object for each scenario and system on standard output")
    .option("--list", "list the bundled scenarios");
  return command.action(async (scenarios: string[], options: RunCommandOptions) => {
    const mistake = usageMistake(scenarios, options);
    if (mistake !== null) command.error(`error: ${mistake}`);
    finish(options.list === true ? await list(options, terminal) : await run(scenarios, options, terminal));
  });
}

function usageMistake(scenarios: readonly string[], { list, system, evidence }: RunCommandOptions): string | null {
  if (list !== true) return scenarios.length === 0 ? "name a scenario, or give --list" : null;
  if (scenarios.length > 0) return "--list takes no scenario";
  return system !== undefined || evidence === true ? "--list runs nothing: it goes with --json only" : null;
}

/** The bundled scenarios, by group. */
async function list({ json }: RunCommandOptions, { stdout }: Terminal): Promise<number> {
  const scenarios = await bundledScenarios();
  if (json === true) {
    for (const { name, group, title, source, systems } of scenarios) {
      writeJson(stdout, { name, group, title, source, systems });
    }
    return FINE;
  }
  const lines = table(scenarios.map(({ name, title }) => [`  ${name}`, title]));
  for (const [i, { group }] of scenarios.entries()) {
    if (scenarios[i - 1]?.group !== group) writeLine(stdout, coloured("bold", group, stdout));
    writeLine(stdout, lines[i] ?? "");
  }
  return FINE;
}

/**
 * Runs scenarios.
 *
 * @param names of bundled scenarios, or paths
 * @returns the exit code
 */
export async function run(names: readonly string[], options: RunCommandOptions, terminal: Terminal): Promise<number> {
  const codes: number[] = [];
  for (const name of names) {
    try {
      codes.push(...(await runOne(await scenarioNamed(name), options, terminal)));
    } catch (error) {
      const failure = inputFailure(name, error);
      writeFailure(failure, options.json === true, terminal);
      codes.push(failure.exitCode);
    }
  }
  // A scenario that is for none of the systems asked for is no mistake beside others; alone it is.
  return codes.length === 0 ? USAGE : worstOf(codes);
}

/** Exit codes of its runs: none if it is for none of the systems. */
async function runOne(scenario: Scenario, options: RunCommandOptions, terminal: Terminal): Promise<number[]> {
  const systems = (await namedSystems(options.system)).filter((system) => isFor(scenario, system));
  if (systems.length === 0) {
    writeLine(terminal.stderr, `${scenario.name} is only for ${scenario.systems.join(", ")}: not run`);
  }
  const codes: number[] = [];
  for (const system of systems) {
    const report = await runScenario(scenario, system);
    const cell: Cell = { scenario, system, report };
    if (options.json === true) writeJson(terminal.stdout, runJson(cell, options.evidence === true));
    else printRun(cell, options.evidence === true, terminal.stdout);
    codes.push(report.failures.length === 0 ? FINE : DIVERGED);
  }
  return codes;
}
