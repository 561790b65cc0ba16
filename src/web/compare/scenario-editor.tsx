// An editor for scenario files: what is wrong with the text is said while it is written, in the words of the command line.

import { useComputed, useSignal, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Scenario } from "../../scenario/scenario.js";
import type { Store } from "../store.js";
import "./compare.css";
import { compareStateOf } from "./compare-state.js";
import { bringBack, editBundled, type EditorState, editorStateOf, putText } from "./editor-state.js";
import { type EditorHandle, TextEditor } from "./text-editor.js";
import { type Finding, findingsOf } from "./findings.js";
import type { Reading } from "./scenario-jobs.js";
import { scenarioWorkers } from "./scenario-workers.js";
import { TEMPLATES } from "./templates.js";

/** So long nothing must have been typed before the text is read. */
const PAUSE_MS = 150;

type Checked = { readonly text: string; readonly reading: Reading };

export function ScenarioEditor({ store }: { store: Store }) {
  const editor = editorStateOf(store);
  const checked = useSignal<Checked | null>(null);
  const failure = useSignal<string | null>(null);
  const handle = useRef<EditorHandle>(null);
  useValidation(editor, checked, failure);
  useNamedScenario(store, editor);
  const compare = compareStateOf(store);
  const findings = useComputed(() => {
    const ran = editor.ran.value;
    const isOfThisText = ran !== null && ran.text === checked.value?.text && compare.compared.value === ran.scenario;
    return findingsOf(checked.value?.reading ?? null, isOfThisText ? ran.scenario : null, compare.runs.states.value);
  });
  const { file, text } = editor.edited.value;
  const scenario = checked.value?.text === text ? scenarioOf(checked.value.reading) : null;
  const run = () => {
    if (scenario === null) return;
    store.systems.value = systemsFor(scenario, store.systems.value);
    editor.ran.value = { text, scenario };
    compare.prefersEdited.value = true;
    store.scenario.value = scenario.name;
    store.view.value = "compare";
  };
  const runByKey = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
  };
  return (
    <section class="scenario-editor" aria-label="Scenario editor" onKeyDown={runByKey}>
      <EditorActions store={store} editor={editor} scenario={scenario} run={run} />
      {failure.value !== null && <p role="alert">{failure.value}</p>}
      <TextEditor
        handle={handle}
        label={`Scenario ${file}`}
        text={text}
        badLines={findings.value.flatMap(({ line }) => (line > 0 ? [line] : []))}
        describedBy="editor-findings"
        onInput={(typed) => (editor.edited.value = { file, text: typed })}
      />
      <Findings
        isChecking={checked.value?.text !== text}
        findings={findings.value}
        goTo={({ line, column }) => handle.current?.select(line, column)}
      />
    </section>
  );
}

function scenarioOf(reading: Reading): Scenario | null {
  return "scenario" in reading ? reading.scenario : null;
}

/** The chosen systems, or those that the scenario is for where it is for none of them. */
function systemsFor({ systems }: Scenario, chosen: readonly string[]): readonly string[] {
  const fits = systems.length === 0 || chosen.some((system) => systems.includes(system));
  return fits ? chosen : systems;
}

/** An editor that nobody has used shows the bundled scenario that a link names. */
function useNamedScenario(store: Store, editor: EditorState): void {
  useEffect(() => {
    const name = store.scenario.value;
    const { edited, original, ran } = editor;
    const isUnused = store.scenarioFile.value === null && ran.value === null && edited.value.text === original.value;
    // Where its text cannot be loaded, or there is none of that name, the template stays.
    if (name !== null && isUnused) editBundled(store, name).catch(() => undefined);
  }, []);
}

/** Reads the text in a worker when nobody types. An answer for an older text is dropped. */
function useValidation(editor: EditorState, checked: Signal<Checked | null>, failure: Signal<string | null>): void {
  const { file, text } = editor.edited.value;
  useEffect(() => {
    let isWanted = true;
    const timer = setTimeout(() => {
      scenarioWorkers.read(text, file).then(
        (reading) => {
          if (!isWanted) return;
          checked.value = { text, reading };
          failure.value = null;
        },
        (reason: unknown) => (failure.value = `The text could not be checked: ${String(reason)}`),
      );
    }, PAUSE_MS);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [file, text]);
}

interface ActionsProps {
  readonly store: Store;
  readonly editor: EditorState;
  /** What the text says; null: it is no scenario, or it has not been read yet. */
  readonly scenario: Scenario | null;
  readonly run: () => void;
}

function EditorActions({ store, editor, scenario, run }: ActionsProps) {
  const { file, text } = editor.edited.value;
  const systems = scenario === null ? store.systems.value : systemsFor(scenario, store.systems.value);
  return (
    <div class="editor-actions">
      <button type="button" class="primary" title="Ctrl+Enter" disabled={scenario === null} onClick={run}>
        Run on {systems.length} {systems.length === 1 ? "system" : "systems"}
      </button>
      <button type="button" onClick={() => download(file, text)}>
        Download
      </button>
      <StartFrom store={store} editor={editor} />
      {editor.replaced.value !== null && (
        <button type="button" onClick={() => bringBack(editor)}>
          Bring back {editor.replaced.value.file}
        </button>
      )}
    </div>
  );
}

function StartFrom({ store, editor }: { store: Store; editor: EditorState }) {
  const compare = compareStateOf(store);
  const problem = useSignal<string | null>(null);
  const fromTemplate = (name: string) => {
    const template = TEMPLATES.find((candidate) => candidate.name === name);
    if (template !== undefined) putText(editor, `${template.name}.yaml`, template.text);
  };
  const fromBundled = (name: string) => {
    editBundled(store, name).then(
      (isThere) => (problem.value = isThere ? null : `No bundled scenario is called "${name}".`),
      (reason: unknown) => (problem.value = `The text could not be loaded: ${String(reason)}`),
    );
  };
  return (
    <>
      <label>
        Start from{" "}
        <select
          value=""
          onChange={({ currentTarget }) => {
            fromTemplate(currentTarget.value);
            currentTarget.value = ""; // to choose the same one again
          }}
        >
          <option value="" disabled>
            a template
          </option>
          {TEMPLATES.map(({ name, title }) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <label>
        or a bundled one{" "}
        <input
          list="bundled-scenarios"
          autocomplete="off"
          spellcheck={false}
          placeholder="name"
          onChange={({ currentTarget }) => {
            if (currentTarget.value !== "") fromBundled(currentTarget.value.trim());
            currentTarget.value = "";
          }}
        />
      </label>
      <datalist id="bundled-scenarios">
        {(compare.bundled.value ?? []).map(({ name, title }) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </datalist>
      {problem.value !== null && <span role="alert">{problem.value}</span>}
    </>
  );
}

interface FindingsProps {
  readonly isChecking: boolean;
  readonly findings: readonly Finding[];
  readonly goTo: (finding: Finding) => void;
}

function Findings({ isChecking, findings, goTo }: FindingsProps) {
  return (
    <div class="findings" id="editor-findings" role="status" aria-live="polite">
      {findings.length === 0 && <p class="muted">{isChecking ? "Checking." : "No problem found."}</p>}
      <ul>
        {findings.map((finding) => (
          <li key={finding.text}>
            {finding.line > 0 ? (
              <button type="button" class="link" onClick={() => goTo(finding)}>
                {finding.text}
              </button>
            ) : (
              finding.text
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}

function download(file: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 0);
}
