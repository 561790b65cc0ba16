// Bugs of pKVM's hypervisor: ownership, initialisation and life cycle (reference bugs.md 1.1).

import * as mutations from "../../../assembly/abi/mutations.js";
import { DRAM, hostFaultDomain } from "../host-fault-domain.js";
import { PKVM_PRESETS, pkvmDomain, type PkvmSizes } from "../pkvm-domain.js";
import type { Bug } from "./bug.js";

const ONE_PROTECTED: PkvmSizes = PKVM_PRESETS.tiny;
const ONE_ORDINARY: PkvmSizes = { ...ONE_PROTECTED, vms: [false] };
const MAKING_ONE: PkvmSizes = { ...ONE_PROTECTED, makesVms: true };
/** A vCPU that is loaded and has table pages, so that the first call about a page is the one that counts. */
const RUNNING_PROTECTED: PkvmSizes = { ...ONE_PROTECTED, running: true };
const RUNNING_ORDINARY: PkvmSizes = { ...ONE_ORDINARY, running: true };

const tiny = () => pkvmDomain(ONE_PROTECTED);
const booted = () => ({ ...tiny(), privateRange: true });

// In the order of the reference.
export const PKVM_BUGS: readonly Bug[] = [
  {
    name: "unmapped-counts-as-owned",
    section: "2.1",
    classes: ["S"],
    source: "5.17-era → 6.4 (09cce60bddd6), CVE-2023-21264",
    mistake: "what the host's table knows nothing of is taken for the host's own memory, firmware's carve-outs too",
    breaks: "ownership (I9, I10)",
    search: {
      mutation: mutations.UNMAPPED_COUNTS_AS_OWNED,
      domain: () => pkvmDomain({ ...ONE_PROTECTED, firmwarePage: true }),
      kind: "invariant",
    },
  },
  {
    name: "hyp-stack-host-owned",
    section: "2.1",
    classes: ["S"],
    source: "≤7.2.8, ≤6.12.116 → 7.2.9, 6.12.117, 7.3 (3a8c562892b9, cfe80c3837f9)",
    mistake:
      "the walk that takes EL2's pages from the host sees only the linear map, and the stacks are mapped elsewhere",
    breaks: "confidentiality and integrity of EL2 (I2, I15, I22)",
    search: { mutation: mutations.HYP_STACK_HOST_OWNED, domain: booted, kind: "invariant" },
  },
  {
    name: "text-by-permission",
    section: "2.1",
    classes: ["S"],
    source: "→ 7.3, 7.2.9 (5a8b505ede13)",
    mistake: "EL2's text is told by its permissions and not by its address, and there is a page of other code",
    breaks: "what the host may look at (I12, I15, I22)",
    search: { mutation: mutations.TEXT_BY_PERMISSION, domain: booted, kind: "invariant" },
  },
  {
    name: "init-walk-two-aliases",
    section: "2.1",
    classes: ["S"],
    source: "5.14 → 5.16 (50a8d3315960)",
    mistake:
      "the walk at boot visits a page once for each address that EL2 has for it, and the second time finds it changed",
    breaks: "boot: EL2's initialisation fails",
    search: { mutation: mutations.INIT_WALK_TWO_ALIASES, domain: booted, kind: "panic" },
  },
  {
    name: "host-scans-hyp-sections",
    section: "2.4",
    classes: ["S"],
    source: "5.13 → 5.15 (47e6223c841e)",
    mistake: "the kernel's leak scanner reads sections that have become EL2's, which stopped EL2 then",
    breaks: "the host touches what is EL2's (T4)",
    search: {
      mutation: mutations.HOST_SCANS_HYP_SECTIONS,
      domain: () => pkvmDomain({ ...ONE_PROTECTED, extras: ["hostReads"] }),
      kind: "panic",
    },
  },
  {
    name: "privileged-calls-after-finalise",
    section: "2.4",
    classes: ["S"],
    source: "5.13 → 5.15 (057bed206f70, 07036cffe17e, 8579a185baca)",
    mistake: "calls that only boot needs stay open to the host once protection is on",
    breaks: "everything: EL2 is initialised again by the host",
    search: {
      mutation: mutations.PRIVILEGED_CALLS_AFTER_FINALISE,
      domain: () => pkvmDomain({ ...ONE_ORDINARY, el2Calls: ["boot"] }),
      kind: "invariant",
    },
  },
  {
    name: "hyp-side-check-debug-only",
    section: "2.1",
    classes: ["S"],
    source: "5.17 (reachable since 6.6) → between 6.13 and 7.2; in 6.12.117",
    mistake:
      "EL2's own state of a page is compared in debug builds alone, so that a page the secure world has can be unshared",
    breaks: "half a transition; the host stops the machine",
    search: {
      mutation: mutations.HYP_SIDE_CHECK_DEBUG_ONLY,
      domain: () => pkvmDomain({ ...ONE_PROTECTED, extras: ["shareFfa"] }),
      kind: "panic",
    },
  },
  {
    name: "share-guest-before-memcache-check",
    section: "2.2",
    classes: ["S"],
    source: "6.14-era → 7.1 (8234409ffb65)",
    mistake: "the page is marked shared before the vCPU's table pages are counted, and the guest's map fails",
    breaks: "half a transition; the host stops the machine",
    search: {
      mutation: mutations.SHARE_GUEST_BEFORE_MEMCACHE_CHECK,
      domain: () => pkvmDomain(ONE_ORDINARY),
      kind: "panic",
    },
  },
  {
    name: "donate-guest-before-memcache-check",
    section: "2.2",
    classes: ["S"],
    source: "7.1-rc → 7.1 (effc0a39b8e0)",
    mistake: "the host loses the page before the vCPU's table pages are counted, and the guest's map fails",
    breaks: "half a transition; the host stops the machine",
    search: { mutation: mutations.DONATE_GUEST_BEFORE_MEMCACHE_CHECK, domain: tiny, kind: "panic" },
  },
  {
    name: "memcache-unaligned-head",
    section: "2.2",
    classes: ["S"],
    source: "≤6.12 → before 7.2",
    mistake: "a table page is zeroed from the address that the host gave, which need not be where the page begins",
    breaks: "integrity of the next page",
    search: {
      mutation: mutations.MEMCACHE_UNALIGNED_HEAD,
      domain: () =>
        pkvmDomain({
          ...RUNNING_PROTECTED,
          ...{ neighbour: true, gfns: 2, gfnStride: 512n, quietHost: true, extras: ["unalignedTablePage"] },
        }),
      kind: "integrity",
    },
  },
  {
    name: "pfn-count-overflow",
    section: "2.2",
    classes: ["S"],
    source: "Android and upstream → 2025; CVE-2025-48637, CVE-2026-0031",
    mistake: "frame number and count are multiplied before they are bounded; checks see the product modulo 2^64",
    breaks: "EL2 writes page states beyond the vmemmap",
    search: {
      mutation: mutations.PFN_COUNT_OVERFLOW,
      domain: () => pkvmDomain({ ...RUNNING_ORDINARY, extras: ["wrappedShares"] }),
      kind: "panic",
    },
  },
  {
    name: "share-guest-count-overflow",
    section: "2.2",
    classes: ["S"],
    source: "→ 2026-03, CVE-2026-0028",
    mistake: "the count of a share is multiplied before it is bounded; checks see the product modulo 2^64",
    breaks: "EL2 writes page states beyond the vmemmap",
    search: {
      mutation: mutations.SHARE_GUEST_COUNT_OVERFLOW,
      domain: () => pkvmDomain({ ...RUNNING_ORDINARY, extras: ["wrappedShares"] }),
      kind: "panic",
    },
  },
  {
    name: "range-check-one-end",
    section: "2.2",
    classes: ["S"],
    source: "→ 2026-03, CVE-2026-0030",
    mistake: "only the first page of a range is looked up in the map of memory",
    breaks: "page states beyond a region",
    search: {
      mutation: mutations.RANGE_CHECK_ONE_END,
      domain: () => pkvmDomain({ ...MAKING_ONE, extras: ["vmAtTheEnd"] }),
      kind: "panic",
    },
  },
  {
    name: "init-vm-late-failure",
    section: "2.2",
    classes: ["S"],
    source: "6.18 → 7.2 (20d2753295b1)",
    mistake: "a VM that cannot be entered into the table leaves a reference on its root, which goes back to the host",
    breaks: "references on the host's pages (I24)",
    search: { mutation: mutations.INIT_VM_LATE_FAILURE, domain: () => pkvmDomain(MAKING_ONE), kind: "panic" },
  },
  {
    name: "donate-host-ignores-refcount",
    section: "2.2",
    classes: ["S"],
    source: "→ 7.2 (5c30c9fc117c, hardening)",
    mistake:
      "pages in use go back to the host without a word; shown with init-vm-late-failure, which leaves such pages",
    breaks: "references on the host's pages (I24)",
    search: { mutation: mutations.DONATE_HOST_IGNORES_REFCOUNT, domain: () => pkvmDomain(MAKING_ONE), kind: "refusal" },
  },
  {
    name: "pool-stale-order",
    section: "2.3",
    classes: ["S"],
    source: "→ 7.2 (6835fbed39bb)",
    mistake: "a page that was the head of a block goes on saying so under its next owner, and is freed as that block",
    breaks: "the allocator; others' pages are zeroed (I20)",
    search: {
      mutation: mutations.POOL_STALE_ORDER,
      domain: () => pkvmDomain({ ...ONE_ORDINARY, vms: [false, false], usedRoot: true, quietHost: true }),
      kind: "invariant",
    },
  },
  {
    name: "host-pgd-tail-refcount",
    section: "2.3",
    classes: ["S"],
    source: "5.13 → 5.15 (1d58a17ef545; since 1025c8c0c6ac)",
    mistake: "the pages of a concatenated root stay one block, and only its first page has a count",
    breaks: "the root is freed while in use (I17)",
    search: { mutation: mutations.HOST_PGD_TAIL_REFCOUNT, domain: tiny, kind: "invariant" },
  },
  {
    name: "init-vcpu-pin-leak",
    section: "2.2",
    classes: ["S"],
    source: "→ 7.1 (73b9c1e5da84; since 49af6ddb8e5c)",
    mistake: "a vCPU that is refused after its host's page was pinned leaves the pin",
    breaks: "a pin for ever (I23)",
    search: {
      mutation: mutations.INIT_VCPU_PIN_LEAK,
      domain: () => pkvmDomain({ ...ONE_PROTECTED, extras: ["vcpuBeyond"] }),
      kind: "refusal",
    },
  },
  {
    name: "sve-unpin-by-flag",
    section: "2.2",
    classes: ["S"],
    source: "→ 7.2.9, 7.3 (0d62fbf34d8f, a1b3c788ad31, 2a2eb10795a1)",
    mistake:
      "the error path unpins because there is such a buffer, not because it was pinned; the machine has no SVE state, so it is the host's vCPU page",
    breaks: "the count of a page that was never pinned",
    search: {
      mutation: mutations.SVE_UNPIN_BY_FLAG,
      domain: () => pkvmDomain({ ...ONE_PROTECTED, extras: ["vcpuUnshared"] }),
      kind: "panic",
    },
  },
  {
    name: "vcpu-kvm-pointer",
    section: "2.4",
    classes: ["S*"],
    source: "≤7.3.3 → 7.3.4 (cf533b4d3630, a2bb5f5c67a9)",
    mistake: "EL2 follows a pointer in the host's vCPU to a struct kvm that the host can change",
    breaks: "EL2 reads where the host wants",
    search: {
      mutation: mutations.VCPU_KVM_POINTER,
      domain: () => pkvmDomain({ ...ONE_ORDINARY, el2Calls: ["vcpu"] }),
      kind: "pointer",
    },
  },
  {
    name: "adjust-pc-unpinned",
    section: "2.4",
    classes: ["S*"],
    source: "≤7.3.3 → 7.3.4 (cf533b4d3630, a2bb5f5c67a9)",
    mistake: "EL2 adjusts the PC of a vCPU at an address that the host gives, pinned or not",
    breaks: "EL2 writes to a page that it has not pinned",
    search: {
      mutation: mutations.ADJUST_PC_UNPINNED,
      domain: () => pkvmDomain({ ...ONE_ORDINARY, el2Calls: ["vcpu"] }),
      kind: "pointer",
    },
  },
  {
    name: "vgic-raw-pointer",
    section: "2.4",
    classes: ["S*"],
    source: "≤7.2 → 7.3",
    mistake: "calls of the interrupt controller take an address from the host",
    breaks: "EL2 reads and writes at an address of the host's choice",
    search: {
      mutation: mutations.VGIC_RAW_POINTER,
      domain: () => pkvmDomain({ ...ONE_ORDINARY, el2Calls: ["vcpu"] }),
      kind: "pointer",
    },
  },
  {
    name: "host-abort-panics",
    section: "2.4",
    classes: ["S"],
    source: "≤6.12 → 7.1-era",
    mistake: "an access that the host may not make is a BUG at EL2",
    breaks: "a user process of the host stops the machine",
    search: {
      mutation: mutations.HOST_ABORT_PANICS,
      domain: () => pkvmDomain(RUNNING_PROTECTED),
      kind: "panic",
    },
  },
  {
    name: "no-fitting-granule",
    section: "2.5",
    classes: ["S"],
    source: "→ 7.0 (8531d5a83d8e)",
    mistake:
      "the search for a granule that fits ends without one where memory begins inside of a page; shown with such memory",
    breaks: "a host's access to its memory stops the machine",
    search: {
      mutation: mutations.NO_FITTING_GRANULE,
      domain: () => hostFaultDomain({ pageShift: 14, iaBits: 36, addresses: [DRAM] }),
      kind: "panic",
    },
  },
  {
    name: "fault-frame-is-4k",
    section: "2.5",
    classes: ["S"],
    source: "→ 7.0 (08f97454b7fa)",
    mistake: "the frame in the fault register is one of 4 KiB whatever the page size, and is shifted by the page size",
    breaks: "progress: another address than the one touched is mapped, and the fault comes back",
    search: {
      mutation: mutations.FAULT_FRAME_IS_4K,
      domain: () => hostFaultDomain({ pageShift: 16, iaBits: 48, addresses: [DRAM] }),
      kind: "progress",
    },
  },
  {
    name: "granule-level-off-by-one",
    section: "2.5",
    classes: ["S"],
    source: "5.13 → 6.16 (e728e705802f); in 6.12.117",
    mistake: "a granule is taken if blocks are allowed one level below its own",
    breaks: "512 leaves for one fault",
    search: {
      mutation: mutations.GRANULE_LEVEL_OFF_BY_ONE,
      domain: () => hostFaultDomain({ pageShift: 12, iaBits: 48, addresses: [1n << 40n] }),
      kind: "refinement",
    },
  },
  {
    name: "finalise-before-fixmap",
    section: "2.1",
    classes: ["S"],
    source: "→ 7.1 (5bb0aed57ba9)",
    mistake: "pages are taken from the host before EL2 has the mapping through which it cleans them",
    breaks: "boot: EL2 faults",
    search: { mutation: mutations.FINALISE_BEFORE_FIXMAP, domain: tiny, kind: "panic" },
  },
  {
    name: "memcache-topup-unbounded",
    section: "2.2",
    classes: ["S"],
    source: "reported by the pKVM specification work",
    mistake: "a refill takes all pages that the host lists, however many EL2 needs",
    breaks: "time at EL2; pages that nobody asked for",
    search: {
      mutation: mutations.MEMCACHE_TOPUP_UNBOUNDED,
      domain: () => pkvmDomain({ ...RUNNING_PROTECTED, tablePages: 2, quietHost: true }),
      kind: "refinement",
    },
  },
  {
    name: "linear-map-over-io",
    section: "2.1",
    classes: ["S"],
    source: "reported by the pKVM specification work",
    mistake: "on a machine with much memory EL2's private range begins inside of its linear map",
    breaks: "EL2's mappings overlap (I22, I24)",
    search: { mutation: mutations.LINEAR_MAP_OVER_IO, domain: booted, kind: "invariant" },
  },
  {
    name: "trace-descriptor-bounds",
    section: "2.2",
    classes: ["S"],
    source: "CVE-2025-48638; 7.2 and 7.4-rc (cf9cf059b8f3, 086f86286b5e)",
    mistake:
      "the tracing buffers that the host lists are checked one by one as they are pinned, and a load that fails halfway keeps its pins",
    breaks: "pages stay pinned for ever (I23); Android's EL2 also wrote out of bounds",
    search: {
      mutation: mutations.TRACE_DESCRIPTOR_BOUNDS,
      domain: () => pkvmDomain({ ...ONE_ORDINARY, el2Calls: ["tracing"] }),
      kind: "refusal",
    },
  },
];
