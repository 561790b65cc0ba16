// Workloads X1: architectural walks by themselves, in Freehold, plain C (naive, and with software prefetch) and plain JavaScript.

import { ACCESS_READ } from "../assembly/abi/walk.js";
import { Machine } from "../src/machine/machine.js";
import { CTwin } from "./c/process.js";
import { Digest, type PhaseOutcome, type RoundsOutcome, type Runner } from "./definitions.js";
import { measure, type Effort, type Variant } from "./harness.js";
import { JavaScriptWalker } from "./js/walker.js";
import type { Row } from "./report.js";
import {
  chainMask,
  IPA_BASE,
  PA_BASE,
  requestIpas,
  REQUESTS,
  WALK_BATCH,
  walkWorkload,
  type WalkForm,
  type WalkWorkload,
} from "./walk-definitions.js";

const TITLES: Readonly<Record<WalkForm, string>> = {
  single: "walks one by one",
  batch: "walks in a batch",
  dependent: "walks, each of which depends on the last",
};

/** Up to this size the page tables fit the processor's caches. */
const CACHED = 2 ** 26;

function boundOf({ size, form }: WalkWorkload): string {
  if (form === "dependent") return size <= CACHED ? "latency of L1 and L2" : "latency of the page entry";
  return size <= CACHED ? "instructions" : "page entries in flight";
}

/** Measures one workload in all variants. Without a C compiler the figures for C are missing. */
export async function measureWalks(workload: WalkWorkload, effort: Effort): Promise<Row> {
  const naive = CTwin.start("walker.c", "naive");
  const prefetching = workload.form === "batch" ? CTwin.start("walker.c", "prefetch") : null;
  try {
    const variants: Variant[] = [{ name: "freehold", runner: new FreeholdWalker() }];
    if (naive !== null) variants.push({ name: "c", runner: naive });
    if (prefetching !== null) variants.push({ name: "prefetch", runner: prefetching });
    variants.push({ name: "js", runner: new JavaScriptWalker() });
    const rates = await measure({ id: workload.id, operations: REQUESTS, phases: 1 }, variants, effort);
    const { freehold, c, prefetch, js } = rates;
    const row = { id: workload.id, title: TITLES[workload.form], bound: boundOf(workload), unit: "M walks/s" };
    return { ...row, freehold: freehold!, c: c ?? null, js: js!, ...(prefetch !== undefined && { prefetch }) };
  } finally {
    naive?.stop();
    prefetching?.stop();
  }
}

/** A lone table whose tree maps `size` bytes by pages. */
async function mapTree(size: number): Promise<Machine> {
  const leafTables = size / 2 ** 21;
  const machine = await Machine.createPageTable({
    ia_bits: 48,
    pool_pages: leafTables + Math.ceil(leafTables / 512) + 2,
    force_pte: true,
  });
  const range = {
    addr: BigInt(IPA_BASE),
    size: BigInt(size),
    phys: BigInt(PA_BASE),
    prot: 15n,
    mc: 1,
    flags: 0,
  } as const;
  const [outcome] = machine.applyBatch([{ op: "pt_map", ...range }], { effects: false });
  if (outcome?.ret !== 0) throw new Error(`pt_map gives ${outcome?.ret}`);
  return machine;
}

export class FreeholdWalker implements Runner {
  #machine: Machine | null = null;
  #ipas: Uint32Array = new Uint32Array(0);
  #run = (): number => 0;

  async setup(id: string): Promise<void> {
    const workload = walkWorkload(id);
    this.#machine = null;
    this.#machine = await mapTree(workload.size);
    this.#ipas = requestIpas(workload.size);
    const { exports } = this.#machine.core;
    const mask = BigInt(chainMask(workload));
    const runs = {
      single: () => exports.translateSingles(0, ACCESS_READ, WALK_BATCH),
      batch: () => exports.translateBatch(0, ACCESS_READ, WALK_BATCH),
      dependent: () => exports.translateDependent(0, ACCESS_READ, mask, WALK_BATCH),
    };
    this.#run = runs[workload.form];
  }

  phase(): Promise<PhaseOutcome> {
    const { exports, memory } = this.#machine!.core;
    const digest = new Digest();
    let refused = 0;
    for (let first = 0; first < REQUESTS; first += WALK_BATCH) {
      this.#load(first);
      refused += this.#run();
      const answers = new Uint32Array(memory.buffer, exports.resultWindow(), 2 * WALK_BATCH);
      for (let i = 0; i < answers.length; i += 2) digest.add(answers[i]!, answers[i + 1]!);
    }
    return Promise.resolve({ refused, digest: digest.unsigned });
  }

  rounds(count: number): Promise<RoundsOutcome> {
    let milliseconds = 0;
    let refused = 0;
    for (let batch = 0; batch < count * (REQUESTS / WALK_BATCH); batch++) {
      this.#load((batch * WALK_BATCH) % REQUESTS);
      const start = performance.now();
      refused += this.#run();
      milliseconds += performance.now() - start;
    }
    return Promise.resolve({ nanoseconds: milliseconds * 1e6, refused });
  }

  /** What is asked is there for every variant; getting it into the window is not timed. */
  #load(first: number): void {
    const { exports, memory } = this.#machine!.core;
    const window = new Uint32Array(memory.buffer, exports.operationWindow(), 2 * WALK_BATCH);
    window.set(this.#ipas.subarray(2 * first, 2 * (first + WALK_BATCH)));
  }
}
