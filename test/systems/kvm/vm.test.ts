// VMs and memory slots of a plain KVM host: reference host-and-vmm sections 2.1, 2.3 and 8.5, OBSERVED.md section 4.

import { beforeEach, expect, test } from "vitest";
import type { Machine } from "../../../src/machine/machine.js";
import {
  aHost,
  CONFIG,
  createFile,
  createVm,
  fault,
  GPA,
  guestAccess,
  MMAP,
  must,
  PAGE,
  READ,
  region,
  result,
} from "./kvm-host.js";

let machine: Machine;
beforeEach(async () => {
  machine = await aHost();
});

// prettier-ignore
test.each<[row: string, type: bigint, answer: string, reason: string | null]>([
  ["type 0: 40 bits",                               0n,           "1",      null],
  ["IPA bits 7:0",                                  32n,          "1",      null],
  ["more than the limit",                           48n,          "EINVAL", "kvm_ipa_bits"],
  ["less than 32",                                  31n,          "EINVAL", "kvm_ipa_bits"],
  ["OBSERVED 4: an unknown type bit (30)",          1n << 30n,    "EINVAL", "kvm_vm_type"],
  ["a bit above 31",                                1n << 32n,    "EINVAL", "kvm_vm_type"],
  ["the protected bit outside pKVM",                0x80000000n,  "EINVAL", "kvm_not_protected_mode"],
])("KVM_CREATE_VM, %s", (_row, type, answer, reason) => {
  const outcome = machine.apply({ op: "kvm_create_vm", type });

  expect([result(outcome), outcome.reason]).toEqual([answer, reason]);
});

test("handles are used again, lowest first; more than there are: -ENOMEM", async () => {
  machine = await aHost({ ...CONFIG, max_vms: 2 });
  expect([createVm(machine), createVm(machine)]).toEqual([1, 2]);
  expect(machine.apply({ op: "kvm_create_vm", type: 0n })).toMatchObject({ errno: "ENOMEM", reason: "kvm_vm_limit" });
  must(machine, { op: "kvm_destroy_vm", vm: 1 });
  expect(createVm(machine)).toBe(1);
});

test("no table page for a root: -ENOMEM; a VM that ends gives its tables back", async () => {
  machine = await aHost({ ...CONFIG, table_pages: 4 });
  const vm = createVm(machine);
  must(machine, region({ vm }));
  expect(guestAccess(machine, vm, GPA, "read")).toBe(0n);
  expect(machine.apply({ op: "kvm_create_vm", type: 0n })).toMatchObject({ errno: "ENOMEM", reason: "table_pages" });
  must(machine, { op: "kvm_destroy_vm", vm });
  const next = createVm(machine);
  expect(machine.leaves(next)).toEqual([]);
  must(machine, region({ vm: next }));
  expect(guestAccess(machine, next, GPA, "read")).toBe(0n);
});

// prettier-ignore
test.each<[row: string, change: Partial<Parameters<typeof region>[0]>, answer: string, reason: string | null]>([
  ["2.3 slot beyond the IPA space: -EFAULT",  { slot: 1, gpa: 1n << 40n },            "EFAULT", "kvm_beyond_ipa"],
  ["the last page of the IPA space",          { slot: 1, gpa: (1n << 40n) - PAGE, pages: 1n }, "0", null],
  ["overlap: -EEXIST",                        { slot: 1, gpa: GPA + 15n * PAGE },     "EEXIST", "kvm_slot_overlap"],
  ["behind another one",                      { slot: 1, gpa: GPA + 16n * PAGE },     "0",      null],
  ["an unaligned address",                    { slot: 1, gpa: GPA + 1n },             "EINVAL", "kvm_unaligned"],
  ["a slot number out of range",              { slot: 32767 },                        "EINVAL", "kvm_slot_id"],
  ["a region that wraps",                     { slot: 1, gpa: (1n << 64n) - PAGE },   "EINVAL", "kvm_region_size"],
  ["deletion of nothing",                     { slot: 1, pages: 0n },                 "EINVAL", "kvm_no_such_slot"],
  ["the same slot again",                     {},                                     "0",      null],
  ["the same slot, other size",               { pages: 8n },                          "EINVAL", "kvm_slot_change"],
  ["the same slot, read-only now",            { readonly: true },                     "EINVAL", "kvm_slot_change"],
  ["MOVE",                                    { gpa: 2n * GPA },                      "0",      null],
  ["DELETE",                                  { pages: 0n },                          "0",      null],
  ["a file that is not open",                 { slot: 1, gpa: 2n * GPA, fd: 7 },      "EBADF",  "gmem_no_such_file"],
  ["no such VM",                              { vm: 9 },                              "EBADF",  "kvm_no_such_vm"],
])("memory slots, %s", (_row, change, answer, reason) => {
  const vm = createVm(machine);
  must(machine, region({ vm }));

  const outcome = machine.apply(region({ vm, ...change }));
  expect([result(outcome), outcome.reason]).toEqual([answer, reason]);
});

