// The Gunyah hypervisor's side of the boundary: error numbers, rights, attribute layouts, operations, reasons
// (reference gunyah sections 2 to 5). Numbers with an outside meaning are the published interface's.

// Results: X0 of a hypercall (2.1). 0 is OK.
export const GUNYAH_UNIMPLEMENTED: i32 = -1;
export const GUNYAH_RETRY: i32 = -2;
export const ARGUMENT_INVALID: i32 = 1;
export const ARGUMENT_SIZE: i32 = 2;
export const ARGUMENT_ALIGNMENT: i32 = 3;
export const NOMEM: i32 = 10;
export const NORESOURCES: i32 = 11;
export const ADDR_OVERFLOW: i32 = 20;
export const ADDR_UNDERFLOW: i32 = 21;
export const ADDR_INVALID: i32 = 22;
export const DENIED: i32 = 30;
export const BUSY: i32 = 31;
export const IDLE: i32 = 32;
export const OBJECT_STATE: i32 = 33;
export const OBJECT_CONFIG: i32 = 34;
export const OBJECT_CONFIGURED: i32 = 35;
export const FAILURE: i32 = 36;
export const VIRQ_BOUND: i32 = 40;
export const VIRQ_NOT_BOUND: i32 = 41;
export const CSPACE_CAP_NULL: i32 = 50;
export const CSPACE_CAP_REVOKED: i32 = 51;
export const CSPACE_WRONG_OBJECT_TYPE: i32 = 52;
export const CSPACE_INSUFFICIENT_RIGHTS: i32 = 53;
export const CSPACE_FULL: i32 = 54;
export const MSGQUEUE_EMPTY: i32 = 60;
export const MSGQUEUE_FULL: i32 = 61;
export const MEMDB_EMPTY: i32 = 110;
export const MEMDB_NOT_OWNER: i32 = 111;
export const MEMEXTENT_MAPPINGS_FULL: i32 = 120;
export const MEMEXTENT_TYPE: i32 = 121;
export const EXISTING_MAPPING: i32 = 200;

// VMIDs (6.1).
export const VMID_HYP: i32 = 0;
export const VMID_HLOS: i32 = 3;
export const VMID_RM: i32 = 255;
/** VMIDs end here (exclusive). */
export const VMID_END: i32 = 256;

// Capability rights (2.3).
export const RIGHT_MEMEXTENT_MAP: i32 = 1;
export const RIGHT_MEMEXTENT_DERIVE: i32 = 2;
export const RIGHT_MEMEXTENT_ATTACH: i32 = 4;
export const RIGHT_MEMEXTENT_LOOKUP: i32 = 8;
export const RIGHT_MEMEXTENT_DONATE: i32 = 16;
export const RIGHT_ADDRSPACE_ATTACH: i32 = 1;
export const RIGHT_ADDRSPACE_MAP: i32 = 2;
export const RIGHT_ADDRSPACE_LOOKUP: i32 = 4;
export const RIGHT_ADDRSPACE_ADD_VMMIO_RANGE: i32 = 8;
export const RIGHT_PARTITION_OBJECT_CREATE: i32 = 1;
export const RIGHT_PARTITION_DONATE: i32 = 2;
export const RIGHT_CSPACE_CREATE: i32 = 1;
export const RIGHT_CSPACE_DELETE: i32 = 2;
export const RIGHT_CSPACE_COPY: i32 = 4;
export const RIGHT_CSPACE_ATTACH: i32 = 8;
export const RIGHT_CSPACE_REVOKE: i32 = 16;
export const RIGHT_OBJECT_ACTIVATE: i32 = -2147483648;
/** All rights: what the creator of an object holds. */
export const RIGHTS_ALL: i32 = -1;

