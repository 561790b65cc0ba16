// Contents of the simulated DRAM. A page that was never written has no frame and reads as zeros; a frame is one page of
// linear memory. Table pages are pages like any other: the walk and the page-table code read the same bytes.

import { LIMIT_CONTENTS } from "../abi/codes";
import { pageShift, pageSize, pfnToPa } from "../arch/geometry";
import { touch } from "./cards";
import { reserve, reserveFrame } from "./heap";
import { recordWipe, recording } from "./journal";
import { pageOf, pfnOf, vmemmap, vmemmapPages } from "./regions";
import { reachLimit } from "./verdict";

// u32 per page: the frame's linear address, 0 = none.
export let frames: usize = 0;
/** Frames of pages that became zero for good, linked through their first bytes; lives in linear memory to be part of snapshots. */
let freeList: usize = 0;
// Takes the writes after linear memory ran out, so that nothing traps; the machine reports the limit.
let overflow: usize = 0;

/** Reserves the frame index over all pages. The vmemmap is there already. */
export function reserveFrames(): bool {
  frames = reserve((vmemmapPages as usize) << 2);
  freeList = reserve(16);
  overflow = reserve(pageSize as usize);
  return frames != 0 && freeList != 0 && overflow != 0;
}

/** One past the frame index, which follows the vmemmap: the end of the arrays over all of DRAM. */
export function frameIndexEnd(): usize {
  return frames + ((vmemmapPages as usize) << 2);
}

function slot(page: usize): usize {
  return frames + ((page - vmemmap) >> 1);
}

/** Linear address of the page's contents, 0 if it was never written. */
export function frameOf(page: usize): usize {
  return load<u32>(slot(page)) as usize;
}

/** The same, given contents (zeros) if it had none. */
export function ensureFrame(page: usize): usize {
  const frame = load<u32>(slot(page)) as usize;
  return frame != 0 ? frame : allocateFrame(page);
}

function allocateFrame(page: usize): usize {
  let frame = load<u32>(freeList) as usize;
  if (frame != 0) {
    store<u32>(freeList, load<u32>(frame));
    store<u32>(frame, 0);
  } else {
    frame = reserveFrame(1 << pageShift);
    if (frame == 0) {
      reachLimit(LIMIT_CONTENTS);
      return overflow;
    }
  }
  touch(slot(page));
  store<u32>(slot(page), frame as u32);
  return frame;
}

/** Whether pages keep their frames once they have one: for searches that tell states by where things are. */
let keepsFrames: bool = false;

export function keepFrames(): void {
  keepsFrames = true;
}

/** Gives the frame of an all-zero page back; it reads as zeros without one. */
function releaseFrame(page: usize, frame: usize): void {
  if (isDefined(EXPLORING) && keepsFrames) return;
  store<u32>(frame, load<u32>(freeList));
  store<u32>(freeList, frame as u32);
  touch(slot(page));
  store<u32>(slot(page), 0);
}

/** Fills a page with zeros. The frame stays: pages that were written once are written again. */
export function wipePage(page: usize): void {
  const frame = frameOf(page);
  if (frame != 0) memory.fill(frame, 0, 1 << pageShift);
  if (recording) recordWipe(pfnToPa(pfnOf(page)), pageSize);
}

/** Fills a page with zeros and drops its frame: table pages and free pages of a pool. */
export function clearPage(page: usize): void {
  const frame = frameOf(page);
  if (frame == 0) return;
  memory.fill(frame, 0, 1 << pageShift);
  releaseFrame(page, frame);
}

/** Drops the frame of a page whose contents are all zeros again. */
export function dropZeroFrame(page: usize): void {
  const frame = frameOf(page);
  if (frame != 0) releaseFrame(page, frame);
}

/** readX and writeX touch simulated memory at a physical address; what is no memory reads as 0 and takes no writes. */
export function readU64(pa: u64): u64 {
  const page = pageOf(pa >> pageShift);
  if (page == 0) return 0;
  const frame = frameOf(page);
  return frame == 0 ? 0 : load<u64>(frame + ((pa & (pageSize - 1)) as usize));
}

export function writeU64(pa: u64, value: u64): void {
  const page = pageOf(pa >> pageShift);
  if (page == 0) return;
  store<u64>(ensureFrame(page) + ((pa & (pageSize - 1)) as usize), value);
}

/** Reads `bytes` (1, 2, 4 or 8) within one page, at any alignment. */
export function readSized(pa: u64, bytes: u32): u64 {
  const page = pageOf(pa >> pageShift);
  if (page == 0) return 0;
  const frame = frameOf(page);
  if (frame == 0) return 0;
  const at = frame + ((pa & (pageSize - 1)) as usize);
  switch (bytes) {
    case 1:
      return load<u8>(at);
    case 2:
      return load<u16>(at);
    case 4:
      return load<u32>(at);
    default:
      return load<u64>(at);
  }
}

export function writeSized(pa: u64, bytes: u32, value: u64): void {
  const page = pageOf(pa >> pageShift);
  if (page == 0) return;
  const at = ensureFrame(page) + ((pa & (pageSize - 1)) as usize);
  switch (bytes) {
    case 1:
      store<u8>(at, value as u8);
      break;
    case 2:
      store<u16>(at, value as u16);
      break;
    case 4:
      store<u32>(at, value as u32);
      break;
    default:
      store<u64>(at, value);
  }
}
