// Copying and clearing linear memory. Messages are short, and the engine's bulk instructions cost a call each: up to a few
// cache lines a loop is faster.

const SHORT: u32 = 256;
const WIDE: u32 = 16;

/** `to` and `from` do not overlap. */
export function copyBytes(to: usize, from: usize, bytes: u32): void {
  if (bytes > SHORT) {
    memory.copy(to, from, bytes);
    return;
  }
  let at: u32 = 0;
  for (; at + WIDE <= bytes; at += WIDE) v128.store(to + at, v128.load(from + at));
  for (; at < bytes; at++) store<u8>(to + at, load<u8>(from + at));
}

export function clearBytes(start: usize, bytes: u32): void {
  if (bytes > SHORT) {
    memory.fill(start, 0, bytes);
    return;
  }
  let at: u32 = 0;
  for (; at + WIDE <= bytes; at += WIDE) v128.store(start + at, i64x2.splat(0));
  for (; at < bytes; at++) store<u8>(start + at, 0);
}
