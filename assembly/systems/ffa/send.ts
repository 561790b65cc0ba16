// FFA_MEM_DONATE, FFA_MEM_LEND, FFA_MEM_SHARE and FFA_MEM_FRAG_TX within one manager
// (src/api.c:api_ffa_mem_send, src/ffa_memory.c:ffa_memory_send; reference ffa, sections 4 to 6).

import {
  FFA_CALL_WIPE_FAIL,
  FFA_DENIED,
  FFA_INVALID_PARAMETERS,
  FFA_MEM_DONATE,
  FFA_MEM_LEND,
  FFA_MEM_SHARE,
  FFA_NO_MEMORY,
  FFA_VERSION_1_0,
  MODE_D,
  MODE_INVALID,
  MODE_R,
  MODE_SHARED,
  MODE_UNOWNED,
  MODE_W,
  REASON_FFA_ACCESS,
  REASON_FFA_ATTRIBUTES,
  REASON_FFA_COMPOSITE_OFFSET,
  REASON_FFA_CONSTITUENT_COUNT,
  REASON_FFA_DEVICE,
  REASON_FFA_DUPLICATE_RECEIVER,
  REASON_FFA_FLAGS,
  REASON_FFA_LENGTHS,
  REASON_FFA_NOT_WRITABLE,
  REASON_FFA_PAIR,
  REASON_FFA_PERMISSIONS,
  REASON_FFA_RECEIVER_COUNT,
  REASON_FFA_RECEIVER_IS_SENDER,
  REASON_FFA_RECEIVER_UNKNOWN,
  REASON_FFA_SENDER,
  REASON_FFA_STATE,
  REASON_FFA_TABLE_FULL,
  REASON_FFA_FRAGMENT_LIMIT,
  REASON_FFA_WIPE,
} from "../../abi/ffa";
import { HF_DESCRIPTOR_COPY_LEAK } from "../../abi/mutations";
import { isMutated } from "../../memory/mutation";
import { refuse } from "../../memory/verdict";
import {
  access,
  accessFlags,
  accessPermissions,
  accessReceiver,
  accessSize,
  areAttributesAllowed,
  attributesOf,
  COMPOSITE,
  compositeOffset,
  CONSTITUENT,
  dataAccess,
  DATA_RO,
  DATA_RW,
  DATA_UNSPECIFIED,
  FLAG_CLEAR,
  FLAG_TIME_SLICE,
  flagsOf,
  fragmentLength,
  hasSecurity,
  HEADER_1_0,
  HEADER_1_1,
  instructionAccess,
  INSTRUCTION_UNSPECIFIED,
  memoryType,
  message,
  NORMAL_WRITE_BACK_INNER,
  receiverCount,
  receiversEnd,
  RESERVED_VALUE,
  senderOf,
  tagOf,
  totalLength,
  TYPE_NORMAL,
  TYPE_UNSPECIFIED,
} from "./descriptor";
import { Endpoint, findEndpoint, isSecure, isSpmc, NORMAL_WORLD } from "./endpoint";
import { canProtect } from "./firmware";
import {
  checkConstituents,
  commit,
  commonMode,
  firstAddress,
  mode,
  protectAll,
  STATE,
  unprotectAll,
  wipe,
} from "./pages";
import { replyMore, replySuccess } from "./reply";
import {
  addFragment,
  fragmentLimit,
  freeTransaction,
  Manager,
  NO_HANDLE,
  receiverAt,
  recordChanged,
  releaseSlot,
  SPMC,
  takeSlot,
  Transaction,
  transactionLimit,
} from "./transaction";

function invalid(why: i32, what: u64, want: u32, have: u32): i32 {
  return refuse(FFA_INVALID_PARAMETERS, why, what, want, have);
}

