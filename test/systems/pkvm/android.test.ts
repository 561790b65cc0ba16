// Android's variant of pKVM: reference pkvm-el2 section 13.2 and host-and-vmm section 5, row by row. What the variant shares
// with Linux 7.3 is in the other files of this folder.

import { beforeEach, describe, expect, test } from "vitest";
import { Machine, type Outcome } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import { stateOf } from "./machine-state.js";
import {
  donateGuest,
  forceReclaim,
  guestShares,
  guestState,
  guestUnshares,
  hostReads,
  makeVm,
  must,
  pageStates,
  reclaim,
  result,
  shareGuest,
} from "./scenario.js";

const REGIONS = [
  { base: 0x4000_0000n, size: 0x400_0000n },
  { base: 0x5000_0000n, size: 0x20_0000n, nomap: true },
];
const PFN = 0x40100n;
const PA = PFN << 12n;
const OTHER = 0x40101n;
const NOMAP = 0x50001n;
const GFN = 0x80000n;
const IPA = GFN << 12n;
const DEVICE_GFN = 0x9000n;

let machine: Machine;
let vm: number;
beforeEach(async () => {
  machine = await Machine.create({ regions: REGIONS, ia_bits: 40, variant: "android" });
  vm = makeVm(machine, { protected: true, area: 0x41000n, memcache: 16 });
});

const useDma = (pfn: bigint, nr = 1): Operation => ({ op: "host_use_dma", pfn, nr });
const unuseDma = (pfn: bigint, nr = 1): Operation => ({ op: "host_unuse_dma", pfn, nr });
const relinquish = (gfn: bigint, keep = false): Operation => ({
  op: "guest_relinquish_to_host",
  vm,
  vcpu: 0,
  gfn,
  keep,
});
const hvc = (fn: bigint, a1 = 0n, a2 = 0n, a3 = 0n): Operation => ({ op: "guest_hvc", vm, vcpu: 0, fn, a1, a2, a3 });
const moduleProt = (prot: bigint, pfn = PFN, nr = 1): Operation => ({
  op: "module_change_host_page_prot",
  pfn,
  nr,
  prot,
});
const mmioMap = (gfn: bigint): Operation => ({ op: "guest_mmio_guard_map", vm, vcpu: 0, gfn });
const mmioAbort = (ipa: bigint): Operation => ({ op: "guest_mmio_abort", vm, vcpu: 0, ipa });
const ffa = (op: "guest_share_ffa" | "guest_unshare_ffa"): Operation => ({ op, vm, vcpu: 0, gfn: GFN });

const FEATURES = 0x86000000n;
const MEMINFO = 0xc6000002n;
const MEM_SHARE = 0xc6000003n;
const MEM_UNSHARE = 0xc6000004n;
const GUARD_INFO = 0xc6000005n;
const GUARD_ENROLL = 0xc6000006n;
const GUARD_MAP = 0xc6000007n;
const GUARD_UNMAP = 0xc6000008n;
const RELINQUISH = 0xc6000009n;
const INVALID_PARAMETER = 2n ** 64n - 3n;

/** errno and reason of a refusal; "0" and null of a success. */
const refusal = (outcome: Outcome) => [result(outcome), outcome.reason];

/** x0 after a hypercall that EL2 handled; where it went otherwise. */
function x0(operation: Operation): bigint | string {
  const { ret, details } = machine.apply(operation);
  if (ret === 0) return `host, elr ${details.elrDelta}`;
  return details.registers?.[0] ?? "nothing";
}

describe("host S2: prepopulated for all memory at boot", () => {
  test("every page that the host has is mapped", () => {
    expect(machine.access("host", PA, "write", { value: 7n }).status).toBe("done");
    expect(machine.access("host", NOMAP << 12n, "read").status).toBe("done");
    expect(machine.checkInvariants()).toBeNull();
  });

  test("EL2's own memory is not", async () => {
    const fresh = await Machine.create({
      regions: REGIONS,
      variant: "android",
      hyp_carveout: { base: 0x4200_0000n, size: 0x60_0000n },
    });
    expect(fresh.access("host", 0x4210_0000n, "read").status).toBe("fault");
    expect(fresh.access("host", 0x41ff_f000n, "read").status).toBe("done");
    expect(fresh.access("host", 0x4260_0000n, "read").status).toBe("done");
    expect(fresh.checkInvariants()).toBeNull();
  });
});

