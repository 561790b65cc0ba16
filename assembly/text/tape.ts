// Keeps what the text readers run (layout: abi/tape.ts), if anyone has asked for it. Operations of a text run through here.

import { OPERATION_A, OPERATION_CODE, OPERATION_SIZE, OPERATION_VM } from "../abi/operations";
import { RESULT_REASON, RESULT_RET, RESULT_STATUS } from "../abi/records";
import {
  TAPE_ENTRY_SIZE,
  TAPE_FIELD,
  TAPE_FULL,
  TAPE_KIND,
  TAPE_LINE,
  TAPE_LINE_ENTRIES,
  TAPE_OPERATION,
  TAPE_REASON,
  TAPE_RECORDED,
  TAPE_RET,
  TAPE_STATUS,
} from "../abi/tape";
import { execute } from "../batch/execute";
import { reserve } from "../memory/heap";

const BYTES: usize = ((TAPE_FULL + TAPE_LINE_ENTRIES) as usize) * (TAPE_ENTRY_SIZE as usize);

let tape: usize = 0;
let entries: i32 = 0;

/** Whether the reader should stop and let the tape be read. */
export let isTapeFull: bool = false;

/** Starts taping, before a machine is made. The address of the first entry; 0 if linear memory is used up. */
export function tapeOpen(): usize {
  if (tape == 0) tape = reserve(BYTES);
  tapeClear();
  return tape;
}

export function tapeEntries(): i32 {
  return entries;
}

/** What is on the tape was read. */
export function tapeClear(): void {
  entries = 0;
  isTapeFull = false;
}

/** Runs a record of a text. */
export function run(rec: usize, result: usize): void {
  execute(rec, result);
  if (tape == 0) return;
  const entry = takeEntry();
  memory.copy(entry, rec, OPERATION_SIZE);
  store<i32>(entry, load<i32>(result, RESULT_RET), TAPE_RET);
  store<u16>(entry, load<u16>(result, RESULT_REASON), TAPE_REASON);
  store<u8>(entry, load<u16>(result, RESULT_STATUS) as u8, TAPE_STATUS);
}

/** Something that the text implies was done, and can be done again by this record. */
export function notePreparation(operation: i32, handle: u32, a: u64): void {
  if (tape == 0) return;
  const entry = takeEntry();
  store<u16>(entry, operation as u16, OPERATION_CODE);
  store<u16>(entry, handle as u16, OPERATION_VM);
  store<u64>(entry, a, OPERATION_A);
}

/** The record that ran last was the operation of a line. `field` 0: it agrees with the recording. */
export function noteOperation(line: u32, field: i32, recorded: u64): void {
  if (tape == 0) return;
  const entry = tape + ((entries - 1) as usize) * (TAPE_ENTRY_SIZE as usize);
  store<u8>(entry, TAPE_OPERATION as u8, TAPE_KIND);
  store<u32>(entry, line, TAPE_LINE);
  store<u32>(entry, field, TAPE_FIELD);
  store<u64>(entry, recorded, TAPE_RECORDED);
}

function takeEntry(): usize {
  const entry = tape + (entries as usize) * (TAPE_ENTRY_SIZE as usize);
  memory.fill(entry, 0, TAPE_ENTRY_SIZE);
  entries++;
  isTapeFull = entries >= TAPE_FULL;
  return entry;
}
