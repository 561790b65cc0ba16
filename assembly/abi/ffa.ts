// FF-A memory management as the partition managers see it: operations, errors, page modes, reasons (reference ffa).
// Both sides import this file; it is valid AssemblyScript and TypeScript.
//
// The vm field of a record is the caller's endpoint id. Messages travel as in the real thing: FFA_TX writes the caller's TX
// buffer, the call reads it, a response stands in RX. Bits of the vcpu field of every call: FFA_CALL_*.

/** Called through the 64-bit function id. */
export const FFA_CALL_64: i32 = 1;
/** Reading the caller's TX buffer faults. */
export const FFA_CALL_TX_FAULT: i32 = 2;
/** The manager cannot map memory to wipe it. */
export const FFA_CALL_WIPE_FAIL: i32 = 4;

export const FFA_MEM_DONATE: i32 = 256; //        total length, fragment length, address, page count (w1 to w4)
export const FFA_MEM_LEND: i32 = 257; //          the same
export const FFA_MEM_SHARE: i32 = 258; //         the same
export const FFA_MEM_RETRIEVE_REQ: i32 = 259; //  the same
export const FFA_MEM_RELINQUISH: i32 = 260;
export const FFA_MEM_RECLAIM: i32 = 261; //       handle, flags
export const FFA_MEM_FRAG_RX: i32 = 262; //       handle, offset, sender (w4 bits 31:16)
export const FFA_MEM_FRAG_TX: i32 = 263; //       handle, fragment length, sender
export const FFA_MEM_PERM_GET: i32 = 264; //      base, pages - 1
export const FFA_MEM_PERM_SET: i32 = 265; //      base, pages, permission
export const FFA_RX_RELEASE: i32 = 266;
/** Something else puts a message into RX. */
export const FFA_RX_FILL: i32 = 267;
/** The endpoint dies; its manager cleans up. */
export const FFA_ABORT: i32 = 268;
/** Writes 32 bytes of TX, fewer at its end: vcpu field = offset, a..d the bytes. Offset 0 clears the buffer first. */
export const FFA_TX: i32 = 269;

/** The normal world takes the RX buffer of a VM: id. In searches alone, as FFA_RXTX_UNMAP to a manager. */
export const FFA_RX_ACQUIRE: i32 = 295;

// Making the machine, before the first call.
/** version, buffer pages, FFA_ENDPOINT_*. */
export const FFA_ENDPOINT: i32 = 270;
/** vcpu field: table (0 main or secure, 1 non-secure); address, pages, mode. */
export const FFA_SET_MODE: i32 = 271;
/** Pages of the secure physical address space: address, pages. */
export const FFA_SET_SECURE: i32 = 272;

/** Managed by the SPMC, else by the hypervisor. */
export const FFA_ENDPOINT_SPMC: i32 = 1;
/** An S-EL0 partition. */
export const FFA_ENDPOINT_EL0: i32 = 2;
/** Still in its initialisation phase. */
export const FFA_ENDPOINT_INIT: i32 = 4;
/** Has a secure and a non-secure stage-2 table. */
export const FFA_ENDPOINT_TWO_TABLES: i32 = 8;

/** Together with an endpoint's id where a stage 2 is named: its non-secure table. */
export const FFA_NON_SECURE_TABLE: i32 = 0x4000;
/** On a pKVM machine, where 0 names the host: the SPMC's tables of the normal world. */
export const FFA_NORMAL_WORLD_TABLE: i32 = 0x8000;

export const FFA_HYPERVISOR_ALONE: i32 = 0;
export const FFA_SPMC_ALONE: i32 = 1;
export const FFA_BOTH: i32 = 2;

export const FFA_VERSION_1_0: i32 = 0x10000;
export const FFA_VERSION_1_2: i32 = 0x10002;

// Errors, negated in results (w2 of FFA_ERROR).
export const FFA_NOT_SUPPORTED: i32 = 1;
export const FFA_INVALID_PARAMETERS: i32 = 2;
export const FFA_NO_MEMORY: i32 = 3;
export const FFA_BUSY: i32 = 4;
export const FFA_DENIED: i32 = 6;
export const FFA_ABORTED: i32 = 8;

// A page's mode: access bits, then the software state (reference ffa, section 3).
export const MODE_R: i32 = 1;
export const MODE_W: i32 = 2;
export const MODE_X: i32 = 4;
export const MODE_D: i32 = 8;
export const MODE_INVALID: i32 = 0x10;
export const MODE_UNOWNED: i32 = 0x20;
export const MODE_SHARED: i32 = 0x40;
export const MODE_NS: i32 = 0x80;
export const MODE_NG: i32 = 0x100;
export const MODE_USER: i32 = 0x200;
/** Nothing there: the entry is all zeros. */
export const MODE_ABSENT: i32 = 0x70;

