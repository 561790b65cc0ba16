// The workers that read and run scenarios for the page: started when the first view asks, one for each processor but at most
// four, because a run takes milliseconds. One that dies is replaced, and its work done by another.

import type { ScenarioFile } from "../../scenario/file-schema.js";
import type { Scenario } from "../../scenario/scenario.js";
import { browserThread } from "../../workers/browser-thread.js";
import { WorkerPool } from "../../workers/pool.js";
import type { Thread } from "../../workers/thread.js";
import { compiledCore } from "../core.js";
import type { Reading, Running, SCENARIO_JOBS, SystemTitle } from "./scenario-jobs.js";

/** Answers reject with one sentence if the workers cannot be started, or die again and again. */
export interface ScenarioWorkers {
  systems(): Promise<readonly SystemTitle[]>;
  /** @param file by which messages call the text */
  read(text: string, file: string): Promise<Reading>;
  define(scenario: ScenarioFile): Promise<Reading>;
  run(scenario: Scenario, system: string, signal: AbortSignal): Promise<Running>;
}

const MOST_WORKERS = 4;

type Pool = WorkerPool<typeof SCENARIO_JOBS>;

let opened: Promise<Pool> | undefined;

/** If the core could not be loaded, the next who asks tries again. */
function pool(): Promise<Pool> {
  opened ??= open().catch((error: unknown) => {
    opened = undefined;
    throw error;
  });
  return opened;
}

async function open(): Promise<Pool> {
  const size = Math.min(MOST_WORKERS, navigator.hardwareConcurrency);
  return new WorkerPool(scenarioThread, await compiledCore(), { size });
}

/** Spelled out here, where the bundler looks for it. */
function scenarioThread(): Thread {
  return browserThread(new Worker(new URL("./scenario-worker.ts", import.meta.url), { type: "module" }));
}

/** One pool for all views. */
export const scenarioWorkers: ScenarioWorkers = {
  systems: async () => (await pool()).run("systems", undefined),
  read: async (text, file) => (await pool()).run("read", { text, file }),
  define: async (scenario) => (await pool()).run("define", scenario),
  run: async (scenario, system, signal) => (await pool()).run("run", { scenario, system }, { signal }),
};
