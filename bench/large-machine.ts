// A machine with 64 GiB of DRAM: how long it takes to create, and how much Wasm memory it needs once every page is mapped.

import { HOST_DONATE_GUEST } from "../assembly/abi/operations.js";
import type { Machine } from "../src/machine/machine.js";
import { BASE } from "./definitions.js";
import { createMachine, createVm, frameBehindVm, runOperations } from "./freehold.js";
import { median } from "./harness.js";
import type { Row } from "./report.js";
import { Operations } from "./workloads.js";

const PAGE = 4096;
const MIB = 2 ** 20;
const SIZE = 64 * 1024 * MIB;
const CARVEOUT = 512 * MIB;
/** One level-3 table for 2 MiB, one level-2 table for 1 GiB, and some to spare. */
const MEMCACHE = SIZE / (2 * MIB) + SIZE / (1024 * MIB) + 16;
const BATCH = 65536;

export async function measureLargeMachine(): Promise<Row[]> {
  const times = [];
  for (let repeat = 0; repeat < 5; repeat++) {
    const start = performance.now();
    await createMachine(SIZE, CARVEOUT, 40);
    times.push(performance.now() - start);
  }
  const machine = await createMachine(SIZE, CARVEOUT, 40);
  donateEverything(machine);
  const memory = machine.core.memory.buffer.byteLength / MIB;
  const none = { c: null, js: null } as const;
  const create = { id: "M64-create", title: "a machine with 64 GiB of DRAM", bound: "nothing is touched up front" };
  const mapped = {
    id: "M64-memory",
    title: "the same, every page a guest's",
    bound: "both tables, page words, frames",
  };
  return [
    { ...create, unit: "ms", freehold: median(times), ...none },
    { ...mapped, unit: "MiB", freehold: memory, ...none },
  ];
}

/** Gives a guest every page behind what the VM itself needs: page entries in the guest's table and in the host's. */
function donateEverything(machine: Machine): void {
  const free = (BASE + CARVEOUT) / PAGE;
  const vm = createVm(machine, free, true, MEMCACHE);
  const first = frameBehindVm(free, MEMCACHE);
  const end = (BASE + SIZE) / PAGE;
  for (let pfn = first; pfn < end; pfn += BATCH) {
    const operations = new Operations(Math.min(BATCH, end - pfn));
    for (let i = 0; i < operations.count; i++) operations.set(i, HOST_DONATE_GUEST, vm, 0, pfn + i, pfn + i);
    if (runOperations(machine, operations) !== 0) throw new Error(`a donation behind frame ${pfn} was refused`);
  }
}
