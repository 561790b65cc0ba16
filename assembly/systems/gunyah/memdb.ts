// The ownership database (reference gunyah section 2.6; hyp/mem/memdb_gpt): every byte of physical address space belongs to
// at most one object. It says nothing about who can access memory. Keys are inclusive ranges.

import {
  ARGUMENT_INVALID,
  ARGUMENT_SIZE,
  MEMDB_EMPTY,
  MEMDB_EXTENT,
  MEMDB_NOT_OWNER,
  MEMDB_NOTYPE,
  REASON_BEYOND_LIMIT,
  REASON_EMPTY_RANGE,
  REASON_MEMDB_OWNER,
} from "../../abi/gunyah";
import { EFFECT_OWNERSHIP } from "../../abi/records";
import { reserve } from "../../memory/heap";
import { record, recording } from "../../memory/journal";
import { Extent } from "./extent";
import {
  canWrite,
  findRun,
  foundEnd,
  foundKind,
  foundValue,
  GPT_LIMIT,
  NOTHING,
  openPages,
  pageNode,
  put,
  rangeIs,
  ROOT_BYTES,
  setPage,
} from "./gpt";
import { objectAt, OBJECT_MEMEXTENT } from "./object";
import { denyMemory, Heap } from "./partition";
import { deny } from "./refusal";

// Kinds of values are the types of owners, values their ids.
let root: usize = 0;
/** The private hypervisor partition's: its nodes come out of it. */
let heap: Heap = changetype<Heap>(0);

export function reserveMemdb(nodes: Heap): bool {
  root = reserve(ROOT_BYTES);
  heap = nodes;
  return root != 0;
}

/** memdb_insert: what nobody owns. MEMDB_NOT_OWNER if any byte has an owner. */
export function memdbInsert(start: u64, end: u64, object: u32, type: u32): i32 {
  return memdbUpdate(start, end, object, type, 0, MEMDB_NOTYPE);
}

/** memdb_update: every byte must be (previous, previousType); all or nothing. MEMDB_NOT_OWNER, NOMEM. */
export function memdbUpdate(start: u64, end: u64, object: u32, type: u32, previous: u32, previousType: u32): i32 {
  const refused = checkMemdbUpdate(start, end, previous, previousType);
  if (refused == 0) changeOwner(start, end, object, type, previous, previousType);
  return refused;
}

/** The same; checkMemdbUpdate was asked. */
export function changeOwner(start: u64, end: u64, object: u32, type: u32, previous: u32, previousType: u32): void {
  put(root, heap, start, end + 1, type, object);
  if (previousType == MEMDB_EXTENT) count(previous, start - end - 1);
  if (type == MEMDB_EXTENT) count(object, end - start + 1);
  if (recording) recordOwner(start, end, previous, previousType, object, type);
}

// An extent knows how much it owns, so that nobody looks for the memory of one that owns nothing.
function count(object: u32, bytes: u64): void {
  const owner = objectAt(object);
  if (owner != null && owner.type == OBJECT_MEMEXTENT) changetype<Extent>(owner).owned += bytes;
}

/** Whether memdbUpdate would succeed: then it will. */
export function checkMemdbUpdate(start: u64, end: u64, previous: u32, previousType: u32): i32 {
  if (start > end) return deny(ARGUMENT_INVALID, REASON_EMPTY_RANGE, start, 0, 0);
  if (end >= GPT_LIMIT) return deny(ARGUMENT_SIZE, REASON_BEYOND_LIMIT, end, 0, 0);
  if (!rangeIs(root, start, end + 1, previousType, previous, u64.MAX_VALUE)) {
    return deny(MEMDB_NOT_OWNER, REASON_MEMDB_OWNER, foundEnd, previous, foundValue as u32);
  }
  return canWrite(root, heap, start, end + 1) ? 0 : denyMemory(heap);
}

// For lists of pages: the node that holds the owners around an address, and a page of `from` given to `to`. The extents' counts
// are the caller's.

/** The database's node for the block around `address` (gpt.ts); 0 if there is none. */
export function ownerNode(address: u64): usize {
  return pageNode(root, address);
}

/** Makes that node, if the block is this extent's; 0 if it is not or there is no memory. Its page has to get another owner now. */
export function openOwners(address: u64, owner: u32): usize {
  return foundKind == MEMDB_EXTENT && foundValue == owner ? openPages(root, heap, address) : 0;
}

/** Gives a page of the node to an extent. True if the node is gone, because all of its block is that extent's now. */
export function setOwner(node: usize, address: u64, owner: u32): bool {
  return setPage(root, heap, node, address, MEMDB_EXTENT, owner);
}

/** Owner and type of the last look-up or run, and the run's bounds (end exclusive). */
export let ownerObject: u32 = 0;
export let ownerType: u32 = 0;
export let runStart: u64 = 0;
export let runEnd: u64 = 0;

/** memdb_lookup. MEMDB_EMPTY if nobody owns the address. */
export function memdbLookup(address: u64): i32 {
  if (!findOwnerRun(address, address + 1)) return deny(ARGUMENT_SIZE, REASON_BEYOND_LIMIT, address, 0, 0);
  return ownerType == MEMDB_NOTYPE ? deny(MEMDB_EMPTY, REASON_MEMDB_OWNER, address, 0, 0) : 0;
}

/** The run of one owner, or of none, from `address` on, up to `end` at most. False beyond the limit. */
export function findOwnerRun(address: u64, end: u64): bool {
  if (address >= GPT_LIMIT) return false;
  findRun(root, address, min(end, GPT_LIMIT));
  ownerType = foundKind;
  ownerObject = foundValue as u32;
  runStart = address;
  runEnd = foundEnd;
  return true;
}

/** memdb_is_ownership_contiguous. */
export function isOwnershipContiguous(start: u64, end: u64, object: u32, type: u32): bool {
  return start <= end && end < GPT_LIMIT && rangeIs(root, start, end + 1, type, object, u64.MAX_VALUE);
}

/**
 * The step of memdb_range_walk: the next run that (object, type) owns in [from, end), in runStart and runEnd. False if
 * there is none.
 */
export function nextOwnedRun(object: u32, type: u32, from: u64, end: u64): bool {
  for (let at = from; at < end; at = runEnd) {
    if (!findOwnerRun(at, end)) return false;
    if (ownerType == type && ownerObject == object && ownerType != NOTHING) return true;
  }
  return false;
}

function recordOwner(start: u64, end: u64, previous: u32, previousType: u32, object: u32, type: u32): void {
  const before = ownerWord(previous, previousType);
  record(EFFECT_OWNERSHIP, 0, 0, start, before, ownerWord(object, type), end - start + 1);
}

/** MEMDB_* | ROLE_* << 8 | object << 16 | label << 32. */
export function ownerWord(object: u32, type: u32): u64 {
  const word = (type as u64) | ((object as u64) << 16);
  if (type != MEMDB_EXTENT) return word;
  const owner = objectAt(object);
  if (owner == null) return word;
  const extent = changetype<Extent>(owner);
  return word | ((extent.role as u64) << 8) | ((extent.label as u64) << 32);
}
