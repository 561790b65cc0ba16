// The verbs of Gunyah's hypervisor: name, opcode and argument fields (assembly/abi/gunyah.ts; reference gunyah section 2.2).
// `vm` is the VMID of the caller; `as`, `me` and the like are numbers in its capability space; addresses and sizes are bytes.

import * as abi from "../../assembly/abi/gunyah.js";
import type { Verb } from "./operations.js";

const VM = { vm: { kind: "handle", at: "vm" } } as const;
const FIRST = { kind: "capability", at: "vcpu", bit: 0 } as const;
const SECOND = { kind: "capability", at: "vcpu", bit: 16 } as const;
const A = { kind: "u64", at: "a" } as const;
const B = { kind: "u64", at: "b" } as const;
const C = { kind: "u64", at: "c" } as const;
const D = { kind: "u64", at: "d" } as const;
const LOW_B = { kind: "bits", at: "b", bit: 0 } as const;
const HIGH_B = { kind: "bits", at: "b", bit: 32 } as const;

const CREATE = { ...VM, partition: FIRST, cspace: SECOND } as const;
const CAP_IN = { ...VM, cspace: FIRST, cap: SECOND } as const;
const AS_ME = { ...VM, as: FIRST, me: SECOND } as const;
const PART = { offset: C, size: D } as const;
const RANGE = { start: A, end: B } as const;

