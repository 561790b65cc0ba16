// Capability spaces (reference gunyah sections 2.2, 2.3, 11 "cspace"): create, copy, delete, revoke, and the checks of a
// look-up in their order.

import { beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah.js";
import { extentAttributes, Hypervisor, PAGE, RAM, RWX, type Cap } from "./hypervisor.js";

let hyp: Hypervisor;
beforeEach(async () => {
  hyp = await Hypervisor.boot();
});

const RM = abi.CAP_RM_CSPACE;
const ALL = 0xffff_ffffn;

/** A copy in the resource manager's own capability space. */
function copy(cap: Cap, rights: bigint): Cap {
  return Number(hyp.answer({ op: "cspace_copy_cap_from", cspace: RM, cap, to: BigInt(RM), rights }));
}

const unmapAll = (me: Cap) => hyp.result({ op: "memextent_modify", me, flags: 0n, offset: 0n, size: 0n });

test("section 11: create, copy with fewer rights, revoke, use after revoke", () => {
  const me = hyp.extent(0n, PAGE);
  const mapOnly = copy(me, BigInt(abi.RIGHT_MEMEXTENT_MAP));
  expect(unmapAll(mapOnly)).toBe("OK");
  expect(hyp.result({ op: "cspace_revoke_cap_from", cspace: RM, cap: mapOnly })).toBe("OK");
  expect(unmapAll(mapOnly)).toBe("CSPACE_CAP_REVOKED");
  expect(unmapAll(me)).toBe("OK");
});

// prettier-ignore
test.each<[string, () => Cap, string]>([
  ["nothing there",           () => 4000,                                                         "CSPACE_CAP_NULL"],
  ["number 0",                () => 0,                                                            "CSPACE_CAP_NULL"],
  ["beyond the table",        () => 60000,                                                        "CSPACE_CAP_NULL"],
  ["wrong type",              () => abi.CAP_HLOS_ADDRSPACE,                                       "CSPACE_WRONG_OBJECT_TYPE"],
  ["missing right",           () => copy(abi.CAP_PARENT_DDR, BigInt(abi.RIGHT_MEMEXTENT_LOOKUP)), "CSPACE_INSUFFICIENT_RIGHTS"],
  ["not active yet",          () => hyp.create("memextent"),                                      "OBJECT_STATE"],
  ["all right",               () => abi.CAP_PARENT_DDR,                                           "OK"],
])("2.3: a look-up of %s", (_what, cap, result) => {
  expect(unmapAll(cap())).toBe(result);
});

test("a copy has no right that its original lacks", () => {
  const lookup = copy(abi.CAP_PARENT_DDR, BigInt(abi.RIGHT_MEMEXTENT_LOOKUP));
  expect(unmapAll(copy(lookup, ALL))).toBe("CSPACE_INSUFFICIENT_RIGHTS");
});

// 2.3, "Required".
describe("rights that calls demand", () => {
  const part = { offset: 0n, size: PAGE };
  const part0 = { vbase: 0n, map_flags: 1, ...part };
  const only = (cap: Cap, right: number) => copy(cap, BigInt(right) & ALL);

  // prettier-ignore
  test.each<[string, (as: Cap, me: Cap) => string, number, number]>([
    ["map",    (as, me) => hyp.result({ op: "addrspace_map", as, me, ...part0, map_attrs: 0xf0066 }),           abi.RIGHT_ADDRSPACE_MAP,    abi.RIGHT_MEMEXTENT_MAP],
    ["unmap",  (as, me) => hyp.result({ op: "addrspace_unmap", as, me, ...part0 }),                             abi.RIGHT_ADDRSPACE_MAP,    abi.RIGHT_MEMEXTENT_MAP],
    ["update", (as, me) => hyp.result({ op: "addrspace_update_access", as, me, ...part0, access_attrs: 0x44 }), abi.RIGHT_ADDRSPACE_MAP,    abi.RIGHT_MEMEXTENT_MAP],
    ["lookup", (as, me) => hyp.result({ op: "addrspace_lookup", as, me, vbase: RAM, size: PAGE }),              abi.RIGHT_ADDRSPACE_LOOKUP, abi.RIGHT_MEMEXTENT_LOOKUP],
  ])("%s: the address space's, then the extent's", (_call, run, spaceRight, extentRight) => {
    const refused = "CSPACE_INSUFFICIENT_RIGHTS";
    const as = only(abi.CAP_HLOS_ADDRSPACE, spaceRight);
    const me = only(abi.CAP_HLOS_OWNED_DDR, extentRight);
    expect(run(as, me)).not.toBe(refused);
    expect(run(only(abi.CAP_HLOS_ADDRSPACE, ~spaceRight), me)).toBe(refused);
    expect(run(as, only(abi.CAP_HLOS_OWNED_DDR, ~extentRight))).toBe(refused);
    // The address space comes first: what is wrong with the extent does not show.
    expect(run(abi.CAP_ROOT_PARTITION, 4000)).toBe("CSPACE_WRONG_OBJECT_TYPE");
  });

  test("donate to a child: the child's DONATE first, then the parent's; it must be the parent", () => {
    const child = hyp.derived(abi.CAP_PARENT_DDR, 0n, 1n << 44n);
    const donate = (from: Cap, to: Cap) =>
      hyp.result({ op: "memextent_donate", from, to, options: 0n, offset: 0n, size: PAGE });
    const no = ~abi.RIGHT_MEMEXTENT_DONATE;
    expect(donate(4000, only(child, no))).toBe("CSPACE_INSUFFICIENT_RIGHTS");
    expect(donate(only(abi.CAP_PARENT_DDR, no), child)).toBe("CSPACE_INSUFFICIENT_RIGHTS");
    expect(donate(abi.CAP_HLOS_OWNED_DDR, child)).toBe("ARGUMENT_INVALID");
    expect(donate(abi.CAP_PARENT_DDR, child)).toBe("MEMDB_NOT_OWNER");
  });

  test("donate to a root extent: the partition's DONATE; it must be the extent's own", () => {
    const root = hyp.extent(0n, PAGE);
    const other = hyp.create("partition");
    hyp.must({ op: "object_activate", cap: other });
    const donate = (from: Cap) =>
      hyp.result({ op: "memextent_donate", from, to: root, options: 0n, offset: 0n, size: PAGE });
    expect(donate(only(abi.CAP_ROOT_PARTITION, ~abi.RIGHT_PARTITION_DONATE))).toBe("CSPACE_INSUFFICIENT_RIGHTS");
    expect(donate(other)).toBe("ARGUMENT_INVALID");
    expect(donate(abi.CAP_PARENT_DDR)).toBe("CSPACE_WRONG_OBJECT_TYPE");
    expect(donate(abi.CAP_ROOT_PARTITION)).toBe("MEMDB_NOT_OWNER");
  });

  test("donate to a sibling: from, then to", () => {
    const sibling = hyp.derived(abi.CAP_PARENT_DDR, 0n, 1n << 44n);
    const donate = (from: Cap, to: Cap) =>
      hyp.result({ op: "memextent_donate", from, to, options: 2n, offset: 0n, size: PAGE });
    const no = ~abi.RIGHT_MEMEXTENT_DONATE;
    expect(donate(only(abi.CAP_HLOS_OWNED_DDR, no), 4000)).toBe("CSPACE_INSUFFICIENT_RIGHTS");
    expect(donate(abi.CAP_HLOS_OWNED_DDR, only(sibling, no))).toBe("CSPACE_INSUFFICIENT_RIGHTS");
  });

  test("derive: the parent's DERIVE", () => {
    const derive = (parent: Cap) =>
      hyp.result({
        op: "memextent_configure_derive",
        me: hyp.create("memextent"),
        parent,
        offset: 0n,
        size: PAGE,
        attrs: extentAttributes(RWX, "sparse"),
      });
    expect(derive(only(abi.CAP_PARENT_DDR, ~abi.RIGHT_MEMEXTENT_DERIVE))).toBe("CSPACE_INSUFFICIENT_RIGHTS");
    expect(derive(only(abi.CAP_PARENT_DDR, abi.RIGHT_MEMEXTENT_DERIVE))).toBe("OK");
  });
});

test("2.2: bits that must be zero are checked before capabilities", () => {
  const call = { as: 4000, me: 4000, vbase: 0n, offset: 0n, size: 0n };
  expect(hyp.result({ op: "addrspace_map", ...call, map_attrs: 8, map_flags: 0 })).toBe("ARGUMENT_INVALID");
  expect(hyp.result({ op: "addrspace_map", ...call, map_attrs: 0, map_flags: 2 })).toBe("ARGUMENT_INVALID");
  expect(hyp.result({ op: "addrspace_unmap", ...call, map_flags: 4 })).toBe("ARGUMENT_INVALID");
  expect(hyp.result({ op: "addrspace_update_access", ...call, access_attrs: 8, map_flags: 0 })).toBe(
    "ARGUMENT_INVALID",
  );
  expect(hyp.result({ op: "memextent_donate", from: 4000, to: 4000, options: 0x100n, offset: 0n, size: 0n })).toBe(
    "ARGUMENT_INVALID",
  );
  expect(hyp.result({ op: "memextent_modify", me: 4000, flags: 0x100n, offset: 0n, size: 0n })).toBe(
    "ARGUMENT_INVALID",
  );
  expect(hyp.result({ op: "addrspace_map", ...call, map_attrs: 0, map_flags: 0 })).toBe("CSPACE_CAP_NULL");
});

test("a capability space that is full: 54", () => {
  const cspace = hyp.create("cspace");
  hyp.must({ op: "cspace_configure", cspace, max_caps: 1n });
  hyp.must({ op: "object_activate", cap: cspace });
  const create = () => hyp.result({ op: "partition_create_memextent", partition: abi.CAP_ROOT_PARTITION, cspace });
  expect([create(), create()]).toEqual(["OK", "CSPACE_FULL"]);
});

test("revoking what was copied from a capability leaves the capability itself", () => {
  const me = hyp.extent(0n, PAGE);
  const first = copy(me, ALL);
  const second = copy(first, ALL);
  expect(hyp.result({ op: "cspace_revoke_caps_from", cspace: RM, cap: me })).toBe("OK");
  expect([me, first, second].map(unmapAll)).toEqual(["OK", "CSPACE_CAP_REVOKED", "CSPACE_CAP_REVOKED"]);
});

test("copies of a deleted capability are its original's", () => {
  const me = hyp.extent(0n, PAGE);
  const first = copy(me, ALL);
  const second = copy(first, ALL);
  expect(hyp.delete(first)).toBe("OK");
  hyp.must({ op: "cspace_revoke_caps_from", cspace: RM, cap: me });
  expect(unmapAll(second)).toBe("CSPACE_CAP_REVOKED");
});

test("the last capability takes the object with it; a revoked one can still be deleted", () => {
  const me = hyp.extent(0n, PAGE);
  const other = copy(me, ALL);
  expect(hyp.delete(me)).toBe("OK");
  expect(unmapAll(other)).toBe("OK");
  hyp.must({ op: "cspace_revoke_cap_from", cspace: RM, cap: other });
  expect(hyp.delete(other)).toBe("OK");
  expect(hyp.delete(other)).toBe("CSPACE_CAP_NULL");
});

test("HLOS holds no capability; a VM's calls are made with the capability space of its threads", () => {
  const call = { op: "memextent_modify", flags: 0n, offset: 0n, size: 0n } as const;
  expect(hyp.result({ ...call, vm: abi.VMID_HLOS, me: abi.CAP_PARENT_DDR })).toBe("CSPACE_CAP_NULL");
  expect(hyp.result({ ...call, vm: 0x80, me: 1 })).toBe("CSPACE_CAP_NULL");

  const cspace = hyp.create("cspace");
  hyp.must({ op: "cspace_configure", cspace, max_caps: 8n });
  hyp.must({ op: "object_activate", cap: cspace });
  const thread = hyp.create("thread");
  hyp.must({ op: "cspace_attach_thread", cspace, thread });
  hyp.must({ op: "addrspace_attach_thread", as: hyp.space(0x80), thread });
  hyp.must({ op: "object_activate", cap: thread });
  const me = hyp.answer({
    op: "cspace_copy_cap_from",
    cspace: RM,
    cap: abi.CAP_PARENT_DDR,
    to: BigInt(cspace),
    rights: 1n,
  });
  expect(hyp.result({ ...call, vm: 0x80, me: Number(me) })).toBe("OK");
  // Attached threads are not attached again.
  expect(hyp.result({ op: "cspace_attach_thread", cspace, thread })).toBe("OBJECT_STATE");
});
