// The worker of the page that owns a machine. It is handed the compiled core.

import type { Endpoint } from "comlink";
import { exposeWorker } from "../workers/worker.js";
import { TRACE_JOBS } from "./trace-jobs.js";

exposeWorker(TRACE_JOBS, globalThis as unknown as Endpoint);
