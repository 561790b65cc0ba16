// Checks of what a call names: levels, intermediate addresses, ranges. Each answers false with the refusal noted.

import {
  REASON_RMM_IPA,
  REASON_RMM_LEVEL,
  REASON_RMM_NOT_PROTECTED,
  REASON_RMM_NOT_UNPROTECTED,
  REASON_RMM_RANGE,
  REASON_RMM_WALK,
  RMI_ERROR_INPUT,
  RMI_ERROR_RTT,
} from "../../abi/cca";
import { granuleSize, pageMask, pageSize, startLevel } from "../../arch/geometry";
import { isInRealm, isProtected } from "./realm";
import { fail, failAt } from "./refusal";

/** A level from `lowest` to 3. */
export function isLevel(level: u64, lowest: i32): bool {
  const isIn = (level as i64) >= (lowest as i64) && (level as i64) <= 3;
  return isIn || fail(RMI_ERROR_INPUT, REASON_RMM_LEVEL, level, lowest, level as u32);
}

/** An address of the realm's, aligned to what an entry of `level` covers. */
export function isAddress(ipa: u64, level: i32): bool {
  if (isInRealm(ipa) && (ipa & (granuleSize(level) - 1)) == 0) return true;
  return fail(RMI_ERROR_INPUT, REASON_RMM_IPA, ipa, 0, 0);
}

/** Where a table of entries of `level` may hang: on an entry one level above, which it covers as a whole. */
export function isTablePlace(ipa: u64, level: u64): bool {
  return isLevel(level, startLevel + 1) && isAddress(ipa, (level as i32) - 1);
}

/** A page of the protected half. */
export function isProtectedPage(ipa: u64): bool {
  if (!isAddress(ipa, 3)) return false;
  return isProtected(ipa) || fail(RMI_ERROR_INPUT, REASON_RMM_NOT_PROTECTED, ipa, 0, 0);
}

/** An address of the unprotected half, aligned to what an entry of `level` covers. */
export function isUnprotectedAddress(ipa: u64, level: i32): bool {
  if (!isAddress(ipa, level)) return false;
  return !isProtected(ipa) || fail(RMI_ERROR_INPUT, REASON_RMM_NOT_UNPROTECTED, ipa, 0, 0);
}

export function isRange(base: u64, top: u64): bool {
  return top > base || fail(RMI_ERROR_INPUT, REASON_RMM_RANGE, top, 0, 0);
}

/** Whole pages of the protected half. `isTopAligned`: whether the end is looked at too. */
export function isProtectedRange(base: u64, top: u64, isTopAligned: bool): bool {
  if (((base | (isTopAligned ? top : 0)) & pageMask) != 0) return fail(RMI_ERROR_INPUT, REASON_RMM_RANGE, top, 0, 0);
  return isProtectedPage(base) && isProtectedPage((top - pageSize) & ~pageMask);
}

/** Whether a walk has reached the level that it was to reach. */
export function isReachedLevel(ipa: u64, level: i32, wanted: i32): bool {
  return level == wanted || failAt(RMI_ERROR_RTT, level, REASON_RMM_WALK, ipa, wanted);
}
