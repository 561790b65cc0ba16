// DONATE, LEND, SHARE and APPEND: memory of a VM becomes a parcel
// (memparcel.c:memparcel_create, memparcel_construct, add_sgl_to_mp; reference gunyah sections 6.4, 6.5).
//
//            owner's stage 2                                        owner of the memory
//   LEND     leaf removed                                           owned -> parcel
//   DONATE   leaf removed                                           owned -> parcel
//   SHARE    leaf kept, with the rights of the owner's ACL entry    owned -> parcel, with a record for the owner
//
// A request that fails leaves nothing behind but the handle it used.

import {
  ACL_ENTRY,
  APPEND_DONE,
  APPEND_FIXED,
  ATTR_CACHED,
  ATTR_DEVICE,
  ATTRIBUTE_ENTRY,
  CREATE_APPEND,
  CREATE_FIXED,
  CREATE_SANITIZE,
  MEM_TYPE_IO,
  PARCEL_INIT,
  PARCEL_SHARING,
  PARCELS_PER_OWNER,
  REASON_ACL_DUPLICATE,
  REASON_ACL_EMPTY,
  REASON_ACL_IO_EXECUTE,
  REASON_ACL_RIGHTS,
  REASON_ACL_VMID,
  REASON_ATTRIBUTE,
  REASON_ATTRIBUTE_DONATE,
  REASON_ATTRIBUTE_DUPLICATE,
  REASON_ATTRIBUTE_IO,
  REASON_ATTRIBUTE_VMID,
  REASON_DONATE_ACL,
  REASON_DONATE_RIGHTS,
  REASON_HANDLE,
  REASON_NOT_OWNER,
  REASON_OWNER_IN_ACL,
  REASON_PARCEL_LIMIT,
  REASON_PARCEL_STATE,
  REASON_REGION_ADDRESS,
  REASON_REGION_DONATE,
  REASON_REGION_LIMIT,
  REASON_REGION_MEMORY,
  REASON_REGION_NOT_OWNED,
  REASON_REGION_RECORD,
  REASON_RM_MEMORY,
  REASON_SANITIZE_IO,
  REASON_SGL_EMPTY,
  REASON_VM_UNKNOWN,
  REGIONS_PER_PARCEL,
  RIGHT_X,
  RIGHTS_RW,
  RIGHTS_RWX,
  RIGHT_R,
  RIGHTS_RX,
  RM_ARGUMENT_INVALID,
  RM_DENIED,
  RM_HANDLE_INVALID,
  RM_MAP_FAILED,
  RM_MEM_INVALID,
  RM_NOMEM,
  RM_VMID_INVALID,
  SGL_ENTRY,
  TRANS_DONATE,
  TRANS_SHARE,
} from "../../abi/gunyah-rm";
import { GUNYAH_APPEND_RECORD_LEFT, GUNYAH_LIST_LENGTH_TRUSTED } from "../../abi/mutations";
import { recording } from "../../memory/journal";
import { isMutated } from "../../memory/mutation";
import { AddressSpace, lookup, lookupPa, lookupSize } from "./address-space";
import { answer } from "./answer";
import { donateSibling } from "./donate";
import { deleteExtent, Extent } from "./extent";
import { mapPartial, unmapPartial, zeroRange } from "./mapping";
import { donatePages, findPages } from "./page-lists";
import {
  aclWordAt,
  addPages,
  addRegion,
  defaultAttribute,
  deleteParcel,
  dropLastRegion,
  findParcel,
  isRegionListFull,
  isRoomCertain,
  Member,
  memberAt,
  memberOf,
  newParcel,
  Parcel,
  parcelWord,
  recordParcel,
  regionAt,
} from "./parcel";
import { closeMessage, list, listCount, message, openMessage, readList, trustList } from "./rm-message";
import { deny } from "./refusal";
import { findRmVm, isVmidValid, vmRecord } from "./rm-vm";
import { ADDRESS_LIMIT, mappingAttributes, ownedExtent, parcelExtent } from "./vm-memory";

// The request being worked on.
let memType: i32 = 0;
let flags: u32 = 0;
let label: u32 = 0;
// Its lists, also for whoever compares them with a parcel's.
export let acl: usize = 0;
export let aclCount: u32 = 0;
export let sgl: usize = 0;
export let sglCount: u32 = 0;
export let attributes: usize = 0;
export let attributeCount: u32 = 0;

