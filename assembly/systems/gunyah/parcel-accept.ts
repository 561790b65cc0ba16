// ACCEPT: a VM of the ACL takes a parcel into its address space (memparcel.c:memparcel_do_accept; reference gunyah section 6.6).
//
//                  acceptor's stage 2                  owner of the memory
//   without DONE   -                                   same; addresses are reserved, the parcel counts as SHARED
//   LEND, SHARE    leaves with its rights              same
//   DONATE         leaves with all rights              parcel -> acceptor's owned; the parcel is gone
//
// An accept that fails leaves nothing behind.

import {
  ACCEPT_DONE,
  ACCEPT_FIXED,
  ACCEPT_INCOMPLETE,
  ACCEPT_MAP_CONTIGUOUS,
  ACCEPT_MAP_OTHER,
  ACCEPT_SANITIZE,
  ACCEPT_VALIDATE_ACL_ATTR,
  ACCEPT_VALIDATE_LABEL,
  ACCEPT_VALIDATE_SANITIZED,
  ACL_ENTRY,
  ATTRIBUTE_ENTRY,
  EFFECT_ACCEPT_REPLY,
  LIST_ENTRIES,
  MEM_TYPE_IO,
  PARCEL_SHARED,
  REASON_ACCEPT_DONATE,
  REASON_ACCEPT_MAP,
  REASON_ACL_COUNT,
  REASON_ACL_ENTRY,
  REASON_ADDRESS,
  REASON_ADDRESS_COUNT,
  REASON_ADDRESS_SIZE,
  REASON_ADDRESS_TAG,
  REASON_ADDRESS_TAKEN,
  REASON_ADDRESSES_MISSING,
  REASON_ALREADY_MAPPED,
  REASON_ATTRIBUTE_ENTRY,
  REASON_CONTIGUOUS_IO,
  REASON_CONTIGUOUS_LATE,
  REASON_HANDLE,
  REASON_LABEL,
  REASON_MAP_OTHER,
  REASON_MAP_VMID,
  REASON_MEM_TYPE,
  REASON_NOT_IN_ACL,
  REASON_NOT_SANITIZED,
  REASON_PARCEL_OWNER,
  REASON_RM_MEMORY,
  REASON_SANITIZE_IO,
  REASON_SANITIZE_READ_ONLY,
  REASON_TRANS_TYPE,
  REASON_VM_UNKNOWN,
  RIGHT_W,
  RM_ARGUMENT_INVALID,
  RM_DENIED,
  RM_HANDLE_INVALID,
  RM_MAP_FAILED,
  RM_MEM_INVALID,
  RM_NOMEM,
  RM_NORESOURCE,
  RM_VALIDATE_FAILED,
  RM_VMID_INVALID,
  SGL_ENTRY,
  TRANS_DONATE,
} from "../../abi/gunyah-rm";
import { GUNYAH_ATTRIBUTE_COUNT, GUNYAH_FORCED_ALIGNMENT, GUNYAH_STICKY_SANITIZE } from "../../abi/mutations";
import { record, recording } from "../../memory/journal";
import { isMutated } from "../../memory/mutation";
import { AddressSpace } from "./address-space";
import { answer } from "./answer";
import { donateSibling } from "./donate";
import { Extent } from "./extent";
import { LARGE, NO_IPA } from "./ipa-allocator";
import { mapPartial, unmapPartial } from "./mapping";
import { mapPages, unmapPages } from "./page-lists";
import {
  aclWord,
  aclWordAt,
  addIpa,
  attributeWord,
  deleteParcel,
  findParcel,
  ipaAt,
  ipasFrom,
  ipasNeeded,
  makeRoomForIpas,
  Member,
  memberOf,
  nextTurn,
  Parcel,
  parcelWord,
  recordParcel,
  Region,
  regionAt,
  regionsFrom,
} from "./parcel";
import { closeMessage, list, listCount, listReserved, message, openMessage, readList } from "./rm-message";
import { deny } from "./refusal";
import { findRmVm, RmVm } from "./rm-vm";
import {
  chooseIpa,
  freeIpa,
  isIdentity,
  isIpaRange,
  mappingAttributes,
  ownedAttributes,
  ownedExtent,
  reserveIpa,
} from "./vm-memory";

