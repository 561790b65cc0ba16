// FFA_MEM_PERM_GET and FFA_MEM_PERM_SET (reference ffa, section 13; section 18 rows 134 to 137).

import { beforeEach, expect, test } from "vitest";
import { FfaEndpoint } from "../../../src/machine/ffa-endpoint.js";
import type { Machine } from "../../../src/machine/machine.js";
import { aMachine, at, DEVICE, EL0, endpoints, pageOf, RO, run, RW, RWX, RX, SPMC } from "./ffa-machines.js";

let machine: Machine;
let partition: FfaEndpoint;
beforeEach(async () => {
  machine = await aMachine(SPMC);
  partition = new FfaEndpoint(machine, 0x8003);
});

const READ_ONLY = 7;
const READ_WRITE = 5;
const READ_EXECUTE = 3;

// The permission of the first page, and how many pages have the same mode.
test.each([
  ["read-only", RO, 1, READ_ONLY, 0],
  ["read-write", RW, 1, READ_WRITE, 0],
  ["read-execute", RX, 1, READ_EXECUTE, 0],
  ["a run that ends at another mode", RWX, 10, READ_EXECUTE, 5],
  ["a count that ends the run", RWX, 3, READ_EXECUTE, 2],
])("get, %s", (_name, page, pages, perm, more) => {
  expect(partition.permGet(at(EL0 + page), pages).reply).toEqual({ fn: "SUCCESS", perm, pages: more });
});

// prettier-ignore
test.each<[string, () => ReturnType<FfaEndpoint["permGet"]>, string, string]>([
  ["get: the count wraps",                  () => partition.permGet(at(EL0), 0x1_0000_0000),        "INVALID_PARAMETERS", "range"],
  ["get: the range wraps",                  () => partition.permGet(0xffff_ffff_ffff_f000n, 2),     "INVALID_PARAMETERS", "range"],
  ["get: no S-EL0 partition",               () => new FfaEndpoint(machine, 0x8001).permGet(at(10)), "DENIED",             "perm_caller"],
  ["get: misaligned",                       () => partition.permGet(at(EL0) + 8n),                  "INVALID_PARAMETERS", "alignment"],
  ["get: unmapped",                         () => partition.permGet(at(0)),                         "INVALID_PARAMETERS", "range"],
  ["get: wraps before the caller",          () => new FfaEndpoint(machine, 0x8001).permGet(0xffff_ffff_ffff_f000n, 2), "INVALID_PARAMETERS", "range"],
  ["get: the caller before alignment",      () => new FfaEndpoint(machine, 0x8001).permGet(8n),     "DENIED",             "perm_caller"],
  ["set: no S-EL0 partition",               () => new FfaEndpoint(machine, 0x8001).permSet(at(10), 1, READ_ONLY), "DENIED", "perm_caller"],
  ["set: misaligned",                       () => partition.permSet(at(EL0) + 8n, 1, READ_ONLY),    "INVALID_PARAMETERS", "alignment"],
  ["set: no pages",                         () => partition.permSet(at(EL0), 0, READ_ONLY),         "INVALID_PARAMETERS", "range"],
  ["set: the range wraps",                  () => partition.permSet(0xffff_ffff_ffff_f000n, 2, READ_ONLY), "INVALID_PARAMETERS", "range"],
  ["set: no such permission",               () => partition.permSet(at(EL0), 1, 1),                 "INVALID_PARAMETERS", "perm_value"],
  ["set: executable device memory",         () => partition.permSet(at(EL0 + DEVICE), 1, READ_EXECUTE), "INVALID_PARAMETERS", "device"],
  ["set: pages of other attributes",        () => partition.permSet(at(EL0 + RX), 2, READ_ONLY),    "INVALID_PARAMETERS", "mixed_modes"],
  ["set: the caller before alignment",      () => new FfaEndpoint(machine, 0x8001).permSet(8n, 0, 1), "DENIED",           "perm_caller"],
  ["set: alignment before the count",       () => partition.permSet(8n, 0, 1),                      "INVALID_PARAMETERS", "alignment"],
  ["set: the count before the permission",  () => partition.permSet(at(EL0), 0, 1),                 "INVALID_PARAMETERS", "range"],
])("%s", (_name, call, error, reason) => {
  const answer = call();

  expect([answer.error, answer.outcome.reason]).toEqual([error, `ffa_${reason}`]);
});

test("set: an unmapped page in the range", () => {
  expect(partition.permSet(at(EL0 + DEVICE), 2, READ_ONLY).outcome.reason).toBe("ffa_range");
});

test("set, and get agrees", () => {
  expect(partition.permSet(at(EL0), 6, READ_ONLY).error).toBeNull();
  expect(partition.permGet(at(EL0), 7).reply).toEqual({ fn: "SUCCESS", perm: READ_ONLY, pages: 6 });
  expect(pageOf(machine, 0x8003, EL0)).toBe("R-- O-EA");
});

test("in its initialisation phase only", async () => {
  const running = await aMachine({
    ...SPMC,
    endpoints: SPMC.endpoints.map((endpoint) => (endpoint.id === 0x8003 ? { ...endpoint, init: false } : endpoint)),
  });
  const [sp] = endpoints(running, 0x8003) as [FfaEndpoint];

  expect(sp.permGet(at(EL0)).error).toBe("DENIED");
  expect(sp.permSet(at(EL0), 1, READ_ONLY).error).toBe("DENIED");
});

test("what was made read-only can be lent read-only alone", () => {
  partition.permSet(at(EL0), 1, READ_ONLY);

  expect(partition.lend({ to: 0x8001, constituents: [run(EL0)] }).outcome.reason).toBe("ffa_access");
  expect(partition.lend({ to: { id: 0x8001, data: "RO" }, constituents: [run(EL0)] }).error).toBeNull();
});
