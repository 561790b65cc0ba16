// The TLB model (reference stage2-walk section 11): what is cached and for whom, what an access then uses, what is reported.

import { expect, test } from "vitest";
import { Machine } from "../../src/machine/machine.js";
import { describeTlbReport } from "../../src/machine/tlb.js";
import type { Operation } from "../../src/machine/operations.js";
import {
  aHost,
  donate,
  FRAMES,
  hostFault,
  must,
  PAGES,
  PFN,
  PLAIN,
  PROTECTED,
  share,
  SHARING,
  unshare,
} from "../machine/tlb-scenes.js";

const [PAGE = 0n] = PAGES;
const [GFN = 0n] = FRAMES;
const PA = PAGE << 12n;
const IPA = GFN << 12n;
const BLOCK = 0x20_0000n;
const wrprotect: Operation = { op: "host_wrprotect_guest", vm: SHARING, gfn: GFN, nr: 1 };
const flush: Operation = { op: "hcall_tlb_flush_vmid", vm: SHARING };

const aTlb = () => aHost(PLAIN, { tlb: true });

/** A lone table with pages or a block at 0, and its entries cached by a read of each page. */
async function aTable(size: bigint, phys = BLOCK): Promise<Machine> {
  const machine = await Machine.createPageTable({ pool_pages: 64, vmid: 7 }, { tlb: "on_access" });
  must(machine, { op: "pt_map", addr: 0n, size, phys, prot: 15n, mc: 1, flags: 0 });
  for (let ipa = 0n; ipa < size && ipa < 0x4000n; ipa += 0x1000n) machine.access("host", ipa, "read");
  return machine;
}

/** The library's own way to change a mapping without the invalidation (KVM_PGTABLE_WALK_SKIP_BBM_TLBI). */
const SKIP_BBM_TLBI = 32;
const remap = (addr: bigint, size: bigint, phys: bigint, prot = 15n): Operation => ({
  op: "pt_map",
  addr,
  size,
  phys,
  prot,
  mc: 1,
  flags: SKIP_BBM_TLBI,
});

test("off by default, and switched per machine", async () => {
  const machine = await aHost();
  expect(machine.tlb.mode).toBe("off");
  machine.tlb.enable();
  expect(machine.tlb.mode).toBe("on_access");
  machine.tlb.enable("worst_case");
  expect(machine.tlb.mode).toBe("worst_case");
  machine.reset();
  expect(machine.tlb.mode).toBe("worst_case");
  machine.tlb.disable();
  expect(machine.tlb.mode).toBe("off");
  expect((await aTlb()).tlb.mode).toBe("on_access");
});

test("write protection: the old entry grants writes until the caller flushes the VMID, which is allowed", async () => {
  const machine = await aTlb();
  must(machine, share(PAGE, GFN));
  expect(machine.access(SHARING, IPA, "write", { value: 1n }).status).toBe("done");
  const writable = machine.leaf(SHARING, IPA)?.descriptor;
  const { ret } = machine.apply(wrprotect);

  expect(ret).toBe(0);
  expect(machine.tlb.takeReports()).toEqual([]);
  expect(machine.access(SHARING, IPA, "write", { value: 2n }).status).toBe("done");
  const [use, ...more] = machine.tlb.takeReports();
  expect(more).toEqual([]);
  expect(use).toMatchObject({ kind: "stale_use", allowed: true, op: "host_wrprotect_guest", ipa: IPA, vmid: 2 });
  expect(use?.cached).toEqual({ descriptor: writable, level: 3 });
  expect(use?.table).toEqual({ descriptor: machine.leaf(SHARING, IPA)?.descriptor, level: 3 });

  must(machine, flush);
  expect(machine.access(SHARING, IPA, "write").fault).toMatchObject({ kind: "permission" });
  expect(machine.access(SHARING, IPA, "read").value).toBe(2n);
  expect(machine.tlb.reported).toBe(0);
});

