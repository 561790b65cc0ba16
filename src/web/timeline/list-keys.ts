// The keys of the list: up and down go through what is listed, left and right through all operations.

import { nextMatch, type Matches } from "./matches.js";

/** Where a key leads from a position; null: nowhere. `page`: rows on screen. */
export function operationOfKey(key: string, position: number, matches: Matches, page: number): number | null {
  switch (key) {
    case "ArrowDown":
      return nextMatch(matches, position, 1);
    case "ArrowUp":
      return nextMatch(matches, position, -1) ?? -1;
    case "ArrowLeft":
      return position - 1;
    case "ArrowRight":
      return position + 1;
    case "PageDown":
      return rowsAway(matches, position, page);
    case "PageUp":
      return rowsAway(matches, position, -page);
    case "Home":
      return rowsAway(matches, position, -matches.count);
    case "End":
      return rowsAway(matches, position, matches.count);
    default:
      return null;
  }
}

function rowsAway(matches: Matches, position: number, rows: number): number | null {
  const row = Math.min(Math.max(matches.rowOf(position) + rows, 0), matches.count - 1);
  return matches.count === 0 ? null : matches.at(row);
}
