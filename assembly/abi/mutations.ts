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
/** The address of a table page is used as the host wrote it, which need not be where the page begins. */
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

/** What EL2 asks about a VM it looks up in the host's struct kvm, by a pointer in the host's vCPU. */
export const VCPU_KVM_POINTER: i32 = 60;
/** A vCPU's PC is adjusted wherever the host says that the vCPU is. */
export const ADJUST_PC_UNPINNED: i32 = 61;
/** The interrupt controller's state is saved wherever the host says. */
export const VGIC_RAW_POINTER: i32 = 62;
/** A load of tracing buffers that fails halfway forgets what it has pinned. */
export const TRACE_DESCRIPTOR_BOUNDS: i32 = 63;
/** No bug of the past: a page is mapped where another one was reclaimed by force. It shows that I21 is looked after. */
export const POISON_FORGOTTEN: i32 = 64;

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
/** How many ranges the secure world says a transaction has is believed. */
export const FFA_RECLAIM_RANGE_COUNT: i32 = 204;
/** Host and secure world agree on an older version, and EL2 goes on reading their messages in the newest one that it knows. */
export const FFA_VERSION_NOT_NEGOTIATED: i32 = 205;

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

// 350 to 399: Gunyah's hypervisor and resource manager (gunyah.md 10).

/** An address that no address space has stops the machine. */
export const GUNYAH_MAP_ASSERTS: i32 = 350;
/** A look-up counts what it has found once more with every leaf. */
export const GUNYAH_LOOKUP_LENGTH: i32 = 351;
/** A map that fails for want of memory leaves its record. */
export const GUNYAH_FAILED_MAP_RECORDED: i32 = 352;
/** Records still name an address space that is gone. */
export const GUNYAH_SPACE_LEFT_IN_EXTENTS: i32 = 353;
/** A slot that is freed keeps the attributes of its mapping, and the next one gets them too. */
export const GUNYAH_SLOT_ATTRIBUTES_KEPT: i32 = 354;
/** Unmapping an extent everywhere leaves its slots as they are. */
export const GUNYAH_UNMAP_ALL_KEEPS_SLOTS: i32 = 355;
/** A size is refused if it is 0 and wraps, not if either. */
export const GUNYAH_SIZE_CHECK_AND: i32 = 356;
/** Another access for a parent's mapping maps again what children own. */
export const GUNYAH_UPDATE_ACCESS_CARVED_OUT: i32 = 357;
/** More access than the extent has is cut down to what it has. */
export const GUNYAH_ACCESS_REDUCED: i32 = 358;
/** A child that cannot be mapped with less access stops the machine. */
export const GUNYAH_DERIVE_REMAP_PANIC: i32 = 359;
/** A table's page is free before the TLB was told. */
export const GUNYAH_TABLE_FREED_BEFORE_FLUSH: i32 = 360;
/** What is derived is BASIC, whatever was asked for. */
export const GUNYAH_DERIVE_IGNORES_TYPE: i32 = 361;
/** A list of a message is as long as it says. */
export const GUNYAH_LIST_LENGTH_TRUSTED: i32 = 362;
/** How many attributes an acceptor lists is not compared with how many there are. */
export const GUNYAH_ATTRIBUTE_COUNT: i32 = 363;
/** A list of VMs to notify is as long as it says. */
export const GUNYAH_NOTIFY_LIST_TRUSTED: i32 = 364;
/** An address that the acceptor chose has to be aligned as one that the resource manager chooses. */
export const GUNYAH_FORCED_ALIGNMENT: i32 = 365;
/** Where a VM's free addresses were is still known when they are gone. */
export const GUNYAH_STALE_IPA_ALLOCATOR: i32 = 366;
/** An append that fails has made the parcel larger. */
export const GUNYAH_APPEND_TOTAL_SIZE: i32 = 367;
/** An append that fails leaves the owner's record in a parcel that is shared. */
export const GUNYAH_APPEND_RECORD_LEFT: i32 = 368;
/** An accept that fails has the parcel zeroed when it is reclaimed. */
export const GUNYAH_STICKY_SANITIZE: i32 = 369;
/** Memory that changes owner stays mapped where the last owner had it. */
export const GUNYAH_ATTACH_KEEPS_ACCESS: i32 = 370;

// 313 to 349: their page-table library and their mailboxes.

