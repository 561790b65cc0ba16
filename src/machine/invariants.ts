// The isolation invariants that a machine can be checked for (references pkvm-el2 section 11, gunyah section 9).

/** What each invariant says; I<number> is its name. I21, I25 and I26 speak of steps: effect-invariants.ts. */
export const INVARIANTS: Readonly<Record<string, string>> = {
  I1: "every page's ownership is one of the legal combinations",
  I2: "every page has exactly one owner",
  I3: "a page a guest owns alone is neither the host's nor EL2's",
  I4: "a guest shares a page exactly where the host borrows it",
  I5: "a page's share count is the number of guest mappings that borrow it",
  I6: "a page shared with guests is shared by the host and unknown to EL2",
  I7: "a page EL2 borrows is shared by the host, and not with guests",
  I8: "owned and shared guest leaves belong to protected VMs, borrowed ones to non-protected VMs",
  I9: "firmware-reserved pages stay with the host",
  I10: "guest leaves map only ordinary memory",
  I11: "the host's leaves are empty or the full identity mapping",
  I12: "a page the host lost has an annotation at level 3",
  I13: "an annotation names the owner",
  I14: "the host's leaves are identity mappings without software bits",
  I15: "the host can access a page exactly if it has it",
  I16: "no block straddles a region boundary",
  I17: "a table's reference count is 1 + its non-zero descriptors",
  I18: "no table but a root is empty",
  I19: "no locked descriptor; annotations in the right tables, at level 3",
  I20: "table and memcache pages are EL2's",
  I22: "EL2 maps what it owns or has pinned",
  I23: "a borrowed page's reference count is its pins",
  I24: "what EL2 does not have, it neither maps nor pins",
};

/** What the invariants of a Gunyah machine say; those of the resource manager are not among them. */
export const GUNYAH_INVARIANTS: Readonly<Record<string, string>> = {
  I1: "every byte of memory has an owner",
  I2: "a leaf comes of a record of the extent that owns the memory",
  I3: "a record of owned memory has its leaf, unless something else was mapped over it",
  I4: "a mapping gives no more access, and no other memory type, than its extent allows",
  I5: "EL0 and EL1 have the same read and write access",
  I22: "a table's descriptor counts the valid entries below",
};

/** A violated invariant: which, where, and the values at odds. */
export interface Violation {
  readonly invariant: string;
  readonly statement: string;
  readonly subject: bigint;
  readonly expected: bigint;
  readonly found: bigint;
}

/**
 * One bit per invariant; bit n is I<n>. Without names, all.
 *
 * @throws RangeError on a name that is none
 */
export function invariantMask(names?: readonly string[], known: Readonly<Record<string, string>> = INVARIANTS): bigint {
  let mask = 0n;
  for (const name of names ?? Object.keys(known)) {
    if (!Object.hasOwn(known, name)) throw new RangeError(`unknown invariant ${JSON.stringify(name)}`);
    mask |= 1n << BigInt(name.slice(1));
  }
  return mask;
}
