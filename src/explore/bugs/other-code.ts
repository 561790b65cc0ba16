// Bugs of code that is no part of the machine, and of Android's pKVM (reference bugs.md 1.4, 1.5).

import * as mutations from "../../../assembly/abi/mutations.js";
import { HOST_PRESETS, hostDomain } from "../host-domain.js";
import { PKVM_PRESETS, pkvmDomain } from "../pkvm-domain.js";
import { tableDomain } from "../table-domain.js";
import { NO_DEVICES, type Bug } from "./bug.js";

const HOST_BUGS: readonly Bug[] = [
  {
    name: "shared-struct-page",
    section: "5",
    classes: ["S"],
    source: "before 5.17 (a83e2191b7f1)",
    mistake: "two of the host's objects lie in one page, and the first one that goes unshares the page under the other",
    breaks: "EL2 cannot pin what the host counts on",
    search: {
      mutation: mutations.SHARED_STRUCT_PAGE,
      domain: () => hostDomain(HOST_PRESETS.tiny),
      kind: "watched",
      rule: "answers",
    },
  },
  {
    name: "notifier-before-handle",
    section: "5",
    classes: ["S"],
    source: "→ 6.18",
    mistake: "memory-management callbacks name a VM that EL2 does not know yet, by handle 0",
    breaks: "a call that must fail, and a warning of the host's",
    search: {
      mutation: mutations.NOTIFIER_BEFORE_HANDLE,
      domain: () => hostDomain(HOST_PRESETS.ordinary),
      kind: "watched",
      rule: "answers",
    },
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
    search: {
      mutation: mutations.PERM_FAULT_WITHOUT_TOPUP,
      domain: () => hostDomain(HOST_PRESETS.block),
      kind: "watched",
      rule: "answers",
    },
  },
  {
    name: "stale-vma",
    section: "5",
    classes: ["I"],
    source: "→ 6.3 (13ec9308a857)",
    mistake: "page size and rights come from a look-up made before the notifiers' sequence number was read",
    breaks: "a size or a right is mapped that is no longer so",
    search: {
      mutation: mutations.STALE_VMA,
      domain: () => hostDomain(HOST_PRESETS["preempted-fault"]),
      kind: "watched",
      rule: "source",
    },
  },
  {
    name: "reclaim-charges-wrong-mm",
    section: "5",
    classes: ["S"],
    source: "→ 7.2 (d098bb75d14f)",
    mistake:
      "the charge for locked guest memory is returned to the process that closes the VM, and not to the one that has it",
    breaks: "accounting of locked memory",
    search: {
      mutation: mutations.RECLAIM_CHARGES_WRONG_MM,
      domain: () => hostDomain(HOST_PRESETS.tiny),
      kind: "watched",
      rule: "charges",
    },
  },
  {
    name: "pfnmap-block-size",
    section: "5",
    classes: ["S"],
    source: "→ 7.2.10",
    mistake: "the block size of a device mapping comes from the file offset, not from the stage-1 leaf",
    breaks: "a block maps frames that are somebody else's",
    search: {
      mutation: mutations.PFNMAP_BLOCK_SIZE,
      domain: () => hostDomain(HOST_PRESETS.device),
      kind: "watched",
      rule: "source",
    },
  },
  {
    name: "teardown-notifier-race",
    section: "5",
    classes: ["I"],
    source: "→ 7.2.9 (38b70fc453c3, 4c74e233cded, 33346f8960c7)",
    mistake: "late callbacks walk tables that teardown frees",
    breaks: "a warning, or freed tables of nested guests in use",
    search: {
      mutation: mutations.TEARDOWN_NOTIFIER_RACE,
      domain: () => hostDomain(HOST_PRESETS["preempted-callback"]),
      kind: "watched",
      rule: "answers",
    },
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
    whyNot:
      "It takes two vCPUs that give back pages of one folio at the same time. The VMs of a search with a host have one vCPU.",
  },
  {
    name: "thp-accounting",
    section: "6",
    classes: ["S"],
    source: "→ fixed (ed14b491ec76)",
    mistake: "the charge of one page is returned for a block of them",
    breaks: "accounting of locked memory",
    search: {
      mutation: mutations.THP_ACCOUNTING,
      domain: () => hostDomain(HOST_PRESETS.folio),
      kind: "watched",
      rule: "charges",
    },
  },
  {
    name: "sglist-donate",
    section: "6",
    classes: ["S"],
    source: "→ fixed",
    mistake: "a donation of a list to EL2 that fails in the middle keeps what it took before",
    breaks: "a refused call changes something",
    search: {
      mutation: mutations.SGLIST_DONATE,
      domain: () => hostDomain(HOST_PRESETS.android),
      kind: "watched",
      rule: "free",
    },
  },
  {
    name: "relinquish-resets-firmware",
    section: "6",
    classes: ["S"],
    source: "→ fixed (e0485c4d49da)",
    mistake: "a page given back makes EL2 forget where the guest's firmware is to be loaded",
    breaks: "the guest's firmware is not verified and loaded where it should be",
    search: {
      mutation: mutations.RELINQUISH_RESETS_FIRMWARE,
      domain: () => hostDomain(HOST_PRESETS.android),
      kind: "watched",
      rule: "firmware",
    },
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

/** In the order of the reference. */
export const OTHER_CODE_BUGS: readonly Bug[] = [...HOST_BUGS, ...ANDROID_BUGS];