test("ageing: a young entry is used until the VMID is flushed; then the access flag faults", async () => {
  const machine = await aTlb();
  must(machine, share(PAGE, GFN));
  machine.access(SHARING, IPA, "read");
  machine.apply({ op: "host_test_clear_young_guest", vm: SHARING, gfn: GFN, nr: 1, mkold: 1 });

  expect(machine.access(SHARING, IPA, "read").status).toBe("done");
  expect(machine.tlb.takeReports()).toMatchObject([{ kind: "stale_use", allowed: true }]);
  must(machine, flush);
  expect(machine.access(SHARING, IPA, "read").fault).toMatchObject({ kind: "access_flag" });
});

test("an entry that the tables hold again is not stale", async () => {
  const machine = await aTlb();
  must(machine, share(PAGE, GFN));
  machine.access(SHARING, IPA, "read");
  machine.apply({ op: "host_test_clear_young_guest", vm: SHARING, gfn: GFN, nr: 1, mkold: 1 });
  must(machine, { op: "host_mkyoung_guest", vm: SHARING, vcpu: 0, gfn: GFN });

  expect(machine.access(SHARING, IPA, "read").status).toBe("done");
  expect(machine.tlb.takeReports()).toEqual([]);
});

test("what ended in a translation fault is not cached, what is not permitted is", async () => {
  const machine = await aTlb();
  expect(machine.access(SHARING, IPA, "write").fault?.kind).toBe("translation");
  must(machine, share(PAGE, GFN, 1, 8n));
  expect(machine.access(SHARING, IPA, "write").fault?.kind).toBe("permission");

  machine.tlb.suppress("relax_perms");
  must(machine, { op: "host_relax_perms_guest", vm: SHARING, vcpu: 0, gfn: GFN, prot: 0xfn });
  expect(machine.access(SHARING, IPA, "write").fault?.kind).toBe("permission");
  expect(machine.tlb.takeReports().map(({ kind }) => kind)).toEqual(["left_behind", "stale_use"]);
});

test("entries are the VMID's: the same IPA of another VM is another entry", async () => {
  const machine = await aTlb();
  must(machine, donate(PAGE, GFN), share(PAGE + 1n, GFN), share(PAGE + 2n, GFN + 1n));
  machine.access(PROTECTED, IPA, "read");
  machine.access(SHARING, IPA, "read");
  machine.tlb.suppress("unmap_leaf");
  must(machine, unshare(GFN));

  expect(machine.access(SHARING, IPA, "read").pa).toBe(PA + 0x1000n);
  expect(machine.access(PROTECTED, IPA, "read").pa).toBe(PA);
  expect(machine.tlb.takeReports().map(({ kind, vmid }) => [kind, vmid])).toEqual([
    ["left_behind", 2],
    ["stale_use", 2],
  ]);
});

test("a block's entry covers the block", async () => {
  const machine = await aTlb();
  must(machine, hostFault(PAGE));
  machine.access("host", PA + BLOCK - 8n, "read");
  machine.tlb.suppress("break_leaf");
  must(machine, donate(PAGE, GFN));

  expect(machine.access("host", PA, "read")).toMatchObject({ status: "done", pa: PA, level: 2 });
  expect(machine.tlb.takeReports()[0]).toMatchObject({ kind: "break_before_make", op: "host_donate_guest", vmid: 0 });
});

test("an entry with the Contiguous bit covers its run", async () => {
  const machine = await aTlb();
  const run = Array.from({ length: 16 }, (_, page) => BigInt(page));
  must(machine, ...run.map((page) => share(PAGE + page, GFN + page)));
  const write = (page: bigint, descriptor: bigint) => {
    const entry = machine.translate(SHARING, IPA + (page << 12n), { kind: "read" })?.steps.at(-1)?.address ?? 0n;
    machine.writePage(entry, new Uint8Array(BigUint64Array.of(descriptor).buffer), Number(entry % 4096n));
  };
  for (const page of run) {
    write(page, (machine.leaf(SHARING, IPA + (page << 12n))?.descriptor ?? 0n) | (1n << 52n));
  }
  machine.access(SHARING, IPA, "read");
  write(5n, 0n);

  expect(machine.access(SHARING, IPA + 0x5000n, "read").pa).toBe(PA + 0x5000n);
  expect(machine.access(SHARING, IPA + 0x1_0000n, "read").status).toBe("fault");
  must(machine, flush);
  expect(machine.access(SHARING, IPA + 0x5000n, "read").status).toBe("fault");
});

