// Tearing tables down: a detached subtree, or all of a table (kvm/hyp/pgtable.c:stage2_free_walker; reference 2.8).
// No invalidation, no cache maintenance; the pages that were mapped are not touched.

import { frameOf } from "../memory/dram";
import { PANIC_STAGE2_DESTROY, PANIC_STAGE2_FREE_UNLINKED } from "../abi/codes";
import { isTable } from "../arch/descriptor";
import { indexMask, levelShift, pgdPages, startLevel } from "../arch/geometry";
import { enterDetached, leaveDetached } from "../arch/tlb-checks";
import { panic } from "../memory/verdict";
import { childPage, freeTablePage, isEmptyTable, rootFrame, rootPage, setEntry, Stage2 } from "./stage2-table";
import { forgetLeafTable } from "./walk-cache";

/** free_unlinked: frees the subtree whose top table `page` has entries of `level` and covers from `ipa`. */
export function freeUnlinked(table: Stage2, page: usize, level: i32, ipa: u64): i32 {
  const base = (ipa >> levelShift(level - 1)) << levelShift(level - 1);
  enterDetached();
  const ret = clearTable(table, page, frameOf(page), level, base);
  leaveDetached();
  if (ret != 0) return ret;
  if (!isEmptyTable(page)) return panic(PANIC_STAGE2_FREE_UNLINKED);
  if (level == 3) forgetLeafTable(table, base);
  freeTablePage(table, page);
  return 0;
}

/** kvm_pgtable_stage2_destroy, but for the root pages, which the caller gives back. */
export function stage2Destroy(table: Stage2): i32 {
  for (let i: u32 = 0; i < pgdPages; i++) {
    const base = (i as u64) << levelShift(startLevel - 1);
    const ret = clearTable(table, rootPage(table, i), rootFrame(table, i), startLevel, base);
    if (ret != 0) return panic(PANIC_STAGE2_DESTROY);
  }
  return 0;
}

// Clears every entry of a table, freeing what hangs below. Stops when the count says that nothing is left.
function clearTable(table: Stage2, page: usize, frame: usize, level: i32, base: u64): i32 {
  const entries = indexMask + 1;
  for (let index: u64 = 0; index < entries && !isEmptyTable(page); index++) {
    const entry = frame + ((index as usize) << 3);
    const descriptor = load<u64>(entry);
    if (descriptor == 0) continue;
    const ipa = base + (index << levelShift(level));
    setEntry(table, entry, page, level, ipa, 0);
    if (isTable(descriptor, level)) {
      const ret = freeUnlinked(table, childPage(descriptor), level + 1, ipa);
      if (ret != 0) return ret;
    }
  }
  return 0;
}
