// A started worker as the pool and remote machines hold it. Comlink forgets answers of a proxy that was collected, and waits for
// ever for those of a thread that has ended: here the proxy is held as long as somebody waits, and an end rejects all who do.

import { proxy, releaseProxy, wrap, type Remote } from "comlink";
import type { CoreModule } from "../machine/module.js";
import { WorkerDied, type Thread } from "./thread.js";
import type { WorkerHost } from "./worker.js";
import "./thrown.js";

interface Waiting {
  readonly reject: (error: Error) => void;
  /** Kept from collection while it waits. */
  readonly owner: unknown;
}

export class Connection {
  readonly thread: Thread;
  readonly #host: Remote<WorkerHost>;
  readonly #waiting = new Set<Waiting>();
  #progress: (job: number, progress: unknown) => void = () => undefined;
  #ended: WorkerDied | null = null;
  #started: Promise<void> | null = null;

  /** `ended` hears of the end once, with its reason. */
  constructor(thread: Thread, ended: (connection: Connection, reason: string) => void) {
    this.thread = thread;
    this.#host = wrap<WorkerHost>(thread.endpoint);
    thread.onEnd((reason) => {
      this.#end(reason);
      ended(this, reason);
    });
  }

  /** The first call starts the worker: it takes the compiled core. */
  start(core: CoreModule): Promise<void> {
    this.#started ??= this.call(this, () => {
      const progress = proxy((job: number, value: unknown) => this.#progress(job, value));
      return this.#host.start(core, this.thread.lock, progress);
    }).then(() => this.thread.started());
    return this.#started;
  }

  get host(): Remote<WorkerHost> {
    return this.#host;
  }

  /** Who hears what the running job reports. */
  set onProgress(listener: (job: number, progress: unknown) => void) {
    this.#progress = listener;
  }

  /**
   * Asks the worker.
   *
   * @param owner what holds the proxy that is asked
   * @throws WorkerDied if the worker has ended, or ends before it answers
   */
  call<T>(owner: unknown, ask: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) return reject(this.#ended);
      const waiting = { reject, owner };
      this.#waiting.add(waiting);
      ask()
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(waiting));
    });
  }

  /** Rejects those who wait for answers of a proxy that `owner` holds: they come no more. */
  abandon(owner: unknown, error: Error): void {
    for (const waiting of this.#waiting) {
      if (waiting.owner === owner) waiting.reject(error);
    }
  }

  /** Ends the thread. Who waits for an answer is rejected. */
  async terminate(reason: string): Promise<void> {
    if (this.#ended === null) {
      this.#host[releaseProxy]();
      this.#end(reason);
    }
    await this.thread.terminate();
  }

  #end(reason: string): void {
    this.#ended ??= new WorkerDied(`the worker has ended: ${reason}`);
    for (const { reject } of this.#waiting) reject(this.#ended);
    this.#waiting.clear();
  }
}
