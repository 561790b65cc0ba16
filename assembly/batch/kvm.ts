// The operations of a plain KVM host. Layout of their records: abi/operations.ts, abi/kvm.ts.

import * as Op from "../abi/kvm";
import { exceptionClass, isLowerAbort } from "../arch/syndrome";
import { guestFault } from "../systems/kvm/guest-fault";
import {
  createGuestMemfd,
  gmemFallocate,
  gmemHasNot,
  gmemHostFault,
  gmemMemoryFailure,
  gmemMmap,
} from "../systems/kvm/guest-memfd";
import { closeGuestMemfd, createVm, releaseVm } from "../systems/kvm/lifecycle";
import { setMemoryRegion } from "../systems/kvm/memslot";
import { ageGfn, unmapGfnRange } from "../systems/kvm/mmu-notifier";
import { a, b, c, d, handle, INVALID, operation, vcpuField } from "./operation-record";

export function dispatchKvm(rec: usize): i32 {
  switch (operation(rec)) {
    case Op.KVM_CREATE_VM:
      return createVm(a(rec));
    case Op.KVM_DESTROY_VM:
      return releaseVm(handle(rec));
    case Op.KVM_SET_MEMORY_REGION:
      return dispatchMemoryRegion(rec);
    case Op.KVM_GUEST_FAULT:
      if (!isLowerAbort(exceptionClass(a(rec)))) return INVALID;
      return guestFault(handle(rec), a(rec), b(rec), c(rec), d(rec) as u32);
    case Op.KVM_UNMAP_GFN_RANGE:
      return unmapGfnRange(handle(rec), a(rec), b(rec));
    case Op.KVM_AGE_GFN:
      return ageGfn(handle(rec), a(rec), b(rec), c(rec) != 0);
    case Op.KVM_CREATE_GUEST_MEMFD:
      return createGuestMemfd(handle(rec), a(rec), b(rec));
    default:
      return dispatchFile(rec);
  }
}

function dispatchMemoryRegion(rec: usize): i32 {
  const isReadOnly = (vcpuField(rec) & Op.REGION_READONLY) != 0;
  const fd = vcpuField(rec) & ~Op.REGION_READONLY;
  return setMemoryRegion(handle(rec), a(rec), b(rec), c(rec), fd, isReadOnly, d(rec));
}

function dispatchFile(rec: usize): i32 {
  const fd = vcpuField(rec);
  switch (operation(rec)) {
    case Op.GMEM_MMAP:
      return gmemMmap(fd, c(rec) != 0);
    case Op.GMEM_HOST_FAULT:
      return gmemHostFault(fd, a(rec));
    case Op.GMEM_FALLOCATE:
      return gmemFallocate(fd, a(rec), b(rec), c(rec));
    case Op.GMEM_FTRUNCATE:
    case Op.GMEM_READ:
    case Op.GMEM_WRITE:
    case Op.GMEM_MIGRATE_FOLIO:
      return gmemHasNot(fd);
    case Op.GMEM_MEMORY_FAILURE:
      return gmemMemoryFailure(fd, a(rec));
    case Op.GMEM_CLOSE:
      return closeGuestMemfd(fd);
    default:
      return INVALID;
  }
}
