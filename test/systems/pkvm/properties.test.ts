// Properties of any sequence of operations, over random ones that mostly succeed. A counterexample is shrunk and printed as
// the list of its operations.

import fc from "fast-check";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { OPERATION_SIZE } from "../../../assembly/abi/operations.js";
import { RESULT_SIZE, RESULT_STATUS, STATUS_LIMIT } from "../../../assembly/abi/records.js";
import { resolveConfig } from "../../../src/machine/config.js";
import { checkEffects, type EffectGeometry } from "../../../src/machine/effect-invariants.js";
import { Machine, type Outcome, type Snapshot } from "../../../src/machine/machine.js";
import { instantiateCore } from "../../../src/machine/module.js";
import type { Operation } from "../../../src/machine/operations.js";
import { contentsOf, stateOf } from "./machine-state.js";
import { aSmallHost, choices, choose, describeRun, PAGES, poisoned, type Choice } from "./random-operations.js";
import { SMALL_HOST } from "./scenario.js";

const GEOMETRY: EffectGeometry = { pageShift: 12, handleBase: 0x1000 };

let machine: Machine;
let initial: Snapshot;

beforeAll(async () => {
  machine = await aSmallHost();
  initial = machine.snapshot();
});

beforeEach(() => machine.restore(initial));

interface Run {
  readonly operations: Operation[];
  readonly outcomes: Outcome[];
}

/** Runs what the choices mean, one by one from the initial state. `after` says what is wrong after an operation, or null. */
function run(
  made: readonly Choice[],
  after: (operation: Operation, outcome: Outcome) => string | null = () => null,
): Run {
  const operations: Operation[] = [];
  const outcomes: Outcome[] = [];
  for (const choice of made) {
    const operation = choose(machine, choice);
    const outcome = machine.apply(operation);
    operations.push(operation);
    outcomes.push(outcome);
    const wrong = outcome.status === "ok" ? after(operation, outcome) : `status ${outcome.status}`;
    if (wrong !== null) throw new Error(`${wrong}\n${describeRun(operations, outcomes)}`);
  }
  return { operations, outcomes };
}

/** What of an outcome does not depend on whether effects were recorded. */
const answer = ({ ret, status, reason, subject, expected, found }: Outcome) =>
  [ret, status, reason, subject.toString(16), expected, found].join(" ");

const wholeState = (): string => `${stateOf(machine)}\n${contentsOf(machine, PAGES)}`;

/** First line in which two texts differ. */
function difference(one: string, other: string): string {
  const others = other.split("\n");
  const lines = one.split("\n");
  const line = lines.findIndex((text, index) => text !== others[index]);
  return `${lines[line] ?? "nothing"} / ${others[line] ?? "nothing"}`;
}

test("all invariants hold after every operation", () => {
  fc.assert(
    fc.property(choices(60), (made) => {
      machine.restore(initial);
      let poison = poisoned(machine);
      run(made, ({ op }, { effects }) => {
        const before = poison;
        poison = poisoned(machine);
        const lost = op === "finalize_teardown_vm" ? undefined : before.find((ipa) => !poison.includes(ipa));
        if (lost !== undefined) return `I21: poison vanished at ${lost}`;
        const violation = machine.checkInvariants() ?? checkEffects(GEOMETRY, op, effects);
        if (violation === null) return null;
        const { invariant, statement, subject } = violation;
        return `${invariant} at 0x${subject.toString(16)}: ${statement}`;
      });
    }),
    { numRuns: 120 },
  );
});

test("a snapshot brings back the same bytes and the same future", () => {
  fc.assert(
    fc.property(choices(20), choices(30), (past, future) => {
      machine.restore(initial);
      run(past);
      const snapshot = machine.snapshot();
      const first = run(future);
      machine.restore(snapshot);
      expect(Buffer.compare(machine.snapshot().bytes, snapshot.bytes)).toBe(0);

      const again = run(future);
      const print = ({ operations, outcomes }: Run) => describeRun(operations, outcomes);
      if (print(again) !== print(first))
        throw new Error(`${print(first)}\nafter the snapshot was restored:\n${print(again)}`);
    }),
    { numRuns: 60 },
  );
});

