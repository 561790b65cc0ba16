// ACCEPT: a row per row of reference gunyah section 6.6, each alone and with a later one broken too.

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah-rm.js";
import { HEAP_HYPERVISOR, HEAP_PARTITION, HEAP_TABLES } from "../../../assembly/abi/gunyah.js";
import { encodeAccept, type AcceptMessage } from "../../../src/machine/gunyah-messages.js";
import type { ParcelRequest } from "../../../src/machine/gunyah-vm.js";
import { A, ACCEPT, B, Board, DEVICE, FIRST_IPA, HLOS, NO_VM, page, PAGE, region } from "./parcels.js";

let board: Board;
beforeAll(async () => {
  board = await Board.create();
});
beforeEach(() => board.reset());

const MIB = 0x10_0000n;

type Transfer = "DONATE" | "LEND" | "SHARE";
const TRANS = { DONATE: abi.TRANS_DONATE, LEND: abi.TRANS_LEND, SHARE: abi.TRANS_SHARE } as const;

/** A parcel of three pages in two regions, and an accept of it, under construction. */
interface Draft {
  parcel: ParcelRequest;
  transfer: Transfer;
  message: AcceptMessage;
  caller: number;
  before: (() => void)[];
  bytes: (bytes: Uint8Array) => Uint8Array;
}

function draft(transfer: Transfer): Draft {
  const acl = [{ vmid: A, rights: "RWX" as const }];
  const owner = transfer === "SHARE" ? [{ vmid: HLOS, rights: "RWX" as const }] : [];
  return {
    parcel: { acl: [...acl, ...owner], regions: [region(0, 2), region(4)], label: 7 },
    transfer,
    message: {
      handle: 0,
      memType: 0,
      transType: TRANS[transfer],
      flags: ACCEPT.DONE,
      label: 0,
      acl: [],
      sgl: [],
      mapVmid: 0,
      attributes: [],
    },
    caller: A,
    before: [],
    bytes: (bytes) => bytes,
  };
}

function create({ parcel, transfer }: Draft): void {
  const verbs = { DONATE: "donate", LEND: "lend", SHARE: "share" } as const;
  board.must(board.hlos[verbs[transfer]](parcel));
}

function accept(request: Draft): string {
  for (const step of request.before) step();
  const answer = board.send(request.caller, abi.MEM_ACCEPT, request.bytes(encodeAccept(request.message)));
  for (const heap of [0, 1, 2, 3]) board.freeHeap(heap);
  return answer;
}

type Break = (request: Draft) => void;

function set(changes: Partial<AcceptMessage>): Break {
  return (request) => {
    const flags = request.message.flags | (changes.flags ?? 0);
    request.message = { ...request.message, ...changes, flags };
  };
}

const at = (ipa: bigint, size: bigint) => ({ ipa, size });
const two = (first: bigint, second: bigint) => [at(first, 2n * PAGE), at(second, PAGE)];
const readOnly: Break = (r) => {
  const [member, ...owner] = r.parcel.acl;
  r.parcel = { ...r.parcel, acl: [{ ...member!, rights: "R" }, ...owner] };
};
const partly =
  (count: number): Break =>
  (r) => {
    r.before.unshift(() => {
      const regions = two(FIRST_IPA, FIRST_IPA + 0x10000n).slice(0, count);
      board.must(board.a.accept(0, { transfer: r.transfer, regions, done: false }));
    });
  };

