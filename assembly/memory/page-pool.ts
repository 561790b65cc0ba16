// EL2's page pools: a buddy allocator by physical address (nvhe/page_alloc.c; reference pkvm-el2 section 2.12).
// Free blocks are linked through the first 16 bytes of their first page: next | previous, as PA with
// bit 0 set; 0 = end.

import { PANIC_HYP_POOL } from "../abi/codes";
import { pageShift, pfnToPa } from "../arch/geometry";
import { clearPage, dropZeroFrame, ensureFrame, frameOf } from "./dram";
import { pageOf, pfnOf } from "./regions";
import { panic } from "./verdict";
import { HYP_NO_ORDER, order, refcount, setOrder, setRefcount } from "./vmemmap";

const MAX_ORDERS: u32 = 11;

@unmanaged
export class Pool {
  firstPfn: u64;
  pages: u64;
  /** Largest block order, NR_PAGE_ORDERS at most. */
  maxOrder: u32;
  /** Pages not in use, for reports. */
  free: u32;
}

/** Bytes of a Pool with its free lists: head and tail link per order. */
export const POOL_BYTES: usize = 24 + (MAX_ORDERS as usize) * 16;
const LISTS: usize = 24;

/** Where the free list of an order begins: u64 link to the first block, u64 link to the last; a link is PA | 1. */
export function head(pool: Pool, blockOrder: u32): usize {
  return changetype<usize>(pool) + LISTS + ((blockOrder as usize) << 4);
}

/** hyp_pool_init: `pages` pages from `pfn`, the first `reserved` of them in use. All had refcount 0. */
export function initPool(pool: Pool, pfn: u64, pages: u64, reserved: u64): void {
  pool.firstPfn = pfn;
  pool.pages = pages;
  pool.maxOrder = min(MAX_ORDERS - 1, orderOf(pages));
  pool.free = 0;
  memory.fill(head(pool, 0), 0, (MAX_ORDERS as usize) << 4);
  for (let i: u64 = 0; i < pages; i++) {
    setRefcount(pageOf(pfn + i), 1);
    setOrder(pageOf(pfn + i), 0);
  }
  for (let i = reserved; i < pages; i++) putPage(pool, pageOf(pfn + i));
}

// get_order: the smallest order whose block holds `pages`.
function orderOf(pages: u64): u32 {
  return pages <= 1 ? 0 : ((64 - clz(pages - 1)) as u32);
}

/** hyp_alloc_pages: the first page of a block of 1 << wanted pages, zeroed, refcount 1; 0 if there is none. */
export function allocatePages(pool: Pool, wanted: u32): usize {
  let blockOrder = wanted;
  while (blockOrder <= pool.maxOrder && load<u64>(head(pool, blockOrder)) == 0) blockOrder++;
  if (blockOrder > pool.maxOrder) return 0;
  const page = pageOf(load<u64>(head(pool, blockOrder)) >> pageShift);
  unlink(pool, page, blockOrder);
  // The lower half is kept, the upper one queued at its own order.
  while (blockOrder > wanted) {
    blockOrder--;
    const upper = page + ((1 << blockOrder) << 3);
    setOrder(upper, blockOrder);
    append(pool, upper, blockOrder);
  }
  setOrder(page, wanted);
  setRefcount(page, 1);
  pool.free -= 1 << wanted;
  return page;
}

/** split_page: a block of order k becomes 1 << k single pages with refcount 1 each. */
export function splitPage(page: usize): void {
  const pages: usize = 1 << order(page);
  for (let i: usize = 0; i < pages; i++) {
    setOrder(page + (i << 3), 0);
    setRefcount(page + (i << 3), 1);
  }
}

/** hyp_put_page of the last reference: the block is zeroed, joined with its free buddies and queued. */
export function putPage(pool: Pool, page: usize): void {
  if (refcount(page) != 1) {
    panic(PANIC_HYP_POOL);
    return;
  }
  setRefcount(page, 0);
  const pages: usize = 1 << order(page);
  for (let i: usize = 0; i < pages; i++) clearPage(page + (i << 3));
  pool.free += pages as u32;
  coalesce(pool, page);
}

function inPool(pool: Pool, pfn: u64): bool {
  return pfn - pool.firstPfn < pool.pages;
}

// Pages from outside the pool's range (a memcache) stay single (nvhe/page_alloc.c:__hyp_attach_page).
function coalesce(pool: Pool, page: usize): void {
  let blockOrder = order(page);
  let pfn = pfnOf(page);
  if (inPool(pool, pfn)) {
    while (blockOrder < pool.maxOrder) {
      const buddyPfn = pfn ^ ((1 as u64) << blockOrder);
      if (!inPool(pool, buddyPfn)) break;
      const buddy = pageOf(buddyPfn);
      if (order(buddy) != blockOrder || refcount(buddy) != 0) break;
      unlink(pool, buddy, blockOrder);
      setOrder(pageOf(max(pfn, buddyPfn)), HYP_NO_ORDER);
      pfn = min(pfn, buddyPfn);
      blockOrder++;
    }
  }
  const block = pageOf(pfn);
  setOrder(block, blockOrder);
  append(pool, block, blockOrder);
}

function append(pool: Pool, page: usize, blockOrder: u32): void {
  const list = head(pool, blockOrder);
  const link = pfnToPa(pfnOf(page)) | 1;
  const frame = ensureFrame(page);
  const tail = load<u64>(list, 8);
  store<u64>(frame, 0);
  store<u64>(frame, tail, 8);
  if (tail == 0) store<u64>(list, link);
  else store<u64>(frameOf(pageOf(tail >> pageShift)), link);
  store<u64>(list, link, 8);
}

function unlink(pool: Pool, page: usize, blockOrder: u32): void {
  const list = head(pool, blockOrder);
  const frame = frameOf(page);
  const next = load<u64>(frame);
  const previous = load<u64>(frame, 8);
  if (previous == 0) store<u64>(list, next);
  else store<u64>(frameOf(pageOf(previous >> pageShift)), next);
  if (next == 0) store<u64>(list, previous, 8);
  else store<u64>(frameOf(pageOf(next >> pageShift)), previous, 8);
  store<u64>(frame, 0);
  store<u64>(frame, 0, 8);
  dropZeroFrame(page);
}
