// Names of Gunyah's numbers: the hypervisor's errors, access and memory types, owners (assembly/abi/gunyah.ts;
// reference gunyah sections 2.1, 2.6, 3).

import * as abi from "../../assembly/abi/gunyah.js";
import { RM_MESSAGE } from "../../assembly/abi/gunyah-rm.js";
import { rmErrorName } from "./gunyah-rm-reasons.js";

const ERROR_NAMES = [
  "ARGUMENT_INVALID",
  "ARGUMENT_SIZE",
  "ARGUMENT_ALIGNMENT",
  "NOMEM",
  "NORESOURCES",
  "ADDR_OVERFLOW",
  "ADDR_UNDERFLOW",
  "ADDR_INVALID",
  "DENIED",
  "BUSY",
  "IDLE",
  "OBJECT_STATE",
  "OBJECT_CONFIG",
  "OBJECT_CONFIGURED",
  "FAILURE",
  "VIRQ_BOUND",
  "VIRQ_NOT_BOUND",
  "CSPACE_CAP_NULL",
  "CSPACE_CAP_REVOKED",
  "CSPACE_WRONG_OBJECT_TYPE",
  "CSPACE_INSUFFICIENT_RIGHTS",
  "CSPACE_FULL",
  "MSGQUEUE_EMPTY",
  "MSGQUEUE_FULL",
  "MEMDB_EMPTY",
  "MEMDB_NOT_OWNER",
  "MEMEXTENT_MAPPINGS_FULL",
  "MEMEXTENT_TYPE",
  "EXISTING_MAPPING",
] as const;

const ERRORS: ReadonlyMap<number, string> = new Map<number, string>([
  ...ERROR_NAMES.map((name) => [abi[name], name] as const),
  [abi.GUNYAH_UNIMPLEMENTED, "UNIMPLEMENTED"],
  [abi.GUNYAH_RETRY, "RETRY"],
]);

/** Name of a hypercall's error, for example `MEMDB_NOT_OWNER`; null for OK and for what is none. */
export function hypercallErrorName(error: number): string | null {
  return ERRORS.get(error) ?? null;
}

/**
 * Name of an error that an operation of a Gunyah machine answered: the hypervisor's or the resource manager's.
 *
 * @param code the operation's
 */
export function gunyahErrorName(error: number, code: number): string | null {
  if (error === 0) return null;
  return code < RM_MESSAGE ? hypercallErrorName(error) : rmErrorName(error);
}

const ACCESSES = ["none", "X", "W", "WX", "R", "RX", "RW", "RWX"] as const;

/** `RWX` for 7, `none` for 0. */
export function accessName(access: number): string {
  return ACCESSES[access] ?? `access ${access}`;
}

const EXTENT_MEMTYPES = ["ANY", "DEVICE", "UNCACHED", "CACHED"] as const;

/** Memory type of an extent: `ANY` for 0. */
export function extentMemtypeName(memtype: number): string {
  return EXTENT_MEMTYPES[memtype] ?? `memory type ${memtype}`;
}

const MAP_MEMTYPES: ReadonlyMap<number, string> = new Map([
  [abi.MAP_DEVICE_NGNRNE, "device nGnRnE"],
  [abi.MAP_DEVICE_NGNRE, "device nGnRE"],
  [abi.MAP_DEVICE_NGRE, "device nGRE"],
  [abi.MAP_DEVICE_GRE, "device GRE"],
  [abi.MAP_NORMAL_NC, "non-cacheable"],
  [abi.MAP_NORMAL_WB, "write-back"],
]);

/** Memory type of a mapping: `write-back` for 15. */
export function mapMemtypeName(memtype: number): string {
  return MAP_MEMTYPES.get(memtype) ?? `memory type ${memtype}`;
}

/** `RWX, write-back`, or `user RX, kernel RW, write-back` where they differ. */
export function mapAttributesName(attributes: number): string {
  const user = accessName(attributes & 7);
  const kernel = accessName((attributes >>> abi.MAP_KERNEL_SHIFT) & 7);
  const access = user === kernel ? user : `user ${user}, kernel ${kernel}`;
  return `${access}, ${mapMemtypeName((attributes >>> abi.MAP_MEMTYPE_SHIFT) & 0xff)}`;
}

const OBJECT_TYPES = ["object", "partition", "capability space", "address space", "memory extent", "thread"] as const;

/** `memory extent` for 4. */
export function objectTypeName(type: number): string {
  return OBJECT_TYPES[type] ?? `object of type ${type}`;
}

const OBJECT_STATES = ["being configured", "active", "dying"] as const;

export function objectStateName(state: number): string {
  return OBJECT_STATES[state] ?? `in state ${state}`;
}

const HEAPS = [
  "the partition's heap",
  "the hypervisor's own heap",
  "the pool of page tables",
  "the resource manager's heap",
] as const;

export function heapName(heap: number): string {
  return HEAPS[heap] ?? `heap ${heap}`;
}

const OWNER_TYPES = ["nobody", "partition", "allocator", "extent", "trace buffer"] as const;

/** Who owns memory: what the ownership database says of it (layout: EFFECT_OWNERSHIP of assembly/abi/records.ts). */
export interface Owner {
  readonly type: (typeof OWNER_TYPES)[number];
  /** What the extent is to the resource manager: null of other owners and of extents that it did not make. */
  readonly role: "parent_ddr" | "owned" | "parcel" | null;
  /** Number of the object; 0 of nobody. */
  readonly object: number;
  /** VMID of an `owned` extent, handle of a `parcel`. */
  readonly label: number;
}

const ROLES = [null, "parent_ddr", "owned", "parcel"] as const;

/** Takes an ownership word apart. */
export function decodeOwner(word: bigint): Owner {
  return {
    type: OWNER_TYPES[Number(word & 0xffn)] ?? "nobody",
    role: ROLES[Number((word >> 8n) & 0xffn)] ?? null,
    object: Number((word >> 16n) & 0xffffn),
    label: Number(word >> 32n),
  };
}

/** `HLOS`, `parcel 0x5`, `parent_ddr`, `partition 1`, `nobody`. */
export function ownerName({ type, role, object, label }: Owner): string {
  if (role === "owned") return vmName(label);
  if (role === "parcel") return `parcel 0x${label.toString(16)}`;
  if (role !== null) return role;
  return type === "nobody" ? type : `${type} ${object}`;
}

/** `HLOS`, `the resource manager`, `VM 0x80`. */
export function vmName(vmid: number): string {
  if (vmid === abi.VMID_HLOS) return "HLOS";
  return vmid === abi.VMID_RM ? "the resource manager" : `VM 0x${vmid.toString(16)}`;
}