// Without effects a batch takes the fast lane, with effects every operation takes its verb.
test("a batch equals the same operations one by one", () => {
  let ordinary = 0;
  fc.assert(
    fc.property(choices(80), (made) => {
      machine.restore(initial);
      const { operations, outcomes } = run(made);
      const state = wholeState();
      machine.restore(initial);

      const batch = machine.applyBatch(operations, { effects: false });

      const wrong = batch.findIndex((outcome, index) => answer(outcome) !== answer(outcomes[index] as Outcome));
      if (wrong >= 0)
        throw new Error(
          `number ${wrong} answers ${answer(batch[wrong] as Outcome)}\n${describeRun(operations, outcomes)}`,
        );
      const after = wholeState();
      if (after !== state) throw new Error(`${difference(state, after)}\n${describeRun(operations, outcomes)}`);
      ordinary += operations.filter(({ op }, index) => isFastVerb(op) && outcomes[index]?.ret === 0).length;
    }),
    { numRuns: 200 },
  );
  // The fast lane has been asked for much.
  expect(ordinary).toBeGreaterThan(1000);
});

/** The verbs of assembly/systems/pkvm/fast-lane.ts. */
const isFastVerb = (op: Operation["op"]): boolean =>
  /^(host_(donate|share|unshare|reclaim_page)_guest|guest_(un)?share_host|host_(un)?share_hyp|host_abort)$/.test(op);

// Not these: a refill keeps what it moved (3.14), init_vm and init_vcpu return areas that they had taken (5.4, 5.5).
const KEEPS_SOMETHING: ReadonlySet<Operation["op"]> = new Set([
  "refill_memcache",
  "hcall_donate_guest",
  "hcall_share_guest",
  "init_vm",
  "init_vcpu",
]);

test("a refused operation changes nothing", () => {
  let refused = 0;
  fc.assert(
    fc.property(choices(40), (made) => {
      machine.restore(initial);
      let before = wholeState();
      run(made, ({ op }, { ret }) => {
        const after = wholeState();
        const changed = ret < 0 && !KEEPS_SOMETHING.has(op) && after !== before;
        const wrong = changed ? `refused, but changed ${difference(before, after)}` : null;
        if (ret < 0) refused += 1;
        before = after;
        return wrong;
      });
    }),
    { numRuns: 60 },
  );
  expect(refused).toBeGreaterThan(100);
});

/** Records of anything: random bytes, or an opcode with values that are often boundaries. */
const boundary = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    512n,
    0x40000n,
    0x4000_0000n,
    0x43ff_f000n,
    0x4200_0000n,
    0x80000n,
    1n << 28n,
    1n << 40n,
    1n << 52n,
    (1n << 64n) - 1n,
  ),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
const plausible = fc
  .record({
    op: fc.nat(64),
    vm: fc.oneof(fc.constantFrom(0, 0x1000, 0x1001, 0x10fe, 0xffff), fc.nat(0xffff)),
    vcpu: fc.oneof(fc.constantFrom(0, 1, 0x8000_0000, 0xffff_ffff), fc.nat(0xffff_ffff)),
    values: fc.array(boundary, { minLength: 4, maxLength: 4 }),
  })
  .map(({ op, vm, vcpu, values }) => {
    const record = new Uint8Array(OPERATION_SIZE);
    const view = new DataView(record.buffer);
    view.setUint16(0, op, true);
    view.setUint16(2, vm, true);
    view.setUint32(4, vcpu, true);
    values.forEach((value, index) => view.setBigUint64(8 + index * 8, value, true));
    return record;
  });
const anyRecord = fc.oneof(
  { weight: 4, arbitrary: plausible },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: OPERATION_SIZE, maxLength: OPERATION_SIZE }) },
);

async function aReplayedHost(): Promise<Machine> {
  return Machine.createOn(await instantiateCore(), { ...resolveConfig(SMALL_HOST), kind: "replayed", frames: 4096 });
}

test.each<[kind: string, make: () => Promise<Machine>]>([
  ["a host with VMs", aSmallHost],
  ["a host rebuilt from a trace", aReplayedHost],
  ["a lone table", () => Machine.createPageTable({ pool_pages: 64 })],
])("no record traps the core: %s", async (_kind, make) => {
  const victim = await make();
  const start = victim.snapshot();
  const state = stateOf(victim);
  fc.assert(
    fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 30 }), fc.boolean(), (records, effects) => {
      const packed = new Uint8Array(records.length * OPERATION_SIZE);
      records.forEach((record, index) => packed.set(record, index * OPERATION_SIZE));
      const results = new Uint8Array(records.length * RESULT_SIZE);

      victim.runPacked(packed, records.length, { results, effects });

      const view = new DataView(results.buffer);
      for (let at = 0; at < results.length; at += RESULT_SIZE) {
        expect(view.getUint16(at + RESULT_STATUS, true)).toBeLessThanOrEqual(STATUS_LIMIT);
      }
      victim.restore(start);
      expect(stateOf(victim) === state).toBe(true);
    }),
    { numRuns: 400 },
  );
});
