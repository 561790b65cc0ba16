// NOTIFY and LOOKUP_SGL (reference gunyah section 6.9).

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah-rm.js";
import { encodeNotify } from "../../../src/machine/gunyah-messages.js";
import { A, B, Board, DEVICE, HLOS, NO_VM, page, PAGE, region, RM } from "./parcels.js";

let board: Board;
beforeAll(async () => {
  board = await Board.create();
});
beforeEach(() => board.reset());

const SHARED = abi.NOTIFY_SHARED;
const RELEASED = abi.NOTIFY_RELEASED;
const ACCEPTED = abi.NOTIFY_ACCEPTED;
const RECALL = abi.NOTIFY_RECALL;

function lend(): number {
  const acl = [
    { vmid: A, rights: "RW" as const },
    { vmid: RM, rights: "R" as const },
  ];
  return board.handle(board.hlos.lend({ acl, regions: [region(0)], label: 5 }));
}

function notify(caller: number, flags: number, vmids: number[], { handle = 0, tag = 0 } = {}): string {
  return board.send(caller, abi.MEM_NOTIFY, encodeNotify({ handle, flags, tag, vmids }));
}

describe("NOTIFY, checks in their order", () => {
  // prettier-ignore
  test.each<[check: string, answer: string, ask: () => string]>([
    ["handle unknown, and the flags too",   "HANDLE_INVALID handle",         () => notify(HLOS, 3, [], { handle: 9 })],
    ["tag differs, and the flags too",      "ARGUMENT_INVALID tag",          () => (notify(HLOS, SHARED, [A], { tag: 7 }), notify(HLOS, 3, [A], { tag: 8 }))],
    ["no flag",                             "ARGUMENT_INVALID notify_flag",  () => notify(HLOS, 0, [A])],
    ["two flags, not the owner",            "ARGUMENT_INVALID notify_flag",  () => notify(A, SHARED | RECALL, [A])],
    ["a flag that is none",                 "ARGUMENT_INVALID notify_flag",  () => notify(HLOS, 16, [A])],
    ["SHARED, not the owner, no list",      "DENIED not_owner",              () => notify(A, SHARED, [])],
    ["RECALL, not the owner",               "DENIED not_owner",              () => notify(A, RECALL, [A])],
    ["SHARED, list empty",                  "ARGUMENT_INVALID vmid_list",    () => notify(HLOS, SHARED, [])],
    ["RECALL, list empty",                  "ARGUMENT_INVALID vmid_list",    () => notify(HLOS, RECALL, [])],
    ["SHARED, longer than the ACL",         "ARGUMENT_INVALID vmid_list",    () => notify(HLOS, SHARED, [A, RM, NO_VM])],
    ["SHARED, VM unknown",                  "VMID_INVALID vm_unknown",       () => notify(HLOS, SHARED, [A, NO_VM])],
    ["SHARED, VM not in the ACL",           "ARGUMENT_INVALID not_in_acl",   () => notify(HLOS, SHARED, [A, B])],
    ["RECALL, VM not in the ACL",           "ARGUMENT_INVALID not_in_acl",   () => notify(HLOS, RECALL, [B])],
    ["ACCEPTED, not in the ACL",            "HANDLE_INVALID not_in_acl",     () => notify(B, ACCEPTED, [])],
    ["RELEASED, not in the ACL",            "HANDLE_INVALID not_in_acl",     () => notify(HLOS, RELEASED, [])],
    ["ACCEPTED, but it is not",             "MEM_RELEASED not_accepted",     () => notify(A, ACCEPTED, [])],
    ["RELEASED, but it is accepted",        "MEM_INUSE still_accepted",      () => (board.must(board.a.accept(0, { transfer: "LEND" })), notify(A, RELEASED, []))],
  ])("%s -> %s", (_, answer, ask) => {
    lend();
    expect(ask()).toBe(answer);
  });

  test("a notification that is refused sets no tag", () => {
    lend();
    expect(notify(HLOS, SHARED, [B], { tag: 7 })).toBe("ARGUMENT_INVALID not_in_acl");
    expect(notify(HLOS, SHARED, [A], { tag: 8 })).toBe("OK");
    expect(notify(HLOS, SHARED, [A], { tag: 7 })).toBe("ARGUMENT_INVALID tag");
  });
});

