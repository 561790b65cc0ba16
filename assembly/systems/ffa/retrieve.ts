// FFA_MEM_RETRIEVE_REQ within one manager: the request is compared with the record, the pages are mapped, the response is
// written (src/ffa_memory.c:ffa_memory_retrieve; reference ffa, section 7).

import {
  FFA_DENIED,
  FFA_INVALID_PARAMETERS,
  FFA_MEM_DONATE,
  FFA_MEM_LEND,
  FFA_MEM_SHARE,
  FFA_NOT_SUPPORTED,
  FFA_VERSION_1_0,
  FFA_VERSION_1_2,
  MODE_D,
  MODE_INVALID,
  MODE_NS,
  MODE_R,
  MODE_SHARED,
  MODE_UNOWNED,
  MODE_W,
  MODE_X,
  REASON_FFA_ACCESS,
  REASON_FFA_ATTRIBUTES,
  REASON_FFA_COMPOSITE_OFFSET,
  REASON_FFA_DEVICE,
  REASON_FFA_EXECUTE,
  REASON_FFA_FLAGS,
  REASON_FFA_IMPDEF,
  REASON_FFA_LENGTHS,
  REASON_FFA_NORMAL_WORLD_RECEIVERS,
  REASON_FFA_NOT_RECEIVER,
  REASON_FFA_NOT_WRITABLE,
  REASON_FFA_PERMISSIONS,
  REASON_FFA_RECEIVER_COUNT,
  REASON_FFA_SENDER,
  REASON_FFA_STATE,
  REASON_FFA_TAG,
  REASON_FFA_TYPE,
} from "../../abi/ffa";
import { HF_NS_EXEC, HF_UNINITIALISED_MODE } from "../../abi/mutations";
import { isMutated } from "../../memory/mutation";
import { refuse } from "../../memory/verdict";
import {
  access,
  accessComposite,
  accessPermissions,
  accessReceiver,
  accessSize,
  ACCESS_1_2,
  areAttributesAllowed,
  attributesOf,
  dataAccess,
  DATA_RO,
  DATA_RW,
  DATA_UNSPECIFIED,
  FLAG_BYPASS,
  FLAG_CLEAR,
  FLAG_CLEAR_RELINQUISH,
  FLAG_TIME_SLICE,
  FLAG_TYPE,
  FLAG_TYPE_SHIFT,
  flagsOf,
  fragmentLength,
  hasSecurity,
  instructionAccess,
  INSTRUCTION_NX,
  INSTRUCTION_UNSPECIFIED,
  INSTRUCTION_X,
  memoryType,
  receiverCount,
  receiversEnd,
  RESERVED_VALUE,
  senderOf,
  tagOf,
  TYPE_DEVICE,
  TYPE_NORMAL,
  TYPE_UNSPECIFIED,
} from "./descriptor";
import { Endpoint, isSecure, NORMAL_WORLD } from "./endpoint";
import { canProtect } from "./firmware";
import { commit, commonMode, firstAddress, mode } from "./pages";
import { isPrimary } from "./primary";
import { checkRoom, writeResponse } from "./response";
import { modeOfData } from "./send";
import { Manager, NO_RECEIVER, receiverAt, receiverIndex, SPMC, Transaction, wasNonSecure } from "./transaction";

const NOTHING: i32 = MODE_INVALID | MODE_UNOWNED;

/** What the caller is granted: permissions byte of its entry in the response. */
let granted: u32 = 0;
/** Index of the caller among the receivers of the record. */
let callerIndex: u32 = NO_RECEIVER;

function invalid(why: i32, what: u64, want: u32, have: u32): i32 {
  return refuse(FFA_INVALID_PARAMETERS, why, what, want, have);
}

function denied(why: i32, what: u64, want: u32, have: u32): i32 {
  return refuse(FFA_DENIED, why, what, want, have);
}

/** Rows 9 to 35 for a request that names a complete transaction. */
export function retrieve(manager: Manager, transaction: Transaction, caller: Endpoint): i32 {
  let ret = validateRequest(transaction, caller);
  if (ret == 0) ret = validateAccessList(transaction, caller);
  if (ret == 0) ret = checkType(transaction);
  if (ret == 0) ret = checkRoom(transaction, caller, 1);
  if (ret == 0) ret = mapForReceiver(manager, transaction, caller);
  return ret == 0 ? writeResponse(transaction, caller, callerIndex, granted) : ret;
}

