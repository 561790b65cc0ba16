// The states that a search has found, by number, and the shortest way to each: its parent, and the step from there.

/** No step led to the first state. */
export const NOTHING = -1;

export class StateTree {
  readonly #parents: number[] = [0];
  readonly #steps: number[] = [NOTHING];
  readonly #depths: number[] = [0];

  /** State 0 is there from the start. */
  get count(): number {
    return this.#parents.length;
  }

  /** Steps on the way to the state that is farthest from the first, if they came in breadth-first order. */
  get depth(): number {
    return this.#depths.at(-1) ?? 0;
  }

  /** Returns the new state's number. */
  add(parent: number, step: number): number {
    this.#parents.push(parent);
    this.#steps.push(step);
    this.#depths.push((this.#depths[parent] ?? 0) + 1);
    return this.#parents.length - 1;
  }

  stepTo(state: number): number {
    return this.#steps[state] ?? NOTHING;
  }

  /** The states from the first one on, which is left out, to this one. */
  wayTo(state: number): number[] {
    const way: number[] = [];
    for (let at = state; at !== 0; at = this.#parents[at] ?? 0) way.push(at);
    return way.reverse();
  }

  /** The steps to a state, and one more unless it is NOTHING. */
  stepsOf(state: number, last = NOTHING): number[] {
    const steps = this.wayTo(state).map((at) => this.stepTo(at));
    return last === NOTHING ? steps : [...steps, last];
  }
}
