// The ownership database (reference gunyah section 2.6) and section 11's tests of it: those run at boot, 0 to 10 (11 is for the
// bitmap variant), and the cases of the host program. Owners are numbers without objects behind them.

import { beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah.js";
import { resolveGunyahConfig } from "../../../src/machine/gunyah-config.js";
import { Hypervisor, RAM, RAM_SIZE } from "./hypervisor.js";

const TRACE = abi.MEMDB_TRACE;
const PARTITION = abi.MEMDB_PARTITION;
const EXTENT = abi.MEMDB_EXTENT;
const ALLOCATOR = abi.MEMDB_ALLOCATOR;
/** Addresses that are no memory of the machine. */
const BASE = 0x30_0000_0000n;
const END = 0x5f_ffff_ffffn;
const A = 1000n;
const B = 1001n;
const C = 1002n;

let hyp: Hypervisor;
beforeEach(async () => {
  hyp = await Hypervisor.boot();
});

const insert = (start: bigint, end: bigint, object: bigint, type = TRACE) =>
  hyp.result({ op: "memdb_insert", type, start, end, object });
const update = (start: bigint, end: bigint, object: bigint, prev: bigint, type = TRACE, prev_type = TRACE) =>
  hyp.result({ op: "memdb_update", type, prev_type, start, end, object, prev_object: prev });
const isContiguous = (start: bigint, end: bigint, object: bigint, type = TRACE) =>
  hyp.answer({ op: "memdb_is_ownership_contiguous", type, start, end, object }) === 1n;

const owner = (addr: bigint): string => {
  const outcome = hyp.call({ op: "memdb_lookup", addr });
  return outcome.ret === 0 ? `${outcome.details.answer} ${outcome.found}` : (outcome.errno ?? "");
};

/** The runs of an owner in [start, end], as [base, size]. */
function walk(object: bigint, start: bigint, end: bigint, type = TRACE): [bigint, bigint][] {
  return hyp
    .must({ op: "memdb_range_walk", type, object, start, end })
    .effects.flatMap((effect): [bigint, bigint][] => (effect.kind === "range" ? [[effect.start, effect.size]] : []));
}

describe("2.6, row by row", () => {
  test("insert: previous owner none; any byte owned: NOT_OWNER", () => {
    expect(insert(BASE, BASE + 0xfffn, A)).toBe("OK");
    expect(insert(BASE + 0xfffn, BASE + 0x1fffn, B)).toBe("MEMDB_NOT_OWNER");
    expect(owner(BASE + 0x1000n)).toBe("MEMDB_EMPTY");
    expect(owner(BASE + 0xfffn)).toBe(`${A} ${TRACE}`);
  });

  test("update: every byte must be the previous owner's, else NOT_OWNER; all or nothing", () => {
    insert(BASE, BASE + 0x3fffn, A);
    expect(update(BASE + 0x1000n, BASE + 0x4000n, B, A)).toBe("MEMDB_NOT_OWNER");
    expect(isContiguous(BASE, BASE + 0x3fffn, A)).toBe(true);
    expect(update(BASE + 0x1000n, BASE + 0x1fffn, B, A)).toBe("OK");
    expect(owner(BASE + 0x1000n)).toBe(`${B} ${TRACE}`);
  });

  test("update: the previous owner's type counts too", () => {
    insert(BASE, BASE + 0xfffn, A, EXTENT);
    expect(update(BASE, BASE + 0xfffn, B, A, EXTENT, PARTITION)).toBe("MEMDB_NOT_OWNER");
    expect(update(BASE, BASE + 0xfffn, A, A, PARTITION, EXTENT)).toBe("OK");
  });

  test("lookup: the owner, or MEMDB_EMPTY", () => {
    expect(owner(BASE)).toBe("MEMDB_EMPTY");
    insert(BASE, BASE, A, ALLOCATOR);
    expect(owner(BASE)).toBe(`${A} ${ALLOCATOR}`);
    expect(owner(BASE + 1n)).toBe("MEMDB_EMPTY");
  });

  test("is_ownership_contiguous: true if all bytes match", () => {
    insert(BASE, BASE + 0x1fffn, A);
    expect(isContiguous(BASE, BASE + 0x1fffn, A)).toBe(true);
    expect(isContiguous(BASE, BASE + 0x2000n, A)).toBe(false);
    expect(isContiguous(BASE, BASE + 0x1fffn, B)).toBe(false);
    expect(isContiguous(BASE, BASE + 0x1fffn, A, EXTENT)).toBe(false);
  });

  test("walk: every maximal run, ascending; a range walk is cut", () => {
    insert(BASE, BASE + 0xfffn, A);
    insert(BASE + 0x1000n, BASE + 0x1fffn, A);
    insert(BASE + 0x8000n, BASE + 0x8fffn, A);
    expect(walk(A, 0n, (1n << 44n) - 1n)).toEqual([
      [BASE, 0x2000n],
      [BASE + 0x8000n, 0x1000n],
    ]);
    expect(walk(A, BASE + 0x800n, BASE + 0x87ffn)).toEqual([
      [BASE + 0x800n, 0x1800n],
      [BASE + 0x8000n, 0x800n],
    ]);
  });
});

describe("section 11, at boot", () => {
  test("0: sub-ranges updated and reverted one by one collapse", () => {
    insert(BASE, END, A);
    const parts = Array.from({ length: 32 }, (_, i) => BASE + BigInt(i * 7) * 0x1000n);
    for (const start of parts) expect(update(start, start + 0x2fffn, B, A)).toBe("OK");
    for (const start of parts) expect(update(start, start + 0x2fffn, A, B)).toBe("OK");
    expect(isContiguous(BASE, END, A)).toBe(true);
    expect(walk(A, 0n, (1n << 44n) - 1n)).toEqual([[BASE, END - BASE + 1n]]);
  });

  // prettier-ignore
  test.each([
    ["end",   BASE,             END - 0x1000n, END - 0xfffn, END],
    ["start", BASE + 0x1000n,   END,           BASE,         BASE + 0xfffn],
  ])("1: an update whose %s belongs to another owner changes no byte's owner", (_where, start, end, from, to) => {
    insert(start, end, A);
    insert(from, to, B);
    expect(update(BASE, END, C, A)).toBe("MEMDB_NOT_OWNER");
    expect(isContiguous(start, end, A)).toBe(true);
    expect(isContiguous(from, to, B)).toBe(true);
  });

  // prettier-ignore
  test.each([
    ["2: one page",                       BASE + 0x5000n,       BASE + 0x5fffn],
    ["3: pages",                          BASE + 0x5000n,       BASE + 0x2_3fffn],
    ["4: across a level of the tree",     BASE + 0xfff_f000n,   BASE + 0x1000_0fffn],
    ["5: a large range",                  BASE,                 END],
  ])("%s: insert, update, look-ups, refusals, guard pages", (_name, start, end) => {
    insert(start - 0x1000n, start - 1n, B, EXTENT);
    insert(end + 1n, end + 0x1000n, C, EXTENT);
    expect(insert(start, end, A)).toBe("OK");
    expect(update(start, end, A, A, PARTITION, TRACE)).toBe("OK");
    expect(owner(start)).toBe(`${A} ${PARTITION}`);
    expect(owner(end)).toBe(`${A} ${PARTITION}`);
    expect(isContiguous(start, end, A, PARTITION)).toBe(true);
    expect(isContiguous(start - 1n, end, A, PARTITION)).toBe(false);
    expect(insert(start, end, B)).toBe("MEMDB_NOT_OWNER");
    expect(update(start, end, B, C, PARTITION, PARTITION)).toBe("MEMDB_NOT_OWNER");
    expect(owner(start - 1n)).toBe(`${B} ${EXTENT}`);
    expect(owner(start - 0x1000n)).toBe(`${B} ${EXTENT}`);
    expect(owner(end + 1n)).toBe(`${C} ${EXTENT}`);
    expect(owner(end + 0x1001n)).toBe("MEMDB_EMPTY");
  });

  // prettier-ignore
  test.each([
    ["6: in the middle",  BASE + 0x10_0000n, BASE + 0x1f_ffffn],
    ["7: at the start",   BASE,              BASE + 0xfffn],
    ["8: at the end",     END - 0xfffn,      END],
  ])("%s: split by a third owner and merged", (_name, start, end) => {
    insert(BASE, END, A);
    expect(update(start, end, B, A)).toBe("OK");
    expect(update(start, end, C, B)).toBe("OK");
    expect(isContiguous(start, end, C)).toBe(true);
    expect(isContiguous(BASE, END, A)).toBe(false);
    expect(update(start, end, A, C)).toBe("OK");
    expect(isContiguous(BASE, END, A)).toBe(true);
  });

  test("9: without memory NOMEM, nothing inserted; with memory again OK", () => {
    const before = hyp.machine.owners();
    const used = hyp.machine.core.exports.heapUsed(abi.HEAP_HYPERVISOR);
    hyp.must({ op: "heap_limit", heap: BigInt(abi.HEAP_HYPERVISOR), allocations: 1n });
    expect(insert(BASE + 0x1000n, BASE + 0x1fffn, A)).toBe("NOMEM");
    expect(hyp.machine.owners()).toEqual(before);
    expect(hyp.machine.core.exports.heapUsed(abi.HEAP_HYPERVISOR)).toBe(used);
    hyp.must({ op: "heap_limit", heap: BigInt(abi.HEAP_HYPERVISOR), allocations: 2n ** 64n - 1n });
    expect(insert(BASE + 0x1000n, BASE + 0x1fffn, A)).toBe("OK");
    expect(owner(BASE + 0x1000n)).toBe(`${A} ${TRACE}`);
  });

  test("10: a walk over a gap calls back once per run", () => {
    insert(BASE, BASE + 0xffffn, A);
    insert(BASE + 0x2_0000n, BASE + 0x2_ffffn, A);
    expect(walk(A, BASE, BASE + 0x2_ffffn)).toEqual([
      [BASE, 0x1_0000n],
      [BASE + 0x2_0000n, 0x1_0000n],
    ]);
  });
});

describe("section 11, the host program", () => {
  test("1: two inserts", () => {
    expect(insert(BASE, BASE + 0xffn, A)).toBe("OK");
    expect(insert(BASE + 0x200n, BASE + 0x2ffn, B)).toBe("OK");
    expect([owner(BASE), owner(BASE + 0x100n), owner(BASE + 0x200n)]).toEqual([
      `${A} ${TRACE}`,
      "MEMDB_EMPTY",
      `${B} ${TRACE}`,
    ]);
  });

  test("2 and 3: an insert, two updates, both reverted", () => {
    insert(BASE, BASE + 0xffffn, A);
    expect(update(BASE + 0x1000n, BASE + 0x1fffn, B, A)).toBe("OK");
    expect(update(BASE + 0x3000n, BASE + 0x3fffn, C, A)).toBe("OK");
    expect(update(BASE + 0x1000n, BASE + 0x1fffn, A, B)).toBe("OK");
    expect(update(BASE + 0x3000n, BASE + 0x3fffn, A, C)).toBe("OK");
    expect(isContiguous(BASE, BASE + 0xffffn, A)).toBe(true);
  });

  test("4: two inserts, two updates, reverted", () => {
    insert(BASE, BASE + 0xfffn, A);
    insert(BASE + 0x1000n, BASE + 0x1fffn, B);
    update(BASE, BASE + 0x7ffn, C, A);
    update(BASE + 0x1800n, BASE + 0x1fffn, C, B);
    update(BASE, BASE + 0x7ffn, A, C);
    update(BASE + 0x1800n, BASE + 0x1fffn, B, C);
    expect([isContiguous(BASE, BASE + 0xfffn, A), isContiguous(BASE + 0x1000n, BASE + 0x1fffn, B)]).toEqual([
      true,
      true,
    ]);
  });

  test("5: contiguity is true for one range and false for the other", () => {
    insert(BASE, BASE + 0xfffn, A);
    insert(BASE + 0x1000n, BASE + 0x17ffn, B);
    expect([isContiguous(BASE, BASE + 0xfffn, A), isContiguous(BASE, BASE + 0x17ffn, A)]).toEqual([true, false]);
  });

  test("6 and 7: look-ups after updates", () => {
    insert(BASE, BASE + 0xfffn, A);
    update(BASE + 0x10n, BASE + 0x1fn, B, A);
    update(BASE + 0x18n, BASE + 0x1fn, C, B);
    expect([0xfn, 0x10n, 0x17n, 0x18n, 0x1fn, 0x20n].map((at) => owner(BASE + at))).toEqual(
      [A, B, B, C, C, A].map((object) => `${object} ${TRACE}`),
    );
  });

  test("8: single bytes at deep addresses, reverted", () => {
    insert(0n, 0xfffn, A);
    insert(0xfff_ffff_f000n, 0xfff_ffff_ffffn, B);
    update(0x1n, 0x1n, C, A);
    update(0xfff_ffff_fffen, 0xfff_ffff_fffen, C, B);
    update(0x1n, 0x1n, A, C);
    update(0xfff_ffff_fffen, 0xfff_ffff_fffen, B, C);
    expect([isContiguous(0n, 0xfffn, A), isContiguous(0xfff_ffff_f000n, 0xfff_ffff_ffffn, B)]).toEqual([true, true]);
  });

  test("9: a second update that fails changes nothing", () => {
    insert(BASE, BASE + 0xffffn, A);
    update(BASE + 0x8000n, BASE + 0x8fffn, B, A);
    expect(update(BASE + 0x7000n, BASE + 0x9fffn, C, A)).toBe("MEMDB_NOT_OWNER");
    expect(walk(A, BASE, BASE + 0xffffn)).toEqual([
      [BASE, 0x8000n],
      [BASE + 0x9000n, 0x7000n],
    ]);
  });

  // prettier-ignore
  test.each([
    ["10: far up",        BASE,           BASE + 0xfffn,  0x500_0000_0000n, 0x500_0000_0fffn],
    ["11: down to 0",     BASE,           BASE + 0xfffn,  0n,               0xfffn],
    ["13: nearly there",  BASE,           BASE + 0xfffn,  BASE + 0x1_0000n, BASE + 0x1_0fffn],
  ])("%s: a second insert beside a first one", (_name, start, end, from, to) => {
    insert(start, end, A);
    expect(insert(from, to, B)).toBe("OK");
    expect([isContiguous(start, end, A), isContiguous(from, to, B)]).toEqual([true, true]);
  });

  test("12: an update that spans the hole between two inserts fails", () => {
    insert(BASE, BASE + 0xfffn, A);
    insert(BASE + 0x2000n, BASE + 0x2fffn, A);
    expect(update(BASE, BASE + 0x2fffn, B, A)).toBe("MEMDB_NOT_OWNER");
  });

  test("14 to 17: walks with and without neighbours", () => {
    insert(BASE, BASE + 0xfffn, A);
    expect(walk(A, 0n, (1n << 44n) - 1n)).toEqual([[BASE, 0x1000n]]);
    insert(BASE - 0x1000n, BASE - 1n, B);
    insert(BASE + 0x1000n, BASE + 0x1fffn, B);
    expect(walk(A, 0n, (1n << 44n) - 1n)).toEqual([[BASE, 0x1000n]]);
    expect(walk(B, BASE - 0x800n, BASE + 0x17ffn)).toEqual([
      [BASE - 0x800n, 0x800n],
      [BASE + 0x1000n, 0x800n],
    ]);
    expect(walk(C, 0n, (1n << 44n) - 1n)).toEqual([]);
  });
});

test("at boot all memory is HLOS's but the hypervisor's own; nothing else is known", () => {
  const { hyp_carveout: carveout } = resolveGunyahConfig({ regions: [{ base: RAM, size: RAM_SIZE }] });
  expect(hyp.machine.owners().map(({ pa, owner: { type, role, label } }) => [pa, type, role, label])).toEqual([
    [RAM, "extent", "owned", abi.VMID_HLOS],
    [carveout.base, "partition", null, 0],
  ]);
});
