// FFA_MEM_RELINQUISH and FFA_MEM_RECLAIM within one manager, and what they leave to do when an endpoint dies
// (src/ffa_memory.c:ffa_memory_relinquish, ffa_memory_reclaim; reference ffa, sections 8 to 10).

import {
  FFA_CALL_WIPE_FAIL,
  FFA_DENIED,
  FFA_INVALID_PARAMETERS,
  FFA_MEM_DONATE,
  FFA_MEM_SHARE,
  FFA_NO_MEMORY,
  MODE_INVALID,
  MODE_NS,
  MODE_SHARED,
  MODE_UNOWNED,
  MODE_W,
  REASON_FFA_FLAGS,
  REASON_FFA_NOT_RECEIVER,
  REASON_FFA_NOT_RETRIEVED,
  REASON_FFA_NOT_WRITABLE,
  REASON_FFA_OWNER,
  REASON_FFA_STATE,
  REASON_FFA_STILL_RETRIEVED,
  REASON_FFA_WIPE,
} from "../../abi/ffa";
import { HF_BORROWER_CLEARS, HF_RECLAIM_AFTER_DONATE, HF_RELINQUISH_CLEAR_FLAG } from "../../abi/mutations";
import { isMutated } from "../../memory/mutation";
import { refuse } from "../../memory/verdict";
import { dataAccess, DATA_RO } from "./descriptor";
import { Endpoint, findEndpoint, isSecure, NORMAL_WORLD } from "./endpoint";
import { commit, commonMode, firstAddress, mode, STATE, unprotectAll, wipe } from "./pages";
import {
  freeTransaction,
  Manager,
  NO_RECEIVER,
  receiverAt,
  receiverIndex,
  recordChanged,
  SPMC,
  Transaction,
  transactionAt,
  transactionLimit,
} from "./transaction";

function invalid(why: i32, what: u64, want: u32, have: u32): i32 {
  return refuse(FFA_INVALID_PARAMETERS, why, what, want, have);
}

/** Rows 5 to 12 of section 8. `id`: for whom the caller speaks. */
export function relinquish(
  manager: Manager,
  transaction: Transaction,
  caller: Endpoint,
  id: u32,
  clear: bool,
  options: i32,
): i32 {
  const index = receiverIndex(transaction, id);
  if (index == NO_RECEIVER) return invalid(REASON_FFA_NOT_RECEIVER, id, 0, 0);
  const receiver = receiverAt(transaction, index);
  if (receiver.retrieved != transaction.fragments) {
    return invalid(REASON_FFA_NOT_RETRIEVED, transaction.handle, transaction.fragments, receiver.retrieved);
  }
  const isNormalWorld = manager.which == SPMC && caller.id == NORMAL_WORLD;
  // Dropped in silence while another borrower has not relinquished; a normal-world borrower counts itself among them.
  const wipes = clear && !isNormalWorld && !isHeldByOther(transaction, index);
  if (wipes && transaction.verb == FFA_MEM_SHARE) return invalid(REASON_FFA_FLAGS, 0, 0, 1);
  if (!isMutated(HF_BORROWER_CLEARS) && wipes && dataAccess(receiver.permissions) == DATA_RO)
    return refuse(FFA_DENIED, REASON_FFA_NOT_WRITABLE, id, 0, 0);
  if (!isNormalWorld) {
    const unmapped = unmapReceiver(transaction, caller, wipes, options);
    if (unmapped != 0) return unmapped;
  }
  receiver.retrieved = 0;
  afterRelinquish(transaction, manager);
  return 0;
}

function isHeldByOther(transaction: Transaction, index: u32): bool {
  for (let i: u32 = 0; i < transaction.receivers; i++) {
    if (i != index && receiverAt(transaction, i).retrieved != 0) return true;
  }
  return false;
}