/** Rows 9 to 11 of the entry (5.1): flags, number of receivers, and whom the sender may send to. */
export function checkReceivers(verb: i32, manager: Manager, caller: u32, otherWorldExists: bool): i32 {
  const flags = flagsOf();
  if (verb == FFA_MEM_SHARE && (flags & FLAG_CLEAR) != 0) return invalid(REASON_FFA_FLAGS, 0, 0, flags);
  if ((flags & ~(FLAG_CLEAR | FLAG_TIME_SLICE)) != 0) return invalid(REASON_FFA_FLAGS, 0, 0, flags);
  const count = receiverCount();
  if (verb == FFA_MEM_DONATE && count != 1) return invalid(REASON_FFA_RECEIVER_COUNT, 0, 1, count);
  for (let i: u32 = 0; i < count; i++) {
    const receiver = accessReceiver(access(i));
    if (receiver == caller) return invalid(REASON_FFA_RECEIVER_IS_SENDER, receiver, 0, 0);
    if (!isKnown(receiver, manager, otherWorldExists)) return invalid(REASON_FFA_RECEIVER_UNKNOWN, receiver, 0, 0);
    if (manager.which == SPMC && !maySend(verb, senderOf(), receiver)) {
      return refuse(FFA_DENIED, REASON_FFA_PAIR, receiver, senderOf(), receiver);
    }
  }
  return 0;
}

// A manager knows its own endpoints; those of the other world are the other manager's affair.
function isKnown(id: u32, manager: Manager, otherWorldExists: bool): bool {
  if (isSecure(id) != (manager.which == SPMC)) return otherWorldExists || manager.which == SPMC;
  const endpoint = findEndpoint(id);
  return endpoint != null && isSpmc(endpoint) == (manager.which == SPMC);
}

// ffa_memory_is_send_valid, in the secure world.
function maySend(verb: i32, sender: u32, receiver: u32): bool {
  if (isSecure(receiver)) return true;
  // VMs are named beside each other in a list, never a VM alone.
  return !isSecure(sender) && verb == FFA_MEM_SHARE && receiverCount() > 1;
}

/** ffa_memory_send_validate (5.3), rows 1 to 19 in order. */
export function validateSend(verb: i32, caller: u32): i32 {
  if (fragmentLength < HEADER_1_1 + accessSize() + COMPOSITE) return lengths();
  if ((fragmentLength | totalLength) % CONSTITUENT != 0 || fragmentLength > totalLength) return lengths();
  if (!isOwnSender(caller)) return refuse(FFA_DENIED, REASON_FFA_SENDER, 0, caller, senderOf());
  if (totalLength < receiversEnd() + COMPOSITE + CONSTITUENT) return lengths();
  const composite = compositeOffset();
  const isPlaced = composite >= receiversEnd() && composite % 16 == 0 && composite + COMPOSITE <= fragmentLength;
  if (!isPlaced) return invalid(REASON_FFA_COMPOSITE_OFFSET, 0, receiversEnd(), composite);
  const room = (totalLength - composite - COMPOSITE) / CONSTITUENT;
  const count = load<u32>(message + composite, 4);
  if (count != room) return invalid(REASON_FFA_CONSTITUENT_COUNT, 0, room, count);
  const allowed = verb == FFA_MEM_SHARE ? 0 : FLAG_CLEAR;
  if ((flagsOf() & ~allowed) != 0) return invalid(REASON_FFA_FLAGS, 0, allowed, flagsOf());
  const receivers = checkAccessList(verb);
  return receivers != 0 ? receivers : checkAttributes(verb);
}

function lengths(): i32 {
  return invalid(REASON_FFA_LENGTHS, 0, totalLength, fragmentLength);
}

// The normal world speaks for its VMs.
function isOwnSender(caller: u32): bool {
  return caller == NORMAL_WORLD ? !isSecure(senderOf()) : senderOf() == caller;
}

function checkAccessList(verb: i32): i32 {
  for (let i: u32 = 0; i < receiverCount(); i++) {
    const id = accessReceiver(access(i));
    const permissions = accessPermissions(access(i));
    if (id == senderOf()) return invalid(REASON_FFA_RECEIVER_IS_SENDER, id, 0, 0);
    for (let later = i + 1; later < receiverCount(); later++) {
      if (accessReceiver(access(later)) == id) return invalid(REASON_FFA_DUPLICATE_RECEIVER, id, 0, 0);
    }
    const isStated = instructionAccess(permissions) != INSTRUCTION_UNSPECIFIED;
    const isReserved = dataAccess(permissions) == RESERVED_VALUE;
    const wantsData = verb != FFA_MEM_DONATE;
    if (isStated || isReserved || wantsData == (dataAccess(permissions) == DATA_UNSPECIFIED)) {
      return invalid(REASON_FFA_PERMISSIONS, id, wantsData ? DATA_RW : DATA_UNSPECIFIED, permissions);
    }
  }
  return 0;
}

