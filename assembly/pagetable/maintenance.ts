// TLB and cache maintenance of the page-table library: it is recorded, and a TLB hears of it (reference 2.5, 2.10, 2.15).
// Each TLBI names its site (TLBI_*), so that one can be taken out.

import { MERGE_FLUSHES_ONE_IPA, RANGE_OPERAND_MAX } from "../abi/mutations";
import { isValid, outputAddress } from "../arch/descriptor";
import { granuleSize, levelShift, pageShift } from "../arch/geometry";
import { TTL_UNKNOWN } from "../abi/records";
import { TLBI_BREAK_TABLE, TLBI_RELAX_PERMS, TLBI_TEARDOWN, TLBI_UNMAP_TABLE } from "../abi/tlb";
import { invalidateIpa, invalidateRange, invalidateVmid } from "../arch/tlb";
import { isIssued, retireVmid } from "../arch/tlb-checks";
import {
  observing,
  recordDataCache,
  recording,
  recordInstructionCache,
  recordTlbiIpa,
  recordTlbiIpaNsh,
  recordTlbiRange,
  recordTlbiVmid,
} from "../memory/journal";
import { isMutated } from "../memory/mutation";
import { hasFwb, hasTlbRange } from "./attributes";
import { hypLeaf } from "./hyp-stage1";
import { expectHint } from "./protocol";
import { DATA_CACHE, DATA_CACHE_NOT_FWB, INSTRUCTION_CACHE, Stage2 } from "./stage2-table";

/** MAX_TLBI_RANGE_PAGES. */
const RANGE_PAGES: u64 = 2097152;

export function flushIpa(table: Stage2, ipa: u64, level: i32, site: i32): void {
  if (!observing || !isIssued(site)) return;
  if (isDefined(EXPLORING)) expectHint(table, ipa, level);
  if (recording) recordTlbiIpa(table.vmid, ipa, level);
  invalidateIpa(table.vmid, ipa, level);
}

/** An empty table was taken out: no leaf, whose level a hint would be. */
export function flushTablePointer(table: Stage2, ipa: u64): void {
  flushIpa(table, ipa, TTL_UNKNOWN, TLBI_UNMAP_TABLE);
}

/** This CPU only. */
export function flushIpaLocal(table: Stage2, ipa: u64, level: i32): void {
  if (!observing || !isIssued(TLBI_RELAX_PERMS)) return;
  if (isDefined(EXPLORING)) expectHint(table, ipa, level);
  if (recording) recordTlbiIpaNsh(table.vmid, ipa, level);
  invalidateIpa(table.vmid, ipa, level);
}

export function flushVmid(table: Stage2, site: i32): void {
  if (!observing || !isIssued(site)) return;
  if (recording) recordTlbiVmid(table.vmid);
  invalidateVmid(table.vmid);
}

/** The VM is about to end: nothing walks its tables any more, and nothing fills the TLB again. */
export function flushForTeardown(table: Stage2): void {
  flushVmid(table, TLBI_TEARDOWN);
  if (isIssued(TLBI_TEARDOWN)) retireVmid(table.vmid);
}

/** kvm_tlb_flush_vmid_range: the whole VMID without range TLBI. */
export function flushRange(table: Stage2, ipa: u64, size: u64, site: i32): void {
  if (!observing || !isIssued(site)) return;
  if (!hasTlbRange) {
    flushVmid(table, site);
    return;
  }
  let address = ipa;
  for (let pages = size >> pageShift; pages > 0;) {
    const now = min(pages, RANGE_PAGES);
    if (recording) recordTlbiRange(table.vmid, address, now);
    if (!isMutated(RANGE_OPERAND_MAX) || now < RANGE_PAGES) invalidateRange(table.vmid, address, now << pageShift);
    pages -= now;
    address += now << pageShift;
  }
}

/** A table is about to be replaced by a leaf: everything its entry covers. */
export function flushTable(table: Stage2, ipa: u64, level: i32): void {
  if (isMutated(MERGE_FLUSHES_ONE_IPA)) {
    flushIpa(table, ipa, TTL_UNKNOWN, TLBI_BREAK_TABLE);
    return;
  }
  flushRange(table, (ipa >> levelShift(level)) << levelShift(level), granuleSize(level), TLBI_BREAK_TABLE);
}

/** Data-cache hook on a mapping being made. The library asks without looking at FWB, the guest's hook looks. */
export function cleanMapped(table: Stage2, descriptor: u64, level: i32): void {
  if (!recording || !(table.flags & DATA_CACHE)) return;
  if (hasFwb && table.flags & DATA_CACHE_NOT_FWB) return;
  recordDataCache(outputAddress(descriptor), granuleSize(level));
}

/** Data-cache hook on a mapping being removed or flushed: nothing with FWB. */
export function cleanUnmapped(table: Stage2, descriptor: u64, level: i32): void {
  if (recording && table.flags & DATA_CACHE && !hasFwb) recordDataCache(outputAddress(descriptor), granuleSize(level));
}

/** Whether cleaning what was mapped takes EL2 to a page that it does not map itself. */
export function isCleanedUnmapped(table: Stage2, descriptor: u64): bool {
  if (!isValid(descriptor) || hasFwb || !(table.flags & DATA_CACHE)) return false;
  return !isValid(hypLeaf(outputAddress(descriptor)));
}

/** Instruction-cache hook: a mapping becomes executable. */
export function invalidateInstructions(table: Stage2, descriptor: u64, level: i32): void {
  if (recording && table.flags & INSTRUCTION_CACHE) {
    recordInstructionCache(outputAddress(descriptor), granuleSize(level));
  }
}
