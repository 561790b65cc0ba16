// The short codes of the matrix in words. Codes are those of the reference's overview (host-and-vmm 7.1); whatever else a
// cell shows is the name of a result, and says itself.

import { CELL_CODES, showsCode } from "../../scenario/cell-text.js";
import { cellsOf, failuresOf, MARK_SUFFIX, MARK_WORDS, type Cell, type Matrix } from "../../scenario/matrix.js";

/** One entry of a legend: how it looks in a cell, and what it means. */
export type LegendEntry = readonly [sign: string, words: string];

/** Codes that occur in the matrix, then signs that do. */
export function legendOf(matrix: Matrix): LegendEntry[] {
  const cells = [...cellsOf(matrix)];
  const used = (code: string) => cells.some(({ report }) => showsCode(report.shows, code));
  const marks = (["P", "U"] as const).filter((mark) => cells.some(({ report }) => report.mark === mark));
  const isSparse = matrix.groups.some(({ rows }) => rows.some((row) => row.cells.includes(null)));
  return [
    ...CELL_CODES.filter(([code]) => used(code)),
    ...(isSparse ? [[NOT_FOR_IT, "the scenario is not for this system"] as const] : []),
    ...marks.map((mark) => [MARK_SUFFIX[mark], `behind a cell: ${MARK_WORDS[mark]}`] as const),
    ...(cells.some(hasFailed) ? [[FAILED, "behind a cell: not what the scenario expects"] as const] : []),
  ];
}

/** What stands where there is no cell. */
export const NOT_FOR_IT = "·";
/** Stands behind a cell of which an expectation failed. */
export const FAILED = "!";

export function hasFailed(cell: Cell): boolean {
  return failuresOf(cell).length > 0;
}