// prettier-ignore
test.each<[what: string, operation: Operation, kinds: string[]]>([
  ["another page",            remap(0n, 0x1000n, 2n * BLOCK),            ["break_before_make"]],
  ["another memory type",     remap(0n, 0x1000n, BLOCK, 12n | 16n),      ["break_before_make"]],
  ["a block for its pages",   remap(0n, BLOCK, BLOCK),                   ["break_before_make", "break_before_make", "break_before_make", "break_before_make"]],
  ["with its TLBI: nothing",  { ...remap(0n, 0x1000n, 2n * BLOCK), flags: 0 } as Operation, []],
  ["a block, with its TLBI",  { ...remap(0n, BLOCK, BLOCK), flags: 0 } as Operation, []],
])("without a break before it is made: %s", async (_, operation, kinds) => {
  const machine = await aTable(0x4000n);
  must(machine, operation);

  expect(machine.tlb.takeReports().map(({ kind }) => kind)).toEqual(kinds);
});

test("a report says both descriptors and the operation", async () => {
  const machine = await aTable(0x4000n);
  must(machine, remap(0n, 0x1000n, 2n * BLOCK));
  const [report] = machine.tlb.takeReports();

  expect(report).toMatchObject({ vmid: 7, ipa: 0n, size: 0x1000n, op: "pt_map", operation: 1 });
  expect(report === undefined ? "" : describeTlbReport(report)).toBe(
    "VMID 7, IPA 0x0: the TLB holds 0x2007ff at level 3, the table 0x4007ff at level 3, both valid: " +
      "pt_map (operation 1) made the entry without a break before",
  );
});

test("in the worst case the entry of a page that nobody accessed is reported too", async () => {
  const machine = await aHost(PLAIN, { tlb: "worst_case" });
  machine.tlb.suppress("unmap_leaf");
  must(machine, share(PAGE, GFN), share(PAGE + 1n, GFN + 1n), unshare(GFN));

  expect(machine.tlb.takeReports()).toMatchObject([{ kind: "left_behind", op: "host_unshare_guest", ipa: IPA }]);
  expect(machine.access(SHARING, IPA, "read").pa).toBe(PA);
});

test("a snapshot holds the TLB, its mode and its reports", async () => {
  const machine = await aTlb();
  const cold = machine.snapshot();
  must(machine, share(PAGE, GFN));
  machine.access(SHARING, IPA, "write");
  must(machine, wrprotect);
  const warm = machine.snapshot();
  must(machine, flush);
  expect(machine.access(SHARING, IPA, "write").status).toBe("fault");
  machine.restore(warm);
  expect(machine.access(SHARING, IPA, "write").status).toBe("done");
  expect(machine.tlb.reported).toBe(1);
  machine.tlb.disable();
  machine.restore(cold);
  expect(machine.tlb.mode).toBe("on_access");
  expect(machine.tlb.reported).toBe(0);
});

test("with the TLB on, operations have the same results, effects and digests", async () => {
  const operations = [hostFault(PAGE), share(PAGE, GFN), wrprotect, flush, unshare(GFN), donate(PFN + 2n, GFN)];
  const on = await aTlb();
  const off = await aHost();
  expect(on.applyBatch(operations)).toEqual(off.applyBatch(operations));
});

test("more reports than are kept are counted", async () => {
  const machine = await aTlb();
  must(machine, share(PAGE, GFN));
  machine.access(SHARING, IPA, "read");
  must(machine, wrprotect);
  for (let count = 0; count < 300; count++) machine.access(SHARING, IPA, "read");

  expect(machine.tlb.reported).toBe(300);
  expect(machine.tlb.takeReports()).toHaveLength(256);
  expect(machine.tlb.reported).toBe(0);
});
