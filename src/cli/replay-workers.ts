// `freehold replay --workers N`: files are replayed beside each other, the longest first. A file that is so long that workers
// would wait for it at the end is taken apart at resets, where its format has them.

import type { ReadProgress } from "../trace/input.js";
import { mergeParts, type ReplayedPart } from "../trace/parts.js";
import { LimitError, TraceError, type ReplaySummary } from "../trace/replay.js";
import { replayFile } from "../trace/open.js";
import { partsOfFile, type FilePart } from "../trace/restarts.js";
import { openWorkerPool, type NodeJobs } from "../workers/node.js";
import type { WorkerPool } from "../workers/pool.js";
import type { ReplayProgress } from "../workers/replay-job.js";
import { replayCost, sizeOf } from "./replay-cost.js";

/** What was done beside each other. */
export interface Scaling {
  readonly workers: number;
  /** From the moment when the first worker begins with a file to that when the last one has done its last. */
  readonly seconds: number;
  /** The seconds that each file (or part of one) took its worker, added up, over `seconds`. */
  readonly scaling: number;
}

/** Parts that a file is taken apart into, for each worker: as parts are not equally long, more of them even out. */
const PARTS_PER_WORKER = 3;

/** The replay of several files by several workers. */
export class WorkersReplay {
  readonly #summaries: Promise<ReplaySummary>[] = [];
  readonly #pool: WorkerPool<NodeJobs>;
  readonly #stopAtFirst: boolean;
  readonly #progress: SummedProgress;
  /** Standard input is read by this thread, once. */
  #standardInput: Promise<unknown> = Promise.resolve();
  readonly #busy = new BusyTime();

  /** Starts at once. `close` must follow. */
  static async start(
    files: readonly string[],
    workers: number,
    stopAtFirst: boolean,
    progress: ReadProgress,
  ): Promise<WorkersReplay> {
    const pool = await openWorkerPool({ size: workers });
    return new WorkersReplay(files, pool, stopAtFirst, progress);
  }

  private constructor(
    files: readonly string[],
    pool: WorkerPool<NodeJobs>,
    stopAtFirst: boolean,
    progress: ReadProgress,
  ) {
    this.#pool = pool;
    this.#stopAtFirst = stopAtFirst;
    this.#progress = new SummedProgress(progress, files.map(sizeOf));
    const costs = files.map(replayCost);
    const total = sum(costs);
    const order = files.map((_, index) => index).sort((a, b) => (costs[b] ?? 0) - (costs[a] ?? 0));
    let planned: Promise<unknown> = Promise.resolve();
    for (const index of order) {
      const [path = "", cost = 0] = [files[index], costs[index]];
      const isLong = pool.size > 1 && cost * 2 * pool.size > total;
      // Plans are made one after the other, so that the longest file's jobs come first.
      const plan = planned.then(() => (isLong ? partsOfFile(path, PARTS_PER_WORKER * pool.size) : null));
      planned = plan;
      const summary = plan.then((parts) => this.#replay(index, path, parts));
      summary.catch(() => undefined); // it is looked at when it is this file's turn
      this.#summaries[index] = summary;
    }
  }

  /**
   * What the replay of a file found.
   *
   * @throws what the replay without workers throws
   */
  summary(index: number): Promise<ReplaySummary> {
    return this.#summaries[index] ?? Promise.reject(new RangeError(`there is no file ${index}`));
  }

  get scaling(): Scaling {
    const { seconds, together } = this.#busy;
    const rounded = (value: number) => Number(value.toPrecision(3));
    return {
      workers: this.#pool.size,
      seconds: rounded(seconds),
      scaling: seconds === 0 ? 0 : rounded(together / seconds),
    };
  }

  /** Ends the workers. */
  close(): Promise<void> {
    return this.#pool.close();
  }

  async #replay(index: number, path: string, parts: readonly FilePart[] | null): Promise<ReplaySummary> {
    if (path === "-") return this.#replayStandardInput(index);
    const merged = parts === null ? null : await this.#replayParts(index, path, parts);
    return merged ?? this.#replayWhole(index, path);
  }

