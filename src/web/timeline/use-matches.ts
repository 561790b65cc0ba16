// The filter at work: searches in the pauses between frames, and gives up when another filter is set.

import { useEffect, useState } from "preact/hooks";
import type { Filter, OpenTrace } from "../store.js";
import { findMatches, isAnything, theseOperations, type Matches, type Wanted } from "./matches.js";

/** Milliseconds of each frame that a search may take. */
const BUDGET = 6;

/** A page that no operation works on. */
const NOT_MEMORY = -1;

/** The filter as the columns have it. */
function wantedBy({ verb, vm, page, refusedOnly }: Filter, open: Pick<OpenTrace, "trace" | "ownership">): Wanted {
  return {
    verb: verb === null ? null : open.trace.verbs.indexOf(verb),
    vm,
    page: page === null ? null : (open.ownership.pageOf(page) ?? NOT_MEMORY),
    refusedOnly,
  };
}

export interface FilterResult {
  /** What passes; while it is looked for, what passed the filter before. */
  readonly matches: Matches;
  readonly isSearching: boolean;
}

/** `all` is what passes no filter. */
export function useMatches(open: OpenTrace, filter: Filter, all: Matches): FilterResult {
  const [found, setFound] = useState({ filter, all, matches: all });
  const isAll = isAnything(wantedBy(filter, open));
  useEffect(() => {
    if (isAll) {
      setFound({ filter, all, matches: all });
      return;
    }
    const search = findMatches(open.trace, wantedBy(filter, open));
    return workInFrames(search, (numbers) => setFound({ filter, all, matches: theseOperations(numbers) }));
  }, [open, filter, all, isAll]);
  if (isAll || found.all !== all) return { matches: all, isSearching: !isAll };
  return { matches: found.matches, isSearching: found.filter !== filter };
}

/** Runs a search slice by slice; what is returned stops it. */
function workInFrames<T>(search: Generator<undefined, T>, finished: (result: T) => void): () => void {
  let frame = 0;
  const work = () => {
    const until = performance.now() + BUDGET;
    do {
      const step = search.next();
      if (step.done === true) {
        finished(step.value);
        return;
      }
    } while (performance.now() < until);
    frame = requestAnimationFrame(work);
  };
  work();
  return () => cancelAnimationFrame(frame);
}
