// Linear memory, handed out from the bottom up and never given back: windows first, then the machine's state.
// Fresh Wasm memory is zero and costs nothing until it is touched, so arrays over all of DRAM are free to reserve.

const WASM_PAGE: usize = 65536;
/** Wasm memory ends here: 4 GiB less one Wasm page, so that `address + size` never wraps in 32 bits. */
export const HEAP_LIMIT: usize = 0xffff_0000;

let top: usize = (__heap_base + 4095) & ~4095;
/** Everything below was handed out at some time and may hold old bytes. */
let touched: usize = 0;

/** Bytes that can still be reserved. */
export function heapLeft(): usize {
  return HEAP_LIMIT - top;
}

export function heapTop(): usize {
  return top;
}

/** Takes back everything reserved above `address` (a reset, or a snapshot being restored). */
export function setHeapTop(address: usize): void {
  if (top > touched) touched = top;
  top = address;
}

/**
 * Linear memory of `bytes` bytes, zeroed, 16-byte aligned.
 * Returns 0 if the 4 GiB are used up or the engine refuses to grow the memory.
 */
export function reserve(bytes: usize): usize {
  const size = (bytes + 15) & ~15;
  if (size < bytes || size > HEAP_LIMIT - top) return 0;
  const address = top;
  const end = address + size;
  if (!growTo(end)) return 0;
  if (address < touched) memory.fill(address, 0, min(touched, end) - address);
  top = end;
  return address;
}

/**
 * The same, at the start of a 4 KiB page of linear memory: a frame that straddles two of them costs a second TLB entry and
 * another cache line each time it is filled.
 */
export function reserveFrame(bytes: usize): usize {
  const aligned = (top + 4095) & ~4095;
  if (aligned - top > heapLeft() || reserve(aligned - top) == 0) return 0;
  return reserve(bytes);
}

// Grows in steps of an eighth, 16 MiB at most: few calls into the engine, little memory that nobody asked for.
function growTo(end: usize): bool {
  const have = (memory.size() as usize) * WASM_PAGE;
  if (memory.size() >= 65536 || end <= have) return true;
  const needed = (end - have + WASM_PAGE - 1) / WASM_PAGE;
  const step = min(max(needed, min((have / WASM_PAGE) >> 3, 256)), 65536 - have / WASM_PAGE);
  if (memory.grow(step as i32) >= 0) return true;
  return memory.grow(needed as i32) >= 0;
}
