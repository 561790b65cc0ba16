// Memory attributes of a translation: what stage 2 says, and what comes of it together with stage 1
// (DDI 0487 D8.6; Arm's architecture model, S2DecodeMemAttrs, AArch64_S2ApplyFWBMemAttrs, S2CombineS1MemAttrs;
// reference stage2-walk section 8). Attributes are packed as abi/walk.ts draws them.

import {
  ATTRIBUTE_INNER_SHIFT,
  ATTRIBUTE_OUTER_SHIFT,
  ATTRIBUTE_SH,
  INNER_SHAREABLE,
  NON_CACHEABLE,
  NON_SHAREABLE,
  OUTER_SHAREABLE,
  WRITE_BACK,
} from "../abi/walk";
import { isFetch, isTableAccess } from "./access";
import { MEMATTR, MEMATTR_SHIFT } from "./descriptor";
import { FORMAT_LPA2, Regime } from "./registers";

function normal(innerCache: u32, outerCache: u32, sh: u32): u32 {
  return (outerCache << ATTRIBUTE_OUTER_SHIFT) | (innerCache << ATTRIBUTE_INNER_SHIFT) | sh;
}

function device(type: u32, sh: u32): u32 {
  return (type << ATTRIBUTE_INNER_SHIFT) | sh;
}

function inner(attributes: u32): u32 {
  return (attributes >> ATTRIBUTE_INNER_SHIFT) & 3;
}

function outer(attributes: u32): u32 {
  return attributes >> ATTRIBUTE_OUTER_SHIFT;
}

export function isDevice(attributes: u32): bool {
  return outer(attributes) == 0;
}

/** What stage 2 says of a leaf; with FWB already merged with stage 1. */
export function stage2Attributes(regime: Regime, leaf: u64): u32 {
  const memAttr = ((leaf & MEMATTR) >> MEMATTR_SHIFT) as u32;
  const sh = leafShareability(regime, leaf);
  return regime.fwb ? forceWriteBack(regime.stage1Attributes, memAttr & 7, sh) : decodeMemAttr(memAttr, sh);
}

/** Whether the access is to Device memory as far as stage 2 tells. */
export function stage2IsDevice(regime: Regime, leaf: u64): bool {
  return isDevice(stage2Attributes(regime, leaf));
}

// 01 is reserved and taken as non-shareable (section 12).
function leafShareability(regime: Regime, leaf: u64): u32 {
  const sh = regime.format == FORMAT_LPA2 ? regime.leafShareability : (((leaf >> 8) & 3) as u32);
  return sh == 1 ? NON_SHAREABLE : sh;
}

// Without FWB. A Normal inner field of 00 is reserved and taken as Non-cacheable (section 12).
function decodeMemAttr(memAttr: u32, sh: u32): u32 {
  if (memAttr >> 2 == 0) return device(memAttr, sh);
  return normal(max(memAttr & 3, NON_CACHEABLE), memAttr >> 2, sh);
}

// With FWB: MemAttr[2:0] = 0xx Device of that type, 10x Non-cacheable, 110 Write-Back, 111 as stage 1.
function forceWriteBack(stage1: u32, memAttr: u32, sh: u32): u32 {
  const shareability = combineShareability(stage1 & ATTRIBUTE_SH, sh);
  let type = stage1 & ~ATTRIBUTE_SH;
  if (memAttr == 6) type = normal(WRITE_BACK, WRITE_BACK, 0);
  else if (memAttr < 4) type = device(isDevice(stage1) ? min(inner(stage1), memAttr) : memAttr, 0);
  else if (memAttr != 7 && !isDevice(stage1)) type = normal(NON_CACHEABLE, NON_CACHEABLE, 0);
  return withEffectiveShareability(type | shareability);
}

/** What the access is made with: substitutions, then the combination with stage 1. */
export function finalAttributes(regime: Regime, stage2: u32, access: u32): u32 {
  const used = isNonCacheable(regime, stage2, access) ? normal(NON_CACHEABLE, NON_CACHEABLE, OUTER_SHAREABLE) : stage2;
  return regime.fwb ? used : combine(regime.stage1Attributes, used);
}

// Fetches and stage-1 table accesses of Device memory are made as Normal Non-cacheable, and so is what HCR_EL2.ID
// (fetches) and CD (everything else that is Normal) say.
function isNonCacheable(regime: Regime, stage2: u32, access: u32): bool {
  if (isFetch(access)) return isDevice(stage2) || regime.instructionCacheDisabled;
  return isDevice(stage2) ? isTableAccess(access) : regime.dataCacheDisabled;
}

/** S2CombineS1MemAttrs: the stricter Device type, or the weaker cacheability on each side. */
function combine(stage1: u32, stage2: u32): u32 {
  const sh = combineShareability(stage1 & ATTRIBUTE_SH, stage2 & ATTRIBUTE_SH);
  let type: u32;
  if (isDevice(stage1) == isDevice(stage2)) {
    // Lower is stricter for Device types and weaker for caches.
    type = normal(min(inner(stage1), inner(stage2)), min(outer(stage1), outer(stage2)), 0);
  } else {
    type = (isDevice(stage1) ? stage1 : stage2) & ~ATTRIBUTE_SH;
  }
  return withEffectiveShareability(type | sh);
}

function combineShareability(stage1: u32, stage2: u32): u32 {
  if (stage1 == OUTER_SHAREABLE || stage2 == OUTER_SHAREABLE) return OUTER_SHAREABLE;
  return stage1 == INNER_SHAREABLE || stage2 == INNER_SHAREABLE ? INNER_SHAREABLE : NON_SHAREABLE;
}

/** Device, and Normal memory that no cache keeps, is outer shareable. */
function withEffectiveShareability(attributes: u32): u32 {
  const isUncached = inner(attributes) == NON_CACHEABLE && outer(attributes) == NON_CACHEABLE;
  return isDevice(attributes) || isUncached ? (attributes & ~ATTRIBUTE_SH) | OUTER_SHAREABLE : attributes;
}
