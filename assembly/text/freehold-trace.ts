// Freehold's own trace (docs/trace-format.md): lines of JSON in the window become operation records, which are run and
// compared with what the line expects, one line after the other, without a copy of the text.
//
// A line's keys come in any order. Each key's value waits in a slot until the line is complete; the operation's shape then
// says which slots fill the record (abi/trace.ts). TypeScript gives the tables, the header, resets and messages.

import { PANIC_EL2_FAULT, PANIC_PGTABLE_NULL_HOOK } from "../abi/codes";
import * as operation from "../abi/operations";
import {
  RESULT_REASON,
  RESULT_RET,
  RESULT_STATUS,
  STATUS_INVALID,
  STATUS_LIMIT,
  STATUS_PANICKED,
} from "../abi/records";
import * as abi from "../abi/trace";
import { pageShift } from "../arch/geometry";
import { reserve } from "../memory/heap";
import { guestStateOf, hostStateOf, hypStateOf } from "../systems/pkvm/queries";
import { addName } from "./dictionary";
import {
  clearLine,
  clearSlots,
  createLineTables,
  defineKey,
  pagesAt,
  readObject,
  refusedSlot,
  seen,
  slotValue,
} from "./freehold-line";
import * as json from "./json";
import { SLACK, number } from "./scan";
import { isTapeFull, noteOperation, run } from "./tape";

const NEWLINE: i32 = 0x0a;
const COMMA: i32 = 0x2c;
const CLOSE_BRACKET: i32 = 0x5d;

const OP: u64 = 1 << abi.SLOT_OP;
const RET: u64 = 1 << abi.SLOT_RET;
const HOST: u64 = 1 << abi.SLOT_HOST;
const HYP: u64 = 1 << abi.SLOT_HYP;
const GUEST: u64 = 1 << abi.SLOT_GUEST;
const PANIC: u64 = 1 << abi.SLOT_PANIC;
const NOTE: u64 = 1 << abi.SLOT_NOTE;
const RESET: u64 = 1 << abi.SLOT_RESET;
const MC_PAGES: u64 = 1 << abi.SLOT_MC_PAGES;
const STATES: u64 = HOST | HYP | GUEST;

const SHAPES_SIZE: i32 = (abi.OPERATION_MAX + 1) * abi.SHAPE_SIZE;
const shapes: usize = memory.data(SHAPES_SIZE, 16);
const status: usize = memory.data(128, 16);
const record: usize = status + abi.TRACE_RECORD;
const result: usize = status + abi.TRACE_RESULT;
const push: usize = memory.data(64, 16); // the record and the result of one page put on a host's list
const pushResult: usize = push + operation.OPERATION_SIZE;

let window: usize = 0;

/** Where the text goes: TEXT_WINDOW bytes, reserved at the first call; 0 if there is no memory. Call it before a machine is made. */
export function traceWindow(): usize {
  if (window == 0 && createLineTables()) window = reserve((abi.TEXT_WINDOW as usize) + SLACK);
  return window;
}

/** The record described at TRACE_NEXT in abi/trace.ts. */
export function traceStatus(): usize {
  return status;
}

/** The shapes (abi/trace.ts), SHAPE_SIZE bytes for each operation, to be filled before the first line. */
export function traceShapes(): usize {
  return shapes;
}

/** Adds the name that stands at the start of the window to the dictionary. False if there is no room or it is known. */
export function traceDefineName(kind: i32, length: i32, value: i32): bool {
  return addName(kind, window, length, value);
}

/** Sets the TYPE_* and the largest value of a key. */
export function traceDefineKey(slot: i32, type: i32, maximum: u64): void {
  defineKey(slot, type, maximum);
}

/** Starts a new trace: all counts from 0. The first line that `traceRun` sees is line `lines` + 1 of the file. */
export function traceBegin(lines: i32): void {
  memory.fill(status, 0, abi.TRACE_STATUS_SIZE);
  store<u32>(status, lines, abi.TRACE_LINES);
}

/**
 * Reads, runs and compares the lines in [from, end), the last of them ending in a newline, until `operations` of them have run.
 * Returns STOP_*; TRACE_NEXT says where to go on.
 */
export function traceRun(from: usize, end: usize, operations: u32): i32 {
  const last = load<u32>(status, abi.TRACE_OPERATIONS) + operations;
  let at = from;
  store<u32>(status, at as u32, abi.TRACE_NEXT);
  while (at < end && load<u32>(status, abi.TRACE_OPERATIONS) != last) {
    if (isTapeFull) return abi.STOP_TAPE;
    let stop = readLine(at);
    if (stop == abi.STOP_OPERATION) stop = runOperation();
    if (stop != abi.STOP_END) return stop;
    at = load<u32>(status, abi.TRACE_NEXT);
  }
  return abi.STOP_END;
}

