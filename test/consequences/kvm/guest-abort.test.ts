// What KVM makes of a guest's fault before it looks for memory: host-and-vmm 2.5, common part, in its order, and 7.7.

import { expect, test } from "vitest";
import { EvidenceLog } from "../../../src/consequences/evidence-log.js";
import { GUEST_ABORT_ROWS, type AbortVerdict, type GuestAbort } from "../../../src/consequences/kvm/guest-abort.js";
import { decide } from "../../../src/consequences/rule-table.js";

const SEA: AbortVerdict = { kind: "inject", exception: "SEA" };
const MMIO: AbortVerdict = { kind: "exit", reason: "MMIO" };
const BEYOND = 1n << 40n;

/** A protected VM's load, within a slot, of what is not mapped. */
const LOAD: GuestAbort = {
  fault: "translation",
  kind: "load",
  ipa: 0x8000_0000n,
  ipaEnd: BEYOND,
  hasSlot: true,
  isSlotReadOnly: false,
  onStage1Walk: false,
  hasSyndrome: true,
  isCacheMaintenance: false,
  isProtected: true,
};
const NO_SLOT = { hasSlot: false };
const NORMAL = { isProtected: false };

// prettier-ignore
test.each<[string, Partial<GuestAbort>, AbortVerdict, string]>([
  ["1 external abort",                            { fault: "external" },                                   SEA, "S"],
  ["2 IPA beyond the machine's limit",            { ...NO_SLOT, ipa: BEYOND },                             { kind: "inject", exception: "address size fault" }, "U"],
  ["3 another fault status",                      { fault: "other" },                                      { kind: "error", errno: "EFAULT" }, "S"],
  ["4 no slot: instruction abort, no exit",       { ...NO_SLOT, kind: "fetch" },                           SEA, "M"],
  ["4 no slot: on a stage-1 walk",                { ...NO_SLOT, onStage1Walk: true },                      SEA, "S"],
  ["4 no slot: cache maintenance",                { ...NO_SLOT, isCacheMaintenance: true },                { kind: "skip" }, "S"],
  ["4 no slot: a load",                           NO_SLOT,                                                 MMIO, "M"],
  ["4 no slot: a store",                          { ...NO_SLOT, kind: "store" },                           MMIO, "M"],
  ["4 a store to a read-only slot",               { ...NORMAL, isSlotReadOnly: true, kind: "store" },      MMIO, "M"],
  ["4 protected VM, no valid syndrome",           { ...NO_SLOT, hasSyndrome: false },                      SEA, "M"],
  ["4 normal VM, no valid syndrome",              { ...NO_SLOT, ...NORMAL, hasSyndrome: false },           { kind: "error", errno: "ENOSYS" }, "S"],
  ["5 access flag",                               { fault: "access-flag" },                                { kind: "resume" }, "S"],
  ["a slot: memory is looked for",                {},                                                      { kind: "map" }, "M"],
  ["a slot, no valid syndrome: memory as well",   { hasSyndrome: false },                                  { kind: "map" }, "M"],
])("%s", (_row, abort, verdict, mark) => {
  const log = new EvidenceLog();
  expect(decide(GUEST_ABORT_ROWS, { ...LOAD, ...abort }, log)).toEqual(verdict);
  expect(log.marks()).toEqual([mark]);
});
