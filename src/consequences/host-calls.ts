// Operations of the host by name: system calls and what the kernel does by itself. Each is a little program of primitives
// (call-primitives.ts); what comes of it follows from what they meet. Sources: the recordings of a real host (`observed`),
// reference host-and-vmm 1.8, 2.9, 4.2, 7.10, 7.13.

import type { Mark, Rule } from "./evidence.js";
import { hostRule, observedRule } from "./rule-table.js";
import type { UserCopyName } from "./user-copies.js";
import type { MemslotChange } from "./vm-driver.js";

/** One thing that a call does with one of its pages. */
export type Primitive =
  /** get_user_pages; `errno`: what the caller makes of a failure, if not the errno itself. `forDevice`: direct I/O. */
  | { readonly do: "gup"; readonly write: boolean; readonly errno?: string; readonly forDevice?: boolean }
  /** A load or store by the kernel through its own alias of the frame that an earlier primitive found. */
  | { readonly do: "kernel-load" | "kernel-store" }
  /** A no-fault read through the kernel's own alias; what cannot be read reads as 0. */
  | { readonly do: "kernel-probe" }
  /** A copy from or to user memory. */
  | { readonly do: "uaccess"; readonly routine: UserCopyName }
  /** The disk reads or writes the frame. */
  | { readonly do: "dma"; readonly kind: "read" | "write" }
  /** The frame goes into the pipe, pinned; the oldest frame comes out of it; it is unpinned. */
  | { readonly do: "pipe-push" | "pipe-drop" }
  | { readonly do: "pipe-pop" }
  /** The page cache's frame of the file behind the page. */
  | { readonly do: "page-cache"; readonly request: "read" | "write" }
  /** The frame that the page has now, if any: no page is faulted in. */
  | { readonly do: "alias" }
  /** Requests to the file behind the page. */
  | { readonly do: "file"; readonly request: "truncate" | "allocate" | "map-private" }
  | { readonly do: "punch-hole" }
  | { readonly do: "close-file" }
  /** Changes of the address space. */
  | { readonly do: "zap" | "unmap" | "replace" | "move" }
  | { readonly do: "protect"; readonly protection: "rw" | "r" | "none" }
  | { readonly do: "advise"; readonly advice: "dontFork" | "mergeable" }
  /** Moves the page to another frame; `errno`: what the caller gets if it stays, null for nothing. */
  | { readonly do: "migrate"; readonly errno: string | null }
  /** To swap, if it can go. */
  | { readonly do: "page-out" }
  /** KSM's, before it compares a page with others. */
  | { readonly do: "write-protect" }
  /** memory_failure with the page's frame, and the signal to the caller. */
  | { readonly do: "memory-failure" }
  /** A load by the child that the call forked. */
  | { readonly do: "child-load" };

/** What a call does once, before its pages. */
export type Preparation =
  /** A child of the process that calls; it ends with the call. */
  | { readonly do: "fork" }
  /** The pages are all that are mapped by any process (and mergeable): what fails for one is skipped. */
  | { readonly do: "each-page"; readonly of: "mergeable" | "mapped" }
  /** A change of the memslots over the pages. */
  | { readonly do: "memslot"; readonly change: MemslotChange }
  /** RLIMIT_CORE. */
  | { readonly do: "dump-core" };

export interface HostCall {
  /** By which scenarios call it. */
  readonly name: string;
  readonly rule: Rule;
  /** Bytes that it moves of a single page: a few, or all of it; null: it moves none. Several pages are moved whole. */
  readonly bytes: 64 | "page" | null;
  readonly prepare: Preparation | null;
  /** Run for each page. */
  readonly program: readonly Primitive[];
  /** What it answers at its end: an errno; null for success. */
  readonly answer: string | null;
}

/** What calls write that store data of their own (pipe, file, disk, another process): the first 64 bits. */
export const CALL_DATA = 0x5a5a_5a5a_5a5a_5a5an;

type Source = (id: string, says: string) => Rule;

/** Seen in the recordings of a real host, section 2 if not said otherwise. */
const seen =
  (where: string, section = "2"): Source =>
  (id, says) =>
    observedRule(id, says, section, where);

/** Stated by the reference page host-and-vmm. */
const stated =
  (section: string, mark: Mark, where?: string): Source =>
  (id, says) =>
    hostRule(id, says, section, mark, where);

interface Does {
  readonly bytes?: 64 | "page";
  readonly prepare?: Preparation;
  readonly program?: readonly Primitive[];
  readonly answer?: string;
}

