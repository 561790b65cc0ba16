// The specification machine: pKVM's ownership protocol with a plain state for each page and no page tables.
// Both sides import this file; it is valid AssemblyScript and TypeScript.
//
// Its operations have the numbers of the verbs in operations.ts, so that both machines can be given the same call.

/** What a page is to the world: the rows of the ownership tuple (reference pkvm-el2 section 1.5). A search leaves out T2, FF-A. */
export const HOST_PRIVATE: i32 = 0;
export const SHARED_WITH_HYP: i32 = 1; //    argument: pins
export const SHARED_OVER_FFA: i32 = 2;
export const SHARED_WITH_GUESTS: i32 = 3; // argument: mappings in non-protected guests
export const HYP_PRIVATE: i32 = 4;
export const GUEST_PRIVATE: i32 = 5; //      argument: the slot that maps it
export const GUEST_SHARED: i32 = 6; //       argument: the slot that maps it, or did when its guest was finalised
export const LEFT_BEHIND: i32 = 7; //        argument: the slot that mapped it when its guest was finalised

/** The life of a guest. */
export const GUEST_ABSENT: i32 = 0;
export const GUEST_LIVE: i32 = 1;
export const GUEST_DYING: i32 = 2;

/** A protected guest stores a secret to a slot. */
export const GUEST_WRITE: i32 = 640;
/** The host reads or writes a page. */
export const HOST_ACCESS: i32 = 641;

/** Results are 0, negated errnos, or one of these. */
export const NO_CALLER: i32 = 1; //     no vCPU of that guest can run, so nobody can make this call
export const EL2_PANIC: i32 = 2; //     EL2 asserts what does not hold (reference section 0.2)
export const BEYOND_BOUND: i32 = 3; //  a count of this machine is at its bound: the protocol would go on
export const NO_SUCH_CALL: i32 = 4; //  an operation, page, slot or guest that this machine does not have

// Limits of the packed state: ten bits for each page, six for each slot.
export const MAX_PAGES: i32 = 6;
export const MAX_SLOTS: i32 = 8;
export const MAX_GUESTS: i32 = 4;
export const MAX_COUNT: i32 = 15;

/** Flags of a search. */
export const HOST_ABANDONS: i32 = 1; //   the host finalises guests whose pages it has not taken back
export const SYMMETRIC_PAGES: i32 = 2; // states that differ only in which page is which are one
export const SYMMETRIC_GUESTS: i32 = 4; // and those that differ only in which guest of a kind is which

/** What a state breaks. */
export const INTACT: i32 = 0;
export const BROKEN_OWNER: i32 = 1; //    a guest-private or guest-shared page that its slot does not map
export const BROKEN_MAPPING: i32 = 2; //  a slot whose page is not what the slot's state says
export const BROKEN_COUNT: i32 = 3; //    shares counted that are not mapped, or the other way
export const BROKEN_KIND: i32 = 4; //     a mapping that guests of that kind cannot have, or of an absent guest
export const BROKEN_SECRECY: i32 = 5; //  a page with a guest's secret that others may read

/** Workers of one search. */
export const MAX_WORKERS: i32 = 16;

/** How a round of expansion ended. */
export const EXPAND_PAUSED: i32 = 0; //   the round's states are done
export const EXPAND_FINISHED: i32 = 1; // all states of this depth are taken, and this worker has expanded its own
export const EXPAND_LIMIT: i32 = 2; //    no room for more states
export const EXPAND_GROW: i32 = 3; //     the table is to be made larger first
