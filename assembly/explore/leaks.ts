// Leaks: what does not come back once the last VM is gone (reference bugs.md section 11, check 6; pkvm-el2 section 5.7).
//
// Asked in states without a VM: none is live or dying; a slot may be reserved. Then everything is as after boot but for what the
// host does by itself and can undo by itself:
//
//   page of memory   the host's own (T0), or shared with EL2 by the host and pinned by nobody (T1); in either case without
//                    references and shares. Not EL2's, a gone guest's (T7), borrowed from one, or counted as shared with guests
//   EL2's carve-out  every page of EL2's two pools is either free or one of the tables below the host's root and EL2's own, but
//                    for as many as EL2 had in other use when the search began
//   vCPU             none is loaded
//
// Tables of the host's stage 2 stay where pages were split for an annotation: they are in use. What the operations of a domain do
// by hand is no leak: pins and donations by EL2's own functions, shares over FF-A and its mailboxes.

import { NOPAGE, OWNED, SHARED_BORROWED, SHARED_OWNED } from "../abi/codes";
import { CONFIG_CARVEOUT_BASE, CONFIG_CARVEOUT_SIZE } from "../abi/config";
import { LEAK_BORROWED, LEAK_HYP_PAGE, LEAK_REFERENCE, LEAK_SHARE, LEAK_TABLE_PAGE, LEAK_VCPU } from "../abi/explore";
import { HOST_DONATE_HYP, HOST_SHARE_FFA, HYP_PIN_SHARED_MEM } from "../abi/operations";
import { VM_STATE_LIVE } from "../abi/records";
import { isTable } from "../arch/descriptor";
import { indexMask, pfnToPa, pgdPages, startLevel } from "../arch/geometry";
import { configWindow, hasSecureWorld } from "../batch/machine";
import { operation } from "../batch/operation-record";
import { frameOf } from "../memory/dram";
import { Pool } from "../memory/page-pool";
import { regionAt, regionCount } from "../memory/regions";
import { hostState, hypState, refcount, shareCount } from "../memory/vmemmap";
import { hypRoot, hypStartLevel } from "../pagetable/hyp-stage1";
import { childPage, rootPage } from "../pagetable/stage2-table";
import { hostPool, hostTable, hypPool, isHypText, isReplayed } from "../systems/pkvm/machine";
import { loadedVcpu, maxVms, vmAt } from "../systems/pkvm/vm";
import { operationAt, operations } from "./domain";

/** LEAK_*, and an address in what leaked (the VM's handle for a vCPU). */
export let leak: i32 = 0;
export let leakedAt: u64 = 0;

let carveout: u64 = 0;
let carveoutBytes: u64 = 0;
// What is done by hand.
let isPinned: bool = false;
let isDonated: bool = false;
let isLent: bool = false;
// Pages of the pools that were neither free nor tables when the search began.
let hostPagesKept: u64 = 0;
let hypPagesKept: u64 = 0;

/** Once machine and domain are there. */
export function prepareLeaks(): void {
  carveout = load<u64>(configWindow(), CONFIG_CARVEOUT_BASE);
  carveoutBytes = load<u64>(configWindow(), CONFIG_CARVEOUT_SIZE);
  isPinned = hasSecureWorld || isTried(HYP_PIN_SHARED_MEM);
  isDonated = isTried(HOST_DONATE_HYP);
  isLent = hasSecureWorld || isTried(HOST_SHARE_FFA);
  if (isReplayed) return;
  hostPagesKept = pagesKept(hostPool, hostTables());
  hypPagesKept = pagesKept(hypPool, hypTables());
}

function isTried(op: i32): bool {
  for (let i: u32 = 0; i < operations; i++) {
    if (operation(operationAt(i)) == op) return true;
  }
  return false;
}

/** False if there is no VM and something did not come back: `leak`. */
export function isEverythingBack(): bool {
  if (isReplayed || hasVm()) return true;
  const vcpu = loadedVcpu();
  if (vcpu != null) return leaks(LEAK_VCPU, vcpu.vm.handle);
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    for (let page: u64 = 0; page < region.pages; page++) {
      if (!isPageBack(region.words + ((page as usize) << 3), pfnToPa(region.firstPfn + page))) return false;
    }
  }
  return arePoolsWhole();
}

function leaks(what: i32, at: u64): bool {
  leak = what;
  leakedAt = at;
  return false;
}

function hasVm(): bool {
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    if (vmAt(slot).state >= VM_STATE_LIVE) return true;
  }
  return false;
}

function isPageBack(page: usize, pa: u64): bool {
  if (pa - carveout < carveoutBytes || isHypText(page)) return true;
  const host = hostState(page);
  const hyp = hypState(page);
  if (hyp == OWNED) return isDonated || leaks(LEAK_HYP_PAGE, pa);
  if (host == NOPAGE || host == SHARED_BORROWED) return leaks(LEAK_BORROWED, pa);
  if (shareCount(page) != 0) return leaks(LEAK_SHARE, pa);
  if (host == SHARED_OWNED && hyp == NOPAGE && !isLent) return leaks(LEAK_SHARE, pa);
  if (refcount(page) == 0 || (isPinned && hyp == SHARED_BORROWED)) return true;
  return leaks(LEAK_REFERENCE, pa);
}

// Every page of a pool is free, a table, or kept since before.
function arePoolsWhole(): bool {
  if (pagesKept(hostPool, hostTables()) != hostPagesKept) return leaks(LEAK_TABLE_PAGE, pfnToPa(hostPool.firstPfn));
  return pagesKept(hypPool, hypTables()) == hypPagesKept || leaks(LEAK_TABLE_PAGE, pfnToPa(hypPool.firstPfn));
}

function pagesKept(pool: Pool, tables: u32): u64 {
  return pool.pages - (pool.free as u64) - tables;
}

function hostTables(): u32 {
  let count: u32 = 0;
  for (let i: u32 = 0; i < pgdPages; i++) count += tablesFrom(rootPage(hostTable, i), startLevel);
  return count;
}

function hypTables(): u32 {
  return tablesFrom(hypRoot(), hypStartLevel());
}

/** Tables from one down. */
function tablesFrom(page: usize, level: i32): u32 {
  let count: u32 = 1;
  if (level == 3) return count;
  for (let index: u64 = 0; index <= indexMask; index++) {
    const descriptor = load<u64>(frameOf(page) + ((index as usize) << 3));
    if (isTable(descriptor, level)) count += tablesFrom(childPage(descriptor), level + 1);
  }
  return count;
}
