// What a VMM does with the answer of its run ioctl: reference host-and-vmm 3.

import { expect, test } from "vitest";
import { EvidenceLog } from "../../src/consequences/evidence-log.js";
import { afterRun, runErrno } from "../../src/consequences/vmm.js";
import { scriptedHost } from "./scripted-host.js";

// prettier-ignore
test.each<[string, "exit" | "stay", string]>([
  ["KVM_RUN EFAULT",              "exit", "exit"],
  ["KVM_RUN EFAULT MEMORY_FAULT", "exit", "exit"],
  ["KVM_RUN EPERM",               "exit", "exit"],
  ["KVM_RUN EINTR",               "exit", "again"],
  ["KVM_RUN EAGAIN",              "exit", "again"],
  ["KVM_RUN MMIO",                "exit", "again"],
  ["KVM_RUN EFAULT",              "stay", "leave-vcpu"],
  ["VCPU_RUN PAGE_FAULT ENOENT",  "exit", "again"],
])("%s, policy %s: %s", (result, policy, expected) => {
  expect(afterRun(result, policy, new EvidenceLog())).toBe(expected);
});

test("the errno of a run that failed", () => {
  expect([runErrno("KVM_RUN EFAULT"), runErrno("KVM_RUN MMIO"), runErrno("ok")]).toEqual(["EFAULT", null, null]);
});

test("kvmtool exits, and its VMs go with it", () => {
  const { host, driver } = scriptedHost();
  const vmm = host.createProcess({ name: "vmm" });
  host.runReturned(vmm, "KVM_RUN EFAULT");
  expect(host.deaths).toEqual(["vmm"]);
  expect(driver.heard).toEqual(["exit vmm"]);
});
