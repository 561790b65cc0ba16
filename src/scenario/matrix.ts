// The matrix: scenarios against systems. A cell is one run; what a renderer wants to know of it is asked here.

import type { Mark, Party } from "../consequences/evidence.js";
import type { ExpectationFailure } from "./expectations.js";
import type { RunReport } from "./run-scenario.js";
import type { Scenario } from "./scenario.js";
import type { System } from "./system.js";

/** A scenario and what became of it on one system. */
export interface Run {
  readonly scenario: Scenario;
  readonly report: RunReport;
}

export interface Cell extends Run {
  readonly system: System;
}

/** One scenario on every system; null where the scenario is not for that system. */
export interface Row {
  readonly scenario: Scenario;
  readonly cells: readonly (Cell | null)[];
}

/** Rows under one heading. */
export interface Group {
  readonly name: string;
  readonly rows: readonly Row[];
}

export interface Matrix {
  readonly systems: readonly System[];
  /** In the order in which the scenarios name them first. */
  readonly groups: readonly Group[];
}

/** Every cell that was run, row by row. */
export function* cellsOf(matrix: Matrix): Generator<Cell> {
  for (const { rows } of matrix.groups)
    for (const { cells } of rows) for (const cell of cells) if (cell !== null) yield cell;
}

/** What each party saw in the step that the cell shows. Parties that saw nothing are absent. */
export function sawInCell({ scenario, report }: Run): ReadonlyMap<Party, readonly string[]> {
  const saw = new Map<Party, string[]>();
  for (const evidence of report.steps[scenario.cell]?.evidence ?? []) {
    if (evidence.kind !== "saw") continue;
    const sentences = saw.get(evidence.party) ?? [];
    if (!sentences.includes(evidence.text)) sentences.push(evidence.text);
    saw.set(evidence.party, sentences);
  }
  return saw;
}

/** Why the system cannot express what the cell asks: of the step that it shows, else of the first such step. Null if it can. */
export function lackOf({ scenario, report }: Run): string | null {
  const shown = report.steps[scenario.cell];
  const lacking = [shown, ...report.steps].find((step) => step?.result.result === "no such verb");
  return lacking === undefined ? null : (lacking.result.why ?? "no reason given");
}

/** An expectation of a cell that was not met: of a step (its number from 1), or null: of the whole run. */
export interface CellFailure extends ExpectationFailure {
  readonly step: number | null;
}

/** First those of the steps, in their order. */
export function failuresOf({ report }: Run): CellFailure[] {
  const ofSteps = report.steps.flatMap(({ failures }, i) => failures.map((failure) => ({ ...failure, step: i + 1 })));
  const ofRun = report.failures.slice(ofSteps.length);
  return [...ofSteps, ...ofRun.map((failure) => ({ ...failure, step: null }))];
}

/** Why the cell has nothing to show, or shows less than it might. Null if it shows all. */
export function noteOf(run: Run): string | null {
  const lack = lackOf(run);
  if (lack !== null) return `no such verb: ${lack}`;
  const shown = run.report.steps[run.scenario.cell]?.result;
  return shown?.result === "not run" ? `not run: ${shown.why ?? "nobody is left to act"}` : null;
}

/** The cell's short text with its mark: `?` behind what is unverified, `~` behind what is only posted. */
export function markedText({ report }: Run): string {
  return report.shows + MARK_SUFFIX[report.mark];
}

/** Facts that were measured or read from source stand as they are. */
export const MARK_SUFFIX: Readonly<Record<Mark, string>> = { M: "", S: "", P: "~", U: "?" };

export const MARK_WORDS: Readonly<Record<Mark, string>> = {
  M: "measured",
  S: "read from source",
  P: "posted or stated by its authors",
  U: "unverified",
};
