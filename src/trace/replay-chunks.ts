// From bytes to a finished replay: format, reader. Runs anywhere; open.ts adds files for node.

import type { Machine } from "../machine/machine.js";
import { DETECT_BYTES, detectFormat, type TraceFormat } from "./detect.js";
import type { PartOptions, PartReplay, RestartingFormat } from "./parts.js";
import { type ExplainedOperation, type Replay, type ReplayOptions, type ReplaySummary, TraceError } from "./replay.js";

/** What is left when a replay has ended. */
export interface ReplayedTrace {
  readonly summary: ReplaySummary;
  /** In the state after the last operation that ran; null if the trace configured none. */
  readonly machine: Machine | null;
  /** The operation asked for with `explain`; null if the trace has no operation of that number. */
  readonly explained: ExplainedOperation | null;
  /** The replay stopped by itself (`at` or `stopAtFirst`), before the end of the trace. */
  readonly stopped: boolean;
}

/** Loads the reader of one format; the others stay on disk. */
export async function createReplay(format: TraceFormat, options: ReplayOptions): Promise<Replay> {
  switch (format) {
    case "golden-walk":
      return (await import("./golden-walk.js")).createGoldenWalkReplay(options);
    case "tracefs":
      return (await import("./tracefs.js")).createTracefsReplay(options);
    default:
      return createPartReplay(format, options);
  }
}

/** The reader of a format whose traces can be replayed in parts, for the whole or for one of them. */
export async function createPartReplay(format: RestartingFormat, options: PartOptions): Promise<PartReplay> {
  switch (format) {
    case "golden":
      return (await import("./golden.js")).createGoldenReplay(options);
    case "golden-ffa":
      return (await import("./golden-ffa.js")).createGoldenFfaReplay(options);
    case "freehold-trace":
      return (await import("./freehold-trace.js")).createFreeholdTraceReplay(options);
  }
}

/**
 * Replays a trace and compares every recorded result. The format is told from the content.
 *
 * @param chunks the bytes, unpacked. A chunk is not used once the next has been asked for.
 * @throws TraceError if the input is refused: not a trace, or not a well-formed one
 */
export async function replayChunks(
  chunks: AsyncIterable<Uint8Array>,
  options: ReplayOptions = {},
): Promise<ReplayedTrace> {
  let head: Uint8Array = new Uint8Array(0);
  let replay: Replay | null = null;
  for await (const chunk of chunks) {
    if (replay !== null) {
      replay.write(chunk);
    } else {
      head = joined(head, chunk);
      if (head.length < DETECT_BYTES) continue;
      replay = await start(head, options);
    }
    if (replay.done) break;
  }
  replay ??= await start(head, options);
  return {
    summary: replay.end(),
    machine: replay.machine,
    explained: replay.explained,
    stopped: replay.done,
  };
}

/** A copy of both: the chunk's own memory is used again. */
function joined(head: Uint8Array, chunk: Uint8Array): Uint8Array {
  const both = new Uint8Array(head.length + chunk.length);
  both.set(head);
  both.set(chunk, head.length);
  return both;
}

async function start(head: Uint8Array, options: ReplayOptions): Promise<Replay> {
  const detection = detectFormat(head);
  if ("refusal" in detection) throw new TraceError(0, detection.refusal);
  const replay = await createReplay(detection.format, options);
  replay.write(head);
  return replay;
}
