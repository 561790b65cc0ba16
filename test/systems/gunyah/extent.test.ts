// Memory extents (reference gunyah sections 3.1, 3.2, 3.4 "attach", 3.7) and section 11's tests of basic extents.

import { beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah.js";
import {
  BLOCK,
  extentAttributes,
  Hypervisor,
  PAGE,
  R,
  RAM,
  RAM_SIZE,
  resultOf,
  RW,
  RWX,
  RX,
  type Cap,
} from "./hypervisor.js";

let hyp: Hypervisor;
beforeEach(async () => {
  hyp = await Hypervisor.boot();
});

const SPARSE = extentAttributes(RWX, "sparse");
const BASIC = extentAttributes(RWX, "basic");
const WRAP = 2n ** 64n - PAGE;
const APPEND = 1n << 31n;
const AS = 0x80;
const OTHER = 0x81;
const IPA = 0x4000_0000n;

describe("3.1 configure, in order", () => {
  const configure = (phys_base: bigint, size: bigint, attrs: bigint) =>
    hyp.result({ op: "memextent_configure", me: hyp.create("memextent"), phys_base, size, attrs });

  // prettier-ignore
  test.each<[string, bigint, bigint, bigint, string]>([
    // what                    base            size            attributes                                         result
    ["size 0",                 RAM + 1n,       0n,             SPARSE | 8n,                                       "ARGUMENT_INVALID"],
    ["wrap",                   WRAP,           2n * PAGE,      SPARSE,                                            "ARGUMENT_INVALID"],
    ["base not aligned",       RAM + 1n,       PAGE,           SPARSE | 8n,                                       "ARGUMENT_ALIGNMENT"],
    ["size not aligned",       RAM,            1n,             SPARSE | 8n,                                       "ARGUMENT_ALIGNMENT"],
    ["reserved bits",          RAM,            PAGE,           SPARSE | 8n,                                       "ARGUMENT_INVALID"],
    ["append",                 RAM,            PAGE,           SPARSE | APPEND,                                   "ARGUMENT_INVALID"],
    ["a type there is not",    RAM,            PAGE,           7n | (2n << 16n),                                  "ARGUMENT_INVALID"],
    ["memory type CACHED",     RAM,            PAGE,           extentAttributes(RWX, "sparse", abi.MEMTYPE_CACHED), "ARGUMENT_INVALID"],
    ["access NONE",            RAM,            PAGE,           extentAttributes(0, "sparse"),                     "ARGUMENT_INVALID"],
    ["access W+X",             RAM,            PAGE,           extentAttributes(3, "sparse"),                     "ARGUMENT_INVALID"],
    ["all right",              RAM,            PAGE,           SPARSE,                                            "OK"],
  ])("%s", (_what, base, size, attrs, result) => {
    expect(configure(base, size, attrs)).toBe(result);
  });

  test("outside INIT: OBJECT_STATE", () => {
    const me = hyp.extent(0n, PAGE);
    expect(hyp.result({ op: "memextent_configure", me, phys_base: 0n, size: PAGE, attrs: SPARSE })).toBe(
      "OBJECT_STATE",
    );
    expect(hyp.result({ op: "object_activate", cap: me })).toBe("OBJECT_STATE");
  });

  test("activation before configuration: OBJECT_CONFIG", () => {
    expect(hyp.result({ op: "object_activate", cap: hyp.create("memextent") })).toBe("OBJECT_CONFIG");
  });
});

describe("3.1 derive, in order", () => {
  const derive = (parent: Cap, offset: bigint, size: bigint, attrs: bigint) =>
    hyp.result({ op: "memextent_configure_derive", me: hyp.create("memextent"), parent, offset, size, attrs });

  // prettier-ignore
  test.each<[string, bigint, bigint, bigint, string]>([
    ["size 0",                  1n,          0n,        SPARSE | 8n,                                          "ARGUMENT_INVALID"],
    ["wrap",                    WRAP,        2n * PAGE, SPARSE,                                               "ARGUMENT_INVALID"],
    ["outside the parent",      1n,          4n * PAGE, SPARSE | 8n,                                          "ADDR_INVALID"],
    ["not aligned",             1n,          PAGE,      SPARSE | 8n,                                          "ARGUMENT_ALIGNMENT"],
    ["reserved bits",           0n,          PAGE,      extentAttributes(RWX, "sparse") | 8n,                 "ARGUMENT_INVALID"],
    ["append",                  0n,          PAGE,      extentAttributes(RWX, "sparse") | APPEND,             "ARGUMENT_INVALID"],
    ["access NONE",             0n,          PAGE,      extentAttributes(0, "sparse"),                        "ARGUMENT_INVALID"],
    ["more access",             0n,          PAGE,      extentAttributes(RWX, "sparse", abi.MEMTYPE_UNCACHED), "ARGUMENT_INVALID"],
    ["another memory type",     0n,          PAGE,      extentAttributes(RW, "sparse", abi.MEMTYPE_DEVICE),   "ARGUMENT_INVALID"],
    ["ANY is another one too",  0n,          PAGE,      extentAttributes(RW, "sparse", abi.MEMTYPE_ANY),      "ARGUMENT_INVALID"],
    ["all right",               PAGE,        PAGE,      extentAttributes(R, "sparse", abi.MEMTYPE_UNCACHED),  "OK"],
  ])("%s", (_what, offset, size, attrs, result) => {
    const parent = hyp.extent(RAM, 4n * PAGE, extentAttributes(RW, "sparse", abi.MEMTYPE_UNCACHED));
    expect(derive(parent, offset, size, attrs)).toBe(result);
  });
});

describe("3.2 two types", () => {
  test("BASIC owns its range from activation", () => {
    hyp.toPartition(RAM, 4n * PAGE);
    const before = hyp.owner(RAM);
    hyp.extent(RAM, PAGE, BASIC);
    expect(hyp.owner(RAM)).not.toBe(before);
    expect(hyp.owner(RAM + PAGE)).toBe(before);
  });

  test("BASIC on memory of somebody else: NOT_OWNER", () => {
    const me = hyp.create("memextent");
    hyp.must({ op: "memextent_configure", me, phys_base: RAM, size: PAGE, attrs: BASIC });
    expect(hyp.result({ op: "object_activate", cap: me })).toBe("MEMDB_NOT_OWNER");
  });

  test("SPARSE owns nothing at activation", () => {
    const owners = hyp.machine.owners();
    hyp.extent(RAM, RAM_SIZE);
    expect(hyp.machine.owners()).toEqual(owners);
  });

  test("SPARSE for a device owns its range", () => {
    hyp.extent(0x900_0000n, PAGE, extentAttributes(RW, "sparse", abi.MEMTYPE_DEVICE));
    expect(hyp.owner(0x900_0000n)).toMatch(new RegExp(`^${abi.MEMDB_EXTENT}:`));
    expect(hyp.owner(0x900_1000n)).toBe("MEMDB_EMPTY");
  });

  test("SPARSE derived from BASIC takes its whole range", () => {
    const parent = hyp.ramExtent(RAM, 4n * PAGE, BASIC);
    const before = hyp.owner(RAM);
    hyp.derived(parent, PAGE, PAGE, SPARSE);
    expect([hyp.owner(RAM) === before, hyp.owner(RAM + PAGE) === before]).toEqual([true, false]);
  });

  test("SPARSE derived from SPARSE copies the records, with less access, and takes no memory", () => {
    const as = hyp.space(AS);
    const parent = hyp.ramExtent(RAM, 4n * PAGE);
    hyp.map(as, parent, IPA, { access: RWX });
    const child = hyp.derived(parent, PAGE, PAGE, extentAttributes(RX, "sparse"));
    expect(hyp.at(AS, IPA + PAGE)).toBe("0x80001000 RWX");
    expect(resultOf(hyp.donate("child", parent, child, 0n, PAGE))).toBe("OK");
    expect(hyp.at(AS, IPA + PAGE)).toBe("0x80001000 RX");
    expect(hyp.at(AS, IPA)).toBe("0x80000000 RWX");
  });

  test("BASIC derived: carves out, inherits the mapping with its own access", () => {
    const as = hyp.space(AS);
    const parent = hyp.ramExtent(RAM, 4n * PAGE, BASIC);
    hyp.map(as, parent, IPA, { access: RWX });
    hyp.derived(parent, PAGE, PAGE, extentAttributes(R, "basic"));
    expect([0n, 1n, 2n].map((page) => hyp.at(AS, IPA + page * PAGE))).toEqual([
      "0x80000000 RWX",
      "0x80001000 R",
      "0x80002000 RWX",
    ]);
  });

  test("derive BASIC where the parent is mapped over a part only: DENIED", () => {
    const as = hyp.space(AS);
    const parent = hyp.ramExtent(RAM, 4n * PAGE);
    hyp.map(as, parent, IPA, { part: { offset: 0n, size: 2n * PAGE } });
    const child = hyp.create("memextent");
    hyp.must({ op: "memextent_configure_derive", me: child, parent, offset: PAGE, size: 2n * PAGE, attrs: BASIC });
    expect(hyp.result({ op: "object_activate", cap: child })).toBe("DENIED");
    expect(hyp.machine.checkInvariants()).toBeNull();
  });

  test("derive from an extent that is mapped into EL2: BUSY", () => {
    const parent = hyp.ramExtent(RAM, PAGE, BASIC);
    hyp.must({ op: "memextent_attach", me: parent, partition: abi.CAP_ROOT_PARTITION, size: PAGE });
    const child = hyp.create("memextent");
    hyp.must({ op: "memextent_configure_derive", me: child, parent, offset: 0n, size: PAGE, attrs: BASIC });
    expect(hyp.result({ op: "object_activate", cap: child })).toBe("BUSY");
  });

  test("BASIC has no parts and is not donated: MEMEXTENT_TYPE", () => {
    const as = hyp.space(AS);
    const me = hyp.ramExtent(RAM, 4n * PAGE, BASIC);
    const part = { offset: 0n, size: PAGE };
    expect(resultOf(hyp.map(as, me, IPA, { part }))).toBe("MEMEXTENT_TYPE");
    expect(resultOf(hyp.unmap(as, me, IPA, part))).toBe("MEMEXTENT_TYPE");
    expect(resultOf(hyp.updateAccess(as, me, IPA, R, part))).toBe("MEMEXTENT_TYPE");
    expect(resultOf(hyp.donate("parent", me, abi.CAP_ROOT_PARTITION, 0n, PAGE))).toBe("MEMEXTENT_TYPE");
  });
});

describe("3.4 attach, in order", () => {
  // prettier-ignore
  test.each<[string, number, boolean, bigint, boolean, string]>([
    // what                 access  own partition  size       children  result
    ["another partition",   R,      false,         2n * PAGE, true,     "DENIED"],
    ["access without RW",   R,      true,          2n * PAGE, true,     "DENIED"],
    ["size beyond",         RW,     true,          2n * PAGE, true,     "ARGUMENT_SIZE"],
    ["children",            RW,     true,          PAGE,      true,     "BUSY"],
    ["all right",           RW,     true,          PAGE,      false,    "OK"],
  ])("%s", (_what, access, own, size, children, result) => {
    const me = hyp.ramExtent(RAM, PAGE, extentAttributes(access, "basic"));
    const other = hyp.create("partition");
    hyp.must({ op: "object_activate", cap: other });
    if (children) hyp.derived(me, 0n, PAGE, extentAttributes(R, "basic"));
    expect(hyp.result({ op: "memextent_attach", me, partition: own ? abi.CAP_ROOT_PARTITION : other, size })).toBe(result);
  });
});

describe("3.7 deactivation", () => {
  test("derived: mappings at once, memory after a grace period; not zeroed", () => {
    const as = hyp.space(AS);
    const parent = hyp.ramExtent(RAM, 4n * PAGE);
    const child = hyp.derived(parent, 0n, 4n * PAGE);
    hyp.map(as, child, IPA);
    hyp.donate("child", parent, child, 0n, PAGE);
    hyp.machine.access(AS, IPA, "write", { value: 7n });
    const dead = hyp.owner(RAM);
    expect(hyp.delete(child)).toBe("OK");
    expect([hyp.at(AS, IPA), hyp.owner(RAM)]).toEqual(["-", dead]);
    hyp.must({ op: "rcu_sync" });
    expect(hyp.owner(RAM)).toBe(hyp.owner(RAM + PAGE));
    expect(hyp.machine.readPage(RAM)[0]).toBe(7);
  });

  test("derived: what the parent maps comes back", () => {
    const as = hyp.space(AS);
    const parent = hyp.ramExtent(RAM, 4n * PAGE);
    hyp.map(as, parent, IPA, { access: RWX });
    const child = hyp.derived(parent, 0n, 4n * PAGE);
    hyp.unmap(as, child, IPA);
    hyp.donate("child", parent, child, 0n, PAGE);
    expect(hyp.at(AS, IPA)).toBe("-");
    hyp.delete(child);
    expect(hyp.at(AS, IPA)).toBe("0x80000000 RWX");
  });

  test("root: all unmapped, memory to the partition", () => {
    const as = hyp.space(AS);
    hyp.toPartition(RAM, 2n * PAGE);
    const partition = hyp.owner(RAM);
    const me = hyp.extent(RAM, PAGE, BASIC);
    hyp.map(as, me, IPA);
    hyp.delete(me);
    expect(hyp.at(AS, IPA)).toBe("-");
    hyp.must({ op: "rcu_sync" });
    expect(hyp.owner(RAM)).toBe(partition);
  });

  test("memory of a dying extent: others are refused once, wait a grace period, and succeed", () => {
    hyp.toPartition(RAM, PAGE);
    hyp.delete(hyp.extent(RAM, PAGE, BASIC));
    expect(hyp.owner(RAM)).toMatch(new RegExp(`^${abi.MEMDB_EXTENT}:`));
    hyp.extent(RAM, PAGE, BASIC);
  });

  test("a parent lives as long as its children", () => {
    const parent = hyp.ramExtent(RAM, 4n * PAGE);
    const child = hyp.derived(parent, 0n, PAGE);
    hyp.donate("child", parent, child, 0n, PAGE);
    const used = hyp.owner(RAM);
    hyp.delete(parent);
    expect(hyp.owner(RAM)).toBe(used);
    hyp.delete(child);
    hyp.must({ op: "rcu_sync" });
    hyp.must({ op: "rcu_sync" });
    expect(hyp.owner(RAM)).toMatch(new RegExp(`^${abi.MEMDB_PARTITION}:`));
    expect(hyp.machine.checkInvariants()).toBeNull();
  });
});

describe("section 11, basic extents", () => {
  test("T1: extents in two spaces, children, a grandchild, deletion in order", () => {
    const one = hyp.space(AS);
    const two = hyp.space(OTHER);
    const first = hyp.ramExtent(RAM, 8n * PAGE, BASIC);
    const second = hyp.ramExtent(RAM + BLOCK, 8n * PAGE, BASIC);
    expect(resultOf(hyp.map(one, first, IPA, { access: RWX }))).toBe("OK");
    expect(resultOf(hyp.map(two, second, IPA, { access: RWX }))).toBe("OK");
    const children = [
      hyp.derived(first, 2n * PAGE, 2n * PAGE, BASIC),
      hyp.derived(first, 6n * PAGE, PAGE, BASIC),
    ] as const;

    // A child is unmapped, and mapped in the other space.
    expect(resultOf(hyp.unmap(one, children[0], IPA + 2n * PAGE))).toBe("OK");
    expect(resultOf(hyp.map(two, children[0], IPA + 0x10_0000n))).toBe("OK");
    expect(hyp.at(AS, IPA + 2n * PAGE)).toBe("-");
    expect(hyp.at(OTHER, IPA + 0x10_0000n)).toBe("0x80002000 RW");

    // A grandchild carves out of the child.
    const grandchild = hyp.derived(children[0], PAGE, PAGE, extentAttributes(R, "basic"));
    expect(hyp.at(OTHER, IPA + 0x10_1000n)).toBe("0x80003000 R");

    // Access of a child changes alone.
    expect(resultOf(hyp.updateAccess(one, children[1], IPA + 6n * PAGE, R))).toBe("OK");
    expect(hyp.at(AS, IPA + 6n * PAGE)).toBe("0x80006000 R");
    expect(hyp.at(AS, IPA + 5n * PAGE)).toBe("0x80005000 RWX");

    // The parent's calls touch only what it still owns.
    expect(resultOf(hyp.unmap(one, first, IPA))).toBe("OK");
    expect([0n, 5n, 6n].map((page) => hyp.at(AS, IPA + page * PAGE))).toEqual(["-", "-", "0x80006000 R"]);
    expect(resultOf(hyp.map(one, first, IPA, { access: RW }))).toBe("OK");
    expect([0n, 2n, 6n].map((page) => hyp.at(AS, IPA + page * PAGE))).toEqual(["0x80000000 RW", "-", "0x80006000 R"]);

    for (const cap of [grandchild, ...children, first, second]) expect(hyp.delete(cap)).toBe("OK");
    hyp.must({ op: "rcu_sync" });
    expect([hyp.machine.leaves(AS), hyp.machine.leaves(OTHER), hyp.machine.checkInvariants()]).toEqual([[], [], null]);
  });

  test("T2: a second extent mapped over a child replaces it; deleting the child changes nothing there", () => {
    const as = hyp.space(AS);
    const parent = hyp.ramExtent(RAM, 4n * PAGE, BASIC);
    hyp.map(as, parent, IPA);
    const child = hyp.derived(parent, PAGE, PAGE, BASIC);
    const second = hyp.ramExtent(RAM + BLOCK, PAGE, BASIC);
    expect(resultOf(hyp.map(as, second, IPA + PAGE))).toBe("OK");
    expect(hyp.at(AS, IPA + PAGE)).toBe("0x80200000 RW");
    expect(hyp.delete(child)).toBe("OK");
    expect(hyp.at(AS, IPA + PAGE)).toBe("0x80200000 RW");
  });

  // 10.1, d2e92c5: updating the parent must not map what children have carved out.
  test("updating the access of a parent leaves the children's pages alone", () => {
    const as = hyp.space(AS);
    const parent = hyp.ramExtent(RAM, 4n * PAGE, BASIC);
    hyp.map(as, parent, IPA);
    hyp.unmap(as, hyp.derived(parent, PAGE, PAGE, BASIC), IPA + PAGE);
    expect(resultOf(hyp.updateAccess(as, parent, IPA, R))).toBe("OK");
    expect([0n, 1n].map((page) => hyp.at(AS, IPA + page * PAGE))).toEqual(["0x80000000 R", "-"]);
  });
});
