// What EL3 firmware does for the SPMC: pages move between the non-secure and the secure physical address space
// (reference ffa, section 11; where the platform can do it at all).

import { EFFECT_FFA_PAS } from "../../abi/ffa";
import { pageShift, pageSize } from "../../arch/geometry";
import { reserve } from "../../memory/heap";
import { record, recording } from "../../memory/journal";
import { pageOf, vmemmap, vmemmapPages } from "../../memory/regions";

/** Whether firmware offers the service. */
export let canProtect: bool = false;
// A byte a page: 1 = secure.
let spaces: usize = 0;

/** False if linear memory is used up. */
export function reserveSpaces(available: bool): bool {
  canProtect = available;
  spaces = reserve(vmemmapPages as usize);
  return spaces != 0;
}

function spaceOf(pa: u64): usize {
  const page = pageOf(pa >> pageShift);
  return page == 0 ? 0 : spaces + ((page - vmemmap) >> 3);
}

export function isSecurePage(pa: u64): bool {
  const at = spaceOf(pa);
  return at != 0 && load<u8>(at) != 0;
}

/** Moves one page. */
export function setSecurePage(pa: u64, secure: bool): void {
  const at = spaceOf(pa);
  const value: u8 = secure ? 1 : 0;
  if (at == 0 || load<u8>(at) == value) return;
  store<u8>(at, value);
  if (recording) record(EFFECT_FFA_PAS, 0, 0, pa, 1 - value, value, 0);
}

/** Protects a range page by page; a page that is secure already refuses. Answers how many pages it has moved. */
export function protect(pa: u64, pages: u64): u64 {
  for (let i: u64 = 0; i < pages; i++) {
    const at = spaceOf(pa + i * pageSize);
    if (at == 0 || load<u8>(at) != 0) return i;
    setSecurePage(pa + i * pageSize, true);
  }
  return pages;
}

export function unprotect(pa: u64, pages: u64): void {
  for (let i: u64 = 0; i < pages; i++) setSecurePage(pa + i * pageSize, false);
}
