// pKVM as Android's common kernels have it (reference pkvm-el2 section 13.2, host-and-vmm section 5): what differs from Linux
// 7.3, with the layout of operations.ts. All other operations, but for force reclaim, are those of 7.3.
//
// The comment behind an operation names a, b, c, d; (vm) and (vcpu) say that those fields count.

// Pages of the host that devices use, as EL2's IOMMU driver counts them; permissions of the host, as a module of EL2 sets them.
export const HOST_USE_DMA: i32 = 60; //                  pfn, nr
export const HOST_UNUSE_DMA: i32 = 61; //                pfn, nr
export const GUEST_RELINQUISH_TO_HOST: i32 = 62; //      (vm, vcpu) gfn, 1 = content is kept
export const MODULE_CHANGE_HOST_PAGE_PROT: i32 = 63; //  pfn, nr, prot

// Guests: MMIO guard and FF-A.
export const GUEST_MMIO_GUARD_MAP: i32 = 224; //         (vm, vcpu) gfn
export const GUEST_MMIO_ABORT: i32 = 225; //             (vm, vcpu) ipa (bytes) of an access that hit no memory
export const GUEST_SHARE_FFA: i32 = 226; //              (vm, vcpu) gfn
export const GUEST_UNSHARE_FFA: i32 = 227; //            (vm, vcpu) gfn; or EL2 releases what a dying VM has lent

/** What no other component has: pages that a module of EL2 took from the host. */
export const PKVM_ID_PROTECTED: i32 = 4;

// Host states that only modules make. The numbers are the simulator's: Android's own are unverified.
/** The host has the page with fewer permissions. */
export const MODULE_OWNED: i32 = 8;
/** The host has nothing of it. */
export const MODULE_NOPAGE: i32 = 11;
/** A guest's entry that says: device space, exits are wanted. */
export const GUEST_MMIO: i32 = 5;

// Reasons (codes.ts).
export const REASON_DMA_USE: i32 = 224; //          a device may use the page; expected 0, found references; subject PA
export const REASON_MODULE_RANGE: i32 = 225; //     pages in different states; expected the first one's, found host state; subject PA
export const REASON_MMIO_UNGUARDED: i32 = 226; //   the guest has not registered the address; subject IPA
export const REASON_NOT_ENROLLED: i32 = 227; //     MMIO guard before it is asked for; subject handle
export const REASON_LENT_BY_FFA: i32 = 228; //      the guest has lent the page through FF-A; subject IPA
export const REASON_HOST_PERMISSION: i32 = 229; //  the host's leaf does not permit the access; subject IPA
