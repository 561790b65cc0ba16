// From a path to a finished replay: bytes, unpacking, then as for bytes from anywhere. For node.

import { readInput, type ReadProgress } from "./input.js";
import { replayChunks, type ReplayedTrace } from "./replay-chunks.js";
import type { ReplayOptions } from "./replay.js";

export { replayChunks, type ReplayedTrace } from "./replay-chunks.js";

/**
 * Replays a trace and compares every recorded result. The format is told from the content, gzip is unpacked.
 *
 * @param path a file, or `-` for standard input
 * @param progress called as bytes are read from the input
 * @throws TraceError if the input is refused: not readable, not a trace, or not a well-formed one
 */
export async function replayFile(
  path: string,
  options: ReplayOptions = {},
  progress?: ReadProgress,
): Promise<ReplayedTrace> {
  return replayChunks(readInput(path, progress), options);
}
