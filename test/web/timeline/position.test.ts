import fc from "fast-check";
import { expect, test } from "vitest";
import {
  largeStep,
  positionAt,
  positionOfKey,
  START_WIDTH,
  typedPosition,
  xOf,
} from "../../../src/web/timeline/position.js";

// prettier-ignore
test.each([
  // x                    position, of 100 operations on 808 pixels
  [-20,                   -1],
  [0,                     -1],
  [START_WIDTH - 1,       -1],
  [START_WIDTH,           0],
  [START_WIDTH + 8,       1],
  [START_WIDTH + 799,     99],
  [2000,                  99],
])("the pointer at %i is at operation %i", (x, position) => {
  expect(positionAt(x, 808, 100)).toBe(position);
});

test("the cursor stands where the pointer would choose the same position", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), fc.nat(), (count, n) => {
      const position = (n % (count + 1)) - 1;
      expect(positionAt(xOf(position, 808, count), 808, count)).toBe(position);
    }),
  );
});

// prettier-ignore
test.each<[string, number, number | null]>([
  // key          from  to, of 500 operations
  ["ArrowRight",  7,    8],
  ["ArrowUp",     499,  499],
  ["ArrowLeft",   0,    -1],
  ["ArrowDown",   -1,   -1],
  ["PageUp",      7,    17],
  ["PageDown",    7,    -1],
  ["Home",        7,    -1],
  ["End",         7,    499],
  ["a",           7,    null],
])("%s at %i leads to %o", (key, from, to) => {
  expect(positionOfKey(key, from, 500, largeStep(500))).toBe(to);
});

// prettier-ignore
test.each<[string, number | null]>([
  ["4312",       4312],
  [" 4,312 ",    4312],
  ["0",          0],
  ["9999",       9999],
  ["10000",      null],
  ["-1",         null],
  ["0x10",       null],
  ["",           null],
  ["1e3",        null],
  ["99999999999", null],
])("of 10,000 operations, %o is %o", (text, position) => {
  expect(typedPosition(text, 10_000)).toBe(position);
});
