// A stage-2 translation regime: the control registers and the implemented features, decoded once into what a walk asks for
// (DDI 0487 D8.2, D24.2.187 VTCR_EL2, VTTBR_EL2, HCR_EL2; reference stage2-walk sections 1 to 3).
//
//  VTCR_EL2
//   33  32 ... 22 21 20 19 18   16 15  14 13  12 11   10 9     8 7   6 5      0
//  +---+--+---+--+--+--+--+-------+------+------+-------+-------+-----+--------+
//  |SL2|DS|   |HD|HA|  |VS|  PS   | TG0  | SH0  | ORGN0 | IRGN0 | SL0 |  T0SZ  |
//  +---+--+---+--+--+--+--+-------+------+------+-------+-------+-----+--------+

import {
  ARCH_BBM_SHIFT,
  ARCH_FWB,
  ARCH_HAFDBS,
  ARCH_LPA,
  ARCH_LPA2,
  ARCH_TTST,
  ARCH_XNX,
  CHOICE_CONTIGUOUS_FAULT,
  CHOICE_NT_FAULT,
  REGIME_INCONSISTENT,
  REGIME_INPUT_SIZE,
  REGIME_LEGAL,
  REGIME_OFF,
  REGIME_START_LEVEL,
} from "../abi/walk";

export const VTCR_T0SZ: u64 = 0x3f;
export const VTCR_SL0_SHIFT: u64 = 6;
export const VTCR_IRGN0_WBWA: u64 = 1 << 8;
export const VTCR_ORGN0_WBWA: u64 = 1 << 10;
export const VTCR_SH0_SHIFT: u64 = 12;
export const VTCR_SH0_INNER: u64 = 3 << 12;
export const VTCR_TG0_SHIFT: u64 = 14;
export const VTCR_PS_SHIFT: u64 = 16;
export const VTCR_HA: u64 = 1 << 21;
export const VTCR_HD: u64 = 1 << 22;
export const VTCR_RES1: u64 = 0x8000_0000;
export const VTCR_DS: u64 = 0x1_0000_0000;
export const VTCR_SL2_SHIFT: u64 = 33;

export const VTTBR_VMID_SHIFT: u64 = 48;

export const HCR_VM: u64 = 1;
export const HCR_PTW: u64 = 1 << 2;
export const HCR_DC: u64 = 1 << 12;
export const HCR_TGE: u64 = 1 << 27;
export const HCR_RW: u64 = 0x8000_0000;
export const HCR_CD: u64 = 0x1_0000_0000;
export const HCR_ID: u64 = 0x2_0000_0000;
export const HCR_FWB: u64 = 0x4000_0000_0000;

export const SCTLR_EE: u64 = 1 << 25;

/** The registers as written, laid out as abi/walk.ts says. */
@unmanaged
export class Registers {
  vtcr: u64;
  vttbr: u64;
  hcr: u64;
  sctlr: u64;
  paBits: u32;
  features: u32;
  choices: u32;
  stage1Attributes: u32;
  abortFirst: u64;
  abortEnd: u64;
}

/** The same, decoded. Fields behind `status` have a meaning only if the regime is legal. */
@unmanaged
export class Regime {
  /** REGIME_*. */
  status: u32;
  /** log2 of the granule: 12, 14, 16. */
  granuleShift: u32;
  /** Index bits of one level. */
  stride: u32;
  /** Bits of input and output addresses. */
  inputBits: u32;
  outputBits: u32;
  startLevel: i32;
  /** Lowest level at which a block may stand; the highest is 2. */
  firstBlockLevel: i32;
  /** FORMAT_*: where a descriptor keeps OA[51:48]. */
  format: u32;
  /** The first table. */
  base: u64;
  /** No address of a table, page or block is at or above it. */
  outputEnd: u64;
  bigEndian: bool;
  hardwareAccess: bool;
  hardwareDirty: bool;
  hasXnx: bool;
  contiguousFault: bool;
  ntFault: bool;
  fwb: bool;
  /** Stage-1 table accesses to Device memory fault. */
  protectedTableWalk: bool;
  dataCacheDisabled: bool;
  instructionCacheDisabled: bool;
  /** Shareability of every leaf (DS=1), else the leaf's own counts. */
  leafShareability: u32;
  stage1Attributes: u32;
}

