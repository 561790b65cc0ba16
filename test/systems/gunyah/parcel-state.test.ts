// What each parcel verb makes of a page: reference gunyah section 8.1, a row per row. Of one page: who owns it, how the owner and
// the member reach it, its content, and the books.

import { beforeAll, beforeEach, expect, test } from "vitest";
import type { Rights } from "../../../src/machine/gunyah-vm.js";
import { A, B, Board, FIRST_IPA, HLOS, page, PAGE, region } from "./parcels.js";

let board: Board;
beforeAll(async () => {
  board = await Board.create();
});
beforeEach(() => {
  board.reset();
  board.write(page(0), 42n);
});

/** `HLOS | RWX - | 42 | SHARING 0`: owner of the page, reach of HLOS and A, content, books of parcel 0. */
function seen(): string {
  const pa = page(0);
  const books = board.parcel(0);
  const parcel = books === null ? "gone" : `${books.state} ${books.shareCount}`;
  const a = board.reach(A, FIRST_IPA, pa);
  return `${board.owner(pa)} | ${board.reach(HLOS, pa, pa)} ${a} | ${board.read(pa)} | ${parcel}`;
}

const to = (vmid: number, rights: Rights) => ({ vmid, rights });
const regions = [region(0)];
const lend = (sanitize = false, append = false) =>
  board.must(board.hlos.lend({ acl: [to(A, "RW")], regions, sanitize, append }));
const share = (owner: Rights, sanitize = false) =>
  board.must(board.hlos.share({ acl: [to(HLOS, owner), to(A, "R")], regions, sanitize }));
const donate = (sanitize = false) => board.must(board.hlos.donate({ acl: [to(A, "RWX")], regions, sanitize }));
const accept = (transfer: "DONATE" | "LEND" | "SHARE", done = true) =>
  board.must(board.a.accept(0, { transfer, done }));

// prettier-ignore
test.each<[row: string, steps: (() => unknown)[], after: string]>([
  ["before",                          [],                                              "HLOS | RWX - | 42 | gone"],
  ["LEND",                            [() => lend()],                                  "parcel 0x0 | - - | 42 | SHARING 0"],
  ["LEND, SANITIZE",                  [() => lend(true)],                              "parcel 0x0 | - - | 0 | SHARING 0"],
  ["LEND, APPEND",                    [() => lend(false, true)],                       "parcel 0x0 | - - | 42 | INIT 0"],
  ["APPEND",                          [() => board.must(board.hlos.lend({ acl: [to(A, "RW")], regions: [region(2)], append: true })),
                                       () => board.must(board.hlos.append(0, regions))], "parcel 0x0 | - - | 42 | SHARING 0"],
  ["APPEND, SANITIZE",                [() => board.must(board.hlos.lend({ acl: [to(A, "RW")], regions: [region(2)], append: true, sanitize: true })),
                                       () => board.must(board.hlos.append(0, regions, false))], "parcel 0x0 | - - | 0 | INIT 0"],
  ["SHARE, RWX kept",                 [() => share("RWX")],                            "parcel 0x0 | RWX - | 42 | SHARING 0"],
  ["SHARE, R kept",                   [() => share("R")],                              "parcel 0x0 | R - | 42 | SHARING 0"],
  ["SHARE, RX kept, SANITIZE",        [() => share("RX", true)],                       "parcel 0x0 | RX - | 0 | SHARING 0"],
  ["DONATE",                          [() => donate()],                                "parcel 0x0 | - - | 42 | SHARING 0"],
  ["DONATE, SANITIZE",                [() => donate(true)],                            "parcel 0x0 | - - | 0 | SHARING 0"],
  ["ACCEPT without DONE",             [() => lend(), () => accept("LEND", false)],     "parcel 0x0 | - - | 42 | SHARED 1"],
  ["ACCEPT DONE, LEND",               [() => lend(), () => accept("LEND")],            "parcel 0x0 | - RW | 42 | SHARED 1"],
  ["ACCEPT DONE, SHARE",              [() => share("RW"), () => accept("SHARE")],      "parcel 0x0 | RW R | 42 | SHARED 1"],
  ["ACCEPT DONE, DONATE",             [() => donate(), () => accept("DONATE")],        "VM 0x80 | - RWX | 42 | gone"],
  ["RELEASE of a LEND",               [() => lend(), () => accept("LEND"), () => board.must(board.a.release(0, true))],
                                                                                       "parcel 0x0 | - - | 42 | SHARING 0"],
  ["RELEASE of a SHARE",              [() => share("RW"), () => accept("SHARE"), () => board.must(board.a.release(0))],
                                                                                       "parcel 0x0 | RW - | 42 | SHARING 0"],
  ["RECLAIM of a LEND",               [() => lend(), () => board.must(board.hlos.reclaim(0))],
                                                                                       "HLOS | RWX - | 42 | gone"],
  ["RECLAIM of a SHARE: RWX is back", [() => share("R"), () => board.must(board.hlos.reclaim(0))],
                                                                                       "HLOS | RWX - | 42 | gone"],
  ["RECLAIM of a DONATE",             [() => donate(), () => board.must(board.hlos.reclaim(0))],
                                                                                       "HLOS | RWX - | 42 | gone"],
  ["RECLAIM, sanitize_reclaim",       [() => lend(), () => accept("LEND"), () => board.must(board.a.release(0, true)), () => board.must(board.hlos.reclaim(0))],
                                                                                       "HLOS | RWX - | 0 | gone"],
  ["VM_RESET of the member",          [() => lend(), () => accept("LEND"), () => board.must(board.hlos.initVm(A)), () => board.must(board.hlos.resetVm(A))],
                                                                                       "parcel 0x0 | - - | 42 | SHARING 0"],
  ["VM_RESET of the new owner",       [() => donate(), () => accept("DONATE"), () => board.must(board.hlos.initVm(A)), () => board.must(board.hlos.resetVm(A))],
                                                                                       "parent_ddr | - - | 42 | gone"],
])("%s", (_, steps, after) => {
  for (const step of steps) step();
  expect(seen()).toBe(after);
});

