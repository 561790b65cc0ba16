// The host's stage 2: identity map on demand, annotations for what is not the host's, device mappings recycled when
// table pages run out (nvhe/mem_protect.c; reference pkvm-el2 sections 2.13, 3.0).

import { EAGAIN, EINVAL, ENOMEM, EPERM, NOPAGE, OWNED, PKVM_ID_HOST, REGION_FRAMES } from "../../abi/codes";
import { REASON_ANNOTATION, REASON_NOT_MEMORY } from "../../abi/codes";
import { iaSize, pfnToPa } from "../../arch/geometry";
import { isMemoryRange, pageOf, regionAt, regionCount } from "../../memory/regions";
import { refuse } from "../../memory/verdict";
import { hostState, setHostState } from "../../memory/vmemmap";
import { PROT_RWX } from "../../pagetable/attributes";
import { stage2Annotate, stage2Map } from "../../pagetable/map";
import { stage2Unmap } from "../../pagetable/unmap";
import { hostTable } from "./machine";
import { TYPE_DONATION, donationAnnotation } from "./annotation";

/** host_stage2_idmap_locked with host_stage2_try: maps identically; -EAGAIN (already so but for permissions) is success. */
export function mapHost(start: u64, size: u64, prot: u64): i32 {
  let ret = stage2Map(hostTable, start, size, start, prot, true, 0);
  if (ret == -ENOMEM) {
    ret = unmapDevices();
    if (ret == 0) ret = stage2Map(hostTable, start, size, start, prot, true, 0);
  }
  return ret == -EAGAIN ? 0 : ret;
}

/** host_stage2_set_owner_metadata_locked: the host loses `pages` pages; its entries say to whom. */
export function annotateHost(pfn: u64, pages: u64, owner: i32, metadata: u64): i32 {
  const start = pfnToPa(pfn);
  const size = pfnToPa(pages);
  if (owner == PKVM_ID_HOST) return refuse(EINVAL, REASON_ANNOTATION, start, 0, owner);
  if (!isMemoryRange(start, start + size)) return refuse(EPERM, REASON_NOT_MEMORY, start, 0, 0);
  const annotation = donationAnnotation(owner, metadata);
  let ret = stage2Annotate(hostTable, start, size, TYPE_DONATION, annotation, true);
  if (ret == -ENOMEM) {
    ret = unmapDevices();
    if (ret == 0) ret = stage2Annotate(hostTable, start, size, TYPE_DONATION, annotation, true);
  }
  if (ret != 0) return ret;
  setHostStates(pfn, pages, NOPAGE);
  return 0;
}

/** host_stage2_set_owner_locked for the host itself: mapped, and OWNED. */
export function returnToHost(pfn: u64, pages: u64): i32 {
  const start = pfnToPa(pfn);
  const size = pfnToPa(pages);
  if (!isMemoryRange(start, start + size)) return refuse(EPERM, REASON_NOT_MEMORY, start, 0, 0);
  const ret = mapHost(start, size, PROT_RWX);
  if (ret != 0) return ret;
  setHostStates(pfn, pages, OWNED);
  return 0;
}

/** __host_set_page_state_range: a page that was not the host's is mapped first. */
export function setHostRange(pfn: u64, pages: u64, state: i32): i32 {
  if (hostState(pageOf(pfn)) == NOPAGE) {
    const ret = mapHost(pfnToPa(pfn), pfnToPa(pages), PROT_RWX);
    if (ret != 0) return ret;
  }
  setHostStates(pfn, pages, state);
  return 0;
}

/** Page states alone, no table. */
export function setHostStates(pfn: u64, pages: u64, state: i32): void {
  const first = pageOf(pfn);
  for (let i: u64 = 0; i < pages; i++) setHostState(first + ((i as usize) << 3), state);
}

/** host_stage2_unmap_dev_all: everything between the regions and behind the last one, to get its tables back. */
function unmapDevices(): i32 {
  let gap: u64 = 0;
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    if (region.flags & REGION_FRAMES) continue;
    const ret = stage2Unmap(hostTable, gap, region.base - gap);
    if (ret != 0) return ret;
    gap = region.base + region.size;
  }
  return stage2Unmap(hostTable, gap, iaSize - gap);
}
