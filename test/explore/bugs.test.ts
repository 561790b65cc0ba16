// The catalogue of bugs: complete as the reference lists it (bugs.md section 1), and each one that says so is found.

import { expect, test } from "vitest";
import { BUGS, hasSearch, isUnmended, type FoundBug } from "../../src/explore/bugs/index.js";
import { hunt, type Hunt } from "../../src/explore/hunt.js";

// Names by class, as the tables of the reference give them.
// prettier-ignore
const REFERENCE: readonly [classes: string, names: string][] = [
  // 1.1
  ["S", `unmapped-counts-as-owned hyp-stack-host-owned text-by-permission init-walk-two-aliases host-scans-hyp-sections
         privileged-calls-after-finalise hyp-side-check-debug-only share-guest-before-memcache-check
         donate-guest-before-memcache-check memcache-unaligned-head pfn-count-overflow share-guest-count-overflow
         range-check-one-end init-vm-late-failure donate-host-ignores-refcount pool-stale-order host-pgd-tail-refcount
         init-vcpu-pin-leak sve-unpin-by-flag host-abort-panics no-fitting-granule fault-frame-is-4k granule-level-off-by-one
         finalise-before-fixmap memcache-topup-unbounded linear-map-over-io trace-descriptor-bounds`],
  ["S*", "vcpu-kvm-pointer adjust-pc-unpinned vgic-raw-pointer"],
  ["I", "init-vcpu-early-publish host-fault-race-panic"],
  // 1.2
  ["S", `walker-stale-entry-after-pre valid-update-leaks-table-ref free-unlinked-double-put relax-perms-drops-exec
         cmo-on-unmapped-page`],
  ["S*", "aging-partial-block"],
  ["I S*", "pa-ipa-drift map-lowers-permissions"],
  ["T", `merge-flushes-one-ipa range-flush-unaligned-base deferred-flush-after-table-free level-hint-on-table
         range-operand-max relax-perms-level`],
  // 1.3
  ["S", `ffa-composite-offset-wrap ffa-unaligned-range ffa-reclaim-range-count ffa-access-descriptor-offset
         ffa-rx-never-released ffa-fragment-rollback`],
  ["S* X", "ffa-version-not-negotiated"],
  // 1.4
  ["S", `shared-struct-page notifier-before-handle perm-fault-without-topup reclaim-charges-wrong-mm pfnmap-block-size`],
  ["T", "flush-range-not-for-pkvm"],
  ["I", "stale-vma teardown-notifier-race"],
  ["X", "memcache-union memcache-pointer-uninit"],
  // 1.5
  ["S", `relinquish-unaligned vcpu-partial-init mapping-record-lost thp-accounting sglist-donate relinquish-resets-firmware`],
  ["I", "buddy-put-race balloon-use-after-unlock"],
  ["D", "smmu-last-detach-tlbi smmu-detach-uaf"],
  // 1.6
  ["S", `hf-overmap hf-defrag-not-contiguous hf-mode-range-ignores-pa hf-walk-wrong-level hf-clear-wrong-index
         hf-borrower-clears hf-relinquish-clear-flag hf-clear-wrong-world hf-reclaim-after-donate hf-overlapping-ranges
         hf-descriptor-overflow hf-descriptor-copy-leak hf-uninitialised-mode hf-ns-exec hf-unmap-others-mailbox
         hf-perm-set-drops-state hf-perm-range-edge hf-rx-acquire-unknown hf-mailbox-tail-leak`],
  ["S*", "hf-defrag-own-tables"],
  ["T", "hf-block-replace-flush hf-defrag-no-bbm hf-flush-wrong-space hf-flush-wrong-regime"],
  // 1.7
  ["S", `rmm-vmid-leak rmm-ns-fold rmm-fold-tautology rmm-unknown-sets-ram rmm-update-ripas rmm-delegate-asserted
         rmm-aux-double-lock rmm-aliased-granule rmm-lock-leak-empty rmm-range-top`],
  ["S T", "rmm-vmid-freed-early"],
  ["T", "rmm-destroy-flush-one rmm-multi-vmid-flush rmm-flush-not-broadcast"],
  ["D", "rmm-smmu-sync-first-only"],
  ["I", "rmm-lock-order"],
  ["I S*", "rmm-spurious-unlock"],
  ["X", "rmm-zero-no-barrier"],
];

const LISTED = REFERENCE.flatMap(([classes, names]) =>
  names.split(/\s+/).map((name) => [name, classes] as [name: string, classes: string]),
);
/** Gunyah's own are those of gunyah.md section 10: gunyah-bugs.test.ts. */
const OF_BUGS_MD = BUGS.filter(({ section }) => !section.startsWith("gunyah.md"));
const classesOf = ({ classes }: (typeof BUGS)[number]) => [...classes].sort().join(" ");

test("all 115 of the reference are in the catalogue", () => {
  expect(new Set(LISTED.map(([name]) => name)).size).toBe(115);
  expect(OF_BUGS_MD.map(({ name }) => name).toSorted()).toEqual(LISTED.map(([name]) => name).toSorted());
});

test.each(OF_BUGS_MD)("$name is listed, once, and takes what the reference says", (bug) => {
  expect(BUGS.filter(({ name }) => name === bug.name)).toEqual([bug]);
  expect(classesOf(bug)).toBe(LISTED.find(([name]) => name === bug.name)?.[1]);
});