/** A range is mapped though it leads elsewhere already. */
export const HF_OVERMAP: i32 = 313;
/** Leaves are merged without a look at where they lead. */
export const HF_DEFRAG_NOT_CONTIGUOUS: i32 = 314;
/** A range of one mode is taken for one block of memory, wherever its pages lead. */
export const HF_MODE_RANGE_IGNORES_PA: i32 = 315;
/** The walk for a mode takes the root for a table of the level above. */
export const HF_WALK_WRONG_LEVEL: i32 = 316;
/** A block that is decomposed is flushed from the address at hand on. */
export const HF_BLOCK_REPLACE_FLUSH: i32 = 317;
/** A valid entry takes the place of a valid one, which is not broken before. */
export const HF_DEFRAG_NO_BBM: i32 = 318;
/** By IPA only the secure space is flushed. */
export const HF_FLUSH_WRONG_SPACE: i32 = 319;
/** What stages 1 and 2 have cached together is flushed in the regime EL2&0. */
export const HF_FLUSH_WRONG_REGIME: i32 = 320;
/** The manager's own tables are merged as well. */
export const HF_DEFRAG_OWN_TABLES: i32 = 321;
/** The normal world unmaps a partition's buffers. */
export const HF_UNMAP_OTHERS_MAILBOX: i32 = 322;
/** A VM whose buffer is acquired is not looked for before it is locked. */
export const HF_RX_ACQUIRE_UNKNOWN: i32 = 323;
/** Part of hf-defrag-no-bbm: a valid entry becomes invalid, and nothing is flushed. */
export const HF_UNMAP_NO_FLUSH: i32 = 324;
/** Part of hf-flush-wrong-regime: the flush is of the VMID that is loaded, the caller's. */
export const HF_FLUSH_WRONG_VMID: i32 = 325;
/** Part of hf-flush-wrong-regime: the flush stays on the CPU that makes it. */
export const HF_FLUSH_NOT_BROADCAST: i32 = 326;

// 400 to 499: those that need two CPUs.

/** A new vCPU is put into its slot before its fields are written, and without the VM table's lock. */
export const INIT_VCPU_EARLY_PUBLISH: i32 = 400;
/** A host fault on a page that another CPU has mapped meanwhile is taken for an impossible one. */
export const HOST_FAULT_RACE_PANIC: i32 = 401;
/** None of the catalogue's, but what its rules are tried on: a page is looked at before the locks are taken under which it is shared. */
export const SHARE_CHECKED_UNLOCKED: i32 = 490;

// 500 to 599: TF-RMM (bugs.md 1.7).

/** A realm's VMIDs are free again before it is known that the realm can go. */
export const RMM_VMID_FREED_EARLY: i32 = 500;
/** A realm that cannot be created gives only the first of its VMIDs back. */
export const RMM_VMID_LEAK: i32 = 501;
/** A destroyed table of the unprotected half: one entry of its range is invalidated. */
export const RMM_DESTROY_FLUSH_ONE: i32 = 502;
/** The loop over a realm's VMIDs uses the range up for the first one. */
export const RMM_MULTI_VMID_FLUSH: i32 = 503;
/** Mappings of the host lose its attributes when they are folded, and count as live. */
export const RMM_NS_FOLD: i32 = 504;
/** Attributes that the host chose are compared with themselves. */
export const RMM_FOLD_TAUTOLOGY: i32 = 505;
/** Data of unknown contents makes its address RAM. */
export const RMM_UNKNOWN_SETS_RAM: i32 = 506;
/** Entries that are DESTROYED fall through: they count as changed. */
export const RMM_UPDATE_RIPAS: i32 = 507;
/** That EL3 changes a granule is asserted. */
export const RMM_DELEGATE_ASSERTED: i32 = 508;
/** The error path of REC_CREATE locks the auxiliary granules that it holds. */
export const RMM_AUX_DOUBLE_LOCK: i32 = 509;
/** Two arguments may name one granule. */
export const RMM_ALIASED_GRANULE: i32 = 510;
/** One command locks the data granule before the table, another one after it. */
export const RMM_LOCK_ORDER: i32 = 511;
/** An error path releases a table that is released already. */
export const RMM_SPURIOUS_UNLOCK: i32 = 512;
/** A request for nothing returns with the realm locked. */
export const RMM_LOCK_LEAK_EMPTY: i32 = 513;
/** The end of a range need not be aligned, and what it cuts is changed as a whole. */
export const RMM_RANGE_TOP: i32 = 514;

// 600 to 699: the host's half (bugs.md 1.4, 1.5). They are in the host of a search (explore/host/).

/** Pages that come back from a guest are taken off the account of the task that ends the VM. */
export const RECLAIM_CHARGES_WRONG_MM: i32 = 600;
/** Objects that are shared with EL2 are not counted by the page that they lie in. */
export const SHARED_STRUCT_PAGE: i32 = 601;
/** The handle is reserved when the VM first runs, and callbacks of its memory name it before. */
export const NOTIFIER_BEFORE_HANDLE: i32 = 602;
/** Table pages are listed for translation faults alone. */
export const PERM_FAULT_WITHOUT_TOPUP: i32 = 603;
/** The block size of a device's mapping comes from addresses and file offset. */
export const PFNMAP_BLOCK_SIZE: i32 = 604;
/** Android: a folio comes back as one page on the account that was charged for all of it. */
export const THP_ACCOUNTING: i32 = 605;
/** Android: a list of which EL2 cannot take a page keeps those that it took before. */
export const SGLIST_DONATE: i32 = 606;
/** Android: a guest gives a page back, and EL2 forgets where its firmware goes. */
export const RELINQUISH_RESETS_FIRMWARE: i32 = 607;
/** The VMM's leaf is looked up before the notifiers' sequence number is read. */
export const STALE_VMA: i32 = 608;
/** A callback goes on with what it found before it had the lock. */
export const TEARDOWN_NOTIFIER_RACE: i32 = 609;