function call(name: string, says: string, source: Source, does: Does): HostCall {
  const { bytes = null, prepare = null, program = [], answer = null } = does;
  return { name, rule: source(`call.${name}`, says), bytes, prepare, program, answer };
}

const GUP_READ: Primitive = { do: "gup", write: false };
const GUP_WRITE: Primitive = { do: "gup", write: true };
const LOAD: Primitive = { do: "kernel-load" };
const STORE: Primitive = { do: "kernel-store" };
const ALIAS: Primitive = { do: "alias" };

const copies = (routine: UserCopyName): readonly Primitive[] => [{ do: "uaccess", routine }];
const file = (request: "truncate" | "allocate" | "map-private"): Does => ({ program: [{ do: "file", request }] });
const protect = (protection: "rw" | "r" | "none"): Does => ({ program: [{ do: "protect", protection }] });
const memslot = (change: MemslotChange): Does => ({ prepare: { do: "memslot", change } });

/** A failed look-up of another process's page is -EIO to readers of /proc/PID/mem. */
const REMOTE_READ: Does = { bytes: 64, program: [{ do: "gup", write: false, errno: "EIO" }, LOAD] };
const REMOTE_WRITE: Does = { bytes: 64, program: [{ do: "gup", write: true, errno: "EIO" }, STORE] };

const REMOTE_VM = "mm/memory.c:__access_remote_vm";
const PROCESS_VM = "mm/process_vm_access.c:process_vm_rw";
const SHMEM = "mm/shmem.c:shmem_file_read_iter";
const BIO = "block/bio.c:bio_iov_iter_get_pages";
const POISON = "mm/madvise.c:madvise_inject_error";
const SET_REGION = "virt/kvm/kvm_main.c:kvm_set_memory_region";

/** Copies by instructions with exception-table entries. */
const USER_MEMORY: readonly HostCall[] = [
  call("write", "write(2) of the page to a pipe copies from user memory", seen("fs/pipe.c:pipe_write"), {
    bytes: 64,
    program: copies("copy_from_user"),
  }),
  call("read", "read(2) of a pipe into the page copies to user memory", seen("fs/pipe.c:pipe_read"), {
    bytes: 64,
    program: copies("copy_to_user"),
  }),
  call("write_memfd", "write(2) of the page to a memfd copies from user memory", seen("mm/shmem.c"), {
    bytes: 64,
    program: copies("copy_from_user"),
  }),
  call("writev_memfd", "writev(2) of pages to a memfd stops before the first that cannot be read", seen("mm/shmem.c"), {
    bytes: "page",
    program: copies("copy_from_user"),
  }),
  call("read_zero", "read(2) of /dev/zero clears user memory", seen("drivers/char/mem.c:read_zero"), {
    bytes: 64,
    program: copies("clear_user"),
  }),
  // The caller expects a value that is never there: a word that can be read ends the call at once.
  call("futex_wait", "FUTEX_WAIT reads the word, which is not the one expected", seen("kernel/futex"), {
    program: copies("get_user"),
    answer: "EAGAIN",
  }),
  call("rt_sigprocmask", "the new mask is copied from user memory", seen("kernel/signal.c"), {
    program: copies("copy_from_user"),
  }),
  call("clock_gettime", "the time is copied to user memory", seen("kernel/time/posix-timers.c"), {
    program: copies("copy_to_user"),
  }),
  call("stat_path", "a path in the page is copied from user memory", stated("1.8", "M", "fs/namei.c"), {
    program: copies("strncpy_from_user"),
  }),
];

