// What holds under any sequence of calls, on all three flavours: the invariants of reference ffa section 17 after every call,
// an error leaves tables and protection alone (section 16), and no record traps the core.

import fc from "fast-check";
import { expect, test } from "vitest";
import * as ffa from "../../../assembly/abi/ffa.js";
import * as abi from "../../../assembly/abi/operations.js";
import { RESULT_SIZE, RESULT_STATUS, STATUS_LIMIT } from "../../../assembly/abi/records.js";
import type { Effect } from "../../../src/machine/effects.js";
import { FfaWatcher } from "../../../src/machine/ffa-step-invariants.js";
import { Machine, type Outcome } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import { aMachine, BOTH, HYPERVISOR, pageStates, SPMC } from "./ffa-machines.js";
import { RandomCalls, type Choice } from "./random-calls.js";

const FLAVOURS = [
  ["a hypervisor alone", HYPERVISOR],
  ["an SPMC alone", SPMC],
  ["an SPMC without protection", { ...SPMC, protect: false }],
  ["a hypervisor before an SPMC", BOTH],
] as const;

const choice: fc.Arbitrary<Choice> = fc.record({
  kind: fc.nat(11),
  who: fc.nat(11),
  page: fc.nat(45),
  pages: fc.nat(5),
  data: fc.nat(3),
  odd: fc.nat(5),
});

/** Shows every call of `machine` to `seen` before and after. */
function watch(machine: Machine, seen: (operation: Operation, outcome: Outcome) => void): void {
  const apply = machine.apply.bind(machine);
  machine.apply = (operation) => {
    const outcome = apply(operation);
    seen(operation, outcome);
    return outcome;
  };
}

test.each(FLAVOURS)("%s: all invariants after every call", async (_name, config) => {
  const machine = await aMachine(config);
  const initial = machine.snapshot();
  let watcher = new FfaWatcher(machine);
  const answered = { good: 0, refused: 0 };
  watch(machine, (operation, outcome) => {
    expect(machine.checkInvariants()).toBeNull();
    expect(watcher.check(operation, outcome)).toBeNull();
    if (outcome.ret === 0) answered.good += 1;
    else answered.refused += 1;
  });
  const property = fc.property(fc.array(choice, { minLength: 10, maxLength: 120 }), (choices) => {
    machine.restore(initial);
    watcher = new FfaWatcher(machine);
    const calls = new RandomCalls(machine);
    calls.markPages();
    for (const each of choices) calls.make(each);
  });
  fc.assert(property, { numRuns: 60 });
  expect(answered.good).toBeGreaterThan(answered.refused / 4);
});

const isChange = ({ kind }: Effect) => kind === "mode" || kind === "pas";

test.each(FLAVOURS)("%s: an error leaves tables, protection and RX as they were", async (_name, config) => {
  const machine = await aMachine(config);
  const initial = machine.snapshot();
  let before: string[] = [];
  watch(machine, ({ op }, { ret, effects }) => {
    if (ret !== 0) {
      expect(effects.filter(({ kind }) => kind === "rx" || kind === "reply")).toEqual([]);
      if (effects.some(isChange)) expect([op, pageStates(machine)]).toEqual([op, before]);
    } else if (effects.some(isChange)) before = pageStates(machine);
  });
  const property = fc.property(fc.array(choice, { minLength: 10, maxLength: 80 }), (choices) => {
    machine.restore(initial);
    before = pageStates(machine);
    const calls = new RandomCalls(machine);
    for (const each of choices) calls.make(each);
  });
  fc.assert(property, { numRuns: 40 });
});

const U64_MAX = (1n << 64n) - 1n;
// prettier-ignore
const value = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 16n, 48n, 96n, 112n, 4096n, 4112n, 0x1000_0000n, 1n << 31n, 1n << 32n, 1n << 63n, U64_MAX - 0xfffn, U64_MAX),
  fc.bigInt({ min: 0n, max: U64_MAX }),
);
const record = fc
  .record({
    op: fc.integer({ min: ffa.FFA_MEM_DONATE - 1, max: ffa.FFA_SET_SECURE + 1 }),
    vm: fc.oneof(fc.constantFrom(0, 1, 2, 5, 0x8000, 0x8001, 0x8003, 0xffff), fc.nat(0xffff)),
    vcpu: fc.oneof(fc.constantFrom(0, 1, 2, 4, 32, 4064, 4096, 0xffff_ffff), fc.nat(0xffff_ffff)),
    values: fc.tuple(value, value, value, value),
  })
  // Set-up operations repeat themselves as often as they are told to.
  .filter(({ op, values }) => op < ffa.FFA_ENDPOINT || values[1] < 4096n)
  .map(({ op, vm, vcpu, values }) => {
    const view = new DataView(new ArrayBuffer(abi.OPERATION_SIZE));
    view.setUint16(abi.OPERATION_CODE, op, true);
    view.setUint16(abi.OPERATION_VM, vm, true);
    view.setUint32(abi.OPERATION_VCPU, vcpu, true);
    values.forEach((field, index) => view.setBigUint64(abi.OPERATION_A + 8 * index, field, true));
    return new Uint8Array(view.buffer);
  });

test.each(FLAVOURS)("%s: no record traps the core, and the machine can be put back", async (_name, config) => {
  const machine = await Machine.createFfa(config);
  const initial = machine.snapshot();
  const property = fc.property(fc.array(record, { minLength: 1, maxLength: 40 }), fc.boolean(), (list, effects) => {
    const results = new Uint8Array(list.length * RESULT_SIZE);
    machine.runPacked(Buffer.concat(list), list.length, { results, effects });
    const view = new DataView(results.buffer);
    const statuses = list.map((_, index) => view.getUint16(index * RESULT_SIZE + RESULT_STATUS, true));
    expect(Math.max(...statuses)).toBeLessThan(STATUS_LIMIT);
    machine.restore(initial);
    expect(Buffer.compare(machine.snapshot().bytes, initial.bytes)).toBe(0);
  });
  fc.assert(property, { numRuns: 200 });
});
