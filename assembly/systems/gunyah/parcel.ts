// Memory parcels: what the resource manager keeps of each (memparcel.c; reference gunyah section 6.2). A parcel's memory
// belongs to an extent of its own; its regions say where that memory came from.

import { ROLE_PARCEL, VMID_HYP } from "../../abi/gunyah";
import {
  ACL_ENTRY,
  ATTR_DEVICE,
  ATTR_NORMAL,
  ATTRIBUTE_ENTRY,
  EFFECT_PARCEL,
  HANDLE_INVALID,
  MEM_TYPE_IO,
  PARCEL_WORD_LOCKED,
  PARCEL_WORD_MEM_TYPE,
  PARCEL_WORD_SANITIZE_CREATE,
  PARCEL_WORD_SANITIZE_RECLAIM,
  PARCEL_WORD_SHARE_COUNT,
  PARCEL_WORD_TRANS,
  REGIONS_PER_PARCEL,
} from "../../abi/gunyah-rm";
import { GUNYAH_APPEND_TOTAL_SIZE } from "../../abi/mutations";
import { reserve } from "../../memory/heap";
import { record, recording } from "../../memory/journal";
import { isMutated } from "../../memory/mutation";
import { deleteExtent, Extent } from "./extent";
import { synchronize } from "./extent-life";
import { allocate, enlarge, isPlenty, release } from "./rm-memory";
import { vmRecord } from "./rm-vm";

@unmanaged
export class Parcel {
  handle: u32;
  /** VMID. */
  owner: u32;
  /** TRANS_*, MEM_TYPE_*, PARCEL_*. */
  transType: i32;
  memType: i32;
  state: i32;
  /** Members that have accepted. */
  shareCount: u32;
  label: u32;
  /** mem_info_tag of the first notification. */
  tag: u32;
  hasTag: bool;
  /** Zeroed when created; zeroed before the owner gets it back. */
  sanitizeCreate: bool;
  sanitizeReclaim: bool;
  /** By platform code: neither released nor reclaimed. */
  locked: bool;
  extent: Extent;
  totalSize: u64;
  /** Where the memory is and where the owner had it. */
  regions: usize;
  regionCount: u32;
  regionRoom: u32;
  members: usize;
  memberCount: u32;
  /** Attributes as the creator listed them: u16 attr | u16 vmid. */
  attributes: usize;
  attributeCount: u32;
  /** Next parcel with the same low bits of its handle. */
  next: usize;
}

@unmanaged
export class Region {
  pa: u64;
  size: u64;
  /** In the owner's address space. */
  ipa: u64;
}

/** An ACL entry, and how far that VM has accepted. */
@unmanaged
export class Member {
  vmid: u16;
  rights: u8;
  attribute: u8;
  /** Counted in share_count. */
  shared: bool;
  /** In its stage 2. */
  mapped: bool;
  /** One range for all regions. */
  contiguous: bool;
  /** When it accepted: the resource manager's count of acceptances. */
  turn: u32;
  /** Where the first `ipaCount` regions are to be mapped; of a contiguous one, one address for all. */
  ipas: usize;
  ipaCount: u32;
  ipaRoom: u32;
}

const PARCEL_BYTES: usize = offsetof<Parcel>();
export const REGION_BYTES: usize = offsetof<Region>();
const MEMBER_BYTES: usize = offsetof<Member>();
const FIRST_ROOM: u32 = 1;

const BUCKETS: u32 = 256;
// 0 u32 next handle | 4 u32 acceptances so far | 8 u32 per bucket: the first parcel in it
const BUCKET_LISTS: usize = 8;
let parcels: usize = 0;

/** Makes an empty store. False if linear memory is used up. */
export function reserveParcels(): bool {
  parcels = reserve(BUCKET_LISTS + ((BUCKETS as usize) << 2));
  return parcels != 0;
}

function bucketOf(handle: u32): usize {
  return parcels + BUCKET_LISTS + (((handle & (BUCKETS - 1)) as usize) << 2);
}

export function findParcel(handle: u32): Parcel | null {
  for (let at = load<u32>(bucketOf(handle)) as usize; at != 0; at = changetype<Parcel>(at).next) {
    if (changetype<Parcel>(at).handle == handle) return changetype<Parcel>(at);
  }
  return null;
}

/** The parcel with the lowest handle from `handle` on, in order of handles; null if there is none. */
export function nextParcel(handle: u32): Parcel | null {
  let lowest: Parcel | null = null;
  for (let bucket: u32 = 0; bucket < BUCKETS; bucket++) {
    for (let at = load<u32>(bucketOf(bucket)) as usize; at != 0; at = changetype<Parcel>(at).next) {
      const parcel = changetype<Parcel>(at);
      if (parcel.handle >= handle && (lowest == null || parcel.handle < lowest.handle)) lowest = parcel;
    }
  }
  return lowest;
}

