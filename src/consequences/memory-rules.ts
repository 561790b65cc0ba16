// What memory management answers: to faults, to get_user_pages, at fork and at migration, by what backs a page
// (mm/memory.c, mm/gup.c, mm/migrate.c; reference host-and-vmm 2.5, 4.2; recordings of a real host, section 4).

import type { Backing } from "./backing.js";
import type { HostPage } from "./host-memory.js";
import { hostRule, observedRule, type Row } from "./rule-table.js";

/** What a backing is made of. */
export interface BackingTraits {
  /** Pages come from a file's page cache (memfd and shared anonymous memory are files of shmem). */
  readonly file: boolean;
  /** Writes go to a copy of one's own. */
  readonly private: boolean;
  /** Anonymous memory and shmem: what KVM demands of a page that it pins for a protected VM. */
  readonly swapBacked: boolean;
}

// prettier-ignore
export const BACKING_TRAITS: Readonly<Record<Backing, BackingTraits>> = {
  "anonymous":          { file: false, private: true,  swapBacked: true },
  "huge":               { file: false, private: true,  swapBacked: true },
  "read-only":          { file: false, private: true,  swapBacked: true },
  "shared-anonymous":   { file: true,  private: false, swapBacked: true },
  "memfd":              { file: true,  private: false, swapBacked: true },
  // What is pinned of a private mapping is the copy, which is anonymous.
  "private-file":       { file: true,  private: true,  swapBacked: true },
  "shared-file":        { file: true,  private: false, swapBacked: false },
  "guest_memfd":        { file: true,  private: false, swapBacked: false },
  "guest_memfd-shared": { file: true,  private: false, swapBacked: false },
  "none":               { file: false, private: true,  swapBacked: false },
};

/** A fault or a get_user_pages on a page. */
export interface MmCase {
  readonly page: HostPage;
  readonly write: boolean;
  readonly longterm: boolean;
  /** Asks the file of guest memory behind it: whether it refuses user space a PTE. */
  readonly isHidden: () => boolean;
}

const forbids = ({ page: { protection }, write }: MmCase): boolean =>
  protection === "none" || (protection === "r" && write);

/** Why user space gets no PTE; `fill` if it does. */
export type MmVerdict =
  { readonly kind: "fill" } | { readonly kind: "signal"; readonly signal: string; readonly code: string };

const HANDLE = "mm/memory.c:handle_mm_fault";

export const MM_FAULT: readonly Row<MmCase, MmVerdict>[] = [
  {
    rule: hostRule(
      "linux.mm.no-vma",
      "nothing is mapped at the address",
      "8.7",
      "S",
      "arch/arm64/mm/fault.c:do_page_fault",
    ),
    when: ({ page }) => page.protection === "gone",
    then: { kind: "signal", signal: "SIGSEGV", code: "SEGV_MAPERR" },
  },
  {
    rule: hostRule(
      "linux.mm.vma-forbids",
      "the VMA forbids the access",
      "8.7",
      "S",
      "arch/arm64/mm/fault.c:do_page_fault",
    ),
    when: forbids,
    then: { kind: "signal", signal: "SIGSEGV", code: "SEGV_ACCERR" },
  },
  {
    rule: observedRule("linux.mm.hwpoison", "the PTE is a mark for a bad page", "2", HANDLE),
    when: ({ page }) => page.isPoisoned,
    then: { kind: "signal", signal: "SIGBUS", code: "BUS_MCEERR_AR" },
  },
  {
    rule: hostRule(
      "linux.mm.guest-memory",
      "the file of guest memory gives user space no PTE: VM_FAULT_SIGBUS",
      "4.2",
      "M",
      HANDLE,
    ),
    when: ({ isHidden }) => isHidden(),
    then: { kind: "signal", signal: "SIGBUS", code: "BUS_ADRERR" },
  },
  {
    rule: hostRule("linux.mm.fill", "the page is put in place, the instruction is executed again", "1.3", "M", HANDLE),
    when: () => true,
    then: { kind: "fill" },
  },
];

const GUP = "mm/gup.c:pin_user_pages";

/** get_user_pages: an errno, or null. It reads the process's own tables only: stage 2 has no say. */
export const GET_USER_PAGES: readonly Row<MmCase, string | null>[] = [
  {
    rule: hostRule("linux.gup.not-mapped", "nothing is mapped at the address", "2.5", "M", GUP),
    when: ({ page }) => page.protection === "gone",
    then: "EFAULT",
  },
  {
    rule: hostRule("linux.gup.vma-forbids", "the VMA forbids the access", "2.5", "M", GUP),
    when: forbids,
    then: "EFAULT",
  },
  {
    rule: hostRule("linux.gup.hwpoison", "the page is bad", "2.5", "S", GUP),
    when: ({ page }) => page.isPoisoned || page.frame?.poisoned === true,
    then: "EHWPOISON",
  },
  {
    rule: hostRule(
      "linux.gup.longterm-file",
      "a long-term write pin of a shared mapping of a file with write-back is refused",
      "2.5",
      "M",
      GUP,
    ),
    when: ({ page, write, longterm }) => page.backing === "shared-file" && write && longterm,
    then: "EFAULT",
  },
  {
    rule: hostRule(
      "linux.gup.guest-memory",
      "the file of guest memory gives user space no PTE: the pin fails",
      "2.5",
      "M",
      GUP,
    ),
    when: ({ isHidden }) => isHidden(),
    then: "EFAULT",
  },
  {
    rule: hostRule(
      "linux.gup.pinned",
      "the page is found in the process's own tables (faulted in if need be)",
      "7.5",
      "M",
      GUP,
    ),
    when: () => true,
    then: null,
  },
];

