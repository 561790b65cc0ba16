// FF-A records: decode, find the caller, dispatch. Operations: abi/ffa.ts.

import {
  FFA_INVALID_PARAMETERS,
  FFA_RECORD_ATTRIBUTES,
  FFA_RECORD_FLAGS,
  FFA_RECORD_RECEIVERS,
  FFA_RECORD_HEADER,
  FFA_RECORD_SIZE,
  MODE_ABSENT,
  REASON_FFA_ENDPOINT,
} from "../abi/ffa";
import * as Ffa from "../abi/ffa";
import { FFA_RXTX_UNMAP } from "../abi/ffa-proxy";
import { OPERATION_A } from "../abi/operations";
import { iaSize, pageMask, pageSize, pfnToPa } from "../arch/geometry";
import { pfnOf } from "../memory/regions";
import { refuse } from "../memory/verdict";
import {
  abort,
  memFragRx,
  memFragTx,
  memReclaim,
  memRelinquish,
  memRetrieveReq,
  memSend,
  rxFill,
  rxRelease,
} from "../systems/ffa/calls";
import { rxAcquire, rxtxUnmap } from "../systems/ffa/buffers";
import { addEndpoint, Endpoint, findEndpoint, setTableMode, writeTx } from "../systems/ffa/endpoint";
import { isSecurePage, setSecurePage } from "../systems/ffa/firmware";
import { permGet, permSet } from "../systems/ffa/permissions";
import { clearReply, recordReply } from "../systems/ffa/reply";
import { modeAt } from "../systems/ffa/table";
import {
  fragmentAt,
  fragmentLength,
  hypervisor,
  receiverAt,
  SPMC,
  spmc,
  Transaction,
  transactionAt,
  transactionLimit,
} from "../systems/ffa/transaction";
import { a, b, c, d, handle, INVALID, operation, vcpuField } from "./operation-record";

/** Runs one record. */
export function dispatchFfa(rec: usize): i32 {
  const op = operation(rec);
  if (op < Ffa.FFA_MEM_DONATE || op > Ffa.FFA_SET_SECURE) {
    if (isDefined(EXPLORING)) return dispatchBuffers(op, rec);
    return INVALID;
  }
  const id = handle(rec);
  if (op == Ffa.FFA_ENDPOINT) return addNamed(rec, id);
  if (op == Ffa.FFA_SET_SECURE) return setSecure(rec);
  const caller = findEndpoint(id);
  if (caller == null) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_ENDPOINT, id, 0, 0);
  clearReply();
  const ret = dispatchCall(op, caller, rec);
  if (ret == 0) recordReply();
  return ret;
}

function dispatchBuffers(op: i32, rec: usize): i32 {
  const caller = findEndpoint(handle(rec));
  if (caller == null) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_ENDPOINT, handle(rec), 0, 0);
  if (op == FFA_RXTX_UNMAP) return rxtxUnmap(caller, a(rec) as u32);
  return op == Ffa.FFA_RX_ACQUIRE ? rxAcquire(caller, a(rec) as u32) : INVALID;
}

function addNamed(rec: usize, id: u32): i32 {
  return addEndpoint(id, a(rec) as i32, b(rec) as u32, c(rec) as u32);
}

function setSecure(rec: usize): i32 {
  for (let i: u64 = 0; i < b(rec); i++) setSecurePage(a(rec) + (i << 12), true);
  return 0;
}

function dispatchCall(op: i32, caller: Endpoint, rec: usize): i32 {
  const options = vcpuField(rec) as i32;
  switch (op) {
    case Ffa.FFA_MEM_DONATE:
    case Ffa.FFA_MEM_LEND:
    case Ffa.FFA_MEM_SHARE:
      return memSend(op, caller, a(rec) as u32, b(rec) as u32, c(rec), d(rec), options);
    case Ffa.FFA_MEM_RETRIEVE_REQ:
      return memRetrieveReq(caller, a(rec) as u32, b(rec) as u32, c(rec), d(rec), options);
    case Ffa.FFA_MEM_RELINQUISH:
      return memRelinquish(caller, options);
    case Ffa.FFA_MEM_RECLAIM:
      return memReclaim(caller, a(rec), b(rec) as u32, options);
    case Ffa.FFA_MEM_FRAG_RX:
      return memFragRx(caller, a(rec), b(rec) as u32, c(rec) as u32);
    case Ffa.FFA_MEM_FRAG_TX:
      return memFragTx(caller, a(rec), b(rec) as u32, c(rec) as u32, options);
    case Ffa.FFA_MEM_PERM_GET:
      return permGet(caller, a(rec), b(rec) as u32);
    case Ffa.FFA_MEM_PERM_SET:
      return permSet(caller, a(rec), b(rec) as u32, c(rec) as u32);
    case Ffa.FFA_RX_RELEASE:
      return rxRelease(caller);
    case Ffa.FFA_RX_FILL:
      return rxFill(caller);
    case Ffa.FFA_ABORT:
      return abort(caller);
    case Ffa.FFA_TX:
      return writeTx(caller, options, rec + OPERATION_A) ? 0 : INVALID;
    default:
      return setModes(op, caller, rec);
  }
}

