// A thread as the pool sees it: where messages go, how it is ended, how its death is heard of. Node and browsers have one each.

import type { Endpoint } from "comlink";

export interface Thread {
  readonly endpoint: Endpoint;
  /** The Web Lock that the worker is to hold as long as it lives; null where its death is heard of without. */
  readonly lock: string | null;
  /** The worker answers, and holds its lock. */
  started(): void;
  /** Hears once of the thread's end, whoever caused it, with the reason in words. */
  onEnd(ended: (reason: string) => void): void;
  /** Ends it, whatever it is doing. */
  terminate(): Promise<void>;
}

/** Starts a thread whose script has called `exposeWorker`. */
export type Spawn = () => Thread;

/** The worker that was to answer has ended. */
export class WorkerDied extends Error {
  override readonly name = "WorkerDied";
}
