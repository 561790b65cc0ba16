// A hyp memcache: a last-in first-out list of table pages threaded through their first 8 bytes, which hold the physical
// address of the next one (struct kvm_hyp_memcache, nvhe/mm.c; reference pkvm-el2 section 2.12).

import { pageShift, pfnToPa } from "../arch/geometry";
import { ensureFrame, frameOf } from "./dram";
import { pageOf, pfnOf } from "./regions";

@unmanaged
export class Memcache {
  /** Physical address of the first page. */
  head: u64;
  pages: u32;
}

/** push_hyp_memcache. */
export function pushMemcache(cache: Memcache, page: usize): void {
  store<u64>(ensureFrame(page), cache.head);
  cache.head = pfnToPa(pfnOf(page));
  cache.pages++;
}

/** pop_hyp_memcache: the page, contents as they are; 0 if the list is empty. */
export function popMemcache(cache: Memcache): usize {
  if (cache.pages == 0) return 0;
  const page = pageOf(cache.head >> pageShift);
  cache.head = load<u64>(frameOf(page));
  cache.pages--;
  return page;
}
