// VM handles that are given out again. Steps show neither the creation nor the destruction of a VM, so the table of a handle
// is dropped when `__pkvm_reserve_vm` returns it, at the place among the steps that the time stamps say.

import { REPLAYED_DROP_VM } from "../abi/operations";
import { REFUSED_RESERVED } from "../abi/tracefs";
import { reserve } from "../memory/heap";
import { replayedDropVm } from "../systems/pkvm/replayed";
import { notePreparation } from "./tape";
import { currentLine, refuse } from "./tracefs-report";

// A queue in the order of the lines: 0 u64 time | 8 u64 handle. Its places are used in a circle.
const PLACES: u32 = 65536;
const PLACE_SIZE: usize = 16;
const FIRST_HANDLE: u64 = 0x1000;
const LAST_HANDLE: u64 = 0xffff;

let queue: usize = 0;
let head: u32 = 0;
let tail: u32 = 0;
/** Time stamp at the head; all ones if the queue is empty. */
let nextTime: u64 = u64.MAX_VALUE;

/** False if linear memory is used up. */
export function openHandles(): bool {
  head = 0;
  tail = 0;
  nextTime = u64.MAX_VALUE;
  queue = reserve((PLACES as usize) * PLACE_SIZE);
  return queue != 0;
}

function placeOf(index: u32): usize {
  return queue + ((index % PLACES) as usize) * PLACE_SIZE;
}

/** `__pkvm_reserve_vm` returned `ret` at `time`; an error is no handle. */
export function noteReserved(ret: u64, time: u64): bool {
  if (ret < FIRST_HANDLE || ret > LAST_HANDLE) return true;
  if (tail - head == PLACES) return refuse(REFUSED_RESERVED, currentLine(), PLACES, 0);
  store<u64>(placeOf(tail), time);
  store<u64>(placeOf(tail), ret, 8);
  tail++;
  nextTime = load<u64>(placeOf(head));
  return true;
}

/** Drops the tables of the handles that were reserved before `time`, that of the step or snapshot that comes next. */
export function dropReservedBefore(time: u64): void {
  while (nextTime < time) {
    const handle = load<u64>(placeOf(head), 8) as u32;
    replayedDropVm(handle);
    notePreparation(REPLAYED_DROP_VM, handle, 0);
    head++;
    nextTime = head == tail ? u64.MAX_VALUE : load<u64>(placeOf(head));
  }
}