// Section 6.6, in its order: the check, the error with the reason, what it can be broken for, how.
const ALL: Transfer[] = ["DONATE", "LEND", "SHARE"];
const NOT_DONATE: Transfer[] = ["LEND", "SHARE"];
// prettier-ignore
const rows: [check: string, answer: string, of: Transfer[], broken: Break][] = [
  ["1 short",                         "MSG_INVALID rm_short",                 ALL, (r) => (r.bytes = (bytes) => bytes.subarray(0, 23))],
  ["2 SGL of 513",                    "NORESOURCE rm_list_length",            ALL, set({ sgl: Array.from({ length: 513 }, () => at(0n, 0n)) })],
  ["2 left over",                     "MSG_INVALID rm_left_over",             ALL, (r) => (r.bytes = (bytes) => Uint8Array.from([...bytes, 0]))],
  ["2 handle unknown",                "HANDLE_INVALID handle",                ALL, set({ handle: 99 })],
  ["3 mem_type differs",              "ARGUMENT_INVALID mem_type",            ALL, set({ memType: 1 })],
  ["3 trans_type differs",            "ARGUMENT_INVALID trans_type",          ALL, (r) => set({ transType: (TRANS[r.transfer] + 1) % 3 })(r)],
  ["4 VALIDATE_SANITIZED",            "VALIDATE_FAILED not_sanitized",        ALL, set({ flags: ACCEPT.VALIDATE_SANITIZED })],
  ["5 VALIDATE_LABEL",                "VALIDATE_FAILED label",                ALL, set({ flags: ACCEPT.VALIDATE_LABEL, label: 8 })],
  ["6 VALIDATE_ACL_ATTR, counts",     "VALIDATE_FAILED acl_count",            ALL, set({ flags: ACCEPT.VALIDATE_ACL_ATTR, acl: Array.from({ length: 3 }, () => ({ vmid: A, rights: 7 })) })],
  ["6 VALIDATE_ACL_ATTR, an entry",   "VALIDATE_FAILED acl_entry", ["DONATE", "LEND"], set({ flags: ACCEPT.VALIDATE_ACL_ATTR, acl: [{ vmid: A, rights: 1 }] })],
  ["7 MAP_OTHER set",                 "DENIED map_other",                     ALL, set({ flags: ACCEPT.MAP_OTHER })],
  ["7 MAP_OTHER clear, map_vmid set", "ARGUMENT_INVALID map_vmid",            ALL, set({ mapVmid: B })],
  ["8 caller unknown",                "VMID_INVALID vm_unknown",              ALL, (r) => (r.caller = NO_VM)],
  ["8 caller not in the ACL",         "VMID_INVALID not_in_acl",              ALL, (r) => (r.caller = B)],
  ["9 caller is the owner",           "DENIED parcel_owner",            ["SHARE"], (r) => (r.caller = HLOS)],
  ["9 already mapped",                "DENIED already_mapped",         NOT_DONATE, (r) => r.before.unshift(() => board.must(board.a.accept(0, { transfer: r.transfer })))],
  ["10 not contiguous before",        "ARGUMENT_INVALID contiguous_late",     ALL, (r) => (partly(1)(r), set({ flags: ACCEPT.MAP_CONTIGUOUS })(r))],
  ["11 SANITIZE without W",           "ARGUMENT_INVALID sanitize_read_only", NOT_DONATE, (r) => (readOnly(r), set({ flags: ACCEPT.SANITIZE })(r))],
  ["12 more addresses than missing",  "ARGUMENT_INVALID address_count",       ALL, set({ sgl: [...two(FIRST_IPA, FIRST_IPA + MIB), at(FIRST_IPA, PAGE)] })],
  ["13 no memory for the addresses",  "NOMEM rm_memory",                      ALL, (r) => r.before.push(() => board.limitHeap(abi.HEAP_RM, 0))],
  ["14 address unaligned",            "ARGUMENT_INVALID address",             ALL, set({ sgl: two(FIRST_IPA + 1n, FIRST_IPA + MIB) })],
  ["14 address beyond 36 bits",       "ARGUMENT_INVALID address",             ALL, set({ sgl: two((1n << 36n) - PAGE, FIRST_IPA) })],
  ["14 size is not the region's",     "ARGUMENT_INVALID address_size",        ALL, set({ sgl: [at(FIRST_IPA, 3n * PAGE)] })],
  ["14 range taken",                  "NORESOURCE address_taken",             ALL, set({ sgl: two(0n, FIRST_IPA) })],
  ["16 DONE with addresses missing",  "ARGUMENT_INVALID addresses_missing",   ALL, set({ sgl: [at(FIRST_IPA, 2n * PAGE)] })],
  ["17 the donation fails",           "MEM_INVALID accept_donate",     ["DONATE"], (r) => r.before.push(() => board.limitHeap(HEAP_PARTITION, 0))],
  ["18 no record",                    "MAP_FAILED accept_map",         NOT_DONATE, (r) => r.before.push(() => board.limitHeap(HEAP_PARTITION, 0))],
  ["18 no table page",                "MAP_FAILED accept_map",                ALL, (r) => r.before.push(() => board.limitHeap(HEAP_TABLES, 0))],
];

const cases = rows.flatMap(([check, answer, of, broken]) =>
  of.map((transfer) => [transfer, check, answer, broken] as const),
);

/** What does not go together: the earlier check's means are the later one's undoing. */
function areCompatible(earlier: string, later: string): boolean {
  const isListed = (check: string) => /^(2 SGL|12|14|16)/.test(check);
  // Two lists of addresses cannot be broken in two ways at once.
  if (isListed(earlier) && isListed(later)) return false;
  // A partial accept is no longer possible for who has accepted already.
  if (earlier.startsWith("9 already") && later.startsWith("10")) return false;
  return !(earlier.startsWith("10") && (isListed(later) || /^(13)/.test(later)));
}