// prettier-ignore
test.each<[row: string, change: Partial<Parameters<typeof region>[0]>, answer: string, reason: string | null]>([
  ["MOVE of a slot on a file",                { gpa: 2n * GPA },                           "EINVAL", "kvm_slot_change"],
  ["a range beyond the file",                 { slot: 1, gpa: 2n * GPA, offset: PAGE },    "EINVAL", "gmem_beyond_size"],
  ["an unaligned offset",                     { slot: 1, gpa: 2n * GPA, offset: 8n },      "EINVAL", "kvm_unaligned"],
  ["a read-only slot on a file",              { slot: 1, gpa: 2n * GPA, readonly: true },  "EINVAL", "kvm_gmem_readonly"],
])("memory slots on a guest_memfd, %s", (_row, change, answer, reason) => {
  const vm = createVm(machine);
  const fd = createFile(machine, vm, MMAP);
  must(machine, region({ vm, fd }));

  const outcome = machine.apply(region({ vm, fd, ...change }));
  expect([result(outcome), outcome.reason]).toEqual([answer, reason]);
});

test("a slot that moves takes its mappings away; the pages behind it are found at the new place", () => {
  const vm = createVm(machine);
  must(machine, region({ vm }));
  expect(guestAccess(machine, vm, GPA, "write", 7n)).toBe(0n);
  must(machine, region({ vm, gpa: 2n * GPA }));
  expect(machine.access(vm, GPA, "read").status).toBe("fault");
  expect(guestAccess(machine, vm, 2n * GPA, "read")).toBe(7n);
});

test("the host has no stage 2: its accesses go straight to memory, tables and guests or not", () => {
  expect(machine.access("host", 0x4010_0000n, "write", { value: 5n })).toMatchObject({ status: "done", value: 0n });
  expect(machine.access("host", 0x4010_0000n, "read")).toMatchObject({ status: "done", pa: 0x4010_0000n, value: 5n });
  expect(machine.access("host", 0x9000n, "read").status).toBe("no_memory");
  expect(machine.leaves("host")).toEqual([]);
  expect(machine.walkRegisters("host")?.hcr).toBe(0n);
});

test("pages of a VM that ended are untouched, and its operations end with it", () => {
  const vm = createVm(machine);
  must(machine, region({ vm }));
  expect(guestAccess(machine, vm, GPA, "write", 7n)).toBe(0n);
  const { effects } = must(machine, { op: "kvm_destroy_vm", vm });
  expect(effects.map(({ kind }) => kind)).toContain("tlbi_vmid");
  expect(machine.access("host", 0x4010_0000n, "read").value).toBe(7n);
  expect(machine.apply(fault({ vm, esr: READ, ipa: GPA })).errno).toBe("EBADF");
  expect(machine.access(vm, GPA, "read").status).toBe("no_stage2");
});

test("operations of other systems are none of this one, and the other way round", async () => {
  expect(machine.apply({ op: "host_share_hyp", pfn: 0x40100n }).status).toBe("invalid");
  const { Machine } = await import("../../../src/machine/machine.js");
  const pkvm = await Machine.create({ regions: CONFIG.regions });
  expect(pkvm.apply({ op: "kvm_create_vm", type: 0n }).status).toBe("invalid");
});

test("a snapshot holds files, slots and tables", () => {
  const vm = createVm(machine);
  const fd = createFile(machine, vm, MMAP);
  const empty = machine.snapshot();
  must(machine, region({ vm, fd }));
  expect(guestAccess(machine, vm, GPA, "write", 7n)).toBe(0n);
  const full = machine.snapshot();
  machine.restore(empty);
  expect(machine.access(vm, GPA, "read").status).toBe("fault");
  expect(guestAccess(machine, vm, GPA, "read")).toBe("ENOSYS");
  machine.restore(full);
  expect(machine.access(vm, GPA, "read").value).toBe(7n);
});
