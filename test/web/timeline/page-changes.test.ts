import { expect, test } from "vitest";
import { changedPages, pageRuns } from "../../../src/web/timeline/page-changes.js";
import { changeColumns } from "./columns.js";

const changes = changeColumns([
  [2, 40, 1, 2],
  [5, 10, 1, 9],
  [5, 11, 1, 9],
  [5, 12, 2, 9],
  [5, 14, 2, 9],
  [5, 15, 2, 9],
  [8, 10, 9, 1],
]);

// prettier-ignore
test.each<[number, number, number, [page: number, pages: number, before: number, after: number][]]>([
  // operation  most  pages  runs of neighbours that changed alike
  [2,           9,    1,     [[40, 1, 1, 2]]],
  [5,           9,    5,     [[10, 2, 1, 9], [12, 1, 2, 9], [14, 2, 2, 9]]],
  [5,           2,    5,     [[10, 2, 1, 9], [12, 1, 2, 9]]],
  [8,           9,    1,     [[10, 1, 9, 1]]],
  [0,           9,    0,     []],
  [6,           9,    0,     []],
  [9,           9,    0,     []],
])("operation %i, at most %i runs", (operation, most, pages, runs) => {
  expect(changedPages(changes, operation)).toBe(pages);
  expect(pageRuns(changes, operation, most).map(Object.values)).toEqual(runs);
});
