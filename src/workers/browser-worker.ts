// What runs in a module worker of a browser. `exposeWorker` stands before any `await`: a browser drops messages that come earlier.

import type { Endpoint } from "comlink";
import { JOBS } from "./jobs.js";
import { exposeWorker } from "./worker.js";

exposeWorker(JOBS, globalThis as unknown as Endpoint);
