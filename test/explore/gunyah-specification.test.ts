// Gunyah's specification by itself, on plain states that no machine was needed for: its checks in the order that reference gunyah
// gives them. That what does otherwise is found: gunyah-bugs.test.ts.

import { expect, test } from "vitest";
import * as abi from "../../assembly/abi/gunyah.js";
import * as rm from "../../assembly/abi/gunyah-rm.js";
import { explore } from "../../src/explore/explore.js";
import { specifyHypercall } from "../../src/explore/gunyah-hypervisor-specification.js";
import { specifyMessage } from "../../src/explore/gunyah-manager-specification.js";
import { messageOf } from "../../src/explore/gunyah-message-reader.js";
import {
  given,
  isOwned,
  type GunyahState,
  type PlainObject,
  type Window,
} from "../../src/explore/gunyah-plain-state.js";
import { GUNYAH_PARCEL_PRESETS, gunyahParcelDomain } from "../../src/explore/gunyah-parcel-domain.js";
import { createStep, returnStep } from "../../src/explore/gunyah-steps.js";
import type { Operation } from "../../src/machine/operations.js";

const PAGE = 0x1000n;
const BASE = 0x8000_0000n;
const IPA = 0x4000_0000n;
const vm = abi.VMID_RM;
const [SPACE, SPARSE, OTHER, BASIC, FRESH, DYING] = [10, 11, 12, 13, 14, 15] as const;

const extent = (kind: number, over: Partial<Window> = {}): PlainObject => ({
  ...{ type: "extent", state: "active" },
  window: { base: 0n, size: 1n << 44n, kind, access: abi.ACCESS_RX, memtype: 0, parent: 3, attached: false, ...over },
});

/** Capabilities are the numbers of their objects. SPARSE owns one page, and has it mapped in VM 0x80. */
function aState(): GunyahState {
  const objects = new Map<number, PlainObject>([
    [SPACE, { type: "space", state: "active", vmid: 0x80, readOnly: false }],
    [SPARSE, extent(abi.EXTENT_SPARSE)],
    [OTHER, extent(abi.EXTENT_SPARSE)],
    [BASIC, extent(abi.EXTENT_BASIC, { base: BASE, size: 2n * PAGE, parent: 0 })],
    [FRESH, { ...extent(abi.EXTENT_BASIC, { size: 0n, parent: 0 }), state: "init" }],
    [DYING, { ...extent(abi.EXTENT_SPARSE, { parent: SPARSE }), state: "dying" }],
  ]);
  const record = { extent: SPARSE, slot: 0, vm: 0x80, pa: BASE, size: PAGE, ipa: IPA, attributes: 0xf0055 };
  return {
    runs: [
      { pa: BASE, size: PAGE, owner: SPARSE },
      { pa: BASE + PAGE, size: PAGE, owner: DYING },
    ],
    records: [record],
    objects,
    caps: new Map([...objects.keys()].map((id) => [id, id])),
    ...{ parcels: [], vms: new Map(), roles: new Map() },
  };
}

const part = { vm, as: SPACE, map_flags: abi.MAP_PARTIAL, offset: BASE, size: PAGE };
const map = (over: object): Operation => ({
  op: "addrspace_map",
  ...part,
  me: SPARSE,
  vbase: IPA,
  map_attrs: 0xf0055,
  ...over,
});
const donate = (over: object): Operation => {
  const whole = { options: BigInt(abi.DONATE_TO_SIBLING), offset: BASE, size: PAGE };
  return { op: "memextent_donate", vm, from: SPARSE, to: OTHER, ...whole, ...over };
};
const configure = (over: object): Operation => ({
  ...{ op: "memextent_configure", vm, me: FRESH, phys_base: BASE, size: PAGE, attrs: 5n },
  ...over,
});

