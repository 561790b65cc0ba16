// Traces for the tests of the timeline: recorded ones, and lines written here.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { loadTimeline, type LoadOptions, type Timeline } from "../../src/timeline/load.js";

/** A recorded vector, unpacked. */
export function vector(name: string): Uint8Array {
  return gunzipSync(readFileSync(new URL(`../vectors/${name}.gz`, import.meta.url)));
}

/** Bytes as they come from a stream: in pieces, in memory that is used again. */
export async function* inPieces(bytes: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array> {
  const piece = new Uint8Array(size);
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    piece.set(part);
    yield await Promise.resolve(piece.subarray(0, part.length));
  }
}

export function load(bytes: Uint8Array | string, options?: LoadOptions): Promise<Timeline> {
  const text = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  return loadTimeline(inPieces(text), options);
}
