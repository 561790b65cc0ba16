// Memory slots: which guest frames a VM has, and what is behind them: memory of the VMM, or a range of a guest_memfd
// (virt/kvm/kvm_main.c:kvm_set_memory_region, arch/arm64/kvm/mmu.c:kvm_arch_prepare_memory_region; reference
// host-and-vmm sections 2.3, 4). The order of kvm_main.c's own argument checks among each other is unverified.

import { EBADF, EEXIST, EFAULT, EINVAL, LIMIT_CONTENTS } from "../../abi/codes";
import {
  EFFECT_MEMSLOT,
  GUEST_MEMFD_FLAG_MMAP,
  REASON_GMEM_BEYOND_SIZE,
  REASON_GMEM_BOUND,
  REASON_GMEM_NO_MMAP,
  REASON_GMEM_OTHER_VM,
  REASON_KVM_BEYOND_IPA,
  REASON_KVM_GMEM_READONLY,
  REASON_KVM_NO_SUCH_SLOT,
  REASON_KVM_REGION_SIZE,
  REASON_KVM_SLOT_CHANGE,
  REASON_KVM_SLOT_ID,
  REASON_KVM_SLOT_OVERLAP,
  REASON_KVM_UNALIGNED,
} from "../../abi/kvm";
import { pageMask, pageShift, pfnToPa } from "../../arch/geometry";
import { reserve } from "../../memory/heap";
import { record, recording } from "../../memory/journal";
import { reachLimit, refuse } from "../../memory/verdict";
import { stage2Unmap } from "../../pagetable/unmap";
import { namedFile } from "./guest-memfd";
import { namedVm, Vm } from "./vm";

@unmanaged
export class Memslot {
  /** The VM's next slot, or the next free record. */
  next: usize;
  id: u32;
  isReadOnly: bool;
  /** Behind it is a guest_memfd, which may have been closed since. */
  isGmem: bool;
  /** That file; 0 after it was closed. */
  fd: u32;
  firstGfn: u64;
  pages: u64;
  /** Page of the file behind the first frame. */
  firstIndex: u64;
}

const SLOT_BYTES: usize = 40;
/** KVM_USER_MEM_SLOTS. */
const MAX_SLOTS: u64 = 32767;
/** KVM_MEM_MAX_NR_PAGES. */
const MAX_PAGES: u64 = 0x7fff_ffff;

// u32: first free record. In linear memory to be part of snapshots.
let freeSlots: usize = 0;

/** Once per machine. False if linear memory is used up. */
export function reserveSlots(): bool {
  freeSlots = reserve(16);
  return freeSlots != 0;
}

/** The slot that has a guest frame, or null. */
export function slotOfGfn(vm: Vm, gfn: u64): Memslot | null {
  for (let at = vm.slots; at != 0; at = changetype<Memslot>(at).next) {
    const slot = changetype<Memslot>(at);
    if (gfn - slot.firstGfn < slot.pages) return slot;
  }
  return null;
}

function slotNamed(vm: Vm, id: u64): Memslot | null {
  for (let at = vm.slots; at != 0; at = changetype<Memslot>(at).next) {
    if ((changetype<Memslot>(at).id as u64) == id) return changetype<Memslot>(at);
  }
  return null;
}

// KVM_SET_USER_MEMORY_REGION2: makes, moves or deletes (size 0) a slot. One that stays as it is succeeds.
export function setMemoryRegion(
  handle: u32,
  gpa: u64,
  size: u64,
  id: u64,
  fd: u32,
  isReadOnly: bool,
  offset: u64,
): i32 {
  const vm = namedVm(handle);
  if (vm == null) return -EBADF;
  let refusal = checkArguments(gpa, size, id, fd, isReadOnly, offset);
  if (refusal != 0) return refusal;
  const old = slotNamed(vm, id);
  if (size == 0) return old != null ? deleteSlot(vm, old) : refuse(EINVAL, REASON_KVM_NO_SUCH_SLOT, 0, 0, id as u32);
  if (old != null) return changeSlot(vm, old, gpa, size, fd, isReadOnly);
  refusal = checkOverlap(vm, null, gpa, size);
  if (refusal == 0 && fd != 0) refusal = checkBinding(vm, fd, offset, size);
  if (refusal == 0) refusal = checkIpaSpace(vm, gpa, size);
  if (refusal == 0 && fd != 0) refusal = checkMappable(fd);
  return refusal != 0 ? refusal : createSlot(vm, gpa, size, id as u32, fd, isReadOnly, offset);
}

// What can be told of the request alone.
function checkArguments(gpa: u64, size: u64, id: u64, fd: u32, isReadOnly: bool, offset: u64): i32 {
  if (fd != 0 && isReadOnly) return refuse(EINVAL, REASON_KVM_GMEM_READONLY, 0, 0, id as u32);
  if (size & pageMask) return refuse(EINVAL, REASON_KVM_UNALIGNED, size, 0, 0);
  if (gpa & pageMask) return refuse(EINVAL, REASON_KVM_UNALIGNED, gpa, 0, 0);
  if (fd != 0 && (offset & pageMask) != 0) return refuse(EINVAL, REASON_KVM_UNALIGNED, offset, 0, 0);
  if (id >= MAX_SLOTS) return refuse(EINVAL, REASON_KVM_SLOT_ID, 0, MAX_SLOTS as u32, id as u32);
  if (gpa + size < gpa || offset + size < offset) return refuse(EINVAL, REASON_KVM_REGION_SIZE, size, 0, 0);
  return size >> pageShift > MAX_PAGES ? refuse(EINVAL, REASON_KVM_REGION_SIZE, size, 0, 0) : 0;
}

