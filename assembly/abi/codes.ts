// Codes with an outside meaning keep their outside value.

/** Errors, as positive Linux errno values; results carry them negated (reference pkvm-el2 section 0.1). */
export const EPERM: i32 = 1;
export const ENOENT: i32 = 2;
export const ESRCH: i32 = 3;
export const EIO: i32 = 5;
export const E2BIG: i32 = 7;
export const EBADF: i32 = 9;
export const EAGAIN: i32 = 11;
export const ENOMEM: i32 = 12;
export const EFAULT: i32 = 14;
export const EBUSY: i32 = 16;
export const EEXIST: i32 = 17;
export const ENODEV: i32 = 19;
export const EINVAL: i32 = 22;
export const EMFILE: i32 = 24;
export const ERANGE: i32 = 34;
export const ENOSYS: i32 = 38;
export const EOPNOTSUPP: i32 = 95;
export const EHWPOISON: i32 = 133;

/** Page states (nvhe/memory.h:enum pkvm_page_state). */
export const OWNED: i32 = 0;
export const SHARED_OWNED: i32 = 1;
export const SHARED_BORROWED: i32 = 2;
export const NOPAGE: i32 = 3;
export const POISON: i32 = 4;

/** Components (nvhe/mem_protect.h:enum pkvm_component_id). */
export const PKVM_ID_HOST: i32 = 0;
export const PKVM_ID_HYP: i32 = 1;
export const PKVM_ID_GUEST: i32 = 2;

/** Memory region flags. MEMBLOCK_NOMAP as in the kernel; a frame region holds simulator-side table frames and is no memory to EL2. */
export const MEMBLOCK_NOMAP: i32 = 4;
export const REGION_FRAMES: i32 = 256;

// Reasons: one per check, so that two EPERMs can be told apart. expected and found are what the comment says.
export const REASON_NONE: i32 = 0;
export const REASON_HOST_STATE: i32 = 1; //         page states; subject PA
export const REASON_HYP_STATE: i32 = 2; //          page states; subject PA
export const REASON_GUEST_STATE: i32 = 3; //        page states; subject IPA
export const REASON_RANGE_CROSSES: i32 = 4; //      range leaves its region or gap; subject PA
export const REASON_NOT_MEMORY: i32 = 5; //         device space; subject PA
export const REASON_NOMAP: i32 = 6; //              firmware-reserved; subject PA
export const REASON_PFN_RANGE: i32 = 7; //          PFN_OK; subject PA
export const REASON_IPA_RANGE: i32 = 8; //          beyond the IPA space; subject IPA
export const REASON_PINNED: i32 = 9; //             refcount; expected 0, found count; subject PA
export const REASON_SIZE: i32 = 10; //              CHK_SIZE; expected pages of a block, found nr
export const REASON_ALIGNMENT: i32 = 11; //         block alignment; subject the unaligned address
export const REASON_PROT: i32 = 12; //              found prot
export const REASON_MEMCACHE: i32 = 13; //          expected pages, found pages
export const REASON_REFILL_REFUSED: i32 = 15; //    a page of the host's list was refused; subject PA; expected, found host state
export const REASON_SHARE_COUNT: i32 = 16; //       shared with someone else than guests (count 0) or count at its limit; subject PA
export const REASON_GUEST_POISONED: i32 = 17; //    subject IPA
export const REASON_GUEST_UNMAPPED: i32 = 18; //    subject IPA
export const REASON_GUEST_BLOCK: i32 = 19; //       leaf level; expected 3, found level; subject IPA
export const REASON_LEAF_SIZE: i32 = 20; //         unshare of another size than the leaf; expected level, found level; subject IPA
export const REASON_NOT_PROTECTED_ANY_MORE: i32 = 21; // force reclaim: expected NOPAGE, found host state; subject PA
export const REASON_NOT_GUEST_OWNED: i32 = 22; //   force reclaim: expected owner 2, found owner; subject PA
export const REASON_NO_SUCH_VM: i32 = 23; //        subject handle
export const REASON_VM_NOT_DYING: i32 = 24; //      subject handle
export const REASON_VM_DYING: i32 = 25; //          subject handle
export const REASON_VM_IN_USE: i32 = 26; //         found references; subject handle
export const REASON_VM_PROTECTED: i32 = 27; //      operation is for non-protected VMs; subject handle
export const REASON_VM_NOT_PROTECTED: i32 = 28; //  operation is for protected VMs; subject handle
export const REASON_NO_VCPU_LOADED: i32 = 29;
export const REASON_NOT_A_TRANSLATION_FAULT: i32 = 30; // subject ESR
export const REASON_NO_FAULT_IPA: i32 = 31; //      HPFAR bit 63 clear; subject HPFAR
export const REASON_TABLE_FULL: i32 = 32; //        no free VM slot; found slots
export const REASON_VCPU_COUNT: i32 = 33; //        found created vCPUs
export const REASON_HANDLE_RANGE: i32 = 34; //      handle below the base; subject handle
export const REASON_SLOT_NOT_RESERVED: i32 = 35; // subject handle
export const REASON_DONATION_REFUSED: i32 = 36; //  an area for EL2; subject PA; expected, found host state
export const REASON_PIN_REFUSED: i32 = 37; //       a host descriptor is not shared; subject PA; expected, found host state
export const REASON_ID_REGISTERS: i32 = 38;
export const REASON_VCPU_INDEX: i32 = 39; //        expected created vCPUs, found index
export const REASON_VCPU_EXISTS: i32 = 40; //       found index
export const REASON_HOST_ANNOTATED: i32 = 41; //    host access to a page that is not its own; subject PA; expected, found host state
export const REASON_HOST_MAPPED: i32 = 42; //       the host leaf is already valid; subject IPA
export const REASON_PERMS_ONLY: i32 = 43; //        map would change nothing but permissions; subject IPA
export const REASON_TABLE_PAGES: i32 = 44; //       no table page; subject IPA
export const REASON_SHARED_WALK: i32 = 45; //       a shared walk at EL2
export const REASON_ANNOTATION: i32 = 46; //        annotation bits or type out of range
export const REASON_INVALID_LEAF: i32 = 47; //      attribute update of an invalid leaf; subject IPA
export const REASON_HYP_PAGE_IN_USE: i32 = 48; //   hyp_donate_host of a page with references; found count; subject PA
export const REASON_HOST_PROT: i32 = 49; //         memory type and execute permission exclude each other; found prot
export const REASON_UNSHARED_WITH_HOST: i32 = 50; // guest-side call: host state; expected, found; subject PA
export const REASON_ARGUMENTS: i32 = 51; //         guest hypercall with non-zero reserved or unaligned arguments; subject x1

