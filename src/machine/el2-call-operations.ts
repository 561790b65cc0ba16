// Calls of the host that take addresses or that only boot may make, as operations.ts has the others. Layout:
// assembly/abi/el2-calls.ts. Searches alone make them.

import * as abi from "../../assembly/abi/el2-calls.js";
import type { Verb } from "./operations.js";

const VCPU_PA = { vcpu_pa: { kind: "u64", at: "a" } } as const;

/** Addresses and sizes are bytes. */
export const EL2_CALL_OPERATIONS = {
  hcall_create_private_mapping: {
    code: abi.HCALL_CREATE_PRIVATE_MAPPING,
    args: { phys: { kind: "u64", at: "a" }, size: { kind: "u64", at: "b" } },
  },
  hcall_adjust_pc: { code: abi.HCALL_ADJUST_PC, args: VCPU_PA },
  hcall_vcpu_run: { code: abi.HCALL_VCPU_RUN, args: VCPU_PA },
  hcall_vgic_v3_save_aprs: { code: abi.HCALL_VGIC_V3_SAVE_APRS, args: VCPU_PA },
  hcall_tracing_load: {
    code: abi.HCALL_TRACING_LOAD,
    args: { desc_pa: { kind: "u64", at: "a" }, size: { kind: "u64", at: "b" } },
  },
  host_memcache_push_at: { code: abi.HOST_MEMCACHE_PUSH_AT, args: { pa: { kind: "u64", at: "a" } } },
  hcall_tracing_unload: { code: abi.HCALL_TRACING_UNLOAD, args: {} },
} as const satisfies Readonly<Record<string, Verb>>;