// Capabilities in the resource manager's capability space when the machine starts.
export const CAP_RM_CSPACE: i32 = 1;
export const CAP_ROOT_PARTITION: i32 = 2;
export const CAP_PARENT_DDR: i32 = 3;
export const CAP_HLOS_OWNED_DDR: i32 = 4;
export const CAP_HLOS_ADDRSPACE: i32 = 5;
export const CAP_HLOS_CSPACE: i32 = 6;

// Access (section 3): a mask.
export const ACCESS_NONE: i32 = 0;
export const ACCESS_X: i32 = 1;
export const ACCESS_W: i32 = 2;
export const ACCESS_R: i32 = 4;
export const ACCESS_RX: i32 = 5;
export const ACCESS_RW: i32 = 6;
export const ACCESS_RWX: i32 = 7;

// Memory types of an extent, and of a mapping (MemAttr of stage 2 without FWB).
export const MEMTYPE_ANY: i32 = 0;
export const MEMTYPE_DEVICE: i32 = 1;
export const MEMTYPE_UNCACHED: i32 = 2;
export const MEMTYPE_CACHED: i32 = 3;
export const MAP_DEVICE_NGNRNE: i32 = 0;
export const MAP_DEVICE_NGNRE: i32 = 1;
export const MAP_DEVICE_NGRE: i32 = 2;
export const MAP_DEVICE_GRE: i32 = 3;
export const MAP_NORMAL_NC: i32 = 5;
export const MAP_NORMAL_WB: i32 = 15;

// Extent attributes: access[2:0] memtype[9:8] type[17:16] append[31].
export const EXTENT_MEMTYPE_SHIFT: i32 = 8;
export const EXTENT_TYPE_SHIFT: i32 = 16;
export const EXTENT_BASIC: i32 = 0;
export const EXTENT_SPARSE: i32 = 1;

// Mapping attributes: user_access[2:0] kernel_access[6:4] memtype[23:16].
export const MAP_KERNEL_SHIFT: i32 = 4;
export const MAP_MEMTYPE_SHIFT: i32 = 16;
export const MAP_ATTRIBUTES: i32 = 0xff0077;

// Map flags: partial[0] no_sync[31].
export const MAP_PARTIAL: i32 = 1;
export const NO_SYNC: i32 = -2147483648;

// Donate options: type[7:0] no_sync[31].
export const DONATE_TO_CHILD: i32 = 0;
export const DONATE_TO_PARENT: i32 = 1;
export const DONATE_TO_SIBLING: i32 = 2;

// Modify flags: op[7:0] no_sync[31].
export const MODIFY_UNMAP_ALL: i32 = 0;
export const MODIFY_ZERO_RANGE: i32 = 1;
export const MODIFY_CACHE_CLEAN: i32 = 2;
export const MODIFY_CACHE_FLUSH: i32 = 3;
export const MODIFY_SYNC_ALL: i32 = 255;

// VMMIO range operations.
export const VMMIO_ADD: i32 = 0;
export const VMMIO_REMOVE: i32 = 1;

// Kinds of owners in the ownership database (2.6).
export const MEMDB_NOTYPE: i32 = 0;
export const MEMDB_PARTITION: i32 = 1;
export const MEMDB_ALLOCATOR: i32 = 2;
export const MEMDB_EXTENT: i32 = 3;
export const MEMDB_TRACE: i32 = 4;

// What an extent is to the resource manager; a word about an owner says it (EFFECT_OWNERSHIP).
export const ROLE_NONE: i32 = 0;
export const ROLE_PARENT_DDR: i32 = 1;
/** Memory of a VM: the label is its VMID. */
export const ROLE_OWNED: i32 = 2;
/** A memory parcel: the label is its handle. */
export const ROLE_PARCEL: i32 = 3;

// vcpu_run states (section 5).
export const VCPU_READY: i32 = 0;
export const VCPU_EXPECTS_WAKEUP: i32 = 1;
export const VCPU_POWERED_OFF: i32 = 2;
export const VCPU_BLOCKED: i32 = 3;
export const VCPU_VMMIO_READ: i32 = 4;
export const VCPU_VMMIO_WRITE: i32 = 5;
export const VCPU_FAULT: i32 = 6;

