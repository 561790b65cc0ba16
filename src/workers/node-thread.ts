// Threads of node, from both sides: worker_threads through Comlink's adapter.

import { existsSync } from "node:fs";
import { parentPort, Worker } from "node:worker_threads";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import type { JobTable } from "./jobs.js";
import type { Thread } from "./thread.js";
import { exposeWorker } from "./worker.js";

/** Beside this file in the built package and in the command's bundle; in dist/ when the sources run directly. */
function entry(): URL {
  const beside = new URL("./node-worker.js", import.meta.url);
  return existsSync(beside) ? beside : new URL("../../dist/src/workers/node-worker.js", import.meta.url);
}

/** @param script what runs in it; default: Freehold's own worker */
export function nodeThread(script: URL = entry()): Thread {
  // Options of this process (--input-type, --eval) are not meant for a worker's file.
  const worker = new Worker(script, { execArgv: [] });
  let reason = "it was ended";
  // Without a listener the error would end this process. The end of the thread follows.
  worker.on("error", (error) => (reason = error instanceof Error ? error.message : String(error)));
  return {
    endpoint: nodeEndpoint(worker),
    lock: null,
    started: () => undefined,
    onEnd: (ended) => void worker.once("exit", () => ended(reason)),
    terminate: async () => void (await worker.terminate()),
  };
}

/**
 * Offers jobs, and machines, to the pool that has started this thread. A worker's script with jobs of its own calls it.
 *
 * @throws Error if this is no worker thread
 */
export function exposeWorkerThread(jobs: JobTable): void {
  if (parentPort === null) throw new Error("this is no worker thread: a pool starts the script");
  exposeWorker(jobs, nodeEndpoint(parentPort));
}
