// A schedule of two CPUs, taken part by part from the first state, each part judged as in a search, and undone together at the
// end: what a finding of such a search is believed for, and made shorter with. As campaign.ts does with one CPU.

import {
  SEARCH_FOUND,
  SEARCH_JOURNAL_FULL,
  SEARCH_LIMIT,
  SEARCH_MORE,
  SEARCH_PARTS_FULL,
  STEP_CPU,
  STEP_GOES_ON,
  STEP_OPERATION,
  STEP_SUSPENDED,
} from "../abi/explore";
import { reserve } from "../memory/heap";
import { limitReached, panicked } from "../memory/verdict";
import { wayWindow } from "./campaign";
import { enterCpu, isQuiescent, leaveCpu, suspendedOperation } from "./cpus";
import { operationAt, operations } from "./domain";
import { forgetFindings } from "./findings";
import { doCallsEnd, isLastExplained, isMachineAs, packAll, row, ROW_BYTES, take } from "./interleaving";
import { journalOverflowed, mark, undoTo } from "./journal";
import { isPossible } from "./possible";
import {
  beforeSteps,
  isPanicAllowed,
  isPartRight,
  isStateBetweenRight,
  isStateRight,
  isStepRight,
  isTurnRight,
  judgeTurn,
} from "./rules";

let before: usize = 0;
let taken: u32 = 0;

/**
 * Takes the schedule in the window of ways: operations by number, with STEP_CPU where it is the second CPU's turn. A part that
 * its CPU cannot make where it stands is passed over. SEARCH_FOUND with one finding, whose step is the last that was taken.
 */
export function runSchedule(count: u32): i32 {
  if (before == 0) before = reserve(ROW_BYTES);
  const point = mark();
  if (point < 0 || before == 0) return SEARCH_JOURNAL_FULL;
  forgetFindings();
  taken = 0;
  let status = packAll() ? SEARCH_MORE : SEARCH_PARTS_FULL;
  for (let i: u32 = 0; i < count && status == SEARCH_MORE; i++) {
    const step = load<u16>(wayWindow() + ((i as usize) << 1)) as u32;
    const cpu: u32 = (step & STEP_CPU) != 0 ? 1 : 0;
    if (canMake(cpu, step & STEP_OPERATION)) status = makePart(cpu, step & STEP_OPERATION);
  }
  return undoTo(point) == 0 ? status : SEARCH_JOURNAL_FULL;
}

function canMake(cpu: u32, index: u32): bool {
  const under = suspendedOperation(cpu);
  if (under >= 0) return (under as u32) == index;
  if (index >= operations) return false;
  enterCpu(cpu);
  const possible = isPossible(operationAt(index));
  leaveCpu(cpu);
  return possible;
}

function makePart(cpu: u32, index: u32): i32 {
  if (mark() < 0) return SEARCH_JOURNAL_FULL;
  memory.copy(before, row, ROW_BYTES);
  beforeSteps();
  const goesOn = suspendedOperation(cpu) >= 0;
  const ret = take(cpu, index);
  const isLeft = suspendedOperation(cpu) >= 0;
  const step = index | (cpu != 0 ? STEP_CPU : 0) | (goesOn ? STEP_GOES_ON : 0) | (isLeft ? STEP_SUSPENDED : 0);
  store<u16>(wayWindow() + ((taken++ as usize) << 1), step as u16);
  if (journalOverflowed()) return SEARCH_JOURNAL_FULL;
  judgeTurn(0, step, taken);
  if (panicked != 0) return isPanicAllowed() ? SEARCH_LIMIT : SEARCH_FOUND;
  if (limitReached != 0) return SEARCH_LIMIT;
  if (!isTurnRight(isLastExplained)) return SEARCH_FOUND;
  if (!packAll()) return SEARCH_PARTS_FULL;
  if (isMachineAs(before)) return SEARCH_MORE;
  if (!(goesOn || isLeft ? isPartRight() : isStepRight(ret))) return SEARCH_FOUND;
  const isRight = (isQuiescent() ? isStateRight() : isStateBetweenRight()) && doCallsEnd();
  return isRight ? SEARCH_MORE : SEARCH_FOUND;
}

/** Parts of the last schedule that were made: they stand in the window, with STEP_* as a search has them. */
export function takenParts(): u32 {
  return taken;
}