// Rows 9 to 11.
function unmapReceiver(transaction: Transaction, caller: Endpoint, wipes: bool, options: i32): i32 {
  const checked = commonMode(transaction, caller);
  if (checked != 0) return checked;
  const held = mode;
  if ((held & STATE & ~MODE_SHARED) != MODE_UNOWNED) {
    return refuse(FFA_DENIED, REASON_FFA_STATE, firstAddress(transaction), MODE_UNOWNED, held & STATE);
  }
  const committed = commit(transaction, caller, MODE_INVALID | MODE_UNOWNED | MODE_SHARED | (held & MODE_NS));
  if (committed != 0 || !wipes) return committed;
  if (isMutated(HF_RELINQUISH_CLEAR_FLAG)) return 0;
  if (options & FFA_CALL_WIPE_FAIL) {
    commit(transaction, caller, held);
    return refuse(FFA_NO_MEMORY, REASON_FFA_WIPE, 0, 0, 0);
  }
  wipe(transaction);
  return 0;
}

// Row 12: the owner died before; the last borrower gives the pages back to its table.
function afterRelinquish(transaction: Transaction, manager: Manager): void {
  if (transaction.pending && !isHeldByOther(transaction, NO_RECEIVER)) restore(transaction, manager);
  else recordChanged(transaction);
}

function restore(transaction: Transaction, manager: Manager): void {
  const owner = ownerOf(manager, transaction);
  if (owner != null) commit(transaction, owner, transaction.originalMode);
  if (transaction.isProtected) unprotectAll(transaction);
  freeTransaction(transaction);
}

/** Whose table the sender's pages are in: the normal world's for all its VMs. */
export function ownerOf(manager: Manager, transaction: Transaction): Endpoint | null {
  const isVm = manager.which == SPMC && !isSecure(transaction.sender);
  return findEndpoint(isVm ? NORMAL_WORLD : transaction.sender);
}

/** Rows 2 to 8 of section 9 for a complete transaction. */
export function reclaim(manager: Manager, transaction: Transaction, caller: Endpoint, clear: bool, options: i32): i32 {
  const owner = ownerOf(manager, transaction);
  if (owner != caller) return invalid(REASON_FFA_OWNER, transaction.handle, transaction.sender, caller.id);
  const held = checkNotHeld(transaction);
  if (held != 0) return held;
  if (isMutated(HF_RECLAIM_AFTER_DONATE) && transaction.verb == FFA_MEM_DONATE) {
    return refuse(FFA_DENIED, REASON_FFA_STATE, transaction.handle, MODE_UNOWNED, MODE_UNOWNED);
  }
  if (clear && !(transaction.originalMode & MODE_W)) {
    return refuse(FFA_DENIED, REASON_FFA_NOT_WRITABLE, 0, MODE_W, transaction.originalMode);
  }
  const checked = commonMode(transaction, caller);
  if (checked != 0) return checked;
  if (clear && (options & FFA_CALL_WIPE_FAIL) != 0) return refuse(FFA_NO_MEMORY, REASON_FFA_WIPE, 0, 0, 0);
  // Wiped before the owner can see the pages.
  if (clear) wipe(transaction);
  restore(transaction, manager);
  return 0;
}

/** Row 3: nobody holds it, not even part way through the fragments. */
export function checkNotHeld(transaction: Transaction): i32 {
  for (let i: u32 = 0; i < transaction.receivers; i++) {
    const receiver = receiverAt(transaction, i);
    if (receiver.retrieved == 0) continue;
    return refuse(FFA_DENIED, REASON_FFA_STILL_RETRIEVED, transaction.handle, 0, receiver.id);
  }
  return 0;
}

/** ffa_memory_reclaim_relinquish_vm_regions: what it borrowed goes back unwiped, what it lent comes back or waits. */
export function cleanUpAfter(manager: Manager, dead: Endpoint): void {
  for (let slot: u32 = 0; slot < transactionLimit; slot++) {
    const transaction = transactionAt(manager, slot);
    if (transaction.verb == 0 || !transaction.complete) continue;
    relinquishFor(manager, transaction, dead);
    if (transaction.verb == 0 || ownerOf(manager, transaction) != dead) continue;
    if (!isHeldByOther(transaction, NO_RECEIVER)) {
      restore(transaction, manager);
    } else {
      transaction.pending = 1;
      recordChanged(transaction);
    }
  }
}

function relinquishFor(manager: Manager, transaction: Transaction, dead: Endpoint): void {
  const index = receiverIndex(transaction, dead.id);
  if (index == NO_RECEIVER || receiverAt(transaction, index).retrieved == 0) return;
  unmapReceiver(transaction, dead, false, 0);
  receiverAt(transaction, index).retrieved = 0;
  afterRelinquish(transaction, manager);
}
