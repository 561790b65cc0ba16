// Blocks of a machine's state (exports hashState, reserveCards, beginPatch). The state begins at the start of a block.

/** log2 of the bytes of a block; the last one of a state may be shorter. */
export const BLOCK_SHIFT: i32 = 12;
export const BLOCK_SIZE: i32 = 4096;
