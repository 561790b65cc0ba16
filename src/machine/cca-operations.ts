// The operations of a machine with the Confidential Compute Architecture, as operations.ts has those of pKVM. Layout:
// assembly/abi/cca.ts. Searches alone have such machines.

import * as abi from "../../assembly/abi/cca.js";
import type { Verb } from "./operations.js";

const RD = { rd: { kind: "u64", at: "a" } } as const;
const REC = { rec: { kind: "u64", at: "a" } } as const;
const GRANULE = { granule: { kind: "u64", at: "a" } } as const;
const IPA_LEVEL = { ipa: { kind: "u64", at: "b" }, level: { kind: "count", at: "c" } } as const;
const BASE_TOP = { base: { kind: "u64", at: "b" }, top: { kind: "u64", at: "c" } } as const;
const RD_DATA_IPA = { ...RD, data: { kind: "u64", at: "b" }, ipa: { kind: "u64", at: "c" } } as const;

/** Addresses are bytes. */
export const CCA_OPERATIONS = {
  rmi_granule_delegate: { code: abi.RMI_GRANULE_DELEGATE, args: GRANULE },
  rmi_granule_undelegate: { code: abi.RMI_GRANULE_UNDELEGATE, args: GRANULE },
  rmi_realm_create: { code: abi.RMI_REALM_CREATE, args: { ...RD, params: { kind: "u64", at: "b" } } },
  rmi_realm_activate: { code: abi.RMI_REALM_ACTIVATE, args: RD },
  rmi_realm_destroy: { code: abi.RMI_REALM_DESTROY, args: RD },
  rmi_rec_aux_count: { code: abi.RMI_REC_AUX_COUNT, args: RD },
  rmi_rec_create: {
    code: abi.RMI_REC_CREATE,
    args: { ...RD, rec: { kind: "u64", at: "b" }, params: { kind: "u64", at: "c" } },
  },
  rmi_rec_destroy: { code: abi.RMI_REC_DESTROY, args: REC },
  /** `run`: the page with entry flags and, behind the call, the exit record. */
  rmi_rec_enter: { code: abi.RMI_REC_ENTER, args: { ...REC, run: { kind: "u64", at: "b" } } },
  rmi_rtt_create: {
    code: abi.RMI_RTT_CREATE,
    args: {
      ...RD,
      rtt: { kind: "u64", at: "b" },
      ipa: { kind: "u64", at: "c" },
      level: { kind: "count", at: "d" },
    },
  },
  rmi_rtt_destroy: { code: abi.RMI_RTT_DESTROY, args: { ...RD, ...IPA_LEVEL } },
  rmi_rtt_fold: { code: abi.RMI_RTT_FOLD, args: { ...RD, ...IPA_LEVEL } },
  rmi_rtt_read_entry: { code: abi.RMI_RTT_READ_ENTRY, args: { ...RD, ...IPA_LEVEL } },
  /** `desc`: output address, MemAttr 4:2 and S2AP 7:6, as the host wants them. */
  rmi_rtt_map_unprotected: {
    code: abi.RMI_RTT_MAP_UNPROTECTED,
    args: { ...RD, ...IPA_LEVEL, desc: { kind: "u64", at: "d" } },
  },
  rmi_rtt_unmap_unprotected: { code: abi.RMI_RTT_UNMAP_UNPROTECTED, args: { ...RD, ...IPA_LEVEL } },
  rmi_rtt_init_ripas: { code: abi.RMI_RTT_INIT_RIPAS, args: { ...RD, ...BASE_TOP } },
  rmi_rtt_set_ripas: {
    code: abi.RMI_RTT_SET_RIPAS,
    args: {
      ...RD,
      rec: { kind: "u64", at: "b" },
      base: { kind: "u64", at: "c" },
      top: { kind: "u64", at: "d" },
    },
  },
  /** `flags`: 1 measures the contents. */
  rmi_data_create: {
    code: abi.RMI_DATA_CREATE,
    args: { ...RD_DATA_IPA, src: { kind: "u64", at: "d" }, flags: { kind: "index", at: "vcpu" } },
  },
  rmi_data_create_unknown: { code: abi.RMI_DATA_CREATE_UNKNOWN, args: RD_DATA_IPA },
  rmi_data_destroy: { code: abi.RMI_DATA_DESTROY, args: { ...RD, ipa: { kind: "u64", at: "b" } } },

  /** `ripas`: 0 EMPTY, 1 RAM; `flags`: 1 also of what is DESTROYED. */
  rsi_ipa_state_set: {
    code: abi.RSI_IPA_STATE_SET,
    args: { ...REC, ...BASE_TOP, ripas: { kind: "u64", at: "d" }, flags: { kind: "index", at: "vcpu" } },
  },
  rsi_ipa_state_get: { code: abi.RSI_IPA_STATE_GET, args: { ...REC, ipa: { kind: "u64", at: "b" } } },
  rsi_host_call: { code: abi.RSI_HOST_CALL, args: REC },
  psci_system_off: { code: abi.PSCI_SYSTEM_OFF, args: REC },
  /** What RMM makes of an access of the realm's that has faulted. */
  realm_abort: {
    code: abi.REALM_ABORT,
    args: { ...REC, ipa: { kind: "u64", at: "b" }, fetch: { kind: "flag", at: "vcpu" } },
  },
  /** An interrupt of the host's takes the REC out. */
  rec_interrupt: { code: abi.REC_INTERRUPT, args: REC },
} as const satisfies Record<string, Verb>;
