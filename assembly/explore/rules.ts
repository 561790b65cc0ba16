// The rules that a search asks for, by when they are asked: of every answer, of every step to another state, of every new
// state. A rule is a line here and functions in a file of its own; its bit is 1 << FINDING_* (abi/explore.ts).

import {
  DISAGREE_GRANULE,
  ENDLESS_CALL,
  EXPLORE_ACCESS,
  FINDING_FREED,
  FINDING_INTEGRITY,
  FINDING_INVARIANT,
  FINDING_LEAK,
  FINDING_PANIC,
  FINDING_POINTER,
  FINDING_PROGRESS,
  FINDING_REFINEMENT,
  FINDING_REFUSAL,
  FINDING_SECRECY,
  FREED_SECRET,
  FINDING_TRANSLATION,
  STEP_OPERATION,
} from "../abi/explore";
import { HCALL_DONATE_GUEST, HCALL_SHARE_GUEST, REFILL_MEMCACHE } from "../abi/operations";
import { handle, operation } from "../batch/operation-record";
import { panicked } from "../memory/verdict";
import { forgetStray, isStray, strayAt } from "../systems/pkvm/host-pointer";
import { checkInvariants, violationSubject } from "../systems/pkvm/invariants";
import { isOneLeaf, isStuck, stuckAt } from "./accesses";
import {
  brokenAt,
  dependOnFreed,
  isFreedClean,
  isIntegrityKept,
  isSecrecyKept,
  noteContents,
  reader,
} from "./contents";
import { operationAt } from "./domain";
import { addFinding } from "./findings";
import { areVmsChanged, dependOnVms } from "./packed-state";
import { isPieceRight } from "./pieces";
import { isPoisonKept, notePoison, unpoisonedAt } from "./poison";
import { isEverythingBack, leak, leakedAt, prepareLeaks } from "./leaks";
import {
  compareAgain,
  comparedLast,
  dependOnCompared,
  disagreement,
  disagreesAt,
  isRefined,
  noteAbstractState,
  prepareRefinement,
  specify,
} from "./refinement";
import { brokenTranslation, translationSubject, watchTranslation } from "./translation";

/**
 * Kinds whose rules are about what an operation looks at and changes, and about pieces (pieces.ts). Progress is not: whether the
 * host's access faults is no part of a state; neither is translation, as the TLB holds more of an operation than a state tells.
 */
const OF_PIECES: u32 =
  (1 << FINDING_PANIC) |
  (1 << FINDING_INVARIANT) |
  (1 << FINDING_REFUSAL) |
  (1 << FINDING_SECRECY) |
  (1 << FINDING_INTEGRITY) |
  (1 << FINDING_FREED) |
  (1 << FINDING_LEAK) |
  (1 << FINDING_REFINEMENT) |
  (1 << FINDING_POINTER);

/** The invariant that compares two states: poison.ts. */
const POISON_STAYS: i32 = 21;

let rules: u32 = 0;
let invariants: u64 = 0;

// What is being judged: the operation, the state it is tried in and how far that is from the first.
let state: u32 = 0;
let index: u32 = 0;
let depth: u32 = 0;

/** Invariants by number, kinds of findings as bits; before the first mark. False if linear memory is used up. */
export function chooseRules(numbers: u64, kinds: u32): bool {
  invariants = numbers;
  rules = kinds;
  isCounting = isAsked(FINDING_REFINEMENT);
  prepareLeaks();
  prepareRefinement();
  return watchTranslation(isAsked(FINDING_TRANSLATION));
}

/** Whether no rule asked for needs the machine in every state and for every operation. */
export function areRulesOfPieces(): bool {
  return (rules & ~OF_PIECES) == 0;
}

export function isAsked(kind: i32): bool {
  return ((rules >> kind) & 1) != 0;
}

function isPoisonAsked(): bool {
  return isAsked(FINDING_INVARIANT) && ((invariants >> POISON_STAYS) & 1) != 0;
}

// Always false, for what found something to pass on.
function report(kind: i32, code: i32, subject: u64): bool {
  addFinding(kind, code, state, index, subject, depth);
  return false;
}

/** Before operations are tried in a state, in which the machine is. */
export function beforeSteps(): void {
  noteContents();
  if (isPoisonAsked()) notePoison();
  if (isAsked(FINDING_REFINEMENT)) noteAbstractState();
}

/** What is judged from here on, and about to be done: operation `tried` in state `from`, `steps` operations from the first. */
export function judge(from: u32, tried: u32, steps: u32): void {
  judgeTurn(from, tried, steps);
  forgetStray();
  if (isAsked(FINDING_REFINEMENT) && steps != 0) specify(operationAt(tried));
}

/** The same of a part of an operation, which was done already. */
export function judgeTurn(from: u32, step: u32, steps: u32): void {
  state = from;
  index = step;
  depth = steps;
}

/** EL2 stopped: false if that is a finding. */
export function isPanicAllowed(): bool {
  return isAsked(FINDING_PANIC) ? report(FINDING_PANIC, panicked, 0) : true;
}

