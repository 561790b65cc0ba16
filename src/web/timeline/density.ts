// The whole trace on a strip: how many operations fall on each pixel, what they changed, and which deserve a mark.

import {
  OPERATION_AFTER_RESET,
  OPERATION_DIFFERS,
  OPERATION_PANICKED,
  OPERATION_REFUSED,
  type ChangeColumns,
  type OperationColumns,
} from "../../timeline/timeline.js";
import type { Matches } from "./matches.js";

/** The trace cut into equal parts, at least one operation each. */
export interface Parts {
  readonly parts: number;
  /** Operations of the trace. */
  readonly count: number;
}

/** As many parts as there are pixels, or operations if those are fewer. */
export function partsOf(count: number, pixels: number): Parts {
  return { parts: Math.max(1, Math.min(count, Math.floor(pixels))), count };
}

/** First operation of a part; that of the part behind the last is the count. */
export const firstOfPart = ({ parts, count }: Parts, part: number) => Math.ceil((part * count) / parts);

/** What happens in each part. */
export interface Events {
  readonly refused: Uint32Array;
  readonly panicked: Uint32Array;
  readonly differing: Uint32Array;
  /** The machine is built anew. */
  readonly resets: Uint32Array;
  /** Pages that change class. */
  readonly changed: Uint32Array;
}

export function eventsOf(parts: Parts, { flags }: OperationColumns, changes: ChangeColumns): Events {
  const of = (bit: number) => countFlag(parts, flags, bit);
  return {
    refused: of(OPERATION_REFUSED),
    panicked: of(OPERATION_PANICKED),
    differing: of(OPERATION_DIFFERS),
    resets: of(OPERATION_AFTER_RESET),
    changed: countChanges(parts, changes),
  };
}

function countFlag(parts: Parts, flags: Uint8Array, bit: number): Uint32Array {
  const counts = new Uint32Array(parts.parts);
  for (let part = 0; part < parts.parts; part++) {
    const end = firstOfPart(parts, part + 1);
    let count = 0;
    for (let operation = firstOfPart(parts, part); operation < end; operation++) {
      if (((flags[operation] ?? 0) & bit) !== 0) count += 1;
    }
    counts[part] = count;
  }
  return counts;
}

/** Changes stand in the order of the operations, so those of a part are neighbours. */
function countChanges(parts: Parts, { operation, count }: ChangeColumns): Uint32Array {
  const counts = new Uint32Array(parts.parts);
  let at = 0;
  for (let part = 0; part < parts.parts; part++) {
    const end = firstOfPart(parts, part + 1);
    const start = at;
    while (at < count && (operation[at] ?? 0) < end) at += 1;
    counts[part] = at - start;
  }
  return counts;
}

/** Share of each part's operations that match, 1 where it is the largest: of few that match one still sees where they are. */
export function matchedHeights(parts: Parts, matches: Matches): Float32Array {
  const shares = new Float32Array(parts.parts);
  let before = 0;
  for (let part = 0; part < parts.parts; part++) {
    const end = firstOfPart(parts, part + 1);
    const matched = matches.rowOf(end - 1) + 1;
    shares[part] = (matched - before) / Math.max(1, end - firstOfPart(parts, part));
    before = matched;
  }
  const most = shares.reduce((max, share) => Math.max(max, share), 0);
  return most === 0 ? shares : shares.map((share) => share / most);
}

/** Heights of bars, 0 to 1, on a logarithmic scale: one page is seen beside a million. */
export function barHeights(counts: Uint32Array): Float32Array {
  const most = counts.reduce((max, count) => Math.max(max, count), 0);
  return Float32Array.from(counts, (count) => (count === 0 ? 0 : Math.log2(1 + count) / Math.log2(1 + most)));
}

/** Marks that would lie on each other are one: in every `spacing` pixels, where the part with the most of them is. */
export function spread(counts: Uint32Array, pixelsPerPart: number, spacing: number): number[] {
  const marks: number[] = [];
  const group = Math.max(1, Math.round(spacing / pixelsPerPart));
  for (let start = 0; start < counts.length; start += group) {
    let best = start;
    for (let part = start; part < Math.min(start + group, counts.length); part++) {
      if ((counts[part] ?? 0) > (counts[best] ?? 0)) best = part;
    }
    if ((counts[best] ?? 0) > 0) marks.push(best);
  }
  return marks;
}
