// Machines for the tests of the TLB: a protected and a non-protected VM, or a lone table, and the accesses that show what
// each of them reaches.

import { Machine, type MachineOptions } from "../../src/machine/machine.js";
import type { MemoryAccess } from "../../src/machine/accesses.js";
import type { Operation } from "../../src/machine/operations.js";

export type Features = Readonly<Record<"fwb" | "tlb_range" | "xnx", boolean>>;
export const PLAIN: Features = { fwb: false, tlb_range: false, xnx: false };
/** An unmap invalidates its whole range at the end. */
export const RANGES: Features = { fwb: true, tlb_range: true, xnx: true };

/** First page of memory; a block of pages; pages that change hands. */
export const PFN = 0x40000n;
export const BLOCK = 512;
export const PAGES: readonly bigint[] = [0n, 1n, 511n, 512n, 1024n].map((page) => PFN + page);
/** Guest frames: two in one level-3 table, one in another. */
export const FRAMES: readonly bigint[] = [0x80n, 0x81n, 0x400n];
/** What the VMs are made of: 64 pages each, away from the rest. */
const AREA = PFN + 0x1800n;
const MEMCACHE_PAGES = 16n;
export const PROTECTED = 0x1000;
export const SHARING = 0x1001;

/** Runs operations that the scene needs to succeed. */
export function must(machine: Machine, ...operations: Operation[]): void {
  machine.applyBatch(operations, { effects: false }).forEach(({ ret, status }, index) => {
    if (ret < 0 || status !== "ok") throw new Error(`${operations[index]?.op ?? ""}: ${status} ${ret}`);
  });
}

function makeVm(machine: Machine, vm: number, area: bigint): void {
  const pa = (page: bigint) => (area + page) << 12n;
  must(
    machine,
    ...[0n, 1n, 2n, 3n].map((page) => ({ op: "host_share_hyp", pfn: area + page }) as const),
    { op: "reserve_vm" },
    {
      op: "init_vm",
      vm,
      kvm_pa: pa(0n),
      vm_pa: pa(4n),
      pgd_pa: pa(16n),
      vcpus: 1,
      protected: vm === PROTECTED ? 1 : 0,
      id_regs: 1,
    },
    { op: "init_vcpu", vm, vcpu: 0, host_pa: pa(2n), hyp_pa: pa(32n) },
  );
  for (let page = 0n; page < MEMCACHE_PAGES; page++) {
    must(machine, { op: "host_memcache_push", vm, vcpu: 0, pfn: area + 40n + page });
  }
  must(machine, { op: "refill_memcache", vm, vcpu: 0 });
}

/** A host with both VMs and nothing of the pages that change hands mapped yet. */
export async function aHost(features: Features = PLAIN, options: MachineOptions = {}): Promise<Machine> {
  const machine = await Machine.create(
    {
      features,
      regions: [{ base: PFN << 12n, size: 0x400_0000n }],
      ia_bits: 36,
      max_vms: 4,
    },
    options,
  );
  makeVm(machine, PROTECTED, AREA);
  makeVm(machine, SHARING, AREA + 64n);
  return machine;
}

export const donate = (pfn: bigint, gfn: bigint): Operation => ({
  op: "host_donate_guest",
  vm: PROTECTED,
  vcpu: 0,
  pfn,
  gfn,
});
export const share = (pfn: bigint, gfn: bigint, nr = 1, prot = 0xfn): Operation => ({
  op: "host_share_guest",
  vm: SHARING,
  vcpu: 0,
  pfn,
  gfn,
  nr,
  prot,
});
export const unshare = (gfn: bigint, nr = 1): Operation => ({ op: "host_unshare_guest", vm: SHARING, gfn, nr });

/** The host reads what it has no translation for: data abort from EL0, translation fault of level 3. */
export const hostFault = (pfn: bigint): Operation => ({
  op: "host_abort",
  esr: 0x92000007n,
  spsr: 0n,
  far: pfn << 12n,
  hpfar: pfn << 4n,
  at_fail: 0,
});

/** Reads, writes and fetches of every page that changes hands, by everyone; `value` tells the writes apart. */
export function everyAccess(value: bigint): MemoryAccess[] {
  const targets = [
    ...PAGES.map((pfn) => ({ stage2: "host" as const, ipa: pfn << 12n })),
    ...[PROTECTED, SHARING].flatMap((stage2) => FRAMES.map((gfn) => ({ stage2, ipa: gfn << 12n }))),
  ];
  return targets.flatMap(({ stage2, ipa }, index): MemoryAccess[] => [
    { stage2, ipa, kind: "read" },
    { stage2, ipa, kind: "write", value: value + BigInt(index) },
    { stage2, ipa: ipa + 0x100n, kind: "fetch", bytes: 4, el: 0 },
  ]);
}
