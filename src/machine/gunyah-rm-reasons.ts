// Why Gunyah's resource manager refused a message: the REASON_* of assembly/abi/gunyah-rm.ts as sentences, and the names of its
// errors, states and messages (reference gunyah sections 6.1, 6.4 to 6.10).

import * as abi from "../../assembly/abi/gunyah-rm.js";
import { count, hex } from "./names.js";
import type { Reason } from "./reasons.js";

/** The constants called `prefix`X, as value -> X. */
function namesOf(prefix: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const [name, value] of Object.entries(abi)) {
    if (name.startsWith(prefix)) names.set(value, name.slice(prefix.length));
  }
  return names;
}

const ERRORS: ReadonlyMap<number, string> = new Map(
  (
    [
      "OK UNIMPLEMENTED NOMEM NORESOURCE DENIED MSG_INVALID BUSY ARGUMENT_INVALID HANDLE_INVALID VALIDATE_FAILED MAP_FAILED",
      "MEM_INVALID MEM_INUSE MEM_RELEASED VMID_INVALID LOOKUP_FAILED IRQ_INVALID IRQ_INUSE IRQ_RELEASED IN_USE",
      "IRQ_NOT_MAPPED VM_STATE",
    ]
      .join(" ")
      .split(" ") as readonly RmErrorName[]
  ).map((name) => [abi[`RM_${name}`], name]),
);

/** The resource manager's errors, by the names of the published interface. */
export type RmErrorName =
  | "OK"
  | "UNIMPLEMENTED"
  | "NOMEM"
  | "NORESOURCE"
  | "DENIED"
  | "MSG_INVALID"
  | "BUSY"
  | "ARGUMENT_INVALID"
  | "HANDLE_INVALID"
  | "VALIDATE_FAILED"
  | "MAP_FAILED"
  | "MEM_INVALID"
  | "MEM_INUSE"
  | "MEM_RELEASED"
  | "VMID_INVALID"
  | "LOOKUP_FAILED"
  | "IRQ_INVALID"
  | "IRQ_INUSE"
  | "IRQ_RELEASED"
  | "IN_USE"
  | "IRQ_NOT_MAPPED"
  | "VM_STATE";

/** `MEM_INUSE` for 11; null for what is no error of the resource manager. */
export function rmErrorName(error: number): RmErrorName | null {
  return (ERRORS.get(error) as RmErrorName | undefined) ?? null;
}

const MESSAGES: ReadonlyMap<number, string> = new Map([
  ...[...namesOf("MEM_")]
    .filter(([value]) => value >>> 24 === 0x51)
    .map(([value, name]) => [value, `MEM_${name}`] as const),
]);

/** `MEM_LEND` for 0x51000012, `MEM_RECALL` for 0x51100014; null for what is neither message nor notification. */
export function rmMessageName(id: number): string | null {
  return MESSAGES.get(id) ?? null;
}

const TRANSFERS = ["DONATE", "LEND", "SHARE"];
const PARCEL_STATES = ["none", "INIT", "SHARING", "SHARED"];
const VM_STATES: ReadonlyMap<number, string> = new Map([
  [abi.RM_VM_NONE, "none"],
  [abi.RM_VM_INIT_STATE, "INIT"],
  [abi.RM_VM_READY, "READY"],
  [abi.RM_VM_RUNNING, "RUNNING"],
  [abi.RM_VM_PAUSED, "PAUSED"],
  [abi.RM_VM_LOAD, "LOAD"],
  [abi.RM_VM_AUTH, "AUTH"],
  [abi.RM_VM_INIT_FAILED, "INIT_FAILED"],
  [abi.RM_VM_EXITED, "EXITED"],
  [abi.RM_VM_RESETTING, "RESETTING"],
  [abi.RM_VM_RESET_STATE, "RESET"],
]);

/** `SHARING` for 2. */
export function parcelStateName(state: number): string {
  return PARCEL_STATES[state] ?? String(state);
}

/** `RUNNING` for 3. */
export function rmVmStateName(state: number): string {
  return VM_STATES.get(state) ?? String(state);
}

