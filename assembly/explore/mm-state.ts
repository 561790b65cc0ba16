// The state of a partition manager's tables by themselves: what stands in them, wherever they are. Which page serves as which
// table, and in what order the others are free, decides about nothing. Entries that follow one another in equal steps are told
// as one run, from which they can be made again: nothing is lost.

import { isTable, TABLE } from "../arch/descriptor";
import { indexMask, pgdPages, startLevel } from "../arch/geometry";
import { mmTable } from "../batch/mm-tables";
import { frameOf } from "../memory/dram";
import { childPage, rootFrame } from "../pagetable/stage2-table";
import { Tell } from "./translation";

/** Whether there are such tables, and all else of the machine serves them. */
export function hasMmTables(): bool {
  return mmTable(1) != null;
}

export function tellMmTables(tell: Tell): void {
  let table = mmTable(1);
  for (let number: u32 = 2; table != null; number++) {
    for (let i: u32 = 0; i < pgdPages; i++) tellTable(rootFrame(table, i), startLevel, tell);
    table = mmTable(number);
  }
}

// A run is first entry, step and length; in the place of a table's is TABLE, and what stands in it.
function tellTable(frame: usize, level: i32, tell: Tell): void {
  for (let index: u32 = 0; index <= (indexMask as u32);) {
    const first = entryAt(frame, index);
    if (isTable(first, level)) {
      tell(TABLE);
      tellTable(frameOf(childPage(first)), level + 1, tell);
      index++;
      continue;
    }
    const end = endOfRun(frame, level, index);
    tell(first);
    tell(end == index + 1 ? 0 : entryAt(frame, index + 1) - first);
    tell((end - index) as u64);
    index = end;
  }
}

function entryAt(frame: usize, index: u32): u64 {
  return load<u64>(frame + ((index as usize) << 3));
}

function endOfRun(frame: usize, level: i32, start: u32): u32 {
  let end = start + 1;
  if (end > (indexMask as u32) || isTable(entryAt(frame, end), level)) return end;
  const step = entryAt(frame, end) - entryAt(frame, start);
  while (end <= (indexMask as u32) && !isTable(entryAt(frame, end), level)) {
    if (entryAt(frame, end) - entryAt(frame, end - 1) != step) break;
    end++;
  }
  return end;
}
