// A pool of workers: N threads that run jobs, or own machines. The same in node and in browsers; node.ts and browser.ts open it.
//
//   const pool = await openWorkerPool({ size: 2 });                          // from node.ts, or from browser.ts in a page
//   const report = await pool.run("scenario", { scenario: "donate", system: "pkvm" });
//   for await (const { input, output } of pool.each("replay", inputs)) ...   // takes the next input when a worker is free
//   const machine = await pool.machine("pkvm", { regions: [...] });          // a worker of its own, until machine.close()
//   await pool.close();
//
// - A job that waits or runs is stopped by `options.signal`; its promise is rejected with the signal's reason. A running job is
//   asked first (its `context.pause()` throws); if it does not listen, its worker is ended and replaced.
// - A worker that ends by itself or is killed is reported to `onDeath`, and its job is given to another worker, at most
//   `retries` times. A machine is lost with its worker: its methods throw WorkerDied.
// - In a page, jobs of one's own: a worker script that calls `exposeWorker({ ...JOBS, mine }, self)` before its first `await`, and
//   openWorkerPool<typeof MY_JOBS>({ core, spawn: () => browserThread(new Worker(new URL(...), { type: "module" })) }).

import { transfer, type Remote } from "comlink";
import type { Port } from "../explore/peers.js";
import type { ResolvedConfig } from "../machine/config.js";
import type { MachineOptions } from "../machine/machine.js";
import type { CoreModule } from "../machine/module.js";
import { Connection } from "./connection.js";
import type { InputOf, JobTable, OutputOf } from "./jobs.js";
import type { MachineConfigs, MachineHost, MachineKind } from "./machine-host.js";
import { RemoteMachine } from "./remote-machine.js";
import { WorkerDied, type Spawn, type Thread } from "./thread.js";

/** A worker has ended without being told to. */
export interface WorkerDeath {
  readonly reason: string;
  /** The job that it ran, which another worker gets; null if it ran none. */
  readonly job: string | null;
}

export interface PoolOptions {
  /** Threads at most; they are started when there is work for them. */
  readonly size: number;
  /** How often a job is given to another worker when its own has died. Default: 2. */
  readonly retries?: number;
  /** How long a running job that is cancelled may take to notice, in milliseconds; then its worker is ended. Default: 250. */
  readonly grace?: number;
  readonly onDeath?: (death: WorkerDeath) => void;
}

export interface JobOptions {
  readonly signal?: AbortSignal;
  /** Hears what the job reports; of `replay`, bytes read and their number. */
  readonly onProgress?: (progress: unknown) => void;
  /**
   * Buffers and ports of the input that move to the worker instead of being copied: buffers are empty here afterwards. The job
   * can then be given to no other worker.
   */
  readonly transfer?: readonly Movable[];
}

export type Movable = ArrayBuffer | Port;

/** One finished job of `each`. */
export interface Finished<Input, Output> {
  /** Its place among the inputs, from 0. */
  readonly index: number;
  readonly input: Input;
  readonly output: Output;
}

/** Somebody who waits for a worker. */
interface Waiting {
  readonly take: (worker: Connection) => void;
  readonly refuse: (error: Error) => void;
}

export class WorkerPool<Jobs extends JobTable> {
  readonly #spawn: Spawn;
  readonly #core: CoreModule;
  readonly #size: number;
  readonly #retries: number;
  readonly #grace: number;
  readonly #onDeath: (death: WorkerDeath) => void;
  readonly #workers = new Set<Connection>();
  readonly #idle: Connection[] = [];
  readonly #queue: Waiting[] = [];
  /** What busy workers do, in words for the report of a death. */
  readonly #tasks = new Map<Connection, string>();
  #nextJob = 0;
  #closed: Promise<void> | null = null;

  /** @throws RangeError if `size` is no number of threads */
  constructor(spawn: Spawn, core: CoreModule, options: PoolOptions) {
    const { size, retries = 2, grace = 250, onDeath = () => undefined } = options;
    if (!Number.isInteger(size) || size < 1) throw new RangeError(`size: ${size} is no number of workers`);
    this.#spawn = spawn;
    this.#core = core;
    this.#size = size;
    this.#retries = retries;
    this.#grace = grace;
    this.#onDeath = onDeath;
  }

