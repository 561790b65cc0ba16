// A regime, a way down to one entry, and a walk of it: what the tables of test/arch are made of.

import { WalkMachine, type WalkRegisters } from "../../src/machine/walk-machine.js";
import type { Access, Translation } from "../../src/machine/translation.js";

/** Where the tables of all tests lie: two pages for each level, because 16 KiB pages need a root of two. */
export const TABLES = 0x4000_0000n;

export type Granule = "4K" | "16K" | "64K";

const SHIFT = { "4K": 12n, "16K": 14n, "64K": 16n } as const;
const TG0 = { "4K": 0n, "16K": 2n, "64K": 1n } as const;
/** A 48-bit input space for each granule: start level and its SL0. */
const START = { "4K": { level: 0, sl0: 2n }, "16K": { level: 1, sl0: 2n }, "64K": { level: 1, sl0: 2n } } as const;

export interface Scene {
  readonly granule?: Granule;
  /** Level of the entry. */
  readonly level?: number;
  readonly entry: bigint;
  readonly ipa?: bigint;
  /** Bits of VTCR_EL2 beside sizes and granule: HA, HD, DS. */
  readonly vtcr?: bigint;
  /** VTCR_EL2.PS; default: 48 bits. */
  readonly ps?: bigint;
  readonly registers?: Partial<WalkRegisters>;
  readonly access?: Access;
}

/** Bytes that an entry covers, as a shift. */
export function entryShift(granule: Granule, level: number): bigint {
  return SHIFT[granule] + (SHIFT[granule] - 3n) * BigInt(3 - level);
}

/** Builds tables down to `level`, puts `entry` there, and walks to it. */
export function walkTo(machine: WalkMachine, scene: Scene): Translation {
  const { granule = "4K", level = 3, entry, ipa = 0x1234n, vtcr = 0n, ps = 5n, registers = {} } = scene;
  const start = START[granule];
  machine.clear();
  machine.setRegisters({
    vtcr: 16n | (start.sl0 << 6n) | (TG0[granule] << 14n) | (ps << 16n) | vtcr,
    vttbr: TABLES,
    paBits: 48,
    features: { xnx: true, hafdbs: true, s2fwb: true },
    ...registers,
  });
  const room = 2n << SHIFT[granule];
  const mask = (1n << (SHIFT[granule] - 3n)) - 1n;
  const words: [bigint, bigint][] = [];
  for (let at = start.level; at <= level; at++) {
    const table = TABLES + BigInt(at - start.level) * room;
    const index = ipa >> entryShift(granule, at);
    words.push([table + (at === start.level ? index : index & mask) * 8n, at === level ? entry : (table + room) | 3n]);
  }
  machine.writeWords(words);
  return machine.walk(ipa, scene.access ?? { kind: "read" });
}
