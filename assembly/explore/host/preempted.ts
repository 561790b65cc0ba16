// Threads of the VMM's that are preempted half-way: a vCPU's in its fault handler, and one that unmaps memory in its notifiers.
// What each has in its hands lies in memory, and other threads go on meanwhile. The vCPU is put while its thread does not run.
//
//   a fault:    0 u32 1 = there is one | 4 u32 page | 8 u32 1 = a write | 12 u32 1 = a permission fault | 16 u32 pages, as looked up
//               20 u32 mmu_invalidate_seq: SEQUENCE_*
//   a callback: 32 u32 1 = there is one | 36 u32 page | 40 u32 address of the record that it found

import { reserve } from "../../memory/heap";

/** What a fault knows of callbacks that came since: it has not begun to look; none came; some did. */
const UNREAD: u32 = 0;
const UNCHANGED: u32 = 1;
const CHANGED: u32 = 2;

const PAGE: usize = 4;
const WRITE: usize = 8;
const PERMISSION: usize = 12;
const PAGES: usize = 16;
const SEQUENCE: usize = 20;
const CALLBACK: usize = 32;
const BYTES: usize = 48;

let tasks: usize = 0;

/** False if linear memory is used up. */
export function makePreempted(): bool {
  tasks = reserve(BYTES);
  return tasks != 0;
}

// The fault

export function isInFault(): bool {
  return load<u32>(tasks) != 0;
}

/** The handler knows what has faulted, and nothing yet of the VMM's memory. */
export function beginFault(page: u32, isWrite: bool, isPermission: bool): void {
  store<u32>(tasks, 1);
  store<u32>(tasks, page, PAGE);
  store<u32>(tasks, isWrite ? 1 : 0, WRITE);
  store<u32>(tasks, isPermission ? 1 : 0, PERMISSION);
  store<u32>(tasks, UNREAD, SEQUENCE);
}

export function endFault(): void {
  memory.fill(tasks, 0, CALLBACK);
}

export function faultPage(): u32 {
  return load<u32>(tasks, PAGE);
}

export function isWriteFault(): bool {
  return load<u32>(tasks, WRITE) != 0;
}

export function isPermissionFault(): bool {
  return load<u32>(tasks, PERMISSION) != 0;
}

export function setFaultPages(pages: u32): void {
  store<u32>(tasks, pages, PAGES);
}

export function faultPages(): u32 {
  return load<u32>(tasks, PAGES);
}

/** mmu_invalidate_seq is read: callbacks from here on are noticed. */
export function readSequence(): void {
  store<u32>(tasks, UNCHANGED, SEQUENCE);
}

/** A callback has invalidated something. */
export function advanceSequence(): void {
  if (load<u32>(tasks, SEQUENCE) == UNCHANGED) store<u32>(tasks, CHANGED, SEQUENCE);
}

/** mmu_invalidate_retry. */
export function mustRetry(): bool {
  return load<u32>(tasks, SEQUENCE) == CHANGED;
}

// The callback

export function isInCallback(): bool {
  return load<u32>(tasks, CALLBACK) != 0;
}

export function beginCallback(page: u32, record: usize): void {
  store<u32>(tasks, 1, CALLBACK);
  store<u32>(tasks, page, CALLBACK + 4);
  store<u32>(tasks, record as u32, CALLBACK + 8);
}

export function endCallback(): void {
  memory.fill(tasks + CALLBACK, 0, BYTES - CALLBACK);
}

export function callbackPage(): u32 {
  return load<u32>(tasks, CALLBACK + 4);
}

export function callbackRecord(): usize {
  return load<u32>(tasks, CALLBACK + 8) as usize;
}
