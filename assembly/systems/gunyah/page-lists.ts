// Lists of single pages: what a parcel of memory that lies scattered is made of. The ordinary page of a list without a call
// per check: what is the same for all of them is checked once, the level-3 table and the node of the ownership database stay
// in locals while the next page lies in them too.
//
// Each function works off a list as long as its pages are ordinary, and answers how many it did. A page is looked at first
// and written last, so that one that is not ordinary is left untouched to donate.ts and mapping.ts, which do one range at a
// time and are the specification. That both come to the same state is a property test.

import { EXTENT_SPARSE, MEMDB_EXTENT } from "../../abi/gunyah";
import { GUNYAH_ATTACH_KEEPS_ACCESS } from "../../abi/mutations";
import { isValid, outputAddress, TYPE } from "../../arch/descriptor";
import { blockShift, iaSize, indexMask, pageMask, pageShift, pageSize } from "../../arch/geometry";
import { observing } from "../../memory/journal";
import { isMutated } from "../../memory/mutation";
import { refcount } from "../../memory/vmemmap";
import { AddressSpace } from "./address-space";
import {
  Extent,
  freeIfEmpty,
  freeSlot,
  isOwnedBy,
  MAPPING,
  packRecord,
  RECORD_IPA,
  recordAttributes,
  recordsOf,
  SLOTS,
  slotSpace,
  useSlot,
} from "./extent";
import { BLOCK_SHIFT, foundKind, kindOf, NOTHING, openPages, pageNode, setPage, slotOfPage, valueOf } from "./gpt";
import { countEntries, findTable, frame, page, parent } from "./leaves";
import { checkMapping } from "./mapping";
import { openOwners, ownerNode, setOwner } from "./memdb";
import { encodeLeaf } from "./page-table";
import { Region, REGION_BYTES } from "./parcel";

/** No block: unequal to every real one. */
const NONE: u64 = u64.MAX_VALUE;

/**
 * Where HLOS or a VM has the pages of an SGL: fills `regions` (24 bytes each) as long as the entries are single pages that a
 * level-3 leaf leads to.
 */
export function findPages(space: AddressSpace, entries: usize, count: u32, regions: usize): u32 {
  const table = space.table;
  let block = NONE;
  let leaves: usize = 0;
  let done: u32 = 0;
  for (; done < count; done++) {
    const at = entries + ((done as usize) << 4);
    const ipa = load<u64>(at);
    if (load<u64>(at, 8) != pageSize || (ipa & pageMask) != 0 || ipa >= iaSize) break;
    if (ipa >> blockShift != block) {
      if (!findTable(table, ipa)) break;
      block = ipa >> blockShift;
      leaves = frame;
    }
    const leaf = load<u64>(leaves + ((((ipa >> pageShift) & indexMask) << 3) as usize));
    if (!isValid(leaf)) break;
    const region = changetype<Region>(regions + (done as usize) * REGION_BYTES);
    region.pa = outputAddress(leaf);
    region.size = pageSize;
    region.ipa = ipa;
  }
  return done;
}

/**
 * memextent_donate_sibling for each of `count` regions. Ordinary: one of the two says of all memory where it is mapped, in
 * one address space (HLOS's owned memory), the other one says nothing (a parcel that nobody has accepted).
 */
