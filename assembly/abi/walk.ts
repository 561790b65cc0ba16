// The stage-2 walk: how registers go in and how a translation comes out. Section numbers are those of reference stage2-walk.

// Registers and implementation of one translation regime, 64 bytes, little-endian.
//
//    0 u64 VTCR_EL2 | 8 u64 VTTBR_EL2 | 16 u64 HCR_EL2 | 24 u64 SCTLR_EL2
//   32 u32 implemented PA bits | 36 u32 ARCH_* | 40 u32 CHOICE_* | 44 u32 what stage 1 made of the access (memory attributes, below)
//   48 u64 first aborting address | 56 u64 the address behind the last one (equal: none)
export const REGISTERS_SIZE: i32 = 64;
export const REGISTERS_VTCR: i32 = 0;
export const REGISTERS_VTTBR: i32 = 8;
export const REGISTERS_HCR: i32 = 16;
export const REGISTERS_SCTLR: i32 = 24;
export const REGISTERS_PA_BITS: i32 = 32;
export const REGISTERS_FEATURES: i32 = 36;
export const REGISTERS_CHOICES: i32 = 40;
export const REGISTERS_STAGE1: i32 = 44;
export const REGISTERS_ABORT_FIRST: i32 = 48;
export const REGISTERS_ABORT_END: i32 = 56;

// Features that change a walk. The FEAT_BBM level (0: not implemented) stands above them.
export const ARCH_LPA: i32 = 1;
export const ARCH_LPA2: i32 = 2;
export const ARCH_XNX: i32 = 4;
export const ARCH_HAFDBS: i32 = 8;
export const ARCH_TTST: i32 = 16;
export const ARCH_FWB: i32 = 32;
export const ARCH_BBM_SHIFT: i32 = 8;

// What the architecture leaves to the implementation and this model leaves to the caller; the rest is pinned (section 12).
/** A contiguous range larger than the input space is a Translation fault (6.9a). */
export const CHOICE_CONTIGUOUS_FAULT: i32 = 1;
/** A block with nT=1 is a Translation fault (6.9b). */
export const CHOICE_NT_FAULT: i32 = 2;

// Memory attributes, 6 bits: MemAttr[3:0] as in a descriptor without FWB, and shareability (section 8).
//
//    5    4 3    2 1  0
//   +------+------+----+
//   | outer| inner| SH |     outer 0: Device, and `inner` is its type
//   +------+------+----+
export const ATTRIBUTE_SH: i32 = 3;
export const ATTRIBUTE_INNER_SHIFT: i32 = 2;
export const ATTRIBUTE_OUTER_SHIFT: i32 = 4;
export const NON_SHAREABLE: i32 = 0;
export const OUTER_SHAREABLE: i32 = 2;
export const INNER_SHAREABLE: i32 = 3;
export const NON_CACHEABLE: i32 = 1;
export const WRITE_THROUGH: i32 = 2;
export const WRITE_BACK: i32 = 3;

// An access: what it does, and flags.
export const ACCESS_READ: i32 = 0;
export const ACCESS_WRITE: i32 = 1;
export const ACCESS_FETCH: i32 = 2;
export const ACCESS_TABLE_READ: i32 = 3; //   stage-1 table walk
export const ACCESS_TABLE_UPDATE: i32 = 4; // hardware update of a stage-1 descriptor
export const ACCESS_ATOMIC: i32 = 5; //       read and write
export const ACCESS_KIND: i32 = 7;
export const ACCESS_EL0: i32 = 8;
export const ACCESS_UNALIGNED: i32 = 16;

// A request, 16 bytes: 0 u64 IPA | 8 u32 ACCESS_* | 12 u32 0
export const REQUEST_SIZE: i32 = 16;
export const REQUEST_IPA: i32 = 0;
export const REQUEST_ACCESS: i32 = 8;
/** So many at a time, and so many words of memory (16 bytes each: 0 u64 address | 8 u64 value). */
export const WALK_BATCH: i32 = 8192;

// Why an access does not go ahead. Those behind ALIGNMENT come from elsewhere than the walk and are only named and encoded.
export const FAULT_NONE: i32 = 0;
export const FAULT_TRANSLATION: i32 = 1;
export const FAULT_ADDRESS_SIZE: i32 = 2;
export const FAULT_ACCESS_FLAG: i32 = 3;
export const FAULT_PERMISSION: i32 = 4;
export const FAULT_ABORT_ON_WALK: i32 = 5;
export const FAULT_ALIGNMENT: i32 = 6;
export const FAULT_EXTERNAL_ABORT: i32 = 7;
export const FAULT_TLB_CONFLICT: i32 = 8;
export const FAULT_GRANULE_PROTECTION: i32 = 9;

// Why a regime translates nothing, or all of it.
export const REGIME_LEGAL: i32 = 0;
/** HCR_EL2.VM and DC are 0: the output is the input (6.1). */
export const REGIME_OFF: i32 = 1;
/** Every access is a level-0 Translation fault (6.2, 6.3). */
export const REGIME_INPUT_SIZE: i32 = 2; //   T0SZ out of limits
export const REGIME_START_LEVEL: i32 = 3; //  no such start level
export const REGIME_INCONSISTENT: i32 = 4; // the first table would be too small, or of more than 16 pages