/** Asked of every answer, whether anything changed or not. False: a finding. */
export function isAnswerRight(ret: i32, hasChanged: bool): bool {
  const record = operationAt(index);
  if (isAsked(FINDING_POINTER) && isStray) return report(FINDING_POINTER, 0, strayAt);
  if (isAsked(FINDING_PROGRESS) && operation(record) == EXPLORE_ACCESS && isStuck) {
    return report(FINDING_PROGRESS, 0, stuckAt);
  }
  if (isAsked(FINDING_REFINEMENT) && operation(record) == EXPLORE_ACCESS && !isOneLeaf) {
    return report(FINDING_REFINEMENT, DISAGREE_GRANULE, 0);
  }
  if (isAsked(FINDING_REFINEMENT) && !isRefined(record, ret, hasChanged)) {
    return report(FINDING_REFINEMENT, disagreement, disagreesAt);
  }
  const breach = isAsked(FINDING_TRANSLATION) ? brokenTranslation() : 0;
  return breach == 0 || report(FINDING_TRANSLATION, breach, translationSubject);
}

/** Asked of every step that leads to another state. */
export function isStepRight(ret: i32): bool {
  const record = operationAt(index & STEP_OPERATION);
  if (isAsked(FINDING_REFUSAL) && ret < 0 && !keepsSomething(operation(record)))
    return report(FINDING_REFUSAL, -ret, 0);
  if (isPoisonAsked() && !isPoisonKept()) return report(FINDING_INVARIANT, POISON_STAYS, unpoisonedAt);
  if (isAsked(FINDING_INTEGRITY) && !isIntegrityKept(writer(record))) return report(FINDING_INTEGRITY, 0, brokenAt);
  if (isAsked(FINDING_FREED) && !isFreedClean()) return report(FINDING_FREED, FREED_SECRET, brokenAt);
  return true;
}

/** Asked of every new state: what it keeps or breaks by itself, whatever led to it. */
export function isStateRight(): bool {
  const violated = isAsked(FINDING_INVARIANT) ? checkInvariants(invariants) : 0;
  if (violated != 0) return report(FINDING_INVARIANT, violated, violationSubject());
  if (isAsked(FINDING_SECRECY) && !isSecrecyKept()) return report(FINDING_SECRECY, reader, brokenAt);
  if (isAsked(FINDING_LEAK) && !isEverythingBack()) return report(FINDING_LEAK, leak, leakedAt);
  return true;
}

/** The same of one piece of a state, nothing reported. */
export function isPieceKept(piece: u32): bool {
  const numbers: u64 = isAsked(FINDING_INVARIANT) ? invariants : 0;
  return isPieceRight(piece, numbers, isAsked(FINDING_SECRECY), isAsked(FINDING_LEAK));
}

/**
 * Adds the parts by which the rules judged a step that led from `before` to `after` to those that it looked at (reads.ts): with the
 * same parts they judge the same. False: that cannot be said.
 */
export function dependOnRules(before: usize, after: usize): bool {
  if (isAsked(FINDING_FREED) && areVmsChanged(before, after)) {
    dependOnVms();
    dependOnFreed();
  }
  return !isAsked(FINDING_REFINEMENT) || dependOnCompared(before, after);
}

/** Whether something is counted whenever an operation is tried: how it was compared with the specification. */
export let isCounting: bool = false;

/** What is counted of the operation that was tried last. */
export function counted(): u32 {
  return isCounting ? comparedLast() : 0;
}

/** Counts an operation that is known, as it was counted. */
export function countAgain(how: u32): void {
  compareAgain(how);
}

/** Asked of every part of an operation, whether anything changed or not, once the call, if it ended, is explained or not. */
export function isTurnRight(isExplained: bool): bool {
  if (isAsked(FINDING_POINTER) && isStray) return report(FINDING_POINTER, 0, strayAt);
  return isExplained || report(FINDING_REFINEMENT, disagreement, disagreesAt);
}

/** Asked of a new state in which a call does not end, though no other CPU comes in between any more. */
export function isEndlessAllowed(): bool {
  return report(FINDING_PROGRESS, ENDLESS_CALL, 0);
}

/** Asked of a step that is a part of an operation: what holds whenever locks are free. */
export function isPartRight(): bool {
  const record = operationAt(index & STEP_OPERATION);
  if (isPoisonAsked() && !isPoisonKept()) return report(FINDING_INVARIANT, POISON_STAYS, unpoisonedAt);
  if (isAsked(FINDING_INTEGRITY) && !isIntegrityKept(writer(record))) return report(FINDING_INTEGRITY, 0, brokenAt);
  if (isAsked(FINDING_FREED) && !isFreedClean()) return report(FINDING_FREED, FREED_SECRET, brokenAt);
  return true;
}

/** Asked of a new state in which a CPU is in the middle of an operation. */
export function isStateBetweenRight(): bool {
  return !isAsked(FINDING_SECRECY) || isSecrecyKept() || report(FINDING_SECRECY, reader, brokenAt);
}

/** A refill keeps what it moved before it was refused (reference 3.14). */
function keepsSomething(op: i32): bool {
  return op == HCALL_DONATE_GUEST || op == HCALL_SHARE_GUEST || op == REFILL_MEMCACHE;
}

function writer(record: usize): u32 {
  return operation(record) == EXPLORE_ACCESS ? handle(record) : 0;
}
