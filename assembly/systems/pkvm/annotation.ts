// What pKVM writes into entries that the hardware does not look at: to whom the host's page went, that a guest's page was
// taken by force, and in the software bits of a guest's leaf its page state (reference pkvm-el2 sections 1.4, 1.6).
//
//   63    60 59               20 19        4 3     1  0
//  +--------+-------------------+-----------+-------+---+
//  |   2    |    gfn (guest)    |  handle   | owner | 0 |     DONATION, in the host's table
//  +--------+-------------------+-----------+-------+---+

import { GUEST_MMIO } from "../../abi/android";
import { NOPAGE, POISON } from "../../abi/codes";
import { isValid } from "../../arch/descriptor";
import { INVALID_ANNOTATION } from "../../pagetable/invalid-entry";

/** KVM_HOST_INVALID_PTE_TYPE_DONATION and KVM_GUEST_INVALID_PTE_TYPE_POISONED. */
export const TYPE_DONATION: u64 = 2;
export const TYPE_POISONED: u64 = 3;
/** Android: a guest wants exits for accesses there. The number is the simulator's. */
export const TYPE_MMIO: u64 = 4;
/** A poisoned entry has no annotation. */
export const POISONED: u64 = 0x3000_0000_0000_0000;

/** Nor has an MMIO entry. */
export const MMIO_GUARDED: u64 = 0x4000_0000_0000_0000;

/** SW[1:0] of a guest's leaf hold its page state. */
export const SW_STATE: u64 = 0x0180_0000_0000_0000; // bits 56:55
export const SW_STATE_SHIFT: u64 = 55;

/** Bits 59:1 of a DONATION. Metadata of a guest: handle | gfn << 16 (host_stage2_encode_gfn_meta). */
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

/** guest_get_page_state: the state a guest's entry stands for. */
export function guestStateOf(descriptor: u64): i32 {
  if (isValid(descriptor)) return ((descriptor & SW_STATE) >> SW_STATE_SHIFT) as i32;
  if (descriptor == 0) return NOPAGE;
  return descriptor == POISONED ? POISON : descriptor == MMIO_GUARDED ? GUEST_MMIO : NOPAGE;
}

/** A guest leaf's permissions with its page state in the software bits. */
export function withState(prot: u64, state: i32): u64 {
  return prot | ((state as u64) << SW_STATE_SHIFT);
}
