// A row of the list: number, verb, VM, page and answer of one operation.

import { useMemo } from "preact/hooks";
import {
  OPERATION_AFTER_RESET,
  OPERATION_DIFFERS,
  OPERATION_PANICKED,
  OPERATION_REFUSED,
} from "../../timeline/timeline.js";
import type { OpenTrace } from "../store.js";
import { Icon } from "./icon.js";
import { flagWords, numberWords, operationRow, rowWords, type OperationRow } from "./words.js";

export const rowId = (operation: number) => `operation-${operation}`;

interface RowProps {
  readonly open: OpenTrace;
  readonly number: number;
  /** `passed`: one stands behind this operation, at one that is not listed. */
  readonly mark: "selected" | "passed" | null;
  /** From 1. */
  readonly position: number;
  readonly count: number;
  readonly choose: () => void;
}

export function OperationRowView({ open, number, mark, position, count, choose }: RowProps) {
  const row = useMemo(() => operationRow(open, number), [open, number]);
  const newMachine = (row.flags & OPERATION_AFTER_RESET) !== 0 ? "on-new-machine" : "";
  return (
    <div
      id={rowId(number)}
      class={`operation-row ${mark ?? ""} ${newMachine}`}
      role="option"
      aria-selected={mark === "selected"}
      aria-label={rowWords(row)}
      aria-posinset={position}
      aria-setsize={count}
      onClick={choose}
    >
      <span class="number">{numberWords(number)}</span>
      <span class="verb" title={row.verb}>
        {row.verb}
      </span>
      <span class="vm">{row.vm}</span>
      <span class="pfn">{row.page}</span>
      <Answer row={row} />
    </div>
  );
}

function Answer({ row: { answer, flags } }: { row: OperationRow }) {
  const isBad = (flags & (OPERATION_REFUSED | OPERATION_PANICKED)) !== 0;
  return (
    <span class={isBad ? "answer bad" : "answer"} title={flagWords(flags)}>
      {isBad ? <Icon name={(flags & OPERATION_PANICKED) !== 0 ? "panic" : "refused"} /> : null}
      {answer}
      {(flags & OPERATION_DIFFERS) !== 0 ? <Icon name="differs" /> : null}
    </span>
  );
}