// prettier-ignore
test.each<[string, Operation, number]>([
  // 3.1
  ["a range",                                    configure({}),                                             0],
  ["no size, before alignment",                  configure({ size: 0n, phys_base: 1n }),                    abi.ARGUMENT_INVALID],
  ["a size that wraps",                          configure({ size: 1n << 63n, phys_base: 1n << 63n | PAGE }), abi.ARGUMENT_INVALID],
  ["unaligned, before attributes",               configure({ size: 1n, attrs: 0n }),                        abi.ARGUMENT_ALIGNMENT],
  ["write and execute without read",             configure({ attrs: 3n }),                                  abi.ARGUMENT_INVALID],
  ["of an extent that is active",                configure({ me: SPARSE }),                                 abi.OBJECT_STATE],
  // 3.3
  ["another VM's record takes another slot",     map({ vbase: IPA + PAGE }),                                0],
  ["unaligned, before no size",                  map({ vbase: 1n, size: 0n }),                              abi.ARGUMENT_ALIGNMENT],
  ["no size",                                    map({ size: 0n }),                                         abi.ARGUMENT_SIZE],
  ["beyond the extent",                          map({ offset: 1n << 44n }),                                abi.ARGUMENT_SIZE],
  ["more access than the extent has",            map({ map_attrs: 0xf0066 }),                               abi.ARGUMENT_INVALID],
  ["part of a BASIC extent",                     map({ me: BASIC, offset: 0n }),                            abi.MEMEXTENT_TYPE],
  ["owned memory at an address that is none",    map({ vbase: 1n << 37n }),                                 abi.ADDR_INVALID],
  ["memory that is not owned, at any address",   map({ vbase: 1n << 37n, offset: 0n }),                     0],
  ["a space that is none",                       map({ as: SPARSE }),                                       abi.CSPACE_WRONG_OBJECT_TYPE],
  // 3.5
  ["a page to a sibling",                        donate({}),                                                0],
  ["a page of a dying child: a grace period",    donate({ offset: BASE + PAGE }),                           0],
  ["unaligned",                                  donate({ size: 1n }),                                      abi.ARGUMENT_ALIGNMENT],
  ["no size",                                    donate({ size: 0n }),                                      abi.ARGUMENT_SIZE],
  ["to itself",                                  donate({ to: SPARSE }),                                    abi.ARGUMENT_INVALID],
  ["what it does not own",                       donate({ offset: BASE + 2n * PAGE }),                      abi.MEMDB_NOT_OWNER],
])("%s: %#", (_what, call, answer) => {
  expect(specifyHypercall(call, aState())?.answer).toBe(answer);
});

test("four slots; a fifth mapping of the same memory has none", () => {
  let state: GunyahState | null | undefined = aState();
  for (let slot = 1; slot < 4 && state; slot++) {
    state = specifyHypercall(map({ vbase: IPA + BigInt(slot) * PAGE }), state)?.after;
    expect(state?.records.at(-1)?.slot).toBe(slot);
  }
  expect(state && specifyHypercall(map({ vbase: 0n }), state)?.answer).toBe(abi.MEMEXTENT_MAPPINGS_FULL);
});

test("memory that is given away in the middle leaves both ends", () => {
  const runs = given([{ pa: 0n, size: 3n * PAGE, owner: 1 }], 2, PAGE, PAGE);
  expect(runs.map(({ owner }) => owner)).toEqual([1, 2, 1]);
  expect([isOwned(runs, 1, 0n, 3n * PAGE), isOwned(runs, 1, 2n * PAGE, PAGE)]).toEqual([false, true]);
});

const sent = (calls: readonly Operation[]) => messageOf(calls) ?? expect.fail("no message");

// 6.4 and 6.8, in a state without parcels and without VMs.
test.each([
  ["an ACL without entries", createStep(3, { transfer: "LEND", acl: [], sgl: [{ ipa: 1n, size: 1n }] }), 6],
  [
    "donated to two",
    createStep(3, { transfer: "DONATE", acl: Array(2).fill({ vmid: 3, rights: 7 }), sgl: [{ ipa: 0n, size: PAGE }] }),
    6,
  ],
  [
    "donated with less than all rights",
    createStep(3, { transfer: "DONATE", acl: [{ vmid: 255, rights: rm.RIGHT_R }], sgl: [{ ipa: 0n, size: PAGE }] }),
    3,
  ],
  ["a parcel that is none", returnStep("reclaim", 3, 0, false), 7],
])("%s: %#", (_what, { calls }, answer) => {
  expect(specifyMessage(sent(calls as readonly Operation[]), aState())?.answer).toBe(answer);
});

test("a preset's searches ask for it, and unmodified Gunyah does as it says", async () => {
  const domain = gunyahParcelDomain({ ...GUNYAH_PARCEL_PRESETS.parcels, pages: 1, vms: 1, passOn: false });
  expect(Object.keys(domain.rules)).toContain("refinement");
  const { end, findings } = await explore(domain, { rules: ["refinement"] });
  expect([end, findings]).toEqual(["exhausted", []]);
});
