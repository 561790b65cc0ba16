// Changes to leaves that stay: wrprotect, mkyoung, test_clear_young, flush, relax_perms (reference 2.7). They never split a block.

import { describe, expect, test } from "vitest";
import type { Operation } from "../../src/machine/operations.js";
import { aTable, BLOCK, DEVICE, entryAt, GIB, map, PAGE, PX, R, RW, RWX, run, SW0, UX, W } from "./lone-table.js";

const PA = 0x8000_0000n;
const AF = 1n << 10n;
const S2AP_W = 1n << 7n;
const XN = 3n << 53n;

const wrprotect = (addr: bigint, size: bigint): Operation => ({ op: "pt_wrprotect", addr, size });
const young = (addr: bigint, size: bigint, mkold: 0 | 1): Operation => ({
  op: "pt_test_clear_young",
  addr,
  size,
  mkold,
});
const relax = (prot: bigint, addr = GIB): Operation => ({ op: "pt_relax_perms", addr, prot });

test("wrprotect clears S2AP[1] of every valid leaf of the range, without a TLBI", async () => {
  const table = await aTable();
  run(table, map(GIB, PAGE, PA, RWX));
  run(table, map(GIB + 2n * PAGE, PAGE, PA, RWX));

  expect(run(table, wrprotect(GIB, 3n * PAGE))).toMatchObject({ result: "0", maintenance: [] });

  expect(entryAt(table, GIB).descriptor & S2AP_W).toBe(0n);
  expect(entryAt(table, GIB + 2n * PAGE).descriptor & S2AP_W).toBe(0n);
  expect(entryAt(table, GIB + PAGE).descriptor).toBe(0n);
});

test("a request for one page inside a block changes the whole block", async () => {
  const table = await aTable();
  run(table, map(GIB, BLOCK, PA, RWX));
  run(table, wrprotect(GIB + 7n * PAGE, PAGE));
  expect(entryAt(table, GIB)).toEqual({ level: 2, descriptor: 0x0000_0000_8000_077dn });
});

test("test_clear_young tells and clears, mkyoung sets; neither invalidates", async () => {
  const table = await aTable();
  run(table, map(GIB, PAGE, PA, RWX));
  const age = () => entryAt(table, GIB).descriptor & AF;

  expect(run(table, young(GIB, PAGE, 0))).toMatchObject({ result: "1", maintenance: [] });
  expect(age()).toBe(AF);
  expect(run(table, young(GIB, 2n * PAGE, 1))).toMatchObject({ result: "1", maintenance: [] });
  expect(age()).toBe(0n);
  expect(run(table, young(GIB, PAGE, 1))).toMatchObject({ result: "0", maintenance: [] });
  expect(run(table, { op: "pt_mkyoung", addr: GIB })).toMatchObject({ result: "0", maintenance: [] });
  expect(age()).toBe(AF);
});

test("mkyoung of nothing says nothing; test_clear_young beyond the IPA space is asserted", async () => {
  const table = await aTable();
  expect(run(table, { op: "pt_mkyoung", addr: GIB }).result).toBe("0");
  expect(run(table, { op: "pt_mkyoung", addr: 1n << 40n }).result).toBe("0");
  expect(run(table, young(1n << 40n, PAGE, 1)).result).toBe("fatal");
});

// prettier-ignore
test.each([
  ["normal memory",        RWX,         false, ["dcache 0x80000000 2097152"]],
  ["device memory",        RW | DEVICE, false, []],
  ["anything, with FWB",   RWX,         true,  []],
])("flush cleans the whole granule of %s", async (_what, prot, fwb, maintenance) => {
  const table = await aTable({ features: { fwb } });
  run(table, map(GIB, BLOCK, PA, prot));
  expect(run(table, { op: "pt_flush", addr: GIB + PAGE, size: PAGE })).toMatchObject({ result: "0", maintenance });
});

describe("relax_perms", () => {
  const local = "local vmid 7: 0x40000000 level 3";

  // XN[1:0], bits 54:53: 00 both execute, 01 UX only, 10 neither, 11 PX only. It is combined bitwise, so PX asked of a
  // leaf that has UX takes UX away.
  // prettier-ignore
  test.each([
    // before     asked       XN    S2AP[1]  maintenance
    ["R",         R,          "W",        W,        2n, true,  [local]],
    ["R",         R,          "RWX",      RWX,      0n, true,  ["icache 0x80000000 4096", local]],
    ["RWX",       RWX,        "R",        R,        0n, true,  [local]],
    ["R+UX",      R | UX,     "R+UX+PX",  R | UX | PX, 0n, false, [local]],
    ["R+UX",      R | UX,     "PX",       PX,       3n, false, [local]],
    ["R+PX",      R | PX,     "UX",       UX,       1n, false, [local]],
    ["R",         R,          "PX",       PX,       3n, false, ["icache 0x80000000 4096", local]],
    ["R",         R,          "R, as device", R | DEVICE, 2n, false, [local]],
  ])("%s (0x%x), asked for %s (0x%x)", async (_before, before, _asked, asked, xn, writable, maintenance) => {
    const table = await aTable({ features: { xnx: true } });
    run(table, map(GIB, PAGE, PA, before));

    expect(run(table, relax(asked))).toMatchObject({ result: "0", maintenance });

    const { descriptor } = entryAt(table, GIB);
    expect((descriptor & XN) >> 53n).toBe(xn);
    expect((descriptor & S2AP_W) !== 0n).toBe(writable);
  });

  test("of an invalid leaf: EAGAIN, and invalidated all the same", async () => {
    const table = await aTable();
    const maintenance = ["local vmid 7: 0x40000000 level unknown"];
    expect(run(table, relax(RWX))).toMatchObject({ result: "EAGAIN", maintenance });
  });

  // prettier-ignore
  test.each([
    ["software bits",                R | SW0, GIB,        "EINVAL"],
    ["PX alone without XNX",         R | PX,  GIB,        "EINVAL"],
    ["software bits, out of range",  SW0,     1n << 40n,  "EINVAL"],
    ["out of range",                 R,       1n << 40n,  "ERANGE"],
  ])("%s: refused without a TLBI", async (_what, prot, addr, result) => {
    const table = await aTable();
    expect(run(table, relax(prot, addr))).toMatchObject({ result, maintenance: [] });
  });
});
