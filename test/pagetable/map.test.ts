// map and annotate: one visitor with break before make (reference 2.4, 2.5; kvm/hyp/pgtable.c:stage2_map_walker). Where
// nothing else is said, a table without FWB and range TLBI; VMID 7.

import { describe, expect, test } from "vitest";
import {
  annotate,
  aTable,
  BLOCK,
  DEVICE,
  entryAt,
  GIB,
  map,
  PAGE,
  POISONED,
  R,
  RW,
  RWX,
  run,
  SHARED,
  SKIP_BBM_TLBI,
  SKIP_CMO,
  SW0,
} from "./lone-table.js";

const PA = 0x8000_0000n;
const OTHER = 0x9000_0000n;
const TYPE_DONATION = 2;
const TYPE_POISONED = 3;

const cleaned = (pa: bigint, size: bigint) => [
  `dcache 0x${pa.toString(16)} ${size}`,
  `icache 0x${pa.toString(16)} ${size}`,
];

describe("one page in place of what was there", () => {
  // prettier-ignore
  test.each([
    // before                          new                               result    maintenance
    ["nothing",             null,                          map(GIB, PAGE, PA, RWX),          "0",      cleaned(PA, PAGE)],
    ["nothing, no X",       null,                          map(GIB, PAGE, PA, RW),           "0",      [`dcache 0x80000000 4096`]],
    ["nothing, device",     null,                          map(GIB, PAGE, PA, RW | DEVICE),  "0",      []],
    ["another page",        map(GIB, PAGE, OTHER, RWX),    map(GIB, PAGE, PA, RWX),          "0",      ["vmid 7: 0x40000000 level 3", ...cleaned(PA, PAGE)]],
    ["the same",            map(GIB, PAGE, PA, RWX),       map(GIB, PAGE, PA, RWX),          "EAGAIN", []],
    ["other permissions",   map(GIB, PAGE, PA, R),         map(GIB, PAGE, PA, RWX),          "EAGAIN", []],
    ["other software bits", map(GIB, PAGE, PA, RWX),       map(GIB, PAGE, PA, RWX | SW0),    "0",      []],
    ["an annotation",       annotate(GIB, PAGE, TYPE_DONATION, 2n), map(GIB, PAGE, PA, RWX), "0",      cleaned(PA, PAGE)],
  ])("%s", async (_what, before, operation, result, maintenance) => {
    const table = await aTable();
    if (before !== null) run(table, before);
    const old = entryAt(table, GIB).descriptor;

    expect(run(table, operation)).toMatchObject({ result, maintenance });
    if (result === "EAGAIN") expect(entryAt(table, GIB).descriptor).toBe(old);
    else expect(entryAt(table, GIB)).toMatchObject({ level: 3 });
  });

  test("a data-cache hook is asked for with FWB as well; executable pages need none with DIC", async () => {
    const fwb = await aTable({ features: { fwb: true } });
    expect(run(fwb, map(GIB, PAGE, PA, RWX)).maintenance).toEqual(cleaned(PA, PAGE));
    const dic = await aTable({ features: { dic: true } });
    expect(run(dic, map(GIB, PAGE, PA, RWX)).maintenance).toEqual(["dcache 0x80000000 4096"]);
  });

  test("several pages: data, instruction, data, instruction", async () => {
    const table = await aTable();
    const maintenance = [...cleaned(PA, PAGE), ...cleaned(PA + PAGE, PAGE)];
    expect(run(table, map(GIB, 2n * PAGE, PA, RWX))).toMatchObject({ result: "0", maintenance });
  });

  test("walk flags", async () => {
    const table = await aTable();
    run(table, map(GIB, PAGE, OTHER, RWX));
    expect(run(table, map(GIB, PAGE, PA, RWX, { flags: SHARED }))).toMatchObject({ result: "EPERM", maintenance: [] });
    expect(run(table, map(GIB, PAGE, PA, RWX, { flags: SKIP_BBM_TLBI })).maintenance).toEqual(cleaned(PA, PAGE));
    const flushed = ["vmid 7: 0x40000000 level 3"];
    expect(run(table, map(GIB, PAGE, OTHER, RWX, { flags: SKIP_CMO })).maintenance).toEqual(flushed);
  });
});

