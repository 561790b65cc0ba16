// The search over FF-A partition managers: what it visits, compared with a search made of snapshots and texts on the core that
// replays; and the bugs it finds.

import { describe, expect, test } from "vitest";
import { GIVEN_AWAY, SECRET } from "../../assembly/abi/explore.js";
import { FFA_PROXY_BUGS } from "../../src/explore/bugs/ffa-proxy.js";
import { HAFNIUM_BUGS } from "../../src/explore/bugs/hafnium.js";
import { hasSearch, isUnmended } from "../../src/explore/bugs/index.js";
import type { Step } from "../../src/explore/domain.js";
import { explore, startSearch, type Exploration, type ExploreOptions } from "../../src/explore/explore.js";
import type { FfaStep } from "../../src/explore/ffa-calls.js";
import { FFA_PRESETS, ffaDomain } from "../../src/explore/ffa-domain.js";
import { hunt } from "../../src/explore/hunt.js";
import { PKVM_FFA_PRESETS, pkvmFfaDomain } from "../../src/explore/pkvm-ffa-domain.js";
import type { AnyDomain, SystemDomain } from "../../src/explore/system-domain.js";
import { FfaState } from "../../src/machine/ffa-state.js";
import { stateName } from "../../src/machine/ffa-effects.js";
import { instantiateCore } from "../../src/machine/module.js";
import { Machine } from "../../src/machine/machine.js";
import type { Operation } from "../../src/machine/operations.js";
import { memoryAccesses, messagesLeftOut } from "./system-steps.js";

const FOUND = [...HAFNIUM_BUGS, ...FFA_PROXY_BUGS].filter(hasSearch);

async function searched(domain: AnyDomain, mutation = 0) {
  const search = await startSearch(domain, { mutation });
  return { search, end: search.run(200_000) };
}

const watched = (rule: string): ExploreOptions => ({ rules: ["invariant"], invariants: [rule] });
/** The first finding, as rule and calls. */
async function firstOf(domain: AnyDomain, options: ExploreOptions = {}) {
  const { findings } = await explore(domain, options);
  const [finding] = findings;
  return finding === undefined ? null : [finding.rule, messagesLeftOut(finding.steps)];
}

// What is found, and the way there as reference bugs.md gives it; a write before a wipe, to see it.
test.each([
  ["hf-clear-wrong-index", "F14", ["access", "ffa_mem_lend"]],
  ["hf-borrower-clears", "integrity", ["access", "ffa_mem_lend", "ffa_mem_retrieve_req", "ffa_mem_relinquish"]],
  ["hf-relinquish-clear-flag", "wiped", ["ffa_mem_lend", "ffa_mem_retrieve_req", "access", "ffa_mem_relinquish"]],
  ["hf-clear-wrong-world", "F14", ["access", "ffa_mem_lend"]],
  ["hf-reclaim-after-donate", "returns", ["ffa_mem_donate", "ffa_mem_reclaim"]],
  ["hf-overlapping-ranges", "message", ["ffa_mem_lend"]],
  ["hf-descriptor-overflow", "message", ["ffa_mem_lend"]],
  ["hf-descriptor-copy-leak", "blocks", ["ffa_mem_share"]],
  ["hf-uninitialised-mode", "F1", ["ffa_mem_share", "ffa_mem_retrieve_req"]],
  ["hf-ns-exec", "execute", ["ffa_mem_lend", "ffa_mem_retrieve_req"]],
  ["hf-perm-set-drops-state", "F1", ["ffa_mem_share", "ffa_mem_retrieve_req", "ffa_mem_perm_set"]],
  ["hf-perm-range-edge", "message", ["ffa_mem_perm_set"]],
  ["ffa-composite-offset-wrap", "message", ["ffa_mem_lend"]],
  ["ffa-unaligned-range", "message", ["ffa_mem_lend"]],
  ["ffa-access-descriptor-offset", "message", ["ffa_mem_lend"]],
  ["ffa-rx-never-released", "refusal", ["ffa_mem_share", "ffa_mem_retrieve_req", "ffa_mem_reclaim"]],
  ["ffa-reclaim-range-count", "panic", ["ffa_mem_share", "false_answer", "ffa_mem_reclaim"]],
] as const)("%s breaks %s, by %j, and without it nothing is found", async (name, rule, ops) => {
  const { domain, mutation, kind } = FOUND.find((bug) => bug.name === name)?.search ?? expect.fail("no such bug");
  const { search } = await searched(domain(), mutation);
  const [finding] = search.findings;
  expect([finding?.kind, finding?.rule]).toEqual([kind, rule]);
  expect(messagesLeftOut(finding?.steps ?? [])).toEqual(ops);

  const clean = await searched(domain());
  expect([clean.end, clean.search.findings]).toEqual(["exhausted", []]);
});

