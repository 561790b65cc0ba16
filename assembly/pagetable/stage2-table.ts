// One stage-2 table: where it is rooted, whose it is, where its table pages come from, which hooks it has
// (struct kvm_pgtable and its kvm_pgtable_mm_ops; reference pkvm-el2 sections 2.1, 2.10, 2.11).

import { indexMask, levelBits, levelShift, pageMask, pageShift, pfnToPa, pgdPages, startLevel } from "../arch/geometry";
import { isTable, outputAddress } from "../arch/descriptor";
import { clearPage, ensureFrame, frameOf } from "../memory/dram";
import { entryChanged } from "../arch/tlb-checks";
import { observing, recordDescriptor, recordTable, recording } from "../memory/journal";
import { Memcache, popMemcache } from "../memory/memcache";
import { allocatePages, Pool, putPage } from "../memory/page-pool";
import { pageOf, pfnOf } from "../memory/regions";
import { decrementRefcount, incrementRefcount, refcount, setRefcount } from "../memory/vmemmap";
import { expectUnlinked, noteWritten } from "./protocol";

// Flags. The first three are those of abi/config.ts.
export const IDMAP: u32 = 1; //              identity addresses demanded
export const AS_S1: u32 = 2; //              memory type always "as stage 1"
export const FORCE_PTE: u32 = 4; //          page leaves always
export const FORCE_PTE_BY_REGION: u32 = 8; // the host's rule: pages unless the default permissions are asked for
export const DATA_CACHE: u32 = 16; //        has the data-cache hook
export const DATA_CACHE_NOT_FWB: u32 = 32; // whose hook does nothing with FWB
export const INSTRUCTION_CACHE: u32 = 64; // has the instruction-cache hook
export const FREE_UNLINKED: u32 = 128; //    has the free_unlinked_table hook

@unmanaged
export class Stage2 {
  /** Physical address of the (first) root page. */
  root: u64;
  flags: u32;
  vmid: u32;
  /** Handle of the VM, 0 for the host. */
  vm: u32;
  pool: Pool;
  /** Table pages of the calling vCPU, asked after the pool; null if there are none. */
  memcache: Memcache | null;
}

/** Bytes of a Stage2 with the linear addresses of its root frames. */
export const STAGE2_BYTES: usize = 48 + 16 * 4;
const ROOT_FRAMES: usize = 48;

/** Takes the root pages, which the caller has allocated in one block, into use. */
export function setRoot(table: Stage2, page: usize): void {
  table.root = pfnToPa(pfnOf(page));
  for (let i: usize = 0; i < (pgdPages as usize); i++) {
    store<u32>(changetype<usize>(table) + ROOT_FRAMES + (i << 2), ensureFrame(page + (i << 3)) as u32);
  }
}

/** Root page number `index` (concatenated root), as page. */
export function rootPage(table: Stage2, index: u32): usize {
  return pageOf(table.root >> pageShift) + ((index as usize) << 3);
}

export function rootFrame(table: Stage2, index: u32): usize {
  return load<u32>(changetype<usize>(table) + ROOT_FRAMES + ((index as usize) << 2)) as usize;
}

/** Which root page translates `ipa`. */
export function rootIndex(ipa: u64): u32 {
  return ((ipa >> levelShift(startLevel)) >> levelBits) as u32;
}

/** Byte offset of the entry for `ipa` in a table of `level`. */
export function entryOffset(ipa: u64, level: i32): usize {
  return (((ipa >> levelShift(level)) & indexMask) << 3) as usize;
}

/** The page of the table that `descriptor` points to. */
export function childPage(descriptor: u64): usize {
  return pageOf(outputAddress(descriptor) >> pageShift);
}

/**
 * Writes an entry and keeps its table's reference count at 1 + non-zero entries (reference section 2.11).
 * `ipa` is any address the entry covers.
 */
export function setEntry(table: Stage2, entry: usize, tablePage: usize, level: i32, ipa: u64, value: u64): void {
  const old = load<u64>(entry);
  store<u64>(entry, value);
  if (old == 0) {
    if (value != 0) incrementRefcount(tablePage);
  } else if (value == 0) decrementRefcount(tablePage);
  if (observing) observe(table, entry, level, ipa, old, value);
}

function observe(table: Stage2, entry: usize, level: i32, ipa: u64, old: u64, value: u64): void {
  if (recording) recordChange(table, level, ipa, old, value);
  entryChanged(table.vmid, level, ipa, old, value, entry);
  if (isDefined(EXPLORING)) noteWritten(level, ipa, old, value);
}

function recordChange(table: Stage2, level: i32, ipa: u64, old: u64, value: u64): void {
  const covers = (ipa >> levelShift(level)) << levelShift(level);
  if (old != value) recordDescriptor(table.vm, level, covers, old, value);
  const was = isTable(old, level);
  const is = isTable(value, level);
  if (was != is) recordTable(table.vm, level + 1, covers, is);
}

/** A zeroed table page with refcount 1: from the pool, then from the memcache. 0 if there is none. */
export function allocateTablePage(table: Stage2): usize {
  let page = allocatePages(table.pool, 0);
  const cache = table.memcache;
  if (page == 0 && cache != null) {
    const offset: u64 = isDefined(EXPLORING) ? cache.head & pageMask : 0;
    page = popMemcache(cache);
    if (page != 0) {
      clearPage(page);
      if (isDefined(EXPLORING) && offset != 0) clearBehind(page, offset as usize);
      setRefcount(page, 1);
    }
  }
  if (page != 0) ensureFrame(page);
  return page;
}

// The list led to an address within the page: as many bytes as a page has are zeroed from there on, and the last are the next one's.
function clearBehind(page: usize, offset: usize): void {
  const behind = pageOf(pfnOf(page) + 1);
  if (behind != 0 && frameOf(behind) != 0) memory.fill(frameOf(behind), 0, offset);
}

/** Drops the last reference of a table page: it goes to the pool, never back to a memcache. */
export function freeTablePage(table: Stage2, page: usize): void {
  if (isDefined(EXPLORING)) expectUnlinked(table, page);
  putPage(table.pool, page);
}

/** Whether a table page holds nothing: only the reference of its own existence is left. */
export function isEmptyTable(page: usize): bool {
  return refcount(page) == 1;
}
