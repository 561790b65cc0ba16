// guest_memfd: a file without a path whose pages back a guest and, where it may be mapped, a process
// (virt/kvm/guest_memfd.c; reference host-and-vmm section 4). A whole file is private or shared, as its creator said; there is
// no state per page, and the kernel reads and writes all of it through its direct map.

import { EBADF, EFAULT, EHWPOISON, EINVAL, EMFILE, ENODEV, ENOMEM, EOPNOTSUPP, LIMIT_CONTENTS } from "../../abi/codes";
import {
  EFFECT_FOLIO,
  EFFECT_HOST_MAP,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  GUEST_MEMFD_FLAG_INIT_SHARED,
  GUEST_MEMFD_FLAG_MMAP,
  REASON_GMEM_BEYOND_SIZE,
  REASON_GMEM_FALLOCATE_MODE,
  REASON_GMEM_FILE_LIMIT,
  REASON_GMEM_FLAGS,
  REASON_GMEM_MAP_PRIVATE,
  REASON_GMEM_NO_MMAP,
  REASON_GMEM_NO_OPERATION,
  REASON_GMEM_NO_SUCH_FILE,
  REASON_GMEM_POISONED,
  REASON_GMEM_PRIVATE,
  REASON_GMEM_SIZE,
  REASON_KVM_NO_FOLIO,
  REASON_KVM_UNALIGNED,
} from "../../abi/kvm";
import { pageMask, pageShift, pfnToPa } from "../../arch/geometry";
import { reserve } from "../../memory/heap";
import { record, recording } from "../../memory/journal";
import { reachLimit, refuse } from "../../memory/verdict";
import { stage2Unmap } from "../../pagetable/unmap";
import { isHostMapped, isPoisoned, pfnOfFolio, releaseFolio, setHostMapped, setPoisoned, takeFolio } from "./folio";
import { Memslot } from "./memslot";
import { addFolio, folioAt, NO_FOLIO, nextIndex, PageCache, removeFolio } from "./page-cache";
import { existingVm, namedVm } from "./vm";

@unmanaged
export class GmemFile {
  isOpen: bool;
  flags: u32;
  /** Handle of the VM that it was made for. */
  vm: u32;
  /** Bytes. */
  size: u64;
  pages: PageCache;
}

const FILE_BYTES: usize = 32;
const CACHE_BYTES: usize = 8;
/** RLIMIT_NOFILE as it is by default: so many files are open at once. */
const MAX_FILES: u32 = 1024;
const KNOWN_FLAGS: u32 = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED;
/** Offsets are signed. */
const MAX_BYTES: u64 = 0x7fff_ffff_ffff_ffff;

let files: usize = 0;

/** Once per machine. False if linear memory is used up. */
export function reserveFiles(): bool {
  files = reserve((MAX_FILES as usize) * (FILE_BYTES + CACHE_BYTES));
  if (files == 0) return false;
  for (let fd: u32 = 1; fd <= MAX_FILES; fd++) {
    const file = fileAt(fd);
    file.pages = changetype<PageCache>(changetype<usize>(file) + FILE_BYTES);
  }
  return true;
}

function fileAt(fd: u32): GmemFile {
  return changetype<GmemFile>(files + ((fd - 1) as usize) * (FILE_BYTES + CACHE_BYTES));
}

/** The open file `fd`, counted from 1; null refuses with -EBADF. */
export function namedFile(fd: u32): GmemFile | null {
  if (fd - 1 < MAX_FILES && fileAt(fd).isOpen) return fileAt(fd);
  refuse(EBADF, REASON_GMEM_NO_SUCH_FILE, 0, 0, fd);
  return null;
}

