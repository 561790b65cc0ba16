// The jobs of node's workers: those of every worker, and traces that are files.

import type { ChunkInput, ChunkResult } from "../explore/campaign/chunk.js";
import { readInput } from "../trace/input.js";
import type { ReplayedPart } from "../trace/parts.js";
import { createPartReplay } from "../trace/replay-chunks.js";
import { readPart, type FilePart } from "../trace/restarts.js";
import { JOBS, type JobContext } from "./jobs.js";
import { replayJob, timedReplay, type ReplayedJob, type ReplayInput, type ReplayLimits } from "./replay-job.js";

/** A trace by its path, or as in a browser. */
export type NodeReplayInput = ReplayInput | ({ readonly path: string } & ReplayLimits);

async function nodeReplayJob(input: NodeReplayInput, context: JobContext): Promise<ReplayedJob> {
  if (!("path" in input)) return replayJob(input, context);
  const chunks = readInput(input.path, (read, size) => context.report({ read, size }));
  return timedReplay(chunks, input, context);
}

/** A part of a file, as `partsOfFile` (trace/restarts.ts) has taken it apart. */
export interface PartInput {
  readonly path: string;
  readonly part: FilePart;
  readonly stopAtFirst?: boolean;
}

export interface ReplayedPartJob extends ReplayedPart {
  /** What it took, without waiting for a worker. */
  readonly seconds: number;
}

async function partJob({ path, part, stopAtFirst = false }: PartInput, context: JobContext): Promise<ReplayedPartJob> {
  const started = performance.now();
  const replay = await createPartReplay(part.format, { part, stopAtFirst });
  let read = 0;
  for await (const chunk of readPart(path, part)) {
    await context.pause();
    replay.write(chunk);
    if (replay.done) break;
    read += chunk.length;
    context.report({ read, size: part.bytes });
  }
  const stopped = replay.done;
  const summary = replay.end();
  return { part, summary, counts: replay.counts, stopped, seconds: (performance.now() - started) / 1e3 };
}

/** A piece of a random campaign. */
async function campaignJob(input: ChunkInput): Promise<ChunkResult> {
  return (await import("../explore/campaign/chunk.js")).runChunk(input);
}

export const NODE_JOBS = { ...JOBS, replay: nodeReplayJob, "replay-part": partJob, campaign: campaignJob } as const;