/** Accesses by the kernel's own alias of the page. */
const BY_ALIAS: readonly HostCall[] = [
  call("process_vm_readv", "the page is pinned and read by the kernel's own alias", seen(PROCESS_VM), {
    bytes: 64,
    program: [GUP_READ, LOAD],
  }),
  call("process_vm_writev", "the page is pinned and written by the kernel's own alias", seen(PROCESS_VM), {
    bytes: 64,
    program: [GUP_WRITE, STORE],
  }),
  call(
    "pread_self_mem",
    "/proc/self/mem pins the page and reads it by the kernel's own alias",
    seen(REMOTE_VM),
    REMOTE_READ,
  ),
  call(
    "pread_pid_mem",
    "/proc/PID/mem pins the page and reads it by the kernel's own alias",
    seen(REMOTE_VM),
    REMOTE_READ,
  ),
  call(
    "pwrite_self_mem",
    "/proc/self/mem pins the page and writes it by the kernel's own alias",
    stated("1.8", "M", REMOTE_VM),
    REMOTE_WRITE,
  ),
  call("vmsplice", "the page goes into the pipe, pinned; nothing is read yet", seen("fs/splice.c:vmsplice_to_pipe"), {
    bytes: 64,
    program: [GUP_READ, { do: "pipe-push" }],
  }),
  call("read_pipe", "what vmsplice put into the pipe is read by the kernel's own alias", seen("fs/pipe.c:pipe_read"), {
    bytes: 64,
    program: [{ do: "pipe-pop" }, LOAD, { do: "pipe-drop" }],
  }),
  call(
    "pread_memfd",
    "pread(2) of the file behind the page reads the page cache by the kernel's own alias",
    seen(SHMEM, "4"),
    { bytes: 64, program: [{ do: "page-cache", request: "read" }, LOAD] },
  ),
  call(
    "pwrite_memfd",
    "pwrite(2) to the file behind the page writes the page cache by the kernel's own alias",
    stated("1.8", "S", "mm/shmem.c"),
    { bytes: 64, program: [{ do: "page-cache", request: "write" }, STORE] },
  ),
  call(
    "ksm_scan",
    "KSM reads mergeable pages by the kernel's own alias for their checksums",
    stated("1.8", "M", "mm/ksm.c:calc_checksum"),
    { prepare: { do: "each-page", of: "mergeable" }, program: [GUP_READ, LOAD, { do: "write-protect" }] },
  ),
  call("hibernate", "the image is made of all pages by the kernel's own alias", stated("1.8", "U"), {
    prepare: { do: "each-page", of: "mapped" },
    program: [ALIAS, LOAD],
  }),
  call("kexec_copy", "the page is copied by the kernel's own alias", stated("1.8", "U"), { program: [ALIAS, LOAD] }),
  call("page_poison", "page poisoning fills the page by the kernel's own alias", stated("1.8", "U"), {
    program: [ALIAS, STORE],
  }),
];

/** No-fault reads, and transfers by the disk. */
const PROBES_AND_TRANSFERS: readonly HostCall[] = [
  call("kprobe_fetch", "a kprobe's argument is fetched by a no-fault read", seen("kernel/trace/trace_probe_kernel.h"), {
    program: [ALIAS, { do: "kernel-probe" }],
  }),
  call(
    "read_kcore",
    "/proc/kcore reads with exception-table entries",
    stated("1.8", "M", "fs/proc/kcore.c:read_kcore_iter"),
    { program: [ALIAS, { do: "kernel-probe" }] },
  ),
  call("o_direct_write", "O_DIRECT write: the page is pinned and the disk reads it", seen(BIO), {
    bytes: "page",
    program: [
      { ...GUP_READ, forDevice: true },
      { do: "dma", kind: "read" },
    ],
  }),
  call("o_direct_read", "O_DIRECT read: the page is pinned and the disk writes it", seen(BIO), {
    bytes: "page",
    program: [
      { ...GUP_WRITE, forDevice: true },
      { do: "dma", kind: "write" },
    ],
  }),
];

