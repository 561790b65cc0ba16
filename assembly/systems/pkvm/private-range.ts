// EL2's private range: what it maps besides its linear map (nvhe/mm.c; reference pkvm-el2 section 1.7). Nothing of it can be
// seen in a machine that works, so only a search has it: EL2's stack, and its VM table once more, as the vmemmap is.
// Boot went wrong about it more than once (reference bugs.md 2.1).

import { HYP_STACK_HOST_OWNED, INIT_WALK_TWO_ALIASES, LINEAR_MAP_OVER_IO } from "../../abi/mutations";
import { pageSize, pfnToPa } from "../../arch/geometry";
import { isMutated } from "../../memory/mutation";
import { allocatePages, Pool } from "../../memory/page-pool";
import { pfnOf, regionAt, regionCount } from "../../memory/regions";
import { setRefcount } from "../../memory/vmemmap";
import { hypMapPrivate } from "../../pagetable/hyp-stage1";

/** The upper half of EL2's addresses. */
const PRIVATE_BASE: u64 = (1 as u64) << 47;

let isWanted: bool = false;
let stackPfn: u64 = 0;
let aliasPfn: u64 = 0;

/** Whether machines that are made from here on have it: only a search that looks at boot does. */
export function choosePrivateRange(wanted: bool): void {
  isWanted = wanted;
}

/** Maps the stack, taken out of EL2's pool, and an alias of `alias`. False if a table page is missing. */
export function mapPrivateRange(pool: Pool, alias: u64): bool {
  stackPfn = 0;
  aliasPfn = 0;
  if (!isWanted) return true;
  const stack = allocatePages(pool, 0);
  if (stack == 0) return false;
  setRefcount(stack, 0);
  stackPfn = pfnOf(stack);
  aliasPfn = alias;
  const base = isMutated(LINEAR_MAP_OVER_IO) ? lastPage() : PRIVATE_BASE;
  return hypMapPrivate(base, pfnToPa(stackPfn)) && hypMapPrivate(base + 2 * pageSize, pfnToPa(aliasPfn));
}

// The last page of memory, which the linear map reaches once EL2 maps it.
function lastPage(): u64 {
  const region = regionAt(regionCount - 1);
  return region.base + region.size - pageSize;
}

/** Whether the boot that takes EL2's pages from the host leaves this one out. */
export function isForgotten(pfn: u64): bool {
  return isMutated(HYP_STACK_HOST_OWNED) && stackPfn != 0 && pfn == stackPfn;
}

/** Whether it comes to this page once more, by its other address: the state that it finds then is not that of a page to take. */
export function isVisitedTwice(pfn: u64): bool {
  return isMutated(INIT_WALK_TWO_ALIASES) && aliasPfn != 0 && pfn == aliasPfn;
}
