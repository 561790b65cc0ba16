// Address spaces (reference gunyah section 2.5): configuration, VMMIO ranges, look-ups, destruction.

import { beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah.js";
import { attributes, BLOCK, Hypervisor, PAGE, R, RAM, resultOf, type Cap } from "./hypervisor.js";

const AS = 0x80;
const IPA = 0x4000_0000n;

let hyp: Hypervisor;
beforeEach(async () => {
  hyp = await Hypervisor.boot();
});

describe("configuration", () => {
  // prettier-ignore
  test.each([
    [0n,     "ARGUMENT_INVALID"],
    [1n,     "OK"],
    [255n,   "OK"],
    [256n,   "ARGUMENT_INVALID"],
  ])("VMID %i: %s", (vmid, result) => {
    expect(hyp.result({ op: "addrspace_configure", as: hyp.create("addrspace"), vmid })).toBe(result);
  });

  // prettier-ignore
  test.each([
    ["HLOS's",                abi.VMID_HLOS],
    ["the resource manager's", abi.VMID_RM],
  ])("activation with %s VMID: BUSY", (_whose, vmid) => {
    const as = hyp.create("addrspace");
    hyp.must({ op: "addrspace_configure", as, vmid: BigInt(vmid) });
    expect(hyp.result({ op: "object_activate", cap: as })).toBe("BUSY");
  });

  test("activation without configuration: OBJECT_CONFIG; configuration afterwards: OBJECT_STATE", () => {
    expect(hyp.result({ op: "object_activate", cap: hyp.create("addrspace") })).toBe("OBJECT_CONFIG");
    expect(hyp.result({ op: "addrspace_configure", as: hyp.space(AS), vmid: 9n })).toBe("OBJECT_STATE");
  });

  test("geometry: 36 bits, 4 KiB pages, walks begin at level 1 with 64 entries", () => {
    hyp.space(AS);
    expect(hyp.machine.config.geometry).toMatchObject({ iaBits: 36, pageShift: 12, startLevel: 1, pgdPages: 1 });
    expect(hyp.machine.access(AS, (1n << 36n) - 8n, "read").fault).toMatchObject({ kind: "translation", fsc: 5 });
    expect(hyp.machine.access(AS, 1n << 36n, "read").fault).toMatchObject({ kind: "translation", fsc: 4 });
  });
});

describe("VMMIO ranges", () => {
  let as: Cap;
  beforeEach(() => {
    as = hyp.space(AS);
  });
  const add = (vbase: bigint, size: bigint) =>
    hyp.result({ op: "addrspace_configure_vmmio", as, vbase, size, operation: BigInt(abi.VMMIO_ADD) });
  const remove = (vbase: bigint, size: bigint) =>
    hyp.result({ op: "addrspace_configure_vmmio", as, vbase, size, operation: BigInt(abi.VMMIO_REMOVE) });

  // prettier-ignore
  test.each<[string, bigint, bigint, string]>([
    ["size 0",           IPA,              0n,         "ARGUMENT_SIZE"],
    ["overflow",         2n ** 64n - 16n,  32n,        "ADDR_OVERFLOW"],
    ["overlap",          IPA + 8n,         16n,        "BUSY"],
    ["the same again",   IPA,              16n,        "BUSY"],
    ["beside it",        IPA + 16n,        16n,        "OK"],
  ])("%s: %s", (_what, vbase, size, result) => {
    add(IPA, 16n);
    expect(add(vbase, size)).toBe(result);
  });

  test("at most 128", () => {
    for (let i = 0n; i < 128n; i++) expect(add(IPA + i * 16n, 16n)).toBe("OK");
    expect(add(IPA + BLOCK, 16n)).toBe("NORESOURCES");
    expect(remove(IPA, 16n)).toBe("OK");
    expect(add(IPA + BLOCK, 16n)).toBe("OK");
  });

  test("removal needs an exact match", () => {
    add(IPA, 16n);
    expect([remove(IPA, 8n), remove(IPA + 8n, 8n), remove(IPA, 16n), remove(IPA, 16n)]).toEqual([
      "ARGUMENT_INVALID",
      "ARGUMENT_INVALID",
      "OK",
      "ARGUMENT_INVALID",
    ]);
  });

  test("an operation there is not", () => {
    const call = { op: "addrspace_configure_vmmio", as, vbase: IPA, size: 16n, operation: 2n } as const;
    expect(hyp.result(call)).toBe("ARGUMENT_INVALID");
  });
});

describe("lookup", () => {
  const lookup = (me: Cap, vbase: bigint, size: bigint, as: Cap = abi.CAP_HLOS_ADDRSPACE) =>
    hyp.call({ op: "addrspace_lookup", as, me, vbase, size });
  const OWNED = abi.CAP_HLOS_OWNED_DDR;

  // prettier-ignore
  test.each<[string, bigint, bigint, string]>([
    ["size 0",                IPA + 1n,          0n,         "ARGUMENT_SIZE"],
    ["overflow",              2n ** 64n - 1n,    PAGE,       "ADDR_OVERFLOW"],
    ["not aligned",           RAM + 1n,          PAGE,       "ARGUMENT_ALIGNMENT"],
    ["nothing mapped there",  0x1000n,           PAGE,       "ADDR_INVALID"],
    ["beyond the space",      1n << 40n,         PAGE,       "ADDR_INVALID"],
    ["all right",             RAM,               PAGE,       "OK"],
  ])("%s: %s", (_what, vbase, size, result) => {
    expect(resultOf(lookup(OWNED, vbase, size))).toBe(result);
  });

  test("offset, size and attributes; at most what was asked for", () => {
    const { details, expected, found } = lookup(OWNED, RAM + PAGE, 3n * PAGE);
    expect([details.answer, expected, found]).toEqual([RAM + PAGE, attributes(7), 3]);
  });

  // 10.1, c667ce8: a look-up over two adjacent leaves returned a wrong length.
  test("across leaves, as far as memory continues", () => {
    const { found } = lookup(OWNED, RAM + BLOCK - PAGE, 2n * BLOCK);
    expect(found).toBe(1024);
  });

  test("the prefix ends where memory jumps or attributes change", () => {
    const as = hyp.space(AS);
    const me = hyp.ramExtent(RAM, BLOCK);
    hyp.map(as, me, IPA, { part: { offset: 0n, size: 2n * PAGE } });
    hyp.map(as, me, IPA + 2n * PAGE, { part: { offset: 8n * PAGE, size: PAGE } });
    hyp.map(as, me, IPA + 3n * PAGE, { access: R, part: { offset: 9n * PAGE, size: PAGE } });
    const pages = (vbase: bigint) => lookup(me, vbase, 16n * PAGE, as).found;
    expect([pages(IPA), pages(IPA + 2n * PAGE), pages(IPA + 3n * PAGE)]).toEqual([2, 1, 1]);
  });

  test("the whole prefix must be the extent's: it is not shortened to what is", () => {
    const shared = hyp.derived(abi.CAP_PARENT_DDR, 0n, 1n << 44n);
    hyp.map(abi.CAP_HLOS_ADDRSPACE, shared, RAM + PAGE, { access: 7, part: { offset: RAM + PAGE, size: PAGE } });
    hyp.takeFromHlos(shared, RAM + PAGE, PAGE);
    expect(resultOf(lookup(OWNED, RAM, 2n * PAGE))).toBe("MEMDB_NOT_OWNER");
    expect(resultOf(lookup(OWNED, RAM, PAGE))).toBe("OK");
  });
});

describe("destruction", () => {
  test("records vanish, ownership does not, table and VMID are free", () => {
    const tables = () => hyp.machine.core.exports.heapUsed(abi.HEAP_TABLES);
    const me = hyp.ramExtent(RAM, BLOCK);
    const owner = hyp.owner(RAM);
    const before = tables();
    const as = hyp.space(AS);
    hyp.map(as, me, IPA, { part: { offset: 0n, size: 4n * PAGE } });
    hyp.must({ op: "addrspace_configure_vmmio", as, vbase: IPA + BLOCK, size: 16n, operation: 0n });
    expect(hyp.delete(as)).toBe("OK");
    expect([hyp.owner(RAM), tables()]).toEqual([owner, before]);
    expect(hyp.machine.records().filter(({ vm }) => vm === AS)).toEqual([]);
    expect(hyp.machine.access(AS, IPA, "read").status).toBe("no_stage2");
    // 10.1, 4a4f0af: an extent kept a pointer to the space.
    hyp.must({ op: "memextent_modify", me, flags: 0n, offset: 0n, size: 0n });
    hyp.space(AS);
    expect(hyp.machine.leaves(AS)).toEqual([]);
  });

  // 10.1, a7c9ecb.
  test("a space that was never used", () => {
    expect(hyp.delete(hyp.create("addrspace"))).toBe("OK");
    expect(hyp.delete(hyp.space(AS))).toBe("OK");
  });
});

test("2.5: a read-only space refuses map, unmap and update", () => {
  const as = hyp.space(AS);
  const me = hyp.ramExtent(RAM, PAGE);
  hyp.map(as, me, IPA);
  hyp.must({ op: "addrspace_set_read_only", as, read_only: true });
  expect(resultOf(hyp.map(as, me, IPA + BLOCK))).toBe("DENIED");
  expect(resultOf(hyp.unmap(as, me, IPA))).toBe("DENIED");
  expect(resultOf(hyp.updateAccess(as, me, IPA, R))).toBe("DENIED");
  expect(hyp.at(AS, IPA)).toBe("0x80000000 RW");
});

test("2.4: objects come out of the partition's heap", () => {
  const create = () =>
    hyp.result({ op: "partition_create_addrspace", partition: abi.CAP_ROOT_PARTITION, cspace: abi.CAP_RM_CSPACE });
  hyp.must({ op: "heap_limit", heap: BigInt(abi.HEAP_PARTITION), allocations: 1n });
  expect([create(), create()]).toEqual(["OK", "NOMEM"]);
  hyp.must({ op: "heap_limit", heap: BigInt(abi.HEAP_PARTITION), allocations: 2n ** 64n - 1n });
  hyp.must({ op: "heap_limit", heap: BigInt(abi.HEAP_TABLES), allocations: 0n });
  const as = hyp.create("addrspace");
  hyp.must({ op: "addrspace_configure", as, vmid: BigInt(AS) });
  expect(hyp.result({ op: "object_activate", cap: as })).toBe("NOMEM");
  expect(hyp.machine.access(AS, IPA, "read").status).toBe("no_stage2");
});
