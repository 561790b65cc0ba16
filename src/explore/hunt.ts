// The search for a known bug, and the same search without it: only what the second does not find counts.

import type { FoundBug } from "./bugs/index.js";
import { explore, type Exploration, type ExploreOptions } from "./explore.js";
import type { AnyDomain } from "./system-domain.js";
import { rulesFor } from "./rules.js";
import type { Finding } from "./search.js";

export interface Hunt {
  readonly domain: AnyDomain;
  readonly mutated: Exploration;
  /** Null where nothing was found that it could speak against. */
  readonly clean: Exploration | null;
  /** What the bug does: null unless a rule of its kind is broken with it, and none without. */
  readonly finding: Finding | null;
}

/** How a search is run: in this thread, or in workers. */
export type Explorer = (domain: AnyDomain, options: ExploreOptions) => Promise<Exploration>;

/**
 * Searches with the bug, and without.
 *
 * @param domain the machine to search. Default: the bug's own
 * @param run Default: in this thread
 * @throws RangeError if the domain does not fit, Error if its first state cannot be made
 */
export async function hunt(
  { search: { mutation, kind, domain: itsOwn, cpus } }: FoundBug,
  given: Omit<ExploreOptions, "mutation" | "all" | "until"> = {},
  domain: AnyDomain = itsOwn(),
  run: Explorer = explore,
): Promise<Hunt> {
  const options: ExploreOptions = { cpus: cpus ?? 1, ...given };
  const ofKind = ({ findings }: Exploration) => findings.find((finding) => finding.kind === kind) ?? null;
  const asked = { rules: rulesFor(kind), ...options };
  const first = await run(domain, { ...asked, mutation });
  const isOther = first.findings.length > 0 && ofKind(first) === null;
  const mutated = isOther ? await run(domain, { ...asked, mutation, until: kind }) : first;
  const found = ofKind(mutated);
  if (found === null) return { domain, mutated, clean: null, finding: null };
  const clean = await run(domain, { ...asked, until: kind });
  return { domain, mutated, clean, finding: ofKind(clean) === null ? found : null };
}
