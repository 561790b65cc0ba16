// The mode of a range of a partition manager's table (src/mm.c:mm_vm_get_mode; reference ffa section 18, rows 145 to 148): there
// is one where all of the range is one block of memory, of one mode, whose outputs follow one another. What was never mapped has
// a mode too: INVALID, UNOWNED and SHARED.

import { FFA_DENIED, MODE_ABSENT, REASON_FFA_MIXED_MODES } from "../../abi/ffa";
import { HF_MODE_RANGE_IGNORES_PA, HF_WALK_WRONG_LEVEL } from "../../abi/mutations";
import { isTable } from "../../arch/descriptor";
import { granuleSize, startLevel } from "../../arch/geometry";
import { frameOf } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { refuse } from "../../memory/verdict";
import { isTablePage } from "../../pagetable/protocol";
import { childPage, entryOffset, rootFrame, rootIndex, Stage2 } from "../../pagetable/stage2-table";
import { checkMmRange } from "./mm-map";
import { mmModeOf, outputAt } from "./mm-table";

// Where the last walk ended.
let leaf: u64 = 0;
let leafLevel: i32 = 0;

/** The mode, or a refusal where there is not one alone. */
export function mmGetMode(table: Stage2, begin: u64, size: u64): i32 {
  const refused = checkMmRange(begin, size);
  if (refused != 0) return refused;
  if (!walkTo(table, begin)) return refuse(FFA_DENIED, REASON_FFA_MIXED_MODES, begin, 0, 0);
  const mode = modeFound(table);
  const output = outputAt(leaf, leafLevel, begin);
  for (let ipa = endOfLeaf(begin); ipa < begin + size; ipa = endOfLeaf(ipa)) {
    if (!walkTo(table, ipa) || modeFound(table) != mode) return refuseMixed(table, ipa, mode);
    const follows = mode == MODE_ABSENT || outputAt(leaf, leafLevel, ipa) == output + (ipa - begin);
    if (!follows && !isMutated(HF_MODE_RANGE_IGNORES_PA)) return refuseMixed(table, ipa, mode);
  }
  return mode;
}

function modeFound(table: Stage2): i32 {
  return leaf == 0 ? MODE_ABSENT : mmModeOf(table, leaf);
}

function refuseMixed(table: Stage2, ipa: u64, mode: i32): i32 {
  return refuse(FFA_DENIED, REASON_FFA_MIXED_MODES, ipa, mode, modeFound(table));
}

function endOfLeaf(ipa: u64): u64 {
  return (ipa & ~(granuleSize(leafLevel) - 1)) + granuleSize(leafLevel);
}

// False where the walk came to what is no table: then nothing can be said.
function walkTo(table: Stage2, ipa: u64): bool {
  let frame = rootFrame(table, rootIndex(ipa));
  leafLevel = isMutated(HF_WALK_WRONG_LEVEL) ? startLevel - 1 : startLevel;
  leaf = load<u64>(frame + entryOffset(ipa, leafLevel));
  while (isTable(leaf, leafLevel)) {
    const page = childPage(leaf);
    if (!isTablePage(page, ipa)) return false;
    leafLevel++;
    frame = frameOf(page);
    leaf = load<u64>(frame + entryOffset(ipa, leafLevel));
  }
  return true;
}
