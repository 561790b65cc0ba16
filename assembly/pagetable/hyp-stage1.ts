// EL2's own stage 1: the linear map, page by page, at VA = PA (a hyp_physvirt_offset of 0)
// (kvm/hyp/pgtable.c:kvm_pgtable_hyp_map, kvm_pgtable_hyp_unmap; reference 2.14).
//
//   54 53       50 47         12 11 10  9  8 7    6 5   4        2    1     0
//  +--+----------+-------------+--+--+-----+------+---+--------+------+-------+
//  |XN|          |     OA      |  |AF| SH  |  AP  |   | ATTR   | TYPE | VALID |
//  +--+----------+-------------+--+--+-----+------+---+--------+------+-------+

import { addressField, isTable, isValid, TABLE, TYPE, VALID } from "../arch/descriptor";
import { indexMask, levelShift, pageShift, pfnToPa } from "../arch/geometry";
import { ensureFrame, frameOf } from "../memory/dram";
import { recordHypMap, recording } from "../memory/journal";
import { allocatePages, Pool, putPage } from "../memory/page-pool";
import { pfnOf } from "../memory/regions";
import { decrementRefcount, incrementRefcount } from "../memory/vmemmap";
import { childPage, isEmptyTable } from "./stage2-table";

const HYP_AF: u64 = 1 << 10;
const HYP_SH_IS: u64 = 3 << 8;
const HYP_AP_RW: u64 = 1 << 6; // nVHE
const HYP_AP_RO: u64 = 3 << 6;
const HYP_XN: u64 = (1 as u64) << 54;

/** PAGE_HYP, PAGE_HYP_EXEC, PAGE_HYP_RO. */
export const PAGE_HYP: u64 = HYP_AP_RW | HYP_XN;
export const PAGE_HYP_EXEC: u64 = HYP_AP_RO;

let root: usize = 0;
let pool: Pool = changetype<Pool>(0);

/** EL2 walks 48-bit addresses: from level 0, with 64 KiB pages from level 1. */
export function hypStartLevel(): i32 {
  return pageShift == 16 ? 1 : 0;
}

/** Takes the root out of `tables`. False if it has no page. */
export function initHypStage1(tables: Pool): bool {
  pool = tables;
  root = allocatePages(tables, 0);
  if (root != 0) ensureFrame(root);
  return root != 0;
}

/** The root table's page. */
export function hypRoot(): usize {
  return root;
}

function entryIndex(pa: u64, level: i32): usize {
  return (((pa >> levelShift(level)) & indexMask) << 3) as usize;
}

/** Maps one page. A leaf that differs in more than software bits would be asserted by the caller. False without a table page. */
export function hypMapPage(pa: u64, prot: u64): bool {
  let page = root;
  for (let level = hypStartLevel(); level < 3; level++) {
    const entry = frameOf(page) + entryIndex(pa, level);
    let descriptor = load<u64>(entry);
    if (!isTable(descriptor, level)) {
      const child = allocatePages(pool, 0);
      if (child == 0) return false;
      ensureFrame(child);
      descriptor = addressField(pfnToPa(pfnOf(child))) | TABLE;
      store<u64>(entry, descriptor);
      incrementRefcount(page);
    }
    page = childPage(descriptor);
  }
  const entry = frameOf(page) + entryIndex(pa, 3);
  const before = load<u64>(entry);
  const leaf = prot | HYP_AF | HYP_SH_IS | addressField(pa) | VALID | TYPE;
  if (before == 0) incrementRefcount(page);
  store<u64>(entry, leaf);
  if (recording) recordHypMap(pa, before, leaf);
  return true;
}

/** Maps a page at another address than its own, in EL2's private range. False without a table page. */
export function hypMapPrivate(va: u64, pa: u64): bool {
  if (!hypMapPage(va, PAGE_HYP)) return false;
  store<u64>(hypEntry(va), PAGE_HYP | HYP_AF | HYP_SH_IS | addressField(pa) | VALID | TYPE);
  return true;
}

/** Unmaps one page and frees the tables that become empty. False if it was not mapped. */
export function hypUnmapPage(pa: u64): bool {
  return unmapBelow(root, hypStartLevel(), pa);
}

function unmapBelow(page: usize, level: i32, pa: u64): bool {
  const entry = frameOf(page) + entryIndex(pa, level);
  const descriptor = load<u64>(entry);
  if (level == 3) {
    if (!isValid(descriptor)) return false;
    if (recording) recordHypMap(pa, descriptor, 0);
  } else {
    if (!isTable(descriptor, level)) return false;
    const child = childPage(descriptor);
    if (!unmapBelow(child, level + 1, pa)) return false;
    if (!isEmptyTable(child)) return true;
    putPage(pool, child);
  }
  store<u64>(entry, 0);
  decrementRefcount(page);
  return true;
}

/** The linear-map leaf of a page, 0 if it is not mapped. */
export function hypLeaf(pa: u64): u64 {
  const entry = hypEntry(pa);
  return entry == 0 ? 0 : load<u64>(entry);
}

/** Linear address of the level-3 entry for a page, 0 if no table covers it. */
export function hypEntry(pa: u64): usize {
  let page = root;
  for (let level = hypStartLevel(); level < 3; level++) {
    const descriptor = load<u64>(frameOf(page) + entryIndex(pa, level));
    if (!isTable(descriptor, level)) return 0;
    page = childPage(descriptor);
  }
  return frameOf(page) + entryIndex(pa, 3);
}

/** Whether a linear-map leaf lets EL2 write. */
export function isHypWritable(leaf: u64): bool {
  return isValid(leaf) && (leaf & HYP_AP_RO) == HYP_AP_RW;
}
