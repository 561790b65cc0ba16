// A machine of partition managers: a hypervisor, an SPMC, or both one behind the other (golden vectors of kind ffa, section 3).

import {
  FFA_BOTH,
  FFA_MAX_BUFFER_PAGES,
  FFA_MAX_FRAGMENTS,
  FFA_MAX_RECIPIENTS,
  FFA_MAX_TRANSACTIONS,
} from "../../abi/ffa";
import { CREATE_GEOMETRY, CREATE_OK, CREATE_POOL, CREATE_TOO_LARGE, REGION_FRAMES } from "../../abi/codes";
import {
  CONFIG_FEATURES,
  CONFIG_FFA_BUFFER_PAGES,
  CONFIG_FFA_FLAVOUR,
  CONFIG_FFA_FRAGMENTS,
  CONFIG_FFA_PROTECT,
  CONFIG_FFA_RECIPIENTS,
  CONFIG_FFA_TRANSACTIONS,
  CONFIG_SECURE_BUFFER_PAGES,
  CONFIG_SECURE_FRAGMENTS,
  CONFIG_SECURE_RECIPIENTS,
  CONFIG_SECURE_TRANSACTIONS,
  FEATURE_GRANULE_PROTECTION,
} from "../../abi/config";
import { pageShift } from "../../arch/geometry";
import { reserve } from "../../memory/heap";
import { initPool, Pool, POOL_BYTES } from "../../memory/page-pool";
import { regionAt, regionCount } from "../../memory/regions";
import { reserveEndpoints, setBeside } from "./endpoint";
import { reserveSpaces } from "./firmware";
import { reserveTransactions } from "./transaction";

/** A hypervisor that forwards to an SPMC. */
export let hasBoth: bool = false;
/** Linear memory into which each call copies its message. */
export let messageBuffer: usize = 0;
/** The largest message, with room for what a 1.0 header grows by. */
export const MESSAGE_BYTES: usize = ((FFA_MAX_BUFFER_PAGES as usize) << 12) + 4096;

/** Builds the machine; regions, frames and walk cache are there. Endpoints are added by operations. CREATE_*. */
export function createFfa(config: usize): i32 {
  hasBoth = load<u32>(config, CONFIG_FFA_FLAVOUR) == FFA_BOTH;
  setBeside(false);
  return createManagers(
    load<u32>(config, CONFIG_FFA_PROTECT) != 0,
    load<u32>(config, CONFIG_FFA_TRANSACTIONS),
    load<u32>(config, CONFIG_FFA_FRAGMENTS),
    load<u32>(config, CONFIG_FFA_RECIPIENTS),
    load<u32>(config, CONFIG_FFA_BUFFER_PAGES),
  );
}

/** Puts an SPMC beside another system, on the same memory. */
export function createSecureWorld(config: usize): i32 {
  hasBoth = false;
  setBeside(true);
  return createManagers(
    (load<u32>(config, CONFIG_FEATURES) & FEATURE_GRANULE_PROTECTION) != 0,
    load<u32>(config, CONFIG_SECURE_TRANSACTIONS),
    load<u32>(config, CONFIG_SECURE_FRAGMENTS),
    load<u32>(config, CONFIG_SECURE_RECIPIENTS),
    load<u32>(config, CONFIG_SECURE_BUFFER_PAGES),
  );
}

function createManagers(protects: bool, transactions: u32, fragments: u32, recipients: u32, bufferPages: u32): i32 {
  // A page of a constituent is 4 KiB whatever the tables' granule might be (reference ffa, section 2.3).
  if (pageShift != 12) return CREATE_GEOMETRY;
  const frames = regionAt(regionCount - 1);
  if (!(frames.flags & REGION_FRAMES)) return CREATE_POOL;
  const at = reserve(POOL_BYTES);
  messageBuffer = reserve(MESSAGE_BYTES);
  if (at == 0 || messageBuffer == 0) return CREATE_TOO_LARGE;
  const pool = changetype<Pool>(at);
  initPool(pool, frames.firstPfn, frames.pages, 0);
  if (!reserveEndpoints(pool) || !reserveSpaces(protects)) return CREATE_TOO_LARGE;
  const isThere = reserveTransactions(
    min(transactions, FFA_MAX_TRANSACTIONS),
    min(fragments, FFA_MAX_FRAGMENTS),
    min(recipients, FFA_MAX_RECIPIENTS),
    min(bufferPages, FFA_MAX_BUFFER_PAGES),
  );
  return isThere ? CREATE_OK : CREATE_TOO_LARGE;
}
