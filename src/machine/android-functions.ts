// The function behind each operation of Android's pKVM (common kernel 6.12, paths as in functions.ts) and the section of the
// pKVM EL2 reference that describes it. Where the reference does not give the function's name, the operation's stands.

const MEM_PROTECT = "nvhe/mem_protect.c";
const PKVM = "nvhe/pkvm.c";

// prettier-ignore
export const ANDROID_FUNCTIONS: Readonly<Record<string, readonly [name: string, file: string, section: string]>> = {
  host_use_dma:                 ["__pkvm_host_use_dma",               MEM_PROTECT, "13.2"],
  host_unuse_dma:               ["__pkvm_host_unuse_dma",             MEM_PROTECT, "13.2"],
  guest_relinquish_to_host:     ["__pkvm_guest_relinquish_to_host",   MEM_PROTECT, "13.2"],
  module_change_host_page_prot: ["module_change_host_page_prot",      MEM_PROTECT, "13.2"],
  guest_mmio_guard_map:         ["__pkvm_install_ioguard_page",       PKVM,        "13.2"],
  guest_mmio_abort:             ["__pkvm_check_ioguard_page",         PKVM,        "13.2"],
  guest_share_ffa:              ["__pkvm_guest_share_ffa",            MEM_PROTECT, "13.2"],
  guest_unshare_ffa:            ["__pkvm_guest_unshare_ffa",          MEM_PROTECT, "13.2"],
};
