// What there is to say of the text in the editor: why it is no scenario, or which expectations its last run did not meet.

import type { Scenario } from "../../scenario/scenario.js";
import { problemText, type RunState } from "./runs.js";
import type { Reading } from "./scenario-jobs.js";

export interface Finding {
  /** From 1; 0: no line is to blame. */
  readonly line: number;
  /** From 1; 0: the whole line. */
  readonly column: number;
  /** One sentence with file and line. */
  readonly text: string;
}

/**
 * @param reading of the text; null: it has not been read yet
 * @param ran the scenario that was run last
 * @param runs of it, by system
 */
export function findingsOf(
  reading: Reading | null,
  ran: Scenario | null,
  runs: ReadonlyMap<string, RunState>,
): readonly Finding[] {
  if (reading === null) return [];
  if ("problem" in reading) {
    const { line, column } = reading.problem;
    return [{ line, column, text: problemText(reading.problem) }];
  }
  return ran === null ? [] : unmetExpectations(ran, runs);
}

function unmetExpectations({ name, file }: Scenario, runs: ReadonlyMap<string, RunState>): readonly Finding[] {
  return [...runs].flatMap(([system, run]) => {
    if (run.state !== "done" || run.report.scenario !== name) return [];
    return run.report.failures.map(({ line, field, expected, found }) => {
      const text = `${file}:${line}: on ${system}: expected ${field} ${expected}, found ${found}`;
      return { line, column: 0, text };
    });
  });
}
