// Replays a hypervisor trace as tracefs prints it: text comes into a window of linear memory, lines become recorded steps,
// steps run in the order of their numbers and are checked, snapshots are compared where they belong.
// The loop stops for TypeScript to bring more text or to make the machine, and goes on where it was.

import {
  REFUSED_ARGUMENTS,
  REFUSED_COMMENT,
  REFUSED_LENGTH,
  REFUSED_PFN,
  REFUSED_SEQ_MISSING,
  REFUSED_SNAPSHOT_CUT,
  REFUSED_SNAPSHOT_LATE,
  REFUSED_SNAPSHOT_NONE,
  REPORT_NEXT_SEQ,
  REPORT_STEPS_DIVERGED,
  STATE_UNKNOWN,
  STEP_CNT,
  STEP_GFN,
  STEP_GUEST,
  STEP_HOST,
  STEP_HYP,
  STEP_LENGTH,
  STEP_LINE,
  STEP_NR,
  STEP_OPERATION,
  STEP_PFN,
  STEP_RET,
  STEP_TIME,
  STEP_VM,
  TRACEFS_DONE,
  TRACEFS_INPUT,
  TRACEFS_LINE_MAX,
  TRACEFS_MACHINE,
  TRACEFS_REFUSED,
  TRACEFS_STEP,
  TRACEFS_WINDOW,
} from "../abi/tracefs";
import { CONFIG_HEADER_SIZE } from "../abi/config";
import { HOST_ABORT } from "../abi/operations";
import { reserve } from "../memory/heap";
import { startRecording } from "../memory/journal";
import { findByte, SLACK } from "./scan";
import { dropReservedBefore, noteReserved, openHandles } from "./tracefs-handles";
import {
  eventAt,
  HOST_HCALL_RET,
  HOST_MEM_ABORT,
  isWord,
  MEM_OP,
  PAGE_RUN,
  prepareEvents,
  readEvent,
  readHeader,
  refusal,
  refusedAt,
  S2_RUN,
  SNAPSHOT,
  timestamp,
  value,
} from "./tracefs-line";
import { clearReport, currentLine, locateRefusal, refuse, report, setCurrentLine } from "./tracefs-report";
import { endSeq, firstSeq, isWaiting, leaveSlot, nextSeq, openRing, startRing, stepAt, takeSlot } from "./tracefs-ring";
import { openRuns } from "./tracefs-runs";
import {
  beginSnapshot,
  compareKeptRuns,
  dropSnapshot,
  endSnapshot,
  finishSnapshot,
  holdSeq,
  isDiffering,
  isWholeMachine,
  openSnapshots,
  setMachineExtent,
  snapshotLine,
  snapshotOpen,
  snapshotTime,
  tableEnd,
  takeLeafRun,
  takePageRun,
} from "./tracefs-snapshot";
import { describeMachine, startFromSnapshot, startFromSteps } from "./tracefs-start";
import { isOnePage, PFN_UNKNOWN, record, result, runStep } from "./tracefs-step";

/**
 * Steps that are kept back: a line printed late (a snapshot's beginning, a VM's creation) still finds the steps behind it
 * not run. Lines of different CPUs are out of order by less in every recording seen.
 */
const KEPT_BACK: u64 = 1024;
/** Steps run in one go when there are that many more. */
const BATCH: u64 = 256;

const NEWLINE: u32 = 10;
const TAB: u32 = 9;
const HASH: u32 = 35;

// The window: text from `cursor` to `filled`, of which the lines up to `textEnd` are complete.
const WINDOW: usize = (TRACEFS_LINE_MAX as usize) + (TRACEFS_WINDOW as usize);
let window: usize = 0;
let cursor: usize = 0;
let filled: usize = 0;
let textEnd: usize = 0;
let inputEnded: bool = false;

let running: bool = false; // the machine is made
let stopSeq: u64 = 0; //      the replay stops before this step
let stopAtFirst: bool = false;
let stepping: bool = false; // stop after every step, with its effects recorded
let due: bool = false; //     lines were read that let steps run
let lastStep: usize = 0;

const config: usize = memory.data(3200, 8);

/** Prepares a replay, before there is a machine. 0 if linear memory is used up. */
export function tracefsOpen(): i32 {
  prepareEvents();
  clearReport();
  openSnapshots();
  running = false;
  inputEnded = false;
  stopSeq = u64.MAX_VALUE;
  window = reserve(WINDOW + SLACK);
  cursor = window;
  filled = window;
  textEnd = window;
  return window != 0 && openRing() && openRuns() && openHandles() ? 1 : 0;
}

