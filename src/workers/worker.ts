// The worker's side: what it lets the pool do. One worker runs one job at a time, or owns one machine.

import { expose, proxy, type Endpoint, type ProxyMarked, type Remote } from "comlink";
import { useCompiledCore, type CoreModule } from "../machine/module.js";
import type { JobTable } from "./jobs.js";
import { createMachine, MachineHost, type MachineConfigs, type MachineKind } from "./machine-host.js";
import type { MachineOptions } from "../machine/machine.js";
import "./thrown.js";

/** What the pool hears of a running job. */
export type ProgressListener = (job: number, progress: unknown) => void;

/** A job gives its caller's thread a chance at most so often. */
const PAUSE_MS = 25;
const REPORT_MS = 50;

export class WorkerHost {
  readonly #jobs: JobTable;
  readonly #running = new Map<number, AbortController>();
  #progress: Remote<ProgressListener> | null = null;

  constructor(jobs: JobTable) {
    this.#jobs = jobs;
  }

  /** Must be the first call. Answers when the lock, if there is one, is held. */
  async start(core: CoreModule, lock: string | null, progress: ProgressListener): Promise<void> {
    useCompiledCore(core);
    this.#progress = progress as unknown as Remote<ProgressListener>; // a proxy, on this side
    if (lock !== null) await holdForLife(lock);
  }

  /**
   * Runs a job to its end.
   *
   * @param id by which `cancel` and the progress listener know it
   */
  async run(name: string, id: number, input: unknown): Promise<unknown> {
    const job = this.#jobs[name];
    if (job === undefined) throw new RangeError(`this worker has no job "${name}"`);
    const cancellation = new AbortController();
    this.#running.set(id, cancellation);
    try {
      const { signal } = cancellation;
      return await job(input, { report: this.#reporter(id), pause: pauses(signal), signal });
    } finally {
      this.#running.delete(id);
    }
  }

  cancel(id: number): void {
    this.#running.get(id)?.abort();
  }

  /** @throws ConfigError naming the field that cannot be */
  async createMachine<Kind extends MachineKind>(
    kind: Kind,
    config: MachineConfigs[Kind],
    options: MachineOptions,
  ): Promise<MachineHost & ProxyMarked> {
    return proxy(new MachineHost(await createMachine(kind, config, options)));
  }

  #reporter(id: number): (progress: unknown) => void {
    let last = -Infinity;
    return (progress) => {
      const now = performance.now();
      if (now - last < REPORT_MS) return;
      last = now;
      void this.#progress?.(id, progress);
    };
  }
}

/** Offers the jobs of a table, and machines, to who has started this worker. Call it before the first `await` of the script. */
export function exposeWorker(jobs: JobTable, endpoint: Endpoint): void {
  expose(new WorkerHost(jobs), endpoint);
}

interface LockManager {
  request(name: string, held: () => Promise<never>): Promise<never>;
}

/** Web Locks are free when their holder has ended: that is how the page hears of it. */
function holdForLife(name: string): Promise<void> {
  const { locks } = (globalThis as unknown as { navigator: { locks: LockManager } }).navigator;
  return new Promise((resolve, reject) => {
    const held = (): Promise<never> => {
      resolve();
      return new Promise(() => undefined);
    };
    locks.request(name, held).catch(reject);
  });
}

/** Messages are only read between two turns of the event loop; awaiting what is there already does not end a turn. */
function pauses(signal: AbortSignal): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last >= PAUSE_MS) {
      await nextTurn();
      last = performance.now();
    }
    signal.throwIfAborted();
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    // Timers would wait for milliseconds.
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener(
      "message",
      () => {
        port1.close();
        resolve();
      },
      { once: true },
    );
    port1.start();
    port2.postMessage(null);
  });
}
