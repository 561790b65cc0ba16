// Stage-2 descriptors (DDI 0487 D8.3).
//
//   63   59 58 55 54 53 52  51  50 48 47        12 11 10  9  8 7    6 5       2    1     0
//  +-------+-----+-----+--+---+-----+-----------+--+--+-----+------+---------+------+-------+
//  |       | SW  | XN  |C |DBM|     |    OA     |  |AF| SH  | S2AP | MEMATTR | TYPE | VALID |
//  +-------+-----+-----+--+---+-----+-----------+--+--+-----+------+---------+------+-------+
//
//  SW: for software, ignored by hardware. C: Contiguous. Blocks have nT in bit 16. With 64 KiB pages OA[51:48] stands in
//  bits 15:12; with DS=1 OA[51:50] takes the place of SH, OA[49:48] stands in bits 49:48.
//  A descriptor with bit 0 clear is invalid; all its other bits are software's.

import { pageShift, pageMask } from "./geometry";

export const VALID: u64 = 1;
export const TYPE: u64 = 2; // level 3: page. Above: table
export const TABLE: u64 = 3;
export const MEMATTR: u64 = 0x3c;
export const MEMATTR_SHIFT: u64 = 2;
export const S2AP_R: u64 = 1 << 6;
export const S2AP_W: u64 = 1 << 7;
export const SH_IS: u64 = 3 << 8;
export const AF: u64 = 1 << 10;
export const NT: u64 = 1 << 16;
export const DBM: u64 = 0x0008_0000_0000_0000;
export const CONTIGUOUS: u64 = 0x0010_0000_0000_0000;
export const XN: u64 = 0x0060_0000_0000_0000; // bits 54:53
export const XN_SHIFT: u64 = 53;
export const SW: u64 = 0x0780_0000_0000_0000; // bits 58:55
/** Everything that permits: XN and S2AP. */
export const PERMS: u64 = 0x0060_0000_0000_00c0;

const OA_48: u64 = 0x0000_ffff_ffff_f000;

// XN[1:0], bits 54:53.
export const XN_NONE: u64 = 0; // privileged and unprivileged execute
export const XN_UX: u64 = 1; // unprivileged only
export const XN_ALL: u64 = 2; // never
export const XN_PX: u64 = 3; // privileged only

export function isTable(descriptor: u64, level: i32): bool {
  return level != 3 && (descriptor & TABLE) == TABLE;
}

export function isValid(descriptor: u64): bool {
  return (descriptor & VALID) != 0;
}

/** The output address of a leaf, or the next table's. */
export function outputAddress(descriptor: u64): u64 {
  const address = descriptor & OA_48 & ~pageMask;
  return pageShift == 16 ? address | (((descriptor >> 12) & 15) << 48) : address;
}

/** The OA field for `pa`. */
export function addressField(pa: u64): u64 {
  const field = pa & OA_48 & ~pageMask;
  return pageShift == 16 ? field | (((pa >> 48) & 15) << 12) : field;
}

export function isExecutable(descriptor: u64): bool {
  return (descriptor & XN) >> XN_SHIFT != XN_ALL;
}
