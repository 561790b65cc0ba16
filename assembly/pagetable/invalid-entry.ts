// Invalid entries that carry something (asm/kvm_pgtable.h; reference pkvm-el2 section 1.6.3).
//
//   63    60 59                                                          1    0
//  +--------+------------------------------------------------------------+-------+
//  |  type  |                        annotation                          |   0   |
//  +--------+------------------------------------------------------------+-------+
//  An entry of 0 is of no type. What the other types mean is for who owns the table to say.

export const INVALID_TYPE_SHIFT: u64 = 60;
export const INVALID_ANNOTATION: u64 = 0x0fff_ffff_ffff_fffe; // bits 59:1

/** KVM_INVALID_PTE_TYPE_LOCKED: between break and make; nobody may annotate with it. */
export const TYPE_LOCKED: u64 = 1;

export function invalidType(descriptor: u64): u64 {
  return descriptor >> INVALID_TYPE_SHIFT;
}
