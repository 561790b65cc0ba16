// The matrix as JSON Lines: an object for each cell, then one for all of them. docs/compare.md describes the fields.

import type { Writable } from "node:stream";
import { MARKS } from "../../consequences/evidence.js";
import { actionWords } from "../../scenario/action-in-words.js";
import { cellsOf, failuresOf, lackOf, sawInCell, type Cell, type Matrix } from "../../scenario/matrix.js";
import { writeJson } from "../terminal.js";
import { hasFailed } from "./legend.js";

/** @param evidence false: cells without their steps */
export function printJson(matrix: Matrix, stream: Writable, { evidence }: { readonly evidence: boolean }): void {
  for (const cell of cellsOf(matrix)) {
    writeJson(stream, evidence ? { ...cellJson(cell), evidence: cell.report.steps.map(stepJson) } : cellJson(cell));
  }
  writeJson(stream, totalJson(matrix));
}

function cellJson(cell: Cell): object {
  const { scenario, system, report } = cell;
  const saw = sawInCell(cell);
  const { shows, mark, secret, intact, split, died } = report;
  const shown = report.steps[scenario.cell]?.result ?? null;
  return {
    kind: "cell",
    ...{ scenario: scenario.name, title: scenario.title, group: scenario.group, source: scenario.source },
    ...{ system: system.name, shows, mark, result: shown?.result ?? null, value: shown?.value ?? null },
    ...{ hypervisor: saw.get("hypervisor") ?? [], kernel: saw.get("kernel") ?? [], process: saw.get("process") ?? [] },
    ...{ vmm: saw.get("vmm") ?? [], guest: saw.get("guest") ?? [], device: saw.get("device") ?? [] },
    ...{ secret, intact, split, died, lack: lackOf(cell), failures: failuresOf(cell) },
  };
}

function stepJson({ step, result, fates, mark, evidence }: Cell["report"]["steps"][number]): object {
  return { step: actionWords(step.action), note: step.note, ...result, fates, mark, evidence };
}

function totalJson(matrix: Matrix): object {
  const cells = [...cellsOf(matrix)];
  const count = (is: (cell: Cell) => boolean) => cells.filter(is).length;
  return {
    kind: "total",
    scenarios: matrix.groups.reduce((sum, { rows }) => sum + rows.length, 0),
    systems: matrix.systems.map(({ name }) => name),
    cells: cells.length,
    marks: Object.fromEntries(MARKS.map((mark) => [mark, count(({ report }) => report.mark === mark)])),
    lacking: count((cell) => lackOf(cell) !== null),
    failed: count(hasFailed),
  };
}
