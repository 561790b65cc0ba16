// A CPU of the host executing one load, store or fetch: stage 1 by the kernel's page tables, the rest by the hardware below,
// and whatever the fault path makes of an abort.

import type { ExtableEntry } from "./fault-rules.js";
import { ORDINARY, stage1Syndrome, type Fault } from "./fault.js";
import type { EvidenceLog } from "./evidence-log.js";
import type { CpuAccess, Hardware } from "./hardware.js";
import type { Frame, HostPage } from "./host-memory.js";
import { FaultPath, type FaultPathOptions, type Stage1Answer, type Verdict } from "./linux-faults.js";
import type { Instruction } from "./instruction.js";
import type { Signal } from "./result.js";

/** Where an instruction points: at a process's page, or at a frame's alias in the kernel's linear map. */
export type Place =
  { readonly via: "user"; readonly page: HostPage } | { readonly via: "alias"; readonly frame: Frame };

export interface Touch {
  readonly how: Instruction;
  readonly kind: "load" | "store" | "fetch";
  /** What a store writes. Default: 0. */
  readonly value?: bigint;
  /** Bytes from the page's start. Default: 0. */
  readonly offset?: number;
}

/**
 * How an instruction ended. `done`: value is what was there before; `fixup`: its exception-table entry took over;
 * `oops`: the kernel ended the task (or itself); `spins`: executed again for ever.
 */
export type Executed =
  | { readonly kind: "done"; readonly value: bigint }
  | { readonly kind: "fixup"; readonly entry: ExtableEntry }
  /** `esr`: what the signal frame records of this fault; null: nothing. */
  | { readonly kind: "signal"; readonly signal: Signal; readonly esr: bigint | null }
  | { readonly kind: "oops"; readonly message: string; readonly ends: "task" | "host" }
  | { readonly kind: "spins" }
  | { readonly kind: "stopped"; readonly why: string };

type Completed = Extract<Executed, { kind: "done" | "fixup" }>;

/** The task that ran in the kernel ended in the middle of what it did: the rest of it does not happen, as after an oops. */
export class TaskEnded extends Error {
  override readonly name = "TaskEnded";
  readonly executed: Exclude<Executed, Completed>;

  constructor(executed: Exclude<Executed, Completed>) {
    super(executed.kind);
    this.executed = executed;
  }
}

/**
 * An instruction after which the kernel goes on.
 *
 * @throws TaskEnded if it does not; `LinuxHost.step` makes a result of that
 */
export function completed(executed: Executed): Completed {
  if (executed.kind === "done" || executed.kind === "fixup") return executed;
  throw new TaskEnded(executed);
}

/** What memory management makes of an ordinary fault on a user page. */
export type MmAnswer = { readonly signal: null } | { readonly signal: string; readonly code: string };

export interface CpuOptions extends FaultPathOptions {
  readonly hardware: Hardware;
  /** Physical address in bytes at which the linear map begins. */
  readonly memoryStart: bigint;
}

interface Abort {
  readonly kind: "abort";
  readonly esr: bigint;
  readonly far: bigint;
}

/** First address of the linear map with 48-bit addresses (arch/arm64/include/asm/memory.h:PAGE_OFFSET). */
const PAGE_OFFSET = 0xffff_0000_0000_0000n;

/** So often an instruction may fault at one place before nothing new is to be expected. */
const ATTEMPTS = 8;

export class Cpu {
  /** Pages that the kernel has seized. */
  seized = 0;
  readonly #options: CpuOptions;
  readonly #log: EvidenceLog;
  readonly #path: FaultPath;
  readonly #handleMmFault: (page: HostPage, kind: Touch["kind"]) => MmAnswer;

