// The worked example of reference 3.16, step by step: result, descriptors, maintenance. Its values were observed by running
// the kernel's own functions (4 KiB pages, 48-bit IPA space, FWB, TLBIRANGE, no DIC). The host's VMID is 0, the guest's 2.

import { beforeAll, expect, test } from "vitest";
import { Machine } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import { maintenanceOf } from "../../pagetable/maintenance.js";
import { donateGuest, forceReclaim, guestShares, guestUnshares, hostReads, makeVm, must, result } from "./scenario.js";

const PVM = 0x1001;
const GFN = 0x80000n;

let machine: Machine;

beforeAll(async () => {
  machine = await Machine.create({
    ia_bits: 48,
    features: { fwb: true, tlb_range: true },
    regions: [
      { base: 0x4000_0000n, size: 0x1000_0000n },
      { base: 0x5000_0000n, size: 0x20_0000n, nomap: true },
      { base: 0x8000_0000n, size: 0x8000_0000n },
    ],
    hyp_carveout: { base: 0x4100_0000n, size: 0x200_0000n },
    // The example reads the carve-out's first page as one that the host may not see.
    hyp_text: { base: 0x4108_0000n, size: 0x1_0000n },
  });
  // Handle 0x1000 is somebody else's.
  must(machine, { op: "reserve_vm" });
  expect(makeVm(machine, { protected: true, area: 0x44000n, memcache: 3 })).toBe(PVM);
});

const donateHyp = (pa: bigint, nr = 1): Operation => ({ op: "host_donate_hyp", pfn: pa >> 12n, nr });
const hypDonates = (pa: bigint, nr = 1): Operation => ({ op: "hyp_donate_host", pfn: pa >> 12n, nr });
const donate = (pa: bigint, gfn: bigint): Operation => donateGuest(PVM, pa >> 12n, gfn);

/** An entry at which a walk ends: `L3 00000000900007db`. */
function leafAt(vm: "host" | number, address: bigint): string {
  const leaf = machine.leaf(vm, address);
  return leaf === null ? "none" : `L${leaf.level} ${leaf.descriptor.toString(16).padStart(16, "0")}`;
}

interface Step {
  readonly operation: Operation;
  /** The return value, or how an access of the host ended. */
  readonly result: string;
  readonly hostLeaves?: Readonly<Record<string, string>>;
  readonly guestLeaf?: string;
  readonly maintenance?: readonly string[];
}

function check({ operation, result: expected, hostLeaves = {}, guestLeaf, maintenance: wanted = [] }: Step): void {
  const outcome = machine.apply(operation);

  expect(outcome.details.abort?.result ?? result(outcome)).toBe(expected);
  const found = Object.keys(hostLeaves).map((address) => [address, leafAt("host", BigInt(address))]);
  expect(Object.fromEntries(found)).toEqual(hostLeaves);
  if (guestLeaf !== undefined) {
    const gfn = "gfn" in operation ? operation.gfn : GFN;
    expect(leafAt(PVM, gfn << 12n)).toBe(guestLeaf);
  }
  expect(maintenanceOf(outcome.effects)).toEqual(wanted);
}

test("the host faults its memory in, as large as regions and tables allow", () => {
  check({
    operation: hostReads(0x8000_0000n),
    result: "mapped",
    hostLeaves: { "0x80000000": "L1 00000000800007dd" },
  });
  // An L2 table is there because of the carve-out.
  check({
    operation: hostReads(0x4000_0000n),
    result: "mapped",
    hostLeaves: { "0x40000000": "L2 00000000400007dd" },
  });
  // Firmware-reserved memory is memory.
  check({
    operation: hostReads(0x5000_0000n),
    result: "mapped",
    hostLeaves: { "0x50000000": "L2 00000000500007dd" },
  });
  // The gap below all memory.
  check({
    operation: hostReads(0x0900_0000n),
    result: "mapped",
    hostLeaves: { "0x9000000": "L1 00400000000007dd" },
  });
  check({
    operation: hostReads(0x4100_0000n),
    result: "injected",
    hostLeaves: { "0x41000000": "L3 2000000000000002" },
  });
});

