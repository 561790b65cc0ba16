// The real function behind each verb and the section of a reference that describes it; here EL2's (Linux 7.3, paths relative to
// arch/arm64/kvm/hyp). Where a tracefs recording spells a verb differently, both spellings are listed.

import { ANDROID_FUNCTIONS } from "./android-functions.js";
import { CCA_FUNCTIONS } from "./cca-functions.js";
import { checkingFunction, FFA_FUNCTIONS, type FunctionRow } from "./ffa-functions.js";
import { FFA_PROXY_FUNCTIONS, proxyFunction } from "./ffa-proxy-reasons.js";
import { GUNYAH_FUNCTIONS } from "./gunyah-functions.js";
import { KVM_FUNCTIONS } from "./kvm-functions.js";

/** What a verb is called in the code that it models. */
export interface KernelFunction {
  readonly name: string;
  readonly file: string;
  /** The reference that describes it, as texts name it: `pKVM EL2 reference`. */
  readonly reference: string;
  /** Section of that reference. */
  readonly section: string;
}

const MEM_PROTECT = "nvhe/mem_protect.c";
const PKVM = "nvhe/pkvm.c";
const HYP_MAIN = "nvhe/hyp-main.c";
const PGTABLE = "pgtable.c";

// prettier-ignore
const FUNCTIONS: Readonly<Record<string, FunctionRow>> = {
  host_share_hyp:                ["__pkvm_host_share_hyp",                MEM_PROTECT, "3.2"],
  host_unshare_hyp:              ["__pkvm_host_unshare_hyp",              MEM_PROTECT, "3.3"],
  host_donate_hyp:               ["__pkvm_host_donate_hyp",               MEM_PROTECT, "3.4"],
  hyp_donate_host:               ["__pkvm_hyp_donate_host",               MEM_PROTECT, "3.4"],
  hyp_pin_shared_mem:            ["hyp_pin_shared_mem",                   MEM_PROTECT, "3.5"],
  hyp_pin:                       ["hyp_pin_shared_mem",                   MEM_PROTECT, "3.5"],
  hyp_unpin_shared_mem:          ["hyp_unpin_shared_mem",                 MEM_PROTECT, "3.5"],
  hyp_unpin:                     ["hyp_unpin_shared_mem",                 MEM_PROTECT, "3.5"],
  host_share_ffa:                ["__pkvm_host_share_ffa",                MEM_PROTECT, "3.13"],
  host_unshare_ffa:              ["__pkvm_host_unshare_ffa",              MEM_PROTECT, "3.13"],
  host_abort:                    ["handle_host_mem_abort",                MEM_PROTECT, "4"],
  host_mem_abort:                ["handle_host_mem_abort",                MEM_PROTECT, "4"],

  host_share_guest:              ["__pkvm_host_share_guest",              MEM_PROTECT, "3.6"],
  host_unshare_guest:            ["__pkvm_host_unshare_guest",            MEM_PROTECT, "3.6"],
  host_donate_guest:             ["__pkvm_host_donate_guest",             MEM_PROTECT, "3.7"],
  guest_share_host:              ["__pkvm_guest_share_host",              MEM_PROTECT, "3.8"],
  guest_unshare_host:            ["__pkvm_guest_unshare_host",            MEM_PROTECT, "3.8"],
  guest_hvc:                     ["kvm_handle_pvm_hvc64",                 PKVM,        "6"],
  host_force_reclaim_page_guest: ["__pkvm_host_force_reclaim_page_guest", MEM_PROTECT, "3.9"],
  host_force_reclaim:            ["__pkvm_host_force_reclaim_page_guest", MEM_PROTECT, "3.9"],
  host_reclaim_page_guest:       ["__pkvm_host_reclaim_page_guest",       MEM_PROTECT, "3.10"],
  host_reclaim_guest:            ["__pkvm_host_reclaim_page_guest",       MEM_PROTECT, "3.10"],
  reclaim_dying_guest_page:      ["__pkvm_reclaim_dying_guest_page",      PKVM,        "3.10"],
  vcpu_in_poison_fault:          ["__pkvm_vcpu_in_poison_fault",          MEM_PROTECT, "3.11"],
  host_relax_perms_guest:        ["__pkvm_host_relax_perms_guest",        MEM_PROTECT, "3.12"],
  host_wrprotect_guest:          ["__pkvm_host_wrprotect_guest",          MEM_PROTECT, "3.12"],
  host_test_clear_young_guest:   ["__pkvm_host_test_clear_young_guest",   MEM_PROTECT, "3.12"],
  host_mkyoung_guest:            ["__pkvm_host_mkyoung_guest",            MEM_PROTECT, "3.12"],

  hcall_create_private_mapping:  ["__pkvm_create_private_mapping",        "nvhe/mm.c", "7.2"],
  hcall_adjust_pc:               ["__kvm_adjust_pc",                      HYP_MAIN,    "7.2"],
  hcall_vcpu_run:                ["__kvm_vcpu_run",                       HYP_MAIN,    "7.2"],
  hcall_vgic_v3_save_aprs:       ["__vgic_v3_save_aprs",                  HYP_MAIN,    "7.2"],
  hcall_tracing_load:            ["__tracing_load",                       "nvhe/trace.c","10.4"],
  hcall_tracing_unload:          ["__tracing_unload",                     "nvhe/trace.c","10.4"],

  hcall_donate_guest:            ["__pkvm_host_donate_guest",             HYP_MAIN,    "7.2"],
  hcall_share_guest:             ["__pkvm_host_share_guest",              HYP_MAIN,    "7.2"],
  hcall_unshare_guest:           ["__pkvm_host_unshare_guest",            HYP_MAIN,    "7.2"],
  hcall_wrprotect_guest:         ["__pkvm_host_wrprotect_guest",          HYP_MAIN,    "7.2"],
  hcall_test_clear_young_guest:  ["__pkvm_host_test_clear_young_guest",   HYP_MAIN,    "7.2"],
  hcall_tlb_flush_vmid:          ["__pkvm_tlb_flush_vmid",                HYP_MAIN,    "7.2"],
  hcall_relax_perms_guest:       ["__pkvm_host_relax_perms_guest",        HYP_MAIN,    "7.2"],
  hcall_mkyoung_guest:           ["__pkvm_host_mkyoung_guest",            HYP_MAIN,    "7.2"],
  hcall_vcpu_in_poison_fault:    ["__pkvm_vcpu_in_poison_fault",          HYP_MAIN,    "7.2"],

  reserve_vm:                    ["__pkvm_reserve_vm",                    PKVM,        "5.3"],
  unreserve_vm:                  ["__pkvm_unreserve_vm",                  PKVM,        "5.3"],
  init_vm:                       ["__pkvm_init_vm",                       PKVM,        "5.4"],
  init_vcpu:                     ["__pkvm_init_vcpu",                     PKVM,        "5.5"],
  vcpu_load:                     ["__pkvm_vcpu_load",                     HYP_MAIN,    "5.3"],
  vcpu_put:                      ["__pkvm_vcpu_put",                      HYP_MAIN,    "5.3"],
  start_teardown_vm:             ["__pkvm_start_teardown_vm",             PKVM,        "5.3"],
  finalize_teardown_vm:          ["__pkvm_finalize_teardown_vm",          PKVM,        "5.6"],
  refill_memcache:               ["pkvm_refill_memcache",                 HYP_MAIN,    "3.14"],

  pt_map:                        ["kvm_pgtable_stage2_map",               PGTABLE,     "2.4"],
  pt_annotate:                   ["kvm_pgtable_stage2_annotate",          PGTABLE,     "2.4"],
  pt_unmap:                      ["kvm_pgtable_stage2_unmap",             PGTABLE,     "2.6"],
  pt_wrprotect:                  ["kvm_pgtable_stage2_wrprotect",         PGTABLE,     "2.7"],
  pt_flush:                      ["kvm_pgtable_stage2_flush",             PGTABLE,     "2.7"],
  pt_mkyoung:                    ["kvm_pgtable_stage2_mkyoung",           PGTABLE,     "2.7"],
  pt_test_clear_young:           ["kvm_pgtable_stage2_test_clear_young",  PGTABLE,     "2.7"],
  pt_relax_perms:                ["kvm_pgtable_stage2_relax_perms",       PGTABLE,     "2.7"],
  pt_split:                      ["kvm_pgtable_stage2_split",             PGTABLE,     "2.9"],
  pt_get_leaf:                   ["kvm_pgtable_get_leaf",                 PGTABLE,     "2.2"],

  ...ANDROID_FUNCTIONS,
  ...FFA_PROXY_FUNCTIONS,
};

const PKVM_REFERENCE = "pKVM EL2 reference";

const REFERENCES: readonly (readonly [reference: string, functions: Readonly<Record<string, FunctionRow>>])[] = [
  [PKVM_REFERENCE, FUNCTIONS],
  ["host and VMM reference", KVM_FUNCTIONS],
  ["Gunyah reference", GUNYAH_FUNCTIONS],
  ["FF-A reference", FFA_FUNCTIONS],
  ["CCA reference", CCA_FUNCTIONS],
];

/**
 * The function that does what `verb` names, or null for what no hypervisor does.
 *
 * @param reason REASON_* of a refusal: where a call's checks are spread over several functions, the one that refuses
 */
export function kernelFunction(verb: string, reason?: number): KernelFunction | null {
  const proxied = reason === undefined ? null : proxyFunction(verb, reason);
  if (proxied !== null) {
    const [name, file, section] = proxied;
    return { name, file, reference: PKVM_REFERENCE, section };
  }
  for (const [reference, functions] of REFERENCES) {
    const own = functions[verb];
    if (own === undefined) continue;
    const [name, file, section] = (reason === undefined ? null : checkingFunction(verb, reason)) ?? own;
    return { name, file, reference, section };
  }
  return null;
}