describe("no poison state, no force_reclaim", () => {
  // prettier-ignore
  test.each<[string, (vm: number) => Operation]>([
    ["host_force_reclaim_page_guest", () => forceReclaim(PFN)],
    ["vcpu_in_poison_fault",          (vm) => ({ op: "vcpu_in_poison_fault", vm, vcpu: 0, esr: 0n, hpfar: 0n, far: 0n })],
    ["hcall_vcpu_in_poison_fault",    () => ({ op: "hcall_vcpu_in_poison_fault", esr: 0n, hpfar: 0n, far: 0n })],
  ])("%s is no operation", (_op, operation) => {
    must(machine, donateGuest(vm, PFN, GFN));
    expect(machine.apply(operation(vm)).status).toBe("invalid");
    expect(guestState(machine, vm, GFN)).toBe("OWNED");
  });
});

describe("DMA refcount", () => {
  // prettier-ignore
  test.each<[row: string, (vm: number, np: number) => Operation, errno: string]>([
    ["donate_guest: -EINVAL",    (vm) => donateGuest(vm, PFN, GFN),                     "EINVAL"],
    ["share_hyp: -EINVAL",       () => ({ op: "host_share_hyp", pfn: PFN }),            "EINVAL"],
    ["donate_hyp: -EINVAL",      () => ({ op: "host_donate_hyp", pfn: PFN, nr: 1 }),    "EINVAL"],
    ["share_ffa: -EINVAL",       () => ({ op: "host_share_ffa", pfn: PFN, nr: 1 }),     "EINVAL"],
    ["share_ffa of a range",     () => ({ op: "host_share_ffa", pfn: PFN - 1n, nr: 3 }), "EINVAL"],
    ["share_guest: -EPERM",      (_vm, np) => shareGuest(np, PFN, GFN),                 "EPERM"],
    ["module prot: -EINVAL",     () => moduleProt(4n),                                  "EINVAL"],
  ])("%s while a device uses the page, as before when none does", (_row, operation, errno) => {
    const np = makeVm(machine, { protected: false, area: 0x41400n, memcache: 16 });
    must(machine, useDma(PFN));
    must(machine, useDma(PFN));
    must(machine, unuseDma(PFN));
    const before = stateOf(machine);
    expect(refusal(machine.apply(operation(vm, np)))).toEqual([errno, "dma_use"]);
    expect(stateOf(machine)).toBe(before);
    must(machine, unuseDma(PFN));
    must(machine, operation(vm, np));
  });

  test("a page that another component has: -EPERM, and no page of the range is counted", () => {
    must(machine, donateGuest(vm, OTHER, GFN));
    expect(refusal(machine.apply(useDma(PFN, 2)))).toEqual(["EPERM", "host_state"]);
    expect(machine.pageState(PFN)?.refcount).toBe(0);
  });

  test("a use that is not there: BUG", () => {
    expect(result(machine.apply(unuseDma(PFN)))).toBe("fatal");
  });

  test("uses are no invariant violation, and are told", () => {
    const { effects } = must(machine, useDma(PFN));
    expect(effects).toMatchObject([{ kind: "page", pa: PA, before: { refcount: 0 }, after: { refcount: 1 } }]);
    expect(machine.checkInvariants()).toBeNull();
  });
});

