// The walk view: an address of the host or of a VM, the tables level by level, and how it ends; below it the same access on each
// system.

import { useMemo } from "preact/hooks";
import { hex } from "../../machine/names.js";
import { AccessOnEachSystem } from "../compare/access.js";
import type { PageSituation } from "../compare/page-situations.js";
import type { OpenTrace, ShownWalk, Store } from "../store.js";
import { useAnswer } from "../use-answer.js";
import { useSettled } from "./use-settled.js";
import { WalkForm } from "./walk-form.js";
import { WalkLevels } from "./walk-levels.js";
import {
  accessKindOf,
  accessorOf,
  askWalk,
  pageLookedAt,
  situationOfPage,
  walkOfPage,
  type WalkAnswer,
  type WalkQuestion,
} from "./walk-question.js";
import { WalkResult } from "./walk-result.js";
import "./walk.css";

export function WalkView({ store }: { store: Store }) {
  const open = store.open.value;
  const pfn = open === null ? null : pageLookedAt(open, store.operation.value, store.page.value);
  if (open === null || pfn === null) {
    return <p class="walk-hint">{open === null ? "No trace is open." : "This machine has no memory."}</p>;
  }
  return <Walk store={store} open={open} pfn={pfn} />;
}

function Walk({ store, open, pfn }: { store: Store; open: OpenTrace; pfn: bigint }) {
  const after = store.operation.value;
  const shown = store.walk.value;
  const question = useMemo(() => ({ after, pfn, shown }), [after, pfn, shown]);
  const { answer, isWaiting, problem } = useAnswer((asked: WalkQuestion) => askWalk(open, asked), question, [open]);
  const show = (walk: ShownWalk | null) => (store.walk.value = walk);
  return (
    <section class="walk" aria-label="Walk">
      <WalkForm
        walk={shown ?? answer?.walk ?? walkOfPage(pfn, open.trace.pageShift, [], [])}
        answer={answer}
        follows={shown === null}
        pfn={pfn}
        show={show}
      />
      {problem === null ? null : <p class="walk-wrong">{problem}</p>}
      {answer === null ? null : (
        <div aria-busy={isWaiting}>
          <Answered store={store} open={open} answer={answer} />
        </div>
      )}
    </section>
  );
}

/** The walk, and below it what the same access meets elsewhere. */
function Answered({ store, open, answer }: { store: Store; open: OpenTrace; answer: WalkAnswer }) {
  const { details, walk, accessed } = answer;
  if (details === null) {
    return (
      <p class="walk-hint">There is no such table at this point of the trace: the VM is not created yet, or gone.</p>
    );
  }
  return (
    <>
      <WalkResult details={details} store={store} open={open} />
      <h2>
        Tables, level by level, for IPA <code>{hex(walk.ipa)}</code>
      </h2>
      <WalkLevels levels={details.levels} faults={details.faults} />
      {accessed === null ? null : <Elsewhere situation={situationOfPage(accessed)} walk={walk} />}
    </>
  );
}

/** Milliseconds that page and access have to stay as they are before all systems are asked. */
const SETTLED = 300;

function Elsewhere({ situation, walk }: { situation: PageSituation | null; walk: ShownWalk }) {
  const shown = useSettled(situation, SETTLED);
  const kind = useSettled(accessKindOf(walk), SETTLED);
  const by = useSettled(accessorOf(walk), SETTLED);
  // The same element while nothing changes: the table is not drawn anew with every operation.
  return useMemo(() => <AccessOnEachSystem situation={shown} kind={kind} by={by} />, [shown, kind, by]);
}
