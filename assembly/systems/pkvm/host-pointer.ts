// EL2 at an address that the host gave it: as an argument, or in memory that the host can write. Whatever EL2 reads or writes
// there must be pinned for as long (reference bugs.md section 11, check 10): else the host takes the page away meanwhile, or
// has named one of EL2's own. EL2's linear map decides what it gets: a page that is not in it is a fault of EL2's.

import { PANIC_EL2_FAULT, SHARED_BORROWED } from "../../abi/codes";
import { isValid } from "../../arch/descriptor";
import { pageShift } from "../../arch/geometry";
import { readU64, writeU64 } from "../../memory/dram";
import { pageOf } from "../../memory/regions";
import { panic } from "../../memory/verdict";
import { hypState, refcount } from "../../memory/vmemmap";
import { hypLeaf, isHypWritable } from "../../pagetable/hyp-stage1";

/** Where EL2 went by an address of the host's without a pin, since `forgetStray`. */
export let strayAt: u64 = 0;
export let isStray: bool = false;

export function forgetStray(): void {
  isStray = false;
}

/** The word at an address of the host's. Where EL2 maps nothing it stops: 0. */
export function readAtHostPointer(pa: u64): u64 {
  noteStray(pa);
  return readAtEl2(pa);
}

export function writeAtHostPointer(pa: u64, word: u64): void {
  noteStray(pa);
  if (!isHypWritable(hypLeaf(pa))) panic(PANIC_EL2_FAULT);
  else writeU64(pa & ~7, word);
}

/** The word at an address of EL2's linear map. Where it maps nothing EL2 stops: 0. */
export function readAtEl2(pa: u64): u64 {
  if (isValid(hypLeaf(pa))) return readU64(pa & ~7);
  panic(PANIC_EL2_FAULT);
  return 0;
}

function noteStray(pa: u64): void {
  if (isPinned(pa) || isStray) return;
  isStray = true;
  strayAt = pa;
}

function isPinned(pa: u64): bool {
  const page = pageOf(pa >> pageShift);
  return page != 0 && hypState(page) == SHARED_BORROWED && refcount(page) != 0;
}
