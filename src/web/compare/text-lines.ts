// Lines and columns of a text, both from 1, as messages name them.

/** How many lines an editor shows: a text that ends with a line break has an empty last one. */
export function lineCount(text: string): number {
  let count = 1;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}

export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * What to select for a message: from its column to the end of its line, or the whole line where it names none. Places behind
 * the end of the text are its end.
 */
export function spanOf(text: string, line: number, column: number): Span {
  let start = 0;
  for (let skip = 1; skip < line; skip++) {
    const end = text.indexOf("\n", start);
    if (end < 0) return { start: text.length, end: text.length };
    start = end + 1;
  }
  const lineEnd = text.indexOf("\n", start);
  const end = lineEnd < 0 ? text.length : lineEnd;
  return { start: Math.min(end, start + Math.max(0, column - 1)), end };
}

/** The line of an offset. */
export function lineAt(text: string, offset: number): number {
  return lineCount(text.slice(0, offset));
}
