// Numbers as people paste them.

import { excerpt } from "../trace/replay.js";

const NUMBER = /^(0x[0-9a-f]+|[0-9]+)$/i;

/** A decimal number, or a hexadecimal one behind 0x; null if it is none, or does not fit 64 bits. */
export function unsigned64(text: string): bigint | null {
  if (!NUMBER.test(text)) return null;
  const value = BigInt(text);
  return BigInt.asUintN(64, value) === value ? value : null;
}

/** What is said of a text that is no such number. */
export function notANumber(text: string): string {
  const hint = /^[0-9a-f]{1,16}$/i.test(text) ? ` (did you mean "0x${text}"?)` : "";
  return `"${excerpt(text)}" is no 64-bit number${hint}`;
}
