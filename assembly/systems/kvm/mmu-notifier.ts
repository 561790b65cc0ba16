// What the VMM's address space does to guests: the stage 2 of an ordinary VM follows it, page for page
// (arch/arm64/kvm/mmu.c; reference host-and-vmm section 2.6). Ranges are taken by guest frame, clipped to the memory slots,
// as virt/kvm/kvm_main.c:kvm_handle_hva_range finds them.

import { EBADF } from "../../abi/codes";
import { pfnToPa } from "../../arch/geometry";
import { stage2Unmap } from "../../pagetable/unmap";
import { stage2TestClearYoung } from "../../pagetable/update";
import { Memslot } from "./memslot";
import { namedVm } from "./vm";

/** kvm_unmap_gfn_range: munmap, MADV_DONTNEED, copy on write, migration, swap. The next access faults again. */
export function unmapGfnRange(handle: u32, gfn: u64, pages: u64): i32 {
  const vm = namedVm(handle);
  if (vm == null) return -EBADF;
  for (let at = vm.slots; at != 0; at = changetype<Memslot>(at).next) {
    if (!clip(changetype<Memslot>(at), gfn, pages)) continue;
    const ret = stage2Unmap(vm.table, pfnToPa(first), pfnToPa(end - first));
    if (ret != 0) return ret;
  }
  return 0;
}

/** kvm_age_gfn, kvm_test_age_gfn: 1 if any page was young. No TLBI: an old page may still be used without a fault. */
export function ageGfn(handle: u32, gfn: u64, pages: u64, mkold: bool): i32 {
  const vm = namedVm(handle);
  if (vm == null) return -EBADF;
  let young = 0;
  for (let at = vm.slots; at != 0; at = changetype<Memslot>(at).next) {
    if (!clip(changetype<Memslot>(at), gfn, pages)) continue;
    young |= stage2TestClearYoung(vm.table, pfnToPa(first), pfnToPa(end - first), mkold);
  }
  return young;
}

// The part of a range that lies in a slot.
let first: u64 = 0;
let end: u64 = 0;

function clip(slot: Memslot, gfn: u64, pages: u64): bool {
  first = max(gfn, slot.firstGfn);
  const rangeEnd = gfn + pages < gfn ? u64.MAX_VALUE : gfn + pages;
  end = min(rangeEnd, slot.firstGfn + slot.pages);
  return first < end;
}
