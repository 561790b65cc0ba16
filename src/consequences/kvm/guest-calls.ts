// Hypercalls that a guest makes about its own memory (nvhe/pkvm.c:kvm_handle_pvm_hvc64; reference host-and-vmm 2.7, observed 3).

import type { Outcome } from "../../machine/machine.js";
import { hostRule, observedRule } from "../rule-table.js";

/** Function ids. */
export const GUEST_CALLS = {
  features: 0x8600_0000n,
  meminfo: 0xc600_0002n,
  share: 0xc600_0003n,
  unshare: 0xc600_0004n,
  mmioGuard: 0xc600_0007n,
  relinquish: 0xc600_0009n,
} as const;
export type GuestCall = keyof typeof GUEST_CALLS;

/** SMCCC results by the value of x0, as a guest reads it. */
const SMCCC_RESULTS: ReadonlyMap<bigint, string> = new Map([
  [0n, "ok"],
  [-1n, "NOT_SUPPORTED"],
  [-3n, "INVALID_PARAMETER"],
]);

const HANDLER = "arch/arm64/kvm/hyp/nvhe/pkvm.c:kvm_handle_pvm_hvc64";

export const CALL_RULES = {
  inEl2: hostRule(
    "kvm.hvc.in-el2",
    "share and unshare end inside EL2: no exit, and nobody of the host is told",
    "2.7",
    "M",
    HANDLER,
  ),
  repeated: observedRule(
    "kvm.hvc.repeated",
    "there is no page yet: EL2 shows the host a made-up write fault (FAR 0), and the call is repeated after the donation",
    "3",
    HANDLER,
  ),
  notProtected: observedRule(
    "kvm.hvc.normal-vm",
    "a normal VM's call reaches the host's KVM, which does not know it: -1",
    "3",
    "arch/arm64/kvm/hypercalls.c:kvm_smccc_call_handler",
  ),
  unknown: hostRule(
    "kvm.hvc.unknown",
    "EL2 does not know the function, nor does the host's KVM: -1",
    "2.7",
    "M",
    "arch/arm64/kvm/hypercalls.c:kvm_smccc_call_handler",
  ),
} as const;

/** What a call that EL2 handled left in x0. */
export function callAnswer(outcome: Outcome): { readonly result: string; readonly value: bigint } {
  const value = BigInt.asIntN(64, outcome.details.registers?.[0] ?? 0n);
  return { result: SMCCC_RESULTS.get(value) ?? (value > 0n ? "ok" : String(value)), value };
}
