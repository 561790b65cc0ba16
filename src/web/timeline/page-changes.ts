// The pages that one operation changed, as runs of neighbours that changed alike.

import type { ChangeColumns } from "../../timeline/timeline.js";
import { firstAbove } from "../../timeline/ownership.js";

export interface PageRun {
  /** Number of the first page. */
  readonly page: number;
  readonly pages: number;
  /** Classes (page-class.ts). */
  readonly before: number;
  readonly after: number;
}

/** Where the changes of an operation stand in the columns: from `start` to before `end`. */
function changesOf({ operation, count }: ChangeColumns, number: number): { start: number; end: number } {
  const used = operation.subarray(0, count);
  return { start: firstAbove(used, number - 1), end: firstAbove(used, number) };
}

/** How many pages an operation changed. */
export function changedPages(changes: ChangeColumns, number: number): number {
  const { start, end } = changesOf(changes, number);
  return end - start;
}

/** The first `most` runs of an operation's changes, in the order in which the pages changed. */
export function pageRuns(changes: ChangeColumns, number: number, most: number): PageRun[] {
  const { start, end } = changesOf(changes, number);
  const runs: PageRun[] = [];
  for (let at = start; at < end; at++) {
    const change = {
      page: changes.page[at] ?? 0,
      pages: 1,
      before: changes.before[at] ?? 0,
      after: changes.after[at] ?? 0,
    };
    const last = runs.at(-1);
    if (last !== undefined && continues(last, change)) runs[runs.length - 1] = { ...last, pages: last.pages + 1 };
    else if (runs.length === most) return runs;
    else runs.push(change);
  }
  return runs;
}

const continues = (run: PageRun, { page, before, after }: PageRun) =>
  run.page + run.pages === page && run.before === before && run.after === after;