/** Where the replay stops: before step `seq`, after the first divergence, or after every step with its effects recorded. */
export function tracefsStopAt(seq: u64, firstDivergence: i32, everyStep: i32): void {
  stopSeq = seq;
  stopAtFirst = firstDivergence != 0;
  stepping = everyStep != 0;
  startRecording(stepping);
}

/** Where the next bytes go. An incomplete line moves to the front. */
export function tracefsSpace(): usize {
  const rest = filled - cursor;
  memory.copy(window, cursor, rest);
  cursor = window;
  textEnd = window;
  filled = window + rest;
  return filled;
}

/** How many bytes there is room for. */
export function tracefsRoom(): i32 {
  return (window + WINDOW - filled) as i32;
}

/** So many bytes were written to the space. */
export function tracefsFilled(bytes: i32): void {
  const before = filled;
  filled += bytes;
  let end = filled;
  while (end > before && load<u8>(end - 1) != NEWLINE) end--;
  if (end > before) textEnd = end;
}

/** No more text comes. The last line may lack its newline. */
export function tracefsEndInput(): void {
  inputEnded = true;
  if (filled > textEnd) {
    store<u8>(filled, NEWLINE);
    filled++;
    textEnd = filled;
  }
}

export function tracefsReport(): usize {
  store<u64>(report, nextSeq, REPORT_NEXT_SEQ);
  return report;
}

/** Once the first snapshot is complete: the configuration it tells. 0 if it tells none. */
export function tracefsConfig(): usize {
  return describeMachine(config, snapshotLine, tableEnd()) ? config : 0;
}

/** The step run last, its operation record and its result. */
export function tracefsLastStep(): usize {
  return lastStep;
}

export function tracefsLastRecord(): usize {
  return record;
}

export function tracefsLastResult(): usize {
  return result;
}

/** The machine is made: gives it its initial state. TRACEFS_REFUSED if the snapshot contradicts itself. */
export function tracefsStart(): i32 {
  const steps = holdSeq;
  running = true;
  setMachineExtent();
  if (firstSeq < steps) {
    startFromSteps(steps);
    startRing(0);
    return TRACEFS_INPUT;
  }
  if (!startFromSnapshot()) return TRACEFS_REFUSED;
  dropSnapshot();
  startRing(steps);
  return TRACEFS_INPUT;
}

/** Reads and replays what is there. Says why it stopped; TRACEFS_INPUT after `tracefsEndInput` means that all is done. */
export function tracefsRun(): i32 {
  while (true) {
    const stop = running ? replay() : awaitFirstSnapshot();
    if (stop != TRACEFS_INPUT) return stop;
    if (cursor >= textEnd) return finishText();
    if (!readLines()) return TRACEFS_REFUSED;
  }
}

function finishText(): i32 {
  if (filled - cursor > (TRACEFS_LINE_MAX as usize)) {
    refuse(REFUSED_LENGTH, currentLine() + 1, 0, 0);
    return TRACEFS_REFUSED;
  }
  return inputEnded && !isComplete() ? TRACEFS_REFUSED : TRACEFS_INPUT;
}

function isComplete(): bool {
  if (snapshotOpen) return refuse(REFUSED_SNAPSHOT_CUT, currentLine(), 0, snapshotLine);
  if (!running) return refuse(REFUSED_SNAPSHOT_NONE, 0, 0, 0);
  const next = max(endSeq, holdSeq + 1) - 1;
  return nextSeq >= next ? true : refuse(REFUSED_SEQ_MISSING, 0, nextSeq, 0);
}

// --- Lines

function readLines(): bool {
  due = false;
  while (cursor < textEnd && !due) {
    setCurrentLine(currentLine() + 1);
    if (!readLine(cursor)) return false;
  }
  return true;
}

function readLine(line: usize): bool {
  if (load<u8>(line) == HASH) return skipComment(line);
  const name = readHeader(line);
  const event = name == 0 ? -1 : eventAt(name);
  const end: usize = event < 0 ? 0 : readEvent(event, name);
  if (end == 0) {
    locateRefusal(line, refusedAt, textEnd);
    return refuse(refusal, currentLine(), 0, 0);
  }
  cursor = end + 1;
  return takeEvent(event);
}

// What tracefs prints above a trace.
function skipComment(line: usize): bool {
  const end = findByte(line, textEnd, NEWLINE);
  for (let at = line; at < end; at++) {
    const character = load<u8>(at);
    if (character >= 32 || character == TAB) continue;
    locateRefusal(line, at, textEnd);
    return refuse(REFUSED_COMMENT, currentLine(), 0, 0);
  }
  cursor = end + 1;
  return end - line <= (TRACEFS_LINE_MAX as usize) || refuse(REFUSED_LENGTH, currentLine(), 0, 0);
}