// The lists of the message.
let acl: usize = 0;
let aclCount: u32 = 0;
let sgl: usize = 0;
let sglCount: u32 = 0;
let mapVmid: u32 = 0;
let attributes: usize = 0;
let attributeCount: u32 = 0;

/** MEM_ACCEPT. Answers the IPA of the first region, ACCEPT_INCOMPLETE or 0, and how many addresses were chosen. */
export function memAccept(caller: u32): i32 {
  const ret = readAccept();
  if (ret != 0) return ret;
  const handle = load<u32>(message);
  const flags = load<u8>(message, 6) as u32;
  const parcel = findParcel(handle);
  if (parcel == null) return deny(RM_HANDLE_INVALID, REASON_HANDLE, handle, 0, 0);
  const refusal = checkTypes(parcel) || checkValidation(parcel, flags) || checkMapOther(flags);
  return refusal != 0 ? refusal : acceptParcel(parcel, caller, flags, sgl, sglCount);
}

// Checks 1 and 2.
function readAccept(): i32 {
  let ret = openMessage(ACCEPT_FIXED, 3);
  if (ret != 0) return ret;
  ret = readList(ACL_ENTRY, 2);
  if (ret != 0) return ret;
  acl = list;
  aclCount = listCount;
  ret = readList(SGL_ENTRY, 1);
  if (ret != 0) return ret;
  sgl = list;
  sglCount = listCount;
  mapVmid = listReserved;
  ret = readList(ATTRIBUTE_ENTRY, 0);
  attributes = list;
  attributeCount = listCount;
  return ret != 0 ? ret : closeMessage();
}

// Check 3.
function checkTypes(parcel: Parcel): i32 {
  const memType = load<u8>(message, 4);
  const transType = load<u8>(message, 5);
  if (memType != parcel.memType) {
    return deny(RM_ARGUMENT_INVALID, REASON_MEM_TYPE, parcel.handle, parcel.memType, memType);
  }
  if (transType == parcel.transType) return 0;
  return deny(RM_ARGUMENT_INVALID, REASON_TRANS_TYPE, parcel.handle, parcel.transType, transType);
}

// Checks 4 to 6: what the acceptor was promised is so.
function checkValidation(parcel: Parcel, flags: u32): i32 {
  if (flags & ACCEPT_VALIDATE_SANITIZED && !parcel.sanitizeCreate) {
    return deny(RM_VALIDATE_FAILED, REASON_NOT_SANITIZED, parcel.handle, 1, 0);
  }
  const label = load<u32>(message, 8);
  if (flags & ACCEPT_VALIDATE_LABEL && label != parcel.label) {
    return deny(RM_VALIDATE_FAILED, REASON_LABEL, parcel.handle, parcel.label, label);
  }
  return flags & ACCEPT_VALIDATE_ACL_ATTR ? checkLists(parcel) : 0;
}

// Check 6: the same lists in the same order. A parcel has an ACL, so that a message without one differs in its count.
function checkLists(parcel: Parcel): i32 {
  if (aclCount != parcel.memberCount) {
    return deny(RM_VALIDATE_FAILED, REASON_ACL_COUNT, parcel.handle, parcel.memberCount, aclCount);
  }
  if (attributeCount != parcel.attributeCount && !isMutated(GUNYAH_ATTRIBUTE_COUNT)) {
    return deny(RM_VALIDATE_FAILED, REASON_ACL_COUNT, parcel.handle, parcel.attributeCount, attributeCount);
  }
  for (let i: u32 = 0; i < aclCount; i++) {
    const want = aclWord(parcel, i);
    const have = aclWordAt(acl, i);
    if (want != have) return deny(RM_VALIDATE_FAILED, REASON_ACL_ENTRY, i, want, have);
  }
  for (let i: u32 = 0; i < attributeCount; i++) {
    const want = attributeWord(parcel, i);
    const have = load<u32>(attributes + (i as usize) * ATTRIBUTE_ENTRY);
    if (want != have) return deny(RM_VALIDATE_FAILED, REASON_ATTRIBUTE_ENTRY, i, want, have);
  }
  return 0;
}

