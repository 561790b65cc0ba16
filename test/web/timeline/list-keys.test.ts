import { expect, test } from "vitest";
import { operationOfKey } from "../../../src/web/timeline/list-keys.js";
import { theseOperations } from "../../../src/web/timeline/matches.js";

// prettier-ignore
test.each<[string, number, number | null]>([
  // key          at  leads to, of 3, 7, 9, 20 with two rows on screen
  ["ArrowDown",   3,  7],
  ["ArrowDown",   4,  7],
  ["ArrowDown",   20, null],
  ["ArrowUp",     8,  7],
  ["ArrowUp",     7,  3],
  ["ArrowUp",     3,  -1],
  ["ArrowLeft",   7,  6],
  ["ArrowRight",  7,  8],
  ["PageDown",    3,  9],
  ["PageDown",    9,  20],
  ["PageUp",      20, 7],
  ["PageUp",      5,  3],
  ["Home",        9,  3],
  ["End",         -1, 20],
  ["x",           7,  null],
])("%s at operation %i leads to %o", (key, position, to) => {
  expect(operationOfKey(key, position, theseOperations(Uint32Array.of(3, 7, 9, 20)), 2)).toBe(to);
});

test("in an empty list there is nowhere to go but to the start", () => {
  const none = theseOperations(new Uint32Array());
  expect(["ArrowDown", "PageDown", "Home", "End"].map((key) => operationOfKey(key, 5, none, 2))).toEqual([
    null,
    null,
    null,
    null,
  ]);
});