// Panics: where EL2 would have stopped. The names are those of the real functions.
export const PANIC_NONE: i32 = 0;
export const PANIC_HANDLE_HOST_MEM_ABORT: i32 = 1; //                bug
export const PANIC_HOST_INJECT_MEM_ABORT: i32 = 2; //                warn
export const PANIC_HOST_STAGE2_DECODE_GFN_META: i32 = 3; //          warn
export const PANIC_PKVM_HOST_FORCE_RECLAIM_PAGE_GUEST: i32 = 4; //   warn
export const PANIC_PKVM_HOST_SHARE_GUEST: i32 = 5; //                warn
export const PANIC_STAGE2_TEST_CLEAR_YOUNG: i32 = 6; //              warn
export const PANIC_ASSERT_HOST_SHARED_GUEST: i32 = 7; //             warn
export const PANIC_PKVM_HOST_DONATE_HYP: i32 = 8; //                 warn
export const PANIC_HYP_PAGE_REF_DEC: i32 = 9; //                     bug
export const PANIC_EL2_FAULT: i32 = 10; //                           el2-fault
export const PANIC_HYP_PAGE_REF_INC: i32 = 11; //                    bug
export const PANIC_PKVM_HYP_DONATE_HOST: i32 = 12; //                warn
export const PANIC_PKVM_HOST_DONATE_GUEST: i32 = 13; //              warn
export const PANIC_PKVM_GUEST_SHARE_HOST: i32 = 14; //               warn
export const PANIC_PKVM_GUEST_UNSHARE_HOST: i32 = 15; //             warn
export const PANIC_PKVM_HOST_RECLAIM_PAGE_GUEST: i32 = 16; //        warn
export const PANIC_PKVM_HOST_UNSHARE_GUEST: i32 = 17; //             warn
export const PANIC_HYP_PIN_SHARED_MEM: i32 = 18; //                  warn
export const PANIC_HYP_UNPIN_SHARED_MEM: i32 = 19; //                warn
export const PANIC_STAGE2_FREE_UNLINKED: i32 = 20; //                warn
export const PANIC_STAGE2_DESTROY: i32 = 21; //                      warn
export const PANIC_STAGE2_MAP_IDENTITY: i32 = 22; //                 warn
export const PANIC_GET_VALID_GUEST_PTE: i32 = 24; //                 warn
export const PANIC_TEARDOWN_DONATE: i32 = 25; //                     warn
export const PANIC_HOST_STAGE2_IDMAP: i32 = 26; //                   warn
export const PANIC_HYP_POOL: i32 = 27; //                            bug
export const PANIC_PGTABLE_NULL_HOOK: i32 = 28; //                   el2-fault
export const PANIC_FFA_HOST_UNSHARE_RANGES: i32 = 29; //             warn
export const PANIC_FFA_MAILBOX: i32 = 30; //                         warn
export const PANIC_INIT_FINALISE: i32 = 31; //                       warn

// Limits of the simulator (status STATUS_LIMIT).
export const LIMIT_CONTENTS: i32 = 1;
export const LIMIT_FRAMES: i32 = 2;

// What machineCreate answers.
export const CREATE_OK: i32 = 0;
export const CREATE_TOO_LARGE: i32 = 1;
export const CREATE_REGIONS: i32 = 2;
export const CREATE_GEOMETRY: i32 = 3;
export const CREATE_CARVEOUT: i32 = 4;
export const CREATE_POOL: i32 = 5;
