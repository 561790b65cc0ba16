// The host's side of a guest's stage 2: what it has EL2 map and unmap, and the record of it that it keeps by guest frame
// (arch/arm64/kvm/pkvm.c:pkvm_pgtable_stage2_*; reference host-and-vmm sections 2.5, 2.6, 2.8).

import { ENOENT, EPERM } from "../../abi/codes";
import {
  HCALL_DONATE_GUEST,
  HCALL_SHARE_GUEST,
  HCALL_TLB_FLUSH_VMID,
  HCALL_UNSHARE_GUEST,
  HCALL_WRPROTECT_GUEST,
  RECLAIM_DYING_GUEST_PAGE,
  START_TEARDOWN_VM,
} from "../../abi/operations";
import {
  NOTIFIER_BEFORE_HANDLE,
  RECLAIM_CHARGES_WRONG_MM,
  TEARDOWN_NOTIFIER_RACE,
  THP_ACCOUNTING,
} from "../../abi/mutations";
import { HOST_FIRST_GFN } from "../../abi/user-calls";
import { isMutated } from "../../memory/mutation";
import { loadFirmware } from "./firmware";
import { unpinFrame } from "./frames";
import { call, mustCall, warn } from "./hypercalls";
import {
  addRecord,
  dropRecord,
  endOfRecords,
  findRecord,
  firstRecord,
  Kvm,
  recordBehind,
  recordPage,
  recordPages,
  recordPfn,
} from "./kvm";
import { advanceSequence, beginCallback, callbackPage, callbackRecord, endCallback } from "./preempted";
import { account } from "./process";

/** No mm: a task that is exiting has none any more. */
export const NO_MM: u32 = u32.MAX_VALUE;

const gfnOf = (page: u32): u64 => (HOST_FIRST_GFN as u64) + (page as u64);

// What is another guest's is refused, as it may be; a host that lists table pages and keeps its records gets no other refusal.
function mapped(ret: i32): i32 {
  if (ret < 0 && ret != -EPERM) warn();
  return ret;
}

/** A page goes to a protected guest. */
export function donatePage(kvm: Kvm, page: u32, pfn: u64): i32 {
  const ret = mapped(call(HCALL_DONATE_GUEST, 0, 0, pfn, gfnOf(page), 0, 0));
  if (ret == 0) loadFirmware(kvm, page, pfn);
  return ret;
}

/** Pages are mapped for a guest that is not protected; what was mapped there in another size goes first. */
export function sharePages(kvm: Kvm, page: u32, pfn: u64, pages: u32, prot: u64): i32 {
  for (let record = firstRecord(kvm); record != endOfRecords(kvm); record = recordBehind(record)) {
    const isApart = recordPage(record) >= page + pages || page >= recordPage(record) + recordPages(record);
    if (recordPages(record) != 0 && !isApart) unshare(kvm, record);
  }
  const ret = mapped(call(HCALL_SHARE_GUEST, 0, 0, pfn, gfnOf(page), pages, prot));
  if (ret == 0) addRecord(kvm, page, pfn, pages);
  return ret;
}

function unshare(kvm: Kvm, record: usize): void {
  mustCall(HCALL_UNSHARE_GUEST, kvm.handle, 0, gfnOf(recordPage(record)), recordPages(record), 0, 0);
  dropRecord(record);
}

/** kvm_unmap_gfn_range: the VMM's page is going. A protected guest keeps its own. */
export function unmapGfn(kvm: Kvm, page: u32): void {
  beginUnmap(kvm, page);
  endUnmap(kvm);
}

/** Its first half, before it has mmu_lock: there is nothing to look at yet. */
export function beginUnmap(kvm: Kvm, page: u32): void {
  beginCallback(page, isMutated(TEARDOWN_NOTIFIER_RACE) ? findRecord(kvm, page) : 0);
}

/** Its second half, under mmu_lock. */
export function endUnmap(kvm: Kvm): void {
  const page = callbackPage();
  const found = callbackRecord();
  endCallback();
  if (kvm.isProtected) return;
  advanceSequence();
  if (kvm.isFlushed && found == 0) return;
  const record = found != 0 ? found : findRecord(kvm, page);
  if (record != 0) unshare(kvm, record);
  else if (isMutated(NOTIFIER_BEFORE_HANDLE)) unmapUnrecorded(kvm, page);
  else return;
  call(HCALL_TLB_FLUSH_VMID, kvm.handle, 0, 0, 0, 0, 0);
}

// A host whose callbacks do not ask for records first: where nothing is mapped, EL2 says so.
function unmapUnrecorded(kvm: Kvm, page: u32): void {
  const ret = call(HCALL_UNSHARE_GUEST, kvm.handle, 0, gfnOf(page), 1, 0, 0);
  if (ret < 0 && ret != -ENOENT) warn();
}

/** kvm_mmu_wp_memory_region: what is written from here on faults first. */
export function writeProtectAll(kvm: Kvm): void {
  for (let record = firstRecord(kvm); record != endOfRecords(kvm); record = recordBehind(record)) {
    if (recordPages(record) == 0) continue;
    mustCall(HCALL_WRPROTECT_GUEST, kvm.handle, 0, gfnOf(recordPage(record)), recordPages(record), 0, 0);
  }
  if (kvm.isCreated) call(HCALL_TLB_FLUSH_VMID, kvm.handle, 0, 0, 0, 0, 0);
}

/**
 * kvm_arch_flush_shadow_all: the VM dies, and its pages come back. When the memory of its process goes, or the last fd is closed.
 *
 * @param current the mm of the task that does this
 */
export function flushShadowAll(kvm: Kvm, current: u32): void {
  if (kvm.isFlushed) return;
  kvm.isFlushed = true;
  if (!kvm.isCreated) return;
  mustCall(START_TEARDOWN_VM, kvm.handle, 0, 0, 0, 0, 0);
  for (let record = firstRecord(kvm); record != endOfRecords(kvm); record = recordBehind(record)) {
    if (recordPages(record) == 0) continue;
    if (kvm.isProtected) reclaim(kvm, record, current);
    else unshare(kvm, record);
  }
}

// A page that cannot be reclaimed stays pinned and charged, and so does what else is on its record.
function reclaim(kvm: Kvm, record: usize, current: u32): void {
  for (let i: u32 = 0; i < recordPages(record); i++) {
    if (mustCall(RECLAIM_DYING_GUEST_PAGE, kvm.handle, 0, gfnOf(recordPage(record) + i), 0, 0, 0) != 0) return;
  }
  release(record, isMutated(RECLAIM_CHARGES_WRONG_MM) ? current : kvm.mm);
}

/** The guest no longer has what is on record: it is unpinned, and comes off an account. */
export function release(record: usize, payer: u32): void {
  const pages = recordPages(record);
  for (let i: u32 = 0; i < pages; i++) unpinFrame(recordPfn(record) + (i as u64));
  if (payer != NO_MM) account(payer, isMutated(THP_ACCOUNTING) ? -1 : -(pages as i32));
  dropRecord(record);
}
