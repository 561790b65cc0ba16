// Stage-2 tables (reference gunyah section 4): sizes of leaves, the cases of a map, break before make, splits, the matching
// unmap, and the count in table descriptors.

import { beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah.js";
import type { Effect } from "../../../src/machine/effects.js";
import { Machine, type Outcome } from "../../../src/machine/machine.js";
import { BLOCK, Hypervisor, PAGE, R, RAM, resultOf, RW, RWX, WB, type Cap } from "./hypervisor.js";

const AS = 0x80;
const GIB = 1n << 30n;
const IPA = 0x4000_0000n;

let hyp: Hypervisor;
let as: Cap;
beforeEach(async () => {
  hyp = await Hypervisor.boot();
  as = hyp.space(AS);
});

/** Leaves as `level ipa->pa`. */
function leaves(vmid: number = AS): string[] {
  return hyp.machine
    .leaves(vmid)
    .map(
      ({ ipa, level, descriptor }) => `${level} ${ipa.toString(16)}->${(descriptor & 0xffff_ffff_f000n).toString(16)}`,
    );
}

/** What happens to the tables and the TLB, in order. */
function steps(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => {
    switch (effect.kind) {
      case "descriptor":
        return [`L${effect.level} ${kindOf(effect.before, effect.level)}->${kindOf(effect.after, effect.level)}`];
      case "tlbi_ipa":
        return ["tlbi ipa"];
      case "tlbi_stage1":
        return ["tlbi stage 1"];
      default:
        return [];
    }
  });
}

function kindOf(descriptor: bigint, level: number): string {
  if ((descriptor & 1n) === 0n) return "0";
  if (level === 3) return "page";
  return (descriptor & 2n) === 0n ? "block" : `table(${(descriptor >> 2n) & 0x3ffn})`;
}

const part = (offset: bigint, size: bigint) => ({ part: { offset, size } });

describe("4 sizes of leaves", () => {
  test("HLOS is mapped at boot IPA = PA, with the largest blocks", () => {
    expect(leaves(abi.VMID_HLOS)[0]).toBe("2 80000000->80000000");
    expect(hyp.machine.leaves("host").every(({ ipa, descriptor }) => ipa === (descriptor & 0xffff_ffff_f000n))).toBe(
      true,
    );
  });

  test("1 GiB blocks where both addresses are aligned and it fits", async () => {
    const machine = await Machine.createGunyah({
      regions: [
        { base: GIB, size: 2n * GIB },
        { base: 0x1_0000_0000n, size: BLOCK * 8n },
      ],
    });
    expect(machine.leaves("host").slice(0, 1)).toMatchObject([{ level: 1, ipa: GIB }]);
    expect(machine.access("host", 2n * GIB - 8n, "read").status).toBe("done");
  });

  // prettier-ignore
  test.each<[string, bigint, bigint, bigint, string[]]>([
    ["an aligned block",            0n,     IPA,                BLOCK,        ["2 40000000->80000000"]],
    ["the address is not aligned",  0n,     IPA + BLOCK / 2n,   2n * PAGE,    ["3 40100000->80000000", "3 40101000->80001000"]],
    ["a page",                      PAGE,   IPA,                PAGE,         ["3 40000000->80001000"]],
    ["block, then page",            0n,     IPA,                BLOCK + PAGE, ["2 40000000->80000000", "3 40200000->80200000"]],
  ])("%s", (_what, offset, ipa, size, expected) => {
    const me = hyp.ramExtent(RAM, 4n * BLOCK);
    expect(resultOf(hyp.map(as, me, ipa, part(offset, size)))).toBe("OK");
    expect(leaves()).toEqual(expected);
  });

  test("the memory is not aligned: pages", () => {
    const me = hyp.ramExtent(RAM, 4n * BLOCK);
    hyp.map(as, me, IPA, part(PAGE, BLOCK));
    expect(leaves()).toHaveLength(512);
    expect(hyp.machine.checkInvariants()).toBeNull();
  });
});