// A regime as decoded, 32 bytes:
//
//    0 u32 REGIME_* | 4 u32 granule shift | 8 u32 input bits | 12 u32 output bits | 16 i32 start level | 20 u32 0 | 24 u64 first table
export const REGIME_SIZE: i32 = 32;
export const REGIME_STATUS: i32 = 0;
export const REGIME_GRANULE_SHIFT: i32 = 4;
export const REGIME_INPUT_BITS: i32 = 8;
export const REGIME_OUTPUT_BITS: i32 = 12;
export const REGIME_START: i32 = 16;
export const REGIME_BASE: i32 = 24;

// A translation explained, 160 bytes. Fields of the leaf have a meaning without a fault, those of the syndrome with one.
//
//    0 u32 FAULT_* | 4 i32 level | 8 u64 PA | 16 u64 leaf, after a hardware update
//   24 u8 S2AP as used | 25 u8 XN[1:0] | 26 u8 Contiguous as used | 27 u8 0 | 28 u8 HPFAR_EL2 is valid | 29 u8 reads | 30 u8 updates | 31 u8 trace entries
//   32 u64 ESR_EL2 | 40 u64 HPFAR_EL2 | 48 u32 stage-2 attributes | 52 u32 final attributes
//   56 u64 updated address | 64 u64 raw word | 72 u64 after
//   80 trace: one entry per table read, 16 bytes each: 0 u64 address | 8 u64 descriptor (0 if the read aborted); levels ascend from the start level
export const TRANSLATION_SIZE: i32 = 160;
export const TRANSLATION_FAULT: i32 = 0;
export const TRANSLATION_LEVEL: i32 = 4;
export const TRANSLATION_PA: i32 = 8;
export const TRANSLATION_DESCRIPTOR: i32 = 16;
export const TRANSLATION_S2AP: i32 = 24;
export const TRANSLATION_XN: i32 = 25;
export const TRANSLATION_CONTIGUOUS: i32 = 26;
export const TRANSLATION_HPFAR_VALID: i32 = 28;
export const TRANSLATION_READS: i32 = 29;
export const TRANSLATION_UPDATES: i32 = 30;
export const TRANSLATION_STEPS: i32 = 31;
export const TRANSLATION_ESR: i32 = 32;
export const TRANSLATION_HPFAR: i32 = 40;
export const TRANSLATION_STAGE2_ATTRIBUTES: i32 = 48;
export const TRANSLATION_ATTRIBUTES: i32 = 52;
export const TRANSLATION_UPDATE_ADDRESS: i32 = 56;
export const TRANSLATION_UPDATE_BEFORE: i32 = 64;
export const TRANSLATION_UPDATE_AFTER: i32 = 72;
export const TRANSLATION_TRACE: i32 = 80;
export const TRANSLATION_TRACE_ENTRY: i32 = 16;
/** Levels -1 to 3. */
export const TRANSLATION_TRACE_ENTRIES: i32 = 5;

// Accesses of a machine's host and guests, packed.
//
// Access, 24 bytes:
//    0 u64 IPA | 8 u64 value to write | 16 u16 vm (0: the host, or the lone table) | 18 u8 bytes: 1, 2, 4, 8 | 19 u8 0 | 20 u32 ACCESS_*
// An access stays within its page. One that is not aligned to its size is so marked by itself.
/** So many at a time. */
export const ACCESS_BATCH: i32 = 32768;
export const ACCESS_RECORD_SIZE: i32 = 24;
export const ACCESS_IPA: i32 = 0;
export const ACCESS_VALUE: i32 = 8;
export const ACCESS_VM: i32 = 16;
export const ACCESS_BYTES: i32 = 18;
export const ACCESS_FLAGS: i32 = 20;

// Answer, 32 bytes:
//    0 u64 PA | 8 u64 value found there (before a write) | 16 u32 ESR_EL2 | 20 u8 ANSWER_* | 21 u8 FAULT_* | 22 i8 level | 23 u8 HPFAR_EL2 is valid
//   24 u64 HPFAR_EL2
export const ANSWER_SIZE: i32 = 32;
export const ANSWER_PA: i32 = 0;
export const ANSWER_VALUE: i32 = 8;
export const ANSWER_ESR: i32 = 16;
export const ANSWER_STATUS: i32 = 20;
export const ANSWER_FAULT: i32 = 21;
export const ANSWER_LEVEL: i32 = 22;
export const ANSWER_HPFAR_VALID: i32 = 23;
export const ANSWER_HPFAR: i32 = 24;

/** Done. */
export const ANSWER_DONE: i32 = 0;
/** Translated, but there is no memory at the PA: a device, which is not modelled. Reads give 0, writes go nowhere. */
export const ANSWER_NO_MEMORY: i32 = 1;
/** The access faults. */
export const ANSWER_FAULTED: i32 = 2;
/** No such stage 2. */
export const ANSWER_NO_STAGE2: i32 = 3;
/** No such size, or across a page boundary. */
export const ANSWER_INVALID: i32 = 4;

/** What explainAccess returns where there is no such stage 2; else the start level. */
export const NO_STAGE2: i32 = -2;

// A translation where only the address is wanted, u64: the PA, or
//
//   63 62                16 15     8 7       0
//  +--+--------------------+--------+---------+
//  | 1|                    | level  | FAULT_* |     level: signed
//  +--+--------------------+--------+---------+
export const TRANSLATE_FAULT_BIT: i32 = 63;
export const TRANSLATE_LEVEL_SHIFT: i32 = 8;
