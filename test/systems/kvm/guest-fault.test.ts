// A guest's stage-2 abort under plain KVM: the common part of reference host-and-vmm section 2.5 in its order, and what
// OBSERVED.md section 6 says of memory of the VMM, as far as it is not pKVM's doing.

import { beforeEach, describe, expect, test } from "vitest";
import type { Machine } from "../../../src/machine/machine.js";
import {
  aHost,
  createVm,
  DEVICE_PFN,
  fault,
  FETCH,
  GPA,
  guestAccess,
  HOST_PFN,
  must,
  PAGE,
  READ,
  region,
  result,
  VALID_READ,
  WRITE,
} from "./kvm-host.js";

const SEA = "256";
const ADDRESS_SIZE = "257";
const SKIPPED = "258";
const HOST_SEA = "259";
const MMIO = "6";

const S1PTW = 0x80n;
const CACHE_MAINTENANCE = 0x100n;
const NOWHERE = 0x1000n;
const READ_ONLY = GPA + 0x1000_0000n;

let machine: Machine;
let vm: number;
beforeEach(async () => {
  machine = await aHost({ regions: [{ base: "0x40000000", size: "0x4000000" }], ia_bits: 44 });
  vm = createVm(machine);
  must(machine, region({ vm, pages: 1024n }));
  must(machine, region({ vm, slot: 1, gpa: READ_ONLY, readonly: true }));
});

// prettier-ignore
test.each<[step: string, esr: bigint, ipa: bigint, answer: string, reason: string | null]>([
  ["1 external abort from hardware: SEA handling",                 0x92000010n, GPA,       HOST_SEA,     null],
  ["1 external abort on a stage-1 walk",                           0x92000014n, GPA,       HOST_SEA,     null],
  ["2 IPA at the machine's limit: address size fault injected",    READ,        1n << 44n, ADDRESS_SIZE, null],
  ["2 IPA between the VM's size and the limit: SEA injected",      READ,        1n << 40n, SEA,          null],
  ["3 alignment fault: -EFAULT",                                   0x92000021n, GPA,       "EFAULT",     "kvm_fault_status"],
  ["3 TLB conflict: -EFAULT",                                      0x92000030n, NOWHERE,   "EFAULT",     "kvm_fault_status"],
  ["4 no memslot, instruction abort: SEA, no exit",                FETCH,       NOWHERE,   SEA,          null],
  ["4 no memslot, stage-1 walk: SEA",                              READ | S1PTW, NOWHERE,  SEA,          null],
  ["4 no memslot, cache maintenance: skipped",                     READ | CACHE_MAINTENANCE, NOWHERE, SKIPPED, null],
  ["4 no memslot, data: MMIO",                                     VALID_READ,  NOWHERE,   MMIO,         null],
  ["4 no memslot, no valid syndrome: -ENOSYS",                     READ,        NOWHERE,   "ENOSYS",     "kvm_no_syndrome"],
  ["4 write to a read-only slot: MMIO",                            VALID_READ | 0x40n, READ_ONLY, MMIO,  null],
  ["4 read of a read-only slot: mapped",                           READ,        READ_ONLY, "0",          null],
  ["5 access flag fault: handled",                                 0x9200000bn, GPA,       "0",          null],
  ["6 translation fault: mapped",                                  READ,        GPA,       "0",          null],
])("step %s", (_step, esr, ipa, answer, reason) => {
  const outcome = machine.apply(fault({ vm, esr, ipa }));

  expect([result(outcome), outcome.reason]).toEqual([answer, reason]);
});

test("an MMIO exit tells where and how much", () => {
  const outcome = machine.apply(fault({ vm, esr: VALID_READ, ipa: NOWHERE + 8n }));
  expect(outcome.details.runExit).toEqual({ reason: 6, gpa: NOWHERE + 8n, size: 8n });
});

test("what is no abort of a guest is no operation", () => {
  expect(machine.apply(fault({ vm, esr: 0x5e000000n, ipa: GPA })).status).toBe("invalid");
});

/** Permissions of the leaf at an address: R, W, X. */
function permissions(ipa: bigint): string {
  const { descriptor = 0n } = machine.leaf(vm, ipa) ?? {};
  const has = (bit: bigint) => (descriptor & (1n << bit)) !== 0n;
  return (has(6n) ? "R" : "") + (has(7n) ? "W" : "") + ((descriptor >> 53n) & 3n ? "" : "X");
}