  async #replayWhole(index: number, path: string): Promise<ReplaySummary> {
    this.#progress.begin(index, sizeOf(path));
    const onProgress = (progress: unknown) => this.#progress.update(index, 0, (progress as ReplayProgress).read);
    const input = { path, stopAtFirst: this.#stopAtFirst };
    const { summary, seconds } = await this.#pool.run("replay", input, { onProgress });
    this.#busy.note(seconds);
    return summary;
  }

  /** Null if a part is refused: where and why is for the replay of the whole to say. */
  async #replayParts(index: number, path: string, parts: readonly FilePart[]): Promise<ReplaySummary | null> {
    this.#progress.begin(index, sum(parts.map(({ bytes }) => bytes)));
    const enough = new AbortController();
    const replays = parts.map(async (part, number) => {
      const onProgress = (progress: unknown) => this.#progress.update(index, number, (progress as ReplayProgress).read);
      const input = { path, part, stopAtFirst: this.#stopAtFirst };
      const replayed = await this.#pool.run("replay-part", input, { onProgress, signal: enough.signal });
      this.#busy.note(replayed.seconds);
      return replayed;
    });
    for (const replay of replays) replay.catch(() => undefined); // they are looked at one after the other
    try {
      return await mergeInOrder(replays);
    } catch (error) {
      if (error instanceof TraceError || error instanceof LimitError) return null;
      throw error;
    } finally {
      enough.abort();
    }
  }

  #replayStandardInput(index: number): Promise<ReplaySummary> {
    const replay = this.#standardInput.then(async () => {
      const started = performance.now();
      const progress: ReadProgress = (read) => this.#progress.update(index, 0, read);
      const { summary } = await replayFile("-", { stopAtFirst: this.#stopAtFirst }, progress);
      this.#busy.note((performance.now() - started) / 1e3);
      return summary;
    });
    this.#standardInput = replay.catch(() => undefined);
    return replay;
  }
}

async function mergeInOrder(replays: readonly Promise<ReplayedPart>[]): Promise<ReplaySummary> {
  const [first, ...others] = replays;
  if (first === undefined) throw new Error("a file has no parts");
  const begin = await first;
  const rest: ReplayedPart[] = [];
  for (const other of others) {
    if ((rest.at(-1) ?? begin).stopped) break;
    rest.push(await other);
  }
  return mergeParts(begin, rest);
}

/** When workers were busy. */
class BusyTime {
  #first = Infinity;
  #last = -Infinity;
  #together = 0;

  /** A job has ended now that took so long. */
  note(seconds: number): void {
    const now = performance.now() / 1e3;
    this.#first = Math.min(this.#first, now - seconds);
    this.#last = now;
    this.#together += seconds;
  }

  /** From the first beginning to the last end. */
  get seconds(): number {
    return Math.max(0, this.#last - this.#first);
  }

  /** What all jobs took. */
  get together(): number {
    return this.#together;
  }
}

/** One progress for all files. */
class SummedProgress {
  readonly #tell: ReadProgress;
  /** Bytes of each file, on the disk or, where it is in parts, unpacked. */
  readonly #sizes: number[];
  /** Bytes read of each file, by part. */
  readonly #read: number[][];

  constructor(tell: ReadProgress, sizes: readonly number[]) {
    this.#tell = tell;
    this.#sizes = [...sizes];
    this.#read = sizes.map(() => []);
  }

  /** A file is read from the beginning: so many bytes. */
  begin(file: number, size: number): void {
    this.#sizes[file] = size;
    this.#read[file] = [];
  }

  update(file: number, part: number, read: number): void {
    const parts = this.#read[file];
    if (parts !== undefined) parts[part] = read;
    const size = sum(this.#sizes);
    this.#tell(sum(this.#read.map(sum)), size === 0 ? null : size);
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
