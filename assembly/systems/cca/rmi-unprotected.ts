// RTT_MAP_UNPROTECTED, RTT_UNMAP_UNPROTECTED: the host maps its own memory in the upper half (reference cca section 6.4; rmi/rtt.c).
// That the memory is Non-secure is not asked: the granule protection check sees to it at every access. No count is kept of it.

import {
  GRANULE_RD,
  REASON_RMM_ASSIGNED,
  REASON_RMM_DESC,
  REASON_RMM_UNASSIGNED,
  RMI_ERROR_INPUT,
  RMI_ERROR_RTT,
} from "../../abi/cca";
import { TLBI_UNMAP_LEAF } from "../../abi/tlb";
import { granuleSize } from "../../arch/geometry";
import { isLevel, isReachedLevel, isUnprotectedAddress } from "./addresses";
import { findLocked, unlock } from "./granule";
import { answerWith, done, fail, failAt, refused } from "./refusal";
import { nextLive } from "./rmi-rtt";
import * as rtt from "./rtt";
import { assignedNs, isAssignedNs, isNsAttribute, isUnassignedNs, NS_ATTRIBUTES, unassignedNs } from "./rtt-entry";

const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

//            before           after
//   entry    unassigned_ns    assigned_ns
export function rttMapUnprotected(rdPa: u64, ipa: u64, level: u64, desc: u64): i32 {
  if (!isLevel(level, 1)) return refused();
  const rd = findLocked(rdPa, GRANULE_RD);
  if (rd == 0) return refused();
  const at = level as i32;
  if (!isDescriptor(desc, at) || !isUnprotectedAddress(ipa, at)) {
    unlock(rd);
    return refused();
  }
  if (!rtt.walkLocked(rd, ipa, at)) return refused();
  const isFree = isReachedLevel(ipa, rtt.level, at) && isUnassigned(ipa);
  if (isFree) rtt.writeEntry(rd, rtt.table, at, ipa, assignedNs(desc, at));
  unlock(rtt.table);
  return isFree ? done() : refused();
}

// Nothing but what the host chooses: an address that is aligned, attributes that mean something.
function isDescriptor(desc: u64, level: i32): bool {
  const isAligned = (desc & ADDRESS & (granuleSize(level) - 1)) == 0;
  if ((desc & ~(ADDRESS | NS_ATTRIBUTES)) == 0 && isNsAttribute(desc) && isAligned) return true;
  return fail(RMI_ERROR_INPUT, REASON_RMM_DESC, desc, 0, 0);
}

function isUnassigned(ipa: u64): bool {
  return isUnassignedNs(rtt.entry) || failAt(RMI_ERROR_RTT, rtt.level, REASON_RMM_ASSIGNED, ipa, 0);
}

//            before         after
//   entry    assigned_ns    unassigned_ns
export function rttUnmapUnprotected(rdPa: u64, ipa: u64, level: u64): i32 {
  if (!isLevel(level, 1)) return refused();
  const rd = findLocked(rdPa, GRANULE_RD);
  if (rd == 0) return refused();
  const at = level as i32;
  if (!isUnprotectedAddress(ipa, at)) {
    unlock(rd);
    return refused();
  }
  if (!rtt.walkLocked(rd, ipa, at)) return refused();
  const isMapped = isReachedLevel(ipa, rtt.level, at) && isMappedNs(ipa);
  if (isMapped) {
    rtt.writeEntry(rd, rtt.table, at, ipa, unassignedNs());
    rtt.flushLeaf(rd, ipa, at, TLBI_UNMAP_LEAF);
  }
  answerWith(nextLive(ipa), 0);
  unlock(rtt.table);
  return isMapped ? done() : refused();
}

function isMappedNs(ipa: u64): bool {
  return isAssignedNs(rtt.entry) || failAt(RMI_ERROR_RTT, rtt.level, REASON_RMM_UNASSIGNED, ipa, 0);
}
