// The kernel's memory management: frames, page faults, pins, fork, migration. What it does to contents it does by ordinary
// loads and stores of the kernel, which meet whatever lies below.

import { completed, type Executed, type MmAnswer, type Place, type Touch } from "./cpu.js";
import type { EvidenceLog } from "./evidence-log.js";
import { FilePage, Frame, type Frames, HostPage } from "./host-memory.js";
import {
  BACKING_TRAITS,
  FORK,
  GET_USER_PAGES,
  MEMORY_FAILURE,
  MIGRATE,
  MM_FAULT,
  PAGE_OUT,
  type MmCase,
} from "./memory-rules.js";
import type { Process } from "./processes.js";
import { decide } from "./rule-table.js";
import type { MmuEvent, VmDriver } from "./vm-driver.js";

/** What get_user_pages answered. */
export type Gup = { readonly errno: null; readonly frame: Frame } | { readonly errno: string };

export class MemoryManagement {
  readonly #frames: Frames;
  readonly #log: EvidenceLog;
  readonly #execute: (place: Place, touch: Touch) => Executed;
  readonly #drivers: readonly VmDriver[];
  readonly #byAddress = new Map<bigint, Frame>();

  constructor(
    frames: Frames,
    log: EvidenceLog,
    drivers: readonly VmDriver[],
    execute: (place: Place, touch: Touch) => Executed,
  ) {
    this.#frames = frames;
    this.#log = log;
    this.#drivers = drivers;
    this.#execute = execute;
  }

  /** The frame at a physical address (bytes, page-aligned). */
  frameAt(pa: bigint): Frame {
    const known = this.#byAddress.get(pa);
    if (known !== undefined) return known;
    const frame = new Frame(pa);
    this.#byAddress.set(pa, frame);
    return frame;
  }

  /** A load by the kernel through the linear map, at an instruction without an exception-table entry. */
  load(frame: Frame): bigint {
    return this.#direct(frame, { how: "direct-map", kind: "load" });
  }

  /** A store of the same kind; answers what was there. */
  store(frame: Frame, value: bigint): bigint {
    return this.#direct(frame, { how: "direct-map", kind: "store", value });
  }

  #direct(frame: Frame, touch: Touch): bigint {
    const executed = completed(this.#execute({ via: "alias", frame }, touch));
    return executed.kind === "done" ? executed.value : 0n;
  }

