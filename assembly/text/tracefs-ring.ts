// Recorded steps on their way into the exact order of all CPUs. Lines of different CPUs may be printed out of order; `seq`,
// given out under the host stage-2 lock, is the order in which the steps happened. A step waits in the slot that its
// number names until all before it are there.

import {
  REFUSED_MEMORY,
  REFUSED_SEQ_FAR,
  REFUSED_SEQ_LATE,
  REFUSED_SEQ_TWICE,
  STEP_LINE,
  STEP_OPERATION,
  STEP_SIZE,
} from "../abi/tracefs";
import { reserve } from "../memory/heap";
import { currentLine, refuse } from "./tracefs-report";

const FIRST_CAPACITY: u64 = 65536;
/** Until the first snapshot is complete every step waits: the ring grows, up to this. */
const LAST_CAPACITY: u64 = 1 << 20;

let ring: usize = 0;
let capacity: u64 = 0;
let growing: bool = false;

/** The next step to run: all below were run, or happened before the trace begins. */
export let nextSeq: u64 = 0;
/** One above the highest number seen. */
export let endSeq: u64 = 0;
/** The lowest number seen. */
export let firstSeq: u64 = 0;
/** Steps that wait. */
export let waiting: u64 = 0;

/** Empties the ring. False if linear memory is used up. */
export function openRing(): bool {
  nextSeq = 0;
  endSeq = 0;
  firstSeq = u64.MAX_VALUE;
  waiting = 0;
  growing = true;
  return resize(FIRST_CAPACITY);
}

/** The number to start at is known, and the machine is made: no more growing. */
export function startRing(seq: u64): void {
  nextSeq = seq;
  if (endSeq < seq) endSeq = seq;
  growing = false;
}

function resize(size: u64): bool {
  const larger = reserve((size as usize) * STEP_SIZE);
  if (larger == 0) return false;
  for (let seq = nextSeq; seq < endSeq; seq++) {
    memory.copy(larger + ((seq & (size - 1)) as usize) * STEP_SIZE, stepAt(seq), STEP_SIZE);
  }
  ring = larger;
  capacity = size;
  return true;
}

/** The slot of step `seq`. */
export function stepAt(seq: u64): usize {
  return ring + ((seq & (capacity - 1)) as usize) * STEP_SIZE;
}

export function isWaiting(seq: u64): bool {
  return seq < endSeq && load<u8>(stepAt(seq), STEP_OPERATION) != 0;
}

/** The line of the first step that waits; 0 if none does. */
export function firstWaitingLine(): u32 {
  for (let seq = nextSeq; seq < endSeq; seq++) {
    if (isWaiting(seq)) return load<u32>(stepAt(seq), STEP_LINE);
  }
  return 0;
}

/** A free slot for step `seq`, which the caller fills; 0 if the number is refused. */
export function takeSlot(seq: u64): usize {
  if (firstSeq == u64.MAX_VALUE && growing) firstStep(seq);
  if (seq - nextSeq >= capacity && !makeRoom(seq)) return 0;
  const step = stepAt(seq);
  if (load<u8>(step, STEP_OPERATION) != 0) {
    refuse(REFUSED_SEQ_TWICE, currentLine(), seq, load<u32>(step, STEP_LINE));
    return 0;
  }
  if (seq < firstSeq) firstSeq = seq;
  if (seq >= endSeq) endSeq = seq + 1;
  waiting++;
  return step;
}

// A trace that begins late has its first numbers somewhere else than at 0; earlier ones may still be printed.
function firstStep(seq: u64): void {
  nextSeq = seq < FIRST_CAPACITY ? 0 : seq - FIRST_CAPACITY / 2;
  endSeq = nextSeq;
}

function makeRoom(seq: u64): bool {
  if (seq < nextSeq) return refuse(REFUSED_SEQ_LATE, currentLine(), seq, nextSeq);
  while (growing && capacity < LAST_CAPACITY && seq - nextSeq >= capacity) {
    if (!resize(capacity * 2)) return refuse(REFUSED_MEMORY, currentLine(), 0, 0);
  }
  return seq - nextSeq < capacity || refuse(REFUSED_SEQ_FAR, currentLine(), seq, nextSeq);
}

/** Step `seq`, the next one, was run: its slot is free. What it holds can be read until the slot is taken again. */
export function leaveSlot(step: usize): void {
  store<u8>(step, 0, STEP_OPERATION);
  nextSeq++;
  waiting--;
}
