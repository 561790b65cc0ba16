// A machine's state in blocks of 4 KiB, each with a hash: two moments of a machine share the blocks whose hashes are equal.

import { BLOCK_SIZE } from "../abi/blocks";

// Eight lanes of 8 bytes keep the multiplier busy. Each step is a bijection of the lane; the rotation brings the high bits, where
// descriptors keep their types, to where a multiplication spreads them.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const TURN: u64 = 29;

/**
 * Hashes of the blocks from `from` up to `end`, 8 bytes each, to `to`. The last block may be short; sizes are multiples of 16.
 */
export function hashBlocks(from: usize, end: usize, to: usize): void {
  let hash = to;
  for (let at = from; at < end; at += BLOCK_SIZE) {
    store<u64>(hash, hashBlock(at, min(end - at, BLOCK_SIZE as usize)));
    hash += 8;
  }
}

function hashBlock(from: usize, bytes: usize): u64 {
  let a: u64 = 1;
  let b: u64 = 2;
  let c: u64 = 3;
  let d: u64 = 4;
  let e: u64 = 5;
  let f: u64 = 6;
  let g: u64 = 7;
  let h: u64 = 8;
  const end = from + bytes;
  let at = from;
  for (; at + 64 <= end; at += 64) {
    a = rotl<u64>(a ^ load<u64>(at), TURN) * FACTOR;
    b = rotl<u64>(b ^ load<u64>(at, 8), TURN) * FACTOR;
    c = rotl<u64>(c ^ load<u64>(at, 16), TURN) * FACTOR;
    d = rotl<u64>(d ^ load<u64>(at, 24), TURN) * FACTOR;
    e = rotl<u64>(e ^ load<u64>(at, 32), TURN) * FACTOR;
    f = rotl<u64>(f ^ load<u64>(at, 40), TURN) * FACTOR;
    g = rotl<u64>(g ^ load<u64>(at, 48), TURN) * FACTOR;
    h = rotl<u64>(h ^ load<u64>(at, 56), TURN) * FACTOR;
  }
  for (; at < end; at += 16) {
    a = rotl<u64>(a ^ load<u64>(at), TURN) * FACTOR;
    b = rotl<u64>(b ^ load<u64>(at, 8), TURN) * FACTOR;
  }
  return join(join(join(a, b), join(c, d)), join(join(e, f), join(g, h)));
}

function join(one: u64, other: u64): u64 {
  const mixed = (rotl<u64>(one, TURN) ^ other) * FACTOR;
  return mixed ^ (mixed >> 32);
}
