// What runs in a worker thread of node.

import { NODE_JOBS } from "./node-jobs.js";
import { exposeWorkerThread } from "./node-thread.js";

exposeWorkerThread(NODE_JOBS);
