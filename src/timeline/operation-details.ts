// One operation in words, as `freehold explain` has them.

import { describeEffects } from "../machine/describe.js";
import type { Machine } from "../machine/machine.js";
import { hex } from "../machine/names.js";
import { type Argument, decodeOperation, OPERATIONS, type OperationName } from "../machine/operations.js";
import type { Outcome } from "../machine/outcome.js";
import { panicSentence, refusalSentence } from "../machine/reasons.js";
import type { OperationDetails } from "./timeline.js";

/** What the records of a machine rebuilt from a capture have, and the capture does not say. */
const MADE_UP: readonly string[] = ["vcpu", "prot", "spsr", "at_fail"];

/** What the outcome of an operation and its record tell. */
export function operationInWords(
  machine: Machine,
  record: DataView,
  outcome: Outcome,
): Pick<OperationDetails, "verb" | "args" | "answer" | "refusal" | "effects"> {
  const operation = decodeOperation(record);
  const verb = operation?.op ?? "unknown operation";
  return {
    verb,
    args: operation === undefined ? {} : argumentsOf(operation.op, operation, machine),
    answer: answerOf(outcome),
    refusal: refusalOf(verb, outcome, machine),
    effects: describeEffects(outcome.effects, machine),
  };
}

function argumentsOf(op: OperationName, operation: object, machine: Machine): Record<string, string> {
  const shown = machine.config.kind === "replayed" ? (name: string) => !MADE_UP.includes(name) : () => true;
  const args: Readonly<Record<string, Argument>> = OPERATIONS[op].args;
  const values = operation as Readonly<Record<string, number | bigint>>;
  return Object.fromEntries(
    Object.entries(args)
      .filter(([name]) => shown(name))
      .map(([name, argument]) => [name, written(argument, values[name] ?? 0)]),
  );
}

/** As the traces write it: addresses, masks and handles in hexadecimal, counts and flags not. */
function written({ kind }: Argument, value: number | bigint): string {
  return kind === "index" || kind === "flag" || kind === "count" ? String(value) : hex(value);
}

function answerOf({ ret, errno, panic, status }: Outcome): string {
  if (panic !== null) return `panic: ${panic.func === null ? panic.kind : `${panic.kind} in ${panic.func}`}`;
  if (status === "invalid") return "no operation of this machine";
  if (errno === null) return String(ret);
  return `${ret} (${/^E[A-Z0-9]+$/.test(errno) ? `-${errno}` : errno})`;
}

function refusalOf(verb: string, outcome: Outcome, { pageShift }: Machine): string | null {
  if (outcome.panic !== null) return panicSentence(outcome.panic);
  if (outcome.ret >= 0 && outcome.reason === null) return null;
  return refusalSentence(verb, outcome, pageShift);
}