/** Checks 1 and 2, of a create or a look-up: the message as it came. */
export function readCreate(): i32 {
  let ret = openMessage(CREATE_FIXED, 3);
  if (ret != 0) return ret;
  memType = load<u8>(message);
  flags = load<u8>(message, 2);
  label = load<u32>(message, 4);
  ret = readList(ACL_ENTRY, 2);
  if (ret != 0) return ret;
  acl = list;
  aclCount = listCount;
  ret = readList(SGL_ENTRY, 1);
  if (ret != 0) return ret;
  sgl = list;
  sglCount = listCount;
  ret = isMutated(GUNYAH_LIST_LENGTH_TRUSTED) ? trustList() : readList(ATTRIBUTE_ENTRY, 0);
  attributes = list;
  attributeCount = listCount;
  return ret != 0 || isMutated(GUNYAH_LIST_LENGTH_TRUSTED) ? ret : closeMessage();
}

/** MEM_DONATE, MEM_LEND, MEM_SHARE. Answers the handle. */
export function memCreate(caller: u32, transType: i32): i32 {
  let ret = readCreate();
  if (ret == 0) ret = checkRequest(caller, transType);
  if (ret != 0) return ret;
  const parcel = makeParcel(caller, transType);
  if (parcel == null) return deny(RM_NOMEM, REASON_RM_MEMORY, caller, 0, 0);
  ret = takeAcl(parcel) || checkOwnerInAcl(parcel) || takeAttributes(parcel) || takeMemory(parcel);
  if (ret != 0) {
    deleteParcel(parcel);
    return ret;
  }
  parcel.state = flags & CREATE_APPEND ? PARCEL_INIT : PARCEL_SHARING;
  if (recording) recordParcel(parcel, 0);
  return answer(parcel.handle, 0, 0);
}

// Checks 3 to 7. Check 6, of the lists' lengths, has nothing left to find behind check 2.
function checkRequest(caller: u32, transType: i32): i32 {
  if (aclCount == 0) return deny(RM_ARGUMENT_INVALID, REASON_ACL_EMPTY, 0, 1, 0);
  if (sglCount == 0) return deny(RM_ARGUMENT_INVALID, REASON_SGL_EMPTY, 0, 1, 0);
  if (transType == TRANS_DONATE && aclCount > 1) {
    return deny(RM_ARGUMENT_INVALID, REASON_DONATE_ACL, 0, 1, aclCount);
  }
  const parcels = vmRecord(caller).parcels;
  if (parcels >= (PARCELS_PER_OWNER as u32)) {
    return deny(RM_DENIED, REASON_PARCEL_LIMIT, caller, PARCELS_PER_OWNER, parcels);
  }
  if (flags & CREATE_SANITIZE && memType == MEM_TYPE_IO) {
    return deny(RM_ARGUMENT_INVALID, REASON_SANITIZE_IO, 0, 0, 0);
  }
  return 0;
}

// Check 8: the parcel with its extent. From here on a handle is used.
function makeParcel(caller: u32, transType: i32): Parcel | null {
  const extent = parcelExtent(memType);
  if (extent == null) return null;
  const parcel = newParcel(caller, extent, aclCount, attributeCount);
  if (parcel == null) {
    deleteExtent(extent);
    return null;
  }
  parcel.transType = transType;
  parcel.memType = memType;
  parcel.label = label;
  parcel.sanitizeCreate = (flags & CREATE_SANITIZE) != 0;
  return parcel;
}

// Check 9, entry by entry.
function takeAcl(parcel: Parcel): i32 {
  for (let i: u32 = 0; i < aclCount; i++) {
    const word = aclWordAt(acl, i);
    const vmid = word & 0xffff;
    const rights = word >> 16;
    const ret = checkAclEntry(parcel, i, vmid, rights);
    if (ret != 0) return ret;
    const member = memberAt(parcel, i);
    member.vmid = vmid as u16;
    member.rights = rights as u8;
    member.attribute = defaultAttribute(memType) as u8;
  }
  return 0;
}

function checkAclEntry(parcel: Parcel, index: u32, vmid: u32, rights: u32): i32 {
  for (let i: u32 = 0; i < index; i++) {
    if (memberAt(parcel, i).vmid == vmid) return deny(RM_ARGUMENT_INVALID, REASON_ACL_DUPLICATE, vmid, 0, 0);
  }
  if (!isVmidValid(vmid)) return deny(RM_ARGUMENT_INVALID, REASON_ACL_VMID, vmid, 0, 0);
  if (!areRightsValid(rights)) return deny(RM_ARGUMENT_INVALID, REASON_ACL_RIGHTS, vmid, 0, rights);
  const isIo = memType == MEM_TYPE_IO;
  if (isIo && (rights & RIGHT_X) != 0) return deny(RM_ARGUMENT_INVALID, REASON_ACL_IO_EXECUTE, vmid, 0, rights);
  const all = isIo ? RIGHTS_RW : RIGHTS_RWX;
  if (parcel.transType == TRANS_DONATE && rights != (all as u32)) {
    return deny(RM_DENIED, REASON_DONATE_RIGHTS, vmid, all, rights);
  }
  return 0;
}

