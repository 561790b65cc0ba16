// One operation record in, one result record out: decode, dispatch, verdict. Layouts: abi/operations.ts, abi/records.ts.

import { EINVAL, LIMIT_CONTENTS } from "../abi/codes";
import { KIND_CCA, KIND_FFA, KIND_KVM } from "../abi/config";
import { FFA_MEM_DONATE } from "../abi/ffa";
import * as Op from "../abi/operations";
import {
  EFFECT_OPERATION,
  EFFECT_VCPU,
  RESULT_EXPECTED,
  RESULT_FOUND,
  RESULT_REASON,
  RESULT_RET,
  RESULT_SIZE,
  RESULT_STATUS,
  RESULT_SUBJECT,
  STATUS_INVALID,
  STATUS_LIMIT,
  STATUS_PANICKED,
} from "../abi/records";
import { TLB_OFF } from "../abi/tlb";
import { tlbMode } from "../arch/tlb";
import { beginOperation, endOperation } from "../arch/tlb-checks";
import { observing, record as recordEffect, recorded, recording, startRecording } from "../memory/journal";
import { clearRefusal, expected, found, limitReached, panicked, reachLimit, reason, subject } from "../memory/verdict";
import { stage2Split } from "../pagetable/split";
import { stage2Unmap } from "../pagetable/unmap";
import {
  stage2Flush,
  stage2MakeYoung,
  stage2RelaxPerms,
  stage2TestClearYoung,
  stage2WriteProtect,
} from "../pagetable/update";
import { runFastLane as runFfaLane } from "../systems/ffa/fast-lane";
import { runFastLane } from "../systems/pkvm/fast-lane";
import { hostShareFfa, hostUnshareFfa } from "../systems/pkvm/ffa";
import { guestHvc, guestShareHost, guestUnshareHost } from "../systems/pkvm/guest-host";
import { hostAbort } from "../systems/pkvm/host-abort";
import {
  hostDonateGuest,
  hostMkyoungGuest,
  hostRelaxPermsGuest,
  hostShareGuest,
  hostTestClearYoungGuest,
  hostUnshareGuest,
  hostWrprotectGuest,
} from "../systems/pkvm/host-guest";
import {
  hostDonateHyp,
  hostShareHyp,
  hostUnshareHyp,
  hypDonateHost,
  hypPinSharedMem,
  hypUnpinSharedMem,
} from "../systems/pkvm/host-hyp";
import {
  hcallDonateGuest,
  hcallMkyoungGuest,
  hcallRelaxPermsGuest,
  hcallShareGuest,
  hcallTestClearYoungGuest,
  hcallTlbFlushVmid,
  hcallUnshareGuest,
  hcallVcpuInPoisonFault,
  hcallWrprotectGuest,
} from "../systems/pkvm/hypercalls";
import {
  finalizeTeardownVm,
  initVcpu,
  initVm,
  refillMemcache,
  reserveVm,
  startTeardownVm,
  unreserveVm,
  vcpuLoad,
  vcpuPut,
} from "../systems/pkvm/lifecycle";
import { isAndroid, isReplayed } from "../systems/pkvm/machine";
import {
  hostForceReclaimPageGuest,
  hostReclaimPageGuest,
  reclaimDyingGuestPage,
  vcpuInPoisonFault,
} from "../systems/pkvm/reclaim";
import { replayedDropVm, replayedSetMemcache } from "../systems/pkvm/replayed";
import { findVcpu, findVm, loadedVcpu, pushHostList, Vcpu, vcpuSummary } from "../systems/pkvm/vm";
import { AS_UPSTREAM, dispatchAndroid } from "./android";
import { dispatchCca } from "./cca";
import { dispatchEl2Call, isEl2Call } from "./el2-calls";
import { dispatchFfa } from "./ffa";
import { dispatchSecureWorld } from "./ffa-proxy";
import { dispatchKvm } from "./kvm";
import { loneAnnotate, loneGetLeaf, loneMap, loneTable, recordPool } from "./lone-table";
import { runGunyah } from "./gunyah";
import { hasFastLane, hasSecureWorld, isGunyah, isLoneTable, isPkvm, kind } from "./machine";
import { dispatchMm } from "./mm-tables";
import { namedVcpu, namedVm } from "./named-vm";
import { a, b, c, d, handle, INVALID, operation, vcpuField } from "./operation-record";