test("a page donated to EL2 throws the block around it away", () => {
  check({
    operation: donateHyp(0x8040_0000n),
    result: "0",
    hostLeaves: {
      "0x80400000": "L3 2000000000000002",
      "0x80401000": "L3 0000000000000000",
      "0x80600000": "L2 0000000000000000",
    },
    maintenance: ["vmid 0: 0x80400000 level 1"],
  });
  check({
    operation: hostReads(0x8040_1000n),
    result: "mapped",
    hostLeaves: { "0x80401000": "L3 00000000804017df" },
  });
  check({
    operation: hostReads(0x8060_0000n),
    result: "mapped",
    hostLeaves: { "0x80600000": "L2 00000000806007dd" },
  });
  check({
    operation: hostReads(0x9000_0000n),
    result: "mapped",
    hostLeaves: { "0x90000000": "L2 00000000900007dd" },
  });
});

test("a page goes to the guest, is shared back and taken by force", () => {
  const owned = "L3 00000000900007db";
  const donated = { "0x90000000": "L3 2000008000010014" };
  check({
    operation: donate(0x9000_0000n, GFN),
    result: "0",
    hostLeaves: donated,
    guestLeaf: owned,
    maintenance: ["vmid 0: 0x90000000 level 2", "icache 0x90000000 4096"],
  });
  expect(machine.vcpus(PVM)[0]?.memcache).toBe(0);
  // No table is missing, but the memcache must hold three pages.
  check({ operation: donate(0x9000_1000n, GFN + 1n), result: "ENOMEM", guestLeaf: "L3 0000000000000000" });
  check({
    operation: guestShares(PVM, GFN),
    result: "0",
    hostLeaves: { "0x90000000": "L3 00000000900007df" },
    guestLeaf: "L3 00800000900007db",
  });
  expect(machine.pageState(0x90000n)?.host).toBe(2);
  check({ operation: forceReclaim(0x90000n), result: "EAGAIN" });
  check({
    operation: guestUnshares(PVM, GFN),
    result: "0",
    hostLeaves: donated,
    guestLeaf: owned,
    maintenance: ["vmid 0: 0x90000000 level 3"],
  });
  check({ operation: hostReads(0x9000_0000n), result: "injected" });

  machine.writePage(0x9000_0000n, new Uint8Array(4096).fill(0x5a));
  check({
    // Any address in the page will do.
    operation: { op: "host_force_reclaim_page_guest", phys: 0x9000_0123n },
    result: "0",
    hostLeaves: { "0x90000000": "L3 00000000900007df" },
    guestLeaf: "L3 3000000000000000",
    maintenance: ["vmid 2: 0x80000000 level 3", "poc 0x90000000 4096"],
  });
  expect(machine.pageState(0x90000n)?.host).toBe(0);
  expect(machine.readPage(0x9000_0000n)).toEqual(new Uint8Array(4096));
});

test("the poisoned address stays poisoned", () => {
  const poisoned = "L3 3000000000000000";
  check({ operation: donate(0x9000_0000n, GFN), result: "EPERM", guestLeaf: poisoned });
  check({ operation: guestShares(PVM, GFN), result: "EHWPOISON", guestLeaf: poisoned });
  must(machine, { op: "start_teardown_vm", vm: PVM });
  check({
    operation: { op: "reclaim_dying_guest_page", vm: PVM, gfn: GFN },
    result: "0",
    hostLeaves: { "0x90000000": "L3 00000000900007df" },
    guestLeaf: poisoned,
  });
});

test("an aligned range that EL2 returns becomes a block again", () => {
  check({
    operation: donateHyp(0x8080_0000n, 512),
    result: "0",
    hostLeaves: { "0x80800000": "L3 2000000000000002", "0x809ff000": "L3 2000000000000002" },
  });
  check({
    operation: hypDonates(0x8080_0000n, 512),
    result: "0",
    hostLeaves: { "0x80800000": "L2 00000000808007dd" },
    maintenance: ["vmid 0: 0x80800000 +512 pages"],
  });
});
