// Properties of any sequence of operations, over random ones that mostly succeed. A counterexample is shrunk and printed as
// the list of its operations. Another seed: FREEHOLD_SEED=2 npx vitest run test/systems/pkvm/properties.test.ts

import fc from "fast-check";
import { expect, test } from "vitest";
import { checkEffects, type EffectGeometry } from "../../../src/machine/effect-invariants.js";
import type { Outcome } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import { contentsOf, stateOf } from "./machine-state.js";
import { choices, describeRun, isTraffic, SmallHost, TRAFFIC, type Choice } from "./random-operations.js";

const SEED = Number(process.env["FREEHOLD_SEED"] ?? 1);

interface Run {
  readonly operations: Operation[];
  readonly outcomes: Outcome[];
}

/** Says what is wrong after an operation; null if nothing is. */
type Judge = (operation: Operation, outcome: Outcome) => string | null;

/** Does what the choices mean, one by one. */
function run(host: SmallHost, made: readonly Choice[], judge: Judge = () => null): Run {
  const operations: Operation[] = [];
  const outcomes: Outcome[] = [];
  for (const choice of made) {
    const operation = host.choose(choice);
    const outcome = host.machine.apply(operation);
    operations.push(operation);
    outcomes.push(outcome);
    const wrong = outcome.status === "ok" ? judge(operation, outcome) : `status ${outcome.status}`;
    if (wrong !== null) throw new Error(`${wrong}\n${describeRun(operations, outcomes)}`);
  }
  return { operations, outcomes };
}

const wholeState = ({ machine, pages }: SmallHost): string => `${stateOf(machine)}\n${contentsOf(machine, pages)}`;

/** The first line in which two texts differ. */
function difference(one: string, other: string): string {
  const others = other.split("\n");
  const lines = one.split("\n");
  const line = lines.findIndex((text, index) => text !== others[index]);
  return `${lines[line] ?? "nothing"} / ${others[line] ?? "nothing"}`;
}

/** The first invariant that is violated after an operation, in words. */
function violationAfter({ machine }: SmallHost, op: Operation["op"], { effects }: Outcome): string | null {
  const geometry: EffectGeometry = { pageShift: machine.pageShift, handleBase: 0x1000 };
  const violation = machine.checkInvariants() ?? checkEffects(geometry, op, effects);
  return violation && `${violation.invariant} at 0x${violation.subject.toString(16)}: ${violation.statement}`;
}

// The exceptions of reference 11 are not among the operations (random-operations.ts), so there are none here.
test("all invariants hold after every operation", async () => {
  const host = await SmallHost.create();
  const initial = host.machine.snapshot();
  const property = fc.property(choices(60), (made) => {
    host.machine.restore(initial);
    let poison = host.poisoned();
    run(host, made, ({ op }, outcome) => {
      const before = poison;
      poison = host.poisoned();
      const lost = op === "finalize_teardown_vm" ? undefined : before.find((frame) => !poison.includes(frame));
      return lost === undefined ? violationAfter(host, op, outcome) : `I21: ${lost} is not poisoned any more`;
    });
  });
  fc.assert(property, { numRuns: 150, seed: SEED });
});

test("a snapshot brings back the same bytes and the same future", async () => {
  const host = await SmallHost.create();
  const { machine } = host;
  const initial = machine.snapshot();
  const print = ({ operations, outcomes }: Run) => describeRun(operations, outcomes);
  const property = fc.property(choices(20), choices(30), (past, future) => {
    machine.restore(initial);
    run(host, past);
    const snapshot = machine.snapshot();
    const first = print(run(host, future));
    const state = wholeState(host);

    machine.restore(snapshot);

    if (Buffer.compare(machine.snapshot().bytes, snapshot.bytes) !== 0) throw new Error(`other bytes after\n${first}`);
    const again = print(run(host, future));
    if (again !== first) throw new Error(`${first}\nafter the snapshot was restored:\n${again}`);
    if (wholeState(host) !== state) throw new Error(`${difference(state, wholeState(host))}\n${first}`);
  });
  fc.assert(property, { numRuns: 80, seed: SEED });
});

/** What of an outcome does not depend on whether effects were recorded. */
const answerOf = ({ ret, status, reason, subject, expected, found }: Outcome) =>
  [ret, status, reason, `0x${subject.toString(16)}`, expected, found].join(" ");