export const REGIME_BYTES: usize = 80;

/** OA[51:48] is 0. */
export const FORMAT_48: u32 = 0;
/** 64 KiB pages with FEAT_LPA: OA[51:48] in bits 15:12. */
export const FORMAT_LPA: u32 = 1;
/** DS=1: OA[51:50] in bits 9:8, OA[49:48] in place. */
export const FORMAT_LPA2: u32 = 2;

/** Decodes the registers. Settings that no machine has become a `status`, never an error. */
export function decodeRegime(regime: Regime, registers: Registers): void {
  decodeControls(regime, registers);
  decodeGranule(regime, registers);
  decodeSizes(regime, registers);
  regime.status = checkRegime(regime, registers);
  if (regime.status == REGIME_LEGAL) regime.base = tableBase(regime, registers);
}

// Section 1. Fields of absent features behave as 0.
function decodeControls(regime: Regime, registers: Registers): void {
  const vtcr = registers.vtcr;
  const hcr = registers.hcr;
  const features = registers.features;
  const bbm = features >> ARCH_BBM_SHIFT;
  const hafdbs = (features & ARCH_HAFDBS) != 0;
  regime.bigEndian = (registers.sctlr & SCTLR_EE) != 0;
  regime.hardwareAccess = hafdbs && (vtcr & VTCR_HA) != 0;
  regime.hardwareDirty = regime.hardwareAccess && (vtcr & VTCR_HD) != 0;
  regime.hasXnx = (features & ARCH_XNX) != 0;
  regime.contiguousFault = (registers.choices & CHOICE_CONTIGUOUS_FAULT) != 0;
  regime.ntFault = (registers.choices & CHOICE_NT_FAULT) != 0 && (bbm == 1 || bbm == 2);
  regime.fwb = (features & ARCH_FWB) != 0 && (hcr & HCR_FWB) != 0;
  regime.protectedTableWalk = (hcr & HCR_PTW) != 0 && (hcr & HCR_TGE) == 0;
  regime.dataCacheDisabled = (hcr & HCR_CD) != 0;
  regime.instructionCacheDisabled = (hcr & HCR_ID) != 0;
  regime.stage1Attributes = registers.stage1Attributes;
}

function decodeGranule(regime: Regime, registers: Registers): void {
  // TG0: 00 4K, 01 64K, 10 16K; 11 is reserved and taken as 64K (section 12).
  const tg0 = ((registers.vtcr >> VTCR_TG0_SHIFT) & 3) as u32;
  const shift: u32 = tg0 == 0 ? 12 : tg0 == 2 ? 14 : 16;
  const hasDs = (registers.features & ARCH_LPA2) != 0 && (registers.vtcr & VTCR_DS) != 0 && shift != 16;
  regime.granuleShift = shift;
  regime.stride = shift - 3;
  regime.format = hasDs ? FORMAT_LPA2 : shift == 16 && (registers.features & ARCH_LPA) != 0 ? FORMAT_LPA : FORMAT_48;
  regime.leafShareability = ((registers.vtcr >> VTCR_SH0_SHIFT) & 3) as u32;
  // AArch64_BlockDescSupported (section 5).
  const largest = shift == 16 ? registers.paBits >= 52 : hasDs;
  regime.firstBlockLevel = (shift == 12 ? 1 : 2) - (largest ? 1 : 0);
}

function decodeSizes(regime: Regime, registers: Registers): void {
  regime.inputBits = 64 - ((registers.vtcr & VTCR_T0SZ) as u32);
  regime.startLevel = decodeStartLevel(regime, registers.vtcr);
  // AArch64_PhysicalAddressSize: 52 bits need LPA with 64 KiB pages, LPA2 with the others.
  const large = regime.granuleShift == 16 ? ARCH_LPA : ARCH_LPA2;
  const hasLarge = (registers.features & ARCH_LPA) != 0 && (registers.features & large) != 0;
  const cap = min<u32>(registers.paBits, hasLarge ? 52 : 48);
  regime.outputBits = min(physicalSize(registers.vtcr), cap);
  regime.outputEnd = (1 as u64) << regime.outputBits;
}

