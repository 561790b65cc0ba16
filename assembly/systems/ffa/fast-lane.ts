// The ordinary case of sharing between two VMs: one receiver, one fragment, the layout of 1.1 and later without gaps, nothing to
// clear. A batch of such calls runs here without a function per check, and messages are read and written where they are.
//
// The lane looks first and writes last: a record that is not ordinary, or that would be refused, is left untouched to the call's
// own file, which is the specification. That both ways end in the same state is a property test. Only while nobody records.

import {
  FFA_CALL_64,
  FFA_MEM_RECLAIM,
  FFA_MEM_RELINQUISH,
  FFA_MEM_RETRIEVE_REQ,
  FFA_MEM_SHARE,
  FFA_RX_RELEASE,
  FFA_TX,
  FFA_VERSION_1_0,
  FFA_VERSION_1_2,
  MODE_ABSENT,
  MODE_D,
  MODE_NS,
  MODE_R,
  MODE_SHARED,
  MODE_UNOWNED,
  MODE_W,
} from "../../abi/ffa";
import { OPERATION_A, OPERATION_B, OPERATION_C, OPERATION_D, OPERATION_SIZE } from "../../abi/operations";
import { RESULT_REASON, RESULT_RET, RESULT_SIZE } from "../../abi/records";
import { ensureFrame, frameOf } from "../../memory/dram";
import { limitReached, panicked } from "../../memory/verdict";
import { clearBytes, copyBytes } from "./bytes";
import {
  ACCESS_1_1,
  ACCESS_1_2,
  areAttributesAllowed,
  COMPOSITE,
  CONSTITUENT,
  dataAccess,
  DATA_RO,
  DATA_RW,
  DATA_UNSPECIFIED,
  FLAG_CLEAR,
  FLAG_TYPE_SHIFT,
  hasSecurity,
  HEADER_1_1,
  instructionAccess,
  INSTRUCTION_NX,
  INSTRUCTION_UNSPECIFIED,
  memoryType,
  RESERVED_VALUE,
  SECURITY_NON_SECURE,
  TYPE_DEVICE,
  TYPE_UNSPECIFIED,
} from "./descriptor";
import {
  copyPiece,
  Endpoint,
  findEndpoint,
  isSecure,
  isSpmc,
  NORMAL_WORLD,
  noteTxWritten,
  TX_PIECE,
  txAddress,
} from "./endpoint";
import { addressesAscend, pagesAt, STATE } from "./pages";
import { commonAttributes, haveCommonAttributes, modeOf, setCheckedModes, setModes } from "./table";
import {
  addFragment,
  findTransaction,
  fragmentAt,
  fragmentLength,
  freeTransaction,
  hypervisor,
  HYPERVISOR_HANDLE,
  NO_HANDLE,
  receiverAt,
  recipientLimit,
  releaseSlot,
  takeSlot,
  Transaction,
} from "./transaction";

const PAGE: u32 = 4096;
const TYPE_SHARE: u32 = 1;
/** Offset of the one access descriptor. */
const ACCESS: u32 = HEADER_1_1;

/** Runs records from `from` on as long as they are ordinary. Returns the first that is not. */
export function runFastLane(from: usize, end: usize, results: usize): usize {
  if ((panicked | limitReached) != 0) return from;
  let result = results;
  let rec = from;
  let caller = findEndpoint(load<u16>(rec, 2));
  while (rec < end) {
    const id = load<u16>(rec, 2) as u32;
    if (caller == null || caller.id != id) caller = findEndpoint(id);
    if (caller == null) return rec;
    const next = load<u16>(rec) == FFA_TX ? writePieces(caller, rec, end) : runCall(caller, rec);
    if (next == rec) return rec;
    for (; rec < next; rec += OPERATION_SIZE) {
      store<i32>(result, 0, RESULT_RET);
      store<u32>(result, 0, RESULT_REASON);
      result += RESULT_SIZE;
    }
  }
  return end;
}

// The pieces of a message that follow one another, up to the end of a page (and of a frame, which is aligned as pages are): their
// first words differ in the offset alone. The first record that is none of them.
function writePieces(endpoint: Endpoint, from: usize, end: usize): usize {
  const offset = load<u32>(from, 4);
  const first = txAddress(endpoint, offset);
  if (first == 0 || limitReached != 0) return from;
  let header = load<u64>(from);
  let rec = from;
  let to = first;
  do {
    copyPiece(to, rec + OPERATION_A);
    to += TX_PIECE;
    rec += OPERATION_SIZE;
    header += (TX_PIECE as u64) << 32;
  } while (rec < end && (to & (PAGE - 1)) != 0 && load<u64>(rec) == header);
  noteTxWritten(endpoint, offset, offset + ((to - first) as u32));
  return rec;
}

