// The runs of one scenario on the chosen systems: started together, each done by whichever worker is free, shown as they come.

import { signal, type Signal } from "@preact/signals";
import type { RunReport } from "../../scenario/run-scenario.js";
import type { Scenario } from "../../scenario/scenario.js";
import type { ScenarioWorkers } from "./scenario-workers.js";

export type RunState =
  | { readonly state: "running" }
  | { readonly state: "cancelled" }
  | { readonly state: "not for it" }
  | { readonly state: "done"; readonly report: RunReport }
  /** One sentence. */
  | { readonly state: "failed"; readonly problem: string };

export class Runs {
  /** By system. */
  readonly states: Signal<ReadonlyMap<string, RunState>> = signal(new Map());
  readonly #workers: Pick<ScenarioWorkers, "run">;
  #scenario: Scenario | null = null;
  #abort = new AbortController();

  constructor(workers: Pick<ScenarioWorkers, "run">) {
    this.#workers = workers;
  }

  /** Runs the scenario on these systems. What is known of the same scenario already is kept, other runs are cancelled. */
  start(scenario: Scenario, systems: readonly string[]): void {
    if (scenario !== this.#scenario) this.#forget(scenario);
    const known = this.states.value;
    const missing = systems.filter((system) => isMissing(known.get(system)));
    if (missing.length === 0) return;
    if (this.#abort.signal.aborted) this.#abort = new AbortController();
    const { signal: abort } = this.#abort;
    const toRun = missing.filter((system) => isFor(scenario, system));
    this.states.value = new Map([
      ...known,
      ...missing.map((system): [string, RunState] => [
        system,
        { state: isFor(scenario, system) ? "running" : "not for it" },
      ]),
    ]);
    for (const system of toRun) void this.#run(scenario, system, abort);
  }

  /** Gives up what has not been done yet. */
  cancel(): void {
    this.#abort.abort();
    this.states.value = new Map(
      [...this.states.value].map(([system, run]) => [system, run.state === "running" ? { state: "cancelled" } : run]),
    );
  }

  #forget(scenario: Scenario): void {
    this.#abort.abort();
    this.#scenario = scenario;
    this.states.value = new Map();
  }

  async #run(scenario: Scenario, system: string, abort: AbortSignal): Promise<void> {
    const state = await this.#workers.run(scenario, system, abort).then(stateOf, failure);
    if (abort.aborted) return;
    this.states.value = new Map([...this.states.value, [system, state]]);
  }
}

function isMissing(run: RunState | undefined): boolean {
  return run === undefined || run.state === "cancelled";
}

function isFor({ systems }: Scenario, system: string): boolean {
  return systems.length === 0 || systems.includes(system);
}

function stateOf(answer: Awaited<ReturnType<ScenarioWorkers["run"]>>): RunState {
  return "report" in answer
    ? { state: "done", report: answer.report }
    : { state: "failed", problem: problemText(answer.problem) };
}

function failure(reason: unknown): RunState {
  return { state: "failed", problem: reason instanceof Error ? reason.message : String(reason) };
}

/** `run.yaml:12:5: the sentence`. */
export function problemText({
  file,
  line,
  column,
  sentence,
}: {
  file: string;
  line: number;
  column: number;
  sentence: string;
}): string {
  return `${[file, line, column].filter((part) => part !== 0).join(":")}: ${sentence}`;
}