function areRightsValid(rights: u32): bool {
  return rights == RIGHT_R || rights == RIGHTS_RX || rights == RIGHTS_RW || rights == RIGHTS_RWX;
}

// Check 10: in the ACL of what it shares, in no other. Check 11, the platform's policy, lets everything pass.
function checkOwnerInAcl(parcel: Parcel): i32 {
  const want = parcel.transType == TRANS_SHARE;
  const have = memberOf(parcel, parcel.owner) != null;
  if (want == have) return 0;
  return deny(RM_ARGUMENT_INVALID, REASON_OWNER_IN_ACL, parcel.owner, want ? 1 : 0, have ? 1 : 0);
}

// Check 12, attribute by attribute.
function takeAttributes(parcel: Parcel): i32 {
  for (let i: u32 = 0; i < attributeCount; i++) {
    const entry = attributes + (i as usize) * ATTRIBUTE_ENTRY;
    const attribute = load<u16>(entry) as i32;
    const vmid = load<u16>(entry, 2) as u32;
    const ret = checkAttribute(parcel, i, attribute, vmid);
    if (ret != 0) return ret;
    const member = memberOf(parcel, vmid);
    if (member == null) return deny(RM_VMID_INVALID, REASON_ATTRIBUTE_VMID, vmid, 0, 0);
    member.attribute = attribute as u8;
    store<u32>(parcel.attributes + (i as usize) * ATTRIBUTE_ENTRY, load<u32>(entry));
  }
  return 0;
}

function checkAttribute(parcel: Parcel, index: u32, attribute: i32, vmid: u32): i32 {
  for (let i: u32 = 0; i < index; i++) {
    const earlier = load<u16>(attributes + (i as usize) * ATTRIBUTE_ENTRY, 2);
    if (earlier == vmid) return deny(RM_ARGUMENT_INVALID, REASON_ATTRIBUTE_DUPLICATE, vmid, 0, 0);
  }
  if (attribute > ATTR_CACHED) return deny(RM_ARGUMENT_INVALID, REASON_ATTRIBUTE, vmid, ATTR_CACHED, attribute);
  if ((memType == MEM_TYPE_IO) != (attribute == ATTR_DEVICE)) {
    return deny(RM_ARGUMENT_INVALID, REASON_ATTRIBUTE_IO, vmid, defaultAttribute(memType), attribute);
  }
  if (parcel.transType == TRANS_DONATE && attribute != defaultAttribute(memType)) {
    return deny(RM_ARGUMENT_INVALID, REASON_ATTRIBUTE_DONATE, vmid, defaultAttribute(memType), attribute);
  }
  return 0;
}

/** MEM_APPEND: more memory for a parcel that was created with APPEND. */
export function memAppend(caller: u32): i32 {
  let ret = openMessage(APPEND_FIXED, 1);
  if (ret != 0) return ret;
  const handle = load<u32>(message);
  const isDone = (load<u8>(message, 4) & APPEND_DONE) != 0;
  ret = readList(SGL_ENTRY, 0) || closeMessage();
  if (ret != 0) return ret;
  sgl = list;
  sglCount = listCount;
  if (sglCount == 0) return deny(RM_ARGUMENT_INVALID, REASON_SGL_EMPTY, 0, 1, 0);
  const parcel = findParcel(handle);
  if (parcel == null) return deny(RM_HANDLE_INVALID, REASON_HANDLE, handle, 0, 0);
  if (parcel.owner != caller) return deny(RM_DENIED, REASON_NOT_OWNER, handle, parcel.owner, caller);
  if (parcel.state != PARCEL_INIT) {
    return deny(RM_DENIED, REASON_PARCEL_STATE, handle, PARCEL_INIT, parcel.state);
  }
  const before = recording ? parcelWord(parcel) : 0;
  ret = takeMemory(parcel);
  if (ret != 0) return ret;
  if (isDone) parcel.state = PARCEL_SHARING;
  if (recording) recordParcel(parcel, before);
  return 0;
}

// Check 13. Where the owner had the memory, and the entry of the ACL by which it keeps access (SHARE).
let space: AddressSpace = changetype<AddressSpace>(0);
let owned: Extent = changetype<Extent>(0);
let keeper: Member | null = null;

