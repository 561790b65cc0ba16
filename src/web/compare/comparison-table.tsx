// The table: a row for each step, a column for each system. A cell is a button that opens its evidence.

import { Fragment } from "preact";
import type { RunReport } from "../../scenario/run-scenario.js";
import type { Scenario } from "../../scenario/scenario.js";
import { moveBetweenCells } from "./cell-keys.js";
import { EvidenceMark } from "./evidence-mark.js";
import type { RunState } from "./runs.js";
import type { ComparedCell, ComparedRow, Comparison } from "./side-by-side.js";

export interface SystemColumn {
  readonly system: string;
  readonly title: string;
  /** Undefined: not started. */
  readonly run: RunState | undefined;
  readonly report: RunReport | null;
}

/** A cell whose evidence is looked at; `step` null: the whole run. */
export interface OpenCell {
  readonly system: string;
  readonly step: number | null;
}

interface TableProps {
  readonly scenario: Scenario;
  readonly columns: readonly SystemColumn[];
  readonly comparison: Comparison;
  readonly onlyDiffering: boolean;
  readonly open: (cell: OpenCell, button: HTMLButtonElement) => void;
}

export function ComparisonTable({ scenario, columns, comparison, onlyDiffering, open }: TableProps) {
  if (columns.length === 0) return <p role="status">Choose a system.</p>;
  const steps = comparison.steps.filter(({ differs }) => differs || !onlyDiffering);
  const hidden = comparison.steps.length - steps.length;
  return (
    <>
      <div class="compare-scroll" role="region" aria-label="Comparison" tabIndex={0}>
        <table class="compare-table" onKeyDown={moveBetweenCells}>
          <caption class="spoken">{scenario.title}: steps as rows, systems as columns</caption>
          <thead>
            <tr>
              <th scope="col">Step</th>
              {columns.map((column) => (
                <ColumnHead key={column.system} column={column} />
              ))}
            </tr>
          </thead>
          <tbody>
            {steps.map((row) => (
              <Row key={row.step} {...{ row, columns, open }} />
            ))}
          </tbody>
          <tfoot>
            {comparison.end.map((row) => (
              <Row key={row.heading} {...{ row, columns, open }} />
            ))}
          </tfoot>
        </table>
      </div>
      {hidden > 0 && (
        <p class="muted">
          {hidden} {hidden === 1 ? "step" : "steps"} with the same answer everywhere {hidden === 1 ? "is" : "are"} not
          shown.
        </p>
      )}
    </>
  );
}

function ColumnHead({ column: { system, title, run } }: { column: SystemColumn }) {
  const words = { running: "running", cancelled: "cancelled", "not for it": "the scenario is not for it" } as const;
  return (
    <th scope="col">
      {title}
      <small>
        <code>{system}</code>
      </small>
      {run?.state === "failed" && <strong class="bad">{run.problem}</strong>}
      {run !== undefined && run.state !== "failed" && run.state !== "done" && <small>{words[run.state]}</small>}
    </th>
  );
}

function Row({ row, columns, open }: Pick<TableProps, "columns" | "open"> & { row: ComparedRow }) {
  return (
    <tr class={row.isShown ? "shown" : ""}>
      <th scope="row">
        {row.heading}
        {row.isShown && <small>the matrix shows this step</small>}
        {row.note !== null && <small>{row.note}</small>}
      </th>
      {row.cells.map((cell, i) => (
        <CellOf key={cell.system} {...{ cell, open }} step={row.step} column={columns[i]} />
      ))}
    </tr>
  );
}

interface CellProps {
  readonly cell: ComparedCell;
  readonly step: number | null;
  readonly column: SystemColumn | undefined;
  readonly open: TableProps["open"];
}

function CellOf({ cell, step, column, open }: CellProps) {
  if (cell.result === null) return <td class="absent">{column?.report ? "not its step" : ""}</td>;
  return (
    <td class={cell.differs ? "differs" : ""}>
      <button type="button" onClick={({ currentTarget }) => open({ system: cell.system, step }, currentTarget)}>
        <span class="cell-result">
          {cell.answer !== null && <AnswerNumber cell={cell} />}
          <Breakable text={cell.result} />
          {cell.mark !== null && <EvidenceMark mark={cell.mark} short={step !== null} />}
        </span>
        {cell.details.map(({ kind, text }) => (
          <span key={kind + text} class={`detail ${kind}`}>
            {text}
          </span>
        ))}
        {cell.unmet.map((sentence) => (
          <span key={sentence} class="detail unmet">
            <span class="unmet-sign">!</span> {sentence}
          </span>
        ))}
      </button>
    </td>
  );
}

/** Equal numbers are equal answers; the sign says which are not as most others have them. */
function AnswerNumber({ cell: { differs, answer } }: { cell: ComparedCell }) {
  return (
    <span class="answer-number">
      {differs && <span aria-hidden="true">≠</span>}
      <span class="spoken">{differs ? "differs, " : ""}answer </span>
      <sub>{answer}</sub>
    </span>
  );
}

/** `SIGSEGV/SEGV_ACCERR` may be broken behind the slash, and nowhere else. */
function Breakable({ text }: { text: string }) {
  const parts = text.split("/");
  return (
    <span>
      {parts.map((part, i) => (
        <Fragment key={i}>
          {i > 0 && (
            <>
              /<wbr />
            </>
          )}
          {part}
        </Fragment>
      ))}
    </span>
  );
}
