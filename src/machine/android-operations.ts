// The operations that Android's pKVM has besides those of Linux 7.3, as operations.ts has these. Layout: assembly/abi/android.ts.

import * as abi from "../../assembly/abi/android.js";
import type { Verb } from "./operations.js";

const VCPU = { vm: { kind: "handle", at: "vm" }, vcpu: { kind: "index", at: "vcpu" } } as const;
const GFN = { gfn: { kind: "u64", at: "a" } } as const;
const PFN_NR = { pfn: { kind: "u64", at: "a" }, nr: { kind: "count", at: "b" } } as const;

/** Of a machine with `variant: "android"`. */
export const ANDROID_OPERATIONS = {
  host_use_dma: { code: abi.HOST_USE_DMA, args: PFN_NR },
  host_unuse_dma: { code: abi.HOST_UNUSE_DMA, args: PFN_NR },
  guest_relinquish_to_host: {
    code: abi.GUEST_RELINQUISH_TO_HOST,
    args: { ...VCPU, ...GFN, keep: { kind: "flag", at: "b" } },
  },
  module_change_host_page_prot: {
    code: abi.MODULE_CHANGE_HOST_PAGE_PROT,
    args: { ...PFN_NR, prot: { kind: "u64", at: "c" } },
  },
  guest_mmio_guard_map: { code: abi.GUEST_MMIO_GUARD_MAP, args: { ...VCPU, ...GFN } },
  guest_mmio_abort: { code: abi.GUEST_MMIO_ABORT, args: { ...VCPU, ipa: { kind: "u64", at: "a" } } },
  guest_share_ffa: { code: abi.GUEST_SHARE_FFA, args: { ...VCPU, ...GFN } },
  guest_unshare_ffa: { code: abi.GUEST_UNSHARE_FFA, args: { ...VCPU, ...GFN } },
} as const satisfies Record<string, Verb>;
