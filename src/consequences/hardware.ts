// What lies below a host kernel: the port through which the kernel's model touches memory. Each system implements it on
// its machine: translation by the real tables, the hypervisor's own handling of a fault, and what it injects.

/** One access by a CPU that runs the host kernel or one of its processes, after stage 1. */
export interface CpuAccess {
  /** Physical address in bytes: what stage 1 gave. */
  readonly pa: bigint;
  /** Virtual address in bytes, for FAR. */
  readonly va: bigint;
  readonly el: 0 | 1;
  readonly kind: "load" | "store" | "fetch";
  readonly bytes: 1 | 2 | 4 | 8;
  /** What a store writes. */
  readonly value?: bigint;
}

/**
 * `done`: value is what was there (before a store); `abort`: EL1 takes an exception with this ESR_EL1 and FAR_EL1 (null: not
 * written); `spins`: the instruction is executed again for ever; `stopped`: the hypervisor has stopped the machine.
 */
export type CpuAnswer =
  | { readonly kind: "done"; readonly value: bigint }
  | { readonly kind: "abort"; readonly esr: bigint; readonly far: bigint | null }
  | { readonly kind: "spins" }
  | { readonly kind: "stopped"; readonly why: string };

/** One transfer by a device that masters the bus. */
export interface DmaAccess {
  readonly pa: bigint;
  readonly kind: "read" | "write";
  readonly value?: bigint;
  /** `none`: no IOMMU in front of it; `stage2`: an IOMMU that mirrors the host's stage 2. */
  readonly iommu: "none" | "stage2";
}

export type DmaAnswer = { readonly kind: "done"; readonly value: bigint } | { readonly kind: "blocked" };

export interface Hardware {
  access(access: CpuAccess): CpuAnswer;
  dma(access: DmaAccess): DmaAnswer;
  /**
   * The call by which the kernel seizes a guest's page (pkvm_force_reclaim_guest_page): the hypercall's errno, 0 or negative.
   * Null where the hypervisor has no such call.
   *
   * @param pa physical address in bytes
   */
  forceReclaim(pa: bigint): number | null;
}
