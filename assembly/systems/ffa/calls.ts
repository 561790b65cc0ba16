// The FF-A calls as an endpoint makes them: registers and message are checked, then one manager acts, or both
// (src/api.c; reference ffa, sections 5.1, 6, 7.1, 8, 9 and 11).

import {
  FFA_ABORTED,
  FFA_BUSY,
  FFA_CALL_TX_FAULT,
  FFA_DENIED,
  FFA_INVALID_PARAMETERS,
  FFA_NO_MEMORY,
  FFA_VERSION_1_0,
  REASON_FFA_COMPLETE,
  REASON_FFA_ENDPOINT_LIST,
  REASON_FFA_FRAGMENT_LENGTH,
  REASON_FFA_HANDLE,
  REASON_FFA_IN_PROGRESS,
  REASON_FFA_LENGTHS,
  REASON_FFA_MBZ_REGISTER,
  REASON_FFA_NO_TX,
  REASON_FFA_NOT_COMPLETE,
  REASON_FFA_OTHER_WORLD,
  REASON_FFA_OWNER,
  REASON_FFA_PENDING,
  REASON_FFA_RESERVED,
  REASON_FFA_RX_BUSY,
  REASON_FFA_SENDER_REGISTER,
  REASON_FFA_TX_FAULT,
  REASON_FFA_TX_LENGTH,
} from "../../abi/ffa";
import { refuse } from "../../memory/verdict";
import {
  access,
  accessReceiver,
  attributesOf,
  clearBehind,
  CONSTITUENT,
  FLAG_CLEAR,
  flagsOf,
  handleOf,
  HEADER_1_1,
  message,
  normalise,
  receiverCount,
  senderOf,
  setMessage,
  tagOf,
} from "./descriptor";
import { bufferBytes, Endpoint, isSecure, isSpmc, NORMAL_WORLD, readBuffer, setRx } from "./endpoint";
import { forwardFragment, forwardReclaim, forwardSend, isForwarded } from "./forward";
import { cleanUpAfter, reclaim, relinquish } from "./give-back";
import { hasBoth, messageBuffer } from "./machine";
import { replyDone, replyMore, replySuccess } from "./reply";
import { nextFragment, nextWhole, writeWhole } from "./response";
import { retrieve } from "./retrieve";
import {
  appendFragment,
  checkReceivers,
  completeSend,
  isFullySent,
  offsetReached,
  send,
  senderRegister,
  validateSend,
} from "./send";
import {
  findTransaction,
  hasFragmentsLeft,
  hypervisor,
  HYPERVISOR_HANDLE,
  Manager,
  receiverAt,
  SPMC,
  spmc,
  Transaction,
} from "./transaction";

const PAGE: u32 = 4096;
/** A relinquish descriptor with one endpoint: more are refused. */
const RELINQUISH_BYTES: u32 = 18;

function invalid(why: i32, what: u64, want: u32, have: u32): i32 {
  return refuse(FFA_INVALID_PARAMETERS, why, what, want, have);
}

export function managerOf(caller: Endpoint): Manager {
  return isSpmc(caller) ? spmc : hypervisor;
}

/** Whether the caller stands for a world, not for itself: it names its VM in a register. */
function isPhysical(caller: Endpoint): bool {
  return isSpmc(caller) && caller.id == NORMAL_WORLD;
}

// The message is read once; behind it the buffer is zero.
function copyMessage(caller: Endpoint, bytes: u32, options: i32): i32 {
  if (options & FFA_CALL_TX_FAULT) return refuse(FFA_ABORTED, REASON_FFA_TX_FAULT, caller.id, 0, 0);
  clearBehind(messageBuffer, bytes);
  readBuffer(caller.tx, bytes, messageBuffer);
  setMessage(messageBuffer, bytes, bytes);
  return 0;
}

/** FFA_MEM_DONATE, FFA_MEM_LEND, FFA_MEM_SHARE (api_ffa_mem_send). */
export function memSend(
  verb: i32,
  caller: Endpoint,
  total: u32,
  fragment: u32,
  address: u64,
  pages: u64,
  options: i32,
): i32 {
  if ((address | pages) != 0) return invalid(REASON_FFA_MBZ_REGISTER, address, 0, pages as u32);
  if (fragment > total) return invalid(REASON_FFA_LENGTHS, 0, total, fragment);
  if (caller.bufferPages == 0) return invalid(REASON_FFA_NO_TX, caller.id, 0, 0);
  const limit = caller.version == FFA_VERSION_1_0 ? PAGE : bufferBytes(caller);
  if (fragment > limit) return invalid(REASON_FFA_TX_LENGTH, 0, limit, fragment);
  const copied = copyMessage(caller, fragment, options);
  if (copied != 0) return copied;
  setMessage(messageBuffer, total, fragment);
  const manager = managerOf(caller);
  let ret = normalise(caller.version, true);
  if (ret == 0) ret = checkReceivers(verb, manager, caller.id, hasBoth);
  if (ret != 0) return ret;
  if (manager == hypervisor && hasSecureReceiver()) return forwardSend(verb, caller, fragment, options);
  ret = validateSend(verb, caller.id);
  return ret != 0 ? ret : send(manager, caller, verb, options);
}

