// One scenario on one system: the steps, what they stand on, what became of the guests' data, and what was expected.

import { type Evidence, type Mark, weakest } from "../consequences/evidence.js";
import { EvidenceLog } from "../consequences/evidence-log.js";
import { MachineLimit } from "../consequences/machine-limit.js";
import { stepResult, type StepResult } from "../consequences/result.js";
import { cellText, NOT_APPLICABLE } from "./cell-text.js";
import { type ExpectationFailure, unmetAtEnd, unmetByStep } from "./expectations.js";
import { actorOf, type Fate, Observer } from "./observer.js";
import { ScenarioError } from "./scenario-error.js";
import type { Action, Scenario, Step } from "./scenario.js";
import type { System, World } from "./system.js";

/** What became of one step. */
export interface StepReport {
  readonly step: Step;
  readonly result: StepResult;
  /** The step is for other systems; its result is `not run`. */
  readonly skipped: boolean;
  readonly evidence: readonly Evidence[];
  /** Of the rules that were applied: the weakest. */
  readonly mark: Mark;
  /** What happened to the guests' data. */
  readonly fates: readonly Fate[];
  readonly failures: readonly ExpectationFailure[];
}

/** What became of a scenario on one system. */
export interface RunReport {
  readonly scenario: string;
  readonly system: string;
  /** One for each step of the scenario, in order. */
  readonly steps: readonly StepReport[];
  /** Nobody but the guests read what they wrote; null: they wrote nothing. */
  readonly secret: boolean | null;
  /** The guests have (the dead ones: had to the last) what they wrote; null: they wrote nothing, or gave it away. */
  readonly intact: boolean | null;
  /** Guest and host used different frames for one page. */
  readonly split: boolean;
  /** Who is dead at the end, in the order of their deaths. */
  readonly died: readonly string[];
  /** How well the cell's text is known: the weakest mark of what it stands on. */
  readonly mark: Mark;
  /** The cell's text in the codes of host-and-vmm 7.1. */
  readonly shows: string;
  /** Expectations that were not met: of the steps, in their order, then of the whole run. */
  readonly failures: readonly ExpectationFailure[];
}

export interface RunOptions {
  /** False: evidence is not put into words (marks are kept). Default: true. */
  readonly evidence?: boolean;
}

/**
 * Runs a scenario on a fresh world of a system.
 *
 * @throws ScenarioError if it needs more memory or VMs than the system's machine has
 */
export async function runScenario(scenario: Scenario, system: System, options: RunOptions = {}): Promise<RunReport> {
  const log = new EvidenceLog({ texts: options.evidence ?? true });
  const setup = { participants: scenario.participants, pages: scenario.pages };
  const world = await system.create(setup, log).catch((error: unknown) => {
    throw refusal(error, scenario, system, 0);
  });
  log.take(); // Building the world is nobody's step.
  const observer = new Observer(scenario, world);
  const run: Run = { system, world, log, observer };
  const steps = scenario.steps.map((step) => {
    try {
      return reportStep(step, run);
    } catch (error) {
      throw refusal(error, scenario, system, step.line);
    }
  });
  const end = {
    ...{ secret: observer.secret, intact: observer.intact, died: world.deaths() },
    ...cellOf(scenario, steps),
  };
  world.release?.();
  const expected = scenario.finally.get(system.name);
  const unmet = expected === undefined ? [] : unmetAtEnd(expected, end, scenario.finallyLine);
  const failures = [...steps.flatMap((step) => step.failures), ...unmet];
  return { scenario: scenario.name, system: system.name, steps, split: observer.isSplit, ...end, failures };
}

/** What the machine has no room for is the scenario's mistake. */
function refusal(error: unknown, { file }: Scenario, { name }: System, line: number): unknown {
  return error instanceof MachineLimit ? new ScenarioError(file, line, 0, `${name}: ${error.message}`) : error;
}

interface Run {
  readonly system: System;
  readonly world: World;
  readonly log: EvidenceLog;
  readonly observer: Observer;
}

function reportStep(step: Step, run: Run): StepReport {
  const { system, log, observer } = run;
  if (step.only.length > 0 && !step.only.includes(system.name)) {
    const result = stepResult("not run", { why: `the step is for ${step.only.join(", ")}` });
    return { step, result, skipped: true, evidence: [], mark: "M", fates: [], failures: [] };
  }
  const marksBefore = log.marks().length;
  const result = perform(step.action, run);
  const evidence = log.take();
  const mark = weakest(log.marks().slice(marksBefore));
  const fates = observer.after(step.action, result);
  const expected = step.expect.get(system.name);
  const failures = expected === undefined ? [] : unmetByStep(expected, result, step.line);
  return { step, result, skipped: false, evidence, mark, fates, failures };
}

function perform(action: Action, { system, world, log }: Run): StepResult {
  const lack = system.lacks.get(action.verb);
  if (lack !== undefined) {
    log.rule({ id: `${system.name}.lacks.${action.verb}`, says: lack.reason, citation: lack.citation });
    return stepResult("no such verb", { why: lack.reason });
  }
  const dead = world.deaths();
  const who = "who" in action ? action.who : actorOf(action);
  const missing = [who, "kernel", "hypervisor"].find((name) => name !== null && dead.includes(name));
  return missing === undefined ? world.perform(action) : stepResult("not run", { why: `${missing} is dead` });
}

/** What the matrix's cell shows, and the weakest mark of what that stands on: all up to that step, and fates that followed. */
function cellOf(scenario: Scenario, steps: readonly StepReport[]): { readonly shows: string; readonly mark: Mark } {
  const cell = steps[scenario.cell];
  if (cell === undefined || cell.skipped) return { shows: NOT_APPLICABLE, mark: "M" };
  const until = steps.slice(0, scenario.cell + 1);
  const after =
    cell.result.result === "ok" ? steps.slice(scenario.cell + 1).filter(({ fates }) => fates.length > 0) : [];
  const fates = new Set([cell, ...after].flatMap((step) => step.fates));
  return { shows: cellText(cell.result, fates), mark: weakest([...until, ...after].map((step) => step.mark)) };
}
