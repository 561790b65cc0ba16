// A finding of a search over another system than pKVM alone, found again: by a search of its own that tries nothing but the
// steps of the way. It ends at the shortest way that these steps have, so that none is left in that could be left out.

import { stepKey, type Step } from "../domain.js";
import type { Finding, SearchOptions } from "../search.js";
import type { SystemDomain, SystemStep } from "../system-domain.js";
import { SystemSearch } from "../system-search.js";

/** A way has few steps, and its steps lead to few states. */
const STATES = 20_000;

/**
 * The same rule broken by the same kind of call, by as few of these steps as will do.
 *
 * @param options those of the search that found it
 * @returns null if its steps do not lead there: then it is none
 */
export async function foundAgain(
  domain: SystemDomain,
  finding: Finding,
  options: SearchOptions = {},
): Promise<Finding | null> {
  const steps = stepsOf(domain, finding.steps);
  if (steps === null) return null;
  const alone = await foundAmong(steps, domain, finding, options);
  if (alone !== null) return alone;
  // A rule about two calls that are possible in one state takes one more, which is not on the way.
  for (const beside of domain.steps.filter((step) => !steps.includes(step))) {
    const among = domain.steps.filter((step) => step === beside || steps.includes(step));
    const found = await foundAmong(among, domain, finding, options);
    if (found !== null && spelled(found.steps) === spelled(finding.steps)) return { ...found, beside: beside.calls };
  }
  return null;
}

/** The same rule broken by the same kind of call, where nothing but these steps is tried. */
async function foundAmong(
  steps: readonly SystemStep[],
  domain: SystemDomain,
  finding: Finding,
  options: SearchOptions,
): Promise<Finding | null> {
  const search = await SystemSearch.start({ ...domain, steps }, { ...options, maxStates: STATES });
  const same = () => search.findings.find((other) => keyOf(other) === keyOf(finding)) ?? null;
  let end = search.run(1, false);
  while (end === "paused" && same() === null) end = search.run(1, false);
  return same();
}

const spelled = (steps: readonly Step[]): string => steps.map(stepKey).join(" ");

function keyOf({ kind, rule, code, steps }: Finding): string {
  return [kind, rule, code, steps.at(-1)?.op].join(" ");
}

/** The domain's steps that calls are made of, each once; null if they are made of no such steps. */
function stepsOf(domain: SystemDomain, calls: readonly Step[]): SystemStep[] | null {
  const used = new Set<SystemStep>();
  for (let at = 0; at < calls.length;) {
    const step = domain.steps.find((each) => isAt(each.calls, calls, at));
    if (step === undefined) return null;
    used.add(step);
    at += step.calls.length;
  }
  return domain.steps.filter((step) => used.has(step));
}

function isAt(calls: readonly Step[], all: readonly Step[], at: number): boolean {
  return calls.length > 0 && calls.every((call, index) => isSame(call, all[at + index]));
}

const isSame = (step: Step, other: Step | undefined): boolean =>
  other !== undefined && stepKey(step) === stepKey(other);
