// Where guest_memfd's pages come from: a range of DRAM, one page at a time (folios are of order 0; reference host-and-vmm
// section 4.1). The last page freed is the first one used again, as the kernel's per-CPU lists have it. A page is cleared
// when it is taken, not when it is given back: until then the kernel reads what was there.

import { pageShift } from "../../arch/geometry";
import { wipePage } from "../../memory/dram";
import { reserve } from "../../memory/heap";
import { isMemoryRange, pageOf } from "../../memory/regions";
import { NO_FOLIO } from "./page-cache";

let firstPfn: u64 = 0;
let folios: u32 = 0;
// Per folio, 8 bytes: 0 u32 next free folio + 1 | 4 u8 mapped by the host's user space | 5 u8 hardware poison
let states: usize = 0;
const MAPPED: usize = 4;
const POISONED: usize = 5;
// 0 u32 first free folio + 1 | 4 u32 folios that were ever used
let pool: usize = 0;

/** Takes the range over. False if it is no memory, or linear memory is used up. */
export function reserveFolios(base: u64, size: u64): bool {
  firstPfn = base >> pageShift;
  folios = (size >> pageShift) as u32;
  states = reserve((folios as usize) << 3);
  pool = reserve(16);
  return states != 0 && pool != 0 && size != 0 && isMemoryRange(base, base + size);
}

/** A page of zeros, or NO_FOLIO. */
export function takeFolio(): u32 {
  let folio = load<u32>(pool) - 1;
  if (folio != NO_FOLIO) {
    store<u32>(pool, load<u32>(stateOf(folio)));
  } else {
    folio = load<u32>(pool, 4);
    if (folio == folios) return NO_FOLIO;
    store<u32>(pool, folio + 1, 4);
  }
  store<u64>(stateOf(folio), 0);
  wipePage(pageOf(pfnOfFolio(folio)));
  return folio;
}

/** Gives a page back, contents as they are. One with hardware poison is never used again. */
export function releaseFolio(folio: u32): void {
  if (isPoisoned(folio)) return;
  store<u64>(stateOf(folio), 0);
  store<u32>(stateOf(folio), load<u32>(pool));
  store<u32>(pool, folio + 1);
}

function stateOf(folio: u32): usize {
  return states + ((folio as usize) << 3);
}

export function pfnOfFolio(folio: u32): u64 {
  return firstPfn + (folio as u64);
}

export function isHostMapped(folio: u32): bool {
  return load<u8>(stateOf(folio), MAPPED) != 0;
}

export function setHostMapped(folio: u32): void {
  store<u8>(stateOf(folio), 1, MAPPED);
}

export function isPoisoned(folio: u32): bool {
  return load<u8>(stateOf(folio), POISONED) != 0;
}

export function setPoisoned(folio: u32): void {
  store<u8>(stateOf(folio), 1, POISONED);
}
