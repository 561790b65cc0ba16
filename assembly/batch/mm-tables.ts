// Tables of a partition manager's page-table library, beside a lone one whose pool they share (abi/ffa-mm.ts): for searches.

import { FFA_INVALID_PARAMETERS, FFA_NO_MEMORY, REASON_FFA_ENDPOINT, REASON_FFA_TABLE_MEMORY } from "../abi/ffa";
import {
  FFA_MM_DEFRAG,
  FFA_MM_GET_MODE,
  FFA_MM_MAP,
  FFA_MM_NON_SECURE,
  FFA_MM_OWN,
  FFA_MM_TABLE,
  FFA_MM_UNMAP,
} from "../abi/ffa-mm";
import { refuse } from "../memory/verdict";
import { Pool } from "../memory/page-pool";
import { Stage2 } from "../pagetable/stage2-table";
import { firstTag } from "../systems/ffa/mm-contexts";
import { mmDefrag } from "../systems/ffa/mm-defrag";
import { mmMap, mmUnmap } from "../systems/ffa/mm-map";
import { mmGetMode } from "../systems/ffa/mm-mode";
import { newMmTable, setInUse, tableBefore } from "../systems/ffa/mm-table";
import { a, b, c, d, handle, INVALID, operation } from "./operation-record";

const MAX_VMID: u64 = 255;
/** The youngest table; each knows the one before it. */
let last: Stage2 | null = null;

/** Table number `number`, from 1 on; null if there is none. */
export function mmTable(number: u32): Stage2 | null {
  let table = last;
  while (table != null && table.vm != number) table = tableBefore(table);
  return table;
}

/** Runs one record. `pool`: where table pages come from. */
export function dispatchMm(rec: usize, pool: Pool): i32 {
  if (operation(rec) == FFA_MM_TABLE) return addTable(rec, pool);
  const table = mmTable(handle(rec));
  if (table == null) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_ENDPOINT, handle(rec), 0, 0);
  switch (operation(rec)) {
    case FFA_MM_MAP:
      return mmMap(table, a(rec), b(rec), c(rec), d(rec) as i32);
    case FFA_MM_UNMAP:
      return mmUnmap(table, a(rec), b(rec));
    case FFA_MM_DEFRAG:
      return mmDefrag(table);
    case FFA_MM_GET_MODE:
      return mmGetMode(table, a(rec), b(rec));
    default:
      return INVALID;
  }
}

function addTable(rec: usize, pool: Pool): i32 {
  const purpose = a(rec) as i32;
  const tag = firstTag(purpose == FFA_MM_OWN, purpose == FFA_MM_NON_SECURE, b(rec) as u32);
  const number = handle(rec);
  if (purpose > FFA_MM_OWN || b(rec) > MAX_VMID || number == 0) return INVALID;
  // The first one is a new machine's.
  if (number == 1) last = null;
  const table = newMmTable(pool, last, number, purpose, b(rec) as u32, tag);
  if (table == null) return refuse(FFA_NO_MEMORY, REASON_FFA_TABLE_MEMORY, number, 0, 0);
  setInUse(table, c(rec));
  last = table;
  return 0;
}
