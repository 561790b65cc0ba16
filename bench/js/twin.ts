// The plain-JavaScript twin of the benchmark's workloads. Mirrors bench/c/twin.c.

import {
  BASE,
  BLOCK_PAGES,
  CARVEOUT_SIZE,
  Digest,
  FAULT_ESR,
  FAULT_SPSR,
  GFN0,
  lookupIpas,
  MEMCACHE_PAGES,
  PFN0,
  REGION_SIZE,
  WIDE_CARVEOUT_SIZE,
  WIDE_REGION_SIZE,
  WINDOW_PAGES,
  WINDOW_PFN,
  windowOrder,
  type PhaseOutcome,
  type RoundsOutcome,
  type Runner,
} from "../definitions.js";
import { isInRange, Machine, panic, PROT_RWX, PTE_VALID, Vm, type Table } from "./machine.js";
import {
  guestShareHost,
  guestUnshareHost,
  hostAbort,
  hostDonateGuest,
  hostDonateHyp,
  hostReclaimPageGuest,
  hostShareGuest,
  hostShareHyp,
  hostUnshareGuest,
  hostUnshareHyp,
  takeForHyp,
} from "./verbs.js";

const HANDLE = 0x1000;
const ROOT_PAGES = 2;

/** A machine set up for a workload, and what its phases read. */
interface Stage {
  readonly m: Machine;
  readonly vm: Vm;
  /** W3: the order of the window's pages. */
  readonly order: Uint32Array;
  /** W4: addresses and answers. */
  readonly ipas: Uint32Array;
  readonly leaves: Uint32Array;
}

/** A phase looks at every result and returns how many operations were refused. */
type Phase = (stage: Stage) => number;

interface TwinWorkload {
  /** What the digest covers. */
  readonly first: number;
  readonly pages: number;
  readonly setup: () => Stage;
  /** Before each round, untimed. */
  readonly prepare?: (stage: Stage) => void;
  readonly phases: readonly Phase[];
}

// Building a machine: the carve-out in EL2's hands, then the VM's root and memcache pages.

function createMachine(size: number, carveout: number, iaBits: number): Machine {
  const first = BASE / 4096;
  const end = first + carveout / 4096;
  const m = new Machine({ pfn: first, end: first + size / 4096, flags: 0 }, carveout / 4096, iaBits);
  for (let pfn = end - 1; pfn >= first + ROOT_PAGES; pfn--) m.hostPool.put(pfn);
  for (let pfn = first; pfn < first + ROOT_PAGES; pfn++) m.getPage(pfn);
  for (let pfn = first; pfn < end; pfn++) takeForHyp(m, pfn);
  return m;
}

function createVm(m: Machine, firstFree: number): Vm {
  const vm = new Vm(HANDLE, m.tableAt(firstFree, m.host.iaBits), MEMCACHE_PAGES);
  const memcache = firstFree + ROOT_PAGES;
  for (let pfn = firstFree; pfn < memcache + MEMCACHE_PAGES; pfn++) if (hostDonateHyp(m, pfn) !== 0) panic("init_vm");
  for (let pfn = firstFree; pfn < memcache; pfn++) m.getPage(pfn);
  for (let pfn = memcache; pfn < memcache + MEMCACHE_PAGES; pfn++) vm.memcache.put(pfn);
  return vm;
}

function stageOf(m: Machine, vm: Vm): Stage {
  return { m, vm, order: new Uint32Array(0), ipas: new Uint32Array(0), leaves: new Uint32Array(0) };
}

function setupDonated(pages: number, iaBits = 40): Stage {
  const m = createMachine(REGION_SIZE, CARVEOUT_SIZE, iaBits);
  const vm = createVm(m, (BASE + CARVEOUT_SIZE) / 4096);
  for (let i = 0; i < pages; i++) if (hostDonateGuest(m, vm, PFN0 + i, GFN0 + i) !== 0) panic("setup");
  return stageOf(m, vm);
}

