// VMs as the host's KVM keeps them: struct kvm, its one vCPU, and a record of each mapping that it had EL2 make
// (arch/arm64/kvm/pkvm.c; reference host-and-vmm section 2).

import { reserve } from "../../memory/heap";

/** VMs there can be at once. */
export const KVMS: u32 = 2;
/** Mappings of a VM there can be at once: one of each page of its slot. */
const RECORDS: u32 = 4;

@unmanaged
export class Kvm {
  exists: bool;
  isProtected: bool;
  /** pkvm.is_created: EL2 has the VM and its vCPU. */
  isCreated: bool;
  /** The host gave up its stage-2 tables: EL2 was told to tear down, and every page was taken back. */
  isFlushed: bool;
  hasVcpu: bool;
  /** Its pages are written by their own leaves, and so logged (KVM_MEM_LOG_DIRTY_PAGES). */
  logsDirty: bool;
  /** Android: EL2 is to load its firmware at the first page. */
  wantsFirmware: bool;
  /** By which EL2 knows the VM. */
  handle: u32;
  /** The process whose memory it runs on (kvm->mm). */
  mm: u32;
  /** The page of struct kvm, and of its vCPU's struct kvm_vcpu: both are small enough for one. */
  kvmPfn: u64;
  vcpuPfn: u64;
}

// A record: 0 u32 pages, 0 = none | 4 u32 first page of the slot | 8 u64 first pfn.
const RECORD: usize = 16;
const KVM_BYTES: usize = 48;

let kvms: usize = 0;
let records: usize = 0;

/** False if linear memory is used up. */
export function makeKvms(): bool {
  kvms = reserve((KVMS as usize) * KVM_BYTES);
  records = reserve((KVMS as usize) * (RECORDS as usize) * RECORD);
  return kvms != 0 && records != 0;
}

export function kvmAt(vm: u32): Kvm {
  return changetype<Kvm>(kvms + (vm as usize) * KVM_BYTES);
}

/** The number of a VM, as system calls name it. */
export function numberOf(kvm: Kvm): u32 {
  return ((changetype<usize>(kvm) - kvms) / KVM_BYTES) as u32;
}

/** close(2) of the last fd has freed it. */
export function forgetKvm(kvm: Kvm): void {
  memory.fill(changetype<usize>(kvm), 0, KVM_BYTES);
}

/** Its records, one behind the other up to `endOfRecords`; empty ones have no pages. */
export function firstRecord(kvm: Kvm): usize {
  return records + (numberOf(kvm) as usize) * (RECORDS as usize) * RECORD;
}

export function endOfRecords(kvm: Kvm): usize {
  return firstRecord(kvm) + (RECORDS as usize) * RECORD;
}

export function recordBehind(record: usize): usize {
  return record + RECORD;
}

export function recordPages(record: usize): u32 {
  return load<u32>(record);
}

export function recordPage(record: usize): u32 {
  return load<u32>(record, 4);
}

export function recordPfn(record: usize): u64 {
  return load<u64>(record, 8);
}

/** The record whose pages have this one; 0: none. */
export function findRecord(kvm: Kvm, page: u32): usize {
  for (let at = firstRecord(kvm); at != endOfRecords(kvm); at = recordBehind(at)) {
    if (page - recordPage(at) < recordPages(at)) return at;
  }
  return 0;
}

/** Writes down a mapping; false if there is no room. */
export function addRecord(kvm: Kvm, page: u32, pfn: u64, pages: u32): bool {
  for (let at = firstRecord(kvm); at != endOfRecords(kvm); at = recordBehind(at)) {
    if (recordPages(at) != 0) continue;
    store<u32>(at, pages);
    store<u32>(at, page, 4);
    store<u64>(at, pfn, 8);
    return true;
  }
  return false;
}

export function dropRecord(record: usize): void {
  memory.fill(record, 0, RECORD);
}