// One call. The record itself if it is not ordinary, else the one behind it.
function runCall(caller: Endpoint, rec: usize): usize {
  // Faults, partitions of the SPMC, who has no buffers, and the layout of 1.0 are not.
  if ((load<u32>(rec, 4) & ~FFA_CALL_64) != 0 || caller.flags != 0) return rec;
  if (caller.id == NORMAL_WORLD || caller.bufferPages == 0 || caller.version == FFA_VERSION_1_0) return rec;
  return isCarriedOut(load<u16>(rec), caller, rec) ? rec + OPERATION_SIZE : rec;
}

function isCarriedOut(op: i32, caller: Endpoint, rec: usize): bool {
  switch (op) {
    case FFA_MEM_SHARE:
      return share(caller, rec);
    case FFA_MEM_RETRIEVE_REQ:
      return retrieve(caller, rec);
    case FFA_MEM_RELINQUISH:
      return relinquish(caller);
    case FFA_MEM_RECLAIM:
      return reclaim(caller, load<u64>(rec, OPERATION_A), load<u32>(rec, OPERATION_B));
    case FFA_RX_RELEASE:
      caller.rxFull = 0;
      return true;
    default:
      return false;
  }
}

/** Bytes of the message in TX: of it all, in the first page, whole. 0 otherwise. */
function messageLength(rec: usize): u32 {
  const total = load<u32>(rec, OPERATION_A);
  const isWhole = total == load<u32>(rec, OPERATION_B) && total <= PAGE && total % CONSTITUENT == 0;
  return isWhole && (load<u64>(rec, OPERATION_C) | load<u64>(rec, OPERATION_D)) == 0 ? total : 0;
}

// Header and access descriptor as every message of one receiver has them (5.2). The entry's size, or 0.
function accessSizeOf(message: usize, version: i32): u32 {
  const size = load<u32>(message, 24);
  const isKnown = size == ACCESS_1_1 || (size == ACCESS_1_2 && version >= FFA_VERSION_1_2);
  if (!isKnown || load<u32>(message, 28) != 1 || load<u32>(message, 32) != ACCESS) return 0;
  const reserved = load<u32>(message, 36) | load<u64>(message, 40) | load<u64>(message + ACCESS + size - 8);
  return reserved == 0 ? size : 0;
}

// FFA_MEM_SHARE: sections 5.1 to 5.4.
function share(caller: Endpoint, rec: usize): bool {
  const message = frameOf(caller.tx);
  const total = messageLength(rec);
  if (message == 0 || recipientLimit == 0 || total < ACCESS + ACCESS_1_1 + COMPOSITE + CONSTITUENT) return false;
  const size = accessSizeOf(message, caller.version);
  const composite = ACCESS + size;
  const count = (total - composite - COMPOSITE) / CONSTITUENT;
  const isPlaced = size != 0 && total > composite + COMPOSITE && load<u32>(message + ACCESS, 4) == composite;
  if (!isPlaced || load<u32>(message + composite, 4) != count) return false;
  const attributes = load<u16>(message, 2) as u32;
  if (load<u16>(message) != caller.id || load<u32>(message, 4) != 0) return false;
  if (hasSecurity(attributes) || !areAttributesAllowed(attributes)) return false;
  const permissions = load<u8>(message + ACCESS, 2) as u32;
  const data = dataAccess(permissions);
  if (instructionAccess(permissions) != INSTRUCTION_UNSPECIFIED || (data != DATA_RO && data != DATA_RW)) return false;
  const receiver = findEndpoint(load<u16>(message + ACCESS));
  if (receiver == null || receiver == caller || isSecure(receiver.id) || isSpmc(receiver)) return false;
  return sharePages(caller, message, composite, count, data == DATA_RW ? MODE_R | MODE_W : MODE_R);
}

