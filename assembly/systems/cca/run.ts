// REC_ENTER and what a REC does until it leaves: requests of the realm's, exits to the host (reference cca sections 6.6 to 8;
// rmi/run.c, core/exit.c). Between REC_ENTER and the exit the REC runs, while the host of another CPU goes on making calls.

import * as abi from "../../abi/cca";
import { isValid } from "../../arch/descriptor";
import { pageMask, pageSize } from "../../arch/geometry";
import { encodeHpfar } from "../../arch/syndrome";
import { readU64, writeU64 } from "../../memory/dram";
import { isNonSecure } from "./gpt";
import { addReferences, findLocked, findNonSecure, gptOf, granuleAt, lock, paOf, refcountOf, unlock } from "./granule";
import { isInRealm, isProtected, realmState, setRealmState } from "./realm";
import * as context from "./rec";
import { answerWith, done, fail, refused } from "./refusal";
import * as rtt from "./rtt";
import { ripasOf } from "./rtt-entry";

/**
 * The REC runs. x1 and x2 are the realm's own, where it had asked for a change of RIPAS: the first address that was not changed, and
 * whether the host refused.
 */
export function recEnter(recPa: u64, run: u64): i32 {
  const page = findNonSecure(run);
  if (page == 0) return refused();
  const rec = findLocked(recPa, abi.GRANULE_REC);
  if (rec == 0) return refused();
  if (isIdle(rec) && isReadable(page) && isRealmActive(rec) && canRun(rec, readU64(run + abi.RUN_FLAGS))) {
    answerRequest(rec, readU64(run + abi.RUN_FLAGS));
    context.setRunPage(rec, run);
    addReferences(rec, 1);
    unlock(rec);
    return done();
  }
  unlock(rec);
  return refused();
}

function isIdle(rec: usize): bool {
  return refcountOf(rec) == 0 || fail(abi.RMI_ERROR_REC, abi.REASON_RMM_RUNNING, paOf(rec), 0, 0);
}

function isReadable(page: usize): bool {
  return isNonSecure(page) || fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_READ, paOf(page), abi.GPT_NS, gptOf(page));
}

// The index tells which of the two other states it is.
function isRealmActive(rec: usize): bool {
  const state = realmState(context.realmOf(rec));
  if (state == abi.REALM_ACTIVE) return true;
  const index = state == abi.REALM_NEW ? 0 : 1;
  const status = abi.RMI_ERROR_REALM | (index << 8);
  return fail(status, abi.REASON_RMM_REALM_STATE, paOf(context.realmOf(rec)), abi.REALM_ACTIVE, state);
}

function canRun(rec: usize, flags: u64): bool {
  if (!context.isRunnable(rec)) return fail(abi.RMI_ERROR_REC, abi.REASON_RMM_NOT_RUNNABLE, paOf(rec), 0, 0);
  const wants = flags & (abi.ENTRY_EMULATED_MMIO | abi.ENTRY_INJECT_SEA);
  if (wants == 0 || (context.lastExit(rec) == abi.EXIT_SYNC && context.wasUnprotected(rec))) return true;
  return fail(abi.RMI_ERROR_REC, abi.REASON_RMM_ENTRY_FLAGS, paOf(rec), 0, flags as u32);
}

// The host can refuse RAM; EMPTY it can only leave undone.
function answerRequest(rec: usize, flags: u64): void {
  if (!context.isPending(rec)) return;
  const isComplete = context.pendingNext(rec) == context.pendingTop(rec);
  const isRefused = context.pendingRipas(rec) == abi.RIPAS_RAM && !isComplete && (flags & abi.ENTRY_RIPAS_REJECT) != 0;
  answerWith(context.pendingNext(rec), isRefused ? 1 : 0);
  context.forgetRequest(rec);
}

// What the realm does.

/** The REC that makes a call, locked; 0 with the refusal noted if it does not run. */
function running(recPa: u64): usize {
  const rec = findLocked(recPa, abi.GRANULE_REC);
  if (rec == 0 || refcountOf(rec) != 0) return rec;
  fail(abi.RSI_ERROR_STATE, abi.REASON_RMM_NOT_RUNNING, recPa, 0, 0);
  unlock(rec);
  return 0;
}

// The REC leaves, and is released. A run page that the host has given away meanwhile stays as it is.
function leave(rec: usize, reason: i32, unprotected: bool): i32 {
  writeExit(rec, abi.RUN_EXIT_REASON, reason as u64);
  context.setLastExit(rec, reason, unprotected);
  addReferences(rec, -1);
  unlock(rec);
  return done();
}

function writeExit(rec: usize, field: u64, value: u64): void {
  const run = context.runPage(rec);
  if (isNonSecure(granuleAt(run))) writeU64(run + field, value);
}

