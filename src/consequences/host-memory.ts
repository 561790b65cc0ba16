// Memory as the host kernel manages it: frames, pages of files, and pages of address spaces (struct page, the page cache,
// VMA and PTE). One HostPage stands for one page of virtual addresses together with its VMA.

import type { Backing } from "./backing.js";
import type { Process } from "./processes.js";
import type { GuestMemoryFile } from "./vm-driver.js";

/** Where the kernel gets memory from, and what clear_page and copy_page do to a page's bytes. */
export interface Frames {
  /** A page that nobody uses, whatever its content. Physical address in bytes; null: out of memory. */
  allocate(): bigint | null;
  free(pa: bigint): void;
  /**
   * Fill a page with zeros, copy one. The kernel's model has touched both pages' first words through the fault path before,
   * so these only carry the rest.
   */
  clear(pa: bigint): void;
  copy(from: bigint, to: bigint): void;
}

/** A physical page of the host. */
export class Frame {
  /** Physical address in bytes. */
  readonly pa: bigint;
  /** Pins by drivers, pipes, transfers: the page is neither moved nor freed. */
  pins = 0;
  /** PTEs and page-cache entries that refer to it. */
  references = 0;
  /** Whether the kernel's linear map has it (a driver may take it out). */
  inDirectMap = true;
  /** Marked bad by memory_failure. */
  poisoned = false;
  /** It belongs to a file of guest memory. */
  isGuestMemory = false;
  /** It stands for the zero page: whoever writes gets another one. */
  isZeroPage = false;

  constructor(pa: bigint) {
    this.pa = pa;
  }
}

/** One page of a file: memfd, shared anonymous memory, a file on disk, guest memory. */
export class FilePage {
  /** Null until it is touched first, or after a hole was punched. */
  frame: Frame | null = null;
  /** Pages of address spaces that map it. */
  readonly mappings = new Set<HostPage>();
  /** Set for files of guest memory. */
  readonly guestMemory: GuestMemoryFile | null;
  /** Every descriptor of the file is closed. */
  closed = false;

  constructor(guestMemory: GuestMemoryFile | null) {
    this.guestMemory = guestMemory;
  }
}

/** What the VMA of a page allows. `gone`: there is no VMA. */
export type Protection = "rw" | "r" | "none" | "gone";

/** One page of an address space. */
export class HostPage {
  /** How evidence calls it: `ram[4]`. */
  readonly name: string;
  /** Null: a page of the kernel's or the hypervisor's own, which only the linear map reaches. */
  readonly process: Process | null;
  /** Virtual address in bytes. */
  va: bigint;
  backing: Backing;
  protection: Protection = "rw";
  /** The file's page behind it; null for private anonymous memory. */
  file: FilePage | null = null;
  /** What the PTE maps; null: no (valid) PTE. */
  frame: Frame | null = null;
  /** The PTE forbids writes although the VMA allows them: copy on write. */
  writeProtected = false;
  /** The PTE is a mark for a bad page. */
  isPoisoned = false;
  /** MADV_DONTFORK, MADV_MERGEABLE. */
  dontFork = false;
  mergeable = false;

  constructor(name: string, process: Process | null, va: bigint, backing: Backing) {
    this.name = name;
    this.process = process;
    this.va = va;
    this.backing = backing;
  }
}
