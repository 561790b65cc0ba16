// The short codes of the matrix in words. Codes are those of the reference's overview (host-and-vmm 7.1); whatever else a
// cell shows is the name of a result, and says itself.

import { NOT_APPLICABLE } from "../../scenario/cell-text.js";
import { cellsOf, failuresOf, MARK_SUFFIX, MARK_WORDS, type Cell, type Matrix } from "../../scenario/matrix.js";

const CODES: readonly (readonly [code: string, words: string])[] = [
  ["ok", "the step goes through"],
  ["SEGV", "SIGSEGV, SEGV_ACCERR"],
  ["OBJ", "SIGBUS, BUS_OBJERR"],
  ["ADR", "SIGBUS, BUS_ADRERR"],
  ["KILL", "SIGKILL"],
  ["EFAULT", "the system call fails with this errno"],
  ["OOPS", "the kernel dies in that task"],
  ["TAKE", "the page is seized and zeroed, its guest loses it"],
  ["SPLIT", "guest and VMM go on with different frames"],
  ["LEAK", "plaintext reaches the wrong party"],
  ["corruption", "data of a guest is changed under it"],
  ["zero page", "the guest finds zeros where it had written"],
  ["zeroed", "whoever comes after the guest finds zeros"],
  ["run:", "what the VMM's run call reports"],
  ["SEA", "synchronous external abort in the guest"],
  ["blocked", "the device's transfer is refused: I/O error"],
  ["STOP", "the hypervisor stops the machine"],
  [NOT_APPLICABLE, "the system has no such verb, or nobody is left to act; the note says why"],
];

/** One entry of a legend: how it looks in a cell, and what it means. */
export type LegendEntry = readonly [sign: string, words: string];

/** Codes that occur in the matrix, then signs that do. */
export function legendOf(matrix: Matrix): LegendEntry[] {
  const cells = [...cellsOf(matrix)];
  const used = (code: string) => cells.some(({ report }) => showsCode(report.shows, code));
  const marks = (["P", "U"] as const).filter((mark) => cells.some(({ report }) => report.mark === mark));
  const isSparse = matrix.groups.some(({ rows }) => rows.some((row) => row.cells.includes(null)));
  return [
    ...CODES.filter(([code]) => used(code)),
    ...(isSparse ? [[NOT_FOR_IT, "the scenario is not for this system"] as const] : []),
    ...marks.map((mark) => [MARK_SUFFIX[mark], `behind a cell: ${MARK_WORDS[mark]}`] as const),
    ...(cells.some(hasFailed) ? [[FAILED, "behind a cell: not what the scenario expects"] as const] : []),
  ];
}

/** What stands where there is no cell. */
export const NOT_FOR_IT = "·";
/** Stands behind a cell of which an expectation failed. */
export const FAILED = "!";

/** A cell shows one code, or several: `LEAK + corruption`. */
function showsCode(shows: string, code: string): boolean {
  return shows.split(" + ").some((shown) => shown === code || (code.endsWith(":") && shown.startsWith(code)));
}

export function hasFailed(cell: Cell): boolean {
  return failuresOf(cell).length > 0;
}