function sharePages(caller: Endpoint, message: usize, composite: u32, count: u32, needed: i32): bool {
  const list = message + composite + COMPOSITE;
  if (sumPages(list, count) != load<u32>(message + composite)) return false;
  if (!haveCommonAttributes(caller.table, list, count)) return false;
  const mode = modeOf(commonAttributes);
  if ((mode & (STATE | MODE_D)) != 0 || (needed & ~mode) != 0) return false;
  const transaction = takeSlot(hypervisor, NO_HANDLE);
  if (transaction == null) return false;
  if (!addFragment(transaction, list, count)) {
    releaseSlot(transaction);
    return false;
  }
  keep(transaction, message, composite);
  transaction.total = composite + COMPOSITE + count * CONSTITUENT;
  transaction.originalMode = mode;
  transaction.complete = 1;
  return setCheckedModes(caller.table, list, count, mode | MODE_SHARED);
}

// 0 if the ranges do not ascend: then they may overlap.
function sumPages(list: usize, count: u32): u64 {
  if (!addressesAscend(list, count, 0)) return 0;
  let sum: u64 = 0;
  for (let i: u32 = 0; i < count; i++) sum += pagesAt(list + (i << 4));
  return sum;
}

function keep(transaction: Transaction, message: usize, composite: u32): void {
  transaction.verb = FFA_MEM_SHARE;
  transaction.sender = load<u16>(message);
  transaction.attributes = load<u16>(message, 2);
  transaction.tag = load<u64>(message, 16);
  transaction.accessSize = load<u32>(message, 24);
  transaction.receivers = 1;
  transaction.pageCount = load<u32>(message + composite);
  transaction.constituentCount = load<u32>(message + composite, 4);
  const receiver = receiverAt(transaction, 0);
  receiver.id = load<u16>(message + ACCESS);
  receiver.permissions = load<u8>(message + ACCESS, 2);
  receiver.flags = load<u8>(message + ACCESS, 3);
  receiver.impdef0 = load<u64>(message + ACCESS, 8);
  receiver.impdef1 = load<u64>(message + ACCESS, 16);
}

// A share of one receiver, fully sent in one fragment, that its manager allocated.
function findShare(handle: u64): Transaction | null {
  if (!(handle & HYPERVISOR_HANDLE)) return null;
  const transaction = findTransaction(hypervisor, handle);
  if (transaction == null || transaction.verb != FFA_MEM_SHARE || !transaction.complete) return null;
  return (transaction.fragments | transaction.receivers) == 1 && !transaction.pending ? transaction : null;
}

// FFA_MEM_RETRIEVE_REQ: section 7.
function retrieve(caller: Endpoint, rec: usize): bool {
  const message = frameOf(caller.tx);
  const total = messageLength(rec);
  if (message == 0 || caller.rxFull || total < ACCESS + ACCESS_1_1) return false;
  if (total != ACCESS + accessSizeOf(message, caller.version)) return false;
  const transaction = findShare(load<u64>(message, 8));
  if (transaction == null) return false;
  const receiver = receiverAt(transaction, 0);
  if (receiver.id != caller.id || load<u16>(message + ACCESS) != caller.id) return false;
  if (load<u16>(message) != transaction.sender || load<u64>(message, 16) != transaction.tag) return false;
  const flags = load<u32>(message, 4);
  if (flags != 0 && flags != TYPE_SHARE << FLAG_TYPE_SHIFT) return false;
  const attributes = load<u16>(message, 2) as u32;
  const isTyped = memoryType(attributes) != TYPE_UNSPECIFIED;
  if (hasSecurity(attributes) || (isTyped && !areAttributesAllowed(attributes))) return false;
  if ((transaction.originalMode & MODE_D) != 0 || memoryType(transaction.attributes) == TYPE_DEVICE) return false;
  const permissions = load<u8>(message + ACCESS, 2) as u32;
  if (load<u32>(message + ACCESS, 4) != 0 || instructionAccess(permissions) != INSTRUCTION_UNSPECIFIED) return false;
  const isSameEntry = load<u32>(message, 24) == ACCESS_1_2 && transaction.accessSize == ACCESS_1_2;
  const differs =
    (load<u64>(message + ACCESS, 8) ^ receiver.impdef0) | (load<u64>(message + ACCESS, 16) ^ receiver.impdef1);
  if (isSameEntry && differs != 0) return false;
  const data = grantData(dataAccess(receiver.permissions), dataAccess(permissions));
  return data != RESERVED_VALUE && mapForReceiver(caller, transaction, data);
}

// As retrieve.ts; RESERVED_VALUE: denied.
function grantData(sent: u32, asked: u32): u32 {
  if (asked == RESERVED_VALUE || (sent == DATA_RO && asked == DATA_RW)) return RESERVED_VALUE;
  return asked == DATA_UNSPECIFIED ? sent : asked;
}

