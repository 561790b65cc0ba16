// Memory slots of a protected VM: the rows of host-and-vmm 2.3 and of action 17 (observed 2).

import { expect, test } from "vitest";
import { EvidenceLog } from "../../../src/consequences/evidence-log.js";
import { MEMSLOT_ROWS, type SlotRequest } from "../../../src/consequences/kvm/memslots.js";
import { decide } from "../../../src/consequences/rule-table.js";

const PROTECTED = { protected: true, created: true };
const FRESH = { protected: true, created: false };
const NORMAL = { protected: false, created: true };

// prettier-ignore
test.each<[string, SlotRequest, string | null, string]>([
  // row                                            request                                                  answer    mark
  ["2.3 delete, not yet created",                   { change: "delete", ...FRESH },                          null,     "M"],
  ["2.3 move, not yet created",                     { change: "move", ...FRESH },                            null,     "M"],
  ["2.3 delete, created; observed 2, 17",           { change: "delete", ...PROTECTED },                      "EPERM",  "M"],
  ["2.3 move, created; observed 2, 17",             { change: "move", ...PROTECTED },                        "EPERM",  "M"],
  ["2.3 dirty logging, at creation",                { change: "add", dirtyLogging: true, ...FRESH },         "EPERM",  "M"],
  ["2.3 dirty logging, later; observed 2, 17",      { change: "flags", dirtyLogging: true, ...PROTECTED },   "EPERM",  "M"],
  ["2.3 read-only, at creation",                    { change: "add", readOnly: true, ...FRESH },             "EPERM",  "M"],
  ["observed 2, 17: read-only, an existing slot",   { change: "flags", readOnly: true, ...PROTECTED },       "EINVAL", "M"],
  ["2.3 a new slot after the VM ran",               { change: "add", ...PROTECTED },                         null,     "M"],
  ["2.3 slot beyond the IPA space",                 { change: "add", beyondIpa: true, ...FRESH },            "EFAULT", "S"],
  ["2.3 guest_memfd without MMAP",                  { change: "add", guestMemfd: "plain", ...FRESH },        "EINVAL", "M"],
  ["observed 4 guest_memfd with MMAP",              { change: "add", guestMemfd: "mmap", ...FRESH },         null,     "M"],
  ["observed 4 guest_memfd without MMAP, normal VM",{ change: "add", guestMemfd: "plain", ...NORMAL },       "EINVAL", "M"],
  ["2.3 (of protected VMs only) delete, normal VM", { change: "delete", ...NORMAL },                         null,     "M"],
  ["observed 6 dirty logging, normal VM",           { change: "flags", dirtyLogging: true, ...NORMAL },      null,     "M"],
])("%s", (_row, request, errno, mark) => {
  const log = new EvidenceLog();
  expect(decide(MEMSLOT_ROWS, request, log)).toBe(errno);
  expect(log.marks()).toEqual([mark]);
});
