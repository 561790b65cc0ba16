// The page-table library of a partition manager by itself, as searches try it: operations on tables that lie beside a lone one
// (KIND_PAGE_TABLE), in the exploring variant of the module alone. Their errors are FF-A's (abi/ffa.ts).
// Both sides import this file; it is valid AssemblyScript and TypeScript.
//
// The vm field of a record is the number of a table, from 1 on.

/** Makes the next table: FFA_MM_* it is for, VMID, an address that the manager itself uses while it runs (its own tables). */
export const FFA_MM_TABLE: i32 = 296;
export const FFA_MM_MAP: i32 = 297; //      addr, size, phys (bytes), mode
export const FFA_MM_UNMAP: i32 = 298; //    addr, size
export const FFA_MM_DEFRAG: i32 = 299; //   merges what can be, frees what is empty
export const FFA_MM_GET_MODE: i32 = 300; // addr, size; answers the mode of the whole range

// What a table is for.
/** A VM's stage 2 in the normal world. */
export const FFA_MM_VM: i32 = 0;
/** A secure partition's stage 2 of its secure IPA space. */
export const FFA_MM_SECURE: i32 = 1;
/** The same for its non-secure IPA space. */
export const FFA_MM_NON_SECURE: i32 = 2;
/** The manager's own stage 1. */
export const FFA_MM_OWN: i32 = 3;