function mapForReceiver(caller: Endpoint, transaction: Transaction, data: u32): bool {
  const rx = ensureFrame(caller.rx);
  const list = fragmentAt(transaction, 0);
  const count = fragmentLength(transaction, 0);
  const size = caller.version >= FFA_VERSION_1_2 ? ACCESS_1_2 : ACCESS_1_1;
  const bytes = ACCESS + size + COMPOSITE + count * CONSTITUENT;
  if (limitReached != 0 || bytes > PAGE || caller.rxUsed > PAGE) return false;
  if (!haveCommonAttributes(caller.table, list, count) || commonAttributes != 0) return false;
  const kept = transaction.originalMode & MODE_NS;
  const access = data == DATA_RW ? MODE_R | MODE_W : MODE_R;
  if (!setCheckedModes(caller.table, list, count, access | kept | MODE_UNOWNED | MODE_SHARED)) {
    setModes(caller.table, list, count, MODE_ABSENT);
    return false;
  }
  respond(rx, transaction, data, size);
  copyBytes(rx + bytes - count * CONSTITUENT, list, count * CONSTITUENT);
  if (caller.rxUsed > bytes) clearBytes(rx + bytes, caller.rxUsed - bytes);
  caller.rxUsed = bytes;
  caller.rxFull = 1;
  receiverAt(transaction, 0).retrieved = 1;
  return true;
}

// Section 7.5, up to the constituents.
function respond(rx: usize, transaction: Transaction, data: u32, size: u32): void {
  const receiver = receiverAt(transaction, 0);
  const security = transaction.originalMode & MODE_NS ? SECURITY_NON_SECURE : 0;
  store<u32>(rx, transaction.sender | ((transaction.attributes | security) << 16));
  store<u32>(rx, TYPE_SHARE << FLAG_TYPE_SHIFT, 4);
  store<u64>(rx, transaction.handle, 8);
  store<u64>(rx, 0, 16);
  store<u32>(rx, size, 24);
  store<u32>(rx, 1, 28);
  store<u64>(rx, ACCESS as u64, 32);
  store<u64>(rx, 0, 40);
  const access = rx + ACCESS;
  const permissions = data | (INSTRUCTION_NX << 2);
  store<u32>(access, receiver.id | (permissions << 16) | (receiver.flags << 24));
  store<u32>(access, ACCESS + size, 4);
  const composite = access + size;
  store<u64>(composite - 8, 0);
  if (size == ACCESS_1_2) {
    store<u64>(access, receiver.impdef0, 8);
    store<u64>(access, receiver.impdef1, 16);
  }
  store<u32>(composite, transaction.pageCount);
  store<u32>(composite, transaction.constituentCount, 4);
  store<u64>(composite, 0, 8);
}

// FFA_MEM_RELINQUISH: section 8.
function relinquish(caller: Endpoint): bool {
  const message = frameOf(caller.tx);
  if (message == 0 || load<u32>(message, 8) != 0 || load<u32>(message, 12) != 1) return false;
  if (load<u16>(message, 16) != caller.id) return false;
  const transaction = findShare(load<u64>(message));
  if (transaction == null) return false;
  const receiver = receiverAt(transaction, 0);
  if (receiver.id != caller.id || receiver.retrieved != 1) return false;
  const list = fragmentAt(transaction, 0);
  const count = fragmentLength(transaction, 0);
  if (!haveCommonAttributes(caller.table, list, count)) return false;
  if ((modeOf(commonAttributes) & STATE & ~MODE_SHARED) != MODE_UNOWNED) return false;
  receiver.retrieved = 0;
  return setCheckedModes(caller.table, list, count, MODE_ABSENT);
}

// FFA_MEM_RECLAIM: section 9.
function reclaim(caller: Endpoint, handle: u64, flags: u32): bool {
  const transaction = findShare(handle);
  if (transaction == null || transaction.sender != caller.id || (flags & FLAG_CLEAR) != 0) return false;
  if (receiverAt(transaction, 0).retrieved != 0) return false;
  const list = fragmentAt(transaction, 0);
  const count = fragmentLength(transaction, 0);
  // An absent page would need a table, which may not be there.
  if (!haveCommonAttributes(caller.table, list, count) || commonAttributes == 0) return false;
  setCheckedModes(caller.table, list, count, transaction.originalMode);
  freeTransaction(transaction);
  return true;
}