/** Runs `count` records. With effects recorded, each operation's are opened by an EFFECT_OPERATION. */
export function runBatch(operations: usize, results: usize, count: i32, recordEffects: bool): i32 {
  startRecording(recordEffects);
  if (isGunyah) {
    runGunyah(operations, results, count, recordEffects);
    return count;
  }
  const isTlbOn = tlbMode != TLB_OFF;
  const mayTakeLane = (hasFastLane || kind == KIND_FFA) && !isTlbOn;
  const end = operations + (count as usize) * Op.OPERATION_SIZE;
  let result = results;
  for (let rec = operations; rec < end; rec += Op.OPERATION_SIZE) {
    if (recordEffects) {
      recordEffect(EFFECT_OPERATION, 0, 0, (rec - operations) / Op.OPERATION_SIZE, 0, 0, 0);
    } else if (mayTakeLane) {
      const next = hasFastLane ? runFastLane(rec, end, result) : runFfaLane(rec, end, result);
      result += ((next - rec) / Op.OPERATION_SIZE) * RESULT_SIZE;
      rec = next;
      if (rec == end) break;
    }
    if (isTlbOn) executeUnderTlb(rec, result);
    else executeVerb(rec, result);
    result += RESULT_SIZE;
  }
  return count;
}

/** Runs one operation and writes its result. */
export function execute(rec: usize, result: usize): void {
  const ordinary = !observing && hasFastLane && runFastLane(rec, rec + Op.OPERATION_SIZE, result) != rec;
  if (ordinary) return;
  if (tlbMode != TLB_OFF) executeUnderTlb(rec, result);
  else executeVerb(rec, result);
}

function executeUnderTlb(rec: usize, result: usize): void {
  beginOperation(operation(rec));
  executeVerb(rec, result);
  endOperation();
}

/** Runs one operation by its verb's own file, whatever lane there is. */
export function executeVerb(rec: usize, result: usize): void {
  if (panicked != 0) {
    writeStatus(result, 0, panicked, STATUS_PANICKED);
    return;
  }
  clearRefusal();
  const ret = recording ? dispatchRecorded(rec) : dispatch(rec);
  // A check that failed on the way to a success refused nothing: a poisoned page at teardown, mkyoung of nothing.
  if (ret == 0) clearRefusal();
  if ((panicked | limitReached | reason) == 0 && ret != INVALID) {
    store<i32>(result, ret, RESULT_RET);
    store<u32>(result, 0, RESULT_REASON);
    return;
  }
  writeVerdict(result, ret);
}

function writeVerdict(result: usize, ret: i32): void {
  if (ret == INVALID) {
    writeStatus(result, -EINVAL, 0, STATUS_INVALID);
    return;
  }
  if (panicked != 0) {
    writeStatus(result, 0, panicked, STATUS_PANICKED);
    return;
  }
  if (limitReached != 0) {
    writeStatus(result, ret, limitReached, STATUS_LIMIT);
    return;
  }
  writeStatus(result, ret, reason, 0);
  store<u64>(result, subject, RESULT_SUBJECT);
  store<u32>(result, expected, RESULT_EXPECTED);
  store<u32>(result, found, RESULT_FOUND);
}

function writeStatus(result: usize, ret: i32, why: i32, status: i32): void {
  store<i32>(result, ret, RESULT_RET);
  store<u16>(result, why as u16, RESULT_REASON);
  store<u16>(result, status as u16, RESULT_STATUS);
  store<u64>(result, 0, RESULT_SUBJECT);
  store<u64>(result, 0, RESULT_EXPECTED);
}

// Memcaches fill and drain in the middle of operations: compare the vCPUs that may be concerned before and after.
function dispatchRecorded(rec: usize): i32 {
  if (isLoneTable) {
    const answer = dispatch(rec);
    recordPool();
    return answer;
  }
  if (!isPkvm) return dispatch(rec);
  const loaded = loadedVcpu();
  const vm = findVm(handle(rec));
  const named = vm != null ? findVcpu(vm, vcpuField(rec)) : null;
  const loadedPages = memcachePages(loaded);
  const namedPages = memcachePages(named);
  const ret = dispatch(rec);
  if (operation(rec) == Op.FINALIZE_TEARDOWN_VM) return ret;
  recordMemcache(loaded, loadedPages);
  if (named != loaded) recordMemcache(named, namedPages);
  return ret;
}

function memcachePages(vcpu: Vcpu | null): u32 {
  return vcpu != null ? vcpu.memcache.pages : 0;
}

function recordMemcache(vcpu: Vcpu | null, before: u32): void {
  if (vcpu == null || vcpu.memcache.pages == before) return;
  const now = vcpuSummary(vcpu);
  recordEffect(EFFECT_VCPU, 0, vcpu.vm.handle, vcpu.index, (now & 0xff) | ((before as u64) << 8), now, 0);
}

