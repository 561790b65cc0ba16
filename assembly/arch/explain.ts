// A translation with everything that can be said of it: attributes, syndrome, the way through the tables. Packed as
// abi/walk.ts draws it. Callers who only want the address read the globals of translate.ts and pay for none of this.

import {
  FAULT_NONE,
  REGIME_OFF,
  TRANSLATION_ATTRIBUTES,
  TRANSLATION_CONTIGUOUS,
  TRANSLATION_DESCRIPTOR,
  TRANSLATION_ESR,
  TRANSLATION_FAULT,
  TRANSLATION_HPFAR,
  TRANSLATION_HPFAR_VALID,
  TRANSLATION_LEVEL,
  TRANSLATION_PA,
  TRANSLATION_READS,
  TRANSLATION_S2AP,
  TRANSLATION_SIZE,
  TRANSLATION_STAGE2_ATTRIBUTES,
  TRANSLATION_STEPS,
  TRANSLATION_TRACE,
  TRANSLATION_TRACE_ENTRY,
  TRANSLATION_UPDATE_ADDRESS,
  TRANSLATION_UPDATE_AFTER,
  TRANSLATION_UPDATE_BEFORE,
  TRANSLATION_UPDATES,
  TRANSLATION_XN,
} from "../abi/walk";
import { finalAttributes, stage2Attributes } from "./memory-attributes";
import { Regime } from "./registers";
import { encodeEsr, encodeHpfar, isHpfarValid } from "./syndrome";
import {
  fault,
  isContiguous,
  leaf,
  leafAddress,
  level,
  oldLeaf,
  outputAddress,
  rawDescriptor,
  reads,
  trace,
  translate,
  usedS2ap,
  usedXn,
  writeFaulted,
} from "./translate";

/** Translates one access and describes the outcome at `result` (TRANSLATION_SIZE bytes). False on a fault. */
export function explainTranslation(regime: Regime, ipa: u64, access: u32, result: usize): bool {
  const translated = translate(regime, ipa, access);
  memory.fill(result, 0, TRANSLATION_SIZE);
  store<u32>(result, fault, TRANSLATION_FAULT);
  store<i32>(result, level, TRANSLATION_LEVEL);
  describeWay(result);
  if (!translated) describeFault(ipa, access, result);
  else if (regime.status == REGIME_OFF) describeFlat(regime, result);
  else describeLeaf(regime, access, result);
  return translated;
}

function describeWay(result: usize): void {
  const updates: u32 = fault == FAULT_NONE && leaf != oldLeaf ? 1 : 0;
  const steps = reads - updates;
  store<u8>(result, reads, TRANSLATION_READS);
  store<u8>(result, updates, TRANSLATION_UPDATES);
  store<u8>(result, steps, TRANSLATION_STEPS);
  memory.copy(result + TRANSLATION_TRACE, trace, (steps as usize) * TRANSLATION_TRACE_ENTRY);
}

function describeFault(ipa: u64, access: u32, result: usize): void {
  store<u64>(result, encodeEsr(fault, level, access, writeFaulted), TRANSLATION_ESR);
  if (!isHpfarValid(fault, access)) return;
  store<u8>(result, 1, TRANSLATION_HPFAR_VALID);
  store<u64>(result, encodeHpfar(ipa), TRANSLATION_HPFAR);
}

/** Stage 2 off: nothing changes. */
function describeFlat(regime: Regime, result: usize): void {
  store<u64>(result, outputAddress, TRANSLATION_PA);
  store<u8>(result, 3, TRANSLATION_S2AP);
  store<u32>(result, regime.stage1Attributes, TRANSLATION_STAGE2_ATTRIBUTES);
  store<u32>(result, regime.stage1Attributes, TRANSLATION_ATTRIBUTES);
}

function describeLeaf(regime: Regime, access: u32, result: usize): void {
  const attributes = stage2Attributes(regime, leaf);
  store<u64>(result, outputAddress, TRANSLATION_PA);
  store<u64>(result, leaf, TRANSLATION_DESCRIPTOR);
  store<u8>(result, (usedS2ap(regime) >> 6) as u32, TRANSLATION_S2AP);
  store<u8>(result, usedXn(regime) as u32, TRANSLATION_XN);
  store<u8>(result, isContiguous(regime) ? 1 : 0, TRANSLATION_CONTIGUOUS);
  store<u32>(result, attributes, TRANSLATION_STAGE2_ATTRIBUTES);
  store<u32>(result, finalAttributes(regime, attributes, access), TRANSLATION_ATTRIBUTES);
  if (leaf == oldLeaf) return;
  store<u64>(result, leafAddress, TRANSLATION_UPDATE_ADDRESS);
  store<u64>(result, rawDescriptor(regime, oldLeaf), TRANSLATION_UPDATE_BEFORE);
  store<u64>(result, rawDescriptor(regime, leaf), TRANSLATION_UPDATE_AFTER);
}
