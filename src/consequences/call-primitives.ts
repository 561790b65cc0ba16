// Runs the programs of host-calls.ts: page by page, until something fails. What has been moved by then is a short count.

import { completed, type Cpu } from "./cpu.js";
import type { EvidenceLog } from "./evidence-log.js";
import type { Hardware } from "./hardware.js";
import { CALL_DATA, type HostCall, needsPages, type Preparation, type Primitive } from "./host-calls.js";
import type { FilePage, Frame, HostPage } from "./host-memory.js";
import type { MemoryManagement } from "./memory-management.js";
import { Process } from "./processes.js";
import { hostRule } from "./rule-table.js";
import { stepResult, type Signal, type StepResult } from "./result.js";
import { ONE_MORE_BYTE, USER_COPIES, type UserCopy, type UserCopyName } from "./user-copies.js";
import type { FileAnswer, MemslotChange, VmDriver } from "./vm-driver.js";

/** What calls work with. */
export interface CallContext {
  readonly cpu: Cpu;
  readonly memory: MemoryManagement;
  readonly hardware: Hardware;
  readonly log: EvidenceLog;
  readonly drivers: readonly VmDriver[];
  readonly processes: readonly Process[];
  readonly pageSize: number;
  readonly diskIommu: "none" | "stage2";
  /** Frames in the machine's one pipe, oldest first. */
  readonly pipe: Frame[];
  /** A free virtual address of a process, in bytes. */
  nextAddress(process: Process): bigint;
  forceSignal(process: Process, signal: Signal): void;
}

/** What a copy moves: a store's value, and where in the page. */
export interface UserData {
  readonly value: bigint;
  /** Bytes from the page's start. Default: 0. */
  readonly offset?: number;
}

/** A copy from or to user memory. Ends the task if the kernel does not survive it. */
export function copyUser(
  cpu: Cpu,
  log: EvidenceLog,
  page: HostPage,
  name: UserCopyName,
  { value, offset = 0 }: UserData,
): UserCopied {
  const { kind, attempts, clears = false }: UserCopy = USER_COPIES[name];
  const touch = { how: "uaccess", kind, value: clears ? 0n : value, offset } as const;
  const first = completed(cpu.execute({ via: "user", page }, touch));
  if (first.kind === "done") return { value: kind === "load" ? first.value : null, failed: false };
  if (attempts === 2) {
    log.rule(ONE_MORE_BYTE);
    completed(cpu.execute({ via: "user", page }, touch));
  }
  return { value: null, failed: true };
}

export interface UserCopied {
  /** What a load read. */
  readonly value: bigint | null;
  readonly failed: boolean;
}

/** Runs a call for `by`. */
export function runCall(
  call: HostCall,
  by: Process | "kernel",
  pages: readonly HostPage[],
  context: CallContext,
): StepResult {
  context.log.rule(call.rule);
  return new CallRun(call, by, pages, context).run();
}

const DIRECT_IO_REFUSED = hostRule(
  "linux.direct-io.guest-memory",
  "direct I/O from or to guest memory that user space cannot map fails with the pin; nobody has tried it",
  "10.2",
  "U",
  "block/bio.c:bio_iov_iter_get_pages",
);

/** What ends a call before its end. */
type End = { readonly errno: string } | { readonly lacks: string } | { readonly skip: true };

const CONTINUE = null;

/** One call on its way. */
class CallRun {
  readonly #call: HostCall;
  readonly #by: Process | "kernel";
  readonly #context: CallContext;
  #pages: readonly HostPage[];
  /** A page that fails ends the call, or is left out. */
  #skipsFailures = false;
  #frame: Frame | null = null;
  #child: Process | null = null;
  #value: bigint | null = null;
  #signal: Signal | null = null;

  constructor(call: HostCall, by: Process | "kernel", pages: readonly HostPage[], context: CallContext) {
    this.#call = call;
    this.#by = by;
    this.#pages = pages;
    this.#context = context;
  }