// Check 7: nobody maps for another VM.
function checkMapOther(flags: u32): i32 {
  if (flags & ACCEPT_MAP_OTHER) return deny(RM_DENIED, REASON_MAP_OTHER, mapVmid, 0, 0);
  return mapVmid == 0 ? 0 : deny(RM_ARGUMENT_INVALID, REASON_MAP_VMID, mapVmid, 0, mapVmid);
}

/**
 * Accepts for the VM `vmid`, at the addresses of an SGL (0 entries: where the resource manager chooses): checks 8 to 19.
 * The resource manager itself calls it for a VM that it starts.
 */
export function acceptParcel(parcel: Parcel, vmid: u32, flags: u32, at: usize, count: u32): i32 {
  const vm = findRmVm(vmid);
  if (vm == null) return deny(RM_VMID_INVALID, REASON_VM_UNKNOWN, vmid, 0, 0);
  const member = memberOf(parcel, vmid);
  if (member == null) return deny(RM_VMID_INVALID, REASON_NOT_IN_ACL, vmid, 0, 0);
  const refusal = checkMember(parcel, member, flags);
  if (refusal != 0) return refusal;
  const had = member.ipaCount;
  const wasContiguous = member.contiguous;
  if (flags & ACCEPT_MAP_CONTIGUOUS) member.contiguous = true;
  const ret = reserveAddresses(parcel, vm, member, at, count) || finish(parcel, vm, member, flags, count == 0, had);
  if (ret != 0) {
    freeAddresses(parcel, vm, member, had);
    member.contiguous = wasContiguous;
  }
  return ret == 0 ? answer(firstIpa, isIncomplete ? ACCEPT_INCOMPLETE : 0, replied) : ret;
}

// Checks 9 to 11.
function checkMember(parcel: Parcel, member: Member, flags: u32): i32 {
  const vmid = member.vmid as u32;
  const isIo = parcel.memType == MEM_TYPE_IO;
  if (isMutated(GUNYAH_STICKY_SANITIZE) && (flags & ACCEPT_SANITIZE) != 0) parcel.sanitizeReclaim = true;
  if (parcel.owner == vmid) return deny(RM_DENIED, REASON_PARCEL_OWNER, vmid, 0, 0);
  if (member.mapped) return deny(RM_DENIED, REASON_ALREADY_MAPPED, vmid, 0, 0);
  if (flags & ACCEPT_MAP_CONTIGUOUS) {
    if (isIo) return deny(RM_ARGUMENT_INVALID, REASON_CONTIGUOUS_IO, parcel.handle, 0, 0);
    if (member.ipaCount != 0 && !member.contiguous) {
      return deny(RM_ARGUMENT_INVALID, REASON_CONTIGUOUS_LATE, parcel.handle, 0, member.ipaCount);
    }
  }
  if (!(flags & ACCEPT_SANITIZE)) return 0;
  if (isIo) return deny(RM_ARGUMENT_INVALID, REASON_SANITIZE_IO, parcel.handle, 0, 0);
  if (member.rights & RIGHT_W) return 0;
  return deny(RM_ARGUMENT_INVALID, REASON_SANITIZE_READ_ONLY, vmid, RIGHT_W, member.rights);
}