// kvm_gmem_create: the lowest free descriptor. Flags are looked at before the size.
export function createGuestMemfd(handle: u32, size: u64, flags: u64): i32 {
  const vm = namedVm(handle);
  if (vm == null) return -EBADF;
  if (flags & ~(KNOWN_FLAGS as u64)) return refuse(EINVAL, REASON_GMEM_FLAGS, flags, KNOWN_FLAGS, flags as u32);
  if (size == 0 || size > MAX_BYTES || (size & pageMask) != 0) return refuse(EINVAL, REASON_GMEM_SIZE, size, 0, 0);
  let fd: u32 = 1;
  while (fd <= MAX_FILES && fileAt(fd).isOpen) fd++;
  if (fd > MAX_FILES) return refuse(EMFILE, REASON_GMEM_FILE_LIMIT, 0, 0, MAX_FILES);

  const file = fileAt(fd);
  file.isOpen = true;
  file.flags = flags as u32;
  file.vm = handle;
  file.size = size;
  vm.files++;
  return fd as i32;
}

// kvm_gmem_mmap.
export function gmemMmap(fd: u32, isShared: bool): i32 {
  const file = namedFile(fd);
  if (file == null) return -EBADF;
  const flags = file.flags;
  if (!(flags & GUEST_MEMFD_FLAG_MMAP)) {
    return refuse(ENODEV, REASON_GMEM_NO_MMAP, 0, GUEST_MEMFD_FLAG_MMAP, flags);
  }
  return isShared ? 0 : refuse(EINVAL, REASON_GMEM_MAP_PRIVATE, 0, 0, 0);
}

// kvm_gmem_fault_user_mapping. Every refusal is VM_FAULT_SIGBUS, which get_user_pages turns into -EFAULT.
export function gmemHostFault(fd: u32, offset: u64): i32 {
  const file = namedFile(fd);
  if (file == null) return -EBADF;
  if (offset >= file.size) return refuse(EFAULT, REASON_GMEM_BEYOND_SIZE, offset, 0, 0);
  if (!(file.flags & GUEST_MEMFD_FLAG_INIT_SHARED)) return refuse(EFAULT, REASON_GMEM_PRIVATE, offset, 0, 0);
  const ret = takePage(file, fd, offset >> pageShift);
  if (ret != 0) return ret == -EHWPOISON ? -EFAULT : ret;
  setHostMapped(takenFolio);
  if (recording) record(EFFECT_HOST_MAP, 0, fd, offset & ~pageMask, 0, pfnToPa(pfnOfFolio(takenFolio)), 0);
  return 0;
}

/** The folio of the last takePage that succeeded. */
export let takenFolio: u32 = 0;

/** kvm_gmem_get_folio: the page of the file, allocated and cleared at its first use. 0, -ENOMEM, -EHWPOISON. */
export function takePage(file: GmemFile, fd: u32, index: u64): i32 {
  const offset = pfnToPa(index);
  takenFolio = folioAt(file.pages, index);
  if (takenFolio != NO_FOLIO) {
    return isPoisoned(takenFolio) ? refuse(EHWPOISON, REASON_GMEM_POISONED, offset, 0, 0) : 0;
  }
  takenFolio = takeFolio();
  if (takenFolio == NO_FOLIO) return refuse(ENOMEM, REASON_KVM_NO_FOLIO, offset, 0, 0);
  if (!addFolio(file.pages, index, takenFolio)) reachLimit(LIMIT_CONTENTS);
  if (recording) record(EFFECT_FOLIO, 0, fd, offset, 0, pfnToPa(pfnOfFolio(takenFolio)), 0);
  return 0;
}

