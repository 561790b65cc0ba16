// stage2_unmap (kvm/hyp/pgtable.c:stage2_unmap_walker; reference 2.6).

import { PANIC_EL2_FAULT } from "../abi/codes";
import { CMO_ON_UNMAPPED_PAGE, DEFERRED_FLUSH_AFTER_TABLE_FREE, LEVEL_HINT_ON_TABLE } from "../abi/mutations";
import { isTable, isValid } from "../arch/descriptor";
import { pageSize } from "../arch/geometry";
import { TLBI_UNMAP_LEAF, TLBI_UNMAP_RANGE, TLBI_UNMAP_TABLE } from "../abi/tlb";
import { observing } from "../memory/journal";
import { isMutated } from "../memory/mutation";
import { panic } from "../memory/verdict";
import { hasFwb, hasTlbRange, isNormal } from "./attributes";
import { cleanUnmapped, flushIpa, flushRange, flushTablePointer, isCleanedUnmapped } from "./maintenance";
import { childPage, freeTablePage, isEmptyTable, setEntry, Stage2 } from "./stage2-table";
import { address, entry, LEAF, level, old, table, TABLE_POST, tablePage, walk } from "./walk";
import { forgetLeafTable, leafTable, pageEntry } from "./walk-cache";

/**
 * Empties [addr, addr + size): leaves, annotations, and the tables that become empty, never the root.
 * A block partly covered goes as a whole. Returns 0 or -ERANGE.
 */
export function stage2Unmap(pgt: Stage2, addr: u64, size: u64): i32 {
  let ret = 0;
  const at = size == pageSize ? pageEntry(pgt, addr) : 0;
  const page = leafTable;
  if (at != 0) removeLeaf(pgt, at, page, 3, addr);
  // The walk that frees finds the leaf gone and only comes by the tables above it.
  if (at == 0 || isEmptyTable(page)) ret = walk(pgt, addr, size, LEAF | TABLE_POST, visit);
  if (observing && defersFlush() && size != 0) flushRange(pgt, addr, size, TLBI_UNMAP_RANGE);
  return ret;
}

// stage2_unmap_defer_tlb_flush: one range operation at the end replaces those of the leaves.
function defersFlush(): bool {
  return hasTlbRange && hasFwb;
}

function visit(kind: u32): i32 {
  if (kind == TABLE_POST) unmapTable();
  else removeLeaf(table, entry, tablePage, level, address);
  return 0;
}

function removeLeaf(pgt: Stage2, at: usize, page: usize, atLevel: i32, addr: u64): void {
  const removed = load<u64>(at);
  if (removed == 0) return;
  setEntry(pgt, at, page, atLevel, addr, 0);
  if (isMutated(CMO_ON_UNMAPPED_PAGE) && isCleanedUnmapped(pgt, removed)) panic(PANIC_EL2_FAULT);
  if (!observing || !isValid(removed)) return;
  if (!defersFlush()) flushIpa(pgt, addr, atLevel, TLBI_UNMAP_LEAF);
  if (isNormal(pgt, removed)) cleanUnmapped(pgt, removed, atLevel);
}

function unmapTable(): void {
  const child = childPage(old);
  if (!isTable(old, level) || !isEmptyTable(child)) return;
  setEntry(table, entry, tablePage, level, address, 0);
  if (isMutated(LEVEL_HINT_ON_TABLE)) flushIpa(table, address, level, TLBI_UNMAP_TABLE);
  else if (!isMutated(DEFERRED_FLUSH_AFTER_TABLE_FREE) || !defersFlush()) flushTablePointer(table, address);
  if (level == 2) forgetLeafTable(table, address);
  freeTablePage(table, child);
}