describe("MEM_RELINQUISH: the order of its checks", () => {
  test("not mapped: success, and the host does not hear of it", () => {
    expect(refusal(machine.apply(relinquish(GFN)))).toEqual(["0", null]);
    expect(x0(hvc(RELINQUISH, IPA))).toBe(0n);
  });

  test("not OWNED: -EPERM", () => {
    must(machine, donateGuest(vm, PFN, GFN));
    must(machine, guestShares(vm, GFN));
    expect(refusal(machine.apply(relinquish(GFN)))).toEqual(["EPERM", "guest_state"]);
    expect(x0(hvc(RELINQUISH, IPA))).toBe(INVALID_PARAMETER);
  });

  test("DMA-referenced: -EBUSY", () => {
    must(machine, donateGuest(vm, PFN, GFN));
    must(machine, guestShares(vm, GFN));
    must(machine, useDma(PFN));
    must(machine, guestUnshares(vm, GFN));
    expect(refusal(machine.apply(relinquish(GFN)))).toEqual(["EBUSY", "dma_use"]);
  });

  test("else unmapped, zeroed and flushed, host OWNED", () => {
    machine.access("host", PA, "write", { value: 7n });
    must(machine, donateGuest(vm, PFN, GFN));
    const { effects } = must(machine, relinquish(GFN));
    const steps = effects.map(({ kind }) => kind);
    expect(steps.indexOf("descriptor")).toBeLessThan(steps.indexOf("wipe"));
    expect(steps.indexOf("wipe")).toBeLessThan(steps.indexOf("poc"));
    expect(steps.indexOf("poc")).toBeLessThan(steps.indexOf("page"));
    expect(guestState(machine, vm, GFN)).toBe("NOPAGE");
    expect(pageStates(machine, PFN)).toEqual({ host: "OWNED", hyp: "NOPAGE" });
    expect(machine.access("host", PA, "read").value).toBe(0n);
    expect(machine.checkInvariants()).toBeNull();
  });

  test("the newer flag: content is kept", () => {
    machine.access("host", PA, "write", { value: 7n });
    must(machine, donateGuest(vm, PFN, GFN));
    must(machine, relinquish(GFN, true));
    expect(machine.access("host", PA, "read").value).toBe(7n);
  });

  test("the host learns of it through the exit; a later access gets a new page", () => {
    must(machine, donateGuest(vm, PFN, GFN));
    expect(x0(hvc(RELINQUISH, IPA))).toBe("host, elr 0");
    expect(machine.access(vm, IPA, "read").fault?.kind).toBe("translation");
    must(machine, donateGuest(vm, OTHER, GFN));
    expect(machine.access(vm, IPA, "read").value).toBe(0n);
  });

  // prettier-ignore
  test.each<[string, bigint[]]>([
    ["an unaligned address",     [IPA + 8n]],
    ["a register that is not 0", [IPA, 0n, 1n]],
  ])("%s: -3", (_row, [a1, a2, a3]) => {
    must(machine, donateGuest(vm, PFN, GFN));
    expect(x0(hvc(RELINQUISH, a1, a2, a3))).toBe(INVALID_PARAMETER);
    expect(guestState(machine, vm, GFN)).toBe("OWNED");
  });
});

describe("MMIO guard", () => {
  test("a VM that did not ask for it: every exit goes to the host", () => {
    expect(refusal(machine.apply(mmioAbort(DEVICE_GFN << 12n)))).toEqual(["0", null]);
  });

  test("ENROLL, then exits only for registered addresses", () => {
    expect(x0(hvc(GUARD_ENROLL))).toBe(0n);
    expect(refusal(machine.apply(mmioAbort((DEVICE_GFN << 12n) + 4n)))).toEqual(["EPERM", "mmio_unguarded"]);
    expect(x0(hvc(GUARD_MAP, DEVICE_GFN << 12n))).toBe(0n);
    expect(refusal(machine.apply(mmioAbort((DEVICE_GFN << 12n) + 4n)))).toEqual(["0", null]);
    expect(refusal(machine.apply(mmioAbort((DEVICE_GFN + 1n) << 12n)))).toEqual(["EPERM", "mmio_unguarded"]);
    expect(machine.checkInvariants()).toBeNull();
  });

  test("UNMAP is accepted and does nothing", () => {
    must(machine, hvc(GUARD_ENROLL));
    must(machine, hvc(GUARD_MAP, DEVICE_GFN << 12n));
    expect(x0(hvc(GUARD_UNMAP, DEVICE_GFN << 12n))).toBe(0n);
    expect(machine.apply(mmioAbort(DEVICE_GFN << 12n)).ret).toBe(0);
  });

  test("MAP takes only NOPAGE addresses: -EPERM, to the guest -3", () => {
    must(machine, hvc(GUARD_ENROLL));
    must(machine, donateGuest(vm, PFN, GFN));
    expect(refusal(machine.apply(mmioMap(GFN)))).toEqual(["EPERM", "guest_state"]);
    expect(x0(hvc(GUARD_MAP, IPA))).toBe(INVALID_PARAMETER);
    must(machine, mmioMap(DEVICE_GFN));
    expect(refusal(machine.apply(mmioMap(DEVICE_GFN)))).toEqual(["EPERM", "guest_state"]);
  });

  test("no page is donated where MMIO is registered", () => {
    must(machine, hvc(GUARD_ENROLL));
    must(machine, mmioMap(DEVICE_GFN));
    expect(refusal(machine.apply(donateGuest(vm, PFN, DEVICE_GFN)))).toEqual(["EPERM", "guest_state"]);
  });

  test("missing table memory: a request to the host, then the call again", async () => {
    machine = await Machine.create({ regions: REGIONS, variant: "android" });
    vm = makeVm(machine, { protected: true, area: 0x41000n });
    must(machine, hvc(GUARD_ENROLL));
    expect(x0(hvc(GUARD_MAP, DEVICE_GFN << 12n))).toBe("host, elr -4");
    for (const pfn of [0x40200n, 0x40201n]) must(machine, { op: "host_memcache_push", vm, vcpu: 0, pfn });
    must(machine, { op: "refill_memcache", vm, vcpu: 0 });
    expect(x0(hvc(GUARD_MAP, DEVICE_GFN << 12n))).toBe(0n);
  });

  test("MAP before ENROLL, and an unaligned address: -3", () => {
    expect(x0(hvc(GUARD_MAP, DEVICE_GFN << 12n))).toBe(INVALID_PARAMETER);
    must(machine, hvc(GUARD_ENROLL));
    expect(x0(hvc(GUARD_MAP, (DEVICE_GFN << 12n) + 8n))).toBe(INVALID_PARAMETER);
  });

  test("INFO, FEATURES, MEMINFO", () => {
    expect(x0(hvc(GUARD_INFO))).toBe(4096n);
    expect(x0(hvc(FEATURES))).toBe(0x3fdn);
    expect(must(machine, hvc(MEMINFO)).details.registers).toEqual([4096n, 1n, 0n, 0n]);
  });
});

