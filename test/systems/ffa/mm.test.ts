// The page-table library of a partition manager, by itself, in the exploring variant of the core: what Hafnium's own tests of it
// demand (reference ffa section 18, rows 145 to 150), and what it refuses.

import { expect, test } from "vitest";
import { FFA_MM_VM } from "../../../assembly/abi/ffa-mm.js";
import { MODE_ABSENT, MODE_INVALID, MODE_R, MODE_W } from "../../../assembly/abi/ffa.js";
import { instantiateVariant } from "../../../src/explore/variant.js";
import { resolvePageTableConfig } from "../../../src/machine/config.js";
import { Machine } from "../../../src/machine/machine.js";

const PAGE = 0x1000n;
const BLOCK = 0x20_0000n;
const GIB = 0x4000_0000n;
/** What one root page covers. */
const ROOT = 512n * GIB;
const END = 1n << 40n;
const PA = 2n * GIB;
const RW = MODE_R | MODE_W;
const LENT = RW | MODE_INVALID;
const DENIED = -6;
const INVALID = -2;
const NO_MEMORY = -3;

/** A VM's table with so many pages for tables below its root. */
async function aTable({ tablePages = 4 } = {}) {
  const core = await instantiateVariant();
  const machine = Machine.createOn(core, resolvePageTableConfig({ pool_pages: 4 + tablePages }));
  const vm = 1;
  machine.apply({ op: "ffa_mm_table", vm, purpose: FFA_MM_VM, vmid: 2, in_use: 0n });
  return {
    map: (addr: bigint, size: bigint, phys: bigint, mode = RW) =>
      machine.apply({ op: "ffa_mm_map", vm, addr, size, phys, mode: BigInt(mode) }).ret,
    unmap: (addr: bigint, size: bigint) => machine.apply({ op: "ffa_mm_unmap", vm, addr, size }).ret,
    defrag: () => machine.apply({ op: "ffa_mm_defrag", vm }).ret,
    modeOf: (addr: bigint, size: bigint) => machine.apply({ op: "ffa_mm_get_mode", vm, addr, size }).ret,
    level: (ipa: bigint) => core.exports.mmLevel(vm, ipa),
    output: (ipa: bigint) => BigInt.asUintN(64, core.exports.mmOutput(vm, ipa)),
  };
}

test("row 145: what was never mapped is invalid, unowned and shared", async () => {
  const { modeOf } = await aTable();
  expect(modeOf(0n, BLOCK)).toBe(MODE_ABSENT);
});

test("row 146: a range across the border of two roots has a mode if it is uniform", async () => {
  const { map, modeOf } = await aTable({ tablePages: 6 });
  map(ROOT - PAGE, 2n * PAGE, PA);
  expect(modeOf(ROOT - PAGE, 2n * PAGE)).toBe(RW);
  expect(modeOf(ROOT - 2n * PAGE, 3n * PAGE)).toBe(DENIED);
});

test("row 147: three pages with different modes have none together", async () => {
  const { map, modeOf } = await aTable();
  map(0n, PAGE, PA);
  map(PAGE, PAGE, PA + PAGE);
  map(2n * PAGE, PAGE, PA + 2n * PAGE, MODE_R);
  expect([modeOf(0n, 2n * PAGE), modeOf(0n, 3n * PAGE), modeOf(2n * PAGE, PAGE)]).toEqual([RW, DENIED, MODE_R]);
});

test("row 148: a range that ends beyond the table has no mode", async () => {
  const { modeOf } = await aTable();
  expect([modeOf(END - PAGE, PAGE), modeOf(END - PAGE, 2n * PAGE), modeOf(END, PAGE)]).toEqual([
    ...[MODE_ABSENT, DENIED, DENIED],
  ]);
});

test("row 149: pages that are lent away fold into one invalid block, where their outputs follow one another", async () => {
  const { map, defrag, level, output, modeOf } = await aTable();
  map(0n, PAGE, PA, LENT);
  map(PAGE, BLOCK - PAGE, PA + PAGE, LENT);
  expect(level(0n)).toBe(3);
  expect(defrag()).toBe(0);
  expect([level(0n), output(5n * PAGE), modeOf(0n, BLOCK)]).toEqual([2, PA + 5n * PAGE, LENT]);
});

test("row 150: where they do not, the table stays", async () => {
  const { map, defrag, level, output } = await aTable();
  map(0n, PAGE, PA, LENT);
  map(PAGE, BLOCK - PAGE, PA + BLOCK, LENT);
  defrag();
  expect([level(0n), output(0n), output(PAGE)]).toEqual([3, PA, PA + BLOCK]);
});

test("a table with nothing in it goes, and those above it", async () => {
  const { map, unmap, defrag, level } = await aTable();
  map(0n, PAGE, PA);
  unmap(0n, PAGE);
  expect(level(0n)).toBe(3);
  defrag();
  expect(level(0n)).toBe(1);
});

test("a block leads on where it led when a page in it gets another mode", async () => {
  const { map, level, output, modeOf } = await aTable();
  map(0n, GIB, PA);
  expect(level(0n)).toBe(1);
  expect(map(5n * PAGE, PAGE, PA + 5n * PAGE, MODE_R)).toBe(0);
  expect([level(0n), level(BLOCK), output(GIB - PAGE)]).toEqual([3, 2, PA + GIB - PAGE]);
  expect([modeOf(4n * PAGE, PAGE), modeOf(5n * PAGE, PAGE), modeOf(BLOCK, GIB - BLOCK)]).toEqual([RW, MODE_R, RW]);
});

// prettier-ignore
test.each<[string, bigint, bigint, bigint, number]>([
  ["no page",                     0n,          0n,        PA,            DENIED],
  ["half a page",                 0n,          PAGE / 2n, PA,            INVALID],
  ["to the middle of a page",     0n,          PAGE,      PA + 8n,       INVALID],
  ["beyond the table",            END - PAGE,  2n * PAGE, PA,            DENIED],
  ["what leads elsewhere",        BLOCK,       PAGE,      PA + PAGE,     DENIED],
  ["its neighbour with it",       BLOCK - PAGE, 2n * PAGE, PA,           DENIED],
  ["more tables than there are",  GIB,         PAGE,      PA,            NO_MEMORY],
])("a map of %s is refused, and changes nothing", async (_, addr, size, phys, ret) => {
  const { map, output, level } = await aTable({ tablePages: 2 });
  map(BLOCK, PAGE, PA);
  expect(map(addr, size, phys)).toBe(ret);
  expect([output(BLOCK), level(BLOCK), level(BLOCK - PAGE), level(GIB)]).toEqual([PA, 3, 2, 1]);
});
