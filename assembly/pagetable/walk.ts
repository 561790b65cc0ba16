// The visitor walk under every operation of the library (kvm/hyp/pgtable.c:__kvm_pgtable_walk; reference 2.2).

import { frameOf } from "../memory/dram";
import { EAGAIN, EPERM, ERANGE, REASON_IPA_RANGE, REASON_SHARED_WALK } from "../abi/codes";
import { WALKER_STALE_ENTRY_AFTER_PRE } from "../abi/mutations";
import { isTable } from "../arch/descriptor";
import { granuleSize, iaSize, indexMask, levelShift, pageMask, startLevel } from "../arch/geometry";
import { isMutated } from "../memory/mutation";
import { refuse } from "../memory/verdict";
import { expectLive } from "./protocol";
import { childPage, rootFrame, rootIndex, rootPage, Stage2 } from "./stage2-table";
import { leafEntry, stopEntry, stopLevel } from "./walk-cache";

// Walk flags (enum kvm_pgtable_walk_flags).
export const LEAF: u32 = 1;
export const TABLE_PRE: u32 = 2;
export const TABLE_POST: u32 = 4;
export const SHARED: u32 = 8;
export const IGNORE_EAGAIN: u32 = 16;
export const SKIP_BBM_TLBI: u32 = 32;
export const SKIP_CMO: u32 = 64;

/** Called with LEAF, TABLE_PRE or TABLE_POST; the rest of the context is in the globals below. */
export type Visitor = (kind: u32) => i32;

// Context of the current visit (struct kvm_pgtable_visit_ctx).
export let table: Stage2 = changetype<Stage2>(0);
export let flags: u32 = 0;
export let entry: usize = 0;
export let tablePage: usize = 0;
export let old: u64 = 0;
export let level: i32 = 0;
export let start: u64 = 0;
/** Current address: not rounded to the entry's granule. */
export let address: u64 = 0;
export let end: u64 = 0;

let visitor: Visitor = noVisitor;

function noVisitor(kind: u32): i32 {
  return 0;
}

/**
 * Walks [addr, addr + size), ascending, depth first. -EPERM for a shared walk, -ERANGE beyond the IPA space,
 * else the first error of the visitor that does not continue the walk.
 */
export function walk(pgt: Stage2, addr: u64, size: u64, walkFlags: u32, visit: Visitor): i32 {
  const from = addr & ~pageMask;
  const to = (addr + size + pageMask) & ~pageMask;
  if (walkFlags & SHARED) return refuse(EPERM, REASON_SHARED_WALK, addr, 0, walkFlags);
  if (from > iaSize || to > iaSize) return refuse(ERANGE, REASON_IPA_RANGE, addr, 0, 0);
  table = pgt;
  flags = walkFlags;
  visitor = visit;
  start = from;
  address = from;
  end = to;
  while (address < end) {
    const index = rootIndex(address);
    const ret = walkTable(rootPage(pgt, index), rootFrame(pgt, index), startLevel);
    if (ret != 0) return ret;
  }
  return 0;
}

function walkTable(page: usize, frame: usize, tableLevel: i32): i32 {
  if (isDefined(EXPLORING)) expectLive(page, address);
  const shift = levelShift(tableLevel);
  for (let index = (address >> shift) & indexMask; index <= indexMask; index++) {
    if (address >= end) return 0;
    const ret = visitEntry(page, frame + ((index as usize) << 3), tableLevel);
    if (ret != 0) return ret;
  }
  return 0;
}

// One entry: before its table or as a leaf, then what is below, then after its table. The entry is read again after
// each callback, so the walk goes down into a table just made and not into one just replaced.
function visitEntry(page: usize, at: usize, entryLevel: i32): i32 {
  let descriptor = load<u64>(at);
  let descend = isTable(descriptor, entryLevel);
  const kind = descend ? TABLE_PRE : LEAF;
  if (flags & kind) {
    const ret = call(kind, page, at, entryLevel, descriptor);
    if (ret != 0) return ret;
    if (!isMutated(WALKER_STALE_ENTRY_AFTER_PRE) || kind != TABLE_PRE) descriptor = load<u64>(at);
    descend = isTable(descriptor, entryLevel);
  }
  if (!descend) {
    const granule = granuleSize(entryLevel);
    address = (address & ~(granule - 1)) + granule;
    return 0;
  }
  const entered = address;
  const child = childPage(descriptor);
  const below = walkTable(child, frameOf(child), entryLevel + 1);
  if (below != 0) return below;
  if (!(flags & TABLE_POST)) return 0;
  const left = address;
  address = entered;
  const ret = call(TABLE_POST, page, at, entryLevel, descriptor);
  address = left;
  return ret;
}

// kvm_pgtable_walk_continue: -EAGAIN goes on when asked to, and is then no error.
function call(kind: u32, page: usize, at: usize, entryLevel: i32, descriptor: u64): i32 {
  tablePage = page;
  entry = at;
  level = entryLevel;
  old = descriptor;
  const ret = visitor(kind);
  return ret == -EAGAIN && flags & IGNORE_EAGAIN ? 0 : ret;
}

// Where the last getLeaf ended.
export let leaf: u64 = 0;
export let leafLevel: i32 = 0;

/** kvm_pgtable_get_leaf: sets `leaf` and `leafLevel` to the entry, valid or not, at which the walk of `ipa` ends. */
export function getLeaf(pgt: Stage2, ipa: u64): i32 {
  const from = ipa & ~pageMask;
  if (from >= iaSize) return refuse(ERANGE, REASON_IPA_RANGE, ipa, 0, 0);
  const at = leafEntry(pgt, from);
  leaf = at != 0 ? load<u64>(at) : stopEntry;
  leafLevel = at != 0 ? 3 : stopLevel;
  return 0;
}
