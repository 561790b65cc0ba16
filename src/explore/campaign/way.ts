// Ways: sequences of a domain's steps by their numbers. New ones are drawn, or made of ways that have reached something new.

import type { Random } from "./random.js";

export type Way = Uint16Array;

/** Steps of a way that is drawn anew, and of any way, at most. */
const DRAWN = 48;
export const LONGEST_WAY = 512;
/** One of so many ways is drawn anew although there are others to change. */
const FRESH = 8;
const CHANGES = 6;

/**
 * The next way to try.
 *
 * @param corpus ways that have reached something that no way before them had
 * @param steps how many steps the domain has
 */
export function nextWay(random: Random, corpus: readonly Way[], steps: number): Way {
  const parent = corpus[random.below(corpus.length)];
  if (parent === undefined || random.below(FRESH) === 0) return drawn(random, steps, 1 + random.below(DRAWN));
  let way = [...parent];
  for (let left = 1 + random.below(CHANGES); left > 0; left--) way = changed(random, way, corpus, steps);
  return Uint16Array.from(way.slice(0, LONGEST_WAY));
}

function drawn(random: Random, steps: number, length: number): Way {
  return Uint16Array.from({ length }, () => random.below(steps));
}

/** One change: what follows is drawn anew, a step more, less or another, two swapped, or the end of another way. */
function changed(random: Random, way: readonly number[], corpus: readonly Way[], steps: number): number[] {
  const at = random.below(way.length + 1);
  const step = random.below(steps);
  switch (random.below(6)) {
    case 0:
      return [...way, ...drawn(random, steps, 1 + random.below(DRAWN))];
    case 1:
      return way.toSpliced(at, 0, step);
    case 2:
      return way.toSpliced(at, 1 + random.below(3));
    case 3:
      return way.toSpliced(at, 1, step);
    case 4: {
      const other = corpus[random.below(corpus.length)] ?? [];
      return [...way.slice(0, at), ...other.slice(random.below(other.length + 1))];
    }
    default:
      return [...way.slice(0, at), ...way.slice(at + 1, at + 2), ...way.slice(at, at + 1), ...way.slice(at + 2)];
  }
}
