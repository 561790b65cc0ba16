// The message itself, before anything it says is looked at (reference gunyah section 6.1, and checks 1 and 2 of 6.4 and 6.6).

import { beforeAll, beforeEach, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah-rm.js";
import {
  encodeAccept,
  encodeAppend,
  encodeCreate,
  encodeNotify,
  encodeReturn,
  messageOperations,
  type CreateMessage,
} from "../../../src/machine/gunyah-messages.js";
import { A, B, Board, HLOS, page, PAGE, told } from "./parcels.js";

let board: Board;
beforeAll(async () => {
  board = await Board.create();
});
beforeEach(() => board.reset());

const lend: CreateMessage = {
  memType: 0,
  flags: 0,
  label: 0,
  acl: [{ vmid: A, rights: 7 }],
  sgl: [{ ipa: page(0), size: PAGE }],
  attributes: [{ attr: 0, vmid: A }],
};
const accept = {
  handle: 0,
  memType: 0,
  transType: 1,
  flags: 128,
  label: 0,
  mapVmid: 0,
  acl: [],
  sgl: [],
  attributes: [],
};
const notify = { handle: 0, flags: abi.NOTIFY_SHARED, tag: 0, vmids: [A] };

// Every message with its length of the fixed part and all counts (6.1).
// prettier-ignore
const messages: [name: string, id: number, bytes: Uint8Array, least: number][] = [
  ["MEM_DONATE",           abi.MEM_DONATE,          encodeCreate(lend),                                20],
  ["MEM_LEND",             abi.MEM_LEND,            encodeCreate(lend),                                20],
  ["MEM_SHARE",            abi.MEM_SHARE,           encodeCreate(lend),                                20],
  ["MEM_APPEND",           abi.MEM_APPEND,          encodeAppend({ handle: 0, flags: 0, sgl: lend.sgl }), 12],
  ["MEM_ACCEPT",           abi.MEM_ACCEPT,          encodeAccept({ ...accept, sgl: lend.sgl }),        24],
  ["MEM_RELEASE",          abi.MEM_RELEASE,         encodeReturn({ handle: 0, flags: 0 }),              8],
  ["MEM_RECLAIM",          abi.MEM_RECLAIM,         encodeReturn({ handle: 0, flags: 0 }),              8],
  ["MEM_NOTIFY",           abi.MEM_NOTIFY,          encodeNotify(notify),                              16],
  ["MEM_QCOM_LOOKUP_SGL",  abi.MEM_QCOM_LOOKUP_SGL, encodeCreate(lend),                                20],
];

test.each(messages)("%s: shorter than its fixed part and counts -> 4", (_, id, bytes, least) => {
  expect(board.send(HLOS, id, bytes.subarray(0, least - 1))).toBe("MSG_INVALID rm_short");
  expect(board.send(HLOS, id, new Uint8Array(0))).toBe("MSG_INVALID rm_short");
});

test.each(messages)("%s: exactly as long as its fixed part is no short message", (_, id, _bytes, least) => {
  expect(board.send(HLOS, id, new Uint8Array(least))).not.toMatch(/^MSG_INVALID/);
});

test.each(messages)("%s: a byte left over -> 4", (_, id, bytes) => {
  expect(board.send(HLOS, id, Uint8Array.from([...bytes, 0]))).toBe("MSG_INVALID rm_left_over");
});

test.each(messages.filter(([, , bytes, least]) => bytes.length > least))(
  "%s: a list cut short -> 4",
  (_, id, bytes) => {
    expect(board.send(HLOS, id, bytes.subarray(0, bytes.length - 1))).toBe("MSG_INVALID rm_list_cut");
  },
);

const many = <T>(entry: T, count = 513): T[] => Array.from({ length: count }, () => entry);

// prettier-ignore
test.each<[name: string, id: number, bytes: () => Uint8Array]>([
  ["ACL of a create",         abi.MEM_LEND,   () => encodeCreate({ ...lend, acl: many(lend.acl[0]!) })],
  ["SGL of a create",         abi.MEM_LEND,   () => encodeCreate({ ...lend, sgl: many(lend.sgl[0]!) })],
  ["attributes of a create",  abi.MEM_LEND,   () => encodeCreate({ ...lend, attributes: many(lend.attributes[0]!) })],
  ["SGL of an append",        abi.MEM_APPEND, () => encodeAppend({ handle: 0, flags: 0, sgl: many(lend.sgl[0]!) })],
  ["ACL of an accept",        abi.MEM_ACCEPT, () => encodeAccept({ ...accept, acl: many(lend.acl[0]!) })],
  ["SGL of an accept",        abi.MEM_ACCEPT, () => encodeAccept({ ...accept, sgl: many(lend.sgl[0]!) })],
  ["attributes of an accept", abi.MEM_ACCEPT, () => encodeAccept({ ...accept, attributes: many(lend.attributes[0]!) })],
  ["VMIDs of a notify",       abi.MEM_NOTIFY, () => encodeNotify({ ...notify, vmids: many(A) })],
])("%s with 513 entries -> 2, before anything is said of cut lists", (_, id, bytes) => {
  expect(board.send(HLOS, id, bytes())).toBe("NORESOURCE rm_list_length");
  expect(board.send(HLOS, id, bytes().subarray(0, 100))).toBe("NORESOURCE rm_list_length");
});

test("512 entries are allowed", () => {
  const sgl = Array.from({ length: 512 }, (_, index) => ({ ipa: page(2 * index), size: PAGE }));
  expect(board.send(HLOS, abi.MEM_LEND, encodeCreate({ ...lend, sgl }))).toBe("OK");
});

test("an unknown message id -> UNIMPLEMENTED", () => {
  expect(board.send(HLOS, 0x5100_0016, encodeCreate(lend))).toBe("UNIMPLEMENTED rm_message");
});

test("what was appended is gone with the sending, whatever comes of it; callers do not see each other's", () => {
  const bytes = encodeCreate(lend);
  const operations = messageOperations(HLOS, abi.MEM_LEND, bytes);
  board.machine.applyBatch(operations.slice(0, 1));
  expect(board.send(B, abi.MEM_RECLAIM, encodeReturn({ handle: 7, flags: 0 }))).toBe("HANDLE_INVALID handle");
  board.machine.applyBatch(operations.slice(1, -1));
  expect(told(board.apply(operations.at(-1)!))).toBe("OK");
  expect(told(board.apply(operations.at(-1)!))).toBe("MSG_INVALID rm_short");
});

test("the transport carries one packet and 62 that continue it: 63 * 232 bytes", () => {
  const piece = { op: "rm_message", vm: HLOS, bytes: 32, word0: 0n, word1: 0n, word2: 0n, word3: 0n } as const;
  for (let at = 0; at + 32 <= 63 * 232; at += 32) expect(board.apply(piece).ret).toBe(0);
  expect(told(board.apply(piece))).toBe("MSG_INVALID rm_too_long");
  expect(board.apply({ ...piece, bytes: (63 * 232) % 32 }).ret).toBe(0);
});

test.each([0, 33, 0xffff_ffff])("a record with %i bytes is no operation", (bytes) => {
  const record = { op: "rm_message", vm: HLOS, bytes, word0: 0n, word1: 0n, word2: 0n, word3: 0n } as const;
  expect(board.apply(record).status).toBe("invalid");
});
