// A random campaign's ways: steps taken one after the other from the first state, each judged as in a search, and undone together at
// the end. A way tells whether it reached something that no way before it had: a verb refused by a check, or answered in a way,
// that was not seen before, or a page, a VM or EL2's pools in a state that was not.

import { SEARCH_FOUND, SEARCH_JOURNAL_FULL, SEARCH_LIMIT, SEARCH_MORE } from "../abi/explore";
import { operation } from "../batch/operation-record";
import { reserve } from "../memory/heap";
import { limitReached, panicked } from "../memory/verdict";
import { partTotal } from "./components";
import { operationAt, operations } from "./domain";
import { forgetFindings } from "./findings";
import { journalLength, journalOverflowed, mark, undoTo } from "./journal";
import { packState, partsOfState } from "./packed-state";
import { beforeSteps, isAnswerRight, isPanicAllowed, isStateRight, isStepRight, judge } from "./rules";
import { isPossible } from "./possible";
import { perform, reasonOf } from "./search";

/** Steps that a way can have, two bytes each. */
const LONGEST: usize = 4096;
/** Slots of `seen`: many more than there are verbs, checks and answers. */
const SLOTS: u32 = 0x1_0000;

let way: usize = 0;
// u64 per slot: verb << 32 | check << 16 | -ret, 0 = none. Open addressing.
let seen: usize = 0;
let rowBefore: usize = 0;
let rowAfter: usize = 0;

let taken: u32 = 0;
/** Different verbs, checks and answers that were reached by all ways. */
let reached: u32 = 0;

/** Where a way is written, u16 a step, and read again as far as it was taken. 0 if linear memory is used up. */
export function wayWindow(): usize {
  if (way == 0) {
    way = reserve(LONGEST << 1);
    seen = reserve((SLOTS as usize) << 3);
    rowBefore = reserve(256);
    rowAfter = reserve(256);
  }
  return way;
}

/** Takes the way in the window; SEARCH_FOUND with one finding, whose step is the last that was taken. */
export function runWay(count: u32): i32 {
  const point = mark();
  if (point < 0) return SEARCH_JOURNAL_FULL;
  forgetFindings();
  taken = 0;
  let status = packState(rowBefore) ? SEARCH_MORE : SEARCH_LIMIT;
  beforeSteps();
  for (let i: u32 = 0; i < count && status == SEARCH_MORE; i++) {
    const index = load<u16>(way + ((i as usize) << 1)) as u32;
    if (index < operations && isPossible(operationAt(index))) status = take(index);
  }
  return undoTo(point) == 0 ? status : SEARCH_JOURNAL_FULL;
}

function take(index: u32): i32 {
  store<u16>(way + ((taken++ as usize) << 1), index as u16);
  // A mark for each step: the contents of a page that was empty so far are noted only from the next mark on.
  if (mark() < 0) return SEARCH_JOURNAL_FULL;
  const before = journalLength();
  judge(0, index, taken);
  const ret = perform(index);
  if (journalOverflowed()) return SEARCH_JOURNAL_FULL;
  note(operationAt(index), ret);
  if (panicked != 0) return isPanicAllowed() ? SEARCH_LIMIT : SEARCH_FOUND;
  if (limitReached != 0) return SEARCH_LIMIT;
  if (!isAnswerRight(ret, journalLength() != before)) return SEARCH_FOUND;
  if (journalLength() == before) return SEARCH_MORE;
  if (!packState(rowAfter)) return SEARCH_LIMIT;
  if (memory.compare(rowAfter, rowBefore, (partsOfState() as usize) << 1) == 0) return SEARCH_MORE;
  if (!isStepRight(ret) || !isStateRight()) return SEARCH_FOUND;
  const row = rowBefore;
  rowBefore = rowAfter;
  rowAfter = row;
  beforeSteps();
  return SEARCH_MORE;
}

function note(record: usize, ret: i32): void {
  const key = ((operation(record) as u64) << 32) | ((reasonOf(record) as u64) << 16) | ((-ret & 0xffff) as u64);
  let slot = (((key * 0x9e37_79b9_7f4a_7c15) >> 48) as u32) & (SLOTS - 1);
  for (;;) {
    const at = seen + ((slot as usize) << 3);
    const there = load<u64>(at);
    if (there == key) return;
    if (there == 0) {
      store<u64>(at, key);
      reached++;
      return;
    }
    slot = (slot + 1) & (SLOTS - 1);
  }
}

/** What all ways have reached together: it grows with a way that reaches something new. */
export function reachedInAll(): u32 {
  return reached + partTotal();
}

/** Steps of the last way that were taken: those that nobody could take are left out of the window. */
export function takenSteps(): u32 {
  return taken;
}
