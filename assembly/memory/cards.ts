// Which parts of the arrays over all of DRAM (vmemmap, frame index) were written while effects were recorded: a byte for each
// 4 KiB of linear memory. Of a machine of 64 GiB they are 192 MiB, too much to look through for what has changed.

import { BLOCK_SHIFT } from "../abi/blocks";
import { HEAP_LIMIT, reserve } from "./heap";

const BYTES: usize = (HEAP_LIMIT >> BLOCK_SHIFT) + 1;

let cards: usize = 0;

/** Starts to take notes, before a machine is made. The address of the notes, by number of block; 0 if linear memory is used up. */
export function reserveCards(): usize {
  if (cards == 0) cards = reserve(BYTES);
  return cards;
}

/** The word at `address` is being written. */
export function touch(address: usize): void {
  if (cards != 0) store<u8>(cards + (address >> BLOCK_SHIFT), 1);
}

/** So is everything: a machine is made anew. */
export function touchAll(): void {
  if (cards != 0) memory.fill(cards, 1, BYTES);
}

export function clearCards(): void {
  if (cards != 0) memory.fill(cards, 0, BYTES);
}