describe("memory of the VMM", () => {
  // prettier-ignore
  test.each<[what: string, esr: bigint, writable: boolean, leaf: string]>([
    ["OBSERVED 6: R for a first read of an empty page",  READ,  false, "R"],
    ["a read of what the VMM may write",                 READ,  true,  "RW"],
    ["OBSERVED 6: RW after a write",                     WRITE, true,  "RW"],
    ["OBSERVED 6: RX for code",                          FETCH, false, "RX"],
    ["OBSERVED 6: RWX for code",                         FETCH, true,  "RWX"],
  ])("%s", (_what, esr, writable, leaf) => {
    must(machine, fault({ vm, esr, ipa: GPA, writable }));
    expect(permissions(GPA)).toBe(leaf);
  });

  test("7.7: HVA unmapped: KVM_RUN -EFAULT", () => {
    const outcome = machine.apply(fault({ vm, esr: READ, ipa: GPA, mapped: false }));
    expect([outcome.errno, outcome.reason]).toEqual(["EFAULT", "kvm_hva_unmapped"]);
  });

  test("OBSERVED 4: read-only mapping: KVM_RUN EFAULT for a write", () => {
    const outcome = machine.apply(fault({ vm, esr: WRITE, ipa: GPA, writable: false }));
    expect([outcome.errno, outcome.reason]).toEqual(["EFAULT", "kvm_hva_readonly"]);
  });

  test("OBSERVED 6: a mapping that becomes writable, same page: permissions are added", () => {
    must(machine, fault({ vm, esr: READ, ipa: GPA, writable: false }));
    const { fault: denied } = machine.access(vm, GPA, "write");
    expect(denied?.kind).toBe("permission");
    const { effects } = must(machine, fault({ vm, esr: denied?.esr ?? 0n, ipa: GPA }));
    expect(effects.map(({ kind }) => kind)).toEqual(["descriptor", "tlbi_ipa_nsh"]);
    expect(permissions(GPA)).toBe("RW");
  });

  test("OBSERVED 6: code in a page of data gets execute permission when it is run", () => {
    expect(guestAccess(machine, vm, GPA, "write", 7n)).toBe(0n);
    expect(guestAccess(machine, vm, GPA, "fetch")).toBe(7n);
  });

  test("2.6, 7.10: the guest follows the VMM's address space: unmapped, then the new page", () => {
    expect(guestAccess(machine, vm, GPA, "write", 7n)).toBe(0n);
    must(machine, { op: "kvm_unmap_gfn_range", vm, gfn: GPA / PAGE, nr: 1 });
    expect(machine.access(vm, GPA, "read").status).toBe("fault");
    must(machine, fault({ vm, esr: READ, ipa: GPA, pfn: HOST_PFN + 1n }));
    expect(machine.access(vm, GPA, "read")).toMatchObject({ pa: (HOST_PFN + 1n) * PAGE, value: 0n });
  });

  test("two slots may alias one page of the VMM's (7.14)", () => {
    expect(guestAccess(machine, vm, GPA, "write", 7n)).toBe(0n);
    expect(guestAccess(machine, vm, GPA + PAGE, "read")).toBe(7n);
  });

  test("OBSERVED 6: 512 pages at once where a huge page is behind", () => {
    const pfn = 0x40203n;
    must(machine, fault({ vm, esr: READ, ipa: GPA + 3n * PAGE, pfn, huge: true }));
    expect(machine.leaf(vm, GPA)).toMatchObject({ level: 2 });
    expect(machine.access(vm, GPA, "read").pa).toBe(0x4020_0000n);
  });

  // prettier-ignore
  test.each<[what: string, ipa: bigint, pfn: bigint]>([
    ["differently aligned",                    GPA,            0x40201n],
    ["a block that the slot has not whole",    READ_ONLY,      0x40200n],
    ["a block that is not all memory",         GPA + 0x1ff000n, DEVICE_PFN + 0x1ffn],
  ])("%s: one page", (_what, ipa, pfn) => {
    must(machine, fault({ vm, esr: READ, ipa, pfn, huge: true }));
    expect(machine.leaf(vm, ipa)).toMatchObject({ level: 3 });
  });

  test("2.5: execution from a device: never -ENOEXEC, a SEA is injected; data is device memory", () => {
    expect(result(machine.apply(fault({ vm, esr: FETCH, ipa: GPA, pfn: DEVICE_PFN })))).toBe(SEA);
    must(machine, fault({ vm, esr: READ, ipa: GPA, pfn: DEVICE_PFN }));
    expect(machine.access(vm, GPA, "read")).toMatchObject({ status: "no_memory", pa: DEVICE_PFN * PAGE });
  });

  test("an old page is young again after an access flag fault", () => {
    expect(guestAccess(machine, vm, GPA, "write", 7n)).toBe(0n);
    expect(machine.apply({ op: "kvm_age_gfn", vm, gfn: GPA / PAGE, nr: 4, mkold: true }).ret).toBe(1);
    expect(machine.apply({ op: "kvm_age_gfn", vm, gfn: GPA / PAGE, nr: 4, mkold: false }).ret).toBe(0);
    expect(machine.access(vm, GPA, "read").fault?.kind).toBe("access_flag");
    expect(guestAccess(machine, vm, GPA, "read")).toBe(7n);
  });
});

test("no process has the frames that the simulator keeps tables in, nor what is beyond the physical addresses", () => {
  for (const pfn of [1n << 32n, (1n << 32n) + 1n, 1n << 40n]) {
    expect(machine.apply(fault({ vm, esr: READ, ipa: GPA, pfn })).reason).toBe("kvm_hva_unmapped");
    expect(machine.access("host", pfn * PAGE, "write", { value: 1n }).status).toBe("no_memory");
  }
});
