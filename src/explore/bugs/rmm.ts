// Bugs of TF-RMM (reference bugs.md 1.7 and 8).

import * as mutations from "../../../assembly/abi/mutations.js";
import { ccaFoldDomain, type FullOf } from "../cca-fold-domain.js";
import { CCA_PRESETS, ccaDomain, type CcaSizes } from "../cca-domain.js";
import type { FindingKind } from "../rules.js";
import { NO_DEVICES, type Bug, type BugSearch } from "./bug.js";

const rmm = (
  name: string,
  classes: Bug["classes"],
  source: string,
  mistake: string,
  breaks: string,
  shown: BugSearch | string,
): Bug => ({
  ...{ name, section: "8", classes, source, mistake, breaks },
  ...(typeof shown === "string" ? { whyNot: shown } : { search: shown }),
});

const found = (mutation: number, kind: FindingKind, sizes: CcaSizes, rule?: string): BugSearch => ({
  ...{ mutation, kind, ...(rule === undefined ? {} : { rule }) },
  domain: () => ccaDomain(sizes),
});

const folded = (mutation: number, kind: FindingKind, fullOf: FullOf, rule?: string): BugSearch => ({
  ...{ mutation, kind, ...(rule === undefined ? {} : { rule }) },
  domain: () => ccaFoldDomain(fullOf),
});

/** A realm that has a table in each half, and what its bugs take. */
const NEW: CcaSizes = {
  granules: 1,
  realms: 1,
  moves: ["init", "data", "delegate"],
  first: { active: false, rec: false },
};
const ACTIVE: CcaSizes = { granules: 1, realms: 1, moves: ["delegate", "data"], first: { active: true, rec: true } };
/** The host maps two pages. */
const MAPPED: CcaSizes = { ...ACTIVE, moves: ["delegate", "tables", "unprotected"], pages: 2 };

// prettier-ignore
export const RMM_BUGS: readonly Bug[] = [
  rmm("rmm-vmid-freed-early", ["S", "T"], "f7c34940, 2023-07", "a realm's VMID is free again before it is known that the realm can go", "a realm that lives on has a VMID that another one may be given (R16)",
    found(mutations.RMM_VMID_FREED_EARLY, "invariant", { ...CCA_PRESETS.tiny, moves: ["delegate", "realm", "tables"] })),
  rmm("rmm-vmid-leak", ["S"], "6b319d4c, 2025-09", "a realm that cannot be created keeps its further VMIDs", "VMIDs that no realm has stay taken (R16), until none is left",
    found(mutations.RMM_VMID_LEAK, "invariant", { ...CCA_PRESETS.tiny, planes: 1 })),
  rmm("rmm-destroy-flush-one", ["T"], "22ba106d, 2023-11", "a destroyed table of the unprotected half flushes one entry of its range", "translations outlive their table",
    found(mutations.RMM_DESTROY_FLUSH_ONE, "translation", MAPPED)),
  rmm("rmm-multi-vmid-flush", ["T"], "2052addb, 2026-07", "the loop over VMIDs uses address and size up for the first one", "other planes keep their translations",
    found(mutations.RMM_MULTI_VMID_FLUSH, "translation", { ...MAPPED, planes: 1 })),
  rmm("rmm-smmu-sync-first-only", ["D"], "2ab0f889, 2026-07", "the end of a flush is awaited for the first VMID alone", "a device keeps its translations", NO_DEVICES),
  rmm("rmm-ns-fold", ["S"], "15fc44e4, 2023-09", "host mappings lose their attributes when they are folded, and the count is off by 512", "attributes, counts of tables",
    folded(mutations.RMM_NS_FOLD, "watched", "host", "fold")),
  rmm("rmm-fold-tautology", ["S"], "8865ec3b, 2024-04", "attributes chosen by the host are compared with themselves", "pages with other rights become one block",
    folded(mutations.RMM_FOLD_TAUTOLOGY, "watched", "host", "fold")),
  rmm("rmm-unknown-sets-ram", ["S"], "84a1b161, 2023-09", "data of unknown contents makes its address RAM", "the host makes RAM that the realm did not agree to",
    found(mutations.RMM_UNKNOWN_SETS_RAM, "invariant", ACTIVE)),
  rmm("rmm-update-ripas", ["S"], "0fb44554, cde1fdce, 2023-04", "several pairs of states fall through", "wrong transitions of RIPAS",
    found(mutations.RMM_UPDATE_RIPAS, "refinement", { ...ACTIVE, moves: ["delegate", "data", "rec", "ripas"] })),
  rmm("rmm-delegate-asserted", ["S"], "e4ade462, 2023-01", "that EL3 changes a granule's world is asserted", "the host stops the monitor",
    found(mutations.RMM_DELEGATE_ASSERTED, "panic", CCA_PRESETS.tiny)),
  rmm("rmm-aux-double-lock", ["S"], "9747ed7e, 2024-06", "an error path locks granules that it holds", "a deadlock with itself",
    found(mutations.RMM_AUX_DOUBLE_LOCK, "progress", { ...CCA_PRESETS.tiny, moves: ["delegate", "realm", "rec"] })),
  rmm("rmm-aliased-granule", ["S"], "2b1d3b4d, 2026-07", "one granule is accepted for two arguments", "a deadlock with itself",
    found(mutations.RMM_ALIASED_GRANULE, "progress", ACTIVE)),
  rmm("rmm-lock-order", ["I"], "5c18af34, 2026-07", "two commands take the same two locks in opposite order", "a deadlock",
    found(mutations.RMM_LOCK_ORDER, "watched", NEW, "lock_order")),
  rmm("rmm-spurious-unlock", ["I", "S*"], "8b591834, 84c62c44, 2024-12", "a lock is released twice", "another owner's lock is released",
    found(mutations.RMM_SPURIOUS_UNLOCK, "panic", MAPPED)),
  rmm("rmm-lock-leak-empty", ["S"], "19eb433a, 2023-11", "a request for nothing returns with its lock held", "a lock that is kept",
    found(mutations.RMM_LOCK_LEAK_EMPTY, "invariant", NEW)),
  rmm("rmm-range-top", ["S"], "62ece7d0, ed858081, 62c986d8", "the end of a range is not aligned, not bounded, or reported beyond what was asked", "the end of a range",
    found(mutations.RMM_RANGE_TOP, "invariant", NEW)),
  rmm("rmm-flush-not-broadcast", ["T"], "71698f19, 2025-12", "a guest's invalidation stays on its CPU", "a stale translation after the vCPU moves",
    "A guest invalidates what its own stage 1 says; realms here have no stage 1, and the TLB model keeps stage 2 alone."),
  rmm("rmm-zero-no-barrier", ["X"], "d9aa2e79, 2024-03", "no barrier follows the instruction that zeroes", "zeroes are seen too late", "Memory has no order of visibility here."),
];
