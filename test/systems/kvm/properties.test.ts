// What holds under any sequence of operations of a plain KVM host: no record traps the core; a guest's leaf on a file maps
// that file's page and nothing else; with everything cached, nothing stale is left behind.

import fc from "fast-check";
import { expect, test } from "vitest";
import * as kvm from "../../../assembly/abi/kvm.js";
import * as abi from "../../../assembly/abi/operations.js";
import { RESULT_SIZE, RESULT_STATUS, STATUS_LIMIT } from "../../../assembly/abi/records.js";
import type { Machine } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import {
  aHost,
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
  WRITE,
} from "./kvm-host.js";

const U64_MAX = (1n << 64n) - 1n;

// prettier-ignore
const value = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 3n, 15n, 16n, 512n, PAGE, 0x40100n, 0x80000n, GPA, 0x10000n, 1n << 28n, 1n << 32n, 1n << 40n, 1n << 52n, U64_MAX - 0xfffn, U64_MAX, READ, WRITE),
  fc.bigInt({ min: 0n, max: U64_MAX }),
);
const record = fc
  .record({
    op: fc.integer({ min: kvm.KVM_CREATE_VM - 1, max: kvm.GMEM_CLOSE + 1 }),
    vm: fc.oneof(fc.constantFrom(0, 1, 2, 255, 256, 0xffff), fc.nat(0xffff)),
    vcpu: fc.oneof(fc.constantFrom(0, 1, 2, 0x8000_0000, 0xffff_ffff), fc.nat(0xffff_ffff)),
    values: fc.tuple(value, value, value, value),
  })
  .map(({ op, vm, vcpu, values }) => {
    const view = new DataView(new ArrayBuffer(abi.OPERATION_SIZE));
    view.setUint16(abi.OPERATION_CODE, op, true);
    view.setUint16(abi.OPERATION_VM, vm, true);
    view.setUint32(abi.OPERATION_VCPU, vcpu, true);
    values.forEach((field, index) => view.setBigUint64(abi.OPERATION_A + 8 * index, field, true));
    return new Uint8Array(view.buffer);
  });

test("no record traps the core, and the machine can be put back", async () => {
  const machine = await aHost();
  const vm = createVm(machine);
  must(machine, region({ vm, fd: createFile(machine, vm, MMAP) }));
  const initial = machine.snapshot();
  const property = fc.property(fc.array(record, { minLength: 1, maxLength: 40 }), fc.boolean(), (list, effects) => {
    const results = new Uint8Array(list.length * RESULT_SIZE);
    machine.runPacked(Buffer.concat(list), list.length, { results, effects });
    const view = new DataView(results.buffer);
    const statuses = list.map((_, index) => view.getUint16(index * RESULT_SIZE + RESULT_STATUS, true));
    expect(Math.max(...statuses)).toBeLessThan(STATUS_LIMIT);
    for (const { vm } of machine.vms()) machine.leaves(vm);
    machine.restore(initial);
    expect(Buffer.compare(machine.snapshot().bytes, initial.bytes)).toBe(0);
  });
  fc.assert(property, { numRuns: 300 });
});

const page = fc.integer({ min: 0, max: 15 }).map(BigInt);
const pages = fc.integer({ min: 1, max: 6 }).map(BigInt);
const someOperation: fc.Arbitrary<Operation> = fc.oneof(
  fc.tuple(page, fc.constantFrom(READ, WRITE)).map(([at, esr]) => fault({ vm: 1, esr, ipa: GPA + at * PAGE })),
  fc.tuple(page, page).map(([at, pfn]) => fault({ vm: 2, esr: WRITE, ipa: GPA + at * PAGE, pfn: 0x40100n + pfn })),
  fc.tuple(page, pages).map(([offset, size]): Operation => {
    return { op: "gmem_fallocate", fd: 1, mode: 3n, offset: offset * PAGE, size: size * PAGE };
  }),
  fc.tuple(page, pages).map(([at, nr]): Operation => {
    return { op: "kvm_unmap_gfn_range", vm: 2, gfn: GPA / PAGE + at, nr };
  }),
  page.map((at): Operation => ({ op: "kvm_age_gfn", vm: 2, gfn: GPA / PAGE + at, nr: 2, mkold: 1 })),
  page.map((at): Operation => ({ op: "gmem_memory_failure", fd: 1, offset: at * PAGE })),
  fc.constantFrom(
    region({ vm: 1, pages: 0n }),
    region({ vm: 1, fd: 1 }),
    region({ vm: 2 }),
    region({ vm: 2, pages: 0n }),
  ),
  fc.constant<Operation>({ op: "kvm_destroy_vm", vm: 2 }),
  fc.constant<Operation>({ op: "kvm_create_vm", type: 0n }),
);

/** A VM on a file, and one on memory of its VMM. */
async function twoVms(): Promise<Machine> {
  const machine = await aHost();
  const vm = createVm(machine);
  must(machine, region({ vm, fd: createFile(machine, vm, MMAP) }));
  must(machine, region({ vm: createVm(machine) }));
  return machine;
}

test.each(["on_access", "worst_case"] as const)("with the TLB %s nothing stale is left", async (mode) => {
  const machine = await twoVms();
  const initial = machine.snapshot();
  const property = fc.property(fc.array(someOperation, { minLength: 1, maxLength: 40 }), (operations) => {
    machine.restore(initial);
    machine.tlb.enable(mode);
    for (const operation of operations) {
      machine.apply(operation);
      for (const { vm } of machine.vms()) machine.access(vm, GPA + 3n * PAGE, "read");
    }
    expect(machine.tlb.takeReports().filter(({ allowed }) => !allowed)).toEqual([]);
  });
  fc.assert(property, { numRuns: 60 });
});

test("a guest finds in its file what it wrote, until a hole is punched there", async () => {
  const machine = await twoVms();
  const initial = machine.snapshot();
  const step = fc.record({ at: page, kind: fc.constantFrom("write", "read", "punch", "rebind"), number: fc.nat(1000) });
  const property = fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
    machine.restore(initial);
    const expected = new Map<bigint, bigint>();
    steps.forEach(({ at, kind, number }) => {
      const value = BigInt(number);
      if (kind === "write")
        expect(guestAccess(machine, 1, GPA + at * PAGE, "write", value)).toBe(expected.get(at) ?? 0n);
      if (kind === "write") expected.set(at, value);
      if (kind === "read") expect(guestAccess(machine, 1, GPA + at * PAGE, "read")).toBe(expected.get(at) ?? 0n);
      if (kind === "punch") must(machine, { op: "gmem_fallocate", fd: 1, mode: 3n, offset: at * PAGE, size: PAGE });
      if (kind === "punch") expected.delete(at);
      if (kind === "rebind") must(machine, region({ vm: 1, pages: 0n }));
      if (kind === "rebind") must(machine, region({ vm: 1, fd: 1 }));
    });
  });
  fc.assert(property, { numRuns: 100 });
});
