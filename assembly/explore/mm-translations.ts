// Where an address of a partition manager's table leads, by the architecture's walk and not by the library's: what rules compare
// before and after a call.

import { MODE_ABSENT } from "../abi/ffa";
import { isTable } from "../arch/descriptor";
import { iaSize, startLevel } from "../arch/geometry";
import { mmTable } from "../batch/mm-tables";
import { frameOf } from "../memory/dram";
import { childPage, entryOffset, rootFrame, rootIndex, Stage2 } from "../pagetable/stage2-table";
import { mmModeOf, outputAt } from "../systems/ffa/mm-table";

let leaf: u64 = 0;
let level: i32 = 0;

function walk(table: Stage2, ipa: u64): void {
  let frame = rootFrame(table, rootIndex(ipa));
  for (level = startLevel; ; level++) {
    leaf = load<u64>(frame + entryOffset(ipa, level));
    if (!isTable(leaf, level)) return;
    frame = frameOf(childPage(leaf));
  }
}

/** The mode that table `number` has at `ipa`; MODE_ABSENT where there is no such table. */
export function mmMode(number: u32, ipa: u64): i32 {
  const table = mmTable(number);
  if (table == null || ipa >= iaSize) return MODE_ABSENT;
  walk(table, ipa);
  return leaf == 0 ? MODE_ABSENT : mmModeOf(table, leaf);
}

/** The address that `ipa` leads to, or would if the entry were valid; u64.MAX_VALUE where there is none. */
export function mmOutput(number: u32, ipa: u64): u64 {
  const table = mmTable(number);
  if (table == null || ipa >= iaSize) return u64.MAX_VALUE;
  walk(table, ipa);
  return leaf == 0 ? u64.MAX_VALUE : outputAt(leaf, level, ipa);
}

/** The level at which the walk for `ipa` ends, whatever it finds there; -1 where there is no such table. */
export function mmLevel(number: u32, ipa: u64): i32 {
  const table = mmTable(number);
  if (table == null || ipa >= iaSize) return -1;
  walk(table, ipa);
  return level;
}
