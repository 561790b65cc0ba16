// The configuration of a Gunyah machine: what users write, checked and completed. Geometry is the qemu platform's: 36 bits of
// guest addresses, 4 KiB pages (reference gunyah section 2.5).

import { z } from "zod";
import { checkCarveoutRange, checkRegions, type GunyahConfig, type Region } from "./config.js";
import { ConfigError, parseConfig, rangeField, regionField, switchField, u32Field } from "./config-values.js";
import { levelShift, tableGeometry } from "./geometry.js";

const PAGE_SHIFT = 12;
const IPA_BITS = 36;
const TABLE_ENTRIES = 512;
const MIB = 2 ** 20;

export const gunyahSchema = z.strictObject({
  /** Only documentation. */
  name: z.string().optional(),
  /** Memory regions in ascending order, sizes in bytes. HLOS gets all of them at boot but those marked `nomap`. */
  regions: z.array(regionField).min(1),
  /** The hypervisor's own memory, in which its page tables lie; default: as much as they need, at the top of the largest region. */
  hyp_carveout: rangeField.optional(),
  /** Pages for the stage-2 tables of all address spaces. */
  table_pages: u32Field.min(4).optional(),
  /** Bytes for objects and mapping records, and for the ownership database. */
  heap_bytes: u32Field.default(64 * MIB),
  memdb_bytes: u32Field.default(64 * MIB),
  features: z
    .strictObject({
      /** Separate privileged and unprivileged execute permission at stage 2. */
      xnx: switchField.default(true),
    })
    .prefault({}),
});

/**
 * Configuration of a Gunyah machine. Only `regions` must be given: `{ regions: [{ base: "0x80000000", size: "0x10000000" }] }`.
 * Addresses and sizes are bytes, as bigint, number or string.
 */
export type GunyahMachineConfig = z.input<typeof gunyahSchema>;

/**
 * Checks a Gunyah configuration and fills in what it leaves out.
 *
 * @throws ConfigError naming the field: unknown or ill-typed fields, regions that overlap, are not page aligned or lie beyond
 * 36 bits, a carve-out outside the regions or too small for the tables
 */
export function resolveGunyahConfig(config: GunyahMachineConfig): GunyahConfig {
  const given = parseConfig(gunyahSchema, config);
  checkRegions(given.regions, PAGE_SHIFT, IPA_BITS);
  const tables = given.table_pages ?? tableBudget(given.regions);
  const carveout = given.hyp_carveout ?? placeCarveout(given.regions, tables);
  checkCarveoutRange("hyp_carveout", carveout, given.regions, PAGE_SHIFT);
  if (BigInt(tables) << BigInt(PAGE_SHIFT) > carveout.size) {
    throw new ConfigError(`hyp_carveout.size: ${tables} table pages do not fit`);
  }
  return {
    kind: "gunyah",
    geometry: tableGeometry(PAGE_SHIFT, IPA_BITS),
    features: { fwb: false, dic: false, tlb_range: false, el2_debug: false, ...given.features },
    regions: given.regions,
    hyp_carveout: carveout,
    table_pages: tables,
    heap_bytes: given.heap_bytes,
    memdb_bytes: given.memdb_bytes,
  };
}

/** All memory mapped page by page twice, and tables for small VMs beside. */
function tableBudget(regions: readonly Region[]): number {
  const pages = regions.reduce((sum, { size }) => sum + Number(size >> BigInt(PAGE_SHIFT)), 0);
  return 2 * Math.ceil(pages / TABLE_ENTRIES) + 512;
}

/** At the top of the largest region, a multiple of 2 MiB where that fits. */
function placeCarveout(regions: readonly Region[], tables: number): GunyahConfig["hyp_carveout"] {
  const size = BigInt(tables) << BigInt(PAGE_SHIFT);
  const block = 1n << BigInt(levelShift(PAGE_SHIFT, 2));
  const blocks = ((size + block - 1n) / block) * block;
  const usable = regions.filter(({ nomap }) => !nomap).sort((a, b) => (a.size < b.size ? 1 : -1));
  for (const { base, size: room } of usable) {
    if (blocks < room) return { base: base + room - blocks, size: blocks };
    if (size < room) return { base: base + room - size, size };
  }
  throw new ConfigError(`regions: none has room for ${tables} pages of tables`);
}
