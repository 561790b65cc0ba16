// A search over all states that a domain's operations lead to, on the real machine, and what it found.

import * as abi from "../../assembly/abi/explore.js";
import { MUTATION_NONE } from "../../assembly/abi/mutations.js";
import { invariantMask } from "../machine/invariants.js";
import type { TlbiSite } from "../machine/tlb.js";
import { LONGEST_WAY, type Way } from "./campaign/way.js";
import { packDomain, partsOf, type Domain, type Step } from "./domain.js";
import { firstMachine } from "./first-state.js";
import { instantiateInterleaving, PARTS_OF_TWO_CPUS, turnOf, withoutPauses } from "./interleaving.js";
import { CHEAP_RULES, FINDING_KINDS, ruleMask, SEARCH_INVARIANTS, type FindingKind, type RuleName } from "./rules.js";
import { NO_SYMMETRY, renamingsOf, symmetryOf } from "./symmetry.js";
import { instantiateVariant, type ExploreCore } from "./variant.js";

export type { FindingKind } from "./rules.js";

/** Why a search ended: `exhausted` means that every state was visited; the others but `found` are bounds. */
export type SearchEnd = "exhausted" | "found" | "states" | "parts" | "journal" | "limit" | "paused";

/** What the core's SEARCH_* mean. */
export const ENDS: ReadonlyMap<number, SearchEnd> = new Map<number, SearchEnd>([
  [abi.SEARCH_EXHAUSTED, "exhausted"],
  [abi.SEARCH_FOUND, "found"],
  [abi.SEARCH_STATES_FULL, "states"],
  [abi.SEARCH_PARTS_FULL, "parts"],
  [abi.SEARCH_JOURNAL_FULL, "journal"],
  [abi.SEARCH_LIMIT, "limit"],
]);

const KINDS: ReadonlyMap<number, FindingKind> = new Map(
  (Object.entries(FINDING_KINDS) as [FindingKind, number][]).map(([kind, number]) => [number, kind]),
);

/** A broken rule, and the shortest way to it. */
export interface Finding {
  readonly kind: FindingKind;
  /** PANIC_*, number of the invariant, errno, READER_*: as the kind says (assembly/abi/explore.ts). */
  readonly code: number;
  /** A physical or intermediate physical address in bytes, where there is one. */
  readonly subject: bigint;
  /** What is done, from the first state on. */
  readonly steps: readonly Step[];
  /** Of a rule about two calls that are possible in one state: the other one, which is tried where the last step is. */
  readonly beside?: readonly Step[];
  /** Of a search over another system (system-domain.ts): the rule's name there, and what it demands. */
  readonly rule?: string;
  readonly statement?: string;
}

/** A finding, and where the search was when it was found: of two, the one with the smaller numbers comes first. */
export interface FoundAt extends Finding {
  /** The state's number, and the step's. */
  readonly at: readonly [state: number, step: number];
}

/** What came of a way. */
export interface WayOutcome {
  /** The steps that were taken, up to the finding. */
  readonly way: Way;
  readonly finding: Finding | null;
  /** It reached something that no way before it had. */
  readonly isNew: boolean;
}

/** How large a search was. */
export interface SearchCounts {
  readonly states: number;
  /** States whose operations were all tried. */
  readonly expanded: number;
  readonly tried: bigint;
  /** Operations that led to another state. */
  readonly transitions: bigint;
  /** Operations on the way to the state that is farthest from the first. */
  readonly depth: number;
  /** With the rule `refinement`: attempts whose answer the specification machine gave, too, and others whose state it kept. */
  readonly compared?: { readonly answers: bigint; readonly states: bigint };
  /** Of a search that takes states together: how many they are, each for itself. */
  readonly inAll?: { readonly states: bigint; readonly transitions: bigint };
  /** Bytes that a state is kept in, without its share of the index. */
  readonly bytesPerState: number;
}

