import { expect, test } from "vitest";
import { bitRows } from "../../../src/web/walk/descriptor-bits.js";

const FIELDS = [
  { name: "VALID", bits: "0" },
  { name: "TYPE", bits: "1" },
  { name: "OA", bits: "47:12" },
  { name: "SW", bits: "58:55" },
];

test("the bits stand in two rows, cut at the fields; one that spans both rows is in each", () => {
  const rows = bitRows((0b0110n << 55n) | (0x8000_0001n << 12n) | 0b11n, FIELDS);
  expect(rows.map((runs) => runs.map(({ msb, lsb, field }) => [msb, lsb, field]))).toEqual([
    [
      [63, 59, null],
      [58, 55, "SW"],
      [54, 48, null],
      [47, 32, "OA"],
    ],
    [
      [31, 12, "OA"],
      [11, 2, null],
      [1, 1, "TYPE"],
      [0, 0, "VALID"],
    ],
  ]);
  expect(rows.map((runs) => runs.map(({ digits }) => digits))).toEqual([
    ["00000", "0110", "0000000", "0000100000000000"],
    ["00000000000000000001", "0000000000", "1", "1"],
  ]);
});

test("without fields a row is one run", () => {
  expect(bitRows(1n, [])).toEqual([
    [{ msb: 63, lsb: 32, digits: "0".repeat(32), field: null }],
    [{ msb: 31, lsb: 0, digits: `${"0".repeat(31)}1`, field: null }],
  ]);
});
