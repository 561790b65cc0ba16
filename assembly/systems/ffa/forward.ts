// Memory that a VM sends to secure partitions: the hypervisor passes the call on to the SPMC and changes its own table
// (src/ffa/hypervisor/ffa_memory.c; reference ffa, section 11). Both managers are here: a forwarded call is a call by
// endpoint 0 of the SPMC.

import {
  FFA_BUSY,
  FFA_INVALID_PARAMETERS,
  FFA_NO_MEMORY,
  FFA_REPLY_FRAG_RX,
  REASON_FFA_HANDLE,
  REASON_FFA_OWNER,
  REASON_FFA_RX_BUSY,
  REASON_FFA_TX_LENGTH,
} from "../../abi/ffa";
import { refuse } from "../../memory/verdict";
import { continueSend, memReclaim } from "./calls";
import { CONSTITUENT, fragmentLength, message, totalLength } from "./descriptor";
import { Endpoint, findEndpoint, NORMAL_WORLD, SPMC_CHANNEL } from "./endpoint";
import { checkNotHeld, reclaim } from "./give-back";
import { replyKind, replyHandle, replyMore, replySuccess } from "./reply";
import {
  appendFragment,
  checkReceivers,
  completeSend,
  isFullySent,
  offsetReached,
  openTransaction,
  send,
  validateSend,
} from "./send";
import {
  findTransaction,
  freeTransaction,
  hasFragmentsLeft,
  hypervisor,
  HYPERVISOR_HANDLE,
  recordChanged,
  spmc,
  Transaction,
} from "./transaction";

/** A message to the SPMC is at most one page, whatever the buffers are. */
const CHANNEL_BYTES: u32 = 4096;

/** Handles without bit 63 are the SPMC's. */
export function isForwarded(handle: u64): bool {
  return (handle & HYPERVISOR_HANDLE) == 0;
}

function isChannelBusy(): bool {
  const channel = findEndpoint(SPMC_CHANNEL);
  return channel != null && channel.rxFull != 0;
}

function normalWorld(): Endpoint {
  return findEndpoint(NORMAL_WORLD) as Endpoint;
}

/** ffa_memory_other_world_send: the message of the caller is in place and passed rows 1 to 11 of the entry. */
export function forwardSend(verb: i32, caller: Endpoint, fragment: u32, options: i32): i32 {
  if (fragmentLength > CHANNEL_BYTES) {
    return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_TX_LENGTH, 0, CHANNEL_BYTES, fragment);
  }
  const validated = validateSend(verb, caller.id);
  if (validated != 0) return validated;
  if (isChannelBusy()) return refuse(FFA_BUSY, REASON_FFA_RX_BUSY, SPMC_CHANNEL, 0, 1);
  const answered = sendToSpmc(verb, options);
  if (answered != 0) return answered;
  const handle = replyHandle;
  const transaction = openTransaction(hypervisor, verb, handle);
  if (transaction == null) {
    undoAtSpmc(handle);
    return -FFA_NO_MEMORY;
  }
  if (fragmentLength < totalLength) {
    recordChanged(transaction);
    replyMore(handle, fragment, 0);
    return 0;
  }
  const ret = completeSend(hypervisor, transaction, caller, options);
  if (ret != 0) undoAtSpmc(handle);
  else replySuccess(handle);
  return ret;
}

// The SPMC makes its own checks; its sender is the normal world, which names the VM in the descriptor.
function sendToSpmc(verb: i32, options: i32): i32 {
  let ret = checkReceivers(verb, spmc, NORMAL_WORLD, true);
  if (ret == 0) ret = validateSend(verb, NORMAL_WORLD);
  return ret != 0 ? ret : send(spmc, normalWorld(), verb, options);
}

function undoAtSpmc(handle: u64): void {
  const transaction = findTransaction(spmc, handle);
  if (transaction == null) return;
  if (transaction.complete) reclaim(spmc, transaction, normalWorld(), false, 0);
  else freeTransaction(transaction);
}

/** A later fragment: when the SPMC cannot take it now, the same one is asked for again (unless it is one too many). */
export function forwardFragment(transaction: Transaction, caller: Endpoint, fragment: u32, options: i32): i32 {
  const handle = transaction.handle;
  if (hasFragmentsLeft(transaction) && isChannelBusy()) {
    replyMore(handle, offsetReached(transaction, caller.version), 0);
    return 0;
  }
  // What fails here leaves the SPMC with a half-sent transaction.
  if (!appendFragment(transaction, message, fragment / CONSTITUENT)) return -FFA_NO_MEMORY;
  if (isFullySent(transaction)) {
    const local = completeSend(hypervisor, transaction, caller, options);
    if (local != 0) return local;
  }
  return continueAtSpmc(transaction, caller, fragment, options);
}

function continueAtSpmc(transaction: Transaction, caller: Endpoint, fragment: u32, options: i32): i32 {
  const handle = transaction.handle;
  const behind = findTransaction(spmc, handle);
  if (behind == null) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_HANDLE, handle, 0, 0);
  const ret = continueSend(spmc, behind, normalWorld(), fragment, options);
  if (ret != 0) {
    if (transaction.complete) reclaim(hypervisor, transaction, caller, false, 0);
    else freeTransaction(transaction);
    return ret;
  }
  if (replyKind == FFA_REPLY_FRAG_RX) replyMore(handle, offsetReached(transaction, caller.version), 0);
  return 0;
}

/** Reclaim of an SPMC handle by a VM: the SPMC first, which also wipes, then the VM's own table. */
export function forwardReclaim(transaction: Transaction, caller: Endpoint, clear: bool, options: i32): i32 {
  if (transaction.sender != caller.id) {
    return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_OWNER, transaction.handle, transaction.sender, caller.id);
  }
  const held = checkNotHeld(transaction);
  if (held != 0) return held;
  const behind = memReclaim(normalWorld(), transaction.handle, clear ? 1 : 0, options);
  if (behind != 0) return behind;
  return reclaim(hypervisor, transaction, caller, false, options);
}
