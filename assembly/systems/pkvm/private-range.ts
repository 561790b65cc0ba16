// EL2's private range: what it maps besides its linear map (nvhe/mm.c; reference pkvm-el2 section 1.7). Nothing of it can be
// seen in a machine that works, so only a search has it: EL2's stack, and its VM table once more, as the vmemmap is. With it comes
// a page of code that is not text, as vectors are that are put together at boot.
// Boot went wrong about it more than once (reference bugs.md 2.1).

import { ENOMEM, EOPNOTSUPP, REASON_TABLE_PAGES } from "../../abi/codes";
import { REASON_BOOT_ONLY } from "../../abi/el2-calls";
import { HYP_STACK_HOST_OWNED, LINEAR_MAP_OVER_IO, PRIVILEGED_CALLS_AFTER_FINALISE } from "../../abi/mutations";
import { pageSize, pfnToPa } from "../../arch/geometry";
import { reserve } from "../../memory/heap";
import { isMutated } from "../../memory/mutation";
import { allocatePages, Pool } from "../../memory/page-pool";
import { pfnOf, regionAt, regionCount } from "../../memory/regions";
import { refuse } from "../../memory/verdict";
import { setRefcount } from "../../memory/vmemmap";
import { hypMapPrivate } from "../../pagetable/hyp-stage1";

/** The upper half of EL2's addresses. */
const PRIVATE_BASE: u64 = (1 as u64) << 47;

/** Where what the host has mapped lies, behind boot's. */
const HOST_BASE: u64 = PRIVATE_BASE + (1 << 24);

let isWanted: bool = false;
/** u64 pages that were mapped for the host. */
let mappedForHost: usize = 0;
let stackPfn: u64 = 0;
let codePfn: u64 = 0;
/** The page that is mapped twice, 0 = none. */
export let aliasPfn: u64 = 0;

/** Whether machines that are made from here on have it: only a search that looks at boot does. */
export function choosePrivateRange(wanted: bool): void {
  isWanted = wanted;
}

/** Maps the stack and takes a page for code, both taken out of EL2's pool, and an alias of `alias`. False if a table page is missing. */
export function mapPrivateRange(pool: Pool, alias: u64): bool {
  stackPfn = 0;
  codePfn = 0;
  aliasPfn = 0;
  mappedForHost = reserve(8);
  if (mappedForHost == 0) return false;
  if (!isWanted) return true;
  const stack = allocatePages(pool, 0);
  const code = allocatePages(pool, 0);
  if (stack == 0 || code == 0) return false;
  setRefcount(stack, 0);
  setRefcount(code, 0);
  stackPfn = pfnOf(stack);
  codePfn = pfnOf(code);
  aliasPfn = alias;
  const base = isMutated(LINEAR_MAP_OVER_IO) ? lastPage() : PRIVATE_BASE;
  return hypMapPrivate(base, pfnToPa(stackPfn)) && hypMapPrivate(base + 2 * pageSize, pfnToPa(aliasPfn));
}

// The last page of memory, which the linear map reaches once EL2 maps it.
function lastPage(): u64 {
  const region = regionAt(regionCount - 1);
  return region.base + region.size - pageSize;
}

// create_private_mapping: only boot asks for such mappings, and after it EL2 knows no such call (reference section 7.1). On a
// machine where it stayed open, 0 stands for the address.   nvhe/mm.c:__pkvm_create_private_mapping
export function createPrivateMapping(phys: u64, size: u64): i32 {
  if (!isMutated(PRIVILEGED_CALLS_AFTER_FINALISE)) return refuse(EOPNOTSUPP, REASON_BOOT_ONLY, 0, 0, 0);
  for (let pa = phys; pa < phys + size; pa += pageSize) {
    const mapped = load<u64>(mappedForHost);
    if (!hypMapPrivate(HOST_BASE + mapped * pageSize, pa)) return refuse(ENOMEM, REASON_TABLE_PAGES, pa, 0, 0);
    store<u64>(mappedForHost, mapped + 1);
  }
  return 0;
}

/** Pages that the host had mapped there. */
export function privatelyMapped(): u64 {
  return mappedForHost == 0 ? 0 : load<u64>(mappedForHost);
}

/** Whether the boot that takes EL2's pages from the host leaves this one out. */
export function isForgotten(pfn: u64): bool {
  return isMutated(HYP_STACK_HOST_OWNED) && stackPfn != 0 && pfn == stackPfn;
}

/** Whether EL2 executes this page though it is none of its text. */
export function isOtherCode(pfn: u64): bool {
  return codePfn != 0 && pfn == codePfn;
}
