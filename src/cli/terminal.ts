// Where a command writes: results to standard output, progress and diagnostics to standard error.

import type { Writable } from "node:stream";
import { styleText } from "node:util";
import { hex } from "../machine/names.js";

/** The streams of one run of the command line; tests pass their own. */
export interface Terminal {
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
}

export type Colour = "red" | "green" | "yellow" | "cyan" | "dim" | "bold";

/** Text in a colour, where the stream is a terminal that shows colours (NO_COLOR and FORCE_COLOR count). */
export function coloured(colour: Colour, text: string, stream: Writable): string {
  return styleText(colour, text, { stream, validateStream: true });
}

export function writeLine(stream: Writable, line: string): void {
  stream.write(`${line}\n`);
}

/** One JSON object a line; 64-bit values and VM handles are hexadecimal strings, as in the traces. */
export function writeJson(stream: Writable, value: unknown): void {
  writeLine(stream, JSON.stringify(value, spellNumber));
}

function spellNumber(key: string, value: unknown): unknown {
  return typeof value === "bigint" || (key === "vm" && typeof value === "number") ? hex(value) : value;
}

/** Lines of a table whose columns are as wide as their widest cell. Columns named in `right` are aligned to the right. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  const padded = (cell: string, i: number) =>
    right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0);
  return rows.map((row) => row.map(padded).join("  ").trimEnd());
}
