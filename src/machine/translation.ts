// What a stage-2 translation answers, with everything that can be said of it (packed form: assembly/abi/walk.ts).

import * as abi from "../../assembly/abi/walk.js";

/**
 * What an access does: data read, data write, instruction fetch, read of a stage-1 table, hardware update of a stage-1
 * descriptor, or a data read and write in one (atomics).
 */
export type AccessKind = "read" | "write" | "fetch" | "table_read" | "table_update" | "atomic";

const ACCESS_KINDS: Readonly<Record<AccessKind, number>> = {
  read: abi.ACCESS_READ,
  write: abi.ACCESS_WRITE,
  fetch: abi.ACCESS_FETCH,
  table_read: abi.ACCESS_TABLE_READ,
  table_update: abi.ACCESS_TABLE_UPDATE,
  atomic: abi.ACCESS_ATOMIC,
};

/** An access as far as the walk is concerned. */
export interface Access {
  readonly kind: AccessKind;
  /** Exception level of the access: decides about execute permission. Default: 1. */
  readonly el?: 0 | 1;
  /** The address is not aligned to the access's size: a fault if the memory is Device. Default: false. */
  readonly unaligned?: boolean;
}

/** ACCESS_* of assembly/abi/walk.ts. */
export function packAccess({ kind, el = 1, unaligned = false }: Access): number {
  return ACCESS_KINDS[kind] | (el === 0 ? abi.ACCESS_EL0 : 0) | (unaligned ? abi.ACCESS_UNALIGNED : 0);
}

/** `external_abort` is one on a table read; `granule_protection` one on the access itself. */
export type FaultKind =
  "translation" | "address_size" | "access_flag" | "permission" | "external_abort" | "alignment" | "granule_protection";

const FAULTS: ReadonlyMap<number, FaultKind> = new Map([
  [abi.FAULT_TRANSLATION, "translation"],
  [abi.FAULT_ADDRESS_SIZE, "address_size"],
  [abi.FAULT_ACCESS_FLAG, "access_flag"],
  [abi.FAULT_PERMISSION, "permission"],
  [abi.FAULT_ABORT_ON_WALK, "external_abort"],
  [abi.FAULT_ALIGNMENT, "alignment"],
  [abi.FAULT_GRANULE_PROTECTION, "granule_protection"],
]);

/** A fault and its syndrome. */
export interface Fault {
  readonly kind: FaultKind;
  /** Fault status code, ESR_EL2[5:0]. */
  readonly fsc: number;
  /** ESR_EL2 with ISV=0: no instruction syndrome is modelled. */
  readonly esr: bigint;
  /** HPFAR_EL2, null where the architecture leaves it unknown. */
  readonly hpfar: bigint | null;
}

/** The leaf that an access was translated by. */
export interface LeafUsed {
  /** The descriptor after a possible hardware update, as a native number. */
  readonly descriptor: bigint;
  /** S2AP[1:0] as used: bit 0 read, bit 1 write (also if hardware manages the dirty state). */
  readonly s2ap: number;
  /** XN[1:0], bits 54:53. */
  readonly xn: number;
  /** The Contiguous bit as used: false where it is ignored. */
  readonly contiguous: boolean;
  /** Stage-2 attributes; with FWB=1 already merged with stage 1's. Packed as assembly/abi/walk.ts draws them. */
  readonly stage2Attributes: number;
  /** Attributes of the access: after substitutions and the combination with stage 1. */
  readonly attributes: number;
}

/** A table read on the way: the entry's address and the descriptor as a native number (0 if the read aborted). */
export interface WalkStep {
  readonly level: number;
  readonly address: bigint;
  readonly descriptor: bigint;
}

/** A word of memory that a hardware update changed, as it stands in memory. */
export interface WordChange {
  readonly address: bigint;
  readonly before: bigint;
  readonly after: bigint;
}

/** The answer to one access. */
export interface Translation {
  /** Level of the leaf or of the fault. */
  readonly level: number;
  /** Physical address in bytes; null on a fault. */
  readonly pa: bigint | null;
  readonly fault: Fault | null;
  /** Null on a fault. */
  readonly leaf: LeafUsed | null;
  /** 8-byte descriptor reads: aborted ones, and the compare-and-swap of an update, included. */
  readonly reads: number;
  readonly update: WordChange | null;
  /** The way through the tables, first level first. */
  readonly steps: readonly WalkStep[];
}

/** Reads one packed translation. `startLevel` is that of the regime: the level of the first step. */
export function decodeTranslation(view: DataView, at: number, startLevel: number): Translation {
  const u8 = (field: number) => view.getUint8(at + field);
  const u64 = (field: number) => view.getBigUint64(at + field, true);
  const hpfar = u8(abi.TRANSLATION_HPFAR_VALID) !== 0 ? u64(abi.TRANSLATION_HPFAR) : null;
  const fault = decodeFault(view.getUint32(at + abi.TRANSLATION_FAULT, true), u64(abi.TRANSLATION_ESR), hpfar);
  const update =
    u8(abi.TRANSLATION_UPDATES) === 0
      ? null
      : {
          address: u64(abi.TRANSLATION_UPDATE_ADDRESS),
          before: u64(abi.TRANSLATION_UPDATE_BEFORE),
          after: u64(abi.TRANSLATION_UPDATE_AFTER),
        };
  return {
    level: view.getInt32(at + abi.TRANSLATION_LEVEL, true),
    pa: fault === null ? u64(abi.TRANSLATION_PA) : null,
    fault,
    leaf: fault === null ? decodeLeaf(view, at) : null,
    reads: u8(abi.TRANSLATION_READS),
    update,
    steps: decodeSteps(view, at, startLevel),
  };
}

/** The fault with code FAULT_*; null for none. */
export function decodeFault(code: number, esr: bigint, hpfar: bigint | null): Fault | null {
  if (code === abi.FAULT_NONE) return null;
  const kind = FAULTS.get(code);
  if (kind === undefined) throw new Error(`core reported an unknown fault ${code}`);
  return { kind, fsc: Number(esr & 0x3fn), esr, hpfar };
}

function decodeLeaf(view: DataView, at: number): LeafUsed {
  return {
    descriptor: view.getBigUint64(at + abi.TRANSLATION_DESCRIPTOR, true),
    s2ap: view.getUint8(at + abi.TRANSLATION_S2AP),
    xn: view.getUint8(at + abi.TRANSLATION_XN),
    contiguous: view.getUint8(at + abi.TRANSLATION_CONTIGUOUS) !== 0,
    stage2Attributes: view.getUint32(at + abi.TRANSLATION_STAGE2_ATTRIBUTES, true),
    attributes: view.getUint32(at + abi.TRANSLATION_ATTRIBUTES, true),
  };
}

function decodeSteps(view: DataView, at: number, startLevel: number): WalkStep[] {
  const steps = view.getUint8(at + abi.TRANSLATION_STEPS);
  return Array.from({ length: steps }, (_, index) => {
    const entry = at + abi.TRANSLATION_TRACE + index * abi.TRANSLATION_TRACE_ENTRY;
    return {
      level: startLevel + index,
      address: view.getBigUint64(entry, true),
      descriptor: view.getBigUint64(entry + 8, true),
    };
  });
}