function hasSecureReceiver(): bool {
  for (let i: u32 = 0; i < receiverCount(); i++) {
    if (isSecure(accessReceiver(access(i)))) return true;
  }
  return false;
}

/** FFA_MEM_FRAG_TX (api_ffa_mem_frag_tx). */
export function memFragTx(caller: Endpoint, handle: u64, fragment: u32, sender: u32, options: i32): i32 {
  if (!isPhysical(caller) && sender != 0) return invalid(REASON_FFA_SENDER_REGISTER, 0, 0, sender);
  if (caller.bufferPages == 0) return invalid(REASON_FFA_NO_TX, caller.id, 0, 0);
  const manager = managerOf(caller);
  const isForward = hasBoth && manager == hypervisor && isForwarded(handle);
  const limit = isForward ? PAGE : bufferBytes(caller);
  if (fragment > limit) return invalid(REASON_FFA_TX_LENGTH, 0, limit, fragment);
  if (fragment < CONSTITUENT || fragment % CONSTITUENT != 0)
    return invalid(REASON_FFA_FRAGMENT_LENGTH, 0, CONSTITUENT, fragment);
  const copied = copyMessage(caller, fragment, options);
  if (copied != 0) return copied;
  const transaction = findTransaction(manager, handle);
  if (transaction == null) return invalid(REASON_FFA_HANDLE, handle, 0, 0);
  if (!isSender(transaction, caller, sender)) return invalid(REASON_FFA_OWNER, handle, transaction.sender, caller.id);
  if (transaction.complete || isFullySent(transaction)) return invalid(REASON_FFA_COMPLETE, handle, 0, 0);
  if (isForward) return forwardFragment(transaction, caller, fragment, options);
  return continueSend(manager, transaction, caller, fragment, options);
}

// The normal world may name the VM whose message it continues.
function isSender(transaction: Transaction, caller: Endpoint, register: u32): bool {
  if (!isPhysical(caller)) return transaction.sender == caller.id;
  return !isSecure(transaction.sender) && (register == 0 || register == transaction.sender);
}

/** ffa_memory_send_continue: rows 7 to 9 of section 6. */
export function continueSend(
  manager: Manager,
  transaction: Transaction,
  caller: Endpoint,
  fragment: u32,
  options: i32,
): i32 {
  // At the limit `appendFragment` refuses, whoever the receivers are.
  if (hasFragmentsLeft(transaction) && hasForeignReceiver(manager, transaction)) {
    return invalid(REASON_FFA_OTHER_WORLD, transaction.handle, 0, 0);
  }
  if (!appendFragment(transaction, message, fragment / CONSTITUENT)) return -FFA_NO_MEMORY;
  const handle = transaction.handle;
  if (!isFullySent(transaction)) {
    replyMore(handle, offsetReached(transaction, caller.version), senderRegister(caller, transaction));
    return 0;
  }
  const ret = completeSend(manager, transaction, caller, options);
  if (ret == 0) replySuccess(handle);
  return ret;
}

function hasForeignReceiver(manager: Manager, transaction: Transaction): bool {
  for (let i: u32 = 0; i < transaction.receivers; i++) {
    if (isSecure(receiverAt(transaction, i).id) != (manager.which == SPMC)) return true;
  }
  return false;
}

/** FFA_MEM_RETRIEVE_REQ (api_ffa_mem_retrieve_req). */
export function memRetrieveReq(
  caller: Endpoint,
  total: u32,
  fragment: u32,
  address: u64,
  pages: u64,
  options: i32,
): i32 {
  if ((address | pages) != 0) return invalid(REASON_FFA_MBZ_REGISTER, address, 0, pages as u32);
  if (fragment != total) return invalid(REASON_FFA_LENGTHS, 0, total, fragment);
  if (caller.bufferPages == 0) return invalid(REASON_FFA_NO_TX, caller.id, 0, 0);
  if (fragment > bufferBytes(caller)) return invalid(REASON_FFA_TX_LENGTH, 0, bufferBytes(caller), fragment);
  const copied = copyMessage(caller, fragment, options);
  if (copied != 0) return copied;
  if (caller.rxFull) return refuse(FFA_BUSY, REASON_FFA_RX_BUSY, caller.id, 0, 1);
  if (isPhysical(caller) && receiverCount() == 0) return hypervisorRetrieve(caller);
  const ret = normalise(caller.version, false);
  if (ret != 0) return ret;
  const manager = managerOf(caller);
  const handle = handleOf();
  const isOwn = ((handle & HYPERVISOR_HANDLE) != 0) == (manager == hypervisor);
  const transaction = findTransaction(manager, handle);
  if (transaction == null || !isOwn) return invalid(REASON_FFA_HANDLE, handle, 0, 0);
  if (!transaction.complete) return invalid(REASON_FFA_NOT_COMPLETE, handle, 0, 0);
  if (transaction.pending) return refuse(FFA_DENIED, REASON_FFA_PENDING, handle, 0, 1);
  return retrieve(manager, transaction, caller);
}

