// What `freehold explore` prints: what was searched, how large it was, why it ended, and what was found, step by step.

import { CAMPAIGN_SECONDS, type CampaignState } from "../explore/campaign/campaign.js";
import { isUnmended, type FoundBug } from "../explore/bugs/index.js";
import { argumentsOf, type Retelling } from "../explore/counterexample/retelling.js";
import { defaultStates, type Exploration } from "../explore/explore.js";
import { causedBy } from "../explore/caller.js";
import {
  countsText,
  endText,
  findingText,
  grouped,
  inAllText,
  namesText,
  ruleName,
  ruleText,
  stepText,
} from "../explore/report.js";
import { asksFor, CHEAP_RULES, rulesFor, SEARCH_INVARIANTS } from "../explore/rules.js";
import type { Finding, SearchCounts } from "../explore/search.js";
import { isSystemDomain, ruleNamesOf } from "../explore/system-domain.js";
import { hex, count } from "../machine/names.js";
import type { ChosenRules, Plan } from "./explore-plan.js";
import { coloured, type Terminal, writeJson, writeLine } from "./terminal.js";

/** How far a search may go, and what it looks after. */
export interface Bounds {
  readonly rules?: ChosenRules;
  readonly maxStates?: number;
  readonly seconds?: number;
  readonly minutes?: number;
  /** Ways are drawn: no state is kept. */
  readonly random?: boolean;
  readonly ways?: number;
}

export interface Verdict {
  readonly found: boolean;
  /** With the bug first. */
  readonly searches: readonly Exploration[];
}

export interface ExploreReport {
  begin(plan: Plan, bounds: Bounds): void;
  /** `bug`: the one that the machine had. */
  searched(bug: FoundBug | null, exploration: Exploration): void;
  /** What a campaign has tried; its findings follow. */
  tried(campaign: CampaignState): void;
  finding(finding: Finding, retelling: Retelling, isConfirmed: boolean): void;
  end(verdict: Verdict): void;
}

/** `12,345 states, 2,345 of them to be looked at, depth 9, 41,000 states/s`. */
export function progressText({ states, expanded, depth }: SearchCounts, seconds: number): string {
  const number = (value: number) => Math.round(value).toLocaleString("en");
  return `${number(states)} states, ${number(states - expanded)} left, depth ${depth}, ${number(states / seconds)} states/s`;
}

/** Seconds that a search must take for its speed to say something. */
const RATED = 1;

/** For people. */
export class TextExploreReport implements ExploreReport {
  readonly #terminal: Terminal;
  readonly #bug: FoundBug | null;
  #rules: Readonly<Record<string, string>> = {};

  constructor(bug: FoundBug | null, terminal: Terminal) {
    this.#bug = bug;
    this.#terminal = terminal;
  }

  #line(text: string): void {
    writeLine(this.#terminal.stdout, text);
  }

