// The state-space search: what the caller writes into the domain window, and how a search and its findings are read.
//
// Domain: the pages, guest frames and operations that a search is about.
//
//    0 u32 pages | 4 u32 frames | 8 u32 operations | 12 u32 byte offset of the word of a page that tells whose contents it holds
//   16 u32 the longest list of table pages that a host makes for a vCPU | 20 u32 flags (DOMAIN_ABANDONS)
//   64 pages, 16 bytes each: 0 u64 pfn | 8 u32 owner | 12 u32 flags (DOMAIN_KVM), group << DOMAIN_GROUP_SHIFT
//      then frames, 8 bytes each: u64 gfn
//      then operations, 40 bytes each (abi/operations.ts), or accesses (EXPLORE_ACCESS)
//
// owner: 0 = a page of its own in the packed state; n = page that the VM in slot n - 1 is made of, packed with that VM

export const DOMAIN_PAGES: i32 = 0;
export const DOMAIN_FRAMES: i32 = 4;
export const DOMAIN_OPERATIONS: i32 = 8;
export const DOMAIN_TRACER: i32 = 12;
export const DOMAIN_HOST_LIST: i32 = 16;
export const DOMAIN_FLAGS: i32 = 20;
export const DOMAIN_PAGE_LIST: i32 = 64;
export const DOMAIN_PAGE_SIZE: i32 = 16;
export const DOMAIN_PAGE_OWNER: i32 = 8;
export const DOMAIN_PAGE_FLAGS: i32 = 12;
export const DOMAIN_MAX_PAGES: i32 = 64;
export const DOMAIN_FRAME_LIST: i32 = 1088;
export const DOMAIN_MAX_FRAMES: i32 = 16;
export const DOMAIN_OPERATION_LIST: i32 = 1216;
export const DOMAIN_MAX_OPERATIONS: i32 = 4096;

/** The host ends VMs also while pages are mapped in them, which nobody has then (T7 of reference pkvm-el2 section 5.7). */
export const DOMAIN_ABANDONS: i32 = 1;

/** The page holds a struct of the host's, of which EL2 reads the word at 8 later: of struct kvm flags, of a vCPU a pointer. */
export const DOMAIN_KVM: i32 = 1;
/** Of a page's flags: its group of interchangeable pages, of a VM's page that of VMs, from 1; 0: none. */
export const DOMAIN_GROUP_SHIFT: i32 = 8;

/** Not an operation of a machine: 2 u16 handle of the VM that makes the access (0 = host) | 4 u32 vCPU | 8 an access (abi/walk.ts). */
export const EXPLORE_ACCESS: i32 = 0xf000;

/** Nor this: in the rest of the step the SPMC answers falsely: 8 FALSE_* | 16 u64 what it says instead. */
export const EXPLORE_FALSE_ANSWER: i32 = 0xf001;

// What an SPMC that is not to be trusted says wrongly in the descriptor that EL2 asks for before a reclaim; 0: nothing.
export const FALSE_RANGE_COUNT: i32 = 1;
export const FALSE_COMPOSITE_OFFSET: i32 = 2;
export const FALSE_FIRST_ADDRESS: i32 = 3;

/** Contents that a protected guest keeps to itself: the handle is in the low half. What it gives away, and others' data. */
export const SECRET: i32 = 0x5ec2_0000;
export const GIVEN_AWAY: i32 = 0x61f7_0000;
export const HOST_DATA: i32 = 0x4057_0000;

// What exploreStart and exploreRun answer.
export const SEARCH_MORE: i32 = 0;
/** Every state that can be reached was visited. */
export const SEARCH_EXHAUSTED: i32 = 1;
/** Stopped at a finding. */
export const SEARCH_FOUND: i32 = 2;
/** Room for states, or for kinds of their parts, is used up. */
export const SEARCH_STATES_FULL: i32 = 3;
export const SEARCH_PARTS_FULL: i32 = 4;
export const SEARCH_JOURNAL_FULL: i32 = 5;
/** The machine reached a limit of the simulator. */
export const SEARCH_LIMIT: i32 = 6;
/** A domain that cannot be: too large, a page that is no memory, not a pKVM machine. */
export const SEARCH_DOMAIN: i32 = 7;
/** What was known of an operation and what it did disagree: the packed state leaves out what counts here. */
export const SEARCH_INEXACT: i32 = 8;