// 4, "Descriptor fields".
// prettier-ignore
describe("4 fields of a leaf", () => {
  const AF = 1n << 10n;
  const SH_INNER = 3n << 8n;
  const PAGE_VALID = 3n;
  test.each<[string, number, number, number, bigint]>([
    // what             user  kernel  memtype                    leaf without its address
    ["RWX WB",          RWX,  RWX,    WB,                        AF | SH_INNER | 0xc0n | (15n << 2n) | PAGE_VALID],
    ["RW WB",           RW,   RW,     WB,                        AF | SH_INNER | 0xc0n | (15n << 2n) | PAGE_VALID | (2n << 53n)],
    ["R WB",            R,    R,      WB,                        AF | SH_INNER | 0x40n | (15n << 2n) | PAGE_VALID | (2n << 53n)],
    ["W WB",            2,    2,      WB,                        AF | SH_INNER | 0x80n | (15n << 2n) | PAGE_VALID | (2n << 53n)],
    ["NONE WB",         0,    0,      WB,                        AF | SH_INNER | (15n << 2n) | PAGE_VALID | (2n << 53n)],
    ["user RX, EL1 R",  5,    4,      WB,                        AF | SH_INNER | 0x40n | (15n << 2n) | PAGE_VALID | (1n << 53n)],
    ["user R, EL1 RX",  4,    5,      WB,                        AF | SH_INNER | 0x40n | (15n << 2n) | PAGE_VALID | (3n << 53n)],
    ["RW NC",           RW,   RW,     abi.MAP_NORMAL_NC,         AF | SH_INNER | 0xc0n | (5n << 2n) | PAGE_VALID | (2n << 53n)],
    ["RW nGnRnE",       RW,   RW,     abi.MAP_DEVICE_NGNRNE,     AF | 0xc0n | PAGE_VALID | (2n << 53n)],
    ["RW nGnRE",        RW,   RW,     abi.MAP_DEVICE_NGNRE,      AF | 0xc0n | (1n << 2n) | PAGE_VALID | (2n << 53n)],
    ["RW GRE",          RW,   RW,     abi.MAP_DEVICE_GRE,        AF | 0xc0n | (3n << 2n) | PAGE_VALID | (2n << 53n)],
  ])("%s", (_what, access, kernel, memtype, leaf) => {
    const me = hyp.ramExtent(RAM, BLOCK);
    expect(resultOf(hyp.map(as, me, IPA, { access, kernel, memtype, ...part(0n, PAGE) }))).toBe("OK");
    expect((hyp.machine.leaf(AS, IPA)?.descriptor ?? 0n) & ~0xffff_ffff_f000n).toBe(leaf);
  });
});

// 4.1, checks: as the address space's own; an extent's record is refused with them before it is made.
// prettier-ignore
describe("4.1 checks", () => {
  test.each<[string, bigint, bigint, string]>([
    ["the last page of 36 bits",        (1n << 36n) - PAGE,        PAGE,       "OK"],
    ["one page beyond",                 (1n << 36n) - PAGE,        2n * PAGE,  "ADDR_OVERFLOW"],
    ["start beyond",                    1n << 36n,                 PAGE,       "ADDR_INVALID"],
    ["start beyond 37 bits",            1n << 37n,                 PAGE,       "ADDR_INVALID"],
  ])("%s", (_what, ipa, size, result) => {
    const me = hyp.ramExtent(RAM, BLOCK);
    expect(resultOf(hyp.map(as, me, ipa, part(0n, size)))).toBe(result);
    expect(hyp.machine.panicked).toBeNull();
    expect(hyp.machine.records().filter(({ vm }) => vm === AS)).toHaveLength(result === "OK" ? 1 : 0);
  });
});

describe("4.1 cases, leaf by leaf", () => {
  let me: Cap;
  beforeEach(() => {
    me = hyp.ramExtent(RAM, 4n * BLOCK);
  });

  /** A second record over an address, which takes another slot. */
  const over = (ipa: bigint, offset: bigint, size: bigint, access = RW): Outcome =>
    hyp.map(as, me, ipa, { access, ...part(offset, size) });

  test("2 nothing there: tables are hooked in, then the leaf", () => {
    expect(steps(over(IPA, 0n, PAGE).effects)).toEqual([
      "L1 0->table(0)",
      "L2 0->table(0)",
      "L3 0->page",
      "L2 table(0)->table(1)",
      "L1 table(0)->table(1)",
      "tlbi stage 1",
    ]);
  });

  test("1 a table is gone down into, even where a block would fit", () => {
    over(IPA, 0n, PAGE);
    over(IPA, BLOCK, BLOCK);
    expect(leaves()).toHaveLength(512);
  });

  test("3 identical: kept", () => {
    over(IPA, 0n, BLOCK);
    expect(steps(over(IPA, 0n, BLOCK).effects)).toEqual(["tlbi stage 1"]);
    expect(steps(over(IPA + PAGE, PAGE, PAGE).effects)).toEqual(["tlbi stage 1"]);
    expect(leaves()).toEqual(["2 40000000->80000000"]);
  });

  test("4 only S2AP and XN differ and all is covered: in place, then by IPA", () => {
    over(IPA, 0n, BLOCK, RWX);
    expect(steps(over(IPA, 0n, BLOCK, R).effects)).toEqual(["L2 block->block", "tlbi ipa", "tlbi stage 1"]);
  });

  test("5 other memory, covered: break before make", () => {
    over(IPA, 0n, BLOCK);
    expect(steps(over(IPA, BLOCK, BLOCK).effects)).toEqual([
      "tlbi ipa",
      "tlbi stage 1",
      "L2 block->block",
      "tlbi stage 1",
    ]);
  });

  test("5 other memory, covered in part: the block is split", () => {
    over(IPA, 0n, BLOCK);
    const { effects } = over(IPA + 3n * PAGE, BLOCK, PAGE);
    expect(steps(effects).filter((step) => !step.startsWith("L3"))).toEqual([
      "tlbi ipa",
      "L2 block->table(512)",
      "tlbi ipa",
      "tlbi stage 1",
      "tlbi stage 1",
    ]);
    expect([hyp.at(AS, IPA + 2n * PAGE), hyp.at(AS, IPA + 3n * PAGE), hyp.at(AS, IPA + 4n * PAGE)]).toEqual([
      "0x80002000 RW",
      "0x80200000 RW",
      "0x80004000 RW",
    ]);
  });

  test("other permissions for a part of a block: split too", () => {
    over(IPA, 0n, BLOCK, RWX);
    over(IPA, 0n, PAGE, R);
    expect([hyp.at(AS, IPA), hyp.at(AS, IPA + PAGE)]).toEqual(["0x80000000 R", "0x80001000 RWX"]);
  });
});

