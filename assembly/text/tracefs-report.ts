// What the tracefs reader says about a trace: what it read, how often and where first the model differed, and why a line
// was refused. The report lies in linear memory (layout: abi/tracefs.ts); TypeScript makes the sentences.

import {
  REPORT_COLUMN,
  REPORT_DIVERGED_AT,
  REPORT_DIVERGED_EXPECTED,
  REPORT_DIVERGED_FIELD,
  REPORT_DIVERGED_FOUND,
  REPORT_DIVERGED_LINE,
  REPORT_DIVERGED_OPERATION,
  REPORT_DIVERGED_SEQ,
  REPORT_LINE,
  REPORT_LINES,
  REPORT_LITERAL,
  REPORT_LITERAL_SIZE,
  REPORT_OTHER,
  REPORT_REFUSAL,
  REPORT_SIZE,
  REPORT_SUBJECT,
  REPORT_TEXT,
  REPORT_TEXT_SIZE,
} from "../abi/tracefs";
import { findByte } from "./scan";

const NEWLINE: i32 = 10;

export const report: usize = memory.data(REPORT_SIZE, 8);

export function clearReport(): void {
  memory.fill(report, 0, REPORT_SIZE);
}

/** The line being read, from 1. */
export function currentLine(): u32 {
  return load<u32>(report, REPORT_LINES);
}

export function setCurrentLine(line: u32): void {
  store<u32>(report, line, REPORT_LINES);
}

/** Refuses `line` for what it means. Always false. */
export function refuse(code: i32, line: u32, subject: u64, other: u64): bool {
  store<u32>(report, code, REPORT_REFUSAL);
  store<u32>(report, line, REPORT_LINE);
  store<u64>(report, subject, REPORT_SUBJECT);
  store<u64>(report, other, REPORT_OTHER);
  return false;
}

/** Refuses the line being read at a place in its text. `end`: end of the window's complete lines. */
export function locateRefusal(lineStart: usize, at: usize, end: usize): void {
  store<u32>(report, (at - lineStart + 1) as u32, REPORT_COLUMN);
  store<u32>(report, at as u32, REPORT_TEXT);
  store<u32>(report, (findByte(at, end, NEWLINE) - at) as u32, REPORT_TEXT_SIZE);
}

/** The text that a field would have begun with. */
export function expectLiteral(literal: usize, size: u32): void {
  store<u32>(report, literal as u32, REPORT_LITERAL);
  store<u32>(report, size, REPORT_LITERAL_SIZE);
}

/** Adds one to a counter of the report. */
export function count(counter: i32): void {
  const at = report + (counter as usize);
  store<u32>(at, load<u32>(at) + 1);
}

/** Notes where the replay first differed from the recording; later differences are only counted. */
export function noteDivergence(
  line: u32,
  operation: u32,
  seq: u64,
  field: i32,
  expected: u64,
  found: u64,
  at: u64,
): void {
  if (load<u32>(report, REPORT_DIVERGED_LINE) != 0) return;
  store<u32>(report, line, REPORT_DIVERGED_LINE);
  store<u32>(report, operation, REPORT_DIVERGED_OPERATION);
  store<u64>(report, seq, REPORT_DIVERGED_SEQ);
  store<u32>(report, field, REPORT_DIVERGED_FIELD);
  store<u64>(report, expected, REPORT_DIVERGED_EXPECTED);
  store<u64>(report, found, REPORT_DIVERGED_FOUND);
  store<u64>(report, at, REPORT_DIVERGED_AT);
}
