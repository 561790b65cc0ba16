// W-files and W-ops: the same work by one worker and by two, in turns. What is compared is the time from the first job's
// beginning to the last one's end; workers are started, and their code is warm.

import { readdirSync } from "node:fs";
import { OPERATION_SIZE } from "../assembly/abi/operations.js";
import { RESULT_SIZE } from "../assembly/abi/records.js";
import { replayCost } from "../src/cli/replay-cost.js";
import { encodeOperation, type Operation } from "../src/machine/operations.js";
import { openWorkerPool, type NodeJobs } from "../src/workers/node.js";
import type { WorkerPool } from "../src/workers/pool.js";
import type { RemoteMachine } from "../src/workers/remote-machine.js";
import { median } from "./harness.js";
import type { Row } from "./report.js";

const WORKERS = 2;

export interface WorkersWorkload {
  readonly id: string;
  readonly title: string;
  readonly bound: string;
  /** Makes it ready for so many workers, of which `run` then does all of it. */
  readonly prepare: (pool: WorkerPool<NodeJobs>, workers: number) => Promise<PreparedWork>;
}

interface PreparedWork {
  /** Does the work once. Returns how many operations that were. */
  readonly run: () => Promise<number>;
}

export const workersWorkloads: readonly WorkersWorkload[] = [
  {
    id: "W-files",
    title: "replay of all captures and recordings of pKVM",
    bound: "processors: unpacking and collecting for one worker keep a second one busy at times",
    prepare: (pool) => Promise.resolve({ run: () => replayFiles(pool) }),
  },
  {
    id: "W-ops",
    title: "packed operations, donating pages to EL2 and back",
    bound: "processors; records and results move, 64 bytes an operation",
    prepare: prepareOperations,
  },
];

/** The ids of a workload's rows: with one worker, with two, and how much more two do. */
export function workersIds(id: string): readonly string[] {
  return [`${id}-1`, `${id}-${WORKERS}`, `${id}-scaling`];
}

export async function measureWorkers(workload: WorkersWorkload, repeats: number): Promise<Row[]> {
  const one = await openWorkerPool({ size: 1 });
  const several = await openWorkerPool({ size: WORKERS });
  try {
    const works = [await workload.prepare(one, 1), await workload.prepare(several, WORKERS)];
    const rates: [number[], number[]] = [[], []];
    for (const { run } of works) await run();
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const [index, { run }] of works.entries()) rates[index]?.push(await rateOf(run));
    }
    return rowsOf(workload, median(rates[0]), median(rates[1]));
  } finally {
    await Promise.all([one.close(), several.close()]);
  }
}

/** Millions of operations a second. */
async function rateOf(run: () => Promise<number>): Promise<number> {
  const started = performance.now();
  return (await run()) / (performance.now() - started) / 1e3;
}

function rowsOf({ id, title, bound }: WorkersWorkload, one: number, several: number): Row[] {
  const none = { c: null, js: null } as const;
  const [first = "", second = "", third = ""] = workersIds(id);
  return [
    { id: first, title: `${title}; one worker`, bound, unit: "M ops/s", freehold: one, ...none },
    { id: second, title: `${title}; ${WORKERS} workers`, bound, unit: "M ops/s", freehold: several, ...none },
    { id: third, title: `${WORKERS} workers over one`, bound, unit: "x", freehold: several / one, ...none },
  ];
}

const FOLDERS = ["test/vectors/traces", "test/vectors/pkvm"];

/** The longest first, so that none is left alone at the end. */
async function replayFiles(pool: WorkerPool<NodeJobs>): Promise<number> {
  const paths = FOLDERS.flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`));
  const byCost = paths.toSorted((a, b) => replayCost(b) - replayCost(a));
  const replays = await Promise.all(byCost.map((path) => pool.run("replay", { path })));
  const wrong = replays.find(({ summary }) => summary.diverged > 0);
  if (wrong !== undefined) throw new Error(`a replay diverged at line ${wrong.summary.first?.line}`);
  return replays.reduce((sum, { summary }) => sum + summary.ops, 0);
}

const FIRST_PFN = 0x41000n;
const PAGES = 1024;
/** Operations of a call, and calls of a round: for one worker as for two. */
const BATCH = 1 << 17;
const BATCHES = 32;

async function prepareOperations(pool: WorkerPool<NodeJobs>, workers: number): Promise<PreparedWork> {
  const config = { regions: [{ base: "0x40000000", size: "0x4000000" }] };
  const machines = await Promise.all(Array.from({ length: workers }, () => pool.machine("pkvm", config)));
  const buffers = machines.map((): Buffers => ({
    records: donateAndReturn(),
    answers: new Uint8Array(BATCH * RESULT_SIZE),
  }));
  const runOn = async (machine: RemoteMachine, index: number): Promise<void> => {
    const own = buffers[index];
    if (own !== undefined) buffers[index] = await runBatches(machine, own, BATCHES / workers);
  };
  return { run: () => Promise.all(machines.map(runOn)).then(() => BATCH * BATCHES) };
}

interface Buffers {
  readonly records: Uint8Array;
  readonly answers: Uint8Array;
}

/** Moves the buffers to the worker and back, again and again. */
async function runBatches(machine: RemoteMachine, buffers: Buffers, count: number): Promise<Buffers> {
  let moved = buffers;
  for (let batch = 0; batch < count; batch++) moved = await machine.movePacked(moved.records, BATCH, moved.answers);
  return moved;
}

/** All pages are donated, then given back, as often as fits. */
function donateAndReturn(): Uint8Array {
  const records = new Uint8Array(BATCH * OPERATION_SIZE);
  const view = new DataView(records.buffer);
  for (let index = 0; index < BATCH; index++) {
    const op = index % (2 * PAGES) < PAGES ? "host_donate_hyp" : "hyp_donate_host";
    const operation: Operation = { op, pfn: FIRST_PFN + BigInt(index % PAGES), nr: 1n };
    encodeOperation(operation, view, index * OPERATION_SIZE);
  }
  return records;
}
