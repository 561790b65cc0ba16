// The pool as node opens it: worker threads, the core from the package.

import { availableParallelism } from "node:os";
import { compiledCore } from "../machine/module.js";
import { nodeThread } from "./node-thread.js";
import type { JobTable } from "./jobs.js";
import type { NODE_JOBS } from "./node-jobs.js";
import { WorkerPool, type PoolOptions } from "./pool.js";

export interface NodePoolOptions extends Partial<PoolOptions> {
  /** A script that calls `exposeWorkerThread` with jobs of its own; default: Freehold's. */
  readonly script?: URL;
}

export type NodeJobs = typeof NODE_JOBS;

/**
 * Opens a pool of worker threads, as many as there are processors unless `size` says otherwise. The core is compiled once, here.
 * An open pool keeps the process running: `close` it.
 */
export async function openWorkerPool<Jobs extends JobTable = NodeJobs>(
  options: NodePoolOptions = {},
): Promise<WorkerPool<Jobs>> {
  const { script, size = availableParallelism(), ...rest } = options;
  return new WorkerPool<Jobs>(() => nodeThread(script), await compiledCore(), { size, ...rest });
}