function checkAttributes(verb: i32): i32 {
  const attributes = attributesOf();
  if (hasSecurity(attributes)) return invalid(REASON_FFA_ATTRIBUTES, 0, 0, attributes);
  if (verb == FFA_MEM_DONATE || (verb == FFA_MEM_LEND && receiverCount() == 1)) {
    if (memoryType(attributes) == TYPE_UNSPECIFIED) return 0;
    return invalid(REASON_FFA_ATTRIBUTES, 0, 0, attributes);
  }
  if (areAttributesAllowed(attributes)) return 0;
  return refuse(FFA_DENIED, REASON_FFA_ATTRIBUTES, 0, NORMAL_WRITE_BACK_INNER, attributes);
}

/** Takes a slot and keeps the message in it (row 20). Null after a refusal. */
export function openTransaction(manager: Manager, verb: i32, handle: u64): Transaction | null {
  const transaction = takeSlot(manager, handle);
  if (transaction == null) {
    refuse(FFA_NO_MEMORY, REASON_FFA_TABLE_FULL, 0, transactionLimit, transactionLimit);
    return null;
  }
  const composite = message + compositeOffset();
  transaction.verb = verb;
  transaction.sender = senderOf();
  transaction.attributes = attributesOf();
  transaction.flags = flagsOf();
  transaction.tag = tagOf();
  transaction.total = totalLength;
  transaction.accessSize = accessSize();
  transaction.receivers = receiverCount();
  transaction.pageCount = load<u32>(composite);
  transaction.constituentCount = load<u32>(composite, 4);
  for (let i: u32 = 0; i < transaction.receivers; i++) keepReceiver(transaction, i);
  const length = fragmentLength - compositeOffset() - COMPOSITE;
  if (addFragment(transaction, composite + COMPOSITE, length / CONSTITUENT)) return transaction;
  releaseSlot(transaction);
  refuse(FFA_NO_MEMORY, REASON_FFA_FRAGMENT_LIMIT, 0, fragmentLimit, 0);
  return null;
}

function keepReceiver(transaction: Transaction, index: u32): void {
  const at = access(index);
  const receiver = receiverAt(transaction, index);
  receiver.id = accessReceiver(at);
  receiver.permissions = accessPermissions(at);
  receiver.flags = accessFlags(at);
  // Read as 32 bytes whatever the size: behind a 16-byte entry stands what follows it (their value means nothing then).
  receiver.impdef0 = load<u64>(at, 8);
  receiver.impdef1 = load<u64>(at, 16);
}

/** ffa_memory_send: the message is validated; more fragments are asked for, or the send is carried out. */
export function send(manager: Manager, owner: Endpoint, verb: i32, options: i32): i32 {
  const transaction = openTransaction(manager, verb, NO_HANDLE);
  if (transaction == null) return -FFA_NO_MEMORY;
  if (fragmentLength < totalLength) {
    recordChanged(transaction);
    replyMore(transaction.handle, offsetReached(transaction, owner.version), senderRegister(owner, transaction));
    return 0;
  }
  const ret = completeSend(manager, transaction, owner, options);
  if (ret == 0) replySuccess(transaction.handle);
  return ret;
}

/** Rows 22 to 36; any error frees the slot. */
export function completeSend(manager: Manager, transaction: Transaction, owner: Endpoint, options: i32): i32 {
  let ret = checkConstituents(transaction);
  if (ret == 0) ret = commonMode(transaction, owner);
  if (ret == 0) ret = checkSender(transaction);
  if (ret == 0) ret = hand(manager, transaction, owner, options);
  if (ret != 0 && isMutated(HF_DESCRIPTOR_COPY_LEAK)) transaction.fragments = 0;
  if (ret != 0) freeTransaction(transaction);
  else recordChanged(transaction);
  return ret;
}

