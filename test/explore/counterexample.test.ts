// What becomes of a finding: told step by step, made shorter, written as a trace that replays and as an ITF trace that reads back.

import { expect, test } from "vitest";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import { itfOf, type ItfState } from "../../src/explore/counterexample/itf.js";
import { minimise } from "../../src/explore/counterexample/minimise.js";
import { retell } from "../../src/explore/counterexample/retelling.js";
import { traceOf } from "../../src/explore/counterexample/trace.js";
import type { Domain, Step } from "../../src/explore/domain.js";
import { explore } from "../../src/explore/explore.js";
import { pkvmDomain } from "../../src/explore/pkvm-domain.js";
import type { Finding } from "../../src/explore/search.js";
import { createFreeholdTraceReplay } from "../../src/trace/freehold-trace.js";
import { pkvmDomainOf } from "./pkvm-search.js";

const TWO_PAGES = pkvmDomain({ pages: 2, tablePages: 1, vms: [true], gfns: 1 });
const [FIRST, SECOND] = [0x40000n, 0x40001n];
const VM = 0x1000;
const GFN = 0x80000n;
const DONATE = BUGS.filter(hasSearch).find(({ name }) => name === "donate-guest-before-memcache-check")!.search;

const ops = (finding: Finding | null) => finding?.steps.map(({ op }) => op);

async function replayed(lines: Iterable<string>) {
  const replay = await createFreeholdTraceReplay();
  for (const line of lines) replay.write(new TextEncoder().encode(line));
  return replay.end();
}

// Minimisation

const LOAD: Step = { op: "vcpu_load", vm: VM, vcpu: 0 };
const PUT: Step = { op: "vcpu_put" };
const donate = (pfn: bigint): Step => ({ op: "hcall_donate_guest", pfn, gfn: GFN });
const share = (pfn: bigint): Step => ({ op: "host_share_hyp", pfn });
const unshare = (pfn: bigint): Step => ({ op: "host_unshare_hyp", pfn });

const DETOUR = [share(SECOND), LOAD, PUT, share(FIRST), unshare(FIRST), LOAD, unshare(SECOND), donate(SECOND)];
const PANIC = { kind: "panic", subject: 0n } as const;

async function searchedCode(domain: Domain): Promise<number> {
  const { findings } = await explore(domain, { mutation: DONATE.mutation });
  return findings[0]?.code ?? expect.fail("nothing found");
}

test("a way with detours: what is not needed goes, and the page is the first", async () => {
  const finding = { ...PANIC, code: await searchedCode(TWO_PAGES), steps: DETOUR };
  const short = await minimise(TWO_PAGES, finding, { mutation: DONATE.mutation });
  expect(short).toEqual({ ...finding, steps: [LOAD, donate(FIRST)] });
});

test.each<[string, readonly Step[]]>([
  ["breaks nothing", [LOAD, PUT]],
  ["cannot be gone: the guest does not run", [{ op: "guest_share_host", vm: VM, vcpu: 0, gfn: GFN }]],
  ["breaks nothing but with the bug", [LOAD, donate(FIRST)]],
])("a way that %s is no finding", async (_, steps) => {
  const finding = { ...PANIC, code: await searchedCode(TWO_PAGES), steps };
  expect(await minimise(TWO_PAGES, finding)).toBeNull();
});

test.each(["share-guest-before-memcache-check", "unmapped-counts-as-owned", "init-vm-late-failure"])(
  "%s: what the search found is found again, and no shorter",
  async (name) => {
    const { search } = BUGS.filter(hasSearch).find((bug) => bug.name === name) ?? expect.fail("no such bug");
    const domain = pkvmDomainOf(search);
    const { findings } = await explore(domain, search);
    const again = await minimise(domain, findings[0] ?? expect.fail("nothing found"), search);
    expect(ops(again)).toEqual(ops(findings[0] ?? null));
  },
);

// Retelling and trace

