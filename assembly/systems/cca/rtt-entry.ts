// Entries of realm translation tables as 64-bit descriptors (reference cca section 4; lib/s2tt/src/s2tt.c, version 1.0).
//
//   invalid:   63 ..  56  55  54 ..  48 47         12 11 ..  7 6    5 4     2 1 0
//            +-----------+---+----------+-------------+--------+------+-------+---+
//            |     0     |NS |    0     |     PA      |   0    |RIPAS | HIPAS | 0 |
//            +-----------+---+----------+-------------+--------+------+-------+---+
//
// assigned_ram and assigned_ns are ordinary valid leaves, the second with bit 55; a table is a table.

import {
  HIPAS_ASSIGNED,
  HIPAS_TABLE,
  HIPAS_UNASSIGNED,
  NS_MEMATTR,
  NS_S2AP,
  RIPAS_EMPTY,
  RIPAS_RAM,
} from "../../abi/cca";
import {
  AF,
  addressField,
  isTable,
  isValid,
  MEMATTR_SHIFT,
  outputAddress,
  S2AP_R,
  S2AP_W,
  SH_IS,
  TABLE,
  TYPE,
  VALID,
  XN_ALL,
  XN_SHIFT,
} from "../../arch/descriptor";

const HIPAS_SHIFT: u64 = 2;
const RIPAS_SHIFT: u64 = 5;
const FIELD: u64 = 7;
const NS: u64 = 0x0080_0000_0000_0000; // bit 55
/** Normal Write-Back where stage 2 decides (FWB). */
const WRITE_BACK: u64 = 6;

/** What the host chooses of an unprotected mapping. */
export const NS_ATTRIBUTES: u64 = NS_MEMATTR | NS_S2AP;
/** Normal Write-Back, read and write: what a realm's own memory has. */
export const DEFAULT_ATTRIBUTES: u64 = (WRITE_BACK << MEMATTR_SHIFT) | S2AP_R | S2AP_W;
const RESERVED_MEMATTR: u64 = 4;

// Made.

export function unassigned(ripas: i32): u64 {
  return ((HIPAS_UNASSIGNED as u64) << HIPAS_SHIFT) | ((ripas as u64) << RIPAS_SHIFT);
}

export function unassignedNs(): u64 {
  return NS;
}

/** Assigned, with memory at `pa`: valid for the realm if it is RAM. */
export function assigned(pa: u64, ripas: i32, level: i32): u64 {
  if (ripas != RIPAS_RAM) return pa | ((HIPAS_ASSIGNED as u64) << HIPAS_SHIFT) | ((ripas as u64) << RIPAS_SHIFT);
  return addressField(pa) | (WRITE_BACK << MEMATTR_SHIFT) | S2AP_R | S2AP_W | SH_IS | AF | leafType(level);
}

/** `desc`: address, MemAttr and S2AP as the host wants them. Never executable. */
export function assignedNs(desc: u64, level: i32): u64 {
  return desc | NS | SH_IS | AF | (XN_ALL << XN_SHIFT) | leafType(level);
}

export function tableEntry(pa: u64): u64 {
  return addressField(pa) | TABLE;
}

function leafType(level: i32): u64 {
  return level == 3 ? VALID | TYPE : VALID;
}

// Asked.

export function isTableEntry(entry: u64, level: i32): bool {
  return isTable(entry, level);
}

/** Of an entry that is no table: whether it is one of the unprotected half. */
export function isNs(entry: u64): bool {
  return (entry & NS) != 0;
}

export function isAssignedNs(entry: u64): bool {
  return isValid(entry) && isNs(entry);
}

export function isUnassignedNs(entry: u64): bool {
  return entry == NS;
}

/** HIPAS_*. */
export function hipasOf(entry: u64, level: i32): i32 {
  if (isTable(entry, level)) return HIPAS_TABLE;
  return isValid(entry) ? HIPAS_ASSIGNED : (((entry >> HIPAS_SHIFT) & FIELD) as i32);
}

/** RIPAS_*; EMPTY of a table and of the unprotected half. */
export function ripasOf(entry: u64, level: i32): i32 {
  if (isTable(entry, level) || isNs(entry)) return RIPAS_EMPTY;
  return isValid(entry) ? RIPAS_RAM : (((entry >> RIPAS_SHIFT) & 3) as i32);
}

/** Assigned in the protected half, whatever its RIPAS. */
export function isAssigned(entry: u64, level: i32): bool {
  return !isNs(entry) && hipasOf(entry, level) == HIPAS_ASSIGNED;
}

/** Unassigned in the protected half. */
export function isUnassigned(entry: u64, level: i32): bool {
  return !isNs(entry) && hipasOf(entry, level) == HIPAS_UNASSIGNED;
}

/** Of an assigned entry, or the next table's. */
export function addressOf(entry: u64): u64 {
  return outputAddress(entry);
}

/** What counts as live in the count of its table: assigned in the protected half, and tables. */
export function isLive(entry: u64, level: i32): bool {
  return isTable(entry, level) || isAssigned(entry, level);
}

/** Whether the attributes that the host chose mean something. */
export function isNsAttribute(desc: u64): bool {
  return (desc & NS_MEMATTR) >> MEMATTR_SHIFT != RESERVED_MEMATTR;
}
