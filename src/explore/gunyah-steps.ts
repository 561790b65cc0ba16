// Calls of a Gunyah machine as a search tries them: messages to the resource manager and the sending of them, the life of VMs,
// accesses; and what a rule needs to know of each without reading it back (reference gunyah, section 6).

import { PARCEL_BY_RANK, SECRET } from "../../assembly/abi/explore.js";
import * as rm from "../../assembly/abi/gunyah-rm.js";
import { VMID_HLOS } from "../../assembly/abi/gunyah.js";
import {
  encodeAccept,
  encodeAppend,
  encodeCreate,
  encodeNotify,
  encodeReturn,
  messageOperations,
  type AclEntry,
  type AttributeEntry,
  type SglEntry,
} from "../machine/gunyah-messages.js";
import { parcels } from "../machine/gunyah-parcels.js";
import type { Machine } from "../machine/machine.js";
import type { Operation } from "../machine/operations.js";
import type { Step } from "./domain.js";
import type { SystemStep } from "./system-domain.js";

export type Transfer = "DONATE" | "LEND" | "SHARE";

/** What a step is about. */
export type GunyahAbout =
  /** A call to the hypervisor. */
  | { readonly kind: "hypercall" }
  | { readonly kind: "create"; readonly caller: number; readonly transfer: Transfer; readonly sanitize: boolean }
  | { readonly kind: "append"; readonly caller: number; readonly rank: number }
  | { readonly kind: "accept"; readonly caller: number; readonly rank: number; readonly sanitize: boolean }
  | { readonly kind: "release" | "reclaim"; readonly caller: number; readonly rank: number; readonly sanitize: boolean }
  | { readonly kind: "notify"; readonly caller: number }
  | { readonly kind: "life"; readonly caller: number }
  | { readonly kind: "write"; readonly caller: number };

export interface GunyahStep extends SystemStep {
  readonly about: GunyahAbout;
  /** A look-up: where, in whose address space. */
  readonly looksUp?: { readonly vmid: number; readonly ipa: bigint; readonly size: bigint };
}

const MESSAGES = { DONATE: rm.MEM_DONATE, LEND: rm.MEM_LEND, SHARE: rm.MEM_SHARE } as const;
const TYPES = { DONATE: rm.TRANS_DONATE, LEND: rm.TRANS_LEND, SHARE: rm.TRANS_SHARE } as const;

/** The handle of the parcel that is the oldest but `rank`, whenever the call is made. */
const handleOf = (rank: number): number => (PARCEL_BY_RANK + rank) >>> 0;

/** The same call with the handle that the parcel has on this machine; HANDLE_INVALID where there are not that many parcels. */
export function withHandle(step: Step, machine: Machine): Step {
  switch (step.op) {
    case "rm_message":
      return { ...step, word0: (step.word0 & ~LOW) | handleOn(machine, step.word0 & LOW) };
    case "rm_vm_config_image":
    case "rm_vm_config_firmware":
    case "rm_parcel_lock":
      return { ...step, handle: handleOn(machine, step.handle) };
    default:
      return step;
  }
}

const LOW = 0xffff_ffffn;
const FIRST_RANK = BigInt(PARCEL_BY_RANK >>> 0);
const INVALID = BigInt(rm.HANDLE_INVALID >>> 0);

function handleOn(machine: Machine, handle: bigint): bigint {
  if (handle < FIRST_RANK || handle === INVALID) return handle;
  const parcel = parcels(machine)[Number(handle - FIRST_RANK)];
  return parcel === undefined ? INVALID : BigInt(parcel.handle);
}

export interface Creation {
  readonly transfer: Transfer;
  readonly acl: readonly AclEntry[];
  readonly sgl: readonly SglEntry[];
  readonly sanitize?: boolean;
  readonly append?: boolean;
  readonly label?: number;
}

/** MEM_DONATE, MEM_LEND, MEM_SHARE. */
export function createStep(caller: number, creation: Creation): GunyahStep {
  const { transfer, acl, sgl, sanitize = false, append = false, label = 0 } = creation;
  const flags = (sanitize ? rm.CREATE_SANITIZE : 0) | (append ? rm.CREATE_APPEND : 0);
  const bytes = encodeCreate({ memType: rm.MEM_TYPE_NORMAL, flags, label, acl, sgl, attributes: [] });
  return {
    calls: messageOperations(caller, MESSAGES[transfer], bytes),
    about: { kind: "create", caller, transfer, sanitize },
  };
}

