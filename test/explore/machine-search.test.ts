// The search over the full machine: what it visits, compared with a search made of snapshots and texts.

import { expect, test } from "vitest";
import { GIVEN_AWAY, SECRET } from "../../assembly/abi/explore.js";
import { DONATE_GUEST_BEFORE_MEMCACHE_CHECK } from "../../assembly/abi/mutations.js";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import type { Domain, Step } from "../../src/explore/domain.js";
import { pkvmDomain } from "../../src/explore/pkvm-domain.js";
import { CHEAP_RULES } from "../../src/explore/rules.js";
import { Search, type SearchEnd } from "../../src/explore/search.js";
import { isSystemDomain } from "../../src/explore/system-domain.js";
import { Machine } from "../../src/machine/machine.js";
import type { Operation } from "../../src/machine/operations.js";
import { stateOf } from "../systems/pkvm/machine-state.js";

async function searched(domain: Domain, options = {}): Promise<{ search: Search; end: SearchEnd }> {
  const search = await Search.start(domain, { maxStates: 200_000, ...options });
  return { search, end: search.run(200_000) };
}

const ORDINARY = pkvmDomain({ pages: 1, tablePages: 1, vms: [false], gfns: 1 });
const PROTECTED = pkvmDomain({ pages: 1, tablePages: 1, vms: [true], gfns: 1 });

/** Whether the search tries a step: a guest runs while it is loaded, lists end, a VM is ended when nothing is mapped in it. */
function isTried(machine: Machine, step: Step, longestList: number): boolean {
  const [vcpu] = machine.vcpus();
  if (step.op === "access") return step.access.stage2 === "host" || vcpu?.loaded === true;
  if (step.op === "host_memcache_push_loaded") return vcpu?.loaded === true && vcpu.hostMemcache < longestList;
  if (step.op !== "finalize_teardown_vm") return true;
  return machine.vms().every(({ vm }) => machine.leaves(vm).every(({ descriptor }) => (descriptor & 1n) === 0n));
}

// The host's own pages are mapped when they are touched, which is no state of the search's; nor is how many entries that makes
// in the host's tables.
function textOf(machine: Machine, domain: Domain): string {
  const lines = stateOf(machine).split("\n");
  const state = lines.filter((line) => !/^P |^L host .*[13579bdf]$/.test(line));
  const pages = domain.pages.map(({ pfn }) => {
    const { host, hyp, refcount, shares } = machine.pageState(pfn) ?? expect.fail("no memory");
    const contents = new DataView(machine.readPage(pfn << 12n).buffer).getBigUint64(domain.tracer, true);
    return [host, hyp, refcount, shares, contents].join(" ");
  });
  return [...state, ...pages].join("\n");
}

/** The same search by snapshots of a machine that replays: states and the length of the longest way. */
async function searchBySnapshots(domain: Domain): Promise<{ states: number; depth: number }> {
  const machine = await Machine.create(domain.config);
  machine.applyBatch(domain.setUp);
  const seen = new Set([textOf(machine, domain)]);
  let frontier = [machine.snapshot()];
  let depth = 0;
  for (; frontier.length !== 0; depth++) {
    const next = [];
    for (const snapshot of frontier) {
      for (const step of domain.steps) {
        machine.restore(snapshot);
        if (!isTried(machine, step, domain.longestList)) continue;
        take(machine, step);
        giveAway(machine, domain.tracer);
        const text = textOf(machine, domain);
        if (seen.has(text)) continue;
        seen.add(text);
        next.push(machine.snapshot());
      }
    }
    frontier = next;
  }
  return { states: seen.size, depth: depth - 1 };
}

// A host that faults is mapped what is its own, and tries again.
function take(machine: Machine, step: Step): void {
  if (step.op !== "access") {
    machine.apply(step as Operation);
    return;
  }
  const [answer] = machine.accessBatch([step.access]);
  if (step.access.stage2 !== "host" || !answer?.fault) return;
  const { esr, hpfar } = answer.fault;
  if (hpfar === null) return;
  machine.apply({ op: "host_abort", esr, spsr: 0n, far: step.access.ipa, hpfar, at_fail: 0 });
  machine.accessBatch([step.access]);
}

