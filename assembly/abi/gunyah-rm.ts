// The resource manager of Gunyah: what both sides know of its messages, errors and records (reference gunyah section 6).
// Both sides import this file; it is valid AssemblyScript and TypeScript. Numbers with an outside meaning keep their value.

/** Errors of the resource manager (6.1); results carry them as they are. */
export const RM_OK: i32 = 0;
export const RM_UNIMPLEMENTED: i32 = -1;
export const RM_NOMEM: i32 = 1;
export const RM_NORESOURCE: i32 = 2;
export const RM_DENIED: i32 = 3;
export const RM_MSG_INVALID: i32 = 4;
export const RM_BUSY: i32 = 5;
export const RM_ARGUMENT_INVALID: i32 = 6;
export const RM_HANDLE_INVALID: i32 = 7;
export const RM_VALIDATE_FAILED: i32 = 8;
export const RM_MAP_FAILED: i32 = 9;
export const RM_MEM_INVALID: i32 = 10;
export const RM_MEM_INUSE: i32 = 11;
export const RM_MEM_RELEASED: i32 = 12;
export const RM_VMID_INVALID: i32 = 13;
export const RM_LOOKUP_FAILED: i32 = 14;
export const RM_IRQ_INVALID: i32 = 15;
export const RM_IRQ_INUSE: i32 = 16;
export const RM_IRQ_RELEASED: i32 = 17;
export const RM_IN_USE: i32 = 18;
export const RM_IRQ_NOT_MAPPED: i32 = 19;
export const RM_VM_STATE: i32 = 20;

/** Messages (6.1). */
export const MEM_DONATE: i32 = 0x5100_0010;
export const MEM_ACCEPT: i32 = 0x5100_0011;
export const MEM_LEND: i32 = 0x5100_0012;
export const MEM_SHARE: i32 = 0x5100_0013;
export const MEM_RELEASE: i32 = 0x5100_0014;
export const MEM_RECLAIM: i32 = 0x5100_0015;
export const MEM_NOTIFY: i32 = 0x5100_0017;
export const MEM_APPEND: i32 = 0x5100_0018;
export const MEM_QCOM_LOOKUP_SGL: i32 = 0x5100_001a;

/** Notifications (6.1). */
export const MEM_SHARED: i32 = 0x5110_0011;
export const MEM_RELEASED: i32 = 0x5110_0012;
export const MEM_ACCEPTED: i32 = 0x5110_0013;
export const MEM_RECALL: i32 = 0x5110_0014;

/** VMIDs (6.1), besides those of gunyah.ts: configured secondary and peripheral VMs are below the first, dynamic VMs follow. */
export const VMID_CONFIGURED_END: i32 = 64;
export const VMID_DYNAMIC_FIRST: i32 = 0x80;
export const VMID_DYNAMIC_LAST: i32 = 0xbe;

/** Limits (6.1). */
export const PARCELS_PER_OWNER: i32 = 64;
export const LIST_ENTRIES: i32 = 512;
export const REGIONS_PER_PARCEL: i32 = 1048576;
/** Handles count up; this one is never given out. */
export const HANDLE_INVALID: i32 = -1;

export const MEM_TYPE_NORMAL: i32 = 0;
export const MEM_TYPE_IO: i32 = 1;

export const TRANS_DONATE: i32 = 0;
export const TRANS_LEND: i32 = 1;
export const TRANS_SHARE: i32 = 2;

/** Rights: the hypervisor's access bits. Valid sets: R, RX, RW, RWX. */
export const RIGHT_X: i32 = 1;
export const RIGHT_W: i32 = 2;
export const RIGHT_R: i32 = 4;
export const RIGHTS_RX: i32 = 5;
export const RIGHTS_RW: i32 = 6;
export const RIGHTS_RWX: i32 = 7;

export const ATTR_NORMAL: i32 = 0;
export const ATTR_DEVICE: i32 = 1;
export const ATTR_UNCACHED: i32 = 2;
export const ATTR_CACHED: i32 = 3;

export const CREATE_SANITIZE: i32 = 1;
export const CREATE_APPEND: i32 = 2;

