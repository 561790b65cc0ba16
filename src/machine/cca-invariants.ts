// The invariants of realm memory (reference cca section 13): those of states, which the core checks
// (assembly/systems/cca/invariants.ts), and those of steps.

/** R<number> is the reference's number; the rest is what RMM keeps besides. */
export const CCA_INVARIANTS: Readonly<Record<string, string>> = {
  R1: "a granule is RMM's if and only if it is in the Realm physical address space",
  R2: "the host reaches only granules that are Non-secure, and RMM holds none of them",
  R3: "a granule has one use: realm descriptor, REC, auxiliary granule, table or data",
  R4: "each data granule is mapped or kept by exactly one entry of one realm",
  R6: "a realm reaches a protected address if and only if it is assigned and RAM",
  R7: "each count is what it counts: a table's live entries, a realm's RECs, a REC that runs",
  R9: "a granule that is delegated and not in use is zero",
  R13: "what the host maps is in the unprotected half, what RMM assigns in the protected one",
  R14: "nothing that the host maps is executable",
  R16: "realms that live have VMIDs of their own, which are taken, and no others are",
  R17: "no lock is held when a call has returned",
};

/** Of steps; searches look after them (src/explore/cca-transitions.ts). */
export const CCA_STEP_INVARIANTS: Readonly<Record<string, string>> = {
  R10: "an address becomes RAM only if the realm asks for it, or is not active yet; what is destroyed only if it says so",
  R12: "data with contents, and addresses as RAM from the start, only a new realm gets",
  R15: "what a call about a range says that it has done lies in the range, and is not nothing",
};