function setupWritten(): Stage {
  const stage = setupDonated(0);
  for (let i = 0; i < 16384; i++) stage.m.writeContents(PFN0 + i, 0xa5a5a5a5);
  return stage;
}

function setupLookups(iaBits: number): Stage {
  const ipas = lookupIpas();
  return { ...setupDonated(16384, iaBits), ipas, leaves: new Uint32Array(ipas.length) };
}

function setupWindow(): Stage {
  const m = createMachine(WIDE_REGION_SIZE, WIDE_CARVEOUT_SIZE, 40);
  for (let page = 0; page < WINDOW_PAGES; page += 2 * BLOCK_PAGES) {
    if (hostDonateHyp(m, WINDOW_PFN + page) !== 0) panic("setup");
  }
  const noVm = new Vm(0, m.host, 0);
  return { ...stageOf(m, noVm), order: windowOrder() };
}

/** Unmaps the window from the host stage 2; annotations stay. */
function unmapWindow({ m }: Stage): void {
  for (let pfn = WINDOW_PFN; pfn < WINDOW_PFN + WINDOW_PAGES;) {
    const slot = m.findLeaf(m.host, pfn >>> 20, pfn << 12);
    const granule = 2 ** (9 * (3 - m.level));
    if (m.words[slot]! & PTE_VALID) m.unmapEntry(m.host, null, slot, pfn >>> 20, pfn << 12);
    pfn += granule;
  }
}

// Phases: plain loops.

function donate({ m, vm }: Stage): number {
  let refused = 0;
  for (let i = 0; i < 16384; i++) if (hostDonateGuest(m, vm, PFN0 + i, GFN0 + i) !== 0) refused++;
  return refused;
}

function reclaim({ m, vm }: Stage): number {
  let refused = 0;
  for (let i = 0; i < 16384; i++) if (hostReclaimPageGuest(m, vm, GFN0 + i) !== 0) refused++;
  return refused;
}

function guestShare({ m, vm }: Stage): number {
  let refused = 0;
  for (let i = 0; i < 4096; i++) if (guestShareHost(m, vm, GFN0 + i) !== 0) refused++;
  return refused;
}

function guestUnshare({ m, vm }: Stage): number {
  let refused = 0;
  for (let i = 0; i < 4096; i++) if (guestUnshareHost(m, vm, GFN0 + i) !== 0) refused++;
  return refused;
}

function share({ m, vm }: Stage): number {
  let refused = 0;
  for (let i = 0; i < 16384; i++) if (hostShareGuest(m, vm, PFN0 + i, GFN0 + i, 1, PROT_RWX) !== 0) refused++;
  return refused;
}

function unshare({ m, vm }: Stage): number {
  let refused = 0;
  for (let i = 0; i < 16384; i++) if (hostUnshareGuest(m, vm, GFN0 + i, 1) !== 0) refused++;
  return refused;
}

function faultWindow({ m, order }: Stage): number {
  let refused = 0;
  for (let i = 0; i < WINDOW_PAGES; i++) {
    const pfn = WINDOW_PFN + order[i]!;
    if (hostAbort(m, FAULT_ESR, FAULT_SPSR, (pfn << 12) >>> 0, pfn << 4) !== 0) refused++;
  }
  return refused;
}

function shareWindow({ m, order }: Stage): number {
  let refused = 0;
  for (let i = 0; i < WINDOW_PAGES; i++) if (hostShareHyp(m, WINDOW_PFN + order[i]!) !== 0) refused++;
  return refused;
}

function unshareWindow({ m, order }: Stage): number {
  let refused = 0;
  for (let i = 0; i < WINDOW_PAGES; i++) if (hostUnshareHyp(m, WINDOW_PFN + order[i]!) !== 0) refused++;
  return refused;
}