/** A parcel that owns nothing yet, with room for its ACL and attributes; null, and no handle used, if there is no memory. */
export function newParcel(owner: u32, extent: Extent, members: u32, attributes: u32): Parcel | null {
  const at = allocate(PARCEL_BYTES);
  const memberBytes = (members as usize) * MEMBER_BYTES;
  const attributeBytes = (attributes as usize) * ATTRIBUTE_ENTRY;
  const acl = allocate(memberBytes);
  const attrs = allocate(attributeBytes);
  if (at == 0 || acl == 0 || attrs == 0) {
    release(at, PARCEL_BYTES);
    release(acl, memberBytes);
    release(attrs, attributeBytes);
    return null;
  }
  const parcel = changetype<Parcel>(at);
  parcel.handle = takeHandle();
  parcel.owner = owner;
  parcel.extent = extent;
  parcel.members = acl;
  parcel.memberCount = members;
  parcel.attributes = attrs;
  parcel.attributeCount = attributes;
  extent.role = ROLE_PARCEL;
  extent.label = parcel.handle;
  const bucket = bucketOf(parcel.handle);
  parcel.next = load<u32>(bucket) as usize;
  store<u32>(bucket, at as u32);
  vmRecord(owner).parcels++;
  return parcel;
}

// Handles count up. After 2^32 of them, those of parcels that still exist are passed over.
function takeHandle(): u32 {
  let handle = load<u32>(parcels);
  while (handle == (HANDLE_INVALID as u32) || findParcel(handle) != null) handle++;
  store<u32>(parcels, handle + 1);
  return handle;
}

/** The parcel is gone: its handle means nothing, its extent is deleted with whatever it owns. */
export function deleteParcel(parcel: Parcel): void {
  const before = recording ? parcelWord(parcel) : 0;
  unlink(parcel);
  for (let i: u32 = 0; i < parcel.memberCount; i++) dropIpas(memberAt(parcel, i));
  release(parcel.members, (parcel.memberCount as usize) * MEMBER_BYTES);
  release(parcel.attributes, (parcel.attributeCount as usize) * ATTRIBUTE_ENTRY);
  release(parcel.regions, (parcel.regionRoom as usize) * REGION_BYTES);
  deleteExtent(parcel.extent);
  // The resource manager is an event loop: before its next message a grace period has passed.
  synchronize();
  vmRecord(parcel.owner).parcels--;
  if (recording) record(EFFECT_PARCEL, 0, parcel.owner, parcel.handle, before, 0, 0);
  release(changetype<usize>(parcel), PARCEL_BYTES);
}

/** The owner is no more: the parcel is nobody's, and no later VM with that VMID inherits it. */
export function disownParcel(parcel: Parcel): void {
  const before = recording ? parcelWord(parcel) : 0;
  vmRecord(parcel.owner).parcels--;
  vmRecord(VMID_HYP).parcels++;
  parcel.owner = VMID_HYP;
  if (recording) recordParcel(parcel, before);
}

/** A parcel that is nobody's goes with the last member that holds it. */
export function dropIfAbandoned(parcel: Parcel): void {
  if (parcel.owner == VMID_HYP && parcel.shareCount == 0) deleteParcel(parcel);
}

function unlink(parcel: Parcel): void {
  let link = bucketOf(parcel.handle);
  while (load<u32>(link) != (changetype<usize>(parcel) as u32)) {
    link = (load<u32>(link) as usize) + offsetof<Parcel>("next");
  }
  store<u32>(link, parcel.next as u32);
}

/** The parcel as one word (abi/gunyah-rm.ts); never 0. */
export function parcelWord(parcel: Parcel): u64 {
  return (
    (parcel.state as u64) |
    ((parcel.transType as u64) << PARCEL_WORD_TRANS) |
    ((parcel.memType as u64) << PARCEL_WORD_MEM_TYPE) |
    ((parcel.sanitizeCreate ? 1 : 0) << PARCEL_WORD_SANITIZE_CREATE) |
    ((parcel.sanitizeReclaim ? 1 : 0) << PARCEL_WORD_SANITIZE_RECLAIM) |
    ((parcel.locked ? 1 : 0) << PARCEL_WORD_LOCKED) |
    ((parcel.shareCount as u64) << PARCEL_WORD_SHARE_COUNT)
  );
}

/** The parcel has changed from `before` (0: it was not there) to what it is now. */
export function recordParcel(parcel: Parcel, before: u64): void {
  record(EFFECT_PARCEL, 0, parcel.owner, parcel.handle, before, parcelWord(parcel), 0);
}

// Regions.

export function regionAt(parcel: Parcel, index: u32): Region {
  return changetype<Region>(parcel.regions + (index as usize) * REGION_BYTES);
}

/** Address of the regions from number `index` on. */
export function regionsFrom(parcel: Parcel, index: u32): usize {
  return parcel.regions + (index as usize) * REGION_BYTES;
}

/** Whether the list of regions has all that a parcel can have. */
export function isRegionListFull(parcel: Parcel): bool {
  return parcel.regionCount == REGIONS_PER_PARCEL;
}

