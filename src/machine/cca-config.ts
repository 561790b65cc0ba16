// The configuration of a machine with the Confidential Compute Architecture: what users write, checked and completed. Pages are 4 KiB,
// and all realms have one size of IPA space.

import { z } from "zod";
import { checkRegions, type CcaConfig } from "./config.js";
import { parseConfig, regionField, u32Field } from "./config-values.js";
import { tableGeometry } from "./geometry.js";

const PAGE_SHIFT = 12;
const PA_BITS = 48;

export const ccaSchema = z.strictObject({
  /** Memory regions in ascending order, sizes in bytes. `nomap`: the firmware's, in the Secure physical address space. */
  regions: z.array(regionField).min(1),
  /** Width of every realm's IPA space, of which the upper half is unprotected. */
  ipa_bits: z.literal([32, 36, 40, 42, 44, 48]).default(40),
  /** VMIDs that there are, 0 included, which no realm has. */
  vmids: u32Field.min(2).max(0x10000).default(256),
});

/** Configuration of a machine with realms. Only `regions` must be given. Addresses and sizes are bytes. */
export type CcaMachineConfig = z.input<typeof ccaSchema>;

/**
 * Checks the configuration and fills in what it leaves out.
 *
 * @throws ConfigError naming the field: unknown or ill-typed fields, regions that overlap, are not page aligned or too large
 */
export function resolveCcaConfig(config: CcaMachineConfig): CcaConfig {
  const given = parseConfig(ccaSchema, config);
  checkRegions(given.regions, PAGE_SHIFT, PA_BITS);
  return {
    kind: "cca",
    geometry: tableGeometry(PAGE_SHIFT, given.ipa_bits),
    // RMM runs with stage 2 deciding about memory types (FWB).
    features: { fwb: true, dic: false, xnx: false, tlb_range: true, el2_debug: false },
    regions: given.regions,
    vmids: given.vmids,
  };
}
