// Who may keep a translation of a partition manager's tables, and what its invalidations reach (src/arch/aarch64/mm.c; reference
// bugs section 7, hf-flush-wrong-space and hf-flush-wrong-regime; DDI 0487 D8.16). Two CPUs, each with a TLB, in which an entry
// goes by what it is of:
//
//    11      10     9          8            7    0
//  +--------+-----+----------+------------+--------+
//  | EL2's  | CPU | combined | non-secure |  VMID  |
//  +--------+-----+----------+------------+--------+
//
// Stage 2 is kept by itself and combined with the VM's stage 1 (EL1&0): by IPA only the first goes. Non-secure: of a secure
// partition's non-secure IPA space, which an invalidation by IPA names in its operand (bit 63, NS).

import {
  HF_FLUSH_NOT_BROADCAST,
  HF_FLUSH_WRONG_REGIME,
  HF_FLUSH_WRONG_SPACE,
  HF_FLUSH_WRONG_VMID,
} from "../../abi/mutations";
import { TLB_OFF, TLB_WORST_CASE } from "../../abi/tlb";
import { addressField, isTable, outputAddress } from "../../arch/descriptor";
import { granuleSize, pageShift, pageSize } from "../../arch/geometry";
import { fill, invalidateRange, invalidateVmid, tlbMode } from "../../arch/tlb";
import { entryChanged, isCacheable } from "../../arch/tlb-checks";
import { isMutated } from "../../memory/mutation";
import { cacheBelow } from "../../pagetable/protocol";
import { Stage2 } from "../../pagetable/stage2-table";
import { isNonSecure, isOwnTable, vmidOf } from "./mm-table";

const NON_SECURE: u32 = 1 << 8;
const COMBINED: u32 = 1 << 9;
const CPU_SHIFT: u32 = 10;
const OWN: u32 = 1 << 11;
const CPUS: u32 = 2;
/** VTTBR_EL2 holds the VMID of the VM that called. */
const CALLERS_VMID: u32 = 1;

/** The tag of entries that CPU 0 keeps of such a table by itself. */
export function firstTag(isOwn: bool, isOfNonSecure: bool, vmid: u32): u32 {
  return isOwn ? OWN : vmid | (isOfNonSecure ? NON_SECURE : 0);
}

function contexts(table: Stage2): u32 {
  return isOwnTable(table) ? CPUS : 2 * CPUS;
}

function contextTag(table: Stage2, index: u32): u32 {
  return table.vmid | ((index % CPUS) << CPU_SHIFT) | (index >= CPUS ? COMBINED : 0);
}

/** An entry was written: whoever may have kept the old one hears of it. */
export function tellWritten(table: Stage2, level: i32, ipa: u64, before: u64, after: u64, at: usize): void {
  if (tlbMode == TLB_OFF) return;
  for (let i: u32 = 0; i < contexts(table); i++) {
    const tag = contextTag(table, i);
    if (after == 0) keepParts(tag, level, ipa, before);
    entryChanged(tag, level, ipa, before, after, at);
  }
}

// What may be kept of an entry besides itself: all below a table; of a block its pages one by one, of which the first and the
// last stand for all, as an invalidation is of addresses that follow one another.
function keepParts(tag: u32, level: i32, ipa: u64, before: u64): void {
  if (tlbMode != TLB_WORST_CASE || !isCacheable(before, level) || level == 3) return;
  if (isTable(before, level)) {
    cacheBelow(tag, before, level, ipa);
    return;
  }
  const base = ipa & ~(granuleSize(level) - 1);
  const last = granuleSize(level) - pageSize;
  fill(tag, base, pageShift, before, level);
  fill(tag, base + last, pageShift, withOutput(before, outputAddress(before) + last), level);
}

function withOutput(leaf: u64, pa: u64): u64 {
  return (leaf & ~addressField(u64.MAX_VALUE)) | addressField(pa);
}

/** Invalidates what [begin, end) was translated by, on all CPUs. */
export function invalidate(table: Stage2, begin: u64, end: u64): void {
  if (tlbMode == TLB_OFF) return;
  const cpus: u32 = isMutated(HF_FLUSH_NOT_BROADCAST) ? 1 : CPUS;
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    if (isOwnTable(table)) invalidateRange(OWN | (cpu << CPU_SHIFT), begin, end - begin);
    else invalidateStage2(table, cpu << CPU_SHIFT, begin, end);
  }
}

// TLBI IPAS2E1IS for each page, then VMALLE1IS for what is combined: both act on the VMID in VTTBR_EL2, so it is loaded before.
function invalidateStage2(table: Stage2, cpu: u32, begin: u64, end: u64): void {
  const vmid = isMutated(HF_FLUSH_WRONG_VMID) ? CALLERS_VMID : vmidOf(table);
  const space = isNonSecure(table) && !isMutated(HF_FLUSH_WRONG_SPACE) ? NON_SECURE : 0;
  invalidateRange(vmid | space | cpu, begin, end - begin);
  // With HCR_EL2.{E2H, TGE} set VMALLE1 is about EL2&0: TGE is clear meanwhile.
  if (isMutated(HF_FLUSH_WRONG_REGIME)) {
    invalidateVmid(OWN | cpu);
    return;
  }
  invalidateVmid(vmid | cpu | COMBINED);
  invalidateVmid(vmid | cpu | COMBINED | NON_SECURE);
}
