// A machine with Arm's Confidential Compute Architecture: EL3 with its granule protection table, and a Realm Management Monitor
// of interface 1.0 (reference cca). Both sides import this file.
//
// The machine exists in the exploring variant of the module alone.

// Configuration record (abi/config.ts): regions that are NOMAP are firmware's, in the Secure physical address space.
//   76 u32 VMIDs, 0 left out

/** VMIDs that there are. */
export const CONFIG_CCA_VMIDS: i32 = 76;

// Operations: fields a, b, c, d of the record (abi/operations.ts). Addresses are bytes.

export const RMI_GRANULE_DELEGATE: i32 = 700; //        granule
export const RMI_GRANULE_UNDELEGATE: i32 = 701; //      granule
export const RMI_REALM_CREATE: i32 = 702; //            rd, params
export const RMI_REALM_ACTIVATE: i32 = 703; //          rd
export const RMI_REALM_DESTROY: i32 = 704; //           rd
export const RMI_REC_AUX_COUNT: i32 = 705; //           rd
export const RMI_REC_CREATE: i32 = 706; //              rd, rec, params
export const RMI_REC_DESTROY: i32 = 707; //             rec
export const RMI_REC_ENTER: i32 = 708; //               rec, run
export const RMI_RTT_CREATE: i32 = 709; //              rd, rtt, ipa, level
export const RMI_RTT_DESTROY: i32 = 710; //             rd, ipa, level
export const RMI_RTT_FOLD: i32 = 711; //                rd, ipa, level
export const RMI_RTT_READ_ENTRY: i32 = 712; //          rd, ipa, level
export const RMI_RTT_MAP_UNPROTECTED: i32 = 713; //     rd, ipa, level, desc
export const RMI_RTT_UNMAP_UNPROTECTED: i32 = 714; //   rd, ipa, level
export const RMI_RTT_INIT_RIPAS: i32 = 715; //          rd, base, top
export const RMI_RTT_SET_RIPAS: i32 = 716; //           rd, rec, base, top
export const RMI_DATA_CREATE: i32 = 717; //             rd, data, ipa, src; vcpu field: flags
export const RMI_DATA_CREATE_UNKNOWN: i32 = 718; //     rd, data, ipa
export const RMI_DATA_DESTROY: i32 = 719; //            rd, ipa

// What a running REC does; `rec` is its granule.
export const RSI_IPA_STATE_SET: i32 = 720; //           rec, base, top, ripas; vcpu field: flags (RSI_CHANGE_DESTROYED)
export const RSI_IPA_STATE_GET: i32 = 721; //           rec, ipa
export const RSI_HOST_CALL: i32 = 722; //               rec
/** PSCI SYSTEM_OFF: the realm ends itself. */
export const PSCI_SYSTEM_OFF: i32 = 723; //             rec
/** An access of the realm faulted: what RMM makes of it (reference cca section 8). */
export const REALM_ABORT: i32 = 724; //                 rec, ipa; vcpu field: REALM_FETCH
/** An interrupt of the host's takes the REC out. */
export const REC_INTERRUPT: i32 = 725; //               rec

/** The realm agrees that DESTROYED becomes RAM or EMPTY. */
export const RSI_CHANGE_DESTROYED: i32 = 1;
export const REALM_FETCH: i32 = 1;

// Granule protection table (reference cca section 1).
export const GPT_NO_ACCESS: i32 = 0x0;
export const GPT_SECURE: i32 = 0x8;
export const GPT_NS: i32 = 0x9;
export const GPT_ROOT: i32 = 0xa;
export const GPT_REALM: i32 = 0xb;

// Granule states (section 2).
export const GRANULE_NS: i32 = 0;
export const GRANULE_DELEGATED: i32 = 1;
export const GRANULE_RD: i32 = 2;
export const GRANULE_REC: i32 = 3;
export const GRANULE_REC_AUX: i32 = 4;
export const GRANULE_DATA: i32 = 5;
export const GRANULE_RTT: i32 = 6;

// The word of a granule, u64: 0 u16 reference count | 2 u8 GRANULE_* | 3 u8 GPT value ^ GPT_NS | 4 u8 locked | 5 0
export const GRANULE_STATE_SHIFT: i32 = 16;
export const GRANULE_GPT_SHIFT: i32 = 24;
export const GRANULE_LOCK_SHIFT: i32 = 32;