// Checks 12 to 14: an address for each region that has none, in order; of a contiguous one, one for all.
function reserveAddresses(parcel: Parcel, vm: RmVm, member: Member, at: usize, count: u32): i32 {
  const needed = ipasNeeded(parcel, member);
  const missing = needed - member.ipaCount;
  if (count > missing) return deny(RM_ARGUMENT_INVALID, REASON_ADDRESS_COUNT, parcel.handle, missing, count);
  if (!makeRoomForIpas(member, needed)) return deny(RM_NOMEM, REASON_RM_MEMORY, parcel.handle, 0, 0);
  const now = count != 0 ? count : min(missing, LIST_ENTRIES as u32);
  if (count == 0 && !member.contiguous && !isIdentity(vm, parcel.memType))
    return chooseAddresses(parcel, vm, member, now);
  for (let i: u32 = 0; i < now; i++) {
    const given = count != 0 ? at + (i as usize) * SGL_ENTRY : 0;
    const ret = reserveAddress(parcel, vm, member, given);
    if (ret != 0) return ret;
  }
  return 0;
}

// Where the resource manager has the choice, for the next `count` regions.
function chooseAddresses(parcel: Parcel, vm: RmVm, member: Member, count: u32): i32 {
  const first = member.ipaCount;
  for (let i: u32 = first; i < first + count; i++) {
    const size = regionAt(parcel, i).size;
    const ipa = chooseIpa(vm, size);
    if (ipa == NO_IPA) return deny(RM_NORESOURCE, REASON_ADDRESS_TAKEN, size >> 12, 0, 0);
    addIpa(member, ipa);
  }
  return 0;
}

// Check 14 for the member's next address; `given` is the SGL's entry, 0 where the resource manager chooses.
function reserveAddress(parcel: Parcel, vm: RmVm, member: Member, given: usize): i32 {
  const region = regionAt(parcel, member.ipaCount);
  const size = member.contiguous ? parcel.totalSize : region.size;
  const fixed = isIdentity(vm, parcel.memType);
  let ipa = fixed ? region.pa : NO_IPA;
  if (given != 0) {
    const wanted = load<u64>(given);
    const wantedSize = load<u64>(given, 8);
    if (!isIpaRange(wanted, size) || (fixed && wanted != ipa)) {
      return deny(RM_ARGUMENT_INVALID, REASON_ADDRESS, wanted, 0, 0);
    }
    if (wantedSize != size) {
      return deny(RM_ARGUMENT_INVALID, REASON_ADDRESS_SIZE, wanted, (size >> 12) as u32, (wantedSize >> 12) as u32);
    }
    if (isMutated(GUNYAH_FORCED_ALIGNMENT) && size >= LARGE && (wanted & (LARGE - 1)) != 0) {
      return deny(RM_ARGUMENT_INVALID, REASON_ADDRESS, wanted, 0, 0);
    }
    ipa = wanted;
  }
  const isFree = ipa != NO_IPA ? reserveIpa(vm, parcel.memType, ipa, size) : false;
  if (ipa != NO_IPA && !isFree) return deny(RM_NORESOURCE, REASON_ADDRESS_TAKEN, ipa, 0, 0);
  if (ipa == NO_IPA) ipa = chooseIpa(vm, size);
  if (ipa == NO_IPA) return deny(RM_NORESOURCE, REASON_ADDRESS_TAKEN, size >> 12, 0, 0);
  addIpa(member, ipa);
  return fixed && member.contiguous ? checkTag(parcel, ipa) : 0;
}

// A range of which IPA = PA is demanded suits contiguous memory only.
function checkTag(parcel: Parcel, ipa: u64): i32 {
  let at = ipa;
  for (let i: u32 = 0; i < parcel.regionCount; i++) {
    const region = regionAt(parcel, i);
    if (region.pa != at) return deny(RM_MEM_INVALID, REASON_ADDRESS_TAG, region.pa, 0, 0);
    at += region.size;
  }
  return 0;
}

// The addresses from number `from` on are free again.
function freeAddresses(parcel: Parcel, vm: RmVm, member: Member, from: u32): void {
  while (member.ipaCount > from) {
    const index = --member.ipaCount;
    freeIpa(vm, ipaAt(member, index), member.contiguous ? parcel.totalSize : regionAt(parcel, index).size);
  }
}

