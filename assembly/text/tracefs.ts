// Replays a hypervisor trace as tracefs prints it: text comes into a window of linear memory and is read line by line; lines
// become recorded steps, which run in the order of their numbers and are checked; snapshots are compared where they belong.
// The loop stops for TypeScript to bring more text or to make the machine, and goes on where it was.

import {
  REFUSED_COMMENT,
  REFUSED_LENGTH,
  REPORT_NEXT_SEQ,
  TRACEFS_INPUT,
  TRACEFS_LINE_MAX,
  TRACEFS_REFUSED,
  TRACEFS_WINDOW,
} from "../abi/tracefs";
import { reserve } from "../memory/heap";
import { findByte, SLACK } from "./scan";
import { isDue, takeEvent } from "./tracefs-events";
import { prepareEvents } from "./tracefs-format";
import { openHandles } from "./tracefs-handles";
import { eventAt, readEvent, readHeader, refusal, refusedAt } from "./tracefs-line";
import {
  awaitFirstSnapshot,
  isComplete,
  isRunning,
  lastStep,
  openReplay,
  replay,
  setStops,
  startMachine,
} from "./tracefs-replay";
import { clearReport, currentLine, locateRefusal, refuse, report, setCurrentLine } from "./tracefs-report";
import { nextSeq, openRing } from "./tracefs-ring";
import { openRuns } from "./tracefs-runs";
import { openSnapshots, snapshotLine, tableEnd } from "./tracefs-snapshot";
import { describeMachine } from "./tracefs-start";
import { record, result } from "./tracefs-step";

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

const config: usize = memory.data(3200, 8);

/** Prepares a replay, before there is a machine. 0 if linear memory is used up. */
export function tracefsOpen(): i32 {
  prepareEvents();
  clearReport();
  openSnapshots();
  openReplay();
  inputEnded = false;
  window = reserve(WINDOW + SLACK);
  cursor = window;
  filled = window;
  textEnd = window;
  return window != 0 && openRing() && openRuns() && openHandles() ? 1 : 0;
}

/** Where the replay stops: before step `seq`, after the first divergence, or after every step with its effects recorded. */
export function tracefsStopAt(seq: u64, firstDivergence: i32, everyStep: i32): void {
  setStops(seq, firstDivergence != 0, everyStep != 0);
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

/** The machine is made: gives it its initial state. TRACEFS_REFUSED if the snapshot contradicts itself. */
export function tracefsStart(): i32 {
  return startMachine() ? TRACEFS_INPUT : TRACEFS_REFUSED;
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

/** Reads and replays what is there. Says why it stopped; TRACEFS_INPUT after `tracefsEndInput` means that all is done. */
export function tracefsRun(): i32 {
  while (true) {
    const ended = inputEnded && cursor >= textEnd;
    const stop = isRunning ? replay(ended) : awaitFirstSnapshot(ended);
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

// Reads lines until one lets steps run.
function readLines(): bool {
  do {
    setCurrentLine(currentLine() + 1);
    if (!readLine(cursor)) return false;
  } while (cursor < textEnd && !isDue);
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