function setModes(op: i32, caller: Endpoint, rec: usize): i32 {
  if (op != Ffa.FFA_SET_MODE) return INVALID;
  const end = a(rec) + (b(rec) << 12);
  if ((a(rec) & pageMask) != 0 || end > iaSize || end < a(rec)) return INVALID;
  for (let pa = a(rec); pa < end; pa += pageSize) {
    if (!setTableMode(caller, vcpuField(rec) as i32, pa, c(rec) as i32)) return INVALID;
  }
  return 0;
}

const recordWindow: usize = memory.data(FFA_RECORD_SIZE, 8);

/** A transaction record as abi/ffa.ts lays it out; 0 if the slot is free or there is no such slot. */
export function ffaRecord(which: u32, slot: u32): usize {
  if (slot >= transactionLimit) return 0;
  const transaction = recordAt(which, slot);
  if (transaction.verb == 0) return 0;
  store<u64>(recordWindow, transaction.handle);
  store<u32>(recordWindow, transaction.verb, 8);
  store<u32>(recordWindow, transaction.sender, 12);
  store<u8>(recordWindow, 1, 16);
  store<u8>(recordWindow, transaction.complete as u8, 17);
  store<u8>(recordWindow, transaction.isProtected as u8, 18);
  store<u8>(recordWindow, transaction.pending as u8, 19);
  store<u32>(recordWindow, transaction.fragments, 20);
  store<u32>(recordWindow, transaction.constituents, 24);
  store<u32>(recordWindow, transaction.byHypervisor, 28);
  store<i32>(recordWindow, transaction.originalMode, 32);
  store<u32>(recordWindow, transaction.receivers, 36);
  for (let i: u32 = 0; i < transaction.receivers; i++) {
    const receiver = receiverAt(transaction, i);
    store<u32>(recordWindow + FFA_RECORD_HEADER + (i << 2), receiver.retrieved);
    store<u32>(recordWindow + FFA_RECORD_RECEIVERS + (i << 2), receiver.id | (receiver.permissions << 16));
  }
  store<u32>(recordWindow + FFA_RECORD_FLAGS, transaction.flags);
  store<u32>(recordWindow + FFA_RECORD_ATTRIBUTES, transaction.attributes);
  return recordWindow;
}

/** The constituents of a received fragment, 16 bytes each as they were sent; 0 if there is no such fragment. */
export function ffaConstituents(which: u32, slot: u32, fragment: u32): usize {
  return hasFragment(which, slot, fragment) ? fragmentAt(recordAt(which, slot), fragment) : 0;
}

/** How many they are. */
export function ffaConstituentCount(which: u32, slot: u32, fragment: u32): u32 {
  return hasFragment(which, slot, fragment) ? fragmentLength(recordAt(which, slot), fragment) : 0;
}

function recordAt(which: u32, slot: u32): Transaction {
  return transactionAt(which == SPMC ? spmc : hypervisor, slot);
}

function hasFragment(which: u32, slot: u32, fragment: u32): bool {
  return slot < transactionLimit && recordAt(which, slot).verb != 0 && fragment < recordAt(which, slot).fragments;
}

/** Physical address of an endpoint's RX buffer; 0 if it has none. */
export function ffaRxAddress(id: u32): u64 {
  const endpoint = findEndpoint(id);
  return endpoint == null || endpoint.rx == 0 ? 0 : pfnToPa(pfnOf(endpoint.rx));
}

/** Whether RX holds a message that was not released. */
export function ffaIsRxFull(id: u32): bool {
  const endpoint = findEndpoint(id);
  return endpoint != null && endpoint.rxFull != 0;
}

/** Pages of each of an endpoint's buffers; 0: none are registered. */
export function ffaBufferPages(id: u32): u32 {
  const endpoint = findEndpoint(id);
  return endpoint == null ? 0 : endpoint.bufferPages;
}

/** A page's mode in one table (0 main or secure, 1 non-secure). */
export function ffaMode(id: u32, which: u32, pa: u64): i32 {
  const endpoint = findEndpoint(id);
  return endpoint == null ? MODE_ABSENT : modeAt(which == 0 ? endpoint.table : endpoint.nonSecureTable, pa);
}

/** Whether a page is in the secure physical address space. */
export function ffaIsSecure(pa: u64): bool {
  return isSecurePage(pa);
}
