// The response to a retrieve, in the layout of who asked, and the fragments that follow it (reference ffa, sections 7.5 and 6).

import {
  FFA_BUSY,
  FFA_INVALID_PARAMETERS,
  FFA_MEM_DONATE,
  FFA_NO_MEMORY,
  FFA_VERSION_1_0,
  FFA_VERSION_1_2,
  REASON_FFA_HANDLE,
  REASON_FFA_NOT_COMPLETE,
  REASON_FFA_NOT_RECEIVER,
  REASON_FFA_NOT_RETRIEVED,
  REASON_FFA_OFFSET,
  REASON_FFA_RX_BUSY,
  REASON_FFA_RX_LENGTH,
} from "../../abi/ffa";
import { refuse } from "../../memory/verdict";
import { clearBytes, copyBytes } from "./bytes";
import {
  ACCESS_1_1,
  ACCESS_1_2,
  COMPOSITE,
  CONSTITUENT,
  extendMessage,
  FLAG_CLEAR,
  FLAG_TYPE_SHIFT,
  HEADER_1_0,
  HEADER_1_1,
  message,
  SECURITY_NON_SECURE,
} from "./descriptor";
import { bufferBytes, Endpoint, NORMAL_WORLD, setRx, writeRx } from "./endpoint";
import { replyFragment, replyResponse } from "./reply";
import { typeOf } from "./retrieve";
import {
  fragmentAt,
  fragmentLength,
  freeTransaction,
  NO_RECEIVER,
  receiverAt,
  receiverIndex,
  recordChanged,
  Transaction,
  wasNonSecure,
} from "./transaction";

function headerOf(version: i32): u32 {
  return version == FFA_VERSION_1_0 ? HEADER_1_0 : HEADER_1_1;
}

function accessOf(version: i32): u32 {
  return version >= FFA_VERSION_1_2 ? ACCESS_1_2 : ACCESS_1_1;
}

// Bytes before the constituents, with `receivers` entries.
function prologue(version: i32, receivers: u32): u32 {
  return headerOf(version) + receivers * accessOf(version) + COMPOSITE;
}

/**
 * Whether RX holds the response of `receivers` entries up to the end of the first fragment, and each later fragment. Fragments
 * are handed on as they came: from a larger buffer, or behind shorter descriptors, they need not fit.
 * (unverified: which code; nothing is changed)
 */
export function checkRoom(transaction: Transaction, caller: Endpoint, receivers: u32): i32 {
  const room = bufferBytes(caller);
  for (let i: u32 = 0; i < transaction.fragments; i++) {
    const start = i == 0 ? prologue(caller.version, receivers) : 0;
    const bytes = start + fragmentLength(transaction, i) * CONSTITUENT;
    if (bytes > room) return refuse(FFA_NO_MEMORY, REASON_FFA_RX_LENGTH, transaction.handle, room, bytes);
  }
  return 0;
}

/** ffa_retrieved_memory_region_init: one entry, the caller's, with what it was granted; as many fragments as RX holds. */
export function writeResponse(transaction: Transaction, caller: Endpoint, index: u32, granted: u32): i32 {
  writeHeader(transaction, caller, 1);
  writeAccess(transaction, caller.version, 0, index, granted);
  const start = prologue(caller.version, 1);
  const fragments = packFragments(transaction, caller, start);
  receiverAt(transaction, index).retrieved = fragments;
  finish(transaction, caller, start + packed);
  replyResponse(start + transaction.constituentCount * CONSTITUENT, start + packed);
  afterDelivery(transaction, index);
  return 0;
}

/** The whole descriptor for the hypervisor, with every receiver as it was sent (reference 7.1 row 4). */
export function writeWhole(transaction: Transaction, caller: Endpoint): i32 {
  const room = checkRoom(transaction, caller, transaction.receivers);
  if (room != 0) return room;
  writeHeader(transaction, caller, transaction.receivers);
  for (let i: u32 = 0; i < transaction.receivers; i++) {
    writeAccess(transaction, caller.version, i, i, receiverAt(transaction, i).permissions);
  }
  const start = prologue(caller.version, transaction.receivers);
  packFirst(transaction, start);
  transaction.byHypervisor = 1;
  finish(transaction, caller, start + packed);
  replyResponse(start + transaction.constituentCount * CONSTITUENT, start + packed);
  if (transaction.byHypervisor == transaction.fragments) transaction.byHypervisor = 0;
  recordChanged(transaction);
  return 0;
}

function finish(transaction: Transaction, caller: Endpoint, bytes: u32): void {
  extendMessage(bytes);
  writeRx(caller, message, bytes);
  setRx(caller, true);
}

function writeHeader(transaction: Transaction, caller: Endpoint, receivers: u32): void {
  clearBytes(message, HEADER_1_1);
  const version = caller.version;
  // The normal world is not told what all its memory is.
  const staysNonSecure = wasNonSecure(transaction) && !transaction.isProtected && caller.id != NORMAL_WORLD;
  const security = staysNonSecure ? SECURITY_NON_SECURE : 0;
  const type = typeOf(transaction.verb) << FLAG_TYPE_SHIFT;
  store<u16>(message, transaction.sender as u16);
  store<u16>(message, (transaction.attributes | security) as u16, 2);
  store<u32>(message, (transaction.flags & FLAG_CLEAR) | type, 4);
  store<u64>(message, transaction.handle, 8);
  // The tag at 16 is written as 0.
  store<u32>(message, receivers, 28);
  if (version == FFA_VERSION_1_0) return;
  store<u32>(message, accessOf(version), 24);
  store<u32>(message, HEADER_1_1, 32);
}

