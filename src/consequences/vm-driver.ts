// How a hypervisor's driver (KVM, Gunyah's) and the rest of the host kernel talk: what the memory management tells drivers,
// and what the kernel asks of them on behalf of a process.

import type { Rule } from "./evidence.js";
import type { FilePage, HostPage } from "./host-memory.js";
import type { Process } from "./processes.js";

/**
 * Why a PTE changes, as an MMU notifier is told (before the old frame is let go):
 * `unmap` it goes (munmap, MADV_DONTNEED, hole punched); `replace` another frame takes its place (MAP_FIXED, migration,
 * KSM, copy on write); `protect` rights shrink (mprotect, fork's write protection); `move` mremap took it elsewhere.
 */
export type MmuEvent = "unmap" | "replace" | "protect" | "move";

/** What a VMM asks of its memslots (bindings) while the VM exists. */
export type MemslotChange = "delete" | "move" | "dirty-logging" | "read-only" | "add" | "bind-again";

/** A VM driver as the host kernel sees it. One driver serves all VMs of its kind. */
export interface VmDriver {
  /**
   * MMU notifier: the page's translation in its process is about to change. `page.frame` is still the old frame.
   * A driver whose guests follow the address space unmaps the guest here; one that pinned the frame does nothing.
   */
  invalidate(page: HostPage, event: MmuEvent): void;
  /**
   * Pages of a file of guest memory are about to go (hole punched, file closed): the driver unmaps them from its guests.
   * Told for files that the host's model keeps itself (guest_memfd); a driver's own files hear of it first (punchHole).
   */
  invalidateFile(page: FilePage): void;
  /**
   * The process dies: address space and descriptors go, and with them its VMs. The driver tears them down (frames that it
   * pinned are given back with `LinuxHost.unpin`) and reports the guests that die with `LinuxHost.noteDeath`.
   * Called once per process, before its PTEs are dropped.
   */
  exit(process: Process): void;
  /**
   * A change of the memslots over `pages`.
   *
   * @returns an errno by name, null if it is done
   */
  memslot(change: MemslotChange, pages: readonly HostPage[]): string | null;
}

/**
 * A file whose pages are guest memory. guest_memfd is kept by the host's model (guest-memfd.ts); a driver with a memory
 * file of its own (Gunyah v17-style) implements this and gives it to the pages it backs.
 */
export interface GuestMemoryFile {
  /** For evidence: `guest_memfd`, `guest-memory file`. */
  readonly name: string;
  /** The fault handler's answer: may user space have a PTE for this page now? */
  mayMapToUser(page: FilePage): FileAnswer;
  /** fallocate(PUNCH_HOLE | KEEP_SIZE). On success the host's model drops PTEs and frame unless `keepsFrame`. */
  punchHole(page: FilePage): FileAnswer;
  /**
   * The frame behind a page, from the file's own memory, zeroed if the file had none: physical address in bytes; null: none
   * is free. Without it the host's allocator gives one. What the file takes back is its own affair (Frames.free).
   */
  takeFrame?(page: FilePage): bigint | null;
  /** memory_failure hit the page's frame: the host's mappings go, the file keeps the frame. */
  memoryFailure?(page: FilePage): void;
  /** ftruncate, fallocate with mode 0, read(2) and write(2), mmap(MAP_PRIVATE). */
  refuses(request: "truncate" | "allocate" | "read" | "write" | "map-private"): FileAnswer;
}

/** A file's answer: null errno is a yes. For `mayMapToUser`, any errno means VM_FAULT_SIGBUS. */
export interface FileAnswer {
  readonly errno: string | null;
  readonly rule: Rule;
  /** Of a punched hole: the file answers 0 without freeing the page. */
  readonly keepsFrame?: boolean;
}
