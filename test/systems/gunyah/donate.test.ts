// Donation (reference gunyah sections 3.5, 3.6, 8.2) and section 11's tests of sparse extents.

import { beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah.js";
import { BLOCK, extentAttributes, Hypervisor, PAGE, R, RAM, resultOf, RW, RWX, type Cap } from "./hypervisor.js";

const AS = 0x80;
const OTHER = 0x81;
const IPA = 0x4000_0000n;
const WHOLE = 1n << 44n;

let hyp: Hypervisor;
beforeEach(async () => {
  hyp = await Hypervisor.boot();
});

/** Siblings of HLOS's memory. */
const sibling = (): Cap => hyp.derived(abi.CAP_PARENT_DDR, 0n, WHOLE);

describe("3.5 checks, in order", () => {
  const WRAP = 2n ** 64n - PAGE;

  // prettier-ignore
  test.each<[string, bigint, bigint, string]>([
    ["offset not aligned",      RAM + 1n,        0n,         "ARGUMENT_ALIGNMENT"],
    ["size not aligned",        RAM,             1n,         "ARGUMENT_ALIGNMENT"],
    ["the address wraps",       WRAP,            2n * PAGE,  "ARGUMENT_INVALID"],
    ["size 0",                  RAM,             0n,         "ARGUMENT_SIZE"],
    ["outside the window",      WHOLE,           PAGE,       "ARGUMENT_INVALID"],
    ["not owned",               0n,              PAGE,       "MEMDB_NOT_OWNER"],
    ["all right",               RAM,             PAGE,       "OK"],
  ])("sibling: %s", (_what, offset, size, result) => {
    expect(resultOf(hyp.donate("sibling", abi.CAP_HLOS_OWNED_DDR, sibling(), offset, size))).toBe(result);
  });

  test("sibling: the same extent, no parent, another parent, outside the target's window", () => {
    const root = hyp.extent(0n, WHOLE);
    const cousin = hyp.derived(root, 0n, WHOLE);
    const small = hyp.derived(abi.CAP_PARENT_DDR, 0n, PAGE);
    const donate = (from: Cap, to: Cap) => resultOf(hyp.donate("sibling", from, to, RAM, PAGE));
    expect(donate(abi.CAP_HLOS_OWNED_DDR, abi.CAP_HLOS_OWNED_DDR)).toBe("ARGUMENT_INVALID");
    expect(donate(root, abi.CAP_HLOS_OWNED_DDR)).toBe("ARGUMENT_INVALID");
    expect(donate(abi.CAP_HLOS_OWNED_DDR, root)).toBe("ARGUMENT_INVALID");
    expect(donate(abi.CAP_HLOS_OWNED_DDR, cousin)).toBe("ARGUMENT_INVALID");
    expect(donate(abi.CAP_HLOS_OWNED_DDR, small)).toBe("ARGUMENT_INVALID");
  });

  test("types: BASIC source 121, target that is not sparse 1, child of a parent that is not sparse 1", () => {
    const parent = hyp.ramExtent(RAM, 4n * PAGE);
    const sparse = hyp.derived(parent, 0n, 4n * PAGE);
    const basic = hyp.derived(parent, 0n, PAGE, extentAttributes(RWX, "basic"));
    expect(resultOf(hyp.donate("sibling", basic, sparse, 0n, PAGE))).toBe("MEMEXTENT_TYPE");
    expect(resultOf(hyp.donate("sibling", sparse, basic, 0n, PAGE))).toBe("ARGUMENT_INVALID");
    expect(resultOf(hyp.donate("parent", basic, parent, 0n, PAGE))).toBe("MEMEXTENT_TYPE");

    const root = hyp.ramExtent(RAM + BLOCK, 4n * PAGE, extentAttributes(RWX, "basic"));
    const child = hyp.derived(root, 0n, PAGE);
    expect(resultOf(hyp.donate("child", root, child, 0n, PAGE))).toBe("ARGUMENT_INVALID");
  });

  test("an option there is not", () => {
    const call = {
      op: "memextent_donate",
      from: abi.CAP_HLOS_OWNED_DDR,
      to: 4000,
      options: 3n,
      offset: 0n,
      size: PAGE,
    } as const;
    expect(hyp.result(call)).toBe("ARGUMENT_INVALID");
  });
});

// 3.5, the rule table. x and y are records of the source and of the target for the page.
// prettier-ignore
describe("3.5 the effect on the page table", () => {
  test.each<[string, (x: Cap, y: Cap, as: Cap) => void, before: string, after: string, changes: number]>([
    ["both the same: nothing",                  (x, y, as) => { map(as, x, IPA, RW); map(as, y, IPA, RW); },        "0x80000000 RW",  "0x80000000 RW", 0],
    ["other access: mapped over, in place",     (x, y, as) => { map(as, x, IPA, RWX); map(as, y, IPA, R); },        "0x80000000 RWX", "0x80000000 R",  1],
    ["only the source: unmapped",               (x, _, as) => { map(as, x, IPA, RW); },                             "0x80000000 RW",  "-",             1],
    ["another address: unmapped here",          (x, y, as) => { map(as, x, IPA, RW); map(as, y, IPA + PAGE, RW); }, "0x80000000 RW",  "-",             2],
    ["only the target: mapped",                 (_, y, as) => { map(as, y, IPA, RW); },                             "-",              "0x80000000 RW", 1],
  ])("%s", (_what, records, before, after, changes) => {
    const as = hyp.space(AS);
    const [x, y] = [sibling(), sibling()];
    hyp.takeFromHlos(x, RAM, PAGE);
    // So that tables come and go with nothing but the page's own leaf.
    map(as, x, IPA + 8n * PAGE, RW, RAM + PAGE);
    hyp.takeFromHlos(x, RAM + PAGE, PAGE);
    records(x, y, as);
    expect(hyp.at(AS, IPA)).toBe(before);
    const { effects } = hyp.donate("sibling", x, y, RAM, PAGE);
    expect(hyp.at(AS, IPA)).toBe(after);
    expect(effects.filter((effect) => effect.kind === "descriptor" && effect.level === 3)).toHaveLength(changes);
  });
});

function map(as: Cap, me: Cap, ipa: bigint, access: number, pa: bigint = RAM): void {
  const outcome = hyp.map(as, me, ipa, { access, part: { offset: pa, size: PAGE } });
  expect(resultOf(outcome)).toBe("OK");
}

test("3.5: contents are never touched", () => {
  hyp.machine.access("host", RAM, "write", { value: 0x1234n });
  const to = sibling();
  hyp.map(hyp.space(AS), to, IPA, { part: { offset: RAM, size: PAGE } });
  const { effects } = hyp.donate("sibling", abi.CAP_HLOS_OWNED_DDR, to, RAM, PAGE);
  expect(effects.some(({ kind }) => kind === "wipe")).toBe(false);
  expect(hyp.machine.access(AS, IPA, "read").value).toBe(0x1234n);
});

test("3.6: ownership changes before the page tables; in a slot the source's unmap before the target's map", () => {
  const as = hyp.space(AS);
  const [x, y] = [sibling(), sibling()];
  hyp.takeFromHlos(x, RAM, PAGE);
  map(as, x, IPA, RW);
  map(as, y, IPA + PAGE, RW);
  const { effects } = hyp.donate("sibling", x, y, RAM, PAGE);
  const order = effects.flatMap((effect) => {
    if (effect.kind === "ownership") return ["owner"];
    if (effect.kind === "descriptor" && effect.level === 3) return [effect.after === 0n ? "unmap" : "map"];
    return [];
  });
  expect(order).toEqual(["owner", "unmap", "map"]);
});

describe("8.2, verb by verb", () => {
  test("donate of what the source does not own: 111, nothing changes", () => {
    const [x, y] = [sibling(), sibling()];
    const before = [hyp.machine.owners(), hyp.machine.leaves("host")];
    expect(resultOf(hyp.donate("sibling", x, y, RAM, PAGE))).toBe("MEMDB_NOT_OWNER");
    expect([hyp.machine.owners(), hyp.machine.leaves("host")]).toEqual(before);
  });

  test("donate of a range that is owned in part: 111, nothing changes", () => {
    const [x, y] = [sibling(), sibling()];
    hyp.takeFromHlos(x, RAM, 2n * PAGE);
    const before = hyp.machine.owners();
    expect(resultOf(hyp.donate("sibling", x, y, RAM, 3n * PAGE))).toBe("MEMDB_NOT_OWNER");
    expect(hyp.machine.owners()).toEqual(before);
  });

  test("partition to extent: all records for the memory are applied; back: withdrawn", () => {
    hyp.toPartition(RAM, PAGE);
    const me = hyp.extent(RAM, BLOCK);
    hyp.map(hyp.space(AS), me, IPA);
    hyp.map(hyp.space(OTHER), me, IPA + BLOCK, { access: R });
    expect(resultOf(hyp.donate("child", abi.CAP_ROOT_PARTITION, me, 0n, PAGE))).toBe("OK");
    expect([hyp.at(AS, IPA), hyp.at(OTHER, IPA + BLOCK)]).toEqual(["0x80000000 RW", "0x80000000 R"]);
    expect(resultOf(hyp.donate("parent", me, abi.CAP_ROOT_PARTITION, 0n, PAGE))).toBe("OK");
    expect([hyp.at(AS, IPA), hyp.at(OTHER, IPA + BLOCK)]).toEqual(["-", "-"]);
  });

  test("memory of a dying extent: one grace period, then it goes through", () => {
    const parent = hyp.ramExtent(RAM, 4n * PAGE);
    const [child, heir] = [hyp.derived(parent, 0n, 4n * PAGE), hyp.derived(parent, 0n, 4n * PAGE)];
    hyp.donate("child", parent, child, 0n, PAGE);
    hyp.delete(child);
    expect(resultOf(hyp.donate("child", parent, heir, 0n, PAGE))).toBe("OK");
  });
});

// 4.2 and 3.5, "the intended rule": with no page for a table the block stays, and the donation is refused.
test("donating the first page of a 2 MiB block without table pages: NOMEM, everything as it was", () => {
  const to = sibling();
  hyp.must({ op: "heap_limit", heap: BigInt(abi.HEAP_TABLES), allocations: 0n });
  const before = [hyp.machine.owners(), hyp.machine.records(), hyp.machine.leaves("host")];
  expect(resultOf(hyp.donate("sibling", abi.CAP_HLOS_OWNED_DDR, to, RAM, PAGE))).toBe("NOMEM");
  expect([hyp.machine.owners(), hyp.machine.records(), hyp.machine.leaves("host")]).toEqual(before);
  expect(hyp.machine.panicked).toBeNull();
  hyp.must({ op: "heap_limit", heap: BigInt(abi.HEAP_TABLES), allocations: 1n });
  expect(resultOf(hyp.donate("sibling", abi.CAP_HLOS_OWNED_DDR, to, RAM, PAGE))).toBe("OK");
});

describe("section 11, sparse extents", () => {
  test("T1: a record before owning, donation from the partition, and back", () => {
    hyp.toPartition(RAM, PAGE);
    const me = hyp.extent(RAM, PAGE);
    expect(resultOf(hyp.map(hyp.space(AS), me, 0x8000_0000n))).toBe("OK");
    expect(hyp.at(AS, 0x8000_0000n)).toBe("-");
    expect(resultOf(hyp.donate("child", abi.CAP_ROOT_PARTITION, me, 0n, PAGE))).toBe("OK");
    expect(hyp.at(AS, 0x8000_0000n)).toBe("0x80000000 RW");
    expect(resultOf(hyp.donate("parent", me, abi.CAP_ROOT_PARTITION, 0n, PAGE))).toBe("OK");
    expect(hyp.at(AS, 0x8000_0000n)).toBe("-");
  });

  test("T2: two siblings that map the same memory differently in two spaces", () => {
    const size = 0x1_0000n;
    const [as1, as2] = [hyp.space(AS), hyp.space(OTHER)];
    const parent = hyp.ramExtent(RAM, size);
    const [a, b] = [hyp.derived(parent, 0n, size), hyp.derived(parent, 0n, size)];
    const all = { part: { offset: 0n, size } };
    expect(resultOf(hyp.map(as1, a, 0x6000_0000n, { part: { offset: 0n, size: 0x6000n } }))).toBe("OK");
    expect(resultOf(hyp.map(as2, a, 0x3_4040_4000n, all))).toBe("OK");
    expect(resultOf(hyp.map(as1, b, 0x6000_4000n, { part: { offset: 0x4000n, size: 0x6000n } }))).toBe("OK");
    expect(resultOf(hyp.map(as2, b, 0x2_8884_0000n, all))).toBe("OK");

    const view = () => [
      hyp.at(AS, 0x6000_0000n),
      hyp.at(AS, 0x6000_4000n),
      hyp.at(AS, 0x6000_6000n),
      hyp.at(OTHER, 0x3_4040_4000n),
      hyp.at(OTHER, 0x2_8884_0000n),
    ];
    expect(view()).toEqual(["-", "-", "-", "-", "-"]);
    expect(resultOf(hyp.donate("child", parent, a, 0n, size))).toBe("OK");
    expect(view()).toEqual(["0x80000000 RW", "0x80004000 RW", "-", "0x80000000 RW", "-"]);
    expect(resultOf(hyp.donate("sibling", a, b, 0n, size))).toBe("OK");
    expect(view()).toEqual(["-", "0x80004000 RW", "0x80006000 RW", "-", "0x80000000 RW"]);

    expect(resultOf(hyp.unmap(as1, b, 0x6000_4000n, { offset: 0x4000n, size: 0x3000n }))).toBe("OK");
    expect(hyp.at(AS, 0x6000_4000n)).toBe("-");
    expect(hyp.at(AS, 0x6000_7000n)).toBe("0x80007000 RW");
    for (const me of [a, b]) hyp.must({ op: "memextent_modify", me, flags: 0n, offset: 0n, size: 0n });
    expect([hyp.machine.leaves(AS), hyp.machine.leaves(OTHER)]).toEqual([[], []]);
  });
});
