// Transactions: what a manager remembers of a send until it is reclaimed (src/ffa_memory.c: struct ffa_memory_share_state;
// reference ffa, sections 2.7 and 6). A handle is the index of a slot, bit 63 says which manager allocated it.

import {
  EFFECT_FFA_RECORD,
  FFA_NO_MODE,
  FFA_RECORD_COMPLETE,
  FFA_RECORD_PENDING,
  FFA_RECORD_PROTECTED,
  MODE_NS,
} from "../../abi/ffa";
import { reserve } from "../../memory/heap";
import { record, recording } from "../../memory/journal";
import { clearBytes, copyBytes } from "./bytes";

/** Bit 63 of a handle: allocated by the hypervisor. */
export const HYPERVISOR_HANDLE: u64 = 0x8000_0000_0000_0000;
/** No slot. */
export const NO_HANDLE: u64 = 0xffff_ffff_ffff_ffff;

/** One receiver as it was sent (reference 2.2). */
@unmanaged
export class Receiver {
  impdef0: u64;
  impdef1: u64;
  id: u32;
  permissions: u32;
  flags: u32;
  /** Fragments that it has retrieved. */
  retrieved: u32;
}
export const RECEIVER_BYTES: usize = 32;

@unmanaged
export class Transaction {
  handle: u64;
  tag: u64;
  /** Bytes of the whole message in the 1.1 layout. */
  total: u32;
  /** Operation code of the send; 0: the slot is free. */
  verb: u32;
  sender: u32;
  attributes: u32;
  flags: u32;
  /** Size of the access descriptors as they were sent: 16 or 32. */
  accessSize: u32;
  receivers: u32;
  /** What the composite descriptor says. */
  pageCount: u32;
  constituentCount: u32;
  /** Fragments received, and constituents in them. */
  fragments: u32;
  constituents: u32;
  complete: u32;
  /** Fragments that went to a hypervisor retrieve. */
  byHypervisor: u32;
  /** The sender's mode before the send; FFA_NO_MODE until complete. */
  originalMode: i32;
  isProtected: u32;
  pending: u32;
  slot: u32;
  manager: u32;
  /** Whether anybody was told of it: what a call takes and gives back itself is no change. */
  announced: u32;
}
export const TRANSACTION_BYTES: usize = 96;

/** The table of one manager. */
@unmanaged
export class Manager {
  /** 0 the hypervisor, 1 the SPMC. */
  which: u32;
  slots: usize;
  /** No slot below is free. */
  lowestFree: u32;
}
const MANAGER_BYTES: usize = 16;
export const HYPERVISOR: u32 = 0;
export const SPMC: u32 = 1;

export let transactionLimit: u32 = 0;
export let fragmentLimit: u32 = 0;
export let recipientLimit: u32 = 0;
export let largestBuffer: u32 = 0; // pages

export let hypervisor: Manager = changetype<Manager>(0);
export let spmc: Manager = changetype<Manager>(0);

// Constituents of a fragment stay as they came, 16 bytes each. Blocks of one buffer are linked when free.
export let freeBlocks: usize = 0;

/** Makes the tables of both managers. False if linear memory is used up. */
export function reserveTransactions(transactions: u32, fragments: u32, recipients: u32, bufferPages: u32): bool {
  transactionLimit = transactions;
  fragmentLimit = fragments;
  recipientLimit = recipients;
  largestBuffer = bufferPages;
  fragmentsOffset = TRANSACTION_BYTES + (recipients as usize) * RECEIVER_BYTES;
  slotBytes = fragmentsOffset + (fragments as usize) * 8;
  freeBlocks = reserve(16);
  const first = newManager(HYPERVISOR);
  const second = newManager(SPMC);
  if (freeBlocks == 0 || first == null || second == null) return false;
  hypervisor = first;
  spmc = second;
  return true;
}

function newManager(which: u32): Manager | null {
  const at = reserve(MANAGER_BYTES);
  const slots = reserve((transactionLimit as usize) * slotBytes);
  if (at == 0 || slots == 0) return null;
  const manager = changetype<Manager>(at);
  manager.which = which;
  manager.slots = slots;
  manager.lowestFree = 0;
  return manager;
}

// Of a slot, and of what precedes its list of fragments.
export let slotBytes: usize = 0;
let fragmentsOffset: usize = 0;

export function transactionAt(manager: Manager, slot: u32): Transaction {
  return changetype<Transaction>(manager.slots + (slot as usize) * slotBytes);
}

export function receiverAt(transaction: Transaction, index: u32): Receiver {
  return changetype<Receiver>(changetype<usize>(transaction) + TRANSACTION_BYTES + (index as usize) * RECEIVER_BYTES);
}

function fragmentSlot(transaction: Transaction, index: u32): usize {
  return changetype<usize>(transaction) + fragmentsOffset + ((index as usize) << 3);
}

/** Linear address of a fragment's constituents. */
export function fragmentAt(transaction: Transaction, index: u32): usize {
  return load<u32>(fragmentSlot(transaction, index)) as usize;
}

