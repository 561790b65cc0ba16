// In what the hypervisors differ that run under KVM: Linux 7.3's EL2, and that of Android's common kernel 6.12 (reference
// host-and-vmm 5, pkvm-el2 13.2).

import type { ResolvedConfig } from "../../machine/config.js";
import { hostRule } from "../rule-table.js";

export interface El2Features {
  /** FAR_EL1 is written with every abort that is injected; else with translation faults only. */
  readonly alwaysWritesFar: boolean;
  /** The host's kernel may seize a guest's page. */
  readonly forceReclaim: boolean;
  /** A guest may give a page back while it runs. */
  readonly relinquish: boolean;
  /** EL2 knows which device space a guest wants exits for. */
  readonly mmioGuard: boolean;
  /** EL2 drives the IOMMUs: it mirrors the host's stage 2 there, and counts which pages devices use. */
  readonly iommu: boolean;
}

const LINUX: El2Features = {
  ...{ alwaysWritesFar: false, forceReclaim: true, relinquish: false, mmioGuard: false, iommu: false },
};

const ANDROID: El2Features = {
  ...{ alwaysWritesFar: true, forceReclaim: false, relinquish: true, mmioGuard: true, iommu: true },
};

/** What the EL2 of a machine has. */
export function el2Features(config: ResolvedConfig): El2Features {
  return config.kind === "pkvm" && config.variant === "android" ? ANDROID : LINUX;
}

export const ANDROID_RULES = {
  noForceReclaim: hostRule(
    "android.force-reclaim.none",
    "EL2 has no call by which the host seizes a page, and no mark for a page that was seized",
    "7.6",
    "S",
  ),
  relinquished: hostRule(
    "android.hvc.relinquish",
    "EL2 takes the page from the guest and clears it; the host hears of it and unpins: the next touch faults a page in anew",
    "5",
    "S",
    "arch/arm64/kvm/hyp/nvhe/mem_protect.c:__pkvm_guest_relinquish_to_host",
  ),
  unshared: hostRule(
    "android.hvc.unshare",
    "whether a page that a device uses can be unshared is not known; without devices it is as in Linux 7.3",
    "7.9",
    "U",
  ),
  mmioGuard: hostRule(
    "android.mmio-guard",
    "a guest that enrolled hears itself of accesses outside the device space that it registered; details are not known",
    "7.7",
    "U",
  ),
  raced: hostRule(
    "android.map.raced",
    "the page was mapped meanwhile, as no page is ever seized: the guest is resumed",
    "7.14",
    "S",
    "arch/arm64/kvm/mmu.c:pkvm_mem_abort",
  ),
  dmaMapped: hostRule(
    "android.donate.dma-mapped",
    "the page is mapped for a device: EINVAL until that ends",
    "7.14",
    "S",
    "arch/arm64/kvm/hyp/nvhe/mem_protect.c:__pkvm_host_donate_guest",
  ),
  ffaRelease: hostRule(
    "android.teardown.ffa",
    "the guest lent the page through FF-A: EBUSY, and once EL2 has released it the host tries again",
    "7.12",
    "S",
  ),
} as const;
