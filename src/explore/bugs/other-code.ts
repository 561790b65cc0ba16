// Bugs of code that is no part of the machine, of Android's pKVM, and of systems that Freehold does not have (reference bugs.md
// 1.4, 1.5, 1.7).

import * as mutations from "../../../assembly/abi/mutations.js";
import { PKVM_PRESETS, pkvmDomain } from "../pkvm-domain.js";
import { tableDomain } from "../table-domain.js";
import type { Bug } from "./bug.js";

/** What the host gets wrong about itself; a search lets it make any call at any time, and asks of EL2's answers. */
const HOSTS_OWN =
  "The mistake is the host's about itself. A search has no host of its own that could make it: every call is tried.";
const NO_RMM = "Freehold has no Realm Management Monitor.";
const NO_DEVICES = "The search has no devices: accesses are the host's and guests'.";

const HOST_BUGS: readonly Bug[] = [
  {
    name: "shared-struct-page",
    section: "5",
    classes: ["S"],
    source: "before 5.17 (a83e2191b7f1)",
    mistake: "two of the host's objects lie in one page, and the first one that goes unshares the page under the other",
    breaks: "EL2 cannot pin what the host counts on",
    whyNot: HOSTS_OWN,
  },
  {
    name: "notifier-before-handle",
    section: "5",
    classes: ["S"],
    source: "→ 6.18",
    mistake: "memory-management callbacks name a VM that EL2 does not know yet, by handle 0",
    breaks: "a call that must fail, and a warning of the host's",
    whyNot: HOSTS_OWN,
  },
  {
    name: "flush-range-not-for-pkvm",
    section: "5",
    classes: ["T"],
    source: "Android 6.6, upstream → 6.14 (fce886a60207)",
    mistake: "the host flushes a range by a call that EL2 refuses, so nothing is flushed after write protection",
    breaks: "dirty logging: writes through cached translations are missed",
    search: {
      mutation: mutations.FLUSH_RANGE_NOT_FOR_PKVM,
      domain: () => tableDomain({ moves: ["share", "update"] }),
      kind: "translation",
    },
  },
  {
    name: "memcache-union",
    section: "5",
    classes: ["X"],
    source: "Android 6.12 → fixed",
    mistake: "one union holds the ordinary and the protected list of table pages",
    breaks: "the host's own memory: type confusion",
    whyNot: "Fields of the host's C structures are not modelled.",
  },
  {
    name: "memcache-pointer-uninit",
    section: "5",
    classes: ["X"],
    source: "6.14 → 6.14.7, 6.15 (a26d50f8a4a5), CVE-2025-37996",
    mistake: "after a permission fault the pointer to the list of table pages was never set",
    breaks: "the host's own memory: a wild pointer",
    whyNot: "Variables of the host's C code are not modelled.",
  },
  {
    name: "perm-fault-without-topup",
    section: "5",
    classes: ["S"],
    source: "→ 7.3",
    mistake: "the host lists no table pages before it handles a permission fault, which may need them for a block",
    breaks: "progress: the same fault for ever, and the pages that were mapped are gone",
    whyNot: HOSTS_OWN,
  },
  {
    name: "stale-vma",
    section: "5",
    classes: ["I"],
    source: "→ 6.3 (13ec9308a857)",
    mistake: "page size and rights come from a look-up made before the notifiers' sequence number was read",
    breaks: "a size or a right is mapped that is no longer so",
    whyNot: HOSTS_OWN,
  },
  {
    name: "reclaim-charges-wrong-mm",
    section: "5",
    classes: ["S"],
    source: "→ 7.2 (d098bb75d14f)",
    mistake:
      "the charge for locked guest memory is returned to the process that closes the VM, and not to the one that has it",
    breaks: "accounting of locked memory",
    whyNot: "Searches know no processes and what they are charged.",
  },
  {
    name: "pfnmap-block-size",
    section: "5",
    classes: ["S"],
    source: "→ 7.2.10",
    mistake: "the block size of a device mapping comes from the file offset, not from the stage-1 leaf",
    breaks: "a block maps frames that are somebody else's",
    whyNot: "A search has neither the stage 1 of a VMM nor files behind it.",
  },
  {
    name: "teardown-notifier-race",
    section: "5",
    classes: ["I"],
    source: "→ 7.2.9 (38b70fc453c3, 4c74e233cded, 33346f8960c7)",
    mistake: "late callbacks walk tables that teardown frees",
    breaks: "a warning, or freed tables of nested guests in use",
    whyNot: HOSTS_OWN,
  },
];