// Kinds of findings; the code beside each says what exactly.
/** PANIC_*: EL2 stops. */
export const FINDING_PANIC: i32 = 1;
/** Number of the invariant. */
export const FINDING_INVARIANT: i32 = 2;
/** -ret: an operation was refused and changed the state. */
export const FINDING_REFUSAL: i32 = 3;
/** READER_*: who can read what a guest keeps to itself. */
export const FINDING_SECRECY: i32 = 4;
/** 0: contents of a page that a guest owns alone changed, and it did not write. */
export const FINDING_INTEGRITY: i32 = 5;
/** LEAK_*: what does not come back once the last VM is gone. */
export const FINDING_LEAK: i32 = 6;
/** DISAGREE_*: the specification machine answers otherwise, or the state afterwards is another one than its. */
export const FINDING_REFINEMENT: i32 = 7;
/** TLB_* of abi/tlb.ts: a table changed without break-before-make, or a translation outlives what the tables grant. */
export const FINDING_TRANSLATION: i32 = 8;
/** 0: the same fault again and again, and nothing changes; ENDLESS_CALL. */
export const FINDING_PROGRESS: i32 = 9;
/** FREED_*: contents of a page that came back to the host. */
export const FINDING_FREED: i32 = 10;
/** A rule that the TypeScript side looked after; the code is its own. */
export const FINDING_WATCHED: i32 = 11;

/** 0: EL2 went by an address of the host's to a page that it had not pinned. */
export const FINDING_POINTER: i32 = 20;

// Codes of FINDING_TRANSLATION beside TLB_* of abi/tlb.ts.
/** A walk went down into a table page that was given back. */
export const TABLE_DEAD: i32 = 16;
/** A table page was given back while a cached entry still leads to it. */
export const TABLE_FREED: i32 = 17;
/** A TLBI names the level of a leaf that was not there: hardware may ignore it. */
export const TABLE_HINT: i32 = 18;
/** A leaf that keeps its pages lost a right, and nobody asked for it. */
export const TABLE_RIGHTS: i32 = 19;
/** A map has succeeded, and an address leads elsewhere than it said. */
export const TABLE_ADDRESS: i32 = 20;
/** A walk read as a table what is none. */
export const TABLE_NONE: i32 = 21;

export const READER_HOST: i32 = 0;
export const READER_GUEST: i32 = 1;

// A step of a search with two CPUs: an operation's number, and besides:
export const STEP_OPERATION: i32 = 0x0fff;
/** The CPU that makes it. */
export const STEP_CPU: i32 = 0x1000;
/** It goes on with the operation, which another step began. */
export const STEP_GOES_ON: i32 = 0x2000;
/** It ends where the operation releases its locks; another step goes on. */
export const STEP_SUSPENDED: i32 = 0x4000;

/** With two CPUs: a call that is half-way does not end, though no other CPU comes in between any more. */
export const ENDLESS_CALL: i32 = 1;

// How the machine and the specification machine disagree.
/** The call's result; subject: what the specification answers << 32 | what the machine answered. */
export const DISAGREE_RESULT: i32 = 1;
/** What a page is to the world; subject: its address. */
export const DISAGREE_PAGE: i32 = 2;
/** What a guest has at a frame; subject: the IPA. */
export const DISAGREE_GUEST: i32 = 3;
/** Whether a VM lives, is dying or is not there; subject: its handle. */
export const DISAGREE_LIFE: i32 = 4;
/** The machine's state is none that the specification has; subject: an address that shows it. */
export const DISAGREE_STATE: i32 = 5;
/** A host's fault that EL2 handled left another leaf than the granule that EL2 chose, or more than one. */
export const DISAGREE_GRANULE: i32 = 6;

// What does not come back once the last VM is gone; subject: its address.
/** A page that EL2 keeps, of a VM's areas or tables or of a vCPU's memcache. */
export const LEAK_HYP_PAGE: i32 = 1;
/** A page that belongs to no guest any more, and not to the host. */
export const LEAK_BORROWED: i32 = 2;
/** A page that counts as shared with guests. */
export const LEAK_SHARE: i32 = 3;
/** A reference, such as a pin, that nobody drops. */
export const LEAK_REFERENCE: i32 = 4;
/** A page of one of EL2's pools that is neither free nor a table; subject: the pool. */
export const LEAK_TABLE_PAGE: i32 = 5;
/** A loaded vCPU; subject: its VM's handle. */
export const LEAK_VCPU: i32 = 6;

// What a page carries that a guest had to itself, when it is readable for someone else again; subject: the word.
/** What the guest kept to itself. */
export const FREED_SECRET: i32 = 1;

// Finding, 32 bytes: 0 u32 kind | 4 u32 code | 8 u32 state it was found in | 12 u32 operation that led to it | 16 u64 subject | 24 u32 depth
export const FINDING_SIZE: i32 = 32;
export const FINDING_CODE: i32 = 4;
export const FINDING_STATE: i32 = 8;
export const FINDING_OPERATION: i32 = 12;
export const FINDING_SUBJECT: i32 = 16;
export const FINDING_DEPTH: i32 = 24;
export const MAX_FINDINGS: i32 = 256;

/** In a search's calls to Gunyah's resource manager, a handle from here on is the rank of a parcel, the oldest one's being 0. */
export const PARCEL_BY_RANK: i32 = -256;

// A search shared out among workers (explore/partition.ts).
export const MAX_SHARES: i32 = 64;
/** States that a worker may find in a round: a block has so many states that it cannot find more. */
export const SHARE_FOUND: i32 = 131072;
/** Bytes of the window through which parts come in. */
export const SHARE_WINDOW: i32 = 4194304;
