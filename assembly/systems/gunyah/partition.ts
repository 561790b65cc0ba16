// Partitions' heaps (reference gunyah section 2.4): objects, mapping records and the nodes of the ownership database come
// out of them, and each of them can run out. Page tables come out of simulated pages (page-table.ts).
//
// A heap hands out blocks of 2^n bytes and keeps what is given back in a list per size, linked through the first word.

import { NOMEM, REASON_HEAP } from "../../abi/gunyah";
import { reserve } from "../../memory/heap";
import { deny } from "./refusal";

@unmanaged
export class Heap {
  /** HEAP_*. */
  number: u32;
  /** Bytes it has, and bytes handed out. */
  limit: u64;
  used: u64;
  /** Allocations that still succeed, whatever there is: for tests that exhaust it at a chosen point. */
  allowed: u64;
}

const SMALLEST: u32 = 4; // log2: 16 bytes
const LARGEST: u32 = 25; // 32 MiB: the regions of the largest parcel
const LISTS: usize = 32;
const HEAP_BYTES: usize = LISTS + ((LARGEST + 1) as usize) * 4;

/** Makes a heap of `limit` bytes; null if linear memory is used up. */
export function reserveHeap(number: u32, limit: u64): Heap | null {
  const at = reserve(HEAP_BYTES);
  if (at == 0) return null;
  const heap = changetype<Heap>(at);
  heap.number = number;
  heap.limit = limit;
  heap.allowed = u64.MAX_VALUE;
  return heap;
}

function orderOf(size: usize): u32 {
  return max<u32>(SMALLEST, 32 - clz<u32>((size as u32) - 1));
}

function list(heap: Heap, order: u32): usize {
  return changetype<usize>(heap) + LISTS + ((order as usize) << 2);
}

/** `size` zeroed bytes; 0 if the heap has none left. */
export function allocate(heap: Heap, size: usize): usize {
  const order = orderOf(size);
  if (order > LARGEST || !canCharge(heap, order, 1)) return 0;
  const free = list(heap, order);
  let at = load<u32>(free) as usize;
  if (at == 0) {
    at = reserve((1 as usize) << order);
    if (at == 0) return 0;
  } else {
    store<u32>(free, load<u32>(at));
    clear(at, (1 as usize) << order);
  }
  charge(heap, order, 1);
  return at;
}

// Blocks are small as a rule: a call into the engine, as memory.fill is one, takes longer than the stores.
function clear(at: usize, bytes: usize): void {
  if (bytes > 1024) {
    memory.fill(at, 0, bytes);
    return;
  }
  for (const end = at + bytes; at < end; at += 16) v128.store(at, i64x2.splat(0));
}

function canCharge(heap: Heap, order: u32, count: u32): bool {
  return (count as u64) <= heap.allowed && heap.used + ((count as u64) << order) <= heap.limit;
}

function charge(heap: Heap, order: u32, count: u32): void {
  heap.used += (count as u64) << order;
  if (heap.allowed != u64.MAX_VALUE) heap.allowed -= count as u64;
}

// Blocks that somebody is entitled to and does not need: they count, and lie nowhere.

/** Whether `count` blocks of `size` bytes can be booked. */
export function hasRoom(heap: Heap, size: usize, count: u32): bool {
  return canCharge(heap, orderOf(size), count);
}

/** Counts `count` blocks of `size` bytes as allocated; there is room. */
export function book(heap: Heap, size: usize, count: u32): void {
  charge(heap, orderOf(size), count);
}

export function unbook(heap: Heap, size: usize, count: u32): void {
  heap.used -= (count as u64) << orderOf(size);
}

/** Gives `size` bytes back. */
export function release(heap: Heap, at: usize, size: usize): void {
  const order = orderOf(size);
  const free = list(heap, order);
  store<u32>(at, load<u32>(free));
  store<u32>(free, at as u32);
  heap.used -= (1 as u64) << order;
}

/** Makes sure that the next `count` allocations of `size` bytes succeed. False, and nothing is different, if they cannot. */
export function ensure(heap: Heap, size: usize, count: u32): bool {
  const order = orderOf(size);
  if (order > LARGEST || !canCharge(heap, order, count)) return false;
  const free = list(heap, order);
  let at = load<u32>(free) as usize;
  for (let i: u32 = 0; i < count; i++) {
    if (at == 0) {
      const fresh = reserve((1 as usize) << order);
      if (fresh == 0) return false;
      store<u32>(fresh, load<u32>(free));
      store<u32>(free, fresh as u32);
    } else at = load<u32>(at) as usize;
  }
  return true;
}

/** NOMEM, because this heap is used up. */
export function denyMemory(heap: Heap): i32 {
  return deny(NOMEM, REASON_HEAP, 0, 0, heap.number);
}
