// What the workloads of the benchmark have in common, whoever runs them.

/** Frame numbers of the first page and of its place in the guest. */
export const PFN0 = 0x48000;
export const GFN0 = 0x80000;
/** The memory region's base and the sizes of region and carve-out (W3: the wide ones), in bytes. */
export const BASE = 0x40000000;
export const REGION_SIZE = 256 * 2 ** 20;
export const CARVEOUT_SIZE = 32 * 2 ** 20;
export const WIDE_REGION_SIZE = 2048 * 2 ** 20;
export const WIDE_CARVEOUT_SIZE = 64 * 2 ** 20;
export const MEMCACHE_PAGES = 64;
/** W3: first frame and frames of the window; the first page of every even 2 MiB block is EL2's. */
export const WINDOW_PFN = 0x80000;
export const WINDOW_PAGES = 262144;
export const BLOCK_PAGES = 512;
/** Look-ups in one round of W4a and W4b. */
export const LOOKUPS = 65536;
/** W3's faults: data abort, translation fault at level 3, from EL1 with everything masked. */
export const FAULT_ESR = 0x92000007;
export const FAULT_SPSR = 0x3c5;

const SEED = 88172645463325252n;

/** xorshift64 (13, 7, 17), stepped before each use. Gives `x mod modulus`. */
export function xorshift64(): (modulus: number) => number {
  let x = SEED;
  return (modulus) => {
    x = BigInt.asUintN(64, x ^ (x << 13n));
    x ^= x >> 7n;
    x = BigInt.asUintN(64, x ^ (x << 17n));
    return Number(x % BigInt(modulus));
  };
}

/** The order in which W3 visits the window's pages: Fisher-Yates from the top. */
export function windowOrder(): Uint32Array {
  const order = Uint32Array.from({ length: WINDOW_PAGES }, (_, page) => page);
  const draw = xorshift64();
  for (let i = WINDOW_PAGES - 1; i >= 1; i--) {
    const j = draw(i + 1);
    const page = order[i]!;
    order[i] = order[j]!;
    order[j] = page;
  }
  return order;
}

/** The IPAs that W4 looks up, as 64-bit little-endian words. */
export function lookupIpas(): Uint32Array {
  const ipas = new Uint32Array(2 * LOOKUPS);
  const draw = xorshift64();
  for (let i = 0; i < LOOKUPS; i++) {
    const gfn = GFN0 + draw(16384);
    ipas[2 * i] = gfn << 12;
    ipas[2 * i + 1] = gfn >>> 20;
  }
  return ipas;
}

/** FNV-1a over 32-bit words: the digest that all variants give of their state after a phase. */
export class Digest {
  value = 0x811c9dc5;

  add(low: number, high: number): void {
    this.value = Math.imul(this.value ^ low, 0x01000193);
    this.value = Math.imul(this.value ^ high, 0x01000193);
  }

  get unsigned(): number {
    return this.value >>> 0;
  }
}

/** What one variant (Freehold, C, JavaScript) does for the harness. */
export interface Runner {
  /** Builds the machine of a workload. */
  setup(id: string): Promise<void>;
  /** Runs one phase of the workload that was set up: operations refused, and digest of the state behind it. */
  phase(index: number): Promise<PhaseOutcome>;
  /** Runs whole rounds: nanoseconds they took, every result looked at, and operations refused. */
  rounds(count: number): Promise<RoundsOutcome>;
}

export interface PhaseOutcome {
  readonly refused: number;
  readonly digest: number;
}

export interface RoundsOutcome {
  readonly nanoseconds: number;
  readonly refused: number;
}
