// What a call answers: the status of the check that refused it, and x1 to x4.

import { EFFECT_SMC_RESULT } from "../../abi/cca";
import { reserve } from "../../memory/heap";
import { record, recording } from "../../memory/journal";
import { panicked, PANICKED, refuse } from "../../memory/verdict";

// Since the call began: u64 x0 as a result carries it | x1 | x2 | x3 | x4. In linear memory, for whoever looks at it after the call.
const ANSWER_BYTES: usize = 40;
let answer: usize = 0;

export function reserveAnswer(): bool {
  answer = reserve(ANSWER_BYTES);
  return answer != 0;
}

/** For packing a state, of which it is no part. */
export function answerAddress(): usize {
  return answer;
}

export function answerBytes(): usize {
  return ANSWER_BYTES;
}

export function beginAnswer(): void {
  memory.fill(answer, 0, ANSWER_BYTES);
}

/** A check refuses: `status`, with the index that goes into bits 15:8, and why. Always false. */
export function fail(status: i32, why: i32, subject: u64, expected: u32, found: u32): bool {
  store<i64>(answer, refuse(status, why, subject, expected, found));
  return false;
}

/** As `fail`, for checks whose status names the level at which a walk stopped. */
export function failAt(status: i32, level: i32, why: i32, subject: u64, expected: u32): bool {
  return fail(status | (level << 8), why, subject, expected, level);
}

/** What the check answered that refused, for a command to pass on. */
export function refused(): i32 {
  return panicked != 0 ? PANICKED : (load<i64>(answer) as i32);
}

/** 0 or what stopped RMM on the way. */
export function done(): i32 {
  return panicked != 0 ? PANICKED : 0;
}

/** x1 and x2. */
export function answerWith(x1: u64, x2: u64): void {
  store<u64>(answer, x1, 8);
  store<u64>(answer, x2, 16);
}

/** x3 and x4. */
export function answerMore(x3: u64, x4: u64): void {
  store<u64>(answer, x3, 24);
  store<u64>(answer, x4, 32);
}

/** x1 to x4 of the last call. */
export function answered(register: u32): u64 {
  return load<u64>(answer + ((register as usize) << 3));
}

export function recordAnswer(): void {
  if (recording) record(EFFECT_SMC_RESULT, 0, 0, answered(1), answered(2), answered(3), answered(4));
}
