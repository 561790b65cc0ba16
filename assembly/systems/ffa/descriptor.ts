// Transaction descriptors as bytes: both headers, both access descriptors (reference ffa, section 2).
//
//   header 1.1: 0 u16 sender | 2 u16 attributes | 4 u32 flags | 8 u64 handle | 16 u64 tag | 24 u32 access size | 28 u32 receivers
//               32 u32 receivers offset | 36 12 bytes 0
//   header 1.0: the same up to 24, but 2 u8 attributes | 3 u8 0; then 24 u32 0 | 28 u32 receivers; receivers at 32
//   access:     0 u16 receiver | 2 u8 permissions | 3 u8 flags | 4 u32 composite offset | 8 u64 0;  32 bytes: 8 two words | 24 u64 0
//   composite:  0 u32 pages | 4 u32 constituents | 8 u64 0, then constituents: 0 u64 address | 8 u32 pages | 12 u32 0

import {
  FFA_INVALID_PARAMETERS,
  FFA_MAX_BUFFER_PAGES,
  FFA_NOT_SUPPORTED,
  FFA_VERSION_1_0,
  FFA_VERSION_1_2,
  REASON_FFA_ACCESS_SIZE,
  REASON_FFA_COMPOSITE_OFFSET,
  REASON_FFA_RECEIVER_COUNT,
  REASON_FFA_RECEIVERS_OFFSET,
  REASON_FFA_RESERVED,
  REASON_FFA_REWRITE,
  REASON_FFA_TRUNCATED,
} from "../../abi/ffa";
import { refuse } from "../../memory/verdict";
import { clearBytes } from "./bytes";
import { recipientLimit } from "./transaction";

export const HEADER_1_1: u32 = 48;
export const HEADER_1_0: u32 = 32;
export const COMPOSITE: u32 = 16;
export const CONSTITUENT: u32 = 16;
export const ACCESS_1_1: u32 = 16;
export const ACCESS_1_2: u32 = 32;
const PAGE: u32 = 4096;

// Permissions (reference 2.5): data access bits 1:0, instruction access bits 3:2.
export const DATA_UNSPECIFIED: u32 = 0;
export const DATA_RO: u32 = 1;
export const DATA_RW: u32 = 2;
export const RESERVED_VALUE: u32 = 3;
export const INSTRUCTION_UNSPECIFIED: u32 = 0;
export const INSTRUCTION_NX: u32 = 1;
export const INSTRUCTION_X: u32 = 2;

export function dataAccess(permissions: u32): u32 {
  return permissions & 3;
}

export function instructionAccess(permissions: u32): u32 {
  return (permissions >> 2) & 3;
}

// Attributes.
export const TYPE_UNSPECIFIED: u32 = 0;
export const TYPE_DEVICE: u32 = 1;
export const TYPE_NORMAL: u32 = 2;
const WRITE_BACK: u32 = 3;
const NGNRNE: u32 = 0;
const INNER: u32 = 3;
const SECURITY: u32 = 3 << 6;
export const SECURITY_NON_SECURE: u32 = 1 << 6;
/** What every send may state that states anything. */
export const NORMAL_WRITE_BACK_INNER: u32 = (TYPE_NORMAL << 4) | (WRITE_BACK << 2) | INNER;

export function memoryType(attributes: u32): u32 {
  return (attributes >> 4) & 3;
}

export function hasSecurity(attributes: u32): bool {
  return (attributes & SECURITY) != 0;
}

/** Inner shareable, and write-back if normal, nGnRnE if device (reference 5.3 row 19, 7.2 row 19). */
export function areAttributesAllowed(attributes: u32): bool {
  const kind = (attributes >> 2) & 3;
  const type = memoryType(attributes);
  if (type == TYPE_NORMAL && kind != WRITE_BACK) return false;
  if (type == TYPE_DEVICE && kind != NGNRNE) return false;
  return type != RESERVED_VALUE && (attributes & 3) == INNER;
}

// Flags (reference 2.6).
export const FLAG_CLEAR: u32 = 1;
export const FLAG_TIME_SLICE: u32 = 2;
export const FLAG_CLEAR_RELINQUISH: u32 = 4;
export const FLAG_TYPE: u32 = 3 << 3;
export const FLAG_TYPE_SHIFT: u32 = 3;
export const FLAG_BYPASS: u32 = 1 << 10;

// The message that the current call has copied from TX: read once, so that nobody changes it behind the checks.
export let message: usize = 0;
/** Its lengths in the 1.1 layout: a 1.0 header grows by 16 bytes. */
export let totalLength: u32 = 0;
export let fragmentLength: u32 = 0;

export function setMessage(at: usize, total: u32, fragment: u32): void {
  message = at;
  totalLength = total;
  fragmentLength = fragment;
}

/** Behind the message itself: how many bytes of it may not be zero. In linear memory, to be part of the machine's state. */
const USED: usize = ((FFA_MAX_BUFFER_PAGES as usize) << 12) + 1024;

/** Before a message of `bytes` bytes is copied to `at`: what an earlier one has left behind them becomes zero. */
export function clearBehind(at: usize, bytes: u32): void {
  const used = load<u32>(at, USED);
  if (used > bytes) clearBytes(at + bytes, used - bytes);
  store<u32>(at, bytes, USED);
}