// A message of 1.0 is one of 1.2 to EL2: what it takes for an offset is the receiver's id.
test("ffa-version-not-negotiated: the version, the mailbox, and a message in its layout, which is refused", async () => {
  const { domain, mutation } = FOUND.find(({ name }) => name === "ffa-version-not-negotiated")?.search ?? expect.fail();
  const options = { ...watched("understood"), mutation };
  expect(await firstOf(domain(), options)).toEqual(["understood", ["ffa_version", "ffa_rxtx_map", "ffa_mem_share"]]);
  const { end, findings } = await explore(domain());
  expect([end, findings]).toEqual(["exhausted", []]);
});

describe("ffa-fragment-rollback, which Linux 7.3 has", () => {
  const domain = pkvmFfaDomain(PKVM_FFA_PRESETS.fragments);
  const fragmented = domain.steps.filter(({ calls }) => calls.every((call) => !isWhole(call)));

  // Even without a first fragment: EL2 asks the SPMC to reclaim a transaction that is complete, and unshares nothing.
  test("another fragment for a transaction that is complete", async () => {
    expect(await firstOf(domain)).toEqual(["recorded", ["ffa_mem_share", "ffa_mem_frag_tx"]]);
  });

  // As reference bugs.md section 4 has it: here the SPMC refuses the last fragment, of a message that promised more pages.
  test("a page of the first fragment, once the second is refused", async () => {
    expect(fragmented.length).toBeLessThan(domain.steps.length);
    expect(await firstOf({ ...domain, steps: fragmented })).toEqual(["recorded", ["ffa_mem_share", "ffa_mem_frag_tx"]]);
  });

  test("a bug of the catalogue that is not switched on: there is no search without it", async () => {
    const bug = FOUND.find(({ name }) => name === "ffa-fragment-rollback") ?? expect.fail("not there");
    expect(isUnmended(bug)).toBe(true);
    const { finding, clean } = await hunt(bug);
    expect([finding?.rule, clean]).toEqual(["recorded", null]);
  });
});

const isWhole = (call: Step): boolean =>
  "total" in call && call.op !== "ffa_mem_retrieve_req" && call.total === call.fragment;

// The hypervisor remembers what a partition has got for good under a handle that the SPMC gives to the next transaction.
describe("VMs before an SPMC, unmodified", () => {
  const domain = ffaDomain(FFA_PRESETS.worlds);
  const HANDLE_REUSED = ["ffa_mem_donate", "ffa_mem_retrieve_req", "ffa_mem_share", "ffa_mem_reclaim"];

  test.each([
    ["halves", ["ffa_mem_donate", "ffa_mem_retrieve_req"]],
    ["F10", HANDLE_REUSED],
    ["secrecy", [...HANDLE_REUSED, "access"]],
  ])("%s is broken by %j", async (rule, ops) => {
    const asked: ExploreOptions = rule === "secrecy" ? { rules: ["secrecy"] } : watched(rule);
    expect(await firstOf(domain, asked)).toEqual([rule, ops]);
  });

  test("nothing else is", async () => {
    const { end, findings } = await explore(domain, { all: true });
    const ways = findings.map(({ rule, steps }) => [rule, steps.at(-1)?.op]);
    expect([end, ...ways]).toEqual(["exhausted", ["halves", "ffa_mem_retrieve_req"]]);
  });
});

