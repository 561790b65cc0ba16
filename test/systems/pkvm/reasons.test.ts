// Which check refuses, what it looked at, what it wanted and what it found; and the order of the checks, where more than
// one would refuse. Sources: reference 3 (the order of each call), 5 to 7, and the pitfalls of 14.1.

import { beforeEach, describe, expect, test } from "vitest";
import { Machine, type Outcome } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import {
  AREA,
  donateGuest,
  forceReclaim,
  guestShares,
  guestUnshares,
  hostReads,
  makeVm,
  must,
  pageStates,
  pin,
  reclaim,
  result,
  shareGuest,
  unpin,
  unshareGuest,
} from "./scenario.js";

const OWNED = 0;
const SHARED_OWNED = 1;
const SHARED_BORROWED = 2;
const NOPAGE = 3;
const POISON = 4;

/** Pages of the host's; the first of them is the first of a block. */
const A = 0x40200n;
const B = 0x40201n;
/** The last page before firmware-reserved memory, and the first of that. */
const LAST = 0x43fffn;
const NOMAP = 0x44000n;
const MMIO = 0x9000n;
const GFN = 0x80000n;
const BEYOND = 1n << 28n;

let machine: Machine;
let pvm: number;
let np: number;
/** A protected VM without table pages. */
let poor: number;

const PVM_AREA = 0x41000n;

beforeEach(async () => {
  machine = await Machine.create({
    ia_bits: 40,
    regions: [
      { base: 0x4000_0000n, size: 0x400_0000n },
      { base: 0x4400_0000n, size: 0x20_0000n, nomap: true },
    ],
    hyp_carveout: { base: 0x4200_0000n, size: 0x60_0000n },
    max_vms: 3,
  });
  pvm = makeVm(machine, { protected: true, area: PVM_AREA, memcache: 6 });
  np = makeVm(machine, { protected: false, area: 0x41100n, memcache: 6 });
  poor = makeVm(machine, { protected: true, area: 0x41200n });
});

const shareHyp = (pfn: bigint): Operation => ({ op: "host_share_hyp", pfn });
const unshareHyp = (pfn: bigint): Operation => ({ op: "host_unshare_hyp", pfn });
const donateHyp = (pfn: bigint, nr = 1): Operation => ({ op: "host_donate_hyp", pfn, nr });
const hypDonates = (pfn: bigint): Operation => ({ op: "hyp_donate_host", pfn, nr: 1 });
const unshareFfa = (pfn: bigint): Operation => ({ op: "host_unshare_ffa", pfn, nr: 1 });
const shareFfa = (pfn: bigint): Operation => ({ op: "host_share_ffa", pfn, nr: 1 });
const load = (vm: number): Operation => ({ op: "vcpu_load", vm, vcpu: 0 });

/** Errno, reason, subject, expected, found. */
type Refusal = readonly [string, string, bigint, number, number];

const refusal = ({ errno, reason, subject, expected, found }: Outcome) => [errno, reason, subject, expected, found];

type Row = readonly [what: string, before: () => Operation[], operation: () => Operation, refusal: Refusal];

function checkRow(_what: string, before: () => Operation[], operation: () => Operation, expected: Refusal): void {
  for (const step of before()) must(machine, step);

  expect(refusal(machine.apply(operation()))).toEqual(expected);
}

const none = () => [];

