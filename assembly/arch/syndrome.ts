// Exception syndromes of stage-2 aborts (DDI 0487 D24.2.40 ESR_EL2, HPFAR_EL2; reference pkvm-el2 section 4.1).
// Faults of a walk: reference stage2-walk section 9.
//
//   31    26 25 24                    10  9  8  7  6  5      0
//  +--------+--+----------------------+---+-----+--+-+--------+
//  |   EC   |IL|         ISS          |FnV|     |S1|W|  FSC   |     S1 = S1PTW, W = WnR
//  +--------+--+----------------------+---+-----+--+-+--------+

import {
  ACCESS_ATOMIC,
  ACCESS_KIND,
  ACCESS_WRITE,
  FAULT_ABORT_ON_WALK,
  FAULT_ACCESS_FLAG,
  FAULT_ADDRESS_SIZE,
  FAULT_ALIGNMENT,
  FAULT_EXTERNAL_ABORT,
  FAULT_GRANULE_PROTECTION,
  FAULT_PERMISSION,
  FAULT_TRANSLATION,
} from "../abi/walk";
import { isFetch, isTableAccess } from "./access";

export const EC_IABT_LOW: u32 = 0x20;
export const EC_IABT_CUR: u32 = 0x21;
export const EC_DABT_LOW: u32 = 0x24;
export const EC_DABT_CUR: u32 = 0x25;
export const EC_SHIFT: u64 = 26;
export const EC_MASK: u64 = 0xfc00_0000;

/** Always set here: instruction aborts, and data aborts without an instruction syndrome (ISV=0). */
export const IL: u64 = 1 << 25;
export const S1PTW: u64 = 1 << 7;
export const WNR: u64 = 1 << 6;
export const FNV: u64 = 1 << 10;
/** A data abort by cache maintenance or an address translation instruction. */
export const CM: u64 = 1 << 8;
/** Bits 23:14 describe the instruction; SAS is the log2 of its bytes. */
export const ISV: u64 = 1 << 24;
export const SAS_SHIFT: u64 = 22;
export const FSC: u64 = 0x3f;

/** HPFAR_EL2: bits 43:4 hold IPA bits 51:12; bit 63 marks a valid value where EL2 saved it. */
export const HPFAR_FIPA: u64 = 0x0000_0fff_ffff_fff0;
export const HPFAR_NS: u64 = 0x8000_0000_0000_0000;

/** SPSR mode field; 0 is EL0 (of either execution state). */
export const SPSR_MODE: u64 = 15;

export function exceptionClass(esr: u64): u32 {
  return ((esr & EC_MASK) >> EC_SHIFT) as u32;
}

/** An instruction or data abort from a lower exception level. */
export function isLowerAbort(ec: u32): bool {
  return ec == EC_IABT_LOW || ec == EC_DABT_LOW;
}

export function isTranslationFault(esr: u64): bool {
  const fsc = (esr & FSC) as u32;
  return (fsc >= 0x04 && fsc <= 0x07) || fsc == 0x2b;
}

export function isAccessFlagFault(esr: u64): bool {
  const fsc = (esr & FSC) as u32;
  return fsc >= 0x08 && fsc <= 0x0b;
}

export function isPermissionFault(esr: u64): bool {
  const fsc = (esr & FSC) as u32;
  return fsc >= 0x0c && fsc <= 0x0f;
}

export function isAddressSizeFault(esr: u64): bool {
  const fsc = (esr & FSC) as u32;
  return fsc <= 0x03 || fsc == 0x29;
}

export function isExternalAbort(esr: u64): bool {
  return (esr & FSC) == 0x10;
}

/** A synchronous external abort or an ECC error on a walk. */
export function isAbortOnWalk(esr: u64): bool {
  const fsc = (esr & FSC) as u32;
  return (fsc >= 0x13 && fsc <= 0x17) || (fsc >= 0x1b && fsc <= 0x1f);
}

// Syndromes made here: EncodeLDFSC, AArch64_FaultSyndrome and IPAValid of Arm's architecture model.

/** The fault status code of a FAULT_*; `level` counts only for faults of a walk. */
export function encodeFsc(fault: i32, level: i32): u32 {
  switch (fault) {
    case FAULT_ADDRESS_SIZE:
      return level < 0 ? 0x29 : level;
    case FAULT_TRANSLATION:
      return level < 0 ? 0x2b : 0x04 + level;
    case FAULT_ACCESS_FLAG:
      return 0x08 + level;
    case FAULT_PERMISSION:
      return 0x0c + level;
    case FAULT_ABORT_ON_WALK:
      return 0x14 + level; // 0x13 at level -1
    case FAULT_EXTERNAL_ABORT:
      return 0x10;
    case FAULT_ALIGNMENT:
      return 0x21;
    case FAULT_GRANULE_PROTECTION:
      return 0x28; // on the access itself
    default:
      return 0x30; // TLB conflict
  }
}

/**
 * ESR_EL2 of an abort from a lower exception level. An atomic access counts as a write only if a read would have got past
 * (`writeFaulted`); a hardware update of a stage-1 descriptor never does.
 */
export function encodeEsr(fault: i32, level: i32, access: u32, writeFaulted: bool): u64 {
  const ec = isFetch(access) ? EC_IABT_LOW : EC_DABT_LOW;
  let esr = ((ec as u64) << EC_SHIFT) | IL | (encodeFsc(fault, level) as u64);
  if (isTableAccess(access)) esr |= S1PTW;
  const kind = access & ACCESS_KIND;
  if (kind == ACCESS_WRITE || (kind == ACCESS_ATOMIC && writeFaulted)) esr |= WNR;
  return esr;
}

/** Whether HPFAR_EL2 holds the IPA: not for a Permission fault, unless stage 1 walked its tables, nor for an abort. */
export function isHpfarValid(fault: i32, access: u32): bool {
  if (fault == FAULT_PERMISSION) return isTableAccess(access);
  return fault == FAULT_TRANSLATION || fault == FAULT_ADDRESS_SIZE || fault == FAULT_ACCESS_FLAG;
}

/** HPFAR_EL2 in Non-secure state: IPA[55:12] in bits 47:4. */
export function encodeHpfar(ipa: u64): u64 {
  return ((ipa >> 12) & 0xfff_ffff_ffff) << 4;
}