/** What fork does with a page of the parent. */
export type ForkVerdict = "skip" | "share" | "copy" | "write-protect";

const COPY_PAGE = "mm/memory.c:copy_present_ptes";

export const FORK: readonly Row<HostPage, ForkVerdict>[] = [
  {
    rule: hostRule(
      "linux.fork.dont-fork",
      "MADV_DONTFORK: the child does not have the page",
      "1.8",
      "M",
      "kernel/fork.c:dup_mmap",
    ),
    when: ({ dontFork }) => dontFork,
    then: "skip",
  },
  {
    rule: hostRule("linux.fork.nothing", "nothing is mapped there", "1.8", "M", "kernel/fork.c:dup_mmap"),
    when: ({ protection }) => protection === "gone",
    then: "skip",
  },
  {
    rule: hostRule("linux.fork.shared", "a shared mapping: the child sees the same page", "1.8", "S", COPY_PAGE),
    when: ({ backing }) => !BACKING_TRAITS[backing].private,
    then: "share",
  },
  {
    rule: observedRule("linux.fork.untouched", "no page is there yet: nothing is copied", "2", COPY_PAGE),
    when: ({ frame }) => frame === null,
    then: "share",
  },
  {
    rule: hostRule(
      "linux.fork.pinned",
      "a pinned anonymous page is copied at fork, by the kernel's own alias",
      "1.8",
      "M",
      COPY_PAGE,
    ),
    when: ({ frame }) => frame !== null && frame.pins > 0,
    then: "copy",
  },
  {
    rule: hostRule(
      "linux.fork.copy-on-write",
      "an anonymous page is shared until one of the two writes",
      "1.8",
      "S",
      COPY_PAGE,
    ),
    when: () => true,
    then: "write-protect",
  },
];

/** Compaction, soft offlining: whether a page can be moved to another frame. */
export type MigrateVerdict = "move" | "stays";

const MIGRATE_PAGE = "mm/migrate.c:migrate_pages";

export const MIGRATE: readonly Row<HostPage, MigrateVerdict>[] = [
  {
    rule: hostRule("linux.migrate.nothing", "no frame is mapped there", "1.8", "S", MIGRATE_PAGE),
    when: ({ frame }) => frame === null,
    then: "stays",
  },
  {
    rule: observedRule("linux.migrate.pinned", "a page pinned for long is not moved", "2", MIGRATE_PAGE),
    when: ({ frame }) => frame !== null && frame.pins > 0,
    then: "stays",
  },
  {
    rule: hostRule(
      "linux.migrate.guest-memory",
      "a folio of guest memory refuses to be moved",
      "4.1",
      "S",
      MIGRATE_PAGE,
    ),
    when: ({ file }) => file !== null && file.guestMemory !== null,
    then: "stays",
  },
  {
    rule: hostRule("linux.migrate.moved", "the page is copied to another frame", "1.8", "S", MIGRATE_PAGE),
    when: () => true,
    then: "move",
  },
];

const PAGE_OUT_LIST = "mm/vmscan.c:shrink_folio_list";

/** MADV_PAGEOUT, with swap on: whether the page leaves its PTEs. */
export const PAGE_OUT: readonly Row<HostPage, "out" | "stays">[] = [
  {
    rule: hostRule("linux.page-out.nothing", "no frame is mapped there", "1.8", "S", PAGE_OUT_LIST),
    when: ({ frame }) => frame === null,
    then: "stays",
  },
  {
    rule: observedRule("linux.page-out.pinned", "a page pinned for long is not swapped out", "2", PAGE_OUT_LIST),
    when: ({ frame }) => frame !== null && frame.pins > 0,
    then: "stays",
  },
  {
    rule: hostRule(
      "linux.page-out.guest-memory",
      "a folio of guest memory has nowhere to go",
      "4.1",
      "U",
      PAGE_OUT_LIST,
    ),
    when: ({ file }) => file !== null && file.guestMemory !== null,
    then: "stays",
  },
  {
    rule: observedRule(
      "linux.page-out.out",
      "the page goes to the swap cache; the next touch finds it there",
      "6",
      PAGE_OUT_LIST,
    ),
    when: () => true,
    then: "out",
  },
];

/** memory_failure: whether the bad page's PTEs go. */
export const MEMORY_FAILURE: readonly Row<HostPage, "unmap" | "keep">[] = [
  {
    rule: observedRule(
      "linux.memory-failure.huge",
      "a huge page is behind it: it is not unmapped",
      "2",
      "mm/memory-failure.c",
    ),
    when: ({ backing }) => backing === "huge",
    then: "keep",
  },
  {
    rule: observedRule(
      "linux.memory-failure.unmapped",
      "the PTE becomes a mark for a bad page",
      "2",
      "mm/memory-failure.c",
    ),
    when: () => true,
    then: "unmap",
  },
];
