// The real function behind each verb of Gunyah's hypervisor (release 12/2023, paths relative to hyp/) and the section of the
// Gunyah reference that describes it.

const MEMEXTENT = "mem/memextent/src/memextent.c";
const ADDRSPACE = "mem/addrspace/src/addrspace.c";
const CSPACE = "core/cspace_twolevel/src/cspace_twolevel.c";
const OBJECT = "core/object_standard";
const MEMDB = "mem/memdb_gpt/src/memdb.c";
const GPT = "misc/gpt/src/gpt.c";
const VCPU_RUN = "vm/vcpu_run/src/vcpu_run.c";

// prettier-ignore
export const GUNYAH_FUNCTIONS: Readonly<Record<string, readonly [name: string, file: string, section: string]>> = {
  partition_create_partition:    ["partition_create_partition",     OBJECT,    "2.2"],
  partition_create_cspace:       ["partition_create_cspace",        OBJECT,    "2.2"],
  partition_create_addrspace:    ["partition_create_addrspace",     OBJECT,    "2.2"],
  partition_create_memextent:    ["partition_create_memextent",     OBJECT,    "2.2"],
  partition_create_thread:       ["partition_create_thread",        OBJECT,    "2.2"],
  object_activate:               ["object_activate",                OBJECT,    "2.2"],
  object_activate_from:          ["object_activate_from",           OBJECT,    "2.2"],
  cspace_delete_cap_from:        ["cspace_delete_cap",              CSPACE,    "2.3"],
  cspace_copy_cap_from:          ["cspace_copy_cap",                CSPACE,    "2.3"],
  cspace_revoke_cap_from:        ["cspace_revoke_cap",              CSPACE,    "2.3"],
  cspace_revoke_caps_from:       ["cspace_revoke_caps",             CSPACE,    "2.3"],
  cspace_configure:              ["cspace_configure",               CSPACE,    "2.3"],
  cspace_attach_thread:          ["cspace_attach_thread",           CSPACE,    "2.3"],

  addrspace_attach_thread:       ["addrspace_attach_thread",        ADDRSPACE, "2.5"],
  addrspace_map:                 ["memextent_map",                  MEMEXTENT, "3.3"],
  addrspace_unmap:               ["memextent_unmap",                MEMEXTENT, "3.4"],
  addrspace_update_access:       ["memextent_update_access",        MEMEXTENT, "3.4"],
  addrspace_configure:           ["addrspace_configure",            ADDRSPACE, "2.5"],
  addrspace_lookup:              ["addrspace_lookup",               ADDRSPACE, "2.5"],
  addrspace_configure_vmmio:     ["addrspace_configure_vmmio",      ADDRSPACE, "2.5"],
  addrspace_attach_vdevice:      ["addrspace_attach_vdevice",       ADDRSPACE, "5"],
  addrspace_set_read_only:       ["addrspace_configure",            ADDRSPACE, "2.5"],

  memextent_modify:              ["memextent_modify",               MEMEXTENT, "3.4"],
  memextent_configure:           ["memextent_configure",            MEMEXTENT, "3.1"],
  memextent_configure_derive:    ["memextent_configure_derive",     MEMEXTENT, "3.1"],
  memextent_donate:              ["memextent_donate_sibling",       MEMEXTENT, "3.5"],
  memextent_attach:              ["memextent_attach",               MEMEXTENT, "3.4"],
  memextent_detach:              ["memextent_detach",               MEMEXTENT, "3.4"],
  vdevice_attach_phys:           ["vdevice_attach_phys",            "core/vdevice/src/vdevice.c", "5"],

  vcpu_run:                      ["vcpu_run",                       VCPU_RUN,  "5"],
  vcpu_run_check:                ["vcpu_run_check",                 VCPU_RUN,  "5"],
  gunyah_abort:                  ["vcpu_exception_dispatch",        "vm/vcpu/aarch64/src/trap_dispatch.c", "5"],

  memdb_insert:                  ["memdb_insert",                   MEMDB,     "2.6"],
  memdb_update:                  ["memdb_update",                   MEMDB,     "2.6"],
  memdb_lookup:                  ["memdb_lookup",                   MEMDB,     "2.6"],
  memdb_is_ownership_contiguous: ["memdb_is_ownership_contiguous",  MEMDB,     "2.6"],
  memdb_range_walk:              ["memdb_range_walk",               MEMDB,     "2.6"],
  gpt_insert:                    ["gpt_insert",                     GPT,       "2.7"],
  gpt_update:                    ["gpt_update",                     GPT,       "2.7"],
  gpt_remove:                    ["gpt_remove",                     GPT,       "2.7"],
  gpt_lookup:                    ["gpt_lookup",                     GPT,       "2.7"],
  gpt_is_contiguous:             ["gpt_is_contiguous",              GPT,       "2.7"],
  gpt_walk_range:                ["gpt_walk",                       GPT,       "2.7"],
};
