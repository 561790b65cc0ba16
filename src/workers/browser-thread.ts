// Threads of browsers: module workers. A browser tells nobody when a worker has ended, but gives its Web Locks to who waits
// for them; the worker holds one as long as it lives.

import type { Endpoint } from "comlink";
import type { Thread } from "./thread.js";

/** The part of a browser's Worker that is used here; the types of node do not have it. */
export interface BrowserWorker extends Endpoint {
  terminate(): void;
}

interface LockManager {
  request(name: string, options: { signal: AbortSignal }, held: () => void): Promise<unknown>;
}

/** Null where the page is not served securely (https, or from this machine). */
const lockManager = (): LockManager | null =>
  (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks ?? null;

/**
 * `() => browserThread(new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }))`, spelled out at the caller,
 * where bundlers look for it.
 */
export function browserThread(worker: BrowserWorker): Thread {
  const locks = lockManager();
  const lock = locks === null ? null : `freehold-worker-${crypto.randomUUID()}`;
  const waiting = new AbortController();
  let listener: (reason: string) => void = () => undefined;
  const end = (reason: string): void => {
    waiting.abort();
    worker.terminate();
    listener(reason);
    listener = () => undefined;
  };
  worker.addEventListener("error", (event: object) =>
    end((event as { message?: string }).message ?? "its script could not be loaded"),
  );
  return {
    endpoint: worker,
    lock,
    started: () => {
      if (locks === null || lock === null) return;
      const { signal } = waiting;
      locks.request(lock, { signal }, () => end("it was ended")).catch(() => undefined); // aborted: the end is known
    },
    onEnd: (ended) => (listener = ended),
    terminate: () => {
      end("it was ended");
      return Promise.resolve();
    },
  };
}
