// The breadth-first search over all states of the specification machine, by workers that share its memory: the states, the table of
// who is in it, and what is still to be expanded. A round is what a worker does until the states of a depth are all taken, or the
// table is to be made larger; all end a round before any begins the next. So states, transitions and depths do not depend on how many
// workers there are.

import * as abi from "../../assembly/abi/specification.js";
import type { Place } from "./search.js";
import {
  callFrom,
  createSharedMemory,
  Specification,
  type Call,
  type PackedState,
  type SpecificationConfig,
  type SpecificationSource,
} from "./specification.js";

export interface SearchOptions extends SpecificationConfig {
  /** The host finalises guests whose pages it has not taken back. */
  readonly abandons?: boolean;
  /** Count states that differ only in names as one: of pages, or of pages and guests. */
  readonly symmetry?: "pages" | "guests";
  /** The search ends when there are more states. */
  readonly maxStates?: number;
  /** How many states there are, if that is known: saves the time in which tables grow. */
  readonly expectedStates?: number;
  /** Where the search begins, instead of with pages that are all the host's. */
  readonly from?: PackedState;
}

/** What one worker has seen. */
export interface ShareCounts {
  /** States that it found first. */
  readonly states: number;
  readonly transitions: number;
  /** Memory of all workers' states, where they came from, and the table. */
  readonly bytes: number;
  readonly panics: number;
}

/** A state that breaks a rule, or in which a call panics EL2. */
export interface Finding {
  readonly kind: "broken" | "panic";
  /** The stored state's index. */
  readonly at: number;
  /** BROKEN_..., or INTACT for a panic. */
  readonly rule: number;
}

/** How a worker's round ended: EXPAND_FINISHED, EXPAND_GROW or EXPAND_LIMIT, and what it has seen up to then. */
export interface RoundEnd {
  readonly ended: number;
  readonly findings: readonly Finding[];
}

const DEFAULT_MAX_STATES = 1 << 24;
/** States between two looks at what others say. */
const SLICE = 16384;

/** One worker's part of a search. */
export class Share {
  readonly worker: number;
  readonly workers: number;
  readonly #specification: Specification;
  readonly #initial: PackedState;

  private constructor(specification: Specification, initial: PackedState, worker: number, workers: number) {
    this.#specification = specification;
    this.#initial = initial;
    this.worker = worker;
    this.workers = workers;
  }

  /**
   * With several workers, all are given the same memory. The first one knows the state to begin with.
   *
   * @throws RangeError if the machine does not fit the packed state, or the memory the states
   */
  static async create(
    options: SearchOptions,
    { worker, workers }: Place = { worker: 0, workers: 1 },
    source: SpecificationSource = {},
  ): Promise<Share> {
    const specification = await Specification.create(options, source);
    const initial = options.from ?? specification.state;
    const { createSearch, addInitial } = specification.exports;
    const maximum = options.maxStates ?? DEFAULT_MAX_STATES;
    if (createSearch(worker, workers, maximum, options.expectedStates ?? 0, flagsOf(options)) === 0) {
      throw new RangeError(`no memory for ${maximum} states and ${workers} workers`);
    }
    if (worker === 0) addInitial(initial.pages, initial.slots);
    return new Share(specification, initial, worker, workers);
  }

  get counts(): ShareCounts {
    const { count, transitions, visitedBytes, panics } = this.#specification.exports;
    return { states: count.value, transitions: transitions.value, bytes: visitedBytes(), panics: panics.value };
  }

  /** What all workers found is expanded next, if it is anything. */
  beginDepth(): boolean {
    return this.#specification.exports.beginDepth() !== 0;
  }

  /** Expands some states of a depth. Returns EXPAND_PAUSED if there is more to do. */
  expand(most = SLICE): number {
    return this.#specification.exports.expand(most);
  }

  /** Makes the table larger: all workers do, while none expands. Returns EXPAND_LIMIT if there is no memory for that. */
  growTable(): number {
    return this.#specification.exports.growTable() === 0 ? abi.EXPAND_LIMIT : abi.EXPAND_FINISHED;
  }

  /** What the others are told when a round ended like that. */
  roundEnd(ended: number): RoundEnd {
    return { ended, findings: this.#findings };
  }

  /** The first of each kind so far. */
  get #findings(): Finding[] {
    const { broken, brokenBy, panicking, panics } = this.#specification.exports;
    const findings: Finding[] = [];
    if (brokenBy.value !== abi.INTACT) findings.push({ kind: "broken", at: broken.value, rule: brokenBy.value });
    if (panics.value !== 0) findings.push({ kind: "panic", at: panicking.value, rule: abi.INTACT });
    return findings;
  }

