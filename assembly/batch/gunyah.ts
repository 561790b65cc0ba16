// Operations of a Gunyah machine: decode, dispatch, verdict. Hypercalls and the hypervisor's functions are here, the
// resource manager's messages in gunyah-rm.ts. Layouts: abi/operations.ts, abi/gunyah.ts, abi/records.ts.

import { EINVAL } from "../abi/codes";
import * as abi from "../abi/gunyah";
import * as Op from "../abi/operations";
import {
  EFFECT_OPERATION,
  RESULT_EXPECTED,
  RESULT_FOUND,
  RESULT_REASON,
  RESULT_RET,
  RESULT_SIZE,
  RESULT_STATUS,
  RESULT_SUBJECT,
  STATUS_ANSWERED,
  STATUS_INVALID,
  STATUS_LIMIT,
  STATUS_OK,
  STATUS_PANICKED,
} from "../abi/records";
import { TLB_OFF } from "../abi/tlb";
import { tlbMode } from "../arch/tlb";
import { beginOperation, endOperation } from "../arch/tlb-checks";
import { record as recordEffect } from "../memory/journal";
import { clearRefusal, expected, found, limitReached, panicked, reason, subject } from "../memory/verdict";
import { RM_MESSAGE } from "../abi/gunyah-rm";
import { handleAbort } from "../systems/gunyah/abort";
import { answered, answeredExpected, answeredFound, clearAnswer, hasAnswer } from "../systems/gunyah/answer";
import { synchronize } from "../systems/gunyah/extent-life";
import * as gpt from "../systems/gunyah/gpt-calls";
import * as call from "../systems/gunyah/hypercalls";
import { limitHeap } from "../systems/gunyah/machine";
import { memdbInsert, memdbUpdate } from "../systems/gunyah/memdb";
import {
  OBJECT_ADDRSPACE,
  OBJECT_CSPACE,
  OBJECT_MEMEXTENT,
  OBJECT_PARTITION,
  OBJECT_THREAD,
} from "../systems/gunyah/object";
import { dispatchResourceManager, runPieces } from "./gunyah-rm";

/** A record that is no operation of this machine: no call answers it. */
const INVALID: i32 = -4097;

function operation(rec: usize): i32 {
  return load<u16>(rec, Op.OPERATION_CODE);
}

function caller(rec: usize): u32 {
  return load<u16>(rec, Op.OPERATION_VM);
}

/** The first and second capability, or whatever else an operation keeps there. */
function first(rec: usize): u32 {
  return load<u16>(rec, Op.OPERATION_VCPU);
}

function second(rec: usize): u32 {
  return load<u16>(rec, Op.OPERATION_VCPU + 2);
}

function a(rec: usize): u64 {
  return load<u64>(rec, Op.OPERATION_A);
}

function b(rec: usize): u64 {
  return load<u64>(rec, Op.OPERATION_B);
}

function c(rec: usize): u64 {
  return load<u64>(rec, Op.OPERATION_C);
}

function d(rec: usize): u64 {
  return load<u64>(rec, Op.OPERATION_D);
}

/** Runs `count` records, as runBatch of execute.ts does. */
export function runGunyah(operations: usize, results: usize, count: i32, recordEffects: bool): void {
  const isTlbOn = tlbMode != TLB_OFF;
  const isWatched = isTlbOn || recordEffects;
  const all = count as usize;
  for (let i: usize = 0; i < all; i++) {
    if (!isWatched && (panicked | limitReached) == 0) {
      i += runPieces(operations + i * Op.OPERATION_SIZE, results + i * RESULT_SIZE, all - i);
      if (i == all) break;
    }
    const rec = operations + i * Op.OPERATION_SIZE;
    if (recordEffects) recordEffect(EFFECT_OPERATION, 0, 0, i, 0, 0, 0);
    if (isTlbOn) beginOperation(operation(rec));
    executeGunyah(rec, results + i * RESULT_SIZE);
    if (isTlbOn) endOperation();
  }
}

