// NOTIFY and LOOKUP_SGL: what VMs tell each other about a parcel, and how an owner finds one again
// (memparcel.c:memparcel_do_notify, memparcel_do_lookup_sgl; reference gunyah section 6.9).

import {
  EFFECT_NOTIFICATION,
  MEM_ACCEPTED,
  MEM_RECALL,
  MEM_RELEASED,
  MEM_SHARED,
  NOTIFY_ACCEPTED,
  NOTIFY_FIXED,
  NOTIFY_RECALL,
  NOTIFY_RELEASED,
  NOTIFY_SHARED,
  PARCEL_SHARING,
  REASON_HANDLE,
  REASON_LOOKUP,
  REASON_NOT_ACCEPTED,
  REASON_NOT_IN_ACL,
  REASON_NOT_OWNER,
  REASON_NOTIFY_FLAG,
  REASON_STILL_ACCEPTED,
  REASON_TAG,
  REASON_VM_UNKNOWN,
  REASON_VMID_LIST,
  RM_ARGUMENT_INVALID,
  RM_DENIED,
  RM_HANDLE_INVALID,
  RM_LOOKUP_FAILED,
  RM_MEM_INUSE,
  RM_MEM_RELEASED,
  RM_VMID_INVALID,
  SGL_ENTRY,
  ATTRIBUTE_ENTRY,
  VMID_ENTRY,
} from "../../abi/gunyah-rm";
import { VMID_RM } from "../../abi/gunyah";
import { GUNYAH_NOTIFY_LIST_TRUSTED } from "../../abi/mutations";
import { record, recording } from "../../memory/journal";
import { isMutated } from "../../memory/mutation";
import { aclWord, aclWordAt, attributeWord, findParcel, memberOf, nextParcel, Parcel, regionAt } from "./parcel";
import { answer } from "./answer";
import { acl, aclCount, attributeCount, attributes, readCreate, sgl, sglCount } from "./parcel-create";
import { closeMessage, list, listCount, message, openMessage, readList, trustList } from "./rm-message";
import { acceptForDevices } from "./rm-start";
import { deny } from "./refusal";
import { findRmVm } from "./rm-vm";

/** MEM_NOTIFY. */
export function memNotify(caller: u32): i32 {
  let ret = openMessage(NOTIFY_FIXED, 1);
  if (ret != 0) return ret;
  ret = isMutated(GUNYAH_NOTIFY_LIST_TRUSTED) ? trustList() : readList(VMID_ENTRY, 0) || closeMessage();
  if (ret != 0) return ret;
  const handle = load<u32>(message);
  const tag = load<u32>(message, 8);
  const parcel = findParcel(handle);
  if (parcel == null) return deny(RM_HANDLE_INVALID, REASON_HANDLE, handle, 0, 0);
  if (parcel.hasTag && parcel.tag != tag) return deny(RM_ARGUMENT_INVALID, REASON_TAG, handle, parcel.tag, tag);
  ret = notifyAs(parcel, caller, load<u8>(message, 4), tag);
  if (ret != 0) return ret;
  parcel.hasTag = true;
  parcel.tag = tag;
  return 0;
}

function notifyAs(parcel: Parcel, caller: u32, flags: i32, tag: u32): i32 {
  switch (flags) {
    case NOTIFY_SHARED:
      return notifyMembers(parcel, caller, MEM_SHARED, tag);
    case NOTIFY_RECALL:
      return notifyMembers(parcel, caller, MEM_RECALL, tag);
    case NOTIFY_ACCEPTED:
    case NOTIFY_RELEASED:
      return notifyOwner(parcel, caller, flags == NOTIFY_ACCEPTED, tag);
    default:
      return deny(RM_ARGUMENT_INVALID, REASON_NOTIFY_FLAG, parcel.handle, 0, flags);
  }
}

// The owner tells the VMs of the list, all of which must be in the ACL.
function notifyMembers(parcel: Parcel, caller: u32, what: i32, tag: u32): i32 {
  if (parcel.owner != caller) return deny(RM_DENIED, REASON_NOT_OWNER, parcel.handle, parcel.owner, caller);
  if (listCount == 0 || listCount > parcel.memberCount) {
    return deny(RM_ARGUMENT_INVALID, REASON_VMID_LIST, parcel.handle, parcel.memberCount, listCount);
  }
  for (let i: u32 = 0; i < listCount; i++) {
    const vmid = vmidAt(i);
    if (vmid != VMID_RM && findRmVm(vmid) == null) {
      return deny(RM_VMID_INVALID, REASON_VM_UNKNOWN, vmid, 0, 0);
    }
    if (memberOf(parcel, vmid) == null) return deny(RM_ARGUMENT_INVALID, REASON_NOT_IN_ACL, vmid, 0, 0);
  }
  for (let i: u32 = 0; i < listCount; i++) {
    if (recording) recordNotification(vmidAt(i), what, parcel.handle, caller, tag);
    if (what == MEM_SHARED) acceptForDevices(parcel, vmidAt(i));
  }
  return 0;
}

function vmidAt(index: u32): u32 {
  return load<u16>(list + (index as usize) * VMID_ENTRY);
}

// A member's claim must be true before the owner hears of it.
function notifyOwner(parcel: Parcel, caller: u32, accepted: bool, tag: u32): i32 {
  const member = memberOf(parcel, caller);
  if (member == null) return deny(RM_HANDLE_INVALID, REASON_NOT_IN_ACL, caller, 0, 0);
  if (accepted && !member.shared) return deny(RM_MEM_RELEASED, REASON_NOT_ACCEPTED, caller, 0, 0);
  if (!accepted && member.shared) return deny(RM_MEM_INUSE, REASON_STILL_ACCEPTED, caller, 0, 0);
  const what = accepted ? MEM_ACCEPTED : MEM_RELEASED;
  if (recording) recordNotification(parcel.owner, what, parcel.handle, caller, tag);
  return 0;
}

/** `to` hears of a parcel; `about` is the VM whose doing it is. */
export function recordNotification(to: u32, what: i32, handle: u32, about: u32, tag: u32): void {
  record(EFFECT_NOTIFICATION, 0, to, what, handle, about, tag);
}

/** MEM_QCOM_LOOKUP_SGL: a parcel of the caller that nobody has accepted, with these very lists. Answers its handle. */
export function memLookupSgl(caller: u32): i32 {
  const ret = readCreate();
  if (ret != 0) return ret;
  let parcel = nextParcel(0);
  while (parcel != null) {
    if (parcel.owner == caller && parcel.state == PARCEL_SHARING && isAsListed(parcel))
      return answer(parcel.handle, 0, 0);
    parcel = nextParcel(parcel.handle + 1);
  }
  return deny(RM_LOOKUP_FAILED, REASON_LOOKUP, caller, 0, 0);
}

function isAsListed(parcel: Parcel): bool {
  if (parcel.memberCount != aclCount || parcel.regionCount != sglCount || parcel.attributeCount != attributeCount) {
    return false;
  }
  for (let i: u32 = 0; i < aclCount; i++) {
    if (aclWord(parcel, i) != aclWordAt(acl, i)) return false;
  }
  for (let i: u32 = 0; i < sglCount; i++) {
    const entry = sgl + (i as usize) * SGL_ENTRY;
    if (regionAt(parcel, i).ipa != load<u64>(entry) || regionAt(parcel, i).size != load<u64>(entry, 8)) return false;
  }
  for (let i: u32 = 0; i < attributeCount; i++) {
    if (attributeWord(parcel, i) != load<u32>(attributes + (i as usize) * ATTRIBUTE_ENTRY)) return false;
  }
  return true;
}
