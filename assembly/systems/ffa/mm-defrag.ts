// Tidying a partition manager's tables (src/mm.c, vm_ptable_defrag; reference ffa section 3, bugs section 7): a table whose
// entries are all absent goes; one of leaves with equal attributes, whose outputs follow one another from an aligned address on,
// becomes one leaf. Memory that is lent away, invalid and owned, merges by the same rule.

import { HF_DEFRAG_NOT_CONTIGUOUS, HF_DEFRAG_OWN_TABLES } from "../../abi/mutations";
import { isTable, outputAddress, TYPE } from "../../arch/descriptor";
import { granuleSize, indexMask, levelBits, levelShift, pgdPages, startLevel } from "../../arch/geometry";
import { frameOf } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { childPage, isEmptyTable, rootFrame, rootPage, Stage2 } from "../../pagetable/stage2-table";
import { replaceEntry } from "./mm-entry";
import { attributesOf, isBlockAllowed, isOwnTable } from "./mm-table";

/** Merges what can be merged. The manager's own tables stay: a break would take from it what it runs on. */
export function mmDefrag(table: Stage2): i32 {
  if (isOwnTable(table) && !isMutated(HF_DEFRAG_OWN_TABLES)) return 0;
  for (let i: u32 = 0; i < pgdPages; i++) {
    const base = (i as u64) << (levelShift(startLevel) + levelBits);
    defragTable(table, rootPage(table, i), rootFrame(table, i), startLevel, base);
  }
  return 0;
}

function defragTable(table: Stage2, page: usize, frame: usize, level: i32, base: u64): void {
  for (let index: u64 = 0; index <= indexMask; index++) {
    const at = frame + ((index as usize) << 3);
    const entry = load<u64>(at);
    if (!isTable(entry, level)) continue;
    const ipa = base + index * granuleSize(level);
    const child = childPage(entry);
    defragTable(table, child, frameOf(child), level + 1, ipa);
    if (isEmptyTable(child)) replaceEntry(table, at, page, level, ipa, 0);
    else if (isMergeable(frameOf(child), level)) {
      replaceEntry(table, at, page, level, ipa, load<u64>(frameOf(child)) & ~TYPE);
    }
  }
}

/** Whether the leaves of a table say together what one leaf of `level` above them would say. */
function isMergeable(frame: usize, level: i32): bool {
  const first = load<u64>(frame);
  const below = level + 1;
  if (first == 0 || isTable(first, below) || !isBlockAllowed(level, outputAddress(first))) return false;
  for (let index: u64 = 1; index <= indexMask; index++) {
    const entry = load<u64>(frame + ((index as usize) << 3));
    if (isTable(entry, below) || attributesOf(entry) != attributesOf(first)) return false;
    const follows = outputAddress(entry) == outputAddress(first) + index * granuleSize(below);
    if (!follows && !isMutated(HF_DEFRAG_NOT_CONTIGUOUS)) return false;
  }
  return true;
}