function dispatch(rec: usize): i32 {
  const op = operation(rec);
  if (isLoneTable) return dispatchLoneTable(op, rec);
  if (isDefined(EXPLORING) && kind == KIND_CCA) return dispatchCca(rec);
  if (kind == KIND_KVM) return dispatchKvm(rec);
  if (kind == KIND_FFA) return dispatchFfa(rec);
  if (isDefined(EXPLORING) && isEl2Call(op)) return dispatchEl2Call(rec);
  if (hasSecureWorld && op >= FFA_MEM_DONATE) return dispatchSecureWorld(rec);
  if (isAndroid) {
    const ret = dispatchAndroid(rec);
    if (ret != AS_UPSTREAM) return ret;
  }
  switch (op) {
    case Op.HOST_DONATE_GUEST:
    case Op.GUEST_SHARE_HOST:
    case Op.GUEST_UNSHARE_HOST:
    case Op.HOST_SHARE_GUEST:
    case Op.HOST_RELAX_PERMS_GUEST:
    case Op.HOST_MKYOUNG_GUEST:
    case Op.GUEST_HVC:
    case Op.VCPU_IN_POISON_FAULT:
    case Op.REFILL_MEMCACHE:
    case Op.HOST_MEMCACHE_PUSH:
      return dispatchVcpu(op, rec);
    case Op.HOST_UNSHARE_GUEST:
    case Op.HOST_WRPROTECT_GUEST:
    case Op.HOST_TEST_CLEAR_YOUNG_GUEST:
    case Op.HOST_RECLAIM_PAGE_GUEST:
      return dispatchVm(op, rec);
    case Op.HOST_SHARE_HYP:
      return hostShareHyp(a(rec));
    case Op.HOST_UNSHARE_HYP:
      return hostUnshareHyp(a(rec));
    case Op.HOST_DONATE_HYP:
      return hostDonateHyp(a(rec), b(rec));
    case Op.HYP_DONATE_HOST:
      return hypDonateHost(a(rec), b(rec));
    case Op.HOST_SHARE_FFA:
      return hostShareFfa(a(rec), b(rec));
    case Op.HOST_UNSHARE_FFA:
      return hostUnshareFfa(a(rec), b(rec));
    case Op.HYP_PIN_SHARED_MEM:
      return hypPinSharedMem(a(rec), b(rec));
    case Op.HYP_UNPIN_SHARED_MEM:
      return hypUnpinSharedMem(a(rec), b(rec));
    case Op.HOST_ABORT:
      return hostAbort(a(rec), b(rec), c(rec), d(rec), vcpuField(rec) != 0);
    case Op.HOST_FORCE_RECLAIM_PAGE_GUEST:
      return hostForceReclaimPageGuest(a(rec));
    case Op.RECLAIM_DYING_GUEST_PAGE:
      return reclaimDyingGuestPage(handle(rec), a(rec));
    default:
      return op >= Op.RESERVE_VM ? dispatchLifecycle(op, rec) : dispatchHypercall(op, rec);
  }
}

function dispatchVcpu(op: i32, rec: usize): i32 {
  const vcpu = namedVcpu(rec);
  if (vcpu == null) return reason != 0 ? -EINVAL : INVALID;
  switch (op) {
    case Op.HOST_DONATE_GUEST:
      return hostDonateGuest(vcpu, a(rec), b(rec));
    case Op.GUEST_SHARE_HOST:
      return guestShareHost(vcpu, a(rec));
    case Op.GUEST_UNSHARE_HOST:
      return guestUnshareHost(vcpu, a(rec));
    case Op.HOST_SHARE_GUEST:
      return hostShareGuest(vcpu, a(rec), b(rec), c(rec), d(rec));
    case Op.HOST_RELAX_PERMS_GUEST:
      return hostRelaxPermsGuest(vcpu, a(rec), b(rec));
    case Op.HOST_MKYOUNG_GUEST:
      return hostMkyoungGuest(vcpu, a(rec));
    case Op.GUEST_HVC:
      return guestHvc(vcpu, a(rec), b(rec), c(rec), d(rec));
    case Op.VCPU_IN_POISON_FAULT:
      return vcpuInPoisonFault(vcpu.vm, a(rec), b(rec));
    case Op.REFILL_MEMCACHE:
      return refillMemcache(vcpu);
    default:
      return pushToHost(vcpu, a(rec));
  }
}

function pushToHost(vcpu: Vcpu, pfn: u64): i32 {
  if (!pushHostList(vcpu, pfn)) reachLimit(LIMIT_CONTENTS);
  return 0;
}

