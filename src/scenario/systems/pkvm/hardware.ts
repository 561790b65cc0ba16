// A host's CPUs and devices under pKVM: every CPU access goes through the host's stage 2, a fault to EL2's own handler.
// Reference host-and-vmm 1.1, pkvm-el2 section 4.

import type { CpuAccess, CpuAnswer, DmaAccess, DmaAnswer, Hardware } from "../../../consequences/hardware.js";
import type { Rule } from "../../../consequences/evidence.js";
import type { El2 } from "../../../consequences/kvm/el2.js";
import { el2Features, type El2Features } from "../../../consequences/kvm/el2-features.js";
import { hostRule } from "../../../consequences/rule-table.js";
import type { EvidenceLog } from "../../../consequences/evidence-log.js";
import { isValid } from "../../../machine/describe.js";
import type { Fault } from "../../../machine/translation.js";
import { hex } from "../../../machine/names.js";
import { panicSentence } from "../../../machine/reasons.js";

/** SPSR_EL2.M of the interrupted context: EL0t, or EL1h. */
const SPSR_MODE = { 0: 0n, 1: 5n } as const;

/** The exception class of an abort from the same level is one above that from a lower level. */
const SAME_LEVEL = 1n << 26n;

const GRANULE_FAULT = hostRule(
  "pkvm.granule-fault",
  "the CPU itself stops the access: EL1 takes the fault with FSC 0x28 and without S1PTW, EL2 has no part in it",
  "8.2",
  "S",
);

const DMA_RULES = {
  unprotected: hostRule(
    "pkvm.dma.unprotected",
    "DMA passes no stage 2: isolation from devices is not there",
    "7.5",
    "M",
  ),
  mirrored: hostRule(
    "pkvm.dma.mirrored",
    "an IOMMU that mirrors the host's stage 2 stops the device; EL2 of Linux 7.3 drives none",
    "7.5",
    "U",
  ),
  noMirror: hostRule(
    "android.dma.no-iommu",
    "EL2 protects by IOMMUs; of a device that has none in front of it nothing is known",
    "7.5",
    "U",
  ),
  mirror: hostRule(
    "android.dma.mirrored",
    "EL2 mirrors the host's stage 2 in the IOMMU, which stops the device; what the device then reports is not known",
    "7.5",
    "U",
  ),
} as const;

export class PkvmHardware implements Hardware {
  readonly #el2: El2;
  readonly #log: EvidenceLog;
  readonly #features: El2Features;

  constructor(el2: El2, log: EvidenceLog) {
    this.#el2 = el2;
    this.#log = log;
    this.#features = el2Features(el2.machine.config);
  }

  access(access: CpuAccess): CpuAnswer {
    let spurious = 0;
    for (;;) {
      const { fault, value } = this.#el2.touch("host", { ...access, ipa: access.pa });
      if (fault === null) return { kind: "done", value: value ?? 0n };
      if (fault.kind === "granule_protection") return this.#granuleFault(access, fault.esr);
      const answer = this.#abort(access, fault);
      if (answer === "retry") continue;
      if (answer !== "spurious") return answer;
      // Nothing changes from one try to the next: the second spurious fault is like all that follow.
      if (++spurious === 2) return this.#spins();
    }
  }

  /** No fault of a translation: EL1 takes it, EL2 hears nothing (host-and-vmm 8.2). */
  #granuleFault({ el, va }: CpuAccess, esr: bigint): CpuAnswer {
    this.#log.rule(GRANULE_FAULT);
    const taken = el === 0 ? esr : esr + SAME_LEVEL;
    this.#log.syndrome("ESR_EL1", taken);
    return { kind: "abort", esr: taken, far: va };
  }

  /** handle_host_mem_abort, and what the CPU does next. */
  #abort(access: CpuAccess, fault: Fault): CpuAnswer | "retry" | "spurious" {
    const { el, pa, va } = access;
    const { esr, hpfar } = fault;
    // Without a valid HPFAR, EL2 translates FAR by AT S1E1R; the operation takes what that answers as `far`.
    const far = hpfar === null ? pa : va;
    const outcome = this.#el2.apply({
      op: "host_abort",
      esr,
      spsr: SPSR_MODE[el],
      far,
      hpfar: hpfar ?? 0n,
      at_fail: 0,
    });
    if (outcome.panic !== null) {
      const why = panicSentence(outcome.panic);
      this.#log.saw("hypervisor", why);
      return { kind: "stopped", why };
    }
    const abort = outcome.details.abort;
    switch (abort?.result) {
      case "injected":
        return this.#injected(access, fault, abort.injectedEsr);
      case "spurious":
        return "spurious";
      default:
        return "retry";
    }
  }

  #injected({ va, pa, el }: CpuAccess, { kind }: Fault, esr: bigint): CpuAnswer {
    this.#log.syndrome("ESR_EL1", esr);
    this.#log.saw(
      "hypervisor",
      `an access of the host at EL${el} to PA ${hex(pa)}, which is not the host's: abort injected`,
    );
    // inject_host_exception of Linux 7.3 writes FAR_EL1 for translation faults only.
    const hasFar = kind === "translation" || this.#features.alwaysWritesFar;
    return { kind: "abort", esr, far: hasFar ? va : null };
  }

  #spins(): CpuAnswer {
    this.#log.saw(
      "hypervisor",
      "the same fault again and again on an entry that is valid: the instruction is retried for ever",
    );
    return { kind: "spins" };
  }

  dma({ pa, kind, value = 0n, iommu }: DmaAccess): DmaAnswer {
    this.#log.rule(this.#dmaRule(iommu));
    const stored = kind === "write" ? value : null;
    const found = iommu === "none" || this.#isHostsByTable(pa) ? this.#besideStage2(pa, stored) : null;
    const way = iommu === "none" ? "no stage 2 on the way" : "through an IOMMU that mirrors the host's stage 2";
    this.#log.transfer(
      `${kind} by a device, PA ${hex(pa)}, ${way}`,
      found === null ? "blocked" : `${hex(found)} was there`,
    );
    return found === null ? { kind: "blocked" } : { kind: "done", value: found };
  }

  #dmaRule(iommu: DmaAccess["iommu"]): Rule {
    if (this.#features.iommu) return iommu === "none" ? DMA_RULES.noMirror : DMA_RULES.mirror;
    return iommu === "none" ? DMA_RULES.unprotected : DMA_RULES.mirrored;
  }

  /** A mirror of the host's table has what the host could map on demand too: all but annotated entries. */
  #isHostsByTable(pa: bigint): boolean {
    const descriptor = this.#el2.descriptor("host", pa);
    return descriptor === 0n || isValid(descriptor);
  }

  /** The word that was at `pa`; then `value` is there, unless it is null. */
  #besideStage2(pa: bigint, value: bigint | null): bigint {
    const { machine } = this.#el2;
    const found = this.#el2.word(pa);
    const offset = Number(pa & BigInt(machine.pageSize - 8));
    if (value !== null) machine.writePage(pa, new Uint8Array(new BigUint64Array([value]).buffer), offset);
    return found;
  }

  forceReclaim(pa: bigint): number | null {
    if (!this.#features.forceReclaim) return null;
    return this.#el2.apply({ op: "host_force_reclaim_page_guest", phys: pa }).ret;
  }
}
