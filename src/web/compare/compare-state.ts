// What the compare view and the editor have in common and keep while neither is on screen.

import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { bundledScenarios } from "../../scenario/bundled-scenarios.js";
import type { Scenario } from "../../scenario/scenario.js";
import type { Store } from "../store.js";
import { editorStateOf } from "./editor-state.js";
import { Runs } from "./runs.js";
import type { SystemTitle } from "./scenario-jobs.js";
import { scenarioWorkers } from "./scenario-workers.js";

/** What is compared before anybody has chosen: the first row of the matrix. */
export const FIRST_SCENARIO = "situation-01-user-load";

export interface CompareState {
  /** Null: being loaded. */
  readonly bundled: Signal<readonly Scenario[] | null>;
  /** All systems, in the order of the matrix. */
  readonly systems: Signal<readonly SystemTitle[]>;
  /** The scenario that was run from the editor last. */
  readonly edited: ReadonlySignal<Scenario | null>;
  /** The editor's is compared, not the bundled one of the same name. */
  readonly prefersEdited: Signal<boolean>;
  /** What is compared; null: no scenario has the chosen name, or they are being loaded. */
  readonly compared: ReadonlySignal<Scenario | null>;
  readonly runs: Runs;
  readonly onlyDiffering: Signal<boolean>;
  /** Why scenarios or systems could not be loaded; null: they were, or will be. */
  readonly loadProblem: Signal<string | null>;
}

const states = new WeakMap<Store, CompareState>();

/** The state that goes with a store, made when a view first asks. */
export function compareStateOf(store: Store): CompareState {
  const known = states.get(store);
  if (known !== undefined) return known;
  const made = makeState(store);
  states.set(store, made);
  return made;
}

function makeState(store: Store): CompareState {
  const bundled = signal<readonly Scenario[] | null>(null);
  const systems = signal<readonly SystemTitle[]>([]);
  const { ran } = editorStateOf(store);
  const edited = computed(() => ran.value?.scenario ?? null);
  const prefersEdited = signal(false);
  const loadProblem = signal<string | null>(null);
  const compared = computed(() => {
    const name = store.scenario.value ?? FIRST_SCENARIO;
    if (prefersEdited.value && edited.value?.name === name) return edited.value;
    return bundled.value?.find((scenario) => scenario.name === name) ?? null;
  });
  const workers = scenarioWorkers;
  const fail = (reason: unknown) => {
    loadProblem.value = `scenarios could not be loaded: ${reason instanceof Error ? reason.message : String(reason)}`;
  };
  bundledScenarios().then((scenarios) => (bundled.value = scenarios), fail);
  workers.systems().then((titles) => (systems.value = titles), fail);
  const runs = new Runs(workers);
  return { bundled, systems, edited, prefersEdited, compared, runs, onlyDiffering: signal(false), loadProblem };
}
