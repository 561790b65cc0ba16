// Numbered notes below a matrix: why a cell has nothing to show. Cells with the same reason share a number.

import { cellsOf, markedText, noteOf, type Cell, type Matrix } from "../../scenario/matrix.js";
import { FAILED, hasFailed, NOT_FOR_IT } from "./legend.js";

/** Numbers from 1 by reason, in the order in which the matrix shows them. */
export function notesOf(matrix: Matrix): ReadonlyMap<string, number> {
  const notes = new Map<string, number>();
  for (const cell of cellsOf(matrix)) {
    const note = noteOf(cell);
    if (note !== null && !notes.has(note)) notes.set(note, notes.size + 1);
  }
  return notes;
}

/** All that a table has of a cell: `SEGV`, `LEAK?`, `– [2]`, `ok!`. */
export function cellWithNote(cell: Cell | null, notes: ReadonlyMap<string, number>): string {
  if (cell === null) return NOT_FOR_IT;
  const note = noteOf(cell);
  const reference = note === null ? "" : ` [${notes.get(note) ?? 0}]`;
  return markedText(cell) + (hasFailed(cell) ? FAILED : "") + reference;
}
