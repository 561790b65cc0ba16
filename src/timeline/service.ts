// What a worker that owns one timeline offers: reading a trace, with refusals as values, and the buffers that go to the page
// without a copy. A worker's entry spreads the answer's `machine` over Comlink and sends `trace` with `traceBuffers(trace)`:
//
//   const opened = await openTimeline(chunks, { progress });      // chunks: AsyncIterable<Uint8Array>, unpacked
//   if ("refusal" in opened) return opened;                        // the session before is untouched
//   machine = opened.machine;
//   return transfer({ trace: opened.trace }, traceBuffers(opened.trace));
//
// The core must have been compiled before (machine/module.ts: useCompiledCore, or instantiateCore(bytes)).

import { ConfigError } from "../machine/config-error.js";
import { LimitError, TraceError } from "../trace/replay.js";
import { loadTimeline, type LoadOptions, type Timeline } from "./load.js";
import type { LoadedTrace } from "./timeline.js";

export { tooLarge } from "./size.js";

/** Why a trace cannot be shown: one sentence, and the line of the file (0: no line is to blame). */
export interface RefusedTimeline {
  readonly refusal: string;
  readonly line: number;
}

/**
 * Reads a trace. Bad input is an answer.
 *
 * @throws what `options.signal` was aborted with
 */
export async function openTimeline(
  chunks: AsyncIterable<Uint8Array>,
  options: LoadOptions = {},
): Promise<Timeline | RefusedTimeline> {
  try {
    return await loadTimeline(chunks, options);
  } catch (error) {
    if (error instanceof TraceError || error instanceof LimitError) return { refusal: error.message, line: error.line };
    if (error instanceof ConfigError) return { refusal: error.message, line: 1 };
    throw error;
  }
}

/** The memory of a trace's columns, to be transferred: they are gone from the sending thread then. */
export function traceBuffers({ operations, changes, initial }: LoadedTrace): ArrayBuffer[] {
  const columns = [...Object.values<unknown>({ ...operations }), ...Object.values<unknown>({ ...changes }), initial];
  return columns.flatMap((column) => (ArrayBuffer.isView(column) ? [column.buffer as ArrayBuffer] : []));
}
