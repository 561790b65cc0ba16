// With correct maintenance a TLB cannot be told from none: whatever a machine is asked to do, every access has the same
// answer with the TLB on and off, and nothing is reported.

import fc from "fast-check";
import { expect, test } from "vitest";
import { Machine } from "../../src/machine/machine.js";
import type { MemoryAccess } from "../../src/machine/accesses.js";
import type { Operation } from "../../src/machine/operations.js";
import { describeTlbReport, type TlbMode } from "../../src/machine/tlb.js";
import {
  aHost,
  BLOCK,
  donate,
  everyAccess,
  FRAMES,
  hostFault,
  PAGES,
  PFN,
  PLAIN,
  PROTECTED,
  RANGES,
  share,
  SHARING,
  unshare,
} from "./tlb-scenes.js";

const pfn = fc.constantFrom(...PAGES);
const gfn = fc.constantFrom(...FRAMES);
const protection = fc.constantFrom(0xfn, 0xcn, 0x8n, 0xbn);

// These leave the invalidation to the host, which flushes the VMID at once.
const LAZY = new Set(["host_wrprotect_guest", "host_test_clear_young_guest", "pt_wrprotect", "pt_test_clear_young"]);

const inProtected = (op: "guest_share_host" | "guest_unshare_host"): fc.Arbitrary<Operation> =>
  gfn.map((frame): Operation => ({ op, vm: PROTECTED, vcpu: 0, gfn: frame }));

/** What moves pages between a host, EL2 and two VMs; much of it is refused, depending on what went before. */
const hostOperation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: pfn.map(hostFault) },
  { weight: 4, arbitrary: fc.tuple(pfn, gfn).map(([page, frame]) => donate(page, frame)) },
  { weight: 4, arbitrary: fc.tuple(pfn, gfn, protection).map(([page, frame, prot]) => share(page, frame, 1, prot)) },
  { weight: 2, arbitrary: gfn.map((frame) => unshare(frame)) },
  fc.constantFrom(share(PFN, 0x400n, BLOCK), share(PFN + 512n, 0x400n, BLOCK), unshare(0x400n, BLOCK)),
  inProtected("guest_share_host"),
  inProtected("guest_unshare_host"),
  {
    weight: 2,
    arbitrary: gfn.map((frame): Operation => ({ op: "host_reclaim_page_guest", vm: PROTECTED, gfn: frame })),
  },
  pfn.map((page): Operation => ({ op: "host_force_reclaim_page_guest", phys: page << 12n })),
  fc
    .tuple(pfn, fc.constantFrom(1, BLOCK))
    .map(([page, nr]): Operation => ({ op: "host_donate_hyp", pfn: nr === 1 ? page : PFN, nr })),
  fc
    .tuple(pfn, fc.constantFrom(1, BLOCK))
    .map(([page, nr]): Operation => ({ op: "hyp_donate_host", pfn: nr === 1 ? page : PFN, nr })),
  gfn.map((frame): Operation => ({ op: "host_wrprotect_guest", vm: SHARING, gfn: frame, nr: 1 })),
  gfn.map((frame): Operation => ({ op: "host_test_clear_young_guest", vm: SHARING, gfn: frame, nr: 1, mkold: 1 })),
  gfn.map((frame): Operation => ({ op: "host_mkyoung_guest", vm: SHARING, vcpu: 0, gfn: frame })),
  fc
    .tuple(gfn, protection)
    .map(([frame, prot]): Operation => ({ op: "host_relax_perms_guest", vm: SHARING, vcpu: 0, gfn: frame, prot })),
);

const MODES: readonly TlbMode[] = ["on_access", "worst_case"];

/** Runs a step on both machines and compares what every access then sees. */
function compare(on: Machine, off: Machine, step: readonly Operation[], accesses: readonly MemoryAccess[]): void {
  expect(on.applyBatch(step, { effects: false })).toEqual(off.applyBatch(step, { effects: false }));
  expect(on.accessBatch(accesses)).toEqual(off.accessBatch(accesses));
  expect(on.tlb.takeReports().map(describeTlbReport)).toEqual([]);
}

