// DONATE, LEND, SHARE and APPEND: a row per row of reference gunyah sections 6.4 and 6.5, each alone and with a later one broken too.

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah-rm.js";
import { HEAP_HYPERVISOR, HEAP_PARTITION } from "../../../assembly/abi/gunyah.js";
import { OPERATION_SIZE } from "../../../assembly/abi/operations.js";
import {
  encodeAppend,
  encodeReturn,
  encodeCreate,
  packMessage,
  type AclEntry,
  type AttributeEntry,
  type SglEntry,
} from "../../../src/machine/gunyah-messages.js";
import { parcel } from "../../../src/machine/gunyah-parcels.js";
import { GunyahVm } from "../../../src/machine/gunyah-vm.js";
import { Machine } from "../../../src/machine/machine.js";
import { A, B, Board, DEVICE, HLOS, NO_VM, page, PAGE, RAM, region, RM } from "./parcels.js";

let board: Board;
beforeAll(async () => {
  board = await Board.create();
});
beforeEach(() => board.reset());

/** A request under construction: what a row breaks, it breaks here. */
interface Draft {
  caller: number;
  id: number;
  memType: number;
  flags: number;
  label: number;
  acl: AclEntry[];
  sgl: SglEntry[];
  attributes: AttributeEntry[];
  /** What happens before the request is sent. */
  before: (() => void)[];
  /** What becomes of its bytes. */
  bytes: (bytes: Uint8Array) => Uint8Array;
}

const RWX = 7;

function draft(id: number): Draft {
  const acl = [{ vmid: A, rights: RWX }];
  if (id === abi.MEM_SHARE) acl.push({ vmid: HLOS, rights: RWX });
  const request = { caller: HLOS, id, memType: 0, flags: 0, label: 0, acl, sgl: [region(0, 2), region(4)] };
  return { ...request, attributes: [{ attr: 0, vmid: A }], before: [], bytes: (bytes) => bytes };
}

function send(request: Draft): string {
  for (const step of request.before) step();
  const answer = board.send(request.caller, request.id, request.bytes(encodeCreate(request)));
  for (const heap of [0, 1, 2, 3]) board.freeHeap(heap);
  return answer;
}

type Break = (request: Draft) => void;

/** 64 parcels of one page each, from page 512 on. */
function fillParcels(): void {
  for (let i = 0; i < 64; i++) {
    board.must(board.hlos.lend({ acl: [{ vmid: A, rights: "RWX" }], regions: [region(512 + 2 * i)] }));
  }
}

const lookupFails: Break = ({ sgl }) => sgl.unshift({ ipa: 0x1000n, size: PAGE });

