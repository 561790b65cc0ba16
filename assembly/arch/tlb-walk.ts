// An access with the TLB on: translated by an entry that is there, which may be stale, else by a walk, which fills one
// (reference stage2-walk section 11).

import { FAULT_ALIGNMENT, FAULT_NONE, FAULT_PERMISSION } from "../abi/walk";
import { TLB_ON_ACCESS } from "../abi/tlb";
import { contiguousShift, indexShift, Regime } from "./registers";
import { fill, lookUp, STALE, tlbMode } from "./tlb";
import { reportUse } from "./tlb-checks";
import { fault, isContiguous, leaf, level, translate, translateByLeaf } from "./translate";

/** As `translate`, through the TLB, for the stage 2 with this VMID. */
export function translateThroughTlb(regime: Regime, vmid: u32, ipa: u64, access: u32): bool {
  const entry = lookUp(vmid, ipa);
  if (entry != null) {
    if (entry.flags & STALE) reportUse(entry, ipa);
    return translateByLeaf(regime, entry.descriptor, entry.level, ipa, access);
  }
  const translated = translate(regime, ipa, access);
  if (tlbMode == TLB_ON_ACCESS && isCacheable()) fill(vmid, ipa, coverage(regime), leaf, level);
  return translated;
}

/** Not what ended in a Translation, Address size or Access flag fault; what is not permitted may be cached. */
function isCacheable(): bool {
  return fault == FAULT_NONE || fault == FAULT_PERMISSION || fault == FAULT_ALIGNMENT;
}

/** What the last leaf covers, as a shift. */
function coverage(regime: Regime): u32 {
  return indexShift(regime, level) + (isContiguous(regime) ? contiguousShift(regime, level) : 0);
}
