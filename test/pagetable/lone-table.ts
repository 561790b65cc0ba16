// A stage-2 table by itself, for the tests of the page-table library.

import type { PageTableConfig } from "../../src/machine/config.js";
import { Machine, type Outcome } from "../../src/machine/machine.js";
import type { Operation } from "../../src/machine/operations.js";
import { maintenanceOf } from "./maintenance.js";

// enum kvm_pgtable_prot (reference 2.3); software bits stand where the descriptor has them.
export const PX = 1n;
export const UX = 2n;
export const X = 3n;
export const W = 4n;
export const R = 8n;
export const DEVICE = 16n;
export const NORMAL_NC = 32n;
export const RW = R | W;
export const RWX = RW | X;
export const SW0 = 1n << 55n;
export const SW1 = 1n << 56n;

// Walk flags (reference 2.2).
export const SHARED = 8;
export const SKIP_BBM_TLBI = 32;
export const SKIP_CMO = 64;

export const PAGE = 0x1000n;
export const BLOCK = 0x20_0000n;
export const GIB = 0x4000_0000n;

export const POISONED = 0x3000_0000_0000_0000n;

export const aTable = (config: PageTableConfig = {}): Promise<Machine> => Machine.createPageTable(config);

/** Options that few maps need: no memcache (`mc` 0), walk flags. */
type MapOptions = Partial<{ mc: 0 | 1; flags: number }>;

export function map(addr: bigint, size: bigint, phys: bigint, prot: bigint, options: MapOptions = {}): Operation {
  return { op: "pt_map", addr, size, phys, prot, mc: options.mc ?? 1, flags: options.flags ?? 0 };
}

export const unmap = (addr: bigint, size: bigint): Operation => ({ op: "pt_unmap", addr, size });

export function annotate(addr: bigint, size: bigint, type: number, annot = 0n): Operation {
  return { op: "pt_annotate", addr, size, type, annot, mc: 1 };
}

/** The entry at which a walk ends. */
export function entryAt(machine: Machine, addr: bigint): { level: number; descriptor: bigint } {
  const leaf = machine.leaf("host", addr);
  if (leaf === null) throw new Error(`0x${addr.toString(16)} is beyond the IPA space`);
  return { level: leaf.level, descriptor: leaf.descriptor };
}

/** Errno or return value, and the maintenance. */
export function run(machine: Machine, operation: Operation): { result: string; maintenance: string[]; free: number } {
  const outcome: Outcome = machine.apply(operation);
  return {
    result: outcome.status === "panicked" ? "fatal" : (outcome.errno ?? String(outcome.ret)),
    maintenance: maintenanceOf(outcome.effects),
    free: outcome.details.poolFree ?? -1,
  };
}
