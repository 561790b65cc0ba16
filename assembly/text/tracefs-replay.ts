// The replay itself: steps run in the order of their numbers, as far as they are known, and snapshots are compared in between.

import {
  REFUSED_SEQ_MISSING,
  REFUSED_SNAPSHOT_CUT,
  REFUSED_SNAPSHOT_NONE,
  REPORT_STEPS_DIVERGED,
  STEP_OPERATION,
  STEP_TIME,
  TRACEFS_DONE,
  TRACEFS_INPUT,
  TRACEFS_MACHINE,
  TRACEFS_REFUSED,
  TRACEFS_STEP,
  TRACEFS_TAPE,
} from "../abi/tracefs";
import { startRecording } from "../memory/journal";
import { isTapeFull } from "./tape";
import { dropReservedBefore } from "./tracefs-handles";
import { currentLine, refuse, report } from "./tracefs-report";
import { endSeq, firstSeq, firstWaitingLine, isWaiting, leaveSlot, nextSeq, startRing, stepAt } from "./tracefs-ring";
import {
  compareKeptRuns,
  dropSnapshot,
  finishSnapshot,
  holdSeq,
  isDiffering,
  setMachineExtent,
  snapshotLine,
  snapshotOpen,
  snapshotTime,
} from "./tracefs-snapshot";
import { startFromSnapshot, startFromSteps } from "./tracefs-start";
import { runStep } from "./tracefs-step";

/**
 * Steps that are kept back: a line printed late (a snapshot's beginning, a VM's creation) still finds the steps behind it
 * not run. Lines of different CPUs are out of order by less in every recording seen.
 */
const KEPT_BACK: u64 = 1024;
/** Steps run in one go when there are that many more. */
const BATCH: u64 = 256;
const NONE: u64 = u64.MAX_VALUE;

/** The machine is made. */
export let isRunning: bool = false;
/** The step run last. */
export let lastStep: usize = 0;

let stopSeq: u64 = NONE; // the replay stops before this step
let stopAtFirst: bool = false;
let stepping: bool = false; // stop after every step, with its effects recorded

export function openReplay(): void {
  isRunning = false;
  setStops(NONE, false, false);
}

/** Stop before step `seq`, after the first divergence, or after every step with its effects recorded. */
export function setStops(seq: u64, firstDivergence: bool, everyStep: bool): void {
  stopSeq = seq;
  stopAtFirst = firstDivergence;
  stepping = everyStep;
  startRecording(stepping);
}

/** Whether enough steps wait to run some. */
export function isBatchWaiting(): bool {
  return endSeq - nextSeq >= KEPT_BACK + BATCH;
}

/** Whether the replay is where the open snapshot was taken. */
export function isAtSnapshot(): bool {
  return isRunning && nextSeq == holdSeq;
}

/**
 * TRACEFS_MACHINE when the first snapshot is complete and it is known where the steps begin: at 0, or with the snapshot.
 * `ended`: no more lines come.
 */
export function awaitFirstSnapshot(ended: bool): i32 {
  if (snapshotOpen || holdSeq == NONE) return TRACEFS_INPUT;
  if (firstSeq >= holdSeq) return TRACEFS_MACHINE;
  const mayBeLate = !ended && endSeq < holdSeq + KEPT_BACK;
  for (let seq: u64 = 0; seq < holdSeq; seq++) {
    if (seq >= nextSeq && isWaiting(seq)) continue;
    if (mayBeLate) return TRACEFS_INPUT;
    refuse(REFUSED_SEQ_MISSING, snapshotLine, seq, 0);
    return TRACEFS_REFUSED;
  }
  return TRACEFS_MACHINE;
}

/** Gives the machine, made from the first snapshot, the state in which the trace begins. False if the snapshot is refused. */
export function startMachine(): bool {
  const steps = holdSeq;
  isRunning = true;
  setMachineExtent();
  if (firstSeq < steps) {
    if (!startFromSteps(steps)) return false;
    startRing(0);
    return true;
  }
  if (!startFromSnapshot()) return false;
  dropSnapshot();
  startRing(steps);
  return true;
}

/** Runs the steps that may run, and compares the snapshot that is due. `ended`: no more lines come. */
export function replay(ended: bool): i32 {
  while (true) {
    const stop = runSteps(min(runLimit(ended), stopSeq));
    if (stop != TRACEFS_INPUT) return stop;
    if (nextSeq >= stopSeq) return TRACEFS_DONE;
    if (nextSeq != holdSeq) return TRACEFS_INPUT;
    dropReservedBefore(snapshotTime);
    compareKeptRuns();
    if (snapshotOpen) return TRACEFS_INPUT;
    finishSnapshot();
    if (stopAtFirst && isDiffering()) return TRACEFS_DONE;
  }
}

function runLimit(ended: bool): u64 {
  if (holdSeq != NONE) return holdSeq;
  if (ended) return endSeq;
  return endSeq > KEPT_BACK ? endSeq - KEPT_BACK : 0;
}

function runSteps(limit: u64): i32 {
  while (nextSeq < limit) {
    if (isTapeFull) return TRACEFS_TAPE;
    const step = stepAt(nextSeq);
    if (load<u8>(step, STEP_OPERATION) == 0) return TRACEFS_INPUT; // not printed yet
    dropReservedBefore(load<u64>(step, STEP_TIME));
    lastStep = step;
    if (stepping) startRecording(true);
    const stop = runStep(step, nextSeq);
    leaveSlot(step);
    if (stop != TRACEFS_INPUT) return stop;
    if (stopAtFirst && load<u32>(report, REPORT_STEPS_DIVERGED) != 0) return TRACEFS_DONE;
    if (stepping) return TRACEFS_STEP;
  }
  return TRACEFS_INPUT;
}

/** At the end of the trace: whether everything that began was finished. */
export function isComplete(): bool {
  if (snapshotOpen) return refuse(REFUSED_SNAPSHOT_CUT, currentLine(), 0, snapshotLine);
  if (!isRunning) return refuse(REFUSED_SNAPSHOT_NONE, currentLine(), 0, 0);
  if (nextSeq < endSeq) return refuse(REFUSED_SEQ_MISSING, firstWaitingLine(), nextSeq, 0);
  return holdSeq == NONE || refuse(REFUSED_SEQ_MISSING, snapshotLine, nextSeq, 0);
}
