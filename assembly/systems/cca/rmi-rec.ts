// REC_CREATE, REC_DESTROY, REC_AUX_COUNT: virtual CPUs of a realm (reference cca section 6.6; rmi/rec.c).

import * as abi from "../../abi/cca";
import { RMM_AUX_DOUBLE_LOCK } from "../../abi/mutations";
import { readU64, wipePage } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { isNonSecure } from "./gpt";
import {
  addReferences,
  findLocked,
  findNonSecure,
  gptOf,
  granuleAt,
  lock,
  lockTwo,
  paOf,
  refcountOf,
  setGranuleState,
  unlock,
  unlockAs,
} from "./granule";
import { nextRec, setNextRec } from "./realm";
import { addAux, auxCountOf, auxOf, initRec, realmOf } from "./rec";
import { answerWith, done, fail, refused } from "./refusal";
import { isRealmIn } from "./rmi-realm";

/** RECs of a realm, at most. */
const MAX_RECS: u64 = 512;

export function recAuxCount(rdPa: u64): i32 {
  const rd = findLocked(rdPa, abi.GRANULE_RD);
  if (rd == 0) return refused();
  answerWith(abi.REC_AUX_GRANULES, 0);
  unlock(rd);
  return done();
}

//            before       after
//   rec      DELEGATED    REC
//   aux      DELEGATED    REC_AUX
//   rd       n RECs       n + 1
export function recCreate(rdPa: u64, recPa: u64, params: u64): i32 {
  if (!areParamsValid(params) || !takeAux(params)) return refused();
  if (!lockTwo(recPa, abi.GRANULE_DELEGATED, rdPa, abi.GRANULE_RD)) {
    giveAuxBack(params, auxCount(params));
    return refused();
  }
  const rd = granuleAt(rdPa);
  const rec = granuleAt(recPa);
  const isDone = canHaveRec(rd, params);
  if (isDone) {
    initRec(rec, rdPa, nextRec(rd), (readU64(params + abi.REC_PARAMS_FLAGS) & abi.REC_RUNNABLE) != 0);
    for (let i: u32 = 0; i < auxCount(params); i++) addAux(rec, auxPa(params, i));
    setNextRec(rd, nextRec(rd) + 1);
    addReferences(rd, 1);
  } else giveAuxBack(params, auxCount(params));
  unlockAs(rec, isDone ? abi.GRANULE_REC : abi.GRANULE_DELEGATED);
  unlock(rd);
  return isDone ? done() : refused();
}

function areParamsValid(params: u64): bool {
  const page = findNonSecure(params);
  if (page == 0) return false;
  if (!isNonSecure(page)) return fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_READ, params, abi.GPT_NS, gptOf(page));
  const flags = readU64(params + abi.REC_PARAMS_FLAGS);
  if (flags > (abi.REC_RUNNABLE as u64)) {
    return fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_FLAGS, params, abi.REC_RUNNABLE, flags as u32);
  }
  const count = auxCount(params);
  if (count <= (abi.MAX_REC_AUX as u32)) return true;
  return fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_AUX_COUNT, params, abi.MAX_REC_AUX, count);
}

function auxCount(params: u64): u32 {
  return readU64(params + abi.REC_PARAMS_NUM_AUX) as u32;
}

function auxPa(params: u64, index: u32): u64 {
  return readU64(params + abi.REC_PARAMS_AUX + ((index as u64) << 3));
}

// All auxiliary granules, or none.
function takeAux(params: u64): bool {
  for (let i: u32 = 0; i < auxCount(params); i++) {
    const aux = findLocked(auxPa(params, i), abi.GRANULE_DELEGATED);
    if (aux == 0) {
      giveAuxBack(params, i);
      return false;
    }
    setGranuleState(aux, abi.GRANULE_REC_AUX);
    if (!isMutated(RMM_AUX_DOUBLE_LOCK)) unlock(aux);
  }
  if (isMutated(RMM_AUX_DOUBLE_LOCK)) unlockAux(params);
  return true;
}

// With the bug they are all held until the last is there.
function unlockAux(params: u64): void {
  for (let i: u32 = 0; i < auxCount(params); i++) unlock(granuleAt(auxPa(params, i)));
}

function giveAuxBack(params: u64, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const aux = granuleAt(auxPa(params, i));
    if (!lock(aux)) return;
    unlockAs(aux, abi.GRANULE_DELEGATED);
  }
}

function canHaveRec(rd: usize, params: u64): bool {
  if (nextRec(rd) >= MAX_RECS) return fail(abi.RMI_ERROR_REALM, abi.REASON_RMM_RECS, paOf(rd), MAX_RECS as u32, 0);
  if (!isRealmIn(rd, abi.REALM_NEW)) return false;
  const index = readU64(params + abi.REC_PARAMS_INDEX);
  if (index != nextRec(rd)) {
    return fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_REC_INDEX, params, nextRec(rd) as u32, index as u32);
  }
  const count = auxCount(params);
  if (count == (abi.REC_AUX_GRANULES as u32)) return true;
  return fail(abi.RMI_ERROR_INPUT, abi.REASON_RMM_AUX_COUNT, params, abi.REC_AUX_GRANULES, count);
}

//            before               after
//   rec      REC, not running     DELEGATED, zero
//   aux      REC_AUX              DELEGATED, zero
//   rd       n RECs               n - 1
export function recDestroy(recPa: u64): i32 {
  const rec = findLocked(recPa, abi.GRANULE_REC);
  if (rec == 0) return refused();
  if (refcountOf(rec) != 0) {
    fail(abi.RMI_ERROR_REC, abi.REASON_RMM_RUNNING, recPa, 0, 0);
    unlock(rec);
    return refused();
  }
  for (let i: u32 = 0; i < auxCountOf(rec); i++) {
    const aux = auxOf(rec, i);
    if (!lock(aux)) return refused();
    wipePage(aux);
    unlockAs(aux, abi.GRANULE_DELEGATED);
  }
  addReferences(realmOf(rec), -1);
  wipePage(rec);
  unlockAs(rec, abi.GRANULE_DELEGATED);
  return done();
}
