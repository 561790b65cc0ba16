// Protection flags and the stage-2 attributes made of them (kvm/hyp/pgtable.c:stage2_set_prot_attr; reference 2.3).

import { FEATURE_DIC, FEATURE_FWB, FEATURE_TLB_RANGE, FEATURE_XNX } from "../abi/config";
import { EINVAL, REASON_HOST_PROT, REASON_PROT } from "../abi/codes";
import {
  AF,
  isValid,
  MEMATTR,
  MEMATTR_SHIFT,
  S2AP_R,
  S2AP_W,
  SH_IS,
  SW,
  XN,
  XN_ALL,
  XN_NONE,
  XN_PX,
  XN_SHIFT,
  XN_UX,
} from "../arch/descriptor";
import { refuse } from "../memory/verdict";
import { AS_S1, Stage2 } from "./stage2-table";

// enum kvm_pgtable_prot. SW bits stand where the descriptor has them.
export const PROT_PX: u64 = 1;
export const PROT_UX: u64 = 2;
export const PROT_X: u64 = 3;
export const PROT_W: u64 = 4;
export const PROT_R: u64 = 8;
export const PROT_DEVICE: u64 = 16;
export const PROT_NORMAL_NC: u64 = 32;
export const PROT_RW: u64 = 12;
export const PROT_RWX: u64 = 15;

/** CPU features that change encodings and maintenance; set with the machine. */
export let hasFwb: bool = false;
export let hasDic: bool = false;
export let hasXnx: bool = false;
export let hasTlbRange: bool = false;

/** FEATURE_* of abi/config.ts. */
export function setFeatures(features: u32): void {
  hasFwb = (features & FEATURE_FWB) != 0;
  hasDic = (features & FEATURE_DIC) != 0;
  hasXnx = (features & FEATURE_XNX) != 0;
  hasTlbRange = (features & FEATURE_TLB_RANGE) != 0;
}

/** MemAttr of normal memory in this table: what cache maintenance goes by. */
export function normalMemAttr(table: Stage2): u64 {
  if (!hasFwb) return 15;
  return table.flags & AS_S1 ? 7 : 6;
}

export function isNormal(table: Stage2, descriptor: u64): bool {
  return (descriptor & MEMATTR) >> MEMATTR_SHIFT == normalMemAttr(table);
}

function memAttr(table: Stage2, prot: u64): u64 {
  if (table.flags & AS_S1) return normalMemAttr(table);
  if (prot & PROT_DEVICE) return 1;
  if (prot & PROT_NORMAL_NC) return 5;
  return normalMemAttr(table);
}

/** Attributes of the last successful `setAttributes`. */
export let attributes: u64 = 0;

/** stage2_set_prot_attr: sets `attributes` to the leaf without its address. -EINVAL for what cannot be encoded. */
export function setAttributes(table: Stage2, prot: u64): i32 {
  const kind = prot & (PROT_DEVICE | PROT_NORMAL_NC);
  if (kind == (PROT_DEVICE | PROT_NORMAL_NC) || (kind != 0 && (prot & PROT_X) != 0)) {
    return refuse(EINVAL, REASON_HOST_PROT, prot, 0, prot as u32);
  }
  const xn = executeNever(prot);
  if (xn < 0) return xn;
  let leaf = AF | SH_IS | (memAttr(table, prot) << MEMATTR_SHIFT) | ((xn as u64) << XN_SHIFT) | (prot & SW);
  if (prot & PROT_R) leaf |= S2AP_R;
  if (prot & PROT_W) leaf |= S2AP_W;
  attributes = leaf;
  return 0;
}

/** The XN field for the execute bits of `prot`, or -EINVAL: without XNX both levels execute or none does. */
export function executeNever(prot: u64): i32 {
  const execute = prot & PROT_X;
  if (!hasXnx && execute != 0 && execute != PROT_X) return refuse(EINVAL, REASON_PROT, prot, 0, prot as u32);
  if (execute == PROT_X) return XN_NONE as i32;
  if (execute == PROT_UX) return XN_UX as i32;
  if (execute == PROT_PX) return XN_PX as i32;
  return XN_ALL as i32;
}

/** stage2_pte_prot: what a leaf grants. The memory type is not decoded (reference 2.9: a split loses it). */
export function protOf(descriptor: u64): u64 {
  let prot = descriptor & SW;
  if (!isValid(descriptor)) return prot;
  if (descriptor & S2AP_R) prot |= PROT_R;
  if (descriptor & S2AP_W) prot |= PROT_W;
  const xn = (descriptor & XN) >> XN_SHIFT;
  if (xn == XN_NONE || xn == XN_PX) prot |= PROT_PX;
  if (xn == XN_NONE || xn == XN_UX) prot |= PROT_UX;
  return prot;
}
