// Writing an entry of a partition manager's tables: a valid one is broken, invalidated for all that it covers, and only then
// made anew (src/mm.c:mm_replace_entry; reference bugs section 7).

import { PANIC_EL2_FAULT } from "../../abi/codes";
import { HF_DEFRAG_NO_BBM, HF_UNMAP_NO_FLUSH } from "../../abi/mutations";
import { isTable, isValid } from "../../arch/descriptor";
import { granuleSize, indexMask } from "../../arch/geometry";
import { frameOf } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { panic } from "../../memory/verdict";
import { decrementRefcount, incrementRefcount, setRefcount } from "../../memory/vmemmap";
import { childPage, freeTablePage, Stage2 } from "../../pagetable/stage2-table";
import { invalidate, tellWritten } from "./mm-contexts";
import { isInUse } from "./mm-table";

/** Puts `value` in the place of an entry of `level` for `ipa`; a table that was there is freed with all below it. */
export function replaceEntry(table: Stage2, at: usize, page: usize, level: i32, ipa: u64, value: u64): void {
  const base = ipa & ~(granuleSize(level) - 1);
  replaceAndFlush(table, at, page, level, base, value, base, base + granuleSize(level));
}

/** The same where what is invalidated is [begin, end). */
export function replaceAndFlush(
  table: Stage2,
  at: usize,
  page: usize,
  level: i32,
  ipa: u64,
  value: u64,
  begin: u64,
  end: u64,
): void {
  const old = load<u64>(at);
  if (old == value) return;
  if (isValid(old) && !isInPlace(value)) {
    // The manager runs on: what it needs for that must not be broken, not even for a moment.
    if (isInUse(table, level, ipa)) {
      panic(PANIC_EL2_FAULT);
      return;
    }
    writeEntry(table, at, page, level, ipa, 0);
    if (value != 0 || !isMutated(HF_UNMAP_NO_FLUSH)) invalidate(table, begin, end);
  }
  writeEntry(table, at, page, level, ipa, value);
  if (isInPlace(value)) invalidate(table, begin, end);
  if (isTable(old, level)) freeBelow(table, old, level);
}

function isInPlace(value: u64): bool {
  return isMutated(HF_DEFRAG_NO_BBM) && value != 0;
}

/** Writes an entry that nobody can have kept anything of, or whose break this is. */
export function writeEntry(table: Stage2, at: usize, page: usize, level: i32, ipa: u64, value: u64): void {
  const old = load<u64>(at);
  store<u64>(at, value);
  if (old == 0 && value != 0) incrementRefcount(page);
  if (old != 0 && value == 0) decrementRefcount(page);
  if (old != value) tellWritten(table, level, ipa, old, value, at);
}

// No entry leads there any more.
function freeBelow(table: Stage2, pointer: u64, level: i32): void {
  const page = childPage(pointer);
  if (level + 1 < 3) {
    const frame = frameOf(page);
    for (let index: u64 = 0; index <= indexMask; index++) {
      const descriptor = load<u64>(frame + ((index as usize) << 3));
      if (isTable(descriptor, level + 1)) freeBelow(table, descriptor, level + 1);
    }
  }
  setRefcount(page, 1);
  freeTablePage(table, page);
}