function checkOverlap(vm: Vm, but: Memslot | null, gpa: u64, size: u64): i32 {
  const first = gpa >> pageShift;
  const end = first + (size >> pageShift);
  for (let at = vm.slots; at != 0; at = changetype<Memslot>(at).next) {
    const slot = changetype<Memslot>(at);
    if (slot == but || first >= slot.firstGfn + slot.pages || end <= slot.firstGfn) continue;
    return refuse(EEXIST, REASON_KVM_SLOT_OVERLAP, gpa, 0, slot.id);
  }
  return 0;
}

// kvm_gmem_bind: a file of this VM, a range inside it, and no other slot on any page of the range (4.2). The errno for
// another VM's file is unverified.
function checkBinding(vm: Vm, fd: u32, offset: u64, size: u64): i32 {
  const file = namedFile(fd);
  if (file == null) return -EBADF;
  if (file.vm != vm.handle) return refuse(EINVAL, REASON_GMEM_OTHER_VM, file.vm, 0, 0);
  if (offset + size > file.size) return refuse(EINVAL, REASON_GMEM_BEYOND_SIZE, offset, 0, 0);
  const first = offset >> pageShift;
  const end = first + (size >> pageShift);
  for (let at = vm.slots; at != 0; at = changetype<Memslot>(at).next) {
    const slot = changetype<Memslot>(at);
    if (slot.fd != fd || first >= slot.firstIndex + slot.pages || end <= slot.firstIndex) continue;
    return refuse(EEXIST, REASON_GMEM_BOUND, offset, 0, slot.id);
  }
  return 0;
}

function checkIpaSpace(vm: Vm, gpa: u64, size: u64): i32 {
  if (gpa + size <= (1 as u64) << vm.ipaBits) return 0;
  return refuse(EFAULT, REASON_KVM_BEYOND_IPA, gpa, vm.ipaBits, 0);
}

// arm64 has no VM that needs memory which is private only: the file must be one that can be mapped (2.3).
function checkMappable(fd: u32): i32 {
  const flags = namedFile(fd)!.flags;
  if (flags & GUEST_MEMFD_FLAG_MMAP) return 0;
  return refuse(EINVAL, REASON_GMEM_NO_MMAP, 0, GUEST_MEMFD_FLAG_MMAP, flags);
}

function createSlot(vm: Vm, gpa: u64, size: u64, id: u32, fd: u32, isReadOnly: bool, offset: u64): i32 {
  let at = load<u32>(freeSlots) as usize;
  if (at != 0) store<u32>(freeSlots, changetype<Memslot>(at).next as u32);
  else at = reserve(SLOT_BYTES);
  if (at == 0) {
    reachLimit(LIMIT_CONTENTS);
    return 0;
  }
  const slot = changetype<Memslot>(at);
  slot.next = vm.slots;
  slot.id = id;
  slot.isReadOnly = isReadOnly;
  slot.isGmem = fd != 0;
  slot.fd = fd;
  slot.firstGfn = gpa >> pageShift;
  slot.pages = size >> pageShift;
  slot.firstIndex = fd != 0 ? offset >> pageShift : 0;
  vm.slots = at;
  recordSlot(vm, slot, 0, size);
  return 0;
}

// A slot with the same number: it may move, or stay. One on a guest_memfd can only be deleted.
function changeSlot(vm: Vm, slot: Memslot, gpa: u64, size: u64, fd: u32, isReadOnly: bool): i32 {
  const isOther = slot.isGmem || fd != 0 || isReadOnly != slot.isReadOnly;
  if (isOther || size != pfnToPa(slot.pages)) return refuse(EINVAL, REASON_KVM_SLOT_CHANGE, 0, 0, slot.id);
  if (gpa == pfnToPa(slot.firstGfn)) return 0;
  let refusal = checkOverlap(vm, slot, gpa, size);
  if (refusal == 0) refusal = checkIpaSpace(vm, gpa, size);
  if (refusal != 0) return refusal;

  unmapSlot(vm, slot);
  recordSlot(vm, slot, size, 0);
  slot.firstGfn = gpa >> pageShift;
  recordSlot(vm, slot, 0, size);
  return 0;
}

function deleteSlot(vm: Vm, slot: Memslot): i32 {
  unmapSlot(vm, slot);
  removeSlot(vm, slot);
  return 0;
}

// kvm_arch_flush_shadow_memslot.
function unmapSlot(vm: Vm, slot: Memslot): void {
  stage2Unmap(vm.table, pfnToPa(slot.firstGfn), pfnToPa(slot.pages));
}

/** Takes a slot out of its VM's list, whatever is mapped. */
export function removeSlot(vm: Vm, slot: Memslot): void {
  recordSlot(vm, slot, pfnToPa(slot.pages), 0);
  if (vm.slots == changetype<usize>(slot)) {
    vm.slots = slot.next;
  } else {
    let before = changetype<Memslot>(vm.slots);
    while (before.next != changetype<usize>(slot)) before = changetype<Memslot>(before.next);
    before.next = slot.next;
  }
  slot.next = load<u32>(freeSlots) as usize;
  store<u32>(freeSlots, changetype<usize>(slot) as u32);
}

function recordSlot(vm: Vm, slot: Memslot, before: u64, after: u64): void {
  if (!recording) return;
  const what = (slot.id as u64) | ((slot.fd as u64) << 32);
  record(EFFECT_MEMSLOT, 0, vm.handle, pfnToPa(slot.firstGfn), before, after, what);
}
