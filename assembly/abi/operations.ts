// Operations: the verbs that the packed stream carries, and the layout of one record.
// Both sides import this file; it is valid AssemblyScript and TypeScript.
//
// A record is 40 bytes, little-endian. Unused fields are 0.
//
//    0 u16 operation | 2 u16 vm (handle, 0 = none) | 4 u32 vcpu | 8 u64 a | 16 u64 b | 24 u64 c | 32 u64 d
//
// The comment behind an operation names a, b, c, d; (vm) and (vcpu) say that those fields count.

export const OPERATION_SIZE: i32 = 40;
export const OPERATION_CODE: i32 = 0;
export const OPERATION_VM: i32 = 2;
export const OPERATION_VCPU: i32 = 4;
export const OPERATION_A: i32 = 8;
export const OPERATION_B: i32 = 16;
export const OPERATION_C: i32 = 24;
export const OPERATION_D: i32 = 32;

/** A batch runs at most this many operations; longer streams are several batches. */
export const BATCH_OPERATIONS: i32 = 65536;

// Host, EL2 and FF-A (nvhe/mem_protect.c).
export const HOST_SHARE_HYP: i32 = 1; //            pfn
export const HOST_UNSHARE_HYP: i32 = 2; //          pfn
export const HOST_DONATE_HYP: i32 = 3; //           pfn, nr
export const HYP_DONATE_HOST: i32 = 4; //           pfn, nr
export const HOST_SHARE_FFA: i32 = 5; //            pfn, nr
export const HOST_UNSHARE_FFA: i32 = 6; //          pfn, nr
export const HYP_PIN_SHARED_MEM: i32 = 7; //        from, to (bytes)
export const HYP_UNPIN_SHARED_MEM: i32 = 8; //      from, to (bytes)
export const HOST_ABORT: i32 = 9; //                esr, spsr, far, hpfar; vcpu field: 1 = the AT instruction faults

// Guests (nvhe/mem_protect.c), called directly for the named VM.
export const HOST_SHARE_GUEST: i32 = 10; //         (vm, vcpu) pfn, gfn, nr, prot
export const HOST_UNSHARE_GUEST: i32 = 11; //       (vm) gfn, nr
export const HOST_WRPROTECT_GUEST: i32 = 12; //     (vm) gfn, nr
export const HOST_RELAX_PERMS_GUEST: i32 = 13; //   (vm, vcpu) gfn, prot
export const HOST_TEST_CLEAR_YOUNG_GUEST: i32 = 14; // (vm) gfn, nr, mkold
export const HOST_MKYOUNG_GUEST: i32 = 15; //       (vm, vcpu) gfn
export const HOST_DONATE_GUEST: i32 = 16; //        (vm, vcpu) pfn, gfn
export const GUEST_SHARE_HOST: i32 = 17; //         (vm, vcpu) gfn
export const GUEST_UNSHARE_HOST: i32 = 18; //       (vm, vcpu) gfn
export const GUEST_HVC: i32 = 19; //                (vm, vcpu) x0 (function), x1, x2, x3
export const HOST_FORCE_RECLAIM_PAGE_GUEST: i32 = 20; // phys (bytes)
export const HOST_RECLAIM_PAGE_GUEST: i32 = 21; //  (vm) gfn
export const RECLAIM_DYING_GUEST_PAGE: i32 = 22; // (vm) gfn
export const VCPU_IN_POISON_FAULT: i32 = 23; //     (vm, vcpu) esr, hpfar, far

// Through the host hypercall handler, on the loaded vCPU or a handle (nvhe/hyp-main.c).
export const HCALL_DONATE_GUEST: i32 = 24; //       pfn, gfn
export const HCALL_SHARE_GUEST: i32 = 25; //        pfn, gfn, nr, prot
export const HCALL_UNSHARE_GUEST: i32 = 26; //      (vm) gfn, nr
export const HCALL_WRPROTECT_GUEST: i32 = 27; //    (vm) gfn, nr
export const HCALL_TEST_CLEAR_YOUNG_GUEST: i32 = 28; // (vm) gfn, nr, mkold
export const HCALL_TLB_FLUSH_VMID: i32 = 29; //     (vm)
export const HCALL_RELAX_PERMS_GUEST: i32 = 30; //  gfn, prot
export const HCALL_MKYOUNG_GUEST: i32 = 31; //      gfn
export const HCALL_VCPU_IN_POISON_FAULT: i32 = 32; // esr, hpfar, far

// VM life cycle (nvhe/pkvm.c).
export const RESERVE_VM: i32 = 33;
export const UNRESERVE_VM: i32 = 34; //             (vm)
export const INIT_VM: i32 = 35; //                  (vm) kvm_pa, vm_pa, pgd_pa (bytes); vcpu field: created vCPUs; d: bit 0 protected, bit 1 ID registers initialised
export const INIT_VCPU: i32 = 36; //                (vm, vcpu) host_pa, hyp_pa (bytes)
export const VCPU_LOAD: i32 = 37; //                (vm, vcpu)
export const VCPU_PUT: i32 = 38;
export const START_TEARDOWN_VM: i32 = 39; //        (vm)
export const FINALIZE_TEARDOWN_VM: i32 = 40; //     (vm)
export const REFILL_MEMCACHE: i32 = 41; //          (vm, vcpu)

// What the host does with its own memory before a call; not hypercalls.
export const HOST_MEMCACHE_PUSH: i32 = 42; //       (vm, vcpu) pfn, onto the host's list of that vCPU
export const HOST_MEMCACHE_PUSH_LOADED: i32 = 43; // pfn, onto the list of the loaded vCPU; nothing if none is loaded

// What the steps of a capture imply, on a machine rebuilt from one; not hypercalls.
export const REPLAYED_SET_MEMCACHE: i32 = 44; //    table pages that the vCPUs have from now on: 0 or plenty
export const REPLAYED_DROP_VM: i32 = 45; //         (vm) its handle was given out again: the table goes

// The page-table library alone (hyp/pgtable.c), on a machine made for it.
export const PT_MAP: i32 = 48; //                   addr, size, phys (bytes), prot; vcpu field: walk flags, bit 31 = no memcache
export const PT_UNMAP: i32 = 49; //                 addr, size
export const PT_ANNOTATE: i32 = 50; //              addr, size, type, annotation; vcpu field: bit 31 = no memcache
export const PT_WRPROTECT: i32 = 51; //             addr, size
export const PT_FLUSH: i32 = 52; //                 addr, size
export const PT_MKYOUNG: i32 = 53; //               addr
export const PT_TEST_CLEAR_YOUNG: i32 = 54; //      addr, size, mkold
export const PT_RELAX_PERMS: i32 = 55; //           addr, prot
export const PT_SPLIT: i32 = 56; //                 addr, size, pages in the split cache
export const PT_GET_LEAF: i32 = 57; //              addr

/** The vcpu field's bit of PT_MAP and PT_ANNOTATE that says no table page may be allocated (a null memcache). */
export const PT_NO_MEMCACHE: i32 = -2147483648;
