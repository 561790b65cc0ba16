// Hypervisor objects: what capabilities point to and the ownership database names (reference gunyah sections 2, 3).
// An object lives in linear memory from its creation until its last reference is dropped and a grace period has passed.

import { OBJECT_STATE, REASON_OBJECT_STATE } from "../../abi/gunyah";
import { reserve } from "../../memory/heap";
import { allocate, Heap, release } from "./partition";
import { deny } from "./refusal";

export const OBJECT_PARTITION: u32 = 1;
export const OBJECT_CSPACE: u32 = 2;
export const OBJECT_ADDRSPACE: u32 = 3;
export const OBJECT_MEMEXTENT: u32 = 4;
export const OBJECT_THREAD: u32 = 5;

export const STATE_INIT: u32 = 0;
export const STATE_ACTIVE: u32 = 1;
/** The last reference is gone; what it owned goes away with a grace period. */
export const STATE_DYING: u32 = 2;

@unmanaged
export class KernelObject {
  /** OBJECT_*. */
  type: u32;
  /** STATE_*. */
  state: u32;
  /** Capabilities, children and whoever else holds on to it. */
  references: u32;
  /** By which the ownership database knows it. */
  id: u32;
  /** The partition it belongs to, and the heap it came from. */
  partition: Partition | null;
  heap: Heap;
}

@unmanaged
export class Partition extends KernelObject {}

/** Ids fit 16 bits of an ownership word; 0 is nobody. */
const MAX_OBJECTS: u32 = 16384;

// u32 per id: the object's address; of a free id, the next free one with FREE set.
let objects: usize = 0;
// 0 u32 first free id | 4 u32 ids ever used. In linear memory for snapshots.
let ids: usize = 0;
const FREE: u32 = 1;

export function reserveObjects(): bool {
  objects = reserve((MAX_OBJECTS as usize) << 2);
  ids = reserve(16);
  if (objects == 0 || ids == 0) return false;
  store<u32>(ids, 1, 4);
  return true;
}

/** A new object of `bytes` bytes in state INIT with one reference; 0 if there is no memory. */
export function createObject(type: u32, partition: Partition | null, heap: Heap, bytes: usize): usize {
  const isReused = load<u32>(ids) != 0;
  if (!isReused && load<u32>(ids, 4) == MAX_OBJECTS) return 0;
  const at = allocate(heap, bytes);
  if (at == 0) return 0;
  const object = changetype<KernelObject>(at);
  object.type = type;
  object.references = 1;
  object.partition = partition;
  object.heap = heap;
  object.id = takeId();
  store<u32>(slot(object.id), at as u32);
  return at;
}

function slot(id: u32): usize {
  return objects + ((id as usize) << 2);
}

function takeId(): u32 {
  const free = load<u32>(ids);
  if (free != 0) {
    store<u32>(ids, load<u32>(slot(free)) >> 1);
    return free;
  }
  const fresh = load<u32>(ids, 4);
  store<u32>(ids, fresh + 1, 4);
  return fresh;
}

/** Frees an object that nothing names any more. */
export function freeObject(object: KernelObject, bytes: usize): void {
  store<u32>(slot(object.id), (load<u32>(ids) << 1) | FREE);
  store<u32>(ids, object.id);
  release(object.heap, changetype<usize>(object), bytes);
}

/** Ids in use are below this. */
export function objectsEnd(): u32 {
  return load<u32>(ids, 4);
}

/** The object with this id; null if there is none. */
export function objectAt(id: u32): KernelObject | null {
  if (id == 0 || id >= load<u32>(ids, 4)) return null;
  const at = load<u32>(slot(id));
  return (at & FREE) != 0 ? null : changetype<KernelObject>(at as usize);
}

/** OBJECT_STATE unless the object is in `wanted`. */
export function checkState(object: KernelObject, wanted: u32): i32 {
  return object.state == wanted ? 0 : deny(OBJECT_STATE, REASON_OBJECT_STATE, object.id, wanted, object.state);
}
