import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OPERATION_DIFFERS, OPERATION_PANICKED, OPERATION_REFUSED } from "../../../src/timeline/timeline.js";
import {
  allOperations,
  findMatches,
  nextMatch,
  refusedOperations,
  theseOperations,
  vmsOf,
  type Wanted,
} from "../../../src/web/timeline/matches.js";
import { changeColumns, operationColumns } from "./columns.js";

const ANYTHING: Wanted = { verb: null, vm: null, page: null, refusedOnly: false };

const operations = operationColumns([
  /* 0 */ { verb: 0, on: [10, 1] },
  /* 1 */ { verb: 1, vm: 0x1000, on: [11, 4] },
  /* 2 */ { verb: 1, vm: 0x1001, on: [12, 1], ret: -1, flags: OPERATION_REFUSED },
  /* 3 */ { verb: 2, vm: 0x1000 },
  /* 4 */ { verb: 0, on: [14, 1], flags: OPERATION_PANICKED },
  /* 5 */ { verb: 2, vm: 0x1001, flags: OPERATION_DIFFERS },
]);
// The teardowns (verb 2) name no page, and give back those of their VM.
const changes = changeColumns([
  [0, 10, 1, 2],
  [3, 11, 1, 1],
  [3, 14, 1, 1],
  [5, 12, 1, 1],
]);

function found(wanted: Partial<Wanted>, slice?: number): number[] {
  const search = findMatches({ operations, changes }, { ...ANYTHING, ...wanted }, slice);
  for (;;) {
    const step = search.next();
    if (step.done === true) return [...step.value];
  }
}

// prettier-ignore
test.each<[string, Partial<Wanted>, number[]]>([
  ["nothing in particular",            {},                               [0, 1, 2, 3, 4, 5]],
  ["a verb",                           { verb: 1 },                      [1, 2]],
  ["a verb that the trace has not",    { verb: -1 },                     []],
  ["a VM",                             { vm: 0x1000 },                   [1, 3]],
  ["refused ones and panics",          { refusedOnly: true },            [2, 4]],
  ["a page, worked on or changed",     { page: 14 },                     [1, 3, 4]],
  ["the last page of a range",         { page: 11 + 3 },                 [1, 3, 4]],
  ["the page behind a range",          { page: 11 + 4 },                 []],
  ["a page that only one works on",    { page: 10 },                     [0]],
  ["no memory",                        { page: -1 },                     []],
  ["page and VM",                      { page: 14, vm: 0x1000 },         [1, 3]],
  ["page, VM and verb",                { page: 14, vm: 0x1000, verb: 2 },[3]],
  ["page and refused",                 { page: 12, refusedOnly: true },  [2]],
])("filter for %s", (_, wanted, expected) => {
  expect(found(wanted)).toEqual(expected);
  expect(found(wanted, 1)).toEqual(expected);
  expect(found(wanted, 4)).toEqual(expected);
});

test("a search pauses after each slice of operations and of changes", () => {
  const search = findMatches({ operations, changes }, { ...ANYTHING, page: 14 }, 2);
  let pauses = 0;
  while (search.next().done !== true) pauses += 1;
  expect(pauses).toBe(4 / 2 + 6 / 2);
});

test("the refused ones and the VMs of a trace", () => {
  expect([...refusedOperations(operations)]).toEqual([2, 4]);
  expect(vmsOf(operations)).toEqual([0x1000, 0x1001]);
});

describe("rows of the list", () => {
  // prettier-ignore
  test.each<[number, number, number | null, number | null]>([
    // operation  row  next  previous
    [-1,          -1,  3,    null],
    [2,           -1,  3,    null],
    [3,            0,  7,    null],
    [5,            0,  7,    3],
    [7,            1,  9,    3],
    [9,            2,  null, 7],
    [40,           2,  null, 9],
  ])("operation %i among 3, 7, 9: row %i, next %o, previous %o", (operation, row, next, previous) => {
    const matches = theseOperations(Uint32Array.of(3, 7, 9));
    expect(matches.rowOf(operation)).toBe(row);
    expect(nextMatch(matches, operation, 1)).toBe(next);
    expect(nextMatch(matches, operation, -1)).toBe(previous);
  });

  test("all operations are listed as a list of all would be", () => {
    const all = allOperations(4);
    const listed = theseOperations(Uint32Array.of(0, 1, 2, 3));
    for (let operation = -1; operation <= 4; operation++) {
      expect(all.rowOf(operation)).toBe(listed.rowOf(operation));
      for (const step of [1, -1] as const) {
        expect(nextMatch(all, operation, step)).toBe(nextMatch(listed, operation, step));
      }
    }
  });

  test("a row leads to an operation that leads back to the row", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(1000), { minLength: 1 }), (numbers) => {
        const matches = theseOperations(Uint32Array.from(numbers).sort());
        for (let row = 0; row < matches.count; row++) expect(matches.rowOf(matches.at(row))).toBe(row);
      }),
    );
  });
});