  run(): StepResult {
    const { prepare, answer } = this.#call;
    if (this.#pages.length === 0 && needsPages(this.#call)) return this.#ended({ lacks: "it needs a page" });
    const end = prepare === null ? CONTINUE : this.#prepare(prepare);
    if (end !== CONTINUE) return this.#ended(end);
    const result = this.#eachPage();
    if (this.#child !== null) this.#context.memory.drop(this.#child);
    return result.result === "ok" && answer !== null ? stepResult(answer) : result;
  }

  #eachPage(): StepResult {
    let done = 0;
    for (const page of this.#pages) {
      const end = this.#onPage(page);
      if (end === CONTINUE) done += 1;
      else if (!this.#skipsFailures && !("skip" in end)) return done === 0 ? this.#ended(end) : this.#moved(done);
    }
    return this.#moved(done);
  }

  /** The result after so many pages: a short count if there are more. */
  #moved(pages: number): StepResult {
    const { bytes } = this.#call;
    const whole = bytes === "page" || this.#pages.length > 1;
    const signal = this.#signal;
    return stepResult(signal === null ? "ok" : `${signal.name}/${signal.code}`, {
      value: this.#value,
      signal,
      bytes: bytes === null || bytes === undefined ? null : pages * (whole ? this.#context.pageSize : 64),
    });
  }

  #ended(end: End): StepResult {
    if ("errno" in end) return stepResult(end.errno);
    return stepResult("no such verb", { why: "lacks" in end ? `${this.#call.name}: ${end.lacks}` : null });
  }

  #prepare(preparation: Preparation): End | null {
    switch (preparation.do) {
      case "fork":
        return this.#fork();
      case "each-page":
        this.#pages = this.#allPages(preparation.of === "mergeable");
        this.#skipsFailures = true;
        return CONTINUE;
      case "memslot":
        return this.#memslot(preparation.change);
      case "dump-core":
        if (this.#by !== "kernel") this.#by.dumpsCore = true;
        return CONTINUE;
    }
  }

  #fork(): End | null {
    const parent = this.#by;
    if (parent === "kernel") return { lacks: "only a process forks" };
    this.#child = new Process({ name: `${parent.name}'s child` });
    this.#context.memory.fork(parent, this.#child);
    return CONTINUE;
  }