// kvm_gmem_fallocate: punches a hole or allocates, never changes the size (4.2).
export function gmemFallocate(fd: u32, mode: u64, offset: u64, size: u64): i32 {
  const file = namedFile(fd);
  if (file == null) return -EBADF;
  const known = (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE) as u64;
  if ((mode & (FALLOC_FL_KEEP_SIZE as u64)) == 0 || (mode & ~known) != 0) {
    return refuse(EOPNOTSUPP, REASON_GMEM_FALLOCATE_MODE, 0, 0, mode as u32);
  }
  if (offset & pageMask) return refuse(EINVAL, REASON_KVM_UNALIGNED, offset, 0, 0);
  if (size & pageMask) return refuse(EINVAL, REASON_KVM_UNALIGNED, size, 0, 0);
  if (size == 0 || offset > MAX_BYTES || size > MAX_BYTES - offset) return refuse(EINVAL, REASON_GMEM_SIZE, size, 0, 0);
  const first = offset >> pageShift;
  const end = first + (size >> pageShift);
  if (mode & (FALLOC_FL_PUNCH_HOLE as u64)) {
    punchHole(file, fd, first, end);
    return 0;
  }
  return offset + size > file.size
    ? refuse(EINVAL, REASON_GMEM_BEYOND_SIZE, offset, 0, 0)
    : allocate(file, fd, first, end);
}

// kvm_gmem_allocate: what was allocated before an error stays.
function allocate(file: GmemFile, fd: u32, first: u64, end: u64): i32 {
  for (let index = first; index < end; index++) {
    const ret = takePage(file, fd, index);
    if (ret != 0) return ret;
  }
  return 0;
}

// kvm_gmem_punch_hole: guests lose the range before its pages go, and with the pages the host's mappings of them.
function punchHole(file: GmemFile, fd: u32, first: u64, end: u64): void {
  unmapFromGuests(file, fd, first, end);
  freePages(file, fd, first, end);
}

// kvm_gmem_invalidate_begin: every slot on pages of [first, end).
function unmapFromGuests(file: GmemFile, fd: u32, first: u64, end: u64): void {
  const vm = existingVm(file.vm)!;
  for (let at = vm.slots; at != 0; at = changetype<Memslot>(at).next) {
    const slot = changetype<Memslot>(at);
    const from = max(first, slot.firstIndex);
    const to = min(end, slot.firstIndex + slot.pages);
    if (slot.fd != fd || from >= to) continue;
    stage2Unmap(vm.table, pfnToPa(slot.firstGfn + (from - slot.firstIndex)), pfnToPa(to - from));
  }
}

// truncate_inode_pages_range.
function freePages(file: GmemFile, fd: u32, first: u64, end: u64): void {
  for (let index = nextIndex(file.pages, first); index < end; index = nextIndex(file.pages, index + 1)) {
    const folio = folioAt(file.pages, index);
    const mapped = isHostMapped(folio) ? 1 : 0;
    if (recording) record(EFFECT_FOLIO, mapped, fd, pfnToPa(index), pfnToPa(pfnOfFolio(folio)), 0, 0);
    removeFolio(file.pages, index);
    releaseFolio(folio);
  }
}

/** kvm_gmem_setattr, and what the file has no function for: read, write. All of them -EINVAL (4.2). */
export function gmemHasNot(fd: u32): i32 {
  return namedFile(fd) == null ? -EBADF : refuse(EINVAL, REASON_GMEM_NO_OPERATION, 0, 0, 0);
}

// kvm_gmem_error_folio: the guests lose the page, the file keeps it; the next to use it hears -EHWPOISON (4.1).
export function gmemMemoryFailure(fd: u32, offset: u64): i32 {
  const file = namedFile(fd);
  if (file == null) return -EBADF;
  const index = offset >> pageShift;
  const folio = folioAt(file.pages, index);
  if (folio == NO_FOLIO) return 0;
  unmapFromGuests(file, fd, index, index + 1);
  setPoisoned(folio);
  return 0;
}

/** kvm_gmem_release: the slots stay, and have no file any more. Pages go back as they are. */
export function releaseFile(file: GmemFile, fd: u32): void {
  const vm = existingVm(file.vm)!;
  punchHole(file, fd, 0, file.size >> pageShift);
  for (let at = vm.slots; at != 0; at = changetype<Memslot>(at).next) {
    if (changetype<Memslot>(at).fd == fd) changetype<Memslot>(at).fd = 0;
  }
  file.isOpen = false;
}
