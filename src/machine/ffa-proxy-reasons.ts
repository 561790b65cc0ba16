// Refusals of pKVM's FF-A proxy in words (codes: assembly/abi/ffa-proxy.ts), and the functions of nvhe/ffa.c that refuse.

import { REASON_FFA_ENDPOINT } from "../../assembly/abi/ffa.js";
import * as proxy from "../../assembly/abi/ffa-proxy.js";
import { endpointName } from "./ffa-effects.js";
import type { FunctionRow } from "./ffa-functions.js";
import { count, hex } from "./names.js";
import type { Reason } from "./reasons.js";

const plain = (value: number) => String(value);
const mask = (value: number) => hex(value);
const bytes = (value: number) => count(value, "byte");
const pages = (value: number) => count(value, "page");
const endpoints = (value: number) => count(value, "endpoint");

// prettier-ignore
export const FFA_PROXY_REASONS: readonly (readonly [code: number, reason: Reason])[] = [
  [proxy.REASON_PROXY_NOT_NEGOTIATED,    ["caller", "none", null, "no version was negotiated yet"]],
  [proxy.REASON_PROXY_VERSION,           ["arguments", "none", mask, "version FOUND cannot be had, EXPECTED is in use"]],
  [proxy.REASON_PROXY_NOT_PASSED_ON,     ["arguments", "function", null, "EL2 does not pass SUBJECT on"]],
  [proxy.REASON_PROXY_NOT_MODELLED,      ["arguments", "function", null, "SUBJECT reaches the secure world, of which memory management alone is modelled"]],
  [proxy.REASON_PROXY_MAILBOX_PAGES,     ["arguments", "none", pages, "a buffer of FOUND (4 KiB each), must be EXPECTED"]],
  [proxy.REASON_PROXY_ALIGNMENT,         ["arguments", "pa", null, "SUBJECT, or the size of what is there, is not page aligned"]],
  [proxy.REASON_PROXY_MAPPED,            ["buffers", "none", null, "the host has registered buffers already"]],
  [proxy.REASON_PROXY_NOT_MAPPED,        ["buffers", "endpoint", null, "SUBJECT has registered no buffers with EL2"]],
  [proxy.REASON_PROXY_MBZ_REGISTER,      ["registers", "none", null, "x3 and x4 must be 0"]],
  [proxy.REASON_PROXY_LENGTHS,           ["registers", "none", bytes, "a fragment of FOUND does not fit a message of EXPECTED"]],
  [proxy.REASON_PROXY_TX_LENGTH,         ["registers", "none", bytes, "a fragment of FOUND, EL2's buffer holds EXPECTED"]],
  [proxy.REASON_PROXY_TRUNCATED,         ["descriptor", "none", plain, "the first access descriptor ends at byte EXPECTED, the fragment at byte FOUND"]],
  [proxy.REASON_PROXY_NO_TX,             ["buffers", "none", null, "the host has registered no buffers with EL2"]],
  [proxy.REASON_PROXY_DESCRIPTOR_BUFFER, ["descriptor", "none", bytes, "a message of FOUND, EL2's descriptor buffer holds EXPECTED"]],
  [proxy.REASON_PROXY_COMPOSITE_OFFSET,  ["descriptor", "none", plain, "the composite descriptor cannot be at byte FOUND (EXPECTED would do)"]],
  [proxy.REASON_PROXY_ENDPOINTS,         ["descriptor", "none", endpoints, "FOUND named, EL2 passes on memory for EXPECTED"]],
  [proxy.REASON_PROXY_SENDER,            ["descriptor", "none", endpointName, "the descriptor names FOUND as sender, must be EXPECTED"]],
  [proxy.REASON_PROXY_RANGES,            ["descriptor", "none", bytes, "FOUND of ranges, no multiple of EXPECTED"]],
  [proxy.REASON_PROXY_RESPONSE,          ["transaction", "byte", null, "the secure world's descriptor cannot be: SUBJECT"]],
];

const FILE = "nvhe/ffa.c";
const HANDLER: FunctionRow = ["kvm_host_ffa_handler", FILE, "8.1"];

/** The calls that the proxy answers by itself. */
// prettier-ignore
export const FFA_PROXY_FUNCTIONS: Readonly<Record<string, FunctionRow>> = {
  ffa_version:     ["do_ffa_version",     FILE, "8.1"],
  ffa_rxtx_map:    ["do_ffa_rxtx_map",    FILE, "8.2"],
  ffa_rxtx_unmap:  ["do_ffa_rxtx_unmap",  FILE, "8.2"],
  ffa_smc:         HANDLER,
};

// prettier-ignore
const FUNCTIONS: Readonly<Record<string, FunctionRow>> = {
  ...FFA_PROXY_FUNCTIONS,
  ffa_mem_share:   ["do_ffa_mem_xfer",    FILE, "8.3"],
  ffa_mem_lend:    ["do_ffa_mem_xfer",    FILE, "8.3"],
  ffa_mem_reclaim: ["do_ffa_mem_reclaim", FILE, "8.4"],
  ffa_mem_frag_tx: ["do_ffa_mem_frag_tx", FILE, "8.5"],
};

/** What the handler itself says, whatever the call. */
const BY_HANDLER: readonly number[] = [proxy.REASON_PROXY_NOT_NEGOTIATED, proxy.REASON_PROXY_NOT_PASSED_ON];

/**
 * The function of the proxy that refuses, null if the partition managers behind it do. An FF-A call that a check of pKVM's own
 * refuses (their codes are below those of FF-A) was refused by the proxy.
 */
export function proxyFunction(verb: string, reason: number): FunctionRow | null {
  const isProxys = reason >= proxy.REASON_PROXY_NOT_NEGOTIATED && reason <= proxy.REASON_PROXY_RESPONSE;
  if (!verb.startsWith("ffa_") || !(isProxys || (reason > 0 && reason < REASON_FFA_ENDPOINT))) return null;
  return BY_HANDLER.includes(reason) ? HANDLER : (FUNCTIONS[verb] ?? HANDLER);
}