describe("blocks and tables", () => {
  test("a page inside a block drops the block as a whole, at the address of the walk", async () => {
    const table = await aTable();
    run(table, map(GIB, BLOCK, PA, RWX));

    const { maintenance } = run(table, map(GIB + 5n * PAGE, PAGE, OTHER, RWX));

    expect(maintenance).toEqual(["vmid 7: 0x40005000 level 2", ...cleaned(OTHER, PAGE)]);
    expect(entryAt(table, GIB + 4n * PAGE)).toEqual({ level: 3, descriptor: 0n });
    expect(entryAt(table, GIB + 6n * PAGE)).toEqual({ level: 3, descriptor: 0n });
  });

  // prettier-ignore
  test.each([
    [true,  "vmid 7: 0x40000000 +512 pages"],
    [false, "vmid 7: all"],
  ])("a block replaces a table and frees it, range TLBI %s", async (tlbRange, flush) => {
    const table = await aTable({ features: { tlb_range: tlbRange } });
    const empty = run(table, { op: "pt_flush", addr: 0n, size: 0n }).free;
    const { free } = run(table, map(GIB, PAGE, OTHER, RWX));
    expect(free).toBe(empty - 2);

    const collapsed = run(table, map(GIB, BLOCK, PA, RWX));

    expect(collapsed).toEqual({ result: "0", maintenance: [flush, ...cleaned(PA, BLOCK)], free: empty - 1 });
    expect(entryAt(table, GIB + BLOCK - PAGE)).toMatchObject({ level: 2 });
  });

  test("the granule ends with the range and with the alignment of both addresses", async () => {
    const table = await aTable();
    run(table, map(GIB, BLOCK + PAGE, PA, RWX));
    run(table, map(2n * GIB, BLOCK, PA + PAGE, RWX));
    expect(entryAt(table, GIB)).toMatchObject({ level: 2 });
    expect(entryAt(table, GIB + BLOCK)).toMatchObject({ level: 3 });
    expect(entryAt(table, 2n * GIB)).toMatchObject({ level: 3 });
  });

  test("forced page granularity", async () => {
    const table = await aTable({ force_pte: true });
    run(table, map(GIB, BLOCK, PA, RWX));
    expect(entryAt(table, GIB)).toMatchObject({ level: 3 });
    expect(table.leaves("host")).toHaveLength(512);
  });
});

describe("errors", () => {
  test("no memcache, and a table is needed", async () => {
    const table = await aTable();
    expect(run(table, map(GIB, PAGE, PA, RWX, { mc: 0 })).result).toBe("ENOMEM");
    expect(run(table, map(GIB, GIB, PA, RWX, { mc: 0 })).result).toBe("0");
  });

  test("nothing is rolled back: what was written before the pool ran dry stays", async () => {
    // Two roots, and tables for the first 2 MiB.
    const table = await aTable({ pool_pages: 4 });
    run(table, map(GIB + BLOCK, BLOCK, OTHER, RWX));

    const failed = run(table, map(GIB + BLOCK - PAGE, 2n * PAGE, PA, RWX));

    // The block beyond is not broken before there is a table for it.
    expect(failed).toEqual({ result: "ENOMEM", maintenance: cleaned(PA, PAGE), free: 0 });
    expect(entryAt(table, GIB + BLOCK - PAGE)).toMatchObject({ level: 3 });
    expect(entryAt(table, GIB + BLOCK)).toMatchObject({ level: 2 });
  });

  test("beyond the IPA space", async () => {
    const table = await aTable();
    const end = 1n << 40n;
    expect(run(table, map(end - PAGE, 2n * PAGE, PA, RWX)).result).toBe("ERANGE");
    expect(run(table, map(end, 0n, PA, RWX)).result).toBe("0");
    expect(table.leaves("host")).toEqual([]);
  });

  test("an identity table demands identity", async () => {
    const table = await aTable({ idmap: true });
    expect(run(table, map(GIB, PAGE, PA, RWX)).result).toBe("fatal");
  });
});

describe("annotate", () => {
  test("always at level 3, without cache maintenance and barrier", async () => {
    const table = await aTable();
    run(table, map(GIB, BLOCK, PA, RWX));

    const { maintenance } = run(table, annotate(GIB, PAGE, TYPE_DONATION, 2n));

    expect(maintenance).toEqual(["vmid 7: 0x40000000 level 2"]);
    expect(entryAt(table, GIB)).toEqual({ level: 3, descriptor: 0x2000_0000_0000_0002n });
    expect(entryAt(table, GIB + PAGE)).toEqual({ level: 3, descriptor: 0n });
  });

  test("over a page: one TLBI; over the same annotation or another one: none", async () => {
    const table = await aTable();
    run(table, map(GIB, PAGE, PA, RWX));
    expect(run(table, annotate(GIB, PAGE, TYPE_POISONED)).maintenance).toEqual(["vmid 7: 0x40000000 level 3"]);
    expect(entryAt(table, GIB).descriptor).toBe(POISONED);
    expect(run(table, annotate(GIB, PAGE, TYPE_POISONED))).toMatchObject({ result: "0", maintenance: [] });
    expect(run(table, annotate(GIB, PAGE, TYPE_DONATION, 2n))).toMatchObject({ result: "0", maintenance: [] });
  });

  // prettier-ignore
  test.each([
    ["type 0",                    annotate(GIB, PAGE, 0)],
    ["type LOCKED",               annotate(GIB, PAGE, 1)],
    ["a value in the type field", annotate(GIB, PAGE, TYPE_DONATION, 1n << 60n)],
    ["the valid bit",             annotate(GIB, PAGE, TYPE_DONATION, 1n)],
    ["all that, out of range",    annotate(1n << 41n, PAGE, 0)],
  ])("%s: EINVAL before the walk", async (_what, operation) => {
    const table = await aTable();
    expect(run(table, operation).result).toBe("EINVAL");
    expect(table.leaves("host")).toEqual([]);
  });
});
