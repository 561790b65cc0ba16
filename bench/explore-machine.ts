// Row explore-machine: all states of the full machine with its real page tables (preset small), by processor time, beside Spin's
// rate on the ownership protocol in the same run. They are two models: Spin's has no tables, so only rates are compared.

import { PKVM_PRESETS, pkvmDomain } from "../src/explore/pkvm-domain.js";
import { Search, type SearchCounts } from "../src/explore/search.js";
import { median } from "./harness.js";
import type { Row } from "./report.js";

export const MACHINE_ID = "explore-machine";

const DOMAIN = pkvmDomain(PKVM_PRESETS.small);
const ROOM = 1_000_000;
/** States between two calls, so that code is replaced by its optimised form. */
const SLICE = 2000;

/** One search from start to end. */
export interface MachineSearch {
  readonly counts: SearchCounts;
  /** Of processor time. */
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
    id: MACHINE_ID,
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