// Section 6.4, in its order: the check, the error with the reason, the messages it is for, how it is broken.
const ALL = [abi.MEM_DONATE, abi.MEM_LEND, abi.MEM_SHARE];
// prettier-ignore
const rows: [check: string, answer: string, ids: number[], broken: Break][] = [
  ["1 short",                        "MSG_INVALID rm_short",                    ALL, (r) => (r.bytes = (bytes) => bytes.subarray(0, 19))],
  ["2 ACL of 513",                   "NORESOURCE rm_list_length",               ALL, (r) => (r.acl = Array.from({ length: 513 }, () => ({ vmid: A, rights: RWX })))],
  ["2 SGL of 513",                   "NORESOURCE rm_list_length",               ALL, (r) => (r.sgl = Array.from({ length: 513 }, () => region(0)))],
  ["2 attributes of 513",            "NORESOURCE rm_list_length",               ALL, (r) => (r.attributes = Array.from({ length: 513 }, () => ({ attr: 0, vmid: A })))],
  ["2 left over",                    "MSG_INVALID rm_left_over",                ALL, (r) => (r.bytes = (bytes) => Uint8Array.from([...bytes, 0]))],
  ["3 ACL empty",                    "ARGUMENT_INVALID acl_empty",              ALL, (r) => (r.acl = [])],
  ["3 SGL empty",                    "ARGUMENT_INVALID sgl_empty",              ALL, (r) => (r.sgl = [])],
  ["4 DONATE to two",                "ARGUMENT_INVALID donate_acl",  [abi.MEM_DONATE], (r) => (r.acl = [{ vmid: A, rights: RWX }, { vmid: B, rights: RWX }])],
  ["5 64 parcels",                   "DENIED parcel_limit",                     ALL, (r) => r.before.unshift(fillParcels)],
  ["7 SANITIZE with IO",             "ARGUMENT_INVALID sanitize_io",            ALL, (r) => ((r.flags = 1), (r.memType = 1))],
  ["8 no memory for the parcel",     "NOMEM rm_memory",                         ALL, (r) => r.before.push(() => board.limitHeap(abi.HEAP_RM, 0))],
  ["8 no memory for its extent",     "NOMEM rm_memory",                         ALL, (r) => r.before.push(() => board.limitHeap(HEAP_PARTITION, 0))],
  ["9 VMID twice",                   "ARGUMENT_INVALID acl_duplicate", [abi.MEM_LEND, abi.MEM_SHARE], (r) => (r.acl = [{ vmid: A, rights: 4 }, { vmid: A, rights: 4 }])],
  ["9 VMID that nobody has",         "ARGUMENT_INVALID acl_vmid",               ALL, (r) => (r.acl = [{ vmid: NO_VM, rights: RWX }])],
  ["9 no such rights",               "ARGUMENT_INVALID acl_rights",             ALL, (r) => (r.acl = [{ vmid: A, rights: 3 }])],
  ["9 IO with X",                    "ARGUMENT_INVALID acl_io_execute",         ALL, (r) => ((r.memType = 1), (r.acl = [{ vmid: A, rights: 5 }]))],
  ["9 DONATE, less than RWX",        "DENIED donate_rights",        [abi.MEM_DONATE], (r) => (r.acl = [{ vmid: A, rights: 6 }])],
  ["10 LEND or DONATE to oneself",   "ARGUMENT_INVALID owner_in_acl", [abi.MEM_DONATE, abi.MEM_LEND], (r) => (r.acl = [{ vmid: HLOS, rights: RWX }])],
  ["10 SHARE without oneself",       "ARGUMENT_INVALID owner_in_acl", [abi.MEM_SHARE], (r) => (r.acl = [{ vmid: A, rights: RWX }])],
  ["12 attribute twice",             "ARGUMENT_INVALID attribute_duplicate",    ALL, (r) => (r.attributes = [{ attr: 0, vmid: A }, { attr: 0, vmid: A }])],
  ["12 no such attribute",           "ARGUMENT_INVALID attribute",              ALL, (r) => (r.attributes = [{ attr: 4, vmid: A }])],
  ["12 DEVICE for NORMAL memory",    "ARGUMENT_INVALID attribute_io",           ALL, (r) => (r.attributes = [{ attr: 1, vmid: A }])],
  ["12 DONATE, non-default",         "ARGUMENT_INVALID attribute_donate", [abi.MEM_DONATE], (r) => (r.attributes = [{ attr: 2, vmid: A }])],
  ["12 VMID not in the ACL",         "VMID_INVALID attribute_vmid",             ALL, (r) => (r.attributes = [{ attr: 0, vmid: B }])],
  ["13 address unaligned",           "ARGUMENT_INVALID region_address",         ALL, (r) => r.sgl.unshift({ ipa: page(8) + 1n, size: PAGE })],
  ["13 size unaligned",              "ARGUMENT_INVALID region_address",         ALL, (r) => r.sgl.unshift({ ipa: page(8), size: 0x800n })],
  ["13 size 0",                      "ARGUMENT_INVALID region_address",         ALL, (r) => r.sgl.unshift({ ipa: page(8), size: 0n })],
  ["13 address of 2^44",             "ARGUMENT_INVALID region_address",         ALL, (r) => r.sgl.unshift({ ipa: 1n << 44n, size: PAGE })],
  ["13 size of 2^44",                "ARGUMENT_INVALID region_address",         ALL, (r) => r.sgl.unshift({ ipa: page(8), size: 1n << 44n })],
  ["13 not the owner's memory",      "MEM_INVALID region_not_owned",            ALL, lookupFails],
  ["13 no record for the owner",     "MAP_FAILED region_record",    [abi.MEM_SHARE], (r) => r.before.push(() => board.limitHeap(HEAP_PARTITION, 1))],
  ["13 the donation fails",          "MEM_INVALID region_donate",               ALL, (r) => r.before.push(() => board.limitHeap(HEAP_HYPERVISOR, 0))],
  ["13 no memory for a region",      "NOMEM region_memory",                     ALL, (r) => r.before.push(() => board.limitHeap(abi.HEAP_RM, 3))],
];