describe("section 6.6, checks", () => {
  test.each(ALL)("%s with nothing broken succeeds", (transfer) => {
    const request = draft(transfer);
    create(request);
    expect(accept(request)).toBe("OK");
  });

  test.each(cases)("%s: %s -> %s, and nothing has changed", (transfer, _, answer, broken) => {
    const request = draft(transfer);
    broken(request);
    create(request);
    for (const step of request.before) step();
    request.before = [];
    const before = board.state();
    expect(accept(request)).toBe(answer);
    expect(board.state()).toBe(before);
  });

  const pairs = cases.flatMap((earlier, i) =>
    cases
      .slice(i + 1)
      .flatMap((later) =>
        later[0] === earlier[0] && areCompatible(earlier[1], later[1]) ? [[earlier, later] as const] : [],
      ),
  );

  test.each(pairs.map(([earlier, later]) => [earlier[0], earlier[1], later[1], earlier, later] as const))(
    "%s: %s comes before %s",
    (transfer, _earlier, _later, [, , answer, breakEarlier], [, , , breakLater]) => {
      const request = draft(transfer);
      breakLater(request);
      breakEarlier(request);
      create(request);
      expect(accept(request)).toBe(answer);
    },
  );
});

describe("section 6.6, IO memory", () => {
  const io = { acl: [{ vmid: A, rights: "RW" as const }], regions: [{ ipa: DEVICE, size: PAGE }], io: true };
  const tryAccept = (changes: Partial<AcceptMessage>) =>
    accept({ ...draft("LEND"), message: { ...draft("LEND").message, memType: 1, ...changes } });

  beforeEach(() => {
    board.addDevice();
    board.must(board.hlos.lend(io));
  });

  test("10: MAP_CONTIGUOUS -> 6", () => {
    expect(tryAccept({ flags: ACCEPT.MAP_CONTIGUOUS | ACCEPT.DONE })).toBe("ARGUMENT_INVALID contiguous_io");
  });

  test("11: SANITIZE -> 6, behind check 10", () => {
    expect(tryAccept({ flags: ACCEPT.SANITIZE | ACCEPT.DONE })).toBe("ARGUMENT_INVALID sanitize_io");
    const both = ACCEPT.SANITIZE | ACCEPT.MAP_CONTIGUOUS;
    expect(tryAccept({ flags: both })).toBe("ARGUMENT_INVALID contiguous_io");
  });

  test("14: another address than the PA -> 6", () => {
    expect(tryAccept({ sgl: [at(FIRST_IPA, PAGE)] })).toBe("ARGUMENT_INVALID address");
  });

  test("it is mapped at IPA = PA, as device memory nGnRE", () => {
    expect(tryAccept({})).toBe("OK");
    expect(board.leaf(A, DEVICE)).toEqual({ pa: DEVICE, rights: "RW", memattr: 1 });
    expect(board.reach(HLOS, DEVICE, DEVICE)).toBe("-");
  });
});

