// The host's page allocator: a run of page frames from which everything comes that its processes and its VMs need. What a page is
// in use for, and how often it is pinned, is all that is kept of it. It is zeroed when it is freed (init_on_free), so that nothing
// tells what it was in use for before.
//
//   frame: 0 u8 use | 1 u8 pins (FOLL_PIN | FOLL_LONGTERM) | 2 u8 objects in it that are shared with EL2

import { NOPAGE, OWNED } from "../../abi/codes";
import { pfnToPa } from "../../arch/geometry";
import { wipePage } from "../../memory/dram";
import { reserve } from "../../memory/heap";
import { pageOf } from "../../memory/regions";
import { hostState, hypState } from "../../memory/vmemmap";

const FREE: i32 = 0;
/** Mapped in a process, or unmapped there and still pinned. */
export const MAPPED: i32 = 1;
const PINNED: i32 = 2;
/** Given to EL2 for VM n: use GIVEN + n. */
export const GIVEN: i32 = 0x10;
/** The host's own objects of VM n, struct kvm and struct kvm_vcpu: use KERNEL + n. */
export const KERNEL: i32 = 0x20;
/** Pages that are tried first for each VM's needs. */
const VM_FRAMES: u32 = 16;

let frames: usize = 0;
let firstPfn: u64 = 0;
let count: u32 = 0;

/** False if linear memory is used up. */
export function makeFrames(first: u64, pages: u32): bool {
  firstPfn = first;
  count = pages;
  frames = reserve((pages as usize) << 2);
  return frames != 0;
}

function frameOf(pfn: u64): usize {
  return frames + (((pfn - firstPfn) as usize) << 2);
}

/**
 * The first of `pages` free pages in a row, aligned to their number; 0: there are none. Memory of processes is movable, and taken
 * from the other end; each VM's is looked for from a place of its own. So what is allocated lies in few places only, whatever came
 * before.
 */
export function allocate(pages: u32, use: i32): u64 {
  const blocks = count / pages;
  const start: u32 = use == MAPPED ? 0 : (((use & 0xf) as u32) * VM_FRAMES) / pages;
  for (let block = start; block < blocks; block++) {
    const first = (use == MAPPED ? blocks - 1 - block : block) * pages;
    const pfn = firstPfn + (first as u64);
    if (!areFree(pfn, pages)) continue;
    for (let i: u32 = 0; i < pages; i++) store<u8>(frameOf(pfn + (i as u64)), use as u8);
    return pfn;
  }
  return 0;
}

function areFree(pfn: u64, pages: u32): bool {
  for (let i: u32 = 0; i < pages; i++) {
    if (load<u32>(frameOf(pfn + (i as u64))) != (FREE as u32)) return false;
  }
  return true;
}

/** The last mapping is gone: the page is free once nobody pins it. */
export function unmapFrame(pfn: u64): void {
  if (load<u8>(frameOf(pfn), 1) == 0) freeFrame(pfn);
  else store<u8>(frameOf(pfn), PINNED as u8);
}

/** pin_user_pages. */
export function pinFrame(pfn: u64): void {
  const frame = frameOf(pfn);
  store<u8>(frame, load<u8>(frame, 1) + 1, 1);
}

/** unpin_user_pages. */
export function unpinFrame(pfn: u64): void {
  const frame = frameOf(pfn);
  const pins = load<u8>(frame, 1) - 1;
  store<u8>(frame, pins, 1);
  if (pins == 0 && load<u8>(frame) == (PINNED as u8)) freeFrame(pfn);
}

/** Nobody needs the page any more. What the host cannot write it does not zero: it does not know what has become of it. */
export function freeFrame(pfn: u64): void {
  store<u8>(frameOf(pfn), FREE as u8);
  if (hostState(pageOf(pfn)) == OWNED) wipePage(pageOf(pfn));
}

/** What was given to EL2 for a VM came back on its lists. */
export function freeAll(use: i32): void {
  for (let i: u32 = 0; i < count; i++) {
    const pfn = firstPfn + (i as u64);
    if (load<u8>(frameOf(pfn)) == (use as u8)) freeFrame(pfn);
  }
}

/** Objects in the page that are shared with EL2. */
export function sharedObjects(pfn: u64): u32 {
  return load<u8>(frameOf(pfn), 2);
}

export function setSharedObjects(pfn: u64, objects: u32): void {
  store<u8>(frameOf(pfn), objects as u8, 2);
}

/** A free page that is not the host's alone; 0: none. */
export function strangeFreePage(): u64 {
  for (let i: u32 = 0; i < count; i++) {
    const pfn = firstPfn + (i as u64);
    if (load<u32>(frameOf(pfn)) != (FREE as u32)) continue;
    const page = pageOf(pfn);
    if (hostState(page) != OWNED || hypState(page) != NOPAGE) return pfnToPa(pfn);
  }
  return 0;
}
