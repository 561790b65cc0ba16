// Opening a trace, each in a worker of its own: until it is loaded, and whatever is wrong with it, the one before stays as it is.

import { batch } from "@preact/signals";
import { createOwnership } from "../timeline/ownership.js";
import type { LoadedTrace } from "../timeline/timeline.js";
import { WorkerDied } from "../workers/thread.js";
import { compiledCore } from "./core.js";
import { addressOf, examples } from "./examples.js";
import { isScenarioName, readScenarioFile } from "./scenario-file.js";
import { NO_FILTER, type OpenTrace, type Store } from "./store.js";
import { SurvivingMachine } from "./surviving-machine.js";
import type { Source } from "./trace-jobs.js";
import { TraceWorker } from "./trace-worker.js";

/** A trace that can be loaded, and loaded again. */
interface Loadable {
  readonly name: string;
  readonly example: string | null;
  /** The operation after which it is shown first. */
  readonly start: number;
  readonly source: Source;
}

interface LoadedInWorker {
  readonly worker: TraceWorker;
  readonly trace: LoadedTrace;
}

export class Opener {
  readonly #store: Store;
  #machine: SurvivingMachine | null = null;
  /** Cancels what is being opened. */
  #opening = new AbortController();
  /** Cancels what a machine whose worker died waits for. */
  #replacing = new AbortController();
  #loading = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** What was dropped or chosen: a trace, or a scenario by its name. */
  async openFiles(files: readonly File[]): Promise<void> {
    const [file, second] = files;
    if (file === undefined) return;
    await (isScenarioName(file.name) ? this.#openScenario(file) : this.#openTrace(file));
    if (second !== undefined) this.#store.problem.value ??= `${second.name}: one file is opened at a time`;
  }

  /** `arrive` is called before anything of it is seen, to go where it shall be looked at. */
  async openExample(name: string, arrive?: (open: OpenTrace) => void): Promise<void> {
    const example = examples.value.find((each) => each.name === name);
    if (example === undefined) throw new RangeError(`there is no example "${name}"`);
    const { start, bytes: size } = example;
    await this.#open({ name, example: name, start, source: { from: addressOf(example).href, size } }, arrive);
  }

  /** Stops whatever is being loaded. */
  cancel(): void {
    this.#opening.abort();
    this.#replacing.abort();
  }

  async #openScenario(file: File): Promise<void> {
    try {
      const scenario = await readScenarioFile(file);
      batch(() => {
        this.#store.problem.value = null;
        this.#store.scenarioFile.value = scenario;
        this.#store.view.value = "scenario";
      });
    } catch (error) {
      this.#store.problem.value = sentence(file.name, error);
    }
  }

  #openTrace(file: File): Promise<void> {
    return this.#open({ name: file.name, example: null, start: -1, source: { from: file, size: file.size } });
  }

  async #open(what: Loadable, arrive?: (open: OpenTrace) => void): Promise<void> {
    this.#opening.abort();
    this.#opening = new AbortController();
    this.#store.problem.value = null;
    const loaded = await this.#load(what, this.#opening.signal);
    if (loaded === null) return;
    const before = this.#machine;
    this.#machine = new SurvivingMachine(loaded.worker, (reason) => this.#loadAgain(what, reason));
    const { name, example, start } = what;
    const { trace } = loaded;
    const open = { name, example, trace, ownership: createOwnership(trace), machine: this.#machine };
    batch(() => {
      this.#show(open, Math.min(start, trace.operations.count - 1));
      arrive?.(open);
    });
    this.#replacing.abort();
    before?.close();
  }

  /** Nothing that was selected in another trace means anything in this one. */
  #show(open: OpenTrace, operation: number): void {
    this.#store.open.value = open;
    this.#store.operation.value = operation;
    this.#store.page.value = null;
    this.#store.filter.value = NO_FILTER;
    this.#store.walk.value = null;
  }

  /** Null: it was cancelled, or refused, which has been said. */
  async #load(what: Loadable, signal: AbortSignal): Promise<LoadedInWorker | null> {
    this.#loading += 1;
    this.#store.loading.value = { name: what.name, done: 0 };
    try {
      return await this.#loadInWorker(what, signal);
    } catch (error) {
      if (!signal.aborted) this.#store.problem.value = sentence(what.name, error);
      return null;
    } finally {
      this.#loading -= 1;
      if (this.#loading === 0) this.#store.loading.value = null;
    }
  }

  async #loadInWorker({ name, source }: Loadable, signal: AbortSignal): Promise<LoadedInWorker> {
    const worker = new TraceWorker();
    const stop = () => worker.terminate();
    signal.addEventListener("abort", stop);
    try {
      const loaded = await worker.load(await compiledCore(), source, (done) => {
        if (!signal.aborted) this.#store.loading.value = { name, done };
      });
      if ("refusal" in loaded) throw new Refusal(loaded.line, loaded.refusal);
      return { worker, trace: loaded.trace };
    } catch (error) {
      worker.terminate();
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** The worker of the shown machine died. The page keeps what it shows; what it asks waits for the next worker. */
  async #loadAgain(what: Loadable, reason: string): Promise<TraceWorker> {
    this.#store.problem.value = `${what.name}: the worker that had the machine is gone (${reason}); another one loads it again`;
    this.#replacing = new AbortController();
    const loaded = await this.#load(what, this.#replacing.signal);
    if (loaded === null) throw new WorkerDied("its machine was not loaded again");
    return loaded.worker;
  }
}

/** Input that is refused, with its line; 0: none is to blame. */
class Refusal extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** One sentence with file and line. */
function sentence(name: string, error: unknown): string {
  if (error instanceof RangeError) return `${name}: memory does not suffice (${error.message})`;
  if (error instanceof WorkerDied) return `${name}: not loaded, ${error.message}`;
  const line = error instanceof Refusal && error.line > 0 ? `:${error.line}` : "";
  return `${name}${line}: ${error instanceof Error ? error.message : String(error)}`;
}
