// Messages of VMs to the resource manager: a buffer per caller that is filled piece by piece, and the reading of its fixed
// part and its lists (rm-rpc.c:rm_rpc_read_list; reference gunyah section 6.1).

import { VMID_END } from "../../abi/gunyah";
import {
  LIST_ENTRIES,
  LIST_HEADER,
  MESSAGE_BYTES,
  REASON_RM_LEFT_OVER,
  REASON_RM_LIST_CUT,
  REASON_RM_LIST_LENGTH,
  REASON_RM_SHORT,
  REASON_RM_TOO_LONG,
  RM_MSG_INVALID,
  RM_NOMEM,
  RM_NORESOURCE,
  REASON_RM_MEMORY,
} from "../../abi/gunyah-rm";
import { reserve } from "../../memory/heap";
import { allocate } from "./rm-memory";
import { deny } from "./refusal";

/** Bytes that one operation record carries. */
export const PIECE_BYTES: u32 = 32;

// Per VMID: 0 u32 buffer, 0 = none yet | 4 u32 bytes in it. A buffer has room for a whole piece behind the longest message.
let outgoing: usize = 0;

/** The message being read: its first byte and its length. */
export let message: usize = 0;
let messageBytes: u32 = 0;
let cursor: u32 = 0;

/** The list that readList found: its first entry, how many, and the half-word beside the count. */
export let list: usize = 0;
export let listCount: u32 = 0;
export let listReserved: u32 = 0;

/** False if linear memory is used up. */
export function reserveMessages(): bool {
  outgoing = reserve((VMID_END as usize) << 3);
  return outgoing != 0;
}

/** The caller's next message so far; 0 bytes: none. */
export function pendingMessage(caller: u32): usize {
  return load<u32>(outgoing + ((caller as usize) << 3)) as usize;
}

export function pendingBytes(caller: u32): u32 {
  return load<u32>(outgoing + ((caller as usize) << 3), 4);
}

/** Appends the first `bytes` (32 at most) of four 64-bit words to what the caller will send next. */
export function appendPiece(caller: u32, bytes: u32, words: usize): i32 {
  const entry = outgoing + ((caller as usize) << 3);
  let buffer = load<u32>(entry) as usize;
  if (buffer == 0) {
    buffer = allocate(MESSAGE_BYTES + PIECE_BYTES);
    if (buffer == 0) return deny(RM_NOMEM, REASON_RM_MEMORY, caller, 0, 0);
    store<u32>(entry, buffer as u32);
  }
  const length = load<u32>(entry, 4);
  const longer = length + bytes;
  if (longer > (MESSAGE_BYTES as u32)) return deny(RM_MSG_INVALID, REASON_RM_TOO_LONG, caller, MESSAGE_BYTES, longer);
  const at = buffer + (length as usize);
  store<u64>(at, load<u64>(words));
  store<u64>(at, load<u64>(words, 8), 8);
  store<u64>(at, load<u64>(words, 16), 16);
  store<u64>(at, load<u64>(words, 24), 24);
  store<u32>(entry, longer, 4);
  return 0;
}

/** Whether there is a buffer for the caller's pieces, and a place in it for this one. */
export function hasRoomForPiece(caller: u32, bytes: u32): bool {
  const entry = outgoing + ((caller as usize) << 3);
  return load<u32>(entry) != 0 && load<u32>(entry, 4) + bytes <= (MESSAGE_BYTES as u32);
}

/** Takes the caller's message out of its buffer: whatever becomes of it, the next one starts anew. */
export function takeMessage(caller: u32): void {
  const entry = outgoing + ((caller as usize) << 3);
  message = load<u32>(entry) as usize;
  messageBytes = load<u32>(entry, 4);
  store<u32>(entry, 0, 4);
}

/** Check 1: the fixed part is there, with the counts of all `lists`; an absent list is a count of 0. */
export function openMessage(fixed: u32, lists: u32): i32 {
  const least = fixed + lists * LIST_HEADER;
  cursor = fixed;
  return messageBytes >= least ? 0 : deny(RM_MSG_INVALID, REASON_RM_SHORT, 0, least, messageBytes);
}

/**
 * Check 2, for the next list: at most 512 entries, all of them there. The room that is left is the message's without the
 * counts of the `following` lists, which the check of the fixed part has seen.
 */
export function readList(entryBytes: u32, following: u32): i32 {
  const header = message + (cursor as usize);
  const count = load<u16>(header) as u32;
  if (count > (LIST_ENTRIES as u32)) return deny(RM_NORESOURCE, REASON_RM_LIST_LENGTH, 0, LIST_ENTRIES, count);
  list = header + LIST_HEADER;
  listCount = count;
  listReserved = load<u16>(header, 2);
  const bytes = count * entryBytes;
  const left = messageBytes - cursor - LIST_HEADER - following * LIST_HEADER;
  if (bytes > left) return deny(RM_MSG_INVALID, REASON_RM_LIST_CUT, 0, bytes, left);
  cursor += LIST_HEADER + bytes;
  return 0;
}

/** The mistake: the last list of a message, as long as it says it is. */
export function trustList(): i32 {
  const header = message + (cursor as usize);
  list = header + LIST_HEADER;
  listCount = load<u16>(header);
  listReserved = load<u16>(header, 2);
  return 0;
}

/** The end of check 2: nothing is left over. */
export function closeMessage(): i32 {
  const left = messageBytes - cursor;
  return left == 0 ? 0 : deny(RM_MSG_INVALID, REASON_RM_LEFT_OVER, 0, 0, left);
}
