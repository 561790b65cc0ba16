// A search in words: how large it was, why it ended, and what it found, step by step.

import * as abi from "../../assembly/abi/explore.js";
import {
  GIVEN_AWAY,
  HOST_DATA,
  READER_HOST,
  SECRET,
  TABLE_ADDRESS,
  TABLE_DEAD,
  TABLE_FREED,
  TABLE_HINT,
  TABLE_NONE,
  TABLE_RIGHTS,
} from "../../assembly/abi/explore.js";
import { FFA_NON_SECURE_TABLE } from "../../assembly/abi/ffa.js";
import { TLB_BREAK_BEFORE_MAKE, TLB_LEFT_BEHIND, TLB_STALE_USE, TLB_VMID_LEFT } from "../../assembly/abi/tlb.js";
import { endpointName } from "../machine/ffa-effects.js";
import { hex } from "../machine/names.js";
import { errnoName, panicOf } from "../machine/outcome.js";
import { causedBy } from "./caller.js";
import { kindOf } from "./contents.js";
import type { Operation } from "../machine/operations.js";
import type { HolderChange } from "./counterexample/page-holders.js";
import { argumentsOf, type Retelling, type RetoldCall, type RetoldStep } from "./counterexample/retelling.js";
import type { DomainAccess, FalseAnswer, Step } from "./domain.js";
import { RULES, SEARCH_INVARIANTS } from "./rules.js";
import type { Finding, SearchCounts, SearchEnd } from "./search.js";
import { isUserCall, userCallText, type UserCall } from "./user-calls.js";

const ENDED: Readonly<Record<SearchEnd, string>> = {
  exhausted: "every state was visited",
  found: "stopped at the first finding",
  states: "no room for more states",
  parts: "no room for more kinds of pages and VMs",
  journal: "one way is too long to be undone",
  limit: "the simulator's memory is used up",
  paused: "time is up",
};

/** What broke the page-table protocol. */
const TRANSLATION: Readonly<Record<number, string>> = {
  [TLB_LEFT_BEHIND]: "a translation that the call took out of the tables is still cached after it",
  [TLB_BREAK_BEFORE_MAKE]: "a valid entry is written while another one for the same address is still cached",
  [TLB_STALE_USE]: "an access is translated by an entry that the tables do not hold any more",
  [TLB_VMID_LEFT]: "a VMID was flushed or given up, and a translation of it is still cached",
  [TABLE_DEAD]: "a walk goes down into a table page that was given back",
  [TABLE_FREED]: "a table page is given back while a cached entry still leads to it",
  [TABLE_HINT]: "an invalidation names a level at which no leaf was: hardware may ignore it",
  [TABLE_ADDRESS]: "a map succeeds, and an address leads elsewhere than it was told to",
  [TABLE_NONE]: "a walk reads as a table what is none",
  [TABLE_RIGHTS]: "a leaf that keeps its pages loses a right that nobody took from it",
};

/** Why a search ended. */
export function endText(end: SearchEnd): string {
  return ENDED[end];
}

/** `2,000 ways`. */
export const grouped = (value: number | bigint, noun: string): string =>
  `${value.toLocaleString("en")} ${noun}${BigInt(value) === 1n ? "" : "s"}`;

/** `599,456 states, 3,605,642 transitions of 13,038,708 operations tried, depth 24, 20 bytes a state`. */
export function countsText({ states, transitions, tried, depth, bytesPerState, compared }: SearchCounts): string {
  return (
    `${grouped(states, "state")}, ${grouped(transitions, "transition")} of ${grouped(tried, "operation")} tried, ` +
    `depth ${depth}, ${bytesPerState} bytes a state${compared === undefined ? "" : comparedText(compared)}`
  );
}

/** `170,581 states stand for 625,328 ...`; null where no two states differ in names alone. */
export function inAllText({ states, inAll }: SearchCounts): string | null {
  if (inAll === undefined || inAll.states === BigInt(states)) return null;
  return (
    `${grouped(states, "state")} stand for ${inAll.states.toLocaleString("en")} with ${grouped(inAll.transitions, "transition")}: ` +
    "of those that differ in the names of interchangeable pages or VMs alone, one is visited"
  );
}

// Without the rule `refinement` nothing is compared.
function comparedText({ answers, states }: NonNullable<SearchCounts["compared"]>): string {
  if (answers + states === 0n) return "";
  return `; the specification compared ${grouped(answers, "answer")}, and after ${states.toLocaleString("en")} more the state alone`;
}

