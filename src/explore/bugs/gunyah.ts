// Bugs of Gunyah's hypervisor, resource manager and Linux driver (reference gunyah.md section 10, which bugs.md section 9 refers to).

import * as mutations from "../../../assembly/abi/mutations.js";
import { gunyahDomain, GUNYAH_PRESETS } from "../gunyah-domain.js";
import { gunyahParcelDomain, type GunyahParcelSizes } from "../gunyah-parcel-domain.js";
import * as small from "../gunyah-small-domains.js";
import type { Bug, BugSearch } from "./bug.js";

/** `rule`: where the kind has several. */
function search(
  mutation: number,
  kind: BugSearch["kind"],
  domain: BugSearch["domain"],
  rule?: string,
): { search: BugSearch } {
  return { search: { mutation, kind, domain, ...(rule === undefined ? {} : { rule }) } };
}

const HYPERVISOR = { section: "gunyah.md 10.1" } as const;
const MANAGER = { section: "gunyah.md 10.3" } as const;
const DRIVER = { section: "gunyah.md 10.4" } as const;
const CVE = { section: "gunyah.md 10.5" } as const;
const NO_DRIVER = "Linux's Gunyah driver is not modelled: what it asks of the resource manager is, in whatever order";
const NO_NOTIFICATION = "what a VM is told is an effect, and no part of a state that is searched";

const LENT: GunyahParcelSizes = { pages: 1, vms: 1, transfers: ["LEND"], writes: true };