describe("section 6.6, what is validated", () => {
  const attributes = [{ vmid: A, rights: "RX" as const, attribute: "UNCACHED" as const }];
  const exact = { acl: [{ vmid: A, rights: 5 }], attributes: [{ attr: 2, vmid: A }] };

  test("4, 5, 6: what is so passes", () => {
    board.must(board.hlos.lend({ acl: attributes, regions: [region(0)], label: 5, sanitize: true }));
    const validate = { sanitized: true, label: 5, acl: attributes };
    expect(board.a.accept(0, { transfer: "LEND", validate }).name).toBe("OK");
  });

  // Check 6 alone: counts first, then ACL entries in order, then attributes in order.
  // prettier-ignore
  test.each<[string, Partial<AcceptMessage>, string]>([
    ["the same",              exact,                                                                      "OK"],
    ["no ACL",                { ...exact, acl: [] },                                                      "VALIDATE_FAILED acl_count"],
    ["no attributes",         { ...exact, attributes: [] },                                               "VALIDATE_FAILED acl_count"],
    ["another VMID",          { ...exact, acl: [{ vmid: B, rights: 5 }] },                                "VALIDATE_FAILED acl_entry"],
    ["other rights",          { ...exact, acl: [{ vmid: A, rights: 7 }] },                                "VALIDATE_FAILED acl_entry"],
    ["another attribute",     { ...exact, attributes: [{ attr: 0, vmid: A }] },                           "VALIDATE_FAILED attribute_entry"],
    ["attribute of another",  { ...exact, attributes: [{ attr: 2, vmid: B }] },                           "VALIDATE_FAILED attribute_entry"],
    ["both",                  { acl: [{ vmid: A, rights: 7 }], attributes: [{ attr: 0, vmid: A }] },      "VALIDATE_FAILED acl_entry"],
  ])("6: %s", (_, lists, answer) => {
    board.must(board.hlos.lend({ acl: attributes, regions: [region(0)] }));
    const message = { ...draft("LEND").message, flags: ACCEPT.VALIDATE_ACL_ATTR | ACCEPT.DONE, ...lists };
    expect(accept({ ...draft("LEND"), message })).toBe(answer);
  });

  test("6: order matters", () => {
    const acl = [
      { vmid: A, rights: "R" as const },
      { vmid: B, rights: "R" as const },
    ];
    board.must(board.hlos.lend({ acl, regions: [region(0)] }));
    expect(board.a.accept(0, { transfer: "LEND", validate: { acl: [...acl].reverse() } }).outcome.reason).toBe(
      "acl_entry",
    );
    expect(board.a.accept(0, { transfer: "LEND", validate: { acl } }).name).toBe("OK");
  });

  test("a VM that is not in the ACL is refused by 3 to 6 before its membership is looked at", () => {
    board.must(board.hlos.lend({ acl: attributes, regions: [region(0)], label: 5 }));
    expect(board.b.accept(0, { transfer: "SHARE" }).outcome.reason).toBe("trans_type");
    expect(board.b.accept(0, { transfer: "LEND", validate: { label: 6 } }).outcome.reason).toBe("label");
    expect(board.b.accept(0, { transfer: "LEND", validate: { label: 5 } }).outcome.reason).toBe("not_in_acl");
  });
});

