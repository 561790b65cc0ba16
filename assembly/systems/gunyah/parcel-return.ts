// RELEASE and RECLAIM: a parcel's memory comes back
// (memparcel.c:memparcel_do_release, memparcel_do_reclaim; reference gunyah sections 6.7, 6.8).
//
//             member's stage 2    owner's stage 2                      owner of the memory
//   RELEASE   leaves removed      same                                 same; the last one out makes the parcel SHARING
//   RECLAIM   -                   leaf back with the owner's rights    parcel -> owned; the parcel is gone
//
// Nobody can force a member: while one holds the parcel, its owner gets MEM_INUSE. Content is zeroed only where somebody
// has asked for it, and then before the owner sees it again.

import {
  MEM_TYPE_IO,
  PARCEL_SHARED,
  PARCEL_SHARING,
  REASON_GIVE_BACK,
  REASON_HANDLE,
  REASON_NOT_ACCEPTED,
  REASON_NOT_IN_ACL,
  REASON_NOT_OWNER,
  REASON_PARCEL_IN_USE,
  REASON_PARCEL_LOCKED,
  REASON_PARCEL_OWNER,
  REASON_RELEASE_UNMAP,
  REASON_SANITIZE_IO,
  REASON_SANITIZE_READ_ONLY,
  REASON_VM_UNKNOWN,
  RECLAIM_SANITIZE,
  RELEASE_FIXED,
  RELEASE_SANITIZE,
  RIGHT_W,
  RM_ARGUMENT_INVALID,
  RM_DENIED,
  RM_HANDLE_INVALID,
  RM_MAP_FAILED,
  RM_MEM_INUSE,
  RM_MEM_RELEASED,
  RM_NOMEM,
  RM_VMID_INVALID,
} from "../../abi/gunyah-rm";
import { recording } from "../../memory/journal";
import { donateSibling } from "./donate";
import { Extent } from "./extent";
import { zeroRange } from "./mapping";
import { donatePages } from "./page-lists";
import {
  deleteParcel,
  dropIfAbandoned,
  dropIpas,
  findParcel,
  Member,
  memberOf,
  Parcel,
  parcelWord,
  recordParcel,
  regionAt,
  regionsFrom,
} from "./parcel";
import { freeAllAddresses, unmapFailedAt, unmapForMember } from "./parcel-accept";
import { closeMessage, message, openMessage } from "./rm-message";
import { deny } from "./refusal";
import { findRmVm, RmVm } from "./rm-vm";
import { ownedExtent } from "./vm-memory";

/** MEM_RELEASE. */
export function memRelease(caller: u32): i32 {
  const ret = openMessage(RELEASE_FIXED, 0) || closeMessage();
  if (ret != 0) return ret;
  const handle = load<u32>(message);
  const flags = load<u8>(message, 4) as u32;
  const parcel = findParcel(handle);
  if (parcel == null) return deny(RM_HANDLE_INVALID, REASON_HANDLE, handle, 0, 0);
  if (parcel.locked) return deny(RM_DENIED, REASON_PARCEL_LOCKED, handle, 0, 1);
  const vm = findRmVm(caller);
  if (vm == null) return deny(RM_VMID_INVALID, REASON_VM_UNKNOWN, caller, 0, 0);
  const member = memberOf(parcel, caller);
  if (member == null) return deny(RM_HANDLE_INVALID, REASON_NOT_IN_ACL, caller, 0, 0);
  const refusal = checkRelease(parcel, member, flags);
  if (refusal != 0) return refusal;
  const failure = releaseMember(parcel, vm, member, (flags & RELEASE_SANITIZE) != 0);
  if (failure == 0) dropIfAbandoned(parcel);
  return failure;
}

