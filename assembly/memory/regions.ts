// The physical memory map: memory regions in ascending order, and everything else device space
// (kvm/pkvm.c:register_memblock_regions, nvhe/mem_protect.c:find_mem_range; reference pkvm-el2 section 1.2).
// A frame region (REGION_FRAMES) holds simulator-side table frames of replayed machines: walks find it, EL2's map does not.

import { MEMBLOCK_NOMAP, REGION_FRAMES } from "../abi/codes";
import { iaBits, pageShift, pageSize } from "../arch/geometry";
import { reserve } from "./heap";

@unmanaged
export class Region {
  base: u64;
  size: u64;
  firstPfn: u64;
  pages: u64;
  /** Address of the first page's vmemmap word. */
  words: usize;
  flags: u32;
}

export const REGION_BYTES: usize = 48;

export let regionCount: i32 = 0;
let regions: usize = 0;
/** The hyp vmemmap: 8 bytes a page, over all regions one after the other. */
export let vmemmap: usize = 0;
export let vmemmapPages: u32 = 0;

// The region of the last look-up. Nearly every look-up of a run stays in it: one subtraction, one comparison.
let currentFirstPfn: u64 = 0;
let currentPages: u64 = 0;
let currentWords: usize = 0;
let currentMapped: bool = false; // memory that is not NOMAP
let currentIsMemory: bool = false; // not a frame region

// Where findMemoryRange ended.
export let rangeStart: u64 = 0;
export let rangeEnd: u64 = 0;

export function regionAt(index: i32): Region {
  return changetype<Region>(regions + (index as usize) * REGION_BYTES);
}

/** Starts a new map with room for `count` regions. False if linear memory is used up. */
export function beginRegions(count: i32): bool {
  regionCount = 0;
  currentPages = 0;
  regions = reserve((count as usize) * REGION_BYTES);
  return regions != 0;
}

/** Appends a region. False unless it is page aligned, not empty, addressable, and behind the one before. */
export function addRegion(base: u64, size: u64, flags: u32): bool {
  const end = base + size;
  if (size == 0 || ((base | size) & (pageSize - 1)) != 0 || end < base) return false;
  if (flags & REGION_FRAMES ? end > (1 as u64) << 52 : end > (1 as u64) << iaBits) return false;
  if (regionCount > 0) {
    const before = regionAt(regionCount - 1);
    if (base < before.base + before.size) return false;
  }
  const region = regionAt(regionCount++);
  region.base = base;
  region.size = size;
  region.flags = flags;
  region.firstPfn = base >> pageShift;
  region.pages = size >> pageShift;
  return true;
}

/** Pages of all regions together. */
export function countPages(): u64 {
  let pages: u64 = 0;
  for (let i = 0; i < regionCount; i++) pages += regionAt(i).pages;
  return pages;
}

/** The largest region of ordinary memory: where nearly every page of a trace is. */
export function mainRegion(): Region | null {
  let largest: Region | null = null;
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    if (region.flags & (MEMBLOCK_NOMAP | REGION_FRAMES)) continue;
    if (largest == null || region.pages > largest.pages) largest = region;
  }
  return largest;
}

/** Lays the vmemmap over the regions. The caller has checked that it fits. */
export function reserveVmemmap(): bool {
  vmemmapPages = countPages() as u32;
  vmemmap = reserve((vmemmapPages as usize) << 3);
  if (vmemmap == 0) return false;
  let words = vmemmap;
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    region.words = words;
    words += (region.pages as usize) << 3;
  }
  return true;
}

function select(pfn: u64): bool {
  let low = 0;
  let high = regionCount;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (regionAt(middle).firstPfn <= pfn) low = middle + 1;
    else high = middle;
  }
  if (low == 0) return false;
  const region = regionAt(low - 1);
  if (pfn - region.firstPfn >= region.pages) return false;
  currentFirstPfn = region.firstPfn;
  currentPages = region.pages;
  currentWords = region.words;
  currentMapped = (region.flags & (MEMBLOCK_NOMAP | REGION_FRAMES)) == 0;
  currentIsMemory = (region.flags & REGION_FRAMES) == 0;
  return true;
}

/** Address of the page's vmemmap word, which also names the page everywhere in the core; 0 if nothing is there. */
export function pageOf(pfn: u64): usize {
  if (pfn - currentFirstPfn >= currentPages && !select(pfn)) return 0;
  return currentWords + (((pfn - currentFirstPfn) as usize) << 3);
}

/** The region that a page lies in; null where nothing is. */
export function regionOf(pfn: u64): Region | null {
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    if (pfn - region.firstPfn < region.pages) return region;
  }
  return null;
}

/** As `pageOf`, but 0 for NOMAP pages and for what EL2 does not count as memory. */
export function mappedPageOf(pfn: u64): usize {
  if (pfn - currentFirstPfn >= currentPages && !select(pfn)) return 0;
  return currentMapped ? currentWords + (((pfn - currentFirstPfn) as usize) << 3) : 0;
}

/** The frame number of a page. A search: for reports and rare paths. */
export function pfnOf(page: usize): u64 {
  for (let i = regionCount - 1; i >= 0; i--) {
    const region = regionAt(i);
    if (page >= region.words) return region.firstPfn + ((page - region.words) >> 3);
  }
  return 0;
}

/** As `pageOf`, but 0 for the simulator's own frames: what an access by physical address finds. */
export function memoryPageOf(pfn: u64): usize {
  if (pfn - currentFirstPfn >= currentPages && !select(pfn)) return 0;
  return currentIsMemory ? currentWords + (((pfn - currentFirstPfn) as usize) << 3) : 0;
}

/** find_mem_range: sets rangeStart and rangeEnd (exclusive); the region, or null in a gap. */
export function findMemoryRange(address: u64): Region | null {
  rangeStart = 0;
  rangeEnd = u64.MAX_VALUE;
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    if (region.flags & REGION_FRAMES) continue;
    if (address < region.base) {
      rangeEnd = region.base;
      return null;
    }
    rangeStart = region.base + region.size;
    if (address < rangeStart) {
      rangeEnd = rangeStart;
      rangeStart = region.base;
      return region;
    }
  }
  return null;
}

/** addr_is_memory: NOMAP regions included. */
export function isMemory(address: u64): bool {
  return findMemoryRange(address) != null;
}

/** range_is_memory: both ends in the same region. */
export function isMemoryRange(start: u64, end: u64): bool {
  const first = (start >> pageShift) - currentFirstPfn;
  const last = ((end - 1) >> pageShift) - currentFirstPfn;
  if (first <= last && last < currentPages && currentIsMemory) return true;
  return findMemoryRange(start) != null && end - 1 >= rangeStart && end - 1 < rangeEnd;
}
