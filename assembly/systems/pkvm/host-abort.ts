// Host stage-2 aborts: map on demand, or tell the host that the page is not its own
// (nvhe/mem_protect.c:handle_host_mem_abort; reference pkvm-el2 section 4).

import {
  EEXIST,
  EPERM,
  NOPAGE,
  OWNED,
  PANIC_HANDLE_HOST_MEM_ABORT,
  PANIC_HOST_INJECT_MEM_ABORT,
  PANIC_HOST_STAGE2_IDMAP,
  REASON_HOST_ANNOTATED,
  REASON_HOST_MAPPED,
} from "../../abi/codes";
import { MODULE_NOPAGE, REASON_HOST_PERMISSION } from "../../abi/android";
import { ABORT_INJECTED, ABORT_MAPPED, ABORT_RETRY, ABORT_SPURIOUS, EFFECT_ABORT } from "../../abi/records";
import {
  FAULT_FRAME_IS_4K,
  GRANULE_LEVEL_OFF_BY_ONE,
  HOST_ABORT_PANICS,
  HOST_FAULT_RACE_PANIC,
  HOST_SCANS_HYP_SECTIONS,
  NO_FITTING_GRANULE,
} from "../../abi/mutations";
import { isValid } from "../../arch/descriptor";
import { granuleSize, isBlockLevel, pageShift, pageSize } from "../../arch/geometry";
import {
  EC_DABT_CUR,
  EC_DABT_LOW,
  EC_IABT_CUR,
  EC_IABT_LOW,
  EC_MASK,
  EC_SHIFT,
  exceptionClass,
  FNV,
  HPFAR_FIPA,
  isAbortOnWalk,
  isAccessFlagFault,
  isAddressSizeFault,
  isExternalAbort,
  isPermissionFault,
  isTranslationFault,
  S1PTW,
  SPSR_MODE,
} from "../../arch/syndrome";
import { record, recording } from "../../memory/journal";
import { isMutated } from "../../memory/mutation";
import { findMemoryRange, pageOf, rangeEnd, rangeStart } from "../../memory/regions";
import { panic, PANICKED, refuse } from "../../memory/verdict";
import { hostState, hypState } from "../../memory/vmemmap";
import { PROT_RW, PROT_RWX } from "../../pagetable/attributes";
import { getLeaf, leaf, leafLevel } from "../../pagetable/walk";
import { mapHost } from "./host-stage2";
import { hostTable, isAndroid } from "./machine";

/** PAR_EL1.PA: what an AT instruction answers with, in units of 4 KiB whatever the granule. */
const PAR_PA: u64 = 0x000f_ffff_ffff_f000;

/** How the last abort ended (ABORT_*), and the granule it mapped. */
export let lastAbortOutcome: i32 = 0;
export let lastAbortStart: u64 = 0;
export let lastAbortSize: u64 = 0;

/** handle_host_mem_abort. `atFails`: the AT instruction, where one is needed, faults. */
export function hostAbort(esr: u64, spsr: u64, far: u64, hpfar: u64, atFails: bool): i32 {
  lastAbortStart = 0;
  lastAbortSize = 0;
  let ipa: u64 = 0;
  if (isHpfarValid(esr)) {
    ipa = (hpfar & HPFAR_FIPA) << (isMutated(FAULT_FRAME_IS_4K) ? pageShift - 4 : 8);
  } else {
    if (isAbortOnWalk(esr) || (isExternalAbort(esr) && (esr & FNV) != 0)) return panic(PANIC_HANDLE_HOST_MEM_ABORT);
    if (atFails) return finish(ABORT_RETRY, 0, 0, 0);
    ipa = far & PAR_PA;
  }
  const ret = mapOnDemand(ipa, esr);
  if (ret == 0) return finish(ABORT_MAPPED, ipa, 0, 0);
  if (ret == -EEXIST && isMutated(HOST_FAULT_RACE_PANIC)) return panic(PANIC_HANDLE_HOST_MEM_ABORT);
  if (ret == -EEXIST) return finish(ABORT_SPURIOUS, ipa, 0, ret);
  if (ret != -EPERM || isMutated(HOST_ABORT_PANICS)) return panic(PANIC_HANDLE_HOST_MEM_ABORT);
  if (isDefined(EXPLORING) && isMutated(HOST_SCANS_HYP_SECTIONS) && isHyps(ipa))
    return panic(PANIC_HANDLE_HOST_MEM_ABORT);
  const injected = injectedSyndrome(esr, spsr);
  return injected == 0 ? PANICKED : finish(ABORT_INJECTED, ipa, injected, ret);
}