const FOUND = OF_BUGS_MD.filter(hasSearch);
const named = (name: string): FoundBug => FOUND.find((bug) => bug.name === name) ?? expect.fail("no search finds it");

const hunts = new Map<FoundBug, Promise<Hunt>>();
/** The two searches of a bug, made once. */
function hunted(bug: FoundBug): Promise<Hunt> {
  const known = hunts.get(bug) ?? hunt(bug, { maxStates: 200_000 });
  hunts.set(bug, known);
  return known;
}

test.each(FOUND.filter((bug) => !isUnmended(bug)))(
  "$name is found, and nothing of its kind without it",
  async (bug) => {
    const { mutated, clean, finding } = await hunted(bug);
    expect(mutated.findings.map(({ kind }) => kind)).toContain(bug.search.kind);
    expect(clean?.end).toBe("exhausted");
    expect(finding?.kind).toBe(bug.search.kind);
    // Also where a rule has a name: no other rule of the kind is broken either.
    expect(clean?.findings.filter(({ kind }) => kind === bug.search.kind)).toEqual([]);
  },
);

// Nothing can be switched on, and nothing off: a search of the machine as it is finds them.
test("which bugs the machine as it is has", async () => {
  const unmended = FOUND.filter(isUnmended);
  expect(unmended.map(({ name }) => name)).toEqual(["ffa-fragment-rollback"]);
  for (const bug of unmended)
    expect(await hunted(bug)).toMatchObject({ finding: { kind: bug.search.kind }, clean: null });
});

// The shortest ways that the reference gives, in the words of the hypercall interface; what its text leaves out (a vCPU must be
// loaded, a VM made) is in the domain's first state or stands before. None: it shows at boot.
// prettier-ignore
test.each([
  ["unmapped-counts-as-owned",           ["host_share_hyp"]],
  ["hyp-stack-host-owned",               []],
  ["text-by-permission",                 []],
  ["init-walk-two-aliases",              []],
  ["finalise-before-fixmap",             []],
  ["linear-map-over-io",                 []],
  ["host-pgd-tail-refcount",             []],
  ["host-scans-hyp-sections",            ["access"]],
  ["hyp-side-check-debug-only",          ["host_share_ffa", "host_unshare_hyp"]],
  ["share-guest-before-memcache-check",  ["vcpu_load", "hcall_share_guest"]],
  ["donate-guest-before-memcache-check", ["vcpu_load", "hcall_donate_guest"]],
  ["memcache-unaligned-head",            ["host_memcache_push_at", "hcall_donate_guest"]],
  ["pfn-count-overflow",                 ["hcall_share_guest"]],
  ["share-guest-count-overflow",         ["hcall_share_guest"]],
  ["range-check-one-end",                ["init_vm"]],
  ["init-vm-late-failure",               ["init_vm"]],
  ["donate-host-ignores-refcount",       ["init_vm"]],
  ["pool-stale-order",                   ["hcall_share_guest", "hcall_unshare_guest"]],
  ["init-vcpu-pin-leak",                 ["init_vcpu"]],
  ["sve-unpin-by-flag",                  ["init_vcpu"]],
  ["host-abort-panics",                  ["hcall_donate_guest", "access"]],
  ["no-fitting-granule",                 ["access"]],
  ["fault-frame-is-4k",                  ["access"]],
  ["granule-level-off-by-one",           ["access"]],
  ["relinquish-unaligned",               ["guest_hvc"]],
  ["vcpu-partial-init",                  ["init_vcpu"]],
  ["rmm-vmid-freed-early",               ["rmi_granule_delegate", "rmi_realm_create", "rmi_rtt_create", "rmi_realm_destroy"]],
  ["rmm-destroy-flush-one",              ["rmi_rtt_map_unprotected", "rmi_rtt_destroy"]],
  ["rmm-ns-fold",                        ["rmi_rtt_fold"]],
  ["rmm-fold-tautology",                 ["rmi_rtt_unmap_unprotected", "rmi_rtt_map_unprotected", "rmi_rtt_fold"]],
  ["rmm-unknown-sets-ram",               ["rmi_granule_delegate", "rmi_data_create_unknown"]],
  ["rmm-delegate-asserted",              ["rmi_granule_delegate"]],
  ["rmm-aux-double-lock",                ["rmi_granule_undelegate", "rmi_rec_create"]],
  ["rmm-aliased-granule",                ["rmi_data_create"]],
  ["rmm-lock-leak-empty",                ["rmi_rtt_init_ripas"]],
  ["rmm-range-top",                      ["rmi_rtt_init_ripas"]],
  ["privileged-calls-after-finalise",    ["hcall_create_private_mapping"]],
  ["vcpu-kvm-pointer",                   ["vcpu_load", "access", "hcall_vcpu_run"]],
  ["adjust-pc-unpinned",                 ["hcall_adjust_pc"]],
  ["vgic-raw-pointer",                   ["hcall_vgic_v3_save_aprs"]],
  ["trace-descriptor-bounds",            ["hcall_tracing_load"]],
  ["mapping-record-lost",                ["hcall_donate_guest", "vcpu_put", "start_teardown_vm", "finalize_teardown_vm"]],
] as const)("%s: the shortest way is %j", async (name, ops) => {
  const { finding } = await hunted(named(name));
  expect(finding?.steps.map(({ op }) => op)).toEqual(ops);
});
