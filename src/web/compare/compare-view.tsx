// A scenario on several systems: what is chosen, how far it is, and the table.

import { useSignal, useSignalEffect } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useMemo, useRef } from "preact/hooks";
import type { Scenario } from "../../scenario/scenario.js";
import type { Store } from "../store.js";
import "./compare.css";
import { type CompareState, compareStateOf, FIRST_SCENARIO } from "./compare-state.js";
import { ComparisonTable, type OpenCell } from "./comparison-table.js";
import { editBundled } from "./editor-state.js";
import { EvidenceDialog } from "./evidence-dialog.js";
import { MarkLegend } from "./mark-legend.js";
import { ScenarioChoice } from "./scenario-choice.js";
import { sideBySide } from "./side-by-side.js";
import { SystemsChoice } from "./systems-choice.js";

export function CompareView({ store }: { store: Store }) {
  const state = compareStateOf(store);
  const opened = useSignal<OpenCell | null>(null);
  useSignalEffect(() => {
    const scenario = state.compared.value;
    const systems = store.systems.value;
    if (scenario !== null) state.runs.start(scenario, systems);
  });
  const scenario = state.compared.value;
  return (
    <section class="compare" aria-label="Compare systems">
      <div class="compare-choice">
        <Choice summary="Scenario">
          <ScenarioChoice store={store} state={state} />
        </Choice>
        <Choice summary={`Systems: ${store.systems.value.length} of ${state.systems.value.length}`}>
          <SystemsChoice store={store} state={state} />
        </Choice>
      </div>
      {state.loadProblem.value !== null && <p role="alert">{state.loadProblem.value}</p>}
      {scenario === null ? (
        <Missing store={store} state={state} />
      ) : (
        <Compared store={store} state={state} {...{ scenario, opened }} />
      )}
    </section>
  );
}

/** On a phone the table comes first: what can be chosen is folded away. */
function Choice({ summary, children }: { summary: string; children: ComponentChildren }) {
  const isWide = useMemo(() => matchMedia("(width >= 45rem)").matches, []);
  return (
    <details class="panel" open={isWide}>
      <summary>{summary}</summary>
      {children}
    </details>
  );
}

function Missing({ store, state }: { store: Store; state: CompareState }) {
  if (state.bundled.value === null)
    return state.loadProblem.value === null ? <p role="status">Loading the scenarios.</p> : null;
  return <p role="alert">No bundled scenario is called "{store.scenario.value ?? FIRST_SCENARIO}".</p>;
}

interface ComparedProps {
  readonly store: Store;
  readonly state: CompareState;
  readonly scenario: Scenario;
  readonly opened: { value: OpenCell | null };
}

function Compared({ store, state, scenario, opened }: ComparedProps) {
  const shown = useRef<HTMLButtonElement | null>(null);
  const columns = store.systems.value.map((system) => {
    const run = state.runs.states.value.get(system);
    const title = state.systems.value.find(({ name }) => name === system)?.title ?? system;
    return { system, title, run, report: run?.state === "done" ? run.report : null };
  });
  const open = (cell: OpenCell, button: HTMLButtonElement) => {
    shown.current = button;
    opened.value = cell;
  };
  const close = () => {
    opened.value = null;
    shown.current?.focus();
  };
  return (
    <>
      <ScenarioHead store={store} state={state} scenario={scenario} />
      <ComparisonTable
        {...{ scenario, columns, open }}
        comparison={sideBySide(scenario, columns)}
        onlyDiffering={state.onlyDiffering.value}
      />
      <MarkLegend />
      {opened.value !== null && (
        <EvidenceDialog {...{ scenario, columns, close }} cell={opened.value} show={(cell) => (opened.value = cell)} />
      )}
    </>
  );
}

function ScenarioHead({ store, state, scenario }: { store: Store; state: CompareState; scenario: Scenario }) {
  const isEdited = scenario === state.edited.value;
  const edit = () => {
    store.view.value = "scenario";
    if (isEdited) return;
    editBundled(store, scenario.name).catch((reason: unknown) => {
      store.problem.value = `the scenario's text could not be loaded: ${String(reason)}`;
    });
  };
  return (
    <header class="compare-head">
      <h2>{scenario.title}</h2>
      <p class="muted">
        <code>{scenario.name}</code>
        {scenario.source !== "" && <>, {scenario.source}</>}
        {isEdited && <>. From the editor; a link carries only bundled scenarios.</>}
      </p>
      <ForSystems store={store} scenario={scenario} />
      <div class="compare-actions">
        <label>
          <input
            type="checkbox"
            checked={state.onlyDiffering.value}
            onChange={({ currentTarget }) => (state.onlyDiffering.value = currentTarget.checked)}
          />{" "}
          Only differing steps
        </label>
        <button type="button" onClick={edit}>
          Edit this scenario
        </button>
        <RunProgress state={state} systems={store.systems.value} />
      </div>
    </header>
  );
}

/** Says which systems the scenario is for, where others are chosen or not all of these. */
function ForSystems({ store, scenario: { systems } }: { store: Store; scenario: Scenario }) {
  if (systems.length === 0 || systems.every((system) => store.systems.value.includes(system))) return null;
  return (
    <p>
      The scenario is for {systems.join(", ")}.{" "}
      <button type="button" onClick={() => (store.systems.value = systems)}>
        Compare these
      </button>
    </p>
  );
}

function RunProgress({ state, systems }: { state: CompareState; systems: readonly string[] }) {
  const runs = systems.flatMap((system) => state.runs.states.value.get(system)?.state ?? []);
  const asked = runs.filter((run) => run !== "not for it");
  const done = asked.filter((run) => run === "done" || run === "failed").length;
  const isRunning = asked.includes("running");
  const again = () => {
    const scenario = state.compared.value;
    if (scenario !== null) state.runs.start(scenario, systems);
  };
  return (
    <span class="compare-progress">
      {isRunning && (
        <>
          <progress max={asked.length} value={done} aria-label="Systems done" />
          <button type="button" onClick={() => state.runs.cancel()}>
            Cancel
          </button>
        </>
      )}
      {!isRunning && asked.includes("cancelled") && (
        <button type="button" onClick={again}>
          Run the rest
        </button>
      )}
      <span role="status" class="spoken">
        {done} of {asked.length} systems have run
      </span>
    </span>
  );
}
