// Breadth-first search over a machine of any system, step by step (system-machine.ts). Slower than the search over pKVM
// (search.ts), whose states and rules the core knows.

import type { Finding, SearchCounts, SearchEnd, SearchOptions } from "./search.js";
import { NOTHING, StateTree } from "./state-tree.js";
import type { SystemDomain } from "./system-domain.js";
import { findingKey, SystemMachine, type Attempt, type BrokenWithCode } from "./system-machine.js";

/** One search. A state's number is the core's. */
export class SystemSearch {
  readonly #machine: SystemMachine;
  readonly #tree = new StateTree();
  readonly #broken = new Set<number>();
  readonly #findings: Finding[] = [];
  #end: SearchEnd = "paused";
  #expanded = 0;
  #tried = 0n;
  #transitions = 0n;

  private constructor(machine: SystemMachine) {
    this.#machine = machine;
    const broken = machine.stateBreaks();
    if (broken !== null) this.#found(broken, 0, NOTHING);
  }

  /** @throws as SystemMachine.start */
  static async start(domain: SystemDomain, options: SearchOptions = {}): Promise<SystemSearch> {
    return new SystemSearch(await SystemMachine.start(domain, options));
  }

  /**
   * Tries all steps in so many more states.
   *
   * @param states how many
   * @param untilFinding stop at the first finding; else states that break a rule are left aside
   */
  run(states: number, untilFinding = true): SearchEnd {
    const isBroken = this.#end === "found" && this.#expanded === 0;
    if (isBroken && untilFinding) return "found";
    if (this.#end === "found") this.#end = "paused";
    for (let left = states; left > 0 && this.#end === "paused"; left--) {
      if (this.#expanded === this.#tree.count) this.#end = "exhausted";
      else this.#expand(this.#expanded++, untilFinding);
    }
    return this.#end;
  }

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

  /** What was found, in the order of the lengths of the ways to it. */
  get findings(): readonly Finding[] {
    return this.#findings;
  }

  #expand(state: number, untilFinding: boolean): void {
    if (this.#broken.has(state)) return;
    this.#machine.goTo(this.#tree, state);
    for (const index of this.#machine.possibleSteps()) {
      this.#take(this.#machine.attempt(index, state), state, index);
      if (this.#end !== "paused" && (this.#end !== "found" || untilFinding)) return;
      this.#end = "paused";
    }
  }

  #take({ bound, known, isNew, broken }: Attempt, state: number, index: number): void {
    this.#tried++;
    if (bound !== null) {
      this.#end = bound;
      return;
    }
    if (known !== null && known !== state) this.#transitions++;
    if (isNew) {
      const next = this.#tree.add(state, index);
      if (broken !== null) this.#broken.add(next);
    }
    if (broken !== null) this.#found(broken, state, index);
  }

  #found(broken: BrokenWithCode, state: number, index: number): void {
    this.#end = "found";
    const finding = this.#machine.finding(broken, this.#tree.stepsOf(state, index));
    if (!this.#findings.some((known) => findingKey(known) === findingKey(finding))) this.#findings.push(finding);
  }
}
