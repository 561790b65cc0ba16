import { expect, test } from "vitest";
import { inRanges, parsePageRanges } from "../../src/cli/page-ranges.js";

test.each([
  ["0x48000", 0x48000n, 0x48000n, false],
  ["0x48000-0x4800f", 0x48000n, 0x4800fn, false],
  ["0x48000+16", 0x48000n, 0x4800fn, false],
  ["4096", 4096n, 4096n, false],
  ["pa:0x48000000-0x4800ffff", 0x48000000n, 0x4800ffffn, true],
])("%s", (text, first, last, bytes) => {
  expect(parsePageRanges(text)).toEqual([{ first, last, bytes }]);
});

test.each(["", "x", "0x", "1-", "2-1", "1+0", "1,", "-1", "0x48000 - 0x48010"])("not a range: %j", (text) => {
  expect(parsePageRanges(text)).toBeNull();
});

test.each([
  ["0x48000+2,0x50000", 12, [0x48000n, 0x48001n, 0x50000n], [0x47fffn, 0x48002n]],
  ["pa:0x48000fff-0x48002000", 12, [0x48000n, 0x48001n, 0x48002n], [0x48003n]],
  ["pa:0x48000000", 16, [0x4800n], [0x48000n]],
])("%s holds", (text, pageShift, inside, outside) => {
  const ranges = parsePageRanges(text) ?? [];
  expect(inside.filter((pfn) => !inRanges(pfn, ranges, pageShift))).toEqual([]);
  expect(outside.filter((pfn) => inRanges(pfn, ranges, pageShift))).toEqual([]);
});
