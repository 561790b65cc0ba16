// The plain-JavaScript twin of the workloads FFA. Mirrors bench/c/ffa.c.

import { Digest, type PhaseOutcome, type RoundsOutcome, type Runner } from "../definitions.js";
import {
  BORROWER,
  BORROWER_OWN,
  BUFFER_BYTES,
  ffaWorkload,
  LENDER,
  scriptOf,
  TRANSACTIONS,
  WINDOW,
  windowPages,
  type FfaWorkload,
  type Script,
} from "../ffa-definitions.js";
import { Manager, type Endpoint } from "./ffa-calls.js";
import {
  indexAt,
  PTE_EXCLUSIVE,
  PTE_NORMAL,
  PTE_OWNED,
  PTE_PAGE,
  PTE_S2AP_R,
  PTE_S2AP_W,
  PTE_VALID,
  PTE_XN,
} from "./ffa-tables.js";

const FIRST_PFN = WINDOW / 4096;
const OWNED_LOW = PTE_PAGE | PTE_VALID | PTE_NORMAL | PTE_S2AP_R | PTE_S2AP_W;
const OWNED_HIGH = PTE_XN | PTE_OWNED | PTE_EXCLUSIVE;
/** High word of the handles. */
const HANDLE_HIGH = 0x80000000;

interface Stage {
  readonly workload: FfaWorkload;
  readonly manager: Manager;
  readonly lender: Endpoint;
  readonly borrower: Endpoint;
  readonly scripts: readonly Script[];
}

function prepare(workload: FfaWorkload): Stage {
  const manager = new Manager();
  const [lender, borrower] = [manager.addEndpoint(LENDER), manager.addEndpoint(BORROWER)];
  const own = BORROWER_OWN / 4096;
  manager.tables.setMode(lender.root, FIRST_PFN, FIRST_PFN + windowPages(workload), OWNED_LOW, OWNED_HIGH);
  manager.tables.setMode(borrower.root, own, own + 1, OWNED_LOW, OWNED_HIGH);
  const scripts = Array.from({ length: TRANSACTIONS }, (_, transaction) => scriptOf(workload, transaction));
  return { workload, manager, lender, borrower, scripts };
}

// Phases: every result is looked at.

function shareAll({ manager, lender, scripts }: Stage): number {
  let refused = 0;
  for (let t = 0; t < TRANSACTIONS; t++) {
    const { total, fragments } = scripts[t]!;
    for (let i = 0; i < fragments.length; i++) {
      const fragment = fragments[i]!;
      const { length } = fragment;
      lender.tx.fill(fragment, length);
      const ret =
        i === 0 ? manager.memShare(lender, total, length, 0, 0) : manager.memFragTx(lender, t, HANDLE_HIGH, length, 0);
      if (ret !== 0) refused++;
    }
  }
  return refused;
}

function retrieveAll({ manager, borrower, scripts }: Stage): number {
  let refused = 0;
  for (let t = 0; t < TRANSACTIONS; t++) {
    const { retrieve, fragments } = scripts[t]!;
    const { length } = retrieve;
    borrower.tx.fill(retrieve, length);
    if (manager.memRetrieveReq(borrower, length, length, 0, 0) !== 0) refused++;
    if (manager.rxRelease(borrower) !== 0) refused++;
    for (let i = 1; i < fragments.length; i++) {
      if (manager.memFragRx(borrower, t, HANDLE_HIGH, i * BUFFER_BYTES, 0) !== 0) refused++;
      if (manager.rxRelease(borrower) !== 0) refused++;
    }
  }
  return refused;
}

function relinquishAll({ manager, borrower, scripts }: Stage): number {
  let refused = 0;
  for (let t = 0; t < TRANSACTIONS; t++) {
    const { relinquish } = scripts[t]!;
    borrower.tx.fill(relinquish, relinquish.length);
    if (manager.memRelinquish(borrower) !== 0) refused++;
  }
  return refused;
}

function reclaimAll({ manager, lender }: Stage): number {
  let refused = 0;
  for (let t = 0; t < TRANSACTIONS; t++) if (manager.memReclaim(lender, t, HANDLE_HIGH, 0) !== 0) refused++;
  return refused;
}

const phases = [shareAll, retrieveAll, relinquishAll, reclaimAll];

// The digest, in the order of bench/c/ffa.c.

function stateDigest({ workload, manager, lender, borrower }: Stage): number {
  const digest = new Digest();
  for (const { root } of [lender, borrower]) addEntries(digest, manager, root, FIRST_PFN + windowPages(workload));
  const rx = new Uint32Array(borrower.rx.bytes.buffer);
  for (let i = 0; i < rx.length; i += 2) digest.add(rx[i]!, rx[i + 1]!);
  for (const transaction of manager.transactions) {
    if (transaction === null) continue;
    digest.add(transaction.slot, transaction.complete ? 1 : 0);
    digest.add(transaction.fragments.length, transaction.constituents);
    digest.add(transaction.receivers[0]!.id, transaction.receivers[0]!.retrieved);
  }
  return digest.unsigned;
}

function addEntries(digest: Digest, { tables }: Manager, root: number, end: number): void {
  for (let pfn = FIRST_PFN; pfn < end; pfn++) {
    const table = tables.find(root, pfn);
    if (table < 0) continue;
    const slot = table + indexAt(3, pfn);
    if ((tables.words[slot]! | tables.words[slot + 1]!) === 0) continue;
    digest.add(pfn << 12, pfn >>> 20);
    digest.add(tables.words[slot]!, tables.words[slot + 1]!);
  }
}

export class JavaScriptManager implements Runner {
  #stage: Stage | null = null;

  setup(id: string): Promise<void> {
    this.#stage = prepare(ffaWorkload(id));
    return Promise.resolve();
  }

  phase(index: number): Promise<PhaseOutcome> {
    const refused = phases[index]!(this.#stage!);
    return Promise.resolve({ refused, digest: stateDigest(this.#stage!) });
  }

  rounds(count: number): Promise<RoundsOutcome> {
    const start = performance.now();
    let refused = 0;
    for (let round = 0; round < count; round++) for (const phase of phases) refused += phase(this.#stage!);
    return Promise.resolve({ nanoseconds: (performance.now() - start) * 1e6, refused });
  }
}