/** get_leaf for each prepared address; an invalid leaf counts as refused. */
function lookUp({ m, vm, ipas, leaves }: Stage): number {
  let refused = 0;
  for (let i = 0; i < ipas.length; i += 2) {
    const high = ipas[i + 1]!;
    const slot = isInRange(vm.table, high) ? m.findLeaf(vm.table, high, ipas[i]!) : -1;
    leaves[i] = slot < 0 ? 0 : m.words[slot]!;
    leaves[i + 1] = slot < 0 ? 0 : m.words[slot + 1]!;
    if (!(leaves[i]! & PTE_VALID)) refused++;
  }
  return refused;
}

const guestPages = { first: PFN0, pages: 16384 };

const workloads: Readonly<Record<string, TwinWorkload>> = {
  W1: { ...guestPages, setup: setupWritten, phases: [donate, reclaim] },
  W1n: { ...guestPages, setup: () => setupDonated(0), phases: [donate, reclaim] },
  W2: { first: PFN0, pages: 4096, setup: () => setupDonated(4096), phases: [guestShare, guestUnshare] },
  W3: {
    first: WINDOW_PFN,
    pages: WINDOW_PAGES,
    setup: setupWindow,
    prepare: unmapWindow,
    phases: [faultWindow, shareWindow, unshareWindow],
  },
  W4a: { ...guestPages, setup: () => setupLookups(40), phases: [lookUp] },
  W4b: { ...guestPages, setup: () => setupLookups(48), phases: [lookUp] },
  W5: { ...guestPages, setup: () => setupDonated(0), phases: [share, unshare] },
};

// The digest, in the order of bench/c/twin.c: page words and contents, host leaves, guest leaves, look-up results.

function addLeaves(digest: Digest, m: Machine, table: Table, first: number, pages: number): void {
  for (let frame = first; frame < first + pages;) {
    const slot = m.findLeaf(table, frame >>> 20, frame << 12);
    if ((m.words[slot]! | m.words[slot + 1]!) !== 0) {
      digest.add(frame << 12, frame >>> 20);
      digest.add(m.words[slot]!, m.words[slot + 1]!);
    }
    frame += 2 ** (9 * (3 - m.level));
  }
}

function stateDigest({ first, pages }: TwinWorkload, { m, vm, leaves }: Stage): number {
  const digest = new Digest();
  for (let pfn = first; pfn < first + pages; pfn++) {
    const word = (pfn - m.base) * 2;
    digest.add(m.vmemmap[word]!, m.vmemmap[word + 1]!);
    if (m.written[pfn - m.base] !== 0) digest.add(m.words[m.wordsOf(pfn)]!, m.words[m.wordsOf(pfn) + 1]!);
  }
  addLeaves(digest, m, m.host, first, pages);
  if (vm.handle !== 0) addLeaves(digest, m, vm.table, GFN0, pages);
  for (let i = 0; i < leaves.length; i += 2) digest.add(leaves[i]!, leaves[i + 1]!);
  return digest.unsigned;
}

export class JavaScriptTwin implements Runner {
  #workload: TwinWorkload | null = null;
  #stage: Stage | null = null;

  setup(id: string): Promise<void> {
    this.#stage = null;
    this.#workload = workloads[id]!;
    this.#stage = this.#workload.setup();
    return Promise.resolve();
  }

  phase(index: number): Promise<PhaseOutcome> {
    const refused = this.#workload!.phases[index]!(this.#stage!);
    return Promise.resolve({ refused, digest: stateDigest(this.#workload!, this.#stage!) });
  }

  rounds(count: number): Promise<RoundsOutcome> {
    const workload = this.#workload!;
    const stage = this.#stage!;
    let milliseconds = 0;
    let refused = 0;
    for (let round = 0; round < count; round++) {
      workload.prepare?.(stage);
      const start = performance.now();
      for (const phase of workload.phases) refused += phase(stage);
      milliseconds += performance.now() - start;
    }
    return Promise.resolve({ nanoseconds: milliseconds * 1e6, refused });
  }
}
