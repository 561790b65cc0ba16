// What a search found: one finding per broken rule and operation, the first and so the shortest. Layout: abi/explore.ts.

import {
  FINDING_CODE,
  FINDING_DEPTH,
  FINDING_OPERATION,
  FINDING_SIZE,
  FINDING_STATE,
  FINDING_SUBJECT,
  MAX_FINDINGS,
  STEP_OPERATION,
} from "../abi/explore";
import { operation } from "../batch/operation-record";
import { reserve } from "../memory/heap";
import { operationAt, operations } from "./domain";

let list: usize = 0;
export let findings: u32 = 0;

export function reserveFindings(): bool {
  list = reserve(MAX_FINDINGS * FINDING_SIZE);
  return list != 0;
}

export function forgetFindings(): void {
  findings = 0;
}

export function findingAt(index: u32): usize {
  return list + (index as usize) * FINDING_SIZE;
}

/** Notes a finding, unless it is another case of one that is there and that is as short. */
export function addFinding(kind: i32, code: i32, state: u32, index: u32, subject: u64, depth: u32): void {
  const place = placeOf(kind, code, index);
  if (place == (MAX_FINDINGS as u32)) return;
  const at = findingAt(place);
  if (place == findings) findings++;
  else if (load<u32>(at, FINDING_DEPTH) <= depth) return;
  store<i32>(at, kind);
  store<i32>(at, code, FINDING_CODE);
  store<u32>(at, state, FINDING_STATE);
  store<u32>(at, index, FINDING_OPERATION);
  store<u64>(at, subject, FINDING_SUBJECT);
  store<u32>(at, depth, FINDING_DEPTH);
}

// Where the finding of this rule and verb is, or would be.
function placeOf(kind: i32, code: i32, index: u32): u32 {
  for (let i: u32 = 0; i < findings; i++) {
    const at = findingAt(i);
    const isSame = load<i32>(at) == kind && load<i32>(at, FINDING_CODE) == code;
    if (isSame && verbOf(load<u32>(at, FINDING_OPERATION)) == verbOf(index)) return i;
  }
  return findings;
}

// The state in which a search begins came of no operation. With two CPUs there is more to a step than its operation.
function verbOf(step: u32): i32 {
  const index = step & STEP_OPERATION;
  return index < operations ? operation(operationAt(index)) : 0;
}
