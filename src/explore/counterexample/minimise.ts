// A way to a broken rule, gone again, and made as short and as plain as it gets: steps are left out, and replaced by those that
// the domain names first, as long as the same rule is broken by the same kind of call. What a breadth-first search finds is as
// short already; a way from a recording is not.

import { keyOf, wayTo } from "../campaign/chunk.js";
import { shortened } from "../campaign/minimise.js";
import type { Way } from "../campaign/way.js";
import { stepKey, type Domain, type Step } from "../domain.js";
import { partsOfTurn } from "../interleaving.js";
import { Search, type Finding, type SearchOptions } from "../search.js";
import { operationKey } from "./two-cpus.js";

/**
 * The finding with no step that could be left out.
 *
 * @param options those of the search that found it
 * @returns null if its steps do not lead there when they are taken again: then it is none
 */
export async function minimise(domain: Domain, finding: Finding, options: SearchOptions = {}): Promise<Finding | null> {
  if (finding.steps.some(({ cpu }) => cpu !== undefined)) return minimiseSchedule(domain, finding, options);
  const steps = withSteps(domain.steps, finding.steps);
  const search = await Search.forWays({ ...domain, steps }, options);
  const same = wayTo(search, keyOf(finding));
  const keys = steps.map(stepKey);
  const again = same(Uint16Array.from(finding.steps, (step) => keys.indexOf(stepKey(step))));
  if (again === null) return null;
  return search.tryWay(plain(shortened(again, same), steps, same)).finding;
}

/** A schedule of two CPUs: parts are left out. A breadth-first search has named the plainest operations already. */
async function minimiseSchedule(domain: Domain, finding: Finding, options: SearchOptions): Promise<Finding | null> {
  const search = await Search.forWays(domain, { ...options, cpus: 2 });
  const same = wayTo(search, keyOf(finding));
  const keys = domain.steps.map(operationKey);
  const parts = finding.steps.flatMap((step) => partsOfTurn(keys.indexOf(operationKey(step)), step));
  const again = same(Uint16Array.from(parts));
  return again === null ? null : search.tryWay(shortened(again, same)).finding;
}

/** The domain's own steps first. */
function withSteps(known: readonly Step[], others: readonly Step[]): Step[] {
  const all = new Map([...known, ...others].map((step) => [stepKey(step), step]));
  return [...all.values()];
}

// Each step in turn, by the first of its kind that will do.
function plain(way: Way, steps: readonly Step[], same: (way: Way) => Way | null): Way {
  let plainest = way;
  for (let at = 0; at < plainest.length; at++) {
    const now = plainest[at] ?? 0;
    const others = [...steps.keys()].slice(0, now).filter((other) => steps[other]?.op === steps[now]?.op);
    for (const other of others) {
      const found = same(plainest.with(at, other));
      if (found?.length !== plainest.length) continue;
      plainest = found;
      break;
    }
  }
  return plainest;
}
