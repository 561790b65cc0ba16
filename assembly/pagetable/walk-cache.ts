// Where the level-3 tables are: a direct-mapped cache from (VMID, IPA of the block) to the table's frame and page.
// It cannot be told from a walk: an entry goes when its table page does. 16 bytes cover one table (2 MiB with 4 KiB pages).
//
//    0 u64 tag = (IPA >> blockShift) << 16 | VMID + 1 (0 = empty) | 8 u32 frame | 12 u32 page

import { frameOf } from "../memory/dram";
import { blockShift, iaSize, indexMask, pageMask, pageShift, startLevel } from "../arch/geometry";
import { reserve } from "../memory/heap";
import { isTable, VALID } from "../arch/descriptor";
import { childPage, entryOffset, rootFrame, rootIndex, Stage2 } from "./stage2-table";

const SMALLEST: u32 = 256;
const LARGEST: u32 = 65536;
/** Spreads tables of equal addresses over the cache. */
const VMID_SALT: u64 = 977;

export let cache: usize = 0;
export let mask: u64 = 0;

/** The level-3 table page that the last successful `leafEntry` went through. */
export let leafTable: usize = 0;
/** The entry above level 3 at which the last unsuccessful one ended. */
export let stopEntry: u64 = 0;
export let stopLevel: i32 = 0;

/** Sizes the cache for `pages` pages of DRAM: two entries for each table that could map them. */
export function reserveWalkCache(pages: u64): bool {
  const tables = (pages << 12) >> blockShift;
  let entries: u32 = SMALLEST;
  while (entries < LARGEST && (entries as u64) < tables * 2) entries <<= 1;
  mask = (entries - 1) as u64;
  cache = reserve((entries as usize) << 4);
  return cache != 0;
}

/**
 * Address of the level-3 entry for `ipa` (within the IPA space), or 0 if no level-3 table covers it.
 * Sets `leafTable`, or `stopEntry` and `stopLevel`.
 */
export function leafEntry(table: Stage2, ipa: u64): usize {
  const block = ipa >> blockShift;
  const tag = (block << 16) | ((table.vmid + 1) as u64);
  const line = cache + ((((block + (table.vmid as u64) * VMID_SALT) & mask) << 4) as usize);
  if (load<u64>(line) == tag) {
    leafTable = load<u32>(line, 12) as usize;
    return (load<u32>(line, 8) as usize) + entryOffset(ipa, 3);
  }
  return walkToLeafTable(table, ipa, line, tag);
}

/** As `leafEntry` for what a call asks for: 0 also for an address that is no page of the IPA space. */
export function pageEntry(table: Stage2, addr: u64): usize {
  return addr >= iaSize || (addr & pageMask) != 0 ? 0 : leafEntry(table, addr);
}

/**
 * `count` look-ups at once: IPAs of 8 bytes each from `from`, entries of 8 bytes each to `to`, 0 beyond the IPA space.
 * Returns how many are valid. The loop keeps the cache in locals, and only a miss costs a call.
 */
export function lookUpEntries(table: Stage2, from: usize, to: usize, count: i32): i32 {
  const lines = cache;
  const linesMask = mask;
  const salt = (table.vmid as u64) * VMID_SALT;
  const tagged = (table.vmid + 1) as u64;
  const shift = blockShift as u64;
  const page = pageShift as u64;
  const indexes = indexMask;
  const limit = iaSize;
  const end = from + ((count as usize) << 3);
  let valid: u64 = 0;
  for (let at = from; at < end; at += 8) {
    const ipa = load<u64>(at);
    const block = ipa >> shift;
    const line = lines + ((((block + salt) & linesMask) << 4) as usize);
    let entry: u64 = 0;
    if (load<u64>(line) == ((block << 16) | tagged)) {
      entry = load<u64>((load<u32>(line, 8) as usize) + ((((ipa >> page) & indexes) << 3) as usize));
    } else if (ipa < limit) entry = lookUpEntry(table, ipa);
    store<u64>(to + (at - from), entry);
    valid += entry & VALID;
  }
  return valid as i32;
}

/** Forgets all tables. */
export function emptyWalkCache(): void {
  memory.fill(cache, 0, walkCacheBytes());
}

export function walkCacheBytes(): usize {
  return ((mask + 1) as usize) << 4;
}

// A miss: fills the cache, or there is no level-3 table and the walk ends above it.
function lookUpEntry(table: Stage2, ipa: u64): u64 {
  const at = leafEntry(table, ipa);
  return at != 0 ? load<u64>(at) : stopEntry;
}

// Goes down to the level-3 table and remembers it, or notes the entry at which the walk ends above it.
function walkToLeafTable(table: Stage2, ipa: u64, line: usize, tag: u64): usize {
  let frame = rootFrame(table, rootIndex(ipa));
  let page: usize = 0;
  for (let level = startLevel; level < 3; level++) {
    const descriptor = load<u64>(frame + entryOffset(ipa, level));
    if (!isTable(descriptor, level)) {
      stopEntry = descriptor;
      stopLevel = level;
      return 0;
    }
    page = childPage(descriptor);
    frame = frameOf(page);
  }
  store<u64>(line, tag);
  store<u32>(line, frame as u32, 8);
  store<u32>(line, page as u32, 12);
  leafTable = page;
  return frame + entryOffset(ipa, 3);
}

/** The level-3 table at `ipa` is being taken out of use. */
export function forgetLeafTable(table: Stage2, ipa: u64): void {
  const block = ipa >> blockShift;
  const line = cache + ((((block + (table.vmid as u64) * VMID_SALT) & mask) << 4) as usize);
  if (load<u64>(line) == ((block << 16) | ((table.vmid + 1) as u64))) store<u64>(line, 0);
}