function dispatchVm(op: i32, rec: usize): i32 {
  const vm = namedVm(rec);
  if (vm == null) return -EINVAL;
  switch (op) {
    case Op.HOST_UNSHARE_GUEST:
      return hostUnshareGuest(vm, a(rec), b(rec));
    case Op.HOST_WRPROTECT_GUEST:
      return hostWrprotectGuest(vm, a(rec), b(rec));
    case Op.HOST_TEST_CLEAR_YOUNG_GUEST:
      return hostTestClearYoungGuest(vm, a(rec), b(rec), c(rec) != 0);
    default:
      return hostReclaimPageGuest(vm, a(rec));
  }
}

function dispatchHypercall(op: i32, rec: usize): i32 {
  switch (op) {
    case Op.HCALL_DONATE_GUEST:
      return hcallDonateGuest(a(rec), b(rec));
    case Op.HCALL_SHARE_GUEST:
      return hcallShareGuest(a(rec), b(rec), c(rec), d(rec));
    case Op.HCALL_UNSHARE_GUEST:
      return hcallUnshareGuest(handle(rec), a(rec), b(rec));
    case Op.HCALL_WRPROTECT_GUEST:
      return hcallWrprotectGuest(handle(rec), a(rec), b(rec));
    case Op.HCALL_TEST_CLEAR_YOUNG_GUEST:
      return hcallTestClearYoungGuest(handle(rec), a(rec), b(rec), c(rec) != 0);
    case Op.HCALL_TLB_FLUSH_VMID:
      hcallTlbFlushVmid(handle(rec));
      return 0;
    case Op.HCALL_RELAX_PERMS_GUEST:
      return hcallRelaxPermsGuest(a(rec), b(rec));
    case Op.HCALL_MKYOUNG_GUEST:
      return hcallMkyoungGuest(a(rec));
    case Op.HCALL_VCPU_IN_POISON_FAULT:
      return hcallVcpuInPoisonFault(a(rec), b(rec));
    default:
      return INVALID;
  }
}

function dispatchLifecycle(op: i32, rec: usize): i32 {
  switch (op) {
    case Op.RESERVE_VM:
      return reserveVm();
    case Op.UNRESERVE_VM:
      unreserveVm(handle(rec));
      return 0;
    case Op.INIT_VM:
      return initVm(handle(rec), a(rec), b(rec), c(rec), vcpuField(rec) as i32, d(rec));
    case Op.INIT_VCPU:
      return initVcpu(handle(rec), vcpuField(rec), a(rec), b(rec));
    case Op.VCPU_LOAD:
      vcpuLoad(handle(rec), vcpuField(rec));
      return 0;
    case Op.VCPU_PUT:
      vcpuPut();
      return 0;
    case Op.START_TEARDOWN_VM:
      return startTeardownVm(handle(rec));
    case Op.FINALIZE_TEARDOWN_VM:
      return finalizeTeardownVm(handle(rec));
    case Op.HOST_MEMCACHE_PUSH_LOADED: {
      const loaded = loadedVcpu();
      return loaded != null ? pushToHost(loaded, a(rec)) : 0;
    }
    default:
      return isReplayed ? dispatchReplayed(op, rec) : INVALID;
  }
}

function dispatchReplayed(op: i32, rec: usize): i32 {
  switch (op) {
    case Op.REPLAYED_SET_MEMCACHE:
      replayedSetMemcache(a(rec) as u32);
      return 0;
    case Op.REPLAYED_DROP_VM:
      replayedDropVm(handle(rec));
      return 0;
    default:
      return INVALID;
  }
}

function dispatchLoneTable(op: i32, rec: usize): i32 {
  switch (op) {
    case Op.PT_MAP:
      return loneMap(a(rec), b(rec), c(rec), d(rec), vcpuField(rec));
    case Op.PT_UNMAP:
      return stage2Unmap(loneTable, a(rec), b(rec));
    case Op.PT_ANNOTATE:
      return loneAnnotate(a(rec), b(rec), c(rec), d(rec), vcpuField(rec));
    case Op.PT_WRPROTECT:
      return stage2WriteProtect(loneTable, a(rec), b(rec));
    case Op.PT_FLUSH:
      return stage2Flush(loneTable, a(rec), b(rec));
    case Op.PT_MKYOUNG:
      stage2MakeYoung(loneTable, a(rec));
      return 0;
    case Op.PT_TEST_CLEAR_YOUNG:
      return stage2TestClearYoung(loneTable, a(rec), b(rec), c(rec) != 0);
    case Op.PT_RELAX_PERMS:
      return stage2RelaxPerms(loneTable, a(rec), b(rec));
    case Op.PT_SPLIT:
      return stage2Split(loneTable, a(rec), b(rec), c(rec));
    case Op.PT_GET_LEAF:
      return loneGetLeaf(a(rec));
    default:
      if (isDefined(EXPLORING)) return dispatchMm(rec, loneTable.pool);
      return INVALID;
  }
}

export { recorded as effectsHead };
