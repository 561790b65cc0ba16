// Refusals of the Realm Management Monitor in words (codes: assembly/abi/cca.ts), and its statuses by name.

import * as cca from "../../assembly/abi/cca.js";
import { hex } from "./names.js";
import type { Reason } from "./reasons.js";

const plain = (value: number) => String(value);
const mask = (value: number) => hex(value);
const level = (value: number) => `level ${value | 0}`;
const bits = (value: number) => `${value} bits`;

const GRANULES = ["NS", "DELEGATED", "RD", "REC", "REC_AUX", "DATA", "RTT"];
const GPTS: ReadonlyMap<number, string> = new Map([
  [cca.GPT_NO_ACCESS, "no access"],
  [cca.GPT_SECURE, "Secure"],
  [cca.GPT_NS, "Non-secure"],
  [cca.GPT_ROOT, "Root"],
  [cca.GPT_REALM, "Realm"],
]);
const REALMS = ["NEW", "ACTIVE", "SYSTEM_OFF"];

/** `DELEGATED`: a granule's state at RMM. */
export const granuleStateName = (state: number): string => GRANULES[state] ?? `state ${state}`;
/** `Realm`: the physical address space of a granule. */
export const gptName = (value: number): string => GPTS.get(value) ?? `GPT ${hex(value)}`;
const realm = (state: number): string => REALMS[state] ?? `state ${state}`;

const RMI_ERRORS = ["", "ERROR_INPUT", "ERROR_REALM", "ERROR_REC", "ERROR_RTT"];
const RSI_ERRORS = ["", "ERROR_INPUT", "ERROR_STATE"];

/**
 * Name of what a call answered: `ERROR_RTT(3)`, with the index if it says something.
 *
 * @param ret as results carry it: the status negated
 */
export function ccaErrorName(ret: number, verb: string): string | null {
  if (ret >= 0) return null;
  const [status, index] = [-ret & 0xff, -ret >> 8];
  if (status === cca.RMI_NEVER_RETURNS) return "NEVER_RETURNS";
  const name = (verb.startsWith("rmi_") ? RMI_ERRORS : RSI_ERRORS)[status] ?? `status ${status}`;
  return status === cca.RMI_ERROR_RTT && verb.startsWith("rmi_") ? `${name}(${index})` : name;
}

