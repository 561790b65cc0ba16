// Layout of what comes back from a batch: one result per operation, and the effects of each when asked for.
//
// Result, 24 bytes, little-endian. Behind `status` the fields have a meaning only where `reason` is not 0.
//
//    0 i32 ret | 4 u16 reason | 6 u16 status | 8 u64 subject | 16 u32 expected | 20 u32 found
//
// ret       0 or a count, or a negative errno
// reason    REASON_* of codes.ts: the check that refused. With STATUS_PANICKED: PANIC_*
// subject   what the check looked at: a physical or intermediate physical address in bytes, a handle, a count

export const RESULT_SIZE: i32 = 24;
export const RESULT_RET: i32 = 0;
export const RESULT_REASON: i32 = 4;
export const RESULT_STATUS: i32 = 6;
export const RESULT_SUBJECT: i32 = 8;
export const RESULT_EXPECTED: i32 = 16;
export const RESULT_FOUND: i32 = 20;

export const STATUS_OK: i32 = 0;
/** EL2 would have stopped here: `reason` says where. Every later operation reports the same until a reset. */
export const STATUS_PANICKED: i32 = 1;
/** Not an operation, or a field that cannot be; nothing was changed. */
export const STATUS_INVALID: i32 = 2;
/** A limit of the simulator, not of the modelled machine, was reached (`reason` is LIMIT_*). */
export const STATUS_LIMIT: i32 = 3;
/** Ran, and answers something: `subject` holds it, `expected` and `found` what else there is (abi/gunyah.ts). */
export const STATUS_ANSWERED: i32 = 4;

// Effects: 40 bytes each, in chunks of EFFECT_CHUNK_RECORDS. In the order in which the machine had them.
//
//    0 u16 kind | 2 u8 level | 3 u8 flags | 4 u32 vm (handle, 0 = host) or vmid | 8 u64 address | 16 u64 before | 24 u64 after | 32 u64 extra

export const EFFECT_SIZE: i32 = 40;
export const EFFECT_KIND: i32 = 0;
export const EFFECT_LEVEL: i32 = 2;
export const EFFECT_FLAGS: i32 = 3;
export const EFFECT_OWNER: i32 = 4;
export const EFFECT_ADDRESS: i32 = 8;
export const EFFECT_BEFORE: i32 = 16;
export const EFFECT_AFTER: i32 = 24;
export const EFFECT_EXTRA: i32 = 32;

/** Opens the effects of one operation: address = its index in the batch. */
export const EFFECT_OPERATION: i32 = 1;
/** A page's word of the hyp vmemmap: address = physical address, before and after as the word's 64 bits. */
export const EFFECT_PAGE: i32 = 2;
/** A stage-2 descriptor: owner = VM handle (0 host), address = IPA, level, before, after. */
export const EFFECT_DESCRIPTOR: i32 = 3;
/** A stage-2 table page taken into use or given back: address = IPA it covers from, level of its entries, after = 1 or 0. */
export const EFFECT_TABLE: i32 = 4;
/** TLBI by IPA, inner shareable: owner = VMID, address = IPA, level (TTL_UNKNOWN: no hint). */
export const EFFECT_TLBI_IPA: i32 = 5;
/** TLBI by IPA, this CPU only (non-shareable). */
export const EFFECT_TLBI_IPA_NSH: i32 = 6;
/** Range TLBI: address = IPA, extra = pages. */
export const EFFECT_TLBI_RANGE: i32 = 7;
/** TLBI of a whole VMID. */
export const EFFECT_TLBI_VMID: i32 = 8;
/** Data cache clean and invalidate for a guest mapping: address = PA, extra = bytes. */
export const EFFECT_DCACHE: i32 = 9;
/** Instruction cache invalidate: address = PA, extra = bytes. */
export const EFFECT_ICACHE: i32 = 10;
/** Clean to the point of coherency of memory EL2 wiped or hands back: address = PA, extra = bytes. */
export const EFFECT_POC: i32 = 11;
/** Memory filled with zeros: address = PA, extra = bytes. */
export const EFFECT_WIPE: i32 = 12;
/** A VM slot: owner = handle, before and after = VM_STATE_* | protected << 8 | vCPUs << 16. */
export const EFFECT_VM: i32 = 13;
/** A vCPU: owner = handle, address = index, before and after = present | loaded << 1 | memcache pages << 8. */
export const EFFECT_VCPU: i32 = 14;
/** host_abort: level = ABORT_*; before = ipa resolved, after = injected ESR_EL1; extra = granule bytes mapped, address = its start. */
export const EFFECT_ABORT: i32 = 15;
/** guest_hvc: address = change of the return address (signed); x0..x3 follow in two EFFECT_REGISTERS. */
export const EFFECT_HVC: i32 = 16;
/** address = x0 or x2, before = x1 or x3 (the second record has level 2). */
export const EFFECT_REGISTERS: i32 = 17;
/** Made-up data abort shown to the host: level = exit code, address = ESR, before = HPFAR, after = FAR. */
export const EFFECT_GUEST_EXIT: i32 = 18;
/** finalize_teardown_vm: address = pages on teardown_mc, before = pages on stage2_teardown_mc. */
export const EFFECT_TEARDOWN: i32 = 19;
/** A refill: address = pages left on the host's list. */
export const EFFECT_HOST_MEMCACHE: i32 = 20;
/** The vCPU loaded after a vcpu_load: owner = handle (0 none), address = index. */
export const EFFECT_LOADED: i32 = 21;
/** pt_get_leaf: level, after = descriptor. */
export const EFFECT_LEAF: i32 = 22;
/** pt_*: address = pool pages not in use, before = pages left in the split cache. */
export const EFFECT_POOL: i32 = 23;
/** EL2 stage-1 entry of the linear map: address = PA, before, after. */
export const EFFECT_HYP_MAP: i32 = 24;
/** The ownership database: address = PA, extra = bytes, before and after = MEMDB_* | ROLE_* << 8 | object << 16 | label << 32. */
export const EFFECT_OWNERSHIP: i32 = 25;
/** A mapping record of an extent: owner = VMID, level = slot, address = IPA, extra = bytes; before = PA,
 * after = attributes | 1 << 31 if made, 0 if removed. */
