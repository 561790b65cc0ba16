// Exception syndromes of stage-2 aborts (DDI 0487 D24.2.40 ESR_EL2, HPFAR_EL2; reference pkvm-el2 section 4.1).
//
//   31    26 25 24                    10  9  8  7  6  5      0
//  +--------+--+----------------------+---+-----+--+-+--------+
//  |   EC   |IL|         ISS          |FnV|     |S1|W|  FSC   |     S1 = S1PTW, W = WnR
//  +--------+--+----------------------+---+-----+--+-+--------+

export const EC_IABT_LOW: u32 = 0x20;
export const EC_IABT_CUR: u32 = 0x21;
export const EC_DABT_LOW: u32 = 0x24;
export const EC_DABT_CUR: u32 = 0x25;
export const EC_SHIFT: u64 = 26;
export const EC_MASK: u64 = 0xfc00_0000;

export const S1PTW: u64 = 1 << 7;
export const FNV: u64 = 1 << 10;
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
