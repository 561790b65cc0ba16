// Names and values of errors (reference gunyah section 2.1), row by row.

import { expect, test } from "vitest";
import { hypercallErrorName } from "../../../src/machine/gunyah-names.js";
import { Hypervisor } from "./hypervisor.js";

// prettier-ignore
test.each([
  ["UNIMPLEMENTED",         -1], ["DENIED",                     30],
  ["RETRY",                 -2], ["BUSY",                       31],
  ["ARGUMENT_INVALID",       1], ["IDLE",                       32],
  ["ARGUMENT_SIZE",          2], ["OBJECT_STATE",               33],
  ["ARGUMENT_ALIGNMENT",     3], ["OBJECT_CONFIG",              34],
  ["NOMEM",                 10], ["OBJECT_CONFIGURED",          35],
  ["NORESOURCES",           11], ["FAILURE",                    36],
  ["ADDR_OVERFLOW",         20], ["VIRQ_BOUND",                 40],
  ["ADDR_UNDERFLOW",        21], ["VIRQ_NOT_BOUND",             41],
  ["ADDR_INVALID",          22], ["CSPACE_CAP_NULL",            50],
  ["MSGQUEUE_EMPTY",        60], ["CSPACE_CAP_REVOKED",         51],
  ["MSGQUEUE_FULL",         61], ["CSPACE_WRONG_OBJECT_TYPE",   52],
  ["MEMDB_EMPTY",          110], ["CSPACE_INSUFFICIENT_RIGHTS", 53],
  ["MEMDB_NOT_OWNER",      111], ["CSPACE_FULL",                54],
  ["EXISTING_MAPPING",     200], ["MEMEXTENT_MAPPINGS_FULL",   120],
  ["MEMEXTENT_TYPE",       121],
])("2.1 %s is %i", (name, value) => {
  expect(hypercallErrorName(value)).toBe(name);
});

test("a refusal answers the number and names the check", async () => {
  const hyp = await Hypervisor.boot();
  const outcome = hyp.call({ op: "addrspace_configure", as: hyp.create("addrspace"), vmid: 256n });
  expect(outcome).toMatchObject({ ret: 1, errno: "ARGUMENT_INVALID", status: "ok", reason: "vmid_range", found: 256 });
});

test("what is no operation of the machine changes nothing", async () => {
  const hyp = await Hypervisor.boot();
  expect(hyp.machine.apply({ op: "host_share_hyp", pfn: 0x80000n }).status).toBe("invalid");
  expect(hyp.call({ op: "heap_limit", heap: 9n, allocations: 0n }).status).toBe("invalid");
});