/** Reads lines in [from, end) up to the first operation, which is put into TRACE_RECORD and not run. */
export function traceStep(from: usize, end: usize): i32 {
  let at = from;
  store<u32>(status, at as u32, abi.TRACE_NEXT);
  while (at < end) {
    const stop = readLine(at);
    if (stop != abi.STOP_END) return stop;
    at = load<u32>(status, abi.TRACE_NEXT);
  }
  return abi.STOP_END;
}

/** Compares the operation that `traceStep` read with the result that the caller put into TRACE_RESULT. */
export function traceJudge(): i32 {
  if (load<u16>(result, RESULT_STATUS) == STATUS_LIMIT) return abi.STOP_LIMIT;
  const expectations = seen & (RET | STATES | PANIC);
  const differs = !agrees(expectations);
  if (expectations != 0 || differs) count(abi.TRACE_CHECKED);
  if (!differs) return abi.STOP_END;
  count(abi.TRACE_DIVERGED);
  return abi.STOP_DIVERGED;
}

function runOperation(): i32 {
  if ((seen & MC_PAGES) != 0) pushPages();
  run(record, result);
  const stop = traceJudge();
  // A slot can be 0, a tape's field means "none" by that.
  const field = stop == abi.STOP_DIVERGED ? load<i32>(status, abi.TRACE_SLOT) + 1 : 0;
  noteOperation(load<u32>(status, abi.TRACE_LINES), field, load<u64>(status, abi.TRACE_EXPECTED));
  return stop;
}

function count(field: i32): void {
  const at = status + (field as usize);
  store<u32>(at, load<u32>(at) + 1);
}

// ---------------------------------------------------------------- one line

// Reads the line at `at`: an operation (its record is complete then), a reset, or nothing but a note or white space.
function readLine(at: usize): i32 {
  store<u32>(status, at as u32, abi.TRACE_LINE);
  count(abi.TRACE_LINES);
  let end = json.skipSpace(at);
  if (load<u8>(end) != NEWLINE) {
    end = readObject(end);
    if (end == 0) return refused();
    end = json.skipSpace(end);
    if (load<u8>(end) != NEWLINE) return refuseLine(abi.REFUSED_TRAILING, end);
  } else {
    clearLine();
  }
  if (end - at > (abi.LINE_MAX as usize)) return refuseLine(abi.REFUSED_LENGTH, at);
  store<u32>(status, (end as u32) + 1, abi.TRACE_NEXT);
  if ((seen & OP) != 0) return completeOperation(at);
  if ((seen & ~NOTE) == 0) return abi.STOP_END;
  if ((seen & RESET) == 0) return refuseLine(abi.REFUSED_NO_OP, at);
  return (seen & ~(RESET | NOTE)) == 0 ? abi.STOP_RESET : refuseLine(abi.REFUSED_RESET, at);
}

function refuseLine(code: i32, at: usize): i32 {
  json.refuse(code, at);
  return refused();
}

function refused(): i32 {
  store<i32>(status, json.refusal, abi.TRACE_REFUSAL);
  store<u32>(status, json.refusedAt as u32, abi.TRACE_REFUSED_AT);
  store<i32>(status, refusedSlot, abi.TRACE_SLOT);
  return abi.STOP_REFUSED;
}

// ---------------------------------------------------------------- from slots to a record

// Checks that the line has the keys of its operation and packs the record.
function completeOperation(at: usize): i32 {
  const shape = shapeOfLine();
  store<u16>(record, load<u16>(shape, abi.SHAPE_CODE), operation.OPERATION_CODE);
  const missing = load<u64>(shape, abi.SHAPE_REQUIRED) & ~seen;
  const unwanted = seen & ~load<u64>(shape, abi.SHAPE_ALLOWED);
  if ((missing | unwanted) != 0) return refuseKeys(missing, unwanted, at);
  if ((seen & PANIC) != 0 && (seen & (RET | STATES)) != 0) return refuseLine(abi.REFUSED_OUTCOMES, at);
  clearSlots(load<u64>(shape, abi.SHAPE_ALLOWED) & ~seen);
  store<u16>(record, fieldOf(shape, abi.SHAPE_VM) as u16, operation.OPERATION_VM);
  store<u32>(record, vcpuField(shape), operation.OPERATION_VCPU);
  store<u64>(record, fieldOf(shape, abi.SHAPE_A), operation.OPERATION_A);
  store<u64>(record, fieldOf(shape, abi.SHAPE_B), operation.OPERATION_B);
  store<u64>(record, fieldOf(shape, abi.SHAPE_C), operation.OPERATION_C);
  store<u64>(record, fieldOf(shape, abi.SHAPE_D) | (fieldOf(shape, abi.SHAPE_D_BIT1) << 1), operation.OPERATION_D);
  count(abi.TRACE_OPERATIONS);
  return abi.STOP_OPERATION;
}

