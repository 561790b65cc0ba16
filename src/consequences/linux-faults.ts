// From an exception at EL1 to its end: the rules of fault-rules.ts, applied. What the path asks of the machine and of memory
// management (translate by stage 1, seize a page) it asks through a port.

import type { EvidenceLog } from "./evidence-log.js";
import {
  extableEntry,
  FAULT_TABLES,
  FORCE_RECLAIM,
  type BadVerdict,
  type ExtableEntry,
  type FaultCase,
  type FaultInfo,
  type FaultTables,
  type KernelVersion,
} from "./fault-rules.js";
import { fscOf, isFarInvalid, type Fault } from "./fault.js";
import type { Signal } from "./result.js";
import { decide } from "./rule-table.js";

/** How a fault ends. `mm-fault`: memory management decides; if it fails for EL1, `noContext` goes on. */
export type Verdict =
  | { readonly kind: "handled" }
  /** `recordsEsr`: the signal frame tells ESR (set_thread_esr); a stage-2 abort leaves there what an earlier fault left. */
  | { readonly kind: "signal"; readonly signal: Signal; readonly text: string; readonly recordsEsr: boolean }
  | { readonly kind: "fixup"; readonly entry: ExtableEntry }
  | { readonly kind: "retry" }
  | { readonly kind: "mm-fault" }
  | { readonly kind: "die"; readonly message: string; readonly ends: "task" | "host" };

/** What AT S1E1R answers: the frame's address, or which kind of fault. */
export type Stage1Answer = { readonly pa: bigint } | { readonly pa: null; readonly fault: "translation" | "other" };

export interface FaultPort {
  /** AT S1E1R on the faulting address. */
  translate(fault: Fault): Stage1Answer;
  /** The hypercall that seizes a guest's page: its errno; null where there is none. */
  forceReclaim(pa: bigint): number | null;
}

export interface FaultPathOptions {
  readonly kernel: KernelVersion;
  readonly pkvm: boolean;
  readonly panicOnOops: boolean;
  readonly pageSize: number;
}

/** The kernel's fault path. */
export class FaultPath {
  readonly #tables: FaultTables;
  readonly #options: FaultPathOptions;
  readonly #log: EvidenceLog;
  readonly #port: FaultPort;

  constructor(options: FaultPathOptions, log: EvidenceLog, port: FaultPort) {
    this.#tables = FAULT_TABLES[options.kernel];
    this.#options = options;
    this.#log = log;
    this.#port = port;
  }

  /** do_mem_abort. */
  memAbort(fault: Fault): Verdict {
    const given = this.#caseOf(fault);
    const info = decide(this.#tables.info, given, this.#log);
    switch (info.handler) {
      case "do_translation_fault":
        return decide(this.#tables.translationFault, given, this.#log) === "page-fault"
          ? this.#pageFault(given, info)
          : this.#bad(this.#tables.badArea, given, info);
      case "do_page_fault":
        return this.#pageFault(given, info);
      case "do_sea":
        return this.#sea(given, info);
      case "do_tag_check_fault":
      case "do_alignment_fault":
        return this.#bad(this.#tables.badArea, given, info);
      case "do_bad":
        return this.#bad(this.#tables.bad, given, info);
    }
  }

  /** The no_context label of do_page_fault: __do_kernel_fault. */
  noContext(fault: Fault): Verdict {
    const given = {
      ...this.#caseOf(fault),
      pageSize: this.#options.pageSize,
      fixup: () => this.#fixup(fault),
      spurious: () => this.#spurious(fault),
    };
    const verdict = decide(this.#tables.kernelFault, given, this.#log);
    switch (verdict.kind) {
      case "fixup":
        return { kind: "fixup", entry: extableEntry(fault) as ExtableEntry };
      case "retry":
        return verdict;
      case "return":
        return { kind: "handled" };
      case "die":
        return this.#die(given, verdict.message);
    }
  }

  #caseOf(fault: Fault): FaultCase {
    const { pkvm, panicOnOops } = this.#options;
    return { fault, pkvm, panicOnOops };
  }

  #pageFault(given: FaultCase, info: FaultInfo): Verdict {
    const verdict = decide(this.#tables.pageFault, given, this.#log);
    switch (verdict.kind) {
      case "handled":
        return verdict;
      case "no-context":
        return this.noContext(given.fault);
      case "die":
        return this.#die(given, verdict.message);
      case "signal":
        return signalVerdict(given.fault, { ...info, ...verdict }, false);
      case "handle-mm-fault":
        return { kind: "mm-fault" };
    }
  }

  #sea(given: FaultCase, info: FaultInfo): Verdict {
    const verdict = this.#bad(this.#tables.sea, given, info);
    if (verdict.kind !== "handled") this.#log.saw("kernel", "tainted: M (machine check)");
    return verdict;
  }

  #bad(rows: FaultTables["bad"], given: FaultCase, info: FaultInfo): Verdict {
    const verdict: BadVerdict = decide(rows, given, this.#log);
    switch (verdict.kind) {
      case "handled":
        return { kind: "handled" };
      case "kernel-fault":
        return this.noContext(given.fault);
      case "table-signal":
        return signalVerdict(given.fault, info, true);
      case "die-with-text":
        return this.#die(given, info.text === "unknown" ? `unknown ${fscOf(given.fault)}` : info.text);
    }
  }

  #fixup(fault: Fault): boolean {
    const entry = extableEntry(fault);
    if (entry === null) return false;
    this.#log.rule(this.#tables.extable.get(entry.instruction) ?? entry.rule);
    return true;
  }

  #spurious(fault: Fault): boolean {
    const at = this.#port.translate(fault);
    const given = {
      ...this.#caseOf(fault),
      atPa: at.pa,
      atTranslationFault: at.pa === null && at.fault === "translation",
    };
    const verdict = decide(this.#tables.spurious, given, this.#log);
    if (verdict === "nested") return false;
    if (verdict !== "force-reclaim") return verdict;
    return decide(FORCE_RECLAIM, { errno: at.pa === null ? null : this.#port.forceReclaim(at.pa) }, this.#log);
  }

  #die(given: FaultCase, message: string): Verdict {
    const end = decide(this.#tables.die, given, this.#log);
    if (end === "absorbed") return { kind: "handled" };
    return { kind: "die", message, ends: end === "panic" ? "host" : "task" };
  }
}

/** SIGKILL carries no siginfo; after FnV there is no address. */
function signalVerdict(fault: Fault, { signal, code, text }: Omit<FaultInfo, "handler">, recordsEsr: boolean): Verdict {
  const address = signal === "SIGKILL" ? null : isFarInvalid(fault) ? 0n : fault.far;
  return { kind: "signal", signal: { name: signal, code, address }, text, recordsEsr };
}
