// EL2's tracing buffers: the host hands over a descriptor, an area to keep books in and pages to trace into
// (nvhe/trace.c; reference pkvm-el2 section 10.4). Nothing of it lasts beyond unload.

import { EINVAL, LIMIT_CONTENTS, PANIC_TEARDOWN_DONATE } from "../../abi/codes";
import {
  REASON_TRACING_CPUS,
  REASON_TRACING_DESCRIPTOR,
  REASON_TRACING_LOADED,
  REASON_TRACING_PAGES,
  REASON_TRACING_SIZE,
  TRACING_BACKING,
  TRACING_BACKING_PAGES,
  TRACING_CPUS,
  TRACING_LISTS,
  TRACING_MIN_PAGES,
} from "../../abi/el2-calls";
import { TRACE_DESCRIPTOR_BOUNDS } from "../../abi/mutations";
import { pageMask, pageShift, pageSize } from "../../arch/geometry";
import { wipePage } from "../../memory/dram";
import { reserve } from "../../memory/heap";
import { isMutated } from "../../memory/mutation";
import { pageOf } from "../../memory/regions";
import { panic, PANICKED, panicked, reachLimit, refuse } from "../../memory/verdict";
import { hostDonateHyp, hypDonateHost, hypPinSharedMem, hypUnpinSharedMem } from "./host-hyp";
import { readAtEl2 } from "./host-pointer";

/** CPUs of the machine. */
const CPUS: u64 = 1;
const MAX_PINS: u32 = 8;

// What EL2 keeps, of which the host's descriptor says nothing any more:
//   0 u32 loaded | 4 u32 pins | 8 u64 backing pfn | 16 u64 backing pages | 24 u64 PA of each pinned page
let kept: usize = 0;
const PINS: usize = 4;
const BACKING_PFN: usize = 8;
const BACKING_PAGES: usize = 16;
const PINNED: usize = 24;

/** With the machine: nothing is loaded. False if linear memory is used up. */
export function reserveTracing(): bool {
  kept = reserve(PINNED + (MAX_PINS as usize) * 8);
  return kept != 0;
}

/** Tells what of EL2's tracing decides about the future. */
export function tellTracing(tell: (word: u64) => void): void {
  if (kept == 0 || load<u32>(kept) == 0) return;
  const pins = load<u32>(kept, PINS);
  tell(load<u64>(kept));
  tell(load<u64>(kept, BACKING_PFN));
  tell(load<u64>(kept, BACKING_PAGES));
  for (let i: u32 = 0; i < pins; i++) tell(load<u64>(pinAt(i)));
}

function pinAt(index: u32): usize {
  return kept + PINNED + ((index as usize) << 3);
}

// tracing_load. The descriptor is EL2's while EL2 reads it, and goes back in every case.
export function tracingLoad(desc: u64, size: u64): i32 {
  if (((desc | size) & pageMask) != 0 || size == 0) return refuse(EINVAL, REASON_TRACING_SIZE, size, 0, 0);
  let ret = hostDonateHyp(desc >> pageShift, size >> pageShift);
  if (ret != 0) return ret;
  ret = checkDescriptor(desc, size);
  if (ret == 0 && load<u32>(kept) != 0) ret = refuse(EINVAL, REASON_TRACING_LOADED, 0, 0, 0);
  if (ret == 0) ret = loadBuffers(desc);
  if (panicked != 0) return PANICKED;
  if (hypDonateHost(desc >> pageShift, size >> pageShift) != 0) return panic(PANIC_TEARDOWN_DONATE);
  return ret;
}

// As many CPUs as there are, and every list within the descriptor.
function checkDescriptor(desc: u64, size: u64): i32 {
  const cpus = readAtEl2(desc + (TRACING_CPUS as u64));
  if (cpus != CPUS) return refuse(EINVAL, REASON_TRACING_CPUS, desc, CPUS as u32, cpus as u32);
  const room = (size - (TRACING_LISTS as u64) - 8) >> 3;
  const pages = readAtEl2(desc + (TRACING_LISTS as u64));
  return pages <= room ? 0 : refuse(EINVAL, REASON_TRACING_DESCRIPTOR, desc, room as u32, pages as u32);
}

function loadBuffers(desc: u64): i32 {
  const backing = readAtEl2(desc + (TRACING_BACKING as u64)) >> pageShift;
  const pages = readAtEl2(desc + (TRACING_BACKING_PAGES as u64));
  let ret = hostDonateHyp(backing, pages);
  if (ret != 0) return ret;
  for (let i: u64 = 0; i < pages; i++) wipePage(pageOf(backing + i));
  store<u64>(kept, backing, BACKING_PFN);
  store<u64>(kept, pages, BACKING_PAGES);
  store<u32>(kept, 1);
  ret = pinBuffers(desc + (TRACING_LISTS as u64));
  if (ret != 0 && panicked == 0) unload(isMutated(TRACE_DESCRIPTOR_BOUNDS));
  return ret;
}

// Pages of a CPU, shared with EL2 before; EL2 keeps their addresses to itself from here on.
function pinBuffers(list: u64): i32 {
  const pages = readAtEl2(list);
  if (pages < (TRACING_MIN_PAGES as u64)) {
    return refuse(EINVAL, REASON_TRACING_PAGES, list, TRACING_MIN_PAGES, pages as u32);
  }
  for (let i: u64 = 0; i < pages; i++) {
    const pa = readAtEl2(list + 8 + (i << 3));
    if (panicked != 0) return PANICKED;
    const pins = load<u32>(kept, PINS);
    if (pins == MAX_PINS) {
      reachLimit(LIMIT_CONTENTS);
      return -EINVAL;
    }
    if (hypPinSharedMem(pa, pa + pageSize) != 0) return panicked != 0 ? PANICKED : -EINVAL;
    store<u64>(pinAt(pins), pa);
    store<u32>(kept, pins + 1, PINS);
  }
  return 0;
}

// tracing_unload.
export function tracingUnload(): void {
  if (load<u32>(kept) != 0) unload(false);
}

// Once the load is taken for one that never began, nobody knows of its pins.
function unload(forgetsPins: bool): void {
  const pins = load<u32>(kept, PINS);
  for (let i: u32 = 0; i < pins && !forgetsPins; i++) {
    hypUnpinSharedMem(load<u64>(pinAt(i)), load<u64>(pinAt(i)) + pageSize);
  }
  const backing = load<u64>(kept, BACKING_PFN);
  const pages = load<u64>(kept, BACKING_PAGES);
  for (let i: u64 = 0; i < pages; i++) wipePage(pageOf(backing + i));
  store<u32>(kept, 0, PINS);
  store<u32>(kept, 0);
  if (hypDonateHost(backing, pages) != 0) panic(PANIC_TEARDOWN_DONATE);
}
