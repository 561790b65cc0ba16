// The FF-A calls and what makes a machine of partition managers, as operations.ts has the verbs of pKVM. Layout: assembly/abi/ffa.ts.

import * as abi from "../../assembly/abi/ffa.js";
import * as proxy from "../../assembly/abi/ffa-proxy.js";
import type { Verb } from "./operations.js";

const VM = { vm: { kind: "handle", at: "vm" } } as const;
const CALL = {
  ...VM,
  x64: { kind: "flag", at: "vcpu", bit: 0 },
  tx_fault: { kind: "flag", at: "vcpu", bit: 1 },
  wipe_fail: { kind: "flag", at: "vcpu", bit: 2 },
} as const;
const SEND = {
  ...CALL,
  total: { kind: "count", at: "a" },
  fragment: { kind: "count", at: "b" },
  address: { kind: "u64", at: "c" },
  page_count: { kind: "count", at: "d" },
} as const;
const HANDLE = { handle: { kind: "u64", at: "a" } } as const;
const SENDER = { sender: { kind: "u64", at: "c" } } as const;

/** `vm` is the endpoint that calls; lengths are bytes, `pages` counts pages of 4 KiB. Messages stand in TX (`ffa_tx`). */
export const FFA_OPERATIONS = {
  ffa_mem_donate: { code: abi.FFA_MEM_DONATE, args: SEND },
  ffa_mem_lend: { code: abi.FFA_MEM_LEND, args: SEND },
  ffa_mem_share: { code: abi.FFA_MEM_SHARE, args: SEND },
  ffa_mem_retrieve_req: { code: abi.FFA_MEM_RETRIEVE_REQ, args: SEND },
  ffa_mem_relinquish: { code: abi.FFA_MEM_RELINQUISH, args: CALL },
  ffa_mem_reclaim: { code: abi.FFA_MEM_RECLAIM, args: { ...CALL, ...HANDLE, flags: { kind: "u64", at: "b" } } },
  ffa_mem_frag_rx: {
    code: abi.FFA_MEM_FRAG_RX,
    args: { ...CALL, ...HANDLE, offset: { kind: "count", at: "b" }, ...SENDER },
  },
  ffa_mem_frag_tx: {
    code: abi.FFA_MEM_FRAG_TX,
    args: { ...CALL, ...HANDLE, fragment: { kind: "count", at: "b" }, ...SENDER },
  },
  ffa_mem_perm_get: {
    code: abi.FFA_MEM_PERM_GET,
    args: { ...CALL, base: { kind: "u64", at: "a" }, pages: { kind: "count", at: "b" } },
  },
  ffa_mem_perm_set: {
    code: abi.FFA_MEM_PERM_SET,
    args: {
      ...CALL,
      base: { kind: "u64", at: "a" },
      pages: { kind: "count", at: "b" },
      perm: { kind: "count", at: "c" },
    },
  },
  ffa_rx_release: { code: abi.FFA_RX_RELEASE, args: CALL },
  ffa_rx_fill: { code: abi.FFA_RX_FILL, args: CALL },
  ffa_abort: { code: abi.FFA_ABORT, args: CALL },
  /** 32 bytes of TX, from byte `at` (a multiple of 32) on. */
  ffa_tx: {
    code: abi.FFA_TX,
    args: {
      ...VM,
      at: { kind: "index", at: "vcpu" },
      w0: { kind: "u64", at: "a" },
      w1: { kind: "u64", at: "b" },
      w2: { kind: "u64", at: "c" },
      w3: { kind: "u64", at: "d" },
    },
  },
  ffa_endpoint: {
    code: abi.FFA_ENDPOINT,
    args: {
      ...VM,
      version: { kind: "u64", at: "a" },
      buffer_pages: { kind: "count", at: "b" },
      flags: { kind: "u64", at: "c" },
    },
  },
  ffa_set_mode: {
    code: abi.FFA_SET_MODE,
    args: {
      ...VM,
      table: { kind: "index", at: "vcpu" },
      address: { kind: "u64", at: "a" },
      pages: { kind: "count", at: "b" },
      mode: { kind: "u64", at: "c" },
    },
  },
  ffa_set_secure: {
    code: abi.FFA_SET_SECURE,
    args: { address: { kind: "u64", at: "a" }, pages: { kind: "count", at: "b" } },
  },

  // What pKVM's FF-A proxy answers by itself: the host's calls, so `vm` is 0.
  /** `ret` is the version in use. */
  ffa_version: { code: proxy.FFA_VERSION, args: { ...VM, version: { kind: "u64", at: "a" } } },
  /** Addresses of the host's TX and RX, and their size in pages of 4 KiB. */
  ffa_rxtx_map: {
    code: proxy.FFA_RXTX_MAP,
    args: { ...CALL, tx: { kind: "u64", at: "a" }, rx: { kind: "u64", at: "b" }, pages: { kind: "count", at: "c" } },
  },
  ffa_rxtx_unmap: { code: proxy.FFA_RXTX_UNMAP, args: { ...CALL, id: { kind: "u64", at: "a" } } },
  /** Any other call: function id and x1. */
  ffa_smc: { code: proxy.FFA_SMC, args: { ...CALL, fn: { kind: "u64", at: "a" }, x1: { kind: "u64", at: "b" } } },
} as const satisfies Record<string, Verb>;

/** Of searches alone: by the normal world, for the RX buffer of the VM `id`. */
export const FFA_BUFFER_OPERATIONS = {
  ffa_rx_acquire: { code: abi.FFA_RX_ACQUIRE, args: { ...CALL, id: { kind: "u64", at: "a" } } },
} as const satisfies Record<string, Verb>;
