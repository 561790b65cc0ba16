// The end of a VM, when its VMM dies or closes the last descriptor (kvm/pkvm.c:pkvm_pgtable_stage2_destroy_range,
// kvm/arm.c:kvm_arch_destroy_vm; reference host-and-vmm 2.8, observed 5).

import type { Outcome } from "../../machine/machine.js";
import type { LinuxHost } from "../linux-host.js";
import { hostRule, observedRule } from "../rule-table.js";
import { ANDROID_RULES } from "./el2-features.js";
import type { KvmVm, Mapping } from "./vm.js";

const DESTROY = "arch/arm64/kvm/pkvm.c:pkvm_pgtable_stage2_destroy_range";

const TEARDOWN_RULES = {
  start: observedRule("kvm.teardown.start", "the VM is dying: no vCPU of it can be loaded any more", "5", DESTROY),
  reclaim: observedRule(
    "kvm.teardown.reclaim",
    "each recorded page goes back, in gfn order: private ones zeroed, shared ones as they are, seized ones are back already",
    "5",
    DESTROY,
  ),
  failed: hostRule(
    "kvm.teardown.reclaim-failed",
    "a page that cannot be reclaimed is warned about and left behind: pinned, charged, inaccessible",
    "2.8",
    "S",
    DESTROY,
  ),
  unshare: observedRule("kvm.teardown.unshare", "a normal VM's pages are unshared, page by page", "5", DESTROY),
  finalize: observedRule(
    "kvm.teardown.finalize",
    "tables and metadata of the VM go back to the host, which then takes back its own structures",
    "5",
    "arch/arm64/kvm/arm.c:kvm_arch_destroy_vm",
  ),
} as const;

/** Ends the VM. Does nothing for a VM that has ended. */
export function destroyVm(vm: KvmVm, host: LinuxHost): void {
  if (!vm.alive) return;
  vm.alive = false;
  // A vCPU in the guest leaves it first (a kick, or the signal that ends the process).
  vm.hyp.put();
  if (vm.hyp.isCreated) returnMemory(vm, host);
  host.log.rule(TEARDOWN_RULES.finalize);
  vm.hyp.finalize();
  host.noteDeath(vm.name);
}

function returnMemory(vm: KvmVm, host: LinuxHost): void {
  host.log.rule(TEARDOWN_RULES.start);
  vm.hyp.startTeardown();
  const mappings = [...vm.mappings.values()].sort((a, b) => Number(a.ipa - b.ipa));
  if (mappings.length > 0) host.log.rule(vm.isProtected ? TEARDOWN_RULES.reclaim : TEARDOWN_RULES.unshare);
  for (const mapping of mappings) {
    if (vm.isProtected) reclaim(vm, mapping, host);
    else vm.hyp.unshare(mapping.ipa);
  }
  vm.mappings.clear();
}

function reclaim(vm: KvmVm, { ipa, frame }: Mapping, host: LinuxHost): void {
  if (reclaimDying(vm, ipa, host).ret < 0) host.log.rule(TEARDOWN_RULES.failed);
  else host.unpin(vm.vmm, frame);
}

/** What the guest lent to the secure world comes back only when EL2 has ended that. */
function reclaimDying(vm: KvmVm, ipa: bigint, host: LinuxHost): Outcome {
  const outcome = vm.hyp.reclaimDying(ipa);
  if (outcome.errno !== "EBUSY") return outcome;
  host.log.rule(ANDROID_RULES.ffaRelease);
  vm.hyp.releaseFfa(ipa);
  return vm.hyp.reclaimDying(ipa);
}
