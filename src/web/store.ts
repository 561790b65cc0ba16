// What the page shows: every view reads these signals and writes them, and none knows another view.

import { signal, type Signal } from "@preact/signals";
import type { Stage2 } from "../machine/accesses.js";
import type { AccessKind } from "../machine/translation.js";
import type { Ownership } from "../timeline/ownership.js";
import type { LoadedTrace, TimelineMachine } from "../timeline/timeline.js";

export type ViewName = "map" | "walk" | "compare" | "scenario";

/** The same questions as of the machine itself, answered by a worker. */
export type RemoteTimelineMachine = {
  readonly [K in keyof TimelineMachine]: (
    ...args: Parameters<TimelineMachine[K]>
  ) => Promise<ReturnType<TimelineMachine[K]>>;
};

export interface OpenTrace {
  /** Name of the example or of the file. */
  readonly name: string;
  /** The example's name in links; null for a user's own file, which a link cannot carry. */
  readonly example: string | null;
  readonly trace: LoadedTrace;
  /** Classes of all pages, kept at `operation`. */
  readonly ownership: Ownership;
  readonly machine: RemoteTimelineMachine;
}

/** Which operations the timeline lists. Null: all. */
export interface Filter {
  readonly verb: string | null;
  readonly vm: number | null;
  /** Frame number. */
  readonly page: bigint | null;
  readonly refusedOnly: boolean;
}

export const NO_FILTER: Filter = { verb: null, vm: null, page: null, refusedOnly: false };

/** The walk looked at: a table, an address in bytes, and what is tried there. */
export interface ShownWalk {
  readonly table: Stage2;
  readonly ipa: bigint;
  readonly kind: AccessKind;
  /** As which exception level. */
  readonly el: 0 | 1;
}

/** A scenario file of the user's, to be edited. */
export interface ScenarioFile {
  readonly name: string;
  readonly text: string;
}

export interface Store {
  readonly view: Signal<ViewName>;
  readonly open: Signal<OpenTrace | null>;
  /** The machine is shown as it is after this operation; -1: before the first. */
  readonly operation: Signal<number>;
  /** The page looked at: frame number. */
  readonly page: Signal<bigint | null>;
  readonly filter: Signal<Filter>;
  /** Null: none was asked for yet. */
  readonly walk: Signal<ShownWalk | null>;
  /** The scenario file that was opened last; null: none. */
  readonly scenarioFile: Signal<ScenarioFile | null>;
  /** Name of the bundled scenario or of the user's that is compared; null: none was chosen. */
  readonly scenario: Signal<string | null>;
  /** Systems compared. */
  readonly systems: Signal<readonly string[]>;
  /** The last thing that could not be done, as one sentence with file and line. */
  readonly problem: Signal<string | null>;
  /** What is being loaded, with its share of 1; null: nothing. */
  readonly loading: Signal<{ readonly name: string; readonly done: number | null } | null>;
}

export function createStore(): Store {
  return {
    view: signal("map"),
    open: signal(null),
    operation: signal(-1),
    page: signal(null),
    filter: signal(NO_FILTER),
    walk: signal(null),
    scenarioFile: signal(null),
    scenario: signal(null),
    systems: signal(["pkvm", "gunyah", "kvm-gmem"]),
    problem: signal(null),
    loading: signal(null),
  };
}