/** Every operation of the hypervisor by its name: hypercalls, aborts, and functions called alone. */
export const GUNYAH_OPERATIONS = {
  partition_create_partition: { code: abi.PARTITION_CREATE_PARTITION, args: CREATE },
  partition_create_cspace: { code: abi.PARTITION_CREATE_CSPACE, args: CREATE },
  partition_create_addrspace: { code: abi.PARTITION_CREATE_ADDRSPACE, args: CREATE },
  partition_create_memextent: { code: abi.PARTITION_CREATE_MEMEXTENT, args: CREATE },
  partition_create_thread: { code: abi.PARTITION_CREATE_THREAD, args: CREATE },
  object_activate: { code: abi.OBJECT_ACTIVATE, args: { ...VM, cap: FIRST } },
  object_activate_from: { code: abi.OBJECT_ACTIVATE_FROM, args: CAP_IN },
  cspace_delete_cap_from: { code: abi.CSPACE_DELETE_CAP_FROM, args: CAP_IN },
  cspace_copy_cap_from: { code: abi.CSPACE_COPY_CAP_FROM, args: { ...CAP_IN, to: A, rights: B } },
  cspace_revoke_cap_from: { code: abi.CSPACE_REVOKE_CAP_FROM, args: CAP_IN },
  cspace_revoke_caps_from: { code: abi.CSPACE_REVOKE_CAPS_FROM, args: CAP_IN },
  cspace_configure: { code: abi.CSPACE_CONFIGURE, args: { ...VM, cspace: FIRST, max_caps: A } },
  cspace_attach_thread: { code: abi.CSPACE_ATTACH_THREAD, args: { ...VM, cspace: FIRST, thread: SECOND } },

  addrspace_attach_thread: { code: abi.ADDRSPACE_ATTACH_THREAD, args: { ...VM, as: FIRST, thread: SECOND } },
  addrspace_map: {
    code: abi.ADDRSPACE_MAP,
    args: { ...AS_ME, vbase: A, map_attrs: LOW_B, map_flags: HIGH_B, ...PART },
  },
  addrspace_unmap: { code: abi.ADDRSPACE_UNMAP, args: { ...AS_ME, vbase: A, map_flags: HIGH_B, ...PART } },
  addrspace_update_access: {
    code: abi.ADDRSPACE_UPDATE_ACCESS,
    args: { ...AS_ME, vbase: A, access_attrs: LOW_B, map_flags: HIGH_B, ...PART },
  },
  addrspace_configure: { code: abi.ADDRSPACE_CONFIGURE, args: { ...VM, as: FIRST, vmid: A } },
  addrspace_lookup: { code: abi.ADDRSPACE_LOOKUP, args: { ...AS_ME, vbase: A, size: B } },
  addrspace_configure_vmmio: {
    code: abi.ADDRSPACE_CONFIGURE_VMMIO,
    args: { ...VM, as: FIRST, vbase: A, size: B, operation: C },
  },
  addrspace_attach_vdevice: {
    code: abi.ADDRSPACE_ATTACH_VDEVICE,
    args: { ...VM, as: FIRST, vbase: A, size: B, device: C },
  },
  memextent_modify: { code: abi.MEMEXTENT_MODIFY, args: { ...VM, me: FIRST, flags: A, offset: B, size: C } },
  memextent_configure: {
    code: abi.MEMEXTENT_CONFIGURE,
    args: { ...VM, me: FIRST, phys_base: A, size: B, attrs: C },
  },
  memextent_configure_derive: {
    code: abi.MEMEXTENT_CONFIGURE_DERIVE,
    args: { ...VM, me: FIRST, parent: SECOND, offset: A, size: B, attrs: C },
  },
  memextent_donate: {
    code: abi.MEMEXTENT_DONATE,
    args: { ...VM, from: FIRST, to: SECOND, options: A, offset: B, size: C },
  },
  vcpu_run: { code: abi.VCPU_RUN, args: { ...VM, thread: FIRST } },
  vcpu_run_check: { code: abi.VCPU_RUN_CHECK, args: { ...VM, thread: FIRST } },

  gunyah_abort: {
    code: abi.GUNYAH_ABORT,
    args: { ...VM, esr: A, spsr: B, far: C, hpfar: D, flags: { kind: "mask", at: "vcpu" } },
  },

  memextent_attach: { code: abi.MEMEXTENT_ATTACH, args: { ...VM, me: FIRST, partition: SECOND, size: A } },
  memextent_detach: { code: abi.MEMEXTENT_DETACH, args: { ...VM, me: FIRST } },
  vdevice_attach_phys: { code: abi.VDEVICE_ATTACH_PHYS, args: { ...VM, me: FIRST, device: A } },
  rcu_sync: { code: abi.RCU_SYNC, args: {} },
  heap_limit: { code: abi.HEAP_LIMIT, args: { heap: A, allocations: B } },
  addrspace_set_read_only: {
    code: abi.ADDRSPACE_SET_READ_ONLY,
    args: { ...VM, as: FIRST, read_only: { kind: "flag", at: "a" } },
  },
  memdb_insert: { code: abi.MEMDB_INSERT, args: { type: FIRST, ...RANGE, object: C } },
  memdb_update: {
    code: abi.MEMDB_UPDATE,
    args: { type: FIRST, prev_type: SECOND, ...RANGE, object: C, prev_object: D },
  },
  memdb_lookup: { code: abi.MEMDB_LOOKUP, args: { addr: A } },
  memdb_is_ownership_contiguous: {
    code: abi.MEMDB_IS_OWNERSHIP_CONTIGUOUS,
    args: { type: FIRST, ...RANGE, object: C },
  },
  memdb_range_walk: { code: abi.MEMDB_RANGE_WALK, args: { type: FIRST, object: A, start: B, end: C } },
  gpt_insert: { code: abi.GPT_INSERT, args: { base: A, size: B, value: C } },
  gpt_update: { code: abi.GPT_UPDATE, args: { base: A, size: B, old_value: C, value: D } },
  gpt_remove: { code: abi.GPT_REMOVE, args: { base: A, size: B, value: C } },
  gpt_lookup: { code: abi.GPT_LOOKUP, args: { base: A, size: B } },
  gpt_is_contiguous: { code: abi.GPT_IS_CONTIGUOUS, args: { base: A, size: B, value: C } },
  gpt_walk_range: { code: abi.GPT_WALK_RANGE, args: { base: A, size: B } },
} as const satisfies Record<string, Verb>;
