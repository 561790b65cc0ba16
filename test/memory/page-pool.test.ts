// EL2's page pools: a buddy allocator by physical address (reference 2.12; nvhe/page_alloc.c). Seen through the table pages that
// a lone table takes, whose addresses are in its table descriptors.

import { expect, test } from "vitest";
import { Machine, type Outcome } from "../../src/machine/machine.js";
import type { Operation } from "../../src/machine/operations.js";

const OUTPUT_ADDRESS = 0x0000_ffff_ffff_f000n;

const map = (addr: bigint): Operation => ({ op: "pt_map", addr, size: 0x1000n, phys: 0n, prot: 0xfn, mc: 1, flags: 0 });
const unmap = (addr: bigint): Operation => ({ op: "pt_unmap", addr, size: 0x1000n });
const GIB = 0x4000_0000n;

/** The pages that an operation took for tables, in order, as pages behind the start of the pool. */
function tablesTaken(outcome: Outcome): number[] {
  const taken: number[] = [];
  for (const effect of outcome.effects) {
    if (effect.kind !== "descriptor" || effect.level === 3 || (effect.after & 3n) !== 3n) continue;
    taken.push(Number((effect.after & OUTPUT_ADDRESS & 0xf_f000n) >> 12n));
  }
  return taken;
}

// A table without a second root page, over an aligned pool of 11 pages like that of the reference's vector. Its root is the
// vector's first allocation (…a000).
const aTableOf11Pages = (): Promise<Machine> => Machine.createPageTable({ ia_bits: 36, pool_pages: 11 });

test("single pages come out of the smallest block, lower half first: …a000, …8000, …9000, …0000, …1000", async () => {
  const machine = await aTableOf11Pages();
  expect(tablesTaken(machine.apply(map(0n)))).toEqual([0x8, 0x9]);
  expect(tablesTaken(machine.apply(map(GIB)))).toEqual([0x0, 0x1]);
  // The upper halves wait in the order in which they were split off: two pages, then four.
  expect(tablesTaken(machine.apply(map(2n * GIB)))).toEqual([0x2, 0x3]);
  expect(tablesTaken(machine.apply(map(3n * GIB)))).toEqual([0x4, 0x5]);
});

test("freed pages join their buddies", async () => {
  const machine = await aTableOf11Pages();
  machine.apply(map(0n));
  machine.apply(map(GIB));
  // …1000 goes back, then …0000: 0x0-0x7 is one block of eight again, 0x8-0x9 one of two.
  expect(machine.apply(unmap(GIB)).details.poolFree).toBe(8);
  expect(machine.apply(unmap(0n)).details.poolFree).toBe(10);
  expect(tablesTaken(machine.apply(map(2n * GIB)))).toEqual([0x8, 0x9]);
});

test("the pool runs dry", async () => {
  const machine = await aTableOf11Pages();
  for (let region = 0n; region < 5n; region++) machine.apply(map(region * GIB));
  expect(machine.apply(map(5n * GIB))).toMatchObject({ errno: "ENOMEM", details: { poolFree: 0 } });
});
