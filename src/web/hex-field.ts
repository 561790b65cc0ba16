// Addresses and frame numbers as people type them.

/** The hexadecimal number of a text, with or without 0x, `_` allowed between digits; null if it is none of at most 64 bits. */
export function typedHex(text: string): bigint | null {
  const digits = text.trim().replace(/^0x/i, "").replaceAll("_", "");
  return /^[0-9a-f]{1,16}$/i.test(digits) ? BigInt(`0x${digits}`) : null;
}