// Moves the memory of the SGL into the parcel. Zeroing comes last: a request that is refused has lost no content.
function takeMemory(parcel: Parcel): i32 {
  const owner = findRmVm(parcel.owner);
  if (owner == null) return deny(RM_VMID_INVALID, REASON_VM_UNKNOWN, parcel.owner, 0, 0);
  const from = ownedExtent(owner, parcel.memType);
  const first = parcel.regionCount;
  space = owner.space as AddressSpace;
  keeper = parcel.transType == TRANS_SHARE ? memberOf(parcel, parcel.owner) : null;
  for (let i: u32 = 0; i < sglCount; i++) {
    if (from != null) i += takePages(parcel, from, sgl + (i as usize) * SGL_ENTRY, sglCount - i);
    if (i == sglCount) break;
    const entry = sgl + (i as usize) * SGL_ENTRY;
    const ipa = load<u64>(entry);
    const size = load<u64>(entry, 8);
    let ret = checkRange(ipa, size);
    if (ret == 0 && from == null) ret = deny(RM_MEM_INVALID, REASON_REGION_NOT_OWNED, ipa, 0, 0);
    if (ret == 0) {
      owned = from as Extent;
      ret = takeRange(parcel, ipa, size);
    }
    if (ret != 0) {
      while (parcel.regionCount > first) giveBackLast(parcel);
      return ret;
    }
  }
  if (parcel.sanitizeCreate) {
    for (let i = first; i < parcel.regionCount; i++)
      zeroRange(parcel.extent, regionAt(parcel, i).pa, regionAt(parcel, i).size);
  }
  return 0;
}

// Where the pages of a list are, before they are regions of the parcel.
const found: usize = memory.data(12288, 8);

// The entries that are ordinary pages. How many there were.
function takePages(parcel: Parcel, from: Extent, entries: usize, count: u32): u32 {
  if (keeper != null || !isRoomCertain(parcel, count)) return 0;
  const taken = donatePages(from, parcel.extent, found, findPages(space, entries, count, found));
  if (taken == 0 || addPages(parcel, found, taken)) return taken;
  donatePages(parcel.extent, from, found, taken);
  return 0;
}

function checkRange(ipa: u64, size: u64): i32 {
  const isGood = ((ipa | size) & 0xfff) == 0 && size != 0 && ipa < ADDRESS_LIMIT && size < ADDRESS_LIMIT;
  return isGood ? 0 : deny(RM_ARGUMENT_INVALID, REASON_REGION_ADDRESS, ipa, 0, 0);
}

// Chunk by chunk: as far as the owner's table leads to contiguous memory with equal attributes. The whole run must be the
// owner's own; a page in it that is shared already, with the owner's rights unchanged, fails the run.
function takeRange(parcel: Parcel, ipa: u64, size: u64): i32 {
  let at = ipa;
  for (const end = ipa + size; at < end;) {
    const error = lookup(space, owned, at, end - at);
    if (error != 0) return deny(RM_MEM_INVALID, REASON_REGION_NOT_OWNED, at, 0, error);
    const run = lookupSize;
    const ret = takeChunk(parcel, lookupPa, run, at);
    if (ret != 0) return ret;
    at += run;
  }
  return 0;
}

function takeChunk(parcel: Parcel, pa: u64, size: u64, ipa: u64): i32 {
  const extent = parcel.extent;
  const member = keeper;
  if (member != null) {
    const error = mapPartial(extent, space, ipa, pa, size, mappingAttributes(member));
    if (error != 0) return deny(RM_MAP_FAILED, REASON_REGION_RECORD, ipa, 0, error);
  }
  const error = donateSibling(owned, extent, pa, size);
  if (error != 0) {
    if (member != null) unmapPartial(extent, space, ipa, pa, size);
    return deny(RM_MEM_INVALID, REASON_REGION_DONATE, ipa, 0, error);
  }
  const isFull = isRegionListFull(parcel);
  if (!isFull && addRegion(parcel, pa, size, ipa)) return 0;
  giveBackChunk(extent, pa, size, ipa);
  if (!isFull) return deny(RM_NOMEM, REASON_REGION_MEMORY, parcel.handle, 0, 0);
  return deny(RM_DENIED, REASON_REGION_LIMIT, parcel.handle, REGIONS_PER_PARCEL, REGIONS_PER_PARCEL + 1);
}

function giveBackLast(parcel: Parcel): void {
  const region = regionAt(parcel, parcel.regionCount - 1);
  giveBackChunk(parcel.extent, region.pa, region.size, region.ipa);
  dropLastRegion(parcel);
}

// The owner's record takes effect again; then the parcel's record for it is of no use.
function giveBackChunk(extent: Extent, pa: u64, size: u64, ipa: u64): void {
  donateSibling(extent, owned, pa, size);
  if (keeper != null && !isMutated(GUNYAH_APPEND_RECORD_LEFT)) unmapPartial(extent, space, ipa, pa, size);
}
