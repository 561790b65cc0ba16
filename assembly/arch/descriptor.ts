// Stage-2 descriptors (DDI 0487 D8.3; asm/kvm_pgtable.h).
//
//   63   59 58 55 54 53 52 51 48 47        12 11 10  9  8 7    6 5       2    1     0
//  +-------+-----+-----+--+-----+-----------+--+--+-----+------+---------+------+-------+
//  |       | SW  | XN  |  |     |    OA     |  |AF| SH  | S2AP | MEMATTR | TYPE | VALID |
//  +-------+-----+-----+--+-----+-----------+--+--+-----+------+---------+------+-------+
//
//  With 64 KiB pages OA[51:48] stands in bits 15:12. SW[1:0], bits 56:55, hold a guest's page state.
//
//  Invalid descriptors (reference pkvm-el2 section 1.6.3):
//   63    60 59                                                          1    0
//  +--------+------------------------------------------------------------+-------+
//  |  type  |                        annotation                          |   0   |
//  +--------+------------------------------------------------------------+-------+
//  DONATION: owner in 3:1, and for a guest its handle in 19:4 and the gfn in 59:20.

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
export const XN: u64 = 0x0060_0000_0000_0000; // bits 54:53
export const XN_SHIFT: u64 = 53;
export const SW: u64 = 0x0780_0000_0000_0000; // bits 58:55
export const SW_STATE: u64 = 0x0180_0000_0000_0000; // bits 56:55
export const SW_STATE_SHIFT: u64 = 55;
/** KVM_PTE_LEAF_ATTR_S2_PERMS. */
export const PERMS: u64 = 0x0060_0000_0000_00c0;

const OA_48: u64 = 0x0000_ffff_ffff_f000;

// XN[1:0], bits 54:53.
export const XN_NONE: u64 = 0; // privileged and unprivileged execute
export const XN_UX: u64 = 1; // unprivileged only
export const XN_ALL: u64 = 2; // never
export const XN_PX: u64 = 3; // privileged only

export const INVALID_TYPE_SHIFT: u64 = 60;
export const INVALID_ANNOTATION: u64 = 0x0fff_ffff_ffff_fffe; // bits 59:1
export const TYPE_LOCKED: u64 = 1;
export const TYPE_DONATION: u64 = 2;
export const TYPE_POISONED: u64 = 3;
export const POISONED: u64 = 0x3000_0000_0000_0000;

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

export function invalidType(descriptor: u64): u64 {
  return descriptor >> INVALID_TYPE_SHIFT;
}

export function isExecutable(descriptor: u64): bool {
  return ((descriptor & XN) >> XN_SHIFT) != XN_ALL;
}

/** Bits 59:1 of a DONATION annotation. Metadata of a guest: handle | gfn << 16 (host_stage2_encode_gfn_meta). */
export function donationAnnotation(owner: u64, metadata: u64): u64 {
  return ((metadata << 4) | (owner << 1)) & INVALID_ANNOTATION;
}

export function donationOwner(descriptor: u64): u32 {
  return ((descriptor >> 1) & 7) as u32;
}

export function donationHandle(descriptor: u64): u32 {
  return ((descriptor >> 4) & 0xffff) as u32;
}

export function donationGfn(descriptor: u64): u64 {
  return (descriptor >> 20) & 0xff_ffff_ffff;
}