describe("section 6.6, addresses", () => {
  const lend = (...regions: ReturnType<typeof region>[]) =>
    board.must(board.hlos.lend({ acl: [{ vmid: A, rights: "RWX" }], regions }));

  test("the resource manager chooses from behind the device window, regions one after the other", () => {
    lend(region(0, 2), region(4));
    const { value, outcome } = board.a.accept(0, { transfer: "LEND" });
    expect(value).toBe(FIRST_IPA);
    expect(outcome.effects.filter(({ kind }) => kind === "accept_reply")).toEqual([
      { kind: "accept_reply", vm: A, ipa: FIRST_IPA, size: 2n * PAGE, incomplete: false },
      { kind: "accept_reply", vm: A, ipa: FIRST_IPA + 2n * PAGE, size: PAGE, incomplete: false },
    ]);
    expect(board.reach(A, FIRST_IPA + PAGE, page(1))).toBe("RWX");
    expect(board.reach(A, FIRST_IPA + 2n * PAGE, page(4))).toBe("RWX");
  });

  test("from 2 MiB on it chooses multiples of 2 MiB; the caller may choose any page", () => {
    lend(region(0));
    lend(region(512, 512));
    board.must(board.a.accept(0, { transfer: "LEND" }));
    expect(board.a.accept(1, { transfer: "LEND" }).value).toBe(FIRST_IPA + 2n * MIB);
    board.must(board.a.release(1));
    const regions = [at(FIRST_IPA + PAGE, 2n * MIB)];
    expect(board.a.accept(1, { transfer: "LEND", regions }).name).toBe("OK");
  });

  test("14: a range that an earlier accept has -> 2; released, it is free", () => {
    lend(region(0));
    lend(region(1));
    const regions = [at(FIRST_IPA, PAGE)];
    board.must(board.a.accept(0, { transfer: "LEND", regions }));
    expect(board.a.accept(1, { transfer: "LEND", regions }).outcome.reason).toBe("address_taken");
    board.must(board.a.release(0));
    expect(board.a.accept(1, { transfer: "LEND", regions }).name).toBe("OK");
  });

  test("contiguous: one range for all regions, whose size must be the total", () => {
    lend(region(0), region(4, 2));
    const wrong = [at(FIRST_IPA + MIB, PAGE)];
    expect(board.a.accept(0, { transfer: "LEND", contiguous: true, regions: wrong }).outcome.reason).toBe(
      "address_size",
    );
    const regions = [at(FIRST_IPA + MIB, 3n * PAGE)];
    expect(board.a.accept(0, { transfer: "LEND", contiguous: true, regions }).value).toBe(FIRST_IPA + MIB);
    expect(board.reach(A, FIRST_IPA + MIB, page(0))).toBe("RWX");
    expect(board.reach(A, FIRST_IPA + MIB + 2n * PAGE, page(5))).toBe("RWX");
    board.must(board.a.release(0));
    expect(board.a.accept(0, { transfer: "LEND", contiguous: true }).value).toBe(FIRST_IPA);
  });

  test("14: HLOS has NORMAL memory at IPA = PA; contiguous, the memory must be so -> 0xA", () => {
    for (const first of [0, 4]) {
      const handle = board.handle(board.hlos.donate({ acl: [{ vmid: A, rights: "RWX" }], regions: [region(first)] }));
      board.must(board.a.accept(handle, { transfer: "DONATE" }));
    }
    const back = { acl: [{ vmid: HLOS, rights: "RW" as const }], regions: [at(FIRST_IPA, 2n * PAGE)] };
    const handle = board.handle(board.a.lend(back));
    const before = board.state();
    expect(board.hlos.accept(handle, { transfer: "LEND", contiguous: true }).outcome.reason).toBe("address_tag");
    const elsewhere = [at(page(8), PAGE), at(page(4), PAGE)];
    expect(board.hlos.accept(handle, { transfer: "LEND", regions: elsewhere }).outcome.reason).toBe("address");
    expect(board.state()).toBe(before);
    expect(board.hlos.accept(handle, { transfer: "LEND" }).value).toBe(page(0));
    expect(board.reach(HLOS, page(4), page(4))).toBe("RW");
  });

  test("15: without DONE addresses are reserved, the parcel is SHARED, nothing is mapped", () => {
    lend(region(0, 2), region(4));
    board.must(board.a.accept(0, { transfer: "LEND", done: false, regions: [at(FIRST_IPA, 2n * PAGE)] }));
    expect(board.parcel(0)).toMatchObject({ state: "SHARED", shareCount: 1 });
    expect(board.parcel(0)?.members[0]).toMatchObject({ shared: true, mapped: false, ipas: [FIRST_IPA] });
    expect(board.machine.leaves(A)).toEqual([]);
    const rest = [at(FIRST_IPA + MIB, PAGE)];
    board.must(board.a.accept(0, { transfer: "LEND", regions: rest }));
    expect(board.parcel(0)).toMatchObject({ state: "SHARED", shareCount: 1 });
    expect(board.reach(A, FIRST_IPA + MIB, page(4))).toBe("RWX");
  });

  test("a reply has at most 512 addresses; INCOMPLETE asks for another call", () => {
    const regions = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => region(2 * (from + index)));
    board.must(board.hlos.lend({ acl: [{ vmid: A, rights: "R" }], regions: regions(0, 512), append: true }));
    board.must(board.hlos.append(0, regions(512, 88)));
    const first = board.a.accept(0, { transfer: "LEND", done: false });
    expect([first.name, first.outcome.expected, first.outcome.found]).toEqual(["OK", abi.ACCEPT_INCOMPLETE, 512]);
    const second = board.a.accept(0, { transfer: "LEND" });
    expect([second.name, second.outcome.expected, second.outcome.found]).toEqual(["OK", 0, 88]);
    expect(board.reach(A, FIRST_IPA + 599n * PAGE, page(2 * 599))).toBe("R");
  });

  test("17, 18: a failure at a later region takes back what was done before it", () => {
    for (const transfer of ["DONATE", "LEND"] as const) {
      board.reset();
      const request = draft(transfer);
      create(request);
      const before = board.state();
      for (let allowed = 0; allowed < 40; allowed++) {
        const heap = [HEAP_PARTITION, HEAP_HYPERVISOR, HEAP_TABLES][allowed % 3] as number;
        board.limitHeap(heap, Math.floor(allowed / 3));
        const answer = accept(request);
        if (answer === "OK") {
          const handle = board.parcels()[0]?.handle;
          if (handle !== undefined) board.must(board.a.release(handle));
          else break;
        }
        expect(board.state()).toBe(before);
      }
    }
  });

  test("11: the wish to sanitise stays only if the accept succeeds", () => {
    lend(region(0));
    const bad = { transfer: "LEND" as const, sanitize: true, regions: [at(0n, PAGE)] };
    expect(board.a.accept(0, bad).outcome.reason).toBe("address_taken");
    expect(board.parcel(0)?.sanitizeReclaim).toBe(false);
    board.must(board.a.accept(0, { transfer: "LEND", sanitize: true }));
    expect(board.parcel(0)?.sanitizeReclaim).toBe(true);
  });
});
