// The machine that pKVM hosts with a secure world run on: 4 KiB pages, 64 MiB, EL2 booted, an SPMC with partitions behind
// EL2's FF-A proxy, a version negotiated and buffers registered. One core serves all worlds of a variant.

import { Machine } from "../../../machine/machine.js";
import type { Operation } from "../../../machine/operations.js";
import { BootedMachine } from "../linux/booted-machine.js";

const PAGE = 0x1000n;
const START = 0x4000_0000n;

/** Where the host's memory begins, in bytes; its FF-A buffers lie before what is handed out. */
export const MEMORY = { start: START, free: START + 2n * PAGE, size: 0x400_0000n } as const;

/** Ids of the partitions that there are. */
export const PARTITIONS: readonly number[] = [0x8001, 0x8002, 0x8003, 0x8004];

const NEWEST = 0x10002n;
const CALL = { vm: 0, x64: 1, tx_fault: 0, wipe_fail: 0 } as const;

/** What Linux's arm_ffa driver does first. */
const FIRST_CALLS: readonly Operation[] = [
  { op: "ffa_version", vm: 0, version: NEWEST },
  { op: "ffa_rxtx_map", ...CALL, tx: START, rx: START + PAGE, pages: 1 },
];

const booted = new Map<boolean, Promise<BootedMachine>>();

/**
 * The machine, booted once. A world takes hold of it and makes itself without a pause: another one could begin meanwhile.
 *
 * @param protect firmware moves what is lent to the secure physical address space
 */
export async function bootedMachine(protect: boolean): Promise<BootedMachine> {
  const machine = booted.get(protect) ?? boot(protect);
  booted.set(protect, machine);
  return machine;
}

async function boot(protect: boolean): Promise<BootedMachine> {
  const machine = await Machine.create({
    name: "pKVM scenario with a secure world",
    ia_bits: 40,
    features: { fwb: true, dic: true, tlb_range: true },
    regions: [{ base: MEMORY.start, size: MEMORY.size }],
    secure_world: { protect, partitions: PARTITIONS.map((id) => ({ id })) },
  });
  const refused = machine.applyBatch(FIRST_CALLS, { effects: false }).find(({ ret }) => ret < 0);
  if (refused !== undefined) throw new Error(`FF-A does not start: ${refused.reason ?? refused.errno ?? ""}`);
  return new BootedMachine(machine);
}