export interface SearchOptions {
  /** MUTATION_* of assembly/abi/mutations.ts. Default: none. */
  readonly mutation?: number;
  /** A TLBI that is not issued, for the rule `translation`. Default: all are. */
  readonly withoutTlbi?: TlbiSite;
  /** Rules by name. Default: the domain's, or all that cost little. */
  readonly rules?: readonly RuleName[];
  /** Invariants by name, for the rule `invariant`. Default: all. */
  readonly invariants?: readonly string[];
  /**
   * Carry out every operation in every state, and ask all rules of the whole state: slower, and finds the same. Otherwise an
   * operation is carried out once for all states in which it looks at the same. Default: false.
   */
  readonly everywhere?: boolean;
  /**
   * Visit one of the states that differ in the names of interchangeable pages alone. For machines without a mistake, as whose
   * calls treat such pages alike. Default: false.
   */
  readonly symmetry?: boolean;
  /** CPUs whose operations interleave where EL2 releases its locks. Default: 1. */
  readonly cpus?: 1 | 2;
  /** Room for so many states; memory is taken as they come. Default: 20 million. */
  readonly maxStates?: number;
}

export const DEFAULT_STATES = 20_000_000;
const PART_BYTES = 2 ** 26;
const JOURNAL_ENTRIES = 2 ** 20;
/** Room for the first state alone is enough where ways are tried. */
const STATES_OF_WAYS = 64;

/** Which of the workers that search together this is. */
export interface Place {
  /** From 0. */
  readonly worker: number;
  readonly workers: number;
}

const ALONE: Place = { worker: 0, workers: 0 };

const chosenRules = (domain: Domain, options: SearchOptions): readonly RuleName[] =>
  options.rules ?? domain.rules ?? CHEAP_RULES;

// A cached translation is the name of a page that no part of the state would change with; and a mistake may treat pages unlike.
function isSymmetric(domain: Domain, options: SearchOptions): boolean {
  const { symmetry = false, mutation = MUTATION_NONE, cpus = 1 } = options;
  return symmetry && mutation === MUTATION_NONE && cpus === 1 && !chosenRules(domain, options).includes("translation");
}

/** One search. */
export class Search {
  readonly core: ExploreCore;
  readonly #domain: Domain;
  readonly #cpus: number;
  readonly #isSymmetric: boolean;
  #end: SearchEnd = "paused";

  private constructor(core: ExploreCore, domain: Domain, cpus: number, isSymmetric: boolean) {
    this.core = core;
    this.#domain = domain;
    this.#cpus = cpus;
    this.#isSymmetric = isSymmetric;
  }