const NAMES = new Map([
  [abi.MEM_DONATE, "DONATE"],
  [abi.MEM_LEND, "LEND"],
  [abi.MEM_SHARE, "SHARE"],
]);
const cases = rows.flatMap(([check, answer, ids, broken]) =>
  ids.map((id) => [NAMES.get(id) as string, check, answer, id, broken] as const),
);

describe("section 6.4, checks of a create", () => {
  test.each([abi.MEM_DONATE, abi.MEM_LEND, abi.MEM_SHARE])("0x%x with nothing broken succeeds", (id) => {
    expect(send(draft(id))).toBe("OK");
  });

  test.each(cases)("%s: %s -> %s, and nothing has changed", (_, check, answer, id, broken) => {
    const request = draft(id);
    broken(request);
    if (check.startsWith("5 ")) fillParcels();
    const before = board.state();
    if (check.startsWith("5 ")) request.before = [];
    expect(send(request)).toBe(answer);
    expect(board.state()).toBe(before);
  });

  // Two rows broken at once: the earlier one answers. The later is broken first, so that the earlier overwrites what both touch.
  const pairs = cases.flatMap((earlier, i) =>
    cases.slice(i + 1).flatMap((later) => (later[3] === earlier[3] ? [[earlier, later] as const] : [])),
  );

  test.each(pairs.map(([earlier, later]) => [earlier[0], earlier[1], later[1], earlier, later] as const))(
    "%s: %s comes before %s",
    (_, _earlier, _later, [, , answer, id, breakEarlier], [, , , , breakLater]) => {
      const request = draft(id);
      breakLater(request);
      breakEarlier(request);
      expect(send(request)).toBe(answer);
    },
  );
});

