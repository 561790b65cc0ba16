// How long the replay of a file takes, roughly: enough to begin with the longest. Formats differ by a factor of a hundred, so their
// sizes alone say little.

import { closeSync, openSync, readSync, statSync } from "node:fs";
import { constants, gunzipSync } from "node:zlib";
import { detectFormat, type TraceFormat } from "../trace/detect.js";

/** Bytes a second, as measured on one processor. What counts is how they differ. */
const RATES: Readonly<Record<TraceFormat, number>> = {
  "freehold-trace": 400e6,
  tracefs: 150e6,
  "golden-walk": 13e6,
  golden: 4e6,
  "golden-ffa": 3e6,
};

/** Traces shrink to about a twelfth. */
const PACKED_RATIO = 12;

/** The header of every format is in so many bytes. */
const HEAD_BYTES = 16384;

/** Bytes on the disk; 0 where that is not known. */
export function sizeOf(path: string): number {
  try {
    const stat = statSync(path);
    return path !== "-" && stat.isFile() ? stat.size : 0;
  } catch {
    return 0; // its replay says what is wrong with it
  }
}

/** Seconds that the replay of a file takes; 0 where that cannot be told. */
export function replayCost(path: string): number {
  const size = sizeOf(path);
  if (size === 0) return 0;
  try {
    const head = headOf(path);
    const isPacked = head[0] === 0x1f && head[1] === 0x8b;
    const detection = detectFormat(isPacked ? gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH }) : head);
    return "format" in detection ? (size * (isPacked ? PACKED_RATIO : 1)) / RATES[detection.format] : 0;
  } catch {
    return 0; // as above
  }
}

function headOf(path: string): Uint8Array {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(fd);
  }
}
