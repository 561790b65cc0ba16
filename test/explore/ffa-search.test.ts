// The search over FF-A partition managers: what it visits, compared with a search made of snapshots and texts on the core that
// replays; and the bugs it finds.

import { expect, test } from "vitest";
import { GIVEN_AWAY, SECRET } from "../../assembly/abi/explore.js";
import { FFA_PROXY_BUGS } from "../../src/explore/bugs/ffa-proxy.js";
import { HAFNIUM_BUGS } from "../../src/explore/bugs/hafnium.js";
import { hasSearch } from "../../src/explore/bugs/index.js";
import { startSearch } from "../../src/explore/explore.js";
import { FFA_PRESETS, ffaDomain } from "../../src/explore/ffa-domain.js";
import type { AnyDomain, SystemDomain } from "../../src/explore/system-domain.js";
import { FfaState } from "../../src/machine/ffa-state.js";
import { stateName } from "../../src/machine/ffa-effects.js";
import { instantiateCore } from "../../src/machine/module.js";
import { Machine } from "../../src/machine/machine.js";
import { memoryAccesses, messagesLeftOut } from "./system-steps.js";

const FOUND = [...HAFNIUM_BUGS, ...FFA_PROXY_BUGS].filter(hasSearch);

async function searched(domain: AnyDomain, mutation = 0) {
  const search = await startSearch(domain, { mutation });
  return { search, end: search.run(200_000) };
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
] as const)("%s breaks %s, by %j, and without it nothing is found", async (name, rule, ops) => {
  const { domain, mutation, kind } = FOUND.find((bug) => bug.name === name)?.search ?? expect.fail("no such bug");
  const { search } = await searched(domain(), mutation);
  const [finding] = search.findings;
  expect([finding?.kind, finding?.rule]).toEqual([kind, rule]);
  expect(messagesLeftOut(finding?.steps ?? [])).toEqual(ops);

  const clean = await searched(domain());
  expect([clean.end, clean.search.findings]).toEqual(["exhausted", []]);
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
  domain: SystemDomain,
  pages: readonly bigint[],
): Promise<{ states: number; depth: number }> {
  const machine = Machine.createOn(await instantiateCore(), domain.config);
  const seen = new Set([textOf(machine, pages)]);
  let frontier = [machine.snapshot()];
  let depth = 0;
  for (; frontier.length !== 0; depth++) {
    const next = [];
    for (const snapshot of frontier) {
      for (const { calls } of domain.steps) {
        machine.restore(snapshot);
        for (const call of calls) {
          if (call.op === "access") machine.accessBatch(memoryAccesses(call));
          else machine.apply(call);
        }
        giveAway(machine, pages);
        const text = textOf(machine, pages);
        if (seen.has(text)) continue;
        seen.add(text);
        next.push(machine.snapshot());
      }
    }
    frontier = next;
  }
  return { states: seen.size, depth: depth - 1 };
}

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