// VTCR_EL2.PS. 111 (56 bits) exists only with 128-bit descriptors; the cap holds it.
function physicalSize(vtcr: u64): u32 {
  const ps = ((vtcr >> VTCR_PS_SHIFT) & 7) as u32;
  return ps < 3 ? 32 + 4 * ps : ps == 3 ? 42 : 44 + 4 * (ps - 4);
}

/** No start level: below every level that exists. */
const RESERVED: i32 = -2;

// Section 3: SL2:SL0.
function decodeStartLevel(regime: Regime, vtcr: u64): i32 {
  const sl0 = ((vtcr >> VTCR_SL0_SHIFT) & 3) as i32;
  if (regime.granuleShift != 12) return 3 - sl0;
  const sl2 = regime.format == FORMAT_LPA2 && ((vtcr >> VTCR_SL2_SHIFT) & 1) != 0;
  if (sl2) return sl0 == 0 ? -1 : RESERVED;
  return sl0 == 3 ? 3 : 2 - sl0;
}

// Sections 2 and 3; the order of 6.1 to 6.3.
function checkRegime(regime: Regime, registers: Registers): u32 {
  if ((registers.hcr & (HCR_VM | HCR_DC)) == 0) return REGIME_OFF;
  if (!isInputSize(regime, registers)) return REGIME_INPUT_SIZE;
  if (!isStartLevel(regime, registers)) return REGIME_START_LEVEL;
  return isConsistent(regime) ? REGIME_LEGAL : REGIME_INCONSISTENT;
}

// AArch64_S2MinTxSZ and the maximum. Both ends are faults here (section 12).
function isInputSize(regime: Regime, registers: Registers): bool {
  const t0sz: u32 = 64 - regime.inputBits;
  const narrow = (registers.features & ARCH_LPA) != 0 && regime.format == FORMAT_48;
  const smallest: u32 = 64 - min<u32>(narrow ? 48 : 52, registers.paBits);
  const hasTtst = (registers.features & ARCH_TTST) != 0;
  const largest: u32 = !hasTtst ? 39 : regime.granuleShift == 16 ? 47 : 48;
  return t0sz >= smallest && t0sz <= largest;
}

// AArch64_S2InvalidSL.
function isStartLevel(regime: Regime, registers: Registers): bool {
  const level = regime.startLevel;
  const paBits = registers.paBits;
  if (regime.granuleShift == 12) {
    if (level == 0) return paBits >= 44;
    if (level == 3) return (registers.features & ARCH_TTST) != 0;
    return level != RESERVED;
  }
  if (regime.granuleShift == 14) {
    if (level == 1) return paBits >= 42;
    return level != 0 || regime.format == FORMAT_LPA2;
  }
  return level == 1 ? paBits >= 44 : level != 0;
}

// AArch64_S2InconsistentSL: from 2 entries to 16 whole tables.
function isConsistent(regime: Regime): bool {
  const smallest = indexShift(regime, regime.startLevel) + 1;
  const largest = smallest + regime.stride - 1 + 4;
  return regime.inputBits >= smallest && regime.inputBits <= largest;
}

// AArch64_S2TTBaseAddress: aligned down to the first table's size, and to 64 bytes in the 52-bit form.
function tableBase(regime: Regime, registers: Registers): u64 {
  const sizeShift = regime.inputBits - indexShift(regime, regime.startLevel) + 3;
  const ps = (registers.vtcr >> VTCR_PS_SHIFT) & 7;
  const isWide = regime.format == FORMAT_LPA2 || (regime.format == FORMAT_LPA && ps == 6);
  let base = registers.vttbr & (isWide ? 0xffff_ffff_ffc0 : 0xffff_ffff_fffe);
  if (isWide) base |= ((registers.vttbr >> 2) & 15) << 48;
  return (base >> sizeShift) << sizeShift;
}

/** An entry of `level` covers 1 << indexShift bytes. */
export function indexShift(regime: Regime, level: i32): u32 {
  return regime.granuleShift + regime.stride * ((3 - level) as u32);
}

/** log2 of the entries of a contiguous range at `level`; 0 where the bit is ignored (section 5). */
export function contiguousShift(regime: Regime, level: i32): u32 {
  if (level < (regime.granuleShift == 12 ? 1 : 2)) return 0;
  if (regime.granuleShift == 12) return 4;
  return regime.granuleShift == 14 && level == 3 ? 7 : 5;
}
