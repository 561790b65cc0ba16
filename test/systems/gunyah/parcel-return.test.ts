// RELEASE and RECLAIM: a row per check of reference gunyah sections 6.7 and 6.8, each alone and with a later one broken too.

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah-rm.js";
import { HEAP_TABLES } from "../../../assembly/abi/gunyah.js";
import { encodeReturn } from "../../../src/machine/gunyah-messages.js";
import type { Rights } from "../../../src/machine/gunyah-vm.js";
import { A, B, Board, DEVICE, FIRST_IPA, HLOS, NO_VM, page, PAGE, region } from "./parcels.js";

let board: Board;
beforeAll(async () => {
  board = await Board.create();
});
beforeEach(() => board.reset());

/** What is asked, and what has happened before: a parcel of `io` or NORMAL memory that A (with `rights`) has accepted or not. */
interface Draft {
  caller: number;
  handle: number;
  sanitize: boolean;
  io: boolean;
  share: boolean;
  rights: Rights;
  accepted: boolean;
  locked: boolean;
}

function prepare({ io, share, rights, accepted, locked }: Draft): void {
  if (io) board.addDevice();
  const regions = io ? [{ ipa: DEVICE, size: PAGE }] : [region(0, 2), region(4)];
  const transfer = share ? "SHARE" : "LEND";
  const owner = share ? [{ vmid: HLOS, rights: "RW" as const }] : [];
  const request = { acl: [{ vmid: A, rights }, ...owner], regions, io };
  board.must(share ? board.hlos.share(request) : board.hlos.lend(request));
  if (accepted) board.must(board.a.accept(0, { transfer, io }));
  if (locked) board.lock(0);
}

function ask(message: number, { caller, handle, sanitize }: Draft): string {
  return board.send(caller, message, encodeReturn({ handle, flags: sanitize ? 1 : 0 }));
}

type Row = readonly [check: string, answer: string, broken: Partial<Draft>];

function checkAll(message: number, good: Draft, rows: readonly Row[]): void {
  test("nothing broken succeeds", () => {
    prepare(good);
    expect(ask(message, good)).toBe("OK");
  });

  test.each(rows)("%s -> %s, and nothing has changed", (_, answer, broken) => {
    const draft = { ...good, ...broken };
    prepare(draft);
    const before = board.state();
    expect(ask(message, draft)).toBe(answer);
    expect(board.state()).toBe(before);
  });

  // The earlier row overwrites what both break; where it would undo the later one, they are the same case as the earlier alone.
  const pairs = rows.flatMap((earlier, i) => rows.slice(i + 1).map((later) => [earlier, later] as const));
  test.each(pairs.map(([earlier, later]) => [earlier[0], later[0], earlier, later] as const))(
    "%s comes before %s",
    (_earlier, _later, [, answer, breakEarlier], [, , breakLater]) => {
      const draft = { ...good, ...breakLater, ...breakEarlier };
      prepare(draft);
      expect(ask(message, draft)).toBe(answer);
    },
  );
}

describe("section 6.7, checks of a RELEASE", () => {
  const good: Draft = {
    caller: A,
    handle: 0,
    sanitize: false,
    io: false,
    share: false,
    rights: "RW",
    accepted: true,
    locked: false,
  };
  // prettier-ignore
  checkAll(abi.MEM_RELEASE, good, [
    ["handle unknown",            "HANDLE_INVALID handle",               { handle: 9 }],
    ["locked",                    "DENIED parcel_locked",                { locked: true }],
    ["VM unknown",                "VMID_INVALID vm_unknown",             { caller: NO_VM }],
    ["not in the ACL",            "HANDLE_INVALID not_in_acl",           { caller: B }],
    ["the owner",                 "DENIED parcel_owner",                 { caller: HLOS, share: true, io: false }],
    ["not accepted",              "MEM_RELEASED not_accepted",           { accepted: false }],
    ["SANITIZE with IO",          "ARGUMENT_INVALID sanitize_io",        { sanitize: true, io: true, rights: "RW" }],
    ["SANITIZE without W",        "ARGUMENT_INVALID sanitize_read_only", { sanitize: true, rights: "R" }],
  ]);
});

describe("section 6.8, checks of a RECLAIM", () => {
  const good: Draft = {
    caller: HLOS,
    handle: 0,
    sanitize: false,
    io: false,
    share: false,
    rights: "RW",
    accepted: false,
    locked: false,
  };
  // prettier-ignore
  checkAll(abi.MEM_RECLAIM, good, [
    ["handle unknown",            "HANDLE_INVALID handle",               { handle: 9 }],
    ["not the owner",             "DENIED not_owner",                    { caller: A }],
    ["state SHARED",              "MEM_INUSE parcel_in_use",             { accepted: true }],
    ["locked",                    "DENIED parcel_locked",                { locked: true }],
    ["SANITIZE with IO",          "ARGUMENT_INVALID sanitize_io",        { sanitize: true, io: true }],
  ]);
});