// prettier-ignore
const STATE_CHECKS: readonly Row[] = [
  ["the host's own state",          () => [donateHyp(A)],            () => shareHyp(A),          ["EPERM", "host_state", A << 12n, OWNED, NOPAGE]],
  ["EL2's state",                   () => [shareFfa(A)],             () => unshareHyp(A),        ["EPERM", "hyp_state", A << 12n, SHARED_BORROWED, NOPAGE]],
  ["a pinned page",                 () => [shareHyp(A), pin(A), pin(A)], () => unshareHyp(A),    ["EBUSY", "pinned", A << 12n, 0, 2]],
  ["the page of a range",           () => [shareHyp(B)],             () => donateHyp(A, 2),      ["EPERM", "host_state", B << 12n, OWNED, SHARED_OWNED]],
  ["shared, but not with guests",   () => [shareHyp(A)],             () => shareGuest(np, A, GFN), ["EPERM", "share_count", A << 12n, 1, 0]],
  ["firmware-reserved",             none,                            () => shareHyp(NOMAP),      ["EPERM", "nomap", NOMAP << 12n, 0, 0]],
  ["device space",                  none,                            () => shareHyp(MMIO),       ["EPERM", "not_memory", MMIO << 12n, 0, 0]],
  ["no page frame",                 none,                            () => donateHyp(1n << 28n), ["EINVAL", "pfn_range", 1n << 40n, 0, 0]],
  ["an unmapped guest page",        none,                            () => guestShares(pvm, GFN), ["ENOENT", "guest_unmapped", GFN << 12n, 0, 0]],
  ["beyond the IPA space",          none,                            () => guestShares(pvm, BEYOND), ["ERANGE", "ipa_range", BEYOND << 12n, 0, 0]],
  ["a guest page shared before",    () => [donateGuest(pvm, A, GFN), guestShares(pvm, GFN)], () => guestShares(pvm, GFN), ["EPERM", "guest_state", GFN << 12n, OWNED, SHARED_OWNED]],
  ["a guest page not shared",       () => [donateGuest(pvm, A, GFN)], () => guestUnshares(pvm, GFN), ["EPERM", "guest_state", GFN << 12n, SHARED_OWNED, OWNED]],
  ["a page of an np-VM's",          () => [shareGuest(np, A, GFN)],  () => reclaim(np, GFN),     ["EPERM", "guest_state", GFN << 12n, OWNED, SHARED_BORROWED]],
  ["a page of a block",             () => [shareGuest(np, A, GFN, 512)], () => unshareGuest(np, GFN), ["E2BIG", "leaf_size", GFN << 12n, 3, 2]],
  ["a guest page inside a block",   () => [shareGuest(np, A, GFN, 512)], () => guestShares(np, GFN + 1n), ["E2BIG", "guest_block", (GFN + 1n) << 12n, 3, 2]],
  ["neither page nor block",        none,                            () => shareGuest(np, A, GFN, 3), ["EINVAL", "size", 3n, 512, 3]],
  ["an unaligned block",            none,                            () => shareGuest(np, B, GFN, 512), ["EINVAL", "alignment", B << 12n, 0, 0]],
  ["a block at an unaligned IPA",   none,                            () => shareGuest(np, A, GFN + 1n, 512), ["EINVAL", "alignment", (GFN + 1n) << 12n, 0, 0]],
  ["a memory type (14.1, 17)",      none,                            () => shareGuest(np, A, GFN, 1, 0x1cn), ["EINVAL", "prot", 0x1cn, 0xf, 0x1c]],
  ["too few table pages",           none,                            () => donateGuest(poor, A, GFN), ["ENOMEM", "memcache", 0n, 2, 0]],
  ["nobody's private page",         none,                            () => forceReclaim(A),      ["EAGAIN", "not_protected_any_more", A << 12n, NOPAGE, OWNED]],
  ["EL2's page",                    () => [donateHyp(A)],            () => forceReclaim(A),      ["EPERM", "not_guest_owned", A << 12n, 2, 1]],
  ["device space, by force",        none,                            () => forceReclaim(MMIO),   ["EFAULT", "not_memory", MMIO << 12n, 0, 0]],
  ["somebody else's, by access",    () => [donateGuest(pvm, A, GFN)], () => hostReads(A << 12n), ["EPERM", "host_annotated", A << 12n, OWNED, NOPAGE]],
];

