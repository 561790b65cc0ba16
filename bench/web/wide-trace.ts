// A trace of a machine with 64 GiB of DRAM on which pages change hands all over the place: what the map of the page has to
// follow. Blocks of 2 MiB go to EL2 and come back, single pages are shared with EL2 and taken back.

import { writeFileSync } from "node:fs";
import type { MachineConfig } from "../../src/machine/config.js";
import { traceHeader, traceLine } from "../../src/trace/freehold-trace-writer.js";

const GIB = 2 ** 30;
const BASE = 0x8000_0000;
const SIZE = 64 * GIB;
const CARVEOUT = GIB / 2;
const BLOCK_PAGES = 512;

const CONFIG: MachineConfig = {
  regions: [{ base: BigInt(BASE), size: BigInt(SIZE) }],
  hyp_carveout: { base: BigInt(BASE), size: BigInt(CARVEOUT) },
  features: { fwb: true, dic: true, tlb_range: true },
};

export const WIDE_PAGES = SIZE / 4096;
const FIRST_BLOCK = (BASE + CARVEOUT) / 4096 / BLOCK_PAGES;
const BLOCKS = (SIZE - CARVEOUT) / 4096 / BLOCK_PAGES;
/** A prime, so that the steps visit all blocks before one comes again. */
const STRIDE = 12_289;
/** Blocks that EL2 has at a time. */
const HELD = 8192;

/** Writes a trace of about `operations` operations, every result of which a replay confirms. Returns how many there are. */
export function writeWideTrace(path: string, operations: number): number {
  const lines: string[] = [];
  for (let step = 0; lines.length < operations; step++) {
    lines.push(donate(step), ...(step < HELD ? [] : [giveBack(step - HELD)]), ...shareAndUnshare(step + 1));
  }
  writeFileSync(path, traceHeader(CONFIG, "64 GiB, pages change hands all over it") + lines.join(""));
  return lines.length;
}

/** First page of the block that is visited in this step. */
function pfnOf(step: number): bigint {
  return BigInt((FIRST_BLOCK + ((step * STRIDE) % BLOCKS)) * BLOCK_PAGES);
}

function donate(step: number): string {
  return traceLine({ op: "host_donate_hyp", pfn: pfnOf(step), nr: BLOCK_PAGES }, { ret: 0, host: 3, hyp: 0 });
}

function giveBack(step: number): string {
  return traceLine({ op: "hyp_donate_host", pfn: pfnOf(step), nr: BLOCK_PAGES }, { ret: 0, host: 0, hyp: 3 });
}

/** A page of a block that is still the host's. */
function shareAndUnshare(step: number): string[] {
  const pfn = pfnOf(step) + BigInt(step % BLOCK_PAGES);
  return [
    traceLine({ op: "host_share_hyp", pfn }, { ret: 0, host: 1, hyp: 2 }),
    traceLine({ op: "host_unshare_hyp", pfn }, { ret: 0, host: 0, hyp: 3 }),
  ];
}
