// The machines on which unmodified pKVM 7.3 can be stopped, and the calls that lead there: all that was recorded from the real
// EL2 (golden vectors pkvm, section 2.1), by the calls of the host's that lead to them where there are any, and by EL2's own
// functions and with syndromes that no exception has, as recorded (caller.ts tells them apart).
//
// One VM slot for VMs of either kind, ended also without giving their pages back: a page left behind (T7 of reference 5.7) is
// how a reused handle becomes dangerous. The host's table pool has no page to spare, and one page of memory is where it would
// need one.

import type { Operation } from "../machine/operations.js";
import type { Domain, Step } from "./domain.js";
import { pkvmDomain } from "./pkvm-domain.js";

const PAGE = 0x1000n;
/** The first frame and address behind the IPA space of 32 bits. */
const BEYOND_GFN = 0x10_0000n;
const BEYOND = BEYOND_GFN * PAGE;
/** Below all memory. */
const DEVICE_PFN = 0x9000n;
/** In a block of 2 MiB of its own. */
const FAR_PFN = 0x4_0200n;
/** The root's four pages, and the table of the block that has everything else. */
const TIGHT_POOL = 5;
/** EL2's debug build keeps 32 pages for its own test. */
const DEBUG_CARVEOUT_PAGES = 96n;

const VM = 0x1000;
const GFN = 0x8_0000n;
/** Read, and execute for EL1 alone: what a CPU without FEAT_XNX cannot tell from execute for nobody. */
const PRIVILEGED_EXECUTE = 0x9n;

/** Linux 7.3 as shipped. */
export function panicDomain(): Domain {
  const base = pkvmDomain({ pages: 2, tablePages: 1, vms: [true], gfns: 1, makesVms: true });
  const [region, firmware] = base.config.regions;
  const { hyp_carveout: carveout } = base.config;
  if (region === undefined || firmware === undefined || carveout === undefined) throw new Error("no memory to search");
  const regions = [region, firmware, { base: FAR_PFN * PAGE, size: PAGE }];
  return {
    ...base,
    config: { ...base.config, regions, host_s2_pool_pages: TIGHT_POOL },
    pages: [...base.pages, { pfn: FAR_PFN }],
    steps: [
      ...base.steps.filter(isNeeded).flatMap(ofEitherKind),
      ...hostPanics(BigInt(carveout.base)),
      ...internalPanics(),
    ],
    rules: ["panic"],
    abandons: true,
  };
}

/** The debug build (CONFIG_NVHE_EL2_DEBUG), whose assertions come first. */
export function debugPanicDomain(): Domain {
  const base = pkvmDomain({ pages: 1, tablePages: 1, vms: [false], gfns: 1 });
  const [region] = base.config.regions;
  const { hyp_carveout: carveout } = base.config;
  if (region === undefined || carveout === undefined) throw new Error("no memory to search");
  const start = BigInt(carveout.base);
  const size = DEBUG_CARVEOUT_PAGES * PAGE;
  return {
    ...base,
    config: {
      ...base.config,
      features: { el2_debug: true },
      regions: [{ base: region.base, size: start + size - BigInt(region.base) }],
      hyp_carveout: { base: start, size },
    },
    steps: [{ op: "vcpu_load", vm: VM, vcpu: 0 }, ...agingCalls(BEYOND_GFN)],
    rules: ["panic"],
  };
}

/** Pages go to a protected guest and are forced back; the VM comes and goes. */
const NEEDED: ReadonlySet<string> = new Set([
  "reserve_vm",
  "init_vm",
  "init_vcpu",
  "vcpu_load",
  "vcpu_put",
  "start_teardown_vm",
  "finalize_teardown_vm",
  "host_memcache_push_loaded",
  "hcall_donate_guest",
  "host_force_reclaim_page_guest",
]);

const isNeeded = ({ op }: Step): boolean => NEEDED.has(op);

// init_vm also for a VM that is not protected, and with a root that is not aligned to its size.
function ofEitherKind(step: Step): Step[] {
  if (step.op !== "init_vm") return [step];
  return [step, { ...step, protected: false }, { ...step, pgd_pa: BigInt(step.pgd_pa) - PAGE }];
}

function hostPanics(text: bigint): Step[] {
  return [
    { op: "host_force_reclaim_page_guest", phys: text },
    { op: "hcall_share_guest", pfn: 0x4_0000n, gfn: GFN, nr: 1, prot: PRIVILEGED_EXECUTE },
    { op: "hcall_test_clear_young_guest", vm: VM, gfn: BEYOND_GFN, nr: 1, mkold: false },
    { op: "host_memcache_push_loaded", pfn: FAR_PFN },
    { op: "access", access: { stage2: "host", ipa: BEYOND, kind: "read" } },
    abort(0x9200_0007n, BEYOND), // translation fault
    abort(0x9200_0017n, text), // external abort on the walk: there is no address to look at
    abort(0x9600_0007n, text + PAGE), // EL2's own, and an exception class that does not lead here
  ];
}

/** From EL1. */
function abort(esr: bigint, ipa: bigint): Operation {
  return { op: "host_abort", esr, spsr: 0x3c5n, far: ipa, hpfar: (ipa >> 8n) & 0xfff_ffff_fff0n, at_fail: false };
}

// Of EL2's own functions, which no hypercall calls like this.
function internalPanics(): Step[] {
  return [
    { op: "host_share_guest", vm: VM, vcpu: 0, pfn: 0x4_0000n, gfn: GFN, nr: 1, prot: PRIVILEGED_EXECUTE },
    { op: "host_donate_hyp", pfn: FAR_PFN, nr: 1 },
    { op: "hyp_unpin_shared_mem", from: 0x4_0000n * PAGE, to: 0x4_0001n * PAGE },
    { op: "hyp_donate_host", pfn: DEVICE_PFN, nr: 1 },
  ];
}

/** Permissions and ages of an ordinary VM's page, by hypercall and by function. */
function agingCalls(gfn: bigint): Step[] {
  return [
    { op: "hcall_relax_perms_guest", gfn, prot: 0xfn },
    { op: "hcall_wrprotect_guest", vm: VM, gfn, nr: 1 },
    { op: "hcall_test_clear_young_guest", vm: VM, gfn, nr: 1, mkold: false },
    { op: "hcall_mkyoung_guest", gfn },
    { op: "host_relax_perms_guest", vm: VM, vcpu: 0, gfn, prot: 0xfn },
    { op: "host_wrprotect_guest", vm: VM, gfn, nr: 1 },
    { op: "host_test_clear_young_guest", vm: VM, gfn, nr: 1, mkold: false },
    { op: "host_mkyoung_guest", vm: VM, vcpu: 0, gfn },
  ];
}
