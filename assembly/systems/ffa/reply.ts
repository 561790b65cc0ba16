// What a call answers besides its error: the registers of FFA_SUCCESS, FFA_MEM_FRAG_RX, RETRIEVE_RESP and FRAG_TX (reference 1.3).

import {
  EFFECT_FFA_REPLY,
  FFA_CARRIES_HANDLE,
  FFA_CARRIES_NOTHING,
  FFA_CARRIES_PERMISSION,
  FFA_REPLY_FRAG_RX,
  FFA_REPLY_FRAG_TX,
  FFA_REPLY_RETRIEVE_RESP,
  FFA_REPLY_SUCCESS,
} from "../../abi/ffa";
import { record, recording } from "../../memory/journal";

/** The handle of the last reply that carried one. */
export let replyHandle: u64 = 0;
/** Which reply: FFA_REPLY_*, -1 none. */
export let replyKind: i32 = -1;
export let replyValue: u64 = 0;
export let replySender: u32 = 0;
/** FFA_CARRIES_*. */
let carries: i32 = FFA_CARRIES_NOTHING;

/** Before each call. */
export function clearReply(): void {
  replyKind = -1;
  replyHandle = 0;
  replyValue = 0;
  replySender = 0;
}

function reply(kind: i32, handle: u64, value: u64, sender: u32): void {
  replyKind = kind;
  replyHandle = handle;
  replyValue = value;
  replySender = sender;
  carries = FFA_CARRIES_NOTHING;
}

/** The reply of a call that was carried out, for those who record effects. */
export function recordReply(): void {
  if (recording && replyKind >= 0)
    record(EFFECT_FFA_REPLY, replyKind, 0, replyHandle, replyValue, replySender, carries);
}

/** FFA_SUCCESS alone. */
export function replyDone(): void {
  reply(FFA_REPLY_SUCCESS, 0, 0, 0);
}

/** FFA_SUCCESS with a handle. */
export function replySuccess(handle: u64): void {
  reply(FFA_REPLY_SUCCESS, handle, 0, 0);
  carries = FFA_CARRIES_HANDLE;
}

/** FFA_SUCCESS of PERM_GET. */
export function replyPermission(permission: u32, pages: u32): void {
  reply(FFA_REPLY_SUCCESS, 0, (permission as u64) | ((pages as u64) << 32), 0);
  carries = FFA_CARRIES_PERMISSION;
}

/** FFA_MEM_FRAG_RX: the next fragment is wanted. */
export function replyMore(handle: u64, offset: u32, sender: u32): void {
  reply(FFA_REPLY_FRAG_RX, handle, offset, sender);
}

/** FFA_MEM_RETRIEVE_RESP: a descriptor stands in RX. */
export function replyResponse(total: u32, fragment: u32): void {
  reply(FFA_REPLY_RETRIEVE_RESP, 0, (total as u64) | ((fragment as u64) << 32), 0);
}

/** FFA_MEM_FRAG_TX: the next fragment stands in RX. */
export function replyFragment(handle: u64, fragment: u32, sender: u32): void {
  reply(FFA_REPLY_FRAG_TX, handle, (fragment as u64) << 32, sender);
}