// Without effects a batch takes the fast lane (assembly/systems/pkvm/fast-lane.ts), with effects each operation its verb.
test.each([
  [12, 150],
  [14, 50],
] as const)("a batch equals the same operations one by one, pages of 2^%i bytes", async (pageShift, numRuns) => {
  const host = await SmallHost.create(pageShift);
  const { machine } = host;
  const initial = machine.snapshot();
  let ordinary = 0;
  const property = fc.property(choices(120, TRAFFIC), (made) => {
    machine.restore(initial);
    const { operations, outcomes } = run(host, made);
    const state = wholeState(host);
    machine.restore(initial);

    const batch = machine.applyBatch(operations, { effects: false });

    const found = batch.map(answerOf);
    const wrong = outcomes.map(answerOf).findIndex((answer, index) => answer !== found[index]);
    if (wrong >= 0)
      throw new Error(`the last one answers ${found[wrong]}\n${describeRun(operations.slice(0, wrong + 1), outcomes)}`);
    if (wholeState(host) !== state)
      throw new Error(`${difference(state, wholeState(host))}\n${describeRun(operations, outcomes)}`);
    ordinary += operations.filter((operation, index) => isTraffic(operation) && outcomes[index]?.ret === 0).length;
  });
  fc.assert(property, { numRuns, seed: SEED });
  expect(ordinary).toBeGreaterThan(20 * numRuns);
});

// Not these: a refill keeps what it moved (3.14), init_vm and init_vcpu map what they give back page by page (5.4, 5.5).
const KEEPS_SOMETHING: ReadonlySet<Operation["op"]> = new Set([
  "refill_memcache",
  "hcall_donate_guest",
  "hcall_share_guest",
  "init_vm",
  "init_vcpu",
]);

test("a refused operation changes nothing", async () => {
  const host = await SmallHost.create();
  const initial = host.machine.snapshot();
  let refused = 0;
  const property = fc.property(choices(40), (made) => {
    host.machine.restore(initial);
    let before = wholeState(host);
    run(host, made, ({ op }, { ret }) => {
      const after = wholeState(host);
      const changed = ret < 0 && !KEEPS_SOMETHING.has(op) && after !== before;
      const wrong = changed ? `refused, but changed ${difference(before, after)}` : null;
      if (ret < 0) refused += 1;
      before = after;
      return wrong;
    });
  });
  fc.assert(property, { numRuns: 80, seed: SEED });
  expect(refused).toBeGreaterThan(200);
});

test("only a refusal has a reason", async () => {
  const host = await SmallHost.create();
  const initial = host.machine.snapshot();
  const property = fc.property(choices(60), (made) => {
    host.machine.restore(initial);
    run(host, made, ({ op }, { ret, reason }) => {
      // A guest is answered in its registers.
      if (op === "guest_hvc" || ret < 0 === (reason !== null)) return null;
      return `ret ${ret} with the reason ${reason}`;
    });
  });
  fc.assert(property, { numRuns: 80, seed: SEED });
});

test("the end of a VM gives back all that EL2 took for it", async () => {
  const host = await SmallHost.create();
  const initial = host.machine.snapshot();
  expect(host.takenForVms()).not.toEqual([]);
  const property = fc.property(choices(60), (made) => {
    host.machine.restore(initial);
    const { operations, outcomes } = run(host, made);
    host.endVms();
    const left = host.takenForVms();
    if (left.length !== 0) throw new Error(`EL2 keeps pfn ${left.join(", ")}\n${describeRun(operations, outcomes)}`);
  });
  fc.assert(property, { numRuns: 80, seed: SEED });
});

test("a panicked machine is one after a snapshot, and none after an earlier one", async () => {
  const { machine } = await SmallHost.create();
  const before = machine.snapshot();
  machine.apply({ op: "hyp_donate_host", pfn: 0n, nr: 1 });
  const after = machine.snapshot();
  const panic = { kind: "el2-fault" };
  expect(machine.panicked).toMatchObject(panic);
  machine.restore(before);
  expect(machine.panicked).toBeNull();
  machine.restore(after);
  expect(machine.panicked).toMatchObject(panic);
});
