// The table of operations and the 40-byte record (layout: assembly/abi/operations.ts).

import fc from "fast-check";
import { expect, test } from "vitest";
import * as android from "../../assembly/abi/android.js";
import * as cca from "../../assembly/abi/cca.js";
import * as el2Calls from "../../assembly/abi/el2-calls.js";
import * as ffa from "../../assembly/abi/ffa.js";
import * as ffaMm from "../../assembly/abi/ffa-mm.js";
import * as proxy from "../../assembly/abi/ffa-proxy.js";
import * as gunyah from "../../assembly/abi/gunyah.js";
import * as resourceManager from "../../assembly/abi/gunyah-rm.js";
import * as kvm from "../../assembly/abi/kvm.js";
import * as abi from "../../assembly/abi/operations.js";
import {
  decodeOperation,
  encodeOperation,
  fitsArgument,
  OPERATIONS,
  type Argument,
  type Operation,
  type OperationName,
} from "../../src/machine/operations.js";

const view = () => new DataView(new ArrayBuffer(abi.OPERATION_SIZE));
const names = Object.keys(OPERATIONS) as OperationName[];

test("every opcode of the ABI has one name, spelled like its constant", () => {
  const opcodes = Object.entries({
    ...abi,
    ...android,
    ...kvm,
    ...gunyah,
    ...resourceManager,
    ...ffa,
    ...ffaMm,
    ...proxy,
    ...cca,
    ...el2Calls,
  }).filter(([name]) => name.toUpperCase() in OPERATIONS || name.toLowerCase() in OPERATIONS);

  expect(opcodes.map(([name]) => name.toLowerCase()).sort()).toEqual([...names].sort());
  for (const [name, code] of opcodes) expect(OPERATIONS[name.toLowerCase() as OperationName].code).toBe(code);
});

test("fields lie where the record's layout says", () => {
  const record = view();
  encodeOperation({ op: "host_donate_guest", vm: 0x1000, vcpu: 3, pfn: 0x41000n, gfn: 0x40000n }, record);

  expect(record.getUint16(abi.OPERATION_CODE, true)).toBe(abi.HOST_DONATE_GUEST);
  expect(record.getUint16(abi.OPERATION_VM, true)).toBe(0x1000);
  expect(record.getUint32(abi.OPERATION_VCPU, true)).toBe(3);
  expect(record.getBigUint64(abi.OPERATION_A, true)).toBe(0x41000n);
  expect(record.getBigUint64(abi.OPERATION_B, true)).toBe(0x40000n);
});

// prettier-ignore
test.each<[Operation, vcpuField: number]>([
  [{ op: "pt_map", addr: 0n, size: 4096n, phys: 0n, prot: 15n, mc: 1, flags: 0x60 },                   0x60],
  [{ op: "pt_map", addr: 0n, size: 4096n, phys: 0n, prot: 15n, mc: 0, flags: 0x60 },             0x8000_0060],
  [{ op: "pt_annotate", addr: 0n, size: 4096n, type: 2, annot: 2n, mc: 0 },                      0x8000_0000],
  [{ op: "host_abort", esr: 0n, spsr: 0n, far: 0n, hpfar: 0n, at_fail: true },                              1],
])("flags share the vCPU field (%#)", (operation, field) => {
  const record = view();
  encodeOperation(operation, record);

  expect(record.getUint32(abi.OPERATION_VCPU, true)).toBe(field);
});

test("a negative count is modulo 2^64", () => {
  const record = view();
  encodeOperation({ op: "host_donate_hyp", pfn: 1n, nr: -1 }, record);

  expect(record.getBigUint64(abi.OPERATION_B, true)).toBe(2n ** 64n - 1n);
});

const values: Record<Argument["kind"], fc.Arbitrary<number | bigint>> = {
  u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  handle: fc.integer({ min: 0, max: 0xffff }),
  mask: fc.integer({ min: 0, max: 0x7fff_ffff }),
  index: fc.integer({ min: 0, max: 0xffff_ffff }),
  capability: fc.integer({ min: 0, max: 0xffff }),
  bits: fc.integer({ min: 0, max: 0xffff_ffff }),
  count: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  flag: fc.integer({ min: 0, max: 1 }),
};

const anyOperation = fc.constantFrom(...names).chain((op) => {
  const args: Readonly<Record<string, Argument>> = OPERATIONS[op].args;
  const fields = Object.entries(args).map(([name, { kind }]) => [name, values[kind]]);
  return fc.record(Object.fromEntries([["op", fc.constant(op)], ...fields]) as Record<string, fc.Arbitrary<unknown>>);
});

test("what is encoded is decoded", () => {
  fc.assert(
    fc.property(anyOperation, (operation) => {
      const record = view();
      encodeOperation(operation as unknown as Operation, record);
      expect(decodeOperation(record)).toEqual(operation);
    }),
  );
});

// prettier-ignore
test.each<[string, unknown, RegExp]>([
  ["an unknown verb",     { op: "host_donte_guest" },                           /unknown operation "host_donte_guest"/],
  ["a missing argument",  { op: "host_donate_hyp", pfn: 1n },                   /host_donate_hyp: nr is missing/],
  ["a number for u64",    { op: "host_share_hyp", pfn: 1 },                     /host_share_hyp: pfn cannot be 1/],
  ["65 bits",             { op: "host_share_hyp", pfn: 2n ** 64n },             /pfn cannot be/],
  ["a large handle",      { op: "start_teardown_vm", vm: 0x10000 },             /vm cannot be 65536/],
  ["half a vCPU",         { op: "vcpu_load", vm: 0x1000, vcpu: 0.5 },           /vcpu cannot be 0.5/],
  ["text",                { op: "vcpu_load", vm: 0x1000, vcpu: "0" },           /vcpu cannot be a string/],
])("refused: %s", (_what, operation, message) => {
  expect(() => encodeOperation(operation as Operation, view())).toThrow(message);
});

test("an unknown opcode decodes to nothing", () => {
  expect(decodeOperation(view())).toBeUndefined();
  expect(fitsArgument("flag", 2)).toBe(false);
});
