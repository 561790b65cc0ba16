// EL2's locks, as bits of those that an operation has just released where another CPU can come in between (reference
// pkvm-el2 section 9.1).

/** The table of VMs, vm_table_lock. */
export const LOCK_VM_TABLE: i32 = 1;
/** The host's stage 2, host_mmu.lock. */
export const LOCK_HOST: i32 = 2;
/** EL2's own stage 1, pkvm_pgd_lock. */
export const LOCK_HYP: i32 = 4;
/** A VM's stage 2, vm->lock. */
export const LOCK_GUEST: i32 = 8;
