// The rule `translation`: each TLBI that is left out is missed by some call, and with all of them no call misses any
// (reference pkvm-el2 section 11.5, I25 and I26).

import { expect, test } from "vitest";
import { TLB_BREAK_BEFORE_MAKE, TLB_LEFT_BEHIND, TLB_VMID_LEFT } from "../../assembly/abi/tlb.js";
import { TABLE_FREED } from "../../assembly/abi/explore.js";
import type { RuleName } from "../../src/explore/rules.js";
import type { Domain, Step } from "../../src/explore/domain.js";
import { Search, type SearchOptions } from "../../src/explore/search.js";
import { tableDomain, type TableSizes } from "../../src/explore/table-domain.js";
import { Machine } from "../../src/machine/machine.js";
import type { Operation } from "../../src/machine/operations.js";
import type { TlbiSite } from "../../src/machine/tlb.js";
import { stateOf } from "../systems/pkvm/machine-state.js";

const rules: readonly RuleName[] = ["panic", "invariant", "refusal", "translation"];
const RANGES = { fwb: true, tlb_range: true } as const;

async function searched(sizes: TableSizes, options: SearchOptions = {}) {
  const search = await Search.start(tableDomain(sizes), { rules, maxStates: 10_000, ...options });
  return { search, end: search.run(10_000) };
}

const HYP: TableSizes = { moves: ["hyp"] };
const SHARE: TableSizes = { moves: ["share", "update"] };
const END: TableSizes = { moves: ["share", "end"] };
const PROTECTED: TableSizes = { moves: ["hyp", "donate", "end"], isProtected: true };

test.each<[string, TableSizes]>([
  ["a block between host and EL2", HYP],
  ["a block between host and guest", SHARE],
  ["a guest that ends", END],
  ["a protected guest's page in the host's block", PROTECTED],
  ...([HYP, SHARE, END, PROTECTED] as const).map((sizes): [string, TableSizes] => [
    `by ranges: ${sizes.moves.join(" and ")}`,
    { ...sizes, features: RANGES },
  ]),
])("nothing is left behind: %s", async (_, sizes) => {
  const { search, end } = await searched(sizes);
  expect(search.findings).toEqual([]);
  expect(end).toBe("exhausted");
});

// prettier-ignore
test.each<[TlbiSite, TableSizes, number, string[]]>([
  // left out       in                               breach                 the shortest way
  ["break_leaf",    HYP,                             TLB_BREAK_BEFORE_MAKE, ["access", "host_donate_hyp"]],
  ["break_table",   HYP,                             TLB_BREAK_BEFORE_MAKE, ["host_donate_hyp", "hyp_donate_host"]],
  ["unmap_leaf",    SHARE,                           TLB_LEFT_BEHIND,       ["host_share_guest", "host_unshare_guest"]],
  ["unmap_table",   SHARE,                           TABLE_FREED,           ["host_share_guest", "host_unshare_guest"]],
  ["unmap_range",   { ...SHARE, features: RANGES },  TLB_LEFT_BEHIND,       ["host_share_guest", "host_unshare_guest"]],
  ["relax_perms",   SHARE,                           TLB_LEFT_BEHIND,       ["host_share_guest", "host_relax_perms_guest"]],
  ["flush_vmid",    SHARE,                           TLB_VMID_LEFT,         ["host_share_guest", "host_wrprotect_guest", "hcall_tlb_flush_vmid"]],
])("without the TLBI of %s", async (withoutTlbi, sizes, code, ways) => {
  const { search } = await searched(sizes, { withoutTlbi });
  const [finding] = search.findings;
  expect(finding?.steps.map(({ op }) => op)).toEqual(ways);
  expect(finding).toMatchObject({ kind: "translation", code });
});

test("without the TLBI of teardown, a VM that maps nothing any more leaves nothing: its tables are empty", async () => {
  const { end } = await searched(END, { withoutTlbi: "teardown" });
  expect(end).toBe("exhausted");
});

test("who does not ask for the rule is not told", async () => {
  const { search, end } = await searched(SHARE, {
    withoutTlbi: "unmap_leaf",
    rules: ["panic", "invariant", "refusal"],
  });
  expect([end, search.findings]).toEqual(["exhausted", []]);
});

test("the way to a finding leads to the same report on a machine that replays with its TLB on", async () => {
  const domain = tableDomain(SHARE);
  const { search } = await searched(SHARE, { withoutTlbi: "flush_vmid" });
  const machine = await Machine.create(domain.config);
  machine.applyBatch(domain.setUp);
  machine.tlb.enable("worst_case");
  machine.tlb.suppress("flush_vmid");
  for (const step of search.findings[0]?.steps ?? []) machine.apply(step as Operation);
  machine.tlb.suppress(null);
  expect(machine.tlb.takeReports().map(({ kind, allowed }) => [kind, allowed])).toEqual([["vmid_left", false]]);
});

/** Whether the search tries a step: a guest runs while it is loaded, a VM is ended when nothing is mapped in it. */
function isTried(machine: Machine, { op }: Operation): boolean {
  if (op.startsWith("guest_")) return machine.vcpus().some(({ loaded }) => loaded);
  if (op !== "finalize_teardown_vm") return true;
  return machine.vms().every(({ vm }) => machine.leaves(vm).every(({ descriptor }) => (descriptor & 1n) === 0n));
}

// A host that faults is mapped what is its own.
function take(machine: Machine, step: Step): void {
  if (step.op !== "access") {
    if (isTried(machine, step as Operation)) machine.apply(step as Operation);
    return;
  }
  const fault = machine.accessBatch([step.access])[0]?.fault;
  if (fault?.hpfar === undefined || fault.hpfar === null) return;
  machine.apply({ op: "host_abort", esr: fault.esr, spsr: 0n, far: step.access.ipa, hpfar: fault.hpfar, at_fail: 0 });
}

/** States, told apart by every table entry and page of the whole machine. */
async function statesBySnapshots(domain: Domain): Promise<number> {
  const machine = await Machine.create(domain.config);
  for (const { pa, word } of domain.contents)
    machine.writePage(pa, new Uint8Array(BigUint64Array.of(word).buffer), Number(pa & 0xfffn));
  machine.applyBatch(domain.setUp);
  const seen = new Set([stateOf(machine)]);
  const open = [machine.snapshot()];
  for (let from = open.shift(); from !== undefined; from = open.shift()) {
    for (const step of domain.steps) {
      machine.restore(from);
      take(machine, step);
      if (seen.size === seen.add(stateOf(machine)).size) continue;
      open.push(machine.snapshot());
    }
  }
  return seen.size;
}

test.each<[string, TableSizes]>([
  ["the host's", HYP],
  ["a guest's", { moves: ["share"] }],
  ["both", { moves: ["hyp", "share"] }],
  ["the host's, with a guest's page in it", PROTECTED],
])("blocks are split and made again: no state is missed, %s", async (_, sizes) => {
  const { search, end } = await searched(sizes);
  expect(end).toBe("exhausted");
  expect(search.counts.states).toBe(await statesBySnapshots(tableDomain(sizes)));
});
