// Bugs of Hafnium, an FF-A partition manager (reference bugs.md 1.6).

import * as mutations from "../../../assembly/abi/mutations.js";
import { ffaDomain, type FfaSizes } from "../ffa-domain.js";
import { mmDomain, type MmSizes } from "../mm-domain.js";
import type { Bug } from "./bug.js";

const TWO_VMS: FfaSizes = { flavour: "hypervisor", endpoints: 2, pages: 1, transactions: 1 };
const WIPED: FfaSizes = { ...TWO_VMS, clear: true, writes: true };
const PARTITION: FfaSizes = { flavour: "spmc", endpoints: 1, pages: 1, transactions: 1 };
/** A partition, and an S-EL0 one that still initialises. */
const EL0: FfaSizes = { flavour: "spmc", endpoints: 2, pages: 1, transactions: 1, secureOwner: true, el0: true };
/** Partitions, and the normal world before them, with a say over their own buffers each. */
const BUFFERS: FfaSizes = { ...PARTITION, verbs: ["lend"], buffers: true };
const FIRST_PAGE = [{ page: 0, pages: 1 }];
const BOTH_PAGES = [...FIRST_PAGE, { page: 1, pages: 1 }];
const ONE_AND_TWO = [...FIRST_PAGE, { page: 1, pages: 2 }];

/** The library's tables: a block of another VM's, and a page in it. */
const BLOCK: MmSizes = { table: "vm", moves: ["map"] };
const MERGED: MmSizes = { table: "vm", moves: ["map", "defrag"] };