describe("4.2 unmap", () => {
  test("only leaves whose output lies in the memory are removed", () => {
    const me = hyp.ramExtent(RAM, 4n * BLOCK);
    hyp.map(as, me, IPA, part(0n, 4n * PAGE));
    hyp.map(as, me, IPA + PAGE, part(BLOCK, PAGE));
    expect(resultOf(hyp.unmap(as, me, IPA, { offset: 0n, size: 4n * PAGE }))).toBe("OK");
    expect(leaves()).toEqual(["3 40001000->80200000"]);
  });

  test("the last leaf of a table takes the table with it, after the TLB was told", () => {
    const used = hyp.machine.core.exports.heapUsed(abi.HEAP_TABLES);
    const me = hyp.ramExtent(RAM, 4n * BLOCK);
    const before = hyp.machine.core.exports.heapUsed(abi.HEAP_TABLES);
    hyp.map(as, me, IPA, part(0n, PAGE));
    const { effects } = hyp.unmap(as, me, IPA, { offset: 0n, size: PAGE });
    expect(steps(effects)).toEqual([
      "L3 page->0",
      "tlbi ipa",
      "L2 table(1)->0",
      "tlbi ipa",
      "L1 table(1)->0",
      "tlbi ipa",
      "tlbi stage 1",
    ]);
    expect(hyp.machine.core.exports.heapUsed(abi.HEAP_TABLES)).toBe(before);
    expect(before >= used).toBe(true);
  });

  test("a part of a block: split, then removed", () => {
    const me = hyp.ramExtent(RAM, 4n * BLOCK);
    hyp.map(as, me, IPA, part(0n, BLOCK));
    hyp.unmap(as, me, IPA, { offset: 0n, size: PAGE });
    expect([hyp.at(AS, IPA), hyp.at(AS, IPA + PAGE)]).toEqual(["-", "0x80001000 RW"]);
    expect(hyp.machine.checkInvariants()).toBeNull();
  });

  test("without a page to split the block: NOMEM, nothing changes, the machine goes on", () => {
    const me = hyp.ramExtent(RAM, 4n * BLOCK);
    hyp.map(as, me, IPA, part(0n, BLOCK));
    hyp.must({ op: "heap_limit", heap: BigInt(abi.HEAP_TABLES), allocations: 0n });
    expect(resultOf(hyp.unmap(as, me, IPA, { offset: 0n, size: PAGE }))).toBe("NOMEM");
    expect([leaves(), hyp.machine.records().filter(({ vm }) => vm === AS).length]).toEqual([
      ["2 40000000->80000000"],
      1,
    ]);
    expect(resultOf(hyp.unmap(as, me, IPA, { offset: 0n, size: BLOCK }))).toBe("OK");
  });
});

test("2.4: a map without table pages: NOMEM, no record (10.1, 4a4f0af)", () => {
  const me = hyp.ramExtent(RAM, BLOCK);
  hyp.must({ op: "heap_limit", heap: BigInt(abi.HEAP_TABLES), allocations: 1n });
  expect(resultOf(hyp.map(as, me, IPA, part(0n, PAGE)))).toBe("NOMEM");
  expect([leaves(), hyp.machine.records().filter(({ vm }) => vm === AS)]).toEqual([[], []]);
  hyp.must({ op: "heap_limit", heap: BigInt(abi.HEAP_TABLES), allocations: 2n });
  expect(resultOf(hyp.map(as, me, IPA, part(0n, PAGE)))).toBe("OK");
});

test("a TLB sees every change invalidated and no entry made over another one", async () => {
  for (const mode of ["on_access", "worst_case"] as const) {
    const watched = await Hypervisor.boot();
    watched.machine.tlb.enable(mode);
    const space = watched.space(AS);
    const me = watched.ramExtent(RAM, 4n * BLOCK);
    watched.map(space, me, IPA, part(0n, BLOCK));
    watched.machine.access(AS, IPA, "read");
    watched.map(space, me, IPA + PAGE, part(BLOCK, PAGE));
    watched.machine.access(AS, IPA + PAGE, "read");
    watched.map(space, me, IPA, { access: R, part: { offset: BLOCK, size: BLOCK } });
    watched.machine.access(AS, IPA + PAGE, "read");
    watched.unmap(space, me, IPA, { offset: BLOCK, size: BLOCK });
    watched.delete(me);
    watched.delete(space);
    expect(watched.machine.tlb.takeReports()).toEqual([]);
  }
});