export function donatePages(from: Extent, to: Extent, regions: usize, count: u32): u32 {
  const isRemoval = from.slotsInUse != 0;
  const mapped = isRemoval ? from : to;
  const silent = isRemoval ? to : from;
  // The mistake is in what this is a short way of.
  if (isMutated(GUNYAH_ATTACH_KEEPS_ACCESS)) return 0;
  if (count == 0 || observing || !areAlike(from, to) || silent.slotsInUse != 0 || !mapsAll(mapped)) return 0;
  const space = slotSpace(mapped, 0) as AddressSpace;
  const table = space.table;
  if (space.readOnly) return 0;
  const low = from.base;
  const size = from.size;
  // The record of address 0.
  const record = valueOf(recordsOf(mapped, 0));
  const delta = record & RECORD_IPA;
  const attributes = encodeLeaf(recordAttributes(record)) | TYPE;
  const giver = from.id as u64;
  let block = NONE;
  let leaves: usize = 0;
  let tablePage: usize = 0;
  let above: usize = 0;
  let group = NONE;
  let owners: usize = 0;
  let done: u32 = 0;
  for (; done < count; done++) {
    const region = changetype<Region>(regions + (done as usize) * REGION_BYTES);
    const pa = region.pa;
    if (region.size != pageSize || pa - low >= size) break;
    const ipa = pa + delta;
    if (ipa >> blockShift != block) {
      if (ipa >= iaSize || !findTable(table, ipa)) break;
      block = ipa >> blockShift;
      leaves = frame;
      tablePage = page;
      above = parent;
    }
    const entry = leaves + ((((ipa >> pageShift) & indexMask) << 3) as usize);
    const leaf = attributes | pa;
    if (load<u64>(entry) != (isRemoval ? leaf : 0) || (isRemoval && refcount(tablePage) == 2)) break;
    if (pa >> BLOCK_SHIFT != group) {
      group = pa >> BLOCK_SHIFT;
      owners = ownerNode(pa);
    }
    if (owners == 0) {
      owners = openOwners(pa, from.id);
      if (owners == 0) break;
    }
    const owner = slotOfPage(owners, pa);
    if (kindOf(owner) != MEMDB_EXTENT || valueOf(owner) != giver) break;
    if (setOwner(owners, pa, to.id)) group = NONE;
    store<u64>(entry, isRemoval ? 0 : leaf);
    countEntries(tablePage, above, isRemoval ? -1 : 1);
  }
  from.owned -= (done as u64) << pageShift;
  to.owned += (done as u64) << pageShift;
  return done;
}

/** Sparse siblings with the same window. */
function areAlike(one: Extent, other: Extent): bool {
  const isPair = one != other && one.parent != null && one.parent == other.parent;
  const areSparse = one.kind == EXTENT_SPARSE && other.kind == EXTENT_SPARSE;
  return isPair && areSparse && one.base == other.base && one.size == other.size;
}

/** Whether all that a sparse extent has to say is one record for all there is. */
function mapsAll(me: Extent): bool {
  return me.slotsInUse == 1 && slotSpace(me, 0) != null && kindOf(recordsOf(me, 0)) == MAPPING;
}

/**
 * memextent_map_partial for each of `count` regions, at the addresses of `ipas` (8 bytes each). What is the same for all was
 * checked. Ordinary: the extent owns the page, and nothing is mapped at the address.
 */
export function mapPages(me: Extent, space: AddressSpace, regions: usize, ipas: usize, count: u32, how: u32): u32 {
  const used = slotFor(me, space);
  const slot = used != SLOTS ? used : freeSlot(me);
  if (observing || slot == SLOTS || me.kind != EXTENT_SPARSE || checkMapping(me, space, how) != 0) return 0;
  const table = space.table;
  const records = recordsOf(me, slot);
  const record = packRecord(0, how);
  const attributes = encodeLeaf(how) | TYPE;
  const low = me.base;
  const size = me.size;
  const owner = me.id as u64;
  let block = NONE;
  let leaves: usize = 0;
  let tablePage: usize = 0;
  let above: usize = 0;
  let group = NONE;
  let owners: usize = 0;
  let node: usize = 0;
  let done: u32 = 0;
  for (; done < count; done++) {
    const region = changetype<Region>(regions + (done as usize) * REGION_BYTES);
    const pa = region.pa;
    const ipa = load<u64>(ipas + ((done as usize) << 3));
    if (region.size != pageSize || pa - low >= size || (ipa & pageMask) != 0) break;
    if (ipa >> blockShift != block) {
      if (ipa >= iaSize || !findTable(table, ipa)) break;
      block = ipa >> blockShift;
      leaves = frame;
      tablePage = page;
      above = parent;
    }
    const entry = leaves + ((((ipa >> pageShift) & indexMask) << 3) as usize);
    if (load<u64>(entry) != 0) break;
    if (pa >> BLOCK_SHIFT != group) {
      group = pa >> BLOCK_SHIFT;
      owners = ownerNode(pa);
      node = 0;
    }
    if (owners == 0 ? !isOwnedBy(me, pa, pageSize) : !isOwner(owners, pa, owner)) break;
    if (node == 0) {
      node = pageNode(records, pa);
      if (node == 0) {
        if (foundKind != NOTHING) break;
        node = openPages(records, me.heap, pa);
        if (node == 0) break;
        useSlot(me, slot, space);
      }
    }
    if (kindOf(slotOfPage(node, pa)) != NOTHING) break;
    if (setPage(records, me.heap, node, pa, MAPPING, record | ipa)) group = NONE;
    store<u64>(entry, attributes | pa);
    countEntries(tablePage, above, 1);
  }
  return done;
}

