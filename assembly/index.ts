// What the module exports. Layouts of all windows: abi/.

import { KIND_KVM } from "./abi/config";
import { BATCH_OPERATIONS, OPERATION_SIZE } from "./abi/operations";
import { RESULT_SIZE } from "./abi/records";
import { ACCESS_BATCH } from "./abi/walk";
import { pageShift, pgdPages, startLevel } from "./arch/geometry";
import { runAccesses } from "./batch/access";
import { createMachine, isPkvm, kind } from "./batch/machine";
import { lookUpLeaves } from "./batch/dump";
import { dumpWindow as reserveDumpWindow } from "./batch/dump";
import { runBatch as run } from "./batch/execute";
import { reserveTranslationLines, translateAll, translateChain, translateEach } from "./batch/translate";
import { ensureFrame, frameIndexEnd, frameOf } from "./memory/dram";
import { hashBlocks } from "./memory/blocks";
import { heapTop, reserve } from "./memory/heap";
import { pageOf, vmemmap } from "./memory/regions";
import { refcount } from "./memory/vmemmap";
import { limitReached, panicked } from "./memory/verdict";
import { vmSummaryAt } from "./systems/kvm/vm";
import { findVcpu, findVm, maxVms, vcpuSummary, vmAt, vmSummary } from "./systems/pkvm/vm";

export { beginPatch, beginRestore, configWindow, finishRestore, snapshotBase, snapshotSize } from "./batch/machine";
export { explainAccess } from "./batch/access";
export {
  walkDigest,
  walkExplain,
  walkReadWord,
  walkRegisters,
  walkRequests,
  walkSetRegisters,
  walkTranslations,
  walkWriteWords,
} from "./batch/walk-machine";
export {
  tlbForgetReports,
  tlbInvalidateAll,
  tlbModeNow,
  tlbNumberOperations,
  tlbReportCount,
  tlbReportPointer,
  tlbSuppress,
  tlbSwitch,
} from "./batch/tlb";
export {
  ffaConstituentCount,
  ffaConstituents,
  ffaIsRxFull,
  ffaIsSecure,
  ffaMode,
  ffaRecord,
  ffaRxAddress,
} from "./batch/ffa";
export { effectsHead } from "./batch/execute";
export {
  dumpCapacity,
  dumpLeaves,
  dumpPageCount,
  dumpPages,
  dumpTables,
  dumpWindow,
  entryPointer,
  findLeaf,
  hypEntryPointer,
  leafDescriptor,
  pagePointer,
  wordOf as pageWord,
} from "./batch/dump";
export { dumpIpas, dumpMembers, dumpParcels, dumpRegions, gunyahOwner, rmVmInfo } from "./batch/gunyah-rm-dump";
export { checkInvariants, violationExpected, violationFound, violationSubject } from "./batch/invariants";
export { dumpOwners, dumpRecords, heapUsed } from "./batch/gunyah-dump";
export {
  tracefsConfig,
  tracefsEndInput,
  tracefsFilled,
  tracefsLastRecord,
  tracefsLastResult,
  tracefsLastStep,
  tracefsOpen,
  tracefsReport,
  tracefsRoom,
  tracefsRun,
  tracefsSpace,
  tracefsStart,
  tracefsStopAt,
} from "./text/tracefs";
export { clearCards, reserveCards } from "./memory/cards";
export { reserveChunks as reserveEffects } from "./memory/journal";
export { tapeClear, tapeEntries, tapeOpen } from "./text/tape";
export {
  traceBegin,
  traceDefineKey,
  traceDefineName,
  traceJudge,
  traceRun,
  traceShapes,
  traceStatus,
  traceStep,
  traceWindow,
} from "./text/freehold-trace";

let operations: usize = 0;
let results: usize = 0;

export function operationWindow(): usize {
  if (operations == 0) operations = reserve(BATCH_OPERATIONS * OPERATION_SIZE);
  return operations;
}

export function resultWindow(): usize {
  if (results == 0) results = reserve(BATCH_OPERATIONS * RESULT_SIZE);
  return results;
}

/**
 * Leaf look-ups in one table: `count` IPAs of 8 bytes in the operation window, their descriptors to the result window.
 * Returns how many are valid, -1 if there is no such table.
 */
export function lookupLeaves(handle: u32, count: i32): i32 {
  return lookUpLeaves(handle, operationWindow(), resultWindow(), min(count, BATCH_OPERATIONS));
}