describe("section 6.7, what a RELEASE does", () => {
  const lend = (vmids: number[]) =>
    board.handle(
      board.hlos.lend({ acl: vmids.map((vmid) => ({ vmid, rights: "RW" })), regions: [region(0, 2), region(4)] }),
    );

  test("addresses reserved without DONE are given up too", () => {
    const handle = lend([A]);
    board.must(board.a.accept(handle, { transfer: "LEND", done: false }));
    expect(board.hlos.reclaim(handle).name).toBe("MEM_INUSE");
    board.must(board.a.release(handle));
    expect(board.parcel(handle)).toMatchObject({ state: "SHARING", shareCount: 0 });
    expect(board.a.accept(handle, { transfer: "LEND" }).value).toBe(FIRST_IPA);
  });

  test("the last one out makes the parcel SHARING", () => {
    const handle = lend([A, B]);
    board.must(board.a.accept(handle, { transfer: "LEND" }));
    board.must(board.b.accept(handle, { transfer: "LEND" }));
    board.must(board.a.release(handle));
    expect(board.parcel(handle)).toMatchObject({ state: "SHARED", shareCount: 1 });
    expect(board.hlos.reclaim(handle).name).toBe("MEM_INUSE");
    board.must(board.b.release(handle));
    expect(board.parcel(handle)).toMatchObject({ state: "SHARING", shareCount: 0 });
  });

  test("nothing is zeroed before the reclaim, whatever was asked", () => {
    const handle = lend([A]);
    board.must(board.a.accept(handle, { transfer: "LEND", sanitize: true }));
    board.write(page(0), 42n);
    board.must(board.a.release(handle, true));
    expect(board.read(page(0))).toBe(42n);
    board.must(board.hlos.reclaim(handle));
    expect(board.read(page(0))).toBe(0n);
  });
});

describe("section 6.8, what a RECLAIM does", () => {
  // prettier-ignore
  test.each<[by: string, atAccept: boolean, atRelease: boolean, atReclaim: boolean, after: bigint]>([
    ["nobody",      false, false, false, 42n],
    ["the accept",  true,  false, false, 0n],
    ["the release", false, true,  false, 0n],
    ["the reclaim", false, false, true,  0n],
  ])("SANITIZE asked for by %s", (_, atAccept, atRelease, atReclaim, after) => {
    const handle = board.handle(board.hlos.lend({ acl: [{ vmid: A, rights: "RWX" }], regions: [region(0)] }));
    board.must(board.a.accept(handle, { transfer: "LEND", sanitize: atAccept }));
    board.write(page(0), 42n);
    board.must(board.a.release(handle, atRelease));
    board.must(board.hlos.reclaim(handle, atReclaim));
    expect(board.read(page(0))).toBe(after);
    expect(board.reach(HLOS, page(0), page(0))).toBe("RWX");
    expect(board.hlos.reclaim(handle).name).toBe("HANDLE_INVALID");
  });

  test("I17: each region is zeroed before the owner's leaf is back", () => {
    const handle = board.handle(
      board.hlos.lend({ acl: [{ vmid: A, rights: "RWX" }], regions: [region(0), region(2)] }),
    );
    const { outcome } = board.hlos.reclaim(handle, true);
    const order = outcome.effects.flatMap((effect) => {
      if (effect.kind === "wipe") return [`zero ${effect.pa.toString(16)}`];
      return effect.kind === "descriptor" && effect.level === 3 ? [`map ${effect.ipa.toString(16)}`] : [];
    });
    expect(order).toEqual(["zero 80000000", "map 80000000", "zero 80002000", "map 80002000"]);
  });

  test("a parcel in INIT can be reclaimed", () => {
    const request = { acl: [{ vmid: A, rights: "R" as const }], regions: [region(0)], append: true };
    const before = board.state();
    board.must(board.hlos.reclaim(board.handle(board.hlos.lend(request))));
    expect(board.state()).toBe(before);
  });

  test("without table pages for the owner's leaves the parcel stays as it was", () => {
    // All of HLOS's leaves of one 2 MiB block go, and its table with them; half of it cannot come back without a table.
    const acl = [{ vmid: A, rights: "RWX" as const }];
    const first = board.handle(board.hlos.lend({ acl, regions: [region(512, 256)] }));
    board.must(board.hlos.lend({ acl, regions: [region(768, 256)] }));
    const before = board.state();
    board.limitHeap(HEAP_TABLES, 0);
    expect(board.hlos.reclaim(first).outcome.reason).toBe("give_back");
    expect(board.state()).toBe(before);
    board.freeHeap(HEAP_TABLES);
    board.must(board.hlos.reclaim(first));
  });
});