/** In the order of the reference. */
export const GUNYAH_BUGS: readonly Bug[] = [
  {
    ...{ name: "gunyah-map-asserts", ...HYPERVISOR, classes: ["S"], source: "hyp 4c2965a, 2021-10" },
    mistake: "addresses outside the address space are asserted not to occur",
    breaks: "no call stops the hypervisor",
    ...search(mutations.GUNYAH_MAP_ASSERTS, "panic", small.gunyahArgumentsDomain),
  },
  {
    ...{ name: "gunyah-lookup-length", ...HYPERVISOR, classes: ["S"], source: "hyp c667ce8, 2021-10" },
    mistake: "a look-up over adjacent leaves adds their sizes wrongly",
    breaks: "a look-up answers what is mapped",
    ...search(mutations.GUNYAH_LOOKUP_LENGTH, "watched", small.gunyahLookupDomain, "lookup"),
  },
  {
    ...{ name: "gunyah-slot-outside-lock", ...HYPERVISOR, classes: ["I"], source: "hyp 4a4f0af, 2022-03" },
    mistake: "a free mapping slot is searched outside the lock",
    breaks: "every mapping has its record",
    whyNot: "operations of two CPUs interleave in searches over pKVM alone",
  },
  {
    ...{ name: "gunyah-failed-map-recorded", ...HYPERVISOR, classes: ["S"], source: "hyp 4a4f0af, 2022-03" },
    mistake: "a map that fails for want of memory leaves its record in the slot",
    breaks: "a call that is refused changes nothing (I23)",
    ...search(mutations.GUNYAH_FAILED_MAP_RECORDED, "refusal", small.gunyahTablesDomain),
  },
  {
    ...{ name: "gunyah-space-left-in-extents", ...HYPERVISOR, classes: ["S"], source: "hyp 4a4f0af, 2022-03" },
    mistake: "records still name an address space that was destroyed",
    breaks: "a record of owned memory has its leaf (I3)",
    ...search(mutations.GUNYAH_SPACE_LEFT_IN_EXTENTS, "invariant", small.gunyahDestroyDomain),
  },
  {
    ...{ name: "gunyah-abort-pstate-late", ...HYPERVISOR, classes: ["S"], source: "hyp 4a4f0af, 2022-03" },
    mistake: "bits of PSTATE for an injected abort are set after SPSR was stored",
    breaks: "the saved state of the VM",
    whyNot: "a VM's registers are in an abort's effects, and no part of a state that is searched",
  },
  {
    ...{ name: "gunyah-slot-attributes-kept", ...HYPERVISOR, classes: ["S"], source: "hyp d2e92c5, 2023-06" },
    mistake: "clearing a slot clears only as much as a pointer: the attributes of its mapping reappear in the next one",
    breaks: "a record of owned memory has its leaf (I3)",
    ...search(mutations.GUNYAH_SLOT_ATTRIBUTES_KEPT, "invariant", small.gunyahBasicDomain),
  },
  {
    ...{ name: "gunyah-unmap-all-keeps-slots", ...HYPERVISOR, classes: ["S"], source: "hyp d2e92c5, 2023-06" },
    mistake: "unmapping an extent everywhere leaves its slots occupied",
    breaks: "a record of owned memory has its leaf (I3)",
    ...search(mutations.GUNYAH_UNMAP_ALL_KEEPS_SLOTS, "invariant", small.gunyahDestroyDomain),
  },
  {
    ...{ name: "gunyah-size-check-and", ...HYPERVISOR, classes: ["S"], source: "hyp d2e92c5, 2023-06" },
    mistake: "a size is refused if it is 0 and wraps, not if either",
    breaks: "every call is answered as the specification says",
    ...search(mutations.GUNYAH_SIZE_CHECK_AND, "refinement", small.gunyahArgumentsDomain),
  },
  {
    ...{ name: "gunyah-update-access-carved-out", ...HYPERVISOR, classes: ["S"], source: "hyp d2e92c5, 2023-06" },
    mistake: "another access for a parent's mapping maps again the pages that its children own",
    breaks: "a leaf comes of a record of the extent that owns the memory (I2)",
    ...search(mutations.GUNYAH_UPDATE_ACCESS_CARVED_OUT, "invariant", small.gunyahChildDomain),
  },
  {
    ...{ name: "gunyah-access-reduced", ...HYPERVISOR, classes: ["S"], source: "hyp d2e92c5, 2023-06" },
    mistake: "more access than the extent allows is reduced, and nobody told",
    breaks: "every call is answered as the specification says",
    ...search(mutations.GUNYAH_ACCESS_REDUCED, "refinement", small.gunyahArgumentsDomain),
  },
  {
    ...{ name: "gunyah-derive-remap-panic", ...HYPERVISOR, classes: ["S"], source: "hyp d2e92c5, 2023-06" },
    mistake: "a child with less access is mapped anew, and there is no memory: asserted not to occur",
    breaks: "no call stops the hypervisor",
    ...search(mutations.GUNYAH_DERIVE_REMAP_PANIC, "panic", small.gunyahDeriveDomain),
  },
  {
    ...{ name: "gunyah-unused-space-cleanup", ...HYPERVISOR, classes: ["S"], source: "hyp a7c9ecb, 2023-09" },
    mistake: "cleaning up an address space without an address range; the heap's flag in a partition's donation",
    breaks: "the hypervisor's heap",
    whyNot: "an address space has its table from its activation on here, and a partition gives no memory to heaps",
  },
  {
    ...{ name: "gunyah-table-freed-before-flush", ...HYPERVISOR, classes: ["T"], source: "hyp 36ca3a2, 2024-01" },
    mistake: "a table's page is free before the invalidation of what leads to it was waited for",
    breaks: "no table page is given back while a cached entry still leads to it",
    ...search(mutations.GUNYAH_TABLE_FREED_BEFORE_FLUSH, "translation", () => gunyahDomain(GUNYAH_PRESETS.tiny)),
  },
  {
    ...{ name: "gunyah-derive-ignores-type", ...HYPERVISOR, classes: ["S"], source: "hyp 36ca3a2, 2024-01" },
    mistake: "an extent derived as SPARSE is BASIC",
    breaks: "every call does what the specification says",
    ...search(mutations.GUNYAH_DERIVE_IGNORES_TYPE, "refinement", small.gunyahSparseDomain),
  },
  {
    ...{ name: "gunyah-list-length-trusted", ...MANAGER, classes: ["S"], source: "rm 3145bda, 2021-11" },
    mistake: "a list of a message is as long as it says, also beyond the message's end",
    breaks: "every message is answered as the specification says",
    ...search(mutations.GUNYAH_LIST_LENGTH_TRUSTED, "refinement", small.gunyahListsDomain),
  },
  {
    ...{ name: "gunyah-attribute-count", ...MANAGER, classes: ["S"], source: "rm 3145bda, 2021-11" },
    mistake: "how many attributes an acceptor demands is not compared with how many the parcel has",
    breaks: "every message is answered as the specification says",
    ...search(mutations.GUNYAH_ATTRIBUTE_COUNT, "refinement", small.gunyahListsDomain),
  },
  {
    ...{ name: "gunyah-notify-list-trusted", ...MANAGER, classes: ["S"], source: "rm 3145bda, 2021-11" },
    mistake: "the list of VMs to notify is as long as it says, also beyond the message's end",
    breaks: "every message is answered as the specification says",
    ...search(mutations.GUNYAH_NOTIFY_LIST_TRUSTED, "refinement", small.gunyahListsDomain),
  },
  {
    ...{ name: "gunyah-invalid-handle-used", ...MANAGER, classes: ["S"], source: "rm 50f999b, 2023-09" },
    mistake: "the handle 0xffffffff, which stands for none, is given out",
    breaks: "a parcel has a handle",
    whyNot: "it takes 2^32 parcels",
  },
  {
    ...{ name: "gunyah-forced-alignment", ...MANAGER, classes: ["S"], source: "rm 50f999b, 2023-09" },
    mistake: "2 MiB and more must be aligned to 2 MiB, also where the acceptor has chosen the address",
    breaks: "every message is answered as the specification says",
    ...search(mutations.GUNYAH_FORCED_ALIGNMENT, "refinement", small.gunyahLargeDomain),
  },
  {
    ...{ name: "gunyah-reset-notifies-early", ...MANAGER, classes: ["S"], source: "rm 50f999b, 2023-09" },
    mistake: "an owner is told that its parcel is released although a reset could not release it",
    breaks: "what owners believe",
    whyNot: NO_NOTIFICATION,
  },
  {
    ...{ name: "gunyah-shared-notification-size", ...MANAGER, classes: ["S"], source: "rm bf31a9a, 2024-01" },
    mistake: "regions beyond 512 are written into a notification whose buffer has no room for them",
    breaks: "the resource manager's heap",
    whyNot: NO_NOTIFICATION,
  },
  {
    ...{ name: "gunyah-stale-ipa-allocator", ...MANAGER, classes: ["S"], source: "rm bf31a9a, 2024-01" },
    mistake: "where a VM's free addresses were kept is still known when they are freed, and they are freed again",
    breaks: "heaps are charged with what they were",
    ...search(mutations.GUNYAH_STALE_IPA_ALLOCATOR, "leak", small.gunyahAllocDomain),
  },
  {
    ...{ name: "gunyah-append-total-size", ...MANAGER, classes: ["S"], source: "rm bf31a9a, present" },
    mistake: "an append that fails has made the parcel larger by what it took first",
    breaks: "a parcel's size is that of its regions (I14)",
    ...search(mutations.GUNYAH_APPEND_TOTAL_SIZE, "invariant", small.gunyahAppendDomain),
  },
  {
    ...{ name: "gunyah-append-record-left", ...MANAGER, classes: ["S"], source: "rm bf31a9a, present" },
    mistake: "an append that fails leaves the owner's record of what it took first in a parcel that is shared",
    breaks: "a call that is refused changes nothing (I23)",
    ...search(mutations.GUNYAH_APPEND_RECORD_LEFT, "refusal", small.gunyahAppendDomain),
  },
  {
    ...{ name: "gunyah-tag-mismatch-leaks-ipa", ...MANAGER, classes: ["S"], source: "rm bf31a9a, present" },
    mistake: "addresses taken for a contiguous parcel stay taken when its memory does not suit them",
    breaks: "a call that is refused changes nothing (I23)",
    whyNot:
      "only where virtual and physical addresses are equal can memory not suit them here, and there none are taken",
  },
  {
    ...{ name: "gunyah-sticky-sanitize", ...MANAGER, classes: ["S"], source: "rm bf31a9a, present" },
    mistake: "an accept that fails has the parcel zeroed when it is reclaimed",
    breaks: "a call that is refused changes nothing (I23)",
    ...search(mutations.GUNYAH_STICKY_SANITIZE, "refusal", small.gunyahFailedAcceptDomain),
  },
  {
    ...{ name: "gunyah-parcel-oracle", ...MANAGER, classes: ["S"], source: "rm bf31a9a, present" },
    mistake: "a VM that is not in a parcel's list learns by the error that it exists, and its type, label and list",
    breaks: "nothing that a state shows",
    whyNot: "the modelled resource manager checks in that order, too (6.6): what an answer gives away is no rule here",
  },
  {
    ...{ name: "gunyah-firmware-handle-kept", ...MANAGER, classes: ["S"], source: "rm bf31a9a, present" },
    mistake: "a reset leaves the handle of the firmware's parcel for the next VM",
    breaks: "the start of the next VM",
    whyNot: "it shows only in that the next VM is not started, which may have a reason of its own",
  },
  {
    ...{ name: "gunyah-hlos-creation-ok", ...MANAGER, classes: ["S"], source: "rm bf31a9a, present" },
    mistake: "making HLOS answers OK when it failed",
    breaks: "the machine's start",
    whyNot: "HLOS is there when the machine is; making it is not modelled step by step",
  },
  {
    ...{ name: "gunyah-reservation-rollback-loops", ...MANAGER, classes: ["S"], source: "rm bf31a9a, present" },
    mistake: "rolling back the reservation of a fixed list of addresses does not end",
    breaks: "the resource manager answers",
    whyNot: "a call that does not end would end the search with it",
  },
  {
    ...{ name: "gunyah-gup-share-counts-pages", ...DRIVER, classes: ["S"], source: "Android gup" },
    mistake: "a share counts pages instead of folios: entries of no size are sent",
    breaks: "nothing: the resource manager refuses them",
    whyNot: NO_DRIVER,
  },
  {
    ...{ name: "gunyah-erase-range-undo", ...DRIVER, classes: ["S"], source: "linux" },
    mistake: "undoing a range is one page short",
    breaks: "what the driver knows of its pages",
    whyNot: NO_DRIVER,
  },
  {
    ...{ name: "gunyah-reclaim-no-sync-inverted", ...DRIVER, classes: ["T", "I"], source: "linux" },
    mistake: "only the last of many calls lacks the wait for a grace period, and not all but the last",
    breaks: "a page is free while another CPU still uses the old leaf",
    whyNot: NO_DRIVER,
  },
  {
    ...{ name: "gunyah-invalidate-max-for-min", ...DRIVER, classes: ["S"], source: "linux" },
    mistake: "the later of two ends is taken for the earlier one, and an end for a count",
    breaks: "what the driver knows of its pages",
    whyNot: NO_DRIVER,
  },
  {
    ...{ name: "gunyah-error-path-keeps-lock", ...DRIVER, classes: ["S"], source: "linux v14" },
    mistake: "an error path returns with the lock held; overlaps are tested wrongly",
    breaks: "the driver",
    whyNot: NO_DRIVER,
  },
  {
    ...{ name: "gunyah-metadata-not-reserved", ...CVE, classes: ["X"], source: "CVE-2026-43347" },
    mistake: "the device tree of one SoC lacks the reserved region of Gunyah's metadata",
    breaks: "the host's kernel, by an abort that Gunyah rightly injects",
    whyNot: "it is a mistake in a device tree: nothing of what is isolated is broken",
  },
  {
    ...{ name: "gunyah-attach-keeps-access", ...CVE, classes: ["S*"], source: "CVE-2024-53010 (unverified)" },
    mistake: "memory that changes owner stays mapped where its last owner had it",
    breaks: "a leaf comes of a record of the extent that owns the memory (I2); and with --rules secrecy, that too",
    ...search(mutations.GUNYAH_ATTACH_KEEPS_ACCESS, "invariant", () => gunyahParcelDomain(LENT)),
  },
];
