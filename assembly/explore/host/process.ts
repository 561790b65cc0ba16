// Processes: each with its memory (mm), what it is charged for, and the VMs whose fds it has. Process 0 is the VMM, which has
// memory; another can be handed an fd.
//
//   process: 0 u32 lives | 4 i32 locked_vm, in pages | 8 u32 fds, a bit for each VM | 16 u64 for each page of its memory: a leaf
//   leaf:    pfn, 0 = none; bit 63: a block, of which this is the first page

import { MEMORY_BLOCK, MEMORY_DEVICE, MEMORY_FOLIO } from "../../abi/user-calls";
import { reserve } from "../../memory/heap";
import { allocate, MAPPED, unmapFrame } from "./frames";

export const VMM: u32 = 0;
/** Processes there are. */
export const PROCESSES: u32 = 2;
/** Pages of a block of 2 MiB. */
export const BLOCK_PAGES: u32 = 512;

const LOCKED: usize = 4;
const FDS: usize = 8;
const LEAVES: usize = 16;
const BLOCK: u64 = 1 << 63;

let processes: usize = 0;
let bytes: usize = 0;
/** Stage-1 leaves that the VMM can have. */
export let leaves: u32 = 0;
/** MEMORY_* of the VMM. */
export let memoryKind: i32 = 0;
/** Memory that is in no allocator: of hugetlb, or of a device's driver. */
let reservedPfn: u64 = 0;

/** The VMM has `pages` pages. False if linear memory is used up. */
export function makeProcesses(kind: i32, pages: u32, reserved: u64): bool {
  memoryKind = kind;
  reservedPfn = reserved;
  leaves = kind == MEMORY_BLOCK ? 1 : pages;
  bytes = LEAVES + ((leaves as usize) << 3);
  processes = reserve((PROCESSES as usize) * bytes);
  if (processes == 0) return false;
  for (let process: u32 = 0; process < PROCESSES; process++) store<u32>(at(process), 1);
  if (kind == MEMORY_FOLIO) mapFolio();
  else for (let page: u32 = 0; page < leaves; page++) mapPage(page, false);
  return true;
}

function at(process: u32): usize {
  return processes + (process as usize) * bytes;
}

export function lives(process: u32): bool {
  return load<u32>(at(process)) != 0;
}

/** Its locked_vm, in pages. */
export function lockedVm(process: u32): i32 {
  return load<i32>(at(process), LOCKED);
}

/** account_locked_vm. */
export function account(process: u32, pages: i32): void {
  store<i32>(at(process), lockedVm(process) + pages, LOCKED);
}

export function hasFd(process: u32, vm: u32): bool {
  return (load<u32>(at(process), FDS) & (1 << vm)) != 0;
}

/** Whether any process still has one. */
export function isOpen(vm: u32): bool {
  for (let process: u32 = 0; process < PROCESSES; process++) {
    if (hasFd(process, vm)) return true;
  }
  return false;
}

export function giveFd(process: u32, vm: u32): void {
  store<u32>(at(process), load<u32>(at(process), FDS) | (1 << vm), FDS);
}

export function takeFd(process: u32, vm: u32): void {
  store<u32>(at(process), load<u32>(at(process), FDS) & ~(1 << vm), FDS);
}

// The VMM's memory

function leafAt(page: u32): usize {
  return at(VMM) + LEAVES + ((page as usize) << 3);
}

function isBlock(): bool {
  return (load<u64>(leafAt(0)) & BLOCK) != 0;
}

/** What the VMM has mapped there; 0: nothing. */
export function mappedAt(page: u32): u64 {
  if (isBlock()) return (load<u64>(leafAt(0)) & ~BLOCK) + (page as u64);
  return page < leaves ? load<u64>(leafAt(page)) : 0;
}

/** Whether the slot is as large as a block. */
export function mayBeBlocks(): bool {
  return memoryKind == MEMORY_BLOCK || memoryKind == MEMORY_DEVICE;
}

/** Pages of the stage-1 leaf by which it has this page. */
export function leafPages(page: u32): u32 {
  return isBlock() && page < BLOCK_PAGES ? BLOCK_PAGES : 1;
}

/** The page, or the block that it is in, gets memory of the VMM's kind; `inPages`: in leaves of a page each. */
export function mapPage(page: u32, inPages: bool): void {
  let leaf: u64;
  if (memoryKind == MEMORY_BLOCK && !inPages) leaf = reservedPfn | BLOCK;
  else if (mayBeBlocks()) leaf = reservedPfn + ((page as u64) << 1);
  else leaf = allocate(1, MAPPED);
  store<u64>(leafAt(page), leaf);
}

function mapFolio(): void {
  const first = allocate(leaves, MAPPED);
  for (let page: u32 = 0; page < leaves; page++) store<u64>(leafAt(page), first + (page as u64));
}

/** The page, or the block that it is in, is unmapped. */
export function unmapPage(page: u32): void {
  const at = isBlock() ? leafAt(0) : leafAt(page);
  const leaf = load<u64>(at);
  store<u64>(at, 0);
  if (!mayBeBlocks() && leaf != 0) unmapFrame(leaf);
}

/** exit_mm, after the notifiers: its memory goes. */
export function endProcess(process: u32): void {
  if (process == VMM) {
    for (let page: u32 = 0; page < leaves; page++) unmapPage(page);
  }
  store<u32>(at(process), 0);
}
