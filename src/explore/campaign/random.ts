// Numbers that look random and come of a seed alone: the same campaign can be run again.

/** A source of its own for every (seed, number): SplitMix32, whose steps are those of a counter, mixed. */
export class Random {
  #state: number;

  /**
   * @param seed of the campaign
   * @param number of what is drawn for
   */
  constructor(seed: number, number: number) {
    this.#state = mixed(seed ^ mixed(number));
  }

  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number {
    this.#state = (this.#state + 0x9e37_79b9) | 0;
    return Math.floor((mixed(this.#state) / 2 ** 32) * bound);
  }
}

/** Every bit of the answer depends on every bit of the value. */
function mixed(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0_aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a_2d97);
  return (bits ^ (bits >>> 15)) >>> 0;
}