// What EFFECT_FFA_REPLY names in its level.
export const FFA_REPLY_SUCCESS: i32 = 0;
export const FFA_REPLY_FRAG_RX: i32 = 1;
export const FFA_REPLY_RETRIEVE_RESP: i32 = 2;
export const FFA_REPLY_FRAG_TX: i32 = 3;

// What FFA_SUCCESS carries besides: the effect's extra.
export const FFA_CARRIES_NOTHING: i32 = 0;
export const FFA_CARRIES_HANDLE: i32 = 1;
export const FFA_CARRIES_PERMISSION: i32 = 2;

/**
 * A reply: level FFA_REPLY_*, address = handle, before = offset, or total | fragment << 32, or permission | pages << 32;
 * after = sender (w4); extra = FFA_CARRIES_*.
 */
export const EFFECT_FFA_REPLY: i32 = 48;
/** A page's mode in a table: level = table, owner = endpoint, address = PA, before, after = modes. */
export const EFFECT_FFA_MODE: i32 = 49;
/** A page moved between physical address spaces: address = PA, after = 1 secure, 0 not. */
export const EFFECT_FFA_PAS: i32 = 50;
/** RX became full (after = 1) or free: owner = endpoint. */
export const EFFECT_FFA_RX: i32 = 51;
/**
 * A transaction record changed: level = manager, owner = sender, address = slot, before = handle,
 * after = verb (0: free) | flags (FFA_RECORD_*) << 16 | fragments received << 32.
 */
export const EFFECT_FFA_RECORD: i32 = 52;
export const FFA_RECORD_COMPLETE: i32 = 1;
export const FFA_RECORD_PROTECTED: i32 = 2;
export const FFA_RECORD_PENDING: i32 = 4;

// Limits of the simulator: what a configuration may ask for.
export const FFA_MAX_ENDPOINTS: i32 = 32;
export const FFA_MAX_BUFFER_PAGES: i32 = 4;
export const FFA_MAX_RECIPIENTS: i32 = 16;
export const FFA_MAX_FRAGMENTS: i32 = 64;
export const FFA_MAX_TRANSACTIONS: i32 = 4096;

// A transaction as the export ffaRecord writes it into the dump window:
//    0 u64 handle | 8 u32 verb (operation code) | 12 u32 sender | 16 u8 used | 17 u8 complete | 18 u8 protected | 19 u8 pending
//   20 u32 fragments | 24 u32 constituents | 28 u32 by_hypervisor | 32 u32 original mode (FFA_NO_MODE: none yet) | 36 u32 receivers
//   40 u32 fragments retrieved, for each receiver (as many as there can be) | 104 u16 id, u16 permissions, for each receiver
//  168 u32 flags | 172 u32 attributes, as sent
export const FFA_RECORD_HEADER: i32 = 40;
export const FFA_RECORD_RECEIVERS: i32 = 104;
export const FFA_RECORD_FLAGS: i32 = 168;
export const FFA_RECORD_ATTRIBUTES: i32 = 172;
export const FFA_RECORD_SIZE: i32 = 176;
export const FFA_NO_MODE: i32 = -1;

