// What the host's CPUs and devices meet under pKVM: host-and-vmm 1.1, 1.6, 1.7 (column ESR_EL1), 8.2, 7.5.

import { expect, test } from "vitest";
import { EvidenceLog } from "../../../src/consequences/evidence-log.js";
import type { CpuAccess } from "../../../src/consequences/hardware.js";
import { El2 } from "../../../src/consequences/kvm/el2.js";
import { HypVm } from "../../../src/consequences/kvm/hyp-vm.js";
import { PageAllocator } from "../../../src/scenario/systems/linux/page-allocator.js";
import { PkvmHardware } from "../../../src/scenario/systems/pkvm/hardware.js";
import { bootedMachine, MEMORY } from "../../../src/scenario/systems/pkvm/machine.js";

const IPA = 0x8000_0000n;
const VA = 0x7f00_0000_1000n;
const SECRET = 0xa004n;

async function setUp() {
  const { machine } = (await bootedMachine()).hold();
  if (machine.config.kind !== "pkvm") throw new Error("no pKVM host");
  const log = new EvidenceLog();
  const el2 = new El2(machine, log);
  const allocator = new PageAllocator(machine, MEMORY.start, machine.config.hyp_carveout.base);
  const [secret, hosts, hyp] = [allocator.take(1), allocator.take(1), allocator.take(1)];
  const vm = HypVm.create(el2, machine.config, allocator, { protected: true, vcpus: 1 });
  if (vm === null) throw new Error("no VM");
  vm.ensureCreated();
  vm.load(0);
  vm.topUpMemcache(0);
  vm.donate(secret, IPA);
  vm.put();
  el2.touch(vm.handle, { ipa: IPA, kind: "store", value: SECRET });
  el2.apply({ op: "host_donate_hyp", pfn: hyp >> 12n, nr: 1 });
  return { machine, el2, vm, hardware: new PkvmHardware(el2, log), pages: { secret, hosts, hyp } };
}

// prettier-ignore
test.each<[string, Pick<CpuAccess, "el" | "kind">, "secret" | "hyp", bigint]>([
  ["EL0 load",                        { el: 0, kind: "load" },  "secret", 0x9200_0087n],
  ["EL0 store",                       { el: 0, kind: "store" }, "secret", 0x9200_00c7n],
  ["EL0 fetch",                       { el: 0, kind: "fetch" }, "secret", 0x8200_0087n],
  ["EL1 load",                        { el: 1, kind: "load" },  "secret", 0x9600_0087n],
  ["EL1 store",                       { el: 1, kind: "store" }, "secret", 0x9600_00c7n],
  ["EL1 fetch",                       { el: 1, kind: "fetch" }, "secret", 0x8600_0087n],
  ["EL1 load, page hypervisor-owned", { el: 1, kind: "load" },  "hyp",    0x9600_0087n],
  ["EL1 store, page hypervisor-owned",{ el: 1, kind: "store" }, "hyp",    0x9600_00c7n],
])("1.7, 8.2 %s: ESR_EL1, FAR_EL1 written (1.1 step 5), page unchanged", async (_row, { el, kind }, page, esr) => {
  const { machine, hardware, pages } = await setUp();
  const value = kind === "store" ? { value: 0xbadn } : {};
  const answer = hardware.access({ pa: pages[page], va: VA, el, kind, bytes: 8, ...value });
  expect(answer).toEqual({ kind: "abort", esr, far: VA });
  expect(new DataView(machine.readPage(pages.secret).buffer).getBigUint64(0, true)).toBe(SECRET);
});

test("1.1 step 3, result 0: the host's own page is mapped on demand and the instruction runs", async () => {
  const { hardware, pages } = await setUp();
  const store = { pa: pages.hosts, va: VA, el: 0, kind: "store", bytes: 8, value: 7n } as const;
  expect(hardware.access(store)).toEqual({ kind: "done", value: 0n });
  expect(hardware.access({ ...store, kind: "load" })).toEqual({ kind: "done", value: 7n });
});

test("1.1 step 3, -EEXIST: a permission fault (a fetch from MMIO) is retried for ever", async () => {
  const { hardware } = await setUp();
  expect(hardware.access({ pa: 0x900_0000n, va: VA, el: 1, kind: "fetch", bytes: 4 })).toEqual({ kind: "spins" });
});

test("1.1 step 3, anything else: an address that cannot be mapped stops the hypervisor", async () => {
  const { hardware } = await setUp();
  const answer = hardware.access({ pa: 1n << 41n, va: VA, el: 1, kind: "load", bytes: 8 });
  expect(answer.kind).toBe("stopped");
});

test.each([
  ["outside memory: -EFAULT (row 1)", 0x900_0000n, -14],
  ["the host's: -EAGAIN (row 2)", "hosts", -11],
  ["the hypervisor's: -EPERM (row 5)", "hyp", -1],
  ["a guest's: 0", "secret", 0],
] as const)("1.6 force reclaim, %s", async (_row, page, errno) => {
  const { hardware, pages } = await setUp();
  expect(hardware.forceReclaim(typeof page === "bigint" ? page : pages[page])).toBe(errno);
});

test("1.6 force reclaim: the page is the host's, and zero; a second one: -EAGAIN", async () => {
  const { hardware, pages } = await setUp();
  hardware.forceReclaim(pages.secret);
  const load = { pa: pages.secret, va: VA, el: 1, kind: "load", bytes: 8 } as const;
  expect(hardware.access(load)).toEqual({ kind: "done", value: 0n });
  expect(hardware.forceReclaim(pages.secret)).toBe(-11);
});

test("7.5 a device without IOMMU reads and writes what the CPU may not", async () => {
  const { el2, vm, hardware, pages } = await setUp();
  const pa = pages.secret;
  expect(hardware.dma({ pa, kind: "read", iommu: "none" })).toEqual({ kind: "done", value: SECRET });
  expect(hardware.dma({ pa, kind: "write", value: 0xbadn, iommu: "none" })).toEqual({ kind: "done", value: SECRET });
  expect(el2.touch(vm.handle, { ipa: IPA, kind: "load" }).value).toBe(0xbadn);
});

test("7.5 behind an IOMMU that mirrors the host's table, it reaches the host's pages only", async () => {
  const { hardware, pages } = await setUp();
  expect(hardware.dma({ pa: pages.secret, kind: "read", iommu: "stage2" })).toEqual({ kind: "blocked" });
  expect(hardware.dma({ pa: pages.hosts, kind: "read", iommu: "stage2" })).toEqual({ kind: "done", value: 0n });
});

test("worlds share one machine: each goes on where it was", async () => {
  const first = (await bootedMachine()).hold();
  first.machine.writePage(MEMORY.start, Uint8Array.of(1));
  const second = (await bootedMachine()).hold();
  expect(second.machine.readPage(MEMORY.start)[0]).toBe(0);
  second.machine.writePage(MEMORY.start, Uint8Array.of(2));
  first.resume();
  expect(first.machine.readPage(MEMORY.start)[0]).toBe(1);
  second.resume();
  expect(second.machine.readPage(MEMORY.start)[0]).toBe(2);
});