/** `LEND` for 1. */
export function transferName(transType: number): string {
  return TRANSFERS[transType] ?? String(transType);
}

/** `RW` for 6. */
export function rightsName(rights: number): string {
  const name = ["R", "W", "X"].filter((_, bit) => (rights & (4 >> bit)) !== 0).join("");
  return name === "" ? "no rights" : name;
}

const plain = String;
const mask = (value: number): string => hex(value);
const vm = (vmid: number): string => `VM ${hex(vmid)}`;
const bytes = (value: number): string => count(value, "byte");
const entries = (value: number): string => (value === 1 ? "1 entry" : `${value} entries`);
const parcels = (value: number): string => count(value, "parcel");
const regions = (value: number): string => count(value, "region");
const addresses = (value: number): string => (value === 1 ? "1 address" : `${value} addresses`);
const pages = (value: number): string => count(value, "page");
const members = (value: number): string => count(value, "VM");
const memType = (value: number): string => ["NORMAL", "IO"][value] ?? String(value);
const attribute = (value: number): string => ["NORMAL", "DEVICE", "UNCACHED", "CACHED"][value] ?? String(value);
const error = (value: number): string => `error ${value}`;

const BY_HYPERVISOR = "the hypervisor answers FOUND";

/** One row per check: component, unit of the subject, how expected and found are written, the check in words. */
export const RESOURCE_MANAGER_REASONS: readonly (readonly [code: number, reason: Reason])[] = [
  [abi.REASON_RM_MESSAGE, ["message", "value", null, "SUBJECT is no message of the resource manager"]],
  [abi.REASON_RM_TOO_LONG, ["message", "none", bytes, "the message has FOUND, the transport carries EXPECTED"]],
  [abi.REASON_RM_SHORT, ["message", "none", bytes, "the message has FOUND, its fixed part needs EXPECTED"]],
  [abi.REASON_RM_LIST_LENGTH, ["message", "none", entries, "a list has FOUND, EXPECTED are allowed"]],
  [abi.REASON_RM_LIST_CUT, ["message", "none", bytes, "a list needs EXPECTED, the message has FOUND left"]],
  [abi.REASON_RM_LEFT_OVER, ["message", "none", bytes, "FOUND are left over behind the last list"]],

  [abi.REASON_ACL_EMPTY, ["message", "none", null, "the ACL is empty"]],
  [abi.REASON_SGL_EMPTY, ["message", "none", null, "the list of memory is empty"]],
  [abi.REASON_DONATE_ACL, ["message", "none", entries, "the ACL of a donation has FOUND, must have EXPECTED"]],
  [abi.REASON_PARCEL_LIMIT, ["parcel", "vm", parcels, "SUBJECT owns FOUND already, the limit is EXPECTED"]],
  [abi.REASON_SANITIZE_IO, ["message", "none", null, "IO memory cannot be zeroed"]],
  [abi.REASON_RM_MEMORY, ["memory", "none", null, "there is no memory for the parcel, its lists or its extent"]],
  [abi.REASON_REGION_MEMORY, ["memory", "parcel", null, "there is no memory for another region of SUBJECT"]],
  [abi.REASON_ACL_DUPLICATE, ["message", "vm", null, "SUBJECT is in the ACL twice"]],
  [abi.REASON_ACL_VMID, ["message", "vm", null, "there is no SUBJECT that could be in an ACL"]],
  [abi.REASON_ACL_RIGHTS, ["message", "vm", rightsName, "SUBJECT cannot get FOUND; R, RX, RW or RWX can be given"]],
  [abi.REASON_ACL_IO_EXECUTE, ["message", "vm", rightsName, "SUBJECT cannot get FOUND of IO memory"]],
  [abi.REASON_DONATE_RIGHTS, ["message", "vm", rightsName, "a donation gives SUBJECT EXPECTED, not FOUND"]],
  [
    abi.REASON_OWNER_IN_ACL,
    ["message", "vm", plain, "SUBJECT owns the memory: it is in the ACL of what it shares, and of nothing else"],
  ],
  [abi.REASON_ATTRIBUTE_DUPLICATE, ["message", "vm", null, "SUBJECT has two attributes"]],
  [abi.REASON_ATTRIBUTE, ["message", "vm", plain, "FOUND is no attribute (SUBJECT)"]],
  [abi.REASON_ATTRIBUTE_IO, ["message", "vm", attribute, "the attribute of SUBJECT is FOUND, must be EXPECTED"]],
  [abi.REASON_ATTRIBUTE_DONATE, ["message", "vm", attribute, "a donation gives SUBJECT EXPECTED memory, not FOUND"]],
  [abi.REASON_ATTRIBUTE_VMID, ["message", "vm", null, "SUBJECT has an attribute but is not in the ACL"]],
  [
    abi.REASON_REGION_ADDRESS,
    ["message", "ipa", null, "the range at SUBJECT is empty, not page-aligned, or beyond 44 address bits"],
  ],
  [
    abi.REASON_REGION_NOT_OWNED,
    ["owner", "ipa", error, `the memory at SUBJECT is not (all) the owner's own: ${BY_HYPERVISOR}`],
  ],
  [abi.REASON_REGION_RECORD, ["owner", "ipa", error, `the owner cannot keep SUBJECT mapped: ${BY_HYPERVISOR}`]],
  [abi.REASON_REGION_DONATE, ["owner", "ipa", error, `the memory at SUBJECT cannot be moved: ${BY_HYPERVISOR}`]],
  [abi.REASON_REGION_LIMIT, ["parcel", "parcel", regions, "SUBJECT would have more than EXPECTED"]],

  [abi.REASON_HANDLE, ["parcel", "parcel", null, "there is no SUBJECT"]],
  [abi.REASON_NOT_OWNER, ["parcel", "parcel", vm, "SUBJECT belongs to EXPECTED, the caller is FOUND"]],
  [abi.REASON_PARCEL_STATE, ["parcel", "parcel", parcelStateName, "SUBJECT is FOUND, must be EXPECTED"]],
  [abi.REASON_VM_UNKNOWN, ["vm", "vm", null, "there is no SUBJECT"]],
  [abi.REASON_NOT_IN_ACL, ["parcel", "vm", null, "SUBJECT is not in the ACL"]],
  [abi.REASON_PARCEL_OWNER, ["parcel", "vm", null, "SUBJECT owns the parcel: it neither accepts nor releases it"]],
  [abi.REASON_PARCEL_LOCKED, ["parcel", "parcel", null, "SUBJECT is locked"]],

  [abi.REASON_MEM_TYPE, ["parcel", "parcel", memType, "SUBJECT is EXPECTED memory, not FOUND"]],
  [abi.REASON_TRANS_TYPE, ["parcel", "parcel", transferName, "SUBJECT is a EXPECTED, not a FOUND"]],
  [abi.REASON_NOT_SANITIZED, ["parcel", "parcel", null, "SUBJECT was not zeroed when it was created"]],
  [abi.REASON_LABEL, ["parcel", "parcel", mask, "the label of SUBJECT is EXPECTED, not FOUND"]],
  [abi.REASON_ACL_COUNT, ["parcel", "parcel", entries, "a list of SUBJECT has EXPECTED, not FOUND"]],
  [abi.REASON_ACL_ENTRY, ["parcel", "value", mask, "ACL entry SUBJECT of the parcel is EXPECTED, not FOUND"]],
  [abi.REASON_ATTRIBUTE_ENTRY, ["parcel", "value", mask, "attribute SUBJECT of the parcel is EXPECTED, not FOUND"]],
  [abi.REASON_MAP_VMID, ["message", "vm", null, "SUBJECT is named to map for, but MAP_OTHER is not set"]],
  [abi.REASON_MAP_OTHER, ["message", "none", null, "nobody maps for another VM"]],
  [abi.REASON_ALREADY_MAPPED, ["parcel", "vm", null, "SUBJECT has accepted the parcel already"]],
  [abi.REASON_CONTIGUOUS_IO, ["message", "parcel", null, "SUBJECT is IO memory, whose addresses cannot be chosen"]],
  [abi.REASON_CONTIGUOUS_LATE, ["parcel", "parcel", addresses, "SUBJECT has FOUND already, one by one"]],
  [
    abi.REASON_SANITIZE_READ_ONLY,
    ["parcel", "vm", rightsName, "SUBJECT has FOUND: who cannot write cannot have memory zeroed"],
  ],
  [abi.REASON_ADDRESS_COUNT, ["message", "parcel", addresses, "SUBJECT still needs EXPECTED, the message gives FOUND"]],
  [
    abi.REASON_ADDRESS,
    ["message", "ipa", null, "SUBJECT is not page-aligned, beyond the address space, or not where the memory must lie"],
  ],
  [abi.REASON_ADDRESS_SIZE, ["message", "ipa", pages, "the region for SUBJECT has EXPECTED, not FOUND"]],
  [abi.REASON_ADDRESS_TAKEN, ["acceptor", "ipa", null, "the addresses at SUBJECT are taken, or none are left"]],
  [abi.REASON_ADDRESS_TAG, ["acceptor", "pa", null, "the memory at SUBJECT is not what follows the region before it"]],
  [abi.REASON_ADDRESSES_MISSING, ["acceptor", "parcel", addresses, "SUBJECT needs EXPECTED and has FOUND"]],
  [abi.REASON_ACCEPT_DONATE, ["acceptor", "pa", error, `the memory at SUBJECT cannot be taken over: ${BY_HYPERVISOR}`]],
  [abi.REASON_ACCEPT_MAP, ["acceptor", "ipa", error, `nothing can be mapped at SUBJECT: ${BY_HYPERVISOR}`]],

  [abi.REASON_NOT_ACCEPTED, ["parcel", "vm", null, "SUBJECT has not accepted the parcel"]],
  [abi.REASON_RELEASE_UNMAP, ["acceptor", "ipa", error, `SUBJECT cannot be unmapped: ${BY_HYPERVISOR}`]],
  [abi.REASON_PARCEL_IN_USE, ["parcel", "parcel", members, "SUBJECT is held by FOUND"]],
  [abi.REASON_GIVE_BACK, ["owner", "pa", error, `the memory at SUBJECT cannot be given back: ${BY_HYPERVISOR}`]],

  [abi.REASON_TAG, ["parcel", "parcel", mask, "the tag of SUBJECT is EXPECTED, not FOUND"]],
  [abi.REASON_NOTIFY_FLAG, ["message", "parcel", mask, "flags FOUND are not exactly one of 1, 2, 4 and 8"]],
  [abi.REASON_VMID_LIST, ["message", "parcel", entries, "FOUND are to be told, the ACL of SUBJECT has EXPECTED"]],
  [abi.REASON_STILL_ACCEPTED, ["parcel", "vm", null, "SUBJECT still holds the parcel"]],
  [abi.REASON_LOOKUP, ["parcel", "vm", null, "no parcel of SUBJECT that waits for its members has these lists"]],

  [abi.REASON_RM_VM_STATE, ["vm", "vm", rmVmStateName, "SUBJECT is FOUND, must be EXPECTED"]],
  [abi.REASON_VMID_TAKEN, ["vm", "vm", rmVmStateName, "there is a SUBJECT already (FOUND)"]],
  [abi.REASON_NO_VMID, ["vm", "none", null, "all dynamic VMIDs are taken"]],
  [abi.REASON_VM_OWNER, ["vm", "vm", vm, "SUBJECT was allocated by EXPECTED, the caller is FOUND"]],
  [abi.REASON_DEVICE_SPACE, ["memory", "pa", error, `the range at SUBJECT is no free device space: ${BY_HYPERVISOR}`]],
  [abi.REASON_IMAGE_TRANS_TYPE, ["parcel", "parcel", transferName, "SUBJECT is a FOUND, an image must be a EXPECTED"]],
  [
    abi.REASON_IMAGE_ACL,
    ["parcel", "parcel", rightsName, "SUBJECT is not exclusive to the VM with EXPECTED, as an image must be"],
  ],
];
