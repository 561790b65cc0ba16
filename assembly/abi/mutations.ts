// Known bugs of isolation code that the exploring variant of the module can be given (reference bugs.md). The replay module
// has none of them.

export const MUTATION_NONE: i32 = 0;

// 1 to 99: ownership, initialisation and life cycle in pKVM's hypervisor (bugs.md 1.1).

/** The host's page is taken and then the guest's map fails: the vCPU's table pages are not counted before. */
export const DONATE_GUEST_BEFORE_MEMCACHE_CHECK: i32 = 1;
export const SHARE_GUEST_BEFORE_MEMCACHE_CHECK: i32 = 2;
/** An address that the host's table knows nothing of is taken for the host's own memory. */
export const UNMAPPED_COUNTS_AS_OWNED: i32 = 3;
/** A VM that cannot be put into the table leaves a reference on the root pages that go back to the host. */
export const INIT_VM_LATE_FAILURE: i32 = 4;
/** The same, and pages in use go back to the host without a word: by itself it has no effect. */
export const DONATE_HOST_IGNORES_REFCOUNT: i32 = 5;
/** EL2's stack, which is mapped in its private range alone, stays the host's. */
export const HYP_STACK_HOST_OWNED: i32 = 6;
/** EL2's text is told by its permissions, and not all that is executable is text. */
export const TEXT_BY_PERMISSION: i32 = 7;
/** At boot pages are visited once for every address at which EL2 maps them. */
export const INIT_WALK_TWO_ALIASES: i32 = 8;
/** The host reads what has become EL2's, and EL2 of that time stops. */
export const HOST_SCANS_HYP_SECTIONS: i32 = 9;
/** What only boot may call stays open to the host. */
export const PRIVILEGED_CALLS_AFTER_FINALISE: i32 = 10;
/** EL2's own state of a page is not compared. */
export const HYP_SIDE_CHECK_DEBUG_ONLY: i32 = 11;
/** The address of a table page is used as the host wrote it: shown with addresses that lie within the page. */
export const MEMCACHE_UNALIGNED_HEAD: i32 = 12;
/** Frame numbers and counts are bounded after they were turned into bytes, modulo 2^64. */
export const PFN_COUNT_OVERFLOW: i32 = 13;
/** The same for the count alone. */
export const SHARE_GUEST_COUNT_OVERFLOW: i32 = 14;
/** Only the first page of a range is looked up in the map of memory. */
export const RANGE_CHECK_ONE_END: i32 = 15;
/** A page that leaves a pool goes on saying how large its block was. */
export const POOL_STALE_ORDER: i32 = 16;
/** The root of the host's table stays one block, of which only the first page has a count. */
export const HOST_PGD_TAIL_REFCOUNT: i32 = 17;
/** A vCPU that is refused after its host's page was pinned leaves the pin. */
export const INIT_VCPU_PIN_LEAK: i32 = 18;
/** A vCPU that is refused drops a pin whether it has one or not. */
export const SVE_UNPIN_BY_FLAG: i32 = 19;
/** What the host may not touch is a BUG. */
export const HOST_ABORT_PANICS: i32 = 20;
/** No granule fits where memory begins inside of a page, and no page is taken instead: shown with such memory. */
export const NO_FITTING_GRANULE: i32 = 21;
/** The frame in the fault register is taken for one of the page size. */
export const FAULT_FRAME_IS_4K: i32 = 22;
/** A granule is taken if blocks are allowed one level below it. */
export const GRANULE_LEVEL_OFF_BY_ONE: i32 = 23;
/** Pages are taken from the host before EL2 can map the one it cleans. */
export const FINALISE_BEFORE_FIXMAP: i32 = 24;
/** A refill goes on as long as the host has pages. */
export const MEMCACHE_TOPUP_UNBOUNDED: i32 = 25;
/** EL2's private range begins where its linear map has not ended. */
export const LINEAR_MAP_OVER_IO: i32 = 26;
/** Android: a page that a guest gives back is wiped from the address that it named, which may lie within the page. */
export const RELINQUISH_UNALIGNED: i32 = 27;
/** The host ends a VM without reclaiming the pages that it gave it. */
export const MAPPING_RECORD_LOST: i32 = 28;

// 100 to 199: the page-table library (bugs.md 1.2).

