// The search for a known bug, and the same search without it: only what the second does not find counts.

import { isUnmended, type FoundBug } from "./bugs/index.js";
import { explore, isWanted, type Exploration, type ExploreOptions } from "./explore.js";
import type { AnyDomain } from "./system-domain.js";
import { rulesFor } from "./rules.js";
import type { Finding } from "./search.js";

export interface Hunt {
  readonly domain: AnyDomain;
  readonly mutated: Exploration;
  /** Null where nothing was found that it could speak against, and where the code as it is has the bug. */
  readonly clean: Exploration | null;
  /**
   * What the bug does: null unless a rule of its kind, or its own rule, is broken with it, and not without where there is such a
   * machine.
   */
  readonly finding: Finding | null;
}

/** How a search is run: in this thread, or in workers. */
export type Explorer = (domain: AnyDomain, options: ExploreOptions) => Promise<Exploration>;

/**
 * Searches with the bug, and without; once where the code as it is has it. Of one that is several mistakes, each must be found.
 * Every state is visited, those too that differ in the names of pages alone: a mistake may treat pages unlike.
 *
 * @param domain the machine to search. Default: the bug's own
 * @param run Default: in this thread
 * @throws RangeError if the domain does not fit, Error if its first state cannot be made
 */
export async function hunt(
  bug: FoundBug,
  given: Omit<ExploreOptions, "mutation" | "all" | "until" | "untilRule"> = {},
  domain: AnyDomain = bug.search.domain(),
  run: Explorer = explore,
): Promise<Hunt> {
  const { mutation, others = [], kind, rule, cpus } = bug.search;
  const wanted = ({ findings }: Exploration) => findings.find((finding) => isWanted(finding, kind, rule)) ?? null;
  const asked: ExploreOptions = { rules: rulesFor(kind), cpus: cpus ?? 1, ...given, symmetry: false };
  const until = { until: kind, ...(rule === undefined ? {} : { untilRule: rule }) };
  const searchWith = async (mistake: number): Promise<Exploration> => {
    const first = await run(domain, { ...asked, mutation: mistake });
    const isOther = first.findings.length > 0 && wanted(first) === null;
    return isOther ? run(domain, { ...asked, mutation: mistake, ...until }) : first;
  };

  const mutated = await searchWith(mutation);
  const found = wanted(mutated);
  if (found === null || isUnmended(bug)) return { domain, mutated, clean: null, finding: found };
  for (const other of others) {
    const exploration = await searchWith(other);
    if (wanted(exploration) === null) return { domain, mutated: exploration, clean: null, finding: null };
  }
  const clean = await run(domain, { ...asked, ...until });
  return { domain, mutated, clean, finding: wanted(clean) === null ? found : null };
}
