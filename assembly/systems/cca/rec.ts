// A realm execution context, in its granule (reference cca sections 2 and 7; runtime/include/rec.h). It runs while its count is 1.
//
//    0 u64 PA of the realm descriptor | 8 u64 index | 16 u64 REC_RUNNABLE | 24 u64 auxiliary granules | 32 u64 PA of each (16)
//  160 u64 how it left last + 1, 0 = never ran | 168 u64 the exit was for an address of the unprotected half
//  176 u64 what the realm asks for, 0 = nothing, else RIPAS + 1 | 184 u64 DESTROYED may change | 192 u64 top
//  200 u64 first address not done | 208 u64 PA of the run page

import { MAX_REC_AUX } from "../../abi/cca";
import { ensureFrame } from "../../memory/dram";
import { granuleAt } from "./granule";

const REALM: usize = 0;
const INDEX: usize = 8;
const RUNNABLE: usize = 16;
const AUX_COUNT: usize = 24;
const AUX: usize = 32;
const LAST_EXIT: usize = AUX + ((MAX_REC_AUX as usize) << 3);
const EXIT_UNPROTECTED: usize = LAST_EXIT + 8;
const PENDING_RIPAS: usize = LAST_EXIT + 16;
const PENDING_DESTROYED: usize = LAST_EXIT + 24;
const PENDING_TOP: usize = LAST_EXIT + 32;
const PENDING_NEXT: usize = LAST_EXIT + 40;
const RUN: usize = LAST_EXIT + 48;

function field(rec: usize, at: usize): u64 {
  return load<u64>(ensureFrame(rec) + at);
}

function setField(rec: usize, at: usize, value: u64): void {
  store<u64>(ensureFrame(rec) + at, value);
}

export function initRec(rec: usize, rd: u64, index: u64, runnable: bool): void {
  setField(rec, REALM, rd);
  setField(rec, INDEX, index);
  setField(rec, RUNNABLE, runnable ? 1 : 0);
}

/** Granule of the realm descriptor. */
export function realmOf(rec: usize): usize {
  return granuleAt(field(rec, REALM));
}

export function isRunnable(rec: usize): bool {
  return field(rec, RUNNABLE) != 0;
}

export function auxCountOf(rec: usize): u32 {
  return field(rec, AUX_COUNT) as u32;
}

export function auxOf(rec: usize, index: u32): usize {
  return granuleAt(field(rec, AUX + ((index as usize) << 3)));
}

export function addAux(rec: usize, pa: u64): void {
  const count = field(rec, AUX_COUNT);
  setField(rec, AUX + ((count as usize) << 3), pa);
  setField(rec, AUX_COUNT, count + 1);
}

/** EXIT_*, or -1: it never ran. */
export function lastExit(rec: usize): i32 {
  return (field(rec, LAST_EXIT) as i32) - 1;
}

/** Whether that was an access to the unprotected half, which the host may emulate. */
export function wasUnprotected(rec: usize): bool {
  return field(rec, EXIT_UNPROTECTED) != 0;
}

export function setLastExit(rec: usize, reason: i32, unprotected: bool): void {
  setField(rec, LAST_EXIT, (reason + 1) as u64);
  setField(rec, EXIT_UNPROTECTED, unprotected ? 1 : 0);
}

/** Where the exit is recorded. */
export function runPage(rec: usize): u64 {
  return field(rec, RUN);
}

export function setRunPage(rec: usize, pa: u64): void {
  setField(rec, RUN, pa);
}

// What the realm asked for by RSI_IPA_STATE_SET, until the REC runs again.

export function isPending(rec: usize): bool {
  return field(rec, PENDING_RIPAS) != 0;
}

export function pendingRipas(rec: usize): i32 {
  return (field(rec, PENDING_RIPAS) as i32) - 1;
}

export function maySetDestroyed(rec: usize): bool {
  return field(rec, PENDING_DESTROYED) != 0;
}

export function pendingTop(rec: usize): u64 {
  return field(rec, PENDING_TOP);
}

/** The first address that is not done. */
export function pendingNext(rec: usize): u64 {
  return field(rec, PENDING_NEXT);
}

export function setPendingNext(rec: usize, ipa: u64): void {
  setField(rec, PENDING_NEXT, ipa);
}

export function askFor(rec: usize, base: u64, top: u64, ripas: i32, destroyed: bool): void {
  setField(rec, PENDING_RIPAS, (ripas + 1) as u64);
  setField(rec, PENDING_DESTROYED, destroyed ? 1 : 0);
  setField(rec, PENDING_TOP, top);
  setField(rec, PENDING_NEXT, base);
}

export function forgetRequest(rec: usize): void {
  for (let at = PENDING_RIPAS; at <= PENDING_NEXT; at += 8) setField(rec, at, 0);
}