function writeAccess(transaction: Transaction, version: i32, place: u32, index: u32, permissions: u32): void {
  const size = accessOf(version);
  const receivers = load<u32>(message, 28);
  const at = message + headerOf(version) + place * size;
  const receiver = receiverAt(transaction, index);
  clearBytes(at, size);
  store<u16>(at, receiver.id as u16);
  store<u8>(at, permissions as u8, 2);
  store<u8>(at, receiver.flags as u8, 3);
  store<u32>(at, headerOf(version) + receivers * size, 4);
  if (size == ACCESS_1_2) {
    store<u64>(at, receiver.impdef0, 8);
    store<u64>(at, receiver.impdef1, 16);
  }
  const composite = message + headerOf(version) + receivers * size;
  store<u32>(composite, transaction.pageCount);
  store<u32>(composite, transaction.constituentCount, 4);
  store<u64>(composite, 0, 8);
}

/** Bytes of constituents that `packFragments` has put into the message. */
let packed: u32 = 0;

// The hypervisor is given the fragments one by one, as they came.
function packFirst(transaction: Transaction, start: u32): void {
  packed = fragmentLength(transaction, 0) * CONSTITUENT;
  copyBytes(message + start, fragmentAt(transaction, 0), packed);
}

// As many whole fragments as fit behind `start`; how many.
function packFragments(transaction: Transaction, caller: Endpoint, start: u32): u32 {
  const room = bufferBytes(caller);
  packed = 0;
  let fragment: u32 = 0;
  while (fragment < transaction.fragments) {
    const bytes = fragmentLength(transaction, fragment) * CONSTITUENT;
    if (start + packed + bytes > room) break;
    copyBytes(message + start + packed, fragmentAt(transaction, fragment), bytes);
    packed += bytes;
    fragment++;
  }
  return fragment;
}

// A donate that was delivered in full is over: the new owner needs no record.
function afterDelivery(transaction: Transaction, index: u32): void {
  const isDelivered = receiverAt(transaction, index).retrieved == transaction.fragments;
  if (transaction.verb == FFA_MEM_DONATE && isDelivered) freeTransaction(transaction);
  else recordChanged(transaction);
}

function invalid(why: i32, what: u64, want: u32, have: u32): i32 {
  return refuse(FFA_INVALID_PARAMETERS, why, what, want, have);
}

/** FFA_MEM_FRAG_RX for a receiver (ffa_memory_retrieve_continue). */
export function nextFragment(transaction: Transaction | null, caller: Endpoint, handle: u64, offset: u32): i32 {
  if (caller.rxFull || caller.bufferPages == 0) return refuse(FFA_BUSY, REASON_FFA_RX_BUSY, caller.id, 0, 1);
  if (transaction == null) return invalid(REASON_FFA_HANDLE, handle, 0, 0);
  if (!transaction.complete) return invalid(REASON_FFA_NOT_COMPLETE, handle, 0, 0);
  const index = receiverIndex(transaction, caller.id);
  if (index == NO_RECEIVER) return invalid(REASON_FFA_NOT_RECEIVER, caller.id, 0, 0);
  const receiver = receiverAt(transaction, index);
  const done = receiver.retrieved;
  if (done == 0 || done == transaction.fragments) return invalid(REASON_FFA_NOT_RETRIEVED, handle, 0, done);
  const expected = prologue(caller.version, 1) + constituentsBefore(transaction, done) * CONSTITUENT;
  if (offset != expected) return invalid(REASON_FFA_OFFSET, handle, expected, offset);
  receiver.retrieved = done + 1;
  deliver(transaction, caller, done, 0);
  afterDelivery(transaction, index);
  return 0;
}

/** The same for the hypervisor, which names the sender. */
export function nextWhole(transaction: Transaction, caller: Endpoint, offset: u32): i32 {
  const done = transaction.byHypervisor;
  if (done == 0 || done == transaction.fragments) return invalid(REASON_FFA_NOT_RETRIEVED, transaction.handle, 0, done);
  const start = prologue(caller.version, transaction.receivers);
  const expected = start + constituentsBefore(transaction, done) * CONSTITUENT;
  if (offset != expected) return invalid(REASON_FFA_OFFSET, transaction.handle, expected, offset);
  transaction.byHypervisor = done + 1 == transaction.fragments ? 0 : done + 1;
  deliver(transaction, caller, done, transaction.sender);
  recordChanged(transaction);
  return 0;
}

function constituentsBefore(transaction: Transaction, fragment: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < fragment; i++) sum += fragmentLength(transaction, i);
  return sum;
}

function deliver(transaction: Transaction, caller: Endpoint, fragment: u32, sender: u32): void {
  const bytes = fragmentLength(transaction, fragment) * CONSTITUENT;
  copyBytes(message, fragmentAt(transaction, fragment), bytes);
  extendMessage(bytes);
  writeRx(caller, message, bytes);
  setRx(caller, true);
  replyFragment(transaction.handle, bytes, sender);
}
