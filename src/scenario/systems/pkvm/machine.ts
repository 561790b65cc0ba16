// The machine that pKVM scenarios run on: 4 KiB pages, 64 MiB, EL2 booted. One core serves all worlds of a variant.

import { Machine } from "../../../machine/machine.js";
import { BootedMachine } from "../linux/booted-machine.js";

/** Where memory begins, and its size, in bytes. */
export const MEMORY = { start: 0x4000_0000n, size: 0x400_0000n } as const;

const booted = new Map<Variant, Promise<BootedMachine>>();

/** Linux 7.3's EL2, or that of Android's common kernel. */
export type Variant = "linux" | "android";

/** The machine, booted once. A world takes hold of it and makes itself without a pause: another one could begin meanwhile. */
export async function bootedMachine(variant: Variant = "linux"): Promise<BootedMachine> {
  const machine = booted.get(variant) ?? boot(variant);
  booted.set(variant, machine);
  return machine;
}

async function boot(variant: Variant): Promise<BootedMachine> {
  const machine = await Machine.create({
    name: "pkvm scenario",
    ia_bits: 40,
    features: { fwb: true, dic: true, tlb_range: true },
    regions: [{ base: MEMORY.start, size: MEMORY.size }],
    variant,
  });
  return new BootedMachine(machine);
}