function executeGunyah(rec: usize, result: usize): void {
  store<u64>(result, 0);
  store<u64>(result, 0, RESULT_SUBJECT);
  store<u64>(result, 0, RESULT_EXPECTED);
  if (panicked != 0) {
    writeVerdict(result, 0, panicked, STATUS_PANICKED);
    return;
  }
  clearRefusal();
  clearAnswer();
  const ret = dispatchGunyah(operation(rec), rec);
  if (ret == INVALID) writeVerdict(result, -EINVAL, 0, STATUS_INVALID);
  else if (panicked != 0) writeVerdict(result, 0, panicked, STATUS_PANICKED);
  else if (limitReached != 0) writeVerdict(result, ret, limitReached, STATUS_LIMIT);
  else if (ret != 0) writeRefusal(result, ret);
  else if (hasAnswer) writeAnswer(result);
}

function writeVerdict(result: usize, ret: i32, why: i32, status: i32): void {
  store<i32>(result, ret, RESULT_RET);
  store<u16>(result, why as u16, RESULT_REASON);
  store<u16>(result, status as u16, RESULT_STATUS);
}

function writeRefusal(result: usize, ret: i32): void {
  writeVerdict(result, ret, reason, STATUS_OK);
  store<u64>(result, subject, RESULT_SUBJECT);
  store<u32>(result, expected, RESULT_EXPECTED);
  store<u32>(result, found, RESULT_FOUND);
}

function writeAnswer(result: usize): void {
  store<u16>(result, STATUS_ANSWERED, RESULT_STATUS);
  store<u64>(result, answered, RESULT_SUBJECT);
  store<u32>(result, answeredExpected, RESULT_EXPECTED);
  store<u32>(result, answeredFound, RESULT_FOUND);
}

function dispatchGunyah(op: i32, rec: usize): i32 {
  if (op < abi.PARTITION_CREATE_PARTITION) return INVALID;
  if (op <= abi.ADDRSPACE_ATTACH_THREAD) return dispatchObjects(op, rec);
  if (op <= abi.GUNYAH_ABORT) return dispatchMemory(op, rec);
  return op < RM_MESSAGE ? dispatchFunctions(op, rec) : dispatchResourceManager(op, rec);
}

function dispatchObjects(op: i32, rec: usize): i32 {
  const vm = caller(rec);
  switch (op) {
    case abi.PARTITION_CREATE_PARTITION:
      return call.createObjectOf(vm, OBJECT_PARTITION, first(rec), second(rec));
    case abi.PARTITION_CREATE_CSPACE:
      return call.createObjectOf(vm, OBJECT_CSPACE, first(rec), second(rec));
    case abi.PARTITION_CREATE_ADDRSPACE:
      return call.createObjectOf(vm, OBJECT_ADDRSPACE, first(rec), second(rec));
    case abi.PARTITION_CREATE_MEMEXTENT:
      return call.createObjectOf(vm, OBJECT_MEMEXTENT, first(rec), second(rec));
    case abi.PARTITION_CREATE_THREAD:
      return call.createObjectOf(vm, OBJECT_THREAD, first(rec), second(rec));
    case abi.OBJECT_ACTIVATE:
      return call.objectActivate(vm, first(rec));
    case abi.OBJECT_ACTIVATE_FROM:
      return call.objectActivateFrom(vm, first(rec), second(rec));
    case abi.CSPACE_DELETE_CAP_FROM:
      return call.cspaceDeleteCapFrom(vm, first(rec), second(rec));
    case abi.CSPACE_COPY_CAP_FROM:
      return call.cspaceCopyCapFrom(vm, first(rec), second(rec), a(rec), b(rec));
    case abi.CSPACE_REVOKE_CAP_FROM:
      return call.cspaceRevokeCapFrom(vm, first(rec), second(rec));
    case abi.CSPACE_REVOKE_CAPS_FROM:
      return call.cspaceRevokeCapsFrom(vm, first(rec), second(rec));
    case abi.CSPACE_CONFIGURE:
      return call.cspaceConfigure(vm, first(rec), a(rec));
    case abi.CSPACE_ATTACH_THREAD:
      return call.cspaceAttachThread(vm, first(rec), second(rec));
    default:
      return call.addrspaceAttachThread(vm, first(rec), second(rec));
  }
}

