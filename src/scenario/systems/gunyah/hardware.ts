// The CPUs and devices of HLOS under Gunyah: its accesses go through the address space of an ordinary VM, and what that does
// not allow is answered with a synchronous External abort. Reference gunyah section 5, host-and-vmm 6.1.

import { VMID_HLOS } from "../../../../assembly/abi/gunyah.js";
import type { EvidenceLog } from "../../../consequences/evidence-log.js";
import type { Gunyah } from "../../../consequences/gunyah/hypervisor.js";
import type { CpuAccess, CpuAnswer, DmaAccess, DmaAnswer, Hardware } from "../../../consequences/hardware.js";
import { hostRule } from "../../../consequences/rule-table.js";
import { hex } from "../../../machine/names.js";

const DMA_RULES = {
  unprotected: hostRule(
    "gunyah.dma.unprotected",
    "DMA passes no stage 2; whether a platform's access control stands in the way is not the hypervisor's doing",
    "7.5",
    "U",
  ),
  mirrored: hostRule("gunyah.dma.mirrored", "an IOMMU that uses the stage 2 of HLOS stops the device", "7.5", "U"),
} as const;

export class GunyahHardware implements Hardware {
  readonly #hypervisor: Gunyah;
  readonly #log: EvidenceLog;

  constructor(hypervisor: Gunyah, log: EvidenceLog) {
    this.#hypervisor = hypervisor;
    this.#log = log;
  }

  access({ pa, ...access }: CpuAccess): CpuAnswer {
    const answer = this.#hypervisor.touchAs(VMID_HLOS, { ...access, ipa: pa });
    switch (answer.kind) {
      case "done":
      case "stopped":
        return answer;
      case "injected":
        return { kind: "abort", esr: answer.esr, far: answer.far };
      default:
        throw new Error(`an access of HLOS to memory is ${answer.kind}`);
    }
  }

  dma({ pa, kind, value = 0n, iommu }: DmaAccess): DmaAnswer {
    this.#log.rule(iommu === "none" ? DMA_RULES.unprotected : DMA_RULES.mirrored);
    const passes = iommu === "none" || this.#isHlosAllowed(pa, kind);
    const found = passes ? this.#besideStage2(pa, kind === "write" ? value : null) : null;
    const way = iommu === "none" ? "no stage 2 on the way" : "through an IOMMU that uses the stage 2 of HLOS";
    this.#log.transfer(
      `${kind} by a device, PA ${hex(pa)}, ${way}`,
      found === null ? "blocked" : `${hex(found)} was there`,
    );
    return found === null ? { kind: "blocked" } : { kind: "done", value: found };
  }

  #isHlosAllowed(pa: bigint, kind: DmaAccess["kind"]): boolean {
    return this.#hypervisor.machine.translate("host", pa, { kind })?.fault === null;
  }

  /** The word that was at `pa`; then `value` is there, unless it is null. */
  #besideStage2(pa: bigint, value: bigint | null): bigint {
    const { machine } = this.#hypervisor;
    const found = this.#hypervisor.word(pa);
    const offset = Number(pa & BigInt(machine.pageSize - 8));
    if (value !== null) machine.writePage(pa, new Uint8Array(new BigUint64Array([value]).buffer), offset);
    return found;
  }

  /** Gunyah has no call that takes memory back from who holds it (gunyah 6.8). */
  forceReclaim(): null {
    return null;
  }
}