// prettier-ignore
const HANDLER_CHECKS: readonly Row[] = [
  ["no vCPU is loaded",             none,             () => ({ op: "hcall_donate_guest", pfn: A, gfn: GFN }), ["EINVAL", "no_vcpu_loaded", 0n, 0, 0]],
  ["a vCPU of an np-VM's",          () => [load(np)], () => ({ op: "hcall_donate_guest", pfn: A, gfn: GFN }), ["EINVAL", "vm_not_protected", 0x1001n, 0, 0]],
  ["a protected VM",                none,             () => ({ op: "hcall_unshare_guest", vm: pvm, gfn: GFN, nr: 1 }), ["EINVAL", "vm_protected", 0x1000n, 0, 0]],
  ["no such VM",                    none,             () => ({ op: "hcall_unshare_guest", vm: 0x1003, gfn: GFN, nr: 1 }), ["EINVAL", "no_such_vm", 0x1003n, 0, 0]],
  ["a VM that lives",               none,             () => ({ op: "reclaim_dying_guest_page", vm: pvm, gfn: GFN }), ["EINVAL", "vm_not_dying", 0x1000n, 0, 0]],
  ["a VM with a loaded vCPU",       () => [load(pvm)], () => ({ op: "start_teardown_vm", vm: pvm }), ["EINVAL", "vm_in_use", 0x1000n, 0, 1]],
  ["a VM that dies already",        () => [{ op: "start_teardown_vm", vm: pvm }], () => ({ op: "start_teardown_vm", vm: pvm }), ["EINVAL", "vm_dying", 0x1000n, 0, 0]],
  ["no slot left",                  none,             () => ({ op: "reserve_vm" }), ["ENOMEM", "table_full", 3n, 0, 3]],
  ["the host's list is refused",    () => [donateHyp(A), { op: "host_memcache_push", vm: poor, vcpu: 0, pfn: A }], () => ({ op: "refill_memcache", vm: poor, vcpu: 0 }), ["ENOMEM", "refill_refused", A << 12n, OWNED, NOPAGE]],
  ["no translation fault",          none,             () => ({ op: "vcpu_in_poison_fault", vm: pvm, vcpu: 0, esr: 0x9200000fn, hpfar: 1n << 63n, far: 0n }), ["EINVAL", "not_a_translation_fault", 0x9200000fn, 0, 0]],
  ["no fault address",              none,             () => ({ op: "vcpu_in_poison_fault", vm: pvm, vcpu: 0, esr: 0x92000007n, hpfar: 0x800000n, far: 0n }), ["ERANGE", "no_fault_ipa", 0x800000n, 0, 0]],
  ["a vCPU that exists",            () => [shareHyp(A), shareHyp(B)], () => ({ op: "init_vcpu", vm: pvm, vcpu: 0, host_pa: A << 12n, hyp_pa: (A + 2n) << 12n }), ["EINVAL", "vcpu_exists", 0n, 0, 0]],
  ["a descriptor that is not shared", none,           () => ({ op: "init_vcpu", vm: pvm, vcpu: 0, host_pa: A << 12n, hyp_pa: (A + 2n) << 12n }), ["EBUSY", "pin_refused", A << 12n, SHARED_OWNED, OWNED]],
  ["an area that is not the host's", () => [donateHyp(B)], () => ({ op: "init_vcpu", vm: pvm, vcpu: 0, host_pa: 0n, hyp_pa: A << 12n }), ["ENOMEM", "donation_refused", B << 12n, OWNED, NOPAGE]],
];

