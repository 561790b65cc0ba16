// What npm run bench prints.

import { expect, test } from "vitest";
import { median } from "../../bench/harness.js";
import { formatTable, toJson, type Row } from "../../bench/report.js";

const row: Row = { id: "W1", title: "donate", bound: "memory", unit: "M ops/s", freehold: 5.4321, c: 6, js: 1.25 };

test("a JSON line has the figures and their ratios", () => {
  expect(JSON.parse(toJson(row))).toEqual({
    id: "W1",
    unit: "M ops/s",
    freehold: 5.4321,
    c: 6,
    js: 1.25,
    overC: 0.905,
    overJs: 4.346,
  });
});

test("a prefetching C walker has figures of its own", () => {
  expect(JSON.parse(toJson({ ...row, prefetch: 4 }))).toMatchObject({ c: 6, prefetch: 4, overPrefetch: 1.358 });
});

test("without a C compiler the C columns are null, or empty in the table", () => {
  const withoutC = { ...row, c: null };
  expect(JSON.parse(toJson(withoutC))).toMatchObject({ c: null, overC: null, overJs: 4.346 });
  expect(formatTable([withoutC]).split("\n")[1]?.split(/ {2,}/)).toEqual([
    "W1",
    "M ops/s",
    "5.43",
    "1.25",
    "4.35",
    "donate; memory",
  ]);
});

const searched: Row = {
  ...row,
  id: "explore-specification",
  unit: "M states/s",
  freehold: 3,
  c: null,
  js: null,
  explored: { spin: 0.5, states: 488, transitions: 2388, bytesPerState: 31.5 },
};

test("a search has Spin's figure beside it, and what was seen", () => {
  expect(JSON.parse(toJson(searched))).toMatchObject({ spin: 0.5, overSpin: 6, states: 488, bytesPerState: 31.5 });
  expect(formatTable([row]).split("\n")[0]).not.toContain("Spin");
  const [heading, one, search] = formatTable([row, searched]).split("\n");
  expect(heading).toMatch(/\/JS +Spin +\/Spin +what/);
  expect(one).toMatch(/4\.35 +donate/);
  expect(search).toMatch(/3\.00 +0\.500 +6\.00 +donate/);
});

test("without Spin its columns are null, or empty in the table", () => {
  const withoutSpin = { ...searched, explored: { ...searched.explored!, spin: null } };
  expect(JSON.parse(toJson(withoutSpin))).toMatchObject({ spin: null, overSpin: null });
  expect(formatTable([withoutSpin]).split("\n")[1]).toMatch(/3\.00 +donate/);
});

test.each([
  [[3, 1, 2], 2],
  [[4, 1, 2, 3], 2.5],
])("the median of %j is %d", (values, expected) => expect(median(values)).toBe(expected));
