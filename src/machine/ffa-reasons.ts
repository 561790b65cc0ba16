// Refusals of FF-A partition managers in words (codes: assembly/abi/ffa.ts).

import * as ffa from "../../assembly/abi/ffa.js";
import { endpointName, modeWords, stateName } from "./ffa-effects.js";
import { count, hex } from "./names.js";
import type { Reason } from "./reasons.js";

const plain = (value: number) => String(value);
const mask = (value: number) => hex(value);
const bytes = (value: number) => count(value, "byte");
const pages = (value: number) => count(value, "page");
const receivers = (value: number) => count(value, "receiver");
const fragments = (value: number) => count(value, "fragment");
const constituents = (value: number) => count(value, "constituent");
const endpoint = endpointName;
const holder = (value: number) => (value === 0 ? "nobody" : endpointName(value));
const mode = modeWords;
const state = stateName;

const access = (bits: number) => `${(bits & 1) === 0 ? "-" : "R"}${(bits & 2) === 0 ? "-" : "W"}`;

const TYPES = ["none", "share", "lend", "donate"] as const;
const type = (value: number) => TYPES[value] ?? plain(value);

const DATA = ["unspecified", "read-only", "read-write", "reserved"] as const;
const INSTRUCTION = ["unspecified", "not executable", "executable", "reserved"] as const;
const permissions = (value: number) =>
  `data ${DATA[value & 3] ?? ""}, instruction ${INSTRUCTION[(value >> 2) & 3] ?? ""}`;

