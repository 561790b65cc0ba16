// The TLB of the machine, as the module exports it (abi/tlb.ts).

import { TLB_OFF, TLB_REPORTS } from "../abi/tlb";
import { invalidateAll, reportAt, switchTlb, tlb, tlbMode } from "../arch/tlb";
import { suppressSite } from "../arch/tlb-checks";

/** Switches the TLB, empty and without reports, to TLB_*. False if linear memory is used up. */
export function tlbSwitch(mode: i32): bool {
  return switchTlb(mode);
}

export function tlbModeNow(): i32 {
  return tlbMode;
}

/** The number of the operation that comes next. */
export function tlbNumberOperations(next: u32): void {
  if (tlbMode != TLB_OFF) tlb.operation = next;
}

/** Reports since tlbForgetReports; the first TLB_REPORTS of them are kept. */
export function tlbReportCount(): u32 {
  return tlbMode != TLB_OFF ? tlb.reports : 0;
}

/** The report with this index, below both TLB_REPORTS and tlbReportCount. */
export function tlbReportPointer(index: u32): usize {
  return reportAt(min(index, TLB_REPORTS - 1));
}

export function tlbForgetReports(): void {
  if (tlbMode != TLB_OFF) tlb.reports = 0;
}

/** TLBI ALLE1IS, issued by nobody of the model. */
export function tlbInvalidateAll(): void {
  invalidateAll();
}

/** For tests and teaching: takes the TLBI of one site (TLBI_*) out of the model; TLBI_NONE puts it back. */
export function tlbSuppress(site: i32): void {
  suppressSite(site);
}