/** The message is used up to `end` now. */
export function extendMessage(end: u32): void {
  if (end > load<u32>(message, USED)) store<u32>(message, end, USED);
}

export function senderOf(): u32 {
  return load<u16>(message);
}

export function attributesOf(): u32 {
  return load<u16>(message, 2);
}

export function flagsOf(): u32 {
  return load<u32>(message, 4);
}

export function handleOf(): u64 {
  return load<u64>(message, 8);
}

export function tagOf(): u64 {
  return load<u64>(message, 16);
}

export function accessSize(): u32 {
  return load<u32>(message, 24);
}

export function receiverCount(): u32 {
  return load<u32>(message, 28);
}

export function receiversOffset(): u32 {
  return load<u32>(message, 32);
}

/** Address of an access descriptor. */
export function access(index: u32): usize {
  return message + receiversOffset() + index * accessSize();
}

export function accessReceiver(at: usize): u32 {
  return load<u16>(at);
}

export function accessPermissions(at: usize): u32 {
  return load<u8>(at, 2);
}

export function accessFlags(at: usize): u32 {
  return load<u8>(at, 3);
}

export function accessComposite(at: usize): u32 {
  return load<u32>(at, 4);
}

export function compositeOffset(): u32 {
  return accessComposite(access(0));
}

/** Bytes up to the end of the access descriptors. */
export function receiversEnd(): u32 {
  return receiversOffset() + receiverCount() * accessSize();
}

function invalid(why: i32, at: u64, want: u32, have: u32): i32 {
  return refuse(FFA_INVALID_PARAMETERS, why, at, want, have);
}

/**
 * ffa_memory_region_sanity_check, then the rewriting of a 1.0 message into the 1.1 layout: afterwards all lengths and offsets
 * are those of 1.1. `isSend`: a composite descriptor must follow; else none may. 0 or a negative error.
 */
export function normalise(version: i32, isSend: bool): i32 {
  if (version == FFA_VERSION_1_0) return normaliseOld(isSend);
  for (let i: u32 = 36; i < HEADER_1_1; i += 4) {
    if (load<u32>(message + i) != 0) return invalid(REASON_FFA_RESERVED, i, 0, load<u32>(message + i));
  }
  const size = accessSize();
  const newest = version >= FFA_VERSION_1_2 ? ACCESS_1_2 : ACCESS_1_1;
  if (size != ACCESS_1_1 && size != newest) return invalid(REASON_FFA_ACCESS_SIZE, 24, newest, size);
  if (receiversOffset() < HEADER_1_1) return invalid(REASON_FFA_RECEIVERS_OFFSET, 32, HEADER_1_1, receiversOffset());
  return checkReceivers(receiversOffset(), size, isSend);
}

function normaliseOld(isSend: bool): i32 {
  if (load<u8>(message, 3) != 0) return invalid(REASON_FFA_RESERVED, 3, 0, load<u8>(message, 3));
  if (load<u32>(message, 24) != 0) return invalid(REASON_FFA_RESERVED, 24, 0, load<u32>(message, 24));
  const checked = checkReceivers(HEADER_1_0, ACCESS_1_1, isSend);
  if (checked != 0) return checked;
  const grown = HEADER_1_1 - HEADER_1_0;
  if (fragmentLength + grown > PAGE) {
    return refuse(FFA_NOT_SUPPORTED, REASON_FFA_REWRITE, 0, PAGE, fragmentLength + grown);
  }
  extendMessage(fragmentLength + grown);
  memory.copy(message + HEADER_1_1, message + HEADER_1_0, fragmentLength - HEADER_1_0);
  store<u32>(message, ACCESS_1_1, 24);
  store<u32>(message, HEADER_1_1, 32);
  memory.fill(message + 36, 0, 12);
  for (let i: u32 = 0; i < receiverCount(); i++) {
    const at = access(i);
    if (accessComposite(at) != 0) store<u32>(at, accessComposite(at) + grown, 4);
  }
  fragmentLength += grown;
  totalLength += grown;
  return 0;
}

function checkReceivers(offset: u32, size: u32, isSend: bool): i32 {
  const count = receiverCount();
  if (count == 0 || count > recipientLimit) return invalid(REASON_FFA_RECEIVER_COUNT, 28, recipientLimit, count);
  const end = (offset as u64) + count * size;
  if (end > fragmentLength) return invalid(REASON_FFA_TRUNCATED, end, end as u32, fragmentLength);
  const first = accessComposite(message + offset);
  for (let i: u32 = 0; i < count; i++) {
    const at = message + offset + i * size;
    if (load<u64>(at + size - 8) != 0) return invalid(REASON_FFA_RESERVED, at + size - 8 - message, 0, 1);
    if (accessComposite(at) != first) return invalid(REASON_FFA_COMPOSITE_OFFSET, i, first, accessComposite(at));
  }
  if (!isSend) return first == 0 ? 0 : invalid(REASON_FFA_COMPOSITE_OFFSET, 0, 0, first);
  const isInside = (first as u64) + COMPOSITE <= fragmentLength;
  return first >= (end as u32) && isInside ? 0 : invalid(REASON_FFA_COMPOSITE_OFFSET, 0, end as u32, first);
}
