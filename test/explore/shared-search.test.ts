// A search that is shared out: whatever the number of workers, the states, transitions and depth are those of one, and so are
// the ways to what it finds. Here all workers are in this thread, with ports between them.

import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import type { Domain } from "../../src/explore/domain.js";
import { explore } from "../../src/explore/explore.js";
import { connect } from "../../src/explore/peers.js";
import { pkvmDomain } from "../../src/explore/pkvm-domain.js";
import { Search, type FoundAt, type SearchCounts } from "../../src/explore/search.js";
import { searchShare, type SharedOptions, type ShareResult } from "../../src/explore/shared-search.js";
import { isSystemDomain } from "../../src/explore/system-domain.js";
import { pkvmDomainOf } from "./pkvm-search.js";

const ROOM = { maxStates: 20_000 };
const TWO_VMS = pkvmDomain({ pages: 1, tablePages: 1, vms: [true, false], gfns: 1 });

/** Two guests' tables can be either of two pages; without what takes the search farther away. */
const EITHER_TABLE = pkvmDomain({ pages: 1, tablePages: 2, vms: [true, false], gfns: 1 });
const TABLES_ONLY: Domain = {
  ...EITHER_TABLE,
  steps: EITHER_TABLE.steps.filter(({ op }) => !/access|teardown|hyp|guest_(un)?share/.test(op)),
};

function shares(domain: Domain, workers: number, options: SharedOptions = {}): Promise<ShareResult[]> {
  const { signal } = new AbortController();
  const context = { report: () => undefined, pause: () => nextTurn(), signal };
  return Promise.all(
    connect(workers).map((ports, worker) =>
      searchShare(domain, { ...ROOM, ...options }, { worker, workers }, ports, context),
    ),
  );
}

const sumOf = <Key extends "tried" | "transitions">(results: readonly { counts: SearchCounts }[], key: Key) =>
  results.reduce((sum, { counts }) => sum + counts[key], 0n);

/** All workers have all states; what was tried is shared out. */
function countsOf(results: readonly { counts: SearchCounts }[]) {
  const { states, expanded, depth } = results[0]?.counts ?? expect.fail("no worker");
  for (const { counts } of results) expect(counts).toMatchObject({ states, expanded, depth });
  return { states, expanded, depth, tried: sumOf(results, "tried"), transitions: sumOf(results, "transitions") };
}

/** What a worker alone finds, with the numbers of the states that it finds it in. */
async function findingsAlone(domain: Domain, options: SharedOptions): Promise<FoundAt[]> {
  const search = await Search.start(domain, { ...ROOM, ...options });
  search.run(ROOM.maxStates, options.all !== true);
  return search.findings;
}

const byPlace = (one: FoundAt, other: FoundAt) => one.at[0] - other.at[0] || one.at[1] - other.at[1];
const allFound = (results: readonly ShareResult[]) => results.flatMap(({ findings }) => findings).toSorted(byPlace);

// prettier-ignore
test.each<[string, number, Domain]>([
  ["one protected VM", 2, pkvmDomain({ pages: 1, tablePages: 1, vms: [true], gfns: 1 })],
  ["two VMs", 1, TWO_VMS],
  ["two VMs", 2, TWO_VMS],
  ["two VMs", 3, TWO_VMS],
  ["two pages", 2, pkvmDomain({ pages: 2, tablePages: 1, vms: [true], gfns: 1 })],
  ["tables of either VM", 2, TABLES_ONLY],
  ["VMs that the host makes", 2, pkvmDomain({ pages: 1, tablePages: 1, vms: [true], gfns: 1, makesVms: true })],
])("%s, %i workers: the counts of one", async (_, workers, domain) => {
  const results = await shares(domain, workers);
  const one = await explore(domain, ROOM);
  expect(results.map(({ end }) => end)).toEqual(results.map(() => "exhausted"));
  expect(one.end).toBe("exhausted");
  expect(countsOf(results)).toEqual(countsOf([one]));
});

test("states that differ in names alone: the counts of one, and what they stand for", async () => {
  const domain = pkvmDomain({ pages: 2, tablePages: 1, vms: [true], gfns: 1 });
  const results = await shares(domain, 2, { symmetry: true });
  const one = await explore(domain, { ...ROOM, symmetry: true });
  const standFor = results.map(({ counts }) => counts.inAll ?? expect.fail("nothing is interchangeable"));
  expect(countsOf(results)).toEqual(countsOf([one]));
  expect(standFor.map(({ states }) => states)).toEqual(results.map(() => one.counts.inAll?.states));
  expect(standFor.reduce((sum, { transitions }) => sum + transitions, 0n)).toBe(one.counts.inAll?.transitions);
});

// For progress every operation is carried out in every state.
test.each(["leak", "progress"] as const)("with refinement and %s: the counts of one", async (rule) => {
  const options = { rules: ["refinement", rule], all: true } as const;
  const results = await shares(TWO_VMS, 2, options);
  const one = await explore(TWO_VMS, { ...ROOM, ...options });
  const asked = results.reduce((sum, { counts }) => sum + (counts.compared?.answers ?? 0n), 0n);
  expect(results.map(({ end }) => end)).toEqual([one.end, one.end]);
  expect(countsOf(results)).toEqual(countsOf([one]));
  expect(asked).toBe(one.counts.compared?.answers);
});

test.each([false, true])("all workers have their part of what is tried (everywhere: %s)", async (everywhere) => {
  const results = await shares(TWO_VMS, 3, { everywhere });
  const tried = results.map(({ counts }) => Number(counts.tried));
  expect(Math.min(...tried)).toBeGreaterThan(Math.max(...tried) / 3);
});

const FOUND = BUGS.filter(hasSearch).filter(({ search }) => search.cpus !== 2 && !isSystemDomain(search.domain()));

test.each(FOUND.slice(0, 4))("$name: two workers find it by the same way as one", async ({ search }) => {
  const { mutation } = search;
  const domain = pkvmDomainOf(search);
  const [first] = allFound(await shares(domain, 2, { mutation }));
  expect([first]).toEqual(await findingsAlone(domain, { mutation }));
});

test.each(FOUND.slice(4, 8))("$name: past the first finding, three workers find what one finds", async ({ search }) => {
  const { mutation } = search;
  const domain = pkvmDomainOf(search);
  const options = { mutation, all: true, maxStates: 2000 };
  const found = allFound(await shares(domain, 3, options));
  const key = ({ kind, code, steps }: FoundAt) => [kind, code, steps.at(-1)?.op].join(" ");
  const firsts = found.filter((finding, index) => found.findIndex((other) => key(other) === key(finding)) === index);
  expect(firsts).toEqual((await findingsAlone(domain, options)).toSorted(byPlace));
});

test.each([
  [0, "exhausted"],
  [1, "states"],
])("with room for all states but %i: %s", async (missing, end) => {
  const { states } = (await explore(TWO_VMS, ROOM)).counts;
  const results = await shares(TWO_VMS, 2, { maxStates: states - missing });
  expect(results.map((result) => result.end)).toEqual([end, end]);
  expect(results.map(({ counts }) => counts.states)).toEqual([states - missing, states - missing]);
});
