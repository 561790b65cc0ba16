// Mapping extents (reference gunyah sections 3.3, 3.4, 8.2): checks in their order, facts one by one.

import { beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah.js";
import {
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
  WB,
  type Cap,
} from "./hypervisor.js";

const AS = 0x80;
const IPA = 0x4000_0000n;
const NC = abi.MAP_NORMAL_NC;
const NGNRE = abi.MAP_DEVICE_NGNRE;
const LAST_PAGE = 2n ** 64n - PAGE;

let hyp: Hypervisor;
let as: Cap;
let me: Cap;
beforeEach(async () => {
  hyp = await Hypervisor.boot();
  as = hyp.space(AS);
  me = hyp.ramExtent(RAM, 16n * PAGE, extentAttributes(RW, "sparse"));
});

describe("3.3 map, in order", () => {
  // prettier-ignore
  test.each<[string, bigint, bigint, bigint, number, boolean, string]>([
    // what                      ipa            offset        size        access  read-only  result
    ["1 address not aligned",    IPA + 1n,      0n,           0n,         RWX,    true,      "ARGUMENT_ALIGNMENT"],
    ["1 offset not aligned",     IPA,           1n,           0n,         RWX,    true,      "ARGUMENT_ALIGNMENT"],
    ["1 size not aligned",       IPA,           0n,           1n,         RWX,    true,      "ARGUMENT_ALIGNMENT"],
    ["2 size 0",                 IPA,           0n,           0n,         RWX,    true,      "ARGUMENT_SIZE"],
    ["2 offset + size wraps",    IPA,           LAST_PAGE,    2n * PAGE,  RWX,    true,      "ARGUMENT_SIZE"],
    ["2 address + size wraps",   LAST_PAGE,     0n,           2n * PAGE,  RWX,    true,      "ARGUMENT_SIZE"],
    ["2 beyond the extent",      IPA,           15n * PAGE,   2n * PAGE,  RWX,    true,      "ARGUMENT_SIZE"],
    ["3 access beyond",          IPA,           0n,           PAGE,       RWX,    true,      "ARGUMENT_INVALID"],
    ["4 read-only space",        IPA,           0n,           PAGE,       RW,     true,      "DENIED"],
    ["5 address beyond 48 bits", (1n << 48n) - PAGE, 0n,      PAGE,       RW,     false,     "ADDR_INVALID"],
    ["all right",                IPA,           0n,           PAGE,       RW,     false,     "OK"],
  ])("%s", (_what, ipa, offset, size, access, readOnly, result) => {
    hyp.must({ op: "addrspace_set_read_only", as, read_only: readOnly });
    expect(resultOf(hyp.map(as, me, ipa, { access, part: { offset, size } }))).toBe(result);
  });

  // Section 3, "allowed combination of a mapping's memtype with the extent's".
  // prettier-ignore
  test.each<[string, number, string, string, string]>([
    // extent        memtype                 nGnRE  NC                  write-back
    ["ANY",          abi.MEMTYPE_ANY,        "OK",  "OK",               "OK"],
    ["DEVICE",       abi.MEMTYPE_DEVICE,     "OK",  "ARGUMENT_INVALID", "ARGUMENT_INVALID"],
    ["UNCACHED",     abi.MEMTYPE_UNCACHED,   "OK",  "OK",               "ARGUMENT_INVALID"],
  ])("3 memory types of an extent of type %s", (_name, memtype, device, uncached, cached) => {
    const extent = hyp.extent(0x900_0000n, PAGE, extentAttributes(RW, "sparse", memtype));
    const results = [NGNRE, NC, WB].map((type) => resultOf(hyp.map(as, extent, IPA, { memtype: type })));
    expect(results).toEqual([device, uncached, cached]);
  });

  // 3.3, last fact: intended behaviour is to refuse what no descriptor can hold.
  // prettier-ignore
  test.each<[string, number, number, string]>([
    // what                                user  kernel  result
    ["user and kernel differ in W",        RW,   R,      "ARGUMENT_INVALID"],
    ["user and kernel differ in R",        0,    R,      "ARGUMENT_INVALID"],
    ["kernel X only",                      1,    1,      "ARGUMENT_INVALID"],
    ["user X only, kernel nothing",        1,    0,      "OK"],
    ["user RX, kernel R",                  RX,   R,      "OK"],
    ["W and X without R",                  3,    3,      "ARGUMENT_INVALID"],
  ])("3 %s: %s", (_what, user, kernel, result) => {
    const extent = hyp.extent(0x900_0000n, PAGE);
    expect(resultOf(hyp.map(as, extent, IPA, { access: user, kernel }))).toBe(result);
  });

  test("5 BASIC in part: 121", () => {
    const basic = hyp.ramExtent(RAM + 0x20_0000n, PAGE, extentAttributes(RW, "basic"));
    expect(resultOf(hyp.map(as, basic, IPA, { part: { offset: 0n, size: PAGE } }))).toBe("MEMEXTENT_TYPE");
  });
});

describe("3.3 facts", () => {
  test("a record for memory that is not owned maps nothing, and is applied on donation", () => {
    const sibling = hyp.extent(RAM, RAM_SIZE);
    expect(resultOf(hyp.map(as, sibling, IPA))).toBe("OK");
    expect(hyp.at(AS, IPA)).toBe("-");
    hyp.donate("parent", me, abi.CAP_ROOT_PARTITION, 0n, PAGE);
    expect(resultOf(hyp.donate("child", abi.CAP_ROOT_PARTITION, sibling, 0n, PAGE))).toBe("OK");
    expect(hyp.at(AS, IPA)).toBe("0x80000000 RW");
  });

  test("the same memory at several addresses of one space takes a slot each; the fourth beside another space's: 120", () => {
    const part = { offset: 0n, size: PAGE };
    hyp.map(hyp.space(0x81), me, IPA, { part });
    const results = [0n, 1n, 2n, 3n].map((i) => resultOf(hyp.map(as, me, IPA + i * PAGE, { part })));
    expect(results).toEqual(["OK", "OK", "OK", "MEMEXTENT_MAPPINGS_FULL"]);
    expect([0n, 1n, 2n, 3n].map((i) => hyp.at(AS, IPA + i * PAGE))).toEqual([
      ...Array<string>(3).fill("0x80000000 RW"),
      "-",
    ]);
  });

  test("other memory of the extent shares the slot", () => {
    for (let page = 0n; page < 8n; page++) {
      expect(resultOf(hyp.map(as, me, IPA + page * 0x10_0000n, { part: { offset: page * PAGE, size: PAGE } }))).toBe(
        "OK",
      );
    }
    expect(
      new Set(
        hyp.machine
          .records()
          .filter(({ vm }) => vm === AS)
          .map(({ slot }) => slot),
      ),
    ).toEqual(new Set([0]));
  });

  test("whatever is at the address is replaced; giving the first page away leaves the second, its return replaces that", () => {
    const other = hyp.extent(RAM, RAM_SIZE);
    hyp.map(as, me, IPA, { part: { offset: 0n, size: PAGE } });
    hyp.map(as, me, IPA, { part: { offset: PAGE, size: PAGE } });
    expect(hyp.at(AS, IPA)).toBe("0x80001000 RW");
    hyp.donate("parent", me, abi.CAP_ROOT_PARTITION, 0n, PAGE);
    hyp.donate("child", abi.CAP_ROOT_PARTITION, other, 0n, PAGE);
    expect(hyp.at(AS, IPA)).toBe("0x80001000 RW");
    hyp.donate("parent", other, abi.CAP_ROOT_PARTITION, 0n, PAGE);
    hyp.donate("child", abi.CAP_ROOT_PARTITION, me, 0n, PAGE);
    expect(hyp.at(AS, IPA)).toBe("0x80000000 RW");
  });

  test("access NONE is a valid descriptor without permission: a touch is a permission fault", () => {
    expect(resultOf(hyp.map(as, me, IPA, { access: 0, part: { offset: 0n, size: PAGE } }))).toBe("OK");
    expect(hyp.at(AS, IPA)).toBe("0x80000000 none");
    expect(hyp.machine.access(AS, IPA, "read").fault?.kind).toBe("permission");
    expect(hyp.machine.access(AS, IPA + PAGE, "read").fault?.kind).toBe("translation");
  });
});

describe("3.4 unmap", () => {
  const part = { offset: 0n, size: 4n * PAGE };
  beforeEach(() => {
    hyp.map(as, me, IPA, { part });
  });

  // prettier-ignore
  test.each<[string, bigint, bigint, bigint, boolean, string]>([
    ["not aligned",            IPA + 1n,       0n,         0n,         true,  "ARGUMENT_ALIGNMENT"],
    ["size 0",                 IPA,            0n,         0n,         true,  "ARGUMENT_SIZE"],
    ["beyond the extent",      IPA,            15n * PAGE, 2n * PAGE,  true,  "ARGUMENT_SIZE"],
    ["read-only space",        IPA,            0n,         4n * PAGE,  true,  "DENIED"],
    ["at another address",     IPA + PAGE,     0n,         4n * PAGE,  false, "ADDR_INVALID"],
    ["more than the record",   IPA,            0n,         5n * PAGE,  false, "ADDR_INVALID"],
    ["a part of it",           IPA + PAGE,     PAGE,       PAGE,       false, "OK"],
    ["all of it",              IPA,            0n,         4n * PAGE,  false, "OK"],
  ])("%s", (_what, ipa, offset, size, readOnly, result) => {
    hyp.must({ op: "addrspace_set_read_only", as, read_only: readOnly });
    expect(resultOf(hyp.unmap(as, me, ipa, { offset, size }))).toBe(result);
  });

  test("the record goes with the leaves", () => {
    hyp.unmap(as, me, IPA + PAGE, { offset: PAGE, size: PAGE });
    expect([0n, 1n, 2n].map((page) => hyp.at(AS, IPA + page * PAGE))).toEqual(["0x80000000 RW", "-", "0x80002000 RW"]);
    const records = hyp.machine.records().filter(({ vm }) => vm === AS);
    expect(records.map(({ ipa, size }) => [ipa, size])).toEqual([
      [IPA, PAGE],
      [IPA + 2n * PAGE, 2n * PAGE],
    ]);
  });

  // 8.2: removed only if the leaf points to p.
  test("what was mapped over the record stays", () => {
    hyp.map(as, me, IPA, { part: { offset: 8n * PAGE, size: PAGE } });
    hyp.unmap(as, me, IPA, part);
    expect([0n, 1n].map((page) => hyp.at(AS, IPA + page * PAGE))).toEqual(["0x80008000 RW", "-"]);
  });

  test("attributes do not matter to a removal", () => {
    hyp.map(as, me, IPA + 0x10_0000n, { access: R, part: { offset: 8n * PAGE, size: PAGE } });
    expect(resultOf(hyp.unmap(as, me, IPA + 0x10_0000n, { offset: 8n * PAGE, size: PAGE }))).toBe("OK");
  });
});

describe("3.4 update_access", () => {
  test("BASIC maps owned runs again with the new access", () => {
    const basic = hyp.ramExtent(RAM + 0x20_0000n, 4n * PAGE, extentAttributes(RWX, "basic"));
    hyp.map(as, basic, IPA, { access: RWX });
    expect(resultOf(hyp.updateAccess(as, basic, IPA, R))).toBe("OK");
    expect(hyp.at(AS, IPA)).toBe("0x80200000 R");
    expect(resultOf(hyp.updateAccess(as, basic, IPA + PAGE, R))).toBe("ADDR_INVALID");
  });

  // prettier-ignore
  test.each<[string, boolean]>([["all of it", false], ["a part", true]])("SPARSE, %s: always ADDR_INVALID", (_what, isPart) => {
    hyp.map(as, me, IPA);
    const part = isPart ? { offset: 0n, size: PAGE } : undefined;
    expect(resultOf(hyp.updateAccess(as, me, IPA, R, part))).toBe("ADDR_INVALID");
    expect(hyp.at(AS, IPA)).toBe("0x80000000 RW");
  });

  test("access beyond the extent's and a read-only space are refused first", () => {
    hyp.map(as, me, IPA);
    expect(resultOf(hyp.updateAccess(as, me, IPA, RWX))).toBe("ARGUMENT_INVALID");
    hyp.must({ op: "addrspace_set_read_only", as, read_only: true });
    expect(resultOf(hyp.updateAccess(as, me, IPA, R))).toBe("DENIED");
  });
});

describe("3.4 modify", () => {
  const NO_SYNC = 1n << 31n;
  const modify = (flags: bigint, offset = 0n, size = PAGE, extent = me) =>
    hyp.result({ op: "memextent_modify", me: extent, flags, offset, size });
  const fill = (pa: bigint) => hyp.machine.writePage(pa, new Uint8Array(4096).fill(0xaa));

  test("unmap_all drops every record in every space and all slots are free again (10.1, d2e92c5)", () => {
    const part = { offset: 0n, size: PAGE };
    for (let i = 0n; i < 4n; i++) hyp.map(as, me, IPA + i * PAGE, { part });
    expect(modify(0n)).toBe("OK");
    expect([hyp.machine.leaves(AS), hyp.machine.records().filter(({ vm }) => vm === AS)]).toEqual([[], []]);
    expect(resultOf(hyp.map(as, me, IPA, { part }))).toBe("OK");
  });

  // prettier-ignore
  test.each<[string, bigint, string]>([
    ["zero_range without no_sync",   1n,              "ARGUMENT_INVALID"],
    ["cache_clean without no_sync",  2n,              "ARGUMENT_INVALID"],
    ["cache_flush without no_sync",  3n,              "ARGUMENT_INVALID"],
    ["sync_all with no_sync",        255n | NO_SYNC,  "ARGUMENT_INVALID"],
    ["an operation there is not",    4n | NO_SYNC,    "ARGUMENT_INVALID"],
    ["zero_range",                   1n | NO_SYNC,    "OK"],
    ["cache_clean",                  2n | NO_SYNC,    "OK"],
    ["cache_flush",                  3n | NO_SYNC,    "OK"],
    ["sync_all",                     255n,            "OK"],
  ])("%s: %s", (_what, flags, result) => {
    expect(modify(flags)).toBe(result);
  });

  test("zero_range, in order: DEVICE or no W, alignment, overflow, size", () => {
    const zero = (offset: bigint, size: bigint, extent = me) => modify(1n | NO_SYNC, offset, size, extent);
    const readOnly = hyp.extent(RAM, PAGE, extentAttributes(R, "sparse"));
    const device = hyp.extent(0x900_0000n, PAGE, extentAttributes(RW, "sparse", abi.MEMTYPE_DEVICE));
    expect([zero(1n, 1n, device), zero(1n, 1n, readOnly)]).toEqual(["DENIED", "DENIED"]);
    expect([zero(1n, PAGE), zero(0n, 1n)]).toEqual(["ARGUMENT_ALIGNMENT", "ARGUMENT_ALIGNMENT"]);
    expect(zero(LAST_PAGE, 2n * PAGE)).toBe("ARGUMENT_INVALID");
    expect(zero(15n * PAGE, 2n * PAGE)).toBe("ARGUMENT_SIZE");
  });

  test("zero_range zeroes owned runs and skips the rest, and is OK", () => {
    for (let page = 0n; page < 4n; page++) fill(RAM + page * PAGE);
    hyp.donate("parent", me, abi.CAP_ROOT_PARTITION, PAGE, PAGE);
    expect(modify(1n | NO_SYNC, 0n, 3n * PAGE)).toBe("OK");
    expect([0n, 1n, 2n, 3n].map((page) => hyp.machine.readPage(RAM + page * PAGE)[0])).toEqual([0, 0xaa, 0, 0xaa]);
  });
});
