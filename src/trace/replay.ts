// What every trace reader gives: bytes in, a checked replay out. One implementation per format beside this file.

import { LIMIT_CONTENTS } from "../../assembly/abi/codes.js";
import type { Effect } from "../machine/effects.js";
import type { Machine, Outcome } from "../machine/machine.js";
import type { Core } from "../machine/module.js";

/** Where and how a replay first differed from its recording. Numbers are those of the recording (0 is the first operation). */
export interface Divergence {
  /** Line of the file, from 1. */
  readonly line: number;
  /** Number of the operation: `i` of a vector, `seq` of a hypervisor trace, position in a Freehold trace; -1 for a snapshot or check. */
  readonly operation: number;
  /** The verb, or `snapshot` or `check`. */
  readonly op: string;
  /** What differed: `ret`, `panic`, `changed.pages`, `tlbi`, `host`, ... */
  readonly field: string;
  readonly expected: string;
  readonly found: string;
}

export interface ReplaySummary {
  /** `golden pkvm`, `golden pgtable`, `golden walk`, `golden ffa`, `tracefs` or `freehold-trace`. */
  readonly format: string;
  /** Operations with something recorded to compare. */
  readonly ops: number;
  /** Those that agree in everything recorded of them. */
  readonly matched: number;
  /** Those that do not, and the digests and snapshots that do not, each of which counts as one more. */
  readonly diverged: number;
  readonly first: Divergence | null;
  /** The model panicked where the recording has no panic: the name of the assertion; else null. */
  readonly panic: string | null;
  /** Lines read, for people: "80842 lines, 25944 operations, 2 snapshots". */
  readonly description: string;
}

export interface ReplayOptions {
  /** Stop after the first divergence. */
  readonly stopAtFirst?: boolean;
  /** Run the operations with numbers below this one, then stop: the machine is left in the state after that many operations. */
  readonly at?: number;
  /** Together with `at`: also run operation number `at` and keep what it did in `explained`. */
  readonly explain?: boolean;
  /** Called with each operation's effects, in order. Slows long replays down. */
  readonly onEffects?: (operation: number, effects: readonly Effect[]) => void;
  /** Hears of all that changes the machine. Not together with `explain` and `onEffects`. */
  readonly observer?: ReplayObserver;
}

/** What a recording says of an operation where the machine did something else. */
export interface RecordedField {
  readonly field: string;
  readonly expected: string;
}

/** Hears of everything that changes a replay's machine, in order: who does the same to another one has the same machine. */
export interface ReplayObserver {
  /** A machine will be made on this core. */
  open(core: Core): void;
  /** The machine is there, in the state in which the trace begins. `first`: the number of its first operation. */
  begin(machine: Machine, first: number): void;
  /**
   * Records have run.
   *
   * @param entries layout: assembly/abi/tape.ts; gone when the call returns
   * @param recorded puts the field of an entry that differs into words
   */
  ran(entries: DataView, recorded: (field: number, value: bigint) => RecordedField): void;
  /** A page was filled with one byte: its address in bytes. */
  filled(pa: bigint, byte: number): void;
  /** The machine was reset. */
  reset(): void;
}

/** One operation, run with its effects recorded. */
export interface ExplainedOperation {
  readonly line: number;
  readonly operation: number;
  /** The verb, for example `host_donate_guest`. */
  readonly op: string;
  /** Arguments by name, as the recording writes them. */
  readonly args: Readonly<Record<string, string | number>>;
  readonly outcome: Outcome;
  readonly effects: readonly Effect[];
  /** What the recording says of it, by field; empty if it says nothing. */
  readonly recorded: Readonly<Record<string, string | number>>;
}

/** A replay in progress. */
export interface Replay {
  /** The machine, once the header or first snapshot has configured it. */
  readonly machine: Machine | null;
  /** True when no more input is wanted (`at` or `stopAtFirst` reached). */
  readonly done: boolean;
  readonly explained: ExplainedOperation | null;
  /**
   * Takes the next bytes of the file, cut anywhere. Does not keep `bytes`.
   * @throws TraceError at the first thing that is not a well-formed trace
   */
  write(bytes: Uint8Array): void;
  /**
   * No more bytes come.
   * @throws TraceError if the trace is incomplete
   */
  end(): ReplaySummary;
}

/** Refused input: a line number and one sentence. The caller adds the file's name. */
export class TraceError extends Error {
  override readonly name = "TraceError";
  /** Line of the file, from 1; 0 if no line is to blame. */
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** A limit of the simulator was reached: nothing is wrong with the input, and nothing was found in the model. */
export class LimitError extends Error {
  override readonly name = "LimitError";
  /** Line of the file, from 1. */
  readonly line: number;

  /** `limit`: LIMIT_* of assembly/abi/codes.ts. */
  constructor(line: number, limit: number) {
    const what = limit === LIMIT_CONTENTS ? "page contents" : "table pages";
    super(`a limit of the simulator was reached: the 4 GiB of WebAssembly memory have no more room for ${what}`);
    this.line = line;
  }
}

/** Shortens offending text for a message: control characters become `.`, at most 60 characters. */
export function excerpt(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, ".");
  return printable.length <= 60 ? printable : `${printable.slice(0, 57)}...`;
}