  constructor(options: CpuOptions, log: EvidenceLog, handleMmFault: (page: HostPage, kind: Touch["kind"]) => MmAnswer) {
    this.#options = options;
    this.#log = log;
    this.#handleMmFault = handleMmFault;
    this.#path = new FaultPath(options, log, {
      translate: (fault) => this.#translate(fault),
      forceReclaim: (pa) => this.#forceReclaim(pa),
    });
  }

  execute(place: Place, touch: Touch): Executed {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const met = this.#once(place, touch);
      if (met.kind !== "abort") return met;
      const end = this.#abort(place, touch, met);
      if (end !== "again") return end;
    }
    return { kind: "spins" };
  }

  #once(place: Place, touch: Touch): Executed | Abort {
    const { how, kind } = touch;
    const el = how === "user" ? 0 : 1;
    const offset = offsetOf(touch);
    const va = this.#vaOf(place) + BigInt(offset);
    const miss = stage1Miss(place, kind);
    if (miss !== null) {
      const esr = stage1Syndrome(el, kind, miss);
      this.#log.syndrome("ESR_EL1", esr);
      return { kind: "abort", esr, far: va };
    }
    const pa = frameOf(place).pa + BigInt(offset);
    const bytes = offset + 8 <= this.#options.pageSize ? 8 : 1;
    const access: CpuAccess = { pa, va, el, kind, bytes };
    const value = BigInt.asUintN(8 * bytes, touch.value ?? 0n);
    const answer = this.#options.hardware.access(kind === "store" ? { ...access, value } : access);
    return answer.kind === "abort" ? { ...answer, far: answer.far ?? va } : answer;
  }

  #vaOf(place: Place): bigint {
    return place.via === "user" ? place.page.va : this.aliasOf(place.frame);
  }

  /** The address of a frame in the linear map. */
  aliasOf({ pa }: Frame): bigint {
    return PAGE_OFFSET + (pa - this.#options.memoryStart);
  }

  #abort(place: Place, touch: Touch, { esr, far }: Abort): Executed | "again" {
    const { how, kind } = touch;
    const fault: PlacedFault = {
      esr,
      far,
      el: how === "user" ? 0 : 1,
      instruction: how,
      kind,
      circumstances: ORDINARY,
      place,
    };
    const verdict = this.#path.memAbort(fault);
    return verdict.kind === "mm-fault" ? this.#mmFault(fault, touch) : this.#end(fault, touch, verdict);
  }

  #mmFault(fault: PlacedFault, touch: Touch): Executed | "again" {
    const { place, el, far, esr } = fault;
    // Kernel addresses have no VMA.
    const answer = place.via === "user" ? this.#handleMmFault(place.page, touch.kind) : null;
    if (answer !== null && answer.signal === null) return "again";
    if (answer === null || el === 1) return this.#end(fault, touch, this.#path.noContext(fault));
    const { signal: name, code } = answer;
    return { kind: "signal", signal: { name, code, address: name === "SIGKILL" ? null : far }, esr };
  }

  #end({ place, esr }: PlacedFault, touch: Touch, verdict: Verdict): Executed | "again" {
    switch (verdict.kind) {
      case "handled":
      case "retry":
      case "mm-fault":
        return "again";
      case "signal":
        this.#log.saw("kernel", `unhandled exception: ${verdict.text}`);
        return { kind: "signal", signal: verdict.signal, esr: verdict.recordsEsr ? esr : null };
      case "fixup":
        return verdict.entry.gives === "aligned-read" ? this.#alignedRead(place, touch) : verdict;
      case "die":
        this.#log.saw("kernel", `Oops: ${verdict.message}`);
        return { kind: "oops", message: verdict.message, ends: verdict.ends };
    }
  }

  /** load_unaligned_zeropad's fixup: reads the aligned word around the start of the load; what lies beyond it is zeros. */
  #alignedRead(place: Place, touch: Touch): Executed {
    const { offset = 0 } = touch;
    // The word begins in the page before, of which the model knows nothing but that the kernel may read it.
    if (offset <= 0) return { kind: "done", value: 0n };
    return this.execute(place, { ...touch, how: "direct-map", offset: offset - (offset % 8) });
  }

  #translate(fault: Fault): Stage1Answer {
    const { place } = fault as PlacedFault;
    const miss = stage1Miss(place, "load");
    if (miss !== null) return { pa: null, fault: miss === "translation" ? "translation" : "other" };
    return { pa: frameOf(place).pa };
  }

  #forceReclaim(pa: bigint): number | null {
    const errno = this.#options.hardware.forceReclaim(pa);
    if (errno === 0) this.seized += 1;
    return errno;
  }
}

/** A fault that remembers where the instruction pointed. */
interface PlacedFault extends Fault {
  readonly place: Place;
}

/** A load that crosses into the page faults at its start. */
const offsetOf = ({ offset = 0 }: Touch): number => Math.max(0, offset);

function frameOf(place: Place): Frame {
  return place.via === "alias" ? place.frame : (place.page.frame as Frame);
}

/** What stage 1 says: null if it lets the access through. All user and kernel mappings may be executed here. */
function stage1Miss(place: Place, kind: Touch["kind"]): "translation" | "permission" | null {
  if (place.via === "alias") return place.frame.inDirectMap ? null : "translation";
  const { frame, protection, writeProtected } = place.page;
  if (frame === null || protection === "none" || protection === "gone") return "translation";
  return kind === "store" && (writeProtected || protection === "r") ? "permission" : null;
}
