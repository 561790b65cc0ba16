// What a search looks after, and the names by which a rule is chosen.

import * as abi from "../../assembly/abi/explore.js";
import { EFFECT_INVARIANTS } from "../machine/effect-invariants.js";
import { INVARIANTS } from "../machine/invariants.js";

/** Kinds of findings. `invariant`: a rule about states that the system declares, each with a name of its own. */
export const FINDING_KINDS = {
  panic: abi.FINDING_PANIC,
  invariant: abi.FINDING_INVARIANT,
  refusal: abi.FINDING_REFUSAL,
  secrecy: abi.FINDING_SECRECY,
  integrity: abi.FINDING_INTEGRITY,
  freed: abi.FINDING_FREED,
  leak: abi.FINDING_LEAK,
  refinement: abi.FINDING_REFINEMENT,
  translation: abi.FINDING_TRANSLATION,
  progress: abi.FINDING_PROGRESS,
  pointer: abi.FINDING_POINTER,
  watched: abi.FINDING_WATCHED,
} as const;

export type FindingKind = keyof typeof FINDING_KINDS;

/** What each kind but `invariant` demands; the names of rules, beside those of the invariants. */
export const RULES: Readonly<Record<Exclude<FindingKind, "invariant" | "watched">, string>> = {
  panic: "no call stops the hypervisor",
  refusal: "a call that is refused changes nothing",
  secrecy: "what a guest keeps to itself can be read by nobody else",
  integrity: "what a guest has to itself is changed by nobody else",
  freed: "a page that comes back to the host carries nothing that was a guest's",
  leak: "once the last VM is gone, pages, table pages and references are what they were",
  refinement: "every call is answered, and changes pages, as the specification machine says",
  translation: "no table changes without break-before-make, and no translation outlives what the tables grant",
  pointer: "EL2 follows no address of the host's but to what it has pinned",
  progress: "a fault that is handled does not come back unchanged",
};

/** The invariants of pKVM that a search looks after: those of single states, and I21, which compares two. */
export const SEARCH_INVARIANTS: Readonly<Record<string, string>> = {
  ...INVARIANTS,
  I21: EFFECT_INVARIANTS["I21"] ?? "",
};

/** What can be asked for by name; `invariant` stands for all those that the system declares. */
export type RuleName = Exclude<FindingKind, "watched">;

/** Asked for unless a search says otherwise: they slow it down by little. */
export const CHEAP_RULES: readonly RuleName[] = ["panic", "invariant", "refusal", "secrecy", "integrity", "pointer"];

/** What a search for findings of one kind asks for. */
export const rulesFor = (kind: FindingKind): readonly RuleName[] =>
  kind === "watched" || CHEAP_RULES.includes(kind) ? CHEAP_RULES : [...CHEAP_RULES, kind];

/** Rules as the core takes them: 1 << FINDING_*. */
export function ruleMask(rules: readonly RuleName[]): number {
  return rules.reduce((mask, rule) => mask | (1 << FINDING_KINDS[rule]), 0);
}

/**
 * What a search over another system than pKVM looks after: kinds of rules by name, and for `invariant` those that the system
 * declares, all of them or these.
 */
export function asksFor(options: {
  readonly rules?: readonly RuleName[];
  readonly invariants?: readonly string[];
}): (rule: string) => boolean {
  const { rules, invariants } = options;
  if (rules === undefined) return () => true;
  const asked = new Set<string>(rules);
  return (rule) => {
    if (asked.has(rule) || Object.hasOwn(RULES, rule)) return asked.has(rule);
    return asked.has("invariant") && (invariants?.includes(rule) ?? true);
  };
}