// A manager cleans up after complete transactions alone, and after its own endpoints: the SPMC does not hear of a VM's death.
test.each([
  ["half-sent", ["estate"]],
  ["worlds-deaths", ["halves"]],
] as const)("%s: what was sent stays when its sender dies, which breaks %j", async (preset, rules) => {
  const domain = ffaDomain(FFA_PRESETS[preset]);
  const { end, findings } = await explore(domain, { all: true });
  const ways = findings.map(({ rule, steps }) => [rule, messagesLeftOut(steps)]);
  expect(end).toBe("exhausted");
  for (const rule of rules) expect(ways).toContainEqual([rule, ["ffa_mem_share", "ffa_abort"]]);
  expect(new Set(ways.map(([rule]) => rule))).toEqual(new Set(rules));
});

// An SPMC can take pages from the host for good, and stop EL2; more ranges than it has EL2 does not believe.
test("an SPMC that lies about ranges breaks what EL2 leaves to it, and nothing else", async () => {
  const { end, findings } = await explore(pkvmFfaDomain(PKVM_FFA_PRESETS.lies), { all: true });
  const ways = findings.map(({ rule, steps }) => [rule, steps.find(({ op }) => op === "false_answer")]);
  expect([end, ...ways]).toEqual([
    "exhausted",
    ["restored", { op: "false_answer", field: "range_count", value: 0n }],
    ["panic", { op: "false_answer", field: "first_address", value: 0x4000_1000n }],
  ]);
});

// What no call does: EL2 unshares a page that the SPMC has; an endpoint dies and its manager does not hear of it.
describe("rules are asked", () => {
  test("forwarded", async () => {
    const domain = pkvmFfaDomain(PKVM_FFA_PRESETS.tiny);
    const calls: Operation[] = [{ op: "host_unshare_ffa", pfn: 0x4_0000n, nr: 1 }];
    const step: FfaStep = { calls, about: { kind: "other", caller: 0 } };
    const found = await firstOf({ ...domain, steps: [...domain.steps, step] }, watched("forwarded"));
    expect(found).toEqual(["forwarded", ["ffa_mem_share", "host_unshare_ffa"]]);
  });

  test("estate", async () => {
    const domain = ffaDomain({ ...FFA_PRESETS.tiny, writes: false, clear: false });
    const calls: Operation[] = [{ op: "ffa_rx_release", vm: 1, x64: 1, tx_fault: 0, wipe_fail: 0 }];
    const step: FfaStep = { calls, about: { kind: "death", caller: 1 } };
    const found = await firstOf({ ...domain, steps: [...domain.steps, step] });
    expect(found).toEqual(["estate", ["ffa_mem_share", "ffa_rx_release"]]);
  });
});

test("hf-mailbox-tail-leak takes a second, shorter message", async () => {
  const { domain, mutation } = FOUND.find(({ name }) => name === "hf-mailbox-tail-leak")?.search ?? expect.fail();
  const { search } = await searched(domain(), mutation);
  const ops = messagesLeftOut(search.findings[0]?.steps ?? []);
  expect(ops.filter((op) => op === "ffa_mem_retrieve_req")).toHaveLength(2);
  expect(search.findings[0]?.rule).toBe("mailbox");
  expect((await searched(domain())).end).toBe("exhausted");
});