export const APPEND_DONE: i32 = 1;

export const ACCEPT_VALIDATE_SANITIZED: i32 = 1;
export const ACCEPT_VALIDATE_ACL_ATTR: i32 = 2;
export const ACCEPT_VALIDATE_LABEL: i32 = 4;
export const ACCEPT_MAP_OTHER: i32 = 8;
export const ACCEPT_MAP_CONTIGUOUS: i32 = 16;
export const ACCEPT_SANITIZE: i32 = 32;
export const ACCEPT_DONE: i32 = 128;

/** Of the reply to an accept: more regions still need an address, call again. */
export const ACCEPT_INCOMPLETE: i32 = 1;

export const RELEASE_SANITIZE: i32 = 1;
export const RECLAIM_SANITIZE: i32 = 1;

/** Exactly one of them. */
export const NOTIFY_SHARED: i32 = 1;
export const NOTIFY_RELEASED: i32 = 2;
export const NOTIFY_ACCEPTED: i32 = 4;
export const NOTIFY_RECALL: i32 = 8;

// Messages on the wire, little-endian (6.1). Lists are u16 count | u16 reserved | entries, behind the fixed part.
//   create   0 u8 mem_type | 1 u8 | 2 u8 flags | 3 u8 | 4 u32 label | ACL | SGL | attributes
//   append   0 u32 handle | 4 u8 flags | 5 3 bytes | SGL
//   accept   0 u32 handle | 4 u8 mem_type | 5 u8 trans_type | 6 u8 flags | 7 u8 | 8 u32 label | ACL | SGL (its reserved
//            half-word is map_vmid) | attributes
//   release, reclaim   0 u32 handle | 4 u8 flags | 5 3 bytes
//   notify   0 u32 handle | 4 u8 flags | 5 3 bytes | 8 u32 mem_info_tag | VMIDs
//   lookup   as create
export const CREATE_FIXED: i32 = 8;
export const APPEND_FIXED: i32 = 8;
export const ACCEPT_FIXED: i32 = 12;
export const RELEASE_FIXED: i32 = 8;
export const NOTIFY_FIXED: i32 = 12;
export const LIST_HEADER: i32 = 4;

/** Entries: ACL u16 vmid | u8 rights | u8; SGL u64 ipa | u64 size; attribute u16 attr | u16 vmid; VMID u16 | u16. */
export const ACL_ENTRY: i32 = 4;
export const SGL_ENTRY: i32 = 16;
export const ATTRIBUTE_ENTRY: i32 = 4;
export const VMID_ENTRY: i32 = 4;

/** Bytes of a message at most: a packet of 240 bytes with an 8-byte header, and 62 that continue it. */
export const MESSAGE_BYTES: i32 = 14616;

/** States of a parcel (6.2); 0: there is none. */
export const PARCEL_INIT: i32 = 1;
export const PARCEL_SHARING: i32 = 2;
export const PARCEL_SHARED: i32 = 3;

/** States of a VM (6.10). */
export const RM_VM_NONE: i32 = 0;
export const RM_VM_INIT_STATE: i32 = 1;
export const RM_VM_READY: i32 = 2;
export const RM_VM_RUNNING: i32 = 3;
export const RM_VM_PAUSED: i32 = 4;
export const RM_VM_LOAD: i32 = 5;
export const RM_VM_AUTH: i32 = 6;
export const RM_VM_INIT_FAILED: i32 = 8;
export const RM_VM_EXITED: i32 = 9;
export const RM_VM_RESETTING: i32 = 10;
export const RM_VM_RESET_STATE: i32 = 11;

/** Stages of a reset (6.10). */
export const RESET_INIT: i32 = 0;
export const RESET_DESTROY_VDEVICES: i32 = 1;
export const RESET_RELEASE_MEMPARCELS: i32 = 2;
export const RESET_RELEASE_IRQS: i32 = 3;
export const RESET_DESTROY_VM: i32 = 4;
export const RESET_CLEANUP_VM: i32 = 5;
export const RESET_COMPLETED: i32 = 6;

