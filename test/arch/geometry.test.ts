// Shape of the stage-2 tables: levels, start level and concatenated root pages (reference 2.1; DDI 0487 D8.2).

import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/machine/config.js";
import { levelShift, tableGeometry } from "../../src/machine/geometry.js";
import { Machine } from "../../src/machine/machine.js";

type Shape = readonly [levels: number, startLevel: number, pgdPages: number];

// prettier-ignore
const SHAPES: readonly (readonly [iaBits: number, k4: Shape, k16: Shape, k64: Shape])[] = [
  // ia  4K          16K         64K
  [32, [2, 2,  4], [2, 2,  1], [2, 2, 1]],
  [36, [3, 1,  1], [2, 2,  1], [2, 2, 1]],
  [40, [3, 1,  2], [2, 2, 16], [2, 2, 1]],
  [42, [3, 1,  8], [3, 1,  1], [2, 2, 1]],
  [44, [4, 0,  1], [3, 1,  1], [2, 2, 4]],
  [48, [4, 0,  1], [3, 1,  2], [3, 1, 1]],
  [52, [4, 0, 16], [4, 0,  1], [3, 1, 1]],
];

describe("levels, start level and root pages for an IPA space of 2^n bytes", () => {
  test.each(SHAPES)("n = %i", (iaBits, ...shapes) => {
    const found = [12, 14, 16].map((pageShift) => {
      const { startLevel, pgdPages, memcacheMinPages } = tableGeometry(pageShift, iaBits);
      return [memcacheMinPages + 1, startLevel, pgdPages];
    });
    expect(found).toEqual(shapes);
  });
});

// What the core made of a configuration: start level | root pages << 8.
const coreGeometry = ({ core }: Machine): number => core.exports.geometry();

describe("the core agrees", () => {
  const rows = SHAPES.filter(([iaBits]) => iaBits <= 48);
  test.each(rows)("n = %i", async (iaBits, ...shapes) => {
    for (const [index, [levels, startLevel, pgdPages]] of shapes.entries()) {
      const pageShift = ([12, 14, 16] as const)[index] ?? 12;
      const machine = await Machine.createPageTable({
        page_shift: pageShift,
        ia_bits: iaBits as 32 | 36 | 40 | 42 | 44 | 48,
      });
      expect(coreGeometry(machine)).toBe(startLevel | (pgdPages << 8));
      expect(machine.tables("host").map(({ level, isRoot }) => [level, isRoot])).toEqual(
        Array.from({ length: pgdPages }, () => [startLevel, true]),
      );
      expect(levels).toBe(4 - startLevel);
    }
  });

  test("52 bits would need LPA2", async () => {
    await expect(Machine.createPageTable({ ia_bits: 52 as 48 })).rejects.toThrow(ConfigError);
  });
});

// prettier-ignore
test.each([
  // page size   L3  L2  L1  L0
  ["4 KiB",  12, 12, 21, 30, 39],
  ["16 KiB", 14, 14, 25, 36, 47],
  ["64 KiB", 16, 16, 29, 42, 55],
])("%s pages: bytes covered by an entry, as a power of two", (_size, pageShift, ...shifts) => {
  expect([3, 2, 1, 0].map((level) => levelShift(pageShift, level))).toEqual(shifts);
});

// prettier-ignore
test.each([
  // page shift, alignment of both addresses, level of the leaf
  [12, 30n, 1],
  [12, 21n, 2],
  [12, 20n, 3],
  [14, 36n, 2], // no blocks above level 2
  [14, 25n, 2],
  [16, 29n, 2],
  [16, 28n, 3],
] as const)("a leaf with pages of 2^%i bytes at an address aligned to 2^%i bytes: level %i", async (pageShift, aligned, level) => {
  const machine = await Machine.createPageTable({ page_shift: pageShift, ia_bits: 48 });
  const addr = 1n << aligned;

  machine.apply({ op: "pt_map", addr, size: addr, phys: addr, prot: 0xfn, mc: 1, flags: 0 });

  expect(machine.leaf("host", addr)).toMatchObject({ ipa: addr, level });
});
