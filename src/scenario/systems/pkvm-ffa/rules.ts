// What is known of memory lent through pKVM's FF-A proxy to a secure partition of Hafnium's (reference host-and-vmm 6A and the
// rows FF of section 7).

import type { Citation, Rule } from "../../../consequences/evidence.js";
import { hostRule } from "../../../consequences/rule-table.js";

const PROXY = "arch/arm64/kvm/hyp/nvhe/ffa.c";

export const RULES = {
  keepsMapping: hostRule(
    "pkvm.ffa.keeps-mapping",
    "share and lend are one to EL2's proxy: pages become SHARED_OWNED, and the host's stage-2 mapping stays",
    "6A",
    "S",
    `${PROXY}:do_ffa_mem_xfer`,
  ),
  open: hostRule(
    "pkvm.ffa.open",
    "without firmware that changes the security state a lend succeeds and protects nothing: the host's access goes through",
    "6A",
    "S",
    "Hafnium src/ffa_memory.c",
  ),
  moved: hostRule(
    "pkvm.ffa.moved",
    "what is lent by the normal world moves to the secure physical address space",
    "6A",
    "S",
    "Hafnium src/ffa_memory.c",
  ),
  retrieved: hostRule(
    "pkvm.ffa.retrieved",
    "a partition reaches what it has retrieved, through the table that the SPMC keeps for it",
    "6A",
    "S",
    "Hafnium src/ffa_memory.c:ffa_memory_retrieve",
  ),
  errno: hostRule(
    "linux.ffa.errno",
    "the FF-A driver turns DENIED into -EACCES, NOT_SUPPORTED into -EOPNOTSUPP, INVALID_PARAMETERS into -EINVAL, BUSY into -EBUSY",
    "6A",
    "S",
    "drivers/firmware/arm_ffa/driver.c",
  ),
  stillHeld: hostRule(
    "pkvm.ffa.still-held",
    "the host cannot seize: memory that a partition has retrieved is not reclaimed",
    "7.6",
    "S",
    "Hafnium src/ffa_memory.c:ffa_memory_reclaim",
  ),
  notBack: hostRule(
    "pkvm.ffa.not-back",
    "a borrower cannot share back through the handle what it has borrowed",
    "7.8",
    "S",
    "Hafnium src/ffa_memory.c:ffa_memory_is_send_valid",
  ),
  clears: hostRule(
    "pkvm.ffa.clears",
    "the flag of a reclaim decides whether the host gets content or zeros",
    "7.12",
    "S",
  ),
  notThroughVa: hostRule(
    "pkvm.ffa.not-through-va",
    "the pages belong to the driver's transaction, not to the VMM's addresses: nothing changes until the driver reclaims",
    "7.10",
    "U",
  ),
  driverRelease: hostRule(
    "pkvm.ffa.driver-release",
    "when the process ends its driver reclaims; what a partition still holds stays lent",
    "7.11",
    "U",
  ),
  partitionFault: hostRule(
    "pkvm.ffa.partition-fault",
    "a partition that touches what it did not retrieve is aborted, or takes the abort",
    "7.7",
    "U",
  ),
  partitionCrash: hostRule(
    "pkvm.ffa.partition-crash",
    "what a partition held when it ended its manager gives back, and the owner may reclaim",
    "7.12",
    "U",
  ),
  dmaOpen: hostRule("pkvm.ffa.dma-open", "no filter stands between a device and memory that is lent", "7.5", "U"),
  dmaGranule: hostRule(
    "pkvm.ffa.dma-granule",
    "the system's memory-management unit must check granules for its devices, and stops this one",
    "7.5",
    "U",
  ),
} as const;

const ERRNOS: ReadonlyMap<string, string> = new Map([
  ["DENIED", "EACCES"],
  ["NOT_SUPPORTED", "EOPNOTSUPP"],
  ["INVALID_PARAMETERS", "EINVAL"],
  ["BUSY", "EBUSY"],
]);

/** What Linux's FF-A driver makes of an error; null where the reference does not say. */
export function linuxErrno(error: string): string | null {
  return ERRNOS.get(error) ?? null;
}

const UNVERIFIED_HERE: ReadonlyMap<string, Citation> = new Map([
  ["call.offline_memory", { page: "host-and-vmm", section: "7.13", mark: "U" }],
]);

/** Of these the reference says something else about a host that lends memory than about any host. */
export function asOfLender(rule: Rule): Rule {
  const citation = UNVERIFIED_HERE.get(rule.id);
  return citation === undefined ? rule : { ...rule, citation };
}
