// unmap: leaves, then the tables that become empty (reference 2.6; kvm/hyp/pgtable.c:stage2_unmap_walker).

import { describe, expect, test } from "vitest";
import { annotate, aTable, BLOCK, DEVICE, entryAt, GIB, map, PAGE, RW, RWX, run, unmap } from "./lone-table.js";

const PA = 0x8000_0000n;
const END = 1n << 40n;

describe("without range TLBI, one invalidation a leaf", () => {
  test("the only page of a table: the freed tables are invalidated without a level", async () => {
    const table = await aTable();
    const empty = run(table, unmap(0n, 0n)).free;
    run(table, map(GIB, PAGE, PA, RWX));

    expect(run(table, unmap(GIB, PAGE))).toEqual({
      result: "0",
      maintenance: [
        "vmid 7: 0x40000000 level 3",
        "dcache 0x80000000 4096",
        "vmid 7: 0x40000000 level unknown",
        "vmid 7: 0x40000000 level unknown",
      ],
      free: empty,
    });
    expect(table.tables("host").every(({ isRoot }) => isRoot)).toBe(true);
  });

  test("one page of two keeps its tables", async () => {
    const table = await aTable();
    const { free } = run(table, map(GIB, 2n * PAGE, PA, RWX));
    const maintenance = ["vmid 7: 0x40000000 level 3", "dcache 0x80000000 4096"];
    expect(run(table, unmap(GIB, PAGE))).toEqual({ result: "0", maintenance, free });
  });

  test("a block that is partly covered goes as a whole", async () => {
    const table = await aTable();
    run(table, map(GIB, 2n * BLOCK, PA, RWX));
    const maintenance = ["vmid 7: 0x40003000 level 2", "dcache 0x80000000 2097152"];
    expect(run(table, unmap(GIB + 3n * PAGE, PAGE)).maintenance).toEqual(maintenance);
    expect(entryAt(table, GIB)).toEqual({ level: 2, descriptor: 0n });
    expect(entryAt(table, GIB + BLOCK).descriptor).not.toBe(0n);
  });

  test("device memory needs no cleaning, an annotation vanishes in silence", async () => {
    const table = await aTable();
    run(table, map(GIB, PAGE, PA, RW | DEVICE));
    run(table, annotate(GIB + PAGE, PAGE, 2, 2n));
    run(table, map(GIB + 2n * PAGE, PAGE, PA, RW));
    expect(run(table, unmap(GIB, 2n * PAGE)).maintenance).toEqual(["vmid 7: 0x40000000 level 3"]);
    expect(entryAt(table, GIB + PAGE)).toEqual({ level: 3, descriptor: 0n });
  });
});

describe("with FWB and range TLBI, one invalidation for the whole range", () => {
  const features = { fwb: true, tlb_range: true };

  test("after the leaves; freed tables still have their own", async () => {
    const table = await aTable({ features });
    run(table, map(GIB, 2n * PAGE, PA, RWX));
    expect(run(table, unmap(GIB, 2n * PAGE)).maintenance).toEqual([
      "vmid 7: 0x40000000 level unknown",
      "vmid 7: 0x40000000 level unknown",
      "vmid 7: 0x40000000 +2 pages",
    ]);
  });

  test("even if nothing was mapped; not for an empty range", async () => {
    const table = await aTable({ features });
    expect(run(table, unmap(GIB, 3n * PAGE)).maintenance).toEqual(["vmid 7: 0x40000000 +3 pages"]);
    expect(run(table, unmap(GIB, 0n)).maintenance).toEqual([]);
  });

  test("range operations cover at most 2097152 pages", async () => {
    const table = await aTable({ features });
    const maintenance = ["vmid 7: 0x0 +2097152 pages", "vmid 7: 0x200000000 +1 pages"];
    expect(run(table, unmap(0n, (2097152n + 1n) * PAGE)).maintenance).toEqual(maintenance);
  });
});

test("beyond the IPA space nothing is touched", async () => {
  const table = await aTable();
  run(table, map(END - PAGE, PAGE, PA, RWX));
  expect(run(table, unmap(END - PAGE, 2n * PAGE))).toMatchObject({ result: "ERANGE", maintenance: [] });
  expect(entryAt(table, END - PAGE).descriptor).not.toBe(0n);
});