// An entry of a realm translation table (section 4).
export const HIPAS_UNASSIGNED: i32 = 0;
export const HIPAS_ASSIGNED: i32 = 1;
export const HIPAS_TABLE: i32 = 2;
export const RIPAS_EMPTY: i32 = 0;
export const RIPAS_RAM: i32 = 1;
export const RIPAS_DESTROYED: i32 = 2;

export const REALM_NEW: i32 = 0;
export const REALM_ACTIVE: i32 = 1;
export const REALM_SYSTEM_OFF: i32 = 2;

// Status (section 5.2): x0 is status + (index << 8). Results carry it negated; RSI's statuses are told from RMI's by the operation.
export const RMI_ERROR_INPUT: i32 = 1;
export const RMI_ERROR_REALM: i32 = 2;
export const RMI_ERROR_REC: i32 = 3;
export const RMI_ERROR_RTT: i32 = 4;
export const RSI_ERROR_INPUT: i32 = 1;
export const RSI_ERROR_STATE: i32 = 2;
/** No status: the monitor waits for a lock that nobody will release, and the call does not return. */
export const RMI_NEVER_RETURNS: i32 = 0xff;

// REC exit reasons.
export const EXIT_SYNC: i32 = 0;
export const EXIT_IRQ: i32 = 1;
export const EXIT_PSCI: i32 = 3;
export const EXIT_RIPAS_CHANGE: i32 = 4;
export const EXIT_HOST_CALL: i32 = 5;

// What becomes of an access that faulted (REALM_ABORT, x1).
export const ABORT_RETRIED: i32 = 0;
export const ABORT_SEA: i32 = 1;
export const ABORT_EXIT: i32 = 2;

// REC entry flags.
export const ENTRY_EMULATED_MMIO: i32 = 1;
export const ENTRY_INJECT_SEA: i32 = 2;
export const ENTRY_RIPAS_REJECT: i32 = 16;

// Pages that the host writes for RMM, as the specification of 1.0 lays them out (unverified: the reference has no layouts).
/** Realm parameters: u64 at each. */
export const PARAMS_FLAGS: i32 = 0x0;
export const PARAMS_S2SZ: i32 = 0x8;
export const PARAMS_VMID: i32 = 0x800;
export const PARAMS_RTT_BASE: i32 = 0x808;
export const PARAMS_RTT_LEVEL_START: i32 = 0x810;
export const PARAMS_RTT_NUM_START: i32 = 0x818;
/** Of versions with planes: how many there are beside the first, and u64 for the VMID of each. */
export const PARAMS_NUM_AUX_PLANES: i32 = 0x820;
export const PARAMS_AUX_VMID: i32 = 0x828;
export const MAX_AUX_PLANES: i32 = 3;
/** REC parameters. */
export const REC_PARAMS_FLAGS: i32 = 0x0; //   bit 0: runnable
export const REC_PARAMS_INDEX: i32 = 0x100; // MPIDR
export const REC_PARAMS_NUM_AUX: i32 = 0x800;
export const REC_PARAMS_AUX: i32 = 0x808;
export const REC_RUNNABLE: i32 = 1;
/** Auxiliary granules that a REC needs: as many as an implementation says (unverified: any number is as good). */
export const REC_AUX_GRANULES: i32 = 2;
export const MAX_REC_AUX: i32 = 16;
/** The run page: REC entry from 0, REC exit from 0x800. */
export const RUN_FLAGS: i32 = 0x0;
export const RUN_EXIT_REASON: i32 = 0x800;
export const RUN_EXIT_ESR: i32 = 0x900;
export const RUN_EXIT_FAR: i32 = 0x908;
export const RUN_EXIT_HPFAR: i32 = 0x910;
export const RUN_EXIT_RIPAS_BASE: i32 = 0xd00;
export const RUN_EXIT_RIPAS_TOP: i32 = 0xd08;
export const RUN_EXIT_RIPAS_VALUE: i32 = 0xd10;

// Host-chosen bits of an unprotected mapping: output address, MemAttr 4:2, S2AP 7:6.
export const NS_MEMATTR: i32 = 0x1c;
export const NS_S2AP: i32 = 0xc0;