// prettier-ignore
const ORDER: readonly Row[] = [
  // share_guest: protection, frames, size, memory, guest, host, memcache.
  ["share_guest: prot before frames",     none,                    () => shareGuest(np, 1n << 28n, GFN, 1, 0x10n), ["EINVAL", "prot", 0x10n, 0xf, 0x10]],
  ["share_guest: frames before size",     none,                    () => shareGuest(np, 1n << 28n, GFN, 3), ["EINVAL", "pfn_range", 1n << 40n, 0, 0]],
  ["share_guest: size before memory",     none,                    () => shareGuest(np, MMIO, GFN, 3),      ["EINVAL", "size", 3n, 512, 3]],
  ["share_guest: memory before guest",    none,                    () => shareGuest(np, MMIO, BEYOND),      ["EPERM", "not_memory", MMIO << 12n, 0, 0]],
  ["share_guest: guest before host",      () => [shareGuest(np, A, GFN), donateHyp(B)], () => shareGuest(np, B, GFN), ["EPERM", "guest_state", GFN << 12n, NOPAGE, SHARED_BORROWED]],
  ["share_guest: host before memcache",   () => [donateHyp(A)],    () => shareGuest(poor, A, GFN),          ["EPERM", "host_state", A << 12n, OWNED, NOPAGE]],
  // donate_guest: host, guest, memcache.
  ["donate_guest: host before guest",     () => [donateGuest(pvm, A, GFN), donateHyp(B)], () => donateGuest(pvm, B, GFN), ["EPERM", "host_state", B << 12n, OWNED, NOPAGE]],
  ["donate_guest: guest before memcache", none,                    () => donateGuest(poor, A, BEYOND),      ["ERANGE", "ipa_range", BEYOND << 12n, 0, 0]],
  // hyp_donate_host: EL2, host, references.
  ["hyp_donate_host: EL2 before host",    () => [shareHyp(A), pin(A)], () => hypDonates(A),                 ["EPERM", "hyp_state", A << 12n, OWNED, SHARED_BORROWED]],
  ["hyp_donate_host: references last",    none,                    () => hypDonates(PVM_AREA + AREA.pgd),   ["EBUSY", "hyp_page_in_use", PVM_AREA << 12n, 0, 1]],
  // donate_hyp: frames, memory, host, EL2.
  ["donate_hyp: host before EL2",         () => [shareHyp(A)],     () => donateHyp(A),                      ["EPERM", "host_state", A << 12n, OWNED, SHARED_OWNED]],
  // guest_share: the guest's page, its state, the host's.
  ["guest_share: mapped before state",    () => [donateGuest(pvm, A, GFN), forceReclaim(A)], () => guestShares(pvm, GFN), ["EHWPOISON", "guest_poisoned", GFN << 12n, 0, 0]],
];

describe("the first check that fails names page and states", () => {
  test.each(STATE_CHECKS)("%s", checkRow);
});

describe("what the hypercall handlers check", () => {
  test.each(HANDLER_CHECKS)("%s", checkRow);
});

describe("the order of the checks (14.1, 5)", () => {
  test.each(ORDER)("%s", checkRow);
});

test("the top-up comes before the transition's checks: a page in the wrong state costs table pages", () => {
  must(machine, donateHyp(A));
  must(machine, load(poor));
  must(machine, { op: "host_memcache_push_loaded", pfn: B });

  const outcome = machine.apply({ op: "hcall_donate_guest", pfn: A, gfn: GFN });

  expect(refusal(outcome)).toEqual(["EPERM", "host_state", A << 12n, OWNED, NOPAGE]);
  expect(machine.vcpus(poor)[0]).toMatchObject({ memcache: 1, hostMemcache: 0 });
  expect(pageStates(machine, B)).toEqual({ host: "NOPAGE", hyp: "OWNED" });
});

test("the kind of vCPU is looked at before the top-up", () => {
  must(machine, load(np));
  must(machine, { op: "host_memcache_push_loaded", pfn: B });

  expect(machine.apply({ op: "hcall_donate_guest", pfn: A, gfn: GFN }).reason).toBe("vm_not_protected");
  expect(machine.vcpus(np)[0]).toMatchObject({ memcache: 6, hostMemcache: 1 });
});

