// A stage-2 table by itself: the library without ownership or VMs (vectors of kind `pgtable`).

import { CONFIG_FEATURES, CONFIG_POOL_PAGES, CONFIG_TABLE_FLAGS, CONFIG_VMID, FEATURE_DIC } from "../abi/config";
import { CREATE_OK, CREATE_POOL, CREATE_TOO_LARGE } from "../abi/codes";
import { PT_NO_MEMCACHE } from "../abi/operations";
import { EFFECT_LEAF, EFFECT_POOL } from "../abi/records";
import { pgdPages } from "../arch/geometry";
import { reserve } from "../memory/heap";
import { record, recording } from "../memory/journal";
import { allocatePages, initPool, Pool, POOL_BYTES, splitPage } from "../memory/page-pool";
import { regionAt } from "../memory/regions";
import { stage2Annotate, stage2Map } from "../pagetable/map";
import { splitCache } from "../pagetable/split";
import { DATA_CACHE, FREE_UNLINKED, INSTRUCTION_CACHE, setRoot, Stage2, STAGE2_BYTES } from "../pagetable/stage2-table";
import { getLeaf, leaf, leafLevel } from "../pagetable/walk";

export let loneTable: Stage2 = changetype<Stage2>(0);
let pool: Pool = changetype<Pool>(0);

/** Builds the table over the only region, which is its pool. CREATE_*. */
export function createLoneTable(config: usize): i32 {
  const at = reserve(STAGE2_BYTES + POOL_BYTES);
  if (at == 0) return CREATE_TOO_LARGE;
  loneTable = changetype<Stage2>(at);
  pool = changetype<Pool>(at + STAGE2_BYTES);
  const hasInstructionHook = (load<u32>(config, CONFIG_FEATURES) & FEATURE_DIC) == 0;
  loneTable.flags = load<u32>(config, CONFIG_TABLE_FLAGS) | DATA_CACHE | FREE_UNLINKED;
  if (hasInstructionHook) loneTable.flags |= INSTRUCTION_CACHE;
  loneTable.vmid = load<u32>(config, CONFIG_VMID);
  loneTable.pool = pool;
  initPool(pool, regionAt(0).firstPfn, load<u32>(config, CONFIG_POOL_PAGES), 0);
  const root = allocatePages(pool, ctz(pgdPages));
  if (root == 0) return CREATE_POOL;
  splitPage(root);
  setRoot(loneTable, root);
  return CREATE_OK;
}

export function loneMap(addr: u64, size: u64, phys: u64, prot: u64, options: i32): i32 {
  const flags = (options & ~PT_NO_MEMCACHE) as u32;
  return stage2Map(loneTable, addr, size, phys, prot, (options & PT_NO_MEMCACHE) == 0, flags);
}

export function loneAnnotate(addr: u64, size: u64, type: u64, annotation: u64, options: i32): i32 {
  return stage2Annotate(loneTable, addr, size, type, annotation, (options & PT_NO_MEMCACHE) == 0);
}

/** pt_get_leaf: the entry is an effect, as the return value is an error code. */
export function loneGetLeaf(addr: u64): i32 {
  const ret = getLeaf(loneTable, addr);
  if (ret == 0 && recording) record(EFFECT_LEAF, leafLevel, 0, addr, 0, leaf, 0);
  return ret;
}

/** After each operation: how many pool pages are left. */
export function recordPool(): void {
  record(EFFECT_POOL, 0, 0, pool.free, splitCache, 0, 0);
}
