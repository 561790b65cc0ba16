// TLB and cache maintenance of the page-table library, as recorded effects (reference 2.5, 2.10, 2.15).

import { outputAddress } from "../arch/descriptor";
import { granuleSize, levelShift, pageShift } from "../arch/geometry";
import { TTL_UNKNOWN } from "../abi/records";
import {
  recordDataCache,
  recording,
  recordInstructionCache,
  recordTlbiIpa,
  recordTlbiIpaNsh,
  recordTlbiRange,
  recordTlbiVmid,
} from "../memory/journal";
import { hasFwb, hasTlbRange } from "./attributes";
import { DATA_CACHE, DATA_CACHE_NOT_FWB, INSTRUCTION_CACHE, Stage2 } from "./stage2-table";

/** MAX_TLBI_RANGE_PAGES. */
const RANGE_PAGES: u64 = 2097152;

export function flushIpa(table: Stage2, ipa: u64, level: i32): void {
  if (recording) recordTlbiIpa(table.vmid, ipa, level);
}

export function flushIpaUnknownLevel(table: Stage2, ipa: u64): void {
  if (recording) recordTlbiIpa(table.vmid, ipa, TTL_UNKNOWN);
}

export function flushIpaLocal(table: Stage2, ipa: u64, level: i32): void {
  if (recording) recordTlbiIpaNsh(table.vmid, ipa, level);
}

export function flushVmid(table: Stage2): void {
  if (recording) recordTlbiVmid(table.vmid);
}

/** kvm_tlb_flush_vmid_range: the whole VMID without range TLBI. */
export function flushRange(table: Stage2, ipa: u64, size: u64): void {
  if (!recording) return;
  if (!hasTlbRange) {
    recordTlbiVmid(table.vmid);
    return;
  }
  let address = ipa;
  for (let pages = size >> pageShift; pages > 0;) {
    const now = min(pages, RANGE_PAGES);
    recordTlbiRange(table.vmid, address, now);
    pages -= now;
    address += now << pageShift;
  }
}

/** A table is about to go: everything its entry covers. */
export function flushTable(table: Stage2, ipa: u64, level: i32): void {
  flushRange(table, (ipa >> levelShift(level)) << levelShift(level), granuleSize(level));
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

/** Instruction-cache hook: a mapping becomes executable. */
export function invalidateInstructions(table: Stage2, descriptor: u64, level: i32): void {
  if (recording && table.flags & INSTRUCTION_CACHE) {
    recordInstructionCache(outputAddress(descriptor), granuleSize(level));
  }
}
