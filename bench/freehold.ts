// Freehold's side of the workloads: machines made and prepared through the API, rounds as packed operations in batches.

import { BATCH_OPERATIONS, OPERATION_SIZE } from "../assembly/abi/operations.js";
import { Machine, type Snapshot } from "../src/machine/machine.js";
import type { Operation } from "../src/machine/operations.js";
import {
  BASE,
  Digest,
  GFN0,
  lookupIpas,
  LOOKUPS,
  MEMCACHE_PAGES,
  type PhaseOutcome,
  type RoundsOutcome,
  type Runner,
} from "./definitions.js";
import { workloads, type Operations, type Phase, type WorkloadDefinition } from "./workloads.js";

const PAGE = 4096;

/** One region at BASE with the carve-out at its start; half of that for the host's tables. Sizes in bytes. */
export function createMachine(size: number, carveout: number, iaBits: 40 | 48): Promise<Machine> {
  return Machine.create({
    ia_bits: iaBits,
    features: { fwb: true, dic: true, tlb_range: true },
    regions: [{ base: BASE, size }],
    hyp_carveout: { base: BASE, size: carveout },
    host_s2_pool_pages: carveout / PAGE / 2,
    vm_bytes: PAGE - 8,
    vm_bytes_per_vcpu: 8,
    vcpu_bytes: PAGE,
    host_kvm_bytes: PAGE,
    host_vcpu_bytes: PAGE,
  });
}

/** First frame that the host may use when a VM with that many table pages has been created at frame `free`. */
export function frameBehindVm(free: number, memcachePages: number): number {
  return free + 8 + memcachePages;
}

/** Creates a VM with one vCPU as the host does, from frames at `free` (aligned for the VM's root). Returns its handle. */
export function createVm(machine: Machine, free: number, isProtected: boolean, memcachePages: number): number {
  const [kvm, hostVcpu, vm, vcpu, root] = [0, 1, 2, 3, 4].map((page) => BigInt((free + page) * PAGE));
  const run = (operation: Operation) => {
    const { ret } = machine.apply(operation);
    if (ret < 0) throw new Error(`${operation.op} gives ${ret}`);
    return ret;
  };
  const handle = run({ op: "reserve_vm" });
  run({ op: "host_share_hyp", pfn: BigInt(free) });
  run({ op: "host_share_hyp", pfn: BigInt(free + 1) });
  const areas = { kvm_pa: kvm!, vm_pa: vm!, pgd_pa: root! };
  run({ op: "init_vm", vm: handle, ...areas, vcpus: 1, protected: isProtected ? 1 : 0, id_regs: 1 });
  run({ op: "init_vcpu", vm: handle, vcpu: 0, host_pa: hostVcpu!, hyp_pa: vcpu! });
  const memcache = free + 8;
  for (let page = 0; page < memcachePages; page++) {
    run({ op: "host_memcache_push", vm: handle, vcpu: 0, pfn: BigInt(memcache + page) });
  }
  run({ op: "refill_memcache", vm: handle, vcpu: 0 });
  return handle;
}

/** Cuts packed operations into what fits the core's window. */
function batchesOf(bytes: Uint8Array): Uint8Array[] {
  const step = BATCH_OPERATIONS * OPERATION_SIZE;
  const batches = [];
  for (let start = 0; start < bytes.length; start += step) batches.push(bytes.subarray(start, start + step));
  return batches;
}

function loadBatch({ core }: Machine, batch: Uint8Array): void {
  new Uint8Array(core.memory.buffer, core.exports.operationWindow(), batch.length).set(batch);
}

/** Runs the operations that were loaded and looks at every result. Returns how many were refused. */
function runBatch({ core: { exports } }: Machine, batch: Uint8Array): number {
  const count = batch.length / OPERATION_SIZE;
  const ran = exports.runBatch(count, 0);
  if (ran !== count) throw new Error(`${ran} of ${count} operations ran`);
  return exports.countRefused(count);
}

/** Runs a whole list. Returns how many operations were refused. */
export function runOperations(machine: Machine, operations: Operations): number {
  let refused = 0;
  for (const batch of batchesOf(operations.bytes)) {
    loadBatch(machine, batch);
    refused += runBatch(machine, batch);
  }
  return refused;
}

/** A workload set up on a machine. */
interface Stage {
  readonly workload: WorkloadDefinition;
  readonly machine: Machine;
  readonly vm: number;
  readonly phases: readonly Phase[];
  /** All operations of a round. */
  readonly batches: readonly Uint8Array[];
  /** What each round starts from; null: from where the last one ended. */
  readonly snapshot: Snapshot | null;
}

