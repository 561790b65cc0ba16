// stage2_unmap (kvm/hyp/pgtable.c:stage2_unmap_walker; reference 2.6).

import { isTable, isValid } from "../arch/descriptor";
import { pageMask, pageSize } from "../arch/geometry";
import { hasFwb, hasTlbRange, isNormal } from "./attributes";
import { cleanUnmapped, flushIpa, flushIpaUnknownLevel, flushRange } from "./maintenance";
import { childPage, freeTablePage, isEmptyTable, setEntry, Stage2 } from "./stage2-table";
import { address, entry, LEAF, level, old, table, TABLE_POST, tablePage, visitPage, walk } from "./walk";
import { forgetLeafTable } from "./walk-cache";

/**
 * Empties [addr, addr + size): leaves, annotations, and the tables that become empty, never the root.
 * A block partly covered goes as a whole. Returns 0 or -ERANGE.
 */
export function stage2Unmap(pgt: Stage2, addr: u64, size: u64): i32 {
  let ret = 0;
  const onePage = size == pageSize && (addr & pageMask) == 0;
  if (onePage && visitPage(pgt, addr, LEAF | TABLE_POST)) {
    unmapLeaf();
    // The walk that frees finds the leaf gone and only comes by the tables above it.
    if (isEmptyTable(tablePage)) ret = walk(pgt, addr, size, LEAF | TABLE_POST, visit);
  } else {
    ret = walk(pgt, addr, size, LEAF | TABLE_POST, visit);
  }
  if (defersFlush() && size != 0) flushRange(pgt, addr, size);
  return ret;
}

// stage2_unmap_defer_tlb_flush: one range operation at the end replaces those of the leaves.
function defersFlush(): bool {
  return hasTlbRange && hasFwb;
}

function visit(kind: u32): i32 {
  if (kind == TABLE_POST) unmapTable();
  else unmapLeaf();
  return 0;
}

function unmapLeaf(): void {
  const removed = old;
  if (removed == 0) return;
  setEntry(table, entry, tablePage, level, address, 0);
  if (!isValid(removed)) return;
  if (!defersFlush()) flushIpa(table, address, level);
  if (isNormal(table, removed)) cleanUnmapped(table, removed, level);
}

function unmapTable(): void {
  const child = childPage(old);
  if (!isTable(old, level) || !isEmptyTable(child)) return;
  setEntry(table, entry, tablePage, level, address, 0);
  flushIpaUnknownLevel(table, address);
  if (level == 2) forgetLeafTable(table, address);
  freeTablePage(table, child);
}
