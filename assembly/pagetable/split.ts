// Splitting blocks (kvm_pgtable_stage2_split, kvm_pgtable_stage2_create_unlinked; reference 2.9). EL2 does not use it.

import { ENOMEM, REASON_TABLE_PAGES } from "../abi/codes";
import { FREE_UNLINKED_DOUBLE_PUT } from "../abi/mutations";
import { addressField, isValid, outputAddress, TABLE, TYPE, VALID } from "../arch/descriptor";
import { granuleSize, indexMask, levelShift, pfnToPa } from "../arch/geometry";
import { recordDescriptor, recording, recordTable } from "../memory/journal";
import { isMutated } from "../memory/mutation";
import { allocatePages, putPage } from "../memory/page-pool";
import { pfnOf } from "../memory/regions";
import { refuse } from "../memory/verdict";
import { setRefcount } from "../memory/vmemmap";
import { ensureFrame } from "../memory/dram";
import { attributes, protOf, setAttributes } from "./attributes";
import { TLBI_SPLIT } from "../abi/tlb";
import { entryBroken } from "../arch/tlb-checks";
import { flushIpa } from "./maintenance";
import { setEntry, Stage2 } from "./stage2-table";
import { address, entry, LEAF, level, old, table, tablePage, walk } from "./walk";

/** Objects left in the split cache. */
export let splitCache: u64 = 0;

/** Splits every valid block in [addr, addr + size) with at most `objects` table pages. 0, -ENOMEM or -ERANGE. */
export function stage2Split(pgt: Stage2, addr: u64, size: u64, objects: u64): i32 {
  splitCache = objects;
  return walk(pgt, addr, size, LEAF, splitLeaf);
}

// stage2_block_get_nr_page_tables: what a full split of one block takes.
function pagesForFullSplit(blockLevel: i32): u64 {
  return blockLevel == 1 ? indexMask + 2 : 1;
}

function splitLeaf(kind: u32): i32 {
  if (level == 3 || !isValid(old)) return 0;
  const needed = pagesForFullSplit(level);
  const toPages = splitCache >= needed;
  if (!toPages && splitCache < 1) return refuse(ENOMEM, REASON_TABLE_PAGES, address, needed as u32, splitCache as u32);
  const broken = setAttributes(table, protOf(old));
  if (broken != 0) return broken;
  const base = (address >> levelShift(level)) << levelShift(level);
  const top = createUnlinked(outputAddress(old), level, base, toPages);
  if (top == 0) return refuse(ENOMEM, REASON_TABLE_PAGES, address, needed as u32, splitCache as u32);
  entryBroken(table.vmid, level, address, old, entry);
  flushIpa(table, address, level, TLBI_SPLIT);
  setEntry(table, entry, tablePage, level, address, addressField(pfnToPa(pfnOf(top))) | TABLE);
  return 0;
}

/** A subtree for one entry of `blockLevel`, built without maintenance: its top table page, 0 if a page was missing. */
function createUnlinked(pa: u64, blockLevel: i32, ipa: u64, toPages: bool): usize {
  const page = takeSplitPage();
  if (page == 0) return 0;
  const below = blockLevel + 1;
  const frame = ensureFrame(page);
  const granule = granuleSize(below);
  for (let index: u64 = 0; index <= indexMask; index++) {
    const at = frame + ((index as usize) << 3);
    const from = ipa + index * granule;
    let descriptor = attributes | addressField(pa + index * granule) | VALID | (below == 3 ? TYPE : 0);
    if (toPages && below != 3) {
      const child = createUnlinked(pa + index * granule, below, from, true);
      if (child == 0) {
        if (isMutated(FREE_UNLINKED_DOUBLE_PUT)) {
          putPage(table.pool, page);
          putPage(table.pool, page);
        }
        return 0;
      }
      descriptor = addressField(pfnToPa(pfnOf(child))) | TABLE;
      if (recording) recordTable(table.vm, below + 1, from, true);
    }
    store<u64>(at, descriptor);
    if (recording) recordDescriptor(table.vm, below, from, 0, descriptor);
  }
  setRefcount(page, (indexMask + 2) as u32);
  return page;
}

// An object of the cache is used up even when no page stands behind it.
function takeSplitPage(): usize {
  splitCache--;
  return allocatePages(table.pool, 0);
}