const ANDROID_BUGS: readonly Bug[] = [
  {
    name: "relinquish-unaligned",
    section: "6",
    classes: ["S"],
    source: "→ 2025-12 (525cfccadb92), CVE-2025-48610",
    mistake:
      "a guest gives a page back by an address within it: the page goes, and only what follows the address is wiped",
    breaks: "secrecy: the host reads what the guest left at the start of the page",
    search: {
      mutation: mutations.RELINQUISH_UNALIGNED,
      domain: () =>
        pkvmDomain({
          ...PKVM_PRESETS.tiny,
          variant: "android",
          running: true,
          neighbour: true,
          extras: ["relinquish"],
        }),
      kind: "secrecy",
    },
  },
  {
    name: "buddy-put-race",
    section: "6",
    classes: ["I"],
    source: "→ fixed (9f0e38b2e112)",
    mistake: "the last reference is dropped, and the page queued, in two steps of which the second alone is locked",
    breaks: "the allocator: a page freed twice, or lost",
    whyNot: "CPUs take turns where operations take and release locks; within EL2's allocator there is no such place.",
  },
  {
    name: "vcpu-partial-init",
    section: "6",
    classes: ["S"],
    source: "6.6 → fixed (2b4d43af6269)",
    mistake:
      "a vCPU is refused after its host's page was pinned and before that was written down; vCPUs here have no power state, so it is refused for its index",
    breaks: "a pin for ever: no vCPU can be made with that page again",
    search: {
      mutation: mutations.INIT_VCPU_PIN_LEAK,
      domain: () => pkvmDomain({ ...PKVM_PRESETS.tiny, variant: "android", extras: ["vcpuBeyond"] }),
      kind: "refusal",
    },
  },
  {
    name: "mapping-record-lost",
    section: "6",
    classes: ["S"],
    source: "6.x → fixed (9cfc94644ba4)",
    mistake:
      "the host has no memory for its record of a page it gave to a guest, and ends the VM without reclaiming it",
    breaks: "ownership: a page that nobody has any more (T7)",
    search: {
      mutation: mutations.MAPPING_RECORD_LOST,
      domain: () => pkvmDomain({ ...PKVM_PRESETS.tiny, running: true }),
      kind: "invariant",
    },
  },
  {
    name: "balloon-use-after-unlock",
    section: "6",
    classes: ["I"],
    source: "→ fixed (63a99c1fb8e5)",
    mistake: "the host reads a page's pin count after it released the lock",
    breaks: "the host uses what is freed",
    whyNot: HOSTS_OWN,
  },
  {
    name: "thp-accounting",
    section: "6",
    classes: ["S"],
    source: "→ fixed (ed14b491ec76)",
    mistake: "the charge of one page is returned for a block of them",
    breaks: "accounting of locked memory",
    whyNot: "Searches know no processes and what they are charged.",
  },
  {
    name: "sglist-donate",
    section: "6",
    classes: ["S"],
    source: "→ fixed",
    mistake: "a donation of a list to EL2 that fails in the middle keeps what it took before",
    breaks: "a refused call changes something",
    whyNot: "The call is not modelled: how it is answered is not known well enough.",
  },
  {
    name: "relinquish-resets-firmware",
    section: "6",
    classes: ["S"],
    source: "→ fixed (e0485c4d49da)",
    mistake: "a page given back makes EL2 forget where the guest's firmware is to be loaded",
    breaks: "the guest's firmware is not verified and loaded where it should be",
    whyNot: "EL2's loading of a guest's firmware is not modelled.",
  },
  {
    name: "smmu-last-detach-tlbi",
    section: "6",
    classes: ["D"],
    source: "→ fixed (89b0424d7d7b)",
    mistake: "no translations of devices are invalidated when the last stream leaves a domain",
    breaks: "a device goes on reading and writing",
    whyNot: NO_DEVICES,
  },
  {
    name: "smmu-detach-uaf",
    section: "6",
    classes: ["D"],
    source: "CVE-2026-0027, CVE-2025-48624",
    mistake: "a domain is freed while streams are attached; indices of the stream table are not bounded",
    breaks: "EL2's memory",
    whyNot: NO_DEVICES,
  },
];