/** Changes of the address space. */
const ADDRESS_SPACE: readonly HostCall[] = [
  call("madvise_dontneed", "MADV_DONTNEED drops the PTE", seen("mm/madvise.c"), { program: [{ do: "zap" }] }),
  call("munmap", "the mapping goes", seen("mm/mmap.c"), { program: [{ do: "unmap" }] }),
  call("map_fixed", "MAP_FIXED: a fresh anonymous page takes the mapping's place", stated("7.10", "M", "mm/mmap.c"), {
    program: [{ do: "replace" }],
  }),
  call("mprotect_none", "mprotect(PROT_NONE)", seen("mm/mprotect.c"), protect("none")),
  call("mprotect_read", "mprotect(PROT_READ)", stated("2.6", "S", "mm/mprotect.c"), protect("r")),
  call("mprotect_rw", "mprotect(PROT_READ | PROT_WRITE)", stated("2.6", "S", "mm/mprotect.c"), protect("rw")),
  call("mremap", "the page moves to another address", seen("mm/mremap.c"), { program: [{ do: "move" }] }),
  call("madvise_pageout", "MADV_PAGEOUT: the page shall go to swap", seen("mm/madvise.c"), {
    program: [{ do: "page-out" }],
  }),
  call("compact_memory", "compaction moves the pages that can be moved", seen("mm/compaction.c"), {
    prepare: { do: "each-page", of: "mapped" },
    program: [{ do: "migrate", errno: null }],
  }),
  call(
    "madvise_soft_offline",
    "MADV_SOFT_OFFLINE moves the page elsewhere",
    seen("mm/memory-failure.c:soft_offline_page"),
    { program: [GUP_READ, { do: "migrate", errno: "EBUSY" }] },
  ),
  call("madvise_hwpoison", "MADV_HWPOISON: memory_failure for the page, with its signal", seen(POISON), {
    program: [GUP_READ, { do: "memory-failure" }],
  }),
  call("madvise_dontfork", "MADV_DONTFORK", stated("1.8", "M", "mm/madvise.c"), {
    program: [{ do: "advise", advice: "dontFork" }],
  }),
  call("madvise_mergeable", "MADV_MERGEABLE", stated("1.8", "M", "mm/madvise.c"), {
    program: [{ do: "advise", advice: "mergeable" }],
  }),
  call(
    "offline_memory",
    "boot memory cannot be taken offline on arm64",
    stated("2.9", "S", "arch/arm64/mm/mmu.c:prevent_memory_remove_notifier"),
    { answer: "EPERM" },
  ),
];

/** The file behind the page. */
const FILES: readonly HostCall[] = [
  call("punch_hole", "fallocate(PUNCH_HOLE | KEEP_SIZE) on the file behind the page", stated("7.13", "M"), {
    program: [{ do: "punch-hole" }],
  }),
  call("fallocate", "fallocate(0) on the file behind the page", stated("4.2", "M"), file("allocate")),
  call(
    "ftruncate",
    "ftruncate of the file behind the page, to the size that it has",
    stated("4.2", "M"),
    file("truncate"),
  ),
  call("mmap_private", "mmap(MAP_PRIVATE) of the file behind the page", stated("4.2", "M"), file("map-private")),
  call("close_memfd", "close(2) of the last descriptor of the file behind the page", stated("4.2", "M"), {
    program: [{ do: "close-file" }],
  }),
];

/** Processes. */
const PROCESSES: readonly HostCall[] = [
  call(
    "fork",
    "fork copies pinned anonymous pages at once; the child reads the page and ends",
    seen("kernel/fork.c:dup_mmap"),
    { prepare: { do: "fork" }, program: [{ do: "child-load" }] },
  ),
  call("vfork", "vfork shares the address space: nothing is copied", seen("kernel/fork.c"), {}),
  call("setrlimit_core", "from now on a signal that kills leaves a core file", seen("kernel/sys.c"), {
    prepare: { do: "dump-core" },
  }),
];

/** The memslots over the pages. */
const MEMSLOTS: readonly HostCall[] = [
  call("memslot_delete", "the memslot over the page is deleted", seen(SET_REGION), memslot("delete")),
  call(
    "memslot_move",
    "the memslot over the page is moved to other guest addresses",
    seen(SET_REGION),
    memslot("move"),
  ),
  call("memslot_dirty_logging", "dirty logging is switched on", seen(SET_REGION), memslot("dirty-logging")),
  call("memslot_read_only", "the memslot over the page is made read-only", seen(SET_REGION), memslot("read-only")),
  call("memslot_add", "another memslot is added", seen(SET_REGION), memslot("add")),
  call(
    "memslot_bind_again",
    "a second memslot is bound to the same range of the file",
    stated("4.2", "M"),
    memslot("bind-again"),
  ),
];

/** Every call. */
export const HOST_CALLS: readonly HostCall[] = [
  ...USER_MEMORY,
  ...BY_ALIAS,
  ...PROBES_AND_TRANSFERS,
  ...ADDRESS_SPACE,
  ...FILES,
  ...PROCESSES,
  ...MEMSLOTS,
];

const BY_NAME: ReadonlyMap<string, HostCall> = new Map(HOST_CALLS.map((row) => [row.name, row]));

/** Their names, for validation. */
export const HOST_CALL_NAMES: readonly string[] = [...BY_NAME.keys()];

/** Whether a call says nothing without a page: others prepare something, or find their pages themselves. */
export function needsPages({ program, prepare }: HostCall): boolean {
  return prepare === null ? program.length > 0 : prepare.do === "memslot";
}

/** The call named `name`. */
export function hostCall(name: string): HostCall | undefined {
  return BY_NAME.get(name);
}