// prettier-ignore
describe("ranges (14.1, 6): the end lies in the range of the start", () => {
  test.each<[what: string, pfn: bigint, nr: number, answer: string, reason: string | null]>([
    ["into firmware-reserved memory, which alone is EPERM", LAST,     2, "EINVAL", "range_crosses"],
    ["firmware-reserved memory alone",                      NOMAP,    1, "EPERM",  "nomap"],
    ["from device space into memory",                       0x3ffffn, 2, "EINVAL", "range_crosses"],
    ["device space alone",                                  0x3ffffn, 1, "EPERM",  "not_memory"],
    ["nothing, in the middle of a region",                  A,        0, "0",      null],
    ["nothing, at a region's base",                         0x40000n, 0, "EINVAL", "range_crosses"],
    ["nothing, at the base of reserved memory",             NOMAP,    0, "EINVAL", "range_crosses"],
    ["nothing, in reserved memory",                         0x44001n, 0, "EPERM",  "nomap"],
    ["nothing, in device space",                            MMIO,     0, "EPERM",  "not_memory"],
  ])("%s", (_what, pfn, nr, answer, reason) => {
    const outcome = machine.apply(donateHyp(pfn, nr));
    expect([result(outcome), outcome.reason]).toEqual([answer, reason]);
  });
});

test("share_hyp changes no page table; the first pin maps, the last unpin unmaps (14.1, 2)", () => {
  const kinds = (operation: Operation) => must(machine, operation).effects.map(({ kind }) => kind);
  const tables = ["descriptor", "table", "hyp_map"] as const;

  expect(kinds(shareHyp(A))).not.toEqual(expect.arrayContaining([expect.toBeOneOf([...tables])]));
  expect(kinds(pin(A))).toContain("hyp_map");
  expect(kinds(pin(A))).not.toContain("hyp_map");
  expect(kinds(unpin(A))).not.toContain("hyp_map");
  expect(kinds(unpin(A))).toContain("hyp_map");
});

test("an empty entry of the host's is memory that it has and that is not mapped yet (14.1, 3)", () => {
  expect(machine.leaf("host", A << 12n)?.descriptor).toBe(0n);
  expect(must(machine, hostReads(A << 12n)).details.abort?.result).toBe("mapped");
});

// prettier-ignore
test.each<[verb: string, operation: () => Operation, answer: string, reason: string | null, found: number]>([
  ["guest_share",   () => guestShares(pvm, GFN),    "EHWPOISON", "guest_poisoned", 0],
  ["guest_unshare", () => guestUnshares(pvm, GFN),  "EHWPOISON", "guest_poisoned", 0],
  ["donate_guest",  () => donateGuest(pvm, B, GFN), "EPERM",     "guest_state",    POISON],
  ["share_guest",   () => shareGuest(pvm, B, GFN),  "EPERM",     "guest_state",    POISON],
  ["unshare_guest", () => unshareGuest(pvm, GFN),   "ENOENT",    "guest_unmapped", 0],
  ["reclaim",       () => reclaim(pvm, GFN),        "0",         null,             0],
])("a poisoned page (14.1, 9): %s", (_verb, operation, answer, reason, found) => {
  must(machine, donateGuest(pvm, A, GFN));
  must(machine, forceReclaim(A));

  const outcome = machine.apply(operation());
  expect([result(outcome), outcome.reason, outcome.found]).toEqual([answer, reason, found]);
});

test("force_reclaim says EAGAIN for a page that is the host's again and for one whose VM is gone (14.1, 10)", () => {
  must(machine, donateGuest(pvm, A, GFN));
  must(machine, { op: "start_teardown_vm", vm: pvm });
  must(machine, { op: "finalize_teardown_vm", vm: pvm });

  expect(refusal(machine.apply(forceReclaim(A)))).toEqual(["EAGAIN", "no_such_vm", BigInt(pvm), 0, 0]);
  expect(refusal(machine.apply(forceReclaim(B)))).toEqual([
    "EAGAIN",
    "not_protected_any_more",
    B << 12n,
    NOPAGE,
    OWNED,
  ]);
});

