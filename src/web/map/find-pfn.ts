// What somebody typed, as a frame number.

import { typedHex } from "../hex-field.js";
import type { OpenTrace } from "../store.js";

/** Frame number for what was typed, or why there is none. A number that is both is taken for a frame number. */
export function findPfn(text: string, { ownership, trace }: Pick<OpenTrace, "ownership" | "trace">): bigint | string {
  const number = typedHex(text);
  if (number === null) return `“${text.trim()}” is not a hexadecimal number.`;
  const asAddress = number >> BigInt(trace.pageShift);
  const pfn = [number, asAddress].find((candidate) => ownership.pageOf(candidate) !== null);
  return pfn ?? `0x${number.toString(16)} is neither a frame number nor an address of this machine's memory.`;
}
