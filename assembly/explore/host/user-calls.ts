// The host's system calls: what a program may ask for, and what the kernel checks before it does it.

import { EAGAIN, EBADF, EBUSY, EINVAL, EIO, EPERM, ESRCH } from "../../abi/codes";
import * as Call from "../../abi/user-calls";
import { a, b, handle, operation, vcpuField } from "../../batch/operation-record";
import { keepFrames } from "../../memory/dram";
import { makeFirmware } from "./firmware";
import { makeFrames } from "./frames";
import { forgetFaults } from "./guest-abort";
import { beginCalls } from "./hypercalls";
import { Kvm, kvmAt, KVMS, makeKvms } from "./kvm";
import { createVcpu, createVm, destroyVm } from "./lifecycle";
import { donateList } from "./page-list";
import {
  endProcess,
  giveFd,
  hasFd,
  isOpen,
  lives,
  makeProcesses,
  mapPage,
  mappedAt,
  takeFd,
  unmapPage,
} from "./process";
import { callbackPage, isInCallback, isInFault, makePreempted } from "./preempted";
import { beginRun, endRun, run } from "./run";
import { beginUnmap, endUnmap, flushShadowAll, NO_MM, unmapGfn, writeProtectAll } from "./stage2";

/**
 * The host begins: its allocator has `frames` pages from `firstPfn` on, and its VMM memory of `pages` pages. After the machine is
 * made. False if linear memory is used up.
 *
 * @param kind MEMORY_* of the VMM
 * @param reserved the first page of what is in no allocator, aligned to a block
 */
export function makeHost(firstPfn: u64, frames: u32, kind: i32, pages: u32, reserved: u64): bool {
  keepFrames();
  if (!makePreempted()) return false;
  return makeFrames(firstPfn, frames) && makeProcesses(kind, pages, reserved) && makeKvms() && makeFirmware();
}

/** Serves one call; what the program is answered: 0 or -errno. */
export function serve(record: usize): i32 {
  beginCalls();
  forgetFaults();
  const process = vcpuField(record);
  if (!lives(process)) return -ESRCH;
  if (mustWait(operation(record))) return -EAGAIN;
  switch (operation(record)) {
    case Call.USER_EXIT:
      return exit(process);
    case Call.USER_MUNMAP:
      return munmap(process, a(record) as u32);
    case Call.USER_MUNMAP_BEGIN:
      return beginMunmap(a(record) as u32);
    case Call.USER_MUNMAP_END:
      return endMunmap();
    case Call.USER_MMAP:
      return mmap(a(record) as u32, b(record) != 0);
    case Call.USER_DONATE_LIST:
      return donateList(mappedAt(a(record) as u32));
    case Call.USER_CREATE_VM:
      return create(handle(record), process, b(record) as i32);
    default:
      return fileCall(record, handle(record), process);
  }
}

// While a thread is preempted others change the VMM's memory, or close fds; all else that a program could ask for is left out. A
// thread goes on only where one was preempted.
function mustWait(call: i32): bool {
  if (isInFault()) return call != Call.USER_RUN_END && call != Call.USER_MUNMAP && call != Call.USER_MMAP;
  if (isInCallback()) return call != Call.USER_MUNMAP_END && call != Call.USER_CLOSE;
  return call == Call.USER_RUN_END || call == Call.USER_MUNMAP_END;
}

function create(vm: u32, process: u32, flags: i32): i32 {
  const kvm = kvmAt(vm);
  if (kvm.exists) return -EBUSY;
  const ret = createVm(kvm, process, flags);
  if (ret == 0) giveFd(process, vm);
  else destroyVm(kvm, process);
  return ret;
}

function fileCall(record: usize, vm: u32, process: u32): i32 {
  if (!hasFd(process, vm)) return -EBADF;
  switch (operation(record)) {
    case Call.USER_SEND_FD:
      return sendFd(vm, a(record) as u32);
    case Call.USER_CLOSE:
      close(vm, process, process);
      return 0;
    default:
      return ioctl(kvmAt(vm), process, record);
  }
}

/** SCM_RIGHTS. */
function sendFd(vm: u32, to: u32): i32 {
  if (!lives(to) || hasFd(to, vm)) return -EINVAL;
  giveFd(to, vm);
  return 0;
}

// The last fd takes the VM with it: its stage 2 at once, and all else when no callback is under way any more (synchronize_srcu).
function close(vm: u32, process: u32, current: u32): void {
  takeFd(process, vm);
  if (isOpen(vm)) return;
  if (isInCallback()) flushShadowAll(kvmAt(vm), current);
  else destroyVm(kvmAt(vm), current);
}

// ioctls are for the process whose memory the VM has (kvm_vcpu_ioctl, kvm_vm_ioctl).
function ioctl(kvm: Kvm, process: u32, record: usize): i32 {
  if (kvm.mm != process) return -EIO;
  switch (operation(record)) {
    case Call.USER_CREATE_VCPU:
      return createVcpu(kvm);
    case Call.USER_LOG_DIRTY:
      return logDirty(kvm, b(record) != 0);
    case Call.USER_RUN_END:
      return endRun(kvm);
    default:
      return kvm.hasVcpu ? vcpuCall(kvm, record) : -EBADF;
  }
}

function vcpuCall(kvm: Kvm, record: usize): i32 {
  const page = a(record) as u32;
  return operation(record) == Call.USER_RUN ? run(kvm, page, b(record) as i32) : beginRun(kvm, page);
}

// A protected VM has no such slots (reference host-and-vmm section 2.3).
function logDirty(kvm: Kvm, isWanted: bool): i32 {
  if (kvm.isProtected) return -EPERM;
  if (isWanted && !kvm.logsDirty) writeProtectAll(kvm);
  kvm.logsDirty = isWanted;
  return 0;
}

// The notifiers of a process hear of what goes before it goes.
function munmap(process: u32, page: u32): i32 {
  for (let vm: u32 = 0; vm < KVMS; vm++) {
    const kvm = kvmAt(vm);
    if (kvm.exists && kvm.mm == process) unmapGfn(kvm, page);
  }
  unmapPage(page);
  return 0;
}

// Of one VM: a search with preempted threads has no other.
function beginMunmap(page: u32): i32 {
  if (!kvmAt(0).exists || mappedAt(page) == 0) return -EINVAL;
  beginUnmap(kvmAt(0), page);
  return 0;
}

function endMunmap(): i32 {
  const page = callbackPage();
  endUnmap(kvmAt(0));
  unmapPage(page);
  if (!isOpen(0)) destroyVm(kvmAt(0), NO_MM);
  return 0;
}

function mmap(page: u32, inPages: bool): i32 {
  if (mappedAt(page) != 0) return -EBUSY;
  mapPage(page, inPages);
  return 0;
}

// exit_mm, whose notifiers flush the VMs on this memory, and then exit_files: by then the task has no mm.
function exit(process: u32): i32 {
  for (let vm: u32 = 0; vm < KVMS; vm++) {
    const kvm = kvmAt(vm);
    if (kvm.exists && kvm.mm == process) flushShadowAll(kvm, NO_MM);
  }
  endProcess(process);
  for (let vm: u32 = 0; vm < KVMS; vm++) {
    if (hasFd(process, vm)) close(vm, process, NO_MM);
  }
  return 0;
}