/** `panic, I1 to I20, I22`: names with a letter and a number stand in the order of their numbers. */
export function namesText(names: readonly string[]): string {
  const runs: [first: string, last: string][] = [];
  for (const name of inOrder(names, (each) => each)) {
    const run = runs.at(-1);
    if (run !== undefined && name === next(run[1])) run[1] = name;
    else runs.push([name, name]);
  }
  return runs.map(([first, last]) => joined(first, last)).join(", ");
}

function joined(first: string, last: string): string {
  if (first === last) return first;
  return last === next(first) ? `${first}, ${last}` : `${first} to ${last}`;
}

/** The items whose names have a number, sorted among those of their letter; all else stays in its place. */
export function inOrder<T>(items: readonly T[], nameOf: (item: T) => string): T[] {
  const letterOf = (item: T) => NUMBERED.exec(nameOf(item))?.[1];
  const numberOf = (item: T) => Number(NUMBERED.exec(nameOf(item))?.[2]);
  const sorted = new Map<string, T[]>();
  for (const item of items) {
    const letter = letterOf(item);
    if (letter !== undefined) sorted.set(letter, [...(sorted.get(letter) ?? []), item]);
  }
  for (const group of sorted.values()) group.sort((one, other) => numberOf(one) - numberOf(other));
  return items.map((item) => sorted.get(letterOf(item) ?? "")?.shift() ?? item);
}

const NUMBERED = /^([A-Z])(\d+)$/;

/** The name with the next number: of `I9`, `I10`. */
function next(name: string): string | null {
  const [, letter, number] = NUMBERED.exec(name) ?? [];
  return letter === undefined ? null : `${letter}${Number(number) + 1}`;
}

/** The name by which the broken rule is chosen: `panic`, `secrecy`, `I10`. */
export function ruleName({ kind, code, rule }: Pick<Finding, "kind" | "code" | "rule">): string {
  return rule ?? (kind === "invariant" ? `I${code}` : kind);
}

/**
 * What a search broke, in a sentence.
 *
 * @param rules what the rules of another system demand, by name
 */
export function ruleText(finding: Omit<Finding, "steps">, rules: Readonly<Record<string, string>> = {}): string {
  const { kind, code, subject, rule = "" } = finding;
  const at = subject === 0n ? "" : ` at ${hex(subject)}`;
  // The core knows more of its own kinds than that they are broken.
  const own = kind === "translation" ? undefined : rules[rule];
  if (own !== undefined) return `it is no longer true${at} that ${own}`;
  switch (kind) {
    case "panic":
      return `EL2 stops${panicOf(code).func === null ? "" : ` in ${panicOf(code).func}`}, and the machine with it`;
    case "invariant":
      return `it is no longer true${at} that ${SEARCH_INVARIANTS[`I${code}`] ?? `I${code} holds`}`;
    case "refusal":
      return `a call is refused with -${errnoName(-code) ?? code}, and the state changed all the same`;
    case "secrecy":
      return `${code === READER_HOST ? "the host" : "another VM"} can read what a guest keeps to itself${at}`;
    case "integrity":
      return `what a guest has to itself${at} was changed by someone else`;
    case "leak":
      return `no VM is left, and ${LEAKS.get(code) ?? "something"}${at} does not come back`;
    case "freed":
      return `what a guest kept to itself${at} is left in a page that is someone else's now`;
    case "pointer":
      return `EL2 goes by an address of the host's to a page that it has not pinned${at}`;
    case "progress":
      if (code === abi.ENDLESS_CALL)
        return "a call that is half-way does not end, though no other CPU comes in between";
      return `the host's access${at} faults for ever: EL2 handles the fault, and nothing changes`;
    case "refinement":
      return disagreementText(code, subject);
    case "translation":
      return `${TRANSLATION[code] ?? RULES.translation}${at}`;
    case "watched":
      return `a rule that was watched is broken (${code})${at}`;
  }
}

const LEAKS: ReadonlyMap<number, string> = new Map([
  [abi.LEAK_HYP_PAGE, "a page that EL2 took"],
  [abi.LEAK_BORROWED, "a page that was a guest's"],
  [abi.LEAK_SHARE, "a page that was shared"],
  [abi.LEAK_REFERENCE, "a reference"],
  [abi.LEAK_TABLE_PAGE, "a page of EL2's pool"],
  [abi.LEAK_VCPU, "a loaded vCPU"],
]);

