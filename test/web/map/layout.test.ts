import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  blocksOf,
  cellOf,
  columnBitsFor,
  layOut,
  pageBelow,
  pageIn,
  pfnIn,
  type Layout,
} from "../../../src/web/map/layout.js";

const region = (pfn: number, pages: number, first: number) => ({ pfn: BigInt(pfn), pages, first });

/** Pages of 4 KiB: blocks of 2 MiB are 32 columns by 16 rows. Two blocks a row. */
const layout = layOut([region(0x80000, 2560, 0), region(0x900010, 100, 2560)], 12, 6);

// prettier-ignore
test.each<[string, number, number, number, number]>([
  // page                                page   band  column  row
  ["the first",                          0,     0,    0,      0],
  ["the last of the block's row",        31,    0,    31,     0],
  ["the first of its next row",          32,    0,    0,      1],
  ["the last of the block",              511,   0,    31,     15],
  ["the first of the block beside it",   512,   0,    32,     0],
  ["the last of the row of blocks",      1023,  0,    63,     15],
  ["the first of the row below",         1024,  0,    0,      16],
  ["the last of the region",             2559,  0,    31,     47],
  ["the first of the other region",      2560,  1,    16,     0],
  ["its last",                           2659,  1,    19,     3],
])("%s: page %i is in band %i, column %i, row %i, and nowhere else", (_, page, band, column, row) => {
  expect(cellOf(layout, page)).toEqual({ band, column, row });
  expect(pageIn(layout, { band, column, row })).toBe(page);
});

// prettier-ignore
test.each<[string, number, number, number]>([
  ["before the first page",         1, 15, 0],
  ["behind the last page",          1, 20, 3],
  ["in a block that is not there",  0, 32, 32],
  ["left of the map",               0, -1, 1],
  ["right of the map",              0, 64, 0],
  ["below a band",                  0, 0,  48],
  ["above a band",                  0, 0,  -1],
  ["in a band that is not there",   2, 0,  0],
])("no page is %s", (_, band, column, row) => {
  expect(pageIn(layout, { band, column, row })).toBe(-1);
});

test.each([-1, 2660])("there is no cell for page %i", (page) => {
  expect(cellOf(layout, page)).toBeNull();
});

// prettier-ignore
test.each<[string, Layout, number]>([
  ["whole rows of blocks",         layOut([region(0, 2048, 0)], 12, 6), 32],
  ["a block, and a page",          layOut([region(0, 513, 0)], 12, 6),  16],
  ["a row of blocks, and a page",  layOut([region(0, 1025, 0)], 12, 6), 17],
  ["three pages",                  layOut([region(0x44531, 3, 0)], 12, 6), 1],
  ["three pages, over a row's end", layOut([region(0x4451e, 3, 0)], 12, 6), 2],
])("rows without a page are left out: %s", (_, { rows }, expected) => {
  expect(rows).toBe(expected);
});

// prettier-ignore
test.each<[string, number, number, bigint]>([
  // where                            column row  pfn
  ["a block of a large region",       32,    16,  0x80600n],
  ["a row of it",                     0,     1,   0x80020n],
])("%s begins at a multiple of its size", (_, column, row, pfn) => {
  expect(pfnIn(layout, layout.bands[0]!, column, row)).toBe(pfn);
});

test("a row of a small region begins at a multiple of its size", () => {
  expect(pfnIn(layout, layout.bands[1]!, 0, 1)).toBe(0x900020n);
});

// prettier-ignore
test.each<[string, number, number, number]>([
  // move                                from   rows  to
  ["within a block",                     40,    1,    72],
  ["into the block below",               480,   1,    1024],
  ["where the block above ends",         1024,  -1,   480],
  ["into the next region",               2559,  1,    2560 + 15],
  ["into the region before",             2560,  -1,   2544],
  ["far down",                           3,     1e6,  2560 + 83],
  ["far up",                             2600,  -1e6, 24],
])("a row down or up, %s: from %i by %i to %i", (_, from, rows, to) => {
  expect(pageBelow(layout, from, rows)).toBe(to);
});

describe("a run of pages as rectangles", () => {
  // prettier-ignore
  test.each<[string, number, number, number]>([
    ["a page",                          77,   1,    1],
    ["a block",                         512,  512,  1],
    ["rows of blocks",                  0,    2048, 1],
    ["the middle of a row",             5,    7,    1],
    ["from the middle of a row on",     5,    40,   2],
    ["a block and half of the next",    512,  768,  2],
    ["over the end of a region",        2558, 4,    2],
  ])("%s: from page %i, %i pages: %i", (_, page, pages, count) => {
    expect(blocksOf(layout, page, pages)).toHaveLength(count);
  });

  test("they have these pages and no others", () => {
    fc.assert(
      fc.property(fc.nat({ max: layout.pages - 1 }), fc.nat({ max: layout.pages }), (page, pages) => {
        const found = blocksOf(layout, page, pages).flatMap(({ band, column, row, columns, rows }) =>
          Array.from({ length: columns * rows }, (_, at) =>
            pageIn(layout, { band, column: column + (at % columns), row: row + Math.floor(at / columns) }),
          ),
        );
        const end = Math.min(layout.pages, page + pages);
        expect(found.sort((a, b) => a - b)).toEqual(Array.from({ length: end - page }, (_, at) => page + at));
      }),
      { numRuns: 50 },
    );
  });
});

// prettier-ignore
test.each<[string, number, number, number]>([
  ["64 GiB, a wide window",     2 ** 24, 12, 2],
  ["64 GiB, a high window",     2 ** 24, 12, 0.5],
  ["a machine of 16 KiB pages", 2 ** 20, 14, 1],
  ["1 GiB",                     2 ** 18, 12, 1.7],
])("the machine fills its window, with cells 0.75 to 3 times as wide as high: %s", (_, pages, pageShift, aspect) => {
  const columns = 2 ** columnBitsFor(pages, pageShift, aspect);
  const cell = aspect / columns / (1 / (pages / columns));
  expect(cell).toBeGreaterThanOrEqual(0.75);
  expect(cell).toBeLessThanOrEqual(3);
});

// prettier-ignore
test.each<[number, number]>([
  // pages of 2^n bytes, cells in a block
  [12,  512],
  [14,  2048],
  [16,  8192],
])("pages of 2^%i bytes: a block has as many as a table has entries, %i", (pageShift, cells) => {
  const { blockColumnBits, blockRowBits } = layOut([], pageShift, 8);
  expect(2 ** (blockColumnBits + blockRowBits)).toBe(cells);
});
