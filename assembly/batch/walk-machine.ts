// Walks alone: one regime over a sparse memory. What is not a register here is a word at an address.

import {
  REGIME_BASE,
  REGIME_GRANULE_SHIFT,
  REGIME_INPUT_BITS,
  REGIME_OUTPUT_BITS,
  REGIME_SIZE,
  REGIME_START,
  REGIME_STATUS,
  REGISTERS_SIZE,
  REQUEST_ACCESS,
  REQUEST_IPA,
  REQUEST_SIZE,
  TRANSLATION_SIZE,
  WALK_BATCH,
} from "../abi/walk";
import { CREATE_OK, CREATE_TOO_LARGE } from "../abi/codes";
import { explainTranslation } from "../arch/explain";
import { decodeRegime, Regime, REGIME_BYTES, Registers } from "../arch/registers";
import { reserve } from "../memory/heap";
import { setAbortRange } from "../memory/physical";
import { digestWords, readWord, reserveSparse, writeWord } from "../memory/sparse";

let regime: Regime = changetype<Regime>(0);
let registers: usize = 0;
let requests: usize = 0;
let translations: usize = 0;

/** Registers, requests and translations: the windows lie below the machine's state. */
export function reserveWalkWindows(): void {
  if (registers != 0) return;
  registers = reserve(max(REGISTERS_SIZE, REGIME_SIZE));
  requests = reserve(WALK_BATCH * REQUEST_SIZE);
  translations = reserve(WALK_BATCH * TRANSLATION_SIZE);
}

/** An empty memory, and a regime that is off until registers are written. CREATE_*. */
export function createWalkMachine(): i32 {
  const at = reserve(REGIME_BYTES);
  if (at == 0 || !reserveSparse()) return CREATE_TOO_LARGE;
  regime = changetype<Regime>(at);
  return CREATE_OK;
}

export function walkRegisters(): usize {
  return registers;
}

export function walkRequests(): usize {
  return requests;
}

export function walkTranslations(): usize {
  return translations;
}

/** Takes the registers of the window; puts the decoded regime (REGIME_SIZE) in their place. */
export function walkSetRegisters(): void {
  const written = changetype<Registers>(registers);
  decodeRegime(regime, written);
  setAbortRange(written.abortFirst, written.abortEnd);
  store<u32>(registers, regime.status, REGIME_STATUS);
  store<u32>(registers, regime.granuleShift, REGIME_GRANULE_SHIFT);
  store<u32>(registers, regime.inputBits, REGIME_INPUT_BITS);
  store<u32>(registers, regime.outputBits, REGIME_OUTPUT_BITS);
  store<i32>(registers, regime.startLevel, REGIME_START);
  store<u64>(registers, regime.base, REGIME_BASE);
}

/** Writes `count` words (address, value) of the request window to memory; how many found room. */
export function walkWriteWords(count: i32): i32 {
  for (let i = 0; i < min(count, WALK_BATCH); i++) {
    const word = requests + (i as usize) * REQUEST_SIZE;
    if (!writeWord(load<u64>(word), load<u64>(word, 8))) return i;
  }
  return count;
}

export function walkReadWord(pa: u64): u64 {
  return readWord(pa);
}

export function walkDigest(): u64 {
  return digestWords();
}

/** Runs the first `count` requests in order, each with everything that can be said of it; how many were translated. */
export function walkExplain(count: i32): i32 {
  let translated = 0;
  for (let i = 0; i < min(count, WALK_BATCH); i++) {
    const request = requests + (i as usize) * REQUEST_SIZE;
    const ipa = load<u64>(request, REQUEST_IPA);
    const access = load<u32>(request, REQUEST_ACCESS);
    if (explainTranslation(regime, ipa, access, translations + (i as usize) * TRANSLATION_SIZE)) translated++;
  }
  return translated;
}
