// KVM_RUN, until its guest has done one thing (arch/arm64/kvm/arm.c; reference host-and-vmm sections 2.2, 2.7, 5).

import { GUEST_HVC, VCPU_LOAD, VCPU_PUT } from "../../abi/operations";
import { GUEST_READS, GUEST_RELINQUISHES, GUEST_SHARES, HOST_FIRST_GFN } from "../../abi/user-calls";
import { ACCESS_READ, ACCESS_WRITE } from "../../abi/walk";
import { pfnToPa } from "../../arch/geometry";
import { MEM_SHARE, MEM_UNSHARE } from "../../systems/pkvm/guest-host";
import { pageRelinquished } from "./firmware";
import { beginAbort, canAccess, finishAbort, guestAccess } from "./guest-abort";
import { call, mustCall, warn } from "./hypercalls";
import { findRecord, Kvm } from "./kvm";
import { createAtEl2 } from "./lifecycle";
import { faultPage } from "./preempted";
import { release } from "./stage2";

/** Android's call by which a guest gives a page back. */
const MEM_RELINQUISH: u64 = 0xc600_0009;
/** guest_hvc's answer where the host hears of the call. */
const LEFT_TO_HOST: i32 = 0;

export function run(kvm: Kvm, page: u32, act: i32): i32 {
  const created = createAtEl2(kvm);
  if (created != 0) return created;
  mustCall(VCPU_LOAD, kvm.handle, 0, 0, 0, 0, 0);
  const ret = guestDoes(kvm, page, act);
  mustCall(VCPU_PUT, 0, 0, 0, 0, 0, 0);
  return ret;
}

/** The same up to where the fault handler, if the guest comes to it, is preempted: the vCPU is put, and loaded again later. */
export function beginRun(kvm: Kvm, page: u32): i32 {
  const created = createAtEl2(kvm);
  if (created != 0) return created;
  mustCall(VCPU_LOAD, kvm.handle, 0, 0, 0, 0, 0);
  const ret = canAccess(kvm, page, ACCESS_WRITE) ? 0 : beginAbort(kvm, page, true);
  mustCall(VCPU_PUT, 0, 0, 0, 0, 0, 0);
  return ret;
}

/** From there on: the guest tries again, and may come to other faults. */
export function endRun(kvm: Kvm): i32 {
  const page = faultPage();
  mustCall(VCPU_LOAD, kvm.handle, 0, 0, 0, 0, 0);
  const handled = finishAbort(kvm);
  const ret = handled == 0 ? guestAccess(kvm, page, ACCESS_WRITE) : handled;
  mustCall(VCPU_PUT, 0, 0, 0, 0, 0, 0);
  return ret;
}

// A guest has touched what it shares.
function guestDoes(kvm: Kvm, page: u32, act: i32): i32 {
  if (act == GUEST_RELINQUISHES) return relinquish(kvm, page);
  const ret = guestAccess(kvm, page, act == GUEST_READS ? ACCESS_READ : ACCESS_WRITE);
  if (ret == 0 && act >= GUEST_SHARES) hypercall(kvm, page, act == GUEST_SHARES ? MEM_SHARE : MEM_UNSHARE);
  return ret;
}

function hypercall(kvm: Kvm, page: u32, fn: u64): i32 {
  return call(GUEST_HVC, kvm.handle, 0, fn, pfnToPa((HOST_FIRST_GFN as u64) + (page as u64)), 0, 0);
}

// What EL2 took from the guest is the host's again, which hears of it and drops its pin.
function relinquish(kvm: Kvm, page: u32): i32 {
  if (hypercall(kvm, page, MEM_RELINQUISH) != LEFT_TO_HOST) return 0;
  pageRelinquished(kvm, page);
  const record = findRecord(kvm, page);
  if (record == 0) warn();
  else release(record, kvm.mm);
  return 0;
}
