// One access to a page in a given state, on every system: who gets what, which signal, who dies, how well that is known.
//
// For the walk view:
//   <AccessOnEachSystem situation={situationOf(details.sides, isSeized)} kind="store" />
//   situation  the page's state as the map shows it (situationOf makes it from PageDetails); null: none fits, which is said
//   kind       what is tried: "load", "store" or "fetch"; default "load". The user may choose another here
//   by         who tries it: default "user", host user space. The user may choose another here

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Mark } from "../../consequences/evidence.js";
import { hex } from "../../machine/names.js";
import "./compare.css";
import { EvidenceMark } from "./evidence-mark.js";
import {
  type AccessAnswer,
  type AccessKind,
  type Accessor,
  ACCESSOR_WORDS,
  answerOf,
  KIND_WORDS,
  kindsOf,
  type PageSituation,
  scenarioOfAccess,
  SITUATION_WORDS,
} from "./page-situations.js";
import { Runs, type RunState } from "./runs.js";
import type { SystemTitle } from "./scenario-jobs.js";
import { scenarioWorkers } from "./scenario-workers.js";

export interface AccessOnEachSystemProps {
  readonly situation: PageSituation | null;
  readonly kind?: AccessKind;
  readonly by?: Accessor;
}

export function AccessOnEachSystem({ situation, kind = "load", by = "user" }: AccessOnEachSystemProps) {
  if (situation === null)
    return <p>The page is in no state that other systems have too: there is no access to compare.</p>;
  return <Answers key={`${kind} ${by}`} situation={situation} kind={kind} by={by} />;
}

function Answers({ situation, ...tried }: { situation: PageSituation; kind: AccessKind; by: Accessor }) {
  const by = useSignal(tried.by);
  const kind = useSignal(kindsOf(tried.by).includes(tried.kind) ? tried.kind : "load");
  const systems = useSignal<readonly SystemTitle[]>([]);
  const problem = useSignal<string | null>(null);
  const runs = useMemo(() => new Runs(scenarioWorkers), []);
  useEffect(() => {
    const scenario = scenarioOfAccess(situation, by.value, kind.value);
    let isWanted = true;
    runEverywhere(runs, scenario, () => isWanted).then(
      (titles) => (systems.value = titles),
      (reason: unknown) => (problem.value = `The access could not be run: ${String(reason)}`),
    );
    return () => (isWanted = false);
  }, [situation, by.value, kind.value]);
  useEffect(() => () => runs.cancel(), []);
  return (
    <section class="access" aria-label="The same access on each system">
      <h3>The same access on each system</h3>
      <p>It goes to {SITUATION_WORDS[situation]}.</p>
      <div class="access-choice">
        <label>
          Who{" "}
          <select value={by.value} onChange={({ currentTarget }) => choose(currentTarget.value as Accessor)}>
            {Object.entries(ACCESSOR_WORDS).map(([name, words]) => (
              <option value={name}>{words}</option>
            ))}
          </select>
        </label>
        <label>
          Does{" "}
          <select value={kind.value} onChange={({ currentTarget }) => (kind.value = currentTarget.value as AccessKind)}>
            {kindsOf(by.value).map((name) => (
              <option value={name}>{KIND_WORDS[name]}</option>
            ))}
          </select>
        </label>
      </div>
      {problem.value !== null && <p role="alert">{problem.value}</p>}
      <AnswerTable systems={systems.value} states={runs.states.value} />
    </section>
  );

  function choose(accessor: Accessor): void {
    by.value = accessor;
    if (!kindsOf(accessor).includes(kind.value)) kind.value = "load";
  }
}

/** Starts the runs, unless something else was asked meanwhile. Answers which systems there are. */
async function runEverywhere(
  runs: Runs,
  file: ReturnType<typeof scenarioOfAccess>,
  isWanted: () => boolean,
): Promise<readonly SystemTitle[]> {
  const [titles, reading] = await Promise.all([scenarioWorkers.systems(), scenarioWorkers.define(file)]);
  if ("problem" in reading) throw new Error(reading.problem.sentence);
  if (isWanted()) {
    runs.start(
      reading.scenario,
      titles.map(({ name }) => name),
    );
  }
  return titles;
}

function AnswerTable(props: { systems: readonly SystemTitle[]; states: ReadonlyMap<string, RunState> }) {
  return (
    <div class="compare-scroll" role="region" aria-label="Answers of the systems" tabIndex={0}>
      <table class="access-table">
        <thead>
          <tr>
            <th scope="col">System</th>
            <th scope="col">Result</th>
            <th scope="col">Signal</th>
            <th scope="col">Dies</th>
            <th scope="col">Known by</th>
          </tr>
        </thead>
        <tbody>
          {props.systems.map(({ name, title }) => (
            <tr key={name}>
              <th scope="row">{title}</th>
              <AnswerCells run={props.states.get(name)} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function AnswerCells({ run }: { run: RunState | undefined }) {
  if (run?.state !== "done") {
    return (
      <td colSpan={4}>
        {run?.state === "failed" ? run.problem : run?.state === "cancelled" ? "cancelled" : "running"}
      </td>
    );
  }
  const answer = answerOf(run.report);
  if (!answer.expressible) {
    return (
      <>
        <td colSpan={3}>Not expressible here: {answer.reason}.</td>
        <MarkCell mark={answer.mark} />
      </>
    );
  }
  return (
    <>
      <td>
        <strong>{answer.result}</strong>
        {answer.shows !== answer.result && answer.result === "ok" && <span class="fate"> {answer.shows}</span>}
        {answer.value !== null && <span class="detail"> value {hex(answer.value)}</span>}
      </td>
      <td>{answer.signal ?? "none"}</td>
      <td>{deathWords(answer)}</td>
      <MarkCell mark={answer.mark} />
    </>
  );
}

function MarkCell({ mark }: { mark: Mark }) {
  return (
    <td>
      <EvidenceMark mark={mark} />
    </td>
  );
}

function deathWords({ died, mayBeHandled }: Extract<AccessAnswer, { expressible: true }>): string {
  if (died.length === 0) return "nobody";
  return died.join(", ") + (mayBeHandled ? ", unless the VMM handles the signal" : "");
}
