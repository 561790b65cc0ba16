// One operation in full: what was asked, what was answered and why, what it did, and what the recording says.

import { useMemo } from "preact/hooks";
import {
  NO_PAGE,
  OPERATION_DIFFERS,
  OPERATION_PANICKED,
  OPERATION_REFUSED,
  type OperationDetails,
} from "../../timeline/timeline.js";
import { classWords } from "../map/words.js";
import type { OpenTrace, Store } from "../store.js";
import { useAnswer } from "../use-answer.js";
import { Icon } from "./icon.js";
import { changedPages, pageRuns } from "./page-changes.js";
import { countWords, numberWords, rangeWords } from "./words.js";

/** Runs of changed pages that are listed. */
const MOST_RUNS = 50;

export function OperationPanel({ store }: { store: Store }) {
  const open = store.open.value;
  const number = store.operation.value;
  return (
    <section class="operation-panel" aria-label="Operation">
      {open === null ? (
        <p class="timeline-hint">No trace is open.</p>
      ) : number < 0 ? (
        <p class="timeline-hint">Before the first operation: the machine as the trace finds it.</p>
      ) : (
        <Operation store={store} open={open} number={number} />
      )}
    </section>
  );
}

function Operation({ store, open, number }: { store: Store; open: OpenTrace; number: number }) {
  const { operations, verbs } = open.trace;
  const { answer, isWaiting, problem } = useAnswer((asked: number) => open.machine.operation(asked), number, [open]);
  return (
    <>
      <h2>
        <span class="operation-number">{numberWords(number)}</span> <code>{verbs[operations.verb[number] ?? 0]}</code>
      </h2>
      {problem === null ? null : <p class="timeline-wrong">{problem}</p>}
      {answer === null ? null : (
        <div aria-busy={isWaiting}>
          <Details details={answer} flags={operations.flags[answer.number] ?? 0} />
        </div>
      )}
      <PageWorkedOn store={store} open={open} number={number} />
      <ChangedPages store={store} open={open} number={number} />
    </>
  );
}

interface PageListProps {
  readonly store: Store;
  readonly open: OpenTrace;
  readonly number: number;
}

function PageWorkedOn({ store, open, number }: PageListProps) {
  const { page, pages } = open.trace.operations;
  const first = page[number] ?? NO_PAGE;
  if (first === NO_PAGE) return null;
  const pfn = open.ownership.pfnOf(first);
  return (
    <p>
      Works on {(pages[number] ?? 1) > 1 ? "pages" : "page"}{" "}
      <PageLink store={store} pfn={pfn} pages={pages[number] ?? 1} />
    </p>
  );
}

/** Selects the first of these pages. */
function PageLink({ store, pfn, pages }: { store: Store; pfn: bigint; pages: number }) {
  return (
    <button type="button" class="page-link" title="Select this page" onClick={() => (store.page.value = pfn)}>
      {rangeWords(pfn, pages)}
    </button>
  );
}

function Details({ details, flags }: { details: OperationDetails; flags: number }) {
  const { line, args, answer, refusal, effects, recorded } = details;
  const isBad = (flags & (OPERATION_REFUSED | OPERATION_PANICKED)) !== 0;
  return (
    <>
      <p class={isBad ? "operation-answer bad" : "operation-answer"}>
        {isBad ? <Icon name={(flags & OPERATION_PANICKED) !== 0 ? "panic" : "refused"} /> : null}
        <span>
          Answer <code>{answer}</code>
        </span>
        <span class="timeline-note">line {numberWords(line)}</span>
      </p>
      {refusal === null ? null : <p class={isBad ? "reason bad-reason" : "reason"}>{refusal}</p>}
      <Pairs title="Arguments" pairs={args} />
      <Effects effects={effects} />
      <Recording recorded={recorded} flags={flags} />
    </>
  );
}

function Pairs({ title, pairs }: { title: string; pairs: Readonly<Record<string, string>> }) {
  const entries = Object.entries(pairs);
  if (entries.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <dl class="pairs">
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Effects({ effects }: { effects: readonly string[] }) {
  return (
    <>
      <h3>Effects</h3>
      {effects.length === 0 ? <p class="timeline-note">None.</p> : null}
      <ul class="effects">
        {effects.map((effect, i) => (
          <li key={i}>{effect}</li>
        ))}
      </ul>
    </>
  );
}

/** `recorded` has what differs; it is empty where all that was recorded agrees. */
function Recording({ recorded, flags }: { recorded: Readonly<Record<string, string>>; flags: number }) {
  if ((flags & OPERATION_DIFFERS) === 0) return <p class="recording-agrees">Nothing that was recorded differs.</p>;
  return (
    <>
      <p class="recording-differs">
        <Icon name="differs" /> The machine did something else than was recorded.
      </p>
      <Pairs title="The recording says" pairs={recorded} />
    </>
  );
}

function ChangedPages({ store, open, number }: PageListProps) {
  const { changes, parties } = open.trace;
  const changed = useMemo(() => changedPages(changes, number), [changes, number]);
  const runs = useMemo(() => pageRuns(changes, number, MOST_RUNS), [changes, number]);
  const listed = runs.reduce((pages, run) => pages + run.pages, 0);
  return (
    <>
      <h3>Pages changed</h3>
      {changed === 0 ? <p class="timeline-note">None changes hands.</p> : null}
      <ul class="changed-pages">
        {runs.map((run) => {
          const pfn = open.ownership.pfnOf(run.page);
          return (
            <li key={run.page}>
              <PageLink store={store} pfn={pfn} pages={run.pages} />
              <span>
                {classWords(parties, run.before)} → {classWords(parties, run.after)}
              </span>
            </li>
          );
        })}
      </ul>
      {listed < changed ? <p class="timeline-note">And {countWords(changed - listed, "more page")}.</p> : null}
    </>
  );
}
