// The machine that Gunyah scenarios run on: 4 KiB pages, 64 MiB, HLOS booted. One core serves all worlds.

import { Machine } from "../../../machine/machine.js";
import { BootedMachine } from "../linux/booted-machine.js";

/** Where memory begins, and its size, in bytes. */
export const MEMORY = { start: 0x4000_0000n, size: 0x400_0000n } as const;

/** Enough for the objects of some VMs and parcels: what is reserved is copied whenever worlds take turns. */
const HEAP = { heap_bytes: 0x10_0000, memdb_bytes: 0x10_0000 } as const;

let booted: Promise<BootedMachine> | null = null;

/** The machine, booted once. A world takes hold of it and makes itself without a pause: another one could begin meanwhile. */
export async function bootedMachine(): Promise<BootedMachine> {
  booted ??= boot();
  return booted;
}

async function boot(): Promise<BootedMachine> {
  const machine = await Machine.createGunyah({
    name: "Gunyah scenario",
    regions: [{ base: MEMORY.start, size: MEMORY.size }],
    ...HEAP,
  });
  return new BootedMachine(machine);
}
