// What `freehold explore` is asked to search: the machine, the bug in it, the rules, and how far to go.

import { InvalidArgumentError } from "commander";
import { nameList } from "./arguments.js";
import { BUGS, hasSearch, type FoundBug } from "../explore/bugs/index.js";
import type { DomainName } from "../explore/named-domain.js";
import type { AnyDomain } from "../explore/system-domain.js";
import { PKVM_PRESETS, pkvmDomain, type PkvmSizes } from "../explore/pkvm-domain.js";
import { PRESETS } from "../explore/presets.js";
import { isSystemDomain, ruleNamesOf } from "../explore/system-domain.js";
import { RULES, SEARCH_INVARIANTS, type RuleName } from "../explore/rules.js";
import { suggestion } from "../trace/spelling.js";

/** The sizes of a machine that options can change, as commander gives them. */
export interface SizeOptions {
  readonly pages?: number;
  readonly tablePages?: number;
  readonly vms?: readonly boolean[];
  readonly gfns?: number;
  readonly makesVms?: boolean;
}

export interface PlanOptions extends SizeOptions {
  readonly system: string;
  readonly preset?: string;
  readonly bug?: FoundBug;
}

/** What is searched. */
export interface Plan {
  readonly system: string;
  /** `preset small`, `preset small with 3 pages`, or whose machine it is. */
  readonly machine: string;
  readonly domain: AnyDomain;
  /** By which a worker makes the domain again; left out where it is data. */
  readonly name?: DomainName;
}

/**
 * @returns the plan, or what is wrong with the options
 */
export function planOf(options: PlanOptions): Plan | string {
  const { system, preset, bug } = options;
  const changed = changedSizes(options);
  if (bug !== undefined && preset === undefined && Object.keys(changed).length === 0) {
    const domain: AnyDomain = bug.search.domain();
    const itsSystem = systemOf(bug);
    if (system !== "pkvm" && system !== itsSystem)
      return `--system: the machine of ${bug.name} is of system ${itsSystem}`;
    return { system: itsSystem, machine: `the machine of ${bug.name}`, domain, name: { bug: bug.name } };
  }
  const presets = PRESETS[system];
  if (presets === undefined) return unknown("system", system, Object.keys(PRESETS));
  if (bug !== undefined && systemOf(bug) !== system) return foreignBug(bug, system);
  const name = preset ?? defaultPreset(Object.keys(presets));
  const make = presets[name];
  if (make === undefined) return unknown("preset", name, Object.keys(presets));
  if (Object.keys(changed).length === 0) {
    return { system, machine: `preset ${name}`, domain: make(), name: { system, preset: name } };
  }
  const sizes: PkvmSizes | undefined = Object.entries(PKVM_PRESETS).find(([known]) => known === name)?.[1];
  if (system !== "pkvm") return `${sizeOptions(options).join(", ")}: only with --system pkvm`;
  if (sizes === undefined) return `${sizeOptions(options).join(", ")}: not with --preset ${name}`;
  return { system, machine: `preset ${name}, changed`, domain: pkvmDomain({ ...sizes, ...changed }) };
}

/** Whose code the bug is in. */
export function systemOf(bug: FoundBug): string {
  const domain = bug.search.domain();
  return isSystemDomain(domain) ? domain.system : "pkvm";
}

/** What is wrong with a bug on the machine of a system that does not run its code. */
export const foreignBug = (bug: FoundBug, system: string): string =>
  `--bug: ${bug.name} is in code of system ${systemOf(bug)}, which no machine of system ${system} runs`;

const defaultPreset = (names: readonly string[]): string => (names.includes("small") ? "small" : (names[0] ?? ""));

function changedSizes({ pages, tablePages, vms, gfns, makesVms }: SizeOptions): Partial<PkvmSizes> {
  return {
    ...(pages === undefined ? {} : { pages }),
    ...(tablePages === undefined ? {} : { tablePages }),
    ...(vms === undefined ? {} : { vms }),
    ...(gfns === undefined ? {} : { gfns }),
    ...(makesVms === undefined ? {} : { makesVms }),
  };
}

/** Those that were given, as they are written. */
export const sizeOptions = (options: SizeOptions): string[] =>
  Object.keys(changedSizes(options)).map(
    (name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
  );

function unknown(what: string, name: string, known: readonly string[]): string {
  return `unknown ${what} "${name}"${suggestion(name, known) || `: there are ${known.join(", ")}`}`;
}

// Options' values, as commander wants them parsed.

/** A bug of the catalogue that a search finds. */
export function searchedBug(name: string): FoundBug {
  const bug = BUGS.find((each) => each.name === name);
  if (bug === undefined) {
    const names = BUGS.map((each) => each.name);
    throw new InvalidArgumentError(`Unknown bug${suggestion(name, names) || " (freehold bugs lists them)"}.`);
  }
  if (!hasSearch(bug)) throw new InvalidArgumentError(`No search finds it: ${bug.whyNot.replace(/\.$/, "")}.`);
  return bug;
}

/** What `--rules` chooses: kinds of rules, and invariants by name. */
export interface ChosenRules {
  readonly rules: readonly RuleName[];
  readonly invariants?: readonly string[];
}

/** What the machines of a system declare beside the kinds of rules, by name. */
export function declaredRules(system: string): Readonly<Record<string, string>> {
  const rules = Object.values(PRESETS[system] ?? {}).flatMap((make) => {
    const domain = make();
    return Object.entries(isSystemDomain(domain) ? domain.rules : SEARCH_INVARIANTS);
  });
  return Object.fromEntries(rules.filter(([name]) => !Object.hasOwn(RULES, name)));
}

const isRule = (name: string): name is RuleName => name === "invariant" || Object.hasOwn(RULES, name);

/** Rules and invariants by name: `panic,secrecy,I2,I9`. */
export function ruleNames(text: string): ChosenRules {
  const names = nameList(text);
  const declared = Object.keys(PRESETS).flatMap((system) => Object.keys(declaredRules(system)));
  const known = [...new Set([...Object.keys(RULES), "invariant", ...declared])];
  const unknownName = names.find((name) => !known.includes(name));
  if (unknownName !== undefined) {
    throw new InvalidArgumentError(
      `Unknown rule "${unknownName}"${suggestion(unknownName, known)}: freehold explore --help lists them.`,
    );
  }
  const invariants = names.filter((name) => !isRule(name));
  const rules = names.filter(isRule);
  if (invariants.length === 0) return { rules };
  return rules.includes("invariant") ? { rules } : { rules: [...rules, "invariant"], invariants };
}

/** What is wrong with these rules for the machine that is searched; null: nothing. */
export function foreignRule({ rules, invariants = [] }: ChosenRules, { system, machine, domain }: Plan): string | null {
  const known = [...ruleNamesOf(domain), "invariant"];
  const name = [...rules, ...invariants].find((rule) => !known.includes(rule));
  if (name === undefined) return null;
  const isOfOthers = Object.hasOwn(declaredRules(system), name);
  return `--rules: ${isOfOthers ? machine : `system ${system}`} has no rule "${name}"`;
}

/** One CPU or two. */
export function cpuCount(text: string): 1 | 2 {
  if (text === "1" || text === "2") return text === "1" ? 1 : 2;
  throw new InvalidArgumentError("Expected 1 or 2.");
}

/** `p,n`: a VM each, protected or not. */
export function vmKinds(text: string): boolean[] {
  if (!/^[pn](,[pn])*$/.test(text)) throw new InvalidArgumentError("Expected p or n for each VM, with commas between.");
  return text.split(",").map((kind) => kind === "p");
}
