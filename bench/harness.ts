// Measures the variants of a workload side by side: they take turns in slices, so that whatever else the computer does hits all.

import type { Runner } from "./definitions.js";

export type VariantName = "freehold" | "c" | "prefetch" | "js";

export interface Variant {
  readonly name: VariantName;
  readonly runner: Runner;
}

export interface Workload {
  readonly id: string;
  /** Operations of one round. */
  readonly operations: number;
  /** Parts of a round, after each of which the variants' states are compared. */
  readonly phases: number;
}

export interface Effort {
  /** Measured time per variant and repeat. */
  readonly seconds: number;
  /** Repeats; the median of them is reported. */
  readonly repeats: number;
}

/** Millions of operations a second, by variant. */
export type Rates = Partial<Record<VariantName, number>>;

const SLICE_NANOSECONDS = 50e6;
const WARM_UP_NANOSECONDS = 200e6;

/**
 * Sets a workload up in all variants, compares their states phase by phase, then measures.
 * @throws Error if the variants disagree, or the number of refused operations changes
 */
export async function measure(workload: Workload, variants: readonly Variant[], effort: Effort): Promise<Rates> {
  for (const { runner } of variants) await runner.setup(workload.id);
  const refused = await compare(workload, variants);
  const tracks: Track[] = [];
  for (const variant of variants) tracks.push(await warmUp(workload, variant, refused));

  for (let repeat = 0; repeat < effort.repeats; repeat++) {
    const slices = Math.max(1, Math.round((effort.seconds * 1e9) / SLICE_NANOSECONDS));
    for (let slice = 0; slice < slices; slice++) {
      for (let turn = 0; turn < tracks.length; turn++) await tracks[(turn + slice) % tracks.length]!.run();
    }
    for (const track of tracks) track.endRepeat();
  }
  return Object.fromEntries(tracks.map((track) => [track.variant.name, median(track.rates)]));
}

/** Runs each phase once in every variant. Returns the operations refused in one round. */
async function compare(workload: Workload, variants: readonly Variant[]): Promise<number> {
  let total = 0;
  for (let phase = 0; phase < workload.phases; phase++) {
    const outcomes = [];
    for (const { name, runner } of variants) outcomes.push({ name, ...(await runner.phase(phase)) });
    const first = outcomes[0]!;
    const odd = outcomes.find((outcome) => outcome.refused !== first.refused || outcome.digest !== first.digest);
    if (odd !== undefined) throw new Error(`phase ${phase}: ${describe(first)}, but ${describe(odd)}`);
    total += first.refused;
  }
  return total;
}

function describe(outcome: { name: string; refused: number; digest: number }): string {
  return `${outcome.name} refuses ${outcome.refused} and has state ${outcome.digest.toString(16)}`;
}

/** One variant's measurement under way. */
class Track {
  readonly variant: Variant;
  readonly rates: number[] = [];
  readonly #workload: Workload;
  readonly #refused: number;
  readonly #roundsPerSlice: number;
  #nanoseconds = 0;
  #rounds = 0;

  constructor(workload: Workload, variant: Variant, refused: number, roundsPerSlice: number) {
    this.#workload = workload;
    this.variant = variant;
    this.#refused = refused;
    this.#roundsPerSlice = roundsPerSlice;
  }

  /** Runs one slice. */
  async run(): Promise<void> {
    this.#nanoseconds += await timeRounds(this.variant, this.#refused, this.#roundsPerSlice);
    this.#rounds += this.#roundsPerSlice;
  }

  endRepeat(): void {
    this.rates.push((this.#rounds * this.#workload.operations * 1e3) / this.#nanoseconds);
    this.#nanoseconds = 0;
    this.#rounds = 0;
  }
}

async function timeRounds(variant: Variant, refused: number, count: number): Promise<number> {
  const outcome = await variant.runner.rounds(count);
  if (outcome.refused === refused * count) return outcome.nanoseconds;
  throw new Error(`${variant.name}: ${outcome.refused} refusals instead of ${refused * count}`);
}

/** Lets compilers and caches settle, and finds out how many rounds fill a slice. */
async function warmUp(workload: Workload, variant: Variant, refused: number): Promise<Track> {
  let total = 0;
  let perRound = 0;
  let count = 1;
  for (let call = 0; call < 5 || total < WARM_UP_NANOSECONDS; call++) {
    const nanoseconds = await timeRounds(variant, refused, count);
    total += nanoseconds;
    perRound = nanoseconds / count;
    if (nanoseconds < SLICE_NANOSECONDS / 2) count *= 2;
  }
  return new Track(workload, variant, refused, Math.max(1, Math.round(SLICE_NANOSECONDS / perRound)));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
