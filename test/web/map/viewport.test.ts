import { describe, expect, test } from "vitest";
import { layOut, type Cell } from "../../../src/web/map/layout.js";
import {
  cellAt,
  centreOn,
  largestMagnification,
  magnification,
  panBy,
  resized,
  reveal,
  rowTop,
  wholeMachine,
  zoomAt,
  type Viewport,
} from "../../../src/web/map/viewport.js";

/** 64 GiB in two regions, 4096 pages a row. */
const layout = layOut(
  [
    { pfn: 0x80000n, pages: 2 ** 22, first: 0 },
    { pfn: 0x880000n, pages: 3 * 2 ** 22, first: 2 ** 22 },
  ],
  12,
  12,
);
const whole = wholeMachine(layout, 1000, 600, 20);
const MIDDLE = { x: 500, y: 300 };

function edgesOf(view: Viewport) {
  const bottom = rowTop(layout, view, 1, layout.bands[1]!.rows);
  return { left: view.left, top: view.top, right: view.left + view.cellWidth * layout.columns, bottom };
}

test("the whole machine fills its window exactly", () => {
  const { left, top, right, bottom } = edgesOf(whole);
  expect([left, top]).toEqual([0, 0]);
  expect(right).toBeCloseTo(1000);
  expect(bottom).toBeCloseTo(600);
});

test("hundreds of regions still leave room for their pages", () => {
  const regions = Array.from({ length: 300 }, (_, index) => ({
    pfn: BigInt(index * 256),
    pages: 16,
    first: index * 16,
  }));
  const { cellHeight } = wholeMachine(layOut(regions, 12, 5), 1000, 600, 20);
  expect(cellHeight).toBeGreaterThanOrEqual(1);
});

describe("zooming", () => {
  // prettier-ignore
  test.each<[string, { x: number; y: number }]>([
    ["the middle",           { x: 500, y: 300 }],
    ["the first region",     { x: 123, y: 77 }],
    ["the second region",    { x: 901, y: 511 }],
  ])("keeps the page under the pointer there: %s", (_, at) => {
    const before = cellAt(layout, zoomAt(layout, whole, at, 300), at);
    for (const factor of [2, 7.3, 0.5]) {
      expect(cellAt(layout, zoomAt(layout, zoomAt(layout, whole, at, 300), at, factor), at)).toEqual(before);
    }
  });

  test("never shows less than a page, and a page nearly fills the window", () => {
    const view = zoomAt(layout, whole, MIDDLE, 1e9);
    expect(magnification(layout, view)).toBeCloseTo(largestMagnification(layout));
    expect(view.cellWidth).toBeLessThanOrEqual(1000);
    expect(view.cellHeight).toBeLessThanOrEqual(600);
    expect(view.cellHeight).toBeGreaterThan(400);
  });

  test("out again ends at the whole machine", () => {
    const { left, top, cellWidth, cellHeight } = zoomAt(
      layout,
      zoomAt(layout, whole, MIDDLE, 50),
      { x: 3, y: 590 },
      1e-9,
    );
    expect(left).toBeCloseTo(0);
    expect(top).toBeCloseTo(0);
    expect(cellWidth).toBeCloseTo(whole.cellWidth);
    expect(cellHeight).toBeCloseTo(whole.cellHeight);
  });
});

// prettier-ignore
test.each<[string, number, number]>([
  ["right and down",  1e6,  1e6],
  ["left and up",     -1e6, -1e6],
  ["a little",        3,    -4],
])("no pan leaves the map: %s", (_, dx, dy) => {
  const { left, top, right, bottom } = edgesOf(panBy(layout, zoomAt(layout, whole, MIDDLE, 8), dx, dy));
  expect(left).toBeLessThanOrEqual(0);
  expect(top).toBeLessThanOrEqual(0);
  expect(right).toBeGreaterThanOrEqual(1000 - 1e-6);
  expect(bottom).toBeGreaterThanOrEqual(600 - 1e-6);
});

describe("a page", () => {
  const view = zoomAt(layout, whole, MIDDLE, 100);
  const inSight: Cell = cellAt(layout, view, MIDDLE)!;
  const corners: Cell[] = [
    { band: 0, column: 0, row: 0 },
    { band: 1, column: layout.columns - 1, row: layout.bands[1]!.rows - 1 },
  ];

  function isInside(shown: Viewport, { band, column, row }: Cell): boolean {
    const x = shown.left + column * shown.cellWidth;
    const y = rowTop(layout, shown, band, row);
    return x >= -1e-6 && y >= -1e-6 && x + shown.cellWidth <= 1000.001 && y + shown.cellHeight <= 600.001;
  }

  test("in sight moves nothing", () => {
    expect(reveal(layout, view, inSight)).toEqual(view);
  });

  test.each(corners)("out of sight comes into it: %o", (cell) => {
    expect(isInside(view, cell)).toBe(false);
    expect(isInside(reveal(layout, view, cell), cell)).toBe(true);
  });

  test.each([inSight, ...corners])("is approached until it has the height asked for: %o", (cell) => {
    const near = centreOn(layout, whole, cell, 34);
    expect(near.cellHeight).toBeCloseTo(34);
    expect(isInside(near, cell)).toBe(true);
  });

  test("in the middle is there still when the window gets another size", () => {
    const smaller = wholeMachine(layout, 700, 400, 20);
    const view = zoomAt(layout, whole, MIDDLE, 1000);
    expect(cellAt(layout, resized(layout, view, smaller), { x: 350, y: 200 })).toEqual(cellAt(layout, view, MIDDLE));
  });
});

// prettier-ignore
test.each<[string, { x: number; y: number }]>([
  ["in the gap above the first band",   { x: 10, y: 10 }],
  ["in the gap above the second band",  { x: 10, y: rowTop(layout, whole, 1, 0) - 5 }],
])("no cell is %s", (_, at) => {
  expect(cellAt(layout, whole, at)).toBeNull();
});
