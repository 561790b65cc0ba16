// The matrix as GitHub's Markdown: a table for each group (or one for all, where each has one row), notes, and below them every cell as a section that unfolds.

import type { Writable } from "node:stream";
import { cellsOf, markedText, MARK_WORDS, type Cell, type Matrix, type Row } from "../../scenario/matrix.js";
import { writeLine } from "../terminal.js";
import { anchorOf } from "./anchor.js";
import {
  cellFacts,
  failureLines,
  stepLines,
  type EvidenceLine,
  type StepLines,
} from "../../scenario/evidence-lines.js";
import { FAILED, legendOf } from "./legend.js";
import { escapeHtml } from "./markup.js";
import { cellWithNote, notesOf } from "./notes.js";

/** @param evidence cells lead to their evidence below the tables; without it there are tables and notes alone */
export function printMarkdown(matrix: Matrix, stream: Writable, { evidence }: { readonly evidence: boolean }): void {
  const notes = notesOf(matrix);
  if (isDigest(matrix)) printDigest(matrix, notes, evidence, stream);
  else printGroups(matrix, notes, evidence, stream);
  for (const [sign, words] of legendOf(matrix)) writeLine(stream, `- ${code(sign)} ${escape(words)}`);
  for (const [note, number] of notes) writeLine(stream, `- \\[${number}\\] ${escape(note)}`);
  if (!evidence) return;
  writeLine(stream, "\n## Evidence\n");
  printMarkdownCells(matrix, stream);
}

type Notes = ReadonlyMap<string, number>;

function printGroups(matrix: Matrix, notes: Notes, evidence: boolean, stream: Writable): void {
  for (const { name, rows } of matrix.groups) {
    writeLine(stream, `## ${escape(name)}\n`);
    printHead(["Scenario"], matrix, stream);
    for (const row of rows) writeLine(stream, tableRow(rowTexts(row, notes, evidence)));
    writeLine(stream, "");
  }
}

/** One scenario of each of several groups: a table for each would be all headings. */
const isDigest = ({ groups }: Matrix) => groups.length > 1 && groups.every(({ rows }) => rows.length === 1);

function printDigest(matrix: Matrix, notes: Notes, evidence: boolean, stream: Writable): void {
  printHead(["Group", "Scenario"], matrix, stream);
  for (const { name, rows } of matrix.groups) {
    for (const row of rows) writeLine(stream, tableRow([escape(name), ...rowTexts(row, notes, evidence)]));
  }
  writeLine(stream, "");
}

function printHead(left: readonly string[], matrix: Matrix, stream: Writable): void {
  writeLine(stream, tableRow([...left, ...matrix.systems.map((system) => code(system.name))]));
  writeLine(stream, tableRow([...left, ...matrix.systems].map(() => "---")));
}

/** Every cell as a section that unfolds. What a step stands on is printed where it comes up first, and linked to later. */
export function printMarkdownCells(matrix: Matrix, stream: Writable): void {
  const told: Told = new Map();
  for (const cell of cellsOf(matrix)) printCell(cell, told, stream);
}

/** Where evidence was printed before, by its text. */
type Told = Map<string, string>;

function rowTexts({ scenario, cells }: Row, notes: Notes, evidence: boolean): string[] {
  const texts = cells.map((cell) => {
    const text = escape(cellWithNote(cell, notes));
    return cell === null || !evidence ? text : `[${text}](#${anchorOf(cell)})`;
  });
  return [escape(scenario.title), ...texts];
}

const tableRow = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

/** The anchor lies inside the section, so that following a link to it opens the section. */
function printCell(cell: Cell, told: Told, stream: Writable): void {
  const { scenario, system, report } = cell;
  const head = `<code>${escapeHtml(scenario.name)}</code> on <code>${escapeHtml(system.name)}</code>`;
  const shows = `<b>${escapeHtml(markedText(cell))}</b>`;
  writeLine(stream, `<details><summary>${head}: ${shows}, ${MARK_WORDS[report.mark]}</summary>\n`);
  writeLine(
    stream,
    `<a id="${anchorOf(cell)}"></a>${escape(`${scenario.title} (${scenario.source}); ${system.title}`)}\n`,
  );
  for (const { name, text } of cellFacts(cell)) writeLine(stream, `- **${escape(name)}**: ${escape(text)}`);
  for (const failure of failureLines(cell)) writeLine(stream, `- **${escape(FAILED)}** ${escape(failure)}`);
  writeLine(stream, "");
  for (const step of stepLines(cell)) {
    printStep(step, stream);
    printStepEvidence(step, cell, told, stream);
  }
  writeLine(stream, "\n</details>\n");
}

function printStep({ number, isShown, action, outcome, note }: StepLines, stream: Writable): void {
  const shown = isShown ? " (the cell)" : "";
  writeLine(stream, `${number}. ${escape(action)}: **${escape(outcome)}**${shown}`);
  if (note !== null) writeLine(stream, `   - note: ${escape(note)}`);
}

/** The step that the cell shows is always told in full. */
function printStepEvidence({ number, isShown, evidence }: StepLines, cell: Cell, told: Told, stream: Writable): void {
  if (evidence.length === 0) return;
  const key = JSON.stringify(evidence);
  const before = told.get(key);
  if (before !== undefined && !isShown) return writeLine(stream, `   - ${before}`);
  const place = `${code(cell.scenario.name)} on ${code(cell.system.name)}`;
  if (before === undefined) told.set(key, `as in [step ${number} of ${place}](#${anchorOf(cell)})`);
  for (const line of evidence) printEvidence(line, stream);
}

function printEvidence({ kind, text, below }: EvidenceLine, stream: Writable): void {
  writeLine(stream, `   - ${kind}: ${kind === "rule" || kind === "saw" ? escape(text) : code(text)}`);
  for (const line of below) writeLine(stream, `     - ${kind === "rule" ? escape(line) : code(line)}`);
}

/** Text that Markdown shows as it is. An underscore within a word is harmless, and frequent. */
export function escape(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .replace(/[\\`*[\]<>~#|]|(?<!\w)_|_(?!\w)/g, "\\$&")
    .replaceAll("&", "&amp;");
}

/** A code span, in as many backticks as its text asks for. */
function code(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  const space = longest > 0 ? " " : "";
  return `${fence}${space}${text.replace(/\s+/g, " ")}${space}${fence}`;
}
