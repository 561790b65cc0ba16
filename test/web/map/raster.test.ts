import { expect, test } from "vitest";
import { PAGE_LENT, PAGE_OWNED, PAGE_POISONED, PAGE_SHARED, pageClass } from "../../../src/timeline/page-class.js";
import { layOut } from "../../../src/web/map/layout.js";
import { makePalette, makeRank, type Palette } from "../../../src/web/map/palette.js";
import { buildPyramid } from "../../../src/web/map/pyramid.js";
import { drawCells, levelFor } from "../../../src/web/map/raster.js";
import { wholeMachine, zoomAt, type Viewport } from "../../../src/web/map/viewport.js";

const PARTIES = ["host", "hypervisor", "VM 0x1000"];
const HOST = pageClass(PAGE_OWNED, 0);
const LENT = pageClass(PAGE_LENT, 0);
const palette = makePalette("light", PARTIES, null);
const rank = makeRank(PARTIES, null);

/** 4096 pages of the host, two blocks of 32 by 16 a row, some of them of other classes. */
const layout = layOut([{ pfn: 0x1000n, pages: 4096, first: 0 }], 12, 6);

function drawn(view: Viewport, others: Readonly<Record<number, number>> = {}, colours: Palette = palette): Uint32Array {
  const classes = new Uint8Array(4096).fill(HOST);
  for (const [page, value] of Object.entries(others)) classes[Number(page)] = value;
  const pixels = new Uint32Array(view.width * view.height);
  drawCells(pixels, layout, buildPyramid(layout, classes, rank), view, colours, 1);
  return pixels;
}

const shareOf = (pixels: Uint32Array, colour: number | undefined) =>
  pixels.filter((pixel) => pixel === colour).length / pixels.length;

// prettier-ignore
test.each<[string, number]>([
  ["four pixels to a page",            256],
  ["a pixel to a page",                64],
  ["a pixel to 1.4 pages",             45],
  ["a pixel to 3.2 pages",             20],
  ["a pixel to 16 pages",              4],
  ["one pixel",                        1],
])("one lent page of 4096 is seen: %s", (_, size) => {
  const view = wholeMachine(layout, size, size, 0);
  for (const page of [0, 63, 1234, 4095]) {
    expect(shareOf(drawn(view, { [page]: LENT }), palette.fill[LENT]), `page ${page}`).toBeGreaterThan(0);
  }
});

test("a pixel shows the page that lies under it", () => {
  const pixels = drawn(wholeMachine(layout, 64, 64, 0), { 513: LENT });
  // The second page of the second block.
  expect([...pixels.entries()].filter(([, pixel]) => pixel !== palette.fill[HOST])).toEqual([[33, palette.fill[LENT]]]);
});

test("the gap above a band and what lies beside the map is ground", () => {
  const pixels = drawn(wholeMachine(layout, 64, 74, 10));
  expect(new Set(pixels.subarray(0, 64 * 10))).toEqual(new Set([palette.ground]));
  expect(new Set(pixels.subarray(64 * 10))).toEqual(new Set([palette.fill[HOST]]));
});

test("large cells are parted by lines", () => {
  const pixels = drawn(wholeMachine(layout, 640, 640, 0));
  const line = [...pixels.subarray(0, 640)].map((pixel) => (pixel === palette.ground ? " " : "x")).join("");
  expect(line.slice(0, 20)).toBe("xxxxxxxxx xxxxxxxxx ");
  expect(line.slice(310, 330)).toBe("xxxxxxxx  xxxxxxxxx "); // two lines between blocks
  expect(new Set(pixels.subarray(9 * 640, 10 * 640))).toEqual(new Set([palette.ground]));
});

// prettier-ignore
test.each<[string, number, boolean]>([
  ["owned",    HOST,                         false],
  ["lent",     LENT,                         true],
  ["shared",   pageClass(PAGE_SHARED, 2),    true],
  ["poisoned", pageClass(PAGE_POISONED, 0),  true],
])("a very large cell has the pattern of its state: %s", (_, value, hasPattern) => {
  const view = zoomAt(layout, wholeMachine(layout, 640, 640, 0), { x: 0, y: 0 }, 8);
  const pixels = drawn(view, { 0: value });
  expect(shareOf(pixels, palette.pattern[value]) > 0).toBe(hasPattern);
});

// prettier-ignore
test.each<[number, number]>([
  // pixels a page, level
  [8,      0],
  [1,      0],
  [0.99,   1],
  [0.5,    1],
  [0.3,    2],
  [0.25,   2],
  [0.0001, 6],
])("with %f pixels a page, squares of level %i", (size, level) => {
  expect(levelFor({ ...wholeMachine(layout, 1, 1, 0), cellWidth: size, cellHeight: size }, 7)).toBe(level);
});

test("what is not lit is dimmed, and what is lit keeps its colour", () => {
  const dimmed = makePalette("light", PARTIES, new Set([LENT]));
  const pixels = drawn(wholeMachine(layout, 64, 64, 0), { 513: LENT }, dimmed);
  expect(pixels[33]).toBe(palette.fill[LENT]);
  expect(shareOf(pixels, palette.fill[HOST])).toBe(0);
});
