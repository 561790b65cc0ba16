// A pKVM host by itself that touches addresses: memory, and devices where there is none.

import type { MachineConfig } from "../machine/config.js";
import type { Domain, Step } from "./domain.js";

/** The machine's geometry, and what is touched. */
export interface HostFaults {
  readonly pageShift: 12 | 14 | 16;
  readonly iaBits: NonNullable<MachineConfig["ia_bits"]>;
  /** Addresses in bytes. Memory begins at 1 GiB. */
  readonly addresses: readonly bigint[];
}

/** Where memory begins. */
export const DRAM = 0x4000_0000n;

const HOST_PAGES = 8n;
const CARVEOUT_PAGES = 48n;

/** Every order in which the host reads these addresses. */
export function hostFaultDomain({ pageShift, iaBits, addresses }: HostFaults): Domain {
  const page = 1n << BigInt(pageShift);
  const carveout = DRAM + HOST_PAGES * page;
  return {
    config: {
      page_shift: pageShift,
      ia_bits: iaBits,
      regions: [{ base: DRAM, size: (HOST_PAGES + CARVEOUT_PAGES) * page }],
      hyp_carveout: { base: carveout, size: CARVEOUT_PAGES * page },
      hyp_text: { base: carveout, size: page },
      host_s2_pool_pages: 24,
      max_vms: 1,
    },
    pages: [{ pfn: DRAM / page }],
    gfns: [],
    contents: [],
    setUp: [],
    steps: addresses.map((ipa): Step => ({ op: "access", access: { stage2: "host", ipa, kind: "read" } })),
    tracer: 0,
    longestList: 0,
  };
}