const rmm = (
  name: string,
  classes: Bug["classes"],
  source: string,
  mistake: string,
  breaks: string,
  whyNot = NO_RMM,
): Bug => ({ name, section: "8", classes, source, mistake, breaks, whyNot });

// prettier-ignore
const RMM_BUGS: readonly Bug[] = [
  rmm("rmm-vmid-freed-early", ["S", "T"], "f7c34940, 2023-07", "a realm's VMID is free again before it is known that the realm can go", "two live realms have one VMID"),
  rmm("rmm-vmid-leak", ["S"], "6b319d4c, 2025-09", "a realm that cannot be created keeps its further VMIDs", "VMIDs run out"),
  rmm("rmm-destroy-flush-one", ["T"], "22ba106d, 2023-11", "a destroyed table of the unprotected half flushes one entry of its range", "translations outlive their table"),
  rmm("rmm-multi-vmid-flush", ["T"], "2052addb, 2026-07", "the loop over VMIDs uses address and size up for the first one", "other planes keep their translations"),
  rmm("rmm-smmu-sync-first-only", ["D"], "2ab0f889, 2026-07", "the end of a flush is awaited for the first VMID alone", "a device keeps its translations"),
  rmm("rmm-ns-fold", ["S"], "15fc44e4, 2023-09", "host mappings lose their attributes when they are folded, and the count is off by 512", "attributes, counts of tables"),
  rmm("rmm-fold-tautology", ["S"], "8865ec3b, 2024-04", "attributes chosen by the host are compared with themselves", "pages with other rights become one block"),
  rmm("rmm-unknown-sets-ram", ["S"], "84a1b161, 2023-09", "data of unknown contents makes its address RAM", "the host makes RAM that the realm did not agree to"),
  rmm("rmm-update-ripas", ["S"], "0fb44554, cde1fdce, 2023-04", "several pairs of states fall through", "wrong transitions of RIPAS"),
  rmm("rmm-delegate-asserted", ["S"], "e4ade462, 2023-01", "that EL3 changes a granule's world is asserted", "the host stops the monitor"),
  rmm("rmm-aux-double-lock", ["S"], "9747ed7e, 2024-06", "an error path locks granules that it holds", "a deadlock with itself"),
  rmm("rmm-aliased-granule", ["S"], "2b1d3b4d, 2026-07", "one granule is accepted for two arguments", "a deadlock with itself"),
  rmm("rmm-lock-order", ["I"], "5c18af34, 2026-07", "two commands take the same two locks in opposite order", "a deadlock"),
  rmm("rmm-spurious-unlock", ["I", "S*"], "8b591834, 84c62c44, 2024-12", "a lock is released twice", "another owner's lock is released"),
  rmm("rmm-lock-leak-empty", ["S"], "19eb433a, 2023-11", "a request for nothing returns with its lock held", "a lock that is kept"),
  rmm("rmm-range-top", ["S"], "62ece7d0, ed858081, 62c986d8", "the end of a range is not aligned, not bounded, or reported beyond what was asked", "the end of a range"),
  rmm("rmm-flush-not-broadcast", ["T"], "71698f19, 2025-12", "a guest's invalidation stays on its CPU", "a stale translation after the vCPU moves"),
  rmm("rmm-zero-no-barrier", ["X"], "d9aa2e79, 2024-03", "no barrier follows the instruction that zeroes", "zeroes are seen too late", "Memory has no order of visibility here, and Freehold has no Realm Management Monitor."),
];

/** In the order of the reference; those of partition managers come between Android's and the RMM's there. */
export const OTHER_CODE_BUGS: readonly Bug[] = [...HOST_BUGS, ...ANDROID_BUGS, ...RMM_BUGS];
