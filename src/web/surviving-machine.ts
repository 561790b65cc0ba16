// The machine of the open trace, whichever worker has it: when one dies, another loads the trace again and answers the questions
// that the first has left open.

import type { InputOf, OutputOf } from "../workers/jobs.js";
import { WorkerDied } from "../workers/thread.js";
import type { RemoteTimelineMachine } from "./store.js";
import type { TRACE_JOBS } from "./trace-jobs.js";
import type { TraceWorker } from "./trace-worker.js";

type Jobs = typeof TRACE_JOBS;

export class SurvivingMachine implements RemoteTimelineMachine {
  readonly page: RemoteTimelineMachine["page"] = (...asked) => this.#ask("page", asked);
  readonly operation: RemoteTimelineMachine["operation"] = (...asked) => this.#ask("operation", asked);
  readonly tables: RemoteTimelineMachine["tables"] = (...asked) => this.#ask("tables", asked);
  readonly walk: RemoteTimelineMachine["walk"] = (...asked) => this.#ask("walk", asked);

  #worker: Promise<TraceWorker>;
  #isClosed = false;
  readonly #replace: (reason: string) => Promise<TraceWorker>;

  /** `replace` starts a worker and has it load the same trace. */
  constructor(worker: TraceWorker, replace: (reason: string) => Promise<TraceWorker>) {
    this.#worker = Promise.resolve(worker);
    this.#replace = replace;
    this.#watch(worker);
  }

  close(): void {
    this.#isClosed = true;
    this.#worker.then(
      (worker) => worker.terminate(),
      () => undefined, // there is none
    );
  }

  #watch(worker: TraceWorker): void {
    void worker.ended.then((reason) => {
      if (this.#isClosed) return;
      this.#worker = this.#replace(reason);
      this.#worker.then(
        (next) => (this.#isClosed ? next.terminate() : this.#watch(next)),
        () => undefined, // said by who tried to replace it; who asks from now on is refused
      );
    });
  }

  async #ask<Name extends keyof Jobs>(name: Name, asked: InputOf<Jobs[Name]>): Promise<OutputOf<Jobs[Name]>> {
    for (;;) {
      const worker = await this.#worker;
      try {
        return await worker.ask(name, asked);
      } catch (error) {
        if (!(error instanceof WorkerDied) || this.#isClosed) throw error;
        await worker.ended; // by now it has been replaced
      }
    }
  }
}