function checkRelease(parcel: Parcel, member: Member, flags: u32): i32 {
  const vmid = member.vmid as u32;
  if (parcel.owner == vmid) return deny(RM_DENIED, REASON_PARCEL_OWNER, vmid, 0, 0);
  if (!member.shared) return deny(RM_MEM_RELEASED, REASON_NOT_ACCEPTED, vmid, 0, 0);
  if (!(flags & RELEASE_SANITIZE)) return 0;
  if (parcel.memType == MEM_TYPE_IO) {
    return deny(RM_ARGUMENT_INVALID, REASON_SANITIZE_IO, parcel.handle, 0, 0);
  }
  if (member.rights & RIGHT_W) return 0;
  return deny(RM_ARGUMENT_INVALID, REASON_SANITIZE_READ_ONLY, vmid, RIGHT_W, member.rights);
}

/** The member, who has accepted, gives the parcel back; MAP_FAILED if the hypervisor does not unmap it. */
export function releaseMember(parcel: Parcel, vm: RmVm, member: Member, sanitize: bool): i32 {
  const before = recording ? parcelWord(parcel) : 0;
  if (member.mapped) {
    const error = unmapForMember(parcel, vm, member);
    if (error != 0) return deny(RM_MAP_FAILED, REASON_RELEASE_UNMAP, unmapFailedAt, 0, error);
  }
  freeAllAddresses(parcel, vm, member);
  dropIpas(member);
  member.mapped = false;
  member.shared = false;
  member.turn = 0;
  if (sanitize) parcel.sanitizeReclaim = true;
  if (--parcel.shareCount == 0) parcel.state = PARCEL_SHARING;
  if (recording) recordParcel(parcel, before);
  return 0;
}

/** MEM_RECLAIM. */
export function memReclaim(caller: u32): i32 {
  const ret = openMessage(RELEASE_FIXED, 0) || closeMessage();
  if (ret != 0) return ret;
  const handle = load<u32>(message);
  const flags = load<u8>(message, 4) as u32;
  const parcel = findParcel(handle);
  if (parcel == null) return deny(RM_HANDLE_INVALID, REASON_HANDLE, handle, 0, 0);
  if (parcel.owner != caller) return deny(RM_DENIED, REASON_NOT_OWNER, handle, parcel.owner, caller);
  if (parcel.state == PARCEL_SHARED) {
    return deny(RM_MEM_INUSE, REASON_PARCEL_IN_USE, handle, 0, parcel.shareCount);
  }
  if (parcel.locked) return deny(RM_DENIED, REASON_PARCEL_LOCKED, handle, 0, 1);
  const sanitize = (flags & RECLAIM_SANITIZE) != 0;
  if (sanitize && parcel.memType == MEM_TYPE_IO) {
    return deny(RM_ARGUMENT_INVALID, REASON_SANITIZE_IO, handle, 0, 0);
  }
  const owner = findRmVm(caller);
  if (owner == null) return deny(RM_VMID_INVALID, REASON_VM_UNKNOWN, caller, 0, 0);
  return giveBack(parcel, owner, sanitize || parcel.sanitizeReclaim);
}

// Each region is zeroed before its owner's record takes effect again. If the hypervisor has no table page for a leaf, the
// parcel stays as it was.
function giveBack(parcel: Parcel, owner: RmVm, sanitize: bool): i32 {
  const to = ownedExtent(owner, parcel.memType) as Extent;
  for (let i: u32 = 0; i < parcel.regionCount; i++) {
    if (!sanitize) i += donatePages(parcel.extent, to, regionsFrom(parcel, i), parcel.regionCount - i);
    if (i == parcel.regionCount) break;
    const region = regionAt(parcel, i);
    if (sanitize) zeroRange(parcel.extent, region.pa, region.size);
    const error = donateSibling(parcel.extent, to, region.pa, region.size);
    if (error != 0) {
      const ret = deny(RM_NOMEM, REASON_GIVE_BACK, region.pa, 0, error);
      while (i > 0) {
        const given = regionAt(parcel, --i);
        donateSibling(to, parcel.extent, given.pa, given.size);
      }
      return ret;
    }
  }
  deleteParcel(parcel);
  return 0;
}
