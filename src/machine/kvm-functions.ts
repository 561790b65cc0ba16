// The real function behind each operation of a plain KVM host (Linux 7.3, paths relative to arch/arm64/kvm or virt/kvm),
// and the section of reference host-and-vmm that describes it.

const MMU = "mmu.c";
const ARM = "arm.c";
const MAIN = "kvm_main.c";
const GMEM = "guest_memfd.c";

// prettier-ignore
export const KVM_FUNCTIONS: Readonly<Record<string, readonly [name: string, file: string, section: string]>> = {
  kvm_create_vm:          ["kvm_arch_init_vm",                ARM,  "2.1"],
  kvm_destroy_vm:         ["kvm_vm_release",                  MAIN, "2.8"],
  kvm_set_memory_region:  ["kvm_set_memory_region",           MAIN, "2.3"],
  kvm_guest_fault:        ["kvm_handle_guest_abort",          MMU,  "2.5"],
  kvm_unmap_gfn_range:    ["kvm_unmap_gfn_range",             MMU,  "2.6"],
  kvm_age_gfn:            ["kvm_age_gfn",                     MMU,  "2.6"],
  kvm_create_guest_memfd: ["kvm_gmem_create",                 GMEM, "4.1"],
  gmem_mmap:              ["kvm_gmem_mmap",                   GMEM, "4.2"],
  gmem_host_fault:        ["kvm_gmem_fault_user_mapping",     GMEM, "4.2"],
  gmem_fallocate:         ["kvm_gmem_fallocate",              GMEM, "4.2"],
  gmem_ftruncate:         ["kvm_gmem_setattr",                GMEM, "4.2"],
  gmem_read:              ["vfs_read",                        GMEM, "4.2"],
  gmem_write:             ["vfs_write",                       GMEM, "4.2"],
  gmem_migrate_folio:     ["kvm_gmem_migrate_folio",          GMEM, "4.1"],
  gmem_memory_failure:    ["kvm_gmem_error_folio",            GMEM, "4.1"],
  gmem_close:             ["kvm_gmem_release",                GMEM, "4.2"],
};