/** How many of the first `count` results are not 0: checks a batch without reading it. */
export function countRefused(count: i32): i32 {
  const first = resultWindow();
  const end = first + (count as usize) * RESULT_SIZE;
  let refused = 0;
  for (let result = first; result < end; result += RESULT_SIZE) refused += i32(load<i32>(result) != 0);
  return refused;
}

/** Builds the machine of the configuration window. CREATE_*. All windows lie below its state. */
export function machineCreate(): i32 {
  operationWindow();
  resultWindow();
  reserveDumpWindow();
  reserveTranslationLines();
  return createMachine();
}

/** Hashes of the blocks of linear memory from `from` up to `end` (abi/blocks.ts), 8 bytes each, to the dump window. */
export function hashState(from: usize, end: usize): void {
  hashBlocks(from, end, reserveDumpWindow());
}

/** The arrays over all of DRAM, in which `reserveCards` takes notes: from here to `denseEnd`. */
export function denseStart(): usize {
  return vmemmap;
}

export function denseEnd(): usize {
  return frameIndexEnd();
}

/** Back to the state after machineCreate. */
export function machineReset(): void {
  createMachine();
}

/** Runs the first `count` records of the operation window. */
export function runBatch(count: i32, recordEffects: i32): i32 {
  return run(operationWindow(), resultWindow(), min(count, BATCH_OPERATIONS), recordEffects != 0);
}

/** Runs the first `count` accesses of the operation window; answers go to the result window (layouts: abi/walk.ts). */
export function runAccessBatch(count: i32): void {
  runAccesses(operationWindow(), resultWindow(), min(count, ACCESS_BATCH));
}

// Translations where only the address is wanted: the first `count` IPAs (u64) of the operation window, answers (u64, abi/walk.ts)
// to the result window. The number that fault, or NO_STAGE2.

export function translateBatch(handle: u32, access: u32, count: i32): i32 {
  return translateAll(handle, access, operationWindow(), resultWindow(), min(count, BATCH_OPERATIONS));
}

export function translateSingles(handle: u32, access: u32, count: i32): i32 {
  return translateEach(handle, access, operationWindow(), resultWindow(), min(count, BATCH_OPERATIONS));
}

export function translateDependent(handle: u32, access: u32, mask: u64, count: i32): i32 {
  return translateChain(handle, access, mask, operationWindow(), resultWindow(), min(count, BATCH_OPERATIONS));
}

/** The assertion at which EL2 stopped (PANIC_*), 0 while it runs. */
export function panickedCode(): i32 {
  return panicked;
}

/** The first limit of the simulator that was reached (LIMIT_*), 0 if none. */
export function limitCode(): i32 {
  return limitReached;
}

/** Bytes of linear memory in use. */
export function memoryUsed(): usize {
  return heapTop();
}

/** Linear address of a page's contents; 0 if it was never written or is no memory. */
export function framePointer(pa: u64): usize {
  const page = pageOf(pa >> pageShift);
  return page == 0 ? 0 : frameOf(page);
}

/** The same, making room for contents; 0 if it is no memory. */
export function frameForWrite(pa: u64): usize {
  const page = pageOf(pa >> pageShift);
  return page == 0 ? 0 : ensureFrame(page);
}

/** VM_STATE_* | protected << 8 | vCPUs << 16 | references << 32 of a slot; 0 for a free slot. */
export function vmInfo(slot: u32): u64 {
  if (kind == KIND_KVM) return vmSummaryAt(slot);
  if (slot >= maxVms) return 0;
  const vm = vmAt(slot);
  const references = vm.vmPage != 0 ? (refcount(vm.vmPage) as u64) << 32 : 0;
  return vm.state == 0 ? 0 : vmSummary(vm) | references;
}

/** present | loaded << 1 | memcache pages << 8 | length of the host's list << 32; 0 if there is no such vCPU. */
export function vcpuInfo(handle: u32, index: u32): u64 {
  const vm = isPkvm ? findVm(handle) : null;
  if (vm == null) return 0;
  const vcpu = findVcpu(vm, index);
  return vcpu == null ? 0 : vcpuSummary(vcpu) | ((vcpu.hostListLength as u64) << 32);
}

/** Start level | root pages << 8: the geometry the configuration led to. */
export function geometry(): u32 {
  return (startLevel as u32) | (pgdPages << 8);
}
