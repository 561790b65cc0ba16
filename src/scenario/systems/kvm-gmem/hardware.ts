// A host's CPUs and devices without a hypervisor below the kernel: what stage 1 lets through reaches memory.

import type { El2 } from "../../../consequences/kvm/el2.js";
import type { CpuAccess, CpuAnswer, DmaAccess, DmaAnswer, Hardware } from "../../../consequences/hardware.js";
import { hostRule } from "../../../consequences/rule-table.js";
import { hex } from "../../../machine/names.js";

const DMA = hostRule(
  "kvm.plain.dma",
  "there is no stage 2 of the host, for CPUs or for an IOMMU to mirror: a device reaches what it is pointed at",
  "7.5",
  "S",
);

export class PlainHardware implements Hardware {
  readonly #kvm: El2;

  constructor(kvm: El2) {
    this.#kvm = kvm;
  }

  access({ pa, el, kind, bytes, value = 0n }: CpuAccess): CpuAnswer {
    const found = this.#exchange(pa, bytes, kind === "store" ? value : null);
    this.#tell(`${kind} at EL${el}, no stage 2 of the host`, pa, found);
    return { kind: "done", value: found };
  }

  dma({ pa, kind, value = 0n }: DmaAccess): DmaAnswer {
    this.#kvm.log.rule(DMA);
    const found = this.#exchange(pa, 8, kind === "write" ? value : null);
    this.#tell(`${kind} by a device`, pa, found);
    return { kind: "done", value: found };
  }

  #tell(what: string, pa: bigint, found: bigint): void {
    const { log } = this.#kvm;
    if (log.hasTexts) log.transfer(`${what}, PA ${hex(pa)}`, `${hex(found)} was there`);
  }

  /** What was there, little-endian; then `value` is there, unless it is null. */
  #exchange(pa: bigint, bytes: number, value: bigint | null): bigint {
    const { machine } = this.#kvm;
    const offset = Number(pa % BigInt(machine.pageSize));
    const found = machine.readPage(pa).subarray(offset, offset + bytes);
    if (value !== null) {
      const stored = new Uint8Array(new BigUint64Array([value]).buffer);
      machine.writePage(pa, stored.subarray(0, bytes), offset);
    }
    return found.reduceRight((word, byte) => (word << 8n) | BigInt(byte), 0n);
  }

  forceReclaim(): null {
    return null;
  }
}
