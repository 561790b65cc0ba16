// "Did you mean ...?": the known word nearest to one that is not known.

/** Fewest insertions, deletions and replacements of characters that turn `from` into `to`; exact only up to `limit`. */
function editDistance(from: string, to: string, limit: number): number {
  if (Math.abs(from.length - to.length) > limit) return limit + 1;
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[to.length] ?? 0;
}

/** The word of `known` that `word` most likely is meant to be, or null if none is near. */
export function nearestWord(word: string, known: Iterable<string>): string | null {
  const limit = Math.min(3, Math.floor(word.length / 2));
  let best: string | null = null;
  let bestDistance = limit + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), limit);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** ` (did you mean "donate"?)`, or nothing. */
export function suggestion(word: string, known: Iterable<string>): string {
  const nearest = nearestWord(word, known);
  return nearest === null ? "" : ` (did you mean "${nearest}"?)`;
}
