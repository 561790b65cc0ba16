// The resource manager's own memory: a heap like the hypervisor's, of which it can run out too.

import { HEAP_RM } from "../../abi/gunyah-rm";
import { allocate as allocateIn, Heap, release as releaseIn, reserveHeap } from "./partition";

const HEAP_BYTES: u64 = 256 << 20;

/** Where everything that the resource manager keeps lies. */
export let rmHeap: Heap = changetype<Heap>(0);

/** False if linear memory is used up. */
export function reserveRmMemory(): bool {
  const heap = reserveHeap(HEAP_RM, HEAP_BYTES);
  if (heap == null) return false;
  rmHeap = heap;
  return true;
}

/** A zeroed block of `bytes` bytes, 0 of them too; 0 if the heap is used up. */
export function allocate(bytes: usize): usize {
  return allocateIn(rmHeap, max<usize>(bytes, 1));
}

/** Gives back a block that was allocated with this size. 0 is no block. */
export function release(block: usize, bytes: usize): void {
  if (block != 0) releaseIn(rmHeap, block, max<usize>(bytes, 1));
}

/** A block of `want` bytes that begins with the contents of one of `have`, which is given back; 0, and nothing changed, if there is none. */
export function enlarge(block: usize, have: usize, want: usize): usize {
  const larger = allocate(want);
  if (larger == 0) return 0;
  if (have != 0) memory.copy(larger, block, have);
  release(block, have);
  return larger;
}

/** Whether the heap has far more than `bytes` bytes, and no test limits it: then how they are allocated makes no difference. */
export function isPlenty(bytes: usize): bool {
  return rmHeap.allowed == u64.MAX_VALUE && rmHeap.limit - rmHeap.used >= (bytes as u64) << 1;
}