const DISAGREEMENTS: ReadonlyMap<number, string> = new Map([
  [abi.DISAGREE_PAGE, "machine and specification differ in who has the page"],
  [abi.DISAGREE_GUEST, "machine and specification differ in what a guest has"],
  [abi.DISAGREE_LIFE, "machine and specification differ in whether a VM lives, the one"],
  [abi.DISAGREE_STATE, "the machine is in a state that the specification does not have, as is seen"],
]);

// Of a result both are told: what the specification answers above, what the machine answered below.
function disagreementText(code: number, subject: bigint): string {
  if (code === abi.DISAGREE_RESULT) {
    const [wanted, found] = [subject >> 32n, subject].map((half) => resultText(Number(BigInt.asIntN(32, half))));
    return `the call is answered ${found}, and the specification says ${wanted}`;
  }
  return `${DISAGREEMENTS.get(code) ?? `the specification says otherwise (case ${code})`} at ${hex(subject)}`;
}

function resultText(ret: number): string {
  return ret < 0 ? `-${errnoName(ret) ?? -ret}` : String(ret);
}

/**
 * A step as a line of a scenario: `hcall_donate_guest pfn=0x40000 gfn=0x80000`; with two CPUs also whose it is, and which part:
 * `CPU 1: init_vcpu ... (until it releases its locks)`.
 */
export function stepText(step: Step): string {
  const { cpu, part, releases = 0, ...operation } = step;
  const text = operationText(operation);
  if (cpu === undefined) return text;
  const goesOn = part === "middle" || part === "end" ? " goes on" : "";
  const isLeft = part === "begin" || part === "middle";
  const times = releases > 1 ? `, ${releases} times` : "";
  return `CPU ${cpu}: ${text}${goesOn}${isLeft ? ` (until it releases its locks${times})` : ""}`;
}

function operationText(step: Operation | DomainAccess | UserCall | FalseAnswer): string {
  if (step.op === "access") return accessText(step);
  if (isUserCall(step)) return userCallText(step);
  if (step.op === "false_answer") return `the SPMC will answer with ${step.field} ${hex(step.value)}`;
  const { op } = step;
  return [op, ...Object.entries(argumentsOf(step)).map(([name, value]) => `${name}=${value}`)].join(" ");
}

function accessText({ access: { stage2, ipa, kind, value = 0n } }: DomainAccess): string {
  const who = stage2 === "host" ? "host" : endpointName(stage2 & ~FFA_NON_SECURE_TABLE);
  return `${who} ${kind}s ${hex(ipa)}${kind === "write" ? ` = ${hex(value)}${whoseData(value)}` : ""}`;
}

const WHOSE: ReadonlyMap<bigint, string> = new Map([
  [BigInt(SECRET), " (its secret)"],
  [BigInt(GIVEN_AWAY), " (no secret)"],
  [BigInt(HOST_DATA), " (the host's data)"],
]);

function whoseData(value: bigint): string {
  return WHOSE.get(kindOf(value)) ?? "";
}

/** A finding: the broken rule, who can break it, and the way there, each step with its answer and what it did to pages. */
export function findingText(
  finding: Finding,
  { steps }: Retelling,
  rules?: Readonly<Record<string, string>>,
): string[] {
  const by = causedBy(finding.steps) ?? "nobody: the first state is like that";
  const beside = (finding.beside ?? []).map((step) => `where this is possible, too: ${stepText(step)}`);
  return [
    ruleText(finding, rules),
    `caused by: ${by}`,
    ...beside,
    ...steps.flatMap((step, index) => retoldText(step, index + 1)),
  ];
}

function retoldText({ step, answer, calls, sentence, changes }: RetoldStep, number: number): string[] {
  const head = `${String(number).padStart(3)}. ${stepText(step)}  ->  ${answer}`;
  const why = sentence === null ? [] : [`       ${sentence}`];
  const made = isUserCall(step) ? calls.map((call) => `       ${hypercallText(call)}`) : [];
  return [head, ...made, ...why, ...changes.map((change) => `       ${changeText(change)}`)];
}

/** `EL2: host_share_hyp pfn=0x40000  ->  0`. */
function hypercallText({ operation, outcome }: RetoldCall): string {
  const { ret, errno, panic } = outcome;
  return `EL2: ${operationText(operation)}  ->  ${panic === null ? (errno === null ? ret : `-${errno}`) : "panic"}`;
}

/** `pfn 0x40000: host OWNED -> NOPAGE`. */
export function changeText({ pfn, party, before, after }: HolderChange): string {
  return `pfn ${hex(pfn)}: ${party} ${before} -> ${after}`;
}