function isHyps(ipa: u64): bool {
  const page = pageOf(ipa >> pageShift);
  return page != 0 && hypState(page) == OWNED;
}

function finish(outcome: i32, ipa: u64, injected: u64, ret: i32): i32 {
  lastAbortOutcome = outcome;
  if (recording) record(EFFECT_ABORT, outcome, 0, lastAbortStart, ipa, injected, lastAbortSize);
  return ret;
}

/** An abort that mapped a granule on demand. */
export function noteMapped(start: u64, size: u64): void {
  lastAbortOutcome = ABORT_MAPPED;
  lastAbortStart = start;
  lastAbortSize = size;
}

/** An abort on what is mapped already. */
export function noteSpurious(): void {
  lastAbortOutcome = ABORT_SPURIOUS;
  lastAbortStart = 0;
  lastAbortSize = 0;
}

// __hpfar_valid: elsewhere the register may be stale, and FAR is translated instead.
function isHpfarValid(esr: u64): bool {
  if (isTranslationFault(esr) || isAccessFlagFault(esr) || isAddressSizeFault(esr)) return true;
  return isPermissionFault(esr) && (esr & S1PTW) != 0;
}

// host_stage2_idmap: from the level at which the walk stopped down, the first granule that fits its region or gap.
// So a fault never replaces a table, and a block may cover pages in any state the host has access in.
function mapOnDemand(ipa: u64, esr: u64): i32 {
  const prot = findMemoryRange(ipa) != null ? PROT_RWX : PROT_RW;
  const from = rangeStart;
  const to = rangeEnd;
  const ret = getLeaf(hostTable, ipa);
  if (ret != 0) return ret;
  if (isValid(leaf)) {
    // Where nobody changes permissions the fault is a race, and the instruction is tried again, for ever if need be.
    if (isAndroid && isPermissionFault(esr)) return refuse(EPERM, REASON_HOST_PERMISSION, ipa, 0, 0);
    return refuse(EEXIST, REASON_HOST_MAPPED, ipa, 0, 0);
  }
  if (leaf != 0) return refuseAnnotated(ipa);
  let level = leafLevel;
  while (level != 3 && !fits(ipa, level, from, to)) level++;
  if (isDefined(EXPLORING) && hasNoGranule(ipa, from)) return panic(PANIC_HOST_STAGE2_IDMAP);
  lastAbortSize = granuleSize(level);
  lastAbortStart = ipa & ~(lastAbortSize - 1);
  return mapHost(lastAbortStart, lastAbortSize, prot);
}

function fits(ipa: u64, level: i32, from: u64, to: u64): bool {
  const granule = granuleSize(level);
  const start = ipa & ~(granule - 1);
  if (isDefined(EXPLORING) && isMutated(GRANULE_LEVEL_OFF_BY_ONE)) return start >= from && start + granule <= to;
  return isBlockLevel(level) && start >= from && start + granule <= to;
}

// Memory that begins in the middle of its first page: not even the page fits.
function hasNoGranule(ipa: u64, from: u64): bool {
  return isMutated(NO_FITTING_GRANULE) && findMemoryRange(ipa) != null && ipa - from < pageSize;
}

function refuseAnnotated(ipa: u64): i32 {
  const page = pageOf(ipa >> pageShift);
  if (page == 0) return refuse(EPERM, REASON_HOST_ANNOTATED, ipa, NOPAGE, NOPAGE);
  const state = hostState(page);
  if (state != NOPAGE && state != MODULE_NOPAGE) return panic(PANIC_HOST_STAGE2_IDMAP);
  return refuse(EPERM, REASON_HOST_ANNOTATED, ipa, 0, state);
}

// host_inject_mem_abort: the host gets its own fault back, marked by S1PTW; 0 after a panic.
function injectedSyndrome(esr: u64, spsr: u64): u64 {
  if ((spsr & SPSR_MODE) == 0) return esr | S1PTW;
  const ec = exceptionClass(esr);
  let current: u32 = 0;
  if (ec == EC_DABT_LOW) current = EC_DABT_CUR;
  else if (ec == EC_IABT_LOW) current = EC_IABT_CUR;
  else {
    panic(PANIC_HOST_INJECT_MEM_ABORT);
    return 0;
  }
  return (esr & ~EC_MASK) | ((current as u64) << EC_SHIFT) | S1PTW;
}