  /** A finding with the shortest way there. */
  explain(finding: Finding): FindingWithCalls {
    const { nextCall, panicHere } = this.#specification.exports;
    this.#specification.state = this.#initial;
    const calls = this.#wayTo(finding.at).map(({ pages, slots }) => nextCall(pages, slots));
    return { ...finding, calls: (finding.kind === "panic" ? [...calls, panicHere()] : calls).map(callFrom) };
  }

  /** The states from the initial one, which is left out and its own parent, to this one. Pages and guests may have other names. */
  #wayTo(at: number): PackedState[] {
    const { parentOf, pagesOf, slotsOf } = this.#specification.exports;
    const way: PackedState[] = [];
    for (let index = at; parentOf(index) !== index; index = parentOf(index)) {
      way.unshift({ pages: BigInt.asUintN(64, pagesOf(index)), slots: BigInt.asUintN(64, slotsOf(index)) });
    }
    return way;
  }
}

function flagsOf({ abandons, symmetry }: SearchOptions): number {
  let flags = abandons === true ? abi.HOST_ABANDONS : 0;
  if (symmetry !== undefined) flags |= abi.SYMMETRIC_PAGES;
  if (symmetry === "guests") flags |= abi.SYMMETRIC_GUESTS;
  return flags;
}

export interface Totals {
  readonly states: number;
  readonly transitions: number;
  readonly bytesPerState: number;
  /** States in which a call panics EL2. */
  readonly panics: number;
}

export interface FindingWithCalls extends Finding {
  /** The shortest way there. */
  readonly calls: readonly Call[];
}

export interface SearchResult extends Totals {
  /** Calls on the way to the states that are farthest away. */
  readonly depth: number;
  /** All reachable states were seen. */
  readonly exhausted: boolean;
  /** The first of each kind. */
  readonly findings: readonly FindingWithCalls[];
}

/** Whether a round ended like that for any worker. */
export function hasEnded(ends: readonly RoundEnd[], how: number): boolean {
  return ends.some(({ ended }) => ended === how);
}

/** The search with all workers in this thread, in turns: the counts are those of as many workers. */
export async function searchSpecification(options: SearchOptions, workers = 1): Promise<SearchResult> {
  const memory = createSharedMemory();
  const shares: Share[] = [];
  for (let worker = 0; worker < workers; worker++) {
    shares.push(await Share.create(options, { worker, workers }, { memory }));
  }

  const findings = new Map<Finding["kind"], FindingWithCalls>();
  let depths = 0;
  let ends = shares.map((share) => share.roundEnd(abi.EXPAND_FINISHED));
  while (!hasEnded(ends, abi.EXPAND_LIMIT) && beginDepth(shares)) {
    depths++;
    ends = expandDepth(shares);
    for (const finding of ends.flatMap((end) => end.findings)) {
      if (!findings.has(finding.kind)) findings.set(finding.kind, shares[0]!.explain(finding));
    }
  }
  const counts = total(shares.map((share) => share.counts));
  const exhausted = !hasEnded(ends, abi.EXPAND_LIMIT);
  return { ...counts, depth: depths - 1, exhausted, findings: [...findings.values()] };
}

function beginDepth(shares: readonly Share[]): boolean {
  return shares.map((share) => share.beginDepth()).some((began) => began);
}

/** As many rounds as it takes. */
function expandDepth(shares: readonly Share[]): RoundEnd[] {
  for (;;) {
    const ends = expandInTurns(shares).map((ended, worker) => shares[worker]!.roundEnd(ended));
    if (!hasEnded(ends, abi.EXPAND_GROW) || hasEnded(ends, abi.EXPAND_LIMIT)) return ends;
    const grown = shares.map((share) => share.roundEnd(share.growTable()));
    if (hasEnded(grown, abi.EXPAND_LIMIT)) return grown;
  }
}

/** How each worker's round ended. With several, each expands the least that can be taken at once when it is its turn. */
function expandInTurns(shares: readonly Share[]): number[] {
  const ended = shares.map(() => abi.EXPAND_PAUSED);
  while (ended.includes(abi.EXPAND_PAUSED)) {
    shares.forEach((share, worker) => {
      if (ended[worker] === abi.EXPAND_PAUSED) ended[worker] = share.expand(shares.length === 1 ? SLICE : 1);
    });
  }
  return ended;
}

/** The sums over all workers. */
export function total(shares: readonly ShareCounts[]): Totals {
  const sum = (of: (share: ShareCounts) => number) => shares.reduce((before, share) => before + of(share), 0);
  const states = sum((share) => share.states);
  return {
    states,
    transitions: sum((share) => share.transitions),
    bytesPerState: Math.max(...shares.map((share) => share.bytes)) / states,
    panics: sum((share) => share.panics),
  };
}
