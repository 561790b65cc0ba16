// The TLB model: how it is filled, where the modelled systems invalidate, what it reports.

// What the TLB holds.
export const TLB_OFF: i32 = 0;
/** The translations that accesses have used. */
export const TLB_ON_ACCESS: i32 = 1;
/** Every translation and every table that a walk could have seen: hardware may walk ahead of any access. */
export const TLB_WORST_CASE: i32 = 2;

// Where a TLBI is issued; all of them can be taken out one by one. A site is a line of the library or of a system.
export const TLBI_NONE: i32 = 0;
export const TLBI_BREAK_LEAF: i32 = 1; //   a leaf is replaced
export const TLBI_BREAK_TABLE: i32 = 2; //  a table is replaced by a leaf
export const TLBI_UNMAP_LEAF: i32 = 3; //   a leaf is unmapped, the invalidation is not deferred
export const TLBI_UNMAP_TABLE: i32 = 4; //  an empty table is taken out
export const TLBI_UNMAP_RANGE: i32 = 5; //  the deferred invalidation at the end of an unmap
export const TLBI_RELAX_PERMS: i32 = 6; //  this CPU only, after permissions were added
export const TLBI_SPLIT: i32 = 7; //        a block is replaced by a table of smaller leaves
export const TLBI_TEARDOWN: i32 = 8; //     a VM ends
export const TLBI_FLUSH_VMID: i32 = 9; //   asked for by the host
export const TLBI_SITES: i32 = 9;

// What can be wrong.
/** An operation has ended, and a translation that it took out of the tables is still there. */
export const TLB_LEFT_BEHIND: i32 = 1;
/** A valid entry was written while another one for the same address was still there (break-before-make). */
export const TLB_BREAK_BEFORE_MAKE: i32 = 2;
/** An access was translated by an entry that the tables do not hold any more. */
export const TLB_STALE_USE: i32 = 3;
/** A VMID was given up, or flushed as a whole, and an entry of it is still there. */
export const TLB_VMID_LEFT: i32 = 4;

// A report, 56 bytes:
//
//    0 u8 TLB_* | 1 u8 allowed | 2 u8 level of the cached entry | 3 u8 level of the table's entry | 4 u32 VMID
//    8 u64 IPA | 16 u64 cached descriptor | 24 u64 the table's descriptor now
//   32 u32 operation that should have invalidated, by number | 36 u16 its code | 38 u16 0
//   40 u32 operation during or after which this was noticed | 44 u32 operation after which the entry was filled | 48 u64 bytes covered
//
// IPA: where the entry's range begins; of a use, the address accessed. `allowed`: the caller of that operation may invalidate later.
export const TLB_REPORT_SIZE: i32 = 56;
export const TLB_REPORT_KIND: i32 = 0;
export const TLB_REPORT_ALLOWED: i32 = 1;
export const TLB_REPORT_LEVEL: i32 = 2;
export const TLB_REPORT_TABLE_LEVEL: i32 = 3;
export const TLB_REPORT_VMID: i32 = 4;
export const TLB_REPORT_IPA: i32 = 8;
export const TLB_REPORT_CACHED: i32 = 16;
export const TLB_REPORT_TABLE: i32 = 24;
export const TLB_REPORT_OPERATION: i32 = 32;
export const TLB_REPORT_CODE: i32 = 36;
export const TLB_REPORT_NOTICED: i32 = 40;
export const TLB_REPORT_FILLED: i32 = 44;
export const TLB_REPORT_BYTES: i32 = 48;
/** So many reports are kept, the first ones; the rest is counted. */
export const TLB_REPORTS: i32 = 256;