test.each(MODES.flatMap((mode) => [PLAIN, RANGES].map((features) => ({ mode, features }))))(
  "a pKVM host: $mode, $features",
  async ({ mode, features }) => {
    const on = await aHost(features, { tlb: mode });
    const off = await aHost(features);
    const starts = [on.snapshot(), off.snapshot()] as const;
    const flush: Operation = { op: "hcall_tlb_flush_vmid", vm: SHARING };
    fc.assert(
      fc.property(fc.array(hostOperation, { maxLength: 40, size: "max" }), (operations) => {
        on.restore(starts[0]);
        off.restore(starts[1]);
        for (const [index, operation] of operations.entries()) {
          const step = LAZY.has(operation.op) ? [operation, flush] : [operation];
          compare(on, off, step, everyAccess(BigInt(index) << 8n));
          if (off.panicked !== null) return;
        }
      }),
      { numRuns: 60 },
    );
  },
  15_000,
);

test("VMs that end leave nothing to the next one of the same VMID", async () => {
  for (const mode of MODES) {
    const on = await aHost(PLAIN, { tlb: mode });
    const off = await aHost();
    const [page = 0n] = PAGES;
    const [frame = 0n] = FRAMES;
    const steps: Operation[][] = [
      [donate(page, frame), donate(page + 1n, frame + 1n)],
      [{ op: "start_teardown_vm", vm: PROTECTED }],
      [{ op: "reclaim_dying_guest_page", vm: PROTECTED, gfn: frame }],
      // One page is never reclaimed: its translation must go with the VM.
      [{ op: "finalize_teardown_vm", vm: PROTECTED }],
      [hostFault(page)],
    ];
    for (const [index, step] of steps.entries()) compare(on, off, step, everyAccess(BigInt(index) << 8n));
  }
});

const address = fc
  .tuple(fc.nat(2), fc.constantFrom(0n, 1n, 2n, 37n))
  .map(([i, page]) => (BigInt(i) * 512n + page) << 12n);
const size = fc.constantFrom(1n, 3n, 512n, 1024n).map((pages) => pages << 12n);
const range = { addr: address, size };

/** What the library does to a table, but for walks that are told not to invalidate. */
const tableOperation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .record({ ...range, phys: address, prot: fc.constantFrom(15n, 12n, 8n, 11n, 28n) })
      .map((args): Operation => ({ op: "pt_map", ...args, mc: 1, flags: 0 })),
  },
  { weight: 2, arbitrary: fc.record(range).map((args): Operation => ({ op: "pt_unmap", ...args })) },
  fc.record(range).map((args): Operation => ({ op: "pt_annotate", ...args, type: 2n, annot: 6n, mc: 1 })),
  fc.record({ addr: address, prot: protection }).map((args): Operation => ({ op: "pt_relax_perms", ...args })),
  fc.record({ addr: address }).map((args): Operation => ({ op: "pt_mkyoung", ...args })),
  fc.record({ ...range, nobjs: fc.constantFrom(1, 4) }).map((args): Operation => ({ op: "pt_split", ...args })),
  fc.record(range).map((args): Operation => ({ op: "pt_wrprotect", ...args })),
  fc.record(range).map((args): Operation => ({ op: "pt_test_clear_young", ...args, mkold: 1 })),
);

const readsOfTable = [0n, 1n, 2n, 37n, 38n, 511n, 512n, 513n, 549n, 1024n, 1061n, 2047n].flatMap(
  (page): MemoryAccess[] => [
    { stage2: "host", ipa: page << 12n, kind: "read" },
    { stage2: "host", ipa: page << 12n, kind: "write" },
    { stage2: "host", ipa: page << 12n, kind: "fetch", bytes: 4 },
  ],
);

test.each(MODES.flatMap((mode) => [PLAIN, RANGES].map((features) => ({ mode, features }))))(
  "a lone table: $mode, $features",
  async ({ mode, features }) => {
    const config = { pool_pages: 64, features };
    const on = await Machine.createPageTable(config, { tlb: mode });
    const off = await Machine.createPageTable(config);
    const starts = [on.snapshot(), off.snapshot()] as const;
    fc.assert(
      fc.property(fc.array(tableOperation, { maxLength: 40, size: "max" }), (operations) => {
        on.restore(starts[0]);
        off.restore(starts[1]);
        for (const operation of operations) {
          compare(on, off, [operation], LAZY.has(operation.op) ? [] : readsOfTable);
          if (LAZY.has(operation.op)) on.tlb.invalidateAll();
        }
      }),
      { numRuns: 60 },
    );
  },
  15_000,
);
