// Refinement: the specification machine in lock step with the full one. Of what it finds see the catalogue of bugs; here, that
// the two agree, that every attempt is compared, and that a difference is a finding.

import { expect, test } from "vitest";
import { DISAGREE_PAGE, SECRET } from "../../assembly/abi/explore.js";
import type { Domain, Step } from "../../src/explore/domain.js";
import { explore } from "../../src/explore/explore.js";
import { pkvmDomain, type PkvmSizes } from "../../src/explore/pkvm-domain.js";
import type { SearchCounts } from "../../src/explore/search.js";

const TINY: PkvmSizes = { pages: 1, tablePages: 1, vms: [true], gfns: 1 };
const PAGE = 0x4_0000n;
const compared = ({ compared: { answers, states } = { answers: 0n, states: 0n } }: SearchCounts) => ({
  answers,
  states,
  together: answers + states,
});

const RULE = { rules: ["refinement"], all: true, maxStates: 10_000 } as const;

/** EL2's own functions, which no hypercall calls with pages of the host's choice; none that EL2 asserts something of. */
const FUNCTIONS: readonly Step[] = [
  { op: "host_donate_hyp", pfn: PAGE, nr: 1n },
  { op: "hyp_donate_host", pfn: PAGE, nr: 1n },
  { op: "host_share_ffa", pfn: PAGE, nr: 1n },
  { op: "host_donate_guest", vm: 0x1000, vcpu: 0, pfn: PAGE, gfn: 0x8_0000n },
  { op: "guest_hvc", vm: 0x1000, vcpu: 0, fn: 0xc600_0003n, a1: 0x8000_0000n, a2: 0n, a3: 0n },
  { op: "guest_hvc", vm: 0x1000, vcpu: 0, fn: 0xc600_0004n, a1: 0x8000_0000n, a2: 0n, a3: 0n },
];

test.each<[string, PkvmSizes]>([
  ["a protected VM", TINY],
  ["an ordinary VM", { ...TINY, vms: [false] }],
  ["a VM that the host makes and ends", { ...TINY, makesVms: true }],
])("%s: every attempt is compared, and none differs", async (_, sizes) => {
  const { end, findings, counts } = await explore(pkvmDomain(sizes), RULE);
  expect({ end, findings }).toEqual({ end: "exhausted", findings: [] });
  expect(compared(counts).together).toBe(counts.tried);
  expect(compared(counts).answers).toBeGreaterThan(compared(counts).states);
});

// Not compared are those of a VM that is dying, which EL2's functions do not look at, and of pages in use as tables.
test("EL2's own functions: none differs", async () => {
  const domain = pkvmDomain(TINY);
  const { end, findings, counts } = await explore({ ...domain, steps: [...domain.steps, ...FUNCTIONS] }, RULE);
  expect({ end, findings }).toEqual({ end: "exhausted", findings: [] });
  expect(compared(counts).together).toBeGreaterThan((counts.tried * 9n) / 10n);
});

test("pages that the specification has no number for are not compared, and the count says so", async () => {
  const { counts, findings } = await explore(pkvmDomain({ ...TINY, firmwarePage: true }), {
    rules: ["refinement"],
    all: true,
  });
  expect(findings).toEqual([]);
  expect(compared(counts).together).toBeLessThan(counts.tried);
});

test("without the rule nothing is compared", async () => {
  const { counts } = await explore(pkvmDomain(TINY), { maxStates: 10_000 });
  expect(compared(counts).together).toBe(0n);
});

// The host holds what reads as a guest's secret from the start, which no call of the specification leads to: there it stays
// when the host writes over it.
test("a page that differs is a finding that names it", async () => {
  const domain = pkvmDomain(TINY);
  const forged: Domain = {
    ...domain,
    contents: [...domain.contents, { pa: (PAGE << 12n) + BigInt(domain.tracer), word: BigInt(SECRET + 0x1000) }],
  };
  const { findings } = await explore(forged, RULE);
  expect(findings).toMatchObject([{ kind: "refinement", code: DISAGREE_PAGE, subject: PAGE << 12n }]);
  expect(findings[0]?.steps).toMatchObject([{ op: "access", access: { stage2: "host", kind: "write" } }]);
});