const ROUND: readonly Step[] = [
  { op: "host_memcache_push_loaded", pfn: 0x40008n },
  LOAD,
  { op: "host_memcache_push_loaded", pfn: 0x40008n },
  { op: "access", access: { stage2: "host", ipa: 0x40000c00n, kind: "write", value: 0x4057_0000n } },
  donate(FIRST),
  { op: "access", access: { stage2: VM, ipa: 0x80000c00n, kind: "write", value: 0x5ec2_1000n } },
  { op: "access", access: { stage2: "host", ipa: 0x40000c00n, kind: "write", value: 0x4057_0000n } },
  donate(FIRST),
];

test("each step: its answer, why, and which pages changed hands", async () => {
  const { steps } = await retell(TWO_PAGES, ROUND);
  expect(steps.map(({ answer }) => answer)).toEqual(["0", "0", "0", "done", "0", "done", "fault", "-EPERM"]);
  expect(steps[4]?.changes).toEqual(
    expect.arrayContaining([
      { pfn: FIRST, party: "host", before: "OWNED", after: "NOPAGE" },
      { pfn: FIRST, party: "VM 0x1000", before: "nothing", after: "OWNED at gfn 0x80000" },
    ]),
  );
  expect(steps[6]?.calls.map(({ operation }) => operation.op)).toEqual(["host_abort"]);
  expect(steps[7]?.sentence).toBe(
    "refused with -EPERM by __pkvm_host_donate_guest: pfn 0x40000 is NOPAGE at the host, must be OWNED",
  );
});

test("without a bug the trace replays without a difference, faults of the host included", async () => {
  const { diverged, ops: checked } = await replayed(traceOf(TWO_PAGES, await retell(TWO_PAGES, ROUND), "a round"));
  expect([checked, diverged]).toEqual([7, 0]); // six calls, and the fault of the second write
});

test("with a bug it differs at the step where the bug shows", async () => {
  const domain = pkvmDomainOf(DONATE);
  const { findings } = await explore(domain, { mutation: DONATE.mutation });
  const retelling = await retell(domain, findings[0]?.steps ?? [], DONATE.mutation);
  const { diverged, first } = await replayed(traceOf(domain, retelling, "found"));
  expect(diverged).toBe(1);
  expect(first).toMatchObject({ op: "hcall_donate_guest", field: "panic", found: "no panic, ret -12" });
});

// ITF

/** Reads a value of the format back: integers as bigint, maps as Map. */
function fromItf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(fromItf);
  if ("#bigint" in value) return BigInt(value["#bigint"] as string);
  if ("#map" in value)
    return new Map((value["#map"] as [unknown, unknown][]).map((pair) => fromItf(pair) as [unknown, unknown]));
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, fromItf(inner)]));
}

test("ITF: every state has every variable, and reads back as what happened", async () => {
  const written = JSON.stringify(itfOf(await retell(TWO_PAGES, ROUND), "a round", "pkvm"));
  const { vars, states, ...rest } = JSON.parse(written) as { vars: string[]; states: ItfState[] };
  expect(rest).toMatchObject({ "#meta": { format: "ITF", description: "a round", source: "pkvm" } });
  expect(vars).toEqual(["host", "EL2", "VM 0x1000", "last", "mbt::actionTaken"]);
  expect(states).toHaveLength(ROUND.length + 1);
  for (const [index, state] of states.entries()) {
    expect(Object.keys(state).sort()).toEqual(["#meta", ...vars].sort());
    expect(state["#meta"]).toEqual({ index });
  }
  const at = (index: number) => fromItf(states[index]) as Record<string, Map<bigint, string>>;
  expect(states.map((state) => state["mbt::actionTaken"])).toEqual(["init", ...ROUND.map(({ op }) => op)]);
  expect([at(4)["host"]?.get(FIRST), at(5)["host"]?.get(FIRST)]).toEqual(["OWNED", "NOPAGE"]);
  expect([at(4)["VM 0x1000"]?.get(FIRST), at(5)["VM 0x1000"]?.get(FIRST)]).toEqual(["nothing", "OWNED at gfn 0x80000"]);
  expect(at(5)["host"]?.has(SECOND)).toBe(false);
  expect(at(8)["last"]).toMatchObject({ step: "hcall_donate_guest pfn=0x40000 gfn=0x80000", answer: "-EPERM" });
});
