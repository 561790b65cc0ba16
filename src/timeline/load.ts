// A trace from its bytes to what is shown of it: read and compared with its recording once, run a second time for the columns.

import { WalkMachine } from "../machine/walk-machine.js";
import { replayChunks } from "../trace/replay-chunks.js";
import { TraceError } from "../trace/replay.js";
import { ColumnBuilder } from "./columns.js";
import { Journal } from "./journal.js";
import { MachineInTime } from "./machine-in-time.js";
import { TimeTravel } from "./time-travel.js";
import type { LoadedTrace, TimelineMachine } from "./timeline.js";

/** A loaded trace and its machine. */
export interface Timeline {
  readonly trace: LoadedTrace;
  readonly machine: TimelineMachine;
}

export interface LoadOptions {
  /** Called now and then. `bytes`: unpacked bytes read; `share` of 1: how far the second run is, null while bytes are read. */
  readonly progress?: (bytes: number, share: number | null) => void;
  /** Records from one checkpoint to the next: fewer make jumps faster and need more memory. */
  readonly checkpointEvery?: number;
  /** Aborting it ends the loading with its reason. */
  readonly signal?: AbortSignal;
}

/** Operations between two looks at the clock, and how long others wait at most. */
const SLICE = 256;
const SLICE_MILLISECONDS = 50;

/**
 * Loads a trace. Needs memory for all of its operations: see `tooLarge`.
 *
 * @param chunks unpacked bytes; a chunk is not used once the next has been asked for
 * @throws TraceError if it is not a trace with operations, or not a well-formed one
 * @throws LimitError if the 4 GiB of WebAssembly memory do not suffice
 */
export async function loadTimeline(chunks: AsyncIterable<Uint8Array>, options: LoadOptions = {}): Promise<Timeline> {
  let travel: TimeTravel | null = null;
  const journal: Journal = new Journal(
    (machine) => (travel = new TimeTravel(machine, journal, options.checkpointEvery)),
  );
  const counted = new CountedChunks(chunks, options);
  const { summary } = await replayChunks(counted, { observer: journal });
  // What the callback has set is beyond the compiler's sight.
  const begun = travel as TimeTravel | null;
  if (begun === null) throw new TraceError(0, "the trace has no machine");
  begun.forget();
  const decoder = await WalkMachine.create();
  const columns = new ColumnBuilder(begun, journal);
  await runAll(columns, journal.operations, (share) => counted.tell(share), options.signal);
  return { trace: { summary, ...columns.finish() }, machine: new MachineInTime(begun, journal, decoder) };
}

/** Runs in slices, between which whoever else wants to run may. */
async function runAll(
  columns: ColumnBuilder,
  operations: number,
  tell: (share: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  let pauseAt = performance.now() + SLICE_MILLISECONDS;
  while (columns.done < operations) {
    columns.run(SLICE);
    if (performance.now() < pauseAt) continue;
    tell(columns.done / operations);
    await new Promise((resume) => setTimeout(resume));
    signal?.throwIfAborted();
    pauseAt = performance.now() + SLICE_MILLISECONDS;
  }
}

/** Passes chunks on and says how many bytes they were. */
class CountedChunks implements AsyncIterable<Uint8Array> {
  readonly #chunks: AsyncIterable<Uint8Array>;
  readonly #options: LoadOptions;
  #bytes = 0;

  constructor(chunks: AsyncIterable<Uint8Array>, options: LoadOptions) {
    this.#chunks = chunks;
    this.#options = options;
  }

  tell(share: number | null): void {
    this.#options.progress?.(this.#bytes, share);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#chunks) {
      this.#options.signal?.throwIfAborted();
      yield chunk;
      this.#bytes += chunk.length;
      this.tell(null);
    }
  }
}
