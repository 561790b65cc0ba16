// Bytes of a page, for people.

const LINE = 16;
/** Lines shown; a page has 256 of them and more. */
const LINES = 32;

/** What is in the page, in one sentence. */
export function contentsWords(bytes: Uint8Array | null): string {
  if (bytes === null) return "Never written: it reads as zeros.";
  const first = bytes.findIndex((byte) => byte !== 0);
  if (first < 0) return "Written, and all zeros.";
  const filled = bytes.reduce((count, byte) => count + (byte === 0 ? 0 : 1), 0);
  if (filled === 1) return `1 byte is not zero, at +0x${first.toString(16)}.`;
  return `${filled.toLocaleString("en")} bytes are not zero, the first at +0x${first.toString(16)}.`;
}

/** Offset, 16 bytes and their ASCII characters a line, from the first line that is not all zeros. */
export function hexDump(bytes: Uint8Array): string {
  const found = bytes.findIndex((byte) => byte !== 0);
  const start = Math.max(0, found - (found % LINE));
  const lines: string[] = [];
  for (let at = start; at < bytes.length && lines.length < LINES; at += LINE) {
    const line = [...bytes.subarray(at, at + LINE)];
    const digits = line.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const characters = line.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${digits.padEnd(3 * LINE - 1)}  ${characters}`);
  }
  return lines.join("\n");
}
