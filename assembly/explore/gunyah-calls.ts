// Calls of a search that name a parcel by its rank: handles count up and never come again, so that a call which is tried in every
// state cannot name one. The oldest parcel that there is has rank 0.

import { PARCEL_BY_RANK } from "../abi/explore";
import {
  HANDLE_INVALID,
  RM_MESSAGE,
  RM_PARCEL_LOCK,
  RM_VM_CONFIG_FIRMWARE,
  RM_VM_CONFIG_IMAGE,
} from "../abi/gunyah-rm";
import { OPERATION_A, OPERATION_B, OPERATION_SIZE } from "../abi/operations";
import { operation } from "../batch/operation-record";
import { reserve } from "../memory/heap";
import { nextParcel, Parcel } from "../systems/gunyah/parcel";

const HIGHEST_RANK: u32 = 255;

let copy: usize = 0;

/** False if linear memory is used up. */
export function reserveGunyahCalls(): bool {
  copy = reserve(OPERATION_SIZE);
  return copy != 0;
}

/** The record, or a copy with the handle in the place of the rank. */
export function bound(record: usize): usize {
  const offset = handleOffset(operation(record));
  if (offset == 0) return record;
  const rank = load<u32>(record + offset) - (PARCEL_BY_RANK as u32);
  if (rank >= HIGHEST_RANK) return record;
  memory.copy(copy, record, OPERATION_SIZE);
  store<u32>(copy + offset, handleOf(rank));
  return copy;
}

// A handle is the first thing in the first piece of a message; of a create message that is its type and flags, which are small.
function handleOffset(op: i32): usize {
  if (op == RM_MESSAGE || op == RM_PARCEL_LOCK) return OPERATION_A;
  return op == RM_VM_CONFIG_IMAGE || op == RM_VM_CONFIG_FIRMWARE ? (OPERATION_B as usize) : 0;
}

/** HANDLE_INVALID, which no parcel ever has, if there are not that many. */
function handleOf(rank: u32): u32 {
  let parcel: Parcel | null = nextParcel(0);
  for (let i: u32 = 0; i < rank && parcel != null; i++) parcel = nextParcel(parcel.handle + 1);
  return parcel == null ? (HANDLE_INVALID as u32) : parcel.handle;
}