describe("guest share and unshare of ranges", () => {
  const share = (pages: bigint) => machine.apply(hvc(MEM_SHARE, IPA, pages)).details.registers;

  test("x2 pages, x1 says how many were done", () => {
    for (let i = 0n; i < 4n; i++) must(machine, donateGuest(vm, PFN + i, GFN + i));
    expect(share(4n)).toEqual([0n, 4n, 0n, 0n]);
    expect(must(machine, hvc(MEM_UNSHARE, IPA, 4n)).details.registers).toEqual([0n, 4n, 0n, 0n]);
    expect(guestState(machine, vm, GFN + 3n)).toBe("OWNED");
  });

  test("x2 = 0: one page", () => {
    for (let i = 0n; i < 2n; i++) must(machine, donateGuest(vm, PFN + i, GFN + i));
    expect(share(0n)?.[1]).toBe(1n);
  });

  test("it ends where pages are not contiguous, or differ", () => {
    must(machine, donateGuest(vm, PFN, GFN));
    must(machine, donateGuest(vm, PFN + 5n, GFN + 1n));
    expect(share(2n)?.[1]).toBe(1n);
    expect(share(2n)?.[0]).toBe(INVALID_PARAMETER);
  });

  test("nothing mapped: a map request to the host, and the call again", () => {
    expect(x0(hvc(MEM_SHARE, IPA, 2n))).toBe("host, elr -4");
    expect(x0(hvc(MEM_UNSHARE, IPA, 2n))).toBe(INVALID_PARAMETER);
  });
});

describe("module-owned pages", () => {
  // prettier-ignore
  test.each<[row: string, prot: bigint, host: number, read: string, write: string]>([
    ["prot RWX: OWNED",                             0xfn, 0,  "done",  "done"],
    ["other non-zero: MODULE_OWNED",                0x8n, 8,  "done",  "fault"],
    ["zero: owner PROTECTED, NOPAGE of a module",   0x0n, 11, "fault", "fault"],
  ])("%s", (_row, prot, host, read, write) => {
    must(machine, moduleProt(prot));
    expect(machine.pageState(PFN)).toMatchObject({ host, hyp: 3 });
    expect(machine.access("host", PA, "read").status).toBe(read);
    expect(machine.access("host", PA, "write").status).toBe(write);
    expect(machine.checkInvariants()).toBeNull();
    must(machine, moduleProt(0xfn));
    expect(pageStates(machine, PFN).host).toBe("OWNED");
    expect(machine.access("host", PA, "write").status).toBe("done");
    expect(machine.checkInvariants()).toBeNull();
  });

  test("bad prot: -EINVAL", () => {
    expect(refusal(machine.apply(moduleProt(0x10n)))).toEqual(["EINVAL", "prot"]);
  });

  test("a mixed range: -EPERM", () => {
    must(machine, moduleProt(0x8n, OTHER));
    expect(refusal(machine.apply(moduleProt(0x8n, PFN, 2)))).toEqual(["EPERM", "module_range"]);
    expect(refusal(machine.apply(moduleProt(0x8n, OTHER, 2)))).toEqual(["EPERM", "module_range"]);
  });

  test("pages of other components are not a module's: -EPERM", () => {
    must(machine, donateGuest(vm, PFN, GFN));
    expect(refusal(machine.apply(moduleProt(0n)))).toEqual(["EPERM", "host_state"]);
  });

  // prettier-ignore
  test.each<[string, bigint]>([["restricted", 0x8n], ["taken", 0n]])(
    "RESTRICTED_PROT: exact-state checks fail on a page that is %s", (_what, prot) => {
    must(machine, moduleProt(prot));
    expect(refusal(machine.apply(donateGuest(vm, PFN, GFN)))).toEqual(["EPERM", "host_state"]);
    expect(refusal(machine.apply({ op: "host_share_hyp", pfn: PFN }))).toEqual(["EPERM", "host_state"]);
  });
});

