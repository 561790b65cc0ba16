// Who makes a step: whom a finding can be blamed on, and who could cause it on a real machine.

import { vmName } from "../machine/gunyah-names.js";
import { GUNYAH_OPERATIONS } from "../machine/gunyah-operations.js";
import { RESOURCE_MANAGER_OPERATIONS } from "../machine/gunyah-rm-operations.js";
import { FFA_NON_SECURE_TABLE } from "../../assembly/abi/ffa.js";
import { endpointName } from "../machine/ffa-effects.js";
import type { Step } from "./domain.js";
import { isUserCall } from "./user-calls.js";

/**
 * `host`: its kernel, by a hypercall or by what it does with its own memory. `user`: a program of the host's. `guest`: a VM, by a
 * hypercall or an access. `hypervisor`: nobody, as EL2 calls its own function with nothing like this. `endpoint`: of FF-A, but
 * for the normal world. `secure world`: its manager, which answers. `manager`: a partition manager's own code.
 */
export type Actor = "host" | "user" | "guest" | "hypervisor" | "endpoint" | "secure world" | "manager";

/** Functions of EL2's that the host reaches only through other calls, with arguments that EL2 chooses or has checked. */
const INTERNAL: ReadonlySet<string> = new Set([
  "host_donate_hyp",
  "hyp_donate_host",
  "host_share_ffa",
  "host_unshare_ffa",
  "hyp_pin_shared_mem",
  "hyp_unpin_shared_mem",
  "host_share_guest",
  "host_unshare_guest",
  "host_wrprotect_guest",
  "host_relax_perms_guest",
  "host_test_clear_young_guest",
  "host_mkyoung_guest",
  "host_donate_guest",
  "host_reclaim_page_guest",
  "vcpu_in_poison_fault",
  "refill_memcache",
]);

// ESR_EL2.EC of aborts from a lower exception level, which alone lead to host_abort (reference pkvm-el2 section 4.1).
const EC_IABT_LOW = 0x20n;
const EC_DABT_LOW = 0x24n;
/** FF-A's endpoint 0. */
const NORMAL_WORLD = 0;
/** SPSR_EL2.M[3:0]: 0 is EL0. */
const SPSR_MODE = 0xfn;

/** Who makes the step. */
export function actorOf(step: Step): Actor {
  if (step.op === "access") return step.access.stage2 === "host" ? "host" : "guest";
  if (step.op === "false_answer") return "secure world";
  if (step.op.startsWith("ffa_mm_")) return "manager";
  if (step.op.startsWith("ffa_")) return vmOf(step) === NORMAL_WORLD ? "host" : "endpoint";
  if (step.op === "host_abort") return whoFaults(BigInt(step.esr), BigInt(step.spsr));
  if (isUserCall(step)) return "user";
  if (step.op.startsWith("guest_") || isRealms(step)) return "guest";
  return INTERNAL.has(step.op) ? "hypervisor" : "host";
}

function whoFaults(esr: bigint, spsr: bigint): Actor {
  const ec = (esr >> 26n) & 0x3fn;
  if (ec !== EC_IABT_LOW && ec !== EC_DABT_LOW) return "hypervisor";
  return (spsr & SPSR_MODE) === 0n ? "user" : "host";
}

/** The same in words, with the VM's handle. */
export function callerOf(step: Step): string {
  if (isGunyahs(step)) return vmName(vmOf(step));
  switch (actorOf(step)) {
    case "host":
      return "the host";
    case "user":
      return "a program of the host's";
    case "guest":
    case "endpoint":
      return isRealms(step) ? "the realm" : endpointName(vmOf(step) & ~FFA_NON_SECURE_TABLE);
    case "secure world":
      return "an SPMC that answers falsely";
    case "hypervisor":
      return "nobody: EL2 calls its own function with nothing like this";
    case "manager":
      return "a partition manager, in whatever call makes it change its tables so";
  }
}

// Calls that a realm's REC makes.
const isRealms = ({ op }: Step): boolean => /^(rsi_|psci_|realm_abort$)/.test(op);

/** The same of a whole way: its last step shows it, and an SPMC that lies has its part in it. */
export function causedBy(steps: readonly Step[]): string | null {
  const last = steps.at(-1);
  if (last === undefined) return null;
  const liar = steps.find((step) => actorOf(step) === "secure world");
  return liar === undefined ? callerOf(last) : `${callerOf(last)}, and ${callerOf(liar)}`;
}

/** Of Gunyah's calls the VMID says who makes them; the host is one of them. */
const isGunyahs = ({ op }: Step): boolean =>
  Object.hasOwn(GUNYAH_OPERATIONS, op) || Object.hasOwn(RESOURCE_MANAGER_OPERATIONS, op);

function vmOf(step: Step): number {
  if (step.op === "access") return step.access.stage2 === "host" ? 0 : step.access.stage2;
  return "vm" in step ? Number(step.vm) : 0;
}
