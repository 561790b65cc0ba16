// What a page or a guest's entry is now, for readers of traces and for reports. Nothing here changes state.

import { pageShift, pfnToPa } from "../../arch/geometry";
import { pageOf } from "../../memory/regions";
import { hostState, hypState, refcount, shareCount } from "../../memory/vmemmap";
import { getLeaf, leaf } from "../../pagetable/walk";
import {
  lastAbortOutcome as abortOutcome,
  lastAbortSize as abortSize,
  lastAbortStart as abortStart,
} from "./host-abort";
import { findVm } from "./vm";
import { guestStateOf as stateOfLeaf } from "./annotation";

/** Answer for a page that is no memory, or a VM that does not exist. */
const UNKNOWN: i32 = -1;

export function hostStateOf(pfn: u64): i32 {
  const page = pageOf(pfn);
  return page == 0 ? UNKNOWN : hostState(page);
}

export function hypStateOf(pfn: u64): i32 {
  const page = pageOf(pfn);
  return page == 0 ? UNKNOWN : hypState(page);
}

export function refcountOf(pfn: u64): u32 {
  const page = pageOf(pfn);
  return page == 0 ? 0 : refcount(page);
}

export function shareCountOf(pfn: u64): u32 {
  const page = pageOf(pfn);
  return page == 0 ? 0 : shareCount(page);
}

/** The page state of a guest frame; -1 if there is no such VM or the frame is beyond its IPA space. */
export function guestStateOf(handle: u32, gfn: u64): i32 {
  const vm = findVm(handle);
  if (vm == null || gfn >> (64 - pageShift) != 0 || getLeaf(vm.table, pfnToPa(gfn)) != 0) return UNKNOWN;
  return stateOfLeaf(leaf);
}

/** How the last host_abort ended (ABORT_*). */
export function lastAbortOutcome(): i32 {
  return abortOutcome;
}

/** The granule the last host_abort mapped: its address and size in bytes; 0 if it mapped nothing. */
export function lastAbortStart(): u64 {
  return abortStart;
}

export function lastAbortSize(): u64 {
  return abortSize;
}
