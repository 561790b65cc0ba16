// What the variants of workloads X1 have in common: one tree that maps `size` bytes, random addresses in it.

import { xorshift64 } from "./definitions.js";

export type WalkForm = "single" | "batch" | "dependent";

export interface WalkWorkload {
  readonly id: string;
  /** Bytes that are mapped, a power of 2. */
  readonly size: number;
  readonly form: WalkForm;
}

/** Where the mapped range starts, and where it leads: aligned to every size. */
export const IPA_BASE = 2 ** 40;
export const PA_BASE = 2 ** 39;
/** Walks of one round: their page entries do not fit the processor's caches. */
export const REQUESTS = 2 ** 20;
/** Walks that are asked for at a time; dependent ones start anew behind so many. */
export const WALK_BATCH = 2 ** 16;

const MIB = 2 ** 20;
const GIB = 2 ** 30;

function workload(name: string, size: number, form: WalkForm): WalkWorkload {
  return { id: `X1-${name}-${form}`, size, form };
}

export const walkWorkloads: readonly WalkWorkload[] = [
  workload("64M", 64 * MIB, "single"),
  workload("64M", 64 * MIB, "batch"),
  workload("4G", 4 * GIB, "batch"),
  workload("64G", 64 * GIB, "batch"),
  workload("64M", 64 * MIB, "dependent"),
  workload("4G", 4 * GIB, "dependent"),
  workload("64G", 64 * GIB, "dependent"),
];

export function walkWorkload(id: string): WalkWorkload {
  const found = walkWorkloads.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no workload ${id}`);
  return found;
}

/** The bits of a PA that dependent walks take into the next IPA: which page it is. */
export function chainMask({ size }: WalkWorkload): number {
  return size - 4096;
}

/** The addresses of a round, aligned to 8 bytes, as 64-bit little-endian words. */
export function requestIpas(size: number): Uint32Array {
  const ipas = new Uint32Array(2 * REQUESTS);
  const draw = xorshift64();
  for (let i = 0; i < REQUESTS; i++) {
    const offset = draw(size);
    const ipa = IPA_BASE + (offset - (offset % 8));
    ipas[2 * i] = ipa;
    ipas[2 * i + 1] = ipa / 2 ** 32;
  }
  return ipas;
}