  begin(plan: Plan, bounds: Bounds): void {
    this.#rules = rulesOf(plan);
    this.#line(coloured("bold", `${plan.system}, ${plan.machine}: ${machineText(plan)}`, this.#terminal.stdout));
    this.#line(`rules: ${rulesText(plan, bounds, this.#bug)}`);
    this.#line(`bounds: ${boundsText(plan, bounds)}`);
    if (this.#bug !== null) this.#line(`bug: ${this.#bug.name}: ${this.#bug.mistake} (${this.#bug.source})`);
  }

  searched(bug: FoundBug | null, { counts, end, seconds }: Exploration): void {
    const rate = `, ${Math.round(counts.states / seconds).toLocaleString("en")} states/s`;
    const isSwitchedOn = bug !== null && !isUnmended(bug);
    const name = isSwitchedOn ? "with the bug" : this.#bug === null || bug !== null ? "searched" : "without it";
    this.#line("");
    this.#line(`${name}: ${countsText(counts)}${seconds < RATED ? "" : rate}: ${endText(end)}`);
    const inAll = inAllText(counts);
    if (inAll !== null) this.#line(inAll);
  }

  tried({ ways, operations, reached, findings }: CampaignState): void {
    const kinds = `${grouped(reached, "kind")} of answers and of states of a page or VM reached`;
    this.#line("");
    this.#line(`tried: ${grouped(ways, "way")}, ${grouped(operations, "operation")}, ${kinds}`);
    const text =
      findings.length > 0
        ? `${count(findings.length, "broken rule")} found`
        : "nothing found in the ways that were tried";
    this.#line(coloured(findings.length > 0 ? "red" : "yellow", text, this.#terminal.stdout));
  }

  finding(finding: Finding, retelling: Retelling, isConfirmed: boolean): void {
    const [rule = "", ...lines] = findingText(finding, retelling, this.#rules);
    this.#line("");
    this.#line(coloured("red", `${ruleName(finding)}: ${rule}`, this.#terminal.stdout));
    for (const line of lines) this.#line(`  ${line}`);
    if (!isConfirmed) this.#line("  not confirmed: taken again, these steps do not break the rule");
  }

  end({ found, searches }: Verdict): void {
    const text = this.#bug === null ? rulesVerdict(found, searches) : bugVerdict(this.#bug, found, searches);
    this.#line("");
    this.#line(coloured(found ? "red" : "green", text, this.#terminal.stdout));
  }
}

/** What a system's own rules demand, by name. */
function rulesOf({ domain }: Plan): Readonly<Record<string, string>> {
  return isSystemDomain(domain) ? domain.rules : {};
}

function machineText({ domain }: Plan): string {
  if (isSystemDomain(domain)) return `${domain.bounds}; ${count(domain.steps.length, "step")} tried in every state`;
  const own = domain.pages.filter(({ slot }) => slot === undefined).length;
  const kinds = new Set(domain.steps.map(({ op }) => op));
  const { max_vms: vms = 0 } = domain.config;
  return [
    `${count(own, "page")} in play`,
    count(vms, "VM"),
    count(domain.gfns.length, "guest frame"),
    `${count(domain.steps.length, "operation")} of ${count(kinds.size, "kind")} tried in every state`,
  ].join(", ");
}

/** What is looked after; the search for a bug asks for what shows it, unless rules are chosen. */
function rulesText({ domain }: Plan, { rules: chosen }: Bounds, bug: FoundBug | null): string {
  const asked: Partial<ChosenRules> = chosen ?? (bug === null ? {} : { rules: rulesFor(bug.search.kind) });
  if (isSystemDomain(domain)) {
    const byName = asked.rules === undefined ? (domain.onlyByName ?? []) : [];
    const names = ruleNamesOf(domain).filter((name) => !byName.includes(name));
    return namesText(names.filter(asksFor(asked)));
  }
  const { rules = domain.rules ?? CHEAP_RULES, invariants } = asked;
  const all = `${Object.keys(SEARCH_INVARIANTS).length} invariants`;
  const chosenOnes = invariants === undefined ? all : namesText(invariants);
  return rules.map((rule) => (rule === "invariant" ? chosenOnes : rule)).join(", ");
}

function boundsText({ domain }: Plan, { maxStates, seconds, minutes, random = false, ways }: Bounds): string {
  const times = [
    ...(seconds === undefined ? [] : [count(seconds, "second")]),
    ...(minutes === undefined ? [] : [count(minutes, "minute")]),
  ];
  const tried = ways === undefined ? [] : [grouped(ways, "way")];
  if (random) return [...tried, ...times].join(", ") || count(CAMPAIGN_SECONDS, "second");
  return [grouped(maxStates ?? defaultStates(domain), "state"), ...times].join(", ");
}

function rulesVerdict(found: boolean, [search]: readonly Exploration[]): string {
  if (search === undefined) return "";
  const { findings, counts, end } = search;
  const states = (counts.inAll?.states ?? counts.states).toLocaleString("en");
  if (found) return `${count(findings.length, "broken rule")} found`;
  if (end === "exhausted") return `nothing found in any of the ${states} states of this machine`;
  return `nothing found in ${states} states, and there are more, which were not visited: ${endText(end)}`;
}

function bugVerdict(bug: FoundBug, found: boolean, searches: readonly Exploration[]): string {
  const { name, search } = bug;
  const { kind, rule } = search;
  const [, clean] = searches;
  if (found && isUnmended(bug)) return `${name} is found in the machine as it is: there is none without it to search`;
  if (clean === undefined) return `${name} is not found`;
  if (!found) return `${name} does not count as found: "${rule ?? kind}" is broken without it as well`;
  if (rule !== undefined)
    return `${name} is found: without it, the same search never breaks "${rule}" (${endText(clean.end)})`;
  return `${name} is found: without it, the same search finds nothing of the kind "${kind}" (${endText(clean.end)})`;
}

function inAllJson({ inAll }: SearchCounts): object {
  return inAll === undefined ? {} : { inAll: { states: Number(inAll.states), transitions: Number(inAll.transitions) } };
}

// Without the rule `refinement` nothing is compared.
function comparedJson({ compared: { answers, states } = { answers: 0n, states: 0n } }: SearchCounts): object {
  return answers + states === 0n ? {} : { compared: { answers: Number(answers), states: Number(states) } };
}

/** For programs; docs/explore.md describes the fields. */
export class JsonExploreReport implements ExploreReport {
  readonly #terminal: Terminal;
  readonly #bug: FoundBug | null;
  #plan: Plan | null = null;
  #rules: Readonly<Record<string, string>> = {};

  constructor(bug: FoundBug | null, terminal: Terminal) {
    this.#bug = bug;
    this.#terminal = terminal;
  }

  begin(plan: Plan): void {
    this.#plan = plan;
    this.#rules = rulesOf(plan);
  }

  searched(bug: FoundBug | null, { counts, end, seconds, findings }: Exploration): void {
    const { system, machine } = this.#plan ?? {};
    writeJson(this.#terminal.stdout, {
      ...{ system, machine, bug: bug?.name ?? null, end, exhausted: end === "exhausted" },
      ...{ ...counts, tried: Number(counts.tried), transitions: Number(counts.transitions), compared: undefined },
      ...{ ...inAllJson(counts), ...comparedJson(counts) },
      ...{ seconds, findings: findings.length },
    });
  }

  tried({ ways, operations, reached, corpus, findings }: CampaignState): void {
    const { system, machine } = this.#plan ?? {};
    writeJson(this.#terminal.stdout, {
      ...{ campaign: true, system, machine, bug: this.#bug?.name ?? null },
      ...{ ways, operations, reached, kept: corpus.length, findings: findings.length },
    });
  }

  finding(finding: Finding, retelling: Retelling, confirmed: boolean): void {
    const { kind, code, subject, steps } = finding;
    writeJson(this.#terminal.stdout, {
      ...{ finding: ruleName(finding), kind, code, subject, statement: ruleText(finding, this.#rules) },
      confirmed,
      by: causedBy(steps),
      beside: finding.beside?.map(stepText),
      steps: retelling.steps.map((step) => ({
        ...(step.step.op === "access"
          ? { op: "access", args: accessArguments(step.step.access) }
          : { op: step.step.op, args: argumentsOf(step.step) }),
        ...{ text: stepText(step.step), answer: step.answer, sentence: step.sentence, changes: step.changes },
      })),
    });
  }

  end({ found, searches }: Verdict): void {
    const bounded = searches.filter(({ end }) => end !== "exhausted" && end !== "found").map(({ end }) => end);
    writeJson(this.#terminal.stdout, { total: true, bug: this.#bug?.name ?? null, found, bounded });
  }
}

function accessArguments(access: { stage2: "host" | number; ipa: bigint; kind: string; value?: bigint }): object {
  const { stage2, ipa, kind, value } = access;
  return {
    by: stage2 === "host" ? stage2 : hex(stage2),
    kind,
    ipa: hex(ipa),
    value: value === undefined ? null : hex(value),
  };
}