// Heaps, by which `heap_limit` names them.
export const HEAP_PARTITION: i32 = 0;
export const HEAP_HYPERVISOR: i32 = 1;
export const HEAP_TABLES: i32 = 2;

// Operations. Field vm: VMID of the caller. Field vcpu: the first capability, and the second one << 16. A call that
// answers something leaves it in RESULT_SUBJECT (status STATUS_ANSWERED). The number behind an operation is the hypercall's.
export const PARTITION_CREATE_PARTITION: i32 = 128; //  partition, cspace; answers a capability                       0x6001
export const PARTITION_CREATE_CSPACE: i32 = 129; //     partition, cspace; answers a capability                       0x6002
export const PARTITION_CREATE_ADDRSPACE: i32 = 130; //  partition, cspace; answers a capability                       0x6003
export const PARTITION_CREATE_MEMEXTENT: i32 = 131; //  partition, cspace; answers a capability                       0x6004
export const PARTITION_CREATE_THREAD: i32 = 132; //     partition, cspace; answers a capability                       0x6005
export const OBJECT_ACTIVATE: i32 = 133; //             object                                                        0x600c
export const OBJECT_ACTIVATE_FROM: i32 = 134; //        cspace, object in it                                          0x600d
export const CSPACE_DELETE_CAP_FROM: i32 = 135; //      cspace, capability in it                                      0x6022
export const CSPACE_COPY_CAP_FROM: i32 = 136; //        cspace, capability in it; destination cspace, rights; answers 0x6023
export const CSPACE_REVOKE_CAP_FROM: i32 = 137; //      cspace, capability in it                                      0x6024
export const CSPACE_REVOKE_CAPS_FROM: i32 = 138; //     cspace, capability in it: those copied from it                0x6059
export const CSPACE_CONFIGURE: i32 = 139; //            cspace; most capabilities                                     0x6025
export const CSPACE_ATTACH_THREAD: i32 = 140; //        cspace, thread                                                0x603e
export const ADDRSPACE_ATTACH_THREAD: i32 = 141; //     as, thread                                                    0x602a
export const ADDRSPACE_MAP: i32 = 142; //               as, me; vbase, attributes | flags << 32, offset, size         0x602b
export const ADDRSPACE_UNMAP: i32 = 143; //             as, me; vbase, flags << 32, offset, size                      0x602c
export const ADDRSPACE_UPDATE_ACCESS: i32 = 144; //     as, me; vbase, access | flags << 32, offset, size             0x602d
export const ADDRSPACE_CONFIGURE: i32 = 145; //         as; vmid                                                      0x602e
export const MEMEXTENT_MODIFY: i32 = 146; //            me; flags, offset, size                                       0x6030
export const MEMEXTENT_CONFIGURE: i32 = 147; //         me; phys_base, size, attributes                               0x6031
export const MEMEXTENT_CONFIGURE_DERIVE: i32 = 148; //  me, parent; offset, size, attributes                          0x6032
export const ADDRSPACE_LOOKUP: i32 = 149; //       as, me; vbase, size; answers the offset, with the attributes
//                                                      in RESULT_EXPECTED and the pages in RESULT_FOUND              0x605a
export const ADDRSPACE_CONFIGURE_VMMIO: i32 = 150; //   as; vbase, size, VMMIO_*                                      0x6060
export const MEMEXTENT_DONATE: i32 = 151; //       from, to; options, offset, size                               0x6061
export const ADDRSPACE_ATTACH_VDEVICE: i32 = 152; //    as; vbase, size, device number                                0x6062
export const VCPU_RUN: i32 = 153; //                    thread; answers the run state                                 0x6065
export const VCPU_RUN_CHECK: i32 = 154; //              thread; answers the run state, with the address in
//                                                      RESULT_EXPECTED (low half) and RESULT_FOUND (high half)       0x6068