describe("section 6.4, what a create does", () => {
  test("check 9: RM, configured VMs below 64 and allocated dynamic VMs can be in an ACL; others cannot", () => {
    const lendTo = (vmid: number) =>
      send({ ...draft(abi.MEM_LEND), acl: [{ vmid, rights: RWX }], sgl: [region(vmid)], attributes: [] });
    expect([1, 2, 63, RM, A, B].map(lendTo)).toEqual(["OK", "OK", "OK", "OK", "OK", "OK"]);
    const refused = "ARGUMENT_INVALID acl_vmid";
    expect([0, 64, 0x7f, NO_VM, 0xbf, 0xc0, 0xfe, 0x103].map(lendTo)).toEqual(Array(8).fill(refused));
  });

  test.each([
    ["R", 4, true],
    ["RX", 5, true],
    ["RW", 6, true],
    ["RWX", 7, true],
    ["none", 0, false],
    ["X", 1, false],
    ["W", 2, false],
    ["WX", 3, false],
    ["more bits", 15, false],
  ])("check 9: rights %s", (_, rights, isValid) => {
    const answer = send({ ...draft(abi.MEM_LEND), acl: [{ vmid: A, rights }] });
    expect(answer).toBe(isValid ? "OK" : "ARGUMENT_INVALID acl_rights");
  });

  test("check 9: a DONATE of IO memory needs RW", () => {
    board.addDevice();
    const io = { ...draft(abi.MEM_DONATE), memType: 1, sgl: [{ ipa: DEVICE, size: PAGE }], attributes: [] };
    expect(send({ ...io, acl: [{ vmid: A, rights: 4 }] })).toBe("DENIED donate_rights");
    expect(send({ ...io, acl: [{ vmid: A, rights: 6 }] })).toBe("OK");
  });

  test("check 12: IO memory is DEVICE memory", () => {
    board.addDevice();
    const io = {
      ...draft(abi.MEM_LEND),
      memType: 1,
      acl: [{ vmid: A, rights: 6 }],
      sgl: [{ ipa: DEVICE, size: PAGE }],
    };
    for (const attr of [0, 2, 3]) {
      expect(send({ ...io, attributes: [{ attr, vmid: A }] })).toBe("ARGUMENT_INVALID attribute_io");
    }
    expect(send({ ...io, attributes: [{ attr: 1, vmid: A }] })).toBe("OK");
  });

  test("check 13: IO memory that is not HLOS's, and RAM as IO memory", () => {
    const io = { ...draft(abi.MEM_LEND), memType: 1, acl: [{ vmid: A, rights: 6 }], attributes: [] };
    expect(send({ ...io, sgl: [{ ipa: DEVICE, size: PAGE }] })).toBe("MEM_INVALID region_not_owned");
    board.addDevice();
    expect(send({ ...io, sgl: [region(0)] })).toBe("MEM_INVALID region_not_owned");
    expect(send({ ...draft(abi.MEM_LEND), sgl: [{ ipa: DEVICE, size: PAGE }] })).toBe("MEM_INVALID region_not_owned");
  });

  test.each<[string, () => void]>([
    ["is in a parcel", () => void board.hlos.lend({ acl: [{ vmid: B, rights: "R" }], regions: [region(1)] })],
    [
      "is shared with the owner's rights unchanged",
      () =>
        void board.hlos.share({
          acl: [
            { vmid: HLOS, rights: "RWX" },
            { vmid: B, rights: "R" },
          ],
          regions: [region(1)],
        }),
    ],
    [
      "is shared with less for the owner",
      () =>
        void board.hlos.share({
          acl: [
            { vmid: HLOS, rights: "R" },
            { vmid: B, rights: "R" },
          ],
          regions: [region(1)],
        }),
    ],
  ])("check 13: a range of which one page %s is refused as a whole", (_, take) => {
    take();
    const before = board.state();
    expect(send({ ...draft(abi.MEM_LEND), sgl: [region(0, 3)] })).toBe("MEM_INVALID region_not_owned");
    expect(board.state()).toBe(before);
  });

  test("check 13: borrowed memory is not the borrower's to lend", () => {
    board.must(board.hlos.lend({ acl: [{ vmid: A, rights: "RWX" }], regions: [region(0)] }));
    const ipa = board.must(board.a.accept(0, { transfer: "LEND" }));
    const again = { ...draft(abi.MEM_LEND), caller: A, acl: [{ vmid: B, rights: RWX }], attributes: [] };
    expect(send({ ...again, sgl: [{ ipa, size: PAGE }] })).toBe("MEM_INVALID region_not_owned");
  });

  test("check 13: a range is cut into regions where the owner's memory is not contiguous", () => {
    for (const first of [4, 8]) {
      const handle = board.handle(board.hlos.donate({ acl: [{ vmid: A, rights: "RWX" }], regions: [region(first)] }));
      board.must(board.a.accept(handle, { transfer: "DONATE" }));
    }
    const lent = board.a.lend({ acl: [{ vmid: B, rights: "R" }], regions: [{ ipa: 0x4000_0000n, size: 2n * PAGE }] });
    expect(board.parcel(board.handle(lent))?.regions).toEqual([
      { pa: page(4), size: PAGE, ipa: 0x4000_0000n },
      { pa: page(8), size: PAGE, ipa: 0x4000_1000n },
    ]);
  });

  test("check 13: a parcel has at most 2^20 regions", async () => {
    const machine = await Machine.createGunyah({ regions: [{ base: RAM, size: 2n ** 32n + 2n ** 28n }] });
    const hlos = new GunyahVm(machine, HLOS);
    /** Without effects, of which there are millions. */
    const run = (records: Uint8Array) => machine.runPacked(records, records.length / OPERATION_SIZE);
    const acl = [{ vmid: RM, rights: "R" }] as const;
    const regions = Array.from({ length: 512 }, (_, index) => region(index));
    expect(hlos.lend({ acl, regions, append: true }).name).toBe("OK");
    const message = encodeAppend({ handle: 0, flags: 0, sgl: regions });
    const view = new DataView(message.buffer);
    for (let first = 512; first < 2 ** 20; first += 512) {
      for (let i = 0; i < 512; i++) {
        view.setUint32(abi.APPEND_FIXED + abi.LIST_HEADER + i * abi.SGL_ENTRY + 1, Number(page(first + i) >> 8n), true);
      }
      run(packMessage(HLOS, abi.MEM_APPEND, message));
    }
    expect(parcel(machine, 0)?.regions.length).toBe(2 ** 20);
    const { name, outcome } = hlos.append(0, [region(2 ** 20)]);
    expect([name, outcome.reason]).toEqual(["DENIED", "region_limit"]);
    run(packMessage(HLOS, abi.MEM_RECLAIM, encodeReturn({ handle: 0, flags: 0 })));
    expect(parcel(machine, 0)).toBeNull();
  });

  test("a create that fails behind check 8 has used a handle, one that fails before has not", () => {
    expect(send({ ...draft(abi.MEM_LEND), sgl: [] })).toBe("ARGUMENT_INVALID sgl_empty");
    expect(board.hlos.lend({ acl: [{ vmid: A, rights: "R" }], regions: [region(0)] }).value).toBe(0n);
    expect(send({ ...draft(abi.MEM_LEND), acl: [{ vmid: NO_VM, rights: 4 }] })).toBe("ARGUMENT_INVALID acl_vmid");
    expect(board.hlos.lend({ acl: [{ vmid: A, rights: "R" }], regions: [region(1)] }).value).toBe(2n);
  });

  test("step 14: SHARING, or INIT with APPEND", () => {
    expect(send(draft(abi.MEM_LEND))).toBe("OK");
    expect(send({ ...draft(abi.MEM_LEND), flags: abi.CREATE_APPEND, sgl: [region(8)] })).toBe("OK");
    expect(board.parcels().map(({ state }) => state)).toEqual(["SHARING", "INIT"]);
  });

  test("SANITIZE zeroes; a request that fails at its last region has lost no content", () => {
    board.write(page(0), 7n);
    const request = { ...draft(abi.MEM_LEND), flags: abi.CREATE_SANITIZE };
    expect(send({ ...request, sgl: [region(0), { ipa: 0x1000n, size: PAGE }] })).toBe("MEM_INVALID region_not_owned");
    expect(board.read(page(0))).toBe(7n);
    expect(send(request)).toBe("OK");
    expect(board.read(page(0))).toBe(0n);
  });
});

