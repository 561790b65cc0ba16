// The host's Linux as scenarios meet it: processes that touch memory and make system calls, a kernel that does so on their
// behalf, pins for drivers, and what follows when somebody dies.

import { hex } from "../machine/names.js";
import type { Backing } from "./backing.js";
import { copyUser, runCall, type CallContext } from "./call-primitives.js";
import { completed, Cpu, TaskEnded, type Touch } from "./cpu.js";
import type { EvidenceLog } from "./evidence-log.js";
import type { KernelVersion } from "./fault-rules.js";
import { guestMemfd } from "./guest-memfd.js";
import type { Hardware } from "./hardware.js";
import { hostCall } from "./host-calls.js";
import { FilePage, type Frame, type Frames, HostPage } from "./host-memory.js";
import { MemoryManagement } from "./memory-management.js";
import { BACKING_TRAITS } from "./memory-rules.js";
import { Process, type ProcessOptions } from "./processes.js";
import { hostRule, observedRule } from "./rule-table.js";
import { stepResult, type Signal, type StepResult } from "./result.js";
import type { VmDriver } from "./vm-driver.js";
import { afterRun } from "./vmm.js";

export interface LinuxHostOptions {
  readonly hardware: Hardware;
  readonly kernel: KernelVersion;
  /** The kernel runs over pKVM: aborts with S1PTW set are stage-2 aborts to it (is_pkvm_stage2_abort). */
  readonly pkvm: boolean;
  readonly log: EvidenceLog;
  /** Bytes. */
  readonly pageSize: number;
  readonly frames: Frames;
  /** Physical address in bytes at which memory begins, for the addresses of the linear map. */
  readonly memoryStart: bigint;
  /** What stands between the machine's disk and memory. Default: `none`. */
  readonly diskIommu?: "none" | "stage2";
  /** Default: false. */
  readonly panicOnOops?: boolean;
}

/**
 * One touch of a page by the host. For `zeropad`, an offset of 0 or less is a word that begins in the page before and crosses
 * into this one; a larger one begins within.
 */
export type HostAccess = Touch;

/** Who acts: a process, or a thread of the kernel. */
export type Task = Process | "kernel";

/** A page that a driver (or a transfer) holds. */
export type Pinned =
  | { readonly errno: null; readonly frame: Frame; readonly pa: bigint; readonly swapBacked: boolean }
  | { readonly errno: string };

/** What a new page of an address space is. */
export interface MapRequest {
  readonly name: string;
  readonly backing: Backing;
  /** First 64 bits, put there by the process before the first step. Default: 0 and untouched. */
  readonly content?: bigint;
  /** The file page behind it; default: a new one where the backing is a file. */
  readonly file?: FilePage;
}

/** First user address that is handed out. */
const USER_START = 0x0000_ffff_8000_0000n;

const PIN_CHARGE = observedRule(
  "linux.pin.memlock",
  "a page pinned for a guest is charged to RLIMIT_MEMLOCK; beyond it ENOMEM",
  "4",
  "mm/util.c:account_locked_vm",
);
const LINEAR_MAP = hostRule(
  "linux.linear-map.guest-memory",
  "the linear map keeps pages of guest memory: the kernel reaches them by its own alias",
  "7.4",
  "S",
  "virt/kvm/guest_memfd.c",
);
const CORE = observedRule(
  "linux.core-dump",
  "the core file is written by the kernel's own alias of each page",
  "2",
  "fs/coredump.c",
);

/** The host. Refusals, signals, oopses and deaths are results; nothing is thrown for what the modelled kernel does. */
export class LinuxHost {
  readonly log: EvidenceLog;
  readonly pageSize: number;
  readonly #cpu: Cpu;
  readonly #memory: MemoryManagement;
  readonly #drivers: VmDriver[] = [];
  readonly #processes: Process[] = [];
  readonly #addresses = new Map<Process, bigint>();
  readonly #deaths: string[] = [];
  readonly #callContext: CallContext;
  #isStopped = false;
  /** On whose behalf the step runs that is on its way. */
  #task: Task = "kernel";
  #isUnderWay = false;

