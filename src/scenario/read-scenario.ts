// Scenarios from texts and programs (load-scenario.ts: from files). Everything that is said of a bad one is one sentence with its place.

import { excerpt } from "../trace/replay.js";
import { suggestion } from "../trace/spelling.js";
import { Cast } from "./cast.js";
import { checkSystem, readFinalExpectations } from "./read-expectations.js";
import { outlineSchema, type ScenarioFile } from "./file-schema.js";
import { stepsOf } from "./page-runs.js";
import { isMapping, readPart } from "./part.js";
import { readStep } from "./read-step.js";
import type { Scenario, Step } from "./scenario.js";
import { objectSource, type Source, textSource } from "./source.js";
import { hasPartitions, SYSTEM_NAMES } from "./systems/index.js";

/** So that a short file cannot stand for a run without end: steps, and pages that they name. */
const MOST_STEPS = 1024;
const MOST_PAGES_NAMED = 32_768;

/**
 * A scenario written in a program: what a file says, with numbers as bigint, number or string.
 *
 * @throws ScenarioError with the field to blame
 */
export function defineScenario(scenario: ScenarioFile): Scenario {
  return scenarioOf(objectSource(`scenario "${excerpt(String(scenario.scenario))}"`, scenario));
}

/**
 * A scenario in YAML or JSON (docs/scenario-format.md).
 *
 * @param file name of the file, for messages
 * @throws ScenarioError with file, line and column
 */
export function readScenario(text: string, file: string): Scenario {
  return scenarioOf(textSource(text, file));
}

function scenarioOf(source: Source): Scenario {
  if (!isMapping(source.value)) throw source.error([], `no scenario: a mapping with "scenario", "pages" and "steps"`);
  const outline = readPart(source, [], outlineSchema, source.value, "a scenario");
  const { scenario: name, title = name, source: written = "", group = "Scenarios" } = outline;
  const systems = readSystems(source, outline.systems ?? []);
  const cast = new Cast(source, outline.participants, outline.pages);
  checkPartitions(source, cast, systems);
  const places = { source, cast, systems: systems.length === 0 ? SYSTEM_NAMES : systems };
  const steps = readSteps(places, outline.steps);
  return {
    ...{ name, title, source: written, group, systems },
    participants: cast.participants,
    pages: cast.pages,
    steps,
    cell: cellOf(source, steps, outline.cell),
    finally: readFinalExpectations(outline.finally, {
      ...places,
      path: ["finally"],
      restriction: `the scenario is only for ${systems.join(", ")}`,
    }),
    finallyLine: outline.finally === undefined ? 0 : source.line(["finally"]),
    file: source.file,
  };
}

function readSystems(source: Source, names: readonly string[]): readonly string[] {
  for (const [i, name] of names.entries()) checkSystem(source, ["systems", i], name, "value");
  return names;
}

/** Partitions are FF-A's: a system without partition managers cannot make them. */
function checkPartitions(source: Source, { participants }: Cast, systems: readonly string[]): void {
  const partition = participants.find(({ role }) => role === "partition");
  if (partition === undefined) return;
  const without = (systems.length === 0 ? SYSTEM_NAMES : systems).find((name) => !hasPartitions(name));
  if (without === undefined) return;
  const advice = systems.length === 0 ? `: "systems" must name those it is for` : "";
  throw source.error(["participants", partition.name], `${without} has no partitions${advice}`, "key");
}

function readSteps(places: Omit<Parameters<typeof readStep>[0], "saved">, values: readonly unknown[]): readonly Step[] {
  const { source } = places;
  if (values.length === 0) throw source.error(["steps"], "a scenario needs a step");
  const context = { ...places, saved: new Set<string>() };
  const steps: Step[] = [];
  let pagesNamed = 0;
  for (const [i, value] of values.entries()) {
    for (const entry of stepsOf(value)) {
      const step = readStep(context, ["steps", i], entry);
      pagesNamed += "pages" in step.action ? step.action.pages.length : 1;
      const excess = excessOf(steps.length + 1, pagesNamed);
      if (excess !== null) throw source.error(["steps", i], excess);
      if (step.id !== null && steps.some(({ id }) => id === step.id)) {
        throw source.error(["steps", i, "id"], `id: two steps are called "${step.id}"`);
      }
      steps.push(step);
    }
  }
  return steps;
}

function excessOf(steps: number, pagesNamed: number): string | null {
  if (steps > MOST_STEPS) return `a scenario has at most ${MOST_STEPS} steps`;
  return pagesNamed > MOST_PAGES_NAMED ? `the steps name more than ${MOST_PAGES_NAMED} pages` : null;
}

function cellOf(source: Source, steps: readonly Step[], id: string | undefined): number {
  if (id === undefined) return steps.length - 1;
  const index = steps.findIndex((step) => step.id === id);
  if (index >= 0) return index;
  const ids = steps.flatMap((step) => (step.id === null ? [] : [step.id]));
  throw source.error(["cell"], `cell: no step has the id "${excerpt(id)}"${suggestion(id, ids)}`);
}