/** What a call answers in x1 to x4: address = x1, before = x2, after = x3, extra = x4. */
export const EFFECT_SMC_RESULT: i32 = 70;
/** A granule's word: address = PA, before, after. */
export const EFFECT_GRANULE: i32 = 71;

// Why a call was refused: one per check.
export const REASON_RMM_ALIGNMENT: i32 = 700; //      granule address; subject PA
export const REASON_RMM_NO_GRANULE: i32 = 701; //     no memory; subject PA
export const REASON_RMM_GRANULE: i32 = 702; //        granule states; subject PA
export const REASON_RMM_SAME_GRANULE: i32 = 703; //   one granule for two arguments; subject PA
export const REASON_RMM_EL3: i32 = 704; //            EL3 does not change the granule; expected, found GPT value; subject PA
export const REASON_RMM_FLAGS: i32 = 705; //          found flags
export const REASON_RMM_READ: i32 = 706; //           RMM's read of a page that is not NS; found GPT value; subject PA
export const REASON_RMM_S2SZ: i32 = 707; //           expected, found IPA bits
export const REASON_RMM_VMID: i32 = 708; //           taken or no VMID; found VMID
export const REASON_RMM_ROOT: i32 = 709; //           start level, number or alignment of root tables; expected, found number; subject PA
export const REASON_RMM_RD_IN_ROOT: i32 = 710; //     subject PA
export const REASON_RMM_REALM_STATE: i32 = 711; //    realm states; subject PA of RD
export const REASON_RMM_RECS: i32 = 712; //           realm with RECs; found RECs; subject PA of RD
export const REASON_RMM_LIVE_TABLES: i32 = 713; //    root table with entries; found count; subject PA
export const REASON_RMM_AUX_COUNT: i32 = 714; //      expected, found auxiliary granules
export const REASON_RMM_REC_INDEX: i32 = 715; //      expected, found index
export const REASON_RMM_RUNNING: i32 = 716; //        subject PA of REC
export const REASON_RMM_NOT_RUNNABLE: i32 = 717; //   subject PA of REC
export const REASON_RMM_OTHER_REALM: i32 = 718; //    REC of another realm; subject PA of REC
export const REASON_RMM_ENTRY_FLAGS: i32 = 719; //    last exit was not of the kind; found flags
export const REASON_RMM_LEVEL: i32 = 720; //          found level
export const REASON_RMM_IPA: i32 = 721; //            unaligned or out of range; subject IPA
export const REASON_RMM_NOT_PROTECTED: i32 = 722; //  subject IPA
export const REASON_RMM_NOT_UNPROTECTED: i32 = 723; // subject IPA
export const REASON_RMM_WALK: i32 = 724; //           expected, found level; subject IPA
export const REASON_RMM_TABLE: i32 = 725; //          parent entry is a table already; found level; subject IPA
export const REASON_RMM_NO_TABLE: i32 = 726; //       parent entry is no table; found level; subject IPA
export const REASON_RMM_ASSIGNED: i32 = 727; //       entry is not unassigned; subject IPA
export const REASON_RMM_UNASSIGNED: i32 = 728; //     entry is not assigned; subject IPA
export const REASON_RMM_TABLE_IN_USE: i32 = 729; //   found live entries; subject IPA
export const REASON_RMM_FOLD: i32 = 730; //           entries do not make one; found live entries; subject IPA
export const REASON_RMM_DESC: i32 = 731; //           bits that the host does not choose, or no such attribute; subject descriptor
export const REASON_RMM_RANGE: i32 = 732; //          empty range, or unaligned; subject its top
export const REASON_RMM_PENDING: i32 = 733; //        not what the realm asked for; subject the address
export const REASON_RMM_RIPAS: i32 = 734; //          entry stays as it is; subject IPA
export const REASON_RMM_NOT_RUNNING: i32 = 735; //    a realm's call by a REC that does not run; subject PA of REC
export const REASON_RMM_LOCK: i32 = 736; //           the lock is held, and its holder waits for it; subject PA

// Where RMM stops (beside abi/codes.ts).
export const PANIC_RMM_DELEGATE: i32 = 60; //   EL3 refused to take a granule
export const PANIC_RMM_UNDELEGATE: i32 = 61; // EL3 refused to give one back
export const PANIC_RMM_UNLOCK: i32 = 62; //     a lock is released that is free
export const PANIC_RMM_REFCOUNT: i32 = 63; //   a count would leave its limits