function dispatchMemory(op: i32, rec: usize): i32 {
  const vm = caller(rec);
  switch (op) {
    case abi.ADDRSPACE_MAP:
      return call.addrspaceMap(vm, first(rec), second(rec), a(rec), b(rec), c(rec), d(rec));
    case abi.ADDRSPACE_UNMAP:
      return call.addrspaceUnmap(vm, first(rec), second(rec), a(rec), b(rec), c(rec), d(rec));
    case abi.ADDRSPACE_UPDATE_ACCESS:
      return call.addrspaceUpdateAccess(vm, first(rec), second(rec), a(rec), b(rec), c(rec), d(rec));
    case abi.ADDRSPACE_CONFIGURE:
      return call.addrspaceConfigure(vm, first(rec), a(rec));
    case abi.MEMEXTENT_MODIFY:
      return call.memextentModify(vm, first(rec), a(rec), b(rec), c(rec));
    case abi.MEMEXTENT_CONFIGURE:
      return call.memextentConfigure(vm, first(rec), a(rec), b(rec), c(rec));
    case abi.MEMEXTENT_CONFIGURE_DERIVE:
      return call.memextentConfigureDerive(vm, first(rec), second(rec), a(rec), b(rec), c(rec));
    case abi.ADDRSPACE_LOOKUP:
      return call.addrspaceLookup(vm, first(rec), second(rec), a(rec), b(rec));
    case abi.ADDRSPACE_CONFIGURE_VMMIO:
      return call.addrspaceConfigureVmmio(vm, first(rec), a(rec), b(rec), c(rec));
    case abi.MEMEXTENT_DONATE:
      return call.memextentDonate(vm, first(rec), second(rec), a(rec), b(rec), c(rec));
    case abi.ADDRSPACE_ATTACH_VDEVICE:
      return call.addrspaceAttachVdevice(vm, first(rec), a(rec), b(rec), c(rec));
    case abi.VCPU_RUN:
      return call.vcpuRun(vm, first(rec));
    case abi.VCPU_RUN_CHECK:
      return call.vcpuRunCheck(vm, first(rec));
    default:
      return handleAbort(vm, a(rec), b(rec), c(rec), d(rec), first(rec));
  }
}

function dispatchFunctions(op: i32, rec: usize): i32 {
  const vm = caller(rec);
  switch (op) {
    case abi.MEMEXTENT_ATTACH:
      return call.memextentAttach(vm, first(rec), second(rec), a(rec));
    case abi.MEMEXTENT_DETACH:
      return call.memextentDetach(vm, first(rec));
    case abi.VDEVICE_ATTACH_PHYS:
      return call.vdeviceAttachPhys(vm, first(rec), a(rec));
    case abi.RCU_SYNC:
      synchronize();
      return 0;
    case abi.HEAP_LIMIT:
      return limitHeap(a(rec), b(rec)) ? 0 : INVALID;
    case abi.ADDRSPACE_SET_READ_ONLY:
      return call.addrspaceSetReadOnly(vm, first(rec), a(rec) != 0);
    case abi.MEMDB_INSERT:
      return memdbInsert(a(rec), b(rec), c(rec) as u32, first(rec));
    case abi.MEMDB_UPDATE:
      return memdbUpdate(a(rec), b(rec), c(rec) as u32, first(rec), d(rec) as u32, second(rec));
    case abi.MEMDB_LOOKUP:
      return gpt.callMemdbLookup(a(rec));
    case abi.MEMDB_IS_OWNERSHIP_CONTIGUOUS:
      return gpt.callIsContiguous(a(rec), b(rec), c(rec) as u32, first(rec));
    case abi.MEMDB_RANGE_WALK:
      return gpt.callMemdbWalk(a(rec) as u32, first(rec), b(rec), c(rec));
    default:
      return dispatchMap(op, rec);
  }
}

function dispatchMap(op: i32, rec: usize): i32 {
  switch (op) {
    case abi.GPT_INSERT:
      return gpt.callGptInsert(a(rec), b(rec), c(rec));
    case abi.GPT_UPDATE:
      return gpt.callGptUpdate(a(rec), b(rec), c(rec), d(rec));
    case abi.GPT_REMOVE:
      return gpt.callGptRemove(a(rec), b(rec), c(rec));
    case abi.GPT_LOOKUP:
      return gpt.callGptLookup(a(rec), b(rec));
    case abi.GPT_IS_CONTIGUOUS:
      return gpt.callGptIsContiguous(a(rec), b(rec), c(rec));
    case abi.GPT_WALK_RANGE:
      return gpt.callGptWalk(a(rec), b(rec));
    default:
      return INVALID;
  }
}
