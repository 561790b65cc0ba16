// From stored states back to calls. Only states are stored: which call leads from one to the next is found again by making them
// all. Stored states may be renamed; the path is walked in a state whose names stay what they were in the beginning.

import { canonicalise } from "./canonical";
import { pages, setState, slots } from "./state";
import { panickingCall, SUCCESSOR_SIZE, writeSuccessors } from "./successors";

/**
 * Makes the call in the current state whose outcome is the stored state (pageWord, slotWord), up to names.
 * Returns the call (operation << 8 | a << 4 | b), or 0 if there is none. `scratch`: room for the successors of a state.
 */
export function findCall(pageWord: u64, slotWord: u64, renames: bool, scratch: usize): u32 {
  const end = writeSuccessors(pages, slots, 0, scratch);
  for (let at = scratch; at < end; at += SUCCESSOR_SIZE) {
    const nextPages = load<u64>(at);
    const nextSlots = load<u64>(at, 8);
    setState(nextPages, nextSlots);
    if (renames) canonicalise();
    if (pages != pageWord || slots != slotWord) continue;
    setState(nextPages, nextSlots);
    return load<u32>(at, 16);
  }
  return 0;
}

/** A call that panics EL2 in the current state, or 0. */
export function findPanic(scratch: usize): u32 {
  writeSuccessors(pages, slots, 0, scratch);
  return panickingCall;
}
