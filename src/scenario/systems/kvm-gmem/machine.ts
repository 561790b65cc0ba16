// The machine that plain KVM scenarios run on: 4 KiB pages, 64 MiB, a quarter of it for guest_memfd. One core serves all worlds.

import { Machine } from "../../../machine/machine.js";
import { BootedMachine } from "../linux/booted-machine.js";

/** Where memory begins, and its size, in bytes. */
export const MEMORY = { start: 0x4000_0000n, size: 0x400_0000n } as const;

let booted: Promise<BootedMachine> | null = null;

/** The machine, booted once. A world takes hold of it and makes itself without a pause: another one could begin meanwhile. */
export async function bootedMachine(): Promise<BootedMachine> {
  booted ??= boot();
  return booted;
}

async function boot(): Promise<BootedMachine> {
  const machine = await Machine.createKvm({
    name: "plain KVM scenario",
    ia_bits: 44,
    features: { fwb: true, dic: true, tlb_range: true },
    regions: [{ base: MEMORY.start, size: MEMORY.size }],
    table_pages: 512,
  });
  return new BootedMachine(machine);
}