/** The resource manager's heap, by which `heap_limit` names it (the others: abi/gunyah.ts). */
export const HEAP_RM: i32 = 3;

/** Flags of a VM. */
export const VM_MEM_MAP_DIRECT: i32 = 1; //          its NORMAL memory is mapped at IPA = PA
/** Flags of an image. */
export const IMAGE_MAY_STAY_UNSANITISED: i32 = 1; // what the authentication type says
/** Flags of a configured device. */
export const DEVICE_IO: i32 = 1; //                  IO memory, not shared memory

// Operations (layout of a record: abi/operations.ts). (vm): the VMID of the caller.
export const RM_MESSAGE: i32 = 176; //        (vm) vcpu field: bytes 1..32; a, b, c, d: those bytes, appended to the caller's next message
export const RM_SEND: i32 = 177; //           (vm) message id: the resource manager reads what was appended. Answers a handle (create, look-up),
//                                            or the first IPA, ACCEPT_INCOMPLETE or 0, and the number of IPAs chosen (accept)
export const RM_VM_ALLOC: i32 = 178; //       (vm) VMID wanted, 0 = the lowest free dynamic one; VM_* flags. Answers the VMID
export const RM_VM_CONFIG_IMAGE: i32 = 179; // (vm) VMID, handle, IPA, IMAGE_* flags
export const RM_VM_CONFIG_FIRMWARE: i32 = 180; // (vm) VMID, handle, IPA
export const RM_VM_CONFIG_DEVICE: i32 = 181; // (vm) VMID, label, IPA, DEVICE_* flags
export const RM_VM_INIT: i32 = 182; //        (vm) VMID
export const RM_VM_START: i32 = 183; //       (vm) VMID
export const RM_VM_EXIT: i32 = 184; //        (vm): the VM itself
export const RM_VM_RESET: i32 = 185; //       (vm) VMID
export const RM_VM_DEALLOC: i32 = 186; //     (vm) VMID
export const RM_PARCEL_LOCK: i32 = 187; //    handle; 1 or 0: what platform code does to a parcel
export const RM_ADD_DEVICE: i32 = 188; //     base, size (bytes): device space that the board gives to HLOS, from when it starts

// Effects (layout of a record: abi/records.ts).
/** A parcel: owner = its owner, address = handle, before and after = the parcel's word (below). */
export const EFFECT_PARCEL: i32 = 40;
/** A message to a VM that did not ask: owner = that VM, address = notification id, before = handle, after = the VM it is about, extra = mem_info_tag. */
export const EFFECT_NOTIFICATION: i32 = 41;
/** A region's place in the reply to an accept: owner = acceptor, address = IPA, after = size, extra = ACCEPT_INCOMPLETE if more are to come. */
export const EFFECT_ACCEPT_REPLY: i32 = 42;
/** A VM at the resource manager: owner = VMID, before and after = RM_VM_*. */
export const EFFECT_RM_VM: i32 = 43;
/** A stage of a reset: owner = VMID, level = RESET_*. */
export const EFFECT_RESET_STAGE: i32 = 44;

// A parcel's word, 64 bits: 0..3 state | 4..7 trans_type | 8..11 mem_type | 12 sanitize_create | 13 sanitize_reclaim | 14 locked | 32..63 share_count
export const PARCEL_WORD_TRANS: i32 = 4;
export const PARCEL_WORD_MEM_TYPE: i32 = 8;
export const PARCEL_WORD_SANITIZE_CREATE: i32 = 12;
export const PARCEL_WORD_SANITIZE_RECLAIM: i32 = 13;
export const PARCEL_WORD_LOCKED: i32 = 14;
export const PARCEL_WORD_SHARE_COUNT: i32 = 32;

