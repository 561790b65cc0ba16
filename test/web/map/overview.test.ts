import { expect, test } from "vitest";
import { layOut } from "../../../src/web/map/layout.js";
import { frameIn, lookAt, overviewOf } from "../../../src/web/map/overview.js";
import { cellAt, wholeMachine, zoomAt } from "../../../src/web/map/viewport.js";

const layout = layOut(
  [
    { pfn: 0x80000n, pages: 2 ** 20, first: 0 },
    { pfn: 0x880000n, pages: 2 ** 20, first: 2 ** 20 },
  ],
  12,
  10,
);
const whole = wholeMachine(layout, 1000, 500, 20);
const small = overviewOf(layout, whole);

test("it is shaped like its window", () => {
  expect(small.width / small.height).toBeCloseTo(2);
});

test("all is framed when all is shown", () => {
  const { x, y, width, height } = frameIn(layout, whole, small);
  expect(x).toBeCloseTo(0);
  expect(width).toBeCloseTo(small.width);
  expect(y).toBeLessThanOrEqual(small.gap);
  expect(y + height).toBeCloseTo(small.height);
});

test("the frame is around what is shown", () => {
  const view = zoomAt(layout, whole, { x: 1000, y: 500 }, 4);
  const { x, y, width, height } = frameIn(layout, view, small);
  expect([x + width, y + height]).toEqual([expect.closeTo(small.width), expect.closeTo(small.height)]);
  expect(width).toBeCloseTo(small.width / 4);
});

// prettier-ignore
test.each<[string, { x: number; y: number }]>([
  ["the first region",   { x: 40, y: 20 }],
  ["the second region",  { x: 90, y: 50 }],
])("what is pointed at comes to the middle: %s", (_, at) => {
  const view = lookAt(layout, zoomAt(layout, whole, { x: 0, y: 0 }, 200), at);
  const shown = cellAt(layout, view, { x: 500, y: 250 })!;
  const wanted = cellAt(layout, small, at)!;
  const pagesPerPixel = 1 / small.cellHeight;
  expect(shown.band).toBe(wanted.band);
  expect(Math.abs(shown.row - wanted.row)).toBeLessThanOrEqual(pagesPerPixel);
  expect(Math.abs(shown.column - wanted.column)).toBeLessThanOrEqual(1 / small.cellWidth);
});
