// The stage-2 walk of the EL1&0 regime, every check in the architecture's order (DDI 0487 D8; Arm's architecture model,
// AArch64_S2Translate and AArch64_S2Walk; reference stage2-walk sections 4 to 7).
//
// The results are in the globals below, because a walk allocates nothing. Attributes and syndromes are made from them by
// whoever wants them: explain.ts.

import {
  ACCESS_ATOMIC,
  ACCESS_EL0,
  ACCESS_FETCH,
  ACCESS_KIND,
  ACCESS_READ,
  ACCESS_TABLE_UPDATE,
  ACCESS_UNALIGNED,
  ACCESS_WRITE,
  FAULT_ABORT_ON_WALK,
  FAULT_ACCESS_FLAG,
  FAULT_ADDRESS_SIZE,
  FAULT_ALIGNMENT,
  FAULT_NONE,
  FAULT_PERMISSION,
  FAULT_TRANSLATION,
  REGIME_LEGAL,
  REGIME_OFF,
  TRANSLATION_TRACE_ENTRIES,
  TRANSLATION_TRACE_ENTRY,
} from "../abi/walk";
import { aborted, readPhysical, writePhysical } from "../memory/physical";
import { isWrite } from "./access";
import {
  AF,
  CONTIGUOUS,
  DBM,
  NT,
  S2AP_R,
  S2AP_W,
  TABLE,
  TYPE,
  VALID,
  XN,
  XN_ALL,
  XN_PX,
  XN_SHIFT,
  XN_UX,
} from "./descriptor";
import { stage2IsDevice } from "./memory-attributes";
import { contiguousShift, FORMAT_48, FORMAT_LPA, indexShift, Regime } from "./registers";

/** FAULT_*. */
export let fault: i32 = FAULT_NONE;
/** Level of the fault or the leaf. */
export let level: i32 = 0;
/** Where the walk leads, if there is no fault. */
export let outputAddress: u64 = 0;
/** The leaf, as a native number, after a hardware update; and its address. */
export let leaf: u64 = 0;
export let leafAddress: u64 = 0;
/** The leaf before the update. */
export let oldLeaf: u64 = 0;
/** Descriptor reads, aborted ones and the compare-and-swap of an update included. */
export let reads: u32 = 0;
/** An atomic access that a plain read would have got past: the fault is the write's (WnR). */
export let writeFaulted: bool = false;

/** The tables read, one entry per level from the start level on: 0 u64 address | 8 u64 descriptor. */
export const trace: usize = memory.data(TRANSLATION_TRACE_ENTRIES * TRANSLATION_TRACE_ENTRY, 8);

/** Translates one access (ACCESS_*), updating the leaf where the hardware would. False on a fault. */
export function translate(regime: Regime, ipa: u64, access: u32): bool {
  fault = FAULT_NONE;
  reads = 0;
  writeFaulted = false;
  if (regime.status == REGIME_OFF) return passThrough(ipa); // 6.1
  if (regime.status != REGIME_LEGAL) return faults(FAULT_TRANSLATION, 0); // 6.2, 6.3
  if (ipa >> regime.inputBits != 0) return faults(FAULT_TRANSLATION, 0); // 6.4
  return (
    walkTables(regime, ipa) && checkLeaf(regime, ipa) && checkPermissions(regime, access) && updateLeaf(regime, access)
  );
}

/** As `translate`, by a leaf of level `at` that a TLB holds: no table is read, nothing is updated. */
export function translateByLeaf(regime: Regime, descriptor: u64, at: i32, ipa: u64, access: u32): bool {
  fault = FAULT_NONE;
  reads = 0;
  writeFaulted = false;
  leaf = descriptor;
  oldLeaf = descriptor;
  level = at;
  return checkLeaf(regime, ipa) && checkPermissions(regime, access);
}

function faults(kind: i32, at: i32): bool {
  fault = kind;
  level = at;
  return false;
}

function passThrough(ipa: u64): bool {
  outputAddress = ipa;
  level = 0;
  leaf = 0;
  oldLeaf = 0;
  return true;
}

/** Follows tables to the entry that is none: a leaf, or nothing. */
function walkTables(regime: Regime, ipa: u64): bool {
  let address = regime.base | ((ipa >> indexShift(regime, regime.startLevel)) << 3);
  if (address >= regime.outputEnd) return faults(FAULT_ADDRESS_SIZE, 0); // 6.5
  for (let at = regime.startLevel; at <= 3; at++) {
    const descriptor = readDescriptor(regime, address);
    if (aborted) return faults(FAULT_ABORT_ON_WALK, at); // 6.6
    if ((descriptor & TABLE) != TABLE || at == 3) return takeLeaf(regime, descriptor, address, at);
    address = nextEntry(regime, descriptor, ipa, at + 1);
    if (address >= regime.outputEnd) return faults(FAULT_ADDRESS_SIZE, at); // 6.8
  }
  return false; // not reached: level 3 has no tables
}

function readDescriptor(regime: Regime, address: u64): u64 {
  const word = readPhysical(address);
  const descriptor = regime.bigEndian ? bswap<u64>(word) : word;
  const entry = trace + (reads as usize) * TRANSLATION_TRACE_ENTRY;
  store<u64>(entry, address);
  store<u64>(entry, descriptor, 8);
  reads++;
  return descriptor;
}

/** Address of the entry for `ipa` in the table of `level` that `descriptor` points to (section 4). */
function nextEntry(regime: Regime, descriptor: u64, ipa: u64, tableLevel: i32): u64 {
  const index = (ipa >> indexShift(regime, tableLevel)) & (((1 as u64) << regime.stride) - 1);
  return addressIn(regime, descriptor, regime.granuleShift) | (index << 3);
}

