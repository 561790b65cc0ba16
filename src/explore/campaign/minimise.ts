// A shorter way to the same finding: parts are left out as long as the same rule breaks at the same verb, tried each time.

import type { Way } from "./way.js";

/**
 * Delta debugging (ddmin): halves are left out first, then ever smaller parts, at last single steps. No step of the answer can
 * be left out.
 *
 * @param breaks tries a way: the way as far as it led to the finding, or null if it did not
 */
export function shortened(way: Way, breaks: (way: Way) => Way | null): Way {
  let shortest = way;
  for (let part = way.length >> 1; part > 0;) {
    const shorter = without(shortest, part, breaks);
    if (shorter !== null) shortest = shorter;
    else part >>= 1;
    part = Math.min(part, shortest.length);
  }
  return shortest;
}

/** The way without one of its parts of this length, from its end: what is near the finding depends on what is before it. */
function without(way: Way, part: number, breaks: (way: Way) => Way | null): Way | null {
  for (let end = way.length - 1; end > 0; end -= part) {
    const begin = Math.max(0, end - part);
    const found = breaks(Uint16Array.from([...way.subarray(0, begin), ...way.subarray(end)]));
    if (found !== null && found.length < way.length) return found;
  }
  return null;
}
