// What a plain translation looks like: little-endian tables of the 48-bit format, and a page that permits the access as it
// stands. Then one masked comparison makes all checks of an entry, and the address is all there is to compute. Whatever does
// not compare equal is left to the walk of translate.ts, so that the outcome is always that walk's.

import {
  ACCESS_ATOMIC,
  ACCESS_FETCH,
  ACCESS_KIND,
  ACCESS_READ,
  ACCESS_UNALIGNED,
  ACCESS_WRITE,
  REGIME_LEGAL,
} from "../abi/walk";
import { frameOf, frames } from "../memory/dram";
import { pageOf, regionOf, vmemmap } from "../memory/regions";
import { isSparse } from "../memory/sparse";
import { AF, CONTIGUOUS, S2AP_R, S2AP_W, TABLE, TYPE, VALID, XN, XN_ALL, XN_SHIFT } from "./descriptor";
import { FORMAT_LPA, FORMAT_LPA2, indexShift, Regime } from "./registers";

const ADDRESS_48: u64 = 0x0000_ffff_ffff_f000;
const ADDRESS_LPA: u64 = 0xf000; // OA[51:48]

/** An entry that points to a table has, under this mask, the value TABLE. */
export let tableMask: u64 = 0;
/** A page entry that permits the access has, under this mask, this value. */
export let leafMask: u64 = 0;
export let leafValue: u64 = 0;
/** The region that the first table lies in, and with it nearly every other one. */
export let firstPfn: u64 = 0;
export let pages: u64 = 0;
/** u32 per page of that region: linear address of its contents, 0 if it has none. */
export let regionFrames: usize = 0;

/** Prepares for accesses of one kind. False if nothing about the regime or the access is plain. */
export function preparePlainWalk(regime: Regime, access: u32): bool {
  if (isSparse || regime.status != REGIME_LEGAL || regime.bigEndian || regime.format == FORMAT_LPA2) return false;
  if ((access & ACCESS_UNALIGNED) != 0 || regime.startLevel < 0 || regime.startLevel > 2) return false;
  const beyond = (ADDRESS_48 & ~(regime.outputEnd - 1)) | (regime.format == FORMAT_LPA ? ADDRESS_LPA : 0);
  tableMask = TABLE | beyond;
  leafMask = VALID | TYPE | AF | CONTIGUOUS | beyond;
  leafValue = VALID | TYPE | AF;
  return preparePermission(regime, access & ACCESS_KIND) && prepareRegion(regime);
}

// A hardware update of the dirty state does not happen where S2AP permits the write already.
function preparePermission(regime: Regime, kind: u32): bool {
  if (kind == ACCESS_FETCH) {
    leafMask |= regime.hasXnx ? XN : XN_ALL << XN_SHIFT;
    return true;
  }
  if (kind != ACCESS_READ && kind != ACCESS_WRITE && kind != ACCESS_ATOMIC) return false;
  const s2ap = (kind == ACCESS_WRITE ? 0 : S2AP_R) | (kind == ACCESS_READ ? 0 : S2AP_W);
  leafMask |= s2ap;
  leafValue |= s2ap;
  return true;
}

function prepareRegion(regime: Regime): bool {
  const offset = regime.base & (((1 as u64) << regime.granuleShift) - 1);
  const region = regionOf(regime.base >> regime.granuleShift);
  if (offset != 0 || region == null || regime.base >= regime.outputEnd) return false;
  firstPfn = region.firstPfn;
  pages = region.pages;
  regionFrames = frames + ((region.words - vmemmap) >> 1);
  return true;
}

/** Linear address of the table of `level` on the way to `ipa`; 0 if the way is not plain. */
export function findTable(regime: Regime, ipa: u64, tableLevel: i32): usize {
  if (ipa >> regime.inputBits != 0) return 0;
  const shift = regime.granuleShift;
  const indexMask = ((1 as u64) << regime.stride) - 1;
  // Of concatenated first tables, the one that translates `ipa`.
  const first = ipa >> (indexShift(regime, regime.startLevel) + regime.stride);
  let table = frameAt((regime.base >> shift) + first);
  for (let level = regime.startLevel; level < tableLevel && table != 0; level++) {
    const index = (ipa >> indexShift(regime, level)) & indexMask;
    const descriptor = load<u64>(table + ((index as usize) << 3));
    table = (descriptor & tableMask) == TABLE ? frameAt((descriptor & ADDRESS_48) >> shift) : 0;
  }
  return table;
}

function frameAt(pfn: u64): usize {
  const page = pageOf(pfn);
  return page == 0 ? 0 : frameOf(page);
}
