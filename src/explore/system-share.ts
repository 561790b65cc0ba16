// One worker's share of a search over a machine of any system (system-search.ts). Workers have no memory in common, and all have
// all states, under the same numbers; what is shared out is the work, round by round. A round is a block of the queue: each
// worker tries all steps in its part of the block. A state that it did not know goes to all others as the shortest way to it, a
// parent and a step; they take the step, and so know the state too: one step for each new state, of the many that were tried.
// All take in what was found in the order in which one worker would have found it, so that numbers, ways and findings are his.

import type { Finding, Place, SearchCounts, SearchEnd, SearchOptions } from "./search.js";
import { NOTHING, StateTree } from "./state-tree.js";
import type { SystemDomain } from "./system-domain.js";
import { findingKey, SYSTEM_STATES, SystemMachine, type Attempt, type BrokenWithCode } from "./system-machine.js";

/** States of a block, for each worker. */
const PART = 256;

/** Where a search is: a step in a state. */
interface At {
  readonly state: number;
  readonly step: number;
}

/** A state that a worker did not know. */
export interface FoundState extends At {
  /** A rule is broken in it, or by that step: nothing is tried in it. */
  readonly isBroken: boolean;
}

export interface FoundBroken extends At {
  readonly broken: BrokenWithCode;
}

/** What came of a worker's part of a round, in the order of the queue and of the steps. */
export interface SystemRound {
  readonly states: readonly FoundState[];
  readonly broken: readonly FoundBroken[];
}

/** What a worker tried before a state of its part. */
interface Tally {
  readonly tried: bigint;
  readonly transitions: bigint;
}

export class SystemShare {
  readonly place: Place;
  readonly #machine: SystemMachine;
  readonly #tree = new StateTree();
  readonly #maxStates: number;
  readonly #stopsAtFirst: boolean;
  /** The core's number of each state, and the state of each of the core's numbers. */
  readonly #known: number[] = [0];
  readonly #numbers = new Map<number, number>([[0, 0]]);
  readonly #broken = new Set<number>();
  readonly #findings: Finding[] = [];
  readonly #keys = new Set<string>();
  #tried = 0n;
  #transitions = 0n;
  #expanded = 0;
  #bound: SearchEnd | null = null;
  /** The block, and where this worker is in its part of it. */
  #blockEnd = 0;
  #first = 0;
  #next = 0;
  #partEnd = 0;
  #tallies: Tally[] = [];
  #states: (FoundState & { readonly known: number })[] = [];
  #brokenHere: FoundBroken[] = [];

  private constructor(machine: SystemMachine, place: Place, maxStates: number, stopsAtFirst: boolean) {
    this.#machine = machine;
    this.place = place;
    this.#maxStates = maxStates;
    this.#stopsAtFirst = stopsAtFirst;
    const broken = machine.stateBreaks();
    if (broken !== null) this.#find({ state: 0, step: NOTHING, broken });
  }

  /**
   * @param stopsAtFirst the search is for one finding
   * @throws as SystemMachine.start
   */
  static async start(
    domain: SystemDomain,
    options: SearchOptions,
    place: Place,
    stopsAtFirst: boolean,
  ): Promise<SystemShare> {
    const { maxStates = SYSTEM_STATES } = options;
    // Those of this worker's part, before it is known which of them come first, and those of all.
    const machine = await SystemMachine.start(domain, { ...options, maxStates: 2 * maxStates + 1 });
    return new SystemShare(machine, place, maxStates, stopsAtFirst);
  }

  /** States are those of all workers; what was tried is this worker's part. */
  get counts(): SearchCounts {
    return {
      states: this.#tree.count,
      expanded: this.#expanded,
      tried: this.#tried,
      transitions: this.#transitions,
      depth: this.#tree.depth,
      bytesPerState: this.#machine.bytesPerState,
    };
  }

  /** The same for all workers. */
  get findings(): readonly Finding[] {
    return this.#findings;
  }

  /** There was no room for what was found in a round; null: there was. */
  get bound(): SearchEnd | null {
    return this.#bound;
  }

  /** Goes on to the next block. */
  beginRound(): void {
    const { worker, workers } = this.place;
    const from = this.#expanded;
    this.#blockEnd = Math.min(this.#tree.count, from + PART * workers);
    const count = this.#blockEnd - from;
    this.#first = this.#next = from + Math.floor((count * worker) / workers);
    this.#partEnd = from + Math.floor((count * (worker + 1)) / workers);
    this.#states = [];
    this.#brokenHere = [];
    this.#tallies = [];
  }

