// The way to a finding, done again step by step on a machine with the same bug: what each step answered, why, and which pages
// changed hands. The search itself keeps only which operation led from which state to which.

import { MUTATION_NONE } from "../../../assembly/abi/mutations.js";
import type { Machine, Outcome } from "../../machine/machine.js";
import { hex } from "../../machine/names.js";
import { OPERATIONS, type Operation } from "../../machine/operations.js";
import { panicSentence, refusalSentence } from "../../machine/reasons.js";
import { FALSE_ANSWERS, type DomainAccess, type FalseAnswer, type Step } from "../domain.js";
import { firstMachine } from "../first-state.js";
import { withHandle } from "../gunyah-steps.js";
import { isSystemDomain, type AnyDomain } from "../system-domain.js";
import { instantiateInterleaving } from "../interleaving.js";
import { isUserCall, serveUserCall, userCallArguments, type RetoldCall, type UserCall } from "../user-calls.js";
import { instantiateVariant, type ExploreCore } from "../variant.js";
import { changesBetween, pageHolders, type HolderChange, type PageHolders } from "./page-holders.js";
import { Turns } from "./two-cpus.js";

export type { RetoldCall } from "../user-calls.js";

export interface RetoldStep {
  readonly step: Step;
  /** None if it is an access that went through; more than one if it made the hypervisor do more. */
  readonly calls: readonly RetoldCall[];
  /** `0`, `-ENOMEM`, `panic`; of an access `done` or `fault`. */
  readonly answer: string;
  /** Which check refused it, or where EL2 stopped; null if it went through. */
  readonly sentence: string | null;
  /** The pages in play, afterwards. */
  readonly pages: readonly PageHolders[];
  /** What differs from before. */
  readonly changes: readonly HolderChange[];
}

export interface Retelling {
  /** The pages in play, in the first state. */
  readonly first: readonly PageHolders[];
  readonly steps: readonly RetoldStep[];
}

/**
 * Does the steps of a finding again.
 *
 * @param mutation MUTATION_* of the search that found it. Default: none
 */
export async function retell(domain: AnyDomain, steps: readonly Step[], mutation = MUTATION_NONE): Promise<Retelling> {
  const { machine, take } = await firstState(domain, steps, mutation);
  const pfns = pagesInPlay(domain, machine);
  const first = pageHolders(machine, pfns);
  let before = first;
  const retold = steps.map((named): RetoldStep => {
    const step = machine.config.kind === "gunyah" ? withHandle(named, machine) : named;
    const did = take(step);
    const pages = pageHolders(machine, pfns);
    const changes = changesBetween(before, pages);
    before = pages;
    return { step, ...did, pages, changes };
  });
  return { first, steps: retold };
}

/** Of a machine whose domain names none. */
const MOST_PAGES = 256;

/** Where no pages are named, all that the machine has: it is small. */
function pagesInPlay(domain: AnyDomain, machine: Machine): readonly bigint[] {
  if (!isSystemDomain(domain)) return domain.pages.map(({ pfn }) => pfn);
  if (domain.pages !== undefined) return domain.pages;
  if (!("regions" in machine.config)) return [];
  const shift = BigInt(machine.pageShift);
  return machine.config.regions.flatMap(({ base, size }) =>
    Array.from({ length: Math.min(Number(size >> shift), MOST_PAGES) }, (_, page) => (base >> shift) + BigInt(page)),
  );
}

interface FirstState {
  readonly machine: Machine;
  readonly take: (step: Step) => Done;
}

async function firstState(domain: AnyDomain, steps: readonly Step[], mutation: number): Promise<FirstState> {
  if (isSystemDomain(domain) || steps.every(({ cpu }) => cpu === undefined)) {
    const core = await instantiateVariant();
    const machine = firstMachine(domain, core, mutation);
    return { machine, take: (step) => perform(machine, step) };
  }
  const core = await instantiateInterleaving();
  const machine = firstMachine(domain, core, mutation);
  const turns = new Turns(machine, core, domain);
  return { machine, take: (step) => turns.take(step) };
}

/** What FALSE_* are not. */
const TRUE_ANSWER = 0;

type Done = Pick<RetoldStep, "calls" | "answer" | "sentence">;

function perform(machine: Machine, step: Step): Done {
  if (step.op === "access") return makeAccess(machine, step);
  if (isUserCall(step)) return { ...serveUserCall(machine.core as ExploreCore, step), sentence: null };
  const { exports } = machine.core as ExploreCore;
  if (step.op === "false_answer") {
    exports.setFalseAnswer(FALSE_ANSWERS[step.field], step.value);
    return { calls: [], answer: "will be said", sentence: null };
  }
  const outcome = machine.apply(step);
  exports.setFalseAnswer(TRUE_ANSWER, 0n);
  return { calls: [{ operation: step, outcome }], ...toldOf(step, outcome, machine) };
}

function toldOf(operation: Operation, outcome: Outcome, { pageShift }: Machine): Pick<Done, "answer" | "sentence"> {
  if (outcome.panic !== null) return { answer: "panic", sentence: panicSentence(outcome.panic) };
  const { ret, errno, reason } = outcome;
  const answer = errno === null ? String(ret) : /^E[A-Z0-9]+$/.test(errno) ? `-${errno}` : errno;
  const isRefused = ret < 0 || errno !== null || reason !== null;
  return { answer, sentence: isRefused ? refusalSentence(operation.op, outcome, pageShift) : null };
}

// As the search does it: a host that faults is mapped what is its own, and tries again.
function makeAccess(machine: Machine, { access }: DomainAccess): Done {
  const { fault } = machine.access(access.stage2, access.ipa, access.kind, access);
  if (fault === null) return { calls: [], answer: "done", sentence: null };
  if (access.stage2 !== "host" || fault.hpfar === null) return faulted([], fault.kind);
  const { esr, hpfar } = fault;
  const operation: Operation = { op: "host_abort", esr, spsr: 0n, far: access.ipa, hpfar, at_fail: 0 };
  const outcome = machine.apply(operation);
  const calls = [{ operation, outcome }];
  if (outcome.panic !== null) return { calls, ...toldOf(operation, outcome, machine) };
  const again = machine.access(access.stage2, access.ipa, access.kind, access);
  if (again.fault === null) return { calls, answer: "done", sentence: null };
  return { ...faulted(calls, again.fault.kind), sentence: toldOf(operation, outcome, machine).sentence };
}

function faulted(calls: readonly RetoldCall[], kind: string): Done {
  return { calls, answer: "fault", sentence: `${kind} fault` };
}

/** An operation's arguments as texts write them: addresses and handles in hexadecimal; of a system call, plain numbers. */
export function argumentsOf(operation: Operation | UserCall | FalseAnswer): Record<string, string> {
  if (operation.op === "false_answer") return { field: operation.field, value: hex(operation.value) };
  const values = { ...operation } as Readonly<Record<string, unknown>>;
  if (isUserCall(operation)) return userCallArguments(operation);
  const written = (name: string) => {
    const value = values[name] as bigint | number | boolean;
    return typeof value === "bigint" || name === "vm" ? hex(BigInt(value)) : String(value);
  };
  const names = Object.keys(OPERATIONS[operation.op].args).filter((name) => values[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, written(name)]));
}