/**
 * memextent_unmap_partial for each of `count` regions, at the addresses of `ipas`. Ordinary: the extent owns the page, the
 * leaf leads to it, and the table has other entries.
 */
export function unmapPages(me: Extent, space: AddressSpace, regions: usize, ipas: usize, count: u32): u32 {
  const slot = slotFor(me, space);
  if (observing || slot == SLOTS || space.readOnly || me.kind != EXTENT_SPARSE) return 0;
  const table = space.table;
  const records = recordsOf(me, slot);
  const low = me.base;
  const size = me.size;
  const owner = me.id as u64;
  let block = NONE;
  let leaves: usize = 0;
  let tablePage: usize = 0;
  let above: usize = 0;
  let group = NONE;
  let owners: usize = 0;
  let node: usize = 0;
  let done: u32 = 0;
  for (; done < count; done++) {
    const region = changetype<Region>(regions + (done as usize) * REGION_BYTES);
    const pa = region.pa;
    const ipa = load<u64>(ipas + ((done as usize) << 3));
    if (region.size != pageSize || pa - low >= size || (ipa & pageMask) != 0) break;
    if (ipa >> blockShift != block) {
      if (ipa >= iaSize || !findTable(table, ipa)) break;
      block = ipa >> blockShift;
      leaves = frame;
      tablePage = page;
      above = parent;
    }
    const entry = leaves + ((((ipa >> pageShift) & indexMask) << 3) as usize);
    const leaf = load<u64>(entry);
    if (!isValid(leaf) || outputAddress(leaf) != pa || refcount(tablePage) == 2) break;
    if (pa >> BLOCK_SHIFT != group) {
      group = pa >> BLOCK_SHIFT;
      owners = ownerNode(pa);
      node = pageNode(records, pa);
    }
    if (node == 0 || (owners == 0 ? !isOwnedBy(me, pa, pageSize) : !isOwner(owners, pa, owner))) break;
    const at = slotOfPage(node, pa);
    if (kindOf(at) != MAPPING || ((valueOf(at) ^ ipa) & RECORD_IPA) != 0) break;
    if (setPage(records, me.heap, node, pa, NOTHING, 0)) {
      group = NONE;
      freeIfEmpty(me, slot);
    }
    store<u64>(entry, 0);
    countEntries(tablePage, above, -1);
  }
  return done;
}

function isOwner(owners: usize, pa: u64, owner: u64): bool {
  const slot = slotOfPage(owners, pa);
  return kindOf(slot) == MEMDB_EXTENT && valueOf(slot) == owner;
}

/** The first slot that is for an address space; SLOTS if there is none. */
function slotFor(me: Extent, space: AddressSpace): u32 {
  let slot: u32 = 0;
  while (slot < SLOTS && slotSpace(me, slot) != space) slot++;
  return slot;
}
