// Playing a trace: how far to go in each frame.

/** Operations a second. */
export const SPEEDS = [1, 5, 20, 100, 1000, 10_000, 100_000] as const;
export const DEFAULT_SPEED = 20;

/** A frame that comes late (another tab was in front) counts as this many milliseconds, so that nothing is jumped over. */
const LONGEST_FRAME = 100;

/** What is played at one speed. */
export class Player {
  readonly #speed: number;
  /** Of an operation, not yet played. */
  #rest = 0;
  #last: number | null = null;

  constructor(speed: number) {
    this.#speed = speed;
  }

  /** Operations to go forward in the frame that begins at `now` (milliseconds). */
  advance(now: number): number {
    const elapsed = this.#last === null ? 0 : Math.min(Math.max(now - this.#last, 0), LONGEST_FRAME);
    this.#last = now;
    this.#rest += (elapsed * this.#speed) / 1000;
    const whole = Math.floor(this.#rest);
    this.#rest -= whole;
    return whole;
  }
}
