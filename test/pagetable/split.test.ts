// Splitting blocks (reference 2.9; kvm/hyp/pgtable.c:kvm_pgtable_stage2_split). EL2 does not use it.

import { expect, test } from "vitest";
import type { Machine } from "../../src/machine/machine.js";
import { aTable, BLOCK, DEVICE, entryAt, GIB, map, PAGE, RW, RWX, run, SW1 } from "./lone-table.js";

const PA = 0x8000_0000n;

function split(table: Machine, addr: bigint, size: bigint, nobjs: number) {
  const outcome = table.apply({ op: "pt_split", addr, size, nobjs });
  const [invalidation] = outcome.effects.filter(({ kind }) => kind === "tlbi_ipa");
  return { result: outcome.errno ?? "0", left: outcome.details.splitPages, invalidation };
}

// prettier-ignore
test.each([
  // block        cache  result    left  level of the leaf afterwards
  ["1G block",    GIB,   513, "0",      0,   3], // down to pages
  ["1G block",    GIB,   514, "0",      1,   3],
  ["1G block",    GIB,   2,   "0",      0,   3], // one page for the 2M blocks, one to split the first of them
  ["1G block",    GIB,   1,   "ENOMEM", 0,   2], // what was split before the error stays
  ["2M block",    BLOCK, 1,   "0",      0,   3],
  ["2M block",    BLOCK, 0,   "ENOMEM", 0,   2],
])("%s of 0x%x bytes with %i pages: %s", async (_what, size, nobjs, result, left, level) => {
  const table = await aTable();
  run(table, map(GIB, size, PA, RWX));
  expect(split(table, GIB, PAGE, nobjs)).toMatchObject({ result, left });
  expect(entryAt(table, GIB)).toMatchObject({ level });
});

test("one invalidation, at the address of the walk with the block's level", async () => {
  const table = await aTable();
  run(table, map(GIB, BLOCK, PA, RWX));
  const invalidation = { kind: "tlbi_ipa", vmid: 7, ipa: GIB + PAGE, level: 2 };
  expect(split(table, GIB + PAGE, PAGE, 1).invalidation).toEqual(invalidation);
});

test("the memory type is lost and the access flag set; permissions and software bits stay", async () => {
  const table = await aTable();
  run(table, map(GIB, BLOCK, PA, RW | DEVICE | SW1));
  run(table, { op: "pt_test_clear_young", addr: GIB, size: BLOCK, mkold: 1 });
  expect(entryAt(table, GIB).descriptor).toBe(0x0140_0000_8000_03c5n);

  split(table, GIB, BLOCK, 1);

  expect(entryAt(table, GIB + 3n * PAGE)).toEqual({ level: 3, descriptor: 0x0140_0000_8000_37ffn });
  expect(table.leaves("host")).toHaveLength(512);
});

test("what is no block is skipped", async () => {
  const table = await aTable();
  run(table, map(GIB, PAGE, PA, RWX));
  expect(split(table, 0n, 2n * GIB, 0)).toEqual({ result: "0", left: 0, invalidation: undefined });
});

test("an object of the cache is used up even when no page stands behind it", async () => {
  // Two roots and the table of the block.
  const table = await aTable({ pool_pages: 3 });
  run(table, map(GIB, BLOCK, PA, RWX));
  expect(split(table, GIB, BLOCK, 2)).toMatchObject({ result: "ENOMEM", left: 1 });
  expect(entryAt(table, GIB)).toMatchObject({ level: 2 });
});