function shapeOfLine(): usize {
  return shapes + (slotValue(abi.SLOT_OP) as usize) * (abi.SHAPE_SIZE as usize);
}

function vcpuField(shape: usize): u32 {
  const flags = (fieldOf(shape, abi.SHAPE_VCPU_BIT1) << 1) | (fieldOf(shape, abi.SHAPE_VCPU_BIT2) << 2);
  return (fieldOf(shape, abi.SHAPE_VCPU) | flags) as u32;
}

function refuseKeys(missing: u64, unwanted: u64, at: usize): i32 {
  const stop = refuseLine(missing != 0 ? abi.REFUSED_MISSING : abi.REFUSED_UNWANTED, at);
  store<i32>(status, ctz(missing != 0 ? missing : unwanted) as i32, abi.TRACE_SLOT);
  return stop;
}

// The value of the key that fills a field of the record.
function fieldOf(shape: usize, field: i32): u64 {
  return slotValue(load<u8>(shape + (field as usize))) as u64;
}

// mc_pages: what the host puts on its vCPU's list before the call, in order.
function pushPages(): void {
  const shape = shapeOfLine();
  memory.copy(push, record, operation.OPERATION_SIZE);
  store<u16>(push, load<u8>(shape, abi.SHAPE_PUSH), operation.OPERATION_CODE);
  memory.fill(push + operation.OPERATION_A, 0, operation.OPERATION_SIZE - operation.OPERATION_A);
  let at = pagesAt;
  while (load<u8>(at) != CLOSE_BRACKET) {
    at = json.skipSpace(json.readInteger(at));
    store<u64>(push, number, operation.OPERATION_A);
    run(push, pushResult);
    if (load<u8>(at) == COMMA) at = json.skipSpace(at + 1);
  }
}

// ---------------------------------------------------------------- what the line expects

// Whether the result and the states agree with the line. Else the first that does not is noted.
function agrees(expectations: u64): bool {
  const outcome = load<u16>(result, RESULT_STATUS);
  if (outcome == STATUS_INVALID) return differs(abi.SLOT_OP, 0, outcome);
  const panic = outcome == STATUS_PANICKED ? panicOf(load<u16>(result, RESULT_REASON)) : 0;
  const expectedPanic: i64 = (expectations & PANIC) != 0 ? slotValue(abi.SLOT_PANIC) : 0;
  if (panic != expectedPanic) {
    if (expectedPanic == 0 && load<i32>(status, abi.TRACE_PANIC) == 0)
      store<i32>(status, panic as i32, abi.TRACE_PANIC);
    return differs(abi.SLOT_PANIC, expectedPanic, panic);
  }
  const ret: i64 = load<i32>(result, RESULT_RET);
  if ((expectations & RET) != 0 && slotValue(abi.SLOT_RET) != ret)
    return differs(abi.SLOT_RET, slotValue(abi.SLOT_RET), ret);
  return (expectations & STATES) == 0 || agreeStates(expectations);
}

// No function's name tells the two EL2 faults apart, so neither does a line.
function panicOf(reason: i32): i64 {
  return reason == PANIC_PGTABLE_NULL_HOOK ? PANIC_EL2_FAULT : reason;
}

function agreeStates(expectations: u64): bool {
  const shape = shapeOfLine();
  const firstPage = fieldOf(shape, abi.SHAPE_FIRST_PAGE);
  const pfn = load<u8>(shape, abi.SHAPE_FIRST_PAGE_UNIT) == abi.FIRST_PAGE_PA ? firstPage >> pageShift : firstPage;
  if ((expectations & HOST) != 0 && !agreesState(abi.SLOT_HOST, hostStateOf(pfn))) return false;
  if ((expectations & HYP) != 0 && !agreesState(abi.SLOT_HYP, hypStateOf(pfn))) return false;
  if ((expectations & GUEST) == 0) return true;
  const gfn = fieldOf(shape, abi.SHAPE_GUEST_PAGE);
  return agreesState(abi.SLOT_GUEST, guestStateOf(load<u16>(record, operation.OPERATION_VM), gfn));
}

function agreesState(slot: i32, found: i32): bool {
  return slotValue(slot) == found || differs(slot, slotValue(slot), found);
}

// Notes a difference; always false.
function differs(slot: i32, expected: i64, found: i64): bool {
  store<i32>(status, slot, abi.TRACE_SLOT);
  store<i64>(status, expected, abi.TRACE_EXPECTED);
  store<i64>(status, found, abi.TRACE_FOUND);
  return false;
}
