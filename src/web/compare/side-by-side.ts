// A scenario on several systems, side by side: a row for each step, a column for each system, and which cells differ.

import { actionWords } from "../../scenario/action-in-words.js";
import { cellTextInWords } from "../../scenario/cell-text.js";
import { failureLines } from "../../scenario/evidence-lines.js";
import type { Mark } from "../../consequences/evidence.js";
import { hex } from "../../machine/names.js";
import type { RunReport, StepReport } from "../../scenario/run-scenario.js";
import type { Scenario } from "../../scenario/scenario.js";

/** One fact of a cell: `value 0xa004`, `vmm died`. */
export interface Detail {
  readonly kind: "value" | "address" | "bytes" | "seized" | "died" | "fate" | "why" | "words";
  readonly text: string;
}

export interface ComparedCell {
  readonly system: string;
  /** The result in the system's words; null: the step is not for this system, or it has not run. */
  readonly result: string | null;
  readonly details: readonly Detail[];
  /** Not as most others have it. */
  readonly differs: boolean;
  /** Where answers differ: which of them this is, from 1; cells with the same answer have the same number. Else null. */
  readonly answer: number | null;
  /** How well it is known; null: nothing is claimed. */
  readonly mark: Mark | null;
  /** Expectations of the scenario that were not met here. */
  readonly unmet: readonly string[];
}

export interface ComparedRow {
  /** `2 vmm loads from secret`; of the last rows `Secret`. */
  readonly heading: string;
  readonly note: string | null;
  /** Index of the step; null: of the whole run. */
  readonly step: number | null;
  /** The step that the matrix's cell shows. */
  readonly isShown: boolean;
  readonly cells: readonly ComparedCell[];
  /** Some cell differs from another. */
  readonly differs: boolean;
}

export interface Comparison {
  readonly steps: readonly ComparedRow[];
  /** What became of the whole run: what the cell shows, secret, intact, died. */
  readonly end: readonly ComparedRow[];
}

/** A system's column; `report` is null before it has run, and where the scenario is not for it. */
export interface Column {
  readonly system: string;
  readonly report: RunReport | null;
}

export function sideBySide(scenario: Scenario, columns: readonly Column[]): Comparison {
  const steps = scenario.steps.map(({ action, note }, index) => {
    const cells = columns.map(({ system, report }) => stepCell(system, report?.steps[index]));
    const isShown = index === scenario.cell;
    return row({ heading: `${index + 1}. ${actionWords(action)}`, note, step: index, isShown }, cells);
  });
  const end = END_ROWS.map(({ heading, cell }) => {
    const cells = columns.map(({ system, report }) =>
      report === null ? absent(system) : cell(system, report, scenario),
    );
    return row({ heading, note: null, step: null, isShown: false }, cells);
  });
  return { steps, end };
}

/** A cell together with what is compared of it: of two systems that refuse a verb, each has its own reason. */
interface KeyedCell {
  readonly cell: Omit<ComparedCell, "differs" | "answer">;
  /** Null: not compared. */
  readonly key: string | null;
}

type RowHead = Pick<ComparedRow, "heading" | "note" | "step" | "isShown">;

function row(head: RowHead, keyed: readonly KeyedCell[]): ComparedRow {
  const answers = differingAnswers(keyed.map(({ key }) => key));
  const cells = keyed.map(({ cell }, i) => ({ ...cell, ...(answers[i] ?? SAME) }));
  return { ...head, cells, differs: cells.some(({ differs }) => differs) };
}

const SAME = { differs: false, answer: null };

/**
 * Which of several answers are not as the others: all but those of the majority; where none is more frequent than every
 * other, there is no rule and all are lit. Nulls are not compared.
 */
export function differingAnswers(
  keys: readonly (string | null)[],
): readonly { readonly differs: boolean; readonly answer: number | null }[] {
  const counts = new Map<string, number>();
  for (const key of keys) if (key !== null) counts.set(key, (counts.get(key) ?? 0) + 1);
  if (counts.size < 2) return keys.map(() => SAME);
  const most = Math.max(...counts.values());
  const [usual, ...asFrequent] = [...counts].filter(([, count]) => count === most).map(([key]) => key);
  const order = [...counts.keys()];
  return keys.map((key) => {
    if (key === null) return SAME;
    return { differs: asFrequent.length > 0 || key !== usual, answer: order.indexOf(key) + 1 };
  });
}

function absent(system: string): KeyedCell {
  return { cell: { system, result: null, details: [], mark: null, unmet: [] }, key: null };
}

function stepCell(system: string, step: StepReport | undefined): KeyedCell {
  if (step === undefined || step.skipped) return absent(system);
  const { result, value, bytes, forceReclaims, died } = step.result;
  const unmet = step.failures.map(({ field, expected, found }) => `expected ${field} ${expected}, found ${found}`);
  return {
    cell: { system, result, details: detailsOf(step), mark: step.mark, unmet },
    // si_addr is where the system happened to map the page: it tells nothing of the system.
    key: [result, value, bytes, forceReclaims, [...died].sort(), [...step.fates].sort()].join(";"),
  };
}

function detailsOf({ result: { value, signal, bytes, forceReclaims, died, why }, fates }: StepReport): Detail[] {
  const address = signal?.address ?? null;
  return [
    ...(value === null ? [] : [{ kind: "value", text: `value ${hex(value)}` } as const]),
    ...(address === null ? [] : [{ kind: "address", text: `at ${hex(address)}` } as const]),
    ...(bytes === null ? [] : [{ kind: "bytes", text: `${bytes} bytes` } as const]),
    ...(forceReclaims === 0 ? [] : [{ kind: "seized", text: `${forceReclaims} seized` } as const]),
    ...fates.map((fate) => ({ kind: "fate", text: fate }) as const),
    ...(died.length === 0 ? [] : [{ kind: "died", text: `died: ${died.join(", ")}` } as const]),
    ...(why === null ? [] : [{ kind: "why", text: why } as const]),
  ];
}

const END_ROWS: readonly {
  readonly heading: string;
  readonly cell: (system: string, report: RunReport, scenario: Scenario) => KeyedCell;
}[] = [
  {
    heading: "Shows",
    cell: (system, report, scenario) => {
      const { shows, mark } = report;
      const words = cellTextInWords(shows);
      const details = words === null ? [] : [{ kind: "words", text: words } as const];
      const unmet = failureLines({ scenario, report });
      return { cell: { system, result: shows, details, mark, unmet }, key: shows };
    },
  },
  { heading: "Secret", cell: (system, { secret }) => plain(system, yesOrNo(secret)) },
  { heading: "Intact", cell: (system, { intact, split }) => plain(system, yesOrNo(intact) + (split ? ", split" : "")) },
  {
    heading: "Died",
    cell: (system, { died }) => plain(system, died.length === 0 ? "nobody" : [...died].sort().join(", ")),
  },
];

function plain(system: string, result: string): KeyedCell {
  return { cell: { system, result, details: [], mark: null, unmet: [] }, key: result };
}

function yesOrNo(answer: boolean | null): string {
  return answer === null ? "not applicable" : answer ? "yes" : "no";
}
