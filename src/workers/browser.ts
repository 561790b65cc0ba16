// The pool as a page opens it: module workers, the core from where the page has it. The names are those of node.ts.

import type { CoreModule } from "../machine/module.js";
import { browserThread } from "./browser-thread.js";
import type { JOBS, JobTable } from "./jobs.js";
import { WorkerPool, type PoolOptions } from "./pool.js";
import type { Spawn } from "./thread.js";

export { giveAway } from "./buffers.js";
export { browserThread } from "./browser-thread.js";
export { JOBS, type Job, type JobContext, type JobTable } from "./jobs.js";
export { WorkerPool, type Finished, type JobOptions, type PoolOptions, type WorkerDeath } from "./pool.js";
export { RemoteMachine, type RemoteSnapshot, type RemoteTlb } from "./remote-machine.js";
export { WorkerDied, type Spawn, type Thread } from "./thread.js";
export { exposeWorker } from "./worker.js";

export interface BrowserPoolOptions extends Partial<PoolOptions> {
  /** The compiled freehold.wasm: `await WebAssembly.compileStreaming(fetch(url))`. */
  readonly core: CoreModule;
  /**
   * Starts a worker; default: Freehold's own. One with more jobs:
   * `() => browserThread(new Worker(new URL("./my-worker.ts", import.meta.url), { type: "module" }))`.
   */
  readonly spawn?: Spawn;
}

declare const Worker: new (url: URL, options: { type: "module" }) => Parameters<typeof browserThread>[0];

/** Opens a pool of module workers, as many as there are processors (at most 4) unless `size` says otherwise. */
export function openWorkerPool<Jobs extends JobTable = typeof JOBS>(
  options: BrowserPoolOptions,
): Promise<WorkerPool<Jobs>> {
  const { core, spawn = freeholdWorker, size = processors(), ...rest } = options;
  return Promise.resolve(new WorkerPool<Jobs>(spawn, core, { size, ...rest }));
}

const freeholdWorker: Spawn = () =>
  browserThread(new Worker(new URL("./browser-worker.js", import.meta.url), { type: "module" }));

function processors(): number {
  const { hardwareConcurrency = 2 } = (globalThis as { navigator?: { hardwareConcurrency?: number } }).navigator ?? {};
  return Math.min(Math.max(hardwareConcurrency, 1), 4);
}
