// Accesses by the host and by guests: translated by the architecture's walk over the tables as they stand (with the TLB on,
// by what it holds of them), then carried out on page contents. No hypervisor runs here: what a fault leads to is the
// caller's next operation.

import {
  ACCESS_BYTES,
  ACCESS_FLAGS,
  ACCESS_IPA,
  ACCESS_RECORD_SIZE,
  ACCESS_UNALIGNED,
  ACCESS_VALUE,
  ACCESS_VM,
  ANSWER_DONE,
  ANSWER_ESR,
  ANSWER_FAULT,
  ANSWER_FAULTED,
  ANSWER_HPFAR,
  ANSWER_HPFAR_VALID,
  ANSWER_INVALID,
  ANSWER_LEVEL,
  ANSWER_NO_MEMORY,
  ANSWER_NO_STAGE2,
  ANSWER_PA,
  ANSWER_SIZE,
  ANSWER_STATUS,
  ANSWER_VALUE,
  FAULT_GRANULE_PROTECTION,
  NO_STAGE2,
  REGIME_OFF,
  REGISTERS_SIZE,
} from "../abi/walk";
import { KIND_CCA, KIND_GUNYAH, KIND_KVM } from "../abi/config";
import { TLB_OFF } from "../abi/tlb";
import { isWrite } from "../arch/access";
import { explainTranslation } from "../arch/explain";
import { iaBits, pageMask, pageShift } from "../arch/geometry";
import { decodeRegime, Regime, REGIME_BYTES, Registers } from "../arch/registers";
import { encodeEsr, encodeHpfar, isHpfarValid } from "../arch/syndrome";
import { tlbMode } from "../arch/tlb";
import { translateThroughTlb } from "../arch/tlb-walk";
import { fault, leaf, level, outputAddress, translate, writeFaulted } from "../arch/translate";
import { readSized, writeSized } from "../memory/dram";
import { memoryPageOf } from "../memory/regions";
import { loadRegisters } from "../pagetable/regime";
import { isReached } from "../systems/cca/machine";
import { canProtect, isSecurePage } from "../systems/ffa/firmware";
import { isReplayed } from "../systems/pkvm/machine";
import { hasSecureWorld, isPkvm, kind } from "./machine";
import { isSecureOutput, isSecureWorlds, tableOf } from "./tables";
import { walkRegisters, walkTranslations } from "./walk-machine";

/** No handle: handles have 16 bits. */
const NONE: u32 = u32.MAX_VALUE;

export const regime: Regime = changetype<Regime>(memory.data(REGIME_BYTES as i32, 8));
/** Handle whose regime is loaded; NONE after the machine may have changed. */
let current: u32 = NONE;
let currentVmid: u32 = 0;

/** Decodes the regime of a VM or of the host. False if there is no such stage 2. */
function enter(handle: u32): bool {
  if (handle == current) return true;
  const table = tableOf(handle);
  const registers = changetype<Registers>(walkRegisters());
  if (table != null) {
    loadRegisters(registers, table, physicalBits(handle));
    currentVmid = table.vmid;
  } else {
    const isCca = isDefined(EXPLORING) && kind == KIND_CCA;
    if (handle != 0 || (!isCca && kind != KIND_KVM)) return false;
    // A plain KVM host runs with HCR_EL2.VM clear: addresses go straight to memory.
    memory.fill(changetype<usize>(registers), 0, REGISTERS_SIZE);
  }
  decodeRegime(regime, registers);
  current = handle;
  return true;
}

/** The same for a machine that may have changed since. */
export function enterAnew(handle: u32): bool {
  current = NONE;
  return enter(handle);
}

// Tables of other machines than a pKVM host, and of its secure world, lie in frames beyond everything their input addresses reach.
// Gunyah maps up to 44 bits of physical addresses into 36-bit spaces.
function physicalBits(handle: u32): u32 {
  if (kind == KIND_GUNYAH) return 44;
  if (isPkvm && !isReplayed && !isSecureWorlds(handle)) return iaBits;
  return pageShift == 16 ? 52 : 48;
}