  constructor(options: LinuxHostOptions) {
    const { log, pageSize, frames, panicOnOops = false } = options;
    this.log = log;
    this.pageSize = pageSize;
    this.#cpu = new Cpu({ ...options, panicOnOops }, log, (page, kind) => this.#memory.handleFault(page, kind));
    this.#memory = new MemoryManagement(frames, log, this.#drivers, (place, touch) => this.#cpu.execute(place, touch));
    this.#callContext = {
      cpu: this.#cpu,
      memory: this.#memory,
      hardware: options.hardware,
      log,
      drivers: this.#drivers,
      processes: this.#processes,
      pageSize,
      diskIommu: options.diskIommu ?? "none",
      pipe: [],
      nextAddress: (process) => this.#nextAddress(process),
      forceSignal: (process, signal) => this.forceSignal(process, signal),
    };
  }

  /** Who is dead, by name, in the order of their deaths: processes, what drivers noted (guests), `kernel`, `hypervisor`. */
  get deaths(): readonly string[] {
    return this.#deaths;
  }

  /** Connects a hypervisor's driver. */
  attach(driver: VmDriver): void {
    this.#drivers.push(driver);
  }

  createProcess(options: ProcessOptions): Process {
    const process = new Process(options);
    this.#processes.push(process);
    this.#addresses.set(process, USER_START);
    return process;
  }

  /** Maps one page at the process's next address. Content other than 0 is stored there by the process itself. */
  map(process: Process, { name, backing, content = 0n, file }: MapRequest): HostPage {
    const page = new HostPage(name, process, this.#nextAddress(process), backing);
    process.add(page);
    page.file = file ?? newFile(backing);
    if (backing === "none") page.protection = "gone";
    if (content !== 0n) this.#fillIn(process, page, content);
    if (backing === "read-only") page.protection = "r";
    return page;
  }

  /** What a file's page holds before it is mapped is put there by the kernel, where user space may not. */
  #fillIn(process: Process, page: HostPage, content: bigint): void {
    const { errno } = page.file?.guestMemory?.mayMapToUser(page.file) ?? { errno: null };
    this.step(process, () => {
      if (errno === null) return this.#touch(process, page, { how: "user", kind: "store", value: content });
      const frame = page.file === null ? null : this.fileFrame(page.file);
      if (frame !== null) this.#memory.store(frame, content);
      return stepResult("ok");
    });
  }

  /** A page that no process maps: the kernel's own, or one of the hypervisor. `pa` in bytes. */
  kernelPage(name: string, pa: bigint): HostPage {
    const frame = this.#memory.frameAt(pa);
    const page = new HostPage(name, null, this.#cpu.aliasOf(frame), "none");
    page.frame = frame;
    return page;
  }

  /** One touch, by a process or by a thread of the kernel. */
  access(by: Task, page: HostPage, access: HostAccess): StepResult {
    return this.step(by, () => this.#touch(by, page, access));
  }

  #touch(by: Task, page: HostPage, access: HostAccess): StepResult {
    switch (access.how) {
      case "user":
        return this.#userTouch(by, page, access);
      case "uaccess":
        return this.#uaccess(page, access);
      default:
        return this.#aliasTouch(page, access);
    }
  }

  #userTouch(by: Task, page: HostPage, access: HostAccess): StepResult {
    if (by === "kernel") return stepResult("no such verb", { why: "the kernel makes no user access" });
    // In another address space nothing is mapped at the page's address.
    const mapped = page.process === by ? page : new HostPage(page.name, by, page.va, "none");
    if (mapped !== page) mapped.protection = "gone";
    const executed = this.#cpu.execute({ via: "user", page: mapped }, access);
    if (executed.kind === "signal") {
      by.recordedEsr = executed.esr ?? by.recordedEsr;
      this.forceSignal(by, executed.signal);
      return signalResult(executed.signal);
    }
    const done = completed(executed);
    return stepResult("ok", { value: done.kind === "done" && access.kind === "load" ? done.value : null });
  }

  #uaccess(page: HostPage, { kind, value = 0n, offset = 0 }: HostAccess): StepResult {
    if (page.process === null) return stepResult("no such verb", { why: "no process maps the page" });
    const routine = kind === "store" ? "copy_to_user" : "copy_from_user";
    const copied = copyUser(this.#cpu, this.log, page, routine, { value, offset });
    return copied.failed ? stepResult("EFAULT") : stepResult("ok", { value: copied.value });
  }

  /** By the kernel's own alias; the frame is the one that the page's address space has now. */
  #aliasTouch(page: HostPage, access: HostAccess): StepResult {
    const found = page.frame ?? page.file?.frame ?? this.#memory.gup(page, {});
    if ("errno" in found && found.errno !== null) return stepResult(found.errno);
    const frame = "frame" in found ? found.frame : found;
    if (frame.isGuestMemory && frame.inDirectMap) this.log.rule(LINEAR_MAP);
    const executed = completed(this.#cpu.execute({ via: "alias", frame }, access));
    if (executed.kind === "done") return stepResult("ok", { value: access.kind === "load" ? executed.value : null });
    return stepResult(executed.entry.gives === "zero" ? "ok" : "EFAULT", { value: 0n });
  }

  /** A system call or other operation by its name in HOST_CALLS (host-calls.ts). */
  call(name: string, by: Task, pages: readonly HostPage[]): StepResult {
    const call = hostCall(name);
    if (call === undefined) return stepResult("no such verb", { why: `the host has no call ${name}` });
    return this.step(by, () => runCall(call, by, pages, this.#callContext));
  }

  /** SIGKILL. */
  kill(process: Process): StepResult {
    return this.#on("kernel", () => {
      if (!process.alive) return stepResult("not run");
      this.#exit(process, "is killed");
      return stepResult("ok");
    });
  }

  /** The process ends by itself (exit status 1). */
  exit(process: Process): void {
    if (process.alive) this.#exit(process, "exits");
  }

  /** Delivers a signal that cannot be blocked or ignored (force_sig): kills unless the process handles it. */
  forceSignal(process: Process, signal: Signal): void {
    const { name, code } = signal;
    const survives = name !== "SIGKILL" && process.handlers.has(name);
    this.log.saw(
      "process",
      `${process.name}: ${name}, ${code}${survives ? `, handled (${recordWords(process)})` : ""}`,
    );
    if (survives || !process.alive) return;
    if (process.dumpsCore && name !== "SIGKILL") this.#dumpCore(process);
    this.#exit(process, `is killed by ${name}`);
  }

  /** Each page that is mapped is found by get_user_pages and read by the kernel's own alias. */
  #dumpCore(process: Process): void {
    this.log.rule(CORE);
    for (const page of process.pages) {
      if (page.frame === null) continue;
      const gup = this.#memory.gup(page, {});
      if (gup.errno === null) this.#memory.load(gup.frame);
    }
  }

  /** exit: address space and descriptors go, VMs of the process with them, then its pages. */
  #exit(process: Process, how: string): void {
    process.alive = false;
    this.log.saw("process", `${process.name} ${how}`);
    this.noteDeath(process.name);
    for (const driver of this.#drivers) driver.exit(process);
    this.#memory.drop(process);
  }

  /**
   * Pins the page for a guest: charges RLIMIT_MEMLOCK, then pin_user_pages with LONGTERM, and WRITE unless told otherwise.
   * Errors: ENOMEM (limit, memory), EFAULT (not mapped, not writable, refused), EHWPOISON.
   */
  pin(page: HostPage, { write = true } = {}): Pinned {
    const { process } = page;
    if (process === null) return { errno: "EFAULT" };
    const limit = this.lockLimit(process);
    if (limit !== null) return { errno: limit };
    const gup = this.#memory.gup(page, { write, longterm: true });
    if (gup.errno !== null) return gup;
    process.lockedPages += 1;
    gup.frame.pins += 1;
    return pinned(page, gup.frame);
  }

  /** account_locked_vm for one page more: ENOMEM beyond RLIMIT_MEMLOCK, null within it. Nothing is charged. */
  lockLimit({ memlock, lockedPages }: Process): "ENOMEM" | null {
    if (memlock === null || (lockedPages + 1) * this.pageSize <= memlock) return null;
    this.log.rule(PIN_CHARGE);
    return "ENOMEM";
  }

  /** Gives back what `pin` took: frame and charge. */
  unpin(process: Process, frame: Frame): void {
    process.lockedPages -= 1;
    this.#memory.unpin(frame);
  }

  /** A driver's reference to a frame of a file of its own, without a charge: it is neither moved nor freed. */
  hold(frame: Frame): void {
    frame.pins += 1;
  }

  /** Gives back what `hold` took. */
  letGo(frame: Frame): void {
    this.#memory.unpin(frame);
  }

  /** The frame behind a page, faulted in as for an access (hva_to_pfn): nothing is pinned or charged. */
  faultIn(page: HostPage, write: boolean): Pinned {
    const gup = this.#memory.gup(page, { write });
    return gup.errno === null ? pinned(page, gup.frame) : gup;
  }

  /** The frame of a file's page, zero-filled if there was none (kvm_gmem_get_folio); null: out of memory. */
  fileFrame(file: FilePage): Frame | null {
    return this.#memory.fileFrame(file);
  }

  /** The page of the file goes: out of PTEs and page cache, and its frame back to the allocator. */
  dropFilePage(file: FilePage): void {
    this.#memory.dropFilePage(file);
  }

  /** The frame at a physical address in bytes. */
  frameAt(pa: bigint): Frame {
    return this.#memory.frameAt(pa);
  }

  /** Takes the frame out of the kernel's linear map, or puts it back. */
  setDirectMap(frame: Frame, present: boolean): void {
    frame.inDirectMap = present;
  }

  /** What the VMM does with what its run ioctl returned (vmm.ts); it may exit, and its VMs with it. */
  runReturned(vmm: Process, result: string): void {
    if (!vmm.alive || afterRun(result, vmm.onRunFailure, this.log) !== "exit") return;
    this.log.saw("vmm", `${vmm.name}: ${result}`);
    this.exit(vmm);
  }

  /** A guest, or the hypervisor, died. */
  noteDeath(name: string): void {
    if (!this.#deaths.includes(name)) this.#deaths.push(name);
  }

  /**
   * Runs a step, or a part of one, on behalf of `by` (for a guest: the process in whose run ioctl it runs). The outermost
   * one adds to its result who died and how many pages were seized meanwhile. If the task that runs ends in the kernel, the
   * whole step ends there.
   */
  step(by: Task, run: () => StepResult): StepResult {
    if (this.#isStopped) return stepResult("machine stopped");
    if (by === "kernel" ? this.#deaths.includes("kernel") : !by.alive) return stepResult("not run");
    return this.#on(by, run);
  }

  #on(by: Task, run: () => StepResult): StepResult {
    return this.#isUnderWay ? this.#within(by, run) : this.#outermost(by, run);
  }

  /** If `run` does not come back, the outermost step finds in `#task` whom that hit. */
  #within(by: Task, run: () => StepResult): StepResult {
    const outer = this.#task;
    this.#task = by;
    const result = run();
    this.#task = outer;
    return result;
  }

  #outermost(by: Task, run: () => StepResult): StepResult {
    const deaths = this.#deaths.length;
    const { seized } = this.#cpu;
    this.#task = by;
    this.#isUnderWay = true;
    const result = this.#caught(run);
    this.#isUnderWay = false;
    this.#task = "kernel";
    return { ...result, died: this.#deaths.slice(deaths), forceReclaims: this.#cpu.seized - seized };
  }

  #caught(run: () => StepResult): StepResult {
    try {
      return run();
    } catch (error) {
      if (error instanceof TaskEnded) return this.#taskEnded(this.#task, error.executed);
      this.#isUnderWay = false;
      throw error;
    }
  }

  /** What becomes of a task that the kernel could not go on with. */
  #taskEnded(by: Task, executed: TaskEnded["executed"]): StepResult {
    switch (executed.kind) {
      case "oops":
        this.#oops(by, executed.ends);
        return stepResult("oops");
      case "stopped":
        this.#isStopped = true;
        this.noteDeath("hypervisor");
        return stepResult("machine stopped");
      case "signal":
        if (by !== "kernel") this.forceSignal(by, executed.signal);
        return signalResult(executed.signal);
      case "spins":
        return stepResult("spins");
    }
  }

  /** The thread of the kernel ends, or the process on whose behalf it ran; with panic_on_oops all of them. */
  #oops(by: Task, ends: "task" | "host"): void {
    if (ends === "task") {
      if (by === "kernel") this.noteDeath("kernel");
      else if (by.alive) this.#exit(by, "is ended by an oops");
      return;
    }
    this.#isStopped = true;
    this.noteDeath("kernel");
    for (const process of this.#processes.filter(({ alive }) => alive)) {
      process.alive = false;
      this.noteDeath(process.name);
    }
  }

  #nextAddress(process: Process): bigint {
    const va = this.#addresses.get(process) ?? USER_START;
    this.#addresses.set(process, va + BigInt(this.pageSize));
    return va;
  }
}

function newFile(backing: Backing): FilePage | null {
  if (!BACKING_TRAITS[backing].file) return null;
  const isGuestMemory = backing === "guest_memfd" || backing === "guest_memfd-shared";
  return new FilePage(isGuestMemory ? guestMemfd(backing === "guest_memfd-shared") : null);
}

function pinned(page: HostPage, frame: Frame): Pinned {
  return { errno: null, frame, pa: frame.pa, swapBacked: BACKING_TRAITS[page.backing].swapBacked };
}

/** host-and-vmm 1.3: after a stage-2 abort this is what an earlier fault of the thread left. */
function recordWords({ recordedEsr }: Process): string {
  return recordedEsr === null ? "no ESR record in the frame" : `ESR record in the frame: ${hex(recordedEsr)}`;
}

function signalResult(signal: Signal): StepResult {
  return stepResult(`${signal.name}/${signal.code}`, { signal });
}
