// The operations in which Android's pKVM differs from that of Linux 7.3. Layout: abi/operations.ts, abi/android.ts.

import { EINVAL } from "../abi/codes";
import * as Android from "../abi/android";
import * as Op from "../abi/operations";
import {
  androidHvc,
  guestMmioAbort,
  guestMmioGuardMap,
  guestRelinquishToHost,
  guestShareFfa,
  guestUnshareFfa,
  hostUnuseDma,
  hostUseDma,
  moduleChangeHostPageProt,
} from "../systems/pkvm/android";
import { a, b, c, d, INVALID, operation } from "./operation-record";
import { namedVcpu } from "./named-vm";

/** What is left to the dispatch of Linux 7.3. */
export const AS_UPSTREAM: i32 = -4098;

export function dispatchAndroid(rec: usize): i32 {
  switch (operation(rec)) {
    case Android.HOST_USE_DMA:
      return hostUseDma(a(rec), b(rec));
    case Android.HOST_UNUSE_DMA:
      return hostUnuseDma(a(rec), b(rec));
    case Android.MODULE_CHANGE_HOST_PAGE_PROT:
      return moduleChangeHostPageProt(a(rec), b(rec), c(rec));
    case Android.GUEST_RELINQUISH_TO_HOST:
    case Android.GUEST_MMIO_GUARD_MAP:
    case Android.GUEST_MMIO_ABORT:
    case Android.GUEST_SHARE_FFA:
    case Android.GUEST_UNSHARE_FFA:
    case Op.GUEST_HVC:
      return dispatchVcpu(rec);
    // Nothing is reclaimed by force, and nothing is poisoned (reference pkvm-el2 section 13.2).
    case Op.HOST_FORCE_RECLAIM_PAGE_GUEST:
    case Op.VCPU_IN_POISON_FAULT:
    case Op.HCALL_VCPU_IN_POISON_FAULT:
      return INVALID;
    default:
      return AS_UPSTREAM;
  }
}

function dispatchVcpu(rec: usize): i32 {
  const vcpu = namedVcpu(rec);
  if (vcpu == null) return -EINVAL;
  switch (operation(rec)) {
    case Android.GUEST_RELINQUISH_TO_HOST:
      return guestRelinquishToHost(vcpu, a(rec), b(rec) != 0);
    case Android.GUEST_MMIO_GUARD_MAP:
      return guestMmioGuardMap(vcpu, a(rec));
    case Android.GUEST_MMIO_ABORT:
      return guestMmioAbort(vcpu, a(rec));
    case Android.GUEST_SHARE_FFA:
      return guestShareFfa(vcpu, a(rec));
    case Android.GUEST_UNSHARE_FFA:
      return guestUnshareFfa(vcpu, a(rec));
    default:
      return androidHvc(vcpu, a(rec), b(rec), c(rec), d(rec));
  }
}
