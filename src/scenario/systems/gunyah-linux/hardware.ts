// The CPUs and devices of a host whose Linux lends memory to Gunyah's VMs. CPUs are as under Gunyah anyway; in front of
// devices the platform is asked to change its access control before each donation (reference host-and-vmm 7.5).

import type { CpuAccess, CpuAnswer, DmaAccess, DmaAnswer, Hardware } from "../../../consequences/hardware.js";
import type { EvidenceLog } from "../../../consequences/evidence-log.js";
import type { Gunyah } from "../../../consequences/gunyah/hypervisor.js";
import { hostRule } from "../../../consequences/rule-table.js";
import { hex } from "../../../machine/names.js";
import { GunyahHardware } from "../gunyah/hardware.js";

const DMA_RULES = {
  hosts: hostRule("gunyah-linux.dma.hosts", "the memory is the host's, shared or not: the transfer works", "7.5", "S"),
  lent: hostRule(
    "gunyah-linux.dma.lent",
    "the driver's platform hook before each donation closes lent memory to devices: whether a platform does so is unverified",
    "7.5",
    "U",
    "drivers/virt/gunyah:gunyah_rm_platform_pre_demand_page",
  ),
} as const;

export class GunyahLinuxHardware implements Hardware {
  readonly #hypervisor: Gunyah;
  readonly #log: EvidenceLog;
  readonly #hardware: GunyahHardware;

  constructor(hypervisor: Gunyah, log: EvidenceLog) {
    this.#hypervisor = hypervisor;
    this.#log = log;
    this.#hardware = new GunyahHardware(hypervisor, log);
  }

  access(access: CpuAccess): CpuAnswer {
    return this.#hardware.access(access);
  }

  dma({ pa, kind, value = 0n }: DmaAccess): DmaAnswer {
    const isHosts = this.#hypervisor.machine.translate("host", pa, { kind })?.fault === null;
    this.#log.rule(isHosts ? DMA_RULES.hosts : DMA_RULES.lent);
    const found = isHosts ? this.#transfer(pa, kind === "write" ? value : null) : null;
    const what = `${kind} by a device, PA ${hex(pa)}, through the platform's access control`;
    this.#log.transfer(what, found === null ? "blocked" : `${hex(found)} was there`);
    return found === null ? { kind: "blocked" } : { kind: "done", value: found };
  }

  /** The word that was at `pa`; then `value` is there, unless it is null. */
  #transfer(pa: bigint, value: bigint | null): bigint {
    const { machine } = this.#hypervisor;
    const found = this.#hypervisor.word(pa);
    const offset = Number(pa & BigInt(machine.pageSize - 8));
    if (value !== null) machine.writePage(pa, new Uint8Array(new BigUint64Array([value]).buffer), offset);
    return found;
  }

  forceReclaim(): null {
    return this.#hardware.forceReclaim();
  }
}