test("what a VM owns it lends and shares like HLOS; what it got by donation comes back to it, not to HLOS", () => {
  donate();
  accept("DONATE");
  const own = [{ ipa: FIRST_IPA, size: PAGE }];
  const lent = board.handle(board.a.lend({ acl: [to(B, "RX")], regions: own }));
  expect([board.owner(page(0)), board.reach(A, FIRST_IPA, page(0))]).toEqual(["parcel 0x1", "-"]);
  board.must(board.b.accept(lent, { transfer: "LEND" }));
  expect(board.reach(B, FIRST_IPA, page(0))).toBe("RX");
  board.must(board.b.release(lent));
  board.must(board.a.reclaim(lent));
  expect([board.owner(page(0)), board.reach(A, FIRST_IPA, page(0))]).toEqual(["VM 0x80", "RWX"]);

  const back = board.handle(board.a.donate({ acl: [to(HLOS, "RWX")], regions: own }));
  board.must(board.hlos.accept(back, { transfer: "DONATE" }));
  expect(seen()).toBe("HLOS | RWX - | 42 | gone");
  // The address that A had is free again.
  expect(board.a.accept(Number(lend()), { transfer: "LEND" }).value).toBe(FIRST_IPA);
});

test("a parcel for several VMs gives each its own rights and memory type", () => {
  const acl = [to(A, "R"), { ...to(B, "RW"), attribute: "UNCACHED" as const }, to(HLOS, "RX")];
  board.must(board.hlos.share({ acl, regions }));
  for (const vm of [board.a, board.b]) board.must(vm.accept(0, { transfer: "SHARE" }));
  const leaves = [board.leaf(HLOS, page(0)), board.leaf(A, FIRST_IPA), board.leaf(B, FIRST_IPA)];
  expect(leaves).toEqual([
    { pa: page(0), rights: "RX", memattr: 15 },
    { pa: page(0), rights: "R", memattr: 15 },
    { pa: page(0), rights: "RW", memattr: 5 },
  ]);
});

test("a touch without a permitting leaf changes nothing", () => {
  lend();
  const before = board.state();
  const answer = board.machine.access("host", page(0), "write", { value: 1n });
  expect(answer.fault).not.toBeNull();
  expect(board.state()).toBe(before);
});