// Row 4 of section 7.1: only the handle is given.
function hypervisorRetrieve(caller: Endpoint): i32 {
  const hasOther = (senderOf() | attributesOf() | flagsOf()) != 0 || tagOf() != 0;
  if (hasOther) return invalid(REASON_FFA_RESERVED, 0, 0, 1);
  for (let i: u32 = 24; i < HEADER_1_1; i += 4) {
    if (load<u32>(message + i) != 0) return invalid(REASON_FFA_RESERVED, i, 0, load<u32>(message + i));
  }
  const handle = handleOf();
  const transaction = findTransaction(spmc, handle);
  if (transaction == null || (handle & HYPERVISOR_HANDLE) != 0) return invalid(REASON_FFA_HANDLE, handle, 0, 0);
  if (!transaction.complete) return invalid(REASON_FFA_NOT_COMPLETE, handle, 0, 0);
  if (transaction.byHypervisor != 0)
    return refuse(FFA_DENIED, REASON_FFA_IN_PROGRESS, handle, 0, transaction.byHypervisor);
  return writeWhole(transaction, caller);
}

/** FFA_MEM_FRAG_RX (api_ffa_mem_frag_rx). */
export function memFragRx(caller: Endpoint, handle: u64, offset: u32, sender: u32): i32 {
  if (!isPhysical(caller) && sender != 0) return invalid(REASON_FFA_SENDER_REGISTER, 0, 0, sender);
  const transaction = findTransaction(managerOf(caller), handle);
  if (!isPhysical(caller)) return nextFragment(transaction, caller, handle, offset);
  if (caller.rxFull) return refuse(FFA_BUSY, REASON_FFA_RX_BUSY, caller.id, 0, 1);
  if (transaction == null) return invalid(REASON_FFA_HANDLE, handle, 0, 0);
  if (!transaction.complete) return invalid(REASON_FFA_NOT_COMPLETE, handle, 0, 0);
  if (transaction.sender != sender) return invalid(REASON_FFA_SENDER_REGISTER, handle, transaction.sender, sender);
  return nextWhole(transaction, caller, offset);
}

/** FFA_MEM_RELINQUISH: handle, flags, count and ids stand in TX (reference 2.4). */
export function memRelinquish(caller: Endpoint, options: i32): i32 {
  if (caller.bufferPages == 0) return invalid(REASON_FFA_NO_TX, caller.id, 0, 0);
  const copied = copyMessage(caller, RELINQUISH_BYTES, options);
  if (copied != 0) return copied;
  const handle = load<u64>(message);
  const flags = load<u32>(message, 8);
  const count = load<u32>(message, 12);
  const id = load<u16>(message, 16) as u32;
  if (count != 1) return invalid(REASON_FFA_ENDPOINT_LIST, handle, 1, count);
  const isSelf = isPhysical(caller) ? !isSecure(id) : id == caller.id;
  if (!isSelf) return invalid(REASON_FFA_ENDPOINT_LIST, handle, caller.id, id);
  const manager = managerOf(caller);
  const transaction = findTransaction(manager, handle);
  if (transaction == null) return invalid(REASON_FFA_HANDLE, handle, 0, 0);
  if (!transaction.complete) return invalid(REASON_FFA_NOT_COMPLETE, handle, 0, 0);
  const ret = relinquish(manager, transaction, caller, id, (flags & FLAG_CLEAR) != 0, options);
  if (ret == 0) replyDone();
  return ret;
}

/** FFA_MEM_RECLAIM; flags but for bit 0 are ignored. */
export function memReclaim(caller: Endpoint, handle: u64, flags: u32, options: i32): i32 {
  const manager = managerOf(caller);
  const transaction = findTransaction(manager, handle);
  if (transaction == null) return invalid(REASON_FFA_HANDLE, handle, 0, 0);
  if (!transaction.complete) return invalid(REASON_FFA_NOT_COMPLETE, handle, 0, 0);
  const clear = (flags & FLAG_CLEAR) != 0;
  const isForward = hasBoth && manager == hypervisor && isForwarded(handle);
  const ret = isForward
    ? forwardReclaim(transaction, caller, clear, options)
    : reclaim(manager, transaction, caller, clear, options);
  if (ret == 0) replyDone();
  return ret;
}

export function rxRelease(caller: Endpoint): i32 {
  setRx(caller, false);
  return 0;
}

export function rxFill(caller: Endpoint): i32 {
  setRx(caller, true);
  return 0;
}

/** FFA_ABORT: the endpoint dies, its manager cleans up (reference 10). */
export function abort(caller: Endpoint): i32 {
  cleanUpAfter(managerOf(caller), caller);
  return 0;
}