async function prepare(workload: WorkloadDefinition): Promise<Stage> {
  const { size, carveout, iaBits } = workload.machine;
  const machine = await createMachine(size, carveout, iaBits);
  const free = (BASE + carveout) / PAGE;
  const vm = workload.vm === null ? 0 : createVm(machine, free, workload.vm === "protected", MEMCACHE_PAGES);
  if (workload.preparation !== undefined && runOperations(machine, workload.preparation(vm)) !== 0) {
    throw new Error(`${workload.id}: the preparation was refused`);
  }
  if (workload.written) {
    const contents = new Uint8Array(PAGE).fill(0xa5);
    for (let page = 0; page < workload.pages; page++) {
      machine.writePage(BigInt((workload.first + page) * PAGE), contents);
    }
  }
  const phases = workload.operationLists(vm);
  if (phases.includes("look-ups")) loadBatch(machine, new Uint8Array(lookupIpas().buffer));
  const batches = batchesOf(Buffer.concat(phases.filter((phase) => phase !== "look-ups").map(({ bytes }) => bytes)));
  return { workload, machine, vm, phases, batches, snapshot: workload.restored ? machine.snapshot() : null };
}

export class Freehold implements Runner {
  #stage: Stage | null = null;

  async setup(id: string): Promise<void> {
    this.#stage = null;
    this.#stage = await prepare(workloads.find((workload) => workload.id === id)!);
  }

  phase(index: number): Promise<PhaseOutcome> {
    const stage = this.#stage!;
    const phase = stage.phases[index]!;
    const refused = phase === "look-ups" ? lookUp(stage) : runOperations(stage.machine, phase);
    return Promise.resolve({ refused, digest: stateDigest(stage) });
  }

  /**
   * What the operations are is prepared for every variant alike, so getting records into the window is not timed; running
   * them and looking at every result is.
   */
  rounds(count: number): Promise<RoundsOutcome> {
    const { machine, batches, snapshot } = this.#stage!;
    let milliseconds = 0;
    let refused = 0;
    const timed = (run: () => number) => {
      const start = performance.now();
      refused += run();
      milliseconds += performance.now() - start;
    };
    if (batches.length === 1) loadBatch(machine, batches[0]!);
    for (let round = 0; round < count; round++) {
      if (snapshot !== null) machine.restore(snapshot);
      if (batches.length === 0) timed(() => lookUp(this.#stage!));
      for (const batch of batches) {
        if (batches.length > 1) loadBatch(machine, batch);
        timed(() => runBatch(machine, batch));
      }
    }
    return Promise.resolve({ nanoseconds: milliseconds * 1e6, refused });
  }
}

/** Looks up all addresses in the operation window; an invalid leaf counts as refused. */
function lookUp({ machine, vm }: Stage): number {
  return LOOKUPS - machine.core.exports.lookupLeaves(vm, LOOKUPS);
}

// The digest, in the order of bench/c/twin.c: page words and contents, host leaves, guest leaves, look-up results.

function stateDigest({ workload, machine, vm, phases }: Stage): number {
  const { exports, memory } = machine.core;
  const digest = new Digest();
  for (let pfn = workload.first; pfn < workload.first + workload.pages; pfn++) {
    addWord(digest, exports.pageWord(BigInt(pfn)));
    const frame = exports.framePointer(BigInt(pfn * PAGE)) >>> 0;
    if (frame !== 0) addWords(digest, new Uint32Array(memory.buffer, frame, 2));
  }
  addLeaves(digest, machine, "host", workload.first, workload.pages);
  if (vm !== 0) addLeaves(digest, machine, vm, GFN0, workload.pages);
  if (phases.includes("look-ups")) {
    addWords(digest, new Uint32Array(memory.buffer, exports.resultWindow(), 2 * LOOKUPS));
  }
  return digest.unsigned;
}

/** Adds address and descriptor of each leaf of a table in a range of frames. */
function addLeaves(digest: Digest, machine: Machine, table: "host" | number, first: number, pages: number): void {
  const start = BigInt(first * PAGE);
  const end = BigInt((first + pages) * PAGE);
  for (const { ipa, descriptor } of machine.leaves(table)) {
    if (ipa < start || ipa >= end) continue;
    addWord(digest, ipa);
    addWord(digest, descriptor);
  }
}

function addWord(digest: Digest, word: bigint): void {
  digest.add(Number(word & 0xffffffffn), Number((word >> 32n) & 0xffffffffn));
}

function addWords(digest: Digest, words: Uint32Array): void {
  for (let i = 0; i < words.length; i += 2) digest.add(words[i]!, words[i + 1]!);
}