// Rows 9 to 19.
function validateRequest(transaction: Transaction, caller: Endpoint): i32 {
  if (fragmentLength != receiversEnd() && caller.version != FFA_VERSION_1_0) {
    return invalid(REASON_FFA_LENGTHS, 0, receiversEnd(), fragmentLength);
  }
  if (senderOf() != transaction.sender) return denied(REASON_FFA_SENDER, 0, transaction.sender, senderOf());
  const self = callerOf(caller);
  if (self == MANY) return refuse(FFA_NOT_SUPPORTED, REASON_FFA_NORMAL_WORLD_RECEIVERS, 0, 1, 2);
  const flags = flagsOf();
  const type = (flags & FLAG_TYPE) >> FLAG_TYPE_SHIFT;
  if (type != 0 && type != typeOf(transaction.verb)) {
    return invalid(REASON_FFA_TYPE, 0, typeOf(transaction.verb), type);
  }
  if (tagOf() != transaction.tag) return invalid(REASON_FFA_TAG, tagOf(), transaction.tag as u32, tagOf() as u32);
  callerIndex = receiverIndex(transaction, self);
  if (callerIndex == NO_RECEIVER) return invalid(REASON_FFA_NOT_RECEIVER, self, 0, 0);
  const known = FLAG_CLEAR | FLAG_TIME_SLICE | FLAG_CLEAR_RELINQUISH | FLAG_TYPE | FLAG_BYPASS;
  if ((flags & ~known) != 0) return invalid(REASON_FFA_FLAGS, 0, known, flags);
  const clears = FLAG_CLEAR | FLAG_CLEAR_RELINQUISH;
  if (transaction.verb == FFA_MEM_SHARE && (flags & clears) != 0) return invalid(REASON_FFA_FLAGS, 0, 0, flags);
  if ((flags & FLAG_CLEAR) != 0 && !(transaction.flags & FLAG_CLEAR)) {
    return denied(REASON_FFA_FLAGS, 0, transaction.flags, flags);
  }
  const attributes = attributesOf();
  if (hasSecurity(attributes)) return invalid(REASON_FFA_ATTRIBUTES, 0, 0, attributes);
  if (memoryType(attributes) == TYPE_UNSPECIFIED || areAttributesAllowed(attributes)) return 0;
  return denied(REASON_FFA_ATTRIBUTES, 0, 0, attributes);
}

/** More than one normal-world receiver is listed. */
const MANY: u32 = 0xffff_ffff;

// Whom the caller speaks for: the normal world for the one VM that it lists.
function callerOf(caller: Endpoint): u32 {
  if (caller.id != NORMAL_WORLD) return caller.id;
  let self: u32 = NORMAL_WORLD;
  for (let i: u32 = 0; i < receiverCount(); i++) {
    const id = accessReceiver(access(i));
    if (isSecure(id)) continue;
    if (self != NORMAL_WORLD) return MANY;
    self = id;
  }
  return self;
}

/** The transaction type of flags bits 4:3. */
export function typeOf(verb: i32): u32 {
  return verb == FFA_MEM_SHARE ? 1 : verb == FFA_MEM_LEND ? 2 : 3;
}

// Rows 20 to 29.
function validateAccessList(transaction: Transaction, caller: Endpoint): i32 {
  const isBypass = (flagsOf() & FLAG_BYPASS) != 0;
  const count = receiverCount();
  const isCountRight = isBypass ? count == 1 && transaction.receivers > 1 : count == transaction.receivers;
  if (!isCountRight) return invalid(REASON_FFA_RECEIVER_COUNT, 0, transaction.receivers, count);
  const self = receiverAt(transaction, callerIndex).id;
  let isListed = false;
  for (let i: u32 = 0; i < count; i++) {
    const at = access(i);
    const id = accessReceiver(at);
    if (isBypass && id != self) continue;
    const ret = validateEntry(transaction, caller, at, id == self);
    if (ret != 0) return ret;
    if (id != self) continue;
    isListed = true;
    granted = grantedByEntry;
  }
  return isListed ? 0 : invalid(REASON_FFA_NOT_RECEIVER, self, 0, 0);
}

let grantedByEntry: u32 = 0;

