// The job "replay": a trace that is in memory, or in a file that the user has chosen in a browser.

import { replayChunks } from "../trace/replay-chunks.js";
import { type ReplaySummary, TraceError } from "../trace/replay.js";
import type { JobContext } from "./jobs.js";

/** Plain or gzip, told from the first bytes. */
export type TraceSource =
  | { readonly bytes: Uint8Array }
  /** A Blob or a File: read as a stream, however large. */
  | { readonly blob: Blob };

export interface ReplayLimits {
  /** Stop after the first divergence. */
  readonly stopAtFirst?: boolean;
  /** Run the operations with numbers below this one, then stop. */
  readonly at?: number;
}

export type ReplayInput = TraceSource & ReplayLimits;

/** Progress of a replay: bytes read of the input, and its size if that is known. */
export interface ReplayProgress {
  readonly read: number;
  readonly size: number | null;
}

export interface ReplayedJob {
  readonly summary: ReplaySummary;
  /** The replay stopped by itself (`at` or `stopAtFirst`), before the end of the trace. */
  readonly stopped: boolean;
  /** What it took, without waiting for a worker. */
  readonly seconds: number;
}

/** @throws TraceError if the input is refused */
export async function replayJob(input: ReplayInput, context: JobContext): Promise<ReplayedJob> {
  const isBlob = "blob" in input;
  const head = isBlob ? new Uint8Array(await input.blob.slice(0, 2).arrayBuffer()) : input.bytes;
  const size = isBlob ? input.blob.size : input.bytes.length;
  const chunks = countedChunks(isBlob ? blobChunks(input.blob) : pieces(input.bytes), size, context);
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  return timedReplay(isGzip ? unpacked(chunks) : chunks, input, context);
}

/** Replays chunks with pauses between them. */
export async function timedReplay(
  chunks: AsyncIterable<Uint8Array>,
  { at, stopAtFirst }: ReplayLimits,
  { pause }: JobContext,
): Promise<ReplayedJob> {
  const started = performance.now();
  const paused = (async function* () {
    for await (const chunk of chunks) {
      await pause();
      yield chunk;
    }
  })();
  const limits = { ...(at === undefined ? {} : { at }), ...(stopAtFirst === undefined ? {} : { stopAtFirst }) };
  const { summary, stopped } = await replayChunks(paused, limits);
  return { summary, stopped, seconds: (performance.now() - started) / 1e3 };
}

type Chunks = AsyncGenerator<Uint8Array, void, undefined>;

/** What reading from a stream of bytes gives; node's types say nothing of it. */
type ReadChunk = { readonly done: false; readonly value: Uint8Array } | { readonly done: true };

async function* blobChunks(blob: Blob): Chunks {
  const reader = blob.stream().getReader();
  for (;;) {
    const chunk = (await reader.read()) as ReadChunk;
    if (chunk.done) return;
    yield chunk.value;
  }
}

const PIECE_BYTES = 1 << 20;

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

async function* countedChunks(chunks: Chunks | Iterable<Uint8Array>, size: number, { report }: JobContext): Chunks {
  let read = 0;
  for await (const chunk of chunks) {
    read += chunk.length;
    report({ read, size } satisfies ReplayProgress);
    yield chunk;
  }
}

/** Node and browsers have their own words for what is wrong with gzip data. */
async function* unpacked(packed: Chunks): Chunks {
  const source = new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await packed.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
  });
  const reader = source.pipeThrough(new DecompressionStream("gzip")).getReader();
  for (;;) {
    const chunk = (await reader.read().catch((error: unknown) => {
      const words = error instanceof Error ? error.message : String(error);
      throw new TraceError(0, `the gzip data is truncated or corrupt (${words})`);
    })) as ReadChunk;
    if (chunk.done) return;
    yield chunk.value;
  }
}
