import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  LIST_START,
  MAX_HEIGHT,
  mostRowsShown,
  placed,
  revealed,
  rowsShown,
  scrolled,
  scrollHeight,
  type ListGeometry,
} from "../../../src/web/timeline/list-window.js";

const SHORT: ListGeometry = { rows: 100, rowHeight: 20, height: 200 };
/** Ten times what a browser can scroll. */
const LONG: ListGeometry = { rows: (10 * MAX_HEIGHT) / 20, rowHeight: 20, height: 200 };

describe("a list that fits", () => {
  test("is as high as its rows", () => expect(scrollHeight(SHORT)).toBe(2000));

  // prettier-ignore
  test.each([
    // scrollTop  top
    [0,           0],
    [30,          1.5],
    [1000,        50],
    [1800,        90],
  ])("scrolled to %i pixels it stands at row %f", (scrollTop, top) => {
    expect(scrolled(SHORT, LIST_START, scrollTop)).toEqual({ top, scrollTop });
    expect(placed(SHORT, top)).toEqual({ top, scrollTop });
  });

  // prettier-ignore
  test.each([
    // from  row  top: with one neighbour in sight
    [0,      3,   0],
    [0,      9,   1],
    [0,      50,  42],
    [50,     50,  49],
    [50,     51,  50],
    [50,     20,  19],
    [50,     99,  90],
    [50,     0,   0],
  ])("from row %i it moves as little as shows row %i: to %i", (from, row, top) => {
    expect(revealed(SHORT, placed(SHORT, from), row).top).toBe(top);
  });
});

describe("a list that is too long to be scrolled", () => {
  test("is as high as it may be", () => expect(scrollHeight(LONG)).toBe(MAX_HEIGHT));

  test("moves with a wheel by the pixels that the wheel moves", () => {
    const from = placed(LONG, 1_000_000);
    expect(scrolled(LONG, from, from.scrollTop + 40).top).toBe(1_000_002);
    expect(scrolled(LONG, from, from.scrollTop - 10).top).toBe(999_999.5);
  });

  test("goes with the bar to the same share of its rows", () => {
    const middle = scrolled(LONG, LIST_START, (MAX_HEIGHT - LONG.height) / 2);
    expect(middle.top).toBe((LONG.rows - 10) / 2);
  });

  test("reaches both ends, however it got near them", () => {
    const near = { top: 12, scrollTop: 4 };
    expect(scrolled(LONG, near, 0).top).toBe(0);
    const nearEnd = { top: LONG.rows - 40, scrollTop: MAX_HEIGHT - LONG.height - 5 };
    expect(scrolled(LONG, nearEnd, MAX_HEIGHT - LONG.height).top).toBe(LONG.rows - 10);
  });
});

test("a list shorter than its window does not move", () => {
  const list = { rows: 3, rowHeight: 20, height: 200 };
  expect(placed(list, 2)).toEqual({ top: 0, scrollTop: 0 });
  expect(rowsShown(list, LIST_START)).toEqual({ first: 0, end: 3, offset: 0 });
});

test("the rows drawn cover the window, where it stands on the page", () => {
  const geometry = fc.record({
    rows: fc.integer({ min: 1, max: 50_000_000 }),
    rowHeight: fc.constantFrom(26, 44),
    height: fc.integer({ min: 50, max: 2000 }),
  });
  fc.assert(
    fc.property(geometry, fc.double({ min: 0, max: 1, noNaN: true }), (list, share) => {
      const position = placed(list, share * list.rows);
      const { first, end, offset } = rowsShown(list, position);
      const shownFrom = offset - position.scrollTop;
      const shownTo = shownFrom + (end - first) * list.rowHeight;
      expect(first === 0 || shownFrom <= 0).toBe(true);
      expect(end === list.rows || shownTo >= list.height).toBe(true);
      expect(end - first).toBeLessThanOrEqual(mostRowsShown(list));
    }),
  );
});