/** An abort that a VM takes to EL2: esr, spsr, far, hpfar; field vcpu: GUNYAH_ABORT_*. */
export const GUNYAH_ABORT: i32 = 155;

// The hypervisor's functions alone.
export const MEMEXTENT_ATTACH: i32 = 156; //       me, partition; size: mapped into EL2
export const MEMEXTENT_DETACH: i32 = 157; //            me
export const VDEVICE_ATTACH_PHYS: i32 = 158; //         me; device number
export const RCU_SYNC: i32 = 159; //                    a grace period passes
export const HEAP_LIMIT: i32 = 160; //                  HEAP_*, allocations that still succeed (all ones: no limit)
export const ADDRSPACE_SET_READ_ONLY: i32 = 161; //     as; 0 or 1
export const MEMDB_INSERT: i32 = 162; //                vcpu: type; start, end (inclusive), object
export const MEMDB_UPDATE: i32 = 163; //                vcpu: type | previous type << 16; start, end, object, previous object
export const MEMDB_LOOKUP: i32 = 164; //                address; answers the object, with the type in RESULT_FOUND
export const MEMDB_IS_OWNERSHIP_CONTIGUOUS: i32 = 165; //         vcpu: type; start, end, object; answers 1 or 0
export const MEMDB_RANGE_WALK: i32 = 166; //                  vcpu: type; object, start, end: an EFFECT_RANGE per run; answers the runs
export const GPT_INSERT: i32 = 167; //                  base, size, value
export const GPT_UPDATE: i32 = 168; //                  base, size, old value, new value
export const GPT_REMOVE: i32 = 169; //                  base, size, value
export const GPT_LOOKUP: i32 = 170; //                  base, size; answers the value, with the run's size in RESULT_EXPECTED
//                                                      (low half) and RESULT_FOUND (high half); nothing there: ADDR_INVALID
export const GPT_IS_CONTIGUOUS: i32 = 171; //           base, size, value; answers 1 or 0
export const GPT_WALK_RANGE: i32 = 172; //                    base, size: an EFFECT_RANGE per run; answers the runs

export const GUNYAH_FIRST: i32 = 128;
export const GUNYAH_LAST: i32 = 175;

// What else there is to say of an abort.
/** The vCPU is driven by vcpu_run. */
export const GUNYAH_ABORT_DRIVEN: i32 = 1;
/** Another CPU holds the lock of the address space's page table. */
export const GUNYAH_ABORT_LOCKED: i32 = 2;
/** SCTLR_EL1.SPAN and SCTLR_EL1.DSSBS. */
export const GUNYAH_ABORT_SPAN: i32 = 4;
export const GUNYAH_ABORT_DSSBS: i32 = 8;