  #allPages(mergeable: boolean): HostPage[] {
    const pages = this.#context.processes.filter(({ alive }) => alive).flatMap((process) => process.pages);
    return pages.filter((page) => page.frame !== null && (!mergeable || page.mergeable));
  }

  #memslot(change: MemslotChange): End | null {
    const { drivers } = this.#context;
    if (drivers.length === 0) return { lacks: "no driver has memslots" };
    for (const driver of drivers) {
      const errno = driver.memslot(change, this.#pages);
      if (errno !== null) return { errno };
    }
    return CONTINUE;
  }

  #onPage(page: HostPage): End | null {
    for (const primitive of this.#call.program) {
      const end = this.#run(primitive, page);
      if (end !== CONTINUE) return end;
    }
    return CONTINUE;
  }

  #run(primitive: Primitive, page: HostPage): End | null {
    switch (primitive.do) {
      case "gup":
        return this.#gup(primitive, page);
      case "alias":
        this.#frame = page.frame ?? page.file?.frame ?? null;
        return this.#frame === null ? { skip: true } : CONTINUE;
      case "pipe-pop":
        this.#frame = this.#context.pipe.shift() ?? null;
        return this.#frame === null ? { errno: "EAGAIN" } : CONTINUE;
      case "kernel-load":
      case "kernel-store":
      case "kernel-probe":
      case "dma":
      case "pipe-push":
      case "pipe-drop":
      case "memory-failure":
        return this.#onFrame(primitive, this.#found(), page);
      case "uaccess":
        return this.#copyUser(primitive.routine, page);
      case "child-load":
        return this.#childLoad(page);
      case "migrate":
      case "page-out":
      case "write-protect":
        return this.#reclaim(primitive, page);
      case "page-cache":
      case "file":
      case "punch-hole":
      case "close-file":
        return page.file === null ? { lacks: "no file is behind the page" } : this.#onFile(primitive, page.file);
      default:
        return this.#changeMapping(primitive, page);
    }
  }

  #gup({ write, errno, forDevice }: PrimitiveThat<"gup">, page: HostPage): End | null {
    const gup = this.#context.memory.gup(page, { write });
    const isRefused = gup.errno !== null && page.file !== null && page.file.guestMemory !== null;
    if (isRefused && forDevice === true) this.#context.log.rule(DIRECT_IO_REFUSED);
    if (gup.errno !== null) return { errno: errno ?? gup.errno };
    this.#frame = gup.frame;
    return CONTINUE;
  }

  /** The frame that an earlier primitive of the program found. */
  #found(): Frame {
    if (this.#frame === null) throw new Error(`${this.#call.name} looks for no frame before it uses one`);
    return this.#frame;
  }

  #onFrame(primitive: FramePrimitive, frame: Frame, page: HostPage): End | null {
    const { memory, pipe } = this.#context;
    switch (primitive.do) {
      case "kernel-load":
        return this.#read(memory.load(frame));
      case "kernel-store":
        memory.store(frame, CALL_DATA);
        return CONTINUE;
      case "kernel-probe":
        return this.#probe(frame);
      case "dma":
        return this.#dma(primitive.kind, frame);
      case "pipe-push":
        frame.pins += 1;
        pipe.push(frame);
        return CONTINUE;
      case "pipe-drop":
        memory.unpin(frame);
        return CONTINUE;
      case "memory-failure":
        return this.#memoryFailure(page, frame);
    }
  }

  /** What the kernel does to have the frame for something else. */
  #reclaim(primitive: ReclaimPrimitive, page: HostPage): End | null {
    const { memory } = this.#context;
    switch (primitive.do) {
      case "migrate":
        return memory.migrate(page) || primitive.errno === null ? CONTINUE : { errno: primitive.errno };
      case "page-out":
        memory.pageOut(page);
        return CONTINUE;
      case "write-protect":
        memory.writeProtect(page);
        return CONTINUE;
    }
  }

  /** The value that counts is the first page's. */
  #read(value: bigint): null {
    this.#value ??= value;
    return CONTINUE;
  }

  #probe(frame: Frame): null {
    const executed = completed(this.#context.cpu.execute({ via: "alias", frame }, { how: "nofault", kind: "load" }));
    return this.#read(executed.kind === "done" ? executed.value : 0n);
  }

  #copyUser(routine: UserCopyName, page: HostPage): End | null {
    const { cpu, log } = this.#context;
    const { failed, value } = copyUser(cpu, log, page, routine, { value: CALL_DATA });
    if (failed) return { errno: "EFAULT" };
    return value === null ? CONTINUE : this.#read(value);
  }

  #dma(kind: "read" | "write", { pa }: Frame): End | null {
    const { hardware, log, diskIommu: iommu } = this.#context;
    const answer = hardware.dma(kind === "write" ? { pa, kind, value: CALL_DATA, iommu } : { pa, kind, iommu });
    if (answer.kind === "blocked") {
      log.saw("device", "the transfer is blocked");
      return { errno: "I/O error" };
    }
    return kind === "read" ? this.#read(answer.value) : CONTINUE;
  }

  #childLoad(page: HostPage): null {
    const twin = this.#child?.pageAt(page.va) ?? null;
    if (twin === null) return CONTINUE;
    const { cpu, log } = this.#context;
    const executed = cpu.execute({ via: "user", page: twin }, { how: "user", kind: "load" });
    if (executed.kind === "done") return this.#read(executed.value);
    log.saw(
      "process",
      executed.kind === "signal" ? `the child dies of ${executed.signal.name}` : `the child: ${executed.kind}`,
    );
    return CONTINUE;
  }

  #memoryFailure(page: HostPage, frame: Frame): null {
    this.#context.memory.poison(page, frame);
    this.#context.log.saw("kernel", "memory failure: recovered");
    this.#signal = { name: "SIGBUS", code: "BUS_MCEERR_AR", address: page.va };
    if (this.#by !== "kernel") this.#context.forceSignal(this.#by, this.#signal);
    return CONTINUE;
  }

  #onFile(primitive: FilePrimitive, file: FilePage): End | null {
    const { memory, log } = this.#context;
    const answer = answerOf(primitive, file);
    if (answer !== null) log.rule(answer.rule);
    if (answer !== null && answer.errno !== null) return { errno: answer.errno };
    if (primitive.do === "page-cache") {
      this.#frame = memory.fileFrame(file);
      return this.#frame === null ? { errno: "ENOMEM" } : CONTINUE;
    }
    if (primitive.do === "close-file") file.closed = true;
    // Memory of an ordinary file lives on in its mappings; guest memory goes with the descriptor.
    const goes = primitive.do === "punch-hole" || (primitive.do === "close-file" && file.guestMemory !== null);
    if (goes && answer?.keepsFrame !== true) memory.dropFilePage(file);
    return CONTINUE;
  }

  #changeMapping(primitive: MappingPrimitive, page: HostPage): null {
    const { memory } = this.#context;
    switch (primitive.do) {
      case "zap":
        memory.zap(page);
        break;
      case "unmap":
        memory.unmap(page);
        break;
      case "replace":
        memory.replace(page);
        break;
      case "move":
        if (page.process !== null) memory.move(page, this.#context.nextAddress(page.process));
        break;
      case "protect":
        memory.protect(page, primitive.protection);
        break;
      case "advise":
        page[primitive.advice] = true;
        break;
    }
    return CONTINUE;
  }
}

/** What a file of guest memory says to a request; null: it says nothing to this one, or is an ordinary file. */
function answerOf(primitive: FilePrimitive, file: FilePage): FileAnswer | null {
  const { guestMemory } = file;
  if (guestMemory === null || primitive.do === "close-file") return null;
  return primitive.do === "punch-hole" ? guestMemory.punchHole(file) : guestMemory.refuses(primitive.request);
}

type PrimitiveThat<Does extends Primitive["do"]> = Extract<Primitive, { do: Does }>;
type FramePrimitive = PrimitiveThat<
  "kernel-load" | "kernel-store" | "kernel-probe" | "dma" | "pipe-push" | "pipe-drop" | "memory-failure"
>;
type ReclaimPrimitive = PrimitiveThat<"migrate" | "page-out" | "write-protect">;
type FilePrimitive = PrimitiveThat<"page-cache" | "file" | "punch-hole" | "close-file">;
type MappingPrimitive = PrimitiveThat<"zap" | "unmap" | "replace" | "move" | "protect" | "advise">;