describe("section 6.5, APPEND", () => {
  const open = (): number =>
    board.handle(board.hlos.lend({ acl: [{ vmid: A, rights: "RWX" }], regions: [region(0)], append: true }));

  test.each<[check: string, answer: string, caller: number, handle: () => number, sgl: SglEntry[]]>([
    ["SGL empty", "ARGUMENT_INVALID sgl_empty", HLOS, open, []],
    ["SGL empty before an unknown handle", "ARGUMENT_INVALID sgl_empty", HLOS, () => 9, []],
    ["unknown handle", "HANDLE_INVALID handle", HLOS, () => 9, [region(1)]],
    ["not the owner", "DENIED not_owner", A, open, [region(1)]],
    [
      "not the owner before the state",
      "DENIED not_owner",
      A,
      () => board.handle(board.hlos.lend({ acl: [{ vmid: A, rights: "RWX" }], regions: [region(0)] })),
      [region(1)],
    ],
    [
      "state is not INIT",
      "DENIED parcel_state",
      HLOS,
      () => board.handle(board.hlos.lend({ acl: [{ vmid: A, rights: "RWX" }], regions: [region(0)] })),
      [{ ipa: 1n, size: PAGE }],
    ],
    ["an address of step 13", "ARGUMENT_INVALID region_address", HLOS, open, [region(1), { ipa: 1n, size: PAGE }]],
    ["memory of step 13", "MEM_INVALID region_not_owned", HLOS, open, [region(1), region(0)]],
  ])("%s -> %s", (_, answer, caller, handle, sgl) => {
    const number = handle();
    const before = board.state();
    expect(board.send(caller, abi.MEM_APPEND, encodeAppend({ handle: number, flags: 1, sgl }))).toBe(answer);
    expect(board.state()).toBe(before);
  });

  test("an accept takes the parcel out of INIT for good", () => {
    const handle = open();
    board.must(board.a.accept(handle, { transfer: "LEND" }));
    expect(board.hlos.append(handle, [region(1)]).outcome.reason).toBe("parcel_state");
    board.must(board.a.release(handle));
    expect(board.hlos.append(handle, [region(1)]).outcome.reason).toBe("parcel_state");
    board.must(board.hlos.reclaim(handle));
  });

  test("regions are added; DONE completes the parcel", () => {
    const handle = open();
    board.must(board.hlos.append(handle, [region(2), region(4)], false));
    expect(board.parcel(handle)).toMatchObject({ state: "INIT", totalSize: 3n * PAGE });
    board.must(board.hlos.append(handle, [region(6)]));
    expect(board.parcel(handle)).toMatchObject({ state: "SHARING", totalSize: 4n * PAGE });
    expect(board.parcel(handle)?.regions.map(({ pa }) => pa)).toEqual([0, 2, 4, 6].map(page));
  });
});
