// Where the machine is among the states that were visited: the way from the first one, with a mark before each step. It goes to
// another state by undoing to their common ancestor and repeating what led on from there.

import { SEARCH_JOURNAL_FULL, SEARCH_MORE, SEARCH_STATES_FULL } from "../abi/explore";
import { reserve } from "../memory/heap";
import { journalOverflowed, mark, undoTo } from "./journal";
import { operationTo, parentOf } from "./visited";

const MAX_DEPTH: u32 = 32768;

/** Takes the step that is kept with a state: what led to it from its parent. */
export type TakeStep = (step: u32) => void;

// The way to where the machine is: u32 state | u32 mark before the step that led to it.
let path: usize = 0;
/** Steps from the first state to where the machine is. */
export let depth: u32 = 0;
// The way to the next state, from its end.
let way: usize = 0;

export function reservePosition(): bool {
  if (path == 0) path = reserve((MAX_DEPTH as usize) << 3);
  if (way == 0) way = reserve((MAX_DEPTH as usize) << 2);
  return path != 0 && way != 0;
}

/** The machine is in the first state. */
export function beginAtFirst(): void {
  depth = 0;
}

/** Brings the machine to a state that was visited. SEARCH_*. */
export function goTo(state: u32, take: TakeStep): i32 {
  let length: u32 = 0;
  for (let at = state; at != 0; at = parentOf(at)) {
    if (length == MAX_DEPTH) return SEARCH_STATES_FULL;
    store<u32>(way + ((length++ as usize) << 2), at);
  }
  let common: u32 = 0;
  while (common < depth && common < length && stateOnPath(common) == stateOnWay(length - 1 - common)) common++;
  if (common < depth && undoTo(load<u32>(path + ((common as usize) << 3), 4) as i32) != 0) return SEARCH_JOURNAL_FULL;
  for (depth = common; depth < length; depth++) {
    const point = mark();
    if (point < 0) return SEARCH_JOURNAL_FULL;
    const next = stateOnWay(length - 1 - depth);
    store<u32>(path + ((depth as usize) << 3), next);
    store<u32>(path + ((depth as usize) << 3), point, 4);
    take(operationTo(next));
    if (journalOverflowed()) return SEARCH_JOURNAL_FULL;
  }
  return SEARCH_MORE;
}

function stateOnPath(index: u32): u32 {
  return load<u32>(path + ((index as usize) << 3));
}

function stateOnWay(index: u32): u32 {
  return load<u32>(way + ((index as usize) << 2));
}
