// What programs of the host's can cause in a search that has a host of its own (explore/host/): system calls, and what a guest does
// while KVM_RUN lasts. They are no operations of a machine: the host makes the hypercalls that follow from them.
//
// A record has the size and fields of an operation (abi/operations.ts):
//
//    0 u16 call | 2 u16 VM, counted from 0 | 4 u32 process | 8 u64 page of the VMM's, and of the guest's slot | 16 u64 what of it

/** The first of them; below are operations, and EXPLORE_ACCESS. */
export const USER_CALLS: i32 = 0xf100;
/** KVM_CREATE_VM. What: VM_* flags. */
export const USER_CREATE_VM: i32 = 0xf100;
/** KVM_CREATE_VCPU. */
export const USER_CREATE_VCPU: i32 = 0xf101;
/** KVM_RUN. What: GUEST_*, the one thing that the guest does. */
export const USER_RUN: i32 = 0xf102;
/** The fd of the VM goes to the process whose number is the page. */
export const USER_SEND_FD: i32 = 0xf103;
/** close(2) of the VM's fds. */
export const USER_CLOSE: i32 = 0xf104;
/** exit(2), or a kill. */
export const USER_EXIT: i32 = 0xf105;
/** munmap(2), and mmap(2) where there is nothing. What: 1 = in leaves of a page, whatever kind the memory was of. */
export const USER_MUNMAP: i32 = 0xf106;
export const USER_MMAP: i32 = 0xf107;
/** KVM_SET_USER_MEMORY_REGION, which switches the log of dirty pages. What: 1 on, 0 off. */
export const USER_LOG_DIRTY: i32 = 0xf108;
/** A device's file is opened, for which EL2 needs memory: a page of the host's and one of the VMM's, in one list (Android). */
export const USER_DONATE_LIST: i32 = 0xf109;

/** KVM_RUN up to where its thread is preempted, in the handler of a fault; and from there on. */
export const USER_RUN_BEGIN: i32 = 0xf10a;
export const USER_RUN_END: i32 = 0xf10b;
/** munmap(2) up to where its thread is preempted, in the callback of its notifier; and from there on. */
export const USER_MUNMAP_BEGIN: i32 = 0xf10c;
export const USER_MUNMAP_END: i32 = 0xf10d;

export const VM_PROTECTED: i32 = 1;
/** Android: EL2 puts the VM's firmware at its first page. */
export const VM_FIRMWARE: i32 = 2;

// What a guest does.
export const GUEST_READS: i32 = 0;
export const GUEST_WRITES: i32 = 1;
/** Hypercalls, of a protected guest. */
export const GUEST_SHARES: i32 = 2;
export const GUEST_UNSHARES: i32 = 3;
/** Android: it gives the page back. */
export const GUEST_RELINQUISHES: i32 = 4;

// What a VMM's memory is.
/** Pages from the host's allocator, each by itself. */
export const MEMORY_PAGES: i32 = 0;
/** One block of 2 MiB, of a hugetlb page, which is in no allocator. */
export const MEMORY_BLOCK: i32 = 1;
/** A device's mapping (VM_PFNMAP) of 2 MiB, aligned as a block is, in which each page leads to every second page of a driver's. */
export const MEMORY_DEVICE: i32 = 2;
/** All of it one folio of the host's allocator, which is pinned and recorded as a whole (Android). */
export const MEMORY_FOLIO: i32 = 3;

// What is wrong with the host, or with what it made of the machine: BREACH_*, and the rules' names in src/explore/host-domain.ts.
/** The pages charged to a process are not those pinned for it; subject: its number. */
export const BREACH_CHARGES: i32 = 1;
/** A page of the host's allocator is not the host's alone; subject: its address. */
export const BREACH_FREE: i32 = 2;
/** EL2 refused what the host counts on. */
export const BREACH_REFUSED: i32 = 3;
/** A guest's access faults again and again. */
export const BREACH_PROGRESS: i32 = 4;
/** A guest has another page than its VMM has there; subject: the IPA. */
export const BREACH_SOURCE: i32 = 5;
/** A guest's page that should hold firmware does not; subject: its address. */
export const BREACH_FIRMWARE: i32 = 6;

// The window through which one call comes in and the hypercalls that it led to go out: a record, then 8 bytes whose first 4 count
// the hypercalls, then for each the operation and its result.
export const HOST_WINDOW_COUNT: i32 = 40;
export const HOST_WINDOW_CALLS: i32 = 48;
/** Hypercalls that are kept; a call that makes more is told in part. */
export const HOST_WINDOW_MOST: i32 = 64;

/** The guest frame at which a VM has the first page of the VMM's memory. */
export const HOST_FIRST_GFN: i32 = 0x80000;
