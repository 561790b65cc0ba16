// A cell opened: what was done, how it ended, and what that stands on, in the order in which it happened.

import { useEffect, useRef } from "preact/hooks";
import type { Citation, Evidence } from "../../consequences/evidence.js";
import { cellFacts, failureLines, stepLines } from "../../scenario/evidence-lines.js";
import type { Run } from "../../scenario/matrix.js";
import type { Scenario } from "../../scenario/scenario.js";
import type { OpenCell, SystemColumn } from "./comparison-table.js";
import { EvidenceMark } from "./evidence-mark.js";

interface DialogProps {
  readonly scenario: Scenario;
  readonly columns: readonly SystemColumn[];
  readonly cell: OpenCell;
  readonly show: (cell: OpenCell) => void;
  readonly close: () => void;
}

export function EvidenceDialog({ scenario, columns, cell, show, close }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const ran = columns.filter(({ report }) => report !== null);
  const at = ran.findIndex(({ system }) => system === cell.system);
  const column = ran[at];
  const report = column?.report ?? null;
  const turn = (by: number) => {
    const next = ran[(at + by + ran.length) % ran.length];
    if (next !== undefined) show({ ...cell, system: next.system });
  };
  return (
    <dialog ref={dialog} class="evidence" aria-labelledby="evidence-heading" onClose={close}>
      <header>
        <h2 id="evidence-heading">
          {cell.step === null ? "The whole run" : `Step ${cell.step + 1}`} on {column?.title ?? cell.system}
        </h2>
        <nav aria-label="The same on another system">
          <button type="button" onClick={() => turn(-1)} aria-label="Previous system" disabled={ran.length < 2}>
            ‹
          </button>
          <button type="button" onClick={() => turn(1)} aria-label="Next system" disabled={ran.length < 2}>
            ›
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Close
          </button>
        </nav>
      </header>
      {report !== null && <Opened run={{ scenario, report }} cell={cell} show={show} />}
    </dialog>
  );
}

function Opened({ run, cell, show }: { run: Run; cell: OpenCell; show: DialogProps["show"] }) {
  return cell.step === null ? (
    <WholeRun run={run} show={(step) => show({ ...cell, step })} />
  ) : (
    <OneStep run={run} step={cell.step} />
  );
}

function WholeRun({ run, show }: { run: Run; show: (step: number) => void }) {
  const unmet = failureLines(run);
  return (
    <>
      <dl>
        {cellFacts(run).map(({ name, text }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <Unmet sentences={unmet} />
      <h3>Steps</h3>
      <ol>
        {stepLines(run).map(({ number, action, outcome }) => (
          <li key={number}>
            <button type="button" class="link" onClick={() => show(number - 1)}>
              {action}
            </button>
            : {outcome}
          </li>
        ))}
      </ol>
    </>
  );
}

function OneStep({ run, step }: { run: Run; step: number }) {
  const lines = stepLines(run)[step];
  const report = run.report.steps[step];
  if (lines === undefined || report === undefined) return <p>This step was not run.</p>;
  const unmet = report.failures.map(({ field, expected, found }) => `expected ${field} ${expected}, found ${found}`);
  return (
    <>
      <p>{lines.action}</p>
      <p>
        <strong>{lines.outcome}</strong> <EvidenceMark mark={report.mark} />
      </p>
      {lines.note !== null && <p class="muted">{lines.note}</p>}
      <Unmet sentences={unmet} />
      <h3>What it stands on</h3>
      {report.evidence.length === 0 ? (
        <p>Nothing was asked of the system in this step.</p>
      ) : (
        <ol class="evidence-list">
          {report.evidence.map((evidence, i) => (
            <li key={i} class={`evidence-${evidence.kind}`}>
              <EvidenceItem evidence={evidence} />
            </li>
          ))}
        </ol>
      )}
    </>
  );
}

function Unmet({ sentences }: { sentences: readonly string[] }) {
  if (sentences.length === 0) return null;
  return (
    <ul class="unmet-list">
      {sentences.map((sentence) => (
        <li key={sentence}>
          <span class="unmet-sign">!</span> {sentence}
        </li>
      ))}
    </ul>
  );
}

function EvidenceItem({ evidence }: { evidence: Evidence }) {
  switch (evidence.kind) {
    case "operation":
      return (
        <>
          <Kind text="operation" /> <code>{evidence.text}</code>: {evidence.result}
          <ul>
            {evidence.effects.map((effect, i) => (
              <li key={i}>{effect}</li>
            ))}
          </ul>
        </>
      );
    case "access":
      return (
        <>
          <Kind text="access" /> {evidence.text}: {evidence.result}
          {evidence.descriptor !== null && <code class="below">{evidence.descriptor}</code>}
        </>
      );
    case "syndrome":
      return (
        <>
          <Kind text="syndrome" /> <code>{evidence.register}</code> <code>{evidence.value}</code>: {evidence.words}
        </>
      );
    case "rule":
      return (
        <>
          <Kind text="rule" /> {evidence.rule.says}
          <Cited citation={evidence.rule.citation} id={evidence.rule.id} />
        </>
      );
    case "saw":
      return (
        <>
          <Kind text={`${evidence.party} saw`} /> {evidence.text}
        </>
      );
  }
}

function Kind({ text }: { text: string }) {
  return <span class="kind">{text}</span>;
}

function Cited({ citation: { page, section, where, mark }, id }: { citation: Citation; id: string }) {
  return (
    <span class="below">
      <EvidenceMark mark={mark} />, {page} {section}
      {where !== undefined && (
        <>
          , <code>{where}</code>
        </>
      )}
      , <code class="muted">{id}</code>
    </span>
  );
}