/** A guest that shares a page means what is in it for others. */
function giveAway(machine: Machine, tracer: number): void {
  for (const { vm } of machine.vms()) {
    const shared = machine.leaves(vm).filter(({ descriptor }) => (descriptor & (3n << 55n)) === 1n << 55n);
    for (const { descriptor } of shared) {
      const pa = descriptor & 0xffff_ffff_f000n;
      const word = new DataView(machine.readPage(pa).buffer).getBigUint64(tracer, true);
      if (word !== BigInt(SECRET + vm)) continue;
      machine.writePage(pa, new Uint8Array(BigUint64Array.of(BigInt(GIVEN_AWAY + vm)).buffer), tracer);
    }
  }
}

test.each([
  ["ordinary", ORDINARY],
  ["protected", PROTECTED],
])("one %s VM: as many states, as far away, as a search by snapshots", async (_, domain) => {
  const { search, end } = await searched(domain);
  expect(end).toBe("exhausted");
  const { states, depth } = await searchBySnapshots(domain);
  expect(search.counts).toMatchObject({ states, depth, expanded: states });
});

test("a rule that is not asked for is not reported", async () => {
  const mutation = DONATE_GUEST_BEFORE_MEMCACHE_CHECK;
  const { search } = await searched(PROTECTED, { mutation, rules: ["invariant", "secrecy", "integrity"] });
  expect(search.findings).toEqual([]);
});

const TWO_TABLES = pkvmDomain({ pages: 1, tablePages: 2, vms: [true], gfns: 1 });
const TWO_PAGES = pkvmDomain({ pages: 2, tablePages: 1, vms: [true], gfns: 1, firmwarePage: true });
const MADE = pkvmDomain({ pages: 1, tablePages: 1, vms: [false], gfns: 2, makesVms: true });
const OF_PIECES = [...CHEAP_RULES, "freed", "leak", "refinement"] as const;

test.each([
  ["two table pages", TWO_TABLES],
  ["two pages, and one of firmware's", TWO_PAGES],
  ["a VM that is made", MADE],
])("%s: what is known of operations leads to the states that carrying them out does", async (_, domain) => {
  const known = await searched(domain, { rules: OF_PIECES });
  const everywhere = await searched(domain, { rules: OF_PIECES, everywhere: true });
  expect(known.search.counts).toEqual(everywhere.search.counts);
  expect(known.end).toBe("exhausted");
});

const ON_THIS_MACHINE = BUGS.filter(hasSearch).flatMap(({ name, search }) => {
  const domain = search.domain();
  return !isSystemDomain(domain) && search.cpus !== 2 ? [{ name, domain, mutation: search.mutation }] : [];
});

test.each(ON_THIS_MACHINE)("$name: pieces are found wrong where the whole state is", async ({ domain, mutation }) => {
  const found = async (everywhere: boolean) => {
    const options = { mutation, rules: OF_PIECES, maxStates: 2000, everywhere };
    const search = await Search.start(domain, options);
    return { end: search.run(1000, false), counts: search.counts, findings: search.findings };
  };
  expect(await found(false)).toEqual(await found(true));
});

test("a bound is not an exhausted search", async () => {
  const { search, end } = await searched(ORDINARY, { maxStates: 10 });
  expect(end).toBe("states");
  expect(search.counts.states).toBe(10);
});

test("the way to a finding leads there on a machine that replays, up to its last step", async () => {
  const { search } = await searched(PROTECTED, { mutation: DONATE_GUEST_BEFORE_MEMCACHE_CHECK });
  const machine = await Machine.create(PROTECTED.config);
  machine.applyBatch(PROTECTED.setUp);
  const outcomes = (search.findings[0]?.steps ?? []).map((step) => machine.apply(step as Operation));
  expect(outcomes.map(({ reason }) => reason)).toEqual([null, "memcache"]);
});
