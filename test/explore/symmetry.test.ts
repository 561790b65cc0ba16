// States that differ in the names of interchangeable pages alone, taken together: those that the visited ones stand for are as
// many as a search visits that takes none together.

import { expect, test } from "vitest";
import type { Domain, Step } from "../../src/explore/domain.js";
import { explore } from "../../src/explore/explore.js";
import { FIRST_PFN, pkvmDomain, TABLE_PFN, type PkvmSizes } from "../../src/explore/pkvm-domain.js";
import { symmetryOf } from "../../src/explore/symmetry.js";

const TWO_AND_TWO: PkvmSizes = { pages: 2, tablePages: 2, vms: [false], gfns: 1 };
const OWN = [FIRST_PFN, FIRST_PFN + 1n];
const TABLES = [TABLE_PFN, TABLE_PFN + 1n];

// prettier-ignore
test.each<[string, PkvmSizes]>([
  ["two pages",                    { pages: 2, tablePages: 1, vms: [true], gfns: 1 }],
  ["three pages",                  { pages: 3, tablePages: 1, vms: [true], gfns: 1 }],
  ["pages for tables, two VMs",    { pages: 1, tablePages: 2, vms: [true, false], gfns: 1 }],
  ["of both kinds, two frames",    { pages: 2, tablePages: 2, vms: [false], gfns: 2 }],
  ["two VMs of a kind",            { pages: 1, tablePages: 1, vms: [true, true], gfns: 1 }],
  ["VMs of two kinds and pages",   { pages: 2, tablePages: 1, vms: [false, false], gfns: 1 }],
  ["VMs that the host makes",      { pages: 2, tablePages: 1, vms: [true], gfns: 1, makesVms: true }],
  ["four tables, frames far away", { pages: 1, tablePages: 4, vms: [false], gfns: 2, gfnStride: 0x200n }],
])("%s: as many states and transitions, and as far", async (_, sizes) => {
  const domain = pkvmDomain(sizes);
  const each = await explore(domain);
  const together = await explore(domain, { symmetry: true });
  const { states, transitions, depth } = each.counts;
  expect([each.end, together.end]).toEqual(["exhausted", "exhausted"]);
  expect(together.counts).toMatchObject({ inAll: { states: BigInt(states), transitions }, depth });
  expect(together.counts.states).toBeLessThan(states);
});

test("where nothing is known of operations beforehand: the same", async () => {
  const domain = pkvmDomain({ pages: 2, tablePages: 1, vms: [false], gfns: 1 });
  const known = await explore(domain, { symmetry: true });
  const everywhere = await explore(domain, { symmetry: true, everywhere: true });
  expect(everywhere.counts).toMatchObject({ states: known.counts.states, inAll: known.counts.inAll });
});

test("a first state in which the pages are not alike: each state for itself", async () => {
  const domain = pkvmDomain({ pages: 2, tablePages: 1, vms: [false], gfns: 1 });
  const setUp = [...domain.setUp, { op: "host_share_hyp", pfn: FIRST_PFN }] as const;
  const each = await explore({ ...domain, setUp });
  const together = await explore({ ...domain, setUp }, { symmetry: true });
  expect(together.counts).toMatchObject({ states: each.counts.states, inAll: { states: BigInt(each.counts.states) } });
});

const withStep = (step: Step): Domain => {
  const domain = pkvmDomain(TWO_AND_TWO);
  return { ...domain, steps: [...domain.steps, step] };
};

// prettier-ignore
test.each<[string, Domain, bigint[][]]>([
  ["two kinds of pages",             pkvmDomain(TWO_AND_TWO), [OWN, TABLES]],
  ["one of a kind",                  pkvmDomain({ ...TWO_AND_TWO, pages: 1 }), [TABLES]],
  ["of six alike, five",             pkvmDomain({ ...TWO_AND_TWO, tablePages: 6 }), [[TABLE_PFN, TABLE_PFN + 1n, TABLE_PFN + 2n, TABLE_PFN + 3n, TABLE_PFN + 4n], OWN].reverse()],
  ["a call about one of them alone", withStep({ op: "host_share_ffa", pfn: FIRST_PFN, nr: 1 }), [TABLES]],
  ["a call about a range",           withStep({ op: "host_share_ffa", pfn: FIRST_PFN, nr: 2 }), []],
  ["an access to one of them",       withStep({ op: "access", access: { stage2: "host", ipa: FIRST_PFN << 12n, kind: "read" } }), [TABLES]],
  ["its address for something else", withStep({ op: "host_memcache_push_at", pa: (TABLE_PFN << 12n) + 0xff0n }), [OWN]],
  ["a frame number that wraps",      withStep({ op: "host_share_hyp", pfn: FIRST_PFN + (1n << 52n) }), [TABLES]],
])("%s: what is interchangeable", (_, domain, groups) => {
  expect(symmetryOf(domain)).toEqual({ pages: groups, vms: [] });
});
