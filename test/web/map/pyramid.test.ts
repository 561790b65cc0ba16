import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cellIndex, layOut, pageIn, type Layout } from "../../../src/web/map/layout.js";
import { buildPyramid, NO_CELL, type Pyramid } from "../../../src/web/map/pyramid.js";

/** The higher class is the more remarkable one. */
const HIGHER = Uint8Array.from({ length: 256 }, (_, value) => (value === NO_CELL ? 0 : 1 + value));
const LOWER = HIGHER.map((rank) => (rank === 0 ? 0 : 256 - rank));

const region = (pfn: number, pages: number, first: number) => ({ pfn: BigInt(pfn), pages, first });
/** Blocks of 32 columns by 16 rows. */
const LAYOUTS: readonly (readonly [string, Layout])[] = [
  ["rows of blocks", layOut([region(0x1000, 2048, 0)], 12, 6)],
  ["one page", layOut([region(0x107, 1, 0)], 12, 6)],
  ["an odd start, an odd number of rows", layOut([region(0x103, 1500, 0)], 12, 6)],
  ["two regions", layOut([region(0x100, 600, 0), region(0x20e, 45, 600)], 12, 5)],
  ["part of one long row of blocks", layOut([region(0x1000, 1100, 0)], 12, 8)],
];

interface Square {
  readonly band: number;
  readonly level: number;
  readonly column: number;
  readonly row: number;
}

/** What the map means by a square, said plainly: of the pages in it, the class with the highest rank. */
function plainSquare(layout: Layout, classes: Uint8Array, rank: Uint8Array, square: Square): number {
  const { band, level, column, row } = square;
  const size = 2 ** level;
  let best = NO_CELL;
  for (let y = row * size; y < (row + 1) * size; y++)
    for (let x = column * size; x < (column + 1) * size; x++) {
      const page = pageIn(layout, { band, column: x, row: y });
      const value = page < 0 ? NO_CELL : classes[page]!;
      if (rank[value]! > rank[best]!) best = value;
    }
  return best;
}

function expectExact(pyramid: Pyramid, layout: Layout, classes: Uint8Array, rank: Uint8Array): void {
  pyramid.bands.forEach((levels, band) =>
    levels.forEach(({ width, height, cells }, level) => {
      for (let row = 0; row < height; row++)
        for (let column = 0; column < width; column++) {
          const found = cells[level === 0 ? cellIndex(layout, column, row) : row * width + column];
          const plain = plainSquare(layout, classes, rank, { band, level, column, row });
          if (found !== plain) expect.fail(`band ${band}, level ${level}, ${column}, ${row}: ${found}, not ${plain}`);
        }
    }),
  );
  const counts = new Uint32Array(256);
  for (const value of classes) counts[value]!++;
  expect([...pyramid.counts]).toEqual([...counts]);
}

describe.each(LAYOUTS)("%s", (_, layout) => {
  const classesOf = fc.uint8Array({ minLength: layout.pages, maxLength: layout.pages, max: 5 });
  const changes = fc.array(fc.tuple(fc.nat({ max: layout.pages - 1 }), fc.nat({ max: 5 })), { maxLength: 20 });

  test("every square has the most remarkable class of its pages, and the last has them all", () => {
    fc.assert(
      fc.property(classesOf, (classes) => {
        const pyramid = buildPyramid(layout, classes, HIGHER);
        expectExact(pyramid, layout, classes, HIGHER);
        for (const levels of pyramid.bands) expect(levels.at(-1)).toMatchObject({ width: 1, height: 1 });
      }),
      { numRuns: 20 },
    );
  });

  test.each([
    ["told each page that changed", true],
    ["told that many changed", false],
  ])("it stays exact, %s", (_, isTold) => {
    fc.assert(
      fc.property(classesOf, changes, (classes, changed) => {
        const pyramid = buildPyramid(layout, classes, HIGHER);
        for (const [page, value] of changed) classes[page] = value;
        // Few at a time, as many are compared. Some come twice, some did not change after all.
        if (isTold) for (const [page] of changed) pyramid.update(Uint32Array.of(page));
        else pyramid.update(null);
        expectExact(pyramid, layout, classes, HIGHER);
      }),
      { numRuns: 40 },
    );
  });

  test("another order of what is remarkable", () => {
    fc.assert(
      fc.property(classesOf, changes, (classes, changed) => {
        const pyramid = buildPyramid(layout, classes, HIGHER);
        pyramid.rankBy(LOWER);
        for (const [page, value] of changed) classes[page] = value;
        pyramid.update(Uint32Array.from(changed, ([page]) => page));
        expectExact(pyramid, layout, classes, LOWER);
      }),
      { numRuns: 20 },
    );
  });
});

test("one lent page of 64 GiB is seen in the last square", () => {
  const layout = layOut([region(0x80000, 2 ** 24, 0)], 12, 12);
  const classes = new Uint8Array(2 ** 24).fill(1);
  const pyramid = buildPyramid(layout, classes, HIGHER);
  classes[12_345_678] = 3;
  pyramid.update(Uint32Array.of(12_345_678));
  expect([...pyramid.bands[0]!.at(-1)!.cells]).toEqual([3]);
  expect([pyramid.counts[1], pyramid.counts[3]]).toEqual([2 ** 24 - 1, 1]);
});