  /** Tries all steps in so many states of this worker's part: `exhausted` when it is done, `paused` when it is not, or a bound. */
  run(states: number): SearchEnd {
    for (let left = states; left > 0 && this.#next < this.#partEnd; left--) {
      const bound = this.#expand(this.#next++);
      if (bound !== null) return bound;
      // What comes behind it in this part comes behind it in the search.
      if (this.#stopsAtFirst && this.#brokenHere.length > 0) return "exhausted";
    }
    return this.#next < this.#partEnd ? "paused" : "exhausted";
  }

  #expand(state: number): SearchEnd | null {
    this.#tallies.push({ tried: this.#tried, transitions: this.#transitions });
    if (this.#broken.has(state)) return null;
    const here = this.#known[state] ?? 0;
    this.#machine.goTo(this.#tree, state);
    for (const step of this.#machine.possibleSteps()) {
      const attempt = this.#machine.attempt(step, here);
      this.#tried++;
      if (attempt.bound !== null) return attempt.bound;
      if (this.#machine.states > this.#maxStates) return "states";
      this.#note(attempt, here, { state, step });
      if (this.#stopsAtFirst && attempt.broken !== null) return null;
    }
    return null;
  }

  #note({ known, isNew, broken }: Attempt, here: number, at: At): void {
    if (known !== null && known !== here) this.#transitions++;
    if (isNew && known !== null) this.#states.push({ ...at, known, isBroken: broken !== null });
    if (broken !== null) this.#brokenHere.push({ ...at, broken });
  }

  /** What this worker's part came to. */
  endRound(): SystemRound {
    const states = this.#states.map(({ state, step, isBroken }) => ({ state, step, isBroken }));
    return { states, broken: this.#brokenHere };
  }

  /**
   * Takes in what all workers' parts of the round came to.
   *
   * @param isCut some part was not finished: a bound was reached there
   */
  take(rounds: readonly SystemRound[], isCut: boolean): void {
    const broken = rounds.flatMap((round) => round.broken).toSorted(inOrder);
    const last = this.#stopsAtFirst ? broken[0] : undefined;
    const states = this.#foundBy(rounds).filter((found) => last === undefined || inOrder(found, last) <= 0);
    const added = new Set<string>();
    for (const found of states) {
      const known = found.known ?? this.#machine.stateBehind(this.#tree, found.state, found.step);
      if (known !== null && this.#numbers.has(known)) continue;
      if (known === null) this.#bound = "parts";
      else if (this.#tree.count === this.#maxStates) this.#bound = "states";
      if (known === null || this.#bound !== null) break;
      this.#add(found, known);
      added.add(spell(found));
    }
    // That a state is broken is told once, at the first way to it.
    const told = broken.filter((found) => !found.broken.isOfState || added.has(spell(found)));
    for (const found of last === undefined ? told : [last]) this.#find(found);
    if (last !== undefined) this.#goBackTo(last.state);
    else if (!isCut) this.#expanded = this.#blockEnd;
  }

  #foundBy(rounds: readonly SystemRound[]): (FoundState & { readonly known?: number })[] {
    const others = rounds.filter((_, worker) => worker !== this.place.worker).flatMap(({ states }) => states);
    return [...this.#states, ...others].toSorted(inOrder);
  }

  #add({ state, step, isBroken }: FoundState, known: number): void {
    const number = this.#tree.add(state, step);
    this.#numbers.set(known, number);
    this.#known.push(known);
    if (isBroken) this.#broken.add(number);
  }

  #find({ state, step, broken }: FoundBroken): void {
    const finding = this.#machine.finding(broken, this.#tree.stepsOf(state, step));
    const key = findingKey(finding);
    if (this.#keys.has(key)) return;
    this.#keys.add(key);
    this.#findings.push(finding);
  }

  /** One worker alone would have tried nothing behind this state. */
  #goBackTo(state: number): void {
    this.#expanded = state + 1;
    const tally = this.#tallies[Math.max(0, state + 1 - this.#first)];
    if (tally === undefined) return;
    this.#tried = tally.tried;
    this.#transitions = tally.transitions;
  }
}

const inOrder = (one: At, other: At): number => one.state - other.state || one.step - other.step;

const spell = ({ state, step }: At): string => `${state} ${step}`;