/** The address field of a descriptor, from bit `shift` up, put together as the format has it (section 5). */
function addressIn(regime: Regime, descriptor: u64, shift: u32): u64 {
  const low = ((descriptor & 0xffff_ffff_ffff) >> shift) << shift;
  if (regime.format == FORMAT_48) return low;
  if (regime.format == FORMAT_LPA) return low | (((descriptor >> 12) & 15) << 48);
  return low | (descriptor & (3 << 48)) | (((descriptor >> 8) & 3) << 50);
}

// 6.7: invalid, or a block where none may be.
function takeLeaf(regime: Regime, descriptor: u64, address: u64, at: i32): bool {
  const isLeaf = at == 3 ? (descriptor & TYPE) != 0 : at >= regime.firstBlockLevel;
  if ((descriptor & VALID) == 0 || !isLeaf) return faults(FAULT_TRANSLATION, at);
  leaf = descriptor;
  oldLeaf = descriptor;
  leafAddress = address;
  level = at;
  return true;
}

/** 6.9: the leaf by itself. */
function checkLeaf(regime: Regime, ipa: u64): bool {
  const shift = indexShift(regime, level) + (isContiguous(regime) ? contiguousShift(regime, level) : 0);
  if (regime.contiguousFault && isContiguous(regime) && shift > regime.inputBits)
    return faults(FAULT_TRANSLATION, level);
  if (regime.ntFault && level != 3 && (leaf & NT) != 0) return faults(FAULT_TRANSLATION, level);
  // Input bits take the place of the address field's low bits, with Contiguous also of those the entry has itself.
  outputAddress = addressIn(regime, leaf, shift) | (ipa & (((1 as u64) << shift) - 1));
  if (outputAddress >= regime.outputEnd) return faults(FAULT_ADDRESS_SIZE, level);
  if ((leaf & AF) == 0 && !regime.hardwareAccess) return faults(FAULT_ACCESS_FLAG, level);
  return true;
}

/** Whether the leaf's Contiguous bit counts. */
export function isContiguous(regime: Regime): bool {
  return (leaf & CONTIGUOUS) != 0 && contiguousShift(regime, level) != 0;
}

/** 6.10 and 6.11: alignment, then permissions (section 7). */
function checkPermissions(regime: Regime, access: u32): bool {
  const kind = access & ACCESS_KIND;
  if ((access & ACCESS_UNALIGNED) != 0 && kind != ACCESS_FETCH && stage2IsDevice(regime, leaf)) {
    return faults(FAULT_ALIGNMENT, level);
  }
  return isPermitted(regime, access) || faults(FAULT_PERMISSION, level);
}

function isPermitted(regime: Regime, access: u32): bool {
  const s2ap = usedS2ap(regime);
  switch (access & ACCESS_KIND) {
    case ACCESS_READ:
      return (s2ap & S2AP_R) != 0;
    case ACCESS_WRITE:
      return (s2ap & S2AP_W) != 0;
    case ACCESS_FETCH:
      return isExecutableAt(usedXn(regime), (access & ACCESS_EL0) != 0);
    case ACCESS_ATOMIC:
      // Read first, then write: the syndrome says which.
      writeFaulted = (s2ap & S2AP_R) != 0;
      return s2ap == (S2AP_R | S2AP_W);
    default:
      return isTableAccessPermitted(regime, access, s2ap);
  }
}

// Stage-1 table accesses (S1PTW). XN is irrelevant.
function isTableAccessPermitted(regime: Regime, access: u32, s2ap: u64): bool {
  if (regime.protectedTableWalk && stage2IsDevice(regime, leaf)) return false;
  if ((s2ap & S2AP_R) == 0) return false;
  return (access & ACCESS_KIND) != ACCESS_TABLE_UPDATE || (s2ap & S2AP_W) != 0;
}

/** S2AP of the leaf, in place. With a hardware-managed dirty state every page that may become dirty is writable. */
export function usedS2ap(regime: Regime): u64 {
  return (leaf & (S2AP_R | S2AP_W)) | (isDirtyManaged(regime) ? S2AP_W : 0);
}

function isDirtyManaged(regime: Regime): bool {
  return regime.hardwareDirty && (leaf & DBM) != 0;
}

/** XN[1:0] of the leaf; without FEAT_XNX bit 53 counts as 0. */
export function usedXn(regime: Regime): u64 {
  const xn = (leaf & XN) >> XN_SHIFT;
  return regime.hasXnx ? xn : xn & XN_ALL;
}

function isExecutableAt(xn: u64, el0: bool): bool {
  return xn != XN_ALL && xn != (el0 ? XN_PX : XN_UX);
}

/**
 * 6.12: sets AF, and for a write the dirty state, in one compare-and-swap. Nothing else writes the simulated memory
 * meanwhile, so it always finds what was read.
 */
function updateLeaf(regime: Regime, access: u32): bool {
  if (!regime.hardwareAccess) return true;
  let updated = leaf | AF;
  if (isDirtyManaged(regime) && isWrite(access)) updated |= S2AP_W;
  if (updated == leaf) return true;
  leaf = updated;
  reads++;
  writePhysical(leafAddress, rawDescriptor(regime, updated));
  return true;
}

/** A descriptor as it stands in memory. */
export function rawDescriptor(regime: Regime, descriptor: u64): u64 {
  return regime.bigEndian ? bswap<u64>(descriptor) : descriptor;
}
