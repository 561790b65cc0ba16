// Threads: the vCPUs that make a VM of an address space and a capability space (reference gunyah sections 2.2, 5).

import { CSpace, setCspace } from "./cspace";
import { AddressSpace, destroyAddressSpace } from "./address-space";
import { createObject, freeObject, KernelObject, OBJECT_THREAD, Partition } from "./object";

@unmanaged
export class Thread extends KernelObject {
  space: AddressSpace | null;
  cspace: CSpace | null;
}

const THREAD_BYTES: usize = offsetof<Thread>();

/** A new thread in state INIT; null if there is no memory for it. */
export function createThread(partition: Partition): Thread | null {
  const at = createObject(OBJECT_THREAD, partition, partition.heap, THREAD_BYTES);
  return at == 0 ? null : changetype<Thread>(at);
}

/** addrspace_attach_thread, of a thread in state INIT. */
export function attachSpace(thread: Thread, space: AddressSpace): void {
  dropSpace(thread);
  space.references++;
  thread.space = space;
  bind(thread);
}

/** cspace_attach_thread, of a thread in state INIT. */
export function attachCspace(thread: Thread, cspace: CSpace): void {
  thread.cspace = cspace;
  bind(thread);
}

/** The hypercalls of a VM name capabilities of the capability space of its threads. */
function bind(thread: Thread): void {
  const space = thread.space;
  const cspace = thread.cspace;
  if (space != null && cspace != null) setCspace(space.vmid, cspace);
}

export function destroyThread(thread: Thread): void {
  dropSpace(thread);
  freeObject(thread, THREAD_BYTES);
}

function dropSpace(thread: Thread): void {
  const space = thread.space;
  thread.space = null;
  if (space == null) return;
  if (space.references == 1) destroyAddressSpace(space);
  else space.references--;
}