export const HAFNIUM_BUGS: readonly Bug[] = [
  {
    ...{ name: "hf-overmap", section: "7", classes: ["S"], source: "d9238ecc, 2026-06" },
    mistake: "mapping over a live entry with another output address is taken",
    breaks: "which page an address leads to",
    search: { mutation: mutations.HF_OVERMAP, domain: () => mmDomain(BLOCK), kind: "watched", rule: "address" },
  },
  {
    ...{ name: "hf-defrag-not-contiguous", section: "7", classes: ["S"], source: "bb847d5a, 2025-11" },
    mistake: "pages are merged into a block though their addresses do not follow one another",
    breaks: "which page an address leads to",
    search: {
      ...{ mutation: mutations.HF_DEFRAG_NOT_CONTIGUOUS, domain: () => mmDomain(MERGED) },
      ...{ kind: "watched", rule: "address" },
    },
  },
  {
    ...{ name: "hf-mode-range-ignores-pa", section: "7", classes: ["S"], source: "fae51e1f" },
    mistake: "a range of equal modes is taken for one block of memory, wherever it leads",
    breaks: "that a range with a mode is one block of memory",
    search: {
      ...{ mutation: mutations.HF_MODE_RANGE_IGNORES_PA, kind: "watched", rule: "one_block" },
      domain: () => mmDomain({ table: "vm", moves: ["map", "mode"] }),
    },
  },
  {
    ...{ name: "hf-walk-wrong-level", section: "7", classes: ["S"], source: "3e6c8533, 2025-12" },
    mistake: "the query for a mode begins at the wrong level: a leaf looks like a table one level above",
    breaks: "a read of what is no table",
    search: {
      ...{ mutation: mutations.HF_WALK_WRONG_LEVEL, kind: "translation" },
      domain: () => mmDomain({ table: "vm", moves: ["root", "mode"] }),
    },
  },
  {
    ...{ name: "hf-block-replace-flush", section: "7", classes: ["T"], source: "b7325779, 2026-07" },
    mistake: "splitting a block flushes one block's length from the wrong address on",
    breaks: "a translation outlives the block, of which a TLB may keep single pages",
    search: { mutation: mutations.HF_BLOCK_REPLACE_FLUSH, domain: () => mmDomain(BLOCK), kind: "translation" },
  },
  {
    ...{ name: "hf-defrag-no-bbm", section: "7", classes: ["T"], source: "c1012d6b, 2021-01" },
    mistake: "sizes change without break-before-make, and entries go without a flush: each is found by itself",
    breaks: "break-before-make",
    search: {
      ...{ mutation: mutations.HF_DEFRAG_NO_BBM, others: [mutations.HF_UNMAP_NO_FLUSH] },
      ...{ domain: () => mmDomain(MERGED), kind: "translation" },
    },
  },
  {
    ...{ name: "hf-flush-wrong-space", section: "7", classes: ["T"], source: "6f40037d, 2022-03" },
    mistake: "secure addresses are flushed where non-secure ones were meant",
    breaks: "a translation outlives what the tables grant",
    search: { mutation: mutations.HF_FLUSH_WRONG_SPACE, domain: () => ffaDomain(PARTITION), kind: "translation" },
  },
  {
    ...{ name: "hf-flush-wrong-regime", section: "7", classes: ["T"], source: "22a0f0f4, 8fdd6df3, 1e1e35b4" },
    mistake: "the flush reaches another regime, another VMID, or one CPU alone: each is found by itself",
    breaks: "a translation outlives what the tables grant",
    search: {
      mutation: mutations.HF_FLUSH_WRONG_REGIME,
      others: [mutations.HF_FLUSH_WRONG_VMID, mutations.HF_FLUSH_NOT_BROADCAST],
      ...{ domain: () => mmDomain(BLOCK), kind: "translation" },
    },
  },
  {
    ...{ name: "hf-defrag-own-tables", section: "7", classes: ["S*"], source: "eb35759c" },
    mistake: "merging its own tables, the manager unmaps the stack it runs on",
    breaks: "the manager stops",
    search: {
      ...{ mutation: mutations.HF_DEFRAG_OWN_TABLES, kind: "panic" },
      domain: () => mmDomain({ table: "own", moves: ["last", "defrag"] }),
    },
  },
  {
    ...{ name: "hf-clear-wrong-index", section: "7", classes: ["S"], source: "8457f93f, 2023-10" },
    mistake: "each range is wiped for as many pages as the first one has",
    breaks: "pages sent with the clear flag are zero (F14)",
    search: {
      mutation: mutations.HF_CLEAR_WRONG_INDEX,
      domain: () => ffaDomain({ ...WIPED, pages: 3, verbs: ["lend"], ranges: [ONE_AND_TWO] }),
      kind: "watched",
      rule: "F14",
    },
  },
  {
    ...{ name: "hf-borrower-clears", section: "7", classes: ["S"], source: "17c069cf, 639ddfc0, 4b846eb8" },
    mistake: "a borrower that may only read has its wish for zeros granted",
    breaks: "the owner's contents",
    search: {
      mutation: mutations.HF_BORROWER_CLEARS,
      domain: () => ffaDomain({ ...WIPED, verbs: ["lend"], data: ["RO"] }),
      kind: "integrity",
    },
  },
  {
    ...{ name: "hf-relinquish-clear-flag", section: "7", classes: ["S"], source: "2e14ebe8, 2024-01" },
    mistake: "a relinquish wipes only what the retrieve has announced; no retrieve of this search announces it",
    breaks: "what is given back with the clear flag is zero",
    search: {
      mutation: mutations.HF_RELINQUISH_CLEAR_FLAG,
      domain: () => ffaDomain({ ...WIPED, verbs: ["lend"] }),
      kind: "watched",
      rule: "wiped",
    },
  },
  {
    ...{ name: "hf-clear-wrong-world", section: "7", classes: ["S"], source: "26483384, 2023-04" },
    mistake: "pages are wiped through the address space that the owner's id stands for, whatever space they are in",
    breaks: "pages sent with the clear flag are zero (F14)",
    search: {
      mutation: mutations.HF_CLEAR_WRONG_WORLD,
      domain: () => ffaDomain({ ...PARTITION, verbs: ["lend"], clear: true, writes: true, protect: true }),
      kind: "watched",
      rule: "F14",
    },
  },
  {
    ...{ name: "hf-reclaim-after-donate", section: "7", classes: ["S"], source: "9256f162, 2021-12" },
    mistake: "what was donated and not retrieved cannot be reclaimed: it has no owner any more",
    breaks: "an owner gets back what nobody holds",
    search: {
      mutation: mutations.HF_RECLAIM_AFTER_DONATE,
      domain: () => ffaDomain(TWO_VMS),
      kind: "watched",
      rule: "returns",
    },
  },
  {
    ...{ name: "hf-overlapping-ranges", section: "7", classes: ["S"], source: "5952d940, 2022-12" },
    mistake: "the same page can stand twice in one message",
    breaks: "no page is in a transaction twice (F8)",
    search: {
      mutation: mutations.HF_OVERLAPPING_RANGES,
      domain: () => ffaDomain({ ...TWO_VMS, malformed: true }),
      kind: "watched",
      rule: "message",
    },
  },
  {
    ...{ name: "hf-descriptor-overflow", section: "7", classes: ["S"], source: "d467741c, 6828e3ee, 8f11cde4" },
    mistake: "the page count that a message promises is not compared with its ranges",
    breaks: "a message that contradicts itself is refused",
    search: {
      mutation: mutations.HF_DESCRIPTOR_OVERFLOW,
      domain: () => ffaDomain({ ...TWO_VMS, malformed: true }),
      kind: "watched",
      rule: "message",
    },
  },
  {
    ...{ name: "hf-descriptor-copy-leak", section: "7", classes: ["S"], source: "9b23ccde, ed7ed3d0, 2026-07" },
    mistake: "a send that is refused keeps the memory that its message was copied to",
    breaks: "memory for messages comes back",
    search: {
      mutation: mutations.HF_DESCRIPTOR_COPY_LEAK,
      domain: () => ffaDomain({ ...TWO_VMS, malformed: true }),
      kind: "leak",
    },
  },
  {
    ...{ name: "hf-uninitialised-mode", section: "7", classes: ["S"], source: "d979abb2" },
    mistake: "a borrower's pages are mapped with the mode that was left over: the owner's",
    breaks: "one owner at most (F1), and no more access than was sent (F11)",
    search: {
      mutation: mutations.HF_UNINITIALISED_MODE,
      domain: () => ffaDomain(TWO_VMS),
      kind: "watched",
      rule: "F1",
    },
  },
  {
    ...{ name: "hf-ns-exec", section: "7", classes: ["S"], source: "13e224e3, 2025-10" },
    mistake: "a secure partition maps memory of the normal world as executable",
    breaks: "a secure partition executes no memory of the normal world",
    search: {
      mutation: mutations.HF_NS_EXEC,
      domain: () => ffaDomain({ ...PARTITION, instruction: ["unspecified", "NX", "X"] }),
      kind: "watched",
      rule: "execute",
    },
  },
  {
    ...{ name: "hf-unmap-others-mailbox", section: "7", classes: ["S"], source: "9bd324a4, 2023-01" },
    mistake: "the normal world unmaps a partition's receive and transmit buffers",
    breaks: "a partition's buffers are its own",
    search: {
      ...{ mutation: mutations.HF_UNMAP_OTHERS_MAILBOX, domain: () => ffaDomain(BUFFERS) },
      ...{ kind: "watched", rule: "buffers" },
    },
  },
  {
    ...{ name: "hf-perm-set-drops-state", section: "7", classes: ["S"], source: "bb08d20e, 2026-02" },
    mistake: "setting permissions makes the mode anew of them alone: a borrower looks like an owner",
    breaks: "one owner at most (F1)",
    search: { mutation: mutations.HF_PERM_SET_DROPS_STATE, domain: () => ffaDomain(EL0), kind: "watched", rule: "F1" },
  },
  {
    ...{ name: "hf-perm-range-edge", section: "7", classes: ["S"], source: "04f86c9e" },
    mistake: "permissions of no pages at all can be set",
    breaks: "a message that contradicts itself is refused",
    search: { mutation: mutations.HF_PERM_RANGE_EDGE, domain: () => ffaDomain(EL0), kind: "watched", rule: "message" },
  },
  {
    ...{ name: "hf-rx-acquire-unknown", section: "7", classes: ["S"], source: "67686054, 2026-08" },
    mistake: "acquiring the receive buffer of a VM that there is none of takes a lock that is none",
    breaks: "the manager stops",
    search: { mutation: mutations.HF_RX_ACQUIRE_UNKNOWN, domain: () => ffaDomain(BUFFERS), kind: "panic" },
  },
  {
    ...{ name: "hf-mailbox-tail-leak", section: "7", classes: ["S"], source: "d89f5d43, cded984f" },
    mistake: "what an older, longer message left behind a new one in a receive buffer stays",
    breaks: "behind a message in RX nothing is left of an older one",
    search: {
      mutation: mutations.HF_MAILBOX_TAIL_LEAK,
      domain: () =>
        ffaDomain({ ...TWO_VMS, pages: 2, ranges: [BOTH_PAGES, FIRST_PAGE], verbs: ["lend"], mailboxes: true }),
      kind: "watched",
      rule: "mailbox",
    },
  },
];
