// How much memory a trace will need, told before it is read.

import { detectFormat, type TraceFormat } from "../trace/detect.js";

/** Bytes of text of an operation, at least on average, in traces of each format. */
const BYTES_PER_OPERATION: Readonly<Record<TraceFormat, number>> = {
  golden: 180,
  "golden-walk": 180,
  "golden-ffa": 300,
  tracefs: 100,
  "freehold-trace": 75,
};
/** Records, columns, class changes and their index, per operation. */
const MEMORY_PER_OPERATION = 150;
/** What browsers give a page without trouble. */
const LIMIT = 3 * 2 ** 30;

/**
 * A sentence if a trace is too large for memory.
 *
 * @param bytes of the unpacked text
 * @param head its first bytes, or its format
 */
export function tooLarge(bytes: number, head: Uint8Array | TraceFormat): string | null {
  const format = typeof head === "string" ? head : formatOf(head);
  if (format === null) return null; // the reader says what it is
  const needed = (bytes / BYTES_PER_OPERATION[format]) * MEMORY_PER_OPERATION;
  if (needed <= LIMIT) return null;
  const limit = Math.floor((LIMIT / MEMORY_PER_OPERATION) * BYTES_PER_OPERATION[format]);
  return `the trace has ${gigabytes(bytes)} of text, for which memory does not suffice: at most ${gigabytes(limit)} can be shown`;
}

function formatOf(head: Uint8Array): TraceFormat | null {
  const detection = detectFormat(head);
  return "format" in detection ? detection.format : null;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
