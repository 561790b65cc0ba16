// The page-table protocol as a rule of a search: break-before-make, and no translation that outlives what the tables grant
// (reference pkvm-el2 section 11.5, I25 and I26). The TLB model watches in its worst case: whatever is valid is cached, and an
// entry stays when it is taken out of the tables until an invalidation takes it along.
//
// Between two operations the TLB of a correct machine holds only what a caller may leave to invalidate later: stale entries
// after write protection and ageing. Those are part of a state, for what they do to a later operation; the TLB's memory goes
// along with mark and undo. All else in it starts anew with each operation.

import { TLB_OFF, TLB_REPORT_ALLOWED, TLB_REPORT_IPA, TLB_REPORT_KIND, TLB_REPORTS, TLB_WORST_CASE } from "../abi/tlb";
import { reportAt, switchTlb, tlb, TlbEntry, tlbMode, visitAll } from "../arch/tlb";
import { beginOperation, endOperation } from "../arch/tlb-checks";
import { breach, breachAt, forgetBreach } from "../pagetable/protocol";

/** Switches the TLB on or off, empty: before the first mark. False if linear memory is used up. */
export function watchTranslation(on: bool): bool {
  return switchTlb(on ? TLB_WORST_CASE : TLB_OFF);
}

export function isTranslationWatched(): bool {
  return tlbMode != TLB_OFF;
}

/** Before an operation. */
export function beginTranslation(operation: i32): void {
  if (tlbMode == TLB_OFF) return;
  forgetBreach();
  beginOperation(operation);
  if (tlb.reports != 0) tlb.reports = 0;
}

/** After an operation that wrote something: one that did not has left nothing behind. */
export function endTranslation(): void {
  if (tlbMode != TLB_OFF) endOperation();
}

/** Where the last breach was, in bytes. */
export let translationSubject: u64 = 0;

export function translationAddress(): u64 {
  return translationSubject;
}

/** What the operation broke: TLB_* or TABLE_*, 0 for nothing. */
export function brokenTranslation(): i32 {
  if (tlbMode == TLB_OFF) return 0;
  translationSubject = breachAt;
  if (breach != 0) return breach;
  const count = min(tlb.reports, TLB_REPORTS as u32);
  for (let i: u32 = 0; i < count; i++) {
    const report = reportAt(i);
    if (load<u8>(report, TLB_REPORT_ALLOWED) != 0) continue;
    translationSubject = load<u64>(report, TLB_REPORT_IPA);
    return load<u8>(report, TLB_REPORT_KIND) as i32;
  }
  return 0;
}

export type Tell = (word: u64) => void;

let tell: Tell = noTell;

function noTell(word: u64): void {}

/** Tells the stale entries, three words each, in the order of the TLB's sets. */
export function tellStale(to: Tell): void {
  tell = to;
  if (tlbMode != TLB_OFF) visitAll(tellEntry);
}

function tellEntry(entry: TlbEntry): void {
  tell(entry.base);
  tell(entry.descriptor);
  tell(((entry.vmid as u64) << 32) | ((entry.shift as u64) << 16) | ((entry.level as u64) << 8) | (entry.flags as u64));
}
