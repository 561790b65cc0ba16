// Workloads FFA: memory shared through a hypervisor, in Freehold, plain C and plain JavaScript.

import { OPERATION_SIZE } from "../assembly/abi/operations.js";
import { resolveFfaConfig } from "../src/machine/ffa-config.js";
import { FfaState } from "../src/machine/ffa-state.js";
import { tableGeometry } from "../src/machine/geometry.js";
import { Machine } from "../src/machine/machine.js";
import { instantiateCore } from "../src/machine/module.js";
import { CTwin } from "./c/process.js";
import { Digest, type PhaseOutcome, type RoundsOutcome, type Runner } from "./definitions.js";
import {
  BORROWER,
  BORROWER_OWN,
  BUFFER_BYTES,
  callsOf,
  ffaWorkload,
  IA_BITS,
  LENDER,
  MAX_FRAGMENTS,
  MAX_RECEIVERS,
  OWNED_MODE,
  PAGE,
  TRANSACTIONS,
  VERSION,
  WINDOW,
  windowPages,
  type FfaWorkload,
} from "./ffa-definitions.js";
import { phaseRecords } from "./ffa-records.js";
import { measure, type Effort, type Variant } from "./harness.js";
import { JavaScriptManager } from "./js/ffa.js";
import type { Row } from "./report.js";

/** Measures one workload in all variants. Without a C compiler the figure for C is missing. */
export async function measureFfa(workload: FfaWorkload, effort: Effort): Promise<Row> {
  const twin = CTwin.start("ffa.c");
  try {
    const variants: Variant[] = [{ name: "freehold", runner: new FreeholdManager() }];
    if (twin !== null) variants.push({ name: "c", runner: twin });
    variants.push({ name: "js", runner: new JavaScriptManager() });
    const { id, title, bound } = workload;
    const rates = await measure({ id, operations: callsOf(workload), phases: 4 }, variants, effort);
    return { id, title, bound, unit: "M calls/s", freehold: rates.freehold!, c: rates.c ?? null, js: rates.js! };
  } finally {
    twin?.stop();
  }
}

/** A hypervisor with two VMs and four levels of tables. All memory of the window is the lender's. */
async function createManager(workload: FfaWorkload): Promise<Machine> {
  const window = (WINDOW - BORROWER_OWN) / PAGE;
  const pages = windowPages(workload);
  const endpoint = { version: VERSION, buffer_pages: BUFFER_BYTES / PAGE };
  const config = resolveFfaConfig({
    flavour: "hypervisor",
    limits: { transactions: TRANSACTIONS, fragments: MAX_FRAGMENTS, recipients: MAX_RECEIVERS },
    base: BigInt(BORROWER_OWN),
    pages: window + pages,
    endpoints: [
      { id: LENDER, ...endpoint, modes: [{ table: "main", page: window, n: pages, mode: OWNED_MODE }] },
      { id: BORROWER, ...endpoint, modes: [{ table: "main", page: 0, n: 1, mode: OWNED_MODE }] },
    ],
  });
  return Machine.createOn(await instantiateCore(), { ...config, geometry: tableGeometry(12, IA_BITS) });
}

/** Freehold's side: the four phases of a round are one batch of records. */
export class FreeholdManager implements Runner {
  #workload: FfaWorkload | null = null;
  #machine: Machine | null = null;
  #phases: readonly Uint8Array[] = [];

  async setup(id: string): Promise<void> {
    this.#machine = null;
    this.#workload = ffaWorkload(id);
    this.#machine = await createManager(this.#workload);
    this.#phases = phaseRecords(this.#workload);
  }

  phase(index: number): Promise<PhaseOutcome> {
    const machine = this.#machine!;
    loadRecords(machine, this.#phases[index]!);
    const refused = runRecords(machine, this.#phases[index]!);
    return Promise.resolve({ refused, digest: stateDigest(this.#workload!, machine) });
  }

  /** Getting records into the window is not timed; running them, the writes of TX too, and looking at every result is. */
  rounds(count: number): Promise<RoundsOutcome> {
    const records = Buffer.concat(this.#phases);
    loadRecords(this.#machine!, records);
    const start = performance.now();
    let refused = 0;
    for (let round = 0; round < count; round++) refused += runRecords(this.#machine!, records);
    return Promise.resolve({ nanoseconds: (performance.now() - start) * 1e6, refused });
  }
}

function loadRecords({ core: { memory, exports } }: Machine, records: Uint8Array): void {
  new Uint8Array(memory.buffer, exports.operationWindow(), records.length).set(records);
}

/** Runs what was loaded and looks at every result. Returns how many were refused. */
function runRecords({ core: { exports } }: Machine, records: Uint8Array): number {
  const count = records.length / OPERATION_SIZE;
  const ran = exports.runBatch(count, 0);
  if (ran !== count) throw new Error(`${ran} of ${count} operations ran`);
  return exports.countRefused(count);
}

// The digest, in the order of bench/c/ffa.c: the lender's and the borrower's entries, the borrower's RX, the transactions.

function stateDigest(workload: FfaWorkload, machine: Machine): number {
  const digest = new Digest();
  const state = new FfaState(machine);
  for (const endpoint of [LENDER, BORROWER]) addEntries(digest, machine, endpoint, windowPages(workload));
  const rx = new Uint32Array(state.readRx(BORROWER, BUFFER_BYTES).buffer);
  for (let i = 0; i < rx.length; i += 2) digest.add(rx[i]!, rx[i + 1]!);
  for (const { slot, complete, fragments, constituents, receivers } of state.records()) {
    digest.add(slot, complete ? 1 : 0);
    digest.add(fragments, constituents);
    digest.add(receivers[0]!.id, receivers[0]!.retrieved);
  }
  return digest.unsigned;
}

/** Address and descriptor of each leaf in the window. */
function addEntries(digest: Digest, machine: Machine, endpoint: number, pages: number): void {
  const end = BigInt(WINDOW + pages * PAGE);
  for (const { ipa, descriptor } of machine.leaves(endpoint)) {
    if (ipa < WINDOW || ipa >= end) continue;
    for (const word of [ipa, descriptor]) digest.add(Number(word & 0xffffffffn), Number(word >> 32n));
  }
}