// Rows 28 to 32.
function checkSender(transaction: Transaction): i32 {
  const verb = transaction.verb;
  if (mode & MODE_D) {
    const isNormal = memoryType(transaction.attributes) == TYPE_NORMAL;
    const isLendToOne = verb == FFA_MEM_LEND && transaction.receivers == 1;
    if (isNormal || !isLendToOne) return refuse(FFA_DENIED, REASON_FFA_DEVICE, 0, 0, mode);
  }
  if ((mode & STATE) != 0) return refuse(FFA_DENIED, REASON_FFA_STATE, firstAddress(transaction), 0, mode & STATE);
  if ((transaction.flags & FLAG_CLEAR) != 0 && !(mode & MODE_W)) {
    return refuse(FFA_DENIED, REASON_FFA_NOT_WRITABLE, 0, MODE_W, mode);
  }
  for (let i: u32 = 0; i < transaction.receivers; i++) {
    const receiver = receiverAt(transaction, i);
    const needed = modeOfData(dataAccess(receiver.permissions));
    if ((needed & ~mode) != 0) return refuse(FFA_DENIED, REASON_FFA_ACCESS, receiver.id, mode, needed);
  }
  return 0;
}

/** The access that a data permission stands for; unspecified: whatever the sender has. */
export function modeOfData(data: u32): i32 {
  return data == DATA_RO ? MODE_R : data == DATA_RW ? MODE_R | MODE_W : 0;
}

// Rows 33 to 35: protect, take from the sender, wipe.
function hand(manager: Manager, transaction: Transaction, owner: Endpoint, options: i32): i32 {
  const original = mode;
  if (needsProtection(manager, transaction)) {
    const refused = protectAll(transaction);
    if (refused != 0) return refused;
    transaction.isProtected = 1;
  }
  const committed = commit(transaction, owner, senderMode(transaction.verb, original));
  if (committed != 0) return committed;
  if (transaction.flags & FLAG_CLEAR) {
    if (options & FFA_CALL_WIPE_FAIL) {
      commit(transaction, owner, original);
      if (transaction.isProtected) unprotectAll(transaction);
      return refuse(FFA_NO_MEMORY, REASON_FFA_WIPE, 0, 0, 0);
    }
    wipe(transaction);
  }
  transaction.originalMode = original;
  transaction.complete = 1;
  return 0;
}

function senderMode(verb: i32, original: i32): i32 {
  if (verb == FFA_MEM_SHARE) return original | MODE_SHARED;
  return verb == FFA_MEM_LEND ? original | MODE_INVALID : original | MODE_INVALID | MODE_UNOWNED;
}

// ffa_mem_send_get_map_action: normal memory of a VM that goes to secure partitions alone.
function needsProtection(manager: Manager, transaction: Transaction): bool {
  if (!canProtect || manager.which != SPMC || transaction.verb == FFA_MEM_SHARE) return false;
  if (isSecure(transaction.sender) || (mode & MODE_D) != 0) return false;
  for (let i: u32 = 0; i < transaction.receivers; i++) {
    if (!isSecure(receiverAt(transaction, i).id)) return false;
  }
  return true;
}

/** Appends a fragment that has been checked; false: the limit is reached, and the record is gone (row 7 of section 6). */
export function appendFragment(transaction: Transaction, constituents: usize, count: u32): bool {
  if (addFragment(transaction, constituents, count)) {
    recordChanged(transaction);
    return true;
  }
  freeTransaction(transaction);
  refuse(FFA_NO_MEMORY, REASON_FFA_FRAGMENT_LIMIT, 0, fragmentLimit, fragmentLimit);
  return false;
}

/** Whether all constituents have come: more than promised never counts as all. */
export function isFullySent(transaction: Transaction): bool {
  return transaction.constituents == transaction.constituentCount;
}

/** w4 of a reply about fragments: the normal world, which calls for all its VMs, is told whose message it is. */
export function senderRegister(caller: Endpoint, transaction: Transaction): u32 {
  return isSpmc(caller) && caller.id == NORMAL_WORLD ? transaction.sender : 0;
}

/** Bytes of the message that have come so far, in the sender's layout. */
export function offsetReached(transaction: Transaction, version: i32): u32 {
  const left = (transaction.constituentCount - transaction.constituents) * CONSTITUENT;
  return transaction.total - left - (version == FFA_VERSION_1_0 ? HEADER_1_1 - HEADER_1_0 : 0);
}
