// A worker with jobs that behave: some as they should, some not. Written as a script that node can load, since it cannot load
// TypeScript in a worker, with Freehold's part from dist/.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { JobContext } from "../../src/workers/jobs.js";
import type { NodeJobs } from "../../src/workers/node.js";

const COMLINK = new URL("../../node_modules/comlink/dist/esm/comlink.mjs", import.meta.url).href;
const BUILT = new URL("../../dist/src/", import.meta.url).href;

export type TrialJobs = NodeJobs & {
  /** Answers its input, after so many milliseconds. */
  readonly echo: <T>(input: { value: T; ms?: number }, context: JobContext) => Promise<T>;
  /** Counts until it is told to stop, reporting how far it is; writes into a file when it has started and when it stops. */
  readonly listens: (file: string, context: JobContext) => Promise<never>;
  /** Never lets a message in. */
  readonly deaf: (input: null, context: JobContext) => Promise<never>;
  /** Ends its thread: the first time that the file is not there, or always. */
  readonly dies: (input: { file: string; always: boolean }, context: JobContext) => Promise<string>;
  readonly fails: (kind: string, context: JobContext) => Promise<never>;
  /** A large answer that is moved. */
  readonly moves: (size: number, context: JobContext) => Promise<Uint8Array>;
  /** How many modules this thread has compiled. */
  readonly compiled: (input: null, context: JobContext) => Promise<number>;
};

const SCRIPT = `
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { transfer } from "${COMLINK}";
import { setTimeout as wait } from "node:timers/promises";
import { NODE_JOBS } from "${BUILT}workers/node-jobs.js";
import { exposeWorkerThread } from "${BUILT}workers/node-thread.js";
import { ConfigError } from "${BUILT}machine/config.js";
import { LimitError, TraceError } from "${BUILT}trace/replay.js";
import { ScenarioError } from "${BUILT}scenario/scenario-error.js";

let compiled = 0;
const { compile } = WebAssembly;
WebAssembly.compile = (...args) => (compiled++, compile(...args));

const ERRORS = {
  config: () => new ConfigError("regions: none"),
  limit: () => new LimitError(7, 1),
  trace: () => new TraceError(12, "no such verb"),
  scenario: () => new ScenarioError("run.yaml", 3, 5, "no such page"),
  range: () => new RangeError("does not fit"),
  type: () => new TypeError("not a function"),
  own: () => Object.assign(new (class Strange extends Error { name = "Strange"; })("odd"), { code: 5n }),
  cause: () => new Error("outer", { cause: new TraceError(4, "inner") }),
  text: () => "just text",
};

exposeWorkerThread({
  ...NODE_JOBS,
  echo: async ({ value, ms = 0 }) => (await wait(ms), value),
  listens: async (file, { pause, report }) => {
    writeFileSync(file, "started ");
    try {
      for (let turn = 0; ; turn++) {
        report(turn);
        await pause();
      }
    } catch (error) {
      appendFileSync(file, "stopped");
      throw error;
    }
  },
  deaf: async () => { for (;;); },
  dies: async ({ file, always }) => {
    if (always || !existsSync(file)) {
      writeFileSync(file, "was here");
      process.exit(9);
    }
    return "done by another";
  },
  fails: async (kind) => { throw ERRORS[kind](); },
  moves: async (size) => {
    const answer = new Uint8Array(size);
    return transfer(answer, [answer.buffer]);
  },
  compiled: async () => compiled,
});
`;

/** Where the script is, in a folder of its own. */
export function trialWorker(): { readonly folder: string; readonly script: URL } {
  const folder = mkdtempSync(join(tmpdir(), "freehold-workers-"));
  const path = join(folder, "trial-worker.mjs");
  writeFileSync(path, SCRIPT);
  return { folder, script: pathToFileURL(path) };
}
