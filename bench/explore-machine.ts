// Row explore-machine: all states of the full machine with its real page tables (preset small), by processor time, beside Spin's
// rate on the ownership protocol in the same run. They are two models: Spin's has no tables, so only rates are compared.
// Row explore-machine-2: a larger one (preset medium) by two workers, compared with one by the clock.

import { PKVM_PRESETS, pkvmDomain } from "../src/explore/pkvm-domain.js";
import { exploreInWorkers } from "../src/workers/explore.js";
import { openWorkerPool } from "../src/workers/node.js";
import { Search, type SearchCounts } from "../src/explore/search.js";
import { median } from "./harness.js";
import type { Row } from "./report.js";

export const MACHINE_IDS = ["explore-machine", "explore-machine-2"] as const;

const DOMAIN = pkvmDomain(PKVM_PRESETS.small);
const ROOM = 1_000_000;
const SHARED_DOMAIN = pkvmDomain(PKVM_PRESETS.medium);
/** A search of some 10 s needs no more to be told from its noise. */
const MOST_ROUNDS = 3;
/** States between two calls, so that code is replaced by its optimised form. */
const SLICE = 2000;

/** One search from start to end. */
export interface MachineSearch {
  readonly counts: SearchCounts;
  /** Of processor time; of several workers, by the clock. */
  readonly seconds: number;
}

/** @throws Error if not every state was visited, or something was found */
export async function searchMachine(): Promise<MachineSearch> {
  const search = await Search.start(DOMAIN, { maxStates: ROOM });
  const before = process.cpuUsage();
  let end = search.run(SLICE);
  while (end === "paused") end = search.run(SLICE);
  const { user, system } = process.cpuUsage(before);
  if (end !== "exhausted") throw new Error(`the search of the full machine ended: ${end}`);
  return { counts: search.counts, seconds: (user + system) / 1e6 };
}

/** The row of several searches, with Spin's rates in M states/s. */
export function machineRow(searches: readonly MachineSearch[], spin: readonly number[]): Row {
  const { states, transitions, depth, bytesPerState } = searches[0]!.counts;
  return {
    id: MACHINE_IDS[0],
    title: `real page tables, ${states} states, ${transitions} transitions, depth ${depth}, ${bytesPerState} bytes/state`,
    bound: "looks at the decision trees and at the table of states, for each operation and transition",
    unit: "M states/s",
    freehold: median(searches.map(({ counts, seconds }) => counts.states / seconds / 1e6)),
    c: null,
    js: null,
    explored: {
      spin: spin.length > 0 ? median([...spin]) : null,
      states,
      transitions: Number(transitions),
      bytesPerState,
    },
  };
}

/**
 * One worker and two, in turns, each in threads of their own.
 *
 * @throws Error if they do not count the same
 */
export async function measureMachineInWorkers(rounds: number): Promise<Row> {
  const rates: [one: number[], two: number[]] = [[], []];
  let counts: SearchCounts | undefined;
  for (let round = 0; round < Math.min(rounds, MOST_ROUNDS); round++) {
    for (const size of [1, 2] as const) {
      const search = await inWorkers(size);
      counts ??= search.counts;
      if (search.counts.states !== counts.states || search.counts.transitions !== counts.transitions) {
        throw new Error(`${size} workers: ${search.counts.states} states, but one saw ${counts.states}`);
      }
      rates[size - 1]!.push(search.counts.states / search.seconds / 1e6);
    }
  }
  return workersRow(counts!, median(rates[0]), median(rates[1]));
}

async function inWorkers(size: number): Promise<MachineSearch> {
  const pool = await openWorkerPool({ size });
  try {
    const { end, counts, seconds } = await exploreInWorkers(pool, SHARED_DOMAIN);
    if (end !== "exhausted") throw new Error(`the search of the full machine ended: ${end}`);
    return { counts, seconds };
  } finally {
    await pool.close();
  }
}

function workersRow({ states, transitions, depth, bytesPerState }: SearchCounts, one: number, two: number): Row {
  const overOneWorker = Number((two / one).toFixed(3));
  return {
    id: MACHINE_IDS[1],
    title: `real page tables, ${states} states, ${transitions} transitions, depth ${depth}; two workers, ${overOneWorker} times one`,
    bound: "as with one worker; each takes in all states that the other found",
    unit: "M states/s",
    freehold: two,
    c: null,
    js: null,
    explored: { spin: null, states, transitions: Number(transitions), bytesPerState, overOneWorker },
  };
}