test("MEM_SHARE of an unmapped page becomes a write fault for the host (14.1, 11; section 6)", () => {
  const hvc = (a1: bigint): Operation => ({ op: "guest_hvc", vm: pvm, vcpu: 0, fn: 0xc600_0003n, a1, a2: 0n, a3: 0n });

  const { ret, reason, details } = machine.apply(hvc(GFN << 12n));

  expect({ ret, reason }).toEqual({ ret: 0, reason: null });
  expect(details.elrDelta).toBe(-4);
  expect(details.guestExit).toEqual({ exitCode: 2, esr: 0x92000047n, hpfar: (1n << 63n) | (GFN << 4n), far: 0n });
});

test("relax_perms of nothing still invalidates, on this CPU and without a level (14.1, 14)", () => {
  const outcome = machine.apply({ op: "host_relax_perms_guest", vm: np, vcpu: 0, gfn: GFN, prot: 0xfn });

  expect(refusal(outcome)).toEqual(["EAGAIN", "invalid_leaf", GFN << 12n, 0, 0]);
  expect(outcome.effects).toEqual([{ kind: "tlbi_ipa_nsh", vmid: 2, ipa: GFN << 12n, level: null }]);
});

// prettier-ignore
test.each([
  ["from EL0",                 0x0n,   0x92000007n, 0x92000087n],
  ["from EL1",                 0x3c9n, 0x92000007n, 0x96000087n],
  ["instruction, from EL1",    0x3c9n, 0x82000007n, 0x86000087n],
])("an injected abort is marked by S1PTW and has the class of its level (4.4; 14.1, 15): %s", (_what, spsr, esr, injected) => {
  must(machine, donateHyp(A));

  const outcome = machine.apply({ ...hostReads(A << 12n), op: "host_abort", esr, spsr } as Operation);
  expect(outcome.details.abort).toMatchObject({ result: "injected", injectedEsr: injected });
});

test("unshare_ffa looks at the host's state alone and leaves EL2's behind (14.1, 16; 3.13)", () => {
  must(machine, shareHyp(A));
  must(machine, unshareFfa(A));

  expect(pageStates(machine, A)).toEqual({ host: "OWNED", hyp: "SHARED_BORROWED" });
  const refused = ["EPERM", "hyp_state", A << 12n, NOPAGE, SHARED_BORROWED];
  expect(refusal(machine.apply(shareHyp(A)))).toEqual(refused);
  expect(refusal(machine.apply(donateHyp(A)))).toEqual(refused);
  must(machine, donateGuest(pvm, A, GFN));
  expect(pageStates(machine, A)).toEqual({ host: "NOPAGE", hyp: "SHARED_BORROWED" });
});

// prettier-ignore
test.each<[what: string, before: () => Operation[], operation: () => Operation, kind: string, func: string]>([
  ["one execute bit without XNX",       none, () => shareGuest(np, A, GFN, 1, 0x9n), "warn", "__pkvm_host_share_guest"],
  ["ageing beyond the IPA space",       none, () => ({ op: "host_test_clear_young_guest", vm: np, gfn: BEYOND, nr: 1, mkold: 1 }), "warn", "kvm_pgtable_stage2_test_clear_young"],
  ["taking EL2's text by force",        none, () => forceReclaim(0x42000n), "warn", "host_stage2_decode_gfn_meta"],
  ["unpinning what is not pinned",      () => [shareHyp(A)], () => unpin(A), "bug", "hyp_page_ref_dec"],
  ["a host access beyond the IPA space", none, () => hostReads(1n << 40n), "bug", "handle_host_mem_abort"],
])("asserted, so EL2 stops (14.1, 1; golden vectors 2.1): %s", (_what, before, operation, kind, func) => {
  for (const step of before()) must(machine, step);

  expect(machine.apply(operation())).toMatchObject({ status: "panicked", panic: { kind, func } });
  expect(machine.apply(shareHyp(B))).toMatchObject({ status: "panicked", panic: { kind, func } });
});