// Rows 22 to 28 for one entry.
function validateEntry(transaction: Transaction, caller: Endpoint, at: usize, isOwn: bool): i32 {
  if (accessComposite(at) != 0) return invalid(REASON_FFA_COMPOSITE_OFFSET, 0, 0, accessComposite(at));
  const id = accessReceiver(at);
  const index = receiverIndex(transaction, id);
  if (index == NO_RECEIVER) return denied(REASON_FFA_NOT_RECEIVER, id, 0, 0);
  const sent = receiverAt(transaction, index);
  const asked = accessPermissions(at);
  const data = grantData(dataAccess(sent.permissions), dataAccess(asked));
  if (data == RESERVED_VALUE) {
    const most = modeOfData(dataAccess(sent.permissions));
    return denied(REASON_FFA_ACCESS, id, most, modeOfData(dataAccess(asked)));
  }
  const instruction = checkInstruction(transaction, id, instructionAccess(asked));
  if (instruction != 0) return instruction;
  const clears = FLAG_CLEAR | FLAG_CLEAR_RELINQUISH;
  if (isOwn && data == DATA_RO && (flagsOf() & clears) != 0) return denied(REASON_FFA_NOT_WRITABLE, id, DATA_RW, data);
  if (!isImpdefEqual(transaction, index, at, caller)) return invalid(REASON_FFA_IMPDEF, id, 0, 0);
  const isExecutable = instructionAccess(asked) == INSTRUCTION_X;
  grantedByEntry = data | ((isExecutable ? INSTRUCTION_X : INSTRUCTION_NX) << 2);
  return 0;
}

// The grant rule for data (section 4); RESERVED_VALUE: denied.
function grantData(sent: u32, asked: u32): u32 {
  if (asked == RESERVED_VALUE) return RESERVED_VALUE;
  if (sent == DATA_RO) return asked == DATA_RW ? RESERVED_VALUE : DATA_RO;
  return asked == DATA_UNSPECIFIED ? DATA_RW : asked;
}

// Instruction access is stated by the only borrower of a lend, or by who is donated to, and by nobody else.
function checkInstruction(transaction: Transaction, id: u32, asked: u32): i32 {
  const isStating =
    transaction.verb == FFA_MEM_DONATE || (transaction.verb == FFA_MEM_LEND && transaction.receivers == 1);
  const fitting = isStating ? INSTRUCTION_NX : INSTRUCTION_UNSPECIFIED;
  if (isStating == (asked == INSTRUCTION_UNSPECIFIED)) {
    return invalid(REASON_FFA_PERMISSIONS, id, fitting << 2, asked << 2);
  }
  if (asked == RESERVED_VALUE) return denied(REASON_FFA_PERMISSIONS, id, fitting << 2, asked << 2);
  if (!isMutated(HF_NS_EXEC) && asked == INSTRUCTION_X && wasNonSecure(transaction) && !canProtect) {
    return invalid(REASON_FFA_EXECUTE, id, 0, 0);
  }
  return 0;
}

function isImpdefEqual(transaction: Transaction, index: u32, at: usize, caller: Endpoint): bool {
  if (transaction.accessSize != ACCESS_1_2 || accessSize() != ACCESS_1_2) return true;
  if (caller.version < FFA_VERSION_1_2) return true;
  const sent = receiverAt(transaction, index);
  return load<u64>(at, 8) == sent.impdef0 && load<u64>(at, 16) == sent.impdef1;
}

// Rows 30 and 31.
function checkType(transaction: Transaction): i32 {
  const isNormal = memoryType(attributesOf()) == TYPE_NORMAL;
  const wasDevice = (transaction.originalMode & MODE_D) != 0 || memoryType(transaction.attributes) == TYPE_DEVICE;
  if (isNormal && wasDevice) return denied(REASON_FFA_DEVICE, 0, 0, transaction.originalMode);
  if ((flagsOf() & FLAG_CLEAR) != 0 && !(transaction.originalMode & MODE_W)) {
    return denied(REASON_FFA_NOT_WRITABLE, 0, MODE_W, transaction.originalMode);
  }
  return 0;
}

// Rows 32 to 34. A receiver of the other world has no table here.
function mapForReceiver(manager: Manager, transaction: Transaction, caller: Endpoint): i32 {
  if (manager.which == SPMC && caller.id == NORMAL_WORLD) return 0;
  const checked = commonMode(transaction, caller);
  if (checked != 0) return checked;
  if ((mode & NOTHING) != NOTHING && !isPrimary(manager, caller)) {
    return denied(REASON_FFA_STATE, firstAddress(transaction), NOTHING, mode);
  }

  return commit(transaction, caller, receiverMode(transaction));
}

function receiverMode(transaction: Transaction): i32 {
  if (isMutated(HF_UNINITIALISED_MODE)) return transaction.originalMode;
  let result = MODE_R | (transaction.originalMode & (MODE_D | MODE_NS));
  if (dataAccess(granted) == DATA_RW) result |= MODE_W;
  if (instructionAccess(granted) == INSTRUCTION_X) result |= MODE_X;
  if (transaction.isProtected) result &= ~MODE_NS;
  if (transaction.verb == FFA_MEM_SHARE) return result | MODE_UNOWNED | MODE_SHARED;
  return transaction.verb == FFA_MEM_LEND ? result | MODE_UNOWNED : result;
}
