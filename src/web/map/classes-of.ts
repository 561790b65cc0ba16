// The classes that a legend needs.

import type { OpenTrace } from "../store.js";

/** Every class that a page has at some time, owners in their order. */
export function classesOf({ trace }: Pick<OpenTrace, "trace">): readonly number[] {
  const isThere = new Uint8Array(256);
  for (const value of trace.initial) isThere[value] = 1;
  const { after, count } = trace.changes;
  for (let i = 0; i < count; i++) isThere[after[i] ?? 0] = 1;
  return [...isThere.keys()].filter((value) => isThere[value] === 1);
}