// prettier-ignore
export const FFA_REASONS: readonly (readonly [code: number, reason: Reason])[] = [
  [ffa.REASON_FFA_ENDPOINT,           ["caller", "endpoint", null, "there is no SUBJECT"]],
  [ffa.REASON_FFA_MBZ_REGISTER,       ["registers", "none", null, "w3 and w4 must be 0"]],
  [ffa.REASON_FFA_LENGTHS,            ["registers", "none", bytes, "a fragment of FOUND, EXPECTED in all: not fitting each other or the descriptor, or no multiple of 16"]],
  [ffa.REASON_FFA_NO_TX,              ["buffers", "endpoint", null, "SUBJECT has registered no buffers"]],
  [ffa.REASON_FFA_TX_LENGTH,          ["buffers", "none", bytes, "a message of FOUND, at most EXPECTED are taken"]],
  [ffa.REASON_FFA_TX_FAULT,           ["buffers", "endpoint", null, "reading the TX buffer of SUBJECT faults"]],
  [ffa.REASON_FFA_RX_BUSY,            ["buffers", "endpoint", null, "RX of SUBJECT is missing, or still holds a message"]],
  [ffa.REASON_FFA_RX_LENGTH,          ["buffers", "handle", bytes, "a fragment of SUBJECT takes FOUND, RX has EXPECTED"]],
  [ffa.REASON_FFA_RESERVED,           ["descriptor", "byte", null, "SUBJECT of the descriptor, or what follows it, must be 0"]],
  [ffa.REASON_FFA_ACCESS_SIZE,        ["descriptor", "none", bytes, "access descriptors of FOUND, the caller's version has 16 bytes or EXPECTED"]],
  [ffa.REASON_FFA_RECEIVERS_OFFSET,   ["descriptor", "none", plain, "the access descriptors begin at byte FOUND, must be EXPECTED or behind it"]],
  [ffa.REASON_FFA_RECEIVER_COUNT,     ["receivers", "none", receivers, "FOUND named where EXPECTED can be"]],
  [ffa.REASON_FFA_TRUNCATED,          ["descriptor", "none", plain, "the access descriptors end at byte EXPECTED, the fragment at byte FOUND"]],
  [ffa.REASON_FFA_COMPOSITE_OFFSET,   ["descriptor", "none", plain, "the composite descriptor cannot be at byte FOUND (EXPECTED would do)"]],
  [ffa.REASON_FFA_REWRITE,            ["descriptor", "none", bytes, "in the 1.1 layout the message takes FOUND, a page has EXPECTED"]],
  [ffa.REASON_FFA_FLAGS,              ["descriptor", "none", mask, "flags FOUND where at most EXPECTED can be"]],
  [ffa.REASON_FFA_RECEIVER_UNKNOWN,   ["receivers", "endpoint", null, "there is no SUBJECT in this world"]],
  [ffa.REASON_FFA_RECEIVER_IS_SENDER, ["receivers", "endpoint", null, "SUBJECT is named as receiver of its own memory"]],
  [ffa.REASON_FFA_PAIR,               ["receivers", "none", endpoint, "EXPECTED may not send to FOUND so"]],
  [ffa.REASON_FFA_SENDER,             ["descriptor", "none", endpoint, "the descriptor names FOUND as sender, must be EXPECTED"]],
  [ffa.REASON_FFA_DUPLICATE_RECEIVER, ["receivers", "endpoint", null, "SUBJECT is named twice"]],
  [ffa.REASON_FFA_CONSTITUENT_COUNT,  ["descriptor", "none", constituents, "the composite descriptor says FOUND, the message has room for EXPECTED"]],
  [ffa.REASON_FFA_PERMISSIONS,        ["receivers", "endpoint", permissions, "FOUND for SUBJECT: stated where it may not be, missing, or reserved (EXPECTED would do)"]],
  [ffa.REASON_FFA_ATTRIBUTES,         ["descriptor", "none", mask, "attributes FOUND: security or a type that may not be stated, or not write-back or nGnRnE, inner shareable (EXPECTED would do)"]],
  [ffa.REASON_FFA_TABLE_FULL,         ["transaction", "none", plain, "all EXPECTED transactions are taken"]],
  [ffa.REASON_FFA_OVERLAP,            ["constituents", "pa", null, "the range at SUBJECT overlaps a later one"]],
  [ffa.REASON_FFA_PAGE_COUNT,         ["constituents", "none", pages, "the constituents have FOUND, the composite descriptor says EXPECTED"]],
  [ffa.REASON_FFA_EMPTY_FRAGMENT,     ["constituents", "none", null, "the first fragment has no constituent"]],
  [ffa.REASON_FFA_ALIGNMENT,          ["constituents", "pa", null, "SUBJECT is not page aligned"]],
  [ffa.REASON_FFA_RANGE,              ["constituents", "pa", null, "the range at SUBJECT has no pages, leaves the address space, or is not mapped"]],
  [ffa.REASON_FFA_MIXED_MODES,        ["page table", "pa", mode, "the page at SUBJECT is FOUND, the first one is EXPECTED"]],
  [ffa.REASON_FFA_DEVICE,             ["page table", "none", null, "device memory can be lent to one borrower, not as normal memory: it is not shared, donated or made executable"]],
  [ffa.REASON_FFA_STATE,              ["page table", "pa", state, "the pages from SUBJECT on are FOUND in the caller's table, must be EXPECTED"]],
  [ffa.REASON_FFA_NOT_WRITABLE,       ["page table", "none", null, "what cannot be written cannot be cleared"]],
  [ffa.REASON_FFA_ACCESS,             ["page table", "endpoint", access, "SUBJECT would get FOUND, EXPECTED is all that can be given"]],
  [ffa.REASON_FFA_PROTECTION,         ["firmware", "pa", null, "firmware does not protect the page at SUBJECT: it is secure already"]],
  [ffa.REASON_FFA_WIPE,               ["manager", "none", null, "the manager cannot map the pages to clear them"]],
  [ffa.REASON_FFA_SENDER_REGISTER,    ["registers", "none", mask, "w4 names sender FOUND, must be EXPECTED"]],
  [ffa.REASON_FFA_FRAGMENT_LENGTH,    ["registers", "none", bytes, "a fragment of FOUND, must be a multiple of EXPECTED and not empty"]],
  [ffa.REASON_FFA_HANDLE,             ["transaction", "handle", null, "there is no transaction with SUBJECT here"]],
  [ffa.REASON_FFA_NOT_COMPLETE,       ["transaction", "handle", null, "the transaction with SUBJECT is not fully sent"]],
  [ffa.REASON_FFA_COMPLETE,           ["transaction", "handle", null, "the transaction with SUBJECT is fully sent"]],
  [ffa.REASON_FFA_FRAGMENT_LIMIT,     ["transaction", "none", fragments, "a transaction has at most EXPECTED"]],
  [ffa.REASON_FFA_OTHER_WORLD,        ["transaction", "handle", null, "a receiver of SUBJECT is in the other world"]],
  [ffa.REASON_FFA_IN_PROGRESS,        ["transaction", "handle", fragments, "the hypervisor is retrieving SUBJECT (FOUND so far)"]],
  [ffa.REASON_FFA_PENDING,            ["transaction", "handle", null, "the owner behind SUBJECT is gone: the pages wait to be reclaimed"]],
  [ffa.REASON_FFA_NOT_RECEIVER,       ["transaction", "endpoint", null, "SUBJECT is no receiver of the transaction, or not named in the request"]],
  [ffa.REASON_FFA_TYPE,               ["transaction", "none", type, "the request says FOUND, the transaction is of type EXPECTED"]],
  [ffa.REASON_FFA_TAG,                ["transaction", "none", mask, "tag FOUND, the sender's is EXPECTED"]],
  [ffa.REASON_FFA_IMPDEF,             ["transaction", "endpoint", null, "the implementation-defined words for SUBJECT are not the sender's"]],
  [ffa.REASON_FFA_NORMAL_WORLD_RECEIVERS, ["receivers", "none", null, "more than one receiver of the normal world is named"]],
  [ffa.REASON_FFA_NOT_RETRIEVED,      ["transaction", "handle", fragments, "the caller has retrieved FOUND of SUBJECT: too few, or nothing is left"]],
  [ffa.REASON_FFA_STILL_RETRIEVED,    ["transaction", "handle", holder, "FOUND still holds the pages of SUBJECT"]],
  [ffa.REASON_FFA_ENDPOINT_LIST,      ["descriptor", "none", mask, "FOUND where EXPECTED belongs: one endpoint is named, the caller"]],
  [ffa.REASON_FFA_OFFSET,             ["registers", "handle", plain, "offset FOUND, the next fragment of SUBJECT begins at EXPECTED"]],
  [ffa.REASON_FFA_PERM_CALLER,        ["caller", "endpoint", null, "SUBJECT is no S-EL0 partition in its initialisation phase"]],
  [ffa.REASON_FFA_PERM_VALUE,         ["arguments", "none", plain, "permission FOUND, must be 7, 5 or 3"]],
  [ffa.REASON_FFA_EXECUTE,            ["receivers", "endpoint", null, "non-secure memory cannot be executable for SUBJECT: the platform protects none"]],
  [ffa.REASON_FFA_OWNER,              ["transaction", "handle", endpoint, "SUBJECT is a transaction of EXPECTED"]],
  [ffa.REASON_FFA_BUFFER_OWNER,       ["buffers", "endpoint", null, "the caller has no say over the buffers of SUBJECT"]],
  [ffa.REASON_FFA_OUTPUT,             ["page table", "ipa", null, "SUBJECT leads elsewhere already: that takes an unmap"]],
  [ffa.REASON_FFA_TABLE_MEMORY,       ["page table", "pa", null, "a table is needed at SUBJECT and there is no page for it"]],
];