/** All addresses of a member are free again, and it has none. */
export function freeAllAddresses(parcel: Parcel, vm: RmVm, member: Member): void {
  freeAddresses(parcel, vm, member, 0);
}

// The reply: where the first region is, how many addresses were chosen, and whether more are to come.
let firstIpa: u64 = 0;
let replied: u32 = 0;
let isIncomplete: bool = false;

// Steps 15 to 19.
function finish(parcel: Parcel, vm: RmVm, member: Member, flags: u32, chosen: bool, had: u32): i32 {
  const needed = ipasNeeded(parcel, member);
  const missing = needed - member.ipaCount;
  const before = recording ? parcelWord(parcel) : 0;
  firstIpa = ipaAt(member, 0);
  replied = chosen ? member.ipaCount - had : 0;
  isIncomplete = chosen && missing != 0;
  if (flags & ACCEPT_DONE) {
    if (missing != 0) {
      return deny(RM_ARGUMENT_INVALID, REASON_ADDRESSES_MISSING, parcel.handle, needed, member.ipaCount);
    }
    const ret = parcel.transType == TRANS_DONATE ? takeOver(parcel, vm, member) : mapForMember(parcel, vm, member);
    if (ret != 0) return ret;
    member.mapped = true;
  }
  if (recording && chosen) recordReply(parcel, member, had);
  if (flags & ACCEPT_DONE && parcel.transType == TRANS_DONATE) {
    deleteParcel(parcel);
    return 0;
  }
  if (flags & ACCEPT_SANITIZE) parcel.sanitizeReclaim = true;
  if (!member.shared) {
    member.shared = true;
    member.turn = nextTurn();
    parcel.shareCount++;
    parcel.state = PARCEL_SHARED;
  }
  if (recording) recordParcel(parcel, before);
  return 0;
}

function recordReply(parcel: Parcel, member: Member, from: u32): void {
  for (let i = from; i < member.ipaCount; i++) {
    const size = member.contiguous ? parcel.totalSize : regionAt(parcel, i).size;
    record(EFFECT_ACCEPT_REPLY, 0, member.vmid, ipaAt(member, i), 0, size, isIncomplete ? ACCEPT_INCOMPLETE : 0);
  }
}

/** Where a member has, or will have, a region; `offset` is the sum of the regions before. */
function ipaOf(member: Member, index: u32, offset: u64): u64 {
  return member.contiguous ? ipaAt(member, 0) + offset : ipaAt(member, index);
}

function mapForMember(parcel: Parcel, vm: RmVm, member: Member): i32 {
  return mapRegions(parcel, vm, member, parcel.extent, mappingAttributes(member));
}

// Step 18. What was mapped before a failure is unmapped.
function mapRegions(parcel: Parcel, vm: RmVm, member: Member, me: Extent, how: u32): i32 {
  const space = vm.space as AddressSpace;
  let offset: u64 = 0;
  for (let i: u32 = 0; i < parcel.regionCount; i++) {
    if (!member.contiguous && parcel.regionCount > 1) {
      i += mapPages(me, space, regionsFrom(parcel, i), ipasFrom(member, i), parcel.regionCount - i, how);
      if (i == parcel.regionCount) break;
    }
    const region = regionAt(parcel, i);
    const ipa = ipaOf(member, i, offset);
    const error = mapPartial(me, space, ipa, region.pa, region.size, how);
    if (error != 0) {
      const ret = deny(RM_MAP_FAILED, REASON_ACCEPT_MAP, ipa, 0, error);
      unmapRegions(parcel, vm, member, me, i);
      return ret;
    }
    offset += region.size;
  }
  return 0;
}

// The first `count` regions; all of them were mapped.
function unmapRegions(parcel: Parcel, vm: RmVm, member: Member, me: Extent, count: u32): void {
  const space = vm.space as AddressSpace;
  let offset: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const region = regionAt(parcel, i);
    unmapPartial(me, space, ipaOf(member, i, offset), region.pa, region.size);
    offset += region.size;
  }
}

