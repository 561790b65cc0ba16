import { expect, test } from "vitest";
import { findPfn } from "../../../src/web/map/find-pfn.js";
import { machineOf } from "./machine-of.js";

/** 0x8000_0000 to 0x8000_ffff, and 0x8_8000_0000 to 0x8_8000_ffff. */
const machine = machineOf([
  { pfn: 0x80000n, pages: 16, first: 0 },
  { pfn: 0x880000n, pages: 16, first: 16 },
]);

// prettier-ignore
test.each<[string, bigint]>([
  ["0x80003",         0x80003n],
  ["80003",           0x80003n],
  ["0x80003000",      0x80003n],
  ["0x8000_3abc",     0x80003n],
  ["88000f",          0x88000fn],
  ["0x88000ffff",     0x88000fn],
])("%s is a page", (text, pfn) => {
  expect(findPfn(text, machine)).toBe(pfn);
});

test("what can be both is a frame number", () => {
  const small = machineOf([{ pfn: 0n, pages: 0x4000, first: 0 }]);
  expect(findPfn("0x2000", small)).toBe(0x2000n);
});

// prettier-ignore
test.each<[string, string]>([
  ["0x80010",   "0x80010 is neither a frame number nor an address of this machine's memory."],
  ["ffff_ffff", "0xffffffff is neither a frame number nor an address of this machine's memory."],
  ["",          "“” is not a hexadecimal number."],
  ["page 7",    "“page 7” is not a hexadecimal number."],
])("%o is no page, and says why", (text, problem) => {
  expect(findPfn(text, machine)).toBe(problem);
});