/** Runs `count` packed accesses in order; answers go to `answers`. Layouts: abi/walk.ts. */
export function runAccesses(accesses: usize, answers: usize, count: i32): void {
  current = NONE;
  for (let i: usize = 0; i < (count as usize); i++) {
    runAccess(accesses + i * ACCESS_RECORD_SIZE, answers + i * ANSWER_SIZE);
  }
}

function runAccess(record: usize, answer: usize): void {
  const ipa = load<u64>(record, ACCESS_IPA);
  const bytes = load<u8>(record, ACCESS_BYTES) as u32;
  memory.fill(answer, 0, ANSWER_SIZE);
  if (!isSize(bytes) || (ipa & pageMask) + bytes > pageMask + 1) {
    store<u8>(answer, ANSWER_INVALID, ANSWER_STATUS);
    return;
  }
  if (!enter(load<u16>(record, ACCESS_VM))) {
    store<u8>(answer, ANSWER_NO_STAGE2, ANSWER_STATUS);
    return;
  }
  let access = load<u32>(record, ACCESS_FLAGS);
  if ((ipa & (bytes - 1)) != 0) access |= ACCESS_UNALIGNED;
  const isOff = tlbMode == TLB_OFF || regime.status == REGIME_OFF;
  const goesAhead = isOff ? translate(regime, ipa, access) : translateThroughTlb(regime, currentVmid, ipa, access);
  if (!goesAhead) answerFault(answer, fault, ipa, access, writeFaulted);
  else if (isGranuleProtected()) answerFault(answer, FAULT_GRANULE_PROTECTION, ipa, access, false);
  else transfer(record, answer, bytes, isWrite(access));
}

// The granule protection check of the final access: the page is in the other physical address space.
function isGranuleProtected(): bool {
  if (isDefined(EXPLORING) && kind == KIND_CCA) return !isReached(current, outputAddress, leaf);
  return hasSecureWorld && canProtect && isSecurePage(outputAddress) != isSecureOutput(current);
}

function isSize(bytes: u32): bool {
  return popcnt(bytes) == 1 && bytes <= 8;
}

function transfer(record: usize, answer: usize, bytes: u32, isStore: bool): void {
  const pa = outputAddress;
  const isMemory = memoryPageOf(pa >> pageShift) != 0;
  store<u64>(answer, pa, ANSWER_PA);
  store<u8>(answer, isMemory ? ANSWER_DONE : ANSWER_NO_MEMORY, ANSWER_STATUS);
  store<i8>(answer, level, ANSWER_LEVEL);
  if (!isMemory) return;
  store<u64>(answer, readSized(pa, bytes), ANSWER_VALUE);
  if (isStore) writeSized(pa, bytes, load<u64>(record, ACCESS_VALUE));
}

function answerFault(answer: usize, what: i32, ipa: u64, access: u32, atWrite: bool): void {
  store<u8>(answer, ANSWER_FAULTED, ANSWER_STATUS);
  store<u8>(answer, what, ANSWER_FAULT);
  store<i8>(answer, level, ANSWER_LEVEL);
  store<u32>(answer, encodeEsr(what, level, access, atWrite) as u32, ANSWER_ESR);
  if (!isHpfarValid(what, access)) return;
  store<u8>(answer, 1, ANSWER_HPFAR_VALID);
  store<u64>(answer, encodeHpfar(ipa), ANSWER_HPFAR);
}

/**
 * One translation with all that can be said of it, to the translation window; no data moves. Returns the start level of the
 * regime, which the trace begins at, or NO_STAGE2 if there is no such stage 2.
 */
export function explainAccess(handle: u32, ipa: u64, access: u32): i32 {
  if (!enterAnew(handle)) return NO_STAGE2;
  explainTranslation(regime, ipa, access, walkTranslations());
  return regime.startLevel;
}
