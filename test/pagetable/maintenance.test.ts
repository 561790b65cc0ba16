// Every TLBI of the model is needed: without it the TLB reports the operation that should have issued it. The scenarios take
// the operations of reference pkvm-el2 sections 2.5 to 2.9, 3.12 and 5.6.

import { describe, expect, test } from "vitest";
import { Machine } from "../../src/machine/machine.js";
import type { Operation } from "../../src/machine/operations.js";
import { TLBI_SITES, type TlbiSite, type TlbReportKind } from "../../src/machine/tlb.js";
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
  RANGES,
  share,
  SHARING,
  unshare,
} from "../machine/tlb-scenes.js";

const [PAGE = 0n] = PAGES;
const [GFN = 0n] = FRAMES;
const BLOCK_BYTES = 0x20_0000n;
const READ = 8n;

interface Scene {
  readonly machine: () => Promise<Machine>;
  readonly before: readonly Operation[];
  /** What should invalidate. */
  readonly operation: Operation;
  readonly reports: readonly TlbReportKind[];
}

const plain = () => aHost(PLAIN);
const ranges = () => aHost(RANGES);
const table = () => Machine.createPageTable({ pool_pages: 64 });

const reclaim: Operation = { op: "host_reclaim_page_guest", vm: PROTECTED, gfn: GFN };
const map: Operation = { op: "pt_map", addr: 0n, size: BLOCK_BYTES, phys: BLOCK_BYTES, prot: 15n, mc: 1, flags: 0 };
const endOfVm: Operation[] = [
  donate(PAGE, GFN),
  // The guest's table stays: it holds the note that the page was taken.
  { op: "host_force_reclaim_page_guest", phys: PAGE << 12n },
  { op: "start_teardown_vm", vm: PROTECTED },
];

// prettier-ignore
const SCENES: Readonly<Record<TlbiSite, Scene>> = {
  // A block of the host's becomes a table of pages, one of which is the guest's.
  break_leaf:  { machine: plain, before: [hostFault(PAGE)], operation: donate(PAGE, GFN), reports: ["break_before_make"] },
  // A whole block comes back: a block takes the place of the table of notes.
  break_table: { machine: plain, before: [{ op: "host_donate_hyp", pfn: PFN, nr: 512 }],
                 operation: { op: "hyp_donate_host", pfn: PFN, nr: 512 }, reports: ["break_before_make"] },
  // The table stays: with it, its own TLBI by IPA would take the leaf along.
  unmap_leaf:  { machine: plain, before: [share(PAGE, GFN), share(PAGE + 1n, GFN + 1n)], operation: unshare(GFN),
                 reports: ["left_behind"] },
  unmap_table: { machine: plain, before: [donate(PAGE, GFN)], operation: reclaim, reports: ["left_behind", "left_behind"] },
  unmap_range: { machine: ranges, before: [share(PAGE, GFN), share(PAGE + 1n, GFN + 1n)], operation: unshare(GFN),
                 reports: ["left_behind"] },
  relax_perms: { machine: plain, before: [share(PAGE, GFN, 1, READ)],
                 operation: { op: "host_relax_perms_guest", vm: SHARING, vcpu: 0, gfn: GFN, prot: 0xfn }, reports: ["left_behind"] },
  split:       { machine: table, before: [map],
                 operation: { op: "pt_split", addr: 0n, size: BLOCK_BYTES, nobjs: 4 }, reports: ["break_before_make"] },
  teardown:    { machine: plain, before: endOfVm, operation: { op: "finalize_teardown_vm", vm: PROTECTED },
                 reports: ["vmid_left"] },
  flush_vmid:  { machine: plain, before: [share(PAGE, GFN), { op: "host_wrprotect_guest", vm: SHARING, gfn: GFN, nr: 1 }],
                 operation: { op: "hcall_tlb_flush_vmid", vm: SHARING }, reports: ["vmid_left"] },
};

describe.each(TLBI_SITES)("%s", (site) => {
  const { machine: make, before, operation, reports } = SCENES[site];

  async function play(suppressed: TlbiSite | null) {
    const machine = await make();
    machine.tlb.enable("worst_case");
    machine.tlb.suppress(suppressed);
    must(machine, ...before);
    expect(machine.tlb.takeReports()).toEqual([]);
    must(machine, operation);
    return machine.tlb.takeReports();
  }

  test("issued: nothing is reported", async () => {
    expect(await play(null)).toEqual([]);
  });

  test("taken out: the operation is named", async () => {
    const found = await play(site);

    expect(found.map(({ kind }) => kind)).toEqual(reports);
    for (const report of found) expect(report).toMatchObject({ op: operation.op, allowed: false });
  });
});

test("a TLBI that an operation does not issue is not missed", async () => {
  const machine = await plain();
  machine.tlb.enable("worst_case");
  machine.tlb.suppress("split");
  must(machine, hostFault(PAGE), donate(PAGE, GFN), reclaim);
  expect(machine.tlb.reported).toBe(0);
});

test("a taken-out TLBI is no effect either", async () => {
  const machine = await plain();
  must(machine, hostFault(PAGE));
  machine.tlb.suppress("break_leaf");
  const { effects } = machine.apply(donate(PAGE, GFN));
  expect(effects.filter(({ kind }) => kind.startsWith("tlbi"))).toEqual([]);
});
