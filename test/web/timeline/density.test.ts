import fc from "fast-check";
import { expect, test } from "vitest";
import { OPERATION_AFTER_RESET, OPERATION_PANICKED, OPERATION_REFUSED } from "../../../src/timeline/timeline.js";
import {
  barHeights,
  eventsOf,
  firstOfPart,
  matchedHeights,
  partsOf,
  spread,
} from "../../../src/web/timeline/density.js";
import { theseOperations } from "../../../src/web/timeline/matches.js";
import { changeColumns, operationColumns } from "./columns.js";

// prettier-ignore
test.each([
  // operations  pixels  parts
  [1_000_000,    800,    800],
  [24,           800,    24],
  [0,            800,    1],
  [5,            0.4,    1],
])("%i operations on %d pixels: %i parts", (count, pixels, parts) => {
  expect(partsOf(count, pixels).parts).toBe(parts);
});

test("the parts follow each other from the first operation to the last, none of them empty", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000_000 }), fc.integer({ min: 1, max: 4000 }), (count, pixels) => {
      const parts = partsOf(count, pixels);
      const starts = Array.from({ length: parts.parts + 1 }, (_, part) => firstOfPart(parts, part));
      expect(starts[0]).toBe(0);
      expect(starts.at(-1)).toBe(count);
      expect(starts.every((start, part) => part === 0 || start > (starts[part - 1] ?? 0))).toBe(true);
    }),
  );
});

test("events fall on the part of their operation", () => {
  const operations = operationColumns([
    { flags: OPERATION_AFTER_RESET },
    { flags: OPERATION_REFUSED },
    { flags: OPERATION_REFUSED },
    { flags: OPERATION_REFUSED | OPERATION_AFTER_RESET },
    {},
    { flags: OPERATION_PANICKED },
  ]);
  const changes = changeColumns([
    [0, 7, 1, 2],
    [0, 8, 1, 2],
    [4, 7, 2, 1],
  ]);
  const events = eventsOf(partsOf(6, 3), operations, changes);
  expect([...events.refused]).toEqual([1, 2, 0]);
  expect([...events.panicked]).toEqual([0, 0, 1]);
  expect([...events.differing]).toEqual([0, 0, 0]);
  expect([...events.resets]).toEqual([1, 1, 0]);
  expect([...events.changed]).toEqual([2, 0, 1]);
});

test("of few that match, the densest part is as high as if all did", () => {
  const heights = (...operations: number[]) => [
    ...matchedHeights(partsOf(12, 3), theseOperations(Uint32Array.from(operations))),
  ];
  expect(heights(0, 1, 5)).toEqual([1, 0.5, 0]);
  expect(heights()).toEqual([0, 0, 0]);
});

test("bars: nothing is 0, the most is 1, and one page is seen beside a million", () => {
  const [none, one, most] = barHeights(Uint32Array.of(0, 1, 1_000_000));
  expect(none).toBe(0);
  expect(one).toBeGreaterThan(0.04);
  expect(most).toBe(1);
});

// prettier-ignore
test.each<[string, number[], number, number[]]>([
  // counts                          pixels a part, marks 8 pixels apart
  ["each has room",                 [1, 0, 2, 0],                8, [0, 2]],
  ["the part with most of them",    [1, 3, 0, 0, 1, 0, 0, 0, 2], 2, [1, 4, 8]],
  ["none",                          [0, 0, 0],                   1, []],
])("marks that would lie on each other are one: %s", (_, counts, pixelsPerPart, marks) => {
  expect(spread(Uint32Array.from(counts), pixelsPerPart, 8)).toEqual(marks);
});
