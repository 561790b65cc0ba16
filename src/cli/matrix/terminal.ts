// The matrix on a terminal: a table for each group, in blocks of as many systems as fit beside the titles.

import type { Writable } from "node:stream";
import { markedText, MARK_WORDS, type Cell, type Matrix, type Row } from "../../scenario/matrix.js";
import { coloured, type Colour, writeLine } from "../terminal.js";
import {
  cellFacts,
  failureLines,
  stepLines,
  type EvidenceLine,
  type StepLines,
} from "../../scenario/evidence-lines.js";
import { FAILED, hasFailed, type LegendEntry, legendOf } from "./legend.js";
import { cellWithNote, notesOf } from "./notes.js";
import { printable, wrap } from "./wrap.js";

const GAP = "  ";
/** Titles take what the systems leave, but these at least and at most. */
const TITLE_WIDTH = { min: 24, max: 80 };
/** Cells longer than this are wrapped. */
const CELL_WIDTH = 14;

/** A cell of the printed table: lines, and the colour of all of them. */
interface Box {
  readonly lines: readonly string[];
  readonly colour: Colour | null;
}

interface Column {
  readonly width: number;
  readonly boxes: readonly Box[];
}

/** Least width of the column of the legend's signs. */
const SIGN_WIDTH = 8;

export function printMatrix(matrix: Matrix, stream: Writable, width: number): void {
  const notes = notesOf(matrix);
  for (const { name, rows } of matrix.groups) {
    writeLine(stream, coloured("bold", printable(name), stream));
    for (const block of blocksOf(matrix, rows, notes, width)) {
      writeLine(stream, "");
      for (const line of blockLines(block, stream)) writeLine(stream, line);
    }
    writeLine(stream, "");
  }
  const legend: LegendEntry[] = [...legendOf(matrix), ...[...notes].map(([note, n]) => [`[${n}]`, note] as const)];
  const column = Math.max(SIGN_WIDTH, ...legend.map(([sign]) => sign.length + GAP.length));
  for (const [sign, words] of legend) {
    wrap(words, width - column).forEach((line, i) => {
      writeLine(stream, `${(i === 0 ? sign : "").padEnd(column)}${line}`);
    });
  }
}

/** Tables of the titles and some systems each, as even as they can be, until every system was shown that has a say. */
function blocksOf(matrix: Matrix, rows: readonly Row[], notes: ReadonlyMap<string, number>, width: number): Column[][] {
  const systems = columnsShown(matrix, rows).map(({ name, index }) => systemColumn(name, rows, index, notes));
  const room = width - titleColumn(rows, TITLE_WIDTH.min).width;
  const fewest = blocksThatFit(systems, room, systems.length).length;
  const blocks = blocksThatFit(systems, room, Math.ceil(systems.length / fewest));
  const left = width - Math.max(...blocks.map(widthOf));
  const titles = titleColumn(rows, Math.min(TITLE_WIDTH.max, Math.max(TITLE_WIDTH.min, left)));
  return blocks.map((block) => [titles, ...block]);
}

/** The systems that some row is for; if there are none, all of them. */
function columnsShown(
  matrix: Matrix,
  rows: readonly Row[],
): readonly { readonly name: string; readonly index: number }[] {
  const columns = matrix.systems.map(({ name }, index) => ({ name, index }));
  const shown = columns.filter(({ index }) => rows.some(({ cells }) => (cells[index] ?? null) !== null));
  return shown.length > 0 ? shown : columns;
}

/** Columns side by side, not more than `most`, nor than there is room for (but one at least). */
function blocksThatFit(columns: readonly Column[], room: number, most: number): Column[][] {
  const blocks: Column[][] = [[]];
  for (const column of columns) {
    const block = blocks.at(-1) ?? [];
    const isFull = block.length === most || widthOf([...block, column]) > room;
    if (block.length > 0 && isFull) blocks.push([column]);
    else block.push(column);
  }
  return blocks;
}

/** With the gap before each. */
const widthOf = (columns: readonly Column[]) => columns.reduce((sum, { width }) => sum + GAP.length + width, 0);

