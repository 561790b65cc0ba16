// A worker with a trace, as the page holds it.

import { browserThread } from "../workers/browser-thread.js";
import { Connection } from "../workers/connection.js";
import type { InputOf, OutputOf } from "../workers/jobs.js";
import type { Loaded, Source, TRACE_JOBS } from "./trace-jobs.js";

type Jobs = typeof TRACE_JOBS;

export class TraceWorker {
  /** Fulfilled when the worker has ended, by itself or not: with the reason. */
  readonly ended: Promise<string>;
  readonly #connection: Connection;
  #asked = 0;

  constructor() {
    let tell: (reason: string) => void;
    this.ended = new Promise((resolve) => (tell = resolve));
    const worker = new Worker(new URL("./page-worker.ts", import.meta.url), { type: "module" });
    this.#connection = new Connection(browserThread(worker), (_, reason) => tell(reason));
  }

  /** `progress` is told how far it is, as a share of 1. */
  async load(core: WebAssembly.Module, source: Source, progress: (done: number) => void): Promise<Loaded> {
    await this.#connection.start(core);
    this.#connection.onProgress = (_, done) => progress(done as number);
    return this.ask("load", source);
  }

  /** @throws WorkerDied if the worker has ended, or ends before it answers */
  async ask<Name extends keyof Jobs>(name: Name, input: InputOf<Jobs[Name]>): Promise<OutputOf<Jobs[Name]>> {
    const connection = this.#connection;
    const answer = await connection.call(connection, () => connection.host.run(name, this.#asked++, input));
    return answer as OutputOf<Jobs[Name]>;
  }

  terminate(): void {
    void this.#connection.terminate("it is not needed any more");
  }
}
