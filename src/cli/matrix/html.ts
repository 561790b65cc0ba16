// The matrix as one HTML file that loads nothing. Every text goes through `markup`, which escapes it, or as data to a script
// that only makes text of it; a policy in the page forbids whatever might get through all the same.

import { createHash } from "node:crypto";
import {
  cellsOf,
  markedText,
  MARK_WORDS,
  type Cell,
  type Group,
  type Matrix,
  type Row,
} from "../../scenario/matrix.js";
import { NOT_APPLICABLE } from "../../scenario/cell-text.js";
import { anchorOf } from "./anchor.js";
import { FAILED, hasFailed, legendOf, NOT_FOR_IT } from "./legend.js";
import { markup, type Markup } from "./markup.js";
import { notesOf } from "./notes.js";
import { pageData } from "./page-data.js";
import { PAGE_SCRIPT } from "./page-script.js";
import { PAGE_STYLE } from "./page-style.js";

/** The whole page. */
export function htmlPage(matrix: Matrix): string {
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Freehold: what each side sees</title>
<style>${markup.trusted(PAGE_STYLE)}</style>
</head>
<body>
<header>
<h1>What each side sees</h1>
<p>${summary(matrix)} Every cell opens to its evidence.</p>
${filterForm(matrix)}
</header>
<main>
${table(matrix)}
${legend(matrix)}
</main>
${DIALOG}
${dataElement(matrix)}
<script>${markup.trusted(PAGE_SCRIPT)}</script>
</body>
</html>
`;
  return page.text;
}

/** Nothing is loaded; of styles and scripts, the two of this page alone. */
function contentPolicy(): string {
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  return [
    "default-src 'none'",
    `style-src ${hash(PAGE_STYLE)}`,
    `script-src ${hash(PAGE_SCRIPT)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

function summary({ groups, systems }: Matrix): string {
  const scenarios = groups.reduce((sum, { rows }) => sum + rows.length, 0);
  const count = (number: number, noun: string) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  return `${count(scenarios, "scenario")} on ${count(systems.length, "system")}, run by Freehold.`;
}

/** Hidden until the script shows it: without the script it would do nothing. */
function filterForm({ groups }: Matrix): Markup {
  const options = groups.map(({ name }, index) => markup`<option value="${groupId(index)}">${name}</option>`);
  return markup`<form role="search" hidden>
<label>Group <select name="group"><option value="">all</option>${options}</select></label>
<label>Text <input name="text" type="search" autocomplete="off"></label>
<output aria-live="polite"></output>
</form>`;
}

const groupId = (index: number) => `group-${index + 1}`;

/** One table, so that its head stays in sight and the columns of all groups are in line. */
function table({ groups, systems }: Matrix): Markup {
  const heads = systems.map(({ name, title }) => markup`<th scope="col" title="${title}">${breakable(name)}</th>`);
  return markup`<div class="scroll" role="region" aria-label="The matrix" tabindex="0">
<table>
<thead><tr><th scope="col">Scenario</th>${heads}</tr></thead>
${groups.map((group, index) => tableGroup(group, groupId(index), systems.length + 1))}</table>
</div>`;
}

function tableGroup({ name, rows }: Group, id: string, columns: number): Markup {
  return markup`<tbody id="${id}">
<tr class="group"><th scope="rowgroup" colspan="${columns}"><span>${name}</span></th></tr>
${rows.map(tableRow)}</tbody>
`;
}

/** A name that may be broken behind its hyphens. */
function breakable(name: string): Markup[] {
  return name.split(/(?<=-)/).map((part) => markup`${part}<wbr>`);
}

function tableRow({ scenario, cells }: Row): Markup {
  return markup`<tr><th scope="row">${scenario.title} <small>${scenario.source}</small></th>${cells.map(tableCell)}</tr>
`;
}

function tableCell(cell: Cell | null): Markup {
  if (cell === null) return markup`<td class="absent">${NOT_FOR_IT}</td>`;
  const { mark } = cell.report;
  const spoken = mark === "P" || mark === "U" ? markup`<span class="spoken">, ${MARK_WORDS[mark]}</span>` : "";
  const harm = harmWords(cell);
  const small = harm === "" ? "" : markup`<small>${harm}</small>`;
  const failed = hasFailed(cell) ? markup`<strong>${FAILED} not as expected</strong>` : "";
  const button = markup`<button type="button" data-cell="${anchorOf(cell)}" aria-haspopup="dialog">`;
  return markup`<td class="${toneOf(cell)}">${button}<code>${markedText(cell)}</code>${spoken}${small}${failed}</button></td>`;
}

/** What a cell's colour repeats: the worst that came of it. */
function toneOf({ report }: Cell): string {
  const { intact, died, shows, steps } = report;
  if (shows === NOT_APPLICABLE) return "none";
  // What is read by agreement is no leak.
  if (steps.some(({ fates }) => fates.includes("LEAK"))) return "leak";
  if (intact === false) return "loss";
  return died.length > 0 ? "death" : "fine";
}

function harmWords({ report }: Cell): string {
  const { secret, intact, died } = report;
  return [
    ...(secret === false ? ["not secret"] : []),
    ...(intact === false ? ["not intact"] : []),
    ...(died.length > 0 ? [`${died.join(", ")} ${died.length === 1 ? "dies" : "die"}`] : []),
  ].join(", ");
}

function legend(matrix: Matrix): Markup {
  const codes = legendOf(matrix).map(([sign, words]) => markup`<dt><code>${sign}</code></dt><dd>${words}</dd>`);
  const reasons = [...notesOf(matrix).keys()].map((note) => markup`<li>${note}</li>`);
  const notes = reasons.length === 0 ? "" : markup`<h3>Why a cell has nothing to show</h3><ul>${reasons}</ul>`;
  return markup`<section aria-labelledby="legend-name">
<h2 id="legend-name">Legend</h2>
<dl>${codes}</dl>
${notes}
</section>`;
}

/** Where the script shows a cell's evidence. */
const DIALOG = markup`<dialog aria-labelledby="evidence-name">
<header><h2 id="evidence-name"></h2><button type="button">Close</button></header>
<div class="evidence"></div>
</dialog>
<noscript><p>Cells are opened by a script, and scripts are off here.</p></noscript>`;

/** Data for the script, in an element that is never executed. Without `<` no text in it can end the element. */
function dataElement(matrix: Matrix): Markup {
  const json = JSON.stringify(pageData([...cellsOf(matrix)])).replaceAll("<", "\\u003c");
  return markup`<script type="application/json" id="data">${markup.trusted(json)}</script>`;
}