// prettier-ignore
export const CCA_REASONS: readonly (readonly [code: number, reason: Reason])[] = [
  [cca.REASON_RMM_ALIGNMENT,       ["arguments", "pa", null, "SUBJECT is not the address of a granule"]],
  [cca.REASON_RMM_NO_GRANULE,      ["memory map", "pa", null, "SUBJECT is no memory"]],
  [cca.REASON_RMM_GRANULE,         ["granule", "pa", granuleStateName, "the granule at SUBJECT is FOUND, must be EXPECTED"]],
  [cca.REASON_RMM_SAME_GRANULE,    ["arguments", "pa", null, "the granule at SUBJECT is named by two arguments"]],
  [cca.REASON_RMM_EL3,             ["EL3", "pa", gptName, "EL3 does not change the granule at SUBJECT: it is FOUND, must be EXPECTED"]],
  [cca.REASON_RMM_FLAGS,           ["arguments", "none", mask, "flags FOUND, must be within EXPECTED"]],
  [cca.REASON_RMM_READ,            ["EL3", "pa", gptName, "RMM cannot read SUBJECT: it is FOUND, must be EXPECTED"]],
  [cca.REASON_RMM_S2SZ,            ["arguments", "none", bits, "an IPA space of FOUND, must be of EXPECTED"]],
  [cca.REASON_RMM_VMID,            ["arguments", "none", plain, "VMID FOUND is taken, or there is no such VMID"]],
  [cca.REASON_RMM_ROOT,            ["arguments", "pa", plain, "FOUND root tables at SUBJECT, must be EXPECTED of the start level, aligned as a whole"]],
  [cca.REASON_RMM_RD_IN_ROOT,      ["arguments", "pa", null, "the realm descriptor at SUBJECT is one of the root tables"]],
  [cca.REASON_RMM_REALM_STATE,     ["realm", "pa", realm, "the realm of SUBJECT is FOUND, must be EXPECTED"]],
  [cca.REASON_RMM_RECS,            ["realm", "pa", plain, "the realm of SUBJECT has FOUND RECs, must have EXPECTED"]],
  [cca.REASON_RMM_LIVE_TABLES,     ["realm", "pa", plain, "the root table at SUBJECT has FOUND live entries, must have EXPECTED"]],
  [cca.REASON_RMM_AUX_COUNT,       ["arguments", "none", plain, "FOUND auxiliary granules, must be EXPECTED"]],
  [cca.REASON_RMM_REC_INDEX,       ["arguments", "none", plain, "REC number FOUND, the next one is EXPECTED"]],
  [cca.REASON_RMM_RUNNING,         ["REC", "pa", null, "the REC of SUBJECT runs"]],
  [cca.REASON_RMM_NOT_RUNNABLE,    ["REC", "pa", null, "the REC of SUBJECT is not runnable"]],
  [cca.REASON_RMM_OTHER_REALM,     ["REC", "pa", null, "the REC of SUBJECT is another realm's"]],
  [cca.REASON_RMM_ENTRY_FLAGS,     ["arguments", "none", mask, "entry flags FOUND do not go with how the REC left last"]],
  [cca.REASON_RMM_LEVEL,           ["arguments", "none", level, "FOUND is not one that the call takes"]],
  [cca.REASON_RMM_IPA,             ["arguments", "ipa", null, "SUBJECT is not aligned to what an entry of that level spans, or beyond the realm"]],
  [cca.REASON_RMM_NOT_PROTECTED,   ["arguments", "ipa", null, "SUBJECT is not in the protected half"]],
  [cca.REASON_RMM_NOT_UNPROTECTED, ["arguments", "ipa", null, "SUBJECT is not in the unprotected half"]],
  [cca.REASON_RMM_WALK,            ["page table", "ipa", level, "the walk for SUBJECT ends at FOUND, must reach EXPECTED"]],
  [cca.REASON_RMM_TABLE,           ["page table", "ipa", level, "there is a table for SUBJECT already: its entry stands at FOUND"]],
  [cca.REASON_RMM_NO_TABLE,        ["page table", "ipa", level, "there is no table for SUBJECT: the entry at FOUND is none"]],
  [cca.REASON_RMM_ASSIGNED,        ["page table", "ipa", null, "SUBJECT is assigned already, or a table is there"]],
  [cca.REASON_RMM_UNASSIGNED,      ["page table", "ipa", null, "SUBJECT is not assigned"]],
  [cca.REASON_RMM_TABLE_IN_USE,    ["page table", "ipa", plain, "the table for SUBJECT has FOUND live entries"]],
  [cca.REASON_RMM_FOLD,            ["page table", "ipa", plain, "the entries of the table for SUBJECT (FOUND of them live) do not make one"]],
  [cca.REASON_RMM_DESC,            ["arguments", "value", null, "SUBJECT has bits that are not the host's, or memory attributes that mean nothing"]],
  [cca.REASON_RMM_RANGE,           ["arguments", "ipa", null, "a range up to SUBJECT: must be whole pages, and one at least"]],
  [cca.REASON_RMM_PENDING,         ["REC", "ipa", null, "the realm has not asked for a change at SUBJECT"]],
  [cca.REASON_RMM_RIPAS,           ["page table", "ipa", null, "the entry for SUBJECT stays as it is"]],
  [cca.REASON_RMM_NOT_RUNNING,     ["REC", "pa", null, "the REC of SUBJECT does not run, and can do nothing"]],
  [cca.REASON_RMM_LOCK,            ["granule", "pa", null, "the lock of the granule at SUBJECT is held, and nobody will release it"]],
];
