// Workload explore: all states of the specification machine, breadth-first, beside Spin on the same protocol. What is compared is a
// hand-packed kernel with a general engine. States a second per core go by processor time, which is what a busy computer distorts
// least; two workers are compared with one by the clock.

import { searchSpecification, type SearchOptions, type SearchResult } from "../src/explore/specification-search.js";
import { exploreSpecificationInWorkers } from "../src/workers/explore.js";
import { openWorkerPool } from "../src/workers/node.js";
import {
  MACHINE_IDS,
  machineRow,
  measureMachineInWorkers,
  searchMachine,
  type MachineSearch,
} from "./explore-machine.js";
import { median } from "./harness.js";
import type { Row } from "./report.js";
import { SpinVerifier, type SpinRun } from "./spin/process.js";

/** Two protected guests and one other, two gfns each. */
const OPTIONS: SearchOptions = {
  pages: 4,
  guests: [true, true, false],
  gfns: 2,
  pins: 1,
  shares: 2,
  expectedStates: 2_606_688,
};
const WARM_UP: SearchOptions = { ...OPTIONS, pages: 2, expectedStates: 0 };
/** Spin is given a table that is not full: 16 M entries. */
const SPIN_TABLE_BITS = 24;
/** By sampling, of processor time: looks at the table over a half, successors a quarter, rules a tenth. */
const BOUND =
  "half memory latency (a look at the table for each transition), a quarter instructions that make successors";

export const EXPLORE_IDS = ["explore-specification", "explore-specification-2", ...MACHINE_IDS] as const;

interface Rates {
  readonly one: number[];
  readonly spin: number[];
  readonly oneByClock: number[];
  readonly twoByClock: number[];
}

/**
 * Freehold with one worker, Spin, and Freehold with two, in turns.
 * @throws Error if they do not count the same states and transitions
 */
export async function measureExploration(rounds: number): Promise<Row[]> {
  await searchSpecification(WARM_UP);
  const spin = SpinVerifier.build(OPTIONS);
  try {
    const rates: Rates = { one: [], spin: [], oneByClock: [], twoByClock: [] };
    const machine: MachineSearch[] = [];
    let result: SearchResult | undefined;
    for (let round = 0; round < rounds; round++) {
      result = await oneWorker(rates);
      if (spin !== null) rates.spin.push(millionsIn(sameCounts("Spin", spin.run(SPIN_TABLE_BITS), result)));
      machine.push(await searchMachine());
      rates.oneByClock.push(millionsIn(sameCounts("a worker", await inWorkers(1), result)));
      rates.twoByClock.push(millionsIn(sameCounts("two workers", await inWorkers(2), result)));
    }
    return [...rows(rates, result!), machineRow(machine, rates.spin), await measureMachineInWorkers(rounds)];
  } finally {
    spin?.remove();
  }
}

async function oneWorker(rates: Rates): Promise<SearchResult> {
  const before = process.cpuUsage();
  const result = await searchSpecification(OPTIONS);
  const { user, system } = process.cpuUsage(before);
  rates.one.push(millionsIn({ states: result.states, seconds: (user + system) / 1e6 }));
  return result;
}

/** Threads of their own for each search: what one leaves behind in its thread's memory is not the next one's. */
async function inWorkers(size: number): ReturnType<typeof exploreSpecificationInWorkers> {
  const pool = await openWorkerPool({ size });
  try {
    return await exploreSpecificationInWorkers(pool, OPTIONS);
  } finally {
    await pool.close();
  }
}

function millionsIn({ states, seconds }: { readonly states: number; readonly seconds: number }): number {
  return states / seconds / 1e6;
}

function sameCounts<T extends Pick<SpinRun, "states" | "transitions">>(
  who: string,
  run: T,
  { states, transitions }: SearchResult,
): T {
  if (run.states === states && run.transitions === transitions) return run;
  throw new Error(
    `${who}: ${run.states} states and ${run.transitions} transitions, but one worker saw ${states} and ${transitions}`,
  );
}

function rows(rates: Rates, { states, transitions, depth, bytesPerState }: SearchResult): Row[] {
  const title = `${states} states, ${transitions} transitions, depth ${depth}`;
  const bytes = Number(bytesPerState.toFixed(1));
  const common = { unit: "M states/s", bound: BOUND, c: null, js: null };
  const one = { spin: rates.spin.length > 0 ? median(rates.spin) : null, states, transitions, bytesPerState: bytes };
  const twoByClock = median(rates.twoByClock);
  const overOneWorker = Number((twoByClock / median(rates.oneByClock)).toFixed(3));
  return [
    {
      ...common,
      id: EXPLORE_IDS[0],
      title: `${title}, ${bytes} bytes/state`,
      freehold: median(rates.one),
      explored: one,
    },
    {
      ...common,
      id: EXPLORE_IDS[1],
      title: `${title}; two workers, ${overOneWorker} times one`,
      freehold: twoByClock,
      explored: { spin: null, states, transitions, bytesPerState: bytes, overOneWorker },
    },
  ];
}