/** All that a call can tell: modes, contents, buffers in use, records. */
function textOf(machine: Machine, pages: readonly bigint[]): string {
  const state = new FfaState(machine);
  const { endpoints } = state.config;
  const modes = endpoints.flatMap(({ id }) =>
    pages.map((page) => `${state.mode(id, 0, page)} ${state.mode(id, 1, page)}`),
  );
  const contents = pages.map((page) => wordOf(machine, page));
  const full = endpoints.map(({ id }) => state.isRxFull(id));
  const records = state.records().map((record) => [record, state.constituents(record)]);
  return JSON.stringify([modes, contents, full, records], (_, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
}

const TRACER = 0xc00;
const wordOf = (machine: Machine, page: bigint): bigint =>
  new DataView(machine.readPage(page).buffer).getBigUint64(TRACER, true);

// What an endpoint sends, or has only borrowed, it means for others.
function giveAway(machine: Machine, pages: readonly bigint[]): void {
  const state = new FfaState(machine);
  for (const page of pages) {
    const word = wordOf(machine, page);
    if ((word & ~0xffffn) !== BigInt(SECRET) || stateName(state.lookUp(Number(word & 0xffffn), page)) === "O-EA")
      continue;
    const given = BigUint64Array.of(BigInt(GIVEN_AWAY) | (word & 0xffffn));
    machine.writePage(page, new Uint8Array(given.buffer), TRACER);
  }
}

async function searchBySnapshots(
  domain: SystemDomain<FfaStep>,
  pages: readonly bigint[],
): Promise<{ states: number; depth: number }> {
  const machine = Machine.createOn(await instantiateCore(), domain.config);
  const seen = new Set([textOf(machine, pages)]);
  let frontier = [{ snapshot: machine.snapshot(), dead: new Set<number>() }];
  let depth = 0;
  for (; frontier.length !== 0; depth++) {
    const next = [];
    for (const { snapshot, dead: before } of frontier) {
      for (const { calls, about } of domain.steps) {
        if (before.has(about.caller)) continue;
        machine.restore(snapshot);
        for (const call of calls) {
          if (call.op === "access") machine.accessBatch(memoryAccesses(call));
          else machine.apply(call as Operation);
        }
        giveAway(machine, pages);
        const dead = about.kind === "death" ? new Set([...before, about.caller]) : before;
        const text = textOf(machine, pages) + [...dead].sort().join(" ");
        if (seen.has(text)) continue;
        seen.add(text);
        next.push({ snapshot: machine.snapshot(), dead });
      }
    }
    frontier = next;
  }
  return { states: seen.size, depth: depth - 1 };
}

const QUIET = { ...FFA_PRESETS.tiny, clear: false, writes: false } as const;
const SPMC = {
  flavour: "spmc",
  endpoints: 1,
  pages: 1,
  transactions: 1,
  clear: true,
  writes: true,
  protect: true,
} as const;

test.each([
  ["tiny", ffaDomain(FFA_PRESETS.tiny), 1],
  ["a partition", ffaDomain(SPMC), 1],
  ["deaths", ffaDomain({ ...QUIET, deaths: true }), 1],
  [
    "fragments",
    ffaDomain({
      ...FFA_PRESETS.tiny,
      pages: 2,
      ranges: [
        [
          { page: 0, pages: 1 },
          { page: 1, pages: 1 },
        ],
      ],
      verbs: ["lend"],
      clear: false,
      writes: false,
      fragments: true,
    }),
    2,
  ],
])("%s: as many states, as far away, as a search by snapshots", async (_, domain, count) => {
  const pages = Array.from({ length: count }, (__, page) => 0x1000_0000n + BigInt(page) * 0x1000n);
  const { search, end } = await searched(domain);
  expect([end, search.findings]).toEqual(["exhausted", []]);
  expect(search.counts).toMatchObject(await searchBySnapshots(domain, pages));
});

test.each([
  ["ffa tiny", ffaDomain(FFA_PRESETS.tiny)],
  ["ffa secure, without wipes", ffaDomain({ ...FFA_PRESETS.secure, clear: false, writes: false })],
  ["pkvm-ffa tiny", pkvmFfaDomain(PKVM_FFA_PRESETS.tiny)],
  ["pkvm-ffa small", pkvmFfaDomain(PKVM_FFA_PRESETS.small)],
  ["pkvm-ffa versions", pkvmFfaDomain(PKVM_FFA_PRESETS.versions)],
])("%s: the order in which steps are tried changes no count", async (_, domain) => {
  const one = await explore(domain);
  const other = await explore({ ...domain, steps: domain.steps.toReversed() });
  expect([one.end, one.findings]).toEqual(["exhausted", []]);
  const counts = ({ counts: { states, transitions, tried, depth } }: Exploration) => [
    states,
    transitions,
    tried,
    depth,
  ];
  expect(counts(other)).toEqual(counts(one));
});
