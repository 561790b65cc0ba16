// A plain KVM host: no stage 2 for the host, one for each guest. Its table pages are frames outside DRAM: the host could
// write its own tables, and that is not modelled. guest_memfd's folios are DRAM like any other.

import {
  CONFIG_CARVEOUT_BASE,
  CONFIG_CARVEOUT_SIZE,
  CONFIG_FRAMES,
  CONFIG_HANDLE_BASE,
  CONFIG_MAX_VMS,
} from "../../abi/config";
import { CREATE_CARVEOUT, CREATE_OK, CREATE_POOL, CREATE_TOO_LARGE, REGION_FRAMES } from "../../abi/codes";
import { pgdPages } from "../../arch/geometry";
import { reserve } from "../../memory/heap";
import { initPool, Pool, POOL_BYTES } from "../../memory/page-pool";
import { regionAt, regionCount } from "../../memory/regions";
import { reserveFolios } from "./folio";
import { reserveFiles } from "./guest-memfd";
import { reserveSlots } from "./memslot";
import { reservePageCaches } from "./page-cache";
import { reserveVms } from "./vm";

export let tablePool: Pool = changetype<Pool>(0);

/** Builds the machine in fresh memory; regions, vmemmap, frames and walk cache are there. CREATE_*. */
export function createKvm(config: usize): i32 {
  const frames = regionAt(regionCount - 1);
  const pages = load<u32>(config, CONFIG_FRAMES);
  if (!(frames.flags & REGION_FRAMES) || pages < pgdPages) return CREATE_POOL;
  const at = reserve(POOL_BYTES);
  if (at == 0) return CREATE_TOO_LARGE;
  tablePool = changetype<Pool>(at);
  initPool(tablePool, frames.firstPfn, pages, 0);
  const vms = load<u32>(config, CONFIG_MAX_VMS);
  if (!reserveVms(vms, load<u32>(config, CONFIG_HANDLE_BASE), tablePool)) return CREATE_TOO_LARGE;
  if (!reserveSlots() || !reserveFiles() || !reservePageCaches()) return CREATE_TOO_LARGE;
  const base = load<u64>(config, CONFIG_CARVEOUT_BASE);
  return reserveFolios(base, load<u64>(config, CONFIG_CARVEOUT_SIZE)) ? CREATE_OK : CREATE_CARVEOUT;
}
