// The evidence of every cell, as data for the page's script. Cells share most of their steps, and steps most of their lines:
// each is kept once and referred to by its index, which makes a page of megabytes one of kilobytes.

import { markedText, type Cell } from "../../scenario/matrix.js";
import { anchorOf } from "./anchor.js";
import { cellFacts, failureLines, stepLines } from "../../scenario/evidence-lines.js";

export interface PageData {
  readonly strings: readonly string[];
  /** Strings: the kind of evidence, its text, what belongs to it. */
  readonly lines: readonly (readonly number[])[];
  readonly steps: readonly DataStep[];
  /** By anchor. */
  readonly cells: Readonly<Record<string, DataCell>>;
}

export interface DataStep {
  /** Strings; the note may be absent. */
  readonly action: number;
  readonly outcome: number;
  readonly note?: number;
  readonly lines: readonly number[];
}

/** Numbers are strings, but `steps` are steps, and `shown` is a place in that list. */
export interface DataCell {
  readonly system: number;
  readonly shows: number;
  readonly title: number;
  readonly about: number;
  /** Name and text by turns. */
  readonly facts: readonly number[];
  readonly failures: readonly number[];
  readonly steps: readonly number[];
  readonly shown: number;
}

export function pageData(cells: readonly Cell[]): PageData {
  const strings = new Pool<string>();
  const lines = new Pool<readonly number[]>();
  const steps = new Pool<DataStep>();
  const all = (texts: readonly string[]) => texts.map((text) => strings.indexOf(text));
  const stepsOf = (cell: Cell) =>
    stepLines(cell).map(({ action, outcome, note, evidence }) =>
      steps.indexOf({
        ...{ action: strings.indexOf(action), outcome: strings.indexOf(outcome) },
        ...(note === null ? {} : { note: strings.indexOf(note) }),
        lines: evidence.map(({ kind, text, below }) => lines.indexOf(all([kind, text, ...below]))),
      }),
    );
  const cellOf = (cell: Cell): DataCell => ({
    ...{ system: strings.indexOf(cell.system.name), shows: strings.indexOf(markedText(cell)) },
    title: strings.indexOf(cell.scenario.title),
    about: strings.indexOf(`${cell.scenario.source}; ${cell.scenario.name}; ${cell.system.title}`),
    facts: all(cellFacts(cell).flatMap(({ name, text }) => [name, text])),
    ...{ failures: all(failureLines(cell)), steps: stepsOf(cell), shown: cell.scenario.cell },
  });
  const entries = cells.map((cell) => [anchorOf(cell), cellOf(cell)] as const);
  return { strings: strings.items, lines: lines.items, steps: steps.items, cells: Object.fromEntries(entries) };
}

/** Items without repetition, by index. */
class Pool<Item> {
  readonly items: Item[] = [];
  readonly #indices = new Map<string, number>();

  indexOf(item: Item): number {
    const key = JSON.stringify(item);
    const known = this.#indices.get(key);
    if (known !== undefined) return known;
    this.#indices.set(key, this.items.length);
    return this.items.push(item) - 1;
  }
}