// Dumps into the dump window (exports dumpParcels, dumpMembers, dumpRegions, dumpIpas).
//   parcel   48 bytes: 0 u32 handle | 4 u32 owner | 8 u64 word | 16 u64 total_size | 24 u32 label | 28 u32 ACL entries | 32 u32 attributes | 36 u32 regions | 40 u32 object of its extent | 44 u32 0
//   member   16 bytes: 0 u16 vmid | 2 u8 rights | 3 u8 attr | 4 u8 shared | 5 u8 mapped | 6 u8 contiguous | 7 u8 0 | 8 u32 IPAs allocated | 12 u32 when it accepted
//   region   24 bytes: 0 u64 pa | 8 u64 size | 16 u64 ipa at the owner
//   IPA       8 bytes
export const DUMP_PARCEL_SIZE: i32 = 48;
export const DUMP_ACL_SIZE: i32 = 16;
export const DUMP_REGION_SIZE: i32 = 24;

// Reasons: one per check, so that two DENIEDs can be told apart. expected and found are what the comment says.
// The message itself.
export const REASON_RM_MESSAGE: i32 = 320; //         no message of the resource manager; subject its id
export const REASON_RM_TOO_LONG: i32 = 321; //        bytes; expected at most, found
export const REASON_RM_SHORT: i32 = 322; //           bytes of the fixed part with all counts; expected at least, found
export const REASON_RM_LIST_LENGTH: i32 = 323; //     entries; expected at most, found
export const REASON_RM_LIST_CUT: i32 = 324; //        bytes of a list; expected, found
export const REASON_RM_LEFT_OVER: i32 = 325; //       bytes behind the last list; expected 0, found
// Create.
export const REASON_ACL_EMPTY: i32 = 326; //          an ACL without entries
export const REASON_SGL_EMPTY: i32 = 327; //          no memory
export const REASON_DONATE_ACL: i32 = 328; //         a donation is to one; expected 1, found
export const REASON_PARCEL_LIMIT: i32 = 329; //       parcels of the owner; expected less than, found
export const REASON_SANITIZE_IO: i32 = 330; //        IO memory cannot be zeroed
export const REASON_RM_MEMORY: i32 = 331; //          no memory for the parcel or its extent
export const REASON_ACL_DUPLICATE: i32 = 332; //      subject VMID
export const REASON_ACL_VMID: i32 = 333; //           no VM may have it; subject VMID
export const REASON_ACL_RIGHTS: i32 = 334; //         found rights; subject VMID
export const REASON_ACL_IO_EXECUTE: i32 = 335; //     IO memory with X; found rights; subject VMID
export const REASON_DONATE_RIGHTS: i32 = 336; //      rights; expected, found; subject VMID
export const REASON_OWNER_IN_ACL: i32 = 337; //       1: must be, is; 0 not; subject VMID
export const REASON_ATTRIBUTE_DUPLICATE: i32 = 338; // subject VMID
export const REASON_ATTRIBUTE: i32 = 339; //          found attribute; subject VMID
export const REASON_ATTRIBUTE_IO: i32 = 340; //       DEVICE is for IO memory and IO memory is DEVICE; found attribute; subject VMID
export const REASON_ATTRIBUTE_DONATE: i32 = 341; //   attribute; expected default, found; subject VMID
export const REASON_ATTRIBUTE_VMID: i32 = 342; //     not in the ACL; subject VMID
export const REASON_REGION_ADDRESS: i32 = 343; //     unaligned, empty or beyond 2^44; subject IPA
export const REASON_REGION_NOT_OWNED: i32 = 344; //   the hypervisor's error; expected 0, found; subject IPA
export const REASON_REGION_RECORD: i32 = 345; //      the hypervisor's error; subject IPA
export const REASON_REGION_DONATE: i32 = 346; //      the hypervisor's error; subject IPA
export const REASON_REGION_LIMIT: i32 = 347; //       regions; expected at most, found
// Looking the parcel and the caller up.
export const REASON_HANDLE: i32 = 348; //             no such parcel; subject handle
export const REASON_NOT_OWNER: i32 = 349; //          expected the owner, found the caller; subject handle
export const REASON_PARCEL_STATE: i32 = 350; //       PARCEL_*; subject handle
export const REASON_VM_UNKNOWN: i32 = 351; //         subject VMID
export const REASON_NOT_IN_ACL: i32 = 352; //         subject VMID
export const REASON_PARCEL_OWNER: i32 = 353; //       the owner has it already; subject VMID
export const REASON_PARCEL_LOCKED: i32 = 354; //      subject handle
// Accept.
export const REASON_MEM_TYPE: i32 = 355; //           expected, found; subject handle
export const REASON_TRANS_TYPE: i32 = 356; //         expected, found; subject handle
export const REASON_NOT_SANITIZED: i32 = 357; //      subject handle
export const REASON_LABEL: i32 = 358; //              expected, found; subject handle
export const REASON_ACL_COUNT: i32 = 359; //          entries of ACL or attributes; expected, found; subject handle
export const REASON_ACL_ENTRY: i32 = 360; //          the entry as a word; expected, found; subject its index
export const REASON_ATTRIBUTE_ENTRY: i32 = 361; //    the entry as a word; expected, found; subject its index
export const REASON_MAP_VMID: i32 = 362; //           expected 0, found
export const REASON_MAP_OTHER: i32 = 363; //          mapping for another VM is always refused
export const REASON_ALREADY_MAPPED: i32 = 364; //     subject VMID
export const REASON_CONTIGUOUS_IO: i32 = 365; //      subject handle
export const REASON_CONTIGUOUS_LATE: i32 = 366; //    IPAs were allocated one by one; found how many
export const REASON_SANITIZE_READ_ONLY: i32 = 367; // rights of the caller; expected W, found
export const REASON_ADDRESS_COUNT: i32 = 368; //      IPAs; expected at most, found
export const REASON_ADDRESS: i32 = 369; //            unaligned or beyond the space, or not what a direct mapping needs; subject IPA
export const REASON_ADDRESS_SIZE: i32 = 370; //       expected, found (pages); subject IPA
export const REASON_ADDRESS_TAKEN: i32 = 371; //      subject IPA, or pages where none was left
export const REASON_ADDRESS_TAG: i32 = 372; //        what the range demands the PA does not have; subject PA
export const REASON_ADDRESSES_MISSING: i32 = 373; //  IPAs; expected, found
export const REASON_ACCEPT_DONATE: i32 = 374; //      the hypervisor's error; subject PA
export const REASON_ACCEPT_MAP: i32 = 375; //         the hypervisor's error; subject IPA
// Release and reclaim.
export const REASON_NOT_ACCEPTED: i32 = 376; //       subject VMID
export const REASON_RELEASE_UNMAP: i32 = 377; //      the hypervisor's error; subject IPA
export const REASON_PARCEL_IN_USE: i32 = 378; //      members that hold it; expected 0, found; subject handle
export const REASON_GIVE_BACK: i32 = 379; //          the hypervisor's error; subject PA
// Notify and lookup.
export const REASON_TAG: i32 = 380; //                mem_info_tag; expected the one set first, found; subject handle
export const REASON_NOTIFY_FLAG: i32 = 381; //        found flags
export const REASON_VMID_LIST: i32 = 382; //          entries; expected at most, found
export const REASON_STILL_ACCEPTED: i32 = 383; //     "released", but it is accepted; subject VMID
export const REASON_LOOKUP: i32 = 384; //             no parcel of the caller is like this
// VMs.
export const REASON_RM_VM_STATE: i32 = 385; //        RM_VM_*; expected, found; subject VMID
export const REASON_VMID_TAKEN: i32 = 386; //         subject VMID
export const REASON_NO_VMID: i32 = 387; //            all dynamic VMIDs are taken
export const REASON_VM_OWNER: i32 = 388; //           expected the VM's owner, found the caller; subject VMID
export const REASON_IMAGE_TRANS_TYPE: i32 = 389; //   expected LEND, found; subject handle
export const REASON_DEVICE_SPACE: i32 = 391; //       memory, or somebody's; the hypervisor's error in found; subject PA
export const REASON_REGION_MEMORY: i32 = 392; //      no memory for the list of regions; subject handle
export const REASON_IMAGE_ACL: i32 = 390; //          not exclusive to the VM with RWX; expected, found rights (0: not exclusive); subject handle
