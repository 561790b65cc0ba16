// Properties of any sequence of operations, over random ones that mostly succeed. A counterexample is shrunk and printed as
// the list of its operations. Another seed: FREEHOLD_SEED=2 npx vitest run test/systems/pkvm/properties.test.ts

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkEffects, type EffectGeometry } from "../../../src/machine/effect-invariants.js";
import type { Outcome, Snapshot } from "../../../src/machine/machine.js";
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

/** Runs a property of sequences on a host that is put back to its initial state each time. */
async function check(
  property: (host: SmallHost, initial: Snapshot) => fc.IProperty<[Choice[]]> | fc.IProperty<[Choice[], Choice[]]>,
  numRuns: number,
  pageShift: 12 | 14 = 12,
): Promise<void> {
  const host = await SmallHost.create(pageShift);
  fc.assert(property(host, host.machine.snapshot()) as fc.IProperty<unknown>, { numRuns, seed: SEED });
}

/** The first invariant that is violated after an operation, in words. */
function violationIn({ machine }: SmallHost, op: Operation["op"], outcome: Outcome): string | null {
  const geometry: EffectGeometry = { pageShift: machine.pageShift, handleBase: 0x1000 };
  const violation = machine.checkInvariants() ?? checkEffects(geometry, op, outcome.effects);
  return violation && `${violation.invariant} at 0x${violation.subject.toString(16)}: ${violation.statement}`;
}

// The exceptions of reference 11 are not among the operations (random-operations.ts), so there are none here.
test("all invariants hold after every operation", async () => {
  await check(
    (host, initial) =>
      fc.property(choices(60), (made) => {
        host.machine.restore(initial);
        let poison = host.poisoned();
        run(host, made, ({ op }, outcome) => {
          const before = poison;
          poison = host.poisoned();
          const lost = op === "finalize_teardown_vm" ? undefined : before.find((frame) => !poison.includes(frame));
          return lost === undefined ? violationIn(host, op, outcome) : `I21: ${lost} is not poisoned any more`;
        });
      }),
    150,
  );
});

test("a snapshot brings back the same bytes and the same future", async () => {
  await check(
    ({ machine, ...host }, initial) => host && fc.property(choices(1), () => machine.restore(initial)),
    1,
  );
});