// Reasons: one per check. The row of the reference behind each.
export const REASON_FFA_ENDPOINT: i32 = 512; //            no such endpoint; subject id
export const REASON_FFA_MBZ_REGISTER: i32 = 513; //        w3 or w4 not 0 (5.1 row 1, 7.1 row 1)
export const REASON_FFA_LENGTHS: i32 = 514; //             fragment and total do not fit each other; expected total, found fragment
export const REASON_FFA_NO_TX: i32 = 515;
export const REASON_FFA_TX_LENGTH: i32 = 516; //           longer than the buffer; expected limit, found length
export const REASON_FFA_TX_FAULT: i32 = 517;
export const REASON_FFA_RX_BUSY: i32 = 518;
export const REASON_FFA_RESERVED: i32 = 519; //            subject offset in the descriptor
export const REASON_FFA_ACCESS_SIZE: i32 = 520; //         found size
export const REASON_FFA_RECEIVERS_OFFSET: i32 = 521; //    found offset
export const REASON_FFA_RECEIVER_COUNT: i32 = 522; //      expected limit, found count
export const REASON_FFA_TRUNCATED: i32 = 523; //           the fragment ends before the descriptors
export const REASON_FFA_COMPOSITE_OFFSET: i32 = 524; //    found offset
export const REASON_FFA_REWRITE: i32 = 525; //             a 1.0 descriptor that does not fit one page in the 1.1 layout
export const REASON_FFA_FLAGS: i32 = 526; //               found flags
export const REASON_FFA_RECEIVER_UNKNOWN: i32 = 527; //    subject id
export const REASON_FFA_RECEIVER_IS_SENDER: i32 = 528; //  subject id
export const REASON_FFA_PAIR: i32 = 529; //                sender may not send to this receiver; expected sender, found receiver
export const REASON_FFA_SENDER: i32 = 530; //              expected caller, found sender
export const REASON_FFA_DUPLICATE_RECEIVER: i32 = 531; //  subject id
export const REASON_FFA_CONSTITUENT_COUNT: i32 = 532; //   expected by length, found
export const REASON_FFA_PERMISSIONS: i32 = 533; //         a stated or missing permission; found permissions; subject id
export const REASON_FFA_ATTRIBUTES: i32 = 534; //          found attributes
export const REASON_FFA_TABLE_FULL: i32 = 535; //          no free transaction; expected limit
export const REASON_FFA_OVERLAP: i32 = 536; //             subject address
export const REASON_FFA_PAGE_COUNT: i32 = 537; //          expected by composite, found sum
export const REASON_FFA_EMPTY_FRAGMENT: i32 = 538;
export const REASON_FFA_ALIGNMENT: i32 = 539; //           subject address
export const REASON_FFA_RANGE: i32 = 540; //               no pages, or beyond the table; subject address
export const REASON_FFA_MIXED_MODES: i32 = 541; //         expected, found modes; subject address
export const REASON_FFA_DEVICE: i32 = 542; //              found mode
export const REASON_FFA_STATE: i32 = 543; //               expected, found modes; subject address
export const REASON_FFA_NOT_WRITABLE: i32 = 544; //        found mode
export const REASON_FFA_ACCESS: i32 = 545; //              expected at most, found modes; subject id
export const REASON_FFA_PROTECTION: i32 = 546; //          subject address
export const REASON_FFA_WIPE: i32 = 547;
export const REASON_FFA_SENDER_REGISTER: i32 = 548; //     w4 names a sender where none may be named, or another; found
export const REASON_FFA_FRAGMENT_LENGTH: i32 = 549; //     found length
export const REASON_FFA_HANDLE: i32 = 550; //              subject handle
export const REASON_FFA_NOT_COMPLETE: i32 = 551; //        subject handle
export const REASON_FFA_COMPLETE: i32 = 552; //            subject handle
export const REASON_FFA_FRAGMENT_LIMIT: i32 = 553; //      expected limit
export const REASON_FFA_OTHER_WORLD: i32 = 554;
export const REASON_FFA_IN_PROGRESS: i32 = 555; //         a hypervisor retrieve is under way
export const REASON_FFA_PENDING: i32 = 556; //             the owner is gone
export const REASON_FFA_NOT_RECEIVER: i32 = 557; //        subject id
export const REASON_FFA_TYPE: i32 = 558; //                expected, found transaction type
export const REASON_FFA_TAG: i32 = 559;
export const REASON_FFA_IMPDEF: i32 = 560; //              subject id
export const REASON_FFA_NORMAL_WORLD_RECEIVERS: i32 = 561;
export const REASON_FFA_NOT_RETRIEVED: i32 = 562; //       subject handle
export const REASON_FFA_STILL_RETRIEVED: i32 = 563; //     subject handle; found receiver
export const REASON_FFA_ENDPOINT_LIST: i32 = 564; //       relinquish: expected 1 or caller, found
export const REASON_FFA_OFFSET: i32 = 565; //              expected, found offset
export const REASON_FFA_PERM_CALLER: i32 = 566; //         not S-EL0, or no longer in its initialisation phase
export const REASON_FFA_PERM_VALUE: i32 = 567; //          found permission
export const REASON_FFA_EXECUTE: i32 = 568; //             executable non-secure memory without protection; subject id
export const REASON_FFA_OWNER: i32 = 569; //               expected owner, found caller
export const REASON_FFA_TABLE_MEMORY: i32 = 570;
export const REASON_FFA_BUFFER_OWNER: i32 = 573; //       buffers over which the caller has no say; subject id; expected caller
export const REASON_FFA_OUTPUT: i32 = 574; //             an address leads elsewhere already; subject address
export const REASON_FFA_RX_LENGTH: i32 = 571; //           the first fragment does not fit RX; expected limit, found length
