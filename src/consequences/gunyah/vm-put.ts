// The end of a VM, when its VMM dies or closes the last descriptor (_gunyah_vm_put; reference host-and-vmm 6.6).

import type { LinuxHost } from "../linux-host.js";
import { hostRule } from "../rule-table.js";
import type { DemandPaging } from "./demand-paging.js";
import type { LinuxVm } from "./linux-vm.js";

const PUT = "drivers/virt/gunyah:_gunyah_vm_put";

export const PUT_RULES = {
  stop: hostRule("gunyah-linux.put.stop", "the VM is stopped: no vCPU of it runs any more", "6.6", "S", PUT),
  bindings: hostRule("gunyah-linux.put.bindings", "then its functions and its bindings are removed", "6.6", "S", PUT),
  range: hostRule(
    "gunyah-linux.put.reclaim-range",
    "then all pages that it was given are reclaimed, in the order of their addresses",
    "6.6",
    "S",
    PUT,
  ),
  content: hostRule("gunyah-linux.put.content", "shared pages come back with their content", "7.11", "S", PUT),
  reset: hostRule(
    "gunyah-linux.put.reset",
    "tickets are released, the resource manager resets the VM, and its VMID is free",
    "6.6",
    "S",
    PUT,
  ),
} as const;

/** What the host finds afterwards in a page that had been lent. */
export const LENT_CONTENT = hostRule(
  "gunyah-linux.put.lent-content",
  "lent pages come back as they are unless somebody asked for zeros; whether those of a protected VM are zeroed is unverified",
  "7.11",
  "U",
  PUT,
);

/** Ends the VM. Does nothing for a VM that has ended. */
export function putVm(vm: LinuxVm, host: LinuxHost, paging: DemandPaging): void {
  if (!vm.alive) return;
  const { log } = host;
  log.rule(PUT_RULES.stop);
  vm.alive = false;
  log.rule(PUT_RULES.bindings);
  vm.bindings.clear();
  if (vm.provided.size > 0) {
    log.rule(PUT_RULES.range);
    if (vm.pages.some(({ lent }) => !lent)) log.rule(PUT_RULES.content);
  }
  paging.reclaimAll(vm);
  log.rule(PUT_RULES.reset);
  vm.objects.releaseTickets();
  vm.objects.destroy();
  host.noteDeath(vm.name);
}
