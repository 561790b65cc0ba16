// Leaks: what has to come back once the last VM is gone (reference bugs.md section 11, check 6; pkvm-el2 section 5.7).

import { expect, test } from "vitest";
import * as abi from "../../assembly/abi/explore.js";
import { explore } from "../../src/explore/explore.js";
import { pkvmDomain, type PkvmSizes } from "../../src/explore/pkvm-domain.js";
import type { Operation } from "../../src/machine/operations.js";

const TINY: PkvmSizes = { pages: 1, tablePages: 1, vms: [true], gfns: 1 };
const VM = 0x1000;
const GFN = 0x8_0000n;
const PFN = 0x4_0000n;
const TABLE = PFN + 8n;

test.each<[string, PkvmSizes]>([
  ["protected", TINY],
  ["ordinary", { ...TINY, vms: [false] }],
  ["protected, and made again", { ...TINY, makesVms: true }],
])("%s: everything comes back, in every order of calls", async (_, sizes) => {
  const { end, findings } = await explore(pkvmDomain(sizes), {
    rules: ["leak", "freed"],
    all: true,
    maxStates: 10_000,
  });
  expect({ end, findings }).toEqual({ end: "exhausted", findings: [] });
});

const filled: Operation[] = [
  { op: "host_memcache_push", vm: VM, vcpu: 0, pfn: TABLE },
  { op: "refill_memcache", vm: VM, vcpu: 0 },
];
const given: Operation[] = [...filled, { op: "host_donate_guest", vm: VM, vcpu: 0, pfn: PFN, gfn: GFN }];
const lent: Operation[] = [
  ...filled,
  { op: "host_share_guest", vm: VM, vcpu: 0, pfn: PFN, gfn: GFN, nr: 1n, prot: 15n },
];
const ended: Operation[] = [
  { op: "start_teardown_vm", vm: VM },
  { op: "finalize_teardown_vm", vm: VM },
];
const pinned: Operation[] = [
  { op: "host_share_hyp", pfn: PFN },
  { op: "hyp_pin_shared_mem", from: PFN << 12n, to: (PFN + 1n) << 12n },
];

test.each<[string, boolean, readonly Operation[], number, bigint]>([
  ["a page of a protected VM that was not reclaimed", true, [...given, ...ended], abi.LEAK_BORROWED, PFN],
  [
    "a page that a VM shared and that was not reclaimed",
    true,
    [...given, { op: "guest_share_host", vm: VM, vcpu: 0, gfn: GFN }, ...ended],
    abi.LEAK_BORROWED,
    PFN,
  ],
  ["a page of an ordinary VM that was not unshared", false, [...lent, ...ended], abi.LEAK_SHARE, PFN],
  ["a pin that nobody drops", true, [...pinned, ...ended], abi.LEAK_REFERENCE, PFN],
  ["a page that EL2 keeps", true, [{ op: "host_donate_hyp", pfn: TABLE, nr: 1n }, ...ended], abi.LEAK_HYP_PAGE, TABLE],
])("%s is a leak", async (_, isProtected, operations, code, pfn) => {
  const domain = pkvmDomain({ ...TINY, vms: [isProtected] });
  const { findings } = await explore(
    { ...domain, setUp: [...domain.setUp, ...operations] },
    { rules: ["leak"], maxStates: 100 },
  );
  expect(findings).toMatchObject([{ kind: "leak", code, subject: pfn << 12n, steps: [] }]);
});

test("what the operations do by hand is none", async () => {
  const domain = pkvmDomain(TINY);
  const byHand = { ...domain, setUp: [...domain.setUp, ...pinned, ...ended], steps: pinned };
  const { findings, counts } = await explore(byHand, { rules: ["leak"], maxStates: 10 });
  expect({ findings, states: counts.states }).toEqual({ findings: [], states: 10 });
});