  /** A frame filled with zeros; null: out of memory. */
  #zeroFrame(): Frame | null {
    const frame = this.#newFrame();
    if (frame === null) return null;
    this.store(frame, 0n);
    this.#frames.clear(frame.pa);
    return frame;
  }

  #newFrame(): Frame | null {
    const pa = this.#frames.allocate();
    return pa === null ? null : this.frameAt(pa);
  }

  #copyOf(source: Frame): Frame | null {
    const copy = this.#newFrame();
    if (copy === null) return null;
    this.store(copy, this.load(source));
    this.#frames.copy(source.pa, copy.pa);
    return copy;
  }

  /** Frees the frame if nobody has it any more. */
  release(frame: Frame): void {
    if (frame.references > 0 || frame.pins > 0 || frame.poisoned) return;
    this.#byAddress.delete(frame.pa);
    this.#frames.free(frame.pa);
  }

  unpin(frame: Frame): void {
    frame.pins -= 1;
    this.release(frame);
  }

  // ---- faults and pins ----

  /** handle_mm_fault for a user address, and the signal that EL0 gets if it fails. */
  handleFault(page: HostPage, kind: Touch["kind"]): MmAnswer {
    const verdict = decide(MM_FAULT, this.#caseOf(page, kind === "store", false), this.#log);
    if (verdict.kind === "signal") return verdict;
    return this.#fill(page, kind === "store") ? { signal: null } : { signal: "SIGKILL", code: "SI_KERNEL" };
  }

  /** get_user_pages for one page. Nothing is pinned yet. */
  gup(page: HostPage, { write = false, longterm = false }: { write?: boolean; longterm?: boolean }): Gup {
    const errno = decide(GET_USER_PAGES, this.#caseOf(page, write, longterm), this.#log);
    if (errno !== null) return { errno };
    return this.#fill(page, write) && page.frame !== null ? { errno: null, frame: page.frame } : { errno: "ENOMEM" };
  }

  #caseOf(page: HostPage, write: boolean, longterm: boolean): MmCase {
    return { page, write, longterm, isHidden: () => this.#isHidden(page) };
  }

  #isHidden({ file }: HostPage): boolean {
    if (file === null || file.guestMemory === null) return false;
    const { errno, rule } = file.guestMemory.mayMapToUser(file);
    this.#log.rule(rule);
    return errno !== null;
  }

  /** Puts a frame behind the page, a private copy for a write. False: out of memory. */
  #fill(page: HostPage, write: boolean): boolean {
    if (page.frame === null && !this.#install(page, write)) return false;
    return write && page.writeProtected ? this.#breakCopyOnWrite(page) : true;
  }

  /** What is only read of anonymous memory is the zero page, until the first write. */
  #install(page: HostPage, write: boolean): boolean {
    const { file } = page;
    const frame = file === null ? this.#zeroFrame() : this.fileFrame(file);
    if (frame === null) return false;
    this.mapFrame(page, frame);
    if (file === null) frame.isZeroPage = !write;
    page.writeProtected = file === null ? !write : BACKING_TRAITS[page.backing].private;
    return true;
  }

  mapFrame(page: HostPage, frame: Frame): void {
    page.frame = frame;
    frame.references += 1;
    page.file?.mappings.add(page);
  }

  /** do_wp_page: the last user of an anonymous page keeps it, all others get a copy. */
  #breakCopyOnWrite(page: HostPage): boolean {
    const old = page.frame as Frame;
    const isFilePage = page.file !== null && page.file.frame === old;
    if (!isFilePage && !old.isZeroPage && old.references === 1) {
      page.writeProtected = false;
      return true;
    }
    const copy = this.#copyOf(old);
    if (copy === null) return false;
    this.#notify(page, "replace");
    this.#dropPte(page);
    page.frame = copy;
    copy.references += 1;
    page.writeProtected = false;
    return true;
  }

  /** The page cache's frame of a file page, zero-filled if there was none. */
  fileFrame(file: FilePage): Frame | null {
    if (file.frame !== null) return file.frame;
    const frame = this.#newFileFrame(file);
    if (frame === null) return null;
    file.frame = frame;
    frame.references += 1;
    frame.isGuestMemory = file.guestMemory !== null;
    return frame;
  }

  /** A file with memory of its own gives the frame itself. */
  #newFileFrame(file: FilePage): Frame | null {
    if (file.guestMemory?.takeFrame === undefined) return this.#zeroFrame();
    const pa = file.guestMemory.takeFrame(file);
    return pa === null ? null : this.frameAt(pa);
  }

  // ---- changes of address spaces ----

  #notify(page: HostPage, event: MmuEvent): void {
    for (const driver of this.#drivers) driver.invalidate(page, event);
  }

  #dropPte(page: HostPage): void {
    const { frame } = page;
    if (frame === null) return;
    page.frame = null;
    page.file?.mappings.delete(page);
    frame.references -= 1;
    this.release(frame);
  }

  /** Drops the PTE: the next touch faults a page in. */
  zap(page: HostPage): void {
    if (page.frame !== null) this.#notify(page, "unmap");
    this.#dropPte(page);
    page.isPoisoned = false;
    page.writeProtected = false;
  }

  /** munmap. */
  unmap(page: HostPage): void {
    this.zap(page);
    page.protection = "gone";
    page.file = null;
  }

  /** mmap(MAP_FIXED) of fresh anonymous memory over the page. */
  replace(page: HostPage): void {
    if (page.frame !== null) this.#notify(page, "replace");
    this.#dropPte(page);
    Object.assign(page, {
      backing: "anonymous",
      file: null,
      protection: "rw",
      isPoisoned: false,
      writeProtected: false,
    });
  }

  protect(page: HostPage, protection: "rw" | "r" | "none"): void {
    if (page.frame !== null) this.#notify(page, "protect");
    page.protection = protection;
  }

  move(page: HostPage, va: bigint): void {
    if (page.frame !== null) this.#notify(page, "move");
    page.va = va;
  }

  /** The file's page goes: out of all PTEs and of the page cache. */
  dropFilePage(file: FilePage): void {
    if (file.guestMemory !== null) for (const driver of this.#drivers) driver.invalidateFile(file);
    // Private copies are no pages of the file any more and stay.
    for (const page of [...file.mappings]) if (page.frame === file.frame) this.zap(page);
    const { frame } = file;
    if (frame === null) return;
    file.frame = null;
    frame.references -= 1;
    this.release(frame);
  }

  /** Takes the page to another frame if it may be moved. */
  migrate(page: HostPage): boolean {
    if (decide(MIGRATE, page, this.#log) === "stays") return false;
    const old = page.frame as Frame;
    const { file } = page;
    const users = usersOf(page, old);
    for (const user of users) this.#notify(user, "replace");
    const target = this.#copyOf(old);
    if (target === null) return false;
    for (const user of users) user.frame = target;
    target.references = old.references;
    if (file?.frame === old) file.frame = target;
    old.references = 0;
    this.release(old);
    return true;
  }

  /** Out to the swap cache: whoever follows the address space lets go, and finds the same frame at the next touch. */
  pageOut(page: HostPage): void {
    if (decide(PAGE_OUT, page, this.#log) === "stays" || page.frame === null) return;
    for (const user of usersOf(page, page.frame)) this.#notify(user, "unmap");
  }

  /** write_protect_page of KSM, for a page that nobody has pinned. */
  writeProtect(page: HostPage): void {
    if (page.frame === null || page.frame.pins > 0) return;
    this.#notify(page, "protect");
    page.writeProtected = true;
  }

  /** memory_failure on the page's frame. */
  poison(page: HostPage, frame: Frame): void {
    frame.poisoned = true;
    if (page.file !== null) page.file.guestMemory?.memoryFailure?.(page.file);
    if (decide(MEMORY_FAILURE, page, this.#log) === "keep") return;
    this.zap(page);
    page.isPoisoned = true;
  }

  // ---- fork ----

  /** dup_mmap: the child's address space. */
  fork(parent: Process, child: Process): void {
    for (const page of parent.pages) {
      const verdict = decide(FORK, page, this.#log);
      if (verdict === "skip") continue;
      const twin = Object.assign(new HostPage(page.name, child, page.va, page.backing), {
        protection: page.protection,
        file: page.file,
      });
      child.add(twin);
      if (verdict === "share") continue;
      const frame = page.frame as Frame;
      if (verdict === "copy") {
        const copy = this.#copyOf(frame);
        if (copy !== null) this.mapFrame(twin, copy);
        continue;
      }
      this.#notify(page, "protect");
      this.mapFrame(twin, frame);
      page.writeProtected = twin.writeProtected = true;
    }
  }

  /** exit_mmap. */
  drop(process: Process): void {
    for (const page of process.pages) {
      this.#dropPte(page);
      page.protection = "gone";
    }
  }
}

/** The PTEs that map the page's frame: of a file's page all of them. */
function usersOf(page: HostPage, frame: Frame): readonly HostPage[] {
  const { file } = page;
  return file?.frame === frame ? [...file.mappings].filter((user) => user.frame === frame) : [page];
}