describe("NOTIFY, who hears what", () => {
  const heard = (answer: ReturnType<typeof board.hlos.notify>) =>
    answer.outcome.effects.flatMap((effect) =>
      effect.kind === "notification" ? [[effect.to, effect.what, effect.about, effect.tag]] : [],
    );

  test("SHARED and RECALL go to the members of the list", () => {
    const handle = lend();
    expect(heard(board.hlos.notify(handle, "SHARED", [A, RM], 7))).toEqual([
      [A, "MEM_SHARED", HLOS, 7],
      [RM, "MEM_SHARED", HLOS, 7],
    ]);
    expect(heard(board.hlos.notify(handle, "RECALL", [A], 7))).toEqual([[A, "MEM_RECALL", HLOS, 7]]);
  });

  test("ACCEPTED and RELEASED go to the owner, if they are true", () => {
    const handle = lend();
    board.must(board.a.accept(handle, { transfer: "LEND" }));
    expect(heard(board.a.notify(handle, "ACCEPTED"))).toEqual([[HLOS, "MEM_ACCEPTED", A, 0]]);
    board.must(board.a.release(handle));
    expect(heard(board.a.notify(handle, "RELEASED"))).toEqual([[HLOS, "MEM_RELEASED", A, 0]]);
  });

  test.each([
    ["shared memory", false],
    ["IO memory", true],
  ])("SHARED to a READY VM makes RM accept for its configured %s with that label", (_, io) => {
    board.addDevice();
    const ipa = 0x5000_0000n;
    board.must(board.hlos.configDevice(A, 5, ipa, { io }));
    const regions = io ? [{ ipa: DEVICE, size: PAGE }] : [region(0)];
    const request = { acl: [{ vmid: A, rights: "RW" as const }], regions, io };
    const early = board.handle(board.hlos.lend({ ...request, label: 6 }));
    board.must(board.hlos.notify(early, "SHARED", [A]));
    board.must(board.hlos.reclaim(early));
    const handle = board.handle(board.hlos.lend({ ...request, label: 5 }));
    board.must(board.hlos.notify(handle, "SHARED", [A]));
    expect(board.parcel(handle)?.shareCount).toBe(0); // A is not READY
    board.must(board.hlos.reclaim(handle));

    board.must(board.hlos.initVm(A));
    const again = board.handle(board.hlos.lend({ ...request, label: 5 }));
    board.must(board.hlos.notify(again, "SHARED", [A]));
    expect(board.parcel(again)?.shareCount).toBe(1);
    expect(io ? board.reach(A, DEVICE, DEVICE) : board.reach(A, ipa, page(0))).toBe("RW");
  });
});

describe("LOOKUP_SGL", () => {
  const acl = [{ vmid: A, rights: "RW" as const, attribute: "UNCACHED" as const }];
  const request = { acl, regions: [region(0, 2), region(4)], label: 3 };

  test("finds the caller's own parcel in SHARING by its very lists", () => {
    board.must(board.hlos.lend({ acl, regions: [region(8)] }));
    const handle = board.must(board.hlos.lend(request));
    expect(board.hlos.lookup(request).value).toBe(handle);
  });

  test.each<[string, () => void, typeof request & { acl: readonly object[] }]>([
    ["other rights", () => undefined, { ...request, acl: [{ ...acl[0]!, rights: "R" as never }] }],
    ["another VM", () => undefined, { ...request, acl: [{ ...acl[0]!, vmid: B }] }],
    ["fewer regions", () => undefined, { ...request, regions: [region(0, 2)] }],
    ["another region", () => undefined, { ...request, regions: [region(0, 2), region(5)] }],
    ["another size", () => undefined, { ...request, regions: [region(0, 1), region(4)] }],
    ["another attribute", () => undefined, { ...request, acl: [{ ...acl[0]!, attribute: "NORMAL" as never }] }],
    ["no attribute", () => undefined, { ...request, acl: [{ vmid: A, rights: "RW" } as never] }],
    ["it is accepted", () => board.must(board.a.accept(0, { transfer: "LEND" })), request],
    ["it is gone", () => board.must(board.hlos.reclaim(0)), request],
  ])("%s -> 0xE", (_, happens, asked) => {
    board.must(board.hlos.lend(request));
    happens();
    expect(board.hlos.lookup(asked).outcome.reason).toBe("lookup");
  });

  test("a parcel in INIT, or another VM's, is not found -> 0xE", () => {
    board.must(board.hlos.lend({ ...request, append: true }));
    expect(board.hlos.lookup(request).name).toBe("LOOKUP_FAILED");
    board.must(board.hlos.append(0, [region(6)]));
    const whole = { ...request, regions: [...request.regions, region(6)] };
    expect(board.hlos.lookup(whole).name).toBe("OK");
    expect(board.b.lookup(whole).name).toBe("LOOKUP_FAILED");
  });
});
