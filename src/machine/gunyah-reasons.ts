// Why Gunyah's hypervisor refused a call: the REASON_* of assembly/abi/gunyah.ts as sentences (reference gunyah sections 2, 3).

import * as abi from "../../assembly/abi/gunyah.js";
import {
  accessName,
  extentMemtypeName,
  heapName,
  mapMemtypeName,
  objectStateName,
  objectTypeName,
  vmName,
} from "./gunyah-names.js";
import { count, hex } from "./names.js";
import type { Reason } from "./reasons.js";

const mask = (value: number): string => hex(value);
const object = (id: number): string => (id === 0 ? "nobody" : `object ${id}`);
const bits = (value: number): string => count(value, "bit");
const slots = (value: number): string => count(value, "slot");
const ranges = (value: number): string => count(value, "range");
const noSync = (value: number): string => (value === 1 ? "with no_sync" : "without no_sync");
const capabilities = (value: number): string => (value === 1 ? "1 capability" : `${value} capabilities`);

/** One row per check: component, unit of the subject, how expected and found are written, the check in words. */
export const GUNYAH_REASONS: readonly (readonly [code: number, reason: Reason])[] = [
  [abi.REASON_RESERVED_BITS, ["arguments", "value", null, "SUBJECT has bits that must be zero"]],
  [abi.REASON_CAP_NULL, ["capability", "capability", null, "there is no SUBJECT"]],
  [abi.REASON_CAP_REVOKED, ["capability", "capability", null, "SUBJECT was revoked"]],
  [abi.REASON_CAP_TYPE, ["capability", "capability", objectTypeName, "SUBJECT is a FOUND, must be a EXPECTED"]],
  [abi.REASON_CAP_RIGHTS, ["capability", "capability", mask, "SUBJECT has the rights FOUND, needs EXPECTED"]],
  [abi.REASON_CSPACE_FULL, ["capability", "object", capabilities, "the capability space holds its FOUND already"]],
  [abi.REASON_OBJECT_STATE, ["object", "object", objectStateName, "SUBJECT is FOUND, must be EXPECTED"]],

  [abi.REASON_PAGE_ALIGNMENT, ["arguments", "value", null, "an address, offset or size is not page-aligned (SUBJECT)"]],
  [abi.REASON_EMPTY_RANGE, ["arguments", "value", null, "the range at SUBJECT is empty, or ends before it begins"]],
  [abi.REASON_WRAPS, ["arguments", "value", null, "the range at SUBJECT goes beyond 64 bits"]],
  [abi.REASON_OUTSIDE_EXTENT, ["extent", "value", null, "the range ends at SUBJECT, outside the extent"]],
  [abi.REASON_BEYOND_LIMIT, ["arguments", "value", null, "the range at SUBJECT goes beyond 44 address bits"]],
  [abi.REASON_BEYOND_SIZE, ["extent", "value", null, "SUBJECT bytes are more than the extent has"]],

  [abi.REASON_EXTENT_ATTRIBUTES, ["arguments", "none", mask, "there is no extent with attributes FOUND"]],
  [
    abi.REASON_ACCESS_NOT_SUBSET,
    ["extent", "object", accessName, "access FOUND is asked for, the extent (SUBJECT) has EXPECTED"],
  ],
  [
    abi.REASON_MEMTYPE,
    ["extent", "object", mapMemtypeName, "an extent of another memory type (SUBJECT) cannot be mapped FOUND"],
  ],
  [
    abi.REASON_PARENT_MEMTYPE,
    ["extent", "object", extentMemtypeName, "the parent's memory type is EXPECTED, FOUND cannot be derived from it"],
  ],
  [
    abi.REASON_ENCODING,
    ["arguments", "none", accessName, "no descriptor gives EL0 EXPECTED and EL1 FOUND at the same time"],
  ],
  [abi.REASON_READ_ONLY_SPACE, ["address space", "none", vmName, "the address space of FOUND is read-only"]],
  [abi.REASON_EXTENT_BASIC, ["extent", "object", null, "the extent (SUBJECT) is BASIC: it has no parts"]],
  [abi.REASON_EXTENT_NOT_SPARSE, ["extent", "object", null, "the extent (SUBJECT) is not SPARSE"]],
  [abi.REASON_EXTENT_NOT_BASIC, ["extent", "object", null, "the extent (SUBJECT) is not BASIC"]],
  [abi.REASON_RECORD_RANGE, ["arguments", "ipa", null, "the range at SUBJECT goes beyond 48 bits"]],
  [abi.REASON_MAPPINGS_FULL, ["extent", "ipa", slots, "all FOUND of the extent are taken (asked for SUBJECT)"]],
  [abi.REASON_NO_RECORD, ["extent", "ipa", null, "the extent has no such record at SUBJECT"]],
  [
    abi.REASON_SPARSE_UPDATE_ACCESS,
    ["extent", "ipa", null, "access to SUBJECT cannot be updated: of a SPARSE extent no record is found"],
  ],

  [abi.REASON_MEMDB_OWNER, ["owner", "pa", object, "SUBJECT belongs to FOUND, must belong to EXPECTED"]],
  [abi.REASON_OVERLAP, ["range map", "value", null, "there is something at SUBJECT already"]],
  [abi.REASON_OTHER_VALUE, ["range map", "value", null, "there is something else at SUBJECT"]],
  [abi.REASON_HEAP, ["memory", "none", heapName, "FOUND is used up"]],

  [abi.REASON_VMID_RANGE, ["arguments", "none", mask, "there is no VMID FOUND"]],
  [abi.REASON_VMID_IN_USE, ["address space", "none", vmName, "FOUND has an address space already"]],
  [abi.REASON_NO_SUCH_SPACE, ["address space", "none", vmName, "FOUND has no such space"]],
  [abi.REASON_SPACE_RANGE, ["page table", "ipa", bits, "SUBJECT is beyond the EXPECTED of the address space"]],
  [abi.REASON_SPACE_OVERFLOW, ["page table", "ipa", bits, "the range at SUBJECT goes beyond the EXPECTED"]],
  [abi.REASON_NOT_MAPPED, ["page table", "value", null, "nothing is there at SUBJECT"]],
  [abi.REASON_VMMIO_FULL, ["address space", "ipa", ranges, "the address space has its FOUND already"]],
  [abi.REASON_VMMIO_OVERLAP, ["address space", "ipa", null, "the range at SUBJECT overlaps another one"]],
  [abi.REASON_VMMIO_NONE, ["address space", "ipa", null, "there is no such range at SUBJECT"]],

  [abi.REASON_SAME_EXTENT, ["extent", "object", null, "SUBJECT cannot donate to itself"]],
  [abi.REASON_NO_PARENT, ["extent", "object", null, "SUBJECT has no parent, and so no siblings"]],
  [abi.REASON_OTHER_PARENT, ["extent", "object", object, "the parent of SUBJECT is FOUND, must be EXPECTED"]],
  [
    abi.REASON_NOT_PARENT,
    ["extent", "object", object, "SUBJECT is derived from EXPECTED (or belongs to that partition), not from FOUND"],
  ],
  [abi.REASON_OPERATION, ["arguments", "none", mask, "there is no operation FOUND"]],
  [abi.REASON_SYNC_FLAG, ["arguments", "none", noSync, "the operation is called FOUND, must be EXPECTED"]],
  [abi.REASON_NO_WRITE_ACCESS, ["extent", "object", accessName, "the extent (SUBJECT) has access FOUND, no W"]],
  [abi.REASON_DEVICE_EXTENT, ["extent", "object", null, "the extent (SUBJECT) is for device memory"]],
  [
    abi.REASON_PARTIALLY_MAPPED,
    ["extent", "pa", null, "the parent maps only a part of the range, up to or from SUBJECT"],
  ],

  [abi.REASON_ATTACHED, ["extent", "object", null, "SUBJECT is attached"]],
  [abi.REASON_NOT_ATTACHED, ["object", "object", null, "SUBJECT is not attached"]],
  [abi.REASON_HAS_CHILDREN, ["extent", "object", null, "extents are derived from SUBJECT"]],
  [abi.REASON_OTHER_PARTITION, ["extent", "object", object, "SUBJECT belongs to EXPECTED, not to FOUND"]],
  [abi.REASON_NO_RW_ACCESS, ["extent", "object", accessName, "SUBJECT has access FOUND, must have EXPECTED"]],
  [abi.REASON_NOT_AN_ABORT, ["arguments", "esr", null, "SUBJECT is no abort from a lower exception level"]],
  [abi.REASON_CAPABILITIES, ["arguments", "none", capabilities, "a capability space cannot hold FOUND"]],
];
