// A search run to its end.

import type { FindingKind } from "./rules.js";
import {
  DEFAULT_STATES,
  Search,
  type Finding,
  type SearchCounts,
  type SearchEnd,
  type SearchOptions,
} from "./search.js";
import { isSystemDomain, type AnyDomain } from "./system-domain.js";
import { SYSTEM_STATES } from "./system-machine.js";
import { SystemSearch } from "./system-search.js";

/** States between two looks at the clock. */
const SLICE = 500;

export interface ExploreOptions extends SearchOptions {
  /** Go on after the first finding: states that break a rule are left aside. Default: false. */
  readonly all?: boolean;
  /** Go on until something of this kind is found. */
  readonly until?: FindingKind;
  /** Of `until`: the rule that it breaks, where the domain has several of this kind. Default: any. */
  readonly untilRule?: string;
  /** Stop after so many seconds. Default: never. */
  readonly seconds?: number;
  /** Called now and then with how far it is. */
  readonly onProgress?: (counts: SearchCounts) => void;
}

/** What came of a search. */
export interface Exploration {
  /** Why it ended; `exhausted` also where findings were gone past. */
  readonly end: SearchEnd;
  readonly counts: SearchCounts;
  /** The shortest way first. */
  readonly findings: readonly Finding[];
  /** From the first state on. */
  readonly seconds: number;
}

/**
 * Searches until everything was visited, a rule is broken, or a bound is reached.
 *
 * @throws RangeError if the domain does not fit, Error if its first state cannot be made
 */
export async function explore(domain: AnyDomain, options: ExploreOptions = {}): Promise<Exploration> {
  const { all = false, until, untilRule, seconds = Infinity, onProgress } = options;
  const stopsAtFirst = !all && until === undefined;
  const search = await startSearch(domain, options);
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  const hasFound = () => until !== undefined && search.findings.some((finding) => isWanted(finding, until, untilRule));
  let end = search.run(SLICE, stopsAtFirst);
  while (end === "paused" && elapsed() < seconds && !hasFound()) {
    onProgress?.(search.counts);
    end = search.run(SLICE, stopsAtFirst);
  }
  if (end === "paused" && hasFound()) end = "found";
  return { end, counts: search.counts, findings: search.findings, seconds: elapsed() };
}

/** Whether it is what a search is for: a rule of this kind broken, and the one with this name if there is a name. */
export const isWanted = (finding: Pick<Finding, "kind" | "rule">, kind: FindingKind, rule?: string): boolean =>
  finding.kind === kind && (rule === undefined || finding.rule === rule);

/** How many states there is room for unless a search says otherwise. */
export const defaultStates = (domain: AnyDomain): number => (isSystemDomain(domain) ? SYSTEM_STATES : DEFAULT_STATES);

/** Either search, not yet begun: both are run alike. */
export function startSearch(domain: AnyDomain, options: SearchOptions = {}): Promise<Search | SystemSearch> {
  return isSystemDomain(domain) ? SystemSearch.start(domain, options) : Search.start(domain, options);
}