function titleColumn(rows: readonly Row[], limit: number): Column {
  const titled = rows.map(({ scenario }) => {
    return plain([...wrap(scenario.title, limit), ...wrap(`(${scenario.name})`, limit)]);
  });
  return columnOf([plain([""]), ...titled]);
}

function systemColumn(name: string, rows: readonly Row[], index: number, notes: ReadonlyMap<string, number>): Column {
  const boxes = rows.map((row) => {
    const cell = row.cells[index] ?? null;
    return { lines: wrap(cellWithNote(cell, notes), CELL_WIDTH), colour: cell === null ? "dim" : cellColour(cell) };
  });
  return columnOf([plain(headerLines(name)), ...boxes]);
}

/** `gunyah-linux-memfd` in three lines. */
const headerLines = (name: string) => name.split(/(?<=-)/);

const plain = (lines: readonly string[]): Box => ({ lines, colour: null });

function columnOf(boxes: readonly Box[]): Column {
  const width = Math.max(...boxes.flatMap(({ lines }) => lines.map((line) => line.length)));
  return { width, boxes };
}

/** Colours only repeat what the text says: its `!`, its mark. */
function cellColour(cell: Cell): Colour | null {
  if (hasFailed(cell)) return "red";
  const { mark } = cell.report;
  return mark === "U" ? "yellow" : mark === "P" ? "cyan" : null;
}

function blockLines(columns: readonly Column[], stream: Writable): string[] {
  const rows = columns[0]?.boxes.map((_, row) => rowLines(columns, row, stream)) ?? [];
  const [header = [], ...body] = rows;
  const rule = columns.map(({ width }) => "-".repeat(width)).join(GAP);
  return [...header, rule, ...body.flat()];
}

function rowLines(columns: readonly Column[], row: number, stream: Writable): string[] {
  const height = Math.max(...columns.map(({ boxes }) => boxes[row]?.lines.length ?? 0));
  return Array.from({ length: height }, (_, line) =>
    columns
      .map(({ width, boxes }, column) => {
        const text = boxes[row]?.lines[line] ?? "";
        const padding = column === columns.length - 1 ? "" : " ".repeat(width - text.length);
        const colour = boxes[row]?.colour ?? null;
        return (colour === null || text === "" ? text : coloured(colour, text, stream)) + padding;
      })
      .join(GAP)
      .trimEnd(),
  );
}

/** A cell opened to its evidence. */
export function printCell(cell: Cell, stream: Writable): void {
  const { scenario, system, report } = cell;
  printText(`${scenario.name} on ${system.name}: ${markedText(cell)}`, 0, stream, "bold");
  printText(`${scenario.title} (${scenario.source}); ${system.title}; ${MARK_WORDS[report.mark]}`, 2, stream);
  const facts = cellFacts(cell);
  const nameWidth = Math.max(...facts.map(({ name }) => name.length));
  for (const { name, text } of facts) writeLine(stream, `  ${name.padEnd(nameWidth)}  ${printable(text)}`);
  for (const failure of failureLines(cell)) printText(`${FAILED} ${failure}`, 2, stream, "red");
  for (const step of stepLines(cell)) printStep(step, stream);
}

function printStep({ number, isShown, action, outcome, note, evidence }: StepLines, stream: Writable): void {
  writeLine(stream, "");
  const shown = isShown ? "   <- the cell" : "";
  printText(`${number}. ${action}: ${outcome}${shown}`, 2, stream, "bold");
  if (note !== null) printText(`(${note})`, 5, stream);
  for (const line of evidence) printEvidence(line, stream);
}

function printEvidence({ kind, text, below }: EvidenceLine, stream: Writable): void {
  printText(`${kind.padEnd(9)}  ${text}`, 5, stream);
  for (const line of below) printText(line, 18, stream, "dim");
}

function printText(text: string, indent: number, stream: Writable, colour: Colour | null = null): void {
  const line = printable(text);
  writeLine(stream, " ".repeat(indent) + (colour === null ? line : coloured(colour, line, stream)));
}