/** How many constituents a fragment has. */
export function fragmentLength(transaction: Transaction, index: u32): u32 {
  return load<u32>(fragmentSlot(transaction, index), 4);
}

/** allocate_share_state: the lowest free slot, or the slot of a handle that the other manager has allocated. Null: full. */
export function takeSlot(manager: Manager, foreignHandle: u64): Transaction | null {
  for (let slot = manager.lowestFree; slot < transactionLimit; slot++) {
    const transaction = transactionAt(manager, slot);
    if (transaction.verb != 0) continue;
    manager.lowestFree = slot + 1;
    clearBytes(changetype<usize>(transaction), fragmentsOffset as u32);
    transaction.slot = slot;
    transaction.manager = manager.which;
    transaction.originalMode = FFA_NO_MODE;
    const own = (slot as u64) | (manager.which == HYPERVISOR ? HYPERVISOR_HANDLE : 0);
    transaction.handle = foreignHandle == NO_HANDLE ? own : foreignHandle;
    return transaction;
  }
  return null;
}

/** get_share_state: an own handle by its index, a foreign one by search. */
export function findTransaction(manager: Manager, handle: u64): Transaction | null {
  const isOwn = ((handle & HYPERVISOR_HANDLE) != 0) == (manager.which == HYPERVISOR);
  if (!isOwn) return searchTransaction(manager, handle);
  const index = handle & ~HYPERVISOR_HANDLE;
  if (index >= (transactionLimit as u64)) return null;
  const transaction = transactionAt(manager, index as u32);
  return transaction.verb != 0 && transaction.handle == handle ? transaction : null;
}

function searchTransaction(manager: Manager, handle: u64): Transaction | null {
  for (let slot: u32 = 0; slot < transactionLimit; slot++) {
    const transaction = transactionAt(manager, slot);
    if (transaction.verb != 0 && transaction.handle == handle) return transaction;
  }
  return null;
}

/** Whether it may have another fragment. */
export function hasFragmentsLeft(transaction: Transaction): bool {
  return transaction.fragments < fragmentLimit;
}

/** Appends a fragment of `count` constituents. False if the limit is reached or linear memory is used up. */
export function addFragment(transaction: Transaction, constituents: usize, count: u32): bool {
  if (!hasFragmentsLeft(transaction)) return false;
  const block = takeBlock();
  if (block == 0) return false;
  copyBytes(block, constituents, count << 4);
  const at = fragmentSlot(transaction, transaction.fragments);
  store<u32>(at, block as u32);
  store<u32>(at, count, 4);
  transaction.fragments++;
  transaction.constituents += count;
  return true;
}

// A fragment is at most one buffer long.
function takeBlock(): usize {
  const block = load<u32>(freeBlocks) as usize;
  if (block == 0) return reserve((largestBuffer as usize) << 12);
  store<u32>(freeBlocks, load<u32>(block));
  return block;
}

/** Fragments that could be kept without more linear memory. */
export function freeFragments(): u32 {
  let count: u32 = 0;
  for (let block = load<u32>(freeBlocks) as usize; block != 0; block = load<u32>(block) as usize) count++;
  return count;
}

/** share_state_free. */
export function freeTransaction(transaction: Transaction): void {
  for (let i: u32 = 0; i < transaction.fragments; i++) {
    const block = fragmentAt(transaction, i);
    store<u32>(block, load<u32>(freeBlocks));
    store<u32>(freeBlocks, block as u32);
  }
  transaction.fragments = 0;
  releaseSlot(transaction);
  if (transaction.announced) recordChanged(transaction);
}

/** The slot alone: of a transaction that never came to be. */
export function releaseSlot(transaction: Transaction): void {
  const manager = transaction.manager == HYPERVISOR ? hypervisor : spmc;
  manager.lowestFree = min(manager.lowestFree, transaction.slot);
  transaction.verb = 0;
}

/** Tells those who record effects that the transaction is another now. */
export function recordChanged(transaction: Transaction): void {
  transaction.announced = 1;
  if (!recording) return;
  const slot = transaction.slot;
  record(EFFECT_FFA_RECORD, transaction.manager, transaction.sender, slot, transaction.handle, summary(transaction), 0);
}

function summary(transaction: Transaction): u64 {
  const flags =
    (transaction.complete ? FFA_RECORD_COMPLETE : 0) |
    (transaction.isProtected ? FFA_RECORD_PROTECTED : 0) |
    (transaction.pending ? FFA_RECORD_PENDING : 0);
  return (transaction.verb as u64) | ((flags as u64) << 16) | ((transaction.fragments as u64) << 32);
}

/** Index of a receiver, NO_RECEIVER if it is none. */
export function receiverIndex(transaction: Transaction, id: u32): u32 {
  for (let i: u32 = 0; i < transaction.receivers; i++) {
    if (receiverAt(transaction, i).id == id) return i;
  }
  return NO_RECEIVER;
}
export const NO_RECEIVER: u32 = 0xffff_ffff;

/** Whether the owner's pages were non-secure. */
export function wasNonSecure(transaction: Transaction): bool {
  return (transaction.originalMode & MODE_NS) != 0;
}