/** The walk goes on into the table that its own callback has replaced and freed. */
export const WALKER_STALE_ENTRY_AFTER_PRE: i32 = 100;
/** The output address moves on only where a leaf was installed. */
export const PA_IPA_DRIFT: i32 = 101;
/** A table replaced by a block: only the address at hand is invalidated. */
export const MERGE_FLUSHES_ONE_IPA: i32 = 102;
/** A leaf put in the place of another takes a reference, and the other one's is not dropped. */
export const VALID_UPDATE_LEAKS_TABLE_REF: i32 = 103;
/** A subtree that could not be finished is given back twice. */
export const FREE_UNLINKED_DOUBLE_PUT: i32 = 104;
/** The invalidation of an empty table waits for the end of the unmap, its page does not. */
export const DEFERRED_FLUSH_AFTER_TABLE_FREE: i32 = 106;
/** The invalidation of a table names a level, as if a leaf had been taken out. */
export const LEVEL_HINT_ON_TABLE: i32 = 107;
/** The largest operand of a range invalidation stands for no page at all. */
export const RANGE_OPERAND_MAX: i32 = 108;
/** No leaf was found, and the invalidation names the level of an earlier one. */
export const RELAX_PERMS_LEVEL: i32 = 109;
/** Execute permission is written anew though nobody asked for any. */
export const RELAX_PERMS_DROPS_EXEC: i32 = 110;
/** A map that changes nothing but permissions goes ahead. */
export const MAP_LOWERS_PERMISSIONS: i32 = 111;
/** A guest's page is cleaned by an address at which EL2 has not mapped it. */
export const CMO_ON_UNMAPPED_PAGE: i32 = 112;
/** Ageing less than a whole block is asserted not to happen. */
export const AGING_PARTIAL_BLOCK: i32 = 113;
/** What the host calls to flush is refused when pKVM is on. */
export const FLUSH_RANGE_NOT_FOR_PKVM: i32 = 114;

// 200 to 299: pKVM's FF-A proxy (bugs.md 1.3).

/** Where the composite descriptor ends is computed in 32 bits, and wraps. */
export const FFA_COMPOSITE_OFFSET_WRAP: i32 = 200;
/** Of a range only the length must be whole pages. */
export const FFA_UNALIGNED_RANGE: i32 = 201;
/** Where the access descriptors are is not compared with where the fragment ends. */
export const FFA_ACCESS_DESCRIPTOR_OFFSET: i32 = 202;
/** What the secure world answered stays in EL2's receive buffer. */
export const FFA_RX_NEVER_RELEASED: i32 = 203;

// 300 to 399: partition managers (bugs.md 1.6).

/** Each range is wiped for as many pages as the first one has. */
export const HF_CLEAR_WRONG_INDEX: i32 = 300;
/** A borrower that may only read has its wish for zeros granted. */
export const HF_BORROWER_CLEARS: i32 = 301;
/** A relinquish wipes only if the retrieve has announced it. */
export const HF_RELINQUISH_CLEAR_FLAG: i32 = 302;
/** Pages are wiped through the address space that the owner's id stands for, whatever space they are in. */
export const HF_CLEAR_WRONG_WORLD: i32 = 303;
/** What was donated and not retrieved cannot be reclaimed. */
export const HF_RECLAIM_AFTER_DONATE: i32 = 304;
/** Ranges of one message are not compared with each other. */
export const HF_OVERLAPPING_RANGES: i32 = 305;
/** The page count that a message promises is not compared with its ranges. */
export const HF_DESCRIPTOR_OVERFLOW: i32 = 306;
/** A send that is refused does not give back where its message is kept. */
export const HF_DESCRIPTOR_COPY_LEAK: i32 = 307;
/** A borrower's pages are mapped with the mode that the owner had. */
export const HF_UNINITIALISED_MODE: i32 = 308;
/** A secure partition maps memory of the normal world as executable. */
export const HF_NS_EXEC: i32 = 309;
/** Setting permissions makes the mode anew of them alone: the bits that tell borrowers from owners are lost. */
export const HF_PERM_SET_DROPS_STATE: i32 = 310;
/** Permissions of no pages at all can be set. */
export const HF_PERM_RANGE_EDGE: i32 = 311;
/** What an older message left behind a new one in a receive buffer stays. */
export const HF_MAILBOX_TAIL_LEAK: i32 = 312;

// 400 to 499: those that need two CPUs.

/** A new vCPU is put into its slot before its fields are written, and without the VM table's lock. */
export const INIT_VCPU_EARLY_PUBLISH: i32 = 400;
/** A host fault on a page that another CPU has mapped meanwhile is taken for an impossible one. */
export const HOST_FAULT_RACE_PANIC: i32 = 401;
