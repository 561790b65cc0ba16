// A trace in parts that are replayed apart from each other, because the machine is built anew between them: Freehold traces and
// golden recordings of hypervisors have reset lines. A part is the header and the lines behind one reset up to and with the next.
// What the parts found is put together to what one replay of the whole would have found. Where a part is refused, the whole is
// to be replayed: one reader words what is wrong, with the numbers of the whole.
//
// Other formats have no such place. The snapshots of tracefs captures show pages and the host's table, but neither the VMs that
// exist nor their tables, and a machine that has diverged goes on from its own state, not from the recorded one. Recordings of
// walks have check lines after every 256 walks of the file, which no part can count.

import type { TraceFormat } from "./detect.js";
import type { Replay, ReplayOptions, ReplaySummary } from "./replay.js";

/** The formats that have such places. */
export type RestartingFormat = "freehold-trace" | "golden" | "golden-ffa";

export function hasRestarts(format: TraceFormat): format is RestartingFormat {
  return format === "freehold-trace" || format === "golden" || format === "golden-ffa";
}

/** Which part a reader is given. */
export interface TracePart {
  /** Operations before it, of recordings whose reset lines say so; else null, and operations are counted from the part's first. */
  readonly operationsBefore: number | null;
  /** The trace ends with it. */
  readonly isLast: boolean;
}

export interface PartOptions extends ReplayOptions {
  /** Default: the trace is there as a whole. */
  readonly part?: TracePart;
}

/** What was read, by the words of the summary's description, in their order; lines include the header. */
export type Counts = Readonly<Record<string, number>> & { readonly lines: number; readonly operations: number };

/** A replay of the whole or of a part. */
export interface PartReplay extends Replay {
  readonly counts: Counts;
}

/** `124 lines, 121 operations, 3 checks, 0 resets`. */
export function countsInWords(counts: Counts): string {
  return Object.entries(counts)
    .map(([what, count]) => `${count} ${what}`)
    .join(", ");
}

/** What a replay of one part has found. */
export interface ReplayedPart {
  readonly part: TracePart;
  readonly summary: ReplaySummary;
  readonly counts: Counts;
  /** It stopped by itself: the parts behind it do not count. */
  readonly stopped: boolean;
}

/**
 * What one replay of the whole would have found. (That the parts follow each other by their numbers of operations was seen by the
 * reader of each part, which ends with the reset that says so.)
 *
 * @param first the part that begins with the header
 * @param others the parts behind it, in their order: all, or up to one that stopped
 */
export function mergeParts(first: ReplayedPart, others: readonly ReplayedPart[]): ReplaySummary {
  let { summary, counts } = first;
  for (const { part, summary: next, counts: more } of others) {
    summary = {
      format: summary.format,
      ops: summary.ops + next.ops,
      matched: summary.matched + next.matched,
      diverged: summary.diverged + next.diverged,
      first: summary.first ?? placed(next.first, part, counts),
      panic: summary.panic ?? next.panic,
      description: "",
    };
    counts = added(counts, more);
  }
  return { ...summary, description: countsInWords(counts) };
}

/** A divergence with the numbers of the whole trace. */
function placed(first: ReplaySummary["first"], part: TracePart, before: Counts): ReplaySummary["first"] {
  if (first === null) return null;
  const { line, operation } = first;
  const isNumbered = part.operationsBefore !== null || operation < 0;
  return {
    ...first,
    line: line + before.lines - HEADER_LINES,
    operation: isNumbered ? operation : operation + before.operations,
  };
}

/** Every part has the header. */
const HEADER_LINES = 1;

function added(counts: Counts, more: Counts): Counts {
  const sums = Object.entries(counts).map(([what, count]) => [what, count + (more[what] ?? 0)] as const);
  return { ...Object.fromEntries(sums), lines: counts.lines + more.lines - HEADER_LINES } as Counts;
}