/**
 * Takes a member's mappings of the parcel away.
 *
 * @returns 0, or the hypervisor's error, and everything is mapped as before; `unmapFailedAt` is the IPA
 */
export function unmapForMember(parcel: Parcel, vm: RmVm, member: Member): i32 {
  const space = vm.space as AddressSpace;
  let offset: u64 = 0;
  for (let i: u32 = 0; i < parcel.regionCount; i++) {
    if (!member.contiguous && parcel.regionCount > 1) {
      i += unmapPages(parcel.extent, space, regionsFrom(parcel, i), ipasFrom(member, i), parcel.regionCount - i);
      if (i == parcel.regionCount) break;
    }
    const region = regionAt(parcel, i);
    const ipa = ipaOf(member, i, offset);
    const error = unmapPartial(parcel.extent, space, ipa, region.pa, region.size);
    if (error != 0) {
      unmapFailedAt = ipa;
      remapFirst(parcel, vm, member, i);
      return error;
    }
    offset += region.size;
  }
  return 0;
}

export let unmapFailedAt: u64 = 0;

function remapFirst(parcel: Parcel, vm: RmVm, member: Member, count: u32): void {
  const space = vm.space as AddressSpace;
  let offset: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const region = regionAt(parcel, i);
    mapPartial(parcel.extent, space, ipaOf(member, i, offset), region.pa, region.size, mappingAttributes(member));
    offset += region.size;
  }
}

// Steps 17 and 18 of a donation: region by region into what the acceptor owns, then mapped from there.
function takeOver(parcel: Parcel, vm: RmVm, member: Member): i32 {
  const to = ownedExtent(vm, parcel.memType);
  const owner = findRmVm(parcel.owner);
  let ret = 0;
  let taken: u32 = 0;
  while (ret == 0 && taken < parcel.regionCount) {
    const region = regionAt(parcel, taken);
    ret =
      to != null ? takeRegion(parcel, region, to, owner) : deny(RM_MEM_INVALID, REASON_ACCEPT_DONATE, region.pa, 0, 0);
    if (ret == 0) taken++;
  }
  if (ret == 0) ret = mapRegions(parcel, vm, member, to as Extent, ownedAttributes(parcel.memType));
  if (ret != 0) {
    while (taken > 0) returnRegion(parcel, regionAt(parcel, --taken), to as Extent, owner);
    return ret;
  }
  if (owner != null) {
    for (let i: u32 = 0; i < taken; i++) freeIpa(owner, regionAt(parcel, i).ipa, regionAt(parcel, i).size);
  }
  return 0;
}

// The previous owner's record goes with the memory: it must not take effect if the memory ever comes back.
function takeRegion(parcel: Parcel, region: Region, to: Extent, owner: RmVm | null): i32 {
  const error = donateSibling(parcel.extent, to, region.pa, region.size);
  if (error != 0) return deny(RM_MEM_INVALID, REASON_ACCEPT_DONATE, region.pa, 0, error);
  if (owner == null) return 0;
  const from = ownedExtent(owner, parcel.memType) as Extent;
  const kept = unmapPartial(from, owner.space as AddressSpace, region.ipa, region.pa, region.size);
  if (kept == 0) return 0;
  donateSibling(to, parcel.extent, region.pa, region.size);
  return deny(RM_MEM_INVALID, REASON_ACCEPT_DONATE, region.pa, 0, kept);
}

function returnRegion(parcel: Parcel, region: Region, to: Extent, owner: RmVm | null): void {
  donateSibling(to, parcel.extent, region.pa, region.size);
  if (owner == null) return;
  const from = ownedExtent(owner, parcel.memType) as Extent;
  const how = ownedAttributes(parcel.memType);
  mapPartial(from, owner.space as AddressSpace, region.ipa, region.pa, region.size, how);
}
