// How an operation ended: a refusal with its reason, a panic of the modelled EL2, or a limit of the simulator.
// None of them throws. A panic travels up as the return value PANICKED, which no real function returns.

import { PANIC_NONE, REASON_NONE } from "../abi/codes";

/** What a function answers after `panic`: callers pass it on like any error. */
export const PANICKED: i32 = -4096;

export let reason: i32 = REASON_NONE;
export let subject: u64 = 0;
export let expected: u32 = 0;
export let found: u32 = 0;

/** The first assertion that failed (PANIC_*), 0 while the machine runs. */
export let panicked: i32 = PANIC_NONE;
/** The first limit of the simulator that was hit (LIMIT_*), 0 while there was none. */
export let limitReached: i32 = 0;

/** Before each operation: no refusal yet. */
export function clearRefusal(): void {
  reason = REASON_NONE;
}

/** Notes which check refused and answers the negative errno. */
export function refuse(errno: i32, why: i32, what: u64, want: u32, have: u32): i32 {
  reason = why;
  subject = what;
  expected = want;
  found = have;
  return -errno;
}

/** A WARN or BUG at EL2, both fatal there (reference pkvm-el2 section 0.2). The first one counts. */
export function panic(where: i32): i32 {
  if (panicked == PANIC_NONE) panicked = where;
  return PANICKED;
}

export function reachLimit(limit: i32): void {
  if (limitReached == 0) limitReached = limit;
}

/** A reset, or a snapshot being restored. */
export function setVerdict(panicCode: i32, limit: i32): void {
  panicked = panicCode;
  limitReached = limit;
  reason = REASON_NONE;
}