  get size(): number {
    return this.#size;
  }

  /** The threads that are there now. Ending one is what the death of a worker looks like. */
  get threads(): readonly Thread[] {
    return [...this.#workers].map(({ thread }) => thread);
  }

  /**
   * Runs a job when a worker is free.
   *
   * @throws what the job throws, with its class and fields; the signal's reason; WorkerDied if workers keep dying of it
   */
  async run<Name extends keyof Jobs & string>(
    name: Name,
    input: InputOf<Jobs[Name]>,
    options: JobOptions = {},
  ): Promise<OutputOf<Jobs[Name]>> {
    const retries = options.transfer === undefined ? this.#retries : 0;
    for (let attempt = 0; ; attempt++) {
      const worker = await this.#acquire(`job "${name}"`, options.signal);
      try {
        return (await this.#runOn(worker, name, input, options)) as OutputOf<Jobs[Name]>;
      } catch (error) {
        if (!(error instanceof WorkerDied) || this.#workers.has(worker) || this.#closed !== null) throw error;
        if (attempt === retries) throw exhausted(name, attempt + 1, error);
      }
    }
  }

  /**
   * Runs a job for every input, and yields what is finished, in the order in which it is. The next input is taken when a
   * worker is free and no more than `size` outputs wait to be asked for.
   *
   * @throws as `run`, the first time a job does; the others are stopped then
   */
  async *each<Name extends keyof Jobs & string>(
    name: Name,
    inputs: Iterable<InputOf<Jobs[Name]>> | AsyncIterable<InputOf<Jobs[Name]>>,
    options: Pick<JobOptions, "signal"> = {},
  ): AsyncGenerator<Finished<InputOf<Jobs[Name]>, OutputOf<Jobs[Name]>>, void, undefined> {
    type Done = Finished<InputOf<Jobs[Name]>, OutputOf<Jobs[Name]>>;
    const stop = new AbortController();
    const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
    const source = iterate(inputs);
    const running = new Map<number, Promise<Done>>();
    const start = (index: number, input: InputOf<Jobs[Name]>): void => {
      const done = this.run(name, input, { signal }).then((output) => ({ index, input, output }));
      done.catch(() => undefined); // it is looked at below, or was stopped
      running.set(index, done);
    };
    let taken = 0;
    let next: Promise<IteratorResult<InputOf<Jobs[Name]>, unknown>> | null = null;
    try {
      for (let ended = false; !ended || running.size > 0;) {
        if (!ended && running.size < this.#size) next ??= source.next();
        const event = await Promise.race<Done | IteratorResult<InputOf<Jobs[Name]>, unknown>>(
          next === null ? running.values() : [next, ...running.values()],
        );
        if ("output" in event) {
          running.delete(event.index);
          yield event;
          continue;
        }
        next = null;
        if (event.done === true) ended = true;
        else start(taken++, event.value);
      }
    } finally {
      stop.abort();
      source.return?.().catch(() => undefined); // not awaited: it may be waiting for its next input
    }
  }

  /**
   * Makes a machine in a worker, which it owns until `close` of the machine: where all are busy, that is waited for.
   *
   * @throws ConfigError naming the field that cannot be
   */
  async machine<Kind extends MachineKind>(
    kind: Kind,
    config: MachineConfigs[Kind],
    options: MachineOptions & Pick<JobOptions, "signal"> = {},
  ): Promise<RemoteMachine> {
    const { signal, ...machineOptions } = options;
    const worker = await this.#acquire(`a ${kind} machine`, signal);
    try {
      const made = worker.call(worker, () => worker.host.createMachine(kind, config, machineOptions));
      const host = (await made) as unknown as Remote<MachineHost>;
      const resolved = await worker.call(host, () => host.config() as Promise<ResolvedConfig>);
      return new RemoteMachine(worker, host, resolved, () => this.#release(worker));
    } catch (error) {
      this.#release(worker);
      throw error;
    }
  }

  /** Ends all threads. Jobs that wait or run are rejected. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const { refuse } of this.#queue.splice(0)) refuse(poolClosed());
    const workers = [...this.#workers];
    this.#workers.clear();
    this.#idle.length = 0;
    await Promise.all(workers.map((worker) => worker.terminate("the pool was closed")));
  }

  // Jobs

  #runOn(
    worker: Connection,
    name: string,
    input: unknown,
    { signal, onProgress, transfer: given }: JobOptions,
  ): Promise<unknown> {
    const id = this.#nextJob++;
    worker.onProgress = (job, progress) => {
      if (job === id && signal?.aborted !== true) onProgress?.(progress);
    };
    const answer = worker.call(worker, () =>
      worker.host.run(name, id, given === undefined ? input : transfer(input, [...given])),
    );
    const settled = answer.then(
      () => undefined,
      () => undefined,
    );
    if (signal === undefined) return answer.finally(() => this.#release(worker));
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        reject(signal.reason as Error);
        void this.#stop(worker, id, settled);
      };
      signal.addEventListener("abort", abort, { once: true });
      void settled.then(() => {
        signal.removeEventListener("abort", abort);
        this.#release(worker);
      });
      answer.then(resolve, reject);
    });
  }

  /** Asks a running job to stop, and ends its worker if it does not. */
  async #stop(worker: Connection, id: number, settled: Promise<void>): Promise<void> {
    worker.call(worker, () => worker.host.cancel(id)).catch(() => undefined);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => (timer = setTimeout(() => resolve("late"), this.#grace)));
    const outcome = await Promise.race([settled, late]);
    clearTimeout(timer);
    if (outcome !== "late" || !this.#workers.delete(worker)) return;
    await worker.terminate("its job was cancelled");
    this.#serve();
  }

  // Workers

  /** A started worker for a task. */
  async #acquire(task: string, signal: AbortSignal | undefined): Promise<Connection> {
    for (let attempt = 0; ; attempt++) {
      const worker = await this.#free(signal);
      this.#tasks.set(worker, task);
      try {
        await worker.start(this.#core);
        signal?.throwIfAborted();
        return worker;
      } catch (error) {
        this.#release(worker);
        if (!(error instanceof WorkerDied) || this.#closed !== null) throw error;
        if (attempt === this.#retries) throw exhausted(task, attempt + 1, error);
      }
    }
  }

  /** The next worker that is free, in the order of asking. */
  #free(signal: AbortSignal | undefined): Promise<Connection> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== null) return reject(poolClosed());
      if (signal?.aborted === true) return reject(signal.reason as Error);
      const leave = (): void => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        reject(signal?.reason as Error);
      };
      const settle = <T>(answer: (value: T) => void) => {
        return (value: T): void => {
          signal?.removeEventListener("abort", leave);
          answer(value);
        };
      };
      const waiting: Waiting = { take: settle(resolve), refuse: settle(reject) };
      signal?.addEventListener("abort", leave, { once: true });
      this.#queue.push(waiting);
      this.#serve();
    });
  }

  #release(worker: Connection): void {
    this.#tasks.delete(worker);
    if (!this.#workers.has(worker)) return;
    this.#idle.push(worker);
    this.#serve();
  }

  /** Gives workers to those who wait, as long as there are both. */
  #serve(): void {
    while (this.#queue.length > 0) {
      const worker = this.#idle.pop() ?? this.#open();
      if (worker === null) return;
      this.#queue.shift()?.take(worker);
    }
  }

  /** A new worker, if there may be one more. */
  #open(): Connection | null {
    if (this.#workers.size >= this.#size || this.#closed !== null) return null;
    const worker = new Connection(this.#spawn(), (ended, reason) => this.#bury(ended, reason));
    this.#workers.add(worker);
    return worker;
  }

  #bury(worker: Connection, reason: string): void {
    if (!this.#workers.delete(worker)) return; // the pool ended it itself
    const at = this.#idle.indexOf(worker);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#onDeath({ reason, job: this.#tasks.get(worker) ?? null });
    this.#serve();
  }
}

const poolClosed = (): Error => new Error("the worker pool is closed");

function exhausted(what: string, workers: number, cause: WorkerDied): WorkerDied {
  const died = `${workers === 1 ? "the worker" : `${workers} workers, one after the other,`} died of it`;
  return new WorkerDied(`${what}: ${died}; last: ${cause.message}`, { cause });
}

function iterate<T>(inputs: Iterable<T> | AsyncIterable<T>): AsyncIterator<T, unknown, undefined> {
  return (async function* () {
    yield* inputs;
  })();
}
