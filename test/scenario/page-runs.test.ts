// One entry of a file for a run of pages.

import { expect, test } from "vitest";
import { LONGEST_RUN, stepsOf } from "../../src/scenario/page-runs.js";

test("an access to a run is an access to each of its pages, in order", () => {
  expect(stepsOf({ access: "ram[2..4]", by: "guest" })).toEqual([
    { access: "ram[2]", by: "guest" },
    { access: "ram[3]", by: "guest" },
    { access: "ram[4]", by: "guest" },
  ]);
});

test("a value with +i counts with the page's index, another one does not", () => {
  const entry = {
    access: "ram[1..2]",
    value: "0xa000+i",
    expect: { pkvm: { result: "ok", value: "0xb000+i" }, gunyah: { value: 7n }, "kvm-gmem": "ok" },
  };

  expect(stepsOf(entry)).toEqual([
    {
      access: "ram[1]",
      value: 0xa001n,
      expect: { pkvm: { result: "ok", value: 0xb001n }, gunyah: { value: 7n }, "kvm-gmem": "ok" },
    },
    {
      access: "ram[2]",
      value: 0xa002n,
      expect: { pkvm: { result: "ok", value: 0xb002n }, gunyah: { value: 7n }, "kvm-gmem": "ok" },
    },
  ]);
});

test("id and note stand at the first", () => {
  expect(stepsOf({ access: "ram[0..1]", id: "reads", note: "All of it." })).toEqual([
    { access: "ram[0]", id: "reads", note: "All of it." },
    { access: "ram[1]" },
  ]);
});

test.each([
  ["one page", { access: "ram[3]" }],
  ["all pages of a name", { access: "ram" }],
  ["a run backwards, for the reader to refuse", { access: "ram[3..1]" }],
  ["a run that is too long", { access: `ram[0..${LONGEST_RUN}]` }],
  ["another verb", { share: "ram[0..3]" }],
  ["no mapping", "access"],
])("%s stays one entry", (_what, entry) => {
  expect(stepsOf(entry)).toEqual([entry]);
});
