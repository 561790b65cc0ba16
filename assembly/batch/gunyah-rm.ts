// Operations of the resource manager: decode, dispatch. What they mean: abi/gunyah-rm.ts.

import { VMID_END } from "../abi/gunyah";
import * as Rm from "../abi/gunyah-rm";
import {
  OPERATION_A,
  OPERATION_B,
  OPERATION_C,
  OPERATION_D,
  OPERATION_SIZE,
  OPERATION_VCPU,
  OPERATION_VM,
} from "../abi/operations";
import { RESULT_EXPECTED, RESULT_SIZE, RESULT_SUBJECT } from "../abi/records";
import { memAccept } from "../systems/gunyah/parcel-accept";
import { memAppend, memCreate } from "../systems/gunyah/parcel-create";
import { memLookupSgl, memNotify } from "../systems/gunyah/parcel-notify";
import { memReclaim, memRelease } from "../systems/gunyah/parcel-return";
import { deny } from "../systems/gunyah/refusal";
import { rmParcelLock, rmVmAlloc, rmVmDealloc, rmVmExit, rmVmReset } from "../systems/gunyah/rm-lifecycle";
import { appendPiece, hasRoomForPiece, PIECE_BYTES, takeMessage } from "../systems/gunyah/rm-message";
import { rmVmConfigDevice, rmVmConfigFirmware, rmVmConfigImage, rmVmInit, rmVmStart } from "../systems/gunyah/rm-start";
import { giveDeviceSpace } from "../systems/gunyah/vm-memory";

/** A record that is no operation, as batch/execute.ts knows it. */
const INVALID: i32 = -4097;

/**
 * Runs the first of `count` records as long as they are pieces of messages as they should be, which is nearly all that long
 * lists come in. How many there were; of the next one `dispatchResourceManager` says what becomes of it.
 */
export function runPieces(operations: usize, results: usize, count: usize): usize {
  let rec = operations;
  let result = results;
  let done: usize = 0;
  for (; done < count && load<u16>(rec) == Rm.RM_MESSAGE; done++) {
    const caller = load<u16>(rec, OPERATION_VM) as u32;
    const bytes = load<u32>(rec, OPERATION_VCPU);
    if (caller >= (VMID_END as u32) || bytes - 1 >= PIECE_BYTES || !hasRoomForPiece(caller, bytes)) break;
    appendPiece(caller, bytes, rec + OPERATION_A);
    store<u64>(result, 0);
    store<u64>(result, 0, RESULT_SUBJECT);
    store<u64>(result, 0, RESULT_EXPECTED);
    rec += OPERATION_SIZE;
    result += RESULT_SIZE;
  }
  return done;
}

/** Runs one record with an operation from 176 to 199; the resource manager's error, or INVALID. */
export function dispatchResourceManager(op: i32, rec: usize): i32 {
  const caller = load<u16>(rec, OPERATION_VM) as u32;
  if (caller >= (VMID_END as u32)) return INVALID;
  if (op == Rm.RM_MESSAGE) return message(caller, rec);
  if (op == Rm.RM_SEND) return send(caller, load<u64>(rec, OPERATION_A));
  return dispatchVm(op, caller, rec);
}

function message(caller: u32, rec: usize): i32 {
  const bytes = load<u32>(rec, OPERATION_VCPU);
  return bytes - 1 < PIECE_BYTES ? appendPiece(caller, bytes, rec + OPERATION_A) : INVALID;
}

function send(caller: u32, id: u64): i32 {
  takeMessage(caller);
  switch (id as i32) {
    case Rm.MEM_DONATE:
      return memCreate(caller, Rm.TRANS_DONATE);
    case Rm.MEM_LEND:
      return memCreate(caller, Rm.TRANS_LEND);
    case Rm.MEM_SHARE:
      return memCreate(caller, Rm.TRANS_SHARE);
    case Rm.MEM_APPEND:
      return memAppend(caller);
    case Rm.MEM_ACCEPT:
      return memAccept(caller);
    case Rm.MEM_RELEASE:
      return memRelease(caller);
    case Rm.MEM_RECLAIM:
      return memReclaim(caller);
    case Rm.MEM_NOTIFY:
      return memNotify(caller);
    case Rm.MEM_QCOM_LOOKUP_SGL:
      return memLookupSgl(caller);
    default:
      return deny(Rm.RM_UNIMPLEMENTED, Rm.REASON_RM_MESSAGE, id, 0, 0);
  }
}

function dispatchVm(op: i32, caller: u32, rec: usize): i32 {
  const a = load<u64>(rec, OPERATION_A);
  const b = load<u64>(rec, OPERATION_B);
  const c = load<u64>(rec, OPERATION_C);
  const d = load<u64>(rec, OPERATION_D);
  switch (op) {
    case Rm.RM_VM_ALLOC:
      return rmVmAlloc(caller, a, b);
    case Rm.RM_VM_CONFIG_IMAGE:
      return rmVmConfigImage(caller, a, b, c, d);
    case Rm.RM_VM_CONFIG_FIRMWARE:
      return rmVmConfigFirmware(caller, a, b, c);
    case Rm.RM_VM_CONFIG_DEVICE:
      return rmVmConfigDevice(caller, a, b, c, d);
    case Rm.RM_VM_INIT:
      return rmVmInit(caller, a);
    case Rm.RM_VM_START:
      return rmVmStart(caller, a);
    case Rm.RM_VM_EXIT:
      return rmVmExit(caller);
    case Rm.RM_VM_RESET:
      return rmVmReset(caller, a);
    case Rm.RM_VM_DEALLOC:
      return rmVmDealloc(caller, a);
    case Rm.RM_PARCEL_LOCK:
      return rmParcelLock(a as u32, b != 0);
    case Rm.RM_ADD_DEVICE:
      return giveDeviceSpace(a, b);
    default:
      return INVALID;
  }
}