describe("illegal host access: an abort is injected", () => {
  const PERMISSION_WRITE = 0x9200004fn;
  const hostWrites = (pa: bigint): Operation => ({ ...hostReads(pa), esr: PERMISSION_WRITE }) as Operation;

  test("a page of a guest: translation fault, S1PTW", () => {
    must(machine, donateGuest(vm, PFN, GFN));
    expect(machine.apply(hostReads(PA)).details.abort).toMatchObject({ result: "injected", injectedEsr: 0x92000087n });
  });

  test("permission faults not handled by a module are injected, not retried for ever", () => {
    must(machine, moduleProt(0x8n));
    expect(machine.access("host", PA, "write").fault?.esr).toBe(PERMISSION_WRITE);
    const outcome = machine.apply(hostWrites(PA));
    expect(refusal(outcome)).toEqual(["EPERM", "host_permission"]);
    expect(outcome.details.abort).toMatchObject({ result: "injected", injectedEsr: PERMISSION_WRITE | 0x80n });
  });

  test("in Linux 7.3 the same fault is retried", async () => {
    const upstream = await Machine.create({ regions: REGIONS });
    upstream.apply(hostReads(PA));
    expect(upstream.apply(hostWrites(PA)).details.abort).toMatchObject({ result: "spurious" });
  });

  test("a page that a module took", () => {
    must(machine, moduleProt(0n));
    expect(refusal(machine.apply(hostReads(PA)))).toEqual(["EPERM", "host_annotated"]);
  });
});

describe("FF-A", () => {
  test("reclaim: -EBUSY for a page the guest lent through FF-A, until EL2 releases it", () => {
    must(machine, donateGuest(vm, PFN, GFN));
    must(machine, ffa("guest_share_ffa"));
    expect(guestState(machine, vm, GFN)).toBe("SHARED_OWNED");
    expect(pageStates(machine, PFN).host).toBe("NOPAGE");
    expect(machine.checkInvariants()).toBeNull();

    must(machine, { op: "start_teardown_vm", vm });
    const refused = machine.apply({ op: "reclaim_dying_guest_page", vm, gfn: GFN });
    expect(refusal(refused)).toEqual(["EBUSY", "lent_by_ffa"]);
    must(machine, ffa("guest_unshare_ffa"));
    must(machine, { op: "reclaim_dying_guest_page", vm, gfn: GFN });
    expect(pageStates(machine, PFN).host).toBe("OWNED");
  });

  test("a page shared with the host is not FF-A's to take back, nor the other way round", () => {
    must(machine, donateGuest(vm, PFN, GFN));
    must(machine, guestShares(vm, GFN));
    expect(refusal(machine.apply(ffa("guest_unshare_ffa")))).toEqual(["EPERM", "unshared_with_host"]);
    must(machine, reclaim(vm, GFN));
    must(machine, donateGuest(vm, PFN, GFN));
    must(machine, ffa("guest_share_ffa"));
    expect(refusal(machine.apply(guestUnshares(vm, GFN)))).toEqual(["EPERM", "unshared_with_host"]);
    expect(refusal(machine.apply(relinquish(GFN)))).toEqual(["EPERM", "guest_state"]);
  });
});

test("Linux 7.3 has none of these operations", async () => {
  machine = await Machine.create({ regions: REGIONS });
  vm = makeVm(machine, { protected: true, area: 0x41000n, memcache: 16 });
  const operations = [
    useDma(PFN),
    unuseDma(PFN),
    relinquish(GFN),
    moduleProt(8n),
    mmioMap(GFN),
    mmioAbort(IPA),
    ffa("guest_share_ffa"),
  ];
  for (const operation of operations) expect(machine.apply(operation).status).toBe("invalid");
  expect(x0(hvc(RELINQUISH, IPA))).toBe("host, elr 0");
});
