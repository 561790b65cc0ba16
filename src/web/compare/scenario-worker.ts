// A worker of the compare view. The pool hands it the compiled core.

import type { Endpoint } from "comlink";
import { exposeWorker } from "../../workers/worker.js";
import { SCENARIO_JOBS } from "./scenario-jobs.js";

exposeWorker(SCENARIO_JOBS, globalThis as unknown as Endpoint);
