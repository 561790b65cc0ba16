// The guest's hypercalls through KVM_RUN: host-and-vmm 2.7, first table.

import { expect, test } from "vitest";
import { EvidenceLog } from "../../../src/consequences/evidence-log.js";
import { KvmDriver } from "../../../src/consequences/kvm/driver.js";
import { El2 } from "../../../src/consequences/kvm/el2.js";
import type { GuestCall } from "../../../src/consequences/kvm/guest-calls.js";
import { LinuxHost } from "../../../src/consequences/linux-host.js";
import { PageAllocator } from "../../../src/scenario/systems/linux/page-allocator.js";
import { PkvmHardware } from "../../../src/scenario/systems/pkvm/hardware.js";
import { bootedMachine, MEMORY } from "../../../src/scenario/systems/pkvm/machine.js";

const IPA = 0x8000_0000n;

async function setUp(isProtected: boolean) {
  const { machine } = (await bootedMachine()).hold();
  if (machine.config.kind !== "pkvm") throw new Error("no pKVM host");
  const log = new EvidenceLog();
  const el2 = new El2(machine, log);
  const frames = new PageAllocator(machine, MEMORY.start, machine.config.hyp_carveout.base);
  const host = new LinuxHost({
    ...{ hardware: new PkvmHardware(el2, log), log, frames, memoryStart: MEMORY.start, pageSize: machine.pageSize },
    ...{ kernel: "linux-7.3", pkvm: true },
  });
  const driver = new KvmDriver(el2, host, machine.config, frames);
  host.attach(driver);
  const vmm = host.createProcess({ name: "vmm", onRunFailure: "stay" });
  const vm = driver.createVm("guest", vmm, { protected: isProtected, vcpus: 1 });
  if (vm === null) throw new Error("no VM");
  vm.setSlot(IPA, host.map(vmm, { name: "ram", backing: "anonymous" }).va);
  return { driver, vm, log };
}

// prettier-ignore
test.each<[string, boolean, GuestCall, bigint, string, bigint | null]>([
  // call                                    protected  function      x1          result               x0
  ["FEATURES: bits 0, 2, 3, 4",              true,      "features",   0n,         "ok",                29n],
  ["MEMINFO: the page size",                 true,      "meminfo",    0n,         "ok",                4096n],
  ["MEMINFO: args must be 0",                true,      "meminfo",    1n,         "INVALID_PARAMETER", null],
  ["MEM_SHARE of an IPA with no page yet",   true,      "share",      IPA,        "ok",                null],
  ["MEM_SHARE, unaligned",                   true,      "share",      IPA + 8n,   "INVALID_PARAMETER", null],
  ["pkvm-el2 6: MEM_SHARE where no slot is", true,      "share",      0n,         "guest SEA",         null],
  ["MEM_UNSHARE of what is not shared",      true,      "unshare",    IPA,        "INVALID_PARAMETER", null],
  ["MMIO_GUARD: the host's -1",              true,      "mmioGuard",  IPA,        "NOT_SUPPORTED",     null],
  ["observed 3: any, in a normal VM",        false,     "share",      IPA,        "NOT_SUPPORTED",     null],
])("2.7 %s", async (_row, isProtected, call, x1, result, value) => {
  const { driver, vm } = await setUp(isProtected);
  expect(driver.call(vm, 0, call, x1)).toMatchObject({ result, value });
});

test("2.7 share and unshare end inside EL2: no exit that the VMM sees", async () => {
  const { driver, vm, log } = await setUp(true);
  driver.touch(vm, 0, { ipa: IPA, kind: "store", value: 1n });
  log.take();
  driver.call(vm, 0, "share", IPA);
  driver.call(vm, 0, "unshare", IPA);
  expect(log.take().filter((entry) => entry.kind === "saw" && entry.party === "vmm")).toEqual([]);
});