  /**
   * Makes the domain's machine and its first state.
   *
   * @param place of a share (search-share.ts); default: the whole search
   * @throws RangeError if the domain does not fit, Error if its first state cannot be made
   */
  static async start(domain: Domain, options: SearchOptions = {}, place = ALONE): Promise<Search> {
    const { mutation = MUTATION_NONE, cpus = 1, maxStates = DEFAULT_STATES } = options;
    const core = await (cpus === 2 ? instantiateInterleaving() : instantiateVariant());
    const { exports, memory } = core;
    const { worker, workers } = place;
    const parts = partsOf(domain) + (cpus === 2 ? PARTS_OF_TWO_CPUS : 0);
    const symmetry = isSymmetric(domain, options) ? symmetryOf(domain) : NO_SYMMETRY;
    const renamings = renamingsOf(symmetry);
    const share = [worker, workers, renamings.pages, renamings.vms] as const;
    if (exports.reserveExploration(maxStates, parts, PART_BYTES, JOURNAL_ENTRIES, ...share) === 0) {
      throw new RangeError(`${maxStates} states do not fit the 4 GiB of WebAssembly memory`);
    }
    const machine = firstMachine(domain, core, mutation);
    machine.tlb.suppress(options.withoutTlbi ?? null);
    packDomain(domain, new DataView(memory.buffer), exports.domainWindow(), symmetry);
    const search = new Search(core, domain, cpus, renamings.pages * renamings.vms > 1);
    const rules = ruleMask(chosenRules(domain, options));
    search.#note(
      exports.startSearch(
        invariantMask(options.invariants, SEARCH_INVARIANTS),
        rules,
        options.everywhere === true ? 1 : 0,
      ),
    );
    return search;
  }

  /** A search that tries ways from the first state (`tryWay`), and visits no other. */
  static forWays(domain: Domain, options: Omit<SearchOptions, "maxStates"> = {}): Promise<Search> {
    return Search.start(domain, { ...options, maxStates: STATES_OF_WAYS });
  }

  #note(status: number): void {
    if (status === abi.SEARCH_DOMAIN) throw new RangeError("a domain that cannot be searched");
    if (status === abi.SEARCH_INEXACT) throw new Error("states that are told apart too little: search `everywhere`");
    this.#end = ENDS.get(status) ?? "paused";
  }

  /**
   * Tries all operations in so many more states.
   *
   * @param states how many
   * @param untilFinding stop at the first finding; else states that break a rule are left aside
   */
  run(states: number, untilFinding = true): SearchEnd {
    // A first state that breaks a rule leads nowhere.
    const isBroken = this.#end === "found" && this.counts.expanded === 0;
    if (isBroken && untilFinding) return "found";
    if (this.#end === "paused" || this.#end === "found") {
      this.#note(this.core.exports.runSearch(states, untilFinding ? 1 : 0));
    }
    return this.#end;
  }

  get counts(): SearchCounts {
    const { exports } = this.core;
    return {
      states: exports.stateCount(),
      expanded: exports.expandedCount(),
      tried: exports.triedCount(),
      transitions: exports.transitionCount(),
      depth: exports.deepestState(),
      compared: { answers: exports.answersComparedCount(), states: exports.statesComparedCount() },
      ...(this.#isSymmetric
        ? { inAll: { states: exports.stateCountInAll(), transitions: exports.transitionCountInAll() } }
        : {}),
      bytesPerState: exports.stateBytes(),
    };
  }

  /** What was found, in the order of the lengths of the ways to it. */
  get findings(): FoundAt[] {
    return Array.from({ length: this.core.exports.findingCount() }, (_, index) => {
      return { ...this.#finding(index), at: this.#placeOf(index) };
    });
  }

  #placeOf(index: number): FoundAt["at"] {
    const view = this.#findingRecord(index);
    return [view.getUint32(abi.FINDING_STATE, true), view.getUint32(abi.FINDING_OPERATION, true)];
  }

  #findingRecord(index: number): DataView {
    const { exports, memory } = this.core;
    return new DataView(memory.buffer, exports.findingAt(index) >>> 0, abi.FINDING_SIZE);
  }

  #finding(index: number, way?: Way): Finding {
    const view = this.#findingRecord(index);
    return {
      kind: KINDS.get(view.getUint32(0, true)) ?? "invariant",
      code: view.getInt32(abi.FINDING_CODE, true),
      subject: view.getBigUint64(abi.FINDING_SUBJECT, true),
      steps: way === undefined ? this.#wayTo(...this.#placeOf(index)) : this.#stepsOf(way),
    };
  }

  #stepsOf(way: Way): Step[] {
    const steps = [...way].map((code) => this.#step(code)).filter((step) => step !== undefined);
    return this.#cpus === 2 ? withoutPauses(steps) : steps;
  }

  /**
   * Takes steps one after the other from the first state up to the first finding, and undoes them. Only before `run`.
   *
   * @param way numbers of steps, with two CPUs of parts of them (partsOfTurn); those that nobody could take where they stand are passed over
   * @throws RangeError if the way is too long, or the simulator's memory is used up on it
   */
  tryWay(way: Way): WayOutcome {
    const { exports, memory } = this.core;
    const before = exports.reachedInAll();
    if (way.length > LONGEST_WAY) throw new RangeError(`a way of ${way.length} steps is too long`);
    new Uint16Array(memory.buffer, exports.wayWindow() >>> 0, way.length).set(way);
    const status = exports.runWay(way.length);
    if (status !== abi.SEARCH_MORE && status !== abi.SEARCH_FOUND)
      throw new RangeError(`a way ended: ${ENDS.get(status)}`);
    const taken = new Uint16Array(memory.buffer, exports.wayWindow() >>> 0, exports.takenSteps()).slice();
    return {
      way: taken,
      finding: status === abi.SEARCH_FOUND ? this.#finding(0, taken) : null,
      isNew: exports.reachedInAll() > before,
    };
  }

  /** What all ways have reached: verbs with their answers and the checks that refused them, and states of single pages and VMs. */
  get reached(): number {
    return this.core.exports.reachedInAll();
  }

  /** The steps to a state, and one more. */
  #wayTo(state: number, last: number): Step[] {
    const { exports } = this.core;
    const steps = [this.#step(last)];
    for (let at = state; at !== 0; at = exports.parentOf(at)) steps.push(this.#step(exports.operationTo(at)));
    const way = steps.reverse().filter((step) => step !== undefined);
    return this.#cpus === 2 ? withoutPauses(way) : way;
  }

  #step(code: number): Step | undefined {
    return this.#cpus === 2 ? turnOf(this.#domain.steps, code) : this.#domain.steps[code];
  }
}
