// A VM between KVM and EL2: host-and-vmm 2.1, 2.2, 2.5 (memory cache), 2.8; pkvm-el2 5.3, 5.8.

import { expect, test } from "vitest";
import { EvidenceLog } from "../../../src/consequences/evidence-log.js";
import { El2 } from "../../../src/consequences/kvm/el2.js";
import { HypVm, type VmRequest } from "../../../src/consequences/kvm/hyp-vm.js";
import { PageAllocator } from "../../../src/scenario/systems/linux/page-allocator.js";
import { bootedMachine, MEMORY } from "../../../src/scenario/systems/pkvm/machine.js";

const IPA = 0x8000_0000n;

async function setUp() {
  const hold = (await bootedMachine()).hold();
  const { machine } = hold;
  const { config } = machine;
  if (config.kind !== "pkvm") throw new Error("no pKVM host");
  const log = new EvidenceLog();
  const el2 = new El2(machine, log);
  const pages = new PageAllocator(machine, MEMORY.start, config.hyp_carveout.base);
  const create = (request: VmRequest) => HypVm.create(el2, config, pages, request);
  const createOne = (request: VmRequest = { protected: true, vcpus: 2 }) => {
    const vm = create(request);
    if (vm === null) throw new Error("no handle is left");
    return vm;
  };
  /** Names of the operations since the last call. */
  const operations = () =>
    log.take().flatMap((entry) => (entry.kind === "operation" ? [entry.text.split(" ")[0]] : []));
  return { hold, machine, pages, create, createOne, operations };
}

const status = (machine: Awaited<ReturnType<typeof setUp>>["machine"], vm: HypVm) =>
  machine.vms().find(({ vm: handle }) => handle === vm.handle);

test("2.1 step 5, observed 4: 255 VMs at once, handles from 0x1000 on; the next one fails", async () => {
  const { create } = await setUp();
  const handles = Array.from({ length: 255 }, () => create({ protected: true, vcpus: 1 })?.handle);
  expect(handles).toEqual(Array.from({ length: 255 }, (_, i) => 0x1000 + i));
  expect(create({ protected: true, vcpus: 1 })).toBeNull();
});

test("2.2 EL2 has no VM before the first run; then the VM and all its vCPUs", async () => {
  const { machine, createOne, operations } = await setUp();
  const vm = createOne();
  expect([status(machine, vm)?.state, vm.isCreated]).toEqual(["reserved", false]);
  operations();
  vm.ensureCreated();
  expect(operations()).toEqual(["init_vm", "init_vcpu", "init_vcpu"]);
  expect([status(machine, vm), vm.isCreated]).toMatchObject([{ state: "live", protected: true, vcpus: 2 }, true]);
  vm.ensureCreated();
  expect(operations()).toEqual([]);
});

test("2.5 step 1: the list is filled to the levels below the root; EL2 takes what it has used", async () => {
  const { pages, createOne, operations } = await setUp();
  const vm = createOne();
  vm.ensureCreated();
  vm.load(0);
  operations();
  const pushes = () => operations().filter((name) => name === "host_memcache_push_loaded").length;
  vm.topUpMemcache(0);
  expect(pushes(), "two levels below the root, with 40 bits").toBe(2);
  expect(vm.donate(pages.take(1), IPA).ret).toBe(0);
  vm.topUpMemcache(0);
  expect(pushes(), "EL2 has taken both").toBe(2);
  expect(vm.donate(pages.take(1), IPA + 0x1000n).ret).toBe(0);
  vm.topUpMemcache(0);
  expect(pushes()).toBe(2);
});

test("2.8 a vCPU that is loaded leaves before the teardown; then everything is the host's again", async () => {
  const { machine, pages, createOne } = await setUp();
  const before = hostPages(machine);
  const vm = createOne();
  vm.ensureCreated();
  vm.load(1);
  vm.topUpMemcache(1);
  vm.donate(pages.take(1), IPA);
  vm.put();
  vm.put();
  vm.startTeardown();
  expect(vm.reclaimDying(IPA).ret).toBe(0);
  vm.finalize();
  expect(status(machine, vm)).toBeUndefined();
  expect(hostPages(machine)).toBe(before);
});

test("2.8 a VM that has never run gives its handle back", async () => {
  const { machine, createOne } = await setUp();
  const vm = createOne();
  vm.finalize();
  expect(status(machine, vm)).toBeUndefined();
});

/** How many pages are the host's alone. */
function hostPages(machine: Awaited<ReturnType<typeof setUp>>["machine"]): bigint {
  const owned = machine.pages().filter(({ host, hyp }) => host === 0 && hyp === 3);
  return owned.reduce((sum, run) => sum + BigInt(run.pages), 0n);
}
