// The IPA space of a VM whose memory is not mapped directly: which addresses are free (reference gunyah sections 6.3, 6.6).
// Free ranges in ascending order, never adjacent: taking the lowest and giving back in order look at the first one only.
//
//   range, 24 bytes: 0 u64 base | 8 u64 size | 16 u32 next, 0 = last

import { LIMIT_CONTENTS } from "../../abi/codes";
import { GUNYAH_STALE_IPA_ALLOCATOR } from "../../abi/mutations";
import { isMutated } from "../../memory/mutation";
import { reachLimit } from "../../memory/verdict";
import { allocate, release } from "./rm-memory";

const RANGE_BYTES: usize = 24;
const SIZE: usize = 8;
const NEXT: usize = 16;

/** 36 address bits (2.5). */
export const IPA_SPACE: u64 = 1 << 36;
/** The space begins with the device window, which no NORMAL memory gets. That it is the first GiB is the board's; unverified. */
export const DEVICE_WINDOW: u64 = 1 << 30;
/** Sizes from here on are aligned to it where the resource manager chooses. */
export const LARGE: u64 = 1 << 21;

/** What takeLowest answers when nothing fits. */
export const NO_IPA: u64 = u64.MAX_VALUE;

/** Makes everything but the device window free. `head` is the address of the u32 that holds the first range. */
export function openIpaSpace(head: usize): bool {
  const range = newRange(DEVICE_WINDOW, IPA_SPACE - DEVICE_WINDOW, 0);
  store<u32>(head, range as u32);
  return range != 0;
}

export function closeIpaSpace(head: usize): void {
  let range = load<u32>(head) as usize;
  while (range != 0) {
    const next = load<u32>(range, NEXT) as usize;
    release(range, RANGE_BYTES);
    range = next;
  }
  if (!isMutated(GUNYAH_STALE_IPA_ALLOCATOR)) store<u32>(head, 0);
}

/** Takes the lowest range of `size` bytes; NO_IPA if none is left. */
export function takeLowest(head: usize, size: u64): u64 {
  const mask = size >= LARGE ? LARGE - 1 : (0 as u64);
  for (let at = head; load<u32>(at) != 0; at = linkBehind(at)) {
    const range = load<u32>(at) as usize;
    const base = (load<u64>(range) + mask) & ~mask;
    const end = endOf(range);
    if (base < end && end - base >= size) return takeFrom(at, base, size) ? base : NO_IPA;
  }
  return NO_IPA;
}

/** Takes [ipa, ipa + size), which lies within the space; false if not all of it is free. */
export function takeFixed(head: usize, ipa: u64, size: u64): bool {
  for (let at = head; load<u32>(at) != 0; at = linkBehind(at)) {
    const range = load<u32>(at) as usize;
    if (endOf(range) <= ipa) continue;
    return load<u64>(range) <= ipa && endOf(range) - ipa >= size && takeFrom(at, ipa, size);
  }
  return false;
}

/** [ipa, ipa + size), which was taken, is free again. */
export function giveBack(head: usize, ipa: u64, size: u64): void {
  let at = head;
  let before: usize = 0;
  while (load<u32>(at) != 0 && load<u64>(load<u32>(at) as usize) < ipa) {
    before = load<u32>(at) as usize;
    at = linkBehind(at);
  }
  const after = load<u32>(at) as usize;
  const joinsBefore = before != 0 && endOf(before) == ipa;
  const joinsAfter = after != 0 && load<u64>(after) == ipa + size;
  if (joinsBefore) {
    store<u64>(before, load<u64>(before, SIZE) + size + (joinsAfter ? load<u64>(after, SIZE) : 0), SIZE);
    if (joinsAfter) dropRange(at);
  } else if (joinsAfter) {
    store<u64>(after, ipa);
    store<u64>(after, load<u64>(after, SIZE) + size, SIZE);
  } else {
    const range = newRange(ipa, size, after);
    if (range != 0) store<u32>(at, range as u32);
    else reachLimit(LIMIT_CONTENTS);
  }
}

// Cuts [ipa, ipa + size) out of the range that the link at `at` leads to; false if there is no memory for the rest above.
function takeFrom(at: usize, ipa: u64, size: u64): bool {
  const range = load<u32>(at) as usize;
  const base = load<u64>(range);
  const above = endOf(range) - ipa - size;
  if (base == ipa) {
    store<u64>(range, ipa + size);
    store<u64>(range, above, SIZE);
    if (above == 0) dropRange(at);
    return true;
  }
  if (above != 0) {
    const rest = newRange(ipa + size, above, load<u32>(range, NEXT) as usize);
    if (rest == 0) return false;
    store<u32>(range, rest as u32, NEXT);
  }
  store<u64>(range, ipa - base, SIZE);
  return true;
}

function endOf(range: usize): u64 {
  return load<u64>(range) + load<u64>(range, SIZE);
}

// Address of the link to the range behind the one that the link at `at` leads to.
function linkBehind(at: usize): usize {
  return (load<u32>(at) as usize) + NEXT;
}

function newRange(base: u64, size: u64, next: usize): usize {
  const range = allocate(RANGE_BYTES);
  if (range == 0) return 0;
  store<u64>(range, base);
  store<u64>(range, size, SIZE);
  store<u32>(range, next as u32, NEXT);
  return range;
}

function dropRange(at: usize): void {
  const range = load<u32>(at) as usize;
  store<u32>(at, load<u32>(range, NEXT));
  release(range, RANGE_BYTES);
}