// Reasons: one per check. expected and found are what the comment says.
export const REASON_RESERVED_BITS: i32 = 256; //       found the low 32 bits; subject the value
export const REASON_CAP_NULL: i32 = 257; //            subject capability
export const REASON_CAP_REVOKED: i32 = 258; //         subject capability
export const REASON_CAP_TYPE: i32 = 259; //            object types; subject capability
export const REASON_CAP_RIGHTS: i32 = 260; //          rights; subject capability
export const REASON_CSPACE_FULL: i32 = 261; //         found capabilities
export const REASON_OBJECT_STATE: i32 = 262; //        object states; subject object
export const REASON_PAGE_ALIGNMENT: i32 = 263; //      subject the unaligned value
export const REASON_EMPTY_RANGE: i32 = 264;
export const REASON_WRAPS: i32 = 265; //               subject start
export const REASON_OUTSIDE_EXTENT: i32 = 266; //      subject the end asked for, as offset or PA
export const REASON_EXTENT_ATTRIBUTES: i32 = 267; //   found attributes
export const REASON_ACCESS_NOT_SUBSET: i32 = 268; //   accesses: the extent's, the one asked for
export const REASON_MEMTYPE: i32 = 269; //             the extent's memory type, the mapping's
export const REASON_ENCODING: i32 = 270; //            user access, kernel access
export const REASON_READ_ONLY_SPACE: i32 = 271; //     found VMID
export const REASON_EXTENT_BASIC: i32 = 272; //        subject object
export const REASON_EXTENT_NOT_SPARSE: i32 = 273; //   subject object
export const REASON_RECORD_RANGE: i32 = 274; //        subject IPA
export const REASON_MAPPINGS_FULL: i32 = 275; //       found slots
export const REASON_NO_RECORD: i32 = 276; //           subject IPA
export const REASON_SPARSE_UPDATE_ACCESS: i32 = 277; // subject IPA
export const REASON_MEMDB_OWNER: i32 = 278; //           objects; subject PA
export const REASON_HEAP: i32 = 279; //                found HEAP_*
export const REASON_VMID_RANGE: i32 = 280; //          found VMID
export const REASON_VMID_IN_USE: i32 = 281; //         found VMID
export const REASON_SPACE_RANGE: i32 = 282; //         expected address bits; subject IPA
export const REASON_SPACE_OVERFLOW: i32 = 283; //      expected address bits; subject IPA
export const REASON_VMMIO_FULL: i32 = 284; //          found ranges
export const REASON_VMMIO_OVERLAP: i32 = 285; //       subject IPA
export const REASON_VMMIO_NONE: i32 = 286; //          subject IPA
export const REASON_NOT_MAPPED: i32 = 287; //          subject IPA
export const REASON_SAME_EXTENT: i32 = 288; //         subject object
export const REASON_NO_PARENT: i32 = 289; //           subject object
export const REASON_OTHER_PARENT: i32 = 290; //        objects: the parents
export const REASON_NOT_PARENT: i32 = 291; //          objects: the child's parent or partition, the one given
export const REASON_OVERLAP: i32 = 292; //             subject address
export const REASON_NO_WRITE_ACCESS: i32 = 293; //     found access
export const REASON_DEVICE_EXTENT: i32 = 294; //       subject object
export const REASON_SYNC_FLAG: i32 = 295; //           no_sync: expected, found
export const REASON_OPERATION: i32 = 296; //           found operation
export const REASON_ATTACHED: i32 = 297; //            subject object
export const REASON_HAS_CHILDREN: i32 = 298; //        subject object
export const REASON_PARTIALLY_MAPPED: i32 = 299; //    subject PA
export const REASON_OTHER_PARTITION: i32 = 300; //     objects
export const REASON_NO_RW_ACCESS: i32 = 301; //        found access
export const REASON_BEYOND_LIMIT: i32 = 302; //        subject address
export const REASON_OTHER_VALUE: i32 = 303; //         subject address
export const REASON_NO_SUCH_SPACE: i32 = 304; //       found VMID
export const REASON_PARENT_MEMTYPE: i32 = 305; //      memory types: the parent's, the one asked for
export const REASON_NOT_ATTACHED: i32 = 306; //        subject object
export const REASON_NOT_AN_ABORT: i32 = 307; //        subject ESR
export const REASON_CAPABILITIES: i32 = 308; //        found capabilities asked for
export const REASON_BEYOND_SIZE: i32 = 309; //         subject bytes
export const REASON_EXTENT_NOT_BASIC: i32 = 310; //    subject object

/** vcpu_halted on a critical vCPU: HLOS takes a fault that EL2 can neither handle nor pass on. */
export const PANIC_CRITICAL_VCPU_FAULT: i32 = 64;
/** Assertions that only known bugs of the past reach (abi/mutations.ts). */
export const PANIC_PGTABLE_RANGE: i32 = 65;
export const PANIC_DERIVE_REMAP: i32 = 66;
