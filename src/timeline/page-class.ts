// What a page is to one who looks at a map of the machine: who owns it, and what of it the owner has given away. One byte a page,
// so that 16 million pages can be kept, compared and drawn.

/** Not memory, or mapped by nobody and owned by nobody. */
export const PAGE_ABSENT = 0;
/** The owner's alone. */
export const PAGE_OWNED = 1;
/** The owner's, who lets another one use it. */
export const PAGE_SHARED = 2;
/** The owner's, who cannot use it himself until the borrower has given it back. */
export const PAGE_LENT = 3;
/** Used by this party and owned by one that the machine does not name. */
export const PAGE_BORROWED = 4;
/** Taken from a guest that will be told when it touches it (HWPOISON). */
export const PAGE_POISONED = 5;

/** Parties that a class can tell apart: index in {@link LoadedTrace.parties}; more than these share the last one. */
export const PARTIES = 32;

/** `state` is one of PAGE_*, `party` the owner's index. */
export function pageClass(state: number, party: number): number {
  return state | (Math.min(party, PARTIES - 1) << 3);
}

export function stateOfClass(value: number): number {
  return value & 7;
}

export function partyOfClass(value: number): number {
  return value >> 3;
}
