// Text for terminals: in lines of a given width, and without what would steer the terminal.

/** One line; control characters, which a scenario's texts may hold, become dots. */
export function printable(text: string): string {
  return text.replace(/[\n\r\t]+/g, " ").replace(/\p{Cc}/gu, ".");
}

/** Breaks at spaces, and within longer words behind `-`, `_` and `/`; a piece without any of them is cut. At least one line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of printable(text).trim().split(/ +/)) {
    const joined = `${lines.at(-1) ?? ""} ${word}`;
    if (lines.length > 0 && joined.length <= width) lines[lines.length - 1] = joined;
    else lines.push(...wrapWord(word, width));
  }
  return lines;
}

function wrapWord(word: string, width: number): string[] {
  const lines = [""];
  for (const piece of word.split(/(?<=[-_/])/).flatMap((part) => cut(part, width))) {
    const joined = (lines.at(-1) ?? "") + piece;
    if (joined.length <= width) lines[lines.length - 1] = joined;
    else lines.push(piece);
  }
  return lines;
}

function cut(text: string, width: number): string[] {
  return text.length <= width ? [text] : [text.slice(0, width), ...cut(text.slice(width), width)];
}