// The other events say what happened around the steps; they are read to the last character, and nothing follows from them.
function takeEvent(event: i32): bool {
  switch (event) {
    case MEM_OP:
      return takeOperation();
    case HOST_MEM_ABORT:
      return takeAbort();
    case HOST_HCALL_RET:
      return isWord(0, "__pkvm_reserve_vm") ? noteReserved(value(2), timestamp) : true;
    case SNAPSHOT:
      return takeSnapshot();
    case PAGE_RUN:
      return takePageRun(isAtSnapshot());
    case S2_RUN:
      return takeLeafRun(isAtSnapshot());
    default:
      return true;
  }
}

function isAtSnapshot(): bool {
  return running && nextSeq == holdSeq;
}

function takeOperation(): bool {
  const operation = value(2) as i32;
  const pfn = value(3);
  const known = value(8) != STATE_UNKNOWN || value(9) != STATE_UNKNOWN || value(11) != 0;
  if (pfn == PFN_UNKNOWN && known) return refuse(REFUSED_PFN, currentLine(), value(0), 0);
  if (isOnePage(operation) && value(5) != 1) return refuse(REFUSED_ARGUMENTS, currentLine(), value(0), 0);
  const step = takeStep(operation, value(7));
  if (step == 0) return false;
  store<u8>(step, value(8) as u8, STEP_HOST);
  store<u8>(step, value(9) as u8, STEP_HYP);
  store<u8>(step, value(10) as u8, STEP_GUEST);
  store<u32>(step, value(6) as u32, STEP_VM);
  store<u64>(step, pfn, STEP_PFN);
  store<u64>(step, value(4), STEP_GFN);
  store<u64>(step, value(5), STEP_NR);
  store<u64>(step, value(11), STEP_CNT);
  return true;
}

function takeAbort(): bool {
  const step = takeStep(HOST_ABORT, value(7));
  if (step == 0) return false;
  store<u32>(step, 0, STEP_VM);
  store<u64>(step, value(2), STEP_PFN);
  store<u64>(step, value(3), STEP_GFN);
  store<u64>(step, value(4), STEP_NR);
  store<u64>(step, value(5), STEP_CNT);
  store<u64>(step, value(6), STEP_LENGTH);
  return true;
}

function takeStep(operation: i32, ret: u64): usize {
  const step = takeSlot(value(0));
  if (step == 0) return 0;
  store<u8>(step, operation as u8, STEP_OPERATION);
  store<u32>(step, currentLine(), STEP_LINE);
  store<i32>(step, ret as i32, STEP_RET);
  store<u64>(step, timestamp, STEP_TIME);
  due = endSeq - nextSeq >= KEPT_BACK + BATCH;
  return step;
}

function takeSnapshot(): bool {
  const seq = value(2);
  due = true;
  if (value(1) != 0) return endSnapshot(value(0), seq);
  if (running && seq < nextSeq) return refuse(REFUSED_SNAPSHOT_LATE, currentLine(), seq, nextSeq);
  if (!beginSnapshot(value(0), seq, timestamp)) return false;
  return running || isWholeMachine() || refuse(REFUSED_SNAPSHOT_NONE, currentLine(), 0, 0);
}

// --- Steps

// The first snapshot's machine can be made when it is known where the steps begin: at 0, or with the snapshot.
function awaitFirstSnapshot(): i32 {
  if (snapshotOpen || holdSeq == u64.MAX_VALUE) return TRACEFS_INPUT;
  const late = !inputEnded && endSeq < holdSeq + KEPT_BACK;
  if (firstSeq >= holdSeq) return late && holdSeq != 0 ? TRACEFS_INPUT : TRACEFS_MACHINE;
  for (let seq: u64 = 0; seq < holdSeq; seq++) {
    if (seq >= nextSeq && isWaiting(seq)) continue;
    if (late) return TRACEFS_INPUT;
    refuse(REFUSED_SEQ_MISSING, snapshotLine, seq, 0);
    return TRACEFS_REFUSED;
  }
  return TRACEFS_MACHINE;
}

/** Runs the steps that may run, and compares the snapshot that is due. */
function replay(): i32 {
  while (true) {
    const stop = runSteps(min(runLimit(), stopSeq));
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

function runLimit(): u64 {
  if (holdSeq != u64.MAX_VALUE) return holdSeq;
  if (inputEnded && cursor >= textEnd) return endSeq;
  return endSeq > KEPT_BACK ? endSeq - KEPT_BACK : 0;
}

function runSteps(limit: u64): i32 {
  while (nextSeq < limit) {
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