export const EFFECT_MAPPING: i32 = 26;
/** An exception given to a VM: owner = VMID, address = FAR_EL1, before = SPSR_EL1, after = PSTATE, extra = offset from VBAR_EL1. */
export const EFFECT_EXCEPTION: i32 = 27;
/** TLBI of a VMID's combined stage-1 entries (VMALLE1): owner = VMID. */
export const EFFECT_TLBI_STAGE1: i32 = 28;
/** A run that a walk over ranges came by: address = start, extra = bytes, after = value. */
export const EFFECT_RANGE: i32 = 29;

/** Level of a TLBI without a level hint (TLBI_TTL_UNKNOWN). */
export const TTL_UNKNOWN: i32 = 255;

export const ABORT_MAPPED: i32 = 0;
export const ABORT_SPURIOUS: i32 = 1;
export const ABORT_INJECTED: i32 = 2;
export const ABORT_RETRY: i32 = 3;
/** Gunyah: a virtual device of EL2 answers; a VMM does (VMMIO); the vCPU is blocked with a fault. */
export const ABORT_EMULATED: i32 = 4;
export const ABORT_VMMIO_READ: i32 = 5;
export const ABORT_VMMIO_WRITE: i32 = 6;
export const ABORT_BLOCKED: i32 = 7;

export const VM_STATE_FREE: i32 = 0;
export const VM_STATE_RESERVED: i32 = 1;
export const VM_STATE_LIVE: i32 = 2;
export const VM_STATE_DYING: i32 = 3;

// Chunks are linked: 0 u32 next (0 = last) | 4 u32 records in it | 8 the records.
export const EFFECT_CHUNK_HEADER: i32 = 8;
export const EFFECT_CHUNK_RECORDS: i32 = 1600;

// Dumps: packed listings of the state, filled into a window chunk by chunk (exports dumpPages, dumpLeaves, dumpTables).
//   page   24 bytes: 0 u64 pfn | 8 u64 vmemmap word | 16 u64 pages in the run
//   leaf   24 bytes: 0 u64 ipa | 8 u64 descriptor | 16 u32 level | 20 u32 0
//   table  16 bytes: 0 u64 ipa | 8 u32 level of its entries | 12 u32 1 if a root page
export const DUMP_PAGE_SIZE: i32 = 24;
export const DUMP_LEAF_SIZE: i32 = 24;
export const DUMP_TABLE_SIZE: i32 = 16;
// Gunyah: runs of one owner, and the records of all extents (exports dumpOwners, dumpRecords).
//   owner   24 bytes: 0 u64 pa | 8 u64 bytes | 16 u64 owner (as EFFECT_OWNERSHIP)
//   record  48 bytes: 0 u64 pa | 8 u64 bytes | 16 u64 ipa | 24 u32 attributes | 28 u32 VMID | 32 u32 slot | 36 u32 0 | 40 u64 extent (as EFFECT_OWNERSHIP)
export const DUMP_OWNER_SIZE: i32 = 24;
export const DUMP_RECORD_SIZE: i32 = 48;
