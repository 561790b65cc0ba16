// Bugs of pKVM's page-table library (reference bugs.md 1.2).

import * as mutations from "../../../assembly/abi/mutations.js";
import { loneTableDomain } from "../lone-table-domain.js";
import { tableDomain, type TableSizes } from "../table-domain.js";
import type { Bug } from "./bug.js";

/** A guest's block and its pages: shared, taken back, tuned. */
const SHARING: TableSizes = { moves: ["share", "update"] };

// In the order of the reference.
export const PAGE_TABLE_BUGS: readonly Bug[] = [
  {
    name: "walker-stale-entry-after-pre",
    section: "3",
    classes: ["S"],
    source: "6.2 → 6.4 (a9f0e3d5a089)",
    mistake: "a callback replaces a table by a block and frees it, and the walk goes down into it all the same",
    breaks: "use of a freed table",
    search: {
      mutation: mutations.WALKER_STALE_ENTRY_AFTER_PRE,
      domain: () => tableDomain({ moves: ["hyp"] }),
      kind: "translation",
    },
  },
  {
    name: "pa-ipa-drift",
    section: "3",
    classes: ["I", "S*"],
    source: "6.2 → 6.4 (1f0f4a2ef7a5, 39bc95be3782)",
    mistake:
      "where a leaf is there already the output address stands still, and the input address moves on; shown by a walk that goes past such a leaf",
    breaks: "wrong translations",
    search: {
      mutation: mutations.PA_IPA_DRIFT,
      domain: () => loneTableDomain({ moves: ["extend"] }),
      kind: "translation",
    },
  },
  {
    name: "merge-flushes-one-ipa",
    section: "3",
    classes: ["T"],
    source: "5.10-rc → 5.10 (3a0b870e3448)",
    mistake: "a table is replaced by a block, and only the address at hand is invalidated",
    breaks: "stale page entries under a new block",
    search: {
      mutation: mutations.MERGE_FLUSHES_ONE_IPA,
      domain: () => loneTableDomain({ moves: ["merge"] }),
      kind: "translation",
    },
  },
  {
    name: "valid-update-leaks-table-ref",
    section: "3",
    classes: ["S"],
    source: "5.10-rc → 5.10 (5c646b7e1d8b)",
    mistake: "a leaf that takes the place of another takes a reference on the table, and the other one's stays",
    breaks: "a table that is never freed (I17, I18)",
    search: {
      mutation: mutations.VALID_UPDATE_LEAKS_TABLE_REF,
      domain: () => tableDomain({ moves: ["donate"], isProtected: true }),
      kind: "invariant",
    },
  },
  {
    name: "free-unlinked-double-put",
    section: "3",
    classes: ["S"],
    source: "6.3-era → 6.8 (c60d847be7b8)",
    mistake: "a subtree that could not be finished is given back, and then its top table once more",
    breaks: "a table freed twice",
    search: {
      mutation: mutations.FREE_UNLINKED_DOUBLE_PUT,
      domain: () => loneTableDomain({ moves: ["split"] }),
      kind: "panic",
    },
  },
  {
    name: "range-flush-unaligned-base",
    section: "3",
    classes: ["T"],
    source: "6.6 → 6.9 (4c36a1567388)",
    mistake: "what a removed table covered is flushed from the address at hand on, not from the table's base",
    breaks: "the beginning of what the table covered stays cached",
    whyNot:
      "a leaf takes a table's place only where a whole block is mapped, and so at the table's base: no call of EL2's or of the " +
      "library's comes to a table that goes by another address",
  },
  {
    name: "deferred-flush-after-table-free",
    section: "3",
    classes: ["T"],
    source: "6.6 → 6.9 (f62d4c3eb687)",
    mistake: "with range invalidation an unmap flushes at its end, and frees the table before",
    breaks: "a cached entry leads to a page that is no table any more",
    search: {
      mutation: mutations.DEFERRED_FLUSH_AFTER_TABLE_FREE,
      domain: () => tableDomain({ moves: ["share"], features: { fwb: true, tlb_range: true } }),
      kind: "translation",
    },
  },
  {
    name: "level-hint-on-table",
    section: "3",
    classes: ["T"],
    source: "5.10 → 6.9 (36e008323926, 0f0ff097bf77)",
    mistake: "the invalidation of a table that was taken out names a level, as that of a leaf does",
    breaks: "hardware may ignore the invalidation",
    search: {
      mutation: mutations.LEVEL_HINT_ON_TABLE,
      domain: () => tableDomain(SHARING),
      kind: "translation",
    },
  },
  {
    name: "range-operand-max",
    section: "3",
    classes: ["T"],
    source: "6.6 → 6.9 (e3ba51ab24fd)",
    mistake: "the largest operand of a range invalidation, 8 GiB, is encoded as none",
    breaks: "nothing of the range is invalidated",
    search: {
      mutation: mutations.RANGE_OPERAND_MAX,
      domain: () => loneTableDomain({ moves: ["far"], features: { fwb: true, tlb_range: true } }),
      kind: "translation",
    },
  },
  {
    name: "relax-perms-level",
    section: "3",
    classes: ["T"],
    source: "→ 7.2 (8d187d4b33c2, 100baf018489)",
    mistake: "where no leaf is found the level is not set, and the invalidation names whatever it was",
    breaks: "hardware may ignore the invalidation",
    search: { mutation: mutations.RELAX_PERMS_LEVEL, domain: () => tableDomain(SHARING), kind: "translation" },
  },
  {
    name: "relax-perms-drops-exec",
    section: "3",
    classes: ["S"],
    source: "→ 7.2 (f35c08c09250)",
    mistake: "execute permission is written anew with every relax, also where nobody asked for any",
    breaks: "a right is lost, and the guest faults again and again",
    search: { mutation: mutations.RELAX_PERMS_DROPS_EXEC, domain: () => tableDomain(SHARING), kind: "translation" },
  },
  {
    name: "map-lowers-permissions",
    section: "3",
    classes: ["I", "S*"],
    source: "5.10 → 5.12 (694d071f8d85)",
    mistake:
      "a map that changes nothing but permissions goes ahead, and two vCPUs undo what the other needs; shown by a map with fewer rights",
    breaks: "a right is lost, and faults go back and forth",
    search: {
      mutation: mutations.MAP_LOWERS_PERMISSIONS,
      domain: () => loneTableDomain({ moves: ["rights"] }),
      kind: "translation",
    },
  },
  {
    name: "cmo-on-unmapped-page",
    section: "3",
    classes: ["S"],
    source: "5.14 → 5.17 (094d00f8ca58)",
    mistake: "a guest's page that is unmapped is cleaned at its linear address, at which EL2 has not mapped it",
    breaks: "EL2 faults",
    search: { mutation: mutations.CMO_ON_UNMAPPED_PAGE, domain: () => tableDomain(SHARING), kind: "panic" },
  },
  {
    name: "aging-partial-block",
    section: "3",
    classes: ["S*"],
    source: "6.x → 6.5 (df6556adf27b)",
    mistake: "ageing a part of a block is asserted not to happen, and the VMM's memory layout decides",
    breaks: "EL2 stops",
    search: { mutation: mutations.AGING_PARTIAL_BLOCK, domain: () => tableDomain(SHARING), kind: "panic" },
  },
];