/** MEM_APPEND, the last one. */
export function appendStep(caller: number, rank: number, sgl: readonly SglEntry[]): GunyahStep {
  const bytes = encodeAppend({ handle: handleOf(rank), flags: rm.APPEND_DONE, sgl });
  return { calls: messageOperations(caller, rm.MEM_APPEND, bytes), about: { kind: "append", caller, rank } };
}

export interface Acceptance {
  readonly transfer: Transfer;
  readonly sanitize?: boolean;
  /** Without: addresses are reserved only. Default: true. */
  readonly done?: boolean;
  /** Where; left out: where the resource manager chooses. */
  readonly sgl?: readonly SglEntry[];
  readonly contiguous?: boolean;
  /** The lists that the parcel must have. */
  readonly validate?: { readonly acl: readonly AclEntry[]; readonly attributes: readonly AttributeEntry[] };
}

/** MEM_ACCEPT. */
export function acceptStep(caller: number, rank: number, acceptance: Acceptance): GunyahStep {
  const { transfer, sanitize = false, done = true, sgl = [], contiguous = false, validate } = acceptance;
  const flags =
    (sanitize ? rm.ACCEPT_SANITIZE : 0) |
    (done ? rm.ACCEPT_DONE : 0) |
    (contiguous ? rm.ACCEPT_MAP_CONTIGUOUS : 0) |
    (validate === undefined ? 0 : rm.ACCEPT_VALIDATE_ACL_ATTR);
  const lists = { acl: validate?.acl ?? [], sgl, mapVmid: 0, attributes: validate?.attributes ?? [] };
  const types = { memType: rm.MEM_TYPE_NORMAL, transType: TYPES[transfer], label: 0 };
  const bytes = encodeAccept({ handle: handleOf(rank), ...types, flags, ...lists });
  return {
    calls: messageOperations(caller, rm.MEM_ACCEPT, bytes),
    about: { kind: "accept", caller, rank, sanitize },
  };
}

/** MEM_RELEASE, MEM_RECLAIM. */
export function returnStep(kind: "release" | "reclaim", caller: number, rank: number, sanitize: boolean): GunyahStep {
  const flag = kind === "release" ? rm.RELEASE_SANITIZE : rm.RECLAIM_SANITIZE;
  const bytes = encodeReturn({ handle: handleOf(rank), flags: sanitize ? flag : 0 });
  const message = kind === "release" ? rm.MEM_RELEASE : rm.MEM_RECLAIM;
  return { calls: messageOperations(caller, message, bytes), about: { kind, caller, rank, sanitize } };
}

/** MEM_NOTIFY with one tag. */
export function notifyStep(caller: number, rank: number, flags: number, vmids: readonly number[]): GunyahStep {
  const bytes = encodeNotify({ handle: handleOf(rank), flags, tag: 1, vmids });
  return { calls: messageOperations(caller, rm.MEM_NOTIFY, bytes), about: { kind: "notify", caller } };
}

/** What is no message: a VM is allocated, started, reset. */
export const lifeStep = (call: Operation & { readonly vm: number }): GunyahStep => ({
  calls: [call],
  about: { kind: "life", caller: call.vm },
});

/** VM_CONFIG_IMAGE with a parcel by its rank. */
export function imageStep(caller: number, vmid: number, rank: number, ipa: bigint): GunyahStep {
  const image = { vmid: BigInt(vmid), handle: BigInt(handleOf(rank)), ipa, flags: 0n };
  return lifeStep({ op: "rm_vm_config_image", vm: caller, ...image });
}

/** A VM writes what nobody else is to know, until it gives it away. */
export function writeStep(caller: number, ipa: bigint): GunyahStep {
  const stage2 = caller === VMID_HLOS ? "host" : caller;
  const access = { stage2, ipa, kind: "write", value: BigInt(SECRET | caller) } as const;
  return { calls: [{ op: "access", access }], about: { kind: "write", caller } };
}
