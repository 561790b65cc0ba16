// No record whatsoever traps the core: random bytes, and opcodes with values that are often boundaries.

import fc from "fast-check";
import { expect, test } from "vitest";
import * as abi from "../../../assembly/abi/operations.js";
import { RESULT_SIZE, RESULT_STATUS, STATUS_LIMIT } from "../../../assembly/abi/records.js";
import { resolveConfig } from "../../../src/machine/config.js";
import { Machine } from "../../../src/machine/machine.js";
import { instantiateCore } from "../../../src/machine/module.js";
import { stateOf } from "./machine-state.js";
import { SmallHost } from "./random-operations.js";

const SEED = Number(process.env["FREEHOLD_SEED"] ?? 1);
const U64_MAX = (1n << 64n) - 1n;

// prettier-ignore
const value = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 3n, 512n, 0x1000n, 0x40000n, 0x40200n, 0x40ffen, 0x4000_0000n, 0x4080_0000n, 0x40ff_f000n, 0x8_0000_0000n,
    1n << 24n, 1n << 28n, 1n << 36n, 1n << 40n, 1n << 52n, U64_MAX - 0xfffn, U64_MAX),
  fc.bigInt({ min: 0n, max: U64_MAX }),
);

const plausible = fc
  .record({
    op: fc.nat(abi.PT_GET_LEAF + 2),
    vm: fc.oneof(fc.constantFrom(0, 0x1000, 0x1001, 0x1002, 0x10fe, 0xffff), fc.nat(0xffff)),
    vcpu: fc.oneof(fc.constantFrom(0, 1, 0x8000_0000, 0xffff_ffff), fc.nat(0xffff_ffff)),
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

const anyBytes = fc.uint8Array({ minLength: abi.OPERATION_SIZE, maxLength: abi.OPERATION_SIZE });
const record = fc.oneof({ weight: 5, arbitrary: plausible }, { weight: 1, arbitrary: anyBytes });
const records = fc.array(record, { minLength: 1, maxLength: 30 });

async function aReplayedHost(): Promise<Machine> {
  const config = resolveConfig({ ia_bits: 40, regions: [{ base: 0x4000_0000n, size: 0x400_0000n }], max_vms: 8 });
  return Machine.createOn(await instantiateCore(), { ...config, kind: "replayed", frames: 4096 });
}

test.each<[kind: string, make: () => Promise<Machine>]>([
  ["a host with VMs", async () => (await SmallHost.create()).machine],
  ["a host rebuilt from a trace", aReplayedHost],
  ["a lone table", () => Machine.createPageTable({ pool_pages: 64 })],
])("%s", async (_kind, make) => {
  const machine = await make();
  const initial = machine.snapshot();
  const state = stateOf(machine);
  const property = fc.property(records, fc.boolean(), (list, effects) => {
    const results = new Uint8Array(list.length * RESULT_SIZE);

    machine.runPacked(Buffer.concat(list), list.length, { results, effects });

    const view = new DataView(results.buffer);
    const statuses = list.map((_, index) => view.getUint16(index * RESULT_SIZE + RESULT_STATUS, true));
    expect(Math.max(...statuses)).toBeLessThanOrEqual(STATUS_LIMIT);
    // The machine is whole: it can be looked at and put back.
    stateOf(machine);
    machine.restore(initial);
    expect(stateOf(machine) === state).toBe(true);
  });
  fc.assert(property, { numRuns: 300, seed: SEED });
});