/** False if there is no memory for another region. */
export function addRegion(parcel: Parcel, pa: u64, size: u64, ipa: u64): bool {
  if (!makeRoomForRegions(parcel, parcel.regionCount + 1)) return false;
  const region = regionAt(parcel, parcel.regionCount++);
  region.pa = pa;
  region.size = size;
  region.ipa = ipa;
  parcel.totalSize += size;
  return true;
}

/** Whether `count` more regions will find room, as far as the resource manager's heap is concerned. */
export function isRoomCertain(parcel: Parcel, count: u32): bool {
  const all = parcel.regionCount + count;
  // A list that grows is there twice, and has room for up to twice what it holds.
  return all <= (REGIONS_PER_PARCEL as u32) && isPlenty((all as usize) * REGION_BYTES * 4);
}

/** Adds `count` regions of one page each, as `regions` lists them; false if there is no memory. */
export function addPages(parcel: Parcel, regions: usize, count: u32): bool {
  const all = parcel.regionCount + count;
  if (!makeRoomForRegions(parcel, all)) return false;
  const first = regionsFrom(parcel, parcel.regionCount);
  const bytes = (count as usize) * REGION_BYTES;
  for (let at: usize = 0; at < bytes; at += 8) store<u64>(first + at, load<u64>(regions + at));
  parcel.regionCount = all;
  parcel.totalSize += (count as u64) << 12;
  return true;
}

// The room doubles: what it comes to does not depend on the steps.
function makeRoomForRegions(parcel: Parcel, count: u32): bool {
  const room = parcel.regionRoom;
  if (count <= room) return true;
  let wanted = max(room, FIRST_ROOM);
  while (wanted < count) wanted <<= 1;
  const regions = enlarge(parcel.regions, (room as usize) * REGION_BYTES, (wanted as usize) * REGION_BYTES);
  if (regions == 0) return false;
  parcel.regions = regions;
  parcel.regionRoom = wanted;
  return true;
}

/** Takes the last region off the list. */
export function dropLastRegion(parcel: Parcel): void {
  if (isMutated(GUNYAH_APPEND_TOTAL_SIZE)) parcel.regionCount--;
  else parcel.totalSize -= regionAt(parcel, --parcel.regionCount).size;
}

// Members.

export function memberAt(parcel: Parcel, index: u32): Member {
  return changetype<Member>(parcel.members + (index as usize) * MEMBER_BYTES);
}

/** The ACL entry of a VM, or null. */
export function memberOf(parcel: Parcel, vmid: u32): Member | null {
  for (let i: u32 = 0; i < parcel.memberCount; i++) {
    if (memberAt(parcel, i).vmid == vmid) return memberAt(parcel, i);
  }
  return null;
}

/** What memory of the parcel is to a VM that nobody listed an attribute for. */
export function defaultAttribute(memType: i32): i32 {
  return memType == MEM_TYPE_IO ? ATTR_DEVICE : ATTR_NORMAL;
}

/** ACL entry `index` as it came in the message. */
export function aclWord(parcel: Parcel, index: u32): u32 {
  const member = memberAt(parcel, index);
  return (member.vmid as u32) | ((member.rights as u32) << 16);
}

export function attributeWord(parcel: Parcel, index: u32): u32 {
  return load<u32>(parcel.attributes + (index as usize) * ATTRIBUTE_ENTRY);
}

/** An ACL entry of a message without its reserved byte, as `aclWord` gives it. */
export function aclWordAt(list: usize, index: u32): u32 {
  return load<u32>(list + (index as usize) * ACL_ENTRY) & 0xff_ffff;
}

/** How many addresses the member needs before all regions have one. */
export function ipasNeeded(parcel: Parcel, member: Member): u32 {
  return member.contiguous ? 1 : parcel.regionCount;
}

/** Room for `count` addresses; false if there is no memory. */
export function makeRoomForIpas(member: Member, count: u32): bool {
  if (member.ipaRoom >= count) return true;
  const ipas = enlarge(member.ipas, (member.ipaRoom as usize) << 3, (count as usize) << 3);
  if (ipas == 0) return false;
  member.ipas = ipas;
  member.ipaRoom = count;
  return true;
}

export function ipaAt(member: Member, index: u32): u64 {
  return load<u64>(member.ipas + ((index as usize) << 3));
}

/** Address of the addresses from number `index` on. */
export function ipasFrom(member: Member, index: u32): usize {
  return member.ipas + ((index as usize) << 3);
}

/** Adds an address; there is room. */
export function addIpa(member: Member, ipa: u64): void {
  store<u64>(member.ipas + ((member.ipaCount as usize) << 3), ipa);
  member.ipaCount++;
}

/** The member has no addresses any more; whoever calls has freed them. */
export function dropIpas(member: Member): void {
  release(member.ipas, (member.ipaRoom as usize) << 3);
  member.ipas = 0;
  member.ipaCount = 0;
  member.ipaRoom = 0;
  member.contiguous = false;
}

/** The next number of an acceptance. */
export function nextTurn(): u32 {
  const turn = load<u32>(parcels, 4) + 1;
  store<u32>(parcels, turn, 4);
  return turn;
}