/** RSI_IPA_STATE_SET: the realm asks for another RIPAS, and leaves for the host to see to it. */
export function rsiIpaStateSet(recPa: u64, base: u64, top: u64, ripas: u64, flags: u64): i32 {
  const rec = running(recPa);
  if (rec == 0) return refused();
  if (!isRequest(base, top, ripas)) {
    unlock(rec);
    return refused();
  }
  context.askFor(rec, base, top, ripas as i32, (flags & abi.RSI_CHANGE_DESTROYED) != 0);
  writeExit(rec, abi.RUN_EXIT_RIPAS_BASE, base);
  writeExit(rec, abi.RUN_EXIT_RIPAS_TOP, top);
  writeExit(rec, abi.RUN_EXIT_RIPAS_VALUE, ripas);
  return leave(rec, abi.EXIT_RIPAS_CHANGE, false);
}

function isRequest(base: u64, top: u64, ripas: u64): bool {
  const isWhole = ((base | top) & pageMask) == 0 && top > base;
  const isInside = isProtected(base) && isProtected(top - pageSize);
  if (ripas <= (abi.RIPAS_RAM as u64) && isWhole && isInside) return true;
  return fail(abi.RSI_ERROR_INPUT, abi.REASON_RMM_RANGE, top, 0, ripas as u32);
}

/** RSI_IPA_STATE_GET: x1 is the RIPAS. */
export function rsiIpaStateGet(recPa: u64, ipa: u64): i32 {
  const rec = running(recPa);
  if (rec == 0) return refused();
  if ((ipa & pageMask) != 0 || !isProtected(ipa)) {
    fail(abi.RSI_ERROR_INPUT, abi.REASON_RMM_NOT_PROTECTED, ipa, 0, 0);
    unlock(rec);
    return refused();
  }
  const isKnown = lookUp(rec, ipa);
  if (isKnown) answerWith(ripasOf(rtt.entry, rtt.level) as u64, 0);
  unlock(rec);
  return isKnown ? done() : refused();
}

// Leaves the entry for `ipa` in `rtt.entry`. False if a lock cannot be had.
function lookUp(rec: usize, ipa: u64): bool {
  const rd = context.realmOf(rec);
  if (!lock(rd) || !rtt.walkLocked(rd, ipa, 3)) return false;
  unlock(rtt.table);
  return true;
}

/** RSI_HOST_CALL: the realm calls the host. */
export function rsiHostCall(recPa: u64): i32 {
  const rec = running(recPa);
  return rec == 0 ? refused() : leave(rec, abi.EXIT_HOST_CALL, false);
}

/** PSCI SYSTEM_OFF. */
export function psciSystemOff(recPa: u64): i32 {
  const rec = running(recPa);
  if (rec == 0) return refused();
  setRealmState(context.realmOf(rec), abi.REALM_SYSTEM_OFF);
  return leave(rec, abi.EXIT_PSCI, false);
}

/** An interrupt of the host's. */
export function recInterrupt(recPa: u64): i32 {
  const rec = running(recPa);
  return rec == 0 ? refused() : leave(rec, abi.EXIT_IRQ, false);
}

/**
 * An access of the realm's has faulted (reference section 8). x1: ABORT_RETRIED (nothing is in the way any more), ABORT_SEA (an
 * external abort for the realm; the host is not told), ABORT_EXIT (the REC leaves).
 */
export function realmAbort(recPa: u64, ipa: u64, isFetch: bool): i32 {
  const rec = running(recPa);
  if (rec == 0) return refused();
  const page = ipa & ~pageMask;
  if (isInRealm(ipa) && !lookUp(rec, page)) return refused();
  const outcome = outcomeOf(ipa, isFetch);
  answerWith(outcome, 0);
  if (outcome != abi.ABORT_EXIT) {
    unlock(rec);
    return done();
  }
  const unprotected = !isProtected(ipa);
  writeExit(rec, abi.RUN_EXIT_ESR, syndrome(isFetch));
  writeExit(rec, abi.RUN_EXIT_HPFAR, encodeHpfar(page));
  writeExit(rec, abi.RUN_EXIT_FAR, unprotected ? ipa & pageMask : 0);
  return leave(rec, abi.EXIT_SYNC, unprotected);
}

function outcomeOf(ipa: u64, isFetch: bool): u64 {
  if (!isInRealm(ipa)) return abi.ABORT_SEA;
  if (!isProtected(ipa)) return isFetch ? abi.ABORT_SEA : abi.ABORT_EXIT;
  if (isValid(rtt.entry)) return abi.ABORT_RETRIED;
  return ripasOf(rtt.entry, rtt.level) == abi.RIPAS_EMPTY ? abi.ABORT_SEA : abi.ABORT_EXIT;
}

// Class and fault status alone: the rest is masked.
function syndrome(isFetch: bool): u64 {
  return ((isFetch ? EC_IABT_LOW : EC_DABT_LOW) << 26) | FSC_TRANSLATION | (rtt.level as u64);
}

const EC_IABT_LOW: u64 = 0x20;
const EC_DABT_LOW: u64 = 0x24;
const FSC_TRANSLATION: u64 = 4;
